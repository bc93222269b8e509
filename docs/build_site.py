"""Builds the site from docs/ and the tables of benchmarks/ with zensical: `make docs`, or `python docs/build_site.py`.

The pages are readable where they lie; for the site they are copied, together with the tables and pictures
of benchmarks/, and the notebooks of examples/ as .ipynb files. A link to a table then leads to its page, one to a
notebook to this file and to Colab, and one to another file of the repository becomes its name.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape, unescape
from pathlib import Path

from notebooks import find_colab, write_notebooks

__all__ = ["build"]

ROOT = Path(__file__).parents[1]
COLOUR = re.compile(r"\x1b\[[\d;]*m")
ABORTED = re.compile(r"Traceback (?:(?!Traceback).)*Aborted because --strict flag is set\n", re.DOTALL)
SESSION = re.compile(r'(<div class="language-(?:pycon|console) highlight")(>.*?<code>(.*?)</code>)', re.DOTALL)
DOCTEST = re.compile(r"```python\n( *>>> )")
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]\n]*)\]\((?P<path>\.\.?/[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def build(site: Path, root: Path = ROOT, *, draft: bool = False) -> None:
    """Builds the site of a working tree; a warning is an error with its text, unless it is a draft.

    Raises:
        RuntimeError: the page and what is wrong with it.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _stage(work, root)
        command = [sys.executable, "-m", "zensical", "build", *(() if draft else ("--strict",))]
        paths = [str(work / "docs"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        result = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
        message = ABORTED.sub("", COLOUR.sub("", result.stdout + result.stderr))
        if result.returncode:
            raise RuntimeError(f"the site has not been built:\n{message}")
        for page in (work / "site").rglob("*.html"):
            page.write_text(SESSION.sub(_add_copy, page.read_text()))
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(work / "site", site, ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def _stage(work: Path, root: Path = ROOT) -> None:
    """Copies what the site is made from into an empty folder."""
    shutil.copytree(root / "docs", work / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    (work / "docs" / "benchmarks").mkdir()
    for file in [*(root / "benchmarks").glob("*.md"), *(root / "benchmarks").glob("*.svg")]:
        shutil.copy(file, work / "docs" / "benchmarks")
    (work / "docs" / "examples").mkdir()
    write_notebooks(work / "docs" / "examples", root)
    shutil.copytree(root / "src", work / "src", ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    shutil.copy(root / "zensical.toml", work)
    for page in (work / "docs").rglob("*.md"):
        inside = page.relative_to(work / "docs")
        original = root / inside if inside.parts[0] == "benchmarks" else root / "docs" / inside
        page.write_text(_adapt(page.read_text(), original, page, work, root))


def _adapt(text: str, original: Path, page: Path, work: Path, root: Path) -> str:
    """The page with the links out of docs/ pointing to pages of the site, and doctests marked as such."""

    def adapt_link(link: re.Match) -> str:
        target = Path(os.path.normpath(original.parent / link["path"]))
        if target.is_relative_to(root / "docs") or not target.exists():
            return link[0]  # a link to a missing file is left for the strict build to report
        inside = target.relative_to(root)
        if inside.parts[0] == "benchmarks" and (work / "docs" / inside).is_file():
            path = os.path.relpath(work / "docs" / inside, page.parent)
            return f"{link['image']}[{link['text']}]({path}{link['anchor'] or ''})"
        if (notebook := work / "docs" / inside.with_suffix(".ipynb")).is_file():
            path, colab = os.path.relpath(notebook, page.parent), find_colab(inside.stem, root)
            return f"[`{inside.with_suffix('.ipynb')}`]({path})" + f" ([open in Colab]({colab}))" * bool(colab)
        return link["text"] if "`" in link["text"] or "/" not in link["text"] else f"`{link['text']}`"

    return LINK.sub(adapt_link, DOCTEST.sub(r"```pycon\n\1", text))


def _add_copy(block: re.Match) -> str:
    """The block with the code of a session, without prompts and outputs, for the copy button."""
    lines = unescape(re.sub(r"<[^>]*>", "", block[3])).splitlines()
    code = "\n".join(line.partition(" ")[2] for line in lines if line.partition(" ")[0] in (">>>", "...", "$"))
    return f'{block[1]} data-copy="{escape(code)}"{block[2]}'


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the site.")
    parser.add_argument("--site", type=Path, default=ROOT / "site", help="the folder to write (default: site/)")
    parser.add_argument("--draft", action="store_true", help="build in spite of warnings")
    options = parser.parse_args()
    try:
        build(options.site, draft=options.draft)
    except RuntimeError as error:
        sys.exit(str(error))
