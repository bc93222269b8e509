"""The console side of every command: messages, JSON input, exit codes."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from einnet.errors import DataError, EinNetError
from einnet.files import name_source, read_text
from einnet.signals import ENDINGS, handle_signals

__all__ = ["INTERRUPTED", "Flag", "Json", "Source", "log", "parse_json", "read_json", "run_cli"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]
Flag = Annotated[bool, Parameter(negative="")]
Source = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # a file, or - for standard input
INTERRUPTED = 130  # the exit code


def read_json(file: Path | str) -> Any:
    """The content of a JSON file, or of standard input for "-"; raises `DataError` for one that cannot be read."""
    return parse_json(read_text(file), name_source(file))


def parse_json(text: str, name: str) -> Any:
    """The content of a text; raises `DataError` with the name for one that is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON: {error}") from None


def log(text: str) -> None:
    """Prints a message on standard error; does not wrap paths, so that they can be copied."""
    Console(stderr=True, soft_wrap=True).print(text, highlight=False, markup=False)


def _expand_home(argument: str) -> str:
    """The argument with the home folder for ~, which shells leave in `--data=~/boards.txt`."""
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return option + equals + (os.path.expanduser(value) if value == "~" or value.startswith("~/") else value)


def run_cli(app: App, arguments: list[str] | None = None) -> int:
    """Runs a command line; returns the exit code: 0, 2 for wrong input, 130 for Ctrl-C, SIGTERM or SIGHUP."""
    words = [_expand_home(a) for a in (sys.argv[1:] if arguments is None else arguments)]
    app.suppress_keyboard_interrupt = False
    try:
        with handle_signals(signal.default_int_handler, *ENDINGS):
            code = app(words, exit_on_error=False, print_error=True, result_action="return_value") or 0
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code
    except CycloptsError:
        return 2
    except (EinNetError, OSError, MemoryError) as error:
        message = str(error) or type(error).__name__
    except RuntimeError as error:
        if not any(words in str(error) for words in ("can't allocate memory", "out of memory")):  # as torch says it
            raise
        message = "there is not enough memory for this: make the network or the batch smaller"
    except ModuleNotFoundError as error:
        message = (
            f"{error}: install the extra that it belongs to, in a checkout with pip install -c constraints.txt -e "
            "'.[train,viz,kg,poker,arc]'"
        )
    except KeyboardInterrupt:
        if arguments is None:  # the program ends: a second Ctrl-C finds nothing to interrupt
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("einnet: interrupted", file=sys.stderr)
        return INTERRUPTED
    print(f"einnet: {message}", file=sys.stderr)
    return 2
