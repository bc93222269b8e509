"""What is fuzzed: all text that users type, and all files that are read."""

import gzip
import io
import json
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from einnet import EinNet, EinNetError, EinPool, Signature, Symmetry, Term, generates, pooling, series
from einnet.cli import main
from einnet.nn import Network
from einnet.signature import parse_types
from einnet.tasks.arc import grids
from einnet.tasks.arc.solve import solve_puzzle
from einnet.tasks.graphs.pairs import read_pairs
from einnet.tasks.kg.data import load
from einnet.tasks.sudoku.boards import Entry, clash, read_file, read_puzzles
from einnet.tasks.sudoku.search import solutions
from einnet.terms import linear_terms
from fuzz import explorer
from fuzz.inputs import as_json, mutate
from fuzz.watch import Target, Watch

__all__ = ["TARGETS", "Watch"]


def _is_refused(call: Callable[[], object]) -> bool:
    """Whether einnet says that it does not take this."""
    try:
        call()
    except EinNetError:
        return True
    return False


def _command(*arguments: str) -> None:
    """Runs the command line, which returns 0, or 1 or 2 with a message."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
    assert code in (0, 1, 2)
    assert code != 2 or err.getvalue().strip()


@cache
def _folder() -> Path:
    """For the files of this process."""
    return Path(tempfile.mkdtemp(prefix="einnet-fuzz-"))


# Types and signatures ------------------------------------------------------------------------------------------------

TYPES = [
    "a",
    "aaH",
    "abH",
    "abcH; a->b",
    "ixjycH; i->x, j->y",
    "ZabH -> aH",
    "aH, aaH -> aH",
    "aab -> ; b->a",
    "->",
    "[aa]H",
    "[ab]H; a->b -> aH",
]


def types(text: str) -> None:
    """Reads it in each way; what can be read prints itself, and has maps, a series and operations."""
    _is_refused(lambda: parse_types(text))
    if not _is_refused(lambda: Symmetry(text)):
        symmetry = Symmetry(text)
        assert Symmetry(str(symmetry)) == symmetry
        _is_refused(lambda: linear_terms(symmetry, symmetry))
        if len(symmetry.axes) <= 7:  # types of more axes are not refused, but take seconds
            _is_refused(lambda: pooling(symmetry, 2))
        _is_refused(lambda: EinPool(["ab->ab", "ab,bc->ac"], symmetry))
    if not _is_refused(lambda: Signature(text)):
        signature = Signature(text)
        assert Signature(str(signature)) == signature
        _is_refused(lambda: str(series(signature, 2)))
        _is_refused(lambda: series(signature, 3, commutative=True).dof)


# Terms ---------------------------------------------------------------------------------------------------------------

TERMS = [
    "ab,bc->ac",
    "ab,cb,cd->ad",
    "ab->aa",
    "a0b0,a1b0->a0a1",
    "ab,ac,bc,bd,cd->ad",
    "a,ab->b",
    ",->",
    "ab,ac,ad->ae",
]
OF = [("aa",), ("ab",), ("aaH",), ("ab; a->b",), ("a", "aa"), ("ab", "aa", "bb"), ("aab",), ("",)]


def terms(case: tuple[str, tuple[str, ...]]) -> None:
    """A term of a type: its canonical form, whether small ones make it, and its plan."""
    text, of = case
    if _is_refused(lambda: Term(text)):
        return
    term = Term(text)
    assert Term(str(term)) == term
    _is_refused(term.canonical)
    _is_refused(lambda: generates(["ab,ab->ab", "ab,bc->ac"], term, of))
    _is_refused(lambda: generates([term], term, of))
    _is_refused(lambda: EinPool([term], of))
    _is_refused(lambda: EinPool([term]))


# Knowledge graphs ----------------------------------------------------------------------------------------------------

TRIPLES = [b"ann\tknows\tbob\nbob\tknows\tann\n", b"\xef\xbb\xbfann\tis\tann\r\n\r\n", "zo\u00eb\tkennt\tbob".encode()]
SPACES = [b"\t", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x0b", b"\xc2\x85", b"\xe2\x80\xa8", b" "]


@cache
def _make_run() -> Path:
    """The folder of a run whose network was never trained."""
    run = _folder() / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(CONFIG))
    EinNet("aaH -> aaH", 1, 2, heads=1, hidden=2, depth=1).save(run / "best.safetensors")
    return run


def triples(files: tuple[bytes, bytes, bytes]) -> None:
    """Reads the three files of a folder, and asks the network of a run about them."""
    folder = _folder() / "triples"
    folder.mkdir(exist_ok=True)
    for name, content in zip(("train", "valid", "test"), files, strict=True):
        (folder / f"{name}.txt").write_bytes(content)
    if not _is_refused(lambda: load(folder)):
        run = ["--checkpoint", str(_make_run()), "--data", str(folder)]
        _command("predict", "kg", "--relation", "knows", "--head", "ann", *run)


# Sudoku --------------------------------------------------------------------------------------------------------------

BOARDS = [
    ".......24...3..1",
    "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79",
    "\n".join(["1..2", "....", "3...", "...4"]),
    "1.......2.......,1234341221434321",
    "." * 36,
    "." * 256,
    "." * 625,
    "1" + "." * 1224,
]
CELLS = ["\n", ",", "#", ".", "0", "9", "A", "g", "Z", "\u0663", "\ufeff", " ", "10", "|", "-", "x", "\t", '"', "Grid"]
LINES = [b.encode() for b in BOARDS]


def sudoku(case: str | tuple[bool, bytes]) -> None:
    """A puzzle on the command line; or a file of puzzles, plain and zipped (or only said to be zipped)."""
    if isinstance(case, str):
        _is_refused(lambda: _search(read_puzzles(case)))
        if len(case) < 40:  # of larger boards the network takes the time
            _command("predict", "sudoku", "--iterations", "1", "--", case)
        return
    zipped, content = case
    for name, data in (("p.txt", content), ("p.txt.gz", gzip.compress(content) if zipped else content)):
        file = _folder() / name
        file.write_bytes(data)
        _is_refused(lambda file=file: read_file(file))
        _is_refused(lambda file=file: _search(read_puzzles(str(file))))


def _search(entries: list[Entry]) -> None:
    """What is asked of each puzzle, without the network."""
    puzzle = next(entry.puzzle for entry in entries if entry.puzzle is not None)
    clash(puzzle)
    solutions(puzzle, limit=2, guesses=2000 * 81 // puzzle.size)


# ARC -----------------------------------------------------------------------------------------------------------------

ARC = [
    {"train": [{"input": [[0, 1], [1, 0]], "output": [[1, 0], [0, 1]]}], "test": [{"input": [[1, 1], [0, 1]]}]},
    {
        "train": [{"input": [[k, 0, 0]], "output": [[k]]} for k in (1, 2, 3)],
        "test": [{"input": [[4, 0, 0]], "output": [[4]]}],
    },
]


def arc(content: bytes) -> None:
    """An official file, and a folder of one; what can be read is attempted for a moment."""
    folder = _folder() / "arc" / "training"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "task.json"
    file.write_bytes(content)
    _is_refused(lambda: grids.load_puzzles("training", data=folder.parent))
    if not _is_refused(lambda: grids.read_puzzle(file)):
        solve_puzzle(grids.read_puzzle(file).hide_answers(), 0.05, networks=False)


# Graphs --------------------------------------------------------------------------------------------------------------

PAIRS = [[{"category": "Basic", "g": "C~", "h": "CF"}, {"category": "CFI", "g": "DQc", "h": "D]w"}]]
GRAPHS = [b"C~\nCF\n", b"DQc\nD]w\nDhc\n", b">>graph6<<C~\nCF", b"~?@c" + b"?" * 825]


def graphs(case: tuple[str, bytes]) -> None:
    """The JSON of pairs, and a family in graph6."""
    ending, content = case
    file = _folder() / f"pairs{ending}"
    file.write_bytes(content)
    _is_refused(lambda: read_pairs(file))


# Saved networks and the configs of runs -------------------------------------------------------------------------------

CONFIG = {
    "task": "kg",
    "data": "nations",
    "config": {"heads": 1, "hidden": 2, "depth": 1, "dropout": 0.3, "lr": 3e-3, "mask_low": 0.02, "mask_high": 0.6},
    "options": {"minutes": 1.0, "steps": None, "seed": 0, "precision": "32", "out": "runs"},
    "relations": ["knows"],
    "versions": {"einnet": "0.1.0"},
}


@cache
def _save_network(name: str) -> tuple[dict[str, Any], bytes]:
    """The header and the rest of a network's file."""
    file = _folder() / "saved.safetensors"
    Network.classes[name]("aaH -> aaH", 1, 2, heads=1, hidden=2, depth=1).save(file)
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def _file_of(header: bytes, rest: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + rest


def _with_content(content: bytes, name: str = "EinNet") -> bytes:
    """The file of a network with another config."""
    header, rest = _save_network(name)
    metadata = header["__metadata__"] | {"content": content.decode("utf-8", "replace")}
    return _file_of(json.dumps(header | {"__metadata__": metadata}).encode(), rest)


def checkpoint(files: tuple[bytes, bytes]) -> None:
    """A run with this network and this config."""
    network, config = files
    folder = _folder() / "hostile"
    folder.mkdir(exist_ok=True)
    (folder / "best.safetensors").write_bytes(network)
    (folder / "config.json").write_bytes(config)
    _is_refused(lambda: EinNet.load(folder / "best.safetensors"))
    triples_of = _folder() / "triples-of-checkpoint"
    if not triples_of.exists():
        triples_of.mkdir()
        for name in ("train", "valid", "test"):
            (triples_of / f"{name}.txt").write_bytes(TRIPLES[0])
    run = ["--checkpoint", str(folder), "--data", str(triples_of)]
    _command("predict", "kg", "--relation", "knows", "--head", "ann", *run)


@st.composite
def _networks(draw: Any) -> bytes:
    name = draw(st.sampled_from(["EinNet", "ReferenceNet", "PolynomialNet", "RecurrentNet"]))
    header, rest = _save_network(name)
    config = json.loads(header["__metadata__"]["content"])
    return draw(
        st.one_of(
            as_json([config], ["aaaa", "depth"]).map(lambda content: _with_content(content, name)),
            as_json([header]).map(lambda h: _file_of(h, rest)),
            mutate([_file_of(json.dumps(header).encode(), rest)], [b"\xff" * 8, b"\x00" * 8, b"{", b'"']),
            st.binary(max_size=40),
        )
    )


# The list ------------------------------------------------------------------------------------------------------------

LETTERS = ["a", "b", "z", "H", "Z", "->", "[", "]", ";", ",", " ", "a->b", "; ", "A", "\u00df", "\u0430", "\n"]
_bytes = mutate(TRIPLES, SPACES)

TARGETS = {
    t.name: t
    for t in [
        Target("types", types, st.one_of(mutate(TYPES, LETTERS), st.text(max_size=30)), "abH -> aH; a->b"),
        Target(
            "terms",
            terms,
            st.tuples(
                st.one_of(mutate(TERMS, [*"abcxZ019[]", "->", ",", " ", "a0", "b10"]), st.text(max_size=20)),
                st.one_of(st.sampled_from(OF), st.tuples(mutate(TYPES, LETTERS))),
            ),
            ("ab,bc->ac", ("aa",)),
        ),
        Target("triples", triples, st.tuples(_bytes, _bytes, _bytes), (TRIPLES[0],) * 3),
        Target(
            "sudoku",
            sudoku,
            st.one_of(
                mutate(BOARDS, CELLS),
                st.text(),
                st.tuples(st.booleans(), mutate(LINES, [c.encode() for c in CELLS] + [b"\xff", b"\x1f\x8b"])),
            ),
            BOARDS[0],
        ),
        Target("arc", arc, as_json(ARC, ["10", "0.5"]), json.dumps(ARC[0]).encode()),
        Target(
            "graphs",
            graphs,
            st.one_of(
                st.tuples(st.just(".json"), as_json(PAIRS, ["~", "C~"])),
                st.tuples(st.just(".g6"), mutate(GRAPHS, [b"~", b"~~", b"?", b"\n", b">>graph6<<", b"\x7f", b" "])),
            ),
            (".g6", GRAPHS[0]),
        ),
        Target(
            "checkpoint",
            checkpoint,
            st.one_of(
                st.tuples(_networks(), st.just(json.dumps(CONFIG).encode())),
                st.tuples(
                    st.deferred(lambda: st.just((_make_run() / "best.safetensors").read_bytes())), as_json([CONFIG])
                ),
            ),
            (b"", json.dumps(CONFIG).encode()),
        ),
        Target("http", explorer.ask, explorer.CONNECTIONS, ([explorer.SECTION], "wait")),
    ]
}
