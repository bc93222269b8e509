"""`functional.einsum` against torch.einsum: types that are given or inferred, masks, reductions, wrong calls."""

import pytest
import torch

from einnet.errors import NotationError, ShapeError
from einnet.nn.functional import einsum
from einnet.nn.sparse import Support

SIZES = {"a": 3, "b": 4, "c": 5}
ODD, EVEN = torch.tensor([True, False, True]), torch.tensor([False, True, False, True])


def tensor(axes: str, *batch: int) -> torch.Tensor:
    return torch.randn(*batch, *(SIZES[c] for c in axes), 2, dtype=torch.float64)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("type", [None, "ab", "abH"])
@pytest.mark.parametrize("term", ["ab->a", "ab->b", "ab->", "ab->ab", "ab,ab->a", "a,ab->b", "b,ab->a", "ab,cb->ac"])
def test_terms_over_two_axes(term, type, batch):
    sizes = SIZES | {"c": 3}  # c runs over the rows
    left, _, right = term.partition("->")
    operands = [torch.randn(*batch, *(sizes[i] for i in t), 2, dtype=torch.float64) for t in left.split(",")]
    if type is None and term in ("a,ab->b", "b,ab->a", "ab->b", "ab,cb->ac"):  # the coarsest type has one axis for both
        operands = [
            x[..., :3, :3, :] if len(t) == 2 else x[..., :3, :] for x, t in zip(operands, left.split(","), strict=True)
        ]
    equation = ",".join(f"...{t}h" for t in left.split(",")) + f"->...{right}h"
    if "ab,cb" in term and type is not None:
        with pytest.raises(NotationError):  # a pair of rows is not of the type
            einsum(term, *operands, type=type)
    else:
        assert torch.allclose(einsum(term, *operands, type=type), torch.einsum(equation, *operands))


def test_masked_sums_leave_out_the_padding_whatever_it_holds():
    x = tensor("ab")
    x[:, 0] = torch.nan
    y = einsum("ab->a", x, mask={"a": ODD, "b": EVEN})
    assert torch.allclose(y[ODD], x[ODD][:, EVEN].sum(1)) and (y[~ODD] == 0).all()


def test_means_and_largest_values():
    x = tensor("ab")
    assert torch.allclose(einsum("ab->a", x, normalize="size"), x.mean(1))
    assert torch.equal(einsum("ab->a", x, reduction="max"), x.amax(1))


def test_a_new_axis_has_a_size():
    x = tensor("a")
    assert torch.equal(einsum("a->ab", x, sizes={"b": 4}), x.unsqueeze(1).expand(3, 4, 2))
    with pytest.raises(ShapeError, match="pass sizes"):
        einsum("a->ab", x)


def test_letters_have_sizes_of_their_own():
    x, y = tensor("ab"), tensor("bc")
    assert torch.allclose(einsum("ab,bc->ac", x, y), torch.einsum("abh,bch->ach", x, y))
    assert torch.allclose(einsum("Xy,yz->zX", x, y), torch.einsum("abh,bch->cah", x, y))
    with pytest.raises(ShapeError):
        einsum("ab,bc->ac", x, x)


@pytest.mark.parametrize("form", ["Support", "COO", "index"])
def test_an_operand_in_brackets_says_its_sizes_where_its_form_does(form):
    index, values, x = torch.tensor([[0, 2, 2], [3, 0, 1]]), torch.randn(3, 2), torch.randn(4, 2)
    dense = torch.zeros(3, 4, 2)
    dense[tuple(index)] = values
    sparse = {
        "Support": (Support(index, (3, 4)), values),
        "COO": torch.sparse_coo_tensor(index, values, (3, 4, 2), check_invariants=True),
        "index": (index, values),
    }[form]
    known = {"type": ("a", "b", "[ab]"), "sizes": {"a": 3}} if form == "index" else {}
    y = einsum("[a0b0],b0->a0" if known else "[ab],b->a", sparse, x, **known)
    torch.testing.assert_close(y, torch.einsum("abh,bh->ah", dense, x))


def test_wrong_calls():
    with pytest.raises(ShapeError, match="2 operands, got 1"):
        einsum("ab,bc->ac", tensor("ab"))
    with pytest.raises(TypeError, match="must be a torch tensor"):
        einsum("ab->a", [[1.0]])
    with pytest.raises(NotationError):
        einsum("ab-a", tensor("ab"))


@pytest.mark.parametrize("term", ["ab->ab", "ab->ba", "ab->ac", "ab->aa", "aa->ab", "ab->cd"])
@pytest.mark.parametrize("reduction", ["sum", "max"])
def test_outputs_can_be_written_without_a_change_of_the_operand(term, reduction):
    x = torch.randn(3, 3, 2)
    before = x.clone()
    einsum(term, x, type="aa", reduction=reduction).add_(1)
    einsum(term, x[:, :1].expand(3, 3, 2), type="aa", reduction=reduction).add_(1)
    assert torch.equal(x, before)
