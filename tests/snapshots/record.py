"""Reads and writes messages.txt, in which each section is the name of a call, the class of its error and the message."""

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import einnet
from snapshots.calls import CALLS, CommandError

__all__ = ["FILE", "assert_recorded", "format_record", "message_of", "names_of", "read_record"]

FILE = Path(__file__).with_name("messages.txt")
SOURCES = Path(einnet.__file__).parent
HEAD = """The messages of wrong calls, whole. Written by `python tests/snapshots`, which makes each call of calls.py.
After a change of messages run that command and read the difference."""


def message_of(call: Callable[[], object]) -> str:
    """The class and the message of the error that a call raises, in an empty folder that the text calls FOLDER.

    An error that no line of einnet raises, such as that of a name that no longer exists, is passed on.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            call()
        except Exception as error:
            place = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
            if not isinstance(error, CommandError) and SOURCES not in place.parents:
                raise
            text = f"{type(error).__name__}\n{error}".replace(folder, "FOLDER")
            return "\n".join(line.rstrip() for line in text.splitlines())
        finally:
            os.chdir(before)
    return "no error"


def format_record(messages: dict[str, str]) -> str:
    return "\n\n".join([HEAD, *(f"== {name}\n{message}" for name, message in messages.items())]) + "\n"


def read_record() -> dict[str, str]:
    _, *sections = FILE.read_text().rstrip("\n").split("\n\n== ")
    return dict(section.split("\n", 1) for section in sections)


def names_of(*groups: str) -> list[str]:
    """The calls of these groups: "shape" has those that are named "shape: ..."."""
    return [name for name in CALLS if name.partition(":")[0] in groups]


def assert_recorded(name: str) -> None:
    """Asserts that the message of a call is that of the file."""
    message = message_of(CALLS[name])
    assert message != "no error"
    assert message == read_record().get(name), "run `python tests/snapshots` and read the difference"
