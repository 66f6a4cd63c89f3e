"""Graphs of other engines: any object that looks like a node, as micrograd's and microgpt's do, as plain data.

A student sees a graph of their own engine with its own numbers, wrong ones included, and beside them the gradients that
are right for these numbers.
"""

import itertools
import math
import re
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
SYMBOLS = {
    "+": "add", "*": "mul", "-": "sub", "/": "div", "**": "pow", "^": "pow", "×": "mul", "·": "mul", "x": "mul",
    "@": "mul", "−": "sub", "__add__": "add", "__mul__": "mul", "__sub__": "sub", "__truediv__": "div",
    "__pow__": "pow", "__neg__": "neg", "max": "maximum", "min": "minimum", "ln": "log", "lrelu": "leaky_relu",
    "leakyrelu": "leaky_relu", "sig": "sigmoid", "σ": "sigmoid",
}  # fmt: skip
EXPONENTS = (2.0, 3.0, -1.0, 0.5, -0.5, -2.0)
UNARY = ("exp", "log", "tanh", "relu", "sigmoid", "neg", "sqrt", "sin", "cos", "abs")
BINARY = ("add", "mul", "sub", "div", "pow", "maximum", "minimum")
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
    xs: Any = getattr(x, "_children", None) or getattr(x, "_prev", None) or ()
    xs = xs if isinstance(xs, Set) else tuple(xs)
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
    unsure: set[int] = set()
    for (x, view), name in zip(order, called, strict=True):
        sources = [index[y] for y in view.operands]
        numbers = [nodes[i].data for i in sources]
        read = _recognised(view, numbers) if sources else NOTHING
        expected = None
        if sources:
            slopes, rules = _slopes(view, read, numbers)
            if with_formulas and read.primitive:
                rules = _formulas(read, view, [nodes[sources[i]] for i in read.places], name)
            if read.primitive:
                found = read.primitive(*read.all(numbers))
                expected = None if _alike(found, view.data) else found
            if read.unsure:
                unsure |= {*sources}
            used = [sources[place] for place in read.places]
            used += range(len(nodes), len(nodes) + len(read.extra))
            nodes += [SnapshotNode("constant", "", number, None) for number in read.extra]
            for position, source in enumerate(used):
                slope, rule = (slopes[position], rules[position]) if position < len(read.places) else (None, None)
                edges.append(SnapshotEdge(source, len(nodes), position, slope, rule))
        symbol = read.primitive.symbol if read.primitive else view.operation or "?" if sources else ""
        index.places[id(x)] = len(nodes)
        role: Any = "operation" if sources else "constant" if isinstance(x, Real) else "leaf"
        key = read.primitive.key if read.primitive else ""
        nodes.append(
            SnapshotNode(
                role, symbol, view.data, view.grad, name, labels.get(id(x), ""), primitive=key, expected=expected
            )
        )
    graph = Snapshot(tuple(nodes), tuple(edges))
    return graph._replace(nodes=tuple(_judged(graph, unsure))), index


def _judged(graph: Snapshot, unsure: set[int]) -> list[SnapshotNode]:
    """The nodes with the gradients that are right for the gradient of the root, where that can be told."""
    nodes, count = list(graph.nodes), len(graph.nodes)
    if not any(node.grad for node in nodes) or any(node.expected is not None for node in nodes):
        return nodes
    right = [0.0] * count
    seed = right[-1] = nodes[-1].grad or 1.0
    for flow in reverse_sweep(graph):
        right[flow.edge.source] = seed * (flow.after or 0.0)
    for edge in reversed(graph.edges):
        if edge.target in unsure:
            unsure.add(edge.source)
    reset = not any(
        node.grad for node in nodes[:-1] if node.role == "operation"
    )  # by engines that keep those of leaves
    return [
        node
        if node.role == "constant" or node.grad is None or i in unsure or (reset and node.role == "operation")
        else node._replace(right=right[i])
        for i, node in enumerate(nodes)
    ]


class Read(NamedTuple):
    """An operation that was recognised: which operand stands at which of its places, and further numbers."""

    primitive: Primitive | None
    places: Sequence[int]
    extra: Sequence[float] = ()
    unsure: bool = False
    """Whether it could be another one, with other derivatives."""

    def all(self, numbers: Sequence[float]) -> list[float]:
        return [*(numbers[i] for i in self.places), *self.extra]


NOTHING = Read(None, ())


def _made(read: Read, view: Seen, numbers: Sequence[float]) -> tuple[Any, list[Any]]:
    """One operation on leaves of ours with these numbers, whose result is the other engine's; and the leaves."""
    assert read.primitive is not None
    leaves = [Value(x) for x in numbers]
    with plainly():
        node = read.primitive(*leaves, *read.extra)
    node._data = view.data
    return node, leaves


def _slopes(
    view: Seen, read: Read, numbers: Sequence[float]
) -> tuple[Sequence[float | None], Sequence[Formula | None]]:
    """The derivative by each operand that is right for the numbers that are there. Raises TypeError for an operation
    that is not known."""
    if read.primitive is not None:
        node, leaves = _made(read, view, [numbers[i] for i in read.places])
        return local_derivatives(node, data)[: len(leaves)], [None] * len(leaves)
    if view.locals is None:
        raise TypeError(
            f"the operation {view.operation!r} of {len(view.operands)} operands is not known, and its numbers do not "
            f"tell; give adapter=, a function from a node to autograd.extend.Seen with its name or its locals"
        )
    return list(map(float, view.locals)), [None] * len(numbers)


