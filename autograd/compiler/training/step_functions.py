"""The native functions of a training step besides its kernels, of the same form: a record, the memory, for how many
examples. So a step is a table of calls, and so are all steps of an epoch.

Some whole numbers stand in cells of their own, whose addresses the records hold: the position in the order of examples,
the number of the step, and whether something went wrong.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from ..codegen.builder import F64, I32, I64, POINTER, SIZE, VOID, Blocks, KernelBuilder, Loops, intrinsic, reduced
from ..codegen.calls import call_each
from ..codegen.vectors import declared

POSITION, STEP, FAILED, LOGGED, LOG, ORDER, NUMBERS, CELLS = range(8)
"""The cells, and how many there are. Those from LOG on are addresses."""
JOB = 4
"""Numbers of a job: the addresses of records, how many, the memory, for how many examples."""
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""SplitMix64's constants."""


FIELDS = {
    "repeat": ("records", "count", "most", "examples", "cells"),
    "take": ("source", "columns", "target", "apart", "cells"),
    "draw": ("seed", "unit", "count", "target", "apart", "cells"),
    "move": ("source", "target", "count"),
    "clear": ("target", "count"),
    "finish": ("sums", "count", "penalty", "limit", "cells"),
}
"""The fields of each function's record, after its address. Sources of `take` are addresses, of `move` places."""


def record(name: str, address: int, **fields: int) -> list[int]:
    """A call of one of these functions."""
    entries = [fields[field] for field in FIELDS[name]]
    return [address, *entries, *[0] * (SIZE - 1 - len(entries))]


class StepBuilder(KernelBuilder):
    """One of these functions under construction."""

    def __init__(self, module: ir.Module, name: str, blocks: Blocks, kind: str) -> None:
        super().__init__(module, name, blocks)
        self._fields = FIELDS[kind]

    def field(self, name: str) -> ir.Value:
        return self.entry(1 + self._fields.index(name))

    def address(self, name: str) -> ir.Value:
        """A pointer to the address in a field."""
        return self.b.inttoptr(self.field(name), POINTER)

    def cell(self, which: int) -> ir.Value:
        """The address of a cell."""
        return self.b.gep(self.address("cells"), [self.whole(which)], source_etype=I64)

    def listed(self, which: int) -> ir.Value:
        """A pointer to the address in a cell."""
        return self.b.inttoptr(self.read(self.cell(which)), POINTER)

    def over(
        self, count: ir.Value, body: Callable[[ir.Value, ir.VectorType, ir.Value], ir.Value | None], sums: bool = False
    ) -> list[ir.Value]:
        """body(i, vectors of how many, what it returned before) for numbers that lie side by side; of several vectors
        at a time, so that their sums do not wait for each other. Returns the last sums of both kinds."""
        found, start = list[ir.Value](), self.whole(0)
        for lanes in (4 * self.blocks.lanes, 1):
            kind = self.vector_of(lanes)
            stop = self.times(self.b.sdiv(count, self.whole(lanes)), lanes)
            carried = [ir.Constant(kind, [0.0] * lanes)] if sums else []

            def some(i: ir.Value, before: Sequence[ir.Value], kind: ir.VectorType = kind) -> list[ir.Value]:
                after = body(i, kind, before[0] if before else None)
                return [] if after is None else [after]

            found += self.loop(start, stop, lanes, some, carried)
            start = stop
        return found


def repeat(module: ir.Module, name: str, blocks: Blocks) -> None:
    """Runs records, for at most so many examples at a time; for all that are asked for or, if that is not 0, for as
    many as `examples` says. If there are cells, their position goes on."""
    f = StepBuilder(module, name, blocks, "repeat")
    records, count, most, cells = f.address("records"), f.field("count"), f.field("most"), f.field("cells")
    fixed = f.field("examples")
    examples = f.b.select(f.b.icmp_signed("==", fixed, f.whole(0)), f.examples, fixed)
    chunks = f.b.sdiv(f.plus(examples, most, -1), most)

    def chunk(i: ir.Value, _: Sequence[ir.Value]) -> None:
        left = f.b.sub(examples, f.b.mul(i, most))
        now = f.b.select(f.b.icmp_signed("<", left, most), left, most)
        call_each(f, records, count, f.memory, now)
        with f.b.if_then(f.b.icmp_signed("!=", cells, f.whole(0))):
            position = f.cell(POSITION)
            f.b.store(f.plus(f.read(position), now), position)

    f.loop(f.whole(0), chunks, 1, chunk)
    f.done()


