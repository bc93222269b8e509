"""Saved networks: what comes back, who else can read them, and what is raised for a bad file."""

import json
import pickle
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from einnet import EinNet
from einnet.errors import CheckpointError, EinNetError
from einnet.io.tensors import FORMAT, read_tensors, write_tensors
from einnet.nn import PolynomialNet, RecurrentNet, ReferenceNet
from networks import SMALL, random_inputs, small

MAPS = Path("/proc/self/maps")


@pytest.mark.parametrize(
    ("signature", "options"),
    [
        ("aaH", {}),
        (
            "aH, aaH -> aH",
            {"checkpoint_activations": True, "dropout": 0.25, "normalize": None, "norm": "layer", "expansion": 1},
        ),
        ("abcH -> aH; a->b", {"order": 1}),
        ("aaH -> H", {"terms": ["ab->ba", "ab,cb->ac"]}),
        ("aH", {"hidden_type": "aaH"}),
        ("abH", {"network": ReferenceNet}),
        ("abH", {"network": PolynomialNet, "iterations": 2}),
        ("abH", {"network": RecurrentNet, "automorphism": "ba", "iterations": 2}),
    ],
)
def test_a_saved_network_is_loaded_with_the_same_outputs(tmp_path, signature, options):
    net = small(signature, dtype=torch.float32, **options)
    net.save(tmp_path / "net.safetensors")
    loaded = EinNet.load(tmp_path / "net.safetensors")
    assert type(loaded) is type(net)
    assert loaded.config == net.config
    inputs = random_inputs(net, dtype=torch.float32)
    assert torch.equal(loaded.eval()(*inputs), net.eval()(*inputs))


@pytest.mark.parametrize(
    "wrap",
    [torch.compile, nn.DataParallel, lambda part: nn.DataParallel(torch.compile(part))],
    ids=["compile", "DataParallel", "both"],
)
@pytest.mark.parametrize("part", ["encoder", "layers.0", "layers.0.pool_proj", "decoder"])
def test_names_that_wrappers_add_are_left_out(tmp_path, part, wrap):
    net = small("aaH -> aH", dtype=torch.float32).eval()
    inputs = random_inputs(net, dtype=torch.float32)
    expected = net(*inputs)
    net.set_submodule(part, wrap(net.get_submodule(part)))
    net.save(tmp_path / "net.safetensors")
    assert torch.equal(EinNet.load(tmp_path / "net.safetensors")(*inputs), expected)


def test_each_weight_keeps_its_dtype(tmp_path):
    net = small("aaH -> aH", dtype=torch.float32)
    net.decoder.double()
    net.layers[1].bfloat16()
    net.save(tmp_path / "net.safetensors")
    loaded = EinNet.load(tmp_path / "net.safetensors").state_dict()
    assert {name: t.dtype for name, t in loaded.items()} == {name: t.dtype for name, t in net.state_dict().items()}
    assert all(torch.equal(loaded[name], t) for name, t in net.state_dict().items())


def linear(net: EinNet) -> nn.Module:
    return net.layers[0].in_proj


REFUSED = {
    "weight_norm": (lambda net: parametrizations.weight_norm(linear(net)), "remove_parametrizations"),
    "spectral_norm": (lambda net: parametrizations.spectral_norm(linear(net)), "remove_parametrizations"),
    "orthogonal": (lambda net: parametrizations.orthogonal(linear(net)), "remove_parametrizations"),
    "pruning": (lambda net: prune.l1_unstructured(linear(net), "weight", amount=0.5), "prune.remove"),
    "another part": (lambda net: setattr(net, "extra", nn.Linear(2, 2)), "'extra.bias' is added"),
    "a lost part": (lambda net: setattr(net.layers[0], "out_proj", nn.Identity()), "out_proj.bias' is missing"),
    "another size": (lambda net: setattr(net.encoder.maps, "0", nn.Linear(9, 6)), "shape (6, 9)"),
    "complex": (lambda net: linear(net).to(torch.complex64), "torch.complex64"),
    "8 bits": (lambda net: linear(net).to(torch.float8_e4m3fn), "torch.float8_e4m3fn"),
    "meta": (lambda net: linear(net).to("meta"), "meta"),
    "sparse": (lambda net: setattr(linear(net), "weight", nn.Parameter(torch.eye(3).to_sparse())), "sparse"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:Complex modules")
def test_what_load_would_refuse_is_not_saved(tmp_path, name):
    change, phrase = REFUSED[name]
    net = small("aaH", dtype=torch.float32)
    change(net)
    with pytest.raises(EinNetError) as error:
        net.save(tmp_path / "net.safetensors")
    assert "cannot be saved" in str(error.value) and phrase in str(error.value)
    assert not list(tmp_path.iterdir())


def test_saving_draws_no_random_number(net_path):
    state = torch.get_rng_state()
    EinNet.load(net_path).save(net_path)
    assert torch.equal(torch.get_rng_state(), state)


def test_loading_onto_the_default_device(net_path):
    torch.set_default_device("meta")
    try:
        net = EinNet.load(net_path)
    finally:
        torch.set_default_device(None)
    assert {p.device.type for p in net.parameters()} == {"meta"}


def test_the_metadata_can_be_read_without_einnet(tmp_path):
    EinNet("aaH -> aH", 3, 2, heads=4, hidden=8, depth=2, terms=["ab->ba"]).save(tmp_path / "net.safetensors")
    with safe_open(tmp_path / "net.safetensors", "pt") as f:
        metadata = f.metadata()
    config = json.loads(metadata["content"])
    assert metadata["einnet"] == "network"
    assert config["network"] == "EinNet"
    assert config["signature"] == "aaH -> aH"
    assert (config["in_features"], config["out_features"], config["terms"]) == ([3], 2, ["ab->ba"])


def load_error(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        EinNet.load(path)
    return str(error.value)


@pytest.fixture
def net_path(tmp_path) -> Path:
    path = tmp_path / "net.safetensors"
    EinNet("aH", 2, 2, **SMALL).save(path)
    return path


@pytest.mark.parametrize("stop", [0, 5, 0.5, -1], ids=["nothing", "five bytes", "half", "all but one byte"])
def test_a_truncated_file(net_path, stop):
    content = net_path.read_bytes()
    net_path.write_bytes(content[: int(len(content) * stop) if isinstance(stop, float) else stop])
    message = load_error(net_path)
    assert str(net_path) in message and "truncated" in message


def test_a_missing_file(tmp_path):
    path = tmp_path / "net.safetensors"
    assert f"no file at {path}" in load_error(path)
    assert f"no file at {tmp_path}" in load_error(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "phrase"),
    [
        (None, "another program"),
        ({"format": "pt"}, "another program"),
        ({"einnet": "run", "content": "{}"}, "EinNet run"),
    ],
)
def test_a_file_of_another_kind(tmp_path, metadata, phrase):
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(2)}, path, metadata=metadata)
    message = load_error(path)
    assert str(path) in message and phrase in message


