"""Graphs of other engines: any object that looks like a node, as micrograd's and microgpt's do, as plain data.

A student sees a graph of their own engine with its own numbers, wrong ones included, and beside them the gradients that
are right for these numbers.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from numbers import Real
from typing import Any, NamedTuple

from .floats import as_float, is_node
from .formulas import partial_formulas
from .graph import data, local_derivatives
from .modes import plainly
from .primitives import REGISTRY, TABLE, Primitive
from .snapshots import (
    Formula,
    Formulas,
    Snapshot,
    SnapshotEdge,
    SnapshotNode,
    indexed_snapshot,
    named,
    names_of_values,
    reverse_sweep,
)
from .texts import number_text
from .value import Value


class Seen(NamedTuple):
    """A node of another engine, as an adapter gives it."""

    data: float
    grad: float | None
    operands: Sequence[Any]
    operation: str = ""
    """Its name or symbol, as this package or micrograd calls it; found from the numbers if it is not known."""
    locals: Sequence[float] | None = None
    """The derivative by each operand, if the node keeps it."""
    label: str = ""


Adapter = Callable[[Any], Seen]
SYMBOLS = {"+": "add", "*": "mul", "-": "sub", "/": "div", "**": "pow", "^": "pow", "lrelu": "leaky_relu"}
EXPONENTS = (2.0, 3.0, -1.0, 0.5, -0.5, -2.0)
UNARY, BINARY = (
    ("exp", "log", "tanh", "relu", "sigmoid", "neg", "sqrt", "sin", "cos", "abs"),
    ("add", "mul", "sub", "div"),
)
"""Operations that are tried where none is told."""


Found = tuple[Snapshot, Mapping[Any, int]]
"""A graph as plain data, and the position of each node in it."""


def looks_like_a_node(x: Any) -> bool:
    """Whether x has a number, and operands as micrograd or microgpt name them."""
    return hasattr(x, "data") and (hasattr(x, "_prev") or hasattr(x, "_children")) and not isinstance(x, type)


def seen(x: Any) -> Seen:
    """A node in the shape of micrograd (`_prev`, `_op`) or of microgpt (`_children`, `_local_grads`). Raises TypeError
    for anything else."""
    if not looks_like_a_node(x):
        raise TypeError(
            f"expected nodes with .data, .grad, and _prev with _op or _children with _local_grads, got "
            f"{type(x).__name__}; give adapter=, a function from a node to autograd.extend.Seen"
        )
    xs: Any = getattr(x, "_children", None) or getattr(x, "_prev", ())
    label = getattr(x, "label", "") or getattr(x, "_label", "")
    operation = getattr(x, "_op", "")
    operation = operation if isinstance(operation, str) else ""
    return Seen(x.data, getattr(x, "grad", None), xs, operation, getattr(x, "_local_grads", None), label)


def any_snapshot(
    root: Any, names: Mapping[str, Any] | None, formulas: Formulas | None = None, adapter: Adapter | None = None
) -> Found:
    """The graph below a Value, or below a node of another engine, as plain data, and the position of each node in it.
    Raises TypeError for what is no node."""
    if is_node(root) and adapter is None:
        return indexed_snapshot(root, names_of_values(names), formulas)
    return _read(root, names, formulas is not None, adapter or seen)


class ById(Mapping[Any, int]):
    """The position of each node, by identity, since the `==` of another engine may be anything."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.nodes, self.places = nodes, {id(x): -1 for x in nodes}

    def __getitem__(self, x: Any) -> int:
        return self.places[id(x)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, x: object) -> bool:
        return id(x) in self.places


def _read(root: Any, names: Mapping[str, Any] | None, with_formulas: bool, adapter: Adapter) -> Found:
    order = _order(root, adapter)
    index = ById([x for x, _ in order])
    labels = {id(x): name for x, name in named(names, lambda x: x in index)}
    labels |= {id(x): view.label for x, view in order if view.label}
    taken = {*labels.values()}
    free = (name for name in map("v{}".format, itertools.count(1)) if name not in taken)
    called = [labels.get(id(x)) or ("" if isinstance(x, Real) else next(free)) for x, _ in order]
    nodes: list[SnapshotNode] = []
    edges: list[SnapshotEdge] = []
    for (x, view), name in zip(order, called, strict=True):
        sources = [index[y] for y in view.operands]
        numbers = [nodes[i].data for i in sources]
        primitive, places, extra = _recognised(view, numbers) if sources else (None, [], [])
        symbol = primitive.symbol if primitive else view.operation or "?" if sources else ""
        if sources:
            slopes, rules = _slopes(view, primitive, [numbers[i] for i in places], extra)
            if with_formulas and primitive:
                rules = _formulas(primitive, view, [nodes[sources[i]] for i in places], extra, name)
            used = [sources[place] for place in places]
            used += range(len(nodes), len(nodes) + len(extra))
            nodes += [SnapshotNode("constant", "", x, None) for x in extra]
            for position, source in enumerate(used):
                slope, rule = (slopes[position], rules[position]) if position < len(places) else (None, None)
                edges.append(SnapshotEdge(source, len(nodes), position, slope, rule))
        index.places[id(x)] = len(nodes)
        role: Any = "operation" if sources else "constant" if isinstance(x, Real) else "leaf"
        nodes.append(
            SnapshotNode(role, symbol, view.data, view.grad, name, labels.get(id(x), ""),
                         primitive=primitive.key if primitive else "")
        )  # fmt: skip
    graph = Snapshot(tuple(nodes), tuple(edges))
    right = [0.0] * len(nodes)
    right[-1] = 1.0
    for flow in reverse_sweep(graph):
        right[flow.edge.source] = flow.after or 0.0
    if any(node.grad for node in nodes):
        nodes = [
            node if node.role == "constant" else node._replace(right=r) for node, r in zip(nodes, right, strict=True)
        ]
    return graph._replace(nodes=tuple(nodes)), index


