"""Re-rolling: instructions that do the same to different numbers become kernels, so that a layer that was recorded as
thousands of scalar products runs as a matrix product again.

Kernels go level by level. What depends on inputs has a place for each example; what depends on shared numbers alone is
computed once.
"""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ... import ops
from ..identity import by_identity
from ..ir.program import Program
from .kernels import EACH, LARGEST, OPERANDS, Dot, Expression, Gather, Kernel, Map, Total, is_by_call, kind_of
from .loops import Nest, Places, joined, nests, rows_of


class Vector(NamedTuple):
    """The places of a vector."""

    first: int
    offsets: tuple[int, ...]


class _Rows(NamedTuple):
    """Rows of a kernel, and the slots of their results."""

    make: Callable[[list[Nest]], Kernel]
    rows: list[Places]
    slots: list[int]

    def add(self, row: Places, slot: int) -> None:
        self.rows.append(row)
        self.slots.append(slot)


class Roller:
    """Makes kernels of instructions. shared: the places of shared numbers, and the first ones of constants, and of what
    is computed of both. late: how many of the inputs, the last ones, belong to a reverse sweep, which comes later.
    """

    def __init__(self, program: Program, shared: Sequence[int], constants: int, once: int, late: int = 0) -> None:
        self.program, self.first = program, program.first
        self.total = program.first + len(program.instructions)
        inputs, count = len(program.inputs), len(program.constants)
        self.place: list[int] = program.slots(
            [*range(EACH, EACH + inputs), *shared], range(constants, constants + count)
        )
        self.own: list[bool] = program.slots([True] * inputs + [False] * len(shared), [False] * count)
        self.level: list[int] = program.slots([0] * self.first, [0] * count)
        self.late: list[bool] = program.slots(
            [*[False] * (inputs - late), *[True] * late, *[False] * len(shared)], [False] * count
        )
        self.next_own, self.next_shared, self.reverse = EACH + inputs, once, late > 0
        self.once, self.each = list[Kernel](), list[Kernel]()
        self.ahead, self.afterwards = self.each, list[Kernel]()
        """Kernels of the reverse sweep stand in the second."""
        self.expressions: dict[int, tuple[Expression, tuple[int, ...]]] = {}
        self.one = self.place[-1 - program.constants.index(1.0)]
        self.copies: dict[int, int] = {}  # the place of a number that all share, for each example
        self.shared_copies: dict[int, int] = {}
        self.offsets: dict[Any, Any] = {}  # each of them once, so that their identity tells them apart
        self.line = by_identity(self._line)  # asked for when the whole vector has its places

    def roll(self) -> None:
        program, first = self.program, self.first
        uses, kept = program.uses(), Counter(program.outputs)
        summed = {y: i for i, y in program.summed()}
        products = {  # what is needed only as its sum over the examples
            y: i for y, i in summed.items()
            if y >= first and not uses[y] and kept[y] == 1
            and program.instructions[y - first].primitive in (ops.dot, ops.mul)
        }  # fmt: skip
        inlined = self._read(uses, kept, products)
        products = {y: i for y, i in products.items() if self.own[y]}
        groups: dict[tuple[Any, ...], list[int]] = {}
        for slot in range(first, self.total):
            if slot not in inlined:
                kind = self._kind(slot, slot in products)
                key = (self.late[slot], self.level[slot]), self.own[slot], slot in products, kind
                groups.setdefault(key, []).append(slot)
        for key in sorted(groups, key=lambda key: key[0]):
            (late, level), own, total, kind = key
            self.make_calls(level)
            if late and self.each is not self.afterwards:
                self._begin_reverse()
            members = groups[key]
            if total:
                self._totals([(*self._factors(y), products[y]) for y in members])
            elif kind[0] is ops.dot:
                self._dots(members, own)
            elif kind[0] is ops.gather:
                self._gathers(members, own)
            else:
                self._maps(members, own, kind)
        self.make_calls(None)
        if self.reverse and self.each is not self.afterwards:
            self._begin_reverse()
        self._sum_up(summed, products)

    def make_calls(self, until: int | None) -> None:
        """Makes the calls up to a level; all, unless told."""

    def _begin_reverse(self) -> None:
        self.ahead, self.each = self.each, self.afterwards  # which is what is written to from now on

    def _operands(self, slot: int) -> Any:
        return self.program.instructions[slot - self.first].operands

    def _read(self, uses: list[int], kept: Counter[int], products: dict[int, int]) -> set[int]:
        """Finds the expressions, and returns the slots that became a part of another's; finds levels and owners."""
        own, level, sizes, inlined = self.own, self.level, dict[int, int](), set[int]()
        of_vector = by_identity(lambda x: (any(own[y] for y in x), max([level[y] for y in x])))
        late, late_in = self.late, by_identity(lambda x: any(late[y] for y in x))
        for slot, (primitive, operands) in enumerate(self.program.instructions, self.first):
            self.before(slot)
            late[slot] = any(late_in(x) if type(x) is tuple else late[x] for x in operands)
            if primitive is ops.dot or primitive is ops.gather:
                found = [of_vector(x) if type(x) is tuple else (own[x], level[x]) for x in operands]
                own[slot], level[slot] = any(mine for mine, _ in found), 1 + max([depth for _, depth in found])
            elif slot in products and any(own[y] for y in operands):  # its factors have places of their own
                own[slot], level[slot] = True, 1 + max([level[y] for y in operands])
            else:
                own[slot] = any(own[y] for y in operands)
                size, parts, leaves = 1, list[Expression](), dict[int, int]()
                for left, y in zip(range(len(operands) - 1, -1, -1), operands, strict=True):
                    if (
                        y in sizes and uses[y] == 1 and not kept[y]
                        and own[y] == own[slot] and late[y] == late[slot]
                        and size + sizes[y] <= LARGEST
                        and len({*leaves, *self.expressions[y][1]}) + left <= OPERANDS
                    ):  # fmt: skip
                        inner, inner_leaves = self.expressions.pop(y)
                        inlined.add(y)
                        size += sizes[y]
                        parts.append(_renumbered(inner, [leaves.setdefault(z, len(leaves)) for z in inner_leaves]))
                    else:
                        parts.append(leaves.setdefault(y, len(leaves)))
                sizes[slot] = size
                slots = list(leaves)
                self.expressions[slot] = (primitive, *parts), tuple(slots)
                level[slot] = 1 + max([level[y] for y in slots])
        self.before(self.total)
        return inlined

    def before(self, slot: int) -> None:
        """Finds the levels of calls that can be made before this instruction."""

    def _kind(self, slot: int, total: bool) -> tuple[Any, ...]:
        """The properties that instructions of one group share, besides their level."""
        primitive, operands = self.program.instructions[slot - self.first]
        if total or primitive is ops.dot:
            return ops.dot, len(operands[0]) if primitive is ops.dot else 1
        if primitive is ops.gather:
            return ops.gather, len(operands[1])
        expression: tuple[Any, ...] = self.expressions[slot][0]
        return expression

    def _factors(self, slot: int) -> "tuple[Vector, Vector]":
        """The places of the factors of a product, or of each of a sum of products."""
        primitive, operands = self.program.instructions[slot - self.first]
        if primitive is ops.dot:
            return self.line(operands[0]), self.line(operands[1])
        return Vector(self.place[operands[0]], (0,)), Vector(self.place[operands[1]], (0,))

    def _line(self, vector: tuple[int, ...]) -> "Vector":
        """Its places, or those of copies if they cannot be counted from one another."""
        places = [self.place[y] for y in vector]
        if len({*map(kind_of, places)}) > 1:
            own = any(self.own[y] for y in vector)
            places = self._own_places(vector) if own else self._shared_places(vector)
        return self._line_of(places)

    def _line_of(self, places: Sequence[int]) -> "Vector":
        first = places[0]
        offsets = tuple([y - first for y in places])
        return Vector(first, self.offsets.setdefault(offsets, offsets))

    def _new(self, slot: int, own: bool) -> int:
        if own:
            self.next_own += 1
            self.place[slot] = self.next_own - 1
        else:
            self.next_shared += 1
            self.place[slot] = self.next_shared - 1
        return self.place[slot]

    def _maps(self, members: list[int], own: bool, expression: Expression) -> None:
        place, kernels = self.place, dict[Any, _Rows]()
        for row, slot in sorted((tuple([place[y] for y in self.expressions[slot][1]]), slot) for slot in members):
            pattern = tuple(map(kind_of, row))
            kernels.setdefault(pattern, _Rows(functools.partial(Map, expression), [], [])).add(row, slot)
        self._take(kernels.values(), own)

    def _gathers(self, members: list[int], own: bool) -> None:
        place, kernels = self.place, dict[Any, _Rows]()
        for slot in members:
            index, xs = self._operands(slot)
            x, offsets = self.line(xs)  # an address is counted from one place, so all have to lie together
            key = offsets, kind_of(place[index]), kind_of(x)
            kernels.setdefault(key, _Rows(functools.partial(Gather, offsets), [], [])).add((place[index], x), slot)
        self._take(kernels.values(), own)

    def _dots(self, members: list[int], own: bool) -> None:
        found = []
        for slot in members:
            ws, xs = self._factors(slot)
            if own and not is_by_call(xs.first):
                if is_by_call(ws.first):
                    ws, xs = xs, ws
                else:
                    xs = self._line_of(self._own_places(self._operands(slot)[1]))
            found.append((xs.first, ws.first, slot, ws.offsets, xs.offsets))
        kernels: dict[Any, _Rows] = {}
        for x, w, slot, steps_w, steps_x in sorted(found):
            bias = self.place[self._operands(slot)[2]]
            key = id(steps_w), id(steps_x), kind_of(w), kind_of(x), kind_of(bias)
            kernels.setdefault(key, _Rows(functools.partial(Dot, steps_w, steps_x), [], [])).add((w, x, bias), slot)
        self._take(kernels.values(), own)

    def _take(self, kernels: "Iterable[_Rows]", own: bool) -> None:
        """Gives results their places."""
        for make, rows, slots in kernels:
            found = [(*row, self._new(slot, own)) for row, slot in zip(rows, slots, strict=True)]
            (self.each if own else self.once).append(make(nests(found)))

    def _totals(self, found: "list[tuple[Vector, Vector, int]]") -> None:
        kernels: dict[Any, list[tuple[int, int, int]]] = {}
        for ws, xs, out in sorted(found, key=lambda row: row[2]):
            total = self.total_of(out)
            if not is_by_call(xs.first):  # of the two factors the second is each example's own
                ws, xs = xs, ws
            key = ws.offsets, xs.offsets, kind_of(ws.first), kind_of(total)
            kernels.setdefault(key, []).append((ws.first, xs.first, total))
        self.each.extend([Total(ws, xs, nests(rows)) for (ws, xs, *_), rows in kernels.items()])

    def _row_totals(self) -> None:
        """The totals of whole rows: those whose terms and rows lie the same way are loops within each other."""
        groups: dict[Any, list[tuple[Any, ...]]] = {}
        for into, factors, rows in self.program.totals:
            (w, ws), lines = self.line(factors), [self.line(row) for row in rows]
            if len({kind_of(line.first) for line in lines}) > 1:
                lines = [self._line_of(self._own_places(row)) for row in rows]
            if not is_by_call(lines[0].first) and not is_by_call(w):
                w, ws = self._line_of(self._own_places(factors))
            if len({id(line.offsets) for line in lines}) > 1:
                self._totals(self._columns(Vector(w, ws), lines, into))
                continue
            (x, offsets), terms = lines[0], self._line_of([line.first for line in lines]).offsets
            first, out = self._line_of(list(map(self.total_of, into)))
            key = id(ws), id(terms), id(offsets), id(out), kind_of(w), kind_of(x), kind_of(first)
            groups.setdefault(key, []).append((w, x, first, ws, terms, offsets, out))
        for members in groups.values():
            *_, ws, terms, offsets, out = members[0]
            found = list[Nest]()
            for piece in nests(list(zip(offsets, out, strict=True))):
                for at_x, at_out in itertools.islice(rows_of(piece), 0, None, piece.counts[1]):
                    inner = 0, piece.inner[0], piece.inner[1]
                    starts = [(m[0], m[1] + at_x, m[2] + at_out) for m in members]
                    found += joined([Nest((1, piece.counts[1]), start, (0, 0, 0), inner) for start in starts])
            if not is_by_call(members[0][1]):  # of the two factors the second is each example's own
                found = [_exchanged(nest) for nest in found]
                ws, terms = terms, ws
            self.each.append(Total(ws, terms, found))

    def total_of(self, number: int) -> int:
        """The place of a total."""
        return number

    @staticmethod
    def _columns(ws: Vector, lines: list[Vector], into: Sequence[int]) -> "list[tuple[Vector, Vector, int]]":
        """The same as sums of products, one for each total."""
        found = []
        for k, i in enumerate(into):
            places = [line.first + line.offsets[k] for line in lines]
            xs = Vector(places[0], tuple([x - places[0] for x in places]))
            found.append((ws, xs, i) if is_by_call(places[0]) else (xs, ws, i))
        return found

    def _sum_up(self, summed: dict[int, int], products: dict[int, int]) -> None:
        """Totals. Outputs that are summed and are no products become products with one."""
        program, rest, one = self.program, list[tuple[Vector, Vector, int]](), Vector(self.one, (0,))
        for i, y in program.summed():
            if products.get(y) != i:
                rest.append((one, Vector(self._own_places([y])[0], (0,)), i))
        biases = [(i, self._operands(y)[2]) for y, i in products.items() if len(self._operands(y)) == 3]
        for i, bias in biases:
            if bias >= 0 or program.constants[-1 - bias] != 0.0:
                rest.append((one, Vector(self._own_places([bias])[0], (0,)), i))
        if rest:
            self._totals(rest)
        self._row_totals()

    def _own_places(self, slots: Sequence[int]) -> list[int]:
        """The places of what each example has of its own; what all share is copied there."""
        mine = {y: is_by_call(self.place[y]) for y in slots}
        new = [y for y, is_mine in mine.items() if not is_mine and y not in self.copies]
        if new:
            self.copies.update(zip(new, range(self.next_own, self.next_own + len(new)), strict=True))
            self._copy([(self.place[y], self.copies[y]) for y in new], self.each)
            self.next_own += len(new)
        return [self.place[y] if mine[y] else self.copies[y] for y in slots]

    def _shared_places(self, slots: Sequence[int]) -> list[int]:
        """The places of copies of shared numbers, which lie together."""
        new = [y for y in dict.fromkeys(slots) if y not in self.shared_copies]
        if new:
            self.shared_copies.update(zip(new, range(self.next_shared, self.next_shared + len(new)), strict=True))
            self._copy([(self.place[y], self.shared_copies[y]) for y in new], self.once)
            self.next_shared += len(new)
        return [self.shared_copies[y] for y in slots]

    @staticmethod
    def _copy(rows: Sequence[Places], kernels: list[Kernel]) -> None:
        """Adds kernels that copy from places to others."""
        for _, some in itertools.groupby(sorted(rows), key=lambda row: kind_of(row[0])):
            kernels.append(Map((ops.identity, 0), nests(list(some))))


def _exchanged(nest: Nest) -> Nest:
    """The same with its first two places exchanged."""
    return Nest(nest.counts, *[(b, a, *rest) for a, b, *rest in nest[1:]])


def _renumbered(expression: Expression, leaves: list[int]) -> Expression:
    if type(expression) is tuple:
        return (expression[0], *[_renumbered(x, leaves) for x in expression[1:]])
    return leaves[expression]
