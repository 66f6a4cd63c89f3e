"""The battery: small programs that any two wrong engines answer differently, and one run of them."""

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, Literal, NamedTuple

from .engine import Node, Sweep
from .operations import BINARY, FUNCTIONS
from .orders import topological
from .places import there

Axis = Literal["nodes", "constant", "reflected", "in place", "extreme", "sweep", "repeated"]
LEAVES = {"a": 2.0, "b": -3.0, "c": 7.0}
PROGRAM = "<program>"
K = 2.5
"""The number that stands beside a node."""


@dataclass(frozen=True, eq=False)
class Probe:
    """A program of a few lines on leaves."""

    lines: tuple[str, ...]
    values: Mapping[str, float]
    axis: Axis
    operations: frozenset[str]
    program: Callable[..., dict[str, Any]]
    """The program as a function of the leaves, which gives all names that it has made."""

    single: bool
    """Whether it is one operation, and nothing else."""

    subject: str
    """The operation that it tries first of all."""
    basic: bool = True
    """Whether micrograd gives the right answer."""

    @property
    def text(self) -> str:
        """The program as a student would type it."""
        values = "; ".join(f"{name} = Value({x!r})" for name, x in self.values.items())
        return "; ".join((values, *self.lines))


class Error(NamedTuple):
    """A program that was stopped by an error: where, of which kind, and what it said."""

    line: int
    kind: str
    text: str = ""


class Numbers(NamedTuple):
    """The numbers that a program left: for each name its number, its gradient, and whether the gradient is a node."""

    data: Mapping[str, float]
    grads: Mapping[str, float | None]
    nodes: frozenset[str] = frozenset()
    recorded: tuple[bool, ...] | None = None
    """Of a single operation, if it can be seen: which leaves its result remembers; and whether there are nodes between,
    since it is made of others."""


Outcome = Error | Numbers
SIGNS = {ast.Add: "+", ast.Mult: "*", ast.Sub: "-", ast.Div: "/", ast.Pow: "**"}


def probe(axis: Axis, program: str, subject: str = "", basic: bool = True, /, **values: float) -> Probe:
    """A probe of lines divided by semicolons; ends with `L.backward()` unless it has a sweep of its own."""
    lines = [line.strip() for line in program.split(";")]
    if "backward" not in program:
        lines.append("L.backward()")
    tree = ast.parse("\n".join(lines))
    names = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            found.add(SIGNS[type(node.op)])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Name):
            found.add("neg")
        elif isinstance(node, ast.AugAssign):
            found |= {SIGNS[type(node.op)], f"{SIGNS[type(node.op)]}="}
        elif isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
            found.add(node.attr)
    leaves = {name: values.get(name, LEAVES.get(name, 0.0)) for name in sorted({*names} & ({*LEAVES} | {*values}))}
    namespace: dict[str, Any] = {}
    body = "\n    ".join(lines)
    exec(compile(f"def program({', '.join(leaves)}):\n    {body}\n    return locals()", PROGRAM, "exec"), namespace)
    return Probe(
        tuple(lines),
        leaves,
        axis,
        frozenset(found),
        namespace["program"],
        axis == "nodes" and len(lines) == 2,
        subject,
        basic,
    )


def _of_operators() -> Iterable[Probe]:
    for sign in BINARY:
        yield probe("nodes", f"L = a {sign} b", sign)
        yield probe("nodes", f"L = a {sign} a", sign)
        yield probe("nodes", f"d = a {sign} b; L = d {sign} c", sign)
        yield probe("nodes", f"d = b {sign} a; L = c {sign} d", sign)
        yield probe("nodes", f"d = a {sign} b; L = d + d", sign)
        yield probe("nodes", f"d = a {sign} b; L = d * c", sign)
        yield probe("nodes", f"d = a {sign} b; L = c * d", sign)
        yield probe("nodes", f"d = a {sign} b; L = d + a", sign)
        yield probe("nodes", f"d = b {sign} a; L = b + d", sign)
        yield probe("nodes", f"d = a {sign} b; L = b + d", sign)
        yield probe("nodes", f"d = a {sign} b; L = d * a", sign)
        yield probe("nodes", f"d = a * b; L = d {sign} c", sign)
        yield probe("nodes", f"d = a * b; L = c {sign} d", sign)
        yield probe("constant", f"L = a {sign} {K}", sign)
        yield probe("constant", f"d = a {sign} {K}; L = d * b", sign)
        yield probe("constant", f"L = a {sign} 3", sign)
        yield probe("reflected", f"L = {K} {sign} a", sign)
        yield probe("reflected", f"d = {K} {sign} a; L = d * b", sign)
    for sign in ("+", "*"):
        yield probe("in place", f"d = a * b; d {sign}= c; L = d * b", sign)
        yield probe("in place", f"s = a; s {sign}= b; L = s * b", sign)
    yield probe("nodes", "L = a ** 3", "**")
    yield probe("nodes", "L = a ** -2", "**")
    yield probe("nodes", "L = a ** 0.5", "**")
    yield probe("nodes", "d = a ** 3; L = d ** 2", "**")
    yield probe("nodes", "d = a ** 3; L = d * b", "**")
    yield probe("nodes", "d = a ** 3; L = d + a", "**")
    yield probe("nodes", "d = a * b; L = d ** 3", "**")
    yield probe("nodes", "L = -a", "neg")
    yield probe("nodes", "d = a * b; L = -d", "neg")
    yield probe("nodes", "d = -a; L = -d", "neg")
    yield probe("nodes", "d = -a; L = d * b", "neg")
    yield probe("nodes", "d = -a; L = d + a", "neg")


