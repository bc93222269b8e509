"""`assert_equivariant` passes on what is equivariant, and fails on what is not."""

import re

import pytest
import torch

from einnet import EinNet, EinNetError, Signature
from einnet.testing import assert_equivariant, equivariance_error

GOOD = {
    "mean": (lambda x: x - x.mean(-2, keepdim=True), "aH", {}),
    "transpose": (lambda x: x + x.mT, "aa", {}),
    "matrix product": (lambda x: x @ x, "aa", {}),
    "gram": (lambda x: x @ x.mT, "ab -> aa", {}),
    "invariant": (lambda x: x.diagonal(dim1=-2, dim2=-1).sum(-1), "aa ->", {}),
    "sums of lists": (lambda x: x.sum(-2).cos(), "abH -> aH; a->b", {}),
    "sort within lists": (lambda x: x.sort(-1).values.sum(-1), "ab -> a; a->b", {}),
    "message passing": (lambda x, e: e @ x, "aH, aa -> aH", {}),
    "no batch": (lambda x: x.sum(0).expand_as(x), "aH", {"batch": ()}),
    "two batch axes": (lambda x: x * 2, "aH", {"batch": (2, 3)}),
    "edges": (lambda e: (e[0], e[1].cos()), "[aa]H", {}),
    "to the nodes": (lambda x, e: x.index_add(-2, e[0][0], e[1]), "aH, [aa]H -> aH", {}),
    "edges without features": (lambda x, e: (e[0], e[1] * x[..., e[0][1]]), "a, [aa] -> [aa]", {}),
    "ragged": (lambda x, sizes: x[1].new_zeros(2, 5, 3).index_add(-2, x[0][0], x[1]), "[ab]H -> aH; a->b", {}),
    "masked": (lambda x, mask: x * mask["a"].unsqueeze(-1), "aH", {"masks": True}),
    "masked lists": (lambda x, mask: (x * mask["b"]).sum(-1) * mask["a"], "ab -> a; a->b", {"masks": True}),
}
SIZES = {"a": 5, "b": 4}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_equivariant_functions_pass(name, dtype):
    function, signature, options = GOOD[name]
    assert_equivariant(function, signature, SIZES, dtype=dtype, **options)


def first_sample_only(x):
    """Right for one sample; the second of a batch is treated in its order."""
    return torch.stack([y if k == 0 else y.cumsum(-2) for k, y in enumerate(x)])


BAD = {
    "cumsum": (lambda x: x.cumsum(-2), "aH", {}),
    "first index": (lambda x: x[..., 0, :], "aH -> H", {}),
    "joint, not independent": (lambda x: x @ x, "ab", {}),
    "one order for all lists": (lambda x: x.sum(-2, keepdim=True).expand_as(x), "ab; a->b", {}),
    "order of the entries": (lambda e: (e[0], e[1].cumsum(-2)), "[aa]H", {}),
    "numbers of the nodes": (lambda e: (e[0], e[1] * e[0][0, :, None]), "[aa]H", {}),
    "second sample": (first_sample_only, "aH", {}),
    "second input": (lambda x, y: x + y.cumsum(-2), "aH, aH -> aH", {}),
    "mask": (lambda x, mask: x * mask["a"].cumsum(-1).unsqueeze(-1), "aH", {"masks": True}),
    "mask of lists": (lambda x, mask: x * mask["b"].cumsum(-1), "ab; a->b", {"masks": True}),
    "a little": (lambda x: x + 1e-6 * x.roll(1, -2), "aH", {}),
}


@pytest.mark.parametrize("name", BAD)
def test_other_functions_fail(name):
    function, signature, options = BAD[name]
    with pytest.raises(AssertionError, match=re.escape(f"not equivariant to '{Signature(signature)}'")):
        assert_equivariant(function, signature, {"a": 5, "b": 5}, **options)


def test_what_is_wrong_in_the_batch_only_or_for_masks_only_is_right_elsewhere():
    assert_equivariant(first_sample_only, "aH", SIZES, batch=(1,))
    assert_equivariant(lambda x, mask=None: x if mask is None else x.cumsum(-2), "aH", SIZES)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_nan_and_infinity_fail(bad):
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(lambda x: x * bad, "aH", SIZES)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(lambda x: torch.where(x > 1.5, bad, x), "aH", {"a": 30})


def test_the_message_names_signature_error_and_limit():
    with pytest.raises(AssertionError) as error:
        assert_equivariant(lambda x: x.cumsum(-2), "aH", {"a": 5}, tolerance=0.25)
    assert re.search(r"'aH -> aH'.* [\d.]+ .*0\.25$", str(error.value))


def test_the_error_is_relative_to_the_largest_value():
    small = equivariance_error(lambda x: 1e-8 * x.cumsum(-2), "aH", SIZES)
    assert small == pytest.approx(equivariance_error(lambda x: x.cumsum(-2), "aH", SIZES), rel=1e-6)
    assert small > 0.1


def test_a_shape_that_depends_on_the_order_is_reported():
    with pytest.raises(EinNetError, match="permutation"):
        equivariance_error(lambda x: x[..., : 1 + int(x[0, 0] > 0)], "aH", {"a": 5}, batch=(), trials=8)


