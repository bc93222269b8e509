"""Every message of calls.py is the one in messages.txt; after a change of messages: `python tests/snapshots`."""

import pytest

from snapshots.calls import CALLS
from snapshots.record import FILE, format_record, message_of, read_record

RECORD = read_record()


def test_the_file_has_the_calls_and_its_format():
    assert list(RECORD) == list(CALLS)
    assert format_record(RECORD) == FILE.read_text()


@pytest.mark.parametrize("name", CALLS)
def test_a_message_is_the_recorded_one(name):
    message = message_of(CALLS[name])
    assert message != "no error"
    assert message == RECORD.get(name), "run `python tests/snapshots` and read the difference"
