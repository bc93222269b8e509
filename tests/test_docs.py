"""The pages are true: commands print what they show, links lead to files, pictures and tables come from the code."""

import base64
import io
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import einnet
from einnet import EinNet, Signature
from einnet.cli import main
from einnet.operations import pooling_terms
from einnet.signature import hidden_types
from einnet.testing import assert_equivariant
from test_benchmarks import BENCHMARKS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FRONT = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
QUICK = ("series", "laurent", "pool", "explain")

sys.path.insert(0, str(DOCS))
from pictures import PICTURES  # noqa: E402

sys.path.remove(str(DOCS))


def read_commands(text: str) -> list[tuple[str, str]]:
    """Each command of the console blocks of a page, with the output below it."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


COMMANDS = [command for page in PAGES for command in read_commands(page.read_text())]


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 20
    assert read_commands("```console\n$ one\na\nb\n$ two\n```\n") == [("one", "a\nb\n"), ("two", "")]


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_a_shown_command_prints_what_is_shown(command, output, capsys):
    program, name, *arguments = shlex.split(command)
    assert program == "einnet" and name in QUICK, "console blocks have quick commands only, with their output"
    assert main([name, *arguments]) == 0
    assert capsys.readouterr().out == output


@pytest.mark.parametrize("page", [*FRONT, *PAGES], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    for path, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        if (
            anchor and target.suffix == ".md" and "." not in anchor
        ):  # names of the reference are anchors of the site alone
            assert anchor in read_anchors(target), f"{path}#{anchor}"


def read_anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_the_front_page_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 700


@pytest.mark.parametrize("name", BENCHMARKS)
def test_results_have_a_section_for_each_benchmark(name):
    section = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", (DOCS / "results.md").read_text(), re.DOTALL)
    assert len(section) == 1 and section[0].startswith("| ")


def split_images(svg: str) -> tuple[str, list[np.ndarray]]:
    """A picture's text without the images inside it, and these as arrays."""
    images = [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]*)\"", svg)]
    text = re.sub(r"base64,[^\"]*\"", "", svg)
    return re.sub(r'id="[^"]*"|url\(#[^)]*\)|href="#[^"]*"', "", text), [np.asarray(i).astype(int) for i in images]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_the_code_makes_today(name, tmp_path):
    file = tmp_path / "today.svg"
    PICTURES[name](file)
    text, images = split_images(file.read_text())
    stored_text, stored = split_images((DOCS / name).read_text())
    assert text == stored_text, f"python docs/pictures.py {name}"
    assert [i.shape for i in images] == [i.shape for i in stored]
    assert all(np.abs(a - b).max() <= 2 for a, b in zip(images, stored, strict=True))  # of 255, for other processors


def test_every_picture_of_the_pages_is_made_by_the_code():
    in_docs = {str(file.relative_to(DOCS)) for file in DOCS.rglob("*") if file.suffix in (".svg", ".png")}
    assert in_docs == set(PICTURES)


def read_rows_of_types() -> list[tuple[str, int, str]]:
    """Signature, maps and operations of the tables of docs/types.md."""
    cells = [line.strip("| ").split(" | ") for line in (DOCS / "types.md").read_text().split("\n") if line[:1] == "|"]
    return [(row[1].strip("`"), int(row[3]), row[4]) for row in cells if len(row) == 5 and row[1][0] == "`"]


def test_the_tables_of_types_are_read():
    rows = read_rows_of_types()
    assert len(rows) > 30
    assert ("aaH -> aH", 5, "6: `ab,bc->ac`") in rows


@pytest.mark.parametrize(("signature", "maps", "operations"), dict.fromkeys(read_rows_of_types()))
def test_a_row_of_the_tables_of_types(signature, maps, operations):
    assert einnet.series(signature, order=1).dof[1] == maps
    terms = pooling_terms(hidden_types(Signature(signature)))
    number, _, named = operations.partition(": ")
    assert int(number) == len(terms)
    beyond = [str(t) for t in terms if t.order > 1 and len({*t.operands, t.output}) > 1]
    if named or len(beyond) < 3:
        assert re.findall(r"`([^`]*)`", named) == beyond


@pytest.mark.parametrize("signature", dict.fromkeys(signature for signature, _, _ in read_rows_of_types()))
def test_a_network_of_each_type_of_the_tables(signature):
    torch.manual_seed(0)
    parsed = Signature(signature)
    classes = {c for t in (*parsed.inputs, parsed.output) for c in t.axes}
    net = EinNet(parsed, [2] * len(parsed.inputs), 2, heads=2, hidden=4, depth=1)
    assert_equivariant(net, parsed, dict.fromkeys(classes, 2), trials=1)
