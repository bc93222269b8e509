"""What the blocks share whose layers lead from state to state: `Stack`."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from einnet.nn.masks import Masks

__all__ = ["Stack"]

Step = Callable[[nn.Module, Tensor], Tensor]


class Stack(nn.Module, ABC):
    """Inputs to a state, layers run `iterations` times one after the other, the state to the output.

    States have the shape (batch..., axes..., hidden).
    """

    layers: nn.ModuleList
    iterations: int

    @abstractmethod
    def start(self, inputs: Sequence[Tensor], masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        """The state before the first layer."""

    @abstractmethod
    def step(self, inputs: Sequence[Tensor], masks: Masks | None, sizes: Mapping[str, int]) -> Step:
        """How a layer takes a state to the next one, for these inputs."""

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
        """The state after each layer."""
        x = self.start(inputs, masks, sizes) if start is None else start
        step = self.step(inputs, masks, sizes)
        for _ in range(self.iterations if iterations is None else iterations):
            for layer in self.layers:
                x = step(layer, x)
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