def take(module: ir.Module, name: str, blocks: Blocks, *, whole: bool = False, single: bool = False) -> None:
    """Examples out of rows of numbers, whole ones or doubles, in the order that the cells have: to the places of the
    first example's columns, which are so far apart. single: one example, so that there is room for no more."""
    f = StepBuilder(module, name, blocks._replace(lanes=1) if single else blocks, "take")
    blocks = f.blocks
    kind = I64 if whole else F64
    source, order = f.address("source"), f.listed(ORDER)
    columns, target, apart = f.field("columns"), f.field("target"), f.field("apart")
    position, last = f.read(f.cell(POSITION)), f.plus(f.examples, -1)

    def some(e: ir.Value, _: Sequence[ir.Value]) -> None:
        rows = []
        for lane in range(blocks.lanes):  # beyond the last example it stands again, so that all are numbers
            example = f.plus(e, lane)
            example = f.b.select(f.b.icmp_signed("<", example, last), example, last)
            row = f.element(order, f.plus(position, example))
            rows.append(f.b.gep(source, [f.b.mul(row, columns)], source_etype=kind))

        def column(c: ir.Value, _: Sequence[ir.Value]) -> None:
            x = ir.Constant(f.vector, ir.Undefined)
            for lane, row in enumerate(rows):
                number = f.b.load(f.b.gep(row, [c], source_etype=kind), typ=kind)
                number = f.b.sitofp(number, F64) if whole else number
                x = f.b.insert_element(x, number, ir.Constant(ir.IntType(32), lane))
            f.store(x, f.plus(target, f.b.mul(c, apart), e))

        f.loop(f.whole(0), columns, 1, column)

    f.loop(f.whole(0), f.examples, blocks.lanes, some)
    f.done()


def draw(module: ir.Module, name: str, blocks: Blocks) -> None:
    """Numbers in [0, 1) as `nn.randomness.counter_uniform` has them, of (seed, step, example, unit), for so many units
    from one on. The cells have which example of its batch each is."""
    f = StepBuilder(module, name, blocks, "draw")
    units, target, apart, numbers = f.field("count"), f.field("target"), f.field("apart"), f.listed(NUMBERS)
    first, position = f.field("unit"), f.read(f.cell(POSITION))

    def mixed(z: ir.Value, counter: ir.Value) -> ir.Value:
        z = f.plus(z, counter, GOLDEN)
        for shift, factor in ((30, FIRST), (27, SECOND)):
            z = f.times(f.b.xor(z, f.b.lshr(z, f.whole(shift))), factor)
        return f.b.xor(z, f.b.lshr(z, f.whole(31)))

    start = mixed(mixed(f.whole(0), f.field("seed")), f.read(f.cell(STEP)))

    def example(e: ir.Value, _: Sequence[ir.Value]) -> None:
        z = mixed(start, f.element(numbers, f.plus(position, e)))

        def unit(u: ir.Value, _: Sequence[ir.Value]) -> None:
            bits = f.b.lshr(mixed(z, f.plus(first, u)), f.whole(11))
            x = f.b.fmul(f.b.sitofp(bits, F64), ir.Constant(F64, 2.0**-53))
            f.b.store(x, f.at(f.plus(target, f.b.mul(u, apart), e)))

        f.loop(f.whole(0), units, 1, unit)

    f.loop(f.whole(0), f.examples, 1, example)
    f.done()


def move(module: ir.Module, name: str, blocks: Blocks) -> None:
    """Numbers from one place to another."""
    f = StepBuilder(module, name, blocks, "move")
    source, target = f.field("source"), f.field("target")
    f.over(f.field("count"), lambda i, kind, _: f.store(f.load(f.plus(source, i), kind), f.plus(target, i)))
    f.done()


def clear(module: ir.Module, name: str, blocks: Blocks) -> None:
    """Zeros from a place on."""
    f = StepBuilder(module, name, blocks, "clear")
    target = f.field("target")
    f.over(f.field("count"), lambda i, kind, _: f.store(ir.Constant(kind, [0.0] * kind.count), f.plus(target, i)))
    f.done()


