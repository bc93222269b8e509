"""Tables that are stored in a text file, one for each name; `python tests/FOLDER/test_tables.py` writes the file again."""

from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["assert_stored", "write_tables"]

HEAD = "Written by `python {}`: do so after a change that is meant to change a table, and read the difference."


def write_tables(path: Path, cases: Mapping[str, Callable[[], object]]) -> None:
    sections = [HEAD.format("/".join((*path.parts[-3:-1], "test_tables.py")))]
    sections += [f"== {name}\n{case()!s}" for name, case in cases.items()]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def read_tables(path: Path) -> dict[str, str]:
    _, *sections = path.read_text(encoding="utf-8").removesuffix("\n").split("\n\n== ")
    return dict(section.split("\n", 1) for section in sections)


def assert_stored(path: Path, name: str, table: object) -> None:
    assert str(table) == read_tables(path).get(name), "write the file again and read the difference"
