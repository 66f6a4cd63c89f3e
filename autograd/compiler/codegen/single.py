"""Kernels for one example at a time, such as a document: rows of a kernel lie in the lanes of a vector, or the terms of
a sum do.

What all examples share and what is the example's own differ no longer: both lie number by number. So a place of a row
stays where it is, goes on by one, or by some other stride, and functions are made for that.
"""

import functools
from collections.abc import Callable, Sequence

from llvmlite import ir

from ..schedule.kernels import Expression
from ..schedule.loops import Nest
from .batch import compute
from .builder import INNER, STRIDES_INNER, TABLE_W, TABLE_X, TERMS, Blocks, KernelBuilder, reduced

STAYS, NEXT, OTHER = range(3)
"""The ways in which a place goes on from row to row."""
TOGETHER = 4
"""The rows, or vectors of them, that share loads."""


def steps_of(piece: Nest) -> tuple[int, ...]:
    """The way in which each place of a nest goes on."""
    return tuple([x if x in (STAYS, NEXT) else OTHER for x in piece.inner])


class Rows(KernelBuilder):
    """A function over the rows of a nest, many at a time."""

    def load_rows(self, how: int, place: ir.Value, j: ir.Value, stride: ir.Value, mask: ir.Value | None) -> ir.Value:
        """The numbers at a place for the rows from the j-th on; under a mask, nothing beyond the last row is read."""
        if how == STAYS:
            return self.spread(self.scalar(place))
        if how == NEXT:
            at = self.plus(place, j)
            return self.load(at) if mask is None else self.load_some(at, mask)
        x, last = ir.Constant(self.vector, ir.Undefined), self.plus(self.entry(INNER), -1)
        for lane in range(self.blocks.lanes):
            row = self.plus(j, lane)
            if mask is not None:
                row = self.b.select(self.b.icmp_signed("<", row, last), row, last)
            one = self.scalar(self.plus(place, self.times(row, stride)))
            x = self.b.insert_element(x, one, ir.Constant(ir.IntType(32), lane))
        return x

    def over_rows(self, body: Callable[[ir.Value, int, ir.Value | None], None], together: int) -> None:
        """body(j, how many vectors, the mask of those rows that there are, if not all)."""
        lanes, inner = self.blocks.lanes, self.entry(INNER)
        start = self.whole(0)
        for vectors in sorted({together, 1}, reverse=True):
            step = lanes * vectors
            stop = self.times(self.b.sdiv(inner, self.whole(step)), step)
            self.loop(start, stop, step, functools.partial(self._whole, body, vectors))
            start = stop
        if lanes > 1:
            with self.b.if_then(self.b.icmp_signed("<", start, inner)):
                body(start, 1, self.mask(self.b.sub(inner, start)))

    @staticmethod
    def _whole(body: Callable[[ir.Value, int, ir.Value | None], None], vectors: int, j: ir.Value, _: object) -> None:
        body(j, vectors, None)

    def put(self, x: ir.Value, place: ir.Value, mask: ir.Value | None) -> None:
        if mask is None:
            self.store(x, place)
        else:
            self.store_some(x, place, mask)


def mapped(module: ir.Module, name: str, blocks: Blocks, expression: Expression, steps: Sequence[int]) -> None:
    """`Map`. The result goes on by one from row to row, unless one row is computed at a time."""
    f = Rows(module, name, blocks)
    count = len(steps) - 1
    strides = [f.entry(STRIDES_INNER + k) for k in range(count + 1)]

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        def rows(j: ir.Value, _: int, mask: ir.Value | None) -> None:
            operands = [f.load_rows(steps[k], places[k], j, strides[k], mask) for k in range(count)]
            out = f.plus(places[count], j if steps[count] == NEXT else f.b.mul(j, strides[count]))
            f.put(compute(f, expression, operands), out, mask)

        f.over_rows(rows, 1)

    f.walk(count + 1, outer)
    f.done()


def dot(module: ir.Module, name: str, blocks: Blocks, steps: Sequence[int]) -> None:
    """`Dot`, rows in lanes: w, x, bias and out move as `steps` says; out by one, unless one row is computed at a time.
    A sum that is added to what is there has that as its bias."""
    f = Rows(module, name, blocks)
    lanes = blocks.lanes
    strides = [f.entry(STRIDES_INNER + k) for k in range(4)]
    ws, xs, terms = f.table(TABLE_W), f.table(TABLE_X), f.entry(TERMS)

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        def rows(j: ir.Value, vectors: int, mask: ir.Value | None) -> None:
            def numbers(k: int, place: ir.Value) -> list[ir.Value]:
                if steps[k] == STAYS:
                    return [f.load_rows(STAYS, place, j, strides[k], mask)] * vectors
                return [f.load_rows(steps[k], place, f.plus(j, v * lanes), strides[k], mask) for v in range(vectors)]

            def term(k: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                left = numbers(0, f.plus(places[0], f.element(ws, k)))
                right = numbers(1, f.plus(places[1], f.element(xs, k)))
                return [f.fma(a, b, total) for a, b, total in zip(left, right, sums, strict=True)]

            sums = f.loop(f.whole(0), terms, 1, term, numbers(2, places[2]))
            for v, total in enumerate(sums):
                row = f.plus(j, v * lanes)
                f.put(total, f.plus(places[3], row if steps[3] == NEXT else f.b.mul(row, strides[3])), mask)

        f.over_rows(rows, TOGETHER if lanes > 1 else 1)

    f.walk(4, outer)
    f.done()


def dot_of_neighbours(module: ir.Module, name: str, blocks: Blocks, *, same_x: bool) -> None:
    """`Dot`, terms in lanes: both factors of following terms lie side by side. same_x: all rows have the same x."""
    f = Rows(module, name, blocks)
    lanes, terms = blocks.lanes, f.entry(TERMS)
    full = f.times(f.b.sdiv(terms, f.whole(lanes)), lanes)
    mask, some = f.mask(f.b.sub(terms, full)), f.b.icmp_signed("<", full, terms)
    nothing = ir.Constant(f.vector, [0.0] * lanes)
    strides = [f.entry(STRIDES_INNER + k) for k in range(4)]

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        def rows(j: ir.Value, count: int) -> None:
            at = [[f.plus(places[k], f.b.mul(f.plus(j, r), strides[k])) for r in range(count)] for k in range(4)]

            def term(k: ir.Value, sums: Sequence[ir.Value], load: Callable[[ir.Value], ir.Value]) -> list[ir.Value]:
                right = [load(f.plus(at[1][r], k)) for r in range(1 if same_x else count)]
                left = [load(f.plus(at[0][r], k)) for r in range(count)]
                return [f.fma(left[r], right[0 if same_x else r], sums[r]) for r in range(count)]

            sums = f.loop(f.whole(0), full, lanes, lambda k, sums: term(k, sums, f.load), [nothing] * count)
            sums = f.perhaps(some, sums, lambda: term(full, sums, lambda place: f.load_some(place, mask)))
            for r, total in enumerate(sums):
                f.b.store(f.b.fadd(f.scalar(at[2][r]), reduced(f, total)), f.at(at[3][r]))

        f.rows(TOGETHER, f.entry(INNER), rows)

    f.walk(4, outer)
    f.done()