def finish(module: ir.Module, name: str, blocks: Blocks) -> None:
    """Sums over the examples become means: the loss, and after it so many gradients; a penalty and its gradients are
    added. From the length of the gradient and the limit comes the factor that goes to the place after the limit. Loss,
    loss with penalty, and length are logged. If the loss is nan or the length not finite, that is noted in the cells,
    else the step is counted there."""
    f = StepBuilder(module, name, blocks, "finish")
    first, count, penalty, limit = f.field("sums"), f.field("count"), f.field("penalty"), f.field("limit")
    share = f.b.fdiv(ir.Constant(F64, 1.0), f.b.sitofp(f.examples, F64))

    def some(i: ir.Value, kind: ir.VectorType, squares: ir.Value) -> ir.Value:
        place = f.plus(first, i, 1)
        x = f.b.fmul(f.load(place, kind), f.spread(share, kind))
        x = f.b.fadd(x, f.load(f.plus(penalty, i, 1), kind))
        f.store(x, place)
        return f.b.fadd(squares, f.b.fmul(x, x))

    squares = f.over(count, some, sums=True)
    loss = f.b.fmul(f.scalar(first), share)
    whole = f.b.fadd(loss, f.scalar(penalty))
    total = f.b.fadd(*[reduced(f, x) for x in squares])
    length = f.b.call(intrinsic(module, "sqrt", F64, 1), [total])
    plain = f.b.block
    huge = f.b.fcmp_ordered("==", total, ir.Constant(F64, math.inf))
    with f.b.if_then(f.b.or_(huge, f.b.fcmp_ordered("<", total, ir.Constant(F64, 1e-280)))):  # once more, scaled
        scale = f.b.select(huge, ir.Constant(F64, 2.0**-600), ir.Constant(F64, 2.0**600))

        def scaled(i: ir.Value, kind: ir.VectorType, squares: ir.Value) -> ir.Value:
            x = f.b.fmul(f.load(f.plus(first, i, 1), kind), f.spread(scale, kind))
            return f.b.fadd(squares, f.b.fmul(x, x))

        again = f.b.fadd(*[reduced(f, x) for x in f.over(count, scaled, sums=True)])
        root = f.b.fdiv(f.b.call(intrinsic(module, "sqrt", F64, 1), [again]), scale)
        inside = f.b.block
    either = f.b.phi(F64)
    either.add_incoming(length, plain)
    either.add_incoming(root, inside)
    length = either
    factor = f.b.fdiv(f.scalar(limit), f.b.fadd(length, ir.Constant(F64, 1e-6)))
    one = ir.Constant(F64, 1.0)
    f.b.store(f.b.select(f.b.fcmp_ordered("<", factor, one), factor, one), f.at(f.plus(limit, 1)))
    logged = f.cell(LOGGED)
    log = f.b.gep(f.b.inttoptr(f.read(f.cell(LOG)), POINTER), [f.times(f.read(logged), 3)], source_etype=F64)
    for i, x in enumerate((loss, whole, length)):
        f.b.store(x, f.b.gep(log, [f.whole(i)], source_etype=F64))
    finite = f.b.fcmp_ordered("<", length, ir.Constant(F64, math.inf))
    with f.b.if_else(f.b.and_(finite, f.b.fcmp_ordered("ord", whole, whole))) as (well, ill):
        with well:
            for address in (logged, f.cell(STEP)):
                f.b.store(f.plus(f.read(address), 1), address)
        with ill:
            f.b.store(f.whole(1), f.cell(FAILED))
    f.done()


def work(module: ir.Module, name: str) -> None:
    """(jobs, how many, the cells): does one after the other, until something went wrong."""
    f = Loops(module, name, ir.FunctionType(VOID, [POINTER, I64, POINTER]))
    jobs, count, cells = f.arguments
    failed = f.b.gep(cells, [f.whole(FAILED)], source_etype=I64)

    def job(i: ir.Value, _: Sequence[ir.Value]) -> None:
        with f.b.if_then(f.b.icmp_signed("==", f.read(failed), f.whole(0))):
            records, calls, memory, examples = (f.element(jobs, f.plus(f.times(i, JOB), k)) for k in range(JOB))
            call_each(f, f.b.inttoptr(records, POINTER), calls, f.b.inttoptr(memory, POINTER), examples)

    f.loop(f.whole(0), count, 1, job)
    f.done()


