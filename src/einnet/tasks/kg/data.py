"""Triples: reading them, naming them, and the dense tensor that the network sees."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from einnet.checks import check_package
from einnet.errors import DataError, did_you_mean
from einnet.files import read_text
from einnet.limits import limits

__all__ = ["BUNDLED", "KnowledgeGraph", "check_splits", "load"]

BUNDLED = {"kinship": "kinships", "umls": "umls", "nations": "nations"}  # name here: PyKEEN's folder
LARGE, DENSITY = 500, 0.05  # entities of a graph that counts as large, share of the pairs that have a fact
SPLITS = ("train", "valid", "test")
NAMED_FILES = 5  # of those that are not read
HEADER = re.compile(  # a cell of a line with the columns' names
    r"(h|e|ent|head|tail|t|r|rel|relation|relationship|s|subj|subject|p|pred|predicate|o|obj|object|source|src|target|dst|from"
    r"|to|start|end|node|entity|edge|property|type|label)[ _.-]?(entity|node|id|name|label|type)?[ _.-]?\d?",
    re.IGNORECASE,
)
NO_HEAD = re.compile(
    r"#?\s*(t|tail|o|obj|object|target|dst|to|r|rel|relation|p|pred|predicate|edge)(?![^\W_])", re.IGNORECASE
)

Triple = tuple[str, str, str]


@dataclass(frozen=True)
class KnowledgeGraph:
    """Entities, relations, and the facts of each split as rows (head, relation, tail) of numbers.

    A fact is in one split, once. `notes` says with numbers what of the source was left out, and what is unusual.

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
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, triples: Mapping[str, list[Triple]], name: str, relations: Iterable[str] | None = None
    ) -> "KnowledgeGraph":
        """A graph from named triples. `relations` fixes their order, for a network trained before.

        A fact of several splits is left to the last: what is measured on was not learned from.
        """
        triples, notes = _separate_splits(triples)
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
        graph = cls(name, tuple(entities), tuple(order), train, valid, test)
        return replace(graph, notes=(*notes, *graph.count_new_names()))

    def has_names_of_train(self, facts: np.ndarray) -> np.ndarray:
        """For each fact, whether train has its head, its relation and its tail."""
        entities, relations = self.train[:, [0, 2]], self.train[:, 1]
        return np.isin(facts[:, [0, 2]], entities).all(1) & np.isin(facts[:, 1], relations)

    def count_new_names(self) -> list[str]:
        """For each split, how many of its facts have a name that train lacks, in words; nothing where none has."""
        notes = []
        for split in SPLITS[1:]:
            facts = getattr(self, split)
            if new := int((~self.has_names_of_train(facts)).sum()):
                entities = len(np.setdiff1d(facts[:, [0, 2]], self.train[:, [0, 2]]))
                relations = len(np.setdiff1d(facts[:, 1], self.train[:, 1]))
                lack = f"an entity or a relation that train lacks ({entities:,} entities, {relations:,} relations)"
                notes.append(f"{new:,} of {len(facts):,} facts of {split} have {lack}: measured with and without them")
        return notes

    def tensor(self, *facts: np.ndarray) -> np.ndarray:
        """Ones at [head, tail, relation] of these facts, zeros elsewhere, float32."""
        self.check_size()
        n, r = len(self.entities), len(self.relations)
        x = np.zeros((n, n, r), dtype=np.float32)
        for rows in facts:
            x[rows[:, 0], rows[:, 2], rows[:, 1]] = 1
        return x

    def check_size(self) -> None:
        """Raises `DataError` for a graph whose tensor would be too large."""
        n, r = len(self.entities), len(self.relations)
        if (cells := n * n * r) > limits().graph_cells:
            raise DataError(
                f"{self.name} has {n:,} entities and {r:,} relations, a tensor of {cells:,} cells, more than the "
                f"{limits().graph_cells:,} that are held in memory: use --state sparse, or a part of the graph"
            )

    @property
    def is_sparse(self) -> bool:
        """Whether a state for each entity suits the graph better than one for each pair: it is large, few pairs have
        a fact."""
        number = len(self.entities)
        return number > LARGE and len(np.unique(self.train[:, [0, 2]], axis=0)) < DENSITY * number**2

    def entity(self, name: str) -> int:
        """The number of an entity; an unknown name gets suggestions."""
        return _look_up(name, self.entities, "entity")

    def relation(self, name: str) -> int:
        return _look_up(name, self.relations, "relation")


