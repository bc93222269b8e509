"""Networks as files for other programs: ONNX, or a program of torch.export.

The batch and all axes stay free, from length 1 on.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from einnet.checks import check_package
from einnet.errors import EinNetError, ShapeError
from einnet.files import write_whole
from einnet.signature import Signature

__all__ = ["check_examples", "export_network"]

SUFFIXES = (".onnx", ".pt2")
REMARKS = ("torch.onnx", "torch.onnx._internal.exporter._registration", "onnxscript")  # loggers


def export_network(
    net: nn.Module,
    signature: Signature,
    path: Path | str,
    inputs: Sequence[Tensor],
    sizes: Mapping[str, int] | None,
    decompositions: Mapping[Any, Callable],
) -> None:
    """Writes `net` to a .onnx file, for ONNX's runtimes, or a .pt2 file, for `torch.export.load`.

    >>> import tempfile
    >>> from einnet import EinNet
    >>> net = EinNet("aaH -> aH", 3, 2, hidden=8, heads=2, depth=1).eval()
    >>> path = Path(tempfile.mkdtemp()) / "net.pt2"
    >>> net.export(path, torch.randn(4, 6, 6, 3))                # an example: a batch of 4 relations over 6 things
    >>> x = torch.randn(2, 9, 9, 3)                              # the file takes others
    >>> torch.allclose(torch.export.load(path).module()(x), net(x), atol=1e-5)
    True

    The inputs are examples, with one batch axis; no axis of them has length 0 or 1, which torch would take as
    fixed. `sizes` are those of output axes that no input has: the file keeps them. Dropout is off, and masks are
    no part of the file. Operations that loop (the bridge) are written as plain products of two tensors, which
    need more memory: `decompositions` says how, by operator. Raises `EinNetError` for another kind of file,
    `ShapeError` for examples that do not do.
    """
    with write_whole(path) as temporary, _quiet():
        program = _program(_Fixed(net, sizes), signature, tuple(inputs), decompositions)
        if temporary.suffix == ".onnx":
            written = torch.onnx.export(program, dynamo=True, verbose=False)
            written.save(temporary)  # type: ignore[union-attr]
        else:
            torch.export.save(program, temporary)


def check_examples(path: Path, signature: Signature, inputs: Sequence[Tensor], sizes: Mapping[str, int]) -> None:
    """Raises for another kind of file, or for inputs that cannot stand for others."""
    if path.suffix not in SUFFIXES:
        raise EinNetError(f"a network is exported as {' or '.join(SUFFIXES)}, got the file name '{path}'")
    if path.suffix == ".onnx":
        for package in ("onnx", "onnxscript"):
            check_package(package, "an ONNX file")
    if len(inputs) != len(signature.inputs):
        raise ShapeError(f"'{signature}' has {len(signature.inputs)} inputs, got {len(inputs)} examples")
    for x, symmetry in zip(inputs, signature.inputs, strict=True):
        if not isinstance(x, Tensor) or x.dim() != len(symmetry.axes) + 2 or min(x.shape[:-1]) < 2:
            received = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ShapeError(
                f"an example of type '{symmetry}' has a batch axis, {len(symmetry.axes)} axes and features, each but "
                f"the features of length 2 or more; got {received}"
            )
        if path.suffix == ".onnx" and x.dtype == torch.float64:
            raise EinNetError("ONNX runtimes have not all operations in double precision: export net.float()")
    if known := sizes.keys() & {c for t in signature.inputs for c in t.axes}:
        raise ShapeError(f"sizes are of axes that no input has, which the file keeps; '{min(known)}' stays free")


class _Fixed(nn.Module):
    """A network with the sizes that no input has."""

    def __init__(self, net: nn.Module, sizes: Mapping[str, int] | None):
        super().__init__()
        self.net, self.sizes = net, sizes

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs, sizes=self.sizes)


def _program(
    net: nn.Module, signature: Signature, inputs: tuple[Tensor, ...], decompositions: Mapping
) -> ExportedProgram:
    batch, lengths = Dim("batch", min=2), {c: Dim(f"n_{c}", min=2) for c in signature.classes}
    shapes = tuple({0: batch} | {k: lengths[c] for k, c in enumerate(t.axes, start=1)} for t in signature.inputs)
    program = torch.export.export(net, inputs, dynamic_shapes={"inputs": shapes})
    return program.run_decompositions(dict(decompositions))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's remarks about packages that are not needed say nothing here."""
    loggers = [logging.getLogger(name) for name in REMARKS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
