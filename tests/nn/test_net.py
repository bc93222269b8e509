"""Networks: equivariance for every type, several inputs, new sizes, terms, errors."""

import pytest
import torch

from einnet import EinLinear, EinNet, EinNetError, Plan, Symmetry
from einnet.errors import NotationError, ShapeError
from einnet.nn import Network, RecurrentNet, ReferenceNet
from einnet.nn.networks.decoder import Decoder
from einnet.testing import assert_equivariant, equivariance_error
from networks import NETWORKS, random_inputs, sizes_of, small
from refusals import assert_refused
from strategies import SIZES, TYPES, with_h

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
def test_a_network_is_equivariant(signature, network, masks):
    assert_equivariant(small(signature, network), signature, sizes_of(signature), masks=masks)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", [with_h(t) for t in TYPES])
def test_a_network_is_equivariant_in_single_precision(signature, network):
    net = small(signature, network, torch.float32)
    assert equivariance_error(net, signature, sizes_of(signature)) < 1e-4


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", NEW_AXES)
def test_a_network_with_new_output_axes_is_equivariant(signature, network):
    net, sizes = small(signature, network), sizes_of(signature)
    assert_equivariant(lambda *x: net(*x, sizes=sizes), signature, sizes, features=2)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_joint_type_is_not_independent(network):
    net = small("aaH", network)
    assert_equivariant(net, "aaH", {"a": 5})
    with pytest.raises(AssertionError, match="not equivariant to 'abH -> abH'"):
        assert_equivariant(net, "abH -> abH", {"a": 5, "b": 5})


@pytest.mark.parametrize("network", NETWORKS)
def test_one_order_for_all_lists_is_a_smaller_symmetry(network):
    """An `ab` network knows which entries of different lists belong together, an `a->b` network does not."""
    assert_equivariant(small("abH; a->b", network), "abH", {"a": 4, "b": 4})
    with pytest.raises(AssertionError, match="not equivariant to 'abH -> abH; a->b'"):
        assert_equivariant(small("abH", network), "abH; a->b", {"a": 4, "b": 4})


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
def test_samples_of_a_batch_do_not_meet(network, batch):
    net = small("aaH -> aH", network)
    (x,) = random_inputs(net, batch)
    y = net(x)
    assert y.shape == (*batch, 4, 3)
    for sample, expected in zip(x.reshape(-1, 4, 4, 2), y.reshape(-1, 4, 3), strict=True):
        assert torch.allclose(net(sample), expected, atol=1e-12)


# --- inputs and outputs --------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", [*SIGNATURES, *NEW_AXES, "H", "H -> aH"])
def test_the_output_has_its_type(signature, network):
    net = small(signature, network)
    y = net(*random_inputs(net, (5,)), sizes=sizes_of(signature))
    assert y.shape == (5, *(SIZES[c] for c in net.signature.output.axes), 3)
    assert torch.isfinite(y).all()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", ["aH, aaH -> aH", "aH, bH -> abH", "abH, baH -> abH", "aH, abH -> aH; a->b"])
def test_every_input_enters_everywhere_that_it_should(signature, network):
    net = small(signature, network)
    inputs = random_inputs(net)
    y = net(*inputs)
    for k, x in enumerate(inputs):
        changed = [*inputs]
        changed[k] = x.clone()
        changed[k][0] += 1.0
        assert (net(*changed) - y).abs().amax(-1).min() > 1e-9  # every cell of the output depends on it


@pytest.mark.parametrize("network", NETWORKS)
def test_a_node_feature_enters_at_its_node(network):
    net = small("aH, aaH -> aH", network)
    nodes, edges = torch.ones(4, 2).double(), torch.ones(4, 4, 2).double()
    nodes[1] = 2
    y = net(nodes, edges)
    assert torch.allclose(y[[2, 3]], y[0], atol=1e-12)
    assert (y[1] - y[0]).abs().max() > 1e-6


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", ["abH, baH -> abH", "abH -> baH", "abH, baH -> baH", "aH -> bH"])
def test_types_are_not_taken_for_equal_when_their_letters_differ(signature, network):
    """`ab` and `ba` are one type in a signature of their own, two in a common one; equal sizes would hide it."""
    net, sizes = small(signature, network), {"a": 4, "b": 4}
    all_sizes = dict.fromkeys(net.signature.classes, 4)
    assert_equivariant(lambda *x: net(*x, sizes=all_sizes), signature, sizes, features=2)


