"""What a wrong call raises: the class of the error, the place of the caret and a key phrase; whole texts are in `snapshots/`."""

from collections.abc import Callable

import pytest

from einnet.errors import EinNetError, NotationError
from einnet.limits import raise_limits


def assert_refused(
    call: Callable[[], object], error_class: type[Exception], *phrases: str, caret: tuple[int, int] | None = None
) -> None:
    """Asserts that `call` raises exactly `error_class`, with every phrase in its message (literal, case ignored).

    `caret` is the part of the notation that the message points at: its start and its end, counted from 0.
    """
    with pytest.raises(error_class) as caught:
        call()
    error = caught.value
    assert type(error) is error_class
    message = str(error)
    for phrase in phrases:
        assert phrase.lower() in message.lower()
    if caret is not None:
        assert isinstance(error, NotationError)
        assert (error.start, error.stop) == caret
        line = f"  {error.text}\n  {' ' * caret[0]}{'^' * (caret[1] - caret[0])}"
        assert line in message


def assert_limited(call: Callable[[], object], limit: str, number: int) -> None:
    """Asserts that `call` needs exactly `number` of what `limit` bounds; the message of a lower limit says so."""
    with raise_limits(**{limit: number}):
        call()
    with raise_limits(**{limit: number - 1}), pytest.raises(EinNetError) as caught:
        call()
    assert f"{limit}=" in str(caught.value)
