"""The notebooks of examples/, which are programs of marimo, as .ipynb files; docs/build_site.py writes them."""

import ast
import json
import tomllib
from pathlib import Path
from textwrap import dedent
from typing import Any

__all__ = ["convert", "find_colab", "write_notebooks"]

INSTALL = """\
try:
    import einnet
except ModuleNotFoundError:
    %pip install -q "einnet[train,viz,examples] @ git+{repository}"
"""


def write_notebooks(folder: Path, root: Path) -> None:
    """Writes the notebooks of a working tree as .ipynb files into an empty folder."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for notebook in (root / "examples").glob("*.py"):
        text = convert(notebook, project["urls"]["Repository"], find_colab(notebook.stem, root))
        (folder / f"{notebook.stem}.ipynb").write_text(text)


def find_colab(name: str, root: Path) -> str:
    """Where Colab opens a notebook: `colab` of zensical.toml is the folder; empty without this setting."""
    extra = tomllib.loads((root / "zensical.toml").read_text())["project"]["extra"]
    return f"{extra['colab']}/{name}.ipynb" if extra.get("colab") else ""


def convert(notebook: Path, repository: str, colab: str = "") -> str:
    """The .ipynb of a marimo notebook: its cells in their order, without outputs.

    The first cell installs the package where it is missing, as on Colab; before it is a badge if Colab can open it.
    """
    badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"
    cells = [("markdown", badge)] * bool(colab) + [("code", INSTALL.format(repository=repository))]
    text = notebook.read_text()
    cells += [cell for node in ast.parse(text).body if (cell := _read_cell(node, text.splitlines()))]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    content = {"cells": [_to_json(*cell) for cell in cells], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _read_cell(node: ast.stmt, lines: list[str]) -> tuple[str, str] | None:
    """The kind and the source of a cell; None for what is marimo's own."""
    marks = {ast.unparse(d).partition("(")[0] for d in getattr(node, "decorator_list", ())}
    if marks & {"app.function", "app.class_definition"}:
        return "code", "\n".join(lines[node.lineno - 1 : node.end_lineno])
    is_setup = isinstance(node, ast.With) and ast.unparse(node.items[0].context_expr) == "app.setup"
    if not (is_setup or "app.cell" in marks):
        return None
    body = [n for n in node.body if not isinstance(n, ast.Return)]
    match body:
        case []:
            return None
        case [ast.Expr(ast.Call(ast.Attribute(ast.Name("mo"), "md"), [ast.Constant(text)]))]:
            return "markdown", dedent(text).strip()
    comments = [x for x in lines[node.lineno : body[0].lineno - 1] if x.lstrip().startswith("#")]
    return "code", dedent("\n".join([*comments, *lines[body[0].lineno - 1 : body[-1].end_lineno]]))


def _to_json(kind: str, source: str) -> dict[str, Any]:
    cell = {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
