"""`predict`: what a trained network says of new data, in the forms that `fit` reads."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from einnet.checks import check_count
from einnet.errors import EinNetError
from einnet.fitting.samples import inputs_of, list_items, read_index, read_samples, values_of
from einnet.nn import EinNet

__all__ = ["predict"]


@torch.no_grad()
def predict(net: EinNet, inputs: Any, *, at: Any = None, batch_size: int = 64) -> Any:
    """The quantities or the classes that a network predicts for samples.

    >>> import numpy as np
    >>> import einnet
    >>> sets = [np.random.default_rng(n).normal(size=(5 + n % 3, 1)) for n in range(60)]
    >>> signs = ["plus" if x.sum() > 0 else "minus" for x in sets]
    >>> net = einnet.fit("aH -> H", sets, signs, steps=40, hidden=8, depth=1)
    >>> einnet.predict(net, [np.full((4, 1), 1.0), np.full((9, 1), -1.0)])
    array(['plus', 'minus'], dtype='<U5')

    Args:
        inputs: as `fit` takes them: an array, a list of samples of any sizes, a dataset whose targets are not looked
            at, graphs of PyTorch Geometric, or one structure.
        at: index tuples (axes, M) of an output in brackets.
        batch_size: how many samples are computed at once.

    Returns quantities as a tensor (samples, axes..., features) on the CPU, in the units of the targets; names of
    classes as an array (samples, axes...). For an output with axes, of samples of a list, a list of such; of one
    structure what it alone has; with `at` (M, features) or (M,). Raises as `fit` does.
    """
    weight, batch_size = next(net.parameters()), check_count(batch_size, "batch_size")
    items = list_items(inputs)
    if items is not inputs:  # a dataset, whose items have targets
        items = [inputs_of(item) for item in items]
    samples, is_single = read_samples(net.signature, items, weight.dtype, weight.device)
    if samples.widths != net.config.in_features:
        raise EinNetError(f"the network has inputs of {net.config.in_features} features, got {samples.widths}")
    was_training, options = net.training, {}
    if at is not None:
        options["at"] = read_index(at, net.signature, samples.number, weight.device)
    net.eval()
    try:
        parts: list[Tensor] = []
        for numbers in torch.arange(samples.number).split(batch_size):
            call, own = samples.take(numbers)
            output = values_of(net(*call, **own, **options))
            parts += [output] if at is not None else samples.separate(output, numbers)
    finally:
        net.train(was_training)
    if is_single or at is not None:
        return _name(parts[0], net)
    if samples.has_one_shape or not net.signature.output.axes:
        return _name(torch.stack(parts), net)
    return [_name(part, net) for part in parts]


def _name(output: Tensor, net: EinNet) -> Tensor | np.ndarray:
    """Quantities as they are, of logits the class."""
    classes = net.config.classes
    return output.cpu() if classes is None else np.asarray(classes)[output.argmax(-1).cpu().numpy()]
