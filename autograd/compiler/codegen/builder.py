"""Native functions under construction: LLVM's instructions for loops, places and vectors.

A kernel takes a record of whole numbers, the memory, and the number of examples. All numbers lie in one memory of
doubles.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llvmlite import ir

from ..schedule.kernels import OPERANDS
from .vectors import declared

F64, I32, I64, POINTER, VOID = ir.DoubleType(), ir.IntType(32), ir.IntType(64), ir.PointerType(), ir.VoidType()
KERNEL = ir.FunctionType(VOID, [POINTER, POINTER, I64])


class Blocks(NamedTuple):
    """The numbers of a vector, and the rows and vectors of a block of sums."""

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
LANES = TABLE_X + 1  # how many numbers lie side by side, if it is not one for each example
SIZE = LANES + 1


class Loops:
    """A function under construction: whole numbers, and loops.

    module: gets the function. name: its name there. kind: its signature.
    """

    def __init__(self, module: ir.Module, name: str, kind: ir.FunctionType) -> None:
        self.module = module
        function = ir.Function(module, kind, name)
        self.arguments = function.args
        self.b = ir.IRBuilder(function.append_basic_block())

    def whole(self, x: int) -> ir.Constant:
        return ir.Constant(I64, x)

    def read(self, address: ir.Value) -> ir.Value:
        return self.b.load(address, typ=I64)

    def element(self, table: ir.Value, i: ir.Value) -> ir.Value:
        return self.read(self.b.gep(table, [i], source_etype=I64))

    def plus(self, a: ir.Value, *bs: ir.Value | int) -> ir.Value:
        for b in bs:
            if type(b) is int:
                b = self.whole(b)
            a = self.b.add(a, b)
        return a

    def times(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
        return self.b.mul(a, self.whole(b) if type(b) is int else b)

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

    def perhaps(
        self, condition: ir.Value, numbers: Sequence[ir.Value], body: Callable[[], Sequence[ir.Value]]
    ) -> list[ir.Value]:
        """The numbers or, where the condition holds, those that body() gives in their place."""
        before = self.b.block
        with self.b.if_then(condition):
            others = body()
            last = self.b.block
        phis = [self.b.phi(x.type) for x in numbers]
        for phi, x, other in zip(phis, numbers, others, strict=True):
            phi.add_incoming(x, before)
            phi.add_incoming(other, last)
        return phis

    def done(self) -> None:
        self.b.ret_void()


class KernelBuilder(Loops):
    """A kernel under construction: besides, the record, the memory, and vectors of its numbers."""

    def __init__(self, module: ir.Module, name: str, blocks: Blocks) -> None:
        super().__init__(module, name, KERNEL)
        self.record, self.memory, self.examples = self.arguments
        self.blocks, self.vector = blocks, self.vector_of(blocks.lanes)

    def over_lanes(self) -> None:
        """Goes over the lanes of the record, if it has any, in the place of examples."""
        lanes = self.entry(LANES)
        self.examples = self.b.select(self.b.icmp_signed("==", lanes, self.whole(0)), self.examples, lanes)

    @staticmethod
    def vector_of(lanes: int) -> ir.VectorType:
        return ir.VectorType(F64, lanes)

    def entry(self, i: int) -> ir.Value:
        """A number of the record."""
        return self.element(self.record, self.whole(i))

    def table(self, i: int) -> ir.Value:
        return self.b.inttoptr(self.entry(i), POINTER)

    def at(self, place: ir.Value) -> ir.Value:
        return self.b.gep(self.memory, [place], source_etype=F64)

    def beyond(self, address: ir.Value, count: ir.Value) -> ir.Value:
        """The address so many numbers further."""
        return self.b.gep(address, [count], source_etype=F64)

    def load(self, place: ir.Value, kind: ir.VectorType | None = None) -> ir.Value:
        """The numbers of several examples."""
        return self.load_at(self.at(place), kind)

    def load_at(self, address: ir.Value, kind: ir.VectorType | None = None) -> ir.Value:
        found = self.b.load(address, typ=kind or self.vector)
        found.align = 8
        return found

    def scalar(self, place: ir.Value) -> ir.Value:
        return self.b.load(self.at(place), typ=F64)

    def spread(self, x: ir.Value, kind: ir.VectorType | None = None) -> ir.Value:
        """A number in every lane."""
        kind = kind or self.vector
        one = self.b.insert_element(ir.Constant(kind, ir.Undefined), x, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count)
        return self.b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def store(self, x: ir.Value, place: ir.Value) -> None:
        self.store_at(x, self.at(place))

    def store_at(self, x: ir.Value, address: ir.Value) -> None:
        self.b.store(x, address).align = 8

    def mask(self, count: ir.Value) -> ir.Value:
        """True in the first `count` lanes."""
        lanes = range(self.blocks.lanes)
        numbers = ir.Constant(ir.VectorType(I64, self.blocks.lanes), list(lanes))
        undefined, zero = ir.Constant(numbers.type, ir.Undefined), ir.Constant(I32, 0)
        spread = self.b.insert_element(undefined, count, zero)
        zeros = ir.Constant(ir.VectorType(I32, self.blocks.lanes), [0 for _ in lanes])
        return self.b.icmp_signed("<", numbers, self.b.shuffle_vector(spread, undefined, zeros))

    def store_some(self, x: ir.Value, place: ir.Value, mask: ir.Value) -> None:
        name = f"llvm.masked.store.v{self.blocks.lanes}f64.p0"
        kind = ir.FunctionType(VOID, [self.vector, POINTER, I32, mask.type])
        function = declared(self.module, name, kind)
        self.b.call(function, [x, self.at(place), ir.Constant(I32, 8), mask])

    def load_some(self, place: ir.Value, mask: ir.Value) -> ir.Value:
        """Zeros in the other lanes."""
        name = f"llvm.masked.load.v{self.blocks.lanes}f64.p0"
        kind = ir.FunctionType(self.vector, [POINTER, I32, mask.type, self.vector])
        function = declared(self.module, name, kind)
        nothing = ir.Constant(self.vector, [0.0] * self.blocks.lanes)
        return self.b.call(function, [self.at(place), ir.Constant(I32, 8), mask, nothing])

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        return self.b.call(intrinsic(self.module, "fmuladd", self.vector, 3), [a, b, c])

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


def intrinsic(module: ir.Module, name: str, kind: ir.Type, arity: int) -> ir.Function:
    """LLVM's function of that name on numbers or vectors."""
    suffix = f"v{kind.count}f64" if isinstance(kind, ir.VectorType) else "f64"
    full = f"llvm.{name}.{suffix}"
    return declared(module, full, ir.FunctionType(kind, [kind] * arity))