@pytest.mark.parametrize(
    ("signature", "hidden_type"),
    [
        ("aaH -> H", "aaH"), ("aH, aaH -> aH", "aaH"), ("aH -> aaH", "aaH"), ("aH -> abH", "aH"),
        ("aH, bH -> abH", "abH"),
        ("abcH -> aH; a->b", "abcH; a->b"), ("aH, bH -> H", "abH"), ("H -> aH", "H"), ("aH, bH, aaH -> H", "aabH"),
    ],
)  # fmt: skip
def test_the_hidden_type_is_the_smallest_that_holds_all(signature, hidden_type):
    assert small(signature).hidden_type == Symmetry(hidden_type)


def test_a_larger_hidden_type_can_be_chosen():
    net = small("aH", hidden_type="aaH")
    assert net.hidden_type == Symmetry("aaH")
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
def test_one_network_runs_at_all_sizes(signature, network):
    net = small(signature, network)
    for a, b in [(0, 3), (1, 1), (2, 9), (7, 0)]:
        (x,) = random_inputs(net, (2,), a=a, b=b)
        y = net(x)
        assert y.shape == (*x.shape[:-1], 3)
        assert torch.isfinite(y).all()


# --- options -------------------------------------------------------------------------------------


def plans_of(net: Network) -> list[Plan]:
    """The plan of each layer."""
    return [layer.plan if isinstance(net, RecurrentNet) else layer.pool.plan for layer in net.layers]


def terms_of(net: Network) -> list[str]:
    return [str(t) for t in plans_of(net)[0].terms]


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
def test_explicit_terms(signature, terms, network):
    net = small(signature, network, terms=terms)
    assert [[str(t) for t in plan.terms] for plan in plans_of(net)] == [terms] * 2
    assert_equivariant(net, signature, sizes_of(signature))
    assert_equivariant(net, signature, sizes_of(signature), masks=True)


def test_a_term_of_another_type_is_marked():
    assert_refused(
        lambda: EinNet("abH; a->b", 1, 1, terms=["ab,cb->cb"]), NotationError, "'a' and with 'c'", caret=(3, 5)
    )


@pytest.mark.parametrize(("network", "options"), [(EinNet, {}), (EinNet, {"dropout": 0.5}), (ReferenceNet, {})])
def test_checkpointed_activations_give_the_same_outputs_and_gradients(network, options):
    plain = small("aaH -> aH", network, **options)
    checkpointed = small("aaH -> aH", network, checkpoint_activations=True, **options)
    checkpointed.load_state_dict(plain.state_dict())
    results, calls = [], []
    checkpointed.layers[0].register_forward_pre_hook(lambda *_: calls.append(1))
    inputs = random_inputs(plain, (2,))
    for net in (plain, checkpointed):
        torch.manual_seed(1)
        y = net(*inputs)
        y.square().sum().backward()
        results.append([y, *(p.grad for p in net.parameters())])
    assert len(calls) == 2  # once more in the backward pass
    for expected, value in zip(*results, strict=True):
        assert torch.allclose(expected, value, rtol=1e-12, atol=1e-12)


def test_dropout_only_while_training():
    net = small("aaH", dropout=0.5)
    (x,) = random_inputs(net)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
    assert_equivariant(net, "aaH", {"a": 4})