def load(source: str | Path, relations: Iterable[str] | None = None) -> KnowledgeGraph:
    """A bundled dataset by name, or a folder with train, valid and test triples; a `Path` is always a folder.

    The files of a folder are called train, valid, test, with the ending .txt or .tsv or without,
    one `head<TAB>relation<TAB>tail` a line; a first line with the columns' names is left out.
    """
    folder = Path(source)
    if isinstance(source, str) and source in BUNDLED:
        graph = KnowledgeGraph.of(_load_bundled(BUNDLED[source]), source, relations)
        instead = f"the bundled dataset is used, not the folder {source}; for that one give --data ./{source}"
        return replace(graph, bundled=True, notes=(instead,) if folder.is_dir() else ())
    if not folder.is_dir():
        expected = f"{', '.join(BUNDLED)}, or a folder with the files train.txt, valid.txt and test.txt"
        raise DataError(f"no dataset or folder {str(source)!r}: expected {expected}")
    triples, notes = _remove_headers({split: read_triples(_find_file(folder, split)) for split in SPLITS})
    paths = {split: _find_file(folder, split) for split in SPLITS}
    for split, path in paths.items():
        _check_columns(triples[split], path)
    graph = KnowledgeGraph.of(triples, folder.resolve().name, relations)
    notes += _compare_columns(graph)
    if unread := _list_files(folder, paths.values()):
        notes.append(f"not read: {unread}")
    return replace(graph, notes=(*notes, *graph.notes))


def check_splits(graph: KnowledgeGraph) -> KnowledgeGraph:
    """The graph; raises `DataError` if it has nothing to learn from, to select on or to measure on."""
    if empty := [split for split in SPLITS if not len(getattr(graph, split))]:
        reasons = "; ".join(graph.notes)
        raise DataError(f"{graph.name} has no facts in {' and '.join(empty)}{f' ({reasons})' if reasons else ''}")
    return graph


def read_triples(path: Path) -> list[Triple]:
    """The triples of a file; blank lines are skipped."""
    triples = []
    text = read_text(path).replace("\ufeff", "")  # files that were joined have more marks
    for number, line in enumerate(re.split(r"\r\n?|\n", text), start=1):
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


def _find_file(folder: Path, split: str) -> Path:
    for ending in (".txt", ".tsv", ""):
        if (path := folder / f"{split}{ending}").is_file():
            return path
    expected = "expected the files train.txt, valid.txt and test.txt"
    raise DataError(f"{folder} has no {split}.txt: {expected}, got {_list_files(folder, ()) or 'none'}")


def _list_files(folder: Path, read: Collection[Path]) -> str:
    """The files of a folder but those that are read, and the folders with files: some names, and how many more."""
    paths = [p for p in folder.iterdir() if p.name[0] != "." and p not in read]
    folders = [f"{p.name}/" for p in paths if any(inner.is_file() for inner in p.rglob("*"))]
    names = sorted([p.name for p in paths if p.is_file()] + folders)
    more = f" and {len(names) - NAMED_FILES} more" if len(names) > NAMED_FILES else ""
    return ", ".join(names[:NAMED_FILES]) + more


def _remove_headers(triples: dict[str, list[Triple]]) -> tuple[dict[str, list[Triple]], list[str]]:
    """The triples without first lines that name the columns, and these lines in words.

    Such a line has usual words and a relation of its own, or is in several files with names that no other line has.
    """
    rows = [fact for facts in triples.values() for fact in facts[1:]]
    names, relations = {name for fact in rows for name in fact}, {relation for _, relation, _ in rows}
    first_lines = [facts[0] for facts in triples.values()]
    rest, notes = {}, []
    for split, (first, *facts) in triples.items():
        has_usual_words = all(map(HEADER.fullmatch, first)) and first[1] not in relations
        has_own_names = names.isdisjoint(first) and len(facts) > 0
        is_repeated = first_lines.count(first) > 1 and first[1] not in relations  # the relation is of headers alone
        is_header = len(facts) > 0 and (has_usual_words or is_repeated)
        if is_header and NO_HEAD.match(first[0]):
            problem = f"the first line of {split} names the columns {', '.join(first)}"
            raise DataError(f"{problem}; expected head, relation, tail: reorder the columns")
        rest[split] = facts if is_header else [first, *facts]
        line = f"the first line of {split}, {' '.join(first)!r},"
        if is_header:
            notes.append(f"{line} names the columns and is left out")
        elif has_own_names:
            notes.append(f"{line} has names that no other line has; it is taken as a fact, not as a header")
    return rest, notes