POINTS = {"log": (3.0, 0.7), "relu": (2.0, -3.0), "sqrt": (2.0, 0.7)}
"""Two numbers at which a function is tried; (0.5, -0.8) unless told."""


def _of_functions() -> Iterable[Probe]:
    for name in FUNCTIONS:
        x, other = POINTS.get(name, (0.5, -0.8))
        yield probe("nodes", f"L = a.{name}()", name, a=x)
        yield probe("nodes", f"L = a.{name}()", name, a=other)
        yield probe("nodes", f"d = a.{name}(); L = d.{name}()", name, a=x)
        yield probe("nodes", f"d = a.{name}(); L = d * b", name, a=x)
        yield probe("nodes", f"d = a.{name}(); L = d * b", name, a=other)
        yield probe("nodes", f"d = a.{name}(); L = d + a", name, a=x)
        yield probe("nodes", f"d = a.{name}(); L = d * a", name, a=x)
        yield probe("nodes", f"d = a * c; L = d.{name}()", name, a=x)
    for name in ("tanh", "sigmoid"):
        yield probe("extreme", f"L = a.{name}()", name, a=1000.0)
        yield probe("extreme", f"L = a.{name}()", name, a=-1000.0)


def _of_sweeps() -> Iterable[Probe]:
    for program in (
        "d = a * b; L = d * c",
        "d = a + a; L = d + d",
        "d = a * b; e = d + a; L = d * e",
        "d = a * b; e = d + a; L = e * d",
        "d = a * b; e = d + c; f = e * d; L = f + d",
        "d = a * b; e = d + c; f = c + d; g = e * a; L = g * f",
        "d = a * b; e = d * d; f = e + d; g = f * e; L = g + c",
        "d = a + b; e = a + b; L = d * e",
        "d = a * b; e = b * a; f = d * c; L = f + e",
        "d = a * b; L = d + c; d.backward()",
    ):
        yield probe("sweep", program)
    yield probe("sweep", "d = a + b; e = d * c; L = x * e", x=-1.0)
    yield probe("sweep", "d = a * x; e = d * b; L = e + c", x=1.0)
    for program in (
        "L = a * b; L.backward(); L.backward()",
        "L = a * b; M = a * c; L.backward(); M.backward()",
        "L = a + b; L.backward(); M = a * b; M.backward()",
        "L = a * b; L.backward(); a.grad = 0.0; b.grad = 0.0; M = a + b; M.backward()",
        "d = a * b; L = d * c; L.backward(); a.grad = b.grad = c.grad = d.grad = 0.0; M = d * a; M.backward()",
    ):
        yield probe("repeated", program)
    for program in (
        "d = a * b; L = d * c; L.backward(); L.backward()",
        "d = a + b; e = d * c; L = e * a; L.backward(); L.backward()",
        "d = a * b; L = d * a; M = d * c; L.backward(); M.backward()",
    ):
        yield probe("repeated", program, "", False)


BATTERY: tuple[Probe, ...] = (*_of_operators(), *_of_functions(), *_of_sweeps())


