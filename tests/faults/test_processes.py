"""No process outlives the one that started it, and an interrupted one ends in words."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cyclopts import App

from einnet.errors import EinNetError
from einnet.tasks.console import log, run_cli
from einnet.tasks.parallel import map_in_processes

SECONDS = 5
PATIENCE = 120  # for a slow machine to start processes
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

app = App()


@app.default
def work(folder: Path) -> int:
    map_in_processes(sleep, [(folder, 0)], 2, "pieces")
    return 0


def sleep(job: tuple[Path, int]) -> None:
    folder, number = job
    (folder / f"{number}.pid").write_text(str(os.getpid()))
    time.sleep(PATIENCE)


def die(job: tuple[Path, int]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def start(folder: Path) -> tuple[subprocess.Popen, list[int]]:
    """A command whose process is at work, with its number."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import faults.test_processes as t"
    code += "; import sys; sys.exit(t.run_cli(t.app))"
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE
    while len(files := [f for f in folder.glob("*.pid") if f.read_text()]) < 1 and time.monotonic() < end:
        time.sleep(0.05)
    return process, [int(f.read_text()) for f in files]


def is_alive(number: int) -> bool:
    try:
        return (
            "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
            if Path("/proc").is_dir()
            else not os.kill(number, 0)
        )
    except OSError:
        return False


@pytest.mark.parametrize(
    ("signals", "code"),
    [([signal.SIGKILL], -signal.SIGKILL), ([signal.SIGTERM], 130), ([signal.SIGINT, signal.SIGINT], 130)],
    ids=["killed", "terminated", "Ctrl-C twice"],
)
def test_processes_end_with_the_one_that_started_them(tmp_path, signals, code):
    process, workers = start(tmp_path)
    assert len(workers) == 1
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    _, messages = process.communicate(timeout=PATIENCE)
    end = time.monotonic() + SECONDS
    while any(map(is_alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
    assert process.returncode == code and "Traceback" not in messages
    assert code < 0 or messages.splitlines()[-1] == "einnet: interrupted"


def test_a_process_that_the_system_ends_is_said(tmp_path):
    with pytest.raises(EinNetError, match="one of 1 processes for the pieces .* memory"):
        map_in_processes(die, [(tmp_path, 0)], 2, "pieces")


def test_a_terminal_that_is_closed_and_a_scheduler_end_any_command(capsys):
    for number in (signal.SIGTERM, signal.SIGHUP):
        command = App()
        command.default(lambda number=number: signal.raise_signal(number))
        assert run_cli(command, []) == 130
        assert capsys.readouterr().err == "einnet: interrupted\n"
        assert signal.getsignal(number) == signal.SIG_DFL


def test_nohup_stays_in_force(capsys):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        command = App()
        command.default(lambda: [signal.raise_signal(signal.SIGHUP), log("still here"), 0][-1])
        assert run_cli(command, []) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert capsys.readouterr().err == "still here\n"
