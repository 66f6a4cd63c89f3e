"""Kernels as LLVM code: one native function for each kind, with its counts, strides and places as arguments.

A function takes a record of whole numbers, the memory, and for how many examples. All numbers lie in one memory of
doubles; what each example has of its own lies with the examples side by side, so that one vector holds a number of
several examples. Blocks of rows and vectors keep their sums in registers.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from llvmlite import ir

from .kernels import OPERANDS, Expression
from .scalars import SCALARS
from .vectors import Vectors

F64, I64, POINTER, VOID = ir.DoubleType(), ir.IntType(64), ir.PointerType(), ir.VoidType()
KERNEL = ir.FunctionType(VOID, [POINTER, POINTER, I64])


class Blocks(NamedTuple):
    """How many numbers a vector has, and how many rows and vectors a block of sums."""

    lanes: int
    rows: int
    vectors: int

    @property
    def width(self) -> int:
        """Examples that are computed together: places have room for a multiple of them."""
        return self.lanes * self.vectors


# A record: what a kernel is called with. Places count doubles from the beginning of the memory.
FUNCTION, OUTER, INNER, TERMS = range(4)
PLACES = 4  # of w, x, bias and out; for an expression of the operands and out
STRIDES_OUTER, STRIDES_INNER = PLACES + OPERANDS + 1, PLACES + 2 * (OPERANDS + 1)
TABLE_W, TABLE_X = PLACES + 3 * (OPERANDS + 1), PLACES + 3 * (OPERANDS + 1) + 1
SIZE = TABLE_X + 1


class Function:
    """A kernel under construction."""

    def __init__(self, module: ir.Module, name: str, blocks: Blocks) -> None:
        self.module, self.blocks = module, blocks
        function = ir.Function(module, KERNEL, name)
        self.record, self.memory, self.examples = function.args
        self.b = ir.IRBuilder(function.append_basic_block())
        self.vector = self.vector_of(blocks.lanes)

    @staticmethod
    def vector_of(lanes: int) -> ir.VectorType:
        return ir.VectorType(F64, lanes)

    def whole(self, x: int) -> ir.Constant:
        return ir.Constant(I64, x)

    def entry(self, i: int) -> ir.Value:
        """A number of the record."""
        return self.b.load(self.b.gep(self.record, [self.whole(i)], source_etype=I64), typ=I64)

    def element(self, table: ir.Value, i: ir.Value) -> ir.Value:
        return self.b.load(self.b.gep(table, [i], source_etype=I64), typ=I64)

    def table(self, i: int) -> ir.Value:
        return self.b.inttoptr(self.entry(i), POINTER)

    def at(self, place: ir.Value) -> ir.Value:
        return self.b.gep(self.memory, [place], source_etype=F64)

    def load(self, place: ir.Value, kind: ir.VectorType | None = None) -> ir.Value:
        """The numbers of several examples."""
        found = self.b.load(self.at(place), typ=kind or self.vector)
        found.align = 8
        return found

    def scalar(self, place: ir.Value) -> ir.Value:
        return self.b.load(self.at(place), typ=F64)

    def spread(self, x: ir.Value) -> ir.Value:
        """A number in every lane."""
        one = self.b.insert_element(ir.Constant(self.vector, ir.Undefined), x, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.blocks.lanes), [0] * self.blocks.lanes)
        return self.b.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), zeros)

    def store(self, x: ir.Value, place: ir.Value) -> None:
        self.b.store(x, self.at(place)).align = 8

    def mask(self, count: ir.Value) -> ir.Value:
        """True in the first `count` lanes."""
        lanes = range(self.blocks.lanes)
        numbers = ir.Constant(ir.VectorType(I64, self.blocks.lanes), list(lanes))
        undefined, zero = ir.Constant(numbers.type, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        spread = self.b.insert_element(undefined, count, zero)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.blocks.lanes), [0 for _ in lanes])
        return self.b.icmp_signed("<", numbers, self.b.shuffle_vector(spread, undefined, zeros))

    def store_some(self, x: ir.Value, place: ir.Value, mask: ir.Value) -> None:
        name = f"llvm.masked.store.v{self.blocks.lanes}f64.p0"
        kind = ir.FunctionType(VOID, [self.vector, POINTER, ir.IntType(32), mask.type])
        function = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        self.b.call(function, [x, self.at(place), ir.Constant(ir.IntType(32), 8), mask])

    def load_some(self, place: ir.Value, mask: ir.Value) -> ir.Value:
        """Zeros in the other lanes."""
        name = f"llvm.masked.load.v{self.blocks.lanes}f64.p0"
        kind = ir.FunctionType(self.vector, [POINTER, ir.IntType(32), mask.type, self.vector])
        function = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        nothing = ir.Constant(self.vector, [0.0] * self.blocks.lanes)
        return self.b.call(function, [self.at(place), ir.Constant(ir.IntType(32), 8), mask, nothing])

    def plus(self, a: ir.Value, *bs: ir.Value | int) -> ir.Value:
        for b in bs:
            if type(b) is int:
                b = self.whole(b)
            a = self.b.add(a, b)
        return a

    def times(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
        return self.b.mul(a, self.whole(b) if type(b) is int else b)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        return self.b.call(intrinsic(self.module, "fmuladd", self.vector, 3), [a, b, c])

    def loop(
        self,
        start: ir.Value,
        stop: ir.Value,
        step: int,
        body: Callable[[ir.Value, Sequence[ir.Value]], Sequence[ir.Value] | None],
        carried: Sequence[ir.Value] = (),
    ) -> list[ir.Value]:
        """for i in range(start, stop, step): carried = body(i, carried). Returns what is carried in the end."""
        before = self.b.block
        head, inside, after = (self.b.append_basic_block() for _ in range(3))
        self.b.branch(head)
        self.b.position_at_end(head)
        i = self.b.phi(I64)
        i.add_incoming(start, before)
        phis = [self.b.phi(x.type) for x in carried]
        for phi, x in zip(phis, carried, strict=True):
            phi.add_incoming(x, before)
        self.b.cbranch(self.b.icmp_signed("<", i, stop), inside, after)
        self.b.position_at_end(inside)
        results = body(i, phis) or []
        for phi, x in zip(phis, results, strict=True):
            phi.add_incoming(x, self.b.block)
        i.add_incoming(self.b.add(i, self.whole(step)), self.b.block)
        self.b.branch(head)
        self.b.position_at_end(after)
        return phis

    def rows(self, step: int, count: ir.Value, body: Callable[[ir.Value, int], None]) -> None:
        """body(i, how many) for blocks of `step` rows, and then for each row that is left over."""
        whole = self.times(self.b.sdiv(count, self.whole(step)), step)
        self.loop(self.whole(0), whole, step, lambda i, _: body(i, step))
        if step > 1:
            self.loop(whole, count, 1, lambda i, _: body(i, 1))

    def walk(self, count: int, body: Callable[[ir.Value, list[ir.Value]], None]) -> None:
        """body(places after the outer loop) for each turn of it; `count` places of the record move."""

        def turn(i: ir.Value, _: Sequence[ir.Value]) -> None:
            places = [
                self.plus(self.entry(PLACES + k), self.times(i, self.entry(STRIDES_OUTER + k))) for k in range(count)
            ]
            body(i, places)

        self.loop(self.whole(0), self.entry(OUTER), 1, turn)

    def done(self) -> None:
        self.b.ret_void()


def intrinsic(module: ir.Module, name: str, kind: ir.Type, arity: int) -> ir.Function:
    """LLVM's function of that name on numbers or vectors."""
    suffix = f"v{kind.count}f64" if isinstance(kind, ir.VectorType) else "f64"
    full = f"llvm.{name}.{suffix}"
    found = module.globals.get(full)
    return found or ir.Function(module, ir.FunctionType(kind, [kind] * arity), full)