def _made(primitive: Primitive, view: Seen, numbers: Sequence[float], extra: Sequence[float]) -> tuple[Any, list[Any]]:
    """One operation on leaves of ours with these numbers, whose result is the other engine's; and the leaves."""
    leaves = [Value(x) for x in numbers]
    with plainly():
        node = primitive(*leaves, *extra)
    node._data = view.data
    return node, leaves


def _slopes(
    view: Seen, primitive: Primitive | None, numbers: Sequence[float], extra: Sequence[float]
) -> tuple[Sequence[float | None], Sequence[Formula | None]]:
    """The derivative by each operand that is right for the numbers that are there. Raises TypeError for an operation
    that is not known."""
    if primitive is not None:
        node, leaves = _made(primitive, view, numbers, extra)
        return local_derivatives(node, data)[: len(leaves)], [None] * len(leaves)
    known = SYMBOLS.get(view.operation, view.operation).lower()
    if view.locals is None and known in BINARY and len(view.operands) == 1:
        raise TypeError(
            f"{view.operation!r} has one operand, which does not give {view.data:g}: another one is missing, or they "
            f"were merged, as a set does where `__eq__` says that they are equal"
        )
    if view.locals is None:
        raise TypeError(
            f"the operation {view.operation!r} of {len(view.operands)} operands is not known; give adapter=, a "
            f"function from a node to autograd.extend.Seen with its name or its locals"
        )
    return list(map(float, view.locals)), [None] * len(numbers)


def _formulas(
    primitive: Primitive, view: Seen, operands: Sequence[SnapshotNode], extra: Sequence[float], name: str
) -> list[Formula | None]:
    node, leaves = _made(primitive, view, [x.data for x in operands], extra)
    called = {leaf: x.name or number_text(x.data) for leaf, x in zip(leaves, operands, strict=True)}
    return partial_formulas(node, {**called, node: name})[: len(leaves)]


def _recognised(view: Seen, numbers: Sequence[float]) -> tuple[Primitive | None, Sequence[int], Sequence[float]]:
    """The primitive that a node is the result of, which operand stands at which of its places, and further numbers; no
    primitive if it is not found. A set of operands has no order, and of a * a holds one."""
    number, name = view.data, view.operation.strip().lower()
    power = name.removeprefix("**").removeprefix("^")
    places = list(range(len(numbers)))
    if name.startswith(("**", "^")) and power and len(numbers) == 1:
        try:
            return REGISTRY["pow"], places, [float(power.strip("()"))]
        except ValueError:
            return None, places, []
    name = SYMBOLS.get(name, name)
    known = REGISTRY.get(name)
    fits = known is not None and known.module == TABLE and not known.vectors
    tried = [known] if fits and known is not None else [] if name else [REGISTRY[n] for n in (*UNARY, *BINARY)]
    for primitive in tried:
        count = primitive.arity - len(primitive.parameters)
        for order in _orders(count, len(numbers), isinstance(view.operands, Set)):
            extra = list(primitive.parameters.values())
            if fits and not isinstance(view.operands, Set):
                return primitive, order, extra  # whatever its number is
            if _alike(primitive(*[numbers[i] for i in order], *extra), number):
                return primitive, order, extra
    if fits and known is not None and known.arity - len(known.parameters) == len(numbers):
        return known, places, list(known.parameters.values())
    for exponent in EXPONENTS if len(numbers) == 1 and name in ("", "pow") else ():
        if _alike(REGISTRY["pow"](numbers[0], exponent), number):
            return REGISTRY["pow"], places, [exponent]
    return None, places, []


def _orders(count: int, given: int, unordered: bool) -> Iterator[list[int]]:
    """The ways in which operands may stand at so many places."""
    if count == given:
        yield list(range(given))
        if count == 2 and unordered:
            yield [1, 0]
    elif given == 1 and count == 2 and unordered:
        yield [0, 0]


def _alike(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) or (a != a and b != b)


def parted(graph: Snapshot) -> int | None:
    """The first node, on the way back from the root, whose gradient is not the right one."""
    for i in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[i]
        if node.right is not None and node.role != "constant" and not _alike(node.grad or 0.0, node.right):
            return i
    return None


def _numbered(view: Seen) -> Seen:
    """The same, with floats for numbers, nodes' numbers for nodes, and text for a label."""
    number = as_float(getattr(view.data, "data", view.data))
    grad = None if view.grad is None else as_float(getattr(view.grad, "data", view.grad))
    return view._replace(data=number, grad=grad, label=view.label if isinstance(view.label, str) else "")


def _order(root: Any, adapter: Adapter) -> list[tuple[Any, Seen]]:
    """The nodes below the root and what they are, operands before users. By identity, since a student's `==` may be
    anything. Raises ValueError for a circle."""
    views: dict[int, Seen] = {}
    order: list[tuple[Any, Seen]] = []
    placed: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        x, done = stack.pop()
        if done:
            placed.add(id(x))
            order.append((x, views[id(x)]))
        elif id(x) not in placed:
            if id(x) in views:
                raise ValueError("the graph has a circle: a node is among its own operands")
            views[id(x)] = view = _numbered(adapter(x)) if not isinstance(x, Real) else Seen(float(x), None, ())
            stack.append((x, True))
            stack += [(y, False) for y in reversed(list(view.operands)) if id(y) not in placed]
    return order
