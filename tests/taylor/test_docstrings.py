"""The examples in the docstrings of `einnet.taylor`."""

import pytest

from docstrings import assert_examples_hold, modules_of


@pytest.mark.parametrize("module", modules_of("einnet.taylor"))
def test_the_examples_of_a_module_hold(module):
    assert_examples_hold(module)