def dot(module: ir.Module, name: str, blocks: Blocks, *, own_w: bool, own_bias: bool, strides: bool) -> None:
    """`Dot`, with x of each example, and w and the bias of each or shared. strides: whether the record has strides
    from term to term in the place of tables."""
    f = Function(module, name, blocks)
    stride_w, stride_x, stride_b, stride_o = (f.entry(STRIDES_INNER + k) for k in range(4))
    ws, xs, terms, inner = f.entry(TABLE_W), f.entry(TABLE_X), f.entry(TERMS), f.entry(INNER)
    shared_x = f.b.icmp_signed("==", stride_x, f.whole(0))
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
        with f.b.if_else(shared_x) as (together, alone):
            with together:
                f.rows(blocks.rows, inner, lambda j, rows: block(places, j, rows))
            with alone:
                f.rows(1, inner, lambda j, rows: block(places, j, rows))

    f.walk(4, outer)
    f.done()


def total(module: ir.Module, name: str, blocks: Blocks, *, own_w: bool, side_by_side: bool) -> None:
    """`Total`: sums over terms and examples, added to what is there. Each outer turn is a block of rows that share
    w, each inner one of rows that share x, if they do. side_by_side: whether the sums of an inner loop are so."""
    f = Function(module, name, blocks)
    ws, xs, terms = f.table(TABLE_W), f.table(TABLE_X), f.entry(TERMS)
    outer = [f.entry(STRIDES_OUTER + k) for k in (0, 1, 3)]
    inner = [f.entry(STRIDES_INNER + k) for k in (0, 1, 3)]
    base = [f.entry(PLACES + k) for k in (0, 1, 3)]
    grid = f.b.and_(f.b.icmp_signed("==", inner[0], f.whole(0)), f.b.icmp_signed("==", outer[1], f.whole(0)))
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
            before = f.b.block
            with f.b.if_then(tail):
                rest = step(full, sums, lambda x: f.b.select(mask, x, nothing))
                last = f.b.block
            phis = [f.b.phi(f.vector) for _ in sums]
            for phi, a, b in zip(phis, sums, rest, strict=True):
                phi.add_incoming(a, before)
                phi.add_incoming(b, last)
            return phis

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

    with f.b.if_else(grid) as (blocked, alone):
        with blocked:
            f.rows(blocks.vectors, f.entry(OUTER), lambda i, height: rows(i, height, blocks.rows))
        with alone:
            f.rows(1, f.entry(OUTER), lambda i, _: rows(i, 1, 1))
    f.done()


