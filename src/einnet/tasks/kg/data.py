"""Triples: reading them, naming them, and the dense tensor that the network sees."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from einnet.errors import DataError, did_you_mean
from einnet.limits import limits

__all__ = ["BUNDLED", "KnowledgeGraph", "load"]

BUNDLED = {"kinship": "Kinships", "umls": "UMLS", "nations": "Nations"}  # name here: PyKEEN's class
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class KnowledgeGraph:
    """Entities, relations, and the facts of each split as rows (head, relation, tail) of numbers.

    >>> graph = KnowledgeGraph.of({"train": [("ann", "knows", "bob")], "valid": [], "test": []}, "tiny")
    >>> graph.entities, graph.train
    (('ann', 'bob'), array([[0, 0, 1]]))
    >>> graph.tensor(graph.train).shape               # head, tail, relation
    (2, 2, 1)
    """

    name: str
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    bundled: bool = False  # the dataset of this name itself, not a user's own

    @classmethod
    def of(
        cls, triples: dict[str, list[tuple[str, str, str]]], name: str, relations: Iterable[str] | None = None
    ) -> "KnowledgeGraph":
        """A graph from named triples. `relations` fixes their order, for a network trained before."""
        facts = [t for split in SPLITS for t in triples[split]]
        entities = sorted({x for h, _, t in facts for x in (h, t)})
        names = sorted({r for _, r, _ in facts})
        order = list(relations) if relations is not None else names
        if unknown := [r for r in names if r not in set(order)]:
            hint = "Name the run that was trained on this data with --checkpoint, or train one with 'einnet train kg'"
            problem = f"the data has the relation {unknown[0]!r}, which the network was not trained on."
            raise DataError(f"{problem}{did_you_mean(unknown[0], order)} {hint}")
        entity, relation = ({x: k for k, x in enumerate(names)} for names in (entities, order))
        numbers = ([(entity[h], relation[r], entity[t]) for h, r, t in triples[split]] for split in SPLITS)
        train, valid, test = (np.array(rows, dtype=np.int64).reshape(-1, 3) for rows in numbers)
        return cls(name, tuple(entities), tuple(order), train, valid, test)

    def tensor(self, *facts: np.ndarray) -> np.ndarray:
        """Ones at [head, tail, relation] of these facts, zeros elsewhere, float32."""
        n, r = len(self.entities), len(self.relations)
        if (cells := n * n * r) > limits().graph_cells:
            raise DataError(
                f"{self.name} has {n:,} entities and {r:,} relations, a tensor of {cells:,} cells, more than the "
                f"{limits().graph_cells:,} that are held in memory: use a part of the graph"
            )
        x = np.zeros((n, n, r), dtype=np.float32)
        for rows in facts:
            x[rows[:, 0], rows[:, 2], rows[:, 1]] = 1
        return x

    def entity(self, name: str) -> int:
        """The number of an entity; an unknown name gets suggestions."""
        return _look_up(name, self.entities, "entity")

    def relation(self, name: str) -> int:
        return _look_up(name, self.relations, "relation")


def load(source: str | Path, relations: Iterable[str] | None = None) -> KnowledgeGraph:
    """A bundled dataset by name, or a folder with train, valid and test triples; a `Path` is always a folder.

    The files of a folder are called train, valid, test, with the ending .txt or .tsv or without,
    one `head<TAB>relation<TAB>tail` a line.
    """
    if isinstance(source, str) and source in BUNDLED:
        return replace(KnowledgeGraph.of(_load_bundled(BUNDLED[source]), source, relations), bundled=True)
    folder = Path(source)
    if not folder.is_dir():
        expected = f"{', '.join(BUNDLED)}, or a folder with the files train.txt, valid.txt and test.txt"
        raise DataError(f"no dataset or folder {str(source)!r}: expected {expected}")
    triples = {split: read_triples(_file(folder, split)) for split in SPLITS}
    return KnowledgeGraph.of(triples, folder.resolve().name, relations)


def read_triples(path: Path) -> list[tuple[str, str, str]]:
    """The triples of a file; blank lines are skipped."""
    triples = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        columns = tuple(c.strip() for c in line.split("\t"))
        if len(columns) != 3 or not all(columns):
            problem = f"expected 3 columns 'head<TAB>relation<TAB>tail', got {len(columns)}: {line[:60]!r}"
            raise DataError(f"{path}, line {number}: {problem}")
        triples.append((columns[0], columns[1], columns[2]))
    if not triples:
        raise DataError(f"{path} has no triples")
    return triples


def _file(folder: Path, split: str) -> Path:
    for ending in (".txt", ".tsv", ""):
        if (path := folder / f"{split}{ending}").is_file():
            return path
    raise DataError(f"{folder} has no {split}.txt: expected the files train.txt, valid.txt and test.txt")


def _load_bundled(name: str) -> dict[str, list[tuple[str, str, str]]]:
    """A dataset that ships inside PyKEEN, with the same splits as ConvE's."""
    try:
        from pykeen.datasets import get_dataset
    except ImportError:
        hint = "install the extra 'kg', or use --data FOLDER"
        raise DataError(f"the dataset {name} comes with PyKEEN, which is not installed: {hint}") from None
    dataset = get_dataset(dataset=name)
    parts = {"train": dataset.training, "valid": dataset.validation, "test": dataset.testing}
    named = {split: factory.label_triples(factory.mapped_triples) for split, factory in parts.items()}
    return {split: [(str(h), str(r), str(t)) for h, r, t in triples] for split, triples in named.items()}


def _look_up(name: str, known: tuple[str, ...], kind: str) -> int:
    if name not in known:
        example = ", ".join(known[:3])
        hint = did_you_mean(name, known) or f" There are {len(known)}, such as {example}."
        raise DataError(f"unknown {kind} {name!r}.{hint}")
    return known.index(name)
