"""Sparse layers next to those of PyTorch Geometric; run by __main__.py."""

from collections.abc import Iterator
from importlib.util import find_spec

from scale import Scale, make_row
from sparse import FEATURES, Row, compare_layers

__all__ = ["make_tables"]


def _compare(scale: Scale, number: int) -> Iterator[list]:
    results: list[Row] = []

    def measure() -> list[str]:
        """The cells of EinNet's layer."""
        has_peers = find_spec("torch_geometric") is not None
        results.extend(compare_layers(number, scale.seconds, scale.device, peers=has_peers))
        return _make_cells(results[0])

    yield make_row([f"{number:,}"], 6, measure)
    for row in results[1:]:
        yield [f"{number:,}", *_make_cells(row)]


def _make_cells(row: Row) -> list[str]:
    return [row.name, f"{row.seconds * 1e3:.3f}", f"{row.first * 1e3:.0f}", f"{row.ratio:.2f}", f"{row.mib:,.0f}"]


def make_tables(scale: Scale) -> Iterator:
    yield (
        "Sparse layers",
        f'`EinLayer(("aH", "[aa]H"), {FEATURES})` and GINE layers with as many multiplications, forward and backward, '
        "single precision, random graphs of ten edges for each node.",
        ["edges", "layer", "ms", "first call ms", "of EinLayer", "MiB"],
        (row for number in scale.take(scale.edges) for row in _compare(scale, number)),
    )
