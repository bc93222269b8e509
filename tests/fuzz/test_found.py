"""Inputs on which the fuzzers failed, by what happened then: each is now accepted, or refused, within a second."""

import json

import pytest

from einnet.errors import DataError
from einnet.tasks.bench import check_conditions
from fuzz.targets import ARC, BOARDS, CONFIG, PAIRS, TARGETS, _save_network, _with_content

BRIDGES = ",".join(["ab,ac,bc,bd"] * 9)
CLIQUE = ",".join(x + y for x in "abcdef" for y in "abcdef" if x < y)
PAIRED = ",".join(f"a{i}b{i}" for i in range(60))
LONG_NUMBER = "9" * 5000  # Python reads 4,300 digits


def with_config(**changed):
    """A file whose config does not agree with its weights."""
    content = json.loads(_save_network("EinNet")[0]["__metadata__"]["content"]) | changed
    return _with_content(json.dumps(content).encode()), json.dumps(CONFIG).encode()


CASES = {
    "a traceback: JSON that is nested too deeply": [("arc", b"[" * 100_000), ("graphs", (".json", b"[" * 100_000))],
    "a traceback: JSON with a long number": [
        ("arc", json.dumps(ARC[0]).replace("1", LONG_NUMBER).encode()),
        ("graphs", (".json", json.dumps(PAIRS).replace('"C~"', LONG_NUMBER).encode())),
    ],
    "more than a second: a large board, nearly empty": [("sudoku", BOARDS[-1])],
    "more than five seconds: the nested axis maps of thousands of linear maps": [
        ("checkpoint", with_config(hidden_type="aaaaaaH")),
    ],
    "minutes, or more: all set partitions of the positions": [
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
    "a traceback: a number that is true": [("checkpoint", with_config(heads=True))],
    "without end: a network that runs as often as its file says": [("checkpoint", with_config(iterations=10**9))],
    "gigabytes: weights that the config asks for and the file does not hold": [
        ("checkpoint", with_config(hidden=10**6)),
        ("checkpoint", with_config(heads=10**9)),
        ("checkpoint", with_config(signature="aaaaaaaaH -> aaaaaaaaH", hidden_type=None)),
    ],
}


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_a_damaged_result_of_a_benchmark_is_named(tmp_path, content):
    (tmp_path / "conditions.json").write_text(content)
    with pytest.raises(DataError, match="conditions.json .*JSON"):
        check_conditions(tmp_path, {"seconds": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [case for cases in CASES.values() for case in cases],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_was_found_is_taken_or_refused(name, value):
    target = TARGETS[name]
    target.call(target.valid)
    target.check(value)
