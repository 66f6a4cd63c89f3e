"""Re-rolling: instructions that do the same to different numbers become kernels, so that a layer that was recorded as
thousands of scalar products runs as a matrix product again.

Kernels go level by level. What depends on inputs has a place for each example; what depends on shared numbers alone is
computed once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ... import ops
from ..ir.program import Program, by_identity
from .kernels import EACH, LARGEST, OPERANDS, Dot, Expression, Gather, Kernel, Kernels, Map, Total


def roll(program: Program, totals: Sequence[bool]) -> Kernels:
    """The kernels of a program that `separate` has left.

    totals: for each output, whether only its sum over the examples is wanted.
    """
    return _Roller(program, totals).roll()


class Vector(NamedTuple):
    """The places of a vector."""

    first: int
    offsets: tuple[int, ...]


class _Roller:
    def __init__(self, program: Program, totals: Sequence[bool]) -> None:
        inputs, shared, constants = len(program.inputs), len(program.shared), len(program.constants)
        self.program, self.totals, self.first = program, totals, program.first
        self.total = program.first + len(program.instructions)
        own = range(EACH, EACH + inputs)
        self.place: list[int] = program.slots([*own, *range(shared)], range(shared, shared + constants))
        self.own: list[bool] = program.slots([True] * inputs + [False] * shared, [False] * constants)
        self.level: list[int] = program.slots([0] * program.first, [0] * constants)
        self.next_own, self.next_shared = EACH + inputs, shared + constants
        self.once, self.each = list[Kernel](), list[Kernel]()
        self.expressions: dict[int, tuple[Expression, tuple[int, ...]]] = {}
        self.one = self.place[-1 - program.constants.index(1.0)]
        self.copies: dict[int, int] = {}  # the place of a number that all share, for each example
        self.offsets: dict[Any, Any] = {}  # each of them once, so that their identity tells them apart
        self.line = by_identity(self._line)  # asked for when the whole vector has its places

    def roll(self) -> Kernels:
        program, first = self.program, self.first
        uses, kept = program.uses(), Counter(program.outputs)
        summed = {y: i for i, (y, total) in enumerate(zip(program.outputs, self.totals, strict=True)) if total}
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
                key = (self.level[slot], self.own[slot], slot in products, self._kind(slot, slot in products))
                groups.setdefault(key, []).append(slot)
        for level, own, total, kind in sorted(groups, key=lambda key: key[0]):
            members = groups[level, own, total, kind]
            if total:
                self._totals([(*self._factors(y), products[y]) for y in members])
            elif kind[0] is ops.dot:
                self._dots(members, own)
            elif kind[0] is ops.gather:
                self._gathers(members, own)
            else:
                self._maps(members, own, kind)
        return self._finished(summed, products)

    def _operands(self, slot: int) -> Any:
        return self.program.instructions[slot - self.first].operands

    def _read(self, uses: list[int], kept: Counter[int], products: dict[int, int]) -> set[int]:
        """Finds the expressions, and returns the slots that became a part of another's; finds levels and owners."""
        own, level, sizes, inlined = self.own, self.level, dict[int, int](), set[int]()
        of_vector = by_identity(lambda x: (any(own[y] for y in x), max([level[y] for y in x])))
        for slot, (primitive, operands) in enumerate(self.program.instructions, self.first):
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
                        y in sizes and uses[y] == 1 and not kept[y] and own[y] == own[slot]
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
        return inlined

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
        places = [self.place[y] for y in vector]
        offsets = tuple([y - places[0] for y in places])
        return Vector(places[0], self.offsets.setdefault(offsets, offsets))

    def _new(self, slot: int, own: bool) -> int:
        if own:
            self.next_own += 1
            self.place[slot] = self.next_own - 1
        else:
            self.next_shared += 1
            self.place[slot] = self.next_shared - 1
        return self.place[slot]

    def _maps(self, members: list[int], own: bool, expression: Expression) -> None:
        place, kernels = self.place, dict[Any, Map]()
        for row, slot in sorted((tuple([place[y] for y in self.expressions[slot][1]]), slot) for slot in members):
            pattern = tuple([x >= EACH for x in row])
            kernel = kernels.setdefault(pattern, Map(expression, [], []))
            kernel.rows.append(row)
            kernel.out.append(slot)
        self._take(kernels.values(), own)

    def _gathers(self, members: list[int], own: bool) -> None:
        place, kernels = self.place, dict[Any, Gather]()
        for slot in members:
            index, xs = self._operands(slot)
            at = [place[y] for y in xs]
            if len({y >= EACH for y in at}) > 1:  # an address is counted from one place, so all have to lie together
                at = self._own_places(xs)
            x = at[0]
            offsets = tuple([y - x for y in at])
            kernel = kernels.setdefault((offsets, place[index] >= EACH, x >= EACH), Gather(offsets, [], []))
            kernel.rows.append((place[index], x))
            kernel.out.append(slot)
        self._take(kernels.values(), own)

    def _take(self, kernels: Iterable[Any], own: bool) -> None:
        """Gives results, which so far are slots, their places."""
        for kernel in kernels:
            kernel.out[:] = [self._new(slot, own) for slot in kernel.out]
            (self.each if own else self.once).append(kernel)

    def _dots(self, members: list[int], own: bool) -> None:
        found = []
        for slot in members:
            ws, xs = self._factors(slot)
            found.append((xs.first, ws.first, slot, ws.offsets, xs.offsets))
        kernels: dict[Any, Dot] = {}
        for x, w, slot, steps_w, steps_x in sorted(found):
            bias = self.place[self._operands(slot)[2]]
            key = id(steps_w), id(steps_x), w >= EACH, x >= EACH, bias >= EACH
            if (kernel := kernels.get(key)) is None:
                kernels[key] = kernel = Dot(steps_w, steps_x, [], [])
            kernel.rows.append((w, x, bias))
            kernel.out.append(slot)
        self._take(kernels.values(), own)

    def _totals(self, found: "list[tuple[Vector, Vector, int]]") -> None:
        kernels: dict[Any, Total] = {}
        for ws, xs, out in sorted(found, key=lambda row: row[2]):
            key = ws.offsets, xs.offsets, ws.first >= EACH
            if (kernel := kernels.get(key)) is None:
                kernels[key] = kernel = Total(ws.offsets, xs.offsets, [], [])
            kernel.rows.append((ws.first, xs.first))
            kernel.out.append(out)
        self.each.extend(kernels.values())

    def _finished(self, summed: dict[int, int], products: dict[int, int]) -> Kernels:
        """The kernels. Outputs that are summed and are no products become products with one."""
        rest, outputs, one = list[tuple[Vector, Vector, int]](), list[int](), Vector(self.one, (0,))
        for i, (y, total) in enumerate(zip(self.program.outputs, self.totals, strict=True)):
            outputs.append(i if total else self.place[y])
            if total and products.get(y) != i:
                rest.append((one, Vector(self._own_places([y])[0], (0,)), i))
        biases = [(i, self._operands(y)[2]) for y, i in products.items() if len(self._operands(y)) == 3]
        for i, bias in biases:
            if bias >= 0 or self.program.constants[-1 - bias] != 0.0:
                rest.append((one, Vector(self._own_places([bias])[0], (0,)), i))
        if rest:
            self._totals(rest)
        program, own = self.program, self.next_own - EACH
        shared, inputs = len(program.shared), len(program.inputs)
        return Kernels(self.once, self.each, shared, program.constants, self.next_shared, inputs, own, outputs)

    def _own_places(self, slots: Sequence[int]) -> list[int]:
        """The places of what each example has of its own; what all share is copied there."""
        new = [y for y in dict.fromkeys(slots) if not self.own[y] and y not in self.copies]
        if new:
            self.copies.update(zip(new, range(self.next_own, self.next_own + len(new)), strict=True))
            rows: list[tuple[int, ...]] = [(self.place[y],) for y in new]
            self.each.append(Map((ops.identity, 0), rows, [self.copies[y] for y in new]))
            self.next_own += len(new)
        return [self.place[y] if self.own[y] else self.copies[y] for y in slots]


def _renumbered(expression: Expression, leaves: list[int]) -> Expression:
    if type(expression) is tuple:
        return (expression[0], *[_renumbered(x, leaves) for x in expression[1:]])
    return leaves[expression]