@pytest.mark.parametrize("signature", ["aH", "abH", "aaH", "aH, aaH -> H", "abH; a->b"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_has_a_gradient(signature, network):
    net = small(signature, network)
    net(*random_inputs(net)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


def test_normalization_by_size_and_plain_sums():
    mean, total = (small("aH -> H", depth=1, counts=False, normalize=n) for n in ("size", None))
    total.load_state_dict(mean.state_dict())
    (x,) = random_inputs(mean)
    twice = torch.cat([x, x])
    assert torch.allclose(mean(twice), mean(x))  # a mean does not change when all elements are doubled
    assert not torch.allclose(total(twice), total(x))


def test_a_decoder_knows_the_largest_value_and_how_many_there_are():
    net = EinNet("aH -> H", 1, 1, hidden=8, depth=1)
    x = torch.randn(64, 9, 1, generator=torch.Generator().manual_seed(0))
    present = torch.arange(9) < torch.arange(64)[:, None] % 8 + 2
    target = torch.stack([x.masked_fill(~present.unsqueeze(-1), -9).amax(1), present.sum(1, keepdim=True) / 9], 0).sum(
        0
    )
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    for _ in range(150):
        loss = (net(x, mask=present) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05 * target.var()


@pytest.mark.parametrize(("signature", "features"), [("aH -> H", 128), ("aaH -> aH", 64), ("aaH", 0), ("aH -> aaH", 0)])
def test_an_output_with_fewer_axes_than_the_state_has_a_perceptron(signature, features):
    sizes = [m.out_features for m in EinNet(signature, 1, 5).decoder.modules() if isinstance(m, EinLinear)]
    assert (features in sizes) == (features > 0)
    assert not isinstance(EinNet(signature, 1, 5, decoder_hidden=0).decoder, Decoder)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "phrase"),
    [
        (("aaH", 1, 0), {}, "out_features"),
        (("aaH", 1, 1, -1), {}, "heads"),
        (("aaH", 1, 1, 1, 1, 0), {}, "depth"),
        (("aaH", 0, 1), {}, "in_features"),
        (("aH, aaH -> aH", 3, 1), {}, "2 inputs"),
        (("aaH", 1, 1), {"normalize": "max"}, "'max'"),
        (("aaH", 1, 1), {"order": 0}, "order"),
        (("aaH", 1, 1), {"dropout": -0.1}, "dropout"),
        (("aaH", 1, 1), {"dropout": 1.5}, "dropout"),
        (("aaH", 1, 1), {"activation": "step"}, "activation"),
        (("aaH", 1, 1), {"norm": "batch"}, "norm"),
        (("aaH", 1, 1), {"chunks": 17}, "chunks"),
        (("aaH", 1, 1), {"iterations": 0}, "iterations"),
    ],
)  # fmt: skip
def test_wrong_values(arguments, options, phrase):
    with pytest.raises(EinNetError, match=phrase):
        EinNet(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "phrase"),
    [
        (("aaH", None, 1), {}, "in_features"),
        (("aaH", 3.5, 1), {}, "in_features"),
        (("aaH", True, 1), {}, "in_features"),
        (("aaH", 1, 1, 1, 2.5), {}, "hidden"),
        (("aaH", 1, 1), {"checkpoint_activations": "no"}, "checkpoint_activations"),
        (("aaH", 1, 1), {"dropout": "0.1"}, "dropout"),
        (("aaH", 1, 1), {"bias": 1}, "bias"),
        (("aaH", 1, 1), {"activation": torch.relu}, "activation"),
        (("aaH", 1, 1), {"depths": 2}, "depths"),
    ],
)
def test_wrong_types(arguments, options, phrase):
    with pytest.raises(TypeError, match=phrase):
        EinNet(*arguments, **options)


def test_the_reference_network_has_operations_up_to_order():
    net = small("aaH", ReferenceNet, order=1)
    assert [[str(t) for t in plan.terms] for plan in plans_of(net)] == [["ab->ab", "aa->aa", "ab->ba", "ab->ac"]] * 2


@pytest.mark.parametrize("network", NETWORKS)
def test_no_terms_are_not_the_default_terms(network):
    with pytest.raises(EinNetError, match="at least one term"):
        network("aaH", 1, 1, terms=[])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_signature_without_a_hidden_type(network):
    with pytest.raises(EinNetError, match=r"aaH, abH -> H; a->b'.*hidden_type=(.|\n)*\n  aabH; a->b\n        \^\n"):
        network("aaH, abH -> H; a->b", (1, 1), 1)


@pytest.mark.parametrize(
    ("text", "meant", "caret"),
    [
        ("aH -> h", "'aH -> H'", (6, 7)),
        ("abh -> ah; a->b", "'abH -> aH; a->b'", (2, 3)),
        ("aH, aah -> H", "'aH, aahH -> H'", (6, 7)),
    ],
)
def test_a_network_whose_features_are_a_small_letter_is_refused(text, meant, caret):
    assert_refused(lambda: EinNet(text, 2, 1), NotationError, meant, "is H, the feature axis, meant", caret=caret)


def test_a_hidden_type_with_an_axis_of_its_own_is_refused():
    assert_refused(lambda: EinNet("aH", 1, 1, hidden_type="abH"), EinNetError, "'abH'", "axis 'b'")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("signature", "hidden_type"),
    [("abH; a->b", "abH"), ("abH; a->b", "abH; b->a"), ("abcH; a->b, a->c", "abcH; a->b")],
    ids=["left out", "reversed", "one of two"],
)
def test_the_hidden_type_has_the_dependencies_of_the_signature(signature, hidden_type, network):
    """It has them, or is refused: otherwise the network would not be equivariant."""
    try:
        net = small(signature, network, hidden_type=hidden_type)
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


def test_the_message_for_a_mask_that_is_not_passed_by_name():
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


def test_one_term_without_a_list():
    assert EinNet("aaH", 2, 1, hidden=8, depth=1, terms="ab,bc->ac").config.terms == ("ab,bc->ac",)
