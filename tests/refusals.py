"""What a wrong call must raise: an error with the right text, a `ShapeError` exactly where shapes or sizes are wrong."""

from collections.abc import Callable

import pytest

from einnet import EinNetError
from einnet.errors import ShapeError


def assert_refused(act: Callable[[], object], text: str, *, of_shape: bool) -> None:
    with pytest.raises(EinNetError, match=text) as caught:
        act()
    assert isinstance(caught.value, ShapeError) == of_shape