WORDS, MIDDLE, FEEDBACK = 624, 397, 0x9908B0DF
TEMPERING = (("lshr", 11, 0xFFFFFFFF), ("shl", 7, 0x9D2C5680), ("shl", 15, 0xEFC60000), ("lshr", 18, 0xFFFFFFFF))
"""The Mersenne Twister's constants (Matsumoto and Nishimura, 1998): it is Python's `random`."""


class Twister(Loops):
    """A function that draws from the generator whose words are at `state`."""

    def word(self, state: ir.Value, i: ir.Value) -> ir.Value:
        """The address of a word."""
        return self.b.gep(state, [i], source_etype=I32)

    def twist(self, state: ir.Value) -> None:
        """The next words of the generator, in the place of the last ones."""
        b = self.b

        def renewed(i: ir.Value, _: Any = None, apart: int = MIDDLE, following: int = 1) -> None:
            words = [b.load(self.word(state, self.plus(i, k)), typ=I32) for k in (0, following, apart)]
            joined = b.or_(b.and_(words[0], I32(0x80000000)), b.and_(words[1], I32(0x7FFFFFFF)))
            odd = b.select(b.trunc(joined, ir.IntType(1)), I32(FEEDBACK), I32(0))
            b.store(b.xor(b.xor(words[2], b.lshr(joined, I32(1))), odd), self.word(state, i))

        first = WORDS - MIDDLE
        self.loop(self.whole(0), self.whole(first), 1, renewed)
        self.loop(self.whole(first), self.whole(WORDS - 1), 1, lambda i, _: renewed(i, apart=-first))
        renewed(self.whole(WORDS - 1), apart=-first, following=1 - WORDS)

    def tempered(self, x: ir.Value) -> ir.Value:
        """The random number that a word stands for."""
        for shift, by, mask in TEMPERING:
            x = self.b.xor(x, self.b.and_(getattr(self.b, shift)(x, I32(by)), I32(mask)))
        return x


def shuffle(module: ir.Module, name: str) -> None:
    """(order, how many, the generator's words, all of which are used up): swaps as Python's `random.shuffle` does,
    which for each number counted down takes 32 random bits until the first of them, as many as it has, are smaller.
    """
    f = Twister(module, name, ir.FunctionType(VOID, [POINTER, I64, POINTER]))
    order, count, state = f.arguments
    b, start, (head, draw, swap, done) = f.b, f.b.block, [f.b.append_basic_block() for _ in range(4)]
    b.branch(head)
    b.position_at_end(head)
    n, used = b.phi(I64), b.phi(I64)  # of the first n numbers one is chosen
    n.add_incoming(count, start)
    used.add_incoming(f.whole(WORDS), start)
    leading = declared(module, "llvm.ctlz.i64", ir.FunctionType(I64, [I64, ir.IntType(1)]))
    drop = b.sub(b.call(leading, [n, ir.Constant(ir.IntType(1), 0)]), f.whole(32))
    b.cbranch(b.icmp_signed(">", n, f.whole(1)), draw, done)
    b.position_at_end(draw)
    at = b.phi(I64)
    at.add_incoming(used, head)

    def again() -> list[ir.Value]:
        f.twist(state)
        return [f.whole(0)]

    (fresh,) = f.perhaps(b.icmp_signed("==", at, f.whole(WORDS)), [at], again)
    word = b.zext(f.tempered(b.load(f.word(state, fresh), typ=I32)), I64)
    chosen, following = b.lshr(word, drop), f.plus(fresh, 1)
    at.add_incoming(following, b.block)
    b.cbranch(b.icmp_signed("<", chosen, n), swap, draw)
    b.position_at_end(swap)
    last = f.plus(n, -1)
    places = [b.gep(order, [i], source_etype=I64) for i in (last, chosen)]
    numbers = [b.load(place, typ=I64) for place in places]
    for place, x in zip(places, reversed(numbers), strict=True):
        b.store(x, place)
    n.add_incoming(last, swap)
    used.add_incoming(following, swap)
    b.branch(head)
    b.position_at_end(done)
    f.done()