def _formulas(read: Read, view: Seen, operands: Sequence[SnapshotNode], name: str) -> list[Formula | None]:
    node, leaves = _made(read, view, [x.data for x in operands])
    called = {leaf: x.name or number_text(x.data) for leaf, x in zip(leaves, operands, strict=True)}
    return partial_formulas(node, {**called, node: name})[: len(leaves)]


def _recognised(view: Seen, numbers: Sequence[float]) -> Read:
    """The operation of a node: by its name, or where that is not known by the numbers, if only one fits them. A set of
    operands has no order, and of a * a holds one."""
    name = view.operation.strip().lower()
    power = re.fullmatch(r"(?:\*\*|\^) ?\(?(-?\d*\.?\d+(?:e-?\d+)?)\)?", name)
    name = SYMBOLS.get(name, name)
    unordered, count = isinstance(view.operands, Set), len(numbers)
    if power and count == 1:
        return Read(REGISTRY["pow"], [0], [float(power[1])])
    known = REGISTRY.get(name)
    if known is not None and known.module == TABLE and not known.vectors:
        extra = list(known.parameters.values())
        ways = [
            Read(known, order, extra) for order in _orders(known.arity - len(extra), count, unordered and name != "pow")
        ]
        fitting = [way for way in ways if _alike(known(*way.all(numbers)), view.data)]
        if fitting and not extra:
            return _one_of(fitting, view, numbers)
        if count == 1 < known.arity and (number := _outside(name, numbers[0], view.data)) is not None:
            return Read(known, [0], [number])
        if fitting or (ways and count > 1 and not extra) or (ways and known.arity == 1):
            way = (fitting or ways)[0]
            return way._replace(unsure=not fitting and unordered and name not in ("add", "mul"))
    tried = [REGISTRY[n] for n in (UNARY if count == 1 else BINARY)]
    ways = [Read(p, order) for p in tried for order in _orders(p.arity, count, unordered)]
    ways += [Read(REGISTRY["pow"], [0], [k]) for k in EXPONENTS if count == 1]
    fitting = [way for way in ways if way.primitive and _alike(way.primitive(*way.all(numbers)), view.data)]
    unknown = Read(None, list(range(count)), (), view.locals is None)
    return _one_of(fitting, view, numbers) if fitting else unknown


def _one_of(fitting: Sequence[Read], view: Seen, numbers: Sequence[float]) -> Read:
    """Of operations that give the number the one whose derivatives the node keeps; it is not sure if they differ."""

    def slopes(way: Read) -> list[float]:
        found: list[float] = [0.0] * len(numbers)
        for place, slope in zip(way.places, _slopes(view, way, numbers)[0], strict=True):
            found[place] += slope or 0.0
        return found

    def agree(a: Sequence[float], b: Sequence[float]) -> bool:
        return len(a) == len(b) and all(map(_alike, a, b))

    wanted = slopes(fitting[0]) if view.locals is None else list(map(float, view.locals))
    same = [way for way in fitting if agree(slopes(way), wanted)]
    if len(same) == len(fitting) or len(fitting) == 1:
        return fitting[0]
    if view.locals is not None:
        return same[0] if same else Read(None, list(range(len(numbers))), (), True)
    return fitting[0]._replace(unsure=True)


def _outside(name: str, x: float, y: float) -> float | None:
    """The plain number that was not noted among the operands: of a sum, a product, a quotient or a power."""
    if name == "add":
        return y - x
    if name in ("mul", "div"):
        return None if not (x and y) else y / x if name == "mul" else x / y
    if name == "pow" and x > 0.0 and x != 1.0 and y > 0.0:
        return math.log(y) / math.log(x)
    return None


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


def swept(graph: Snapshot) -> int:
    """The number of times that backward has run, if all leaves have so many times the right gradient; else 0."""
    judged = [node for node in graph.nodes if node.right]
    times = {round((node.grad or 0.0) / node.right) for node in judged if node.role == "leaf" and node.right}
    k = times.pop() if len(times) == 1 else 0
    fits = all(_alike(node.grad or 0.0, (k if node.role == "leaf" else 1) * (node.right or 0.0)) for node in judged)
    return k if fits else 0


def parted(graph: Snapshot) -> int | None:
    """The first node, on the way back from the root, whose gradient is not the right one."""
    if swept(graph) > 1:
        return None
    for i in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[i]
        if node.right is not None and node.role != "constant" and not _alike(node.grad or 0.0, node.right):
            return i
    return None


def _numbered(view: Seen) -> Seen:
    """The same, with floats for numbers, nodes' numbers for nodes, and text for a label."""
    told: list[Any] = [view.data, view.grad]
    found = [x.data if looks_like_a_node(x) else x for x in told]
    number, grad = (x if x is None else as_float(x) for x in found)
    if number is None:
        raise TypeError("a node of the graph has None as its number")
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
