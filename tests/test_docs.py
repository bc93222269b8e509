"""The commands that the documentation shows print what it shows."""

import re
import shlex
from pathlib import Path

import pytest

from einnet.cli import main

ROOT = Path(__file__).parents[1]


def shown(page: str) -> list[tuple[str, str]]:
    """Each command of the console blocks of a page, with the output below it."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


COMMANDS = [c for page in ("series", "pooling") for c in shown((ROOT / "docs" / f"{page}.md").read_text())]


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 20
    assert shown("```console\n$ one\na\nb\n$ two\n```\n") == [("one", "a\nb\n"), ("two", "")]


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_a_shown_command_prints_what_is_shown(command, output, capsys):
    program, *arguments = shlex.split(command)
    assert program == "einnet"
    assert main(arguments) == 0
    assert capsys.readouterr().out == output


@pytest.mark.parametrize("page", ["README.md", "docs/series.md", "docs/low-rank.md", "docs/pooling.md"])
def test_links_lead_to_files(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert links
    for link in links:
        assert (path.parent / link).exists(), link
