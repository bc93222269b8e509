"""Names and sentences that break the rules of rules.toml."""

import ast
import doctest
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
RULES = tomllib.loads(Path(__file__).with_name("rules.toml").read_text())
FUNCTIONS, FILLERS = RULES["functions"], frozenset(RULES["names"]["fillers"].split())
IRREGULAR, ALLOWED = (frozenset(FUNCTIONS[key].split()) for key in ("irregular", "allowed"))
NOUNS = ("property", "fixture")  # what decorates a function that is used as a value
FOLDERS = (
    "src",
    "tests",
    "benchmarks",
    "docs",
    "examples",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)


class Offence(NamedTuple):
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def list_files(paths: list[Path] | None = None) -> list[Path]:
    """The Python files and pages below the paths, by default those of the project."""
    roots = paths or [ROOT / name for name in FOLDERS]
    files = [f for root in roots for f in ([root] if root.is_file() else sorted(root.rglob("*")))]
    return [f for f in files if f.suffix in (".py", ".md")]


def check_file(file: Path) -> list[Offence]:
    """The offences of one file, in the order of its lines."""
    path = str(file.resolve().relative_to(ROOT)) if file.resolve().is_relative_to(ROOT) else str(file)
    text = file.read_text()
    offences = check_page(text, path) if file.suffix == ".md" else check_code(text, path)
    return sorted(set(offences), key=lambda o: (o.line, o.text))


def check_page(text: str, path: str) -> list[Offence]:
    """The sentences of a page, and the names in its examples."""
    return [*_check_prose(text, 1, path), *_check_examples(text, 1, path)]


def check_code(source: str, path: str) -> list[Offence]:
    """The names of a module, and the sentences of its docstrings, comments and messages."""
    tree = ast.parse(source)
    offences = _check_names(tree, 0, path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            offences += _check_prose(node.value, node.lineno, path)
            offences += _check_examples(node.value, node.lineno, path)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            offences += _check_prose(token.string, token.start[0], path)
    return offences


def is_participle(word: str) -> bool:
    return word not in ALLOWED and (
        word in IRREGULAR or (len(word) > 4 and word.endswith(tuple(FUNCTIONS["suffixes"])))
    )


def _check_examples(text: str, first: int, path: str) -> list[Offence]:
    offences = []
    if ">>>" in text:
        for example in doctest.DocTestParser().get_examples(text):
            try:
                tree = ast.parse(example.source)
            except SyntaxError:
                continue  # an example of an error
            offences += _check_names(tree, first + example.lineno - 1, path)
    return offences


def _check_names(tree: ast.AST, before: int, path: str) -> list[Offence]:
    offences = []
    free = _arguments_of_operators(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            offences += [Offence(path, before + node.lineno, text) for text in _check_function(node)]
        for name in _bound_names(node):
            line = before + getattr(node, "lineno", 0)
            if name.strip("_").lower() in FILLERS and node not in free:
                offences.append(Offence(path, line, f"{name}: a filler; say what the value is"))
            offences += [Offence(path, line, f"{name}: say {word}") for word in _better_words(name, path)]
    return offences


def _check_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    name = node.name.strip("_")
    if (node.name.startswith("__") and node.name.endswith("__")) or name.startswith("test_") or name in ALLOWED:
        return
    decorators = " ".join(ast.unparse(d) for d in node.decorator_list)
    is_noun = any(word in decorators for word in NOUNS)
    first, _, rest = name.partition("_")
    if is_participle(first) and not (is_noun and rest):
        yield f"{node.name}(): a participle; a {'property is a noun' if is_noun else 'function is a verb'}"


def _bound_names(node: ast.AST) -> list[str]:
    """The names that a node binds: by assignment, as argument, as attribute, by import, as function or class."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
            return [name]
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
    return []


def _arguments_of_operators(tree: ast.AST) -> set[ast.AST]:
    """The arguments named `other` of binary dunder methods."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and re.fullmatch(r"__\w+__", n.name)]
    return {a for f in functions for a in f.args.args if a.arg == "other"}


def _better_words(name: str, path: str) -> list[str]:
    word = name.strip("_").lower()
    return [
        rule["say"]
        for rule in RULES["subject"]
        if word in rule["names"].split() and any(path == p or path.startswith(p + "/") for p in rule["within"])
    ]


def _check_prose(text: str, first: int, path: str) -> list[Offence]:
    offences = []
    for pattern in RULES["prose"]["banned"]:
        for match in re.finditer(pattern.replace(" ", r"\s+"), text, re.IGNORECASE):
            offences.append((match.start(), match[0]))
    for pattern in RULES["prose"]["banned_outside_tables"]:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            line = text[text.rfind("\n", 0, match.start()) + 1 :]
            if not line.startswith("|"):
                offences.append((match.start(), match[0]))
    return [Offence(path, first + text.count("\n", 0, at), f"“{' '.join(phrase.split())}”") for at, phrase in offences]
