"""From a graph to a program: nodes become instructions; calls become sites, or the operations that they stand for."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ... import ops
from ...floats import is_node
from ...graph import Node, arguments, check_own, topological_order
from ..identity import by_identity
from ..tracing.calls import Call, pick, shares
from ..tracing.flow import Row, vectors_of
from .program import Assembler, Program, RowTotal, Site

FEW = 2
"""A part that is called less often stands where it is called."""


def program_of(
    kept: Sequence[Any],
    inputs: Sequence[Node],
    shared: Sequence[Node],
    summed: Sequence[tuple[int, Any]] = (),
    rows: Sequence[Row] = (),
    calls: Mapping[Node, Call] | None = None,
    *,
    whole: bool = False,
    number: Mapping[Node, int] | None = None,
) -> tuple[Program, list[Node]]:
    """The graph below these Values and floats as a program; and the leaves whose numbers it shares: those given, and
    then all others that it finds.

    kept: the outputs. summed: further ones, with the number of the total that each is added to. rows: slopes by shared
    leaves. calls: by their nodes. whole: whether they stand as what their parts are made of. number: of the total of
    each leaf; from 1 on, in their order, unless told.
    """
    work = _Assembly(inputs, shared, calls or {}, whole)
    if number is not None:
        work.number = number
    work.order([*kept, *[y for _, y in summed], *[y for x in vectors_of(rows) for y in x]])
    return work.program(kept, summed, rows), work.leaves


class _Assembly:
    def __init__(self, inputs: Sequence[Node], shared: Sequence[Node], calls: Mapping[Node, Call], whole: bool) -> None:
        self.inputs, self.shared, self.calls, self.whole = inputs, shared, calls, whole
        self.slots: dict[Any, int] = {}
        self.number: Mapping[Any, int] = {p: i for i, p in enumerate(shared, 1)}
        self.results: dict[Node, range] = {}  # of calls that stand as such
        self.picked: dict[Node, Sequence[int]] = {}  # the slots of any call's results
        self.within: dict[Node, list[dict[Any, int]]] = {}  # the slots within each of those that do not
        self.sites: list[Site] = []
        self._numbers: dict[Node, int] = {}  # of the sites
        self._shared: dict[int, tuple[int, ...]] = {}  # of a part, by its identity
        self.summed: list[tuple[int, int]] = []
        self.totals: list[RowTotal] = []

    def order(self, roots: Sequence[Any]) -> None:
        """Gives inputs, results of calls, and shared leaves their slots."""
        ways_back = [node for node, x in self.calls.items() if x.forward is not None]
        leaves, self.interiors = topological_order(*dict.fromkeys(y for y in (*roots, *ways_back) if is_node(y)))
        calls = [self.calls[node] for node in self.interiors if node in self.calls]
        uses = Counter[Any]()
        for x in calls:
            uses[x.part] += x.count * (x.forward is None)
        names = [_name(x, f"x{i}") for i, x in enumerate(self.inputs)]
        for x in calls:
            if not self.whole and uses[x.part] >= FEW:
                self.results[x.node] = range(len(names), len(names) + x.results)
                names += [f"{x.part.name}[{i}]" for i in range(x.results)]
        known = {*self.inputs, *self.shared}
        within = {id(x.graph): x.graph.leaves for x in calls}.values()
        found = dict.fromkeys([*leaves, *[leaf for leaves in within for leaf in leaves]])
        self.leaves = [*self.shared, *[leaf for leaf in found if leaf not in known]]
        self.work = Assembler(names, [_name(leaf, f"v{i}") for i, leaf in enumerate(self.leaves)])
        self.slots = {node: i for i, node in enumerate(self.inputs)}
        self.slots.update((leaf, i) for i, leaf in enumerate(self.leaves, len(names)))

    def program(self, kept: Sequence[Any], summed: Sequence[tuple[int, Any]], rows: Sequence[Row]) -> Program:
        slot, vector = self._reader({})
        for node in self.interiors:
            if node.primitive is pick:
                self.slots[node] = self.picked[node._a][int(node._b)]
            elif node not in self.calls:
                self.slots[node] = self._append(node, slot, vector)
            elif node in self.results:
                self._stand(self.calls[node], vector(node._a[0]))
            else:
                self._spell(self.calls[node], vector(node._a[0]))
        self._total(summed, rows, slot, vector)
        into, outputs = zip(*self.summed, strict=True) if self.summed else ((), ())
        return self.work.program([*map(slot, kept), *outputs], into, self.totals, self.sites)

    def _stand(self, x: Call, arguments: tuple[int, ...]) -> None:
        """A call that stands as such."""
        forward = None if x.forward is None else self._numbers[x.forward.node]
        self.picked[x.node] = results = self.results[x.node]
        self._numbers[x.node] = len(self.sites)
        if (shared := self._shared.get(id(x.part))) is None:
            self._shared[id(x.part)] = shared = tuple([self.slots[leaf] for leaf in x.part.graph.leaves])
        self.sites.append(Site(x.part, x.gradient, arguments, x.count, shared, results, forward))

    def _spell(self, x: Call, arguments: tuple[int, ...]) -> None:
        """Appends the operations that calls stand for."""
        gradient, picked, flows = x.gradient, list[int](), dict[Any, list[tuple[int, int]]]()
        if gradient is None:
            self.within[x.node] = [{} for _ in range(x.count)]
            arriving, placeholders = shares(arguments, x.part.common, x.count), x.graph.inputs
        else:
            self.within[x.node] = self.within[x.forward.node if x.forward else x.node]
            arriving = shares(arguments, 0, x.count)
            placeholders = x.graph.inputs[len(x.part.graph.inputs) :]
        for own, mine in zip(self.within[x.node], arriving, strict=True):
            own.update(zip(placeholders, mine, strict=True))
            slot, vector = self._reader(own)
            for node in x.graph.interiors:
                if node not in own:
                    own[node] = self._append(node, slot, vector)
            picked += [slot(y) for y in x.graph.picks]
            if gradient is not None:
                one, common = self.work.constant(1.0), set(gradient.common)
                for p, y in gradient.single.items():
                    if p in common:
                        flows.setdefault(p, []).append((one, slot(y)))
                for params, factors, rows in gradient.rows:
                    for p, *xs in zip(params, *rows, strict=True) if params[0] in common else ():
                        flows.setdefault(p, []).extend(zip(map(slot, factors), map(slot, xs), strict=True))
                single = [(self.number[p], y) for p, y in gradient.single.items() if p not in common]
                self._total(single, [row for row in gradient.rows if row.params[0] not in common], slot, vector)
        sums = [tuple(zip(*flows[p], strict=True)) for p in ([] if gradient is None else gradient.common)]
        nothing = self.work.constant(-0.0)
        self.picked[x.node] = [*[self.work.append(ops.dot, (*pairs, nothing)) for pairs in sums], *picked]

    def _total(self, summed: Sequence[tuple[int, Any]], rows: Sequence[Row], slot: Any, vector: Any) -> None:
        """Notes slopes as parts of totals."""
        self.summed += [(i, slot(y)) for i, y in summed]
        for params, factors, terms in rows:
            into = tuple([self.number[p] for p in params])
            self.totals.append(RowTotal(into, vector(factors), tuple(map(vector, terms))))

    def _reader(self, own: dict[Any, int]) -> tuple[Callable[[Any], int], Callable[[Any], tuple[int, ...]]]:
        """The slot of a node or float, and those of a vector, of which some stand in `own`."""
        slots, constant = self.slots, self.work.constant

        def slot(x: Any) -> int:
            if type(x) is float:
                return constant(x)
            return slots[x] if (found := own.get(x)) is None else found

        return slot, by_identity(lambda x: tuple(map(slot, x)))

    def _append(self, node: Node, slot: Any, vector: Any) -> int:
        assert node.primitive is not None  # no leaf
        check_own(node)
        return self.work.append(
            node.primitive, tuple([vector(x) if type(x) is tuple else slot(x) for x in arguments(node)])
        )


def _name(node: Node, otherwise: str) -> str:
    note = node.note
    return (note.label or note.module if note else "") or otherwise
