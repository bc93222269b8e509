"""Matches and contractions against dense einsums with the supports as masks."""

import weakref
from importlib import import_module

import pytest
import torch
from torch import Tensor

from einnet.errors import EinNetError, ShapeError
from einnet.limits import raise_limits
from einnet.nn.sparse import Support
from einnet.nn.sparse.contract import contract
from einnet.nn.sparse.matches import Matches, Partial, find_matches

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
        self.values = [torch.randn([size] * len(t) + [features], generator=g, dtype=torch.float64) for t in self.names]
        self.matches = find_matches(self.names[:-1], self.supports, self.sizes, self.names[-1])
        self.rows = [to_rows(x, s) for x, s in zip(self.values, self.supports, strict=True)]

    def mask(self, k: int) -> Tensor:
        support, shape = self.supports[k], self.values[k].shape[:-1]
        if support is None:
            return torch.ones([*shape, 1], dtype=torch.float64)
        mask = torch.zeros([*shape, 1], dtype=torch.float64)
        mask[tuple(support.index)] = 1
        return mask

    def compute_by_einsum(self, target: int) -> Tensor:
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

    def contract(self, target: int) -> Tensor:
        return contract(self.matches, [x for k, x in enumerate(self.rows) if k != target], target)


@pytest.mark.parametrize("term", TERMS)
def test_contraction_equals_masked_einsum_for_each_target(term):
    for density in (0.0, 0.3, 1.0):
        case = Case(term, size=3 if len(term) > 20 else 4, density=density)
        for target in range(len(case.names)):
            torch.testing.assert_close(case.contract(target), case.compute_by_einsum(target), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("term", TERMS)
def test_gradients(term):
    case = Case(term, size=3, density=0.4, features=2)
    operands = [x.requires_grad_() for x in case.rows[:-1]]
    operands[0] = operands[0][:, :1].detach().requires_grad_()  # one number for each row

    def run(*operands: Tensor) -> Tensor:
        return contract(case.matches, operands)

    assert torch.autograd.gradcheck(run, operands)
    assert torch.autograd.gradgradcheck(run, operands)


@pytest.fixture
def small_chunks(monkeypatch):
    """Joins of a few partial matches and products of a few matches at a time."""
    monkeypatch.setattr(import_module("einnet.nn.sparse.matches"), "CHUNK", 3)
    monkeypatch.setitem(import_module("einnet.nn.sparse.contract").CHUNK, "cpu", 7)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("term", ["[ab],[bc]->[ac]", "[ab],[bc],[cd]->[ad]", "b,[ba]->a", "[ab],[cd]->[bc]"])
def test_chunks_add_up(term):
    case = Case(term, size=4, density=0.7)
    for target in range(len(case.names)):
        torch.testing.assert_close(case.contract(target), case.compute_by_einsum(target), rtol=1e-12, atol=1e-12)


def test_one_number_for_a_row_is_all_features_at_once():
    case = Case("[ab],[bc],c->[ac]")
    for narrow in ([0], [2], [0, 1], [1, 2], [0, 1, 2]):
        thin = [x[:, :1] if k in narrow else x for k, x in enumerate(case.rows[:-1])]
        wide = [x.expand(-1, 3) for x in thin]
        result = contract(case.matches, thin)
        torch.testing.assert_close(result.expand(-1, 3), contract(case.matches, wide), rtol=1e-12, atol=1e-12)
        low = contract(case.matches, [x.bfloat16() for x in thin])
        torch.testing.assert_close(low.double(), result, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float64), (torch.float64, torch.complex128)])
