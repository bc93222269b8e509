"""What commands read from files and say beside their results."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from einnet.errors import DataError

__all__ = ["Json", "read_json", "say"]

Json = Annotated[bool, Parameter(name="--json", negative="")]


def read_json(file: Path) -> Any:
    """The content of a JSON file; raises `DataError` for one that cannot be read."""
    try:
        return json.loads(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} can't be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON: {error}") from None


def say(text: str) -> None:
    """A message beside the results, on standard error; paths are not wrapped, so that they can be copied."""
    Console(stderr=True, soft_wrap=True).print(text, highlight=False, markup=False)
