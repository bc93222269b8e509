"""What the blocks share whose layers lead from state to state: `Stack`."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from einnet.nn.masks import Masks
from einnet.symmetry import Symmetry

__all__ = ["Stack"]


class Stack(nn.Module, ABC):
    """Inputs to a state, layers run `iterations` times one after the other, the state to the output.

    States have the shape (batch..., axes..., hidden).
    """

    layers: nn.ModuleList
    state: Symmetry
    iterations: int

    @abstractmethod
    def lifted(self, inputs: Sequence[Tensor], masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        """The inputs as one tensor of the state's type, which every step may see."""

    @abstractmethod
    def first(self, given: Tensor, masks: Masks | None) -> Tensor:
        """The state before the first layer, from the lifted inputs."""

    @abstractmethod
    def step(self, layer: nn.Module, x: Tensor, given: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        """The state after a layer."""

    @abstractmethod
    def read(self, state: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        """The output from a state."""

    def states(
        self,
        inputs: Sequence[Tensor],
        masks: Masks | None,
        sizes: Mapping[str, int],
        start: Tensor | None = None,
        iterations: int | None = None,
    ) -> Iterator[Tensor]:
        """The state after each layer; masks of the state's type are made here, once."""
        given, its = self.lifted(inputs, masks, sizes), masks and masks.restricted_to(self.state)
        x = self.first(given, its) if start is None else start
        for _ in range(self.iterations if iterations is None else iterations):
            for layer in self.layers:
                x = self.step(layer, x, given, its, sizes)
                yield x

    def forward(
        self,
        inputs: Sequence[Tensor],
        masks: Masks | None,
        sizes: Mapping[str, int],
        iterations: int | None = None,
    ) -> Tensor:
        return self.read(_last(self.states(inputs, masks, sizes, None, iterations)), masks, sizes)


def _last(states: Iterable[Tensor]) -> Tensor:
    """The last one; those before are not kept."""
    (last,) = deque(states, maxlen=1)
    return last
