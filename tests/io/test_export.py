"""Exported files run in a process in which this package cannot be imported, at other sizes."""

import subprocess
import sys

import pytest
import torch

from einnet import EinNet
from einnet.errors import EinNetError, ShapeError
from einnet.nn import PolynomialNet, RecurrentNet, ReferenceNet

READER = """
import sys
sys.modules["einnet"] = None  # importing it raises
import numpy as np
path, *files = sys.argv[1:]
*inputs, expected = map(np.load, files)
if path.endswith(".onnx"):
    import onnxruntime
    session = onnxruntime.InferenceSession(path)
    (y,) = session.run(None, {i.name: x for i, x in zip(session.get_inputs(), inputs)})
else:
    import torch
    y = torch.export.load(path).module()(*map(torch.from_numpy, inputs)).detach().numpy()
assert y.shape == expected.shape, (y.shape, expected.shape)
assert abs(y - expected).max() < 1e-4 * max(1, abs(expected).max()), abs(y - expected).max()
try:
    import einnet
except ImportError:
    print("read without the package")
"""

NETS = {
    "relation": (EinNet, "aaH -> aH", 3, {}),
    "list of lists": (EinNet, "abcH -> aH; a->b", 2, {"dropout": 0.1}),
    "two inputs": (EinNet, "aH, aaH -> H", (2, 3), {}),
    "the bridge": (EinNet, "aaH", 2, {"order": 5}),
    "semirings": (EinNet, "aaH -> aH", 3, {"reduction": {"max": 2, "logsumexp": 1, "attention": 1}}),
    "polynomial": (PolynomialNet, "aaH -> aH", 2, {}),
    "recurrent": (RecurrentNet, "aH", 2, {"iterations": 3}),
    "reference": (ReferenceNet, "abH", 2, {}),
}


def examples(net, sizes, batch):
    return [
        torch.randn(batch, *(sizes[c] for c in t.axes), f, generator=torch.Generator().manual_seed(k))
        for k, (t, f) in enumerate(zip(net.signature.inputs, net.in_features, strict=True))
    ]


@pytest.mark.grid(stratum=lambda name, suffix: suffix)
@pytest.mark.parametrize(
    ("name", "suffix"),
    [("list of lists", ".onnx"), ("two inputs", ".onnx"), ("the bridge", ".onnx"), ("reference", ".onnx"),
     ("polynomial", ".onnx"), ("relation", ".pt2"), ("semirings", ".onnx"), ("semirings", ".pt2"),
     ("the bridge", ".pt2"), ("recurrent", ".pt2")],
)  # fmt: skip
def test_an_exported_file_runs_without_the_package_at_another_size(name, suffix, tmp_path):
    import numpy as np

    if suffix == ".onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    network, signature, in_features, options = NETS[name]
    torch.manual_seed(0)
    net = network(signature, in_features, 2, heads=2, hidden=8, depth=1, **options)
    path = tmp_path / f"net{suffix}"
    net.export(path, *examples(net, {c: 4 + k for k, c in enumerate(net.signature.classes)}, 3))
    assert net.training  # as it was
    net.eval()
    inputs = examples(net, {c: 7 + k for k, c in enumerate(net.signature.classes)}, 2)
    files = []
    for k, x in enumerate([*inputs, net(*inputs).detach()]):
        files.append(tmp_path / f"{k}.npy")
        np.save(files[-1], x.numpy())
    ran = subprocess.run([sys.executable, "-c", READER, str(path), *map(str, files)], capture_output=True, text=True)
    assert ran.returncode == 0 and "read without the package" in ran.stdout, ran.stderr[-2000:]


def test_an_axis_that_only_the_output_has_is_fixed(tmp_path):
    net = EinNet("aH -> abH", 2, 2, heads=2, hidden=8, depth=1).eval()
    net.export(tmp_path / "net.pt2", torch.randn(2, 4, 2), sizes={"b": 3})
    x = torch.randn(5, 6, 2)
    assert torch.allclose(torch.export.load(tmp_path / "net.pt2").module()(x), net(x, sizes={"b": 3}), atol=1e-5)


def test_wrong_names_and_examples_are_refused_and_nothing_is_left(tmp_path):
    net = EinNet("aaH", 2, 2, heads=2, hidden=8, depth=1)
    with pytest.raises(EinNetError, match="net.bin"):
        net.export("net.bin", torch.randn(2, 4, 4, 2))
    for wrong in (torch.randn(4, 4, 2), torch.randn(1, 4, 4, 2), torch.randn(2, 1, 1, 2)):
        with pytest.raises(ShapeError, match="length 2"):
            net.export(tmp_path / "net.pt2", wrong)
    with pytest.raises(ShapeError):
        net.export(tmp_path / "net.pt2", torch.randn(2, 4, 5, 2))
    with pytest.raises(ShapeError, match="list"):
        net.export(tmp_path / "net.pt2", [1])
    two = EinNet("abH, aH -> abH", (1, 2), 1, heads=2, hidden=4, depth=1)
    for shape, problem in {(2, 5, 2): "size 5", (4, 3, 2): r"\[\(2,\), \(4,\)\]",
                           (2, 3, 5): r"got \(2, 3, 5\)"}.items():  # fmt: skip
        with pytest.raises(ShapeError, match=problem):
            two.export(tmp_path / "net.onnx", torch.randn(2, 3, 4, 1), torch.randn(shape))
    with pytest.raises(ShapeError, match="'a'"):
        net.export(tmp_path / "net.pt2", torch.randn(2, 4, 4, 2), sizes={"a": 4})
    with pytest.raises(EinNetError, match="double"):
        net.double().export(tmp_path / "net.onnx", torch.randn(2, 4, 4, 2, dtype=torch.float64))
    assert list(tmp_path.iterdir()) == []
