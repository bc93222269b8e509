"""Messages of wrong calls, whole, as in snapshots/messages.txt."""

import pytest

from snapshots.record import assert_recorded, names_of


@pytest.mark.parametrize("name", names_of("series"))
def test_a_message_is_the_recorded_one(name):
    assert_recorded(name)
