"""Problems of graphs: triangles with three colours, logP of molecules, links that are missing."""

from collections.abc import Sequence
from pathlib import Path

import networkx
import numpy as np
import torch
from samples import Data, Pairs, Problem, Samples, compute_logit_loss, measure_absolute_error, measure_order_error
from sets import as_tensor, draw_data
from torch import Tensor
from torch.nn.functional import l1_loss

__all__ = ["PROBLEMS", "load_molecules", "mark_pairs"]


def draw_triangles(generator: np.random.Generator, minimum: int, maximum: int) -> tuple[tuple, Tensor]:
    """A random graph of 3 to 7 neighbours on average; its triangles whose nodes have three different colours."""
    size = generator.integers(minimum, maximum + 1)
    share = generator.uniform(3, 7) / (size - 1)
    edges = np.triu(generator.uniform(size=(size, size)) < share, 1)
    edges, colours = (edges | edges.T).astype(np.float32), np.eye(3)[generator.integers(3, size=size)]
    red, green, blue = colours.T
    number = np.einsum("ab,bc,ca,a,b,c->", edges, edges, edges, red, green, blue, optimize=True)
    return (as_tensor(colours), as_tensor(edges[..., None])), as_tensor([number])


def load_molecules(file: Path, seed: int) -> Data:
    """The molecules of a file of benchmarks/molecules_data.py; the parts are the same for each seed."""
    from molecules_data import Molecules

    molecules = Molecules(file)

    def list_samples(numbers: Sequence[int]) -> Samples:
        batches = [molecules.select(torch.tensor([k])) for k in numbers]
        return Samples([(b.x, (b.index, b.bonds)) for b in batches], [b.y for b in batches])

    order = np.random.default_rng(seed).permutation(molecules.parts["train"].numpy()).tolist()
    return Data(list_samples(order), *(list_samples(molecules.parts[p].tolist()) for p in ("valid", "test")))


def load_links(seed: int) -> Data:
    """Characters of Les Miserables that meet: a tenth of the links to choose with, a tenth to test with.

    Each true link comes with one false one to learn from, and with ten to test with.
    """
    graph, generator = networkx.les_miserables_graph(), np.random.default_rng(seed)
    edges = networkx.to_numpy_array(graph, weight=None) > 0
    size = len(edges)
    true, false = (generator.permutation(np.argwhere(np.triu(x, 1))) for x in (edges, ~edges))
    held_out = len(true) // 10
    test, valid, train = np.split(true, [held_out, 2 * held_out])
    known = torch.from_numpy(np.concatenate([train, train[:, ::-1]]).T.copy())

    def pair(links: np.ndarray, start: int, ratio: int) -> Pairs:
        unlinked = false[start : start + ratio * len(links)]
        values = torch.arange(len(links) + len(unlinked)) < len(links)
        order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
        index = torch.from_numpy(np.concatenate([links, unlinked]).T.copy())
        return Pairs(index[:, order], values[order], (size, size), known)

    first, second = len(train), len(train) + 10 * len(valid)
    return Data(pair(train, 0, 1), pair(valid, first, 10), pair(test, second, 10))


def mark_pairs(pairs: Pairs) -> Samples:
    """Each pair as a graph whose two nodes are marked; the link between them, if it is known, is removed."""
    assert pairs.graph is not None
    size, inputs = pairs.sizes[0], []
    for k, (i, j) in enumerate(pairs.index.T.tolist()):
        marks = torch.ones(size, 2)  # the first feature counts nodes
        marks[:, 1] = 0
        marks[[i, j], 1] = 1
        rest = pairs.hide(torch.tensor([k])).graph
        inputs.append((marks, (rest, torch.ones(rest.shape[1], 1))))
    return Samples(inputs, list(pairs.values[:, None]))


PROBLEMS = {
    "triangles": Problem(
        "Triangles with three colours in graphs of 8 to 20 nodes (larger: 30 to 50)",
        "aH, aaH -> H",
        80,
        draw_data(draw_triangles, (8, 20), (30, 50)),
        l1_loss,
        "mean absolute error, standard deviations",
        measure_absolute_error,
    ),
    "links": Problem(
        "Missing links of a small graph: characters of Les Miserables that meet",
        "[aa]H -> [aa]H",
        30,
        load_links,
        compute_logit_loss,
        "share of (link, no link) in the wrong order: 1 - AUC",
        measure_order_error,
        examples=(10, 100),
    ),
}


def make_molecules(file: Path) -> Problem:
    return Problem(
        "logP of 4,000 molecules",
        "aH, [aa]H -> H",
        45,
        lambda seed: load_molecules(file, seed),
        l1_loss,
        "mean absolute error, standard deviations",
        measure_absolute_error,
    )
