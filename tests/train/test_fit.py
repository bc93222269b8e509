"""The training loop: what it keeps, when it stops, and that a resumed run continues exactly."""

import csv
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Container
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from einnet import EinNet
from einnet.errors import CheckpointError, EinNetError
from einnet.train import Options, Run, Task, fit, processes
from einnet.train.state import read_state
from families import write_families

EINNET = [sys.executable, "-m", "einnet"]
SMALL = ["--hidden", "8", "--heads", "2", "--depth", "1", "--precision", "32", "--deterministic"]
PATIENCE = 300  # seconds that a process may take, whatever else runs


class Mean(Task):
    """Learns the mean of a set; small enough to train in a moment."""

    metric, higher_is_better = "error", False

    def __init__(self, explode_at: Container[int] = (), **options):
        super().__init__(EinNet("aH -> H", 1, 1, heads=2, hidden=4, depth=1), lr=1e-2, weight_decay=0.0, **options)
        self.explode_at = explode_at

    def loss(self, step):
        x = torch.randn(8, 5, 1)
        loss = (self.net(x) - x.mean(-2)).square().mean()
        return loss * float("nan") if step in self.explode_at else loss

    @torch.no_grad()
    def validate(self, net):
        x = torch.randn(64, 5, 1, generator=torch.Generator().manual_seed(0))
        return {"error": float((net(x) - x.mean(-2)).square().mean())}


def run_mean(
    tmp_path: Path, into: Run | None = None, resume: Run | None = None, steps: int = 40, make=Mean, **options
) -> Run:
    chosen = Options(steps=steps, precision="32", deterministic=True, out=tmp_path, **options)
    run = into or resume or Run.create(tmp_path, "mean", {})
    assert fit(lambda: make(seed=chosen.seed), run, chosen, steps=steps, validate_every=10, resume=resume is not None)
    return run


def rows(run: Run) -> list[dict[str, float]]:
    with (run.folder / "log.csv").open(newline="") as f:
        return [{k: float(v) for k, v in row.items() if k != "seconds"} for row in csv.DictReader(f)]


def test_the_best_network_on_the_validation_set_is_kept(tmp_path):
    run = run_mean(tmp_path)
    errors = [r["error"] for r in rows(run)]
    assert [r["step"] for r in rows(run)] == [10, 20, 30, 40]
    assert errors[-1] < errors[0]
    best = Mean().validate(EinNet.load(run.best))["error"]
    assert best == pytest.approx(min(errors), rel=1e-5)
    assert sorted(p.name for p in run.folder.iterdir()) == [
        "best.safetensors",
        "config.json",
        "last.safetensors",
        "log.csv",
    ]


def test_the_seed_decides_the_run(tmp_path):
    first, again, different = (run_mean(tmp_path, seed=s) for s in (1, 1, 2))
    assert rows(first) == rows(again)
    assert rows(first) != rows(different)


def test_a_resumed_run_ends_as_if_it_had_never_stopped(tmp_path):
    complete = run_mean(tmp_path)

    class Killed(Mean):
        def loss(self, step):
            if step == 25:
                raise RuntimeError("killed")
            return super().loss(step)

    broken = Run.create(tmp_path, "mean", {})
    with pytest.raises(RuntimeError, match="killed"):
        run_mean(tmp_path, into=broken, make=Killed)
    assert [r["step"] for r in rows(broken)] == [10, 20]
    run_mean(tmp_path, resume=broken)
    assert rows(broken) == rows(complete)
    assert same_tensors(broken.last, complete.last) and same_tensors(broken.best, complete.best)


def test_a_budget_of_minutes_ends_the_run_with_everything_saved(tmp_path):
    run = run_mean(tmp_path, steps=10**6, minutes=0.03)
    assert 0 < rows(run)[-1]["step"] < 10**6
    assert run.best.is_file() and run.last.is_file()


def test_patience_stops_when_nothing_improves(tmp_path, capsys):
    class Stuck(Mean):
        def validate(self, net):
            return {"error": 1.0}

    run = run_mean(tmp_path, steps=1000, patience=2, make=Stuck)
    assert [r["step"] for r in rows(run)] == [10, 20, 30]
    assert "ended at step 30 of 1000: valid error has not improved in 2 validations" in capsys.readouterr().err
    assert len(rows(run_mean(tmp_path, steps=100, make=Stuck))) == 10  # the loop's own patience is without end


def test_a_task_has_a_patience_of_its_own_and_the_options_another(tmp_path):
    class Stuck(Mean):
        def validate(self, net):
            return {"error": 1.0}

    for patience, number in ((None, 4), (0, 10), (1, 2)):
        run = Run.create(tmp_path, "mean", {})
        options = Options(steps=100, patience=patience, out=tmp_path)
        fit(Stuck, run, options, steps=100, validate_every=10, patience=3)
        assert len(rows(run)) == number


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(EinNetError, match="nan at step 23 and at 10 steps before"):
        run_mean(tmp_path, make=lambda **o: Mean(explode_at=range(12, 40), **o))