@pytest.mark.parametrize("function", [lambda x: x[..., :-1, :], lambda x: torch.cat([x, x], -2)], ids=["less", "more"])
def test_an_output_of_another_size_is_reported(function):
    with pytest.raises(EinNetError, match=r"axis 'a'"):
        assert_equivariant(function, "aH", {"a": 5})


def test_the_same_seed_gives_the_same_error():
    one, two, three = (equivariance_error(lambda x: x.cumsum(-2), "aH", SIZES, seed=s) for s in (1, 1, 2))
    assert one == two != three


def test_features_are_those_of_the_module():
    seen = []
    linear = torch.nn.Linear(7, 2)
    linear.register_forward_hook(lambda m, x, y: seen.append(x[0].shape))
    assert_equivariant(linear, "aH", {"a": 5}, batch=(3,))
    assert set(seen) == {(3, 5, 7)}
    assert_equivariant(lambda x, y: x.sum(-1) + y.sum(-1), "aH, aH -> a", {"a": 3}, features=(1, 4))


def test_a_network_with_dropout_is_checked_in_evaluation_mode_and_left_as_it_was():
    net = EinNet("aaH", 2, 2, heads=2, hidden=8, depth=1, dropout=0.5).train()
    assert_equivariant(net, "aaH", {"a": 4})
    assert net.training


def test_features_for_another_number_of_inputs_are_refused():
    with pytest.raises(EinNetError, match="2 inputs"):
        equivariance_error(lambda x, y: x + y, "aH, aH -> aH", {"a": 4}, features=(1,))


def test_infinite_outputs_are_not_equivariant():
    def infinite_at_the_first(x):
        y = x.clone()
        y[..., 0, :] = float("inf")
        return y

    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(infinite_at_the_first, "aH", {"a": 9})


def with_free_axis():
    return EinNet("aH -> abH", 2, 3, hidden=8, heads=2, depth=1)


@pytest.mark.parametrize("wrapped", [lambda net: net, lambda net: net.forward, lambda net: lambda x, **k: net(x, **k)])
def test_what_takes_sizes_gets_those_that_the_inputs_do_not_have(wrapped):
    function = wrapped(with_free_axis().double())
    assert_equivariant(function, "aH -> abH", sizes={"a": 4, "b": 3}, features=2)


def test_a_compiled_network_gets_them_too():
    compiled = torch.compile(with_free_axis(), backend="eager")
    assert_equivariant(compiled, "aH -> abH", sizes={"a": 4, "b": 3}, features=2)


def test_each_part_stays_in_its_mode():
    net = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout().eval())
    assert_equivariant(net, "aH", sizes={"a": 4}, features=1, dtype=torch.float64)
    assert net.training and net[0].training and not net[1].training


def test_a_kind_of_numbers_without_a_tolerance_is_refused():
    with pytest.raises(EinNetError, match="torch.int64"):
        assert_equivariant(lambda x: x, "aH", {"a": 3}, dtype=torch.int64)


def test_a_function_that_returns_no_tensor_is_told_so():
    with pytest.raises(EinNetError, match="got list"):
        assert_equivariant(lambda x: [x], "aH", {"a": 3})


def test_check_task_is_imported_at_its_first_use():
    import einnet.tasks.contract
    import einnet.testing

    assert einnet.testing.check_task is einnet.tasks.contract.check_task
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = einnet.testing.no_such_name


@pytest.mark.parametrize(
    "options", [{"trials": 0}, {"trials": -1}, {"batch": (0,)}, {"features": 0}, {"tolerance": float("inf")}]
)
def test_a_check_that_checks_nothing_is_refused(options):
    with pytest.raises(EinNetError, match=f"{next(iter(options))}|nothing is compared"):
        assert_equivariant(lambda x: x.cumsum(-2), "aH", {"a": 5}, **options)


@pytest.mark.parametrize("signature", ["aH", "aH -> H", "abH; a->b", "abH"])
def test_a_short_axis_is_moved_whatever_the_seed(signature):
    first = torch.tensor([2.0, 1.0], dtype=torch.float64)

    def weigh(x):  # the first of each axis more than the second
        for k in range(len(Signature(signature).inputs[0].axes)):
            x = x * first[: x.shape[1 + k]].reshape(-1, *[1] * (x.dim() - 2 - k))
        return x.sum(-2) if signature.endswith(" H") else x

    for seed in range(20):
        with pytest.raises(AssertionError):
            assert_equivariant(weigh, signature, {"a": 2, "b": 2}, trials=1, seed=seed)


COMPARED = {
    "bool": lambda x: x > 0,
    "uint8": lambda x: (x > 0).byte(),
    "int8": lambda x: (x > 0).char() * -128,
    "int64": lambda x: x.sign().long(),
    "complex": lambda x: torch.complex(x, -x),
}


@pytest.mark.parametrize("name", COMPARED)
def test_outputs_that_are_not_real_numbers_are_compared(name):
    assert_equivariant(COMPARED[name], "aH", {"a": 6})
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(lambda x: COMPARED[name](x.cumsum(-2)), "aH", {"a": 6})


def test_values_that_are_asked_for():
    net = EinNet("aH, bH -> [ab]H", [2, 2], 3, heads=2, hidden=4, depth=1)
    assert_equivariant(net, "aH, bH -> [ab]H", SIZES, trials=2)
    error = equivariance_error(lambda x, at: at[0, :, None].expand(2, -1, 1), "aH -> [ab]H", SIZES, features=1)
    assert error > 0.1
