"""The sweeps: one walk over the ordered graph, in reverse for gradients or forwards for tangents.

`backward` is the float sweep that training uses: it gathers gradients in the nodes' own `_grad`. The other two hold
what is pending in a map and compute with floats or, where derivatives are to be differentiated again, with nodes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import ops
from .floats import as_float, is_node
from .graph import (
    Node,
    check_operands,
    check_own,
    check_unchanged,
    data,
    describe_operation,
    local_derivatives,
    numbers,
    operands,
    topological_order,
)
from .modes import MODE, check_known, recording, unknown

NOTHING = -0.0
"""The `_grad` of a node that nothing has flowed to yet, told by identity. As a number it adds nothing: -0.0 + x is
x."""


def backward(root: Node, seed: float) -> None:
    """Adds to each leaf's `_grad` the total derivative of `root` by it, and leaves this sweep's own in the others.

    Either all leaves are updated or, on any error or interrupt, none.
    """
    check_known("gradient")
    leaves, interiors = topological_order(root)
    check_unchanged(leaves, interiors)
    before = [leaf._grad for leaf in leaves]
    try:
        for node in leaves:
            node._grad = NOTHING
        for node in interiors:
            node._grad = NOTHING
        root._grad = seed
        propagate(reversed(interiors))
        totals = [old if leaf._grad is NOTHING else old + leaf._grad for leaf, old in zip(leaves, before, strict=True)]
        for leaf, total in zip(leaves, totals, strict=True):
            leaf._grad = total
    except BaseException:
        for leaf, old in zip(leaves, before, strict=True):
            leaf._grad = old
        for node in interiors:
            node._grad = 0.0 if node._grad is NOTHING else node._grad
        raise


# A node knows its gradient once all its users have sent theirs. It sends each operand that gradient times the partial,
# and the operand adds up what arrives: operand.grad += node.grad * partial(*operands, out). A partial of None sends
# nothing. That is a backward pass; the rest of this function is where operands are kept.


def propagate(nodes: Iterable[Any]) -> None:
    """Adds to each operand's `_grad` the node's own times the partial. No leaf is among the nodes; users come first."""
    nothing = NOTHING
    watching = (mode := MODE.get()) is not None and mode.anomaly
    vectors = _Vectors()
    for node in nodes:
        grad = node._grad
        if grad is nothing:
            node._grad = 0.0
            continue
        a, b, out, partials = node._a, node._b, node._data, node.primitive.partials
        if type(a) is tuple:
            _propagate_tuple(a, grad, out, partials, vectors)
        elif b is None:
            if (partial := partials[0](a._data, out)) is not None:
                a._grad += grad * partial
        else:
            x, y = a if type(a) is float else a._data, b if type(b) is float else b._data
            by_a, by_b = partials
            if type(a) is not float and (partial := by_a(x, y, out)) is not None:
                a._grad += grad * partial
            if type(b) is not float and (partial := by_b(x, y, out)) is not None:
                b._grad += grad * partial
        if watching:
            _watch_operands(node)


def step_back(node: Any) -> None:
    """`propagate` for one node, which may be a leaf."""
    check_known("gradient")
    check_own(node)
    check_operands(node)
    propagate((node,) if node.primitive else ())


class _Vectors:
    """The vectors among the operands, by identity: a layer's neurons share one."""

    def __init__(self) -> None:
        self.numbers: dict[int, list[float]] = {}
        self.floats: dict[int, bool] = {}  # of those that hold plain floats: whether nothing else, as an example does


def _propagate_tuple(xs: Any, grad: float, out: float, partials: Any, vectors: _Vectors) -> None:
    """The same for one node whose operands stand in a tuple, vectors among them."""
    known, floats = vectors.numbers, vectors.floats
    values: list[Any] = []
    for x in xs:
        if type(x) is tuple:
            if (values_of_x := known.get(id(x))) is None:
                known[id(x)] = values_of_x = numbers(x)
                if float in (kinds := set(map(type, x))):
                    floats[id(x)] = len(kinds) == 1
            values.append(values_of_x)
        else:
            values.append(x if type(x) is float else x._data)
    for x, by_x in zip(xs, partials):
        if type(x) is not tuple:
            if type(x) is not float and (partial := by_x(*values, out)) is not None:
                x._grad += grad * partial
        elif not floats or (only := floats.get(id(x))) is None:
            for v, partial in zip(x, by_x(*values, out)):
                if partial is not None:
                    v._grad += grad * partial
        elif not only:
            for v, partial in zip(x, by_x(*values, out)):
                if type(v) is not float and partial is not None:
                    v._grad += grad * partial


def _watch_operands(node: Any) -> None:
    for operand, partial in zip(operands(node), local_derivatives(node, data), strict=True):
        if type(operand) is not float and partial is not None:
            watch(node, partial, "reverse")
            watch(node, operand._grad, "reverse")