def test_steps_whose_loss_is_not_finite_change_no_weights_and_are_counted(tmp_path, capsys):
    run = run_mean(tmp_path, make=lambda **o: Mean(explode_at=[5, *range(10, 20), 25], **o))
    assert "left out, as loss or gradient was not finite: 12" in capsys.readouterr().err.splitlines()[-1]
    before, empty, *after = rows(run)
    assert math.isnan(empty["loss"]) and empty["error"] == before["error"]
    assert all(math.isfinite(v) for row in after for v in row.values())


def test_bf16_trains_with_weights_in_single_precision(tmp_path):
    run = Run.create(tmp_path, "mean", {})
    assert fit(Mean, run, Options(steps=40, precision="bf16", out=tmp_path), steps=40, validate_every=10)
    assert rows(run)[-1]["error"] < rows(run)[0]["error"]
    assert {t.dtype for t in load_file(run.best).values()} == {torch.float32}


def test_a_run_that_ended_before_its_first_state_starts_anew(tmp_path):
    run, complete = Run.create(tmp_path, "mean", {}), run_mean(tmp_path)
    assert rows(run_mean(tmp_path, resume=run)) == rows(complete)


@pytest.mark.parametrize(("step", "name"), [(3, "SIGTERM"), (10, "SIGINT"), (17, "SIGHUP"), (40, "SIGTERM")])
def test_a_signal_ends_the_run_with_its_state_saved(tmp_path, step, name):
    """Before the first validation, at one, between two, and at the last: resumed, all ends as if it had not been."""

    class Signalled(Mean):
        def loss(self, k):
            if k == step - 1:
                signal.raise_signal(getattr(signal, name))
            return super().loss(k)

    complete, run = run_mean(tmp_path), Run.create(tmp_path, "mean", {})
    options = Options(steps=40, precision="32", deterministic=True, out=tmp_path)
    assert not fit(Signalled, run, options, steps=40, validate_every=10)
    assert read_state(run.last)["step"] == step
    assert EinNet.load(run.best)
    run_mean(tmp_path, resume=run)
    assert rows(run) == rows(complete)
    assert same_tensors(run.last, complete.last) and same_tensors(run.best, complete.best)


STRANGE = {
    "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "nowhere", "SLURM_NTASKS": "4", "LT_DEVICES": "2",
    "SLURM_PROCID": "2", "EINNET_RUN": "/tmp/nowhere",
}  # fmt: skip


def test_variables_of_other_launchers_change_nothing(tmp_path, monkeypatch):
    for name, value in STRANGE.items():
        monkeypatch.setenv(name, value)
    run = run_mean(tmp_path / "runs", steps=10)
    assert run.folder.parent == tmp_path / "runs" / "mean" and rows(run)[-1]["step"] == 10


def test_torchrun_with_another_number_of_processes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(EinNetError, match="torchrun started 2 processes, but --devices 1"):
        run_mean(tmp_path)
    monkeypatch.setenv("RANK", "1")
    assert not Run.create(tmp_path / "out", "mean", {}).folder.exists()  # the first alone writes


def test_resuming_without_the_state_that_was_there_is_an_error(tmp_path):
    run = run_mean(tmp_path)
    run.last.unlink()
    with pytest.raises(CheckpointError, match="last.safetensors"):
        run_mean(tmp_path, resume=run)


def test_the_learning_rate_warms_up_and_falls_to_nothing(tmp_path):
    rates = []

    class Watched(Mean):
        def make_optimizer(self):
            optimizer = super().make_optimizer()
            optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
            return optimizer

    run_mean(tmp_path, steps=100, make=Watched)
    assert rates[0] < rates[10] < rates[25] and rates[40] > rates[70] > rates[-1]
    assert rates[-1] < 0.02 * max(rates) <= 0.02 * 1e-2


def test_ctrl_c_leaves_a_usable_checkpoint(tmp_path):
    process, run = start(tmp_path, steps=100_000, rows_to_wait_for=1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Interrupted." in errors and "--resume" in errors and "Traceback" not in errors
    assert EinNet.load(run.best).signature.inputs[0].axes == ("a", "a")
    assert (run.folder / "curve.png").stat().st_size > 1000


@pytest.mark.slow
def test_kill_9_and_resume_end_with_the_same_metrics(tmp_path):
    complete, run = start(tmp_path / "whole", steps=200, rows_to_wait_for=0)
    assert complete.wait(timeout=PATIENCE) == 0
    process, killed = start(tmp_path / "killed", steps=200, rows_to_wait_for=3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed.folder / "metrics.json").exists()
    subprocess.run([*EINNET, "train", "kg", "--resume", killed.folder], check=True, capture_output=True, env=quiet())
    assert (killed.folder / "metrics.json").read_text() == (run.folder / "metrics.json").read_text()
    assert rows(killed) == rows(run)
    assert same_tensors(killed.best, run.best)


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path):
    process, run = start(tmp_path, steps=25, rows_to_wait_for=0, extra=["--devices", "2"])
    assert process.wait(timeout=PATIENCE) == 0
    assert len(list((tmp_path / "runs" / "kg").iterdir())) == 1
    assert (run.folder / "metrics.json").is_file()


