"""Large knowledge graphs: time and memory of a question against the number of facts; writes benchmarks/kg_large.md.

    .venv/bin/python benchmarks/kg_large.py                           # a minute, 3 GB
    .venv/bin/python benchmarks/kg_large.py --data FOLDER             # FOLDER has wn18rr: three minutes more

Random graphs have 5 facts for each entity and 10 relations. A question sees the whole graph, or its neighbourhood of
at most 4,096 entities. A network of the default size is not trained: time and memory do not depend on that. Times are
medians of processor time; memory is what a pass allocates for tensors.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter, run
from measure import measure_allocated_mib
from results_page import FOLDER, make_table

from einnet.files import write_whole
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.data import KnowledgeGraph, load
from einnet.tasks.kg.explain import explain_answer
from einnet.tasks.kg.facts import MessageGraph
from einnet.tasks.kg.predict import answers
from einnet.tasks.kg.query_task import QueryTask, make_query_net

RELATIONS, FACTS_OF_AN_ENTITY = 10, 5
NO_BOUND = 2**31


def make_facts(number: int) -> np.ndarray:
    rng, entities = np.random.default_rng(0), number // FACTS_OF_AN_ENTITY
    facts = rng.integers([entities, RELATIONS, entities], size=(number + number // 10, 3))
    return np.unique(facts, axis=0)[:number]


def measure_time(call: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of processor time, the median of some calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return median(times)


def measure_questions(number: int, entities: int) -> list[str]:
    """The row of a graph of so many facts: an answer, and a step of training on one question."""
    facts = make_facts(number)
    config = KgConfig(entities=entities)
    net = make_query_net(RELATIONS, config)
    graph = MessageGraph(facts, number // FACTS_OF_AN_ENTITY, RELATIONS, net.config.depth, entities)

    def answer() -> torch.Tensor:
        queried = graph.ask(facts[:1])
        return queried.to_scores(net(*queried.inputs))

    def step() -> None:
        answer().logsumexp(1).sum().backward()

    with torch.no_grad():
        first = measure_time(answer, 1)
        seconds, mib = measure_time(answer), measure_allocated_mib(answer)
    of_step = measure_time(step), measure_allocated_mib(step)
    size = "whole" if entities == NO_BOUND else f"{entities:,} entities"
    per_fact = f"{1e6 * seconds / number:.2f}" if entities == NO_BOUND else ""
    return [
        f"{number:,}", size, f"{first:.2f}", f"{seconds:.3f}", per_fact, f"{mib:.0f}", f"{of_step[0]:.3f}",
        f"{of_step[1]:.0f}",
    ]  # fmt: skip


def measure_data(graph: KnowledgeGraph) -> list[str]:
    """Seconds of a step, an answer and an explanation on a graph with the default config."""
    task = QueryTask(graph, KgConfig(state="sparse"), 0)
    head, relation, _ = graph.test[0]
    question = graph.relations[relation], graph.entities[head], None

    def step() -> None:
        task(0).backward()

    step()
    seconds = [
        measure_time(step), measure_time(lambda: answers(task.net, graph, *question)),
        measure_time(lambda: explain_answer(task.net, graph, *question), 1),
    ]  # fmt: skip
    sizes = [f"{len(graph.entities):,}", f"{len(graph.train):,}"]
    return [graph.name, *sizes, *(f"{s:.2f}" for s in seconds), f"{measure_allocated_mib(step):.0f}"]


Numbers = Annotated[tuple[int, ...], Parameter(consume_multiple=True)]


def main(*, numbers: Numbers = (10_000, 100_000, 1_000_000), data: Path | None = None) -> None:
    """Measure random graphs, and a graph of a folder, and write the tables."""
    rows = [measure_questions(n, entities) for n in numbers for entities in (NO_BOUND, 4096)]
    head = ["facts", "a question sees", "first, s", "answer, s", "us a fact", "MiB", "step, s", "MiB"]
    lines = ["# Large knowledge graphs", "", f"`benchmarks/kg_large.py`, {torch.get_num_threads()} threads.", ""]
    lines += make_table(head, rows)
    if data is not None:
        head = ["graph", "entities", "facts", "step of 16, s", "answer, s", "--explain, s", "MiB of a step"]
        lines += ["", *make_table(head, [measure_data(load(data / "wn18rr"))])]
    text = "\n".join(lines) + "\n"
    with write_whole(FOLDER / "kg_large.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run(main)
