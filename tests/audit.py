"""Runs every command in this process under an audit hook; prints what went beyond the folder FOLDER, as JSON.

    python audit.py FOLDER

An object for each command: its exit code, and its offences, which are names that were unpickled, connections,
processes, and files outside of FOLDER that were opened for writing.
"""

import json
import os
import pickle
import socket
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from unittest import mock

ALLOWED = ["/dev/null", os.environ.get("MPLCONFIGDIR", "/dev/null")]  # matplotlib keeps its list of fonts
NEVER = (
    "pickle.find_class", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
)  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TINY = ["--steps", "1", "--hidden", "4", "--heads", "1", "--precision", "32", "--out", "runs"]
COMMANDS = {
    "series": ["series", "ab ->", "--plot", "series.svg"],
    "explain": ["explain", "aaH"],
    "laurent": ["laurent", "2"],
    "pool": ["pool", "aaH"],
    "explore": ["explore", "aH", "--html", "page.html"],
    "train kg": ["train", "kg", "--dataset", "nations", "--depth", "1", *TINY],
    "eval kg": ["eval", "kg", "--json"],
    "eval kg, a folder": ["eval", "kg", "--data", "graph"],
    "predict kg": ["predict", "kg", "--relation", "embassy", "--head", "usa"],
    "explain kg": ["predict", "kg", "--relation", "embassy", "--head", "usa", "--explain", "--plot", "why.svg"],
    "resume kg": ["train", "kg", "--resume", "RUN"],
    "train pinv": ["train", "pinv", "--matrices", "4", "--batch", "2", "--depth", "1", *TINY],
    "eval pinv": ["eval", "pinv"],
    "train poker": ["train", "poker", "--deals", "20", "--batch", "2", "--depth", "1", *TINY],
    "eval poker": ["eval", "poker"],
    "predict poker": ["predict", "poker", "AS KS QS JS TS | 2C 2D 2H 3S 3D"],
    "train ratings": ["train", "ratings", "--data", "ratings.csv", "--depth", "1", *TINY],
    "eval ratings": ["eval", "ratings"],
    "predict ratings": ["predict", "ratings", "--user", "u1"],
    "train sudoku": ["train", "sudoku", "--side", "4", "--puzzles", "4", "--batch", "2", "--iterations", "1", *TINY],
    "resume sudoku": ["train", "sudoku", "--resume", "RUN"],
    "eval sudoku": ["eval", "sudoku", "--data", "boards.txt"],
    "predict sudoku": ["predict", "sudoku", "boards.txt", "--plot", "steps.svg"],
    "train arc": ["train", "arc", "--task", "25ff71a9", "--no-networks"],
    "bench arc": ["bench", "arc", "--set", "training", "--limit", "1", "--seconds", "0.1", "--no-networks"],
    "bench brec": ["bench", "brec", "--data", "graphs.json", "--order", "2", "--depth", "1", "--seeds", "1"],
}
DELIBERATE = {  # what the hook must see
    "pickle.find_class": lambda: pickle.loads(pickle.dumps(Path)),
    "socket.connect": lambda: socket.socket().connect(("127.0.0.1", 1)),
    "open": lambda: Path("../outside.txt").write_text(""),
}
offences: list[str] = []


def is_inside(path: object) -> bool:
    """Whether a file may be written."""
    if isinstance(path, int):  # a descriptor
        return True
    name = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
    return any(name == place or name.startswith(place + os.sep) for place in (os.getcwd(), *ALLOWED))


def note(event: str, arguments: tuple) -> None:
    is_write = event == "open" and arguments[2] & WRITES
    is_change = event in ("os.rename", "os.remove") or (event == "os.mkdir" and not os.path.isdir(arguments[0]))
    if event in NEVER or ((is_write or is_change) and not is_inside(arguments[0])):
        offences.append(f"{event} {arguments}")


def one_after_another(work, jobs, *_, **__):
    return list(map(work, jobs))


def run(arguments: list[str], main) -> dict[str, object]:
    offences.clear()
    run = [str(max(Path("runs", arguments[1]).iterdir())) if word == "RUN" else word for word in arguments]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as messages:
        code = main(run)
    return {"code": code, "offences": list(offences), "messages": messages.getvalue()}


def run_all(folder: Path) -> dict[str, dict[str, object]]:
    os.chdir(folder)
    Path("graph").mkdir()
    for split, relation in (("train", "embassy"), ("valid", "embassy"), ("test", "embassy")):
        Path("graph", f"{split}.txt").write_text(f"ann\t{relation}\tbob\nbob\t{relation}\t{split}\n")
    Path("boards.txt").write_text(".......24...3..1\n")
    Path("ratings.csv").write_text("".join(f"u{k % 7},i{k % 11},{k % 5}\n" for k in range(60)))
    Path("graphs.json").write_text(json.dumps([{"category": "small", "g": "Bw", "h": "BW"}]))
    sys.addaudithook(note)
    from einnet.cli import main

    with (
        mock.patch("einnet.tasks.app.draw_picture"),  # --plot draws
        mock.patch("einnet.tasks.report.draw_picture"),
        mock.patch("einnet.tasks.poker.evaluate.KINDS", [(2, 5), (2, 7)]),
        mock.patch("einnet.tasks.sudoku.solve.TEST", 2),
        mock.patch("einnet.tasks.sudoku.generate.map_in_processes", one_after_another),
        mock.patch("einnet.tasks.bench.map_in_processes", one_after_another),
    ):
        results = {name: run(arguments, main) for name, arguments in COMMANDS.items()}
    offences.clear()
    for act in DELIBERATE.values():
        with suppress(OSError):
            act()
    return results | {"deliberate": {"code": 0, "offences": list(offences), "messages": ""}}


if __name__ == "__main__":
    print(json.dumps(run_all(Path(sys.argv[1]))))
