"""Files of this format and of the previous ones give the outputs that they gave when they were written.

`python tests/nn/test_formats.py FOLDER` writes the files of the present format: a network of each class, and an
example with its inputs x0, x1 and its output y.
"""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import einnet.tasks.sudoku
from einnet.nn import EinNet, Network, PolynomialNet, RecurrentNet, ReferenceNet

FOLDER = Path(__file__).parent
CLASSES = {"default": EinNet, "polynomial": PolynomialNet, "recurrent": RecurrentNet, "reference": ReferenceNet}
FILES = [(f"format2/{name}", network) for name, network in CLASSES.items()]
FILES += [(f"format3/{network.__name__}", network) for network in CLASSES.values()]
FILES += [("format3/EinNet_options", EinNet)]
FILES += [(f"format4/{name}", EinNet) for name in ("EinNet", "EinNet_options", "EinNet_decoder", "EinNet_counts")]
FILES += [("format5/EinNet_counts", EinNet)]


@pytest.mark.parametrize(("name", "network"), FILES)
def test_a_file_gives_the_outputs_that_it_gave(name, network):
    net = Network.load(FOLDER / f"{name}.safetensors")
    assert type(net) is network and not net.training
    example = load_file(FOLDER / f"{name}_example.safetensors")
    y = example.pop("y")
    assert torch.allclose(net(*(example[k] for k in sorted(example))), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, _ in FILES if not name.startswith("format5")])
def test_a_file_of_a_previous_format_is_saved_in_the_present_one(name, tmp_path):
    net = Network.load(FOLDER / f"{name}.safetensors")
    net.save(tmp_path / "net.safetensors")
    loaded, example = Network.load(tmp_path / "net.safetensors"), load_file(FOLDER / f"{name}_example.safetensors")
    inputs = [example[k] for k in sorted(example) if k != "y"]
    assert loaded.config == net.config and torch.equal(loaded(*inputs), net(*inputs))


def test_the_shipped_solver_of_sudokus_is_loaded():
    net = Network.load(Path(einnet.tasks.sudoku.__file__).parent / "solver.safetensors")
    assert isinstance(net, RecurrentNet)
    sizes = dict.fromkeys(net.signature.classes, 2)
    inputs = [
        torch.zeros([sizes[c] for c in t.axes] + [f])
        for t, f in zip(net.signature.inputs, net.in_features, strict=True)
    ]
    assert torch.isfinite(net(*inputs, iterations=2)).all()


def write_files(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    size, options = {"heads": 2, "hidden": 4, "depth": 2}, {"norm": "layer", "activation": "silu", "chunks": 2}
    nets = {
        "EinNet": EinNet("aH, aaH -> aH", (2, 1), 3, **size),
        "EinNet_options": EinNet("aaH -> aH", 2, 3, **size, **options, expansion=1, bias=False, normalize=None),
        "EinNet_decoder": EinNet("aH, aaH -> H", (2, 1), 3, **size, decoder_hidden=6),
        "EinNet_counts": EinNet("aH -> H", 2, 3, **size, counts=True),
        "PolynomialNet": PolynomialNet("aH, aaH -> aH", (2, 1), 3, **size),
        "RecurrentNet": RecurrentNet("abH", 2, 3, **size, automorphism="ba", iterations=3),
        "ReferenceNet": ReferenceNet("aaH -> aH", 2, 3, **size),
    }
    for name, net in nets.items():
        for p in net.parameters():
            p.data.add_(torch.randn_like(p), alpha=0.3)
        types = zip(net.signature.inputs, net.in_features, strict=True)
        inputs = [torch.randn(2, *(3 + (c == "b") for c in t.axes), f) for t, f in types]
        net.eval().save(folder / f"{name}.safetensors")
        example = {f"x{k}": x for k, x in enumerate(inputs)} | {"y": net(*inputs).detach().contiguous()}
        save_file(example, folder / f"{name}_example.safetensors")


if __name__ == "__main__":
    write_files(Path(sys.argv[1]))
