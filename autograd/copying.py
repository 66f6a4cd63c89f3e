"""Copies of a graph: `copy.deepcopy` and `pickle` without recursion, however deep it is.

`pickle` stores a graph flat: its leaves as objects of their own, so that graphs share them, and a record for every
other node. Times of assignment are kept, so a copy still knows whether a leaf was changed after it was used.
"""

from collections.abc import Callable, Sequence
from copy import copy
from copy import deepcopy as copies
from typing import Any

from .graph import Node, Note, arguments, topological_order
from .primitives import find

Record = tuple[str, tuple[Any, ...], float, float, int, Note | None]
"""Primitive, arguments (an int is the index of a node, a float a number), data, grad, stamp and note."""

Build = Callable[..., Any]
"""build(primitive, operands, data, grad, stamp, note) -> node"""


def deepcopy(root: Node, memo: dict[int, Any], build: Build) -> Any:
    """A copy of the graph below `root`; `memo` holds what has been copied before, by identity."""
    leaves, interiors = topological_order(root)
    for leaf in leaves:
        if id(leaf) not in memo:
            memo[id(leaf)] = twin = copy(leaf)
            if any(state := own_state(leaf)):
                give(twin, copies(state, memo))
    for node in interiors:
        if id(node) not in memo:
            xs = _replace(arguments(node), lambda x: memo[id(x)])
            memo[id(node)] = build(node.primitive, xs, node._data, node._grad, node._stamp, node.note)
    return memo[id(root)]


def own_state(leaf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes that a subclass of the node's class has added: those in its dict, and those in slots."""
    known = next(slots for kind in type(leaf).__mro__ if "_data" in (slots := vars(kind).get("__slots__", ())))
    state: Any = object.__getstate__(leaf)
    of_dict, of_slots = state if isinstance(state, tuple) else (state, None)
    return of_dict or {}, {name: x for name, x in (of_slots or {}).items() if name not in known}


def give(leaf: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> Any:
    """The leaf, with these attributes."""
    of_dict, of_slots = state
    if of_dict:
        leaf.__dict__.update(of_dict)
    for name, x in of_slots.items():
        object.__setattr__(leaf, name, x)
    return leaf


def flatten(root: Node) -> tuple[list[Node], list[Record]]:
    """The leaves below `root`, and a record for every other node; an index counts the leaves first."""
    leaves, interiors = topological_order(root)
    index: dict[Node, int] = {node: i for i, node in enumerate(leaves + interiors)}
    records: list[Record] = []
    for node in interiors:
        assert node.primitive is not None
        xs = _replace(arguments(node), index.__getitem__)
        records.append((node.primitive.key, xs, node._data, node._grad, node._stamp, node.note))
    return leaves, records


def unflatten(leaves: Sequence[Node], records: Sequence[Record], build: Build) -> Any:
    """The root of the graph that `flatten` took apart."""
    nodes: list[Any] = list(leaves)
    for name, xs, data, grad, stamp, note in records:
        nodes.append(build(find(name), _replace(xs, nodes.__getitem__), data, grad, stamp, note))
    return nodes[-1]


def _replace(xs: tuple[Any, ...], replace: Callable[[Any], Any]) -> tuple[Any, ...]:
    """The same operands with something else in the place of all but floats."""
    return tuple([x if type(x) is float else _replace(x, replace) if type(x) is tuple else replace(x) for x in xs])