@pytest.mark.slow
def test_a_process_of_several_that_is_killed_is_named(tmp_path):
    process, run = start(tmp_path, steps=100_000, rows_to_wait_for=1, extra=["--devices", "2"])
    (child,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    os.kill(child, signal.SIGKILL)
    _, message = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2 and "Traceback" not in message
    assert message.endswith(
        f"process 1 of 0 to 1 was ended by signal 9 (Killed); the last state to --resume from is in {run.folder}\n"
    )


@pytest.mark.parametrize(
    ("command", "how"), [("kill -9 $$", "was ended by signal 9"), ("exit 3", "ended with exit code 3")]
)
def test_a_process_that_ends_ends_the_first_one_in_words(command, how, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(processes, "SECONDS", 0.05)
    monkeypatch.setattr("os._exit", sys.exit)
    started = [subprocess.Popen(["sh", "-c", c]) for c in ("exit 0", command, "sleep 60")]
    with pytest.raises(SystemExit):
        processes._end_with_children(list(started), Run(tmp_path))
    message = capsys.readouterr().err
    assert f"process 2 of 0 to 3 {how}" in message and str(tmp_path) in message
    assert started[2].wait(5) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "resume"),
    [("2", "2"), ("2 sharded", "2 sharded"), ("2 sharded", "1"), ("1", "2 sharded")],
    ids=["DDP", "FSDP", "from shards", "to shards"],
)
def test_two_processes_take_the_steps_that_one_takes_with_the_whole_batch(tmp_path, begin, resume):
    """The mean of the gradients of both halves is the gradient of the whole batch; so after any resume."""
    script = Path(__file__).with_name("two_processes.py")
    states = []
    for name, (first, second) in {"one": ("1", "1"), "two": (begin, resume)}.items():
        out = tmp_path / name
        for words in (first, f"{second} resume"):
            done = subprocess.run(
                [sys.executable, script, out, *words.split()], capture_output=True, text=True, env=quiet()
            )
            assert done.returncode == 0, done.stderr
            (folder,) = (out / "squares").iterdir()
            files = [len(list(shards.iterdir())) for shards in folder.glob("shards-*")]
            assert files == ([2] if "sharded" in words else [])
        states.append(read_state(folder / "last.safetensors"))
    one, two = states
    assert one["step"] == two["step"] == 9
    for part in ("net", "average"):
        assert one[part].keys() == two[part].keys() and len(one[part]) > 10
        for name, x in one[part].items():
            torch.testing.assert_close(x, two[part][name], rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_processes_that_torchrun_starts_take_the_same_steps(tmp_path):
    """As on two machines: each starts its own processes, and they find each other."""
    script, out = Path(__file__).with_name("two_processes.py"), tmp_path / "out"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    machines = [
        subprocess.Popen([*torchrun, "--node-rank", str(k), script, out, "1", "2"], env=quiet(), stderr=subprocess.PIPE)
        for k in range(2)
    ]
    for machine in machines:
        _, message = machine.communicate(timeout=PATIENCE)
        assert machine.returncode == 0, message.decode()
    subprocess.run([sys.executable, script, tmp_path / "one", "1"], check=True, capture_output=True, env=quiet())
    (folder,), (alone,) = (list((p / "squares").iterdir()) for p in (out, tmp_path / "one"))
    states = [load_file(f / "best.safetensors") for f in (folder, alone)]
    assert all(torch.allclose(x, states[1][k], rtol=1e-9, atol=1e-11) for k, x in states[0].items())


def start(tmp_path: Path, steps: int, rows_to_wait_for: int, extra=()) -> tuple[subprocess.Popen, Run]:
    """Trains on made-up families in a process of its own; returns when the log has some rows."""
    data, out = write_families(tmp_path / "data"), tmp_path / "runs"
    command = [*EINNET, "train", "kg", "--data", data, "--out", out, "--steps", str(steps), *SMALL, *extra]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=quiet()
    )
    for _ in range(20 * PATIENCE):
        folders = list((out / "kg").glob("*"))
        if folders and (folders[0] / "config.json").is_file():
            run = Run(folders[0])
            if rows_to_wait_for == 0 or ((run.folder / "log.csv").is_file() and len(rows(run)) >= rows_to_wait_for):
                return process, run
        if process.poll() not in (None, 0):
            break
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"training did not start: {process.communicate()[1]}")


def quiet() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def same_tensors(left: Path, right: Path) -> bool:
    a, b = load_file(left), load_file(right)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
