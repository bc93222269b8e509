"""What is printed, whatever is in it and wherever it goes: escape sequences, long names, narrow encodings, closed pipes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App
from rich.table import Table

from einnet.errors import DataError, NotationError, to_printable
from einnet.tasks.console import log, make_console, run_cli
from einnet.tasks.kg.explain import Deletion, Explanation, print_explanation
from einnet.tasks.kg.predict import Answer, print_answers
from einnet.tasks.report import make_table, print_report

HOSTILE = "\x1b[2J\x1b]0;title\x07 name\r\x9b1A\u202e\u2028\ud800"
SAFE = r"\x1b[2J\x1b]0;title\x07 name\r\x9b1A\u202e\u2028\ud800"
LONG = "/m/" + "entity" * 40
PROGRAM = """
import sys
from cyclopts import App
from einnet.tasks.console import make_console, run_cli
app = App()

@app.command
def show(text: str = "é 日本 \\udcff", *, lines: int = 1, rich: bool = True) -> int:
    for _ in range(lines):
        print(text)
        if rich:
            make_console().print(text)
    return 3

sys.exit(run_cli(app))
"""


def run(command: str, **environment: str) -> subprocess.CompletedProcess:
    """A command of the shell, in which EINNET is a program that prints."""
    program = f"{sys.executable} -c '{PROGRAM}'"
    return subprocess.run(
        ["bash", "-c", command.replace("EINNET", program)],
        env={**os.environ, **environment}, capture_output=True, timeout=60,
    )  # fmt: skip


def test_characters_that_a_terminal_obeys_are_escapes_and_others_stay():
    assert to_printable(HOSTILE) == SAFE
    for text in ("plain\ntext", "日本語 é ß 👩‍👩‍👧 می‌خواهم", " " + "\xa0"):
        assert to_printable(text) == text


def test_a_caret_stands_below_an_escaped_text():
    error = NotationError("unknown letter", "a\x1b[2J\nB\tH", 6, 8, hint="")
    assert str(error) == "unknown letter\n" + r"  a\x1b[2J\nB\tH" + "\n" + " " * 12 + "^^^"
    assert error.text == "a\x1b[2J\nB\tH"


def test_names_in_tables_sentences_titles_and_messages_are_escaped(capsys):
    table = make_table(HOSTILE, [HOSTILE], ["number"])
    table.add_row(HOSTILE, "1")
    fact = (HOSTILE, HOSTILE, HOSTILE)
    deletion = Deletion((fact,), 1.0, 1.0, 1)
    print_report([table, HOSTILE, Table(HOSTILE, title=HOSTILE)])
    print_answers(HOSTILE, [Answer(HOSTILE, None, "train")], [Answer(HOSTILE, 0.5, None)])
    print_explanation(Explanation(fact, "tail", None, 0.5, 1, 2, (deletion,), None))
    log(HOSTILE)
    captured = capsys.readouterr()
    assert (captured.out.count(SAFE), captured.err.count(SAFE)) == (15, 1)
    assert not set(captured.out + captured.err) & (set(HOSTILE) - set(SAFE))


@pytest.mark.parametrize("error", [DataError(HOSTILE), OSError(HOSTILE), NotationError("no", HOSTILE, 0)])
def test_errors_of_a_command_are_escaped(error, capsys):
    app = App()

    @app.default
    def fail(number: int = 1) -> int:
        raise error

    assert run_cli(app, []) == 2
    assert run_cli(app, ["--number", HOSTILE]) == 2  # said by the parser of arguments
    printed = capsys.readouterr().err
    assert SAFE in printed and not set(printed) & (set(HOSTILE) - set(SAFE))


@pytest.mark.parametrize("columns", ["", "40"])
def test_nothing_is_cut_or_wrapped_where_the_output_is_piped(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    table = make_table("names", ["name"], ["number"])
    table.add_row(LONG, "1")
    print_report([table, f"{LONG} {LONG}"])
    print_answers(LONG, [Answer(LONG, None, "train")], [Answer(LONG, 0.5, None)])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.count(LONG) for line in lines) == 6 and f"{LONG} {LONG}" in lines
    assert max(map(len, lines)) < 600  # as wide as the names, not as the console


def test_a_long_name_is_folded_on_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    print_answers("(?, r, ?)", [], [Answer(LONG, 0.5, None)])
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert "".join(line.split("│")[2].strip() for line in printed.splitlines() if line.startswith("│")) == LONG


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_every_name_can_be_printed_in_every_encoding(encoding):
    done = run("EINNET show", PYTHONIOENCODING=encoding)
    assert done.returncode == 3, done.stderr
    expected = {"ascii": r"\xe9 \u65e5\u672c", "cp1252": r"é \u65e5\u672c", "utf-8": "é 日本"}[encoding]
    assert done.stdout.decode(encoding).splitlines() == [rf"{expected} \udcff"] * 2


@pytest.mark.parametrize(
    "command",
    [
        "EINNET show --no-rich --lines 10000 | head -1",
        "EINNET show | true",
        "EINNET --no-such-option 2>&1 | true",
    ],
)
def test_a_closed_pipe_ends_a_command_silently(command):
    done = run(f"{command}; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("options", ["--no-rich", "--rich", "--no-rich --lines 10000"])  # which fail at other moments
def test_an_output_that_cannot_be_written_is_said_once(options):
    done = run(f"EINNET show {options} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == b"einnet: the output cannot be written: No space left on device\n"


def test_a_console_in_a_pipe_is_wide_and_reads_no_markup(capsys):
    make_console().print("[bold]x[/] :cat:" + " y" * 100)
    assert capsys.readouterr().out == "[bold]x[/] :cat:" + " y" * 100 + "\n"
