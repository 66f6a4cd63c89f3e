"""Kernels as LLVM code: one native function for each kind, with its counts, strides and places as arguments.

The numbers of each example lie with the examples side by side, so that one vector holds a number of several examples.
Blocks of rows and vectors keep their sums in registers.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from ..schedule.kernels import Expression
from .arithmetic import SCALARS
from .builder import (
    F64,
    I64,
    INNER,
    OUTER,
    PLACES,
    POINTER,
    STRIDES_INNER,
    STRIDES_OUTER,
    TABLE_W,
    TABLE_X,
    TERMS,
    Blocks,
    KernelBuilder,
    reduced,
    reduced_together,
)
from .vectors import Vectors


def dot(
    module: ir.Module, name: str, blocks: Blocks, *, own_w: bool, own_bias: bool, strides: bool, shared_x: bool
) -> None:
    """`Dot`, with x of each example, and w and the bias of each or shared. strides: whether the record has strides
    from term to term in the place of tables. shared_x: whether the rows of an inner loop share x."""
    f = KernelBuilder(module, name, blocks)
    f.over_lanes()
    stride_w, stride_x, stride_b, stride_o = (f.entry(STRIDES_INNER + k) for k in range(4))
    ws, xs, terms, inner = f.entry(TABLE_W), f.entry(TABLE_X), f.entry(TERMS), f.entry(INNER)
    lanes = range(blocks.vectors)

    def block(places: list[ir.Value], j: ir.Value, rows: int) -> None:
        w, x, bias, out = (
            f.plus(place, f.times(j, stride))
            for place, stride in zip(places, (stride_w, stride_x, stride_b, stride_o), strict=True)
        )
        each = [[f.plus(p, f.times(stride, r)) for r in range(rows)]
                for p, stride in ((w, stride_w), (bias, stride_b), (out, stride_o))]  # fmt: skip

        def over_examples(e: ir.Value, _: Sequence[ir.Value]) -> None:
            sums = []
            for r in range(rows):
                if own_bias:
                    sums += [f.load(f.plus(each[1][r], e, v * blocks.lanes)) for v in lanes]
                else:
                    sums += [f.spread(f.scalar(each[1][r]))] * blocks.vectors

            start_x = f.plus(x, e)

            def term(k: ir.Value, carried: Sequence[ir.Value]) -> list[ir.Value]:
                at_w, at_x, *sums = carried
                following = [f.plus(at_w, ws), f.plus(at_x, xs)]
                if not strides:
                    at_w, at_x = (f.element(f.b.inttoptr(table, POINTER), k) for table in (ws, xs))
                    following = [at_w, at_x]
                at_x = f.plus(start_x, at_x)
                numbers = [f.load(f.plus(at_x, v * blocks.lanes)) for v in lanes]
                result = following
                for r in range(rows):
                    place = f.plus(each[0][r], at_w)
                    factor = [] if own_w else [f.spread(f.scalar(place))] * blocks.vectors
                    for v in lanes:
                        a = f.load(f.plus(place, e, v * blocks.lanes)) if own_w else factor[v]
                        result.append(f.fma(a, numbers[v], sums[r * blocks.vectors + v]))
                return result

            _, _, *sums = f.loop(f.whole(0), terms, 1, term, [f.whole(0), f.whole(0), *sums])
            for (r, v), total in zip(itertools.product(range(rows), lanes), sums, strict=True):
                f.store(total, f.plus(each[2][r], e, v * blocks.lanes))

        f.loop(f.whole(0), f.examples, blocks.width, over_examples)

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        f.rows(blocks.rows if shared_x else 1, inner, lambda j, rows: block(places, j, rows))

    f.walk(4, outer)
    f.done()


def total(module: ir.Module, name: str, blocks: Blocks, *, own_w: bool, side_by_side: bool, grid: bool) -> None:
    """`Total`: sums over terms and examples, added to what is there. side_by_side: whether the sums of an inner loop
    lie next to each other. grid: whether an outer loop goes over rows that share x, and an inner one over those that
    share w.
    """
    f = KernelBuilder(module, name, blocks)
    f.over_lanes()
    ws, xs, terms = f.table(TABLE_W), f.table(TABLE_X), f.entry(TERMS)
    outer = [f.entry(STRIDES_OUTER + k) for k in (0, 1, 3)]
    inner = [f.entry(STRIDES_INNER + k) for k in (0, 1, 3)]
    base = [f.entry(PLACES + k) for k in (0, 1, 3)]
    full = f.times(f.b.sdiv(f.examples, f.whole(blocks.lanes)), blocks.lanes)
    tail = f.b.icmp_signed("<", full, f.examples)
    mask = f.mask(f.b.sub(f.examples, full))
    nothing = ir.Constant(f.vector, [0.0] * blocks.lanes)

    def block(i: ir.Value, j: ir.Value, height: int, width: int) -> None:
        def place_of(k: int, r: int, c: int) -> ir.Value:
            return f.plus(base[k], f.times(f.plus(i, r), outer[k]), f.times(f.plus(j, c), inner[k]))

        at_w = [place_of(0, r, 0) for r in range(height)]
        at_x = [place_of(1, 0, c) for c in range(width)]

        def term(k: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
            offset_w, offset_x = f.element(ws, k), f.element(xs, k)

            def step(e: ir.Value, sums: Sequence[ir.Value], keep: Callable[[ir.Value], ir.Value]) -> list[ir.Value]:
                left = [
                    keep(f.load(f.plus(p, offset_w, e))) if own_w else f.spread(f.scalar(f.plus(p, offset_w)))
                    for p in at_w
                ]
                right = [keep(f.load(f.plus(p, offset_x, e))) for p in at_x]
                pairs = itertools.product(left, right)
                return [f.fma(a, b, total) for (a, b), total in zip(pairs, sums, strict=True)]

            sums = f.loop(f.whole(0), full, blocks.lanes, lambda e, sums: step(e, sums, lambda x: x), sums)
            return f.perhaps(tail, sums, lambda: step(full, sums, lambda x: f.b.select(mask, x, nothing)))

        sums = f.loop(f.whole(0), terms, 1, term, [nothing] * (height * width))
        if side_by_side and width == blocks.lanes:
            for r in range(height):
                place = place_of(2, r, 0)
                x = reduced_together(f, sums[r * width : (r + 1) * width])
                f.store(f.b.fadd(f.load(place), x), place)
            return
        for (r, c), x in zip(itertools.product(range(height), range(width)), sums, strict=True):
            out = place_of(2, r, c)
            f.b.store(f.b.fadd(f.scalar(out), reduced(f, x)), f.at(out))

    def rows(i: ir.Value, height: int, step: int) -> None:
        f.rows(step, f.entry(INNER), lambda j, width: block(i, j, height, width))

    if grid:
        f.rows(blocks.vectors, f.entry(OUTER), lambda i, height: rows(i, height, blocks.rows))
    else:
        f.rows(1, f.entry(OUTER), lambda i, _: rows(i, 1, 1))
    f.done()


def mapped(module: ir.Module, name: str, blocks: Blocks, expression: Expression, own: Sequence[bool]) -> None:
    """`Map`: the expression of operands, each of the example's own or shared; the result is the example's own."""
    f = KernelBuilder(module, name, blocks)
    f.over_lanes()
    count = len(own)
    strides = [f.entry(STRIDES_INNER + k) for k in range(count + 1)]

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        def row(j: ir.Value, _: Sequence[ir.Value]) -> None:
            at = [f.at(f.plus(p, f.times(j, stride))) for p, stride in zip(places, strides, strict=True)]
            fixed = [None if own[k] else f.spread(f.b.load(at[k], typ=F64)) for k in range(count)]

            def examples(e: ir.Value, _: Sequence[ir.Value]) -> None:
                operands = [f.load_at(f.beyond(at[k], e)) if x is None else x for k, x in enumerate(fixed)]
                f.store_at(compute(f, expression, operands), f.beyond(at[count], e))

            f.loop(f.whole(0), f.examples, blocks.lanes, examples)

        f.loop(f.whole(0), f.entry(INNER), 1, row)

    f.walk(count + 1, outer)
    f.done()


def gather(module: ir.Module, name: str, blocks: Blocks, *, own_index: bool, own_x: bool) -> None:
    """`Gather`, example by example; nan for an index that is none."""
    f = KernelBuilder(module, name, blocks)
    f.over_lanes()
    strides, xs, size = [f.entry(STRIDES_INNER + k) for k in range(3)], f.table(TABLE_X), f.entry(TERMS)

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        def row(j: ir.Value, _: Sequence[ir.Value]) -> None:
            at_index, x, out = (f.plus(p, f.times(j, stride)) for p, stride in zip(places, strides, strict=True))

            def example(e: ir.Value, _: Sequence[ir.Value]) -> None:
                index = f.scalar(f.plus(at_index, e) if own_index else at_index)
                right = f.b.and_(
                    f.b.fcmp_ordered(">=", index, ir.Constant(F64, 0.0)),
                    f.b.fcmp_ordered("<", index, f.b.sitofp(size, F64)),
                )
                number = f.b.fptosi(f.b.select(right, index, ir.Constant(F64, 0.0)), I64)
                right = f.b.and_(right, f.b.fcmp_ordered("==", f.b.sitofp(number, F64), index))
                place = f.plus(x, f.element(xs, number))
                found = f.scalar(f.plus(place, e) if own_x else place)
                f.b.store(f.b.select(right, found, ir.Constant(F64, math.nan)), f.at(f.plus(out, e)))

            f.loop(f.whole(0), f.examples, 1, example)

        f.loop(f.whole(0), f.entry(INNER), 1, row)

    f.walk(3, outer)
    f.done()


def compute(f: KernelBuilder, expression: Expression, operands: Sequence[ir.Value]) -> Any:
    if type(expression) is not tuple:
        return operands[expression]
    primitive, *parts = expression
    return SCALARS[primitive](Vectors(f.b, f.module, f.vector), *[compute(f, x, operands) for x in parts])
