"""Tensors that are cut over processes, in files that each process writes for its part, and any number reads.

A folder has a safetensors file of each process, as torch.distributed.checkpoint writes and reads them: nothing in it is
pickled, unlike torch's own format, whose list of the tensors is.
"""

import shutil
import warnings
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from secrets import token_hex
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from einnet.errors import CheckpointError

__all__ = ["read_shards", "remove_shards", "write_shards"]

PREFIX = "shards-"  # of the names of folders


def write_shards(parent: Path, tensors: Mapping[str, Tensor]) -> str:
    """Writes DTensors into a new folder; all processes call it together. Returns the name of the folder.

    It is in the `parent` of the first process. Raises `OSError` if a process cannot write.
    """
    folders = [str(parent.resolve() / f"{PREFIX}{token_hex(4)}")]
    dist.broadcast_object_list(folders)
    folder = Path(folders[0])
    try:
        save(dict(tensors), storage_writer=HuggingFaceStorageWriter(str(folder), save_distributed=True))
    except CheckpointException as error:
        rank, (reason, _) = min(error.failures.items())
        raise OSError(f"{folder} cannot be written by process {rank}: {reason}") from None
    if dist.get_rank() == 0:
        try:
            _find_dtypes(folder, {name: x.shape for name, x in tensors.items()})
        except CheckpointError as error:
            raise OSError(f"{error}. Processes of several machines need a folder that all of them see") from None
    return folder.name


def read_shards(folder: Path, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """The whole tensors of a folder; raises `CheckpointError` where it lacks a part of one."""
    dtypes = _find_dtypes(folder, shapes)
    tensors = {name: torch.empty(tuple(shapes[name]), dtype=dtype) for name, dtype in dtypes.items()}
    try:
        with warnings.catch_warnings(action="ignore"):  # that processes read on their own
            reader = HuggingFaceStorageReader(str(folder))
            load(tensors, storage_reader=reader, no_dist=True)  # type: ignore[arg-type]
    except CheckpointException as error:
        raise CheckpointError(f"the shards in {folder} cannot be read: {error.failures[0][0]}") from None
    return tensors


def _find_dtypes(folder: Path, shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.dtype]:
    """Those of tensors of these shapes, whose parts are all in the folder."""
    try:
        metadata: dict[str, Any] = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    except (OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"the shards in {folder} cannot be read: {type(error).__name__}: {error}") from None
    dtypes = {}
    for name, shape in shapes.items():
        parts, start = (
            getattr(metadata.get(name), "chunks", ()),
            f"of {name}, a tensor of shape {tuple(shape)}, {folder}",
        )
        number = _count_cells(shape, parts)
        if number < prod(shape):
            raise CheckpointError(f"{start} has {number} numbers only")
        if sum(prod(part.sizes) for part in parts) > number:
            raise CheckpointError(f"{start} has some numbers more than once: it has files of several states")
        dtypes[name] = metadata[name].properties.dtype
    return dtypes


def _count_cells(shape: Sequence[int], parts: Sequence[Any]) -> int:
    """The number of cells of a tensor of which there is a part."""
    cells = torch.zeros(tuple(shape), dtype=torch.bool)
    for part in parts:
        if len(part.offsets) == len(shape) and min(part.offsets, default=0) >= 0:
            cells[tuple(slice(k, k + n) for k, n in zip(part.offsets, part.sizes, strict=True))] = True
    return int(cells.sum())


def remove_shards(parent: Path, but: str | None) -> None:
    """Removes the folders of `write_shards` but for one."""
    for folder in parent.glob(f"{PREFIX}*"):
        if folder.name != but:
            shutil.rmtree(folder, ignore_errors=True)
