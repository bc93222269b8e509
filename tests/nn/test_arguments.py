"""Each flag, choice and real number of each constructor: what is no such value is refused by name."""

import pytest
import torch

from einnet import EinLayer, EinLinear, EinNetError, EinPool
from einnet.nn import EinNet, PolynomialNet, RecurrentNet, ReferenceNet, Support
from einnet.nn.networks.reference import ReferenceBlock
from einnet.nn.pooled import nest

NET = {"signature": "aaH -> aH", "in_features": 2, "out_features": 3, "depth": 1, "heads": 2, "hidden": 4}
MAKE = {
    "EinNet": (EinNet, NET), "PolynomialNet": (PolynomialNet, NET), "RecurrentNet": (RecurrentNet, NET),
    "ReferenceNet": (ReferenceNet, NET), "EinLayer": (EinLayer, {"symmetry": "aaH", "features": 4, "heads": 2}),
    "EinLinear": (EinLinear, {"signature": "aaH -> aH", "in_features": 2, "out_features": 3}),
    "EinPool": (EinPool, {"terms": ["ab->ac"], "type": "aaH"}),
}  # fmt: skip
FLAGS = {
    "EinNet": ("bias", "checkpoint_activations", "symmetric", "counts", "standardized"),
    "ReferenceNet": ("checkpoint_activations",), "EinLayer": ("bias",), "EinLinear": ("bias", "counts", "maxima", "roots"),
}  # fmt: skip
CHOICES = {
    "EinNet": ("activation", "norm", "normalize"), "PolynomialNet": ("normalize",), "EinLayer": ("activation", "norm", "normalize"),
    "EinLinear": ("normalize",), "EinPool": ("normalize", "reduction"),
}  # fmt: skip
REALS = {"EinNet": ("expansion", "dropout"), "EinLayer": ("expansion", "dropout")}


def pairs(arguments: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, argument) for name, known in arguments.items() for argument in known]


def make(name: str, **options):
    cls, arguments = MAKE[name]
    return cls(**arguments, **options)


@pytest.mark.parametrize(("name", "flag"), pairs(FLAGS))
def test_flags(name, flag):
    for wrong in (1, "yes", 0.0, torch.tensor([True])):
        with pytest.raises(TypeError, match=f"{flag} must be True or False"):
            make(name, **{flag: wrong})


@pytest.mark.parametrize(("name", "choice"), pairs(CHOICES))
def test_choices(name, choice):
    with pytest.raises(EinNetError, match=f"{choice} must be '.*got 'other'"):
        make(name, **{choice: "other"})
    with pytest.raises(TypeError, match=f"{choice} must be a .*got 3"):
        make(name, **{choice: 3})


@pytest.mark.parametrize(("name", "real"), pairs(REALS))
def test_real_numbers(name, real):
    for wrong in (-0.5, float("nan"), float("inf")):
        with pytest.raises(EinNetError, match=f"{real} must be at least 0"):
            make(name, **{real: wrong})
    for wrong in ("1", True, None):
        with pytest.raises(TypeError, match=f"{real} must be a number"):
            make(name, **{real: wrong})
    if real == "dropout":
        with pytest.raises(EinNetError, match="dropout must be at least 0 and less than 1, got 1"):
            make(name, dropout=1)
    make(name, **{real: 0})


def test_networks_take_their_limits():
    assert EinNet(**NET, decoder_hidden=0).config.decoder_hidden == 0
    with pytest.raises(EinNetError, match="decoder_hidden must be 0 or more, got -1"):
        EinNet(**NET, decoder_hidden=-1)
    with pytest.raises(EinNetError, match="iterations must be from 1 to "):
        EinNet(**NET, iterations=10**12)
    with pytest.raises(EinNetError, match="classes must name each of the 3 features of the output, got 2"):
        EinNet(**NET, classes=("x", "y"))
    with pytest.raises(EinNetError, match=r"symmetric=True is for inputs of a type such as '\[aa\]H'"):
        EinNet(**NET, symmetric=True)
    with pytest.raises(EinNetError, match="the size of an axis must be 0 or more, got -1"):
        Support(torch.zeros(1, 0, dtype=torch.long), (-1,))
    with pytest.raises(EinNetError, match="out_features must be 1 or more"):
        ReferenceBlock("aH", 1, 1, 0)


def test_an_output_in_brackets_needs_the_input_of_its_type_or_index_tuples():
    net = EinNet("aH, bH -> [ab]H", (2, 2), 1, depth=1)
    inputs = torch.ones(3, 2), torch.ones(4, 2)
    with pytest.raises(EinNetError, match="a network takes the index tuples to compute as at=index"):
        net(*inputs)
    assert net(*inputs, at=torch.tensor([[0, 2], [3, 1]])).shape == (2, 1)


# --- parts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis_maps", "expected"),
    [
        ([(0, 1), (0, -1), (-1, -2)], [((-1, -2), (0, -1))]),  # nothing is summed up in the largest, the output
        ([(0, 1, -1), (0, -1, -2), (-1, -2, -3)], [((-1, -2, -3), (0, -1, -2)), ((0, -1, -2), (0, 1, -1))]),
        ([(0, 0, -1), (0, -1, -2), (-1, -1, -2)], [((-1, -1, -2), (0, 0, -1))]),  # on the same diagonals
        ([(0, -1), (-1, 0)], []),
        ([], []),
    ],
)  # fmt: skip
def test_a_sum_is_added_to_the_smallest_that_has_its_axes(axis_maps, expected):
    for order in (axis_maps, axis_maps[::-1]):
        assert sorted(nest(order)) == sorted(expected)


def test_a_network_is_exported_in_evaluation_mode(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr("einnet.io.export.export_network", lambda net, *rest: calls.append((net.training, *rest)))
    net, x = EinNet(**NET, dropout=0.5).train(), torch.randn(2, 3, 3, 2)
    net.export(tmp_path / "net.pt2", x)
    ((is_training, signature, path, inputs, sizes, decompositions),) = calls
    assert not is_training and net.training and signature == net.signature and path == tmp_path / "net.pt2"
    assert inputs == (x,) and sizes is None and torch.ops.einnet.looped.default in decompositions
    with pytest.raises(EinNetError, match="a network with sparse inputs cannot be exported"):
        EinNet("[aa]H -> aH", 2, 3, depth=1).export(tmp_path / "net.pt2", x)
