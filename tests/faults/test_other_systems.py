"""What is different on Windows and in other locales, by emulation: flushing, encodings, modules, names of files."""

import ast
import errno
import os
import sys
from pathlib import Path

import pytest

from einnet.files import write_whole
from einnet.tasks.parallel import peak_memory

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("src", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py"))
TEXT = {"read_text", "write_text", "open"}


def fsync_of_windows(descriptor: int) -> None:
    import fcntl

    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


@pytest.mark.skipif(sys.platform == "win32", reason="an emulation of it")
def test_a_file_is_flushed_where_only_writable_ones_can_be(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fsync_of_windows)
    with write_whole(tmp_path / "text") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "text").read_text() == "new"


def test_names_of_files_can_be_as_long_as_the_system_allows(tmp_path):
    for name in ("x" * 251 + ".txt", "名" * 83 + ".txt"):
        with write_whole(tmp_path / name) as temporary:
            temporary.write_text("new")
    assert len(list(tmp_path.iterdir())) == 2


def test_memory_is_not_measured_where_the_system_does_not_say(monkeypatch):
    assert sys.platform == "win32" or 1 < peak_memory() < 1_000_000
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory() is None


def find_texts_without_encoding(source: str) -> list[int]:
    """The lines that open a text file in the encoding of the system."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        is_method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if is_method else "open" if getattr(node.func, "id", "") == "open" else ""
        owner = getattr(getattr(node.func, "value", None), "id", "")
        keywords = {k.arg for k in node.keywords}
        if name not in TEXT or "encoding" in keywords or owner in {"Run", "cls", "os", "webbrowser"}:
            continue
        literals = [
            str(a.value) for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)
        ]
        is_binary = any("b" in mode and len(mode) <= 3 for mode in literals)
        is_gzip = owner == "gzip" and not any("t" in mode and len(mode) <= 3 for mode in literals)
        if name != "open" or not (is_binary or is_gzip or owner in {"archive", "zipfile"}):
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_text_files_are_opened_with_an_encoding(path):
    assert find_texts_without_encoding(path.read_text(encoding="utf-8")) == []


def test_the_search_finds_what_it_is_for():
    opened = "open(p)\np.open()\np.open('w', newline='')\np.read_text()\np.write_text(t)\ngzip.open(p, 'wt')\nopen(p, mode='r')"
    assert find_texts_without_encoding(opened) == [1, 2, 3, 4, 5, 6, 7]
    assert (
        find_texts_without_encoding("open(p, 'rb')\np.open('rb+')\ngzip.open(p)\np.read_text(encoding='utf-8')") == []
    )
