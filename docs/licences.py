"""Writes docs/licences.md: the licence of every package that EinNet can need, and what needs it.

    python docs/licences.py

Licences are those that each installed package states in its own metadata.
"""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["RUN_TIME", "classify_copyleft", "find_extras", "make_page", "read_licence", "read_pins"]

ROOT = Path(__file__).parents[1]
RUN_TIME = ("einnet", "train", "viz", "kg", "arc", "poker", "hub", "onnx", "sklearn")  # the package and its extras
DEVELOPMENT = ("examples", "test", "docs", "dev", "fuzz", "audit", "peers")

TEXT = """# Licences

EinNet has the MIT licence. This page lists the packages of constraints.txt with the licences that they state \
themselves, and what needs them: `einnet` is the package itself, the other names are its extras (`.[train]`). \
Extras in *italics* are for the development of EinNet alone: nothing that is trained or asked with it needs them.

Needed at run time, with the GPL or the AGPL: {strong}. With a weak copyleft, which asks for the source of changes \
to the package's own files alone: {weak}.

| package | version | licence | copyleft | needed by |
|---|---|---|---|---|
{rows}

Not installed where this page was made, and so not in the table: {absent}.

docutils states the GPL for its Emacs mode alone, which its wheel does not have.

The wheels of NumPy, SciPy, scikit-learn and PyTorch bring parts of GCC's run-time library along. libgfortran and \
libgomp have the GPL with the GCC Runtime Library Exception, by which programs of any licence may use them; \
libquadmath has the LGPL and is linked at run time, as the LGPL asks. PyTorch's builds for CUDA bring NVIDIA's \
libraries along, which have NVIDIA's own licence; the build for the CPU has none of them.

Made by `python docs/licences.py` with everything installed that is to be in the table. \
`python -m pytest tests/test_safety.py` checks that every installed package of constraints.txt has its line, and \
that nothing needed at run time states the GPL or the AGPL.
"""


def read_pins() -> dict[str, str]:
    """The version of each package in constraints.txt."""
    lines = (line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    return {canonicalize_name(name): version for name, version in lines}


def read_licence(package: Distribution) -> str:
    """What its metadata states: a licence expression, the classifiers, or a short text; else its licence file's title.

    >>> read_licence(distribution("numpy")).partition(" ")[0]
    'BSD-3-Clause'
    """
    metadata = package.metadata
    classifiers = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or [] if c.startswith("License :: ")]
    stated = [metadata.get("License-Expression"), "; ".join(c for c in classifiers if c != "OSI Approved")]
    text = (metadata.get("License") or "").strip()
    stated.append("" if "\n" in text or text == "UNKNOWN" else text)
    text = next((s for s in stated if s), "") or _read_title(package)
    return text.replace("|", "\\|")


def _read_title(package: Distribution) -> str:
    for file in package.files or []:
        if "licen" in file.name.lower():
            return next((line.strip() for line in file.read_text().splitlines() if line.strip()), "not stated")
    return "not stated"


def classify_copyleft(text: str) -> str:
    """What a licence asks of those who pass its package on with changes: 'GPL', 'AGPL', 'LGPL', 'MPL', or nothing.

    >>> texts = ["MIT", "MPL-2.0 AND MIT", "GNU Lesser General Public License v3", "GPL-3.0-only"]
    >>> [classify_copyleft(text) for text in texts]
    ['', 'MPL', 'LGPL', 'GPL']
    """
    kinds = {"AGPL": "AGPL|Affero", "LGPL": "LGPL|Lesser General", "MPL": r"\bMPL|Mozilla Public"}
    for kind, pattern in kinds.items():
        if re.search(pattern, text):
            return kind
    return "GPL" if re.search(r"\bGPL|GNU General Public", text) else ""


def find_extras() -> dict[str, list[str]]:
    """For each package the extras that need it, directly or through another; 'einnet' alone where all uses do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = {"einnet": project["dependencies"], **project["optional-dependencies"]}
    extras: dict[str, list[str]] = {}
    for extra in (*RUN_TIME, *DEVELOPMENT):
        for name in _find_requirements(stated[extra]):
            if extras.get(name) != ["einnet"]:
                extras.setdefault(name, []).append(extra)
    return extras


def _find_requirements(stated: Iterable[str]) -> set[str]:
    """All packages of these requirements, and of their requirements, as far as they are installed."""
    todo = [Requirement(text) for text in stated]
    seen: set[tuple[str, str]] = set()
    while todo:
        needed = todo.pop()
        for extra in ("", *needed.extras):
            name = canonicalize_name(needed.name)
            if (name, extra) not in seen:
                seen.add((name, extra))
                todo += [r for r in _read_requirements(name) if r.marker is None or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def _read_requirements(name: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in distribution(name).requires or []]
    except PackageNotFoundError:
        return []


def make_page() -> str:
    """The whole page."""
    uses, rows, absent = find_extras(), [], []
    at_run_time: dict[str, list[str]] = {}
    for name, version in read_pins().items():
        try:
            text = read_licence(distribution(name))
        except PackageNotFoundError:
            absent.append(name)
            continue
        kind, extras = classify_copyleft(text), uses.get(name, [])
        needed_by = ", ".join(e if e in RUN_TIME else f"*{e}*" for e in extras) or "nothing installed"
        rows.append(f"| {name} | {version} | {text} | {kind} | {needed_by} |")
        if set(extras) & set(RUN_TIME):
            at_run_time.setdefault(kind, []).append(name)
    strong, weak = ([n for k in kinds for n in at_run_time.get(k, [])] for kinds in (("GPL", "AGPL"), ("MPL", "LGPL")))
    listed = {"strong": strong, "weak": weak, "absent": absent}
    return TEXT.format(rows="\n".join(rows), **{k: ", ".join(v) or "none" for k, v in listed.items()})


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(make_page())