def reduced(f: KernelBuilder, x: ir.Value) -> ir.Value:
    """The sum of a vector's numbers."""
    name = f"llvm.vector.reduce.fadd.v{x.type.count}f64"
    reduce = declared(f.module, name, ir.FunctionType(F64, [F64, x.type]))
    return f.b.call(reduce, [ir.Constant(F64, -0.0), x], fastmath=("reassoc",))


def reduced_together(f: KernelBuilder, xs: Sequence[ir.Value]) -> ir.Value:
    """The sums of as many vectors as they have numbers, side by side."""
    lanes = f.blocks.lanes
    kind = ir.VectorType(I32, lanes)

    def added(a: ir.Value, b: ir.Value, evens: Sequence[int], odds: Sequence[int]) -> ir.Value:
        return f.b.fadd(*[f.b.shuffle_vector(a, b, ir.Constant(kind, list(chosen))) for chosen in (evens, odds)])

    if lanes == 4:  # without crossing the halves of a register but once
        a, b = (added(x, y, (0, 4, 2, 6), (1, 5, 3, 7)) for x, y in (xs[:2], xs[2:]))
        return added(a, b, (0, 1, 4, 5), (2, 3, 6, 7))
    while len(xs) > 1:
        pairs = zip(xs[::2], xs[1::2], strict=True)
        xs = [added(a, b, range(0, 2 * lanes, 2), range(1, 2 * lanes, 2)) for a, b in pairs]
    return xs[0]
