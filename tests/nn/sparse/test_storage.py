"""Sparse tensors in the forms that people have: each is read and comes back, nothing is made dense, errors say why."""

import numpy as np
import pytest
import scipy.sparse
import torch

from einnet.errors import EinNetError, ShapeError
from einnet.nn.sparse.storage import as_sparse, read_inputs, to_form
from einnet.nn.sparse.support import Support
from einnet.symmetry import Symmetry
from refusals import assert_refused

INDEX = torch.tensor([[0, 0, 2, 3], [1, 3, 0, 2]])  # sorted; element 4 is isolated
SIZE = (5, 5)
LENGTHS = [2, 0, 3, 1]
PARENT = torch.tensor([0, 0, 2, 2, 2, 3])


def make_coo(values, index=INDEX, size=SIZE):
    return torch.sparse_coo_tensor(index, values, (*size, *values.shape[1:]), check_invariants=True)


def shuffle_coo(values):
    order = torch.tensor([2, 0, 3, 1])
    return make_coo(values[order], INDEX[:, order])


def make_compressed(layout):
    def make(values):
        outer, inner = INDEX if layout == torch.sparse_csr else INDEX.flip(0)
        order = (outer * 5 + inner).argsort()
        starts = torch.cat([torch.zeros(1, dtype=torch.long), outer.bincount(minlength=5).cumsum(0)])
        shape = (*SIZE, *values.shape[1:])
        return torch.sparse_compressed_tensor(
            starts, inner[order], values[order], shape, layout=layout, check_invariants=True
        )

    return make


GRAPHS = {
    "pair": lambda values: (INDEX, values),
    "int32": lambda values: (INDEX.int(), values),
    "support": lambda values: (Support(INDEX, SIZE), values),
    "coo": make_coo,
    "coo in another order": shuffle_coo,
    "csr": make_compressed(torch.sparse_csr),
    "csc": make_compressed(torch.sparse_csc),
}
LISTS = {
    "parent": lambda values: (PARENT, values),
    "index": lambda values: (torch.stack([PARENT, torch.tensor([0, 1, 0, 1, 2, 0])]), values),
    "list": lambda values: list(values.split(LENGTHS)),
    "jagged": lambda values: torch.nested.nested_tensor_from_jagged(values, torch.tensor([0, 2, 2, 5, 6])),
    "nested": lambda values: torch.nested.as_nested_tensor(list(values.split(LENGTHS))),
}


def flatten(x):
    """The tensors of a form."""
    if isinstance(x, tuple | list):
        return [y for part in x for y in flatten(part)]
    if isinstance(x, Support):
        return [x.index]
    if x.is_nested:
        return list(x.unbind())
    return [x if x.layout == torch.strided else x.to_dense()]


def to_dense(support, values):
    dense = values.new_zeros(*support.sizes, *values.shape[:-2], values.shape[-1])
    dense[tuple(support.index)] = values.movedim(-2, 0)
    return dense


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("form", GRAPHS)
def test_a_graph_is_read_and_comes_back(form, dtype):
    values = torch.arange(1.0, 9).reshape(4, 2).to(dtype).requires_grad_()
    x = GRAPHS[form](values)
    support, y = as_sparse(x, "[aa]H", {"a": 5})
    assert tuple(support.sizes) == SIZE and y.shape == (4, 2) and y.dtype == dtype and y.is_contiguous()
    assert torch.equal(to_dense(support, y), to_dense(Support(INDEX, SIZE), values))
    result = to_form(support, 2 * y, x)
    assert type(result) is type(x) and getattr(result, "layout", None) == getattr(x, "layout", None)
    for one, two in zip(flatten(result)[-1:], flatten(x)[-1:], strict=True):
        assert torch.equal(one, 2 * two)
    flatten(result)[-1].sum().backward()
    assert torch.equal(values.grad, torch.full((4, 2), 2.0, dtype=dtype))


