"""Formulas: derivative rules as mathematics, for people.

A partial is written in primitives. Run on Values instead of floats it leaves a graph, and that graph is its formula:
here it is written down as text, LaTeX and MathML. Where a rule branches, the formula is that of the branch taken.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .graph import Formula, Node, arguments, operands, topological_order
from .modes import plainly
from .value import Value

LONGEST = 90
"""Characters of a formula's text; what is longer helps nobody and is left out."""

SUM, PRODUCT, POWER, ATOM = range(4)
"""How tightly a formula holds together: an operand that holds less tightly than its operation gets brackets."""

LATEX = {"·": r"\cdot", "×": r"\times", "−": "-", "∂": r"\partial ", "→": r"\to", "…": r"\dots", "∞": r"\infty"}
ESCAPES = {
    "\\": r"\backslash ",
    "^": r"\wedge ",
    "~": r"\sim ",
    "<": r"\lt ",
    ">": r"\gt ",
    " ": r"\ ",
    **{c: "\\" + c for c in "{}$&#_%"},
}


def one_line(text: str, length: int) -> str:
    """Text from a user: without control characters, and shortened."""
    text = "".join(c if c.isprintable() else " " for c in text[: length + 1])
    return text if len(text) <= length else text[: length - 1] + "…"


def number_text(x: float, digits: int = 4) -> str:
    """A number as people write it: so many significant digits, a real minus sign."""
    return "nan" if math.isnan(x) else f"{x:.{digits}g}".replace("-", "−").replace("inf", "∞")


# Pieces


def name(text: str, length: int = 24) -> Formula:
    """An identifier; digits at its end, or in brackets there, stand below."""
    text = one_line(text, length)
    stem, below = text, ""
    if found := re.fullmatch(r"([^\W\d_]+)(?:(\d{1,3})|\[(\d{1,3})\])", text):
        stem, below = found[1], found[2] or found[3]
    escaped = "".join(ESCAPES.get(c, c) for c in stem)
    latex = escaped if len(stem) == 1 else rf"\mathit{{{escaped}}}"
    mathml = ["mi", stem]
    return (
        Formula(text, f"{latex}_{{{below}}}", ["msub", mathml, ["mn", below]])
        if below
        else Formula(text, latex, mathml)
    )


def number(x: float, digits: int = 4) -> Formula:
    """A number; what is negative stands in brackets only where `factor` puts it."""
    text = number_text(x, digits)
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        latex = text.replace("−", "-").replace("∞", r"\infty")
        return Formula(text, r"\mathrm{nan}" if text == "nan" else latex, ["mn", text])
    power = str(int(exponent.replace("−", "-")))
    ten = ["msup", ["mn", "10"], ["mn", power.replace("-", "−")]]
    latex = rf"{mantissa.replace('−', '-')} \cdot 10^{{{power}}}"
    return Formula(text, latex, ["mrow", ["mn", mantissa], ["mo", "·"], ten])


def row(*parts: Formula | str) -> Formula:
    """Pieces side by side; a string is an operator, with the spaces that text needs."""
    pieces = [p if isinstance(p, Formula) else _operator(p) for p in parts]
    return Formula(
        "".join(p.text for p in pieces), " ".join(p.latex for p in pieces), ["mrow", *(p.mathml for p in pieces)]
    )


def _operator(text: str) -> Formula:
    bare = text.strip()
    return Formula(text, LATEX.get(bare, bare), ["mo", bare])


def fraction(a: Formula, b: Formula) -> Formula:
    return Formula(f"{a.text}/{b.text}", rf"\frac{{{a.latex}}}{{{b.latex}}}", ["mfrac", a.mathml, b.mathml])


def marked(a: Formula, role: str, under: str = "") -> Formula:
    """The same, with a class for MathML, and a word below it there."""
    mathml: list[Any] = [f"mrow.{role}", a.mathml]
    return a._replace(mathml=["munder", mathml, ["mtext", under]] if under else mathml)


def derivative(of: str, by: str) -> Formula:
    """∂of/∂by for two names."""
    return fraction(row("∂", name(of)), row("∂", name(by)))


def brackets(a: Formula) -> Formula:
    return Formula(f"({a.text})", rf"\left({a.latex}\right)", ["mrow", ["mo", "("], a.mathml, ["mo", ")"]])


def factor(x: float) -> Formula:
    """A number in a product."""
    return brackets(number(x)) if math.copysign(1.0, x) < 0 else number(x)


# Derivative rules


