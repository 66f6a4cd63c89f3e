"""A whole program as one native function without loops but the one over examples: for programs so small that the work
of calling kernels would be most of the work, and for update rules."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ... import ops
from ...primitives import Primitive
from ..ir.program import Operands, Program
from .arithmetic import SCALARS
from .builder import INNER, TABLE_X, Blocks, KernelBuilder
from .vectors import Vectors

LARGEST = 300
"""The most operations of a program, terms of sums counted."""


def size(program: Program) -> int:
    """The number of operations of a program, those within sums counted."""
    return sum(len(operands[0]) if type(operands[0]) is tuple else 1 for _, operands in program.instructions)


def fits(program: Program) -> bool:
    return size(program) <= LARGEST and all(p in SCALARS or p is ops.dot for p, _ in program.instructions)


def write(module: ir.Module, name: str, blocks: Blocks, program: Program, *, strides: bool) -> None:
    """The program, example by example, for so many as the record says.

    A table has the places of the inputs, the shared numbers and the outputs, one after the other. strides: after them
    stand the strides of the inputs and outputs from example to example, and every output is written for each example;
    else numbers of examples lie side by side, and an output that is the same for all is written once.
    """
    f = KernelBuilder(module, name, blocks)
    table, examples = f.table(TABLE_X), f.entry(INNER)
    inputs, count, lanes = len(program.inputs), program.first + len(program.outputs), blocks.lanes
    at = [f.element(table, f.whole(i)) for i in range(count)]
    apart = [f.element(table, f.whole(count + i)) for i in range(inputs + len(program.outputs) if strides else 0)]
    own = program.depends()
    fixed: dict[int, Any] = {}  # what is the same for all examples: vectors of one number
    single = f.vector_of(1)

    def shared(slot: int) -> Any:
        if slot not in fixed:
            if slot < 0:
                return ir.Constant(single, [program.constants[-1 - slot]])
            return f.load(at[slot], single)  # a parameter: read where it is needed, since there are more than registers
        return fixed[slot]

    writer = Vectors(f.b, f.module, single)
    for slot, (primitive, operands) in enumerate(program.instructions, program.first):
        if not own[slot]:
            fixed[slot] = _computed(writer, primitive, operands, shared)

    def load(i: int, e: ir.Value, kind: ir.VectorType, mask: ir.Value | None) -> ir.Value:
        if mask is not None:
            return f.load_some(f.plus(at[i], e), mask)
        if not strides:
            return f.load(f.plus(at[i], e), kind)
        x = ir.Constant(kind, ir.Undefined)
        for lane in range(kind.count):
            one = f.scalar(f.plus(at[i], f.times(f.plus(e, lane), apart[i])))
            x = f.b.insert_element(x, one, ir.Constant(ir.IntType(32), lane))
        return x

    def store(x: ir.Value, i: int, e: ir.Value, mask: ir.Value | None) -> None:
        place = at[program.first + i]
        if strides:
            for lane in range(x.type.count):
                one = f.b.extract_element(x, ir.Constant(ir.IntType(32), lane))
                f.b.store(one, f.at(f.plus(place, f.times(f.plus(e, lane), apart[inputs + i]))))
        elif mask is not None:
            f.store_some(x, f.plus(place, e), mask)
        else:
            f.store(x, f.plus(place, e))

    def step(e: ir.Value, kind: ir.VectorType, mask: ir.Value | None = None) -> None:
        slots: dict[int, Any] = {}

        def value_of(slot: int) -> Any:
            if slot in slots:
                return slots[slot]
            if slot < 0:
                return ir.Constant(kind, [program.constants[-1 - slot]] * kind.count)
            if own[slot]:
                slots[slot] = load(slot, e, kind, mask)
                return slots[slot]
            one = shared(slot)
            return f.spread(f.b.extract_element(one, ir.Constant(ir.IntType(32), 0))) if kind.count > 1 else one

        writer = Vectors(f.b, f.module, kind)
        for slot, (primitive, operands) in enumerate(program.instructions, program.first):
            if own[slot]:
                slots[slot] = _computed(writer, primitive, operands, value_of)
        wanted = [(i, value_of(y)) for i, y in enumerate(program.outputs) if own[y] or strides]
        for i, x in wanted:  # only now, since a result may lie where an input did
            store(x, i, e, mask)

    full = f.times(f.b.sdiv(examples, f.whole(lanes)), lanes)
    f.loop(f.whole(0), full, lanes, lambda e, _: step(e, f.vector))
    if strides:
        f.loop(full, examples, 1, lambda e, _: step(e, single))
    else:
        with f.b.if_then(f.b.icmp_signed("<", full, examples)):
            step(full, f.vector, f.mask(f.b.sub(examples, full)))
        for i, x in [(i, shared(y)) for i, y in enumerate(program.outputs) if not own[y]]:
            f.store(x, at[program.first + i])
    f.done()


def _computed(writer: Vectors, primitive: Primitive, operands: Operands, value_of: Callable[[int], Any]) -> Any:
    if primitive is not ops.dot:
        return SCALARS[primitive](writer, *[value_of(x) for x in operands])
    total = value_of(operands[2])
    for w, x in zip(*operands[:2], strict=True):
        total = writer.fma(value_of(w), value_of(x), total)
    return total