@pytest.mark.parametrize("form", LISTS)
def test_lists_are_read_and_come_back(form):
    values = torch.randn(6, 3, requires_grad=True)
    x = LISTS[form](values)
    support, y = as_sparse(x, "[ab]H; a->b", {"a": 4})
    assert tuple(support.sizes) == (4, 3) and torch.equal(y, values)
    assert torch.equal(support.index, torch.stack([PARENT, torch.tensor([0, 1, 0, 1, 2, 0])]))
    result = to_form(support, 2 * y, x)
    assert type(result) is type(x)
    for one, two in zip(flatten(result)[-4:], flatten(x)[-4:], strict=True):
        assert torch.equal(one, 2 * two if two.is_floating_point() else two)
    sum(part.sum() for part in flatten(result) if part.is_floating_point()).backward()
    assert torch.equal(values.grad, torch.full((6, 3), 2.0))


def test_nested_tensors_come_back_with_the_offsets_that_torch_adds():
    x = LISTS["jagged"](torch.ones(6, 3))
    assert (x + to_form(*as_sparse(x, "[ab]H; a->b"), x)).values().eq(2).all()


def test_values_of_lists_come_in_any_order():
    support, _ = as_sparse((torch.tensor([1, 0, 1, 1, 0]), torch.ones(5, 1)), "[ab]H; a->b", {"a": 2})
    assert support.index.tolist() == [[1, 0, 1, 1, 0], [0, 0, 1, 2, 1]]


def test_lists_may_be_longer_than_the_dtype_of_their_numbers():
    support, _ = as_sparse((torch.zeros(300, dtype=torch.uint8), torch.ones(300, 1)), "[ab]H; a->b", {"a": 1})
    assert tuple(support.sizes) == (1, 300)
    assert_refused(lambda: as_sparse((torch.zeros(3), torch.ones(3, 1)), "[ab]H; a->b", {"a": 1}), TypeError, "long()")


@pytest.mark.parametrize("form", ["pair", "coo", "csr"])
def test_batch_axes_are_in_the_values(form):
    values = torch.randn(3, 4, 2)  # batch, entries, features
    x = GRAPHS[form](values) if form == "pair" else GRAPHS[form](values.movedim(0, 1).contiguous())
    support, y = as_sparse(x, "[aa]H", {"a": 5})
    assert torch.equal(y, values) and y.is_contiguous()
    assert torch.equal(flatten(to_form(support, y, x))[-1], flatten(x)[-1])


@pytest.mark.parametrize("kind", ["coo", "csr", "csc", "lil", "dok", "dia"])
@pytest.mark.parametrize("of", ["array", "matrix"])
def test_scipy_has_one_feature(kind, of):
    weights = np.array([0.5, 0.0, 2.0, 3.0])  # an entry whose value is zero is an entry
    coo = scipy.sparse.coo_array((weights, INDEX.numpy()), shape=(5, 6))
    support, values = as_sparse(getattr(scipy.sparse, f"{kind}_{of}")(coo), "[ab]H")
    assert tuple(support.sizes) == (5, 6) and values.dtype == torch.float64
    assert torch.equal(to_dense(support, values)[..., 0], torch.from_numpy(coo.toarray()))
    assert kind not in ("coo", "csr", "csc") or values.shape == (4, 1)
    result = to_form(support, torch.cat([values, values], -1), coo)
    assert result.layout == torch.sparse_coo and result.shape == (5, 6, 2)


@pytest.mark.parametrize("form", [make_coo, make_compressed(torch.sparse_csr), make_compressed(torch.sparse_csc)])
def test_plain_matrices_have_one_feature(form):
    x = form(torch.arange(1.0, 5))
    support, values = as_sparse(x, "[aa]H")
    assert values.shape == (4, 1)
    assert torch.equal(to_form(support, values, x).to_dense().squeeze(-1), x.to_dense())


def test_nothing_is_made_dense():
    n = 10**9
    index, values = torch.tensor([[0, n - 1], [5, 7]]), torch.ones(2, 3)
    for x in ((index, values), make_coo(values, index, (n, n)), scipy.sparse.coo_array((np.ones(2), index), (n, n))):
        support, y = as_sparse(x, "[aa]H", {"a": n})
        assert flatten_sizes(to_form(support, y, x)) in (None, (n, n))


