"""A Markdown extension: formulas as MathML, which browsers draw without a script or a font from elsewhere.

It turns what `pymdownx.arithmatex` (generic) leaves into MathML, and reads the part of TeX that the pages
use. Anything else is an error that names the formula, so that no page shows half of one.

>>> from xml.etree.ElementTree import tostring
>>> print(tostring(read(r"x_i^2 \\le \\frac{1}{n}"), "unicode"))  # doctest: +ELLIPSIS
<math><mrow><msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup><mo ...>≤</mo><mfrac>...</mfrac></mrow></math>
>>> read(r"\\unheard{x}")
Traceback (most recent call last):
ValueError: '\\unheard' is not among the TeX commands that docs/mathml.py reads, in: \\unheard{x}
"""

import re
from xml.etree.ElementTree import Element, SubElement

from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor

__all__ = ["MathExtension", "makeExtension", "read"]

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
JOINER = "\u2060"  # no line ends between a formula and the comma behind it


def _pairs(text: str) -> dict[str, str]:
    """Names and what stands for them, from a list of words."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


LETTERS = _pairs(
    "alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ kappa κ lambda λ mu μ nu ν xi ξ pi π "
    "rho ρ sigma σ tau τ phi ϕ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Pi Π Sigma Σ Phi Φ Psi Ψ "
    "Omega Ω infty ∞ ell ℓ partial ∂ emptyset ∅ top ⊤"
)
OPERATORS = _pairs(
    "cdot ⋅ times × otimes ⊗ oplus ⊕ odot ⊙ circ ∘ pm ± le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ equiv ≡ approx ≈ sim ∼ "
    "cong ≅ propto ∝ in ∈ notin ∉ subset ⊂ subseteq ⊆ cup ∪ cap ∩ setminus ∖ wedge ∧ vee ∨ forall ∀ exists ∃ to → "
    "mapsto ↦ leftarrow ← leftrightarrow ↔ Rightarrow ⇒ Leftrightarrow ⇔ mid ∣ dots … ldots … cdots ⋯ vdots ⋮ ll ≪ "
    "gg ≫ langle ⟨ rangle ⟩ lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ | ‖ { { } } % % _ _"
)
LARGE = _pairs("sum ∑ prod ∏ int ∫ bigcup ⋃ bigcap ⋂ bigoplus ⨁ max max min min lim lim")  # with limits below and above
FUNCTIONS = {"log", "exp", "det", "dim"}
SPACES = _pairs(", 0.17em ; 0.28em quad 1em qquad 2em") | {" ": "0.25em"}
TABLES = {"matrix": ("", ""), "pmatrix": ("(", ")"), "cases": ("{", "")}


def read(tex: str, *, display: bool = False) -> Element:
    """The MathML element of a formula.

    Raises:
        ValueError: the formula, and what in it cannot be read.
    """
    math = Element("math", {"display": "block"} if display else {})
    math.append(_Reader(tex).read_row(until=()))
    return math


class _Reader:
    """Reads a formula from left to right, each method one part of it."""

    def __init__(self, tex: str) -> None:
        self.tex = tex
        self.tokens = TOKEN.findall(tex.strip())
        self.at = 0

    def peek(self) -> str:
        """The next token that is no space; "" at the end."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        if not (token := self.peek()):
            raise ValueError(f"the formula ends too early: {self.tex}")
        self.at += 1
        return token

    def read_row(self, until: tuple[str, ...]) -> Element:
        """What precedes one of these tokens (or the end), which is not read."""
        row = Element("mrow")
        while (token := self.peek()) not in until and token:
            row.append(self.read_scripted())
        if until and not token:
            raise ValueError(f"'{until[0]}' is missing in: {self.tex}")
        return row

    def read_scripted(self) -> Element:
        """An atom with the scripts below and above it."""
        base = self.read_atom()
        scripts: dict[str, list[Element]] = {"_": [], "^": []}
        while (token := self.peek()) in ("_", "^", "'"):
            self.next()
            scripts["^" if token == "'" else token].append(_leaf("mo", "′") if token == "'" else self.read_atom())
        parts = [_row(*nodes) if len(nodes) > 1 else nodes[0] for nodes in scripts.values() if nodes]
        if not parts:
            return base
        below, above = ("under", "over") if base.get("movablelimits") else ("sub", "sup")
        return _row(base, *parts, tag=f"m{below * bool(scripts['_'])}{above * bool(scripts['^'])}")

    def read_atom(self) -> Element:
        token = self.next()
        if token == "{":
            row = self.read_row(until=("}",))
            self.next()
            return row[0] if len(row) == 1 else row
        if token[0] == "\\" and len(token) > 1:
            return self.read_command(token[1:])
        if token[0].isdigit():
            return _leaf("mn", token)
        if token.isalpha():
            return _leaf("mi", token)
        if token in "}&^_\\":
            raise ValueError(f"'{token}' is out of place in: {self.tex}")
        return _leaf("mo", {"-": "−", "*": "∗"}.get(token, token), stretchy="false")

    def read_command(self, name: str) -> Element:
        if name in LETTERS:
            return _leaf("mi", LETTERS[name])
        if name in OPERATORS:
            return _leaf("mo", OPERATORS[name], stretchy="false")
        if name in LARGE:
            return _leaf("mo", LARGE[name], movablelimits="true")
        if name in FUNCTIONS:
            return _row(_leaf("mi", name), Element("mspace", width="0.1em"))
        if name in SPACES:
            return Element("mspace", width=SPACES[name])
        if name in ("text", "mathrm"):
            return _leaf("mtext", self.read_words())
        if name in ("left", "right"):
            return _leaf("mo", self.next().lstrip("\\"), stretchy="true")
        if name == "frac":
            return _row(self.read_atom(), self.read_atom(), tag="mfrac")
        if name == "sqrt":
            return _row(self.read_atom(), tag="msqrt")
        if name == "begin" and (kind := self.read_words()) in TABLES:
            return self.read_table(kind)
        raise ValueError(f"'\\{name}' is not among the TeX commands that docs/mathml.py reads, in: {self.tex}")

    def read_words(self) -> str:
        """The text of a group, as it stands."""
        if self.next() != "{" or "}" not in self.tokens[self.at :]:
            raise ValueError(f"a text in braces is missing in: {self.tex}")
        end = self.tokens.index("}", self.at)
        text = "".join(self.tokens[self.at : end])
        self.at = end + 1
        return text

    def read_table(self, kind: str) -> Element:
        table = Element("mtable", {"class": kind})
        row, ended = SubElement(table, "mtr"), ""
        while ended != "\\end":
            row.append(_row(self.read_row(until=("\\end", "&", "\\\\")), tag="mtd"))
            ended = self.next()
            if ended == "\\\\":
                row = SubElement(table, "mtr")
        self.read_words()
        before, after = TABLES[kind]
        return _row(_leaf("mo", before), table, _leaf("mo", after))


def _leaf(tag: str, text: str, **attributes: str) -> Element:
    element = Element(tag, attributes)
    element.text = text
    return element


def _row(*parts: Element, tag: str = "mrow") -> Element:
    element = Element(tag)
    element.extend(parts)
    return element


class _Formulas(Treeprocessor):
    def run(self, root: Element) -> None:
        for element in root.iter():
            if "arithmatex" in element.get("class", "").split() and element.text:
                tex, display = element.text[2:-2], element.text.startswith("\\[")
                element.text = None
                element.append(read(tex, display=display))
                if element.tail and element.tail[0] in ",.;:!?)":
                    element.tail = JOINER + element.tail


class MathExtension(Extension):
    def extendMarkdown(self, md) -> None:  # noqa: N802 (the name that Markdown asks for)
        md.treeprocessors.register(_Formulas(md), "mathml", 5)


def makeExtension(**options) -> MathExtension:  # noqa: N802
    return MathExtension(**options)
