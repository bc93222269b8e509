"""What the fuzzers found, and what it was like before: it is taken now, or refused, soon."""

import json

import pytest

from einnet.errors import DataError
from einnet.tasks.parallel import check_conditions
from fuzz.targets import ARC, BOARDS, CONFIG, PAIRS, TARGETS, _saved, _with_content

BRIDGES = ",".join(["ab,ac,bc,bd"] * 9)
CLIQUE = ",".join(x + y for x in "abcdef" for y in "abcdef" if x < y)
PAIRED = ",".join(f"a{i}b{i}" for i in range(60))
LONG_NUMBER = "9" * 5000  # Python reads 4,300 digits


def settings(**changed):
    """A file whose settings say something else than its weights."""
    content = json.loads(_saved("default")[0]["__metadata__"]["content"]) | changed
    return _with_content(json.dumps(content).encode()), json.dumps(CONFIG).encode()


FOUND = {
    "a traceback: JSON that is nested too deeply": [("arc", b"[" * 100_000), ("graphs", (".json", b"[" * 100_000))],
    "a traceback: JSON with a long number": [
        ("arc", json.dumps(ARC[0]).replace("1", LONG_NUMBER).encode()),
        ("graphs", (".json", json.dumps(PAIRS).replace('"C~"', LONG_NUMBER).encode())),
    ],
    "more than a second: a large board, nearly empty": [("sudoku", BOARDS[-1])],
    "minutes, or more: as many patterns as set partitions": [
        ("types", "aaaaaaaaaaaaaaaaabH"),
        ("types", " zzzzzzzzH"),
        ("types", "a" * 200),
        ("types", "abcdefghijklmnopqrstuvwxyz"),
    ],
    "more than a second: the table of thousands of choices of operands": [("types", "aH, aaH " + "," * 70 + "-> aH")],
    "more than a second: a table of many coefficients": [
        ("types", "aH" + ", aaaaaaH" * 100 + " -> aH"),
        ("types", "abcd" + ", abcd" * 43 + " -> a"),
    ],
    "seconds: ways to split operands": [
        ("terms", (f"{BRIDGES},cd->ad", ("aa",))),
        ("terms", (f"{BRIDGES},{BRIDGES},{BRIDGES},cd->ad", ("aa",))),
        ("terms", ("ab" + ",ac" * 60 + "->ae", ("aa",))),
        ("terms", ("ab,ac,bc,bd" + ",cd" * 9 + "->ad", ("",))),
    ],
    "a traceback: recursion as deep as a term is long": [("terms", (",".join(["ab"] * 300) + "->ab", ("aa",)))],
    "seconds: the path of a term of many operands": [("terms", (f"{CLIQUE}->af", ("aa",)))],
    "more than 20 seconds: the canonical form of a symmetric term": [
        ("terms", ("ab,cd,ef,gh,ij,kl->mn", ("aa",))),
        ("terms", (",".join("abcdefghijklm") + "->", ("a", ""))),
        ("terms", (PAIRED + "->a0b0", ("ab",))),
    ],
    "a traceback: a number that is true": [("checkpoint", settings(heads=True))],
    "without end: a network that runs as often as its file says": [("checkpoint", settings(iterations=10**9))],
    "gigabytes: weights that settings ask for and the file does not hold": [
        ("checkpoint", settings(hidden=10**6)),
        ("checkpoint", settings(heads=10**9)),
        ("checkpoint", settings(signature="aaaaaaaaH -> aaaaaaaaH", state=None)),
    ],
}


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_a_damaged_result_of_a_benchmark_is_named(tmp_path, content):
    (tmp_path / "conditions.json").write_text(content)
    with pytest.raises(DataError, match="conditions.json .*JSON"):
        check_conditions(tmp_path, {"seconds": 1})


@pytest.mark.parametrize(
    ("name", "value"), [one for found in FOUND.values() for one in found], ids=lambda x: x if isinstance(x, str) else ""
)
def test_what_was_found_is_taken_or_refused(name, value):
    target = TARGETS[name]
    target.call(target.valid)
    target.check(value)
