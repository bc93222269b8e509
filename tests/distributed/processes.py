"""Runs checks in four processes on meshes of several shapes; writes what each process found.

python processes.py FOLDER
"""

import json
import os
import sys
import traceback
import warnings
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from distributed.checks import CHECKS

NUMBER = 4
SHAPES = {"1x4": (1, 4), "4x1": (4, 1), "2x2": (2, 2), "4": (4,)}
SOME = ("EinNet aaH -> aaH", "EinNet aaH -> H", "DTensors")  # on a mesh of one dimension, which is as 4x1


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    store = dist.FileStore(str(folder / "store"), NUMBER)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=NUMBER, timeout=timedelta(seconds=60))
    results = {}
    for shape, sizes in SHAPES.items():
        mesh = init_device_mesh("cpu", sizes)
        for name, check in CHECKS.items():
            if shape == "4" and name not in SOME:
                continue
            try:
                check(mesh)
                results[f"{name} on {shape}"] = ""
            except Exception:
                results[f"{name} on {shape}"] = traceback.format_exc()
        (folder / f"{rank}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


def run(folder: Path) -> int:
    """Starts the processes from this one, which has imported everything."""
    children = []
    for rank in range(NUMBER):
        if (child := os.fork()) == 0:
            try:
                work(rank, folder)
            finally:
                os._exit(0)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