def flatten_sizes(x):
    return None if isinstance(x, tuple) else tuple(x.shape[:2])


def test_tuples_of_many_axes_are_compared_without_overflow():
    n = 2**40
    index = torch.tensor([[1, 1], [0, n - 1], [3, 3]])
    assert as_sparse((index, torch.ones(2, 1)), "[abc]H", dict.fromkeys("abc", n))[0].index.shape == (3, 2)
    index = index[:, [0, 0]]
    assert_refused(
        lambda: as_sparse((index, torch.ones(2, 1)), "[abc]H", dict.fromkeys("abc", n)), ShapeError, "repeat"
    )


@pytest.mark.parametrize("size", [0, 3])
def test_there_may_be_no_entries(size):
    index, values = torch.zeros(2, 0, dtype=torch.long), torch.ones(0, 4)
    csr = torch.sparse_csr_tensor(
        torch.zeros(size + 1).long(), index[0], values, (size, size, 4), check_invariants=True
    )
    for x in ((index, values), make_coo(values, index, (size, size)), csr):
        support, y = as_sparse(x, "[aa]H", {"a": size})
        assert tuple(support.sizes) == (size, size) and y.shape == (0, 4)
        assert flatten(to_form(support, y, x))[-1].shape[-1] == 4
    support, y = as_sparse((index[0], values), "[ab]H; a->b", {"a": size})
    assert tuple(support.sizes) == (size, 0)
    x = [values] * max(size, 1)
    assert [part.shape for part in to_form(*as_sparse(x, "[ab]H; a->b"), x)] == [(0, 4)] * len(x)


ONES = torch.ones(4, 2)
REFUSED = {
    "dense tensor": (torch.ones(5, 5, 2), TypeError, "to_sparse"),
    "numpy array": (np.ones((5, 5)), TypeError, "ndarray"),
    "layout": (torch.eye(4).to_sparse_bsr((2, 2)), TypeError, "to_sparse_csr"),
    "three": ((INDEX, ONES, ONES), ShapeError, "a tuple of two"),
    "list": ([INDEX, ONES], ShapeError, "pass a tuple (index, values), index (2, entries)"),
    "shape of the index": ((INDEX.T, ONES), ShapeError, "index.T"),
    "rank of the index": ((INDEX[0], ONES), ShapeError, "(2, entries)"),
    "no tensor as index": ((INDEX.numpy(), ONES), TypeError, "ndarray"),
    "float index": ((INDEX.float(), ONES), TypeError, "index.long()"),
    "mask as index": ((INDEX > 0, ONES), TypeError, "nonzero"),
    "negative": ((INDEX - 1, ONES), ShapeError, "from 0 to 4, got -1"),
    "out of range": ((INDEX * 2, ONES), ShapeError, "from 0 to 4, got 6"),
    "counts from 1": ((torch.tensor([[1, 5], [2, 3]]), ONES[:2]), ShapeError, "pass index - 1"),
    "duplicates": ((INDEX[:, [0, 1, 2, 0]], ONES), ShapeError, "1 repeated entries"),
    "duplicates of COO": (make_coo(ONES, INDEX[:, [0, 1, 0, 0]]), ShapeError, "2 entries that repeat"),
    "number of values": ((INDEX, ONES[:3]), ShapeError, "(batch..., 4, features)"),
    "no features": ((INDEX, ONES[:, 0]), ShapeError, "unsqueeze(-1)"),
    "no values": ((INDEX, None), TypeError, "torch.ones(entries, 1)"),
    "bool": ((INDEX, ONES > 0), ShapeError, "values.float()"),
    "device": ((INDEX, ONES.to("meta")), ShapeError, "are on meta"),
    "sparse features": (torch.ones(5, 5, 2).to_sparse(), ShapeError, "2 sparse dimensions"),
    "shape of COO": (make_coo(ONES, INDEX, (5, 6)), ShapeError, "size 6 on axis 'a', which has size 5"),
    "another size": (make_coo(ONES, INDEX, (6, 6)), ShapeError, "size 6 on axis 'a'"),
    "batch of CSR": (torch.eye(5).expand(3, 5, 5).to_sparse_csr(), ShapeError, "CSR"),
    "axes of a support": ((Support(INDEX[1:].sort().values, (5,)), ONES), ShapeError, "the support has 1"),
    "bool SciPy": (scipy.sparse.eye_array(5, dtype=bool), ShapeError, "values.float()"),
    "dtype of SciPy": (scipy.sparse.eye_array(5, dtype=np.longdouble), ShapeError, "astype"),
    "shape of SciPy": (scipy.sparse.eye_array(5, 6), ShapeError, "size 6 on axis 'a', which has size 5"),
    "axes of SciPy": (scipy.sparse.coo_array(np.ones(5)), ShapeError, "2 axes"),
    "lists": (LISTS["jagged"](ONES.new_ones(6, 1)), ShapeError, "[ab]H; a->b"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case):
    x, error, phrase = REFUSED[case]
    assert_refused(lambda: as_sparse(x, "[aa]H", {"a": 5}), error, phrase, "[aa]H")


def test_a_missing_size_is_refused():
    assert_refused(lambda: as_sparse((INDEX, ONES), "[ab]H", {"b": 5}), ShapeError, "sizes={'a': ...}")
    assert_refused(lambda: as_sparse((INDEX, ONES), "[ab]H"), ShapeError, "sizes={'a': ..., 'b': ...}")
    assert_refused(lambda: as_sparse((PARENT, torch.ones(6, 1)), "[ab]H; a->b"), ShapeError, "sizes={'a': ...}")


@pytest.mark.parametrize(
    ("x", "error", "phrase"),
    [
        ([], ShapeError, "one list or more"),
        ([ONES, 3], TypeError, "int at place 1"),
        ([[1.0, 2.0], [3.0]], TypeError, "torch.tensor(x).unsqueeze(-1)"),
        ([ONES, ONES[:, 0]], ShapeError, "(4,) at place 1: pass x.unsqueeze(-1)"),
        ([ONES[:, 0], ONES[:, 0]], ShapeError, "got (4,) at place 0: pass"),
        ([ONES, ONES[:, :1]], ShapeError, "(4, 1) at place 1"),
        ([ONES, ONES.double()], ShapeError, "torch.float64"),
        (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged), ShapeError, "features"),
        (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), ShapeError, "(2,)"),
    ],
)
def test_lists_that_do_not_fit_are_refused(x, error, phrase):
    assert_refused(lambda: as_sparse(x, "[ab]H; a->b"), error, phrase)