def partial_formulas(node: Node, names: Mapping[Node, str]) -> list[Formula | None]:
    """For each of `operands(node)` the formula of the derivative by it, with the operands called by their names.

    None for a number, where nothing flows, where the formula is too long, or where a custom rule cannot be run on
    Values.
    """
    if node.primitive is None:
        return []
    written: dict[Node, Formula] = {}

    def stand_in(x: Any) -> Any:
        if type(x) is float:
            return x
        leaf = Value(x._data)
        written[leaf] = name(names[x])
        return leaf

    derivatives: list[Any] = []
    with plainly():
        xs = [[stand_in(v) for v in x] if type(x) is tuple else stand_in(x) for x in arguments(node)]
        out = stand_in(node)
        try:
            for x, partial in zip(xs, node.primitive.partials, strict=True):
                found = partial(*xs, out)
                derivatives.extend(found if isinstance(x, list) else [found])
        except Exception:  # a user's rule, which may be good for floats only
            return [None] * len(operands(node))
    return [
        None if d is None or type(x) is float else number(d) if isinstance(d, float) else write(d, written)
        for x, d in zip(operands(node), derivatives, strict=True)
    ]


def write(root: Node, names: Mapping[Node, Formula]) -> Formula | None:
    """The expression that a node was computed with, down to the named leaves; None if it is too long."""
    leaves, interiors = topological_order(root)
    written: dict[Any, tuple[Formula, int]] = {leaf: _atom(names.get(leaf) or number(leaf._data)) for leaf in leaves}
    for node in interiors:
        xs = operands(node)
        pieces = [_atom(number(x)) if type(x) is float else written[x] for x in xs]
        key = node.primitive.key if node.primitive else ""
        if key == "where":
            written[node] = pieces[1 if (xs[0] if type(xs[0]) is float else xs[0]._data) else 2]
        elif key == "mul" and xs[0] is xs[1] and type(xs[0]) is not float:
            written[node] = _power(pieces[0], _atom(number(2.0)))
        else:
            written[node] = _operation(key, pieces)
        if len(written[node][0].text) > LONGEST:
            return None
    return written[root][0]


def operation(key: str, operands: Sequence[Formula]) -> Formula | None:
    """A primitive applied to operands: `a · b`, `tanh(x)`; None if that is too long."""
    formula = _operation(key, [_atom(x) for x in operands])[0]
    return formula if len(formula.text) <= LONGEST else None


Piece = tuple[Formula, int]


def _operation(key: str, pieces: Sequence[Piece]) -> Piece:
    return WRITTEN[key](*pieces) if key in WRITTEN else _call(key.rpartition(".")[2], pieces)


def _atom(formula: Formula) -> Piece:
    return formula, SUM if formula.text.startswith("−") else ATOM


def _at_least(level: int, piece: Piece) -> Formula:
    return piece[0] if piece[1] >= level else brackets(piece[0])


def _infix(symbol: str, level: int, right: int) -> Callable[[Piece, Piece], Piece]:
    return lambda a, b: (row(_at_least(level, a), symbol, _at_least(right, b)), level)


def _div(a: Piece, b: Piece) -> Piece:
    text = f"{_at_least(PRODUCT, a).text}/{_at_least(POWER, b).text}"  # in the others the line of the fraction brackets
    return fraction(a[0], b[0])._replace(text=text), PRODUCT


def _power(a: Piece, b: Piece) -> Piece:
    if b[0].text == "1":
        return a
    base, exponent = _at_least(ATOM, a), _at_least(ATOM, b)
    text = f"{base.text}²" if exponent.text == "2" else f"{base.text}^{exponent.text}"
    return Formula(text, f"{base.latex}^{{{b[0].latex}}}", ["msup", base.mathml, b[0].mathml]), POWER


def _sqrt(a: Piece) -> Piece:
    return Formula(f"√({a[0].text})", rf"\sqrt{{{a[0].latex}}}", ["msqrt", a[0].mathml]), ATOM


def _sum(*terms: Piece) -> Piece:
    return row(*[part for term in terms or [_atom(number(0.0))] for part in (" + ", _at_least(PRODUCT, term))][1:]), SUM


def _dot(*pieces: Piece) -> Piece:
    half = len(pieces) // 2
    product = WRITTEN["mul"]
    return _sum(*(product(w, x) for w, x in zip(pieces[:half], pieces[half:-1], strict=True)), pieces[-1])


def _call(function: str, pieces: Sequence[Piece]) -> Piece:
    parts = [part for piece in pieces for part in (", ", piece[0])][1:]
    escaped = "".join(ESCAPES.get(c, c) for c in function)
    called = Formula(function, rf"\operatorname{{{escaped}}}", ["mi", function])
    return row(called, "(", *parts, ")"), ATOM


WRITTEN: dict[str, Callable[..., Piece]] = {
    "add": _infix(" + ", SUM, PRODUCT),
    "sub": _infix(" − ", SUM, PRODUCT),
    "mul": _infix(" · ", PRODUCT, PRODUCT),
    "div": _div,
    "pow": _power,
    "sqrt": _sqrt,
    "neg": lambda a: (row("−", _at_least(PRODUCT, a)), SUM),
    "identity": lambda a: a,
    "abs": lambda a: (row("|", a[0], "|"), ATOM),
    "sum": _sum,
    "dot": _dot,
}


def columns(text: str) -> int:
    """How many columns a text takes in a terminal: an ideograph or an emoji takes two, an accent none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
