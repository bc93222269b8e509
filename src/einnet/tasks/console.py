"""The console side of every command: messages, JSON input, exit codes."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from einnet.errors import DataError, EinNetError

__all__ = ["Flag", "Json", "log", "read_json", "run_cli"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]
Flag = Annotated[bool, Parameter(negative="")]


def read_json(file: Path) -> Any:
    """The content of a JSON file; raises `DataError` for one that cannot be read."""
    try:
        return json.loads(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} can't be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON: {error}") from None


def log(text: str) -> None:
    """Prints a message on standard error; does not wrap paths, so that they can be copied."""
    Console(stderr=True, soft_wrap=True).print(text, highlight=False, markup=False)


def run_cli(app: App, arguments: list[str] | None = None) -> int:
    """Runs a command line; returns the exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    try:
        return app(arguments, exit_on_error=False, print_error=True, result_action="return_value") or 0
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
        print("einnet: interrupted", file=sys.stderr)
        return 130
    print(f"einnet: {message}", file=sys.stderr)
    return 2