@pytest.mark.parametrize("content", [None, "{", "nothing"])
def test_metadata_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "net.safetensors"
    save_file({}, path, metadata={"einnet": "network", "version": FORMAT} | ({"content": content} if content else {}))
    message = load_error(path)
    assert str(path) in message and "metadata" in message


@pytest.mark.parametrize(("version", "number"), [({}, "1"), ({"version": "0"}, "0")])
def test_a_file_whose_weights_meant_another_function(tmp_path, version, number):
    path = tmp_path / "net.safetensors"
    save_file({"x": torch.zeros(2)}, path, metadata={"einnet": "network", "content": "{}"} | version)
    assert f"version {number}" in load_error(path)


GOOD = {
    "network": "EinNet",
    "signature": "aH -> aH",
    "in_features": [2],
    "out_features": 2,
    "heads": 2,
    "hidden": 6,
    "depth": 1,
}


@pytest.mark.parametrize(
    "content",
    [
        {}, [], None, 3, GOOD, GOOD | {"new_option": 1}, GOOD | {"signature": "aXH"}, GOOD | {"network": "OtherNet"},
        GOOD | {"depth": "2"}, GOOD | {"in_features": "2"}, GOOD | {"terms": [1]}, GOOD | {"dropout": 7},
        GOOD | {"dropout": "much"}, GOOD | {"normalize": ["size"]}, GOOD | {"order": "x"}, GOOD | {"signature": 5},
        GOOD | {"hidden_type": 5}, GOOD | {"terms": 5}, GOOD | {"network": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_file_that_does_not_fit_this_version(tmp_path, content):
    path = tmp_path / "net.safetensors"
    save_file(
        {"x": torch.zeros(2)}, path, metadata={"einnet": "network", "version": FORMAT, "content": json.dumps(content)}
    )
    message = load_error(path)
    assert str(path) in message and "this version" in message


def test_loading_never_unpickles(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "net.safetensors"
    for write in (lambda: path.write_bytes(pickle.dumps(Trap())), lambda: torch.save({"x": Trap()}, path)):
        write()
        assert "truncated" in load_error(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not MAPS.exists(), reason="needs the list of the files that this process has mapped")
def test_no_file_is_mapped_while_it_is_read(tmp_path):
    """A process that reads a mapped file which is truncated meanwhile is ended by SIGBUS."""
    net, path = EinNet("aaH", 2, 2, hidden=64, depth=2), tmp_path / "net.safetensors"
    net.save(path)
    is_mapped = []

    def note(frame, *_):
        if frame.f_code.co_filename.endswith(("tensors.py", "safetensors/torch.py")):
            is_mapped.append(str(path) in MAPS.read_text())

    sys.setprofile(note)
    try:
        assert EinNet.load(path).config == net.config
    finally:
        sys.setprofile(None)
    assert is_mapped and not any(is_mapped)


def test_many_empty_tensors_do_not_pass_for_layers(tmp_path):
    """Four thousand layers take seconds to make, and torch's message would name all of their tensors."""
    config = {"network": "EinNet", **asdict(EinNet("aaH", 1, 1, heads=1, hidden=1, depth=1).config), "depth": 4000}
    write_tensors(tmp_path / "x.safetensors", {f"t{k}": torch.zeros(0) for k in range(4000)}, "network", config)
    begun = time.process_time()
    message = load_error(tmp_path / "x.safetensors")
    assert time.process_time() - begun < 1
    assert "4,000 layers" in message and len(message) < 500


def test_empty_tensors_come_back(tmp_path):
    empty = {f"t{k}": torch.zeros(0, k) for k in range(4000)}
    write_tensors(tmp_path / "x.safetensors", empty, "network", {})
    tensors, _, _ = read_tensors(tmp_path / "x.safetensors", "network")
    assert {name: x.shape for name, x in tensors.items()} == {name: x.shape for name, x in empty.items()}
