"""`EinNet`: equivariance for every type and block, several inputs, new sizes, terms, errors."""

import pytest
import torch

from einnet import EinNet, EinNetError, Symmetry
from einnet.errors import NotationError, ShapeError
from einnet.nn import ReferenceBlock
from einnet.testing import assert_equivariant, equivariance_error
from networks import random_inputs, sizes_of, small
from refusals import assert_refused
from strategies import SIZES, TYPES, with_h

BLOCKS = ["default", "reference"]
SIGNATURES = [
    "aaH -> H", "aaH -> aH", "aH -> aaH", "aH -> H", "abH -> H", "abH -> aH", "abH -> baH", "abcH -> aH; a->b",
    "abH -> aH; a->b", "aabH -> abH", "aH, aaH -> aH", "aH, bH -> abH", "abH, baH -> abH", "aH, abH -> aH; a->b",
    "bacH -> acH; a->b, a->c", "aaH -> aaaH",
]  # fmt: skip
NEW_AXES = ["aH -> abH", "aH -> bH", "H -> aaH", "aH -> abH; a->b"]

# --- equivariance --------------------------------------------------------------------------------


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", [*map(with_h, TYPES), *SIGNATURES])
def test_a_network_is_equivariant(signature, block, masks):
    assert_equivariant(small(signature, block), signature, sizes_of(signature), masks=masks)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", [with_h(t) for t in TYPES])
def test_a_network_is_equivariant_in_single_precision(signature, block):
    net = small(signature, block, torch.float32)
    assert equivariance_error(net, signature, sizes_of(signature)) < 1e-4


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", NEW_AXES)
def test_a_network_with_new_output_axes_is_equivariant(signature, block):
    net, sizes = small(signature, block), sizes_of(signature)
    assert_equivariant(lambda *x: net(*x, sizes=sizes), signature, sizes, features=2)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_joint_type_is_not_independent(block):
    net = small("aaH", block)
    assert_equivariant(net, "aaH", {"a": 5})
    with pytest.raises(AssertionError, match="not equivariant to 'abH -> abH'"):
        assert_equivariant(net, "abH -> abH", {"a": 5, "b": 5})


@pytest.mark.parametrize("network", NETWORKS)
def test_one_order_for_all_lists_is_a_smaller_symmetry(block):
    """An `ab` network knows which entries of different lists belong together, an `a->b` network does not."""
    assert_equivariant(small("abH; a->b", block), "abH", {"a": 4, "b": 4})
    with pytest.raises(AssertionError, match="not equivariant to 'abH -> abH; a->b'"):
        assert_equivariant(small("abH", block), "abH; a->b", {"a": 4, "b": 4})


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
def test_samples_of_a_batch_do_not_meet(block, batch):
    net = small("aaH -> aH", block)
    (x,) = random_inputs(net, batch)
    y = net(x)
    assert y.shape == (*batch, 4, 3)
    for one, expected in zip(x.reshape(-1, 4, 4, 2), y.reshape(-1, 4, 3), strict=True):
        assert torch.allclose(net(one), expected, atol=1e-12)


# --- inputs and outputs --------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", [*SIGNATURES, *NEW_AXES, "H", "H -> aH"])
def test_the_output_has_its_type(signature, block):
    net = small(signature, block)
    y = net(*random_inputs(net, (5,)), sizes=sizes_of(signature))
    assert y.shape == (5, *(SIZES[c] for c in net.signature.output.axes), 3)
    assert torch.isfinite(y).all()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", ["aH, aaH -> aH", "aH, bH -> abH", "abH, baH -> abH", "aH, abH -> aH; a->b"])
def test_every_input_enters_everywhere_that_it_should(signature, block):
    net = small(signature, block)
    inputs = random_inputs(net)
    y = net(*inputs)
    for k, x in enumerate(inputs):
        changed = [*inputs]
        changed[k] = x.clone()
        changed[k][0] += 1.0
        assert (net(*changed) - y).abs().amax(-1).min() > 1e-9  # every cell of the output hears of it