def _check_columns(facts: list[Triple], path: Path) -> None:
    """Raises `DataError` if the names say that the relation is not in the second of the three columns."""
    columns = [set(column) for column in zip(*facts, strict=True)]
    shared = {pair: len(columns[pair[0]] & columns[pair[1]]) for pair in ((0, 2), (0, 1), (1, 2))}
    pair = max(shared, key=shared.__getitem__)
    relation, (smaller, _) = 3 - sum(pair), sorted(len(columns[k]) for k in pair)
    is_clear = shared[0, 2] == 0 and 2 * shared[pair] >= smaller
    if relation != 1 and (is_clear or len(columns[relation]) < len(columns[1])):
        raise DataError(
            f"{path}: expected the columns head, relation, tail; but columns {pair[0] + 1} and {pair[1] + 1} have "
            f"{shared[pair]:,} names in common, as heads and tails do (columns 1 and 3 have {shared[0, 2]:,}), so that "
            f"column {relation + 1} seems to be the relation: reorder the columns"
        )


def _compare_columns(graph: KnowledgeGraph) -> list[str]:
    """A note where no name tells heads and tails from relations, and another column looks more like these."""
    facts = np.concatenate([graph.train, graph.valid, graph.test])
    numbers = [len(np.unique(column)) for column in facts.T]
    if min(numbers) == numbers[1] or np.isin(facts[:, 0], facts[:, 2]).any():
        return []
    counts = "no name is a head and a tail, and the columns have {:,}, {:,} and {:,} different names".format(*numbers)
    column = numbers.index(min(numbers)) + 1
    return [f"{counts}: if column {column}, with the fewest, is the relation, reorder them to head, relation, tail"]


def _separate_splits(triples: Mapping[str, list[Triple]]) -> tuple[dict[str, list[Triple]], list[str]]:
    """Each fact once, in the last split that has it, and what is left out in words."""
    facts: dict[str, dict[Triple, None]] = {
        split: dict.fromkeys((h, r, t) for h, r, t in triples[split]) for split in SPLITS
    }
    notes = [
        f"{repeated:,} of {len(triples[split]):,} facts of {split} repeat another one and are left out"
        for split in SPLITS
        if (repeated := len(triples[split]) - len(facts[split]))
    ]
    for first, last in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if shared := facts[first].keys() & facts[last].keys():
            notes.append(
                f"{len(shared):,} of {len(facts[first]):,} facts of {first} are in {last} too and left out of {first}"
            )
            facts[first] = {fact: None for fact in facts[first] if fact not in shared}
    return {split: list(facts[split]) for split in SPLITS}, notes


def _load_bundled(name: str) -> dict[str, list[Triple]]:
    """A dataset that ships inside PyKEEN as text, with the same splits as ConvE's, in the order of the names.

    PyKEEN is not imported: that would make folders in the home, and read pickled facts there.
    """
    check_package("pykeen", f"the dataset {name}, unless --data names a folder,")
    spec = find_spec("pykeen")
    folder = Path(str(spec and spec.origin)).with_name("datasets") / name
    return {split: sorted(read_triples(folder / f"{split}.txt")) for split in SPLITS}


def _look_up(name: str, known: tuple[str, ...], kind: str) -> int:
    if name not in known:
        example = ", ".join(known[:3])
        hint = did_you_mean(name, known) or f" There are {len(known)}, such as {example}."
        raise DataError(f"unknown {kind} {name!r}.{hint}")
    return known.index(name)