def kind_of(error: BaseException) -> str:
    """The kind of an error, as far as it tells one wrong engine from another."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "recursion"
    if isinstance(error, NotImplementedError):
        return "unwritten"
    if isinstance(error, OverflowError):
        return "overflow"
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, TypeError):
        for part in ("unsupported operand", "bad operand", "unhashable", "not callable"):
            if part in text:
                return "unsupported operand" if "operand" in part else part
    return "error"


def number_in(x: Any) -> tuple[float | None, bool]:
    """The number of a gradient or of data, and whether it is a node rather than a number. Raises TypeError for what
    holds no number."""
    is_node = False
    while hasattr(x, "data") and hasattr(x, "grad"):
        x, is_node = x.data, True
    if x is None:
        return None, is_node
    if isinstance(x, complex):
        raise TypeError(f"expected a real number, got the complex number {x}")
    return float(x), is_node


def _recorded(x: Any, leaves: Mapping[str, Any]) -> tuple[bool, ...]:
    """The operands that a result of one operation remembers, and whether there are nodes between."""
    if isinstance(x, Node):
        below = topological(x, PLAIN)
        return *(any(v is w for w in below) for v in leaves.values()), any(v.operands for v in below if v is not x)
    return there(reached)(x, leaves)


def reached(x: Any, leaves: Mapping[str, Any]) -> tuple[bool, ...]:
    """The leaves that a result remembers, in whatever attributes, and whether there are other nodes."""
    kind, waiting, seen = type(x), [(x, 0)], {id(v) for v in leaves.values()}
    met: set[int] = set()
    others = 0
    while waiting and len(seen) < 500:
        y, depth = waiting.pop()
        met.add(id(y))
        if id(y) in seen or depth > 8 or isinstance(y, type | FunctionType | ModuleType):
            continue
        seen.add(id(y))
        others += isinstance(y, kind) and y is not x and any(map(partial(_holds, kind), inside(y)))
        waiting += [(v, depth + 1) for v in inside(y)]
    return *(id(v) in met for v in leaves.values()), others > 0


def _holds(kind: type, x: Any) -> bool:
    """Whether it is a node, or a collection of some."""
    return isinstance(x, kind) or (isinstance(x, list | tuple | Set) and any(isinstance(v, kind) for v in x))


def inside(x: Any) -> list[Any]:
    """The objects that an object holds."""
    if isinstance(x, Mapping):
        return [*x.values()]
    if isinstance(x, list | tuple | Set):
        return [*x]
    slots = [name for kind in type(x).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(x, "__dict__", {}).values(), *(getattr(x, name, None) for name in slots)]


PLAIN = Sweep(topological)


def run(make: Callable[[float], Any], item: Probe) -> Outcome:
    """The program on nodes that `make` makes."""
    try:
        leaves = {name: make(x) for name, x in item.values.items()}
        names = item.program(**leaves)
        data, grads, nodes = {}, {}, set()
        for name, x in names.items():
            data[name] = number_in(x.data)[0]
            grads[name], is_node = (x.grad, x.grad_is_node) if isinstance(x, Node) else number_in(x.grad)
            if is_node:
                nodes.add(name)
    except Exception as error:
        line, found = _stopped(error)
        kind = "nothing" if any(x is None for x in found.values()) else kind_of(error)
        return Error(line, kind, f"{type(error).__name__}: {error}")
    return Numbers(
        {n: math.nan if x is None else x for n, x in data.items()},
        grads,
        frozenset(nodes),
        _recorded(names["L"], leaves) if item.single else None,
    )


def _stopped(error: BaseException) -> tuple[int, Mapping[str, Any]]:
    """The line of the program that an error ended, -1 before it, and the names that it had made."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == PROGRAM:
            return trace.tb_lineno - 2, trace.tb_frame.f_locals
        trace = trace.tb_next
    return -1, {}


def close(x: float, y: float) -> bool:
    """Whether two numbers are the same but for rounding, of float32 too; nan is nan."""
    return math.isclose(x, y, rel_tol=1e-5, abs_tol=1e-9) or (x != x and y != y)


def same(item: Probe, wrong: Outcome, theirs: Outcome) -> bool:
    """Whether an imagined engine left what the student's did. A gradient that the student's does not keep, None, is
    taken for 0 at a leaf and for any number elsewhere; where backward is called more than once, those of leaves
    count."""
    if isinstance(wrong, Error) or isinstance(theirs, Error):
        return isinstance(wrong, Error) and isinstance(theirs, Error) and wrong[:2] == theirs[:2]
    if wrong.data.keys() != theirs.data.keys() or (wrong.nodes != theirs.nodes and item.axis != "repeated"):
        return False
    if not all(close(x, theirs.data[name]) for name, x in wrong.data.items()):
        return False
    if wrong.recorded and theirs.recorded and wrong.recorded != theirs.recorded:
        return False
    for name, x in wrong.grads.items():
        y = theirs.grads[name]
        if name in item.values:
            y = y or 0.0
        elif y is None or item.axis == "repeated":
            continue
        if not close(x or 0.0, y):
            return False
    return True
