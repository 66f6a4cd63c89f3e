"""What flows back where no number can be read: a graph that is recorded for any numbers has to say by itself where
nothing flows, and is to stay small."""

from collections.abc import Sequence
from typing import Any

from . import ops
from .graph import Node, operands

Pairs = tuple[list[Any], list[Any]]
"""Factors, and what each is multiplied with."""


class TracedFlow:
    """The reverse sweep's pending adjoints, for nodes whose numbers are not known.

    Where nothing flows for some numbers, an adjoint is -0.0, which must not meet an infinite partial further down. And
    what flows through several `dot`s to one operand is one `dot` again, so that a layer's gradient has one node for
    each weight, not two for each weight and use.
    """

    def __init__(self, path: Sequence[Node], active: set[Node], pending: dict[Node, Any]) -> None:
        self._active, self._pending = active, pending
        self._unbounded: set[Any] = set()  # where moderate numbers may give an infinite slope
        for node in path:
            assert node.primitive is not None
            if ops.unbounded(node.primitive) or not self._unbounded.isdisjoint(operands(node)):
                self._unbounded.add(node)
        self._always: dict[Node, bool] = {}  # whether something flows to a node for any numbers
        self._products: dict[Node, Pairs] = {}  # what flows through `dot`s
        self._picks: dict[Node, Pairs] = {}  # what flows to a leaf if an index picks it: whether it does, and how much
        self._hots: dict[Any, list[Any]] = {}  # of an index, for each number whether it is that
        self._vectors: dict[Any, Any] = {}

    def took(self, node: Node) -> bool:
        """Completes what flows to a node; True if it has also been passed on to its operands."""
        if node in self._products:
            self._pending[node] = self._total(node)
        if node not in self._pending:
            return False
        if node.primitive is ops.dot:
            return self._through(node)
        return node.primitive is ops.gather and self._picked(node)

    def part(self, node: Node, x: Node, partial: Any) -> Any:
        """What flows from a node to one of its operands."""
        certain, adjoint = self._always.get(node, True), self._pending[node]
        self._note(x, certain and not ops.may_be_nothing(partial))
        guarded = node in self._unbounded and node.primitive not in ops.LINEAR and not certain
        return ops.flow(adjoint, partial, guarded)

    def finish(self) -> None:
        """Completes what flows to the leaves."""
        for x, (hots, adjoints) in self._picks.items():
            if len(hots) > 1:  # as a product of matrices: nothing is 0 times the adjoint, as within a layer
                mine, others = self._products.setdefault(x, ([], []))
                mine.extend(hots)
                others.extend(adjoints)
            else:
                self._add(x, ops.where(hots[0], adjoints[0], -0.0))
        for x in [*self._products]:
            self._pending[x] = self._total(x)

    def _note(self, x: Node, always: bool) -> None:
        """Something flows to x, for any numbers if `always`."""
        again = x in self._pending or x in self._products
        self._always[x] = always or (again and self._always[x])

    def _add(self, x: Node, part: Any) -> None:
        self._pending[x] = ops.add(self._pending[x], part) if x in self._pending else part

    def _total(self, x: Node) -> Any:
        """The sum of the products, and of what else there is. Vectors of the same nodes become one, as in a layer."""
        ws, xs = (self._vectors.setdefault(v := tuple(side), v) for side in self._products.pop(x))
        rest = self._pending.get(x)
        if len(ws) > 1:
            return ops.dot(ws, xs, -0.0 if rest is None else rest)
        product = ops.mul(xs[0], ws[0])
        return product if rest is None else ops.add(rest, product)

    def _through(self, node: Node) -> bool:
        """Through a `dot`: to each factor of a product the other one, times the adjoint."""
        ws, xs, bias = node._a
        adjoint, always = self._pending[node], self._always.get(node, True)
        for these, others in ((ws, xs), (xs, ws)):
            for x, other in zip(these, others, strict=True):
                if type(x) is not float and x in self._active:
                    self._note(x, always)
                    if (pairs := self._products.get(x)) is None:
                        self._products[x] = pairs = [], []
                    pairs[0].append(other)
                    pairs[1].append(adjoint)
        if type(bias) is not float and bias in self._active:
            self._note(bias, always)
            self._add(bias, adjoint)
        return True

    def _picked(self, node: Node) -> bool:
        """Through a `gather` of leaves, of which the index picks one; False if they are not all leaves."""
        index, values = node._a
        if type(index) is float or any(type(x) is not float and x.primitive is not None for x in values):
            return False
        hots = self._hots.setdefault(index, [])
        hots.extend([ops.equal(index, float(i)) for i in range(len(hots), len(values))])
        for x, hot in zip(values, hots, strict=False):  # of a longer table there are more
            if type(x) is not float and x in self._active:
                mine, adjoints = self._picks.setdefault(x, ([], []))
                mine.append(hot)
                adjoints.append(self._pending[node])
        return True
