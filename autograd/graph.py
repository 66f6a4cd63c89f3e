"""The graph: what a node is, and the one function that orders it.

A node with one or two operands is a single object: operands stand in the slots `_a` and `_b`, a number operand as a
plain float. Where an operand is a vector, or there are three, `_a` is the tuple of the operands, vectors as tuples in
it. A leaf has no primitive. Nothing here recurses over a graph.
"""

from collections.abc import Callable, Container, Sequence, Set
from typing import Any, NamedTuple, Protocol

from .primitives import Primitive


class Note(NamedTuple):
    """A remark about a node. Nodes without one have None; a note may be shared."""

    label: str = ""
    line: str = ""  # file:line: source, of the code that made the node
    module: str = ""  # the path of the module whose output the node is; of a parameter, its own path
    model: int = 0  # which outermost module the path begins at


class Node(Protocol):
    """The part of a Value that the sweeps and readers need."""

    _data: float
    _grad: float
    _a: Any
    _b: Any
    _stamp: int
    primitive: Primitive | None
    note: Note | None


def arguments(node: Node) -> tuple[Any, ...]:
    """The arguments that the primitive was called with: nodes, floats, and tuples of them."""
    if node.primitive is None:
        return ()
    if type(node._a) is tuple:
        return node._a
    return (node._a,) if node._b is None else (node._a, node._b)


def operands(node: Node) -> tuple[Any, ...]:
    """Nodes and floats, in operand order and multiplicity; vectors are laid out flat."""
    return tuple([v for x in arguments(node) for v in (x if type(x) is tuple else (x,))])


def numbers(xs: tuple[Any, ...]) -> list[float]:
    """The numbers of a vector. Most hold only nodes, so one that begins with a node is tried the short way first."""
    if xs and type(xs[0]) is not float:
        try:
            return [x._data for x in xs]
        except AttributeError:
            pass
    return [x if type(x) is float else x._data for x in xs]


def topological_order(*roots: Node) -> tuple[list[Node], list[Node]]:
    """All nodes below the roots, once each: the leaves, and the others in an order in which operands precede their
    users.

    Depth first, with a stack of our own: None on it means that all operands of the node beneath have been placed.
    """
    leaves: list[Node] = []
    interiors: list[Node] = []
    seen: set[Node] = set()
    vectors: set[int] = set()  # those whose nodes have all been placed, by identity: a layer's neurons share one
    stack: list[Any] = list(reversed(roots))
    pop, push, see, place = stack.pop, stack.append, seen.add, interiors.append
    while True:  # CPython 3.11 does not specialise a loop over `while stack` before the eighth call; this one at once
        if not stack:
            return leaves, interiors
        node = pop()
        if node is None:
            place(pop())
        elif node not in seen:
            see(node)
            if node.primitive is None:
                leaves.append(node)
                continue
            a, b = node._a, node._b
            push(node)
            push(None)
            if type(a) is tuple:
                for x in reversed(a):
                    if type(x) is not tuple:
                        if type(x) is not float and x not in seen:
                            push(x)
                    elif id(x) not in vectors:
                        waiting = []
                        if not seen.issuperset(x):
                            for v in x:
                                if type(v) is not float and v not in seen:
                                    if v.primitive is None:  # most are the weights of a layer: no way over the stack
                                        see(v)
                                        leaves.append(v)
                                    else:
                                        waiting.append(v)
                            stack.extend(reversed(waiting))
                        if not waiting:
                            vectors.add(id(x))
            else:
                if b is not None and type(b) is not float and b not in seen:
                    push(b)
                if type(a) is not float and a not in seen:
                    push(a)
            if stack[-1] is None:  # nothing to wait for
                pop()
                place(pop())


def check_unchanged(leaves: Sequence[Node], interiors: Sequence[Node], active: Set[Node] | None = None) -> None:
    """RuntimeError if a node got another `.data` after another one was computed from it, or if the sweep would go on
    from such a node to its operands: gradients would be wrong.

    Assigning `.data` stamps a node with a new time, negative for one with operands; a node remembers the time of its
    birth. active: the nodes that the sweep visits; all unless told.
    """
    newest = max((leaf._stamp for leaf in leaves), default=0)
    for node in interiors:
        if node._stamp < newest and node.primitive is not None:
            if node._stamp < 0:
                newest = max(newest, -node._stamp)
                if active is None or not active.isdisjoint(operands(node)):
                    check_own(node)
            if active is None or node in active:
                check_operands(node)


def check_operands(node: Node) -> None:
    """RuntimeError if an operand's `.data` was assigned after the node was computed from it."""
    for x in operands(node):
        if type(x) is not float and abs(x._stamp) > abs(node._stamp) and node.primitive is not None:
            what = "a leaf" if x.primitive is None else "a node"
            raise RuntimeError(
                f"the .data of {what} was assigned, {describe(x)}, after {node.primitive.name} had computed "
                f"{node._data!r} from its old number, so gradients would be wrong; compute the expression again"
            )


def check_own(node: Node) -> None:
    """RuntimeError if the node's `.data` was assigned and is no longer that of its operands."""
    if node._stamp < 0 and node.primitive is not None:
        raise RuntimeError(
            f"the .data of {describe(node)} was assigned, and no longer follows from the operands of "
            f"{node.primitive.name}, so no gradient can go through it to them; compute the expression again, or take "
            f"gradients(output, [node])"
        )


def local_derivatives(node: Node, read: Callable[[Any], Any], wanted: Container[Any] | None = None) -> list[Any]:
    """For each of `operands(node)` the derivative of `node` by it, or None where nothing flows. Ignore the entry of a
    number operand.

    read: turns a node into what derivatives are computed with: its number, or the node itself if they are to be
    differentiated again. wanted: the operands that matter; all unless told.
    """

    if node.primitive is None:
        return []
    xs = arguments(node)
    values = [[_read(v, read) for v in x] if type(x) is tuple else _read(x, read) for x in xs]
    derivatives: list[Any] = []
    for x, partial in zip(xs, node.primitive.partials, strict=True):
        if type(x) is tuple:
            derivatives.extend(partial(*values, read(node)))
        else:
            matters = type(x) is not float and (wanted is None or x in wanted)
            derivatives.append(partial(*values, read(node)) if matters else None)
    return derivatives


def _read(x: Any, read: Callable[[Any], Any]) -> Any:
    return x if type(x) is float else read(x)


def data(node: Node) -> float:
    return node._data


def describe(node: Node) -> str:
    """A node in an error text: `x = 2.0` with its label, else `2.0`."""
    label = node.note.label if node.note else ""
    return f"{label} = {node._data!r}" if label else repr(node._data)


def describe_operation(node: Node) -> str:
    """The origin of a node: `log(x = 0.0) = -inf, at file:line: source`; a leaf as `describe` has it."""
    if node.primitive is None:
        return describe(node)
    xs = ", ".join(repr(x) if type(x) is float else describe(x) for x in operands(node))
    line = node.note.line if node.note else ""
    return f"{node.primitive.name}({xs}) = {node._data!r}" + (f", at {line}" if line else "")
