"""A state that several processes share is computed as by one: outputs, gradients of inputs and of weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from einnet import EinNet
from einnet.distributed import estimate
from einnet.errors import EinNetError
from einnet.nn import RecurrentNet
from einnet.nn.sharded.cuts import choose_cut, make_cut
from einnet.nn.sharded.grid import GridShape, default_placement
from einnet.train import Options

needs_processes = pytest.mark.skipif(
    sys.platform == "win32" or not dist.is_available() or not dist.is_gloo_available(), reason="needs gloo and fork"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict[str, str]]:
    """What each process says of each check."""
    folder = tmp_path_factory.mktemp("processes")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = Path(__file__).with_name("processes.py")
    done = subprocess.run([sys.executable, script, folder], env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return {f.stem: json.loads(f.read_text()) for f in folder.glob("*.json")}


@needs_processes
def test_every_check_holds_at_every_process(results):
    wrong = {f"{name}, process {rank}": text for rank, r in results.items() for name, text in r.items() if text}
    assert not wrong, "\n\n".join(f"{name}:\n{text}" for name, text in wrong.items())
    assert len(results) == 7
    assert {len(r) for rank, r in results.items() if rank.endswith("_of_4")} == {len(results["0_of_4"])}
    assert len(results["0_of_4"]) > 150


def test_blocks_are_those_of_torch_chunk():
    grid = GridShape((3, 2))
    for size in (0, 1, 5, 6, 7):
        chunks = [len(c) for c in torch.arange(size).tensor_split(1)[0].chunk(3)] if size else []
        rows = [b - a for a, b in (grid.range_of(size, (0,), (k, 0)) for k in range(3))]
        assert rows == chunks + [0] * (3 - len(chunks))
        nested = [grid.range_of(size, (0, 1), place) for place in grid.places]
        assert [k for a, b in nested for k in range(a, b)] == list(range(size))


def test_a_cut_costs_no_less_than_the_chosen_one():
    sizes = {"a": 40, "b": 30, "c": 20}
    operands, output = (("a", "b"), ("c", "b")), ("a", "c")
    chosen = choose_cut(operands, output, tuple(sizes.items()), (2, 3))
    assert chosen.indices == ("a", "c") and chosen.operands[1] == ((1,), (0,))  # the second one is transposed
    cuts = [make_cut(operands, output, sizes, (2, 3), (x, y)) for x in "abc" for y in "abc"]
    assert chosen.sent <= min(c.sent for c in cuts) + 0.01 * chosen.work
    assert default_placement(0) == ()


def test_the_cost_falls_with_the_number_of_processes():
    net = EinNet("aaH -> aaH", 3, 1, heads=8, hidden=16, depth=2)
    one, four, sixteen = (estimate(net, {"a": 1000}, shape) for shape in ((1, 1), (2, 2), (4, 4)))
    assert one.sent == 0 and four.memory == one.memory / 4 and sixteen.flops == one.flops / 16
    assert 0.4 < sixteen.sent / four.sent < 0.8  # n^2 / sqrt(P)
    timed = estimate(net, {"a": 1000}, (2, 2), bandwidth=1e9, rate=1e12)
    assert timed.seconds == pytest.approx(timed.flops / 1e12 + timed.sent / 1e9) and "time" in str(timed)
    with torch.device("meta"):
        thin = EinNet("aaH -> aaH", 3, 1, heads=8, hidden=16, depth=8, checkpoint_activations=True)
    assert estimate(thin, {"a": 1000}, (2, 2)).memory < 1.6 * four.memory


@pytest.mark.parametrize(
    ("make", "sizes", "message"),
    [
        (lambda: EinNet("aH, [aa]H -> H", (1, 1), 1), {"a": 5}, "depends on its entries: not known"),
        (lambda: EinNet("aaH -> H", 1, 1, marks=1), {"a": 5}, "the cost of a network with marks is not known"),
        (lambda: EinNet("abH -> H", 1, 1), {"a": 5}, "sizes lacks axis 'b'"),
        (lambda: RecurrentNet("aaH", 1, 1), {"a": 5}, "the cost is known of EinNet"),
    ],
)
def test_a_cost_that_is_not_known_is_refused(make, sizes, message):
    with pytest.raises(EinNetError, match=message):
        estimate(make(), sizes, (2, 2))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mesh": (0, 2)}, EinNetError, "the numbers of the mesh must be 1 or more, got 0"),
        ({"mesh": (2.5, 2)}, TypeError, "the numbers of the mesh must be a whole number"),
        ({"mesh": 4}, TypeError, r"such as \(2, 4\), got 4"),
        ({"mesh": "22"}, TypeError, "got '22'"),
        ({"mesh": ()}, EinNetError, r"one or two dimensions, such as \(2, 4\), got \(\)"),
        ({"mesh": (2, 2, 2)}, EinNetError, r"got \(2, 2, 2\)"),
        ({"bandwidth": 0}, EinNetError, "bandwidth must be more than 0, got 0"),
        ({"rate": -1}, EinNetError, "rate must be more than 0, got -1"),
        ({"batch": -3}, EinNetError, "batch must be 0 or more, got -3"),
    ],
)
def test_a_cost_needs_numbers_that_make_sense(options, error, message):
    with pytest.raises(error, match=message):
        estimate(EinNet("aaH", 1, 1, heads=1, hidden=2, depth=1), {"a": 3}, **{"mesh": (2, 2)} | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard": "2by2"}, "two numbers of processes, such as 2x2"),
        ({"shard": "0x2"}, "two numbers of processes"),
        ({"shard": "2x2", "devices": 3}, "takes 4 processes, but --devices 3"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(EinNetError, match=message):
        Options(**options)


def test_a_network_in_one_process_imports_nothing_of_it():
    code = "import sys, torch; from einnet import EinNet; EinNet('aaH -> H', 1, 1)(torch.randn(4, 4, 1))"
    code += "; print([m for m in sys.modules if m.startswith(('einnet.nn.sharded', 'torch.distributed.tensor.'))])"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True).stdout == "[]\n"