@pytest.mark.parametrize("network", NETWORKS)
def test_a_node_feature_enters_at_its_node(block):
    net = small("aH, aaH -> aH", block)
    nodes, edges = torch.ones(4, 2).double(), torch.ones(4, 4, 2).double()
    nodes[1] = 2
    y = net(nodes, edges)
    assert torch.allclose(y[[2, 3]], y[0], atol=1e-12)
    assert (y[1] - y[0]).abs().max() > 1e-6


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", ["abH, baH -> abH", "abH -> baH", "abH, baH -> baH", "aH -> bH"])
def test_types_are_not_taken_for_equal_when_their_letters_differ(signature, block):
    """`ab` and `ba` are equal by themselves, not beside each other; equal sizes would hide it."""
    net, sizes = small(signature, block), {"a": 4, "b": 4}
    given = dict.fromkeys(net.signature.classes, 4)
    assert_equivariant(lambda *x: net(*x, sizes=given), signature, sizes, features=2)


@pytest.mark.parametrize(
    ("signature", "state"),
    [
        ("aaH -> H", "aaH"), ("aH, aaH -> aH", "aaH"), ("aH -> aaH", "aaH"), ("aH -> abH", "aH"),
        ("aH, bH -> abH", "abH"),
        ("abcH -> aH; a->b", "abcH; a->b"), ("aH, bH -> H", "abH"), ("H -> aH", "H"), ("aH, bH, aaH -> H", "aabH"),
    ],
)  # fmt: skip
def test_the_state_is_the_smallest_type_that_holds_all(signature, state):
    assert small(signature).state == Symmetry(state)


def test_a_larger_state_can_be_asked_for():
    net = small("aH", state="aaH")
    assert net.state == Symmetry("aaH")
    assert_equivariant(net, "aH", {"a": 4})


def test_the_transposed_and_the_diagonal_of_the_input_can_be_told_apart():
    """An `aa -> a` network is not blind to where on the relation something stands."""
    net = small("aaH -> aH")
    x = torch.zeros(3, 3, 3, 2, dtype=torch.float64)
    x[0, 0, 0], x[1, 0, 1], x[2, 1, 0] = 1, 1, 1
    y = net(x)
    for i, j in [(0, 1), (1, 2), (0, 2)]:
        assert (y[i] - y[j]).abs().max() > 1e-3


@pytest.mark.parametrize("signature", ["aH", "aaH", "abH", "abH; a->b"])
@pytest.mark.parametrize("network", NETWORKS)
def test_one_network_runs_at_all_sizes(signature, block):
    net = small(signature, block)
    for a, b in [(0, 3), (1, 1), (2, 9), (7, 0)]:
        (x,) = random_inputs(net, (2,), a=a, b=b)
        y = net(x)
        assert y.shape == (*x.shape[:-1], 3)
        assert torch.isfinite(y).all()


# --- options -------------------------------------------------------------------------------------


def terms_of(net: EinNet) -> list[str]:
    return [str(t) for t in net.body.layers[0].pool.plan.terms]


def test_order_one_has_no_products():
    assert terms_of(small("aaH", order=1)) == ["ab->ab", "aa->aa", "ab->ba", "ab->ac"]
    assert "ab,bc->ac" in terms_of(small("aaH", order=2))


@pytest.mark.parametrize(
    ("signature", "terms"),
    [
        ("aaH", ["ab->ab", "ab,cb->ac"]),
        ("aaH", ["ab,ac,bc,bd,cd->ad"]),
        ("aH", ["a,b,c->a", "a->b"]),
        ("abH -> aH", ["ab,cb->cb", "ab,ad,cd->ab"]),
        ("abH; a->b", ["ab,ac->ab", "ab,cd->ab"]),
        ("abcH; a->b, b->c", ["abc,abd->abe", "abc,ade->abc"]),
        ("aabH", ["abc,bac->abc", "abd,bcd->acd"]),
    ],
)
@pytest.mark.parametrize("network", NETWORKS)
def test_explicit_terms(signature, terms, block):
    net = small(signature, block, terms=terms)
    pools = [m for m in net.modules() if type(m).__name__ == "EinPool"]
    assert [[str(t) for t in p.plan.terms] for p in pools] == [terms] * 2
    assert_equivariant(net, signature, sizes_of(signature))
    assert_equivariant(net, signature, sizes_of(signature), masks=True)


