"""Runs checks in four, two and one processes on meshes of several shapes; writes what each process found.

python processes.py FOLDER
"""

import json
import os
import sys
import traceback
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from distributed.checks import CHECKS
from distributed.checks_of_sparse import CHECKS_OF_SPARSE
from distributed.checks_of_weights import CHECKS_OF_WEIGHTS

SOME = {name: CHECKS[name] for name in ("EinNet aaH -> aaH", "EinNet aaH -> H", "pool aa sum 0 float64", "DTensors")}
SOME_OF_SPARSE = {
    k: v for k, v in CHECKS_OF_SPARSE.items() if k in ("sparse EinNet aH, [aa]H -> H", "sparse EinPool sum")
}
MESHES = {
    4: {
        (1, 4): CHECKS, (4, 1): CHECKS, (2, 2): CHECKS | CHECKS_OF_SPARSE | CHECKS_OF_WEIGHTS,
        (4,): SOME | SOME_OF_SPARSE,
    },
    2: {(1, 2): SOME | SOME_OF_SPARSE, (2, 1): SOME},
    1: {(1, 1): SOME | SOME_OF_SPARSE},
}  # fmt: skip


def work(rank: int, number: int, folder: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    store = dist.FileStore(str(folder / f"store{number}"), number)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=number, timeout=timedelta(seconds=60))
    results = {}
    for shape, checks in MESHES[number].items():
        mesh = init_device_mesh("cpu", shape)
        for name, check in checks.items():
            text = f"{name} on {'x'.join(map(str, shape))}"
            try:
                check(mesh)
                results[text] = ""
            except (Exception, pytest.fail.Exception):
                results[text] = traceback.format_exc()
        (folder / f"{rank}_of_{number}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


def run(folder: Path) -> int:
    """Starts the processes from this one, which has imported everything; the number of those that failed."""
    failed = 0
    for number in MESHES:
        children = []
        for rank in range(number):
            if (child := os.fork()) == 0:
                try:
                    work(rank, number, folder)
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(child)
        failed += sum(os.waitpid(child, 0)[1] != 0 for child in children)
    return failed


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
