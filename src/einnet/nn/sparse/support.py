"""Stub."""

from collections.abc import Sequence

from torch import Tensor


class Support:
    def __init__(self, index: Tensor, sizes: Sequence[int]):
        self.index, self.sizes = index, tuple(sizes)