def test_a_term_of_another_type_is_marked():
    assert_refused(
        lambda: EinNet("abH; a->b", 1, 1, terms=["ab,cb->cb"]), NotationError, "'a' and with 'c'", caret=(3, 5)
    )


def assert_recomputed(plain, again, inner, x):
    """Equal outputs and gradients, and `inner`, a part of `again`, is run a second time in the backward pass."""
    found, calls = [], []
    inner.register_forward_pre_hook(lambda *_: calls.append(1))
    for net in (plain, again):
        torch.manual_seed(1)
        y = net(x)
        y.square().sum().backward()
        found.append([y, *(p.grad for p in net.parameters())])
    assert len(calls) == 2
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_recomputed_activations_give_the_same_outputs_and_gradients(dropout):
    plain = small("aaH -> aH", dropout=dropout)
    again = small("aaH -> aH", dropout=dropout, checkpoint_activations=True)
    again.load_state_dict(plain.state_dict())
    (x,) = random_inputs(plain, (2,))
    assert_recomputed(plain, again, again.body.layers[0], x)


def test_dropout_only_while_training():
    net = small("aaH", dropout=0.5)
    (x,) = random_inputs(net)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
    assert_equivariant(net, "aaH", {"a": 4})


@pytest.mark.parametrize("signature", ["aH", "abH", "aaH", "aH, aaH -> H", "abH; a->b"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_has_a_gradient(signature, block):
    net = small(signature, block)
    net(*random_inputs(net)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


def test_scales_differ_and_sum_is_plain():
    mean, total = small("aH -> H", depth=1), small("aH -> H", depth=1, normalize=None)
    total.load_state_dict(mean.state_dict())
    (x,) = random_inputs(mean)
    twice = torch.cat([x, x])
    assert torch.allclose(mean(twice), mean(x))  # a mean does not see that everything is there twice
    assert not torch.allclose(total(twice), total(x))


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "phrase"),
    [
        (("aaH", 1, 1), {"block": "refrence"}, "refrence"),
        (("aaH", None, 1), {}, "in_features"),
        (("aaH", 3.0, 1), {}, "in_features"),
        (("aaH", True, 1), {}, "in_features"),
        (("aaH", 1, 1), {"recompute": "no"}, "recompute"),
        (("aaH", 1, 0), {}, "out_features"),
        (("aaH", 1, 1, -1), {}, "heads"),
        (("aaH", 1, 1, 1, 2.5), {}, "hidden"),
        (("aaH", 1, 1, 1, 1, 0), {}, "depth"),
        (("aaH", 0, 1), {}, "in_features"),
        (("aH, aaH -> aH", 3, 1), {}, "2 inputs"),
        (("aaH", 1, 1), {"scale": "max"}, "'max'"),
        (("aaH", 1, 1), {"order": 0}, "order"),
    ],
)  # fmt: skip
def test_wrong_arguments(arguments, options, phrase):
    with pytest.raises(EinNetError, match=phrase):
        EinNet(*arguments, **options)


@pytest.mark.parametrize("dropout", [-0.1, 1.5, "0.1"])
def test_a_wrong_dropout_is_an_einnet_error(dropout):
    with pytest.raises(EinNetError, match="dropout"):
        EinNet("aH", 1, 1, dropout=dropout)


def test_the_reference_block_obeys_order():
    blocks = [m for m in small("aaH", "reference", order=1).modules() if isinstance(m, ReferenceBlock)]
    assert [[str(t) for t in b.pool.plan.terms] for b in blocks] == [["ab->ab", "aa->aa", "ab->ba", "ab->ac"]] * 2


def test_the_reference_block_recomputes_with_the_same_outputs_and_gradients():
    plain, again = small("aaH", "reference"), small("aaH", "reference", checkpoint_activations=True)
    again.load_state_dict(plain.state_dict())
    first = next(m for m in again.modules() if isinstance(m, ReferenceBlock))
    assert_recomputed(plain, again, first, *random_inputs(plain))


def test_no_terms_are_not_the_usual_terms():
    with pytest.raises(EinNetError, match="at least one term"):
        EinNet("aaH", 1, 1, terms=[])


def test_a_signature_that_no_state_holds():
    with pytest.raises(EinNetError, match=r"aaH, abH -> H; a->b'.*state=(.|\n)*\n  aabH; a->b\n        \^\n"):
        EinNet("aaH, abH -> H; a->b", (1, 1), 1)


def test_a_state_with_an_axis_of_its_own_is_refused():
    assert_refused(lambda: EinNet("aH", 1, 1, state="abH"), EinNetError, "'abH'", "axis 'b'")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("signature", "state"),
    [("abH; a->b", "abH"), ("abH; a->b", "abH; b->a"), ("abcH; a->b, a->c", "abcH; a->b")],
    ids=["left out", "turned round", "one of two"],
)
def test_a_state_never_loses_the_dependencies_of_the_signature(signature, state, block):
    """It has them, or is refused: otherwise the network would not be equivariant."""
    try:
        net = small(signature, block, state=state)
    except EinNetError as error:
        message = str(error)
        net = None
    assert ("depend" in message) if net is None else equivariance_error(net, signature, sizes_of(signature)) < 1e-10