def watch(node: Node, number: float, sweep: str) -> None:
    """FloatingPointError if a number that a sweep made at `node` is nan or inf."""
    if not math.isfinite(number):
        raise FloatingPointError(f"the {sweep} sweep made {number} at {describe_operation(node)}")


def active_path(roots: Sequence[Node], inputs: Iterable[Node]) -> tuple[set[Node], list[Node]]:
    """The nodes through which `inputs` reach the roots, as a set, and those of them that are not leaves in order.

    RuntimeError if a leaf was changed after one of them was computed from it.
    """
    leaves, interiors = topological_order(*roots)
    active = set(inputs)
    path = []
    for node in interiors:
        if node in active or not active.isdisjoint(operands(node)):
            active.add(node)
            path.append(node)
    check_unchanged(leaves, interiors, active)
    return active, path


@recording()
def pull(seeds: Sequence[tuple[Node, Any]], inputs: Sequence[Node], create_graph: bool) -> list[Any]:
    """The reverse sweep: for each input the sum over the outputs of seed x derivative of output; None if nothing
    flows."""
    if (answers := unknown()) is not None:
        return answers.pull(seeds, inputs, create_graph)
    read, watching = _reader(create_graph)
    active, path = active_path([root for root, _ in seeds], inputs)
    pending: dict[Node, Any] = {}
    for root, seed in seeds:
        pending[root] = ops.add(pending[root], seed) if root in pending else seed
    for node in reversed(path):
        if (adjoint := pending.get(node)) is None:
            continue
        for x, partial in zip(operands(node), _derivatives(node, read, active, "reverse"), strict=True):
            if type(x) is not float and x in active and partial is not None:
                part = _times(adjoint, partial)
                pending[x] = ops.add(pending[x], part) if x in pending else part
                if watching:
                    watch(node, pending[x], "reverse")
    return [pending.get(x) for x in inputs]


@recording()
def push(tangents: Mapping[Any, Any], outputs: Sequence[Node], create_graph: bool) -> list[Any]:
    """The forward sweep: for each output the sum over the inputs of derivative x tangent; None if nothing flows."""
    if (answers := unknown()) is not None:
        return answers.push(tangents, outputs, create_graph)
    read, watching = _reader(create_graph)
    active, path = active_path(outputs, tangents)
    moved: dict[Node, Any] = dict(tangents)
    for node in path:
        if node in tangents:
            continue
        for x, partial in zip(operands(node), _derivatives(node, read, active, "forward"), strict=True):
            if type(x) is not float and x in moved and partial is not None:
                part = _times(moved[x], partial)
                moved[node] = ops.add(moved[node], part) if node in moved else part
                if watching:
                    watch(node, moved[node], "forward")
    return [moved.get(x) for x in outputs]


def _times(flowing: Any, partial: Any) -> Any:
    """The flow along an edge."""
    return flowing if type(partial) is float and partial == 1.0 else flowing * partial


def _reader(create_graph: bool) -> tuple[Any, bool]:
    """The way a node is read, and whether to look for nan here: for recorded derivatives that is done as they are
    recorded."""
    mode = MODE.get()
    return (lambda node: node, False) if create_graph else (data, mode is not None and mode.anomaly)


def _derivatives(node: Node, read: Any, active: set[Node], sweep: str) -> list[Any]:
    """The local derivatives; where computing one with nodes is what makes nan or inf, the error names the node too."""
    try:
        return local_derivatives(node, read, active)
    except FloatingPointError as error:
        raise FloatingPointError(f"the {sweep} sweep failed at {describe_operation(node)}: {error}") from None


def gradients(output: Any, inputs: Any, *, seed: Any = 1.0, create_graph: bool = False) -> Any:
    """seed x d output / d input: a list with a gradient for each input, or just the gradient if `inputs` is one Value.

    Reads and writes no `.grad`. An input that `output` does not depend on has gradient 0.

    output: a Value. inputs: a list of Values, or one. seed: a number, or a Value if create_graph.
    create_graph: return Values that can be differentiated again, rather than floats.
    Raises TypeError for anything but Values, and RuntimeError if a leaf's `.data` was assigned after it was used.

    >>> from autograd import Value, gradients
    >>> x = Value(3.0)
    >>> gradients(x**3, [x])
    [27.0]
    >>> slope = gradients(x**3, x, create_graph=True)
    >>> gradients(slope, x)
    18.0
    """
    single = not isinstance(inputs, list | tuple)
    nodes = [inputs] if single else list(inputs)
    for x in (output, *nodes):
        if not is_node(x):
            raise TypeError(f"gradients expected a Value, or a list of Values as inputs, got {type(x).__name__}")
    start = seed if is_node(seed) and create_graph else as_float(seed)
    if create_graph and type(start) is float:
        start = type(output)(start)
    found = pull([(output, start)], nodes, create_graph)
    result = [(type(output)(0.0) if create_graph else 0.0) if g is None else g for g in found]
    return result[0] if single else result
