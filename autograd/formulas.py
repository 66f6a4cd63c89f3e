"""Formulas: derivative rules as mathematics, for people.

A partial is written in primitives. Run on Values instead of floats it leaves a graph, and that graph is its formula:
here it is written down as text, LaTeX and MathML. Where a rule branches, the formula is that of the branch taken.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .floats import as_float, is_node
from .graph import Node, arguments, operands, topological_order
from .modes import plainly
from .snapshots import Formula
from .texts import number_text, one_line
from .value import Value

LONGEST = 90
"""Characters of a formula's text; what is longer helps nobody and is left out."""

MOST = 24
"""Operands; of an operation with more, only the rules that are a name or a number are written."""

SUM, PRODUCT, POWER, ATOM = range(4)
"""The levels of a formula: an operand that holds less tightly than its operation gets brackets."""

LATEX = {"·": r"\cdot", "×": r"\times", "−": "-", "∂": r"\partial", "→": r"\to", "…": r"\dots", "∞": r"\infty"}
ESCAPES = {
    "\\": r"\backslash ",
    "^": r"\wedge ",
    "~": r"\sim ",
    "<": r"\lt ",
    ">": r"\gt ",
    " ": r"\ ",
    **{c: "\\" + c for c in "{}$&#_%"},
}


# Pieces


def name(text: str) -> Formula:
    """An identifier; digits at its end, or in brackets there, stand below."""
    text = one_line(text, 32)
    stem, below = text, ""
    if found := re.fullmatch(r"([^\W\d_]+)(?:(\d{1,3})|\[(\d{1,3})\])", text):
        stem, below = found[1], found[2] or found[3]
    escaped = "".join(ESCAPES.get(c, c) for c in stem)
    latex = escaped if len(stem) == 1 else rf"\mathit{{{escaped}}}"
    if not below:
        return Formula(text, latex, ["mi", stem])
    return Formula(text, f"{latex}_{{{below}}}", ["msub", ["mi", stem], ["mn", below]])


def number(x: float, digits: int = 4) -> Formula:
    """A number. A negative one gets brackets wherever a sum would."""
    text = number_text(x, digits)
    mantissa, _, exponent = text.partition("e")
    level = SUM if text.startswith("−") else PRODUCT if exponent else ATOM
    if not exponent:
        latex = r"\mathrm{nan}" if text == "nan" else text.replace("−", "-").replace("∞", r"\infty")
        return Formula(text, latex, ["mn", text], level, constant=True)
    power = str(int(exponent.replace("−", "-")))
    ten = ["msup", ["mn", "10"], ["mn", power.replace("-", "−")]]
    latex = rf"{mantissa.replace('−', '-')} \cdot 10^{{{power}}}"
    return Formula(text, latex, ["mrow", ["mn", mantissa], ["mo", "·"], ten], level, constant=True)


def row(*parts: Formula | str, level: int = SUM) -> Formula:
    """Pieces side by side; a string is an operator, with the spaces that text needs."""
    pieces = [p if isinstance(p, Formula) else _operator(p) for p in parts]
    mathml = ["mrow", *(p.mathml for p in pieces)]
    return Formula("".join(p.text for p in pieces), " ".join(p.latex for p in pieces), mathml, level)


def _operator(text: str) -> Formula:
    bare = text.strip()
    return Formula(text, LATEX.get(bare, bare), ["mo", bare])


def fraction(a: Formula, b: Formula) -> Formula:
    text = f"{tight(a, PRODUCT).text}/{tight(b, POWER).text}"  # elsewhere the line of the fraction brackets
    return Formula(text, rf"\frac{{{a.latex}}}{{{b.latex}}}", ["mfrac", a.mathml, b.mathml], PRODUCT)


def marked(a: Formula, role: str, under: str = "") -> Formula:
    """The same, with a class for MathML, and a word below it there."""
    mathml: list[Any] = [f"mrow.{role}", a.mathml]
    return a._replace(mathml=["munder", mathml, ["mtext", under]] if under else mathml)


def derivative(of: str, by: str) -> Formula:
    """d of / d by for two names: all that one changes when the other does, along every path."""
    d = Formula("d", r"\mathrm{d}", ["mi", "d"])
    long = Formula("d ", r"\mathrm{d}\,", ["mi", "d"])  # a space before a long name, which d would blur into
    return fraction(*(row(long if len(x) > 3 else d, name(x), level=ATOM) for x in (of, by)))


def partial(of: str, by: str) -> Formula:
    """∂of/∂by for two names: the local derivative, along one edge."""
    return fraction(row("∂", name(of), level=ATOM), row("∂", name(by), level=ATOM))


def brackets(a: Formula) -> Formula:
    return Formula(f"({a.text})", rf"\left({a.latex}\right)", ["mrow", ["mo", "("], a.mathml, ["mo", ")"]])


def tight(a: Formula, level: int) -> Formula:
    """The same, in brackets if it holds together less tightly than `level`."""
    return a if a.level >= level else brackets(a)


def factor(x: float) -> Formula:
    """A number in a product."""
    return tight(number(x), PRODUCT)


# Derivative rules


