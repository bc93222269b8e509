"""Wrong calls, by name: their messages are in messages.txt, whole."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import einnet
from einnet import (
    EinLayer,
    EinLinear,
    EinNet,
    EinPool,
    Plan,
    Signature,
    Symmetry,
    Term,
    laurent,
    linear_maps,
    series,
    series_of,
)
from einnet.checks import check_choice, check_count, check_flag, check_real
from einnet.cli import main
from einnet.errors import EinNetError
from einnet.taylor import lorentz, orthogonal, permutations, rotations
from einnet.terms import all_terms, count_terms, linear_terms
from einnet.testing import assert_equivariant

__all__ = ["CALLS", "CommandError"]

ones, zeros = torch.ones, torch.zeros
SMALL = {"heads": 2, "hidden": 8, "depth": 1}


class CommandError(EinNetError):
    """What a command that ends with exit code 2 prints on standard error."""


def run(command: str, *more: str) -> None:
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        code = main([*command.split(), *more])
    if code == 2:
        raise CommandError(error.getvalue().strip())


def net(signature: str = "aaH -> aH") -> EinNet:
    return EinNet(signature, (2,) * len(Signature(signature).inputs), 3, **SMALL)


def load_file_of(metadata: dict[str, str] | None, content: bytes | None = None) -> None:
    path = Path("net.safetensors")
    if content is None:
        save_file({"x": zeros(2)}, path, metadata=metadata)
    else:
        path.write_bytes(content)
    EinNet.load(path)


def command_on(text: str, command: str, name: str = "data.txt") -> None:
    """A command on a file, or in a folder, with this content."""
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    run(command)


TYPES = (
    "aBH", "a bH", "aZH", "aHb", "ab; a->b, b->a", "abc; a->c, b->c", "ab; x->b", "aab; a->b", "ab; ab", "ab;",
    "ab -> a", "a,b", "a" * 65, "[ab", "ab]H", "a[b]H", "[[ab]]", "[]H", "[abH]",
)  # fmt: skip
SIGNATURES = (
    "abH, acdH -> aXH; a->b",
    "a, ab -> aHa",
    "a -> b -> c",
    "ab -> a, b",
    "a, aa",
    "ab -> b; a->b",
    "abc; a->b -> c",
)
TERMS = ("ab,bc", "ab,b3->a", "a0b->a0", "ab,b?->ac", "ab->a,b", "ab, b c->b", "[ab,bc->ac", "a,a[b]->a")
TYPED_TERMS = (
    ("ab,bc->ac", "ab"),
    ("ab,ab->abc", "ab"),
    ("a0b0->b0a0", "ab"),
    ("ab->cb", "ab; a->b"),
    ("ab->[ab]", "[ab]"),
)

NOTATION = {
    **{f"type {t[:20]}": lambda t=t: Symmetry(t) for t in TYPES},
    "type 3": lambda: Symmetry(3),
    **{f"signature {s}": lambda s=s: Signature(s) for s in SIGNATURES},
    **{f"term {t}": lambda t=t: Term(t) for t in TERMS},
    "term None": lambda: Term(None),
    **{f"term {t} of {s}": lambda t=t, s=s: Term(t).classes(Symmetry(s)) for t, s in TYPED_TERMS},
    "term of two types": lambda: einnet.generates(["ab,ab->ab"], "ab,ab->ab", ("ab", "aa")),
    "term of no type": lambda: einnet.generates([], "abc->a", ("a", "aa")),
    "two parents in a set of types": lambda: einnet.generates([], "ab->ab", ("ab; a->b", "ab")),
    "no type": lambda: einnet.generates([], "ab->ab", ()),
    "type 5": lambda: einnet.generates([], "ab->ab", 5),
    "terms 5": lambda: einnet.generates(5, "ab->ab", "aa"),
}

SHAPES = {
    "type, two sizes": lambda: Symmetry("aaH").sizes_of((5, 7, 64), "input 2"),
    "type, few axes": lambda: Symmetry("abH").sizes_of((5, 7)),
    "element, missing size": lambda: Symmetry("ab").random_element({"a": 3}),
    "element, sizes 5": lambda: Symmetry("aH").random_element(5),
    "element, another size": lambda: Symmetry("a").random_element({"a": 4}, 0).act(np.arange(3), Symmetry("a")),
    "element, sparse type": lambda: Symmetry("aa").random_element({"a": 2}).act(np.eye(2), Symmetry("[aa]")),
    "net, sparse type": lambda: net("aH -> [aa]H")(ones(2, 2)),
    "padding, sparse type": lambda: einnet.nn.pad([ones(2, 2, 1)], "[aa]H"),
    "net, two sizes": lambda: net()(ones(4, 5, 2)),
    "net, features": lambda: net()(ones(4, 4, 3)),
    "net, second input": lambda: net("aH, aaH -> aH")(ones(4, 2), ones(4, 2)),
    "net, number of inputs": lambda: net("aH, aaH -> aH")(ones(4, 2)),
    "net, mask by position": lambda: net()(ones(4, 4, 2), ones(4).bool()),
    "net, dtype": lambda: net()(ones(4, 4, 2).double()),
    "net, free axis": lambda: net("aH -> abH")(ones(4, 2)),
    "mask, class": lambda: net()(ones(4, 4, 2), mask={"b": ones(4).bool()}),
    "mask, dtype": lambda: net()(ones(4, 4, 2), mask=ones(4)),
    "mask, size": lambda: net()(ones(4, 4, 2), mask=ones(5).bool()),
    "mask, list": lambda: net()(ones(4, 4, 2), mask=[True] * 4),
    "mask, type": lambda: net("abH")(ones(4, 3, 2), mask={"ba": ones(3, 4).bool()}),
    "mask, tuples": lambda: net("abH")(ones(4, 3, 2), mask={"ab": ones(3, 4).bool()}),
    "mask, two axes": lambda: net("abH")(ones(4, 4, 2), mask=ones(4).bool()),
    "mask, no axis": lambda: net("H")(ones(2), mask=ones(4).bool()),
    "linear, contradiction": lambda: EinLinear("aH -> aH", 2, 3)(ones(4, 2), sizes={"a": 5}),
    "linear, sizes": lambda: EinLinear("aH -> abH", 2, 3)(ones(4, 2), sizes=[3]),
    "linear, size None": lambda: EinLinear("aH -> abH", 2, 3)(ones(4, 2), sizes={"b": None}),
    "linear, two inputs": lambda: EinLinear("aH, aaH -> aH", [2, 2], 3)(ones(4, 2), ones(5, 5, 2)),
    "layer, features": lambda: EinLayer("aaH", features=6)(ones(4, 4, 5)),
    "pool, features": lambda: EinPool(["ab->ba", "ab,bc->ac"])(ones(4, 4, 8)),
    "pool, few axes": lambda: EinPool(["ab->ba"])(ones(4, 4)),
    "pool, inputs": lambda: EinPool(["a,ab->b"], ("aH", "aaH"))(ones(4, 1)),
    "pool, heads": lambda: EinPool(["a,ab->b"], ("aH", "aaH"))(ones(4, 1), ones(4, 4, 2)),
    "padding, none": lambda: einnet.nn.pad([], "aH"),
    "padding, features": lambda: einnet.nn.pad([ones(2, 3), ones(2, 4)], "aH"),
    "padding, axes": lambda: einnet.nn.pad([ones(2, 3, 1)], "aH"),
    "derivation, operands": lambda: einnet.generates(["ab,ab->ab"], "ab,ab->ab", "ab").run(np.ones((2, 3))),
    "derivation, sizes": lambda: einnet.generates([], "a0->a0b0", ("a", "ab")).run(np.ones(3)),
}

SERIES = {
    "size missing": lambda: series("ab -> a", 1, {"a": 3}),
    "size unknown": lambda: series("ab ->", 1, {"a": 3, "c": 2}),
    "size 0": lambda: series("a ->", 1, {"a": 0}),
    "size 3.5": lambda: series("a ->", 1, {"a": 3.5}),
    "sizes [3]": lambda: series("a ->", 1, [3]),
    "order -1": lambda: series("a ->", -1),
    "commutative no": lambda: series("a ->", 2, None, "no"),
    "beyond the order": lambda: series("a -> a", 2, {"a": 3}).sharing(3),
    "entries without sizes": lambda: series("ab -> a", 1).sharing(1),
    "choice of operands": lambda: series("a, aa -> a", 2, {"a": 3}).sharing(2),
    "parameters": lambda: series("a -> a", 1).evaluate(np.ones(3), [1.0, 2.0]),
    "parameters by order": lambda: series("a -> a", 1, {"a": 3}).split([np.ones(2), np.ones(1)]),
    "basis": lambda: series("a -> a", 1).evaluate(np.ones(3), np.ones(3), basis="orbits"),
    "input, size": lambda: series("a -> a", 1, {"a": 3}).evaluate(np.ones(4), np.ones(3)),
    "input, features": lambda: series("aH -> aH", 1).evaluate(np.ones((3, 4)), np.ones(3)),
    "inputs, number": lambda: series("a, aa -> a", 1).evaluate(np.ones(3), np.ones(8)),
    "input, no numbers": lambda: series("a ->", 1).evaluate(["a", "b"], [1, 1]),
    "patterns": lambda: series("aa -> aa", 6).contractions(6),
    "entries": lambda: series("aa -> aa", 1, {"a": 200}).sharing(1),
    "choices of operands": lambda: series("a, b ->", 30).words(30),
    "no permutation": lambda: series_of([[0, 2, 2, 0]], 1),
    "one permutation": lambda: series_of([1, 2, 0], 1),
    "no generators": lambda: series_of([], 1),
    "generators of two lengths": lambda: series_of([[1, 0], [1, 2, 0]], 1),
    "generators of the output": lambda: series_of([[1, 0]], 1, [[1, 0], [1, 0]]),
    "laurent 0": lambda: laurent(0, [0]),
    "laurent, powers": lambda: laurent(2, [0.5, -0.5]),
    "laurent, zero": lambda: laurent(2, [-1, 0, 1]).evaluate(np.array([0.0, 1.0]), np.ones(3)),
    "laurent, too many": lambda: laurent(30, range(-5, 6)).exponents,
    "matrix not square": lambda: linear_maps([[[1, 0, 0], [0, 1, 0]]]),
    "matrix singular": lambda: linear_maps([np.ones((2, 2))]),
    "matrix complex": lambda: linear_maps([[[1j, 0], [0, 1]]]),
    "no matrices": lambda: linear_maps(),
    "two groups": lambda: linear_maps(source=rotations(3), target=orthogonal(3)),
    "method": lambda: linear_maps([[1, 0]], method="fast"),
    "tensor power": lambda: rotations(3) ** 0.5,
    "dimensions": lambda: rotations(3) ** 20,
    "rotations of a line": lambda: rotations(1),
    "lorentz 0": lambda: lorentz(0),
    "points": lambda: permutations(10**8),
    "dense": lambda: linear_maps(source=lorentz() ** 4, target=lorentz() ** 4, method="dense"),
}

ARGUMENTS = {
    "count": lambda: check_count(0, "heads"),
    "count, bounds": lambda: check_count(400, "order", minimum=0, maximum=300),
    "count, type": lambda: check_count(2.5, "heads"),
    "real": lambda: check_real(1.5, "dropout", below=1),
    "real, type": lambda: check_real("0.1", "dropout"),
    "choice": lambda: check_choice("maximum", "reduction", ("sum", "max")),
    "choice, type": lambda: check_choice(3, "reduction", ("sum", "max")),
    "flag": lambda: check_flag("yes", "bias"),
    "net, features": lambda: EinNet("aaH", 0, 1),
    "net, two features": lambda: EinNet("aH, aaH -> aH", 3, 1),
    "net, outputs": lambda: EinNet("aaH", 1, 0),
    "net, heads": lambda: EinNet("aaH", 1, 1, heads=-1),
    "net, dropout": lambda: EinNet("aH", 1, 1, dropout=1.5),
    "net, order": lambda: EinNet("aaH", 1, 1, order=0),
    "net, no terms": lambda: EinNet("aaH", 1, 1, terms=[]),
    "net, no type holds": lambda: EinNet("aaH, abH -> H; a->b", (1, 1), 1),
    "layer, norm": lambda: EinLayer("aH", 4, norm="batch"),
    "layer, chunks": lambda: EinLayer("aaH", features=6, heads=2, chunks=3),
    "pool, no term": lambda: EinPool([]),
    "pool, reduction": lambda: EinPool(["ab->ab"], "abH", reduction="median"),
    "plan, sources": lambda: Plan.make(["ab,bc->ac"], Symmetry("aa"), sources=[(0,)]),
    "pooling, method": lambda: einnet.pooling("aa", 2, method="table"),
    "pooling, target": lambda: einnet.pooling(("ab", "aa"), 3, targets="bb"),
    "pooling, recipe of two types": lambda: einnet.pooling(("a", "aa"), 2, method="recipe"),
    "pooling, cost": lambda: einnet.pooling("aa", 5, max_exponent=0),
    "pooling, order": lambda: einnet.pooling("ab", 0),
    "pooling, high order": lambda: einnet.pooling("aa", 10**9),
    "pooling, hypergraphs": lambda: einnet.pooling("aaa", 6),
    "pooling, recipe": lambda: einnet.pooling("aa", 6, method="recipe"),
    "linear terms": lambda: linear_terms("aaaaa", "aaaaa"),
    "all terms": lambda: next(all_terms("a", 8)),
    "count of terms": lambda: count_terms("aa", 24),
    "testing, features": lambda: assert_equivariant(lambda x, y: x, "aH, aH -> aH", {"a": 4}, features=(1,)),
    "testing, dtype": lambda: assert_equivariant(lambda x: x, "aH", {"a": 3}, dtype=torch.int64),
    "testing, no tensor": lambda: assert_equivariant(lambda x: [x], "aH", {"a": 3}),
    "testing, not equivariant": lambda: assert_equivariant(lambda x: x.cumsum(-2), "aH", {"a": 5}),
}

FILES = {
    "checkpoint, missing": lambda: EinNet.load("nothing.safetensors"),
    "checkpoint, truncated": lambda: load_file_of(None, b"five "),
    "checkpoint, another program": lambda: load_file_of(None),
    "checkpoint, another kind": lambda: load_file_of({"einnet": "run", "content": "{}"}),
    "checkpoint, old format": lambda: load_file_of({"einnet": "network", "content": "{}", "version": "0"}),
    "checkpoint, folder": lambda: EinNet.from_pretrained(""),
    "checkpoint, option": lambda: EinNet.from_pretrained(".", revison="v2"),
    "export, suffix": lambda: net().export("net.bin", ones(2, 4, 4, 2)),
    "export, size 1": lambda: net().export("net.pt2", ones(2, 1, 1, 2)),
    "save, no folder": lambda: (Path("file").write_text(""), net().save(Path("file") / "net.safetensors")),
    "graph, columns": lambda: command_on("a\tb\n", "train kg --data facts", "facts/train.txt"),
    "graph, other files": lambda: command_on("a\tb\tc\n", "train kg --data facts", "facts/train.txt"),
    "graph, nowhere": lambda: run("train kg --data nowhere"),
    "board, cells": lambda: run("predict sudoku", "1" * 80),
    "board, symbol": lambda: run("predict sudoku", "x" + "." * 80),
    "board, side": lambda: run("predict sudoku", "1" * 25),
    "boards, cells": lambda: command_on("." * 80 + "\n" + "." * 82, "eval sudoku --data data.txt"),
    "boards, zero": lambda: run("predict sudoku", "0." + "1" * 79),
    "boards, empty": lambda: command_on("", "eval sudoku --data data.txt"),
    "pairs, no JSON": lambda: command_on("{", "bench brec --data data.json --order 2", "data.json"),
    "pairs, no list": lambda: command_on("[]", "bench brec --data data.json --order 2", "data.json"),
    "pairs, no graph": lambda: command_on(
        json.dumps([{"category": "x", "g": "Bw", "h": "é"}]), "bench brec --data data.json --order 2", "data.json"
    ),
    "task of ARC": lambda: command_on("[]", "train arc --task data.json", "data.json"),
}

COMMANDS = {
    text: lambda text=text: run(text)
    for text in (
        "explain aXH", "explain aaH --heads 0", "explain aaH --hidden 10000000000000", "explain aaH --plot ops.gif",
        "pool aB", "pool aa --draw ops", "pool aa --derive ab,bc", "series", "series a --size a", "series a --size a=2 --size a=3",
        "series --generator 1,1", "series a --order 400", "laurent 3 --powers 2", "laurent 0", "explore aa --order 10",
        "explore aH --html report.txt", "train kg --minutes -1", "train kg --lr -1", "train kg --dropout 1.5",
        "train kg --mask-low 0.5 --mask-high 0.2", "eval kg --out nowhere", "predict kg --relation spouse",
        "predict sudoku nowhere/p.txt", "train sudoku --puzzles 1", "train sudoku --side 7", "eval sudoku --data nowhere.txt",
        "train pinv --depth 0", "eval pinv --checkpoint nothing", "bench arc --set training --seconds 0",
    )
}  # fmt: skip

GROUPS = {
    "notation": NOTATION, "shape": SHAPES, "series": SERIES, "argument": ARGUMENTS, "file": FILES, "command": COMMANDS,
}  # fmt: skip
CALLS: dict[str, Callable[[], object]] = {
    f"{g}: {name}": call for g, calls in GROUPS.items() for name, call in calls.items()
}