def test_the_result_has_the_widest_number_format_of_the_operands(place, dtypes):
    case, (narrow, wide) = Case("[ab],[bc],c->[ac]"), dtypes
    rows = [x.to(wide if k == place else narrow) for k, x in enumerate(case.rows[:-1])]
    total = contract(case.matches, rows)
    assert total.dtype == wide
    torch.testing.assert_close(total, case.contract(3).to(wide), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("term", ["[ab],[bc]->[ac]", "[ab]->b", "a,b->[ab]", "[aa]->a", "[ab],b->[ba]"])
def test_an_order_is_computed_once_and_takes_four_bytes_a_match(term):
    matches = Case(term).matches
    for target in range(len(matches.rows)):
        order = matches.order(target)
        tensors = [order.pointers, order.counter, *(p for p in order.positions if p is not None)]
        assert {x.dtype for x in tensors} == {torch.int32}
        assert matches.order(target) is order and order.chunks(3) is order.chunks(3)
        assert order.counter is order.counter
        for k, places in enumerate(order.positions):  # only what is no counter is kept
            assert k != target or places is None
            assert places is None or not torch.equal(places, torch.arange(matches.rows[k], dtype=torch.int32))
        counts = torch.bincount(matches.positions[target], minlength=matches.rows[target])
        assert torch.equal(order.pointers.diff(), counts.int()) and order.pointers[0] == 0
        assert order.is_identity == bool((counts == 1).all())


def test_partial_matches_keep_only_the_indices_that_are_needed():
    a, b = torch.arange(4), torch.arange(4) + 10
    partial = Partial(4, {"a": a, "b": b}, {0: a + 20})
    rows = torch.tensor([3, 1])
    some, all_indices = partial.select(rows, {"b"}), partial.select(slice(1, 3))
    assert (some.length, all_indices.length, partial.select(rows, set()).length) == (2, 2, 2)
    assert {i: x.tolist() for i, x in some.values.items()} == {"b": [13, 11]}
    assert {i: x.tolist() for i, x in all_indices.values.items()} == {"a": [1, 2], "b": [11, 12]}
    assert some.entries[0].tolist() == [23, 21] and all_indices.entries[0].tolist() == [21, 22]
    assert Partial(1, {}, {}).select(slice(0, 1)).length == 1


def test_batch_in_the_features():
    case = Case("[ab],[bc]->[ac]", features=6)
    halves = [contract(case.matches, [x[:, part] for x in case.rows[:-1]]) for part in (slice(3), slice(3, 6))]
    torch.testing.assert_close(torch.cat(halves, 1), case.contract(2))


@pytest.mark.parametrize("sizes", [(0, 0), (0, 3), (4, 3)])
def test_no_entries(sizes):
    support = Support(torch.zeros(2, 0, dtype=torch.long), sizes)
    matches = find_matches([("b",), ("a", "b")], [None, support, None], {"a": sizes[0], "b": sizes[1]}, ("a",))
    operands = [torch.ones(sizes[1], 2, requires_grad=True), torch.ones(0, 2, requires_grad=True)]
    total = contract(matches, operands)
    assert total.shape == (sizes[0], 2) and not total.any()
    assert [g.shape for g in torch.autograd.grad(total.sum(), operands)] == [(sizes[1], 2), (0, 2)]
    assert contract(matches, [x[:, :0] for x in operands]).shape == (sizes[0], 0)


def test_k4_are_found_once_for_each_order_of_their_nodes():
    pairs = torch.combinations(torch.arange(5))
    complete = Support(torch.cat([pairs, pairs.flip(1)]).T, (9, 9))  # the other nodes are isolated
    matches = find_matches(
        [tuple(t) for t in ("ab", "ac", "ad", "bc", "bd")], [complete] * 6, dict.fromkeys("abcd", 9), ("c", "d")
    )
    assert len(matches) == 5 * 4 * 3 * 2
    assert len(set(map(tuple, matches.positions.T.tolist()))) == len(matches)


def test_nothing_but_the_operands_is_saved_for_backward():
    case = Case("[ab],[bc]->[ac]", size=8, features=2)
    operands = [x.clone().requires_grad_() for x in case.rows[:-1]]
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        contract(case.matches, operands)
    assert [x.data_ptr() for x in saved] == [x.data_ptr() for x in operands]


def test_matches_are_kept_with_the_supports_and_dropped_with_them():
    first, second = (Support(torch.tensor([[0, 1], [1, 0]]), (2, 2)) for _ in range(2))
    tuples, sizes = [("a", "b"), ("b", "c")], dict.fromkeys("abcxyz", 2)
    matches = find_matches(tuples, [first, second, None], sizes, ("a", "c"))
    assert find_matches([("x", "y"), ("y", "z")], [first, second, None], sizes, ("x", "z")) is matches
    assert find_matches(tuples, [first, first, None], sizes, ("a", "c")) is not matches
    alive = weakref.ref(matches)
    del matches
    assert alive() is not None
    del second
    assert alive() is None
    alive = weakref.ref(find_matches(tuples, [first, first, None], sizes, ("a", "c")))
    del first
    assert alive() is None


def test_what_cannot_be_matched_is_refused():
    edges = Support(torch.tensor([[0, 1, 1], [1, 0, 2]]), (3, 3))
    sizes = dict.fromkeys("abcd", 3)
    with pytest.raises(EinNetError, match="'c' .* is on no sparse tuple"):
        find_matches([("a", "b"), ("c",)], [edges, None, None], sizes, ("a",))
    with pytest.raises(ShapeError, match="sizes"):
        find_matches([("a", "b")], [edges, None], sizes | {"a": 4}, ("a",))
    with raise_limits(matches=8), pytest.raises(EinNetError, match=r"ab,cd->a has 9 matches .*matches="):
        find_matches([("a", "b"), ("c", "d")], [edges, edges, None], sizes, ("a",))
    matches = find_matches([("a", "b")], [edges, None], sizes, ("a",))
    with pytest.raises(ShapeError, match=r"operands of \[3\] rows"):
        contract(matches, [torch.ones(2, 2)])
    with pytest.raises(ShapeError, match=r"\[2, 3\]"):
        contract(Matches(matches.positions[[0, 0, 1]], [3, 3, 3]), [torch.ones(3, 2), torch.ones(3, 3)])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(dtype):
    number = 3000
    support = Support(torch.stack([torch.zeros(number, dtype=torch.long), torch.arange(number)]), (1, number))
    sizes = {"a": 1, "b": number}
    one = find_matches([("a", "b")], [support, None], sizes, ("a",))
    two = find_matches([("b",), ("a", "b")], [None, support, None], sizes, ("a",))
    x = torch.full((number, 2), 1.0, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        for total in (contract(one, [x]), contract(two, [x, x]), contract(two, [x, x[:, :1]])):
            assert total.dtype == dtype
            torch.testing.assert_close(total.float(), torch.full((1, 2), float(number)), rtol=4e-3, atol=0)


def test_deterministic_algorithms():
    case = Case("b,[ba]->a")
    torch.use_deterministic_algorithms(True)
    try:
        operands = [x.clone().requires_grad_() for x in case.rows[:-1]]
        contract(case.matches, operands).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(operands[0].grad, contract(case.matches, [case.rows[1], torch.ones(5, 1)], 0))


def test_compiled_in_one_graph_for_all_supports():
    graphs = []

    def run(matches: Matches, x: Tensor, y: Tensor) -> Tensor:
        return contract(matches, [x * 2, y]).sin()

    def back_end(graph, inputs):
        graphs.append(graph)
        return graph

    compiled = torch.compile(run, backend=back_end, fullgraph=True, dynamic=True)
    for size in (4, 5, 6, 7):
        case = Case("[ab],[bc]->[ac]", size=size, seed=size)
        x, y = (x.clone().requires_grad_() for x in case.rows[:-1])
        total = compiled(case.matches, x, y)
        torch.testing.assert_close(total, run(case.matches, x, y))
        gradients, eager = (torch.autograd.grad(f.sum(), [x, y]) for f in (total, run(case.matches, x, y)))
        torch.testing.assert_close(gradients, eager)
    assert len(graphs) <= 2


def test_custom_operator_is_registered_correctly():
    case = Case("[ab],[bc]->[ac]")
    operands = [x.clone().requires_grad_() for x in case.rows[:-1]]
    arguments = (operands, case.matches.positions, list(case.matches.rows), 2, 3)
    utilities = ("test_schema", "test_autograd_registration", "test_faketensor")  # compiled gradients are tested above
    torch.library.opcheck(torch.ops.einnet.contract_rows.default, arguments, test_utils=utilities)


def test_transformations_of_functions():
    case = Case("[ab],[bc]->[ac]")
    x, y = case.rows[:2]
    gradient = torch.func.grad(lambda x: contract(case.matches, [x, y]).sum())(x)
    torch.testing.assert_close(gradient, contract(case.matches, [y, torch.ones_like(case.rows[2])], 0))
    batch = torch.func.vmap(lambda x: contract(case.matches, [x, y]))(torch.stack([x, 2 * x]))
    torch.testing.assert_close(batch[1], 2 * case.contract(2))