def reduced(f: Function, x: ir.Value) -> ir.Value:
    """The sum of a vector's numbers."""
    name = f"llvm.vector.reduce.fadd.v{x.type.count}f64"
    reduce = f.module.globals.get(name) or ir.Function(f.module, ir.FunctionType(F64, [F64, x.type]), name)
    return f.b.call(reduce, [ir.Constant(F64, -0.0), x], fastmath=("reassoc",))


def reduced_together(f: Function, xs: Sequence[ir.Value]) -> ir.Value:
    """The sums of as many vectors as they have numbers, side by side."""
    lanes = f.blocks.lanes
    kind = ir.VectorType(ir.IntType(32), lanes)

    def added(a: ir.Value, b: ir.Value, evens: Sequence[int], odds: Sequence[int]) -> ir.Value:
        return f.b.fadd(*[f.b.shuffle_vector(a, b, ir.Constant(kind, list(chosen))) for chosen in (evens, odds)])

    if lanes == 4:  # without crossing the halves of a register but once
        a, b = (added(x, y, (0, 4, 2, 6), (1, 5, 3, 7)) for x, y in (xs[:2], xs[2:]))
        return added(a, b, (0, 1, 4, 5), (2, 3, 6, 7))
    while len(xs) > 1:
        pairs = zip(xs[::2], xs[1::2], strict=True)
        xs = [added(a, b, range(0, 2 * lanes, 2), range(1, 2 * lanes, 2)) for a, b in pairs]
    return xs[0]


def mapped(module: ir.Module, name: str, blocks: Blocks, expression: Expression, own: Sequence[bool]) -> None:
    """`Map`: the expression of operands, each of the example's own or shared; the result is the example's own."""
    f = Function(module, name, blocks)
    count = len(own)
    strides = [f.entry(STRIDES_INNER + k) for k in range(count + 1)]

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        def row(j: ir.Value, _: Sequence[ir.Value]) -> None:
            at = [f.plus(p, f.times(j, stride)) for p, stride in zip(places, strides, strict=True)]
            fixed = [None if own[k] else f.spread(f.scalar(at[k])) for k in range(count)]

            def examples(e: ir.Value, _: Sequence[ir.Value]) -> None:
                operands = [f.load(f.plus(at[k], e)) if x is None else x for k, x in enumerate(fixed)]
                f.store(compute(f, expression, operands), f.plus(at[count], e))

            f.loop(f.whole(0), f.examples, blocks.lanes, examples)

        f.loop(f.whole(0), f.entry(INNER), 1, row)

    f.walk(count + 1, outer)
    f.done()


