"""A graph as plain data: what pictures, recordings and explanations are made from."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from .floats import is_node
from .graph import Node, arguments, data, local_derivatives, operands, topological_order
from .modes import notebook


class Formula(NamedTuple):
    """A piece of mathematics, in the three forms that readers need. MathML is nested lists: [tag, child, ...]."""

    text: str
    latex: str
    mathml: list[Any]
    level: int = 3  # how tightly it holds together: 0 a sum, 1 a product, 2 a power, 3 an atom
    operand: int | None = None  # of a rule: which operand's number it is, if it is just that
    constant: bool = False  # of a rule: whether it is a number


class SnapshotNode(NamedTuple):
    """A node, or a number that is an operand."""

    role: Literal["leaf", "parameter", "operation", "constant"]  # a parameter is a leaf that a module owns
    symbol: str  # of the operation, else ""
    data: float
    grad: float | None  # None for a constant
    name: str = ""  # what to call it: its label, or one made for it; "" for a constant
    label: str = ""
    module: str = ""
    line: str = ""
    primitive: str = ""  # the key of the operation in the registry, else ""
    right: float | None = None  # of another engine's node, once it has gradients: what the gradient should be
    expected: float | None = None  # of another engine's node: what its operands give, if that is not its number


class SnapshotEdge(NamedTuple):
    """One use of an operand."""

    source: int  # index of the operand
    target: int  # index of the node computed from it
    position: int  # which operand of the target it is, from 0
    local: float | None  # derivative of target by source; None where nothing flows
    formula: Formula | None = None  # the rule that gave `local`, where it was asked for


class Snapshot(NamedTuple):
    """A graph as plain data, for whoever draws or describes it. The last node is the root; operands precede users."""

    nodes: tuple[SnapshotNode, ...]
    edges: tuple[SnapshotEdge, ...]  # in the order of their targets, and for each in the order of its operands


Formulas = Callable[[Node, Mapping[Node, str]], Sequence[Formula | None]]
"""For each of `operands(node)`, given names of nodes, the rule of the derivative by it."""


def snapshot(root: Node, names: Mapping[Node, str] | None = None, formulas: Formulas | None = None) -> Snapshot:
    """The graph below `root` as it is now; see `indexed_snapshot`."""
    return indexed_snapshot(root, names, formulas)[0]


def indexed_snapshot(
    root: Node, names: Mapping[Node, str] | None = None, formulas: Formulas | None = None
) -> tuple[Snapshot, dict[Node, int]]:
    """The graph below `root` as it is now, and the position of each node in it.

    A number operand becomes a node of its own for each use; in a vector that several nodes share, such as the input
    of a layer, once for all of them. names: labels for nodes that have none. formulas: how to write derivatives.
    """
    leaves, interiors = topological_order(root)
    nodes: list[SnapshotNode] = []
    edges: list[SnapshotEdge] = []
    index: dict[Node, int] = {}
    shared: dict[tuple[int, int], int] = {}  # constants of vectors: by the vector's identity and the place in it
    labels = {
        node: (node.note.label if node.note else "") or (names or {}).get(node, "") for node in leaves + interiors
    }
    modules = _modules(labels)
    called = _names(labels, modules)
    for node in labels:
        sources: list[int] = []
        for x in arguments(node):
            for i, v in enumerate(x if type(x) is tuple else (x,)):
                key = (id(x), i) if type(x) is tuple else (id(node), len(sources))
                if type(v) is not float:
                    sources.append(index[v])
                elif key in shared:
                    sources.append(shared[key])
                else:
                    shared[key] = len(nodes)
                    sources.append(len(nodes))
                    nodes.append(SnapshotNode("constant", "", v, None))
        rules = formulas(node, called) if formulas else [None] * len(sources)
        flows = zip(sources, operands(node), local_derivatives(node, data), rules, strict=True)
        index[node] = target = len(nodes)
        edges.extend(
            SnapshotEdge(source, target, i, None if type(x) is float else local, rule)
            for i, (source, x, local, rule) in enumerate(flows)
        )
        p = node.primitive
        nodes.append(
            SnapshotNode(
                "operation" if p else "parameter" if modules[node] else "leaf",
                p.symbol if p else "",
                node._data,
                node._grad,
                name=called[node],
                label=labels[node],
                module=modules[node],
                line=node.note.line if node.note else "",
                primitive=p.key if p else "",
            )
        )
    return Snapshot(tuple(nodes), tuple(edges)), index


def _modules(nodes: Iterable[Node]) -> dict[Node, str]:
    """The module path of each node; where there are several models, beginning with which: `model2.layers.0`."""
    models: dict[int, int] = {}
    for node in nodes:
        if node.note and node.note.module:
            models.setdefault(node.note.model, len(models) + 1)
    paths = {}
    for node in nodes:
        path = node.note.module if node.note else ""
        which = f"model{models[node.note.model]}." if node.note and path and len(models) > 1 else ""
        paths[node] = which + path
    return paths


def _names(labels: Mapping[Node, str], modules: Mapping[Node, str]) -> dict[Node, str]:
    """A name for each node: its label; parameters by as much of their paths as tells them apart; else v1, v2, ..."""
    paths = {
        node: levels(modules[node])
        for node, label in labels.items()
        if not label and modules[node] and node.primitive is None
    }
    longest = max(map(len, paths.values()), default=0)
    depth = next(
        (n for n in range(1, longest) if len({(*path[-n:],) for path in paths.values()}) == len(paths)), longest
    )
    called = {**labels, **{node: re.sub(r"\.(\d+)", r"[\1]", ".".join(path[-depth:])) for node, path in paths.items()}}
    taken = {*called.values()}
    free = (name for name in map("v{}".format, itertools.count(1)) if name not in taken)
    return {node: name or next(free) for node, name in called.items()}


def levels(path: str) -> list[str]:
    """A module path, one entry for each module on it: `layers.0.neurons.2` has two."""
    return re.findall(r"[^.]+(?:\.\d+)*", path)


def names_of_values(names: Mapping[str, Any] | None) -> dict[Node, str]:
    """The names of Values, and of those in lists: {"w": [a, b]} calls them w[0] and w[1]. Names with a leading
    underscore do not count; of several names the first does. None: the variables of the notebook, if there is one.
    Raises TypeError for anything but a dict.
    """
    found: dict[Node, str] = {}
    for node, name in named(names, is_node):
        found.setdefault(node, name)
    return found


def named(names: Mapping[str, Any] | None, wanted: Callable[[Any], bool]) -> Iterator[tuple[Any, str]]:
    """Those of the values of names, and of those in lists, that are wanted, each with a name. See `names_of_values`;
    raises TypeError as it does."""
    if names is None:
        shell = notebook()
        hidden = getattr(shell, "user_ns_hidden", {})
        names = {name: x for name, x in dict(getattr(shell, "user_ns", {})).items() if name not in hidden}
    if not isinstance(names, Mapping):
        raise TypeError(f"names expected a dict such as locals(), got {type(names).__name__}")
    for name, x in list(names.items()):
        if not isinstance(name, str) or name.startswith("_"):
            continue
        if wanted(x):
            yield x, name
        for i, v in enumerate(x if isinstance(x, list | tuple) else ()):
            if wanted(v):
                yield v, f"{name}[{i}]"


class Flow(NamedTuple):
    """The share that one edge sends back in the reverse sweep: upstream x local = contribution, added to what was
    there."""

    edge: SnapshotEdge
    upstream: float
    contribution: float | None  # None where nothing flows
    before: float | None  # None where nothing has arrived yet
    after: float | None


def reverse_sweep(graph: Snapshot) -> list[Flow]:
    """Every contribution of the sweep from the root, seeded with 1, in the order in which the engine makes them."""
    grads: list[float | None] = [None] * len(graph.nodes)
    grads[-1] = 1.0
    flows = []
    for _, edges in itertools.groupby(reversed(graph.edges), key=lambda edge: edge.target):
        for edge in reversed(list(edges)):
            upstream, before = grads[edge.target], grads[edge.source]
            if upstream is None or graph.nodes[edge.source].role == "constant":
                continue
            contribution = None if edge.local is None else upstream * edge.local
            if contribution is not None:
                grads[edge.source] = contribution if before is None else before + contribution
            flows.append(Flow(edge, upstream, contribution, before, grads[edge.source]))
    return flows
