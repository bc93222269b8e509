"""What the network for knowledge graphs learns from, what it costs, and the sizes it runs at."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from einnet.errors import EinNetError
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.evaluate import score_tables
from einnet.tasks.kg.network import Completion, cross_entropy
from families import family_graph

SMALL = KgConfig(heads=2, hidden=8, depth=1)


def test_the_network_sees_a_random_part_of_the_training_facts_and_nothing_else():
    graph = family_graph()
    task = Completion(graph, SMALL, seed=0)
    facts = torch.as_tensor(graph.tensor(graph.train))
    seen = []
    task.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    for step in range(20):
        torch.manual_seed(step)
        task.loss(step).backward()
    seen_facts = torch.stack(seen)
    assert ((seen_facts == 1) <= (facts == 1)).all()
    share = 1 - seen_facts.sum((1, 2, 3)) / facts.sum()
    assert share.min() < 0.2 < share.max() <= 0.75  # drawn again at each step, from 2% to 60%


def test_a_step_that_hides_nothing_has_no_loss():
    task = Completion(family_graph(), KgConfig(heads=2, hidden=8, depth=1, mask_low=0, mask_high=0), seed=0)
    assert task.loss(0).item() == 0


def test_the_loss_is_cross_entropy_over_what_is_not_known_to_be_right():
    logits = torch.randn(2, 5, dtype=torch.float64).float()
    right = torch.tensor([[1, 0, 1, 0, 0], [0, 1, 0, 0, 0]])
    truth = torch.tensor([2, 1])
    by_hand = [
        nn.functional.cross_entropy(logits[0, [1, 2, 3, 4]], torch.tensor(1), label_smoothing=0.1),
        nn.functional.cross_entropy(logits[1], torch.tensor(1), label_smoothing=0.1),
    ]
    assert cross_entropy(logits, right, truth, 0.1).item() == pytest.approx(
        torch.stack(by_hand).mean().item(), abs=1e-6
    )


@pytest.mark.slow
def test_a_network_trained_on_104_people_runs_on_other_numbers():
    task = Completion(random_graph(), KgConfig(), 0)
    optimizer = task.make_optimizer()
    for step in range(2):
        optimizer.zero_grad()
        task.loss(step).backward()
        optimizer.step()
    for entities in (1, 50, 300):
        graph = random_graph(entities, facts=20 * entities)
        tails, heads = score_tables(task.net, graph.tensor(graph.train))
        assert tails.shape == heads.shape == (entities, entities, 25)
        assert tails.isfinite().all()
        assert heads.isfinite().all()


def test_a_mask_range_that_is_no_range_is_refused():
    with pytest.raises(EinNetError, match="0.5 and 0.2"):
        KgConfig(mask_low=0.5, mask_high=0.2)


@pytest.mark.slow
def test_a_training_step_with_104_people_takes_less_than_1_5_gib():
    """The whole process, torch included, is counted."""
    code = f"""
import resource, sys
sys.path[:0] = {[*sys.path, str(Path(__file__).parent)]!r}
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.network import Completion
from test_kg_task import random_graph
task = Completion(random_graph(), KgConfig(), 0)
optimizer = task.make_optimizer()
for step in range(2):
    task.loss(step).backward()
    optimizer.step()
    optimizer.zero_grad()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5


def random_graph(entities: int = 104, relations: int = 25, facts: int = 8544) -> KnowledgeGraph:
    """As many facts as kinship has."""
    rng = np.random.default_rng(0)
    rows = rng.integers([entities, relations, entities], size=(facts, 3))
    names = [tuple(f"{kind}{k}" for k in range(n)) for kind, n in (("e", entities), ("r", relations))]
    return KnowledgeGraph("random", names[0], names[1], rows, rows[:1], rows[:1])