def gather(module: ir.Module, name: str, blocks: Blocks, *, own_x: bool) -> None:
    """`Gather`, example by example; nan for an index that is none."""
    f = Function(module, name, blocks)
    strides, xs, size = [f.entry(STRIDES_INNER + k) for k in range(3)], f.table(TABLE_X), f.entry(TERMS)

    def outer(_: ir.Value, places: list[ir.Value]) -> None:
        def row(j: ir.Value, _: Sequence[ir.Value]) -> None:
            at_index, x, out = (f.plus(p, f.times(j, stride)) for p, stride in zip(places, strides, strict=True))

            def example(e: ir.Value, _: Sequence[ir.Value]) -> None:
                index = f.scalar(f.plus(at_index, e))
                right = f.b.and_(
                    f.b.fcmp_ordered(">=", index, ir.Constant(F64, 0.0)),
                    f.b.fcmp_ordered("<", index, f.b.sitofp(size, F64)),
                )
                number = f.b.fptosi(f.b.select(right, index, ir.Constant(F64, 0.0)), I64)
                place = f.plus(x, f.element(xs, number))
                found = f.scalar(f.plus(place, e) if own_x else place)
                f.b.store(f.b.select(right, found, ir.Constant(F64, math.nan)), f.at(f.plus(out, e)))

            f.loop(f.whole(0), f.examples, 1, example)

        f.loop(f.whole(0), f.entry(INNER), 1, row)

    f.walk(3, outer)
    f.done()


def compute(f: Function, expression: Expression, operands: Sequence[ir.Value]) -> Any:
    if type(expression) is not tuple:
        return operands[expression]
    primitive, *parts = expression
    return SCALARS[primitive](Vectors(f.b, f.module, f.vector), *[compute(f, x, operands) for x in parts])


class _Loops(Function):
    """A function of another signature, for its loops."""

    def __init__(self, module: ir.Module, name: str, kind: ir.FunctionType) -> None:
        function = ir.Function(module, kind, name)
        self.module, self.arguments = module, function.args
        self.b = ir.IRBuilder(function.append_basic_block())


def run(module: ir.Module, name: str) -> None:
    """(records, how many, memory, examples): calls the function of each record in turn."""
    f = _Loops(module, name, ir.FunctionType(VOID, [POINTER, I64, POINTER, I64]))
    records, count, memory, examples = f.arguments

    def call(i: ir.Value, _: Sequence[ir.Value]) -> None:
        record = f.b.gep(records, [f.times(i, SIZE)], source_etype=I64)
        target = f.b.inttoptr(f.b.load(record, typ=I64), KERNEL.as_pointer())
        f.b.call(target, [record, memory, examples])

    f.loop(f.whole(0), count, 1, call)
    f.b.ret_void()


def copy(module: ir.Module, name: str) -> None:
    """(from, its strides by column and example, to, its strides, columns, examples): numbers of a row for each example
    are laid out so that examples lie side by side, or the other way round."""
    f = _Loops(module, name, ir.FunctionType(VOID, [POINTER, I64, I64, POINTER, I64, I64, I64, I64]))
    source, source_column, source_example, target, target_column, target_example, columns, examples = f.arguments

    def column(c: ir.Value, _: Sequence[ir.Value]) -> None:
        def example(e: ir.Value, _: Sequence[ir.Value]) -> None:
            place = f.plus(f.times(c, source_column), f.times(e, source_example))
            x = f.b.load(f.b.gep(source, [place], source_etype=F64), typ=F64)
            place = f.plus(f.times(c, target_column), f.times(e, target_example))
            f.b.store(x, f.b.gep(target, [place], source_etype=F64))

        f.loop(f.whole(0), examples, 1, example)

    f.loop(f.whole(0), columns, 1, column)
    f.b.ret_void()
