"""Sweeps through a graph whose numbers are not known, of which every step is recorded."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ... import ops
from ...floats import is_node
from ...graph import Node, local_derivatives, operands, topological_order
from ...sweeps import NOTHING
from ..identity import by_identity
from .calls import Call, Uncut, back, call, pick, shares
from .guards import Chosen, Condition, Guards, Reach


class Row(NamedTuple):
    """For each of several parameters the sum over terms of a factor times the number that stands there in the term's
    row."""

    params: tuple[Node, ...]
    factors: list[Any]
    rows: list[tuple[Any, ...]]


class Slopes(NamedTuple):
    """A gradient by parameters: the sum of both."""

    single: list[Any]
    """For each parameter; None if nothing flows there by itself."""
    rows: list[Row]
    skipped: bool
    """Whether products within rows were left without a guard."""
    backs: dict[Node, Call]
    """The ways back through calls, by their nodes."""


def vectors_of(rows: Sequence[Row]) -> Collection[Sequence[Any]]:
    """Each vector in rows once."""
    return {id(x): x for row in rows for x in (row.factors, *row.rows)}.values()


def computed(found: Slopes) -> list[Any]:
    """All that slopes are made of."""
    return [*found.single, *[y for x in vectors_of(found.rows) for y in x]]


def check_whole(roots: Sequence[Any]) -> None:
    """Raises Uncut where calls lie below these nodes: a gradient that is recorded to be computed with goes through the
    operations that they stand for."""
    if any(node.primitive is call for node in topological_order(*[y for y in roots if is_node(y)])[1]):
        raise Uncut


class Flow:
    """A sweep of which every step is recorded.

    params, common: those of which rows are taken as a whole. calls: by their nodes; Uncut where there is another.
    """

    def __init__(
        self,
        roots: Sequence[Node],
        active: Collection[Node],
        guards: Guards,
        params: Collection[Node] = (),
        calls: Mapping[Node, Call] | None = None,
        common: Collection[Node] = (),
    ) -> None:
        self._active, self._guards = active, guards
        self.rows: dict[int, Row] = {}  # by the identity of the parameters
        self._is_row = by_identity(
            lambda xs: (
                bool(xs) and any(all(type(x) is not float and x in wanted for x in xs) for wanted in (params, common))
            )
        )
        self._calls = calls or {}
        self._seeds: dict[Node, dict[int, Any]] = {}  # what arrives at the results of a call
        self._sometimes = set[Node]()  # calls of which a result gets something on a condition only
        self._from_calls: dict[Node, list[Any]] = {}  # what flows to a node out of calls
        self.backs: dict[Node, Call] = {}
        self.open = False
        """Whether a product in a row of slopes was left without a guard."""
        self._reach = Reach(tracked=guards.signs or guards.doubtful is None or bool(guards.doubtful))
        self._pending: dict[Node, Any] = {}
        self._products: dict[Node, tuple[list[Any], list[Any]]] = {}  # factors of what flows through `dot`s
        self._picks: dict[Node, tuple[list[Any], list[Any]]] = {}  # what flows to a leaf if an index picks it
        self._hots: dict[Any, list[Any]] = {}  # of an index, for each number whether it is that
        self._hot_rows: dict[Any, tuple[Any, ...]] = {}
        self._vectors: dict[Any, Any] = {}
        self._masked: dict[Any, Any] = {}
        self._open = set[Node]()  # where one of the products that are summed is not guarded
        self._doubtful = set[Node](guards.doubtful or ())  # and what is computed from them
        if self._doubtful:
            for node in topological_order(*roots)[1]:
                if not self._doubtful.isdisjoint(operands(node)):
                    self._doubtful.add(node)

    def pull(self, seeds: Sequence[tuple[Node, Any]], inputs: Sequence[Node], path: Sequence[Node]) -> list[Any]:
        """The reverse sweep: what flows to each input; None if nothing ever does."""
        for root, seed in seeds:
            self._add(root, seed, True)
        for node in reversed(path):
            if node.primitive is call:
                self._back(node)
                continue
            if (adjoint := self._arrived(node)) is None:
                continue
            if node.primitive is ops.dot:
                self._through(node, adjoint)
            elif node.primitive is pick:
                self._seeds.setdefault(node._a, {})[int(node._b)] = adjoint
                if self._reach.of(node) is not True:
                    self._sometimes.add(node._a)
            elif node.primitive is not ops.gather or not self._picked(node, adjoint):
                for x, partial in zip(operands(node), self._partials(node), strict=True):
                    if type(x) is not float and x in self._active:
                        self._send(node, adjoint, partial, x, node)
        reached = {*self._pending, *self._picks, *self._products, *self._from_calls}
        return [self._result(x) if x in reached else None for x in inputs]

    def push(self, tangents: Mapping[Any, Any], outputs: Sequence[Node], path: Sequence[Node]) -> list[Any]:
        """The forward sweep: what flows to each output; None if nothing ever does."""
        for x, tangent in tangents.items():
            self._add(x, tangent, True)
        for node in path:
            if node not in tangents:
                for x, partial in zip(operands(node), self._partials(node), strict=True):
                    if type(x) is not float and (tangent := self._arrived(x)) is not None:
                        self._send(x, tangent, partial, node, node)
        return [self._result(y) for y in outputs]

    def _partials(self, node: Node) -> list[Any]:
        found = local_derivatives(node, lambda x: x, self._active)
        if node.primitive is ops.pow and self._guards.last and type(found[0]) is Chosen:
            found[0] = found[0]._replace(b=None)  # at exponent 0 only how the slope varies would matter
        return found

    def _add(self, node: Node, part: Any, condition: Condition) -> None:
        self._pending[node] = ops.add(self._pending[node], part) if node in self._pending else part
        self._reach.arrive(node, condition)

    def _send(self, source: Node, flowing: Any, partial: Any, target: Node, owner: Node) -> None:
        """Adds the flow at the source to that of the target, times the partial, which belongs to the owner."""
        part, condition = self._times(flowing, partial)
        if condition is None:
            return
        sure = self._reach.of(source)
        if sure is not True and part is not flowing:
            finite = type(partial) is float and math.isfinite(partial)
            if self._guards.signs or (not finite and self._may_be_nan(owner)):
                part = ops.where(sure, part, NOTHING)
            elif not finite:
                self._guards.skipped.append(part)
        self._add(target, part, self._reach.both(sure, condition))

    def _times(self, flowing: Any, partial: Any) -> tuple[Any, Any]:
        """The product with a partial, and on which condition it flows; None: never."""
        if partial is None:
            return NOTHING, None
        if type(partial) is not Chosen:
            return (flowing if type(partial) is float and partial == 1.0 else flowing * partial), True
        (a, if_a), (b, if_b) = self._times(flowing, partial.a), self._times(flowing, partial.b)
        if if_a is None and if_b is None:
            return NOTHING, None
        part = ops.where(partial.condition, a, b)
        if if_a is True and if_b is True:
            return part, True
        if not self._reach.tracked:
            return part, False
        if if_a is True and if_b is None:
            return part, partial.condition
        return part, ops.where(
            partial.condition, *[1.0 if x is True else 0.0 if x is None else x for x in (if_a, if_b)]
        )

    def _may_be_nan(self, x: Any) -> bool:
        if type(x) is float:
            return not math.isfinite(x)
        return self._guards.doubtful is None or x in self._doubtful or not self._doubtful.isdisjoint(operands(x))

    def _arrived(self, node: Node) -> Any:
        """All that flows to a node; None if nothing ever does."""
        if node in self._picks:
            hots, adjoints = self._picks.pop(node)
            if len(hots) > 1:  # as a product of matrices: nothing is 0 times the adjoint, as within a layer
                self._open.add(node)
                for hot, adjoint in zip(hots, adjoints, strict=True):
                    self._product(node, hot, adjoint, False)
            else:
                self._add(node, ops.where(hots[0], adjoints[0], NOTHING), False)
        if node in self._from_calls:
            parts = self._from_calls.pop(node)
            if node in self._pending:
                parts.append(self._pending[node])
            self._pending[node] = parts[0] if len(parts) == 1 else ops.sum(tuple(parts))
        if node in self._products:
            total = self._total(node)
            if self._guards.signs and (sure := self._reach.of(node)) is not True:
                total = ops.where(sure, total, NOTHING)
            self._pending[node] = total
        return self._pending.get(node)

    def _result(self, node: Node) -> Any:
        flowing = self._arrived(node)
        if flowing is not None and self._guards.signs and (sure := self._reach.of(node)) is not True:
            return ops.where(sure, flowing, 0.0)
        return flowing

    def _total(self, x: Node) -> Any:
        """The sum of the products, and of what else there is. Vectors of the same nodes become one, as in a layer."""
        ws, xs = (self._vectors.setdefault(v := tuple(side), v) for side in self._products.pop(x))
        rest = self._pending.get(x)
        if len(ws) > 1:
            total = ops.dot(ws, xs, NOTHING if rest is None else rest)
        else:
            product = ops.mul(xs[0], ws[0])
            total = product if rest is None else ops.add(rest, product)
        if x in self._open:
            self._guards.skipped.append(total)
        return total

    def _through(self, node: Node, adjoint: Any) -> None:
        """Through a `dot`: to each factor of a product the other one, times the adjoint. What flows through several
        `dot`s to one operand is one `dot` again: so a layer's gradient has one node for each weight."""
        ws, xs, bias = node._a
        sure = self._reach.of(node)
        for these, others in ((ws, xs), (xs, ws)):
            if self._is_row(these):
                self._row(these, adjoint, others if sure is True else self._guarded_row(sure, others))
                continue
            for x, other in zip(these, others, strict=True):
                if type(x) is not float and x in self._active:
                    self._product(x, other if sure is True else self._guarded(sure, other, x), adjoint, sure)
        if type(bias) is not float and bias in self._active:
            self._add(bias, adjoint, sure)

    def _product(self, x: Node, factor: Any, adjoint: Any, condition: Condition) -> None:
        if (pairs := self._products.get(x)) is None:
            self._products[x] = pairs = [], []
        pairs[0].append(factor)
        pairs[1].append(adjoint)
        self._reach.arrive(x, condition)

    def _guarded(self, sure: Condition, factor: Any, x: Node) -> Any:
        """A factor, of what flows to x, that is finite where nothing flows."""
        if not self._may_be_nan(factor):
            if type(factor) is not float:
                self._open.add(x)
            return factor
        if (found := self._masked.get((sure, factor))) is None:
            self._masked[sure, factor] = found = ops.where(sure, factor, 1.0)
        return found

    def _back(self, node: Node) -> None:
        """Through a call: a way back, from which the adjoints of its arguments are picked."""
        if node not in self._calls:
            raise Uncut
        if not (seeds := self._seeds.pop(node, {})):
            return
        made = self._calls[node]
        part, count, arguments = made.part, made.count, node._a[0]
        calls, results = shares(arguments, part.common, count), len(part.graph.picks)
        arriving = tuple([any(c * results + i in seeds for c in range(count)) for i in range(results)])
        needed = tuple([any(type(x) is not float and x in self._active for x in xs) for xs in zip(*calls, strict=True)])
        gradient = part.gradient(needed, arriving)
        which = [i for i, arrives in enumerate(arriving) if arrives]
        everywhere = len(seeds) == count * len(which) == count * results and node not in self._sometimes
        self.open = self.open or gradient.open or not everywhere
        adjoints = [[seeds.get(c * results + i, NOTHING) for i in which] for c in range(count)]
        way: Any = back(tuple([x for xs in adjoints for x in xs]), node)
        self.backs[way] = found = Call(way, part, gradient.graph, count, made, gradient)
        picks = pick.map([(way, float(i)) for i in range(found.results)])
        known = dict(zip(part.graph.inputs, arguments, strict=False))
        for x, y in zip(gradient.common, picks, strict=False):
            self._flows_to(known[x], y)
        own = [need and i >= part.common for i, need in enumerate(needed)]
        for xs, arrived, picked in zip(calls, adjoints, shares(picks[len(gradient.common) :], 0, count), strict=True):
            flowing = gradient.graph.resolved([*xs, *arrived], picked)
            for x, y in zip(itertools.compress(xs, own), flowing, strict=True):
                if y is not None and type(x) is not float and x in self._active:
                    self._flows_to(x, y)

    def _flows_to(self, x: Node, flowing: Any) -> None:
        """Out of a call."""
        self._from_calls.setdefault(x, []).append(flowing)
        self._reach.arrive(x, True)

    def _row(self, params: tuple[Any, ...], factor: Any, row: tuple[Any, ...]) -> None:
        """Adds to the flow to several parameters."""
        if (found := self.rows.get(id(params))) is None:
            self.rows[id(params)] = found = Row(params, [], [])
        found.factors.append(factor)
        found.rows.append(row)

    def _guarded_row(self, sure: Condition, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """The factors, finite where nothing flows, as far as they may be otherwise."""
        if (found := self._masked.get((sure, id(row)))) is None:
            guarded = tuple([ops.where(sure, x, 1.0) if self._may_be_nan(x) else x for x in row])
            self._masked[sure, id(row)] = found = guarded, row
        self.open = True
        return found[0]

    def _picked(self, node: Node, adjoint: Any) -> bool:
        """Through a `gather` of leaves, of which the index picks one, in one go; False where that would not do."""
        index, values = node._a
        if self._guards.signs or self._guards.doubtful is None or type(index) is float:
            return False
        if any(type(x) is not float and x.primitive is not None for x in values):
            return False
        hots = self._hots.setdefault(index, [])
        hots.extend([ops.equal(index, float(i)) for i in range(len(hots), len(values))])
        if self._is_row(values):  # nothing is 0 times the adjoint, as within a layer
            self.open = True
            if len(row := self._hot_rows.get(index, ())) != len(values):
                self._hot_rows[index] = row = tuple(hots[: len(values)])
            self._row(values, adjoint, row)
            return True
        for x, hot in zip(values, hots, strict=False):  # of a longer table there are more
            if type(x) is not float and x in self._active:
                mine, adjoints = self._picks.setdefault(x, ([], []))
                mine.append(hot)
                adjoints.append(adjoint)
        return True