def test_lists_of_lists_of_tensors_are_refused():
    assert_refused(lambda: as_sparse([[ONES]], "[abc]H; a->b, b->c"), ShapeError, "two axes", "(3, entries)")


def test_a_dense_type_has_no_support():
    assert_refused(lambda: as_sparse((INDEX, ONES), "aaH", {"a": 5}), EinNetError, "brackets")


def test_inputs_share_sizes_and_supports():
    types = [Symmetry(t) for t in ("[aa]H", "aH", "[aa]H", "[ab]H")]
    inputs = [(INDEX, ONES), torch.ones(2, 5, 3), (INDEX, ONES[:, :1]), make_coo(ONES, INDEX, (5, 7))]
    (one, _), nodes, (two, values), (three, _) = read_inputs(types, inputs)
    assert one is two and values.shape == (4, 1) and nodes is inputs[1]
    assert three is not one and tuple(three.sizes) == (5, 7)
    (one, _), _, (two, _), _ = read_inputs(types, [*inputs[:2], (INDEX.clone(), ONES), inputs[3]])
    assert one is not two
    jagged = LISTS["jagged"](torch.ones(6, 3))
    (one, _), (two, _) = read_inputs(["[ab]H; a->b"] * 2, [jagged, 2 * jagged])
    assert one is two
    assert_refused(lambda: read_inputs(["aaH"], [inputs[3]]), TypeError, "sparse_coo", "brackets")
    inputs[1] = torch.ones(6, 3)
    assert_refused(lambda: read_inputs(types, inputs), ShapeError, "input 4 of type '[ab]H'", "size 5", "6")
