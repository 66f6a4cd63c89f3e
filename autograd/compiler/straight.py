"""A whole program as one native function without loops but the one over examples: for programs so small that the work
of calling kernels would be most of the work, and for update rules."""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from .. import ops
from .emit import F64, INNER, TABLE_X, Blocks, Function, reduced
from .program import Program
from .scalars import SCALARS
from .vectors import Vectors

LARGEST_STRAIGHT = 700
"""Programs of at most so many operations and terms of sums."""


def size(program: Program) -> int:
    """How many operations a program has, those within sums counted."""
    return sum(len(operands[0]) if type(operands[0]) is tuple else 1 for _, operands in program.instructions)


def fits(program: Program) -> bool:
    return size(program) <= LARGEST_STRAIGHT and all(p in SCALARS or p is ops.dot for p, _ in program.instructions)


def straight(module: ir.Module, name: str, blocks: Blocks, program: Program, totals: Sequence[bool]) -> None:
    """The program, example by example.

    A table has the places of the inputs, the shared numbers and the outputs, one after the other. totals: for each
    output whether its sum over the examples is added to what is there.
    """
    f = Function(module, name, blocks)
    table = f.table(TABLE_X)
    count = program.first + len(program.outputs)
    at = [f.element(table, f.whole(i)) for i in range(count)]
    once, each = f.vector_of(1), f.vector
    own = program.depends()

    fixed: dict[int, Any] = {}  # what is the same for all examples: vectors of one number

    def shared(slot: int) -> Any:
        if slot not in fixed:
            if slot < 0:
                return ir.Constant(once, [program.constants[-1 - slot]])
            assert slot < program.first  # a parameter: read where it is needed, since there are more than registers
            return f.load(at[slot], once)
        return fixed[slot]

    writer = Vectors(f.b, f.module, once)
    for slot, (primitive, operands) in enumerate(program.instructions, program.first):
        if not own[slot]:
            fixed[slot] = _computed(writer, primitive, operands, shared)

    examples = f.b.select(f.b.icmp_signed("==", f.entry(INNER), f.whole(0)), f.examples, f.entry(INNER))
    summed = {i: f.b.alloca(each) for i, (y, total) in enumerate(zip(program.outputs, totals, strict=True)) if total}
    nothing = ir.Constant(each, [0.0] * blocks.lanes)
    for cell in summed.values():
        f.b.store(nothing, cell)

    def step(keep: Callable[[Any], Any], store: Callable[[Any, Any], None], e: ir.Value) -> None:
        slots: dict[int, Any] = {}

        def number(slot: int) -> Any:
            if slot in slots:
                return slots[slot]
            if slot < 0:
                return ir.Constant(each, [program.constants[-1 - slot]] * blocks.lanes)
            if own[slot]:
                slots[slot] = f.load(f.plus(at[slot], e))
                return slots[slot]
            return f.spread(f.b.extract_element(shared(slot), ir.Constant(ir.IntType(32), 0)))

        writer = Vectors(f.b, f.module, each)
        for slot, (primitive, operands) in enumerate(program.instructions, program.first):
            if own[slot]:
                slots[slot] = _computed(writer, primitive, operands, number)
        results = [number(y) for y in program.outputs]
        for i, (y, x) in enumerate(zip(program.outputs, results, strict=True)):
            if i in summed:
                f.b.store(f.b.fadd(f.b.load(summed[i], typ=each), keep(x)), summed[i])
            elif own[y]:
                store(x, f.plus(at[program.first + i], e))

    full = f.times(f.b.sdiv(examples, f.whole(blocks.lanes)), blocks.lanes)
    f.loop(f.whole(0), full, blocks.lanes, lambda e, _: step(lambda x: x, f.store, e))
    with f.b.if_then(f.b.icmp_signed("<", full, examples)):
        mask = f.mask(f.b.sub(examples, full))
        step(lambda x: f.b.select(mask, x, nothing), lambda x, place: f.store_some(x, place, mask), full)
    for i, cell in summed.items():
        place = f.at(at[program.first + i])
        f.b.store(f.b.fadd(f.b.load(place, typ=F64), reduced(f, f.b.load(cell, typ=each))), place)
    for i, y in enumerate(program.outputs):
        if i not in summed and not own[y]:
            f.store(shared(y), at[program.first + i])
    f.done()


def _computed(writer: Vectors, primitive: Any, operands: Any, number: Callable[[int], Any]) -> Any:
    if primitive is not ops.dot:
        return SCALARS[primitive](writer, *[number(x) for x in operands])
    total = number(operands[2])
    for w, x in zip(*operands[:2], strict=True):
        total = writer.fma(number(w), number(x), total)
    return total
