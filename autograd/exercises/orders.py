"""The orders in which a sweep may run the nodes: the right one, and what is written instead."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .engine import Node, Order, Sweep


def operands(x: Node, sweep: Sweep) -> list[Node]:
    """The operands of a node as the sweep meets them."""
    xs = list(x.operands)
    if sweep.as_set:
        xs = list({id(v): v for v in xs}.values())
    return xs[::-1] if sweep.flips >> x.index & 1 and x.operation else xs


def _finished(root: Node, sweep: Sweep, key: Callable[[Node], Any]) -> list[Node]:
    """Operands before users, each key once."""
    order: list[Node] = []
    visited = set()

    def visit(x: Node) -> None:
        if key(x) not in visited:
            visited.add(key(x))
            for v in operands(x, sweep):
                visit(v)
            order.append(x)

    visit(root)
    return order


def topological(root: Node, sweep: Sweep) -> list[Node]:
    """The right order: users before operands."""
    return _finished(root, sweep, id)[::-1]


def not_reversed(root: Node, sweep: Sweep) -> list[Node]:
    """Operands before users."""
    return _finished(root, sweep, id)


def by_number(root: Node, sweep: Sweep) -> list[Node]:
    """The right order, where two nodes with one number count as one."""
    return _finished(root, sweep, lambda x: x.data)[::-1]


def preorder(root: Node, sweep: Sweep) -> list[Node]:
    """A node, and then each operand with what is below it, however often it is met."""
    order: list[Node] = []
    stack = [root]
    while stack:
        x = stack.pop()
        order.append(_counted(order, x))
        stack.extend(reversed(operands(x, sweep)))
    return order


def _counted(order: list[Node], x: Node) -> Node:
    """The node, unless the graph has become a circle. Raises RecursionError as a student's engine would."""
    if len(order) > LONGEST:
        raise RecursionError
    return x


LONGEST = 300
"""Nodes that a sweep runs at most; a right one of the battery has 20."""


def preorder_once(root: Node, sweep: Sweep) -> list[Node]:
    """The same, each node once, when it is met first."""
    return list({id(x): x for x in preorder(root, sweep)}.values())


def postorder(root: Node, sweep: Sweep) -> list[Node]:
    """Operands first, however often they are met."""
    return reversed_preorder(root, sweep)[::-1]


def reversed_preorder(root: Node, sweep: Sweep) -> list[Node]:
    """A topological order that forgets to look whether a node was visited: users first, with repeats."""
    return preorder(root, replace(sweep, flips=~sweep.flips))


def searched(visited: str, last: bool) -> Order:
    """A search with a queue, or with a stack; each node once: when it is met, or when its turn comes; or however often
    it is met."""

    def order(root: Node, sweep: Sweep) -> list[Node]:
        found: list[Node] = []
        waiting, known = [root], {id(root)}
        while waiting:
            x = waiting.pop(-1 if last else 0)
            if visited == "when run" and any(x is v for v in found):
                continue
            found.append(_counted(found, x))
            for v in operands(x, sweep):
                if visited != "when met" or id(v) not in known:
                    known.add(id(v))
                    waiting.append(v)
        return found

    return order


def levels(count: int) -> Order:
    """The root, and operands down to so many levels."""

    def order(root: Node, sweep: Sweep) -> list[Node]:
        level, found = [root], [root]
        for _ in range(count - 1):
            level = [v for x in level for v in operands(x, sweep)]
            found += level
        return found

    return order


def twice(root: Node, sweep: Sweep) -> list[Node]:
    """The right order, each node two times."""
    return [x for x in topological(root, sweep) for _ in range(2)]
