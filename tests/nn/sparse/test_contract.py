"""Matches and contractions against dense einsums with the supports as masks."""

import pytest
import torch
from torch import Tensor

from einnet.errors import EinNetError, ShapeError
from einnet.limits import raise_limits
from einnet.nn.sparse import Matches, Support, contract, find_matches

# a term, with brackets for the sparse tuples
TERMS = [
    "[ab]->a",
    "[ab]->b",
    "[ab]->[ab]",
    "[ab]->[ba]",
    "[ab]->",
    "[aa]->a",
    "a->[ab]",
    "a,b->[ab]",
    "->[ab]",
    "b,[ba]->a",
    "[ab],[ab]->[ab]",
    "[ab],[bc]->[ac]",
    "[ab],[bc],[ca]->",
    "[ab],[bc],[ca]->a",
    "[ab],[bc],[cd]->[ad]",
    "[ab],[bc]->ac",
    "[ab],[cd]->[bc]",
    "[ab],[ac],[ad],[bc],[bd]->[cd]",
    "[ab],[bb],c->[bc]",
    "aa,[ab]->b",
    "[abc],[cd]->[abd]",
    "[aba],b->[ab]",
]


def read_term(term: str) -> tuple[list[tuple[str, ...]], list[bool]]:
    """The tuples of a term, the output last, and whether each is sparse."""
    words = term.replace("->", ",").split(",")
    return [tuple(w.strip("[]")) for w in words], ["[" in w for w in words]


def draw_support(sizes: tuple[int, ...], density: float, generator: torch.Generator) -> Support:
    """A random support, its entries in random order."""
    index = (torch.rand(sizes, generator=generator) < density).nonzero().T
    return Support(index[:, torch.randperm(index.shape[1], generator=generator)], sizes)


def to_rows(x: Tensor, support: Support | None) -> Tensor:
    """The rows of a dense tensor (axes..., features)."""
    return x.reshape(-1, x.shape[-1]) if support is None else x[tuple(support.index)]


class Case:
    """A term on random supports, one for each number of axes, with operands as dense tensors that are masked."""

    def __init__(self, term: str, size: int = 5, density: float = 0.5, seed: int = 0, features: int = 3):
        self.names, is_sparse = read_term(term)
        g = torch.Generator().manual_seed(seed)
        by_rank = {k: draw_support((size,) * k, density, g) for k in (1, 2, 3)}
        self.sizes = {i: size for t in self.names for i in t}
        self.supports = [by_rank[len(t)] if sparse else None for t, sparse in zip(self.names, is_sparse, strict=True)]
        self.values = [
            torch.randn([size] * len(t) + [features], generator=g, dtype=torch.float64) for t in self.names
        ]
        self.matches = find_matches(self.names[:-1], self.supports, self.sizes, self.names[-1])
        self.rows = [to_rows(x, s) for x, s in zip(self.values, self.supports, strict=True)]

    def mask(self, k: int) -> Tensor:
        support, shape = self.supports[k], self.values[k].shape[:-1]
        if support is None:
            return torch.ones([*shape, 1], dtype=torch.float64)
        mask = torch.zeros([*shape, 1], dtype=torch.float64)
        mask[tuple(support.index)] = 1
        return mask

    def expected(self, target: int) -> Tensor:
        """The einsum of the masked tensors, at the rows of the target."""
        tuples = range(len(self.names))
        factors = [self.mask(k) * (1 if k == target else self.values[k]) for k in tuples]
        letters = dict.fromkeys(i for t in self.names for i in t)
        product = torch.einsum(",".join("".join(t) + "z" for t in self.names) + "->" + "".join(letters) + "z", factors)
        out = torch.zeros_like(self.values[target])
        cells = torch.cartesian_prod(*[torch.arange(self.sizes[i]) for i in letters]).reshape(-1, len(letters))
        cells = dict(zip(letters, cells.T, strict=True))
        names = self.names[target]
        flat = product.reshape(-1, product.shape[-1])
        if not names:
            return flat.sum(0, keepdim=True)
        out.index_put_(tuple(cells[i] for i in names), flat, accumulate=True)
        return to_rows(out, self.supports[target])

    def result(self, target: int) -> Tensor:
        return contract(self.matches, [x for k, x in enumerate(self.rows) if k != target], target)


@pytest.mark.parametrize("term", TERMS)
def test_contraction_equals_masked_einsum_for_each_target(term):
    for density in (0.0, 0.3, 1.0):
        case = Case(term, size=3 if len(term) > 20 else 4, density=density)
        for target in range(len(case.names)):
            torch.testing.assert_close(case.result(target), case.expected(target), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("term", TERMS)
def test_gradients(term):
    case = Case(term, size=3, density=0.4, features=2)
    operands = [x.requires_grad_() for x in case.rows[:-1]]
    operands[0] = operands[0][:, :1].detach().requires_grad_()  # one number for each row

    def run(*operands: Tensor) -> Tensor:
        return contract(case.matches, operands)

    assert torch.autograd.gradcheck(run, operands)
    assert torch.autograd.gradgradcheck(run, operands)
