"""The pinv task: its matrices and error, a short training, the run's folder, the command line."""

import json

import pytest
import torch

from einnet import EinNet
from einnet.cli import main
from einnet.tasks.pinv.app import PinvConfig
from einnet.tasks.pinv.evaluate import compute_metrics
from einnet.tasks.pinv.network import error, inverses, make_net, matrices, newton_schulz, norm_bound, residual
from einnet.testing import assert_equivariant

SMALL = ["--matrices", "50", "--heads", "3", "--hidden", "4", "--depth", "5", "--batch", "16"]


def test_the_sets_are_different_matrices_and_always_the_same():
    sets = {split: matrices(split, 8, 16, 20) for split in ("train", "valid", "test")}
    assert all(torch.equal(matrices(split, 8, 16, 20), a) for split, a in sets.items())
    rows = torch.cat(list(sets.values())).flatten(1)
    assert len(torch.unique(rows, dim=0)) == 60
    firsts = [matrices(split, 8, 16, 1, seed)[0] for seed in range(20) for split in ("train", "valid")]
    assert len(torch.unique(torch.stack([*firsts, sets["test"][0]]).flatten(1), dim=0)) == 41


def test_the_error_is_that_of_the_pseudo_inverse():
    for shape in ((8, 16), (16, 8)):
        a = matrices("test", *shape, 5).double()
        exact = torch.linalg.pinv(a).mT
        assert error(exact, a) < 1e-12
        assert residual(exact, a).shape == (5, 8, 8)
        assert error(0 * exact, a) == pytest.approx(1 / 8)  # chance


@pytest.mark.parametrize("shape", [(8, 16), (16, 8), (1, 1), (30, 30)])
def test_the_bound_of_the_norm(shape):
    a = matrices("test", *shape, 50).double() * 1e3
    norms = torch.linalg.matrix_norm(a, 2)
    ratio = norm_bound(a).flatten() / norms
    assert (ratio >= 1 - 1e-12).all() and (ratio <= min(shape) ** (1 / 8) + 1e-12).all()


def test_zero_and_other_scales():
    net = make_net(PinvConfig(heads=2, hidden=3, depth=2))
    assert torch.equal(inverses(net, torch.zeros(2, 4, 6))[-1], torch.zeros(2, 4, 6))
    a = matrices("test", 4, 6, 3)
    for scale in (1e-15, 1e15):
        assert torch.allclose(inverses(net, scale * a)[-1] * scale, inverses(net, a)[-1], rtol=1e-3)


def test_newton_schulz_converges():
    a = matrices("test", 8, 16, 10).double()
    errors = [error(newton_schulz(a, k), a) for k in (4, 8, 16, 32)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-10


def test_the_network_is_equivariant_and_scales_as_an_inverse():
    net = make_net(PinvConfig(heads=2, hidden=3, depth=2)).double()
    assert_equivariant(lambda x: inverses(net, x[..., 0])[-1][..., None], "abH", {"a": 4, "b": 6}, features=1)
    a = matrices("test", 4, 6, 3).double()
    assert torch.allclose(inverses(net, 5 * a)[-1], inverses(net, a)[-1] / 5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert main(["train", "pinv", "--steps", "500", "--lr", "1e-2", "--out", str(out), *SMALL]) == 0
    return next((out / "pinv").iterdir())


def test_a_short_training_learns_to_invert(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["sizes"]["8x16"]["error"] < 0.03  # chance is 0.125
    assert metrics["products"] == 2 * 3 * 5 + 2
    assert set(metrics["sizes"]) == {"6x12", "8x16", "12x24", "16x32"}
    assert compute_metrics(EinNet.load(run / "best.safetensors")) == metrics


def test_no_matrix_makes_the_network_explode(run):
    """One row far larger than the others, nearly singular ones, other scales: never worse than doing nothing by far."""
    net = EinNet.load(run / "best.safetensors")
    a = matrices("valid", 8, 16, 2000, seed=9)
    a[:500, 0] *= 50
    a[500:1000, 1] = a[500:1000, 0] + 1e-3 * a[500:1000, 1]
    a[1000:1500] *= 1e6
    with torch.no_grad():
        assert residual(inverses(net, a)[-1], a).abs().max() < 3


def test_a_run_holds_its_settings_log_pictures_and_weights(run):
    names = {p.name for p in run.iterdir()}
    assert names == {
        "best.safetensors",
        "config.json",
        "curve.png",
        "index.html",
        "last.safetensors",
        "log.csv",
        "metrics.json",
        "product.png",
    }
    assert (run / "product.png").stat().st_size > 5000
    assert json.loads((run / "config.json").read_text())["config"]["matrices"] == 50


def test_a_run_of_the_former_format_is_read(run, tmp_path, capsys):
    config = json.loads((run / "config.json").read_text())
    config["settings"] = config.pop("config")
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "best.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    assert main(["eval", "pinv", "--checkpoint", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((run / "metrics.json").read_text())


def test_eval_prints_the_same_and_wrong_input_is_refused(run, capsys):
    assert main(["eval", "pinv", "--checkpoint", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((run / "metrics.json").read_text())
    assert main(["eval", "pinv", "--out", str(run.parents[1])]) == 0
    assert "mean |F(A) A^T - I|" in capsys.readouterr().out
    for arguments, phrase in (
        (["train", "pinv", "--depth", "0"], "--depth"),
        (["train", "pinv", "--resume", str(run), "--depth", "3"], "--resume"),
        (["eval", "pinv", "--checkpoint", str(run / "nothing")], "run's folder"),
    ):
        assert main(arguments) == 2
        assert phrase in capsys.readouterr().err
