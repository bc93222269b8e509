"""A Markdown extension: formulas as MathML, which browsers draw without a script or a font from elsewhere.

It turns what `pymdownx.arithmatex` (generic) leaves into MathML, and reads the part of TeX that pages like
these use. Anything else is an error that names the formula, so that no page shows half of one.

>>> from xml.etree.ElementTree import tostring
>>> print(tostring(read(r"x_i^2 \\le \\frac{1}{n}"), "unicode"))  # doctest: +ELLIPSIS
<math><mrow><msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup><mo ...>≤</mo><mfrac>...</mfrac></mrow></math>
>>> read(r"\\unheard{x}")
Traceback (most recent call last):
ValueError: '\\unheard' is not among the TeX commands that docs/mathml.py reads, in: \\unheard{x}
"""

import re
import unicodedata
from xml.etree.ElementTree import Element, SubElement

from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor

__all__ = ["MathExtension", "makeExtension", "read"]

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)


def _pairs(text: str) -> dict[str, str]:
    """Names and what stands for them, from a list of words."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


LETTERS = _pairs(
    "alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν "
    "xi ξ pi π rho ρ sigma σ tau τ phi ϕ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π "
    "Sigma Σ Phi Φ Psi Ψ Omega Ω infty ∞ ell ℓ partial ∂ nabla ∇ emptyset ∅ varnothing ∅ top ⊤ bot ⊥ hbar ℏ"
)
OPERATORS = _pairs(
    "cdot ⋅ times × otimes ⊗ oplus ⊕ odot ⊙ circ ∘ wr ≀ ast ∗ star ⋆ pm ± mp ∓ div ÷ le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq "
    "≠ equiv ≡ approx ≈ sim ∼ simeq ≃ cong ≅ propto ∝ in ∈ notin ∉ ni ∋ subset ⊂ subseteq ⊆ supset ⊃ cup ∪ cap ∩ "
    "setminus ∖ wedge ∧ vee ∨ neg ¬ forall ∀ exists ∃ to → rightarrow → mapsto ↦ leftarrow ← leftrightarrow ↔ "
    "Rightarrow ⇒ Leftarrow ⇐ Leftrightarrow ⇔ iff ⇔ implies ⇒ longrightarrow ⟶ longmapsto ⟼ hookrightarrow ↪ mid ∣ "
    "parallel ∥ dots … ldots … cdots ⋯ vdots ⋮ ddots ⋱ colon : ll ≪ gg ≫ prec ≺ preceq ⪯ succ ≻ bullet ∙ perp ⟂ "
    "ltimes ⋉ rtimes ⋊ langle ⟨ rangle ⟩ lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ lvert | rvert | lVert ‖ rVert ‖ vert | "
    "Vert ‖ lbrace { rbrace } | ‖ { { } } % % # # & & _ _ $ $"
)
LARGE = _pairs("sum ∑ prod ∏ coprod ∐ int ∫ bigcup ⋃ bigcap ⋂ bigoplus ⨁ bigotimes ⨂ bigsqcup ⨆")
FUNCTIONS = {"log", "ln", "exp", "sin", "cos", "tan", "tanh", "det", "dim", "ker", "rank", "arg", "deg", "gcd"}
LIMITS = {"lim", "max", "min", "sup", "inf", "argmax", "argmin"}
SPACES = _pairs(", 0.17em : 0.22em ; 0.28em ! -0.17em quad 1em qquad 2em") | {" ": "0.25em"}
ACCENTS = _pairs("hat ^ widehat ^ bar ¯ overline ¯ tilde ~ widetilde ~ vec → dot ˙")
TEXT = {"text", "textrm", "mathrm", "operatorname", "textit", "mathit", "textbf", "texttt", "mathtt"}
ALPHABETS = {"mathbf": "BOLD", "boldsymbol": "BOLD ITALIC", "mathcal": "SCRIPT", "mathbb": "DOUBLE-STRUCK"}
FENCES = {"pmatrix": "()", "bmatrix": "[]", "vmatrix": "||", "Bmatrix": "{}"}
TABLES = {"cases": ("{", ""), "matrix": ("", ""), "aligned": ("", ""), "array": ("", ""), "align*": ("", "")} | FENCES
JOINER = "\u2060"  # no line ends between a formula and the comma behind it
SIZED = re.compile(r"(?:left|right|middle|[bB]igg?[lrm]?)$")


def read(tex: str, *, display: bool = False) -> Element:
    """The MathML element of a formula."""
    math = Element("math", {"display": "block"} if display else {})
    reader = _Reader(tex)
    math.append(reader.row(until=()))
    return math


class _Reader:
    """Reads a formula from left to right, each method one part of it."""

    def __init__(self, tex: str) -> None:
        self.tex = tex
        self.tokens = TOKEN.findall(tex.strip())
        self.at = 0

    def next(self) -> str:
        self.skip()
        if self.at == len(self.tokens):
            raise ValueError(f"the formula ends too early: {self.tex}")
        self.at += 1
        return self.tokens[self.at - 1]

    def skip(self) -> None:
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1

    def peek(self) -> str:
        self.skip()
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def row(self, until: tuple[str, ...]) -> Element:
        """What stands before one of these tokens (or the end), which is not read."""
        row = Element("mrow")
        while (token := self.peek()) not in until and token:
            row.append(self.scripted())
        if until and not token:
            raise ValueError(f"'{until[0]}' is missing in: {self.tex}")
        return row

    def scripted(self) -> Element:
        """An atom with what stands below and above it."""
        base, marks = self.atom(), {}
        while (token := self.peek()) in ("_", "^", "'"):
            self.next()
            if token == "'":
                prime = _leaf("mo", "′")
                marks["^"] = _row(marks["^"], prime) if "^" in marks else prime
            elif token in marks and token == "_":
                raise ValueError(f"two subscripts at one place in: {self.tex}")
            else:
                script = self.atom()
                marks[token] = _row(marks[token], script) if token in marks else script
        if not marks:
            return base
        tag = ("munder", "mover") if base.get("movablelimits") or base.tag in ("munder", "mover") else ("msub", "msup")
        both = "munderover" if tag[0] == "munder" else "msubsup"
        parts = [marks[m] for m in "_^" if m in marks]
        return _row(base, *parts, tag=both if len(parts) == 2 else tag["^" in marks])

    def atom(self) -> Element:
        token = self.next()
        if token == "{":
            row = self.row(until=("}",))
            self.next()
            return row[0] if len(row) == 1 else row
        if token[0] == "\\" and len(token) > 1:
            return self.command(token[1:])
        if token[0].isdigit():
            return _leaf("mn", token)
        if token.isalpha():
            return _leaf("mi", token)
        if token in "}&^_\\":
            raise ValueError(f"'{token}' is out of place in: {self.tex}")
        return _leaf(
            "mo", {"-": "−", "*": "∗"}.get(token, token), **({"stretchy": "false"} if token in "()[]|" else {})
        )

    def command(self, name: str) -> Element:
        if name in LETTERS:
            return _leaf("mi", LETTERS[name])
        if name in OPERATORS:
            return _leaf("mo", OPERATORS[name], stretchy="false")
        if name in LARGE:
            return _leaf("mo", LARGE[name], movablelimits="true")
        if name in LIMITS:
            return _leaf("mo", name, movablelimits="true")
        if name in FUNCTIONS:
            return _row(_leaf("mi", name), Element("mspace", width="0.1em"))
        if name in SPACES:
            return Element("mspace", width=SPACES[name])
        if name in TEXT:
            return _leaf("mi" if name == "operatorname" else "mtext", self.words(), **_style(name))
        if name in ALPHABETS:
            return _leaf("mi", "".join(_letter(c, ALPHABETS[name]) for c in self.words()))
        if name in ACCENTS:
            return _row(self.atom(), _leaf("mo", ACCENTS[name], stretchy="true"), tag="mover", accent="true")
        if SIZED.match(name):
            fence = self.next()
            text = "" if fence == "." else OPERATORS.get(fence[1:], fence)
            return _leaf("mo", text, stretchy="true" if name in ("left", "right", "middle") else "false")
        return self.structure(name)

    def structure(self, name: str) -> Element:
        """A command with parts that are formulas themselves."""
        if name in ("frac", "tfrac", "dfrac"):
            return _row(self.atom(), self.atom(), tag="mfrac")
        if name == "binom":
            fraction = _row(self.atom(), self.atom(), tag="mfrac", linethickness="0")
            return _row(_leaf("mo", "("), fraction, _leaf("mo", ")"))
        if name == "sqrt":
            return _row(self.atom(), tag="msqrt")
        if name in ("underbrace", "overbrace"):
            below = name == "underbrace"
            return _row(self.atom(), _leaf("mo", "⏟" if below else "⏞"), tag="munder" if below else "mover")
        if name == "begin":
            return self.table(self.words())
        raise ValueError(f"'\\{name}' is not among the TeX commands that docs/mathml.py reads, in: {self.tex}")

    def words(self) -> str:
        """The text of a group (or one token), as it stands."""
        if self.next() != "{":
            return self.tokens[self.at - 1]
        end = self.tokens.index("}", self.at)
        text = "".join(self.tokens[self.at : end])
        self.at = end + 1
        return text

    def table(self, kind: str) -> Element:
        if kind not in TABLES:
            raise ValueError(f"'\\begin{{{kind}}}' is not read by docs/mathml.py, in: {self.tex}")
        if kind == "array":
            self.words()  # how columns are aligned
        table = Element("mtable", {"class": kind.rstrip("*")})
        row = SubElement(table, "mtr")
        while True:
            row.append(_row(self.row(until=("\\end", "&", "\\\\")), tag="mtd"))
            ended = self.next()
            if ended == "\\end":
                break
            if ended == "\\\\" and self.peek() != "\\end":
                row = SubElement(table, "mtr")
        self.words()
        before, after = TABLES[kind]
        return _row(*[_leaf("mo", before)] * bool(before), table, *[_leaf("mo", after)] * bool(after))


def _leaf(tag: str, text: str, **attributes: str) -> Element:
    element = Element(tag, attributes)
    element.text = text
    return element


def _row(*parts: Element, tag: str = "mrow", **attributes: str) -> Element:
    element = Element(tag, attributes)
    element.extend(parts)
    return element


def _style(name: str) -> dict[str, str]:
    looks = {"bf": "font-weight: bold", "it": "font-style: italic", "tt": "font-family: monospace"}
    return {"style": looks[name[-2:]]} if name[-2:] in looks else {}


def _letter(character: str, alphabet: str) -> str:
    """A letter of one of Unicode's mathematical alphabets, some of whose letters are older and named otherwise."""
    if not (character.isascii() and character.isalpha()):
        return character
    name = f"{alphabet} {'CAPITAL' if character.isupper() else 'SMALL'} {character.upper()}"
    try:
        return unicodedata.lookup(f"MATHEMATICAL {name}")
    except KeyError:
        return unicodedata.lookup(name)


class _Formulas(Treeprocessor):
    def run(self, root: Element) -> None:
        for element in root.iter():
            if "arithmatex" in element.get("class", "").split() and element.text and not len(element):
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
