"""Where a source can be broken and how, found by its structure: comparisons, operators, numbers, conditions, calls."""

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import einnet

__all__ = ["SOURCES", "Site", "break_source", "path_of", "sites_of"]

SOURCES = Path(einnet.__file__).parent
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """The n-th node of a kind in a function of a module below einnet; "" is the module itself."""

    module: str
    function: str
    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.module}:{self.function}, {self.kind} {self.number}"


def _comparison(node: ast.Compare) -> ast.expr:
    node.ops[0] = SWAPS[type(node.ops[0])]()
    return node


def _operator(node: ast.BinOp | ast.BoolOp) -> ast.expr:
    node.op = SWAPS[type(node.op)]()
    return node


def _condition(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), node)


def _number(node: ast.Constant) -> ast.expr:
    return ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1)


def _sign(node: ast.UnaryOp) -> ast.expr:
    return node.operand


def _call(node: ast.Call) -> ast.expr:
    """The object of a method, or the first argument of a function."""
    return node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]


def _filter(node: ast.expr) -> ast.expr:
    return ast.Constant(True)


BREAKS: dict[str, Callable] = {
    "comparison": _comparison, "operator": _operator, "condition": _condition, "number": _number, "sign": _sign,
    "call": _call, "filter": _filter,
}  # fmt: skip


@cache
def sites_of(module: str) -> dict[Site, ast.expr]:
    """Each site of a module, such as "taylor.lattice", and its node."""
    numbers: dict[tuple[str, str], int] = {}
    sites = {}
    for function, kind, node in _nodes(ast.parse(path_of(module).read_text()), ""):
        number = numbers[function, kind] = numbers.get((function, kind), 0) + 1
        sites[Site(module, function, kind, number)] = node
    return sites


def path_of(module: str) -> Path:
    path = SOURCES.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def break_source(site: Site) -> str:
    """The source of the site's module, in which one expression is another."""
    node = sites_of(site.module)[site]
    lines = path_of(site.module).read_bytes().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    stop = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = b"".join(lines)
    return (text[:start] + f"({ast.unparse(BREAKS[site.kind](deepcopy(node)))})".encode() + text[stop:]).decode()


def _nodes(node: ast.AST, function: str) -> Iterator[tuple[str, str, ast.expr]]:
    """In the order of the source; what is raised, annotated or formatted is left out: tests do not hold its words."""
    for name, child in _children(node):
        inner = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = f"{function}.{child.name}".lstrip(".")
        if name in ("annotation", "returns", "decorator_list") or isinstance(child, ast.Raise | ast.JoinedStr):
            continue
        yield from ((inner, kind, child) for kind in _kinds(node, name, child))
        yield from _nodes(child, inner)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for name, value in ast.iter_fields(node):
        yield from (
            (name, child) for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)
        )


def _kinds(parent: ast.AST, name: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield "comparison"
    if isinstance(node, ast.BoolOp) or (isinstance(node, ast.BinOp) and type(node.op) in SWAPS):
        yield "operator"
    if isinstance(parent, ast.If | ast.IfExp | ast.While) and name == "test":
        yield "condition"
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "number"
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield "sign"
    if isinstance(node, ast.Call) and (
        isinstance(node.func, ast.Attribute) or (node.args and not isinstance(node.args[0], ast.Starred))
    ):
        yield "call"
    if isinstance(parent, ast.comprehension) and name == "ifs":
        yield "filter"
