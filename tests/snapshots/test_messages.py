"""Messages of commands and of files, and messages.txt itself; other groups of calls are tested with what they call."""

import pytest

from snapshots.calls import CALLS
from snapshots.record import FILE, assert_recorded, format_record, names_of, read_record

TESTED_THERE = ("notation", "series", "shape", "argument")  # in terms, taylor and nn


def test_the_file_has_the_calls_and_its_format():
    record = read_record()
    assert list(record) == list(CALLS) and format_record(record) == FILE.read_text()
    assert {name.partition(":")[0] for name in CALLS} == {"command", "file", *TESTED_THERE}


@pytest.mark.parametrize("name", names_of("command", "file"))
def test_a_message_is_the_recorded_one(name):
    assert_recorded(name)