def partial_formulas(node: Node, names: Mapping[Node, str]) -> list[Formula | None]:
    """For each of `operands(node)` the formula of the derivative by it, with the operands called by their names.

    None for a number, where nothing flows, where the formula is too long, or where a custom rule cannot be run on
    Values.
    """
    if node.primitive is None:
        return []
    written: dict[Any, Formula] = {}

    def stand_in(x: Any, position: int | None = None) -> Any:
        if type(x) is float:
            return x
        leaf = Value(x._data)
        written[leaf] = name(names[x])._replace(operand=position)
        return leaf

    derivatives: list[Any] = []
    places = itertools.count()
    with plainly():
        xs = [
            [stand_in(v, next(places)) for v in x] if type(x) is tuple else stand_in(x, next(places))
            for x in arguments(node)
        ]
        out = stand_in(node)
        try:
            for x, rule in zip(xs, node.primitive.textbook or node.primitive.partials, strict=True):
                found = rule(*xs, out)
                found = found if isinstance(x, list) else [found]
                derivatives += [d if d is None or is_node(d) else as_float(d) for d in found]
        except Exception:  # a user's rule, which may be good for floats only
            return [None] * len(operands(node))
    many = len(derivatives) > MOST
    return [
        None if d is None or type(x) is float or (many and not _is_short(d)) else _rule(d, written)
        for x, d in zip(operands(node), derivatives, strict=True)
    ]


def _is_short(d: Any) -> bool:
    return type(d) is float or d.primitive is None


def _rule(d: Any, names: Mapping[Any, Formula]) -> Formula | None:
    return number(d) if type(d) is float else write(d, names)


def write(root: Node, names: Mapping[Node, Formula]) -> Formula | None:
    """The expression that a node was computed with, down to the named leaves; None if it is too long."""
    leaves, interiors = topological_order(root)
    if len(interiors) > LONGEST:
        return None
    written: dict[Any, Formula] = {leaf: names.get(leaf) or number(leaf._data) for leaf in leaves}
    for node in interiors:
        xs = operands(node)
        pieces = [number(x) if type(x) is float else written[x] for x in xs]
        key = node.primitive.key if node.primitive else ""
        if key == "where":
            written[node] = pieces[1 if (xs[0] if type(xs[0]) is float else xs[0]._data) else 2]
        elif key == "mul" and any(map(_is_one, pieces)):
            written[node] = pieces[1 if _is_one(pieces[0]) else 0]
        elif key == "mul" and xs[0] is xs[1] and type(xs[0]) is not float:
            written[node] = _power(pieces[0], number(2.0))
        else:
            written[node] = _operation(key, pieces)
        if len(written[node].text) > LONGEST:
            return None
    return written[root]


def operation(key: str, operands: Sequence[Formula]) -> Formula | None:
    """A primitive applied to operands: `a · b`, `tanh(x)`; None if that is too long."""
    formula = _operation(key, operands)
    return formula if len(formula.text) <= LONGEST else None


def _operation(key: str, operands: Sequence[Formula]) -> Formula:
    return WRITTEN[key](*operands) if key in WRITTEN else _call(key.rpartition(".")[2], operands)


def _infix(symbol: str, level: int, right: int) -> Callable[[Formula, Formula], Formula]:
    return lambda a, b: row(tight(a, level), symbol, tight(b, right), level=level)


def _is_one(a: Formula) -> bool:
    return a.constant and a.text == "1"


def _power(a: Formula, b: Formula) -> Formula:
    if _is_one(b):
        return a
    base = tight(a, ATOM)
    text = f"{base.text}²" if b.constant and b.text == "2" else f"{base.text}^{tight(b, ATOM).text}"
    return Formula(text, f"{base.latex}^{{{b.latex}}}", ["msup", base.mathml, b.mathml], POWER)


def _sum(*terms: Formula) -> Formula:
    parts = [part for term in terms or [number(0.0)] for part in (" + ", tight(term, PRODUCT))][1:]
    return row(*parts)


def _dot(*operands: Formula) -> Formula:
    half = len(operands) // 2
    products = [WRITTEN["mul"](w, x) for w, x in zip(operands[:half], operands[half:-1], strict=True)]
    return _sum(*products, operands[-1])


def _call(function: str, operands: Sequence[Formula]) -> Formula:
    parts = [part for x in operands for part in (", ", x)][1:]
    function = one_line(function, 32)
    escaped = "".join(ESCAPES.get(c, c) for c in function)
    called = Formula(function, rf"\operatorname{{{escaped}}}", ["mi", function])
    return row(called, "(", *parts, ")", level=ATOM)


WRITTEN: dict[str, Callable[..., Formula]] = {
    "add": _infix(" + ", SUM, PRODUCT),
    "sub": _infix(" − ", SUM, PRODUCT),
    "mul": _infix(" · ", PRODUCT, PRODUCT),
    "div": fraction,
    "pow": _power,
    "sqrt": lambda a: Formula(f"√({a.text})", rf"\sqrt{{{a.latex}}}", ["msqrt", a.mathml]),
    "neg": lambda a: row("−", tight(a, PRODUCT)),
    "identity": lambda a: a,
    "abs": lambda a: row("|", a, "|", level=ATOM),
    "sum": _sum,
    "dot": _dot,
}
