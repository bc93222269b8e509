"""Saved networks: one safetensors file with the signature and the arguments in its metadata."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from einnet.errors import CheckpointError
from einnet.files import write_whole

__all__ = ["read_tensors", "write_tensors"]

FORMAT = "5"  # raised when stored weights come to mean another function
READABLE = ("2", "3", "4", FORMAT)


def write_tensors(path: Path | str, tensors: dict[str, Tensor], kind: str, content: Any) -> None:
    """Writes tensors and a JSON value; `kind` says what the file is."""
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    content_bytes = save(plain, metadata={"einnet": kind, "version": FORMAT, "content": json.dumps(content)})
    with write_whole(path) as temporary:  # not safetensors' own file: a killed process would leave that behind
        temporary.write_bytes(content_bytes)


def read_tensors(path: Path | str, kind: str) -> tuple[dict[str, Tensor], Any, str]:
    """The tensors, the JSON value and the format of a file of `write_tensors`, without running code.

    Raises `CheckpointError` for any other file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no file at {path}: expected an EinNet {kind}, a .safetensors file")
    try:
        content_bytes = path.read_bytes()  # not mapped: a process dies of a mapped file that is truncated meanwhile
        tensors = load(content_bytes)
        header = json.loads(content_bytes[8 : 8 + int.from_bytes(content_bytes[:8], "little")])
        metadata = header.get("__metadata__", {})
    except (SafetensorError, OSError, KeyError) as error:  # KeyError: a dtype that torch has not
        raise CheckpointError(
            f"{path} is not a complete safetensors file ({error}): it may be truncated, or of another "
            "format; train again or use another checkpoint"
        ) from None
    if metadata.get("einnet") != kind:
        origin = f"an EinNet {metadata['einnet']}" if "einnet" in metadata else "a safetensors file of another program"
        raise CheckpointError(f"{path} is {origin}; expected an EinNet {kind}")
    version = metadata.get("version", "1")
    if version not in READABLE:
        raise CheckpointError(
            f"{path} has version {version} of the format, this version of EinNet reads "
            f"{', '.join(READABLE)}: train again, or use the version that wrote it"
        )
    try:
        return tensors, json.loads(metadata["content"]), version
    except (KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(f"the metadata of {path} cannot be read ({error})") from None
