"""`python tests/faults/kills`: commands are killed at random moments and repeated, and end as if nothing had happened.

Each command is killed, resumed, killed again, until it ends; then its results are compared with those of an
undisturbed one, and it starts again, until the number of kills is reached. After each kill no process may be left after
5 seconds; after a SIGTERM, and when the command has ended, no temporary file. Needs Linux (/proc).
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from faults.kills.commands import COMMANDS, compare, find_leftovers, find_run, prepare

__all__ = ["Trial", "kill_and_resume", "list_processes"]

MARK = "EINNET_KILL_TEST"  # in the environment of all processes of a trial
SECONDS = 5  # until no process may be left


@dataclass
class Trial:
    """A command in a folder of its own, which is its working directory and has its temporary folder."""

    name: str
    folder: Path
    arguments: list[str]
    kills: int = 0
    complete: int = 0  # times that the command ended and was compared
    slowest: float = 0  # seconds until no process was left
    faults: list[str] = field(default_factory=list)

    def start(self, folder: Path) -> subprocess.Popen:
        """The command in a folder, or its continuation, if a run has begun there."""
        prepare(folder)
        run, task = find_run(folder), self.arguments[1]
        arguments = self.arguments if run is None else ["train", task, "--resume", str(run)]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder / "tmp"), MARK: str(folder)}
        env["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(Path(__file__).parents[3] / "src"), env.get("PYTHONPATH")])
        )
        with (folder / "messages").open("wb") as messages:
            command = [sys.executable, "-m", "einnet", *arguments]
            return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=messages)

    def find_leftovers(self, folder: Path) -> set[str]:
        """Temporary files that the undisturbed command does not leave; it leaves torch's cache of compiled code."""
        return set(find_leftovers(folder)) - set(find_leftovers(self.folder / "reference"))

    def check(self, is_right: bool, fault: str) -> None:
        if not is_right:
            self.faults.append(fault)
            print(f"{self.name}: {fault}", file=sys.stderr, flush=True)


def kill_and_resume(trial: Trial, number: int, kind: signal.Signals, moments: random.Random) -> None:
    """Kills the command so many times, each time at a moment between its start and its usual end."""
    start, reference = time.monotonic(), trial.folder / "reference"
    trial.check(trial.start(reference).wait() == 0, "the undisturbed command failed")
    seconds = time.monotonic() - start
    while trial.kills < number and not trial.faults:
        folder = trial.folder / f"disturbed-{trial.complete}"
        while trial.kills < number and kill_once(trial, folder, kind, moments.uniform(0, seconds)):
            trial.kills += 1
        code = trial.start(folder).wait() if trial.kills == number else 0
        trial.check(code == 0, f"exit code {code} when nothing disturbed it: {(folder / 'messages').read_text()}")
        trial.check(not (left := trial.find_leftovers(folder)), f"temporary files left: {left}")
        trial.check(not (different := compare(folder, reference)), f"other results: {different}")
        trial.complete += 1


def kill_once(trial: Trial, folder: Path, kind: signal.Signals, seconds: float) -> bool:
    """Whether the command was still at work when it was killed."""
    process = trial.start(folder)
    try:
        code = process.wait(timeout=seconds)
        trial.check(code == 0, f"exit code {code} before the kill: {(folder / 'messages').read_text()}")
        return False
    except subprocess.TimeoutExpired:
        moment = time.time()
        process.send_signal(kind)
    code, start = process.wait(), time.monotonic()
    while (left := list_processes(folder)) and time.monotonic() < start + SECONDS:
        time.sleep(0.05)
    trial.slowest = max(trial.slowest, time.monotonic() - start)
    trial.check(not left, f"processes left after {SECONDS} s: {left}")
    if kind == signal.SIGTERM:
        check_saved(trial, folder, code, moment)
    return True


def check_saved(trial: Trial, folder: Path, code: int, moment: float) -> None:
    """SIGTERM is answered in words, with the state as it was at that moment."""
    messages, run = (folder / "messages").read_text(), find_run(folder)
    if code == -signal.SIGTERM and (not messages or "\nSaved in" in f"\n{messages}"):  # not yet or no longer at work
        return
    ended = (
        0,
        130,
        -signal.SIGINT,
    )  # the last is Python's own code if the interrupt came within an `exec`, 130 for shells
    trial.check(code in ended and "Traceback" not in messages, f"SIGTERM: exit code {code}: {messages}")
    trial.check(not (left := trial.find_leftovers(folder)), f"SIGTERM left temporary files: {left}")
    steps = [line.split()[1] for line in messages.splitlines() if line.startswith("step ")]
    if (
        code in ended[1:] and run is not None and steps and len(set(steps[-1].split("/"))) == 2
    ):  # in the midst of training
        trial.check((run / "last.safetensors").stat().st_mtime >= moment, "SIGTERM: the state was not saved")


def list_processes(folder: Path) -> list[str]:
    """The commands of all processes, at any depth, that were started for a trial in a folder."""
    commands, mark = [], f"{MARK}={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                commands.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has gone, or is another user's
            continue
    return commands


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=20, help="kills of each command with each signal")
    parser.add_argument("--command", choices=COMMANDS, action="append", help="only this one; several times for several")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    lines = [
        "| command | signal | kills | of runs | other results | longest time until no process was left | faults |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    has_faults = False
    for name in options.command or COMMANDS:
        for kind in (signal.SIGKILL, signal.SIGTERM):
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial(name, Path(folder), COMMANDS[name]())
                kill_and_resume(trial, options.number, kind, random.Random(f"{options.seed} {name} {kind.name}"))
            different = sum(fault.startswith("other results") for fault in trial.faults)
            cells = (
                name,
                kind.name,
                trial.kills,
                trial.complete,
                different,
                f"{trial.slowest:.1f} s",
                len(trial.faults),
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
            print(lines[-1], flush=True)
            has_faults |= bool(trial.faults)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(has_faults)


if __name__ == "__main__":
    raise SystemExit(main())