@pytest.mark.parametrize(
    ("signature", "shapes", "phrase"),
    [
        ("aaH -> aH", [(4, 5, 2)], "size 4 and size 5"),
        ("aaH -> aH", [(4, 4, 3)], "got (4, 4, 3)"),
        ("aH, aaH -> aH", [(4, 4, 2), (4, 2)], "input 2"),
        ("aH, aaH -> aH", [(4, 2)], "2 inputs"),
        ("aH -> abH", [(4, 2)], "sizes={'b': ...}"),
    ],
)
def test_inputs_that_do_not_fit(signature, shapes, phrase):
    net = small(signature)
    tensors = [torch.randn(s, dtype=torch.float64) for s in shapes]
    assert_refused(lambda: net(*tensors), ShapeError, phrase)


def test_its_description():
    assert repr(EinNet("aH, aaH -> aH", (1, 1), 1)).startswith("EinNet(\n  aH, aaH -> aH, state aaH")


def test_a_mask_that_is_not_passed_by_name_is_spoken_of():
    net = EinNet("aH -> H", 2, 1, hidden=8, depth=1)
    with pytest.raises(ShapeError, match="mask="):
        net(torch.randn(3, 4, 2), torch.ones(3, 4, dtype=torch.bool))


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_an_input_of_another_dtype_is_refused_with_what_to_do(dtype):
    net = EinNet("aH -> H", 2, 1, hidden=8, depth=1)
    with pytest.raises(ShapeError, match=rf"{dtype}.*to\(torch.float32\)"):
        net(torch.ones(3, 4, 2, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_autocast_takes_only_what_it_casts(dtype):
    net = EinNet("aH -> H", 2, 1, hidden=8, depth=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert net(torch.ones(3, 4, 2, dtype=torch.bfloat16)).isfinite().all()
        with pytest.raises(ShapeError, match=f"{dtype}.*torch.float32"):
            net(torch.ones(3, 4, 2, dtype=dtype))


def test_one_term_need_not_stand_in_a_list():
    assert EinNet("aaH", 2, 1, hidden=8, depth=1, terms="ab,bc->ac").settings.terms == ("ab,bc->ac",)
