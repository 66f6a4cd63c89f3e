"""Running a program in plain Python, one example at a time. What is compiled is held against this.

With it comes a bound on how far apart two right orders of summation, or two libraries' functions, may be.
"""

import math
from collections.abc import Sequence
from typing import Any

from ...value import Value
from .program import Program


def interpret(program: Program, inputs: Sequence[float], shared: Sequence[float] = ()) -> list[float]:
    """The outputs for one example."""
    slots = _slots(program, inputs, shared)
    for slot, (primitive, operands) in enumerate(program.instructions, program.first):
        slots[slot] = primitive.forward(*[_read(slots, x) for x in operands])
    return [slots[i] for i in program.outputs]


def replay(program: Program, inputs: Sequence[float], shared: Sequence[float] = ()) -> list[Any]:
    """The outputs for one example as Values, with the graph of the program's instructions: to be drawn, stepped through
    or differentiated like any other."""
    names = (*program.inputs, *program.shared)
    leaves = [Value(x, label=name) for x, name in zip((*inputs, *shared), names, strict=True)]
    slots = program.slots(leaves, program.constants)
    for slot, (primitive, operands) in enumerate(program.instructions, program.first):
        slots[slot] = primitive(*[tuple(_read(slots, x)) if type(x) is tuple else slots[x] for x in operands])
    return [slots[i] for i in program.outputs]


def with_bounds(
    program: Program, inputs: Sequence[float], shared: Sequence[float] = ()
) -> tuple[list[float], list[float]]:
    """The outputs for one example, and for each a running error bound.

    An instruction's error is two units in the last place of its result, or of the sum of its terms' sizes for a sum,
    and each operand's error times the size of the partial derivative.
    """
    slots = _slots(program, inputs, shared)
    errors = [0.0] * len(slots)
    for slot, (primitive, operands) in enumerate(program.instructions, program.first):
        xs = [_read(slots, x) for x in operands]
        y = primitive.forward(*xs)
        error = 2.0 * math.ulp(_size(primitive.name, xs, y)) if math.isfinite(y) else 0.0
        for x, partial in zip(operands, primitive.partials, strict=True):
            slopes = partial(*xs, y)
            if type(x) is not tuple:
                x, slopes = (x,), (slopes,)
            for i, slope in zip(x, slopes, strict=True):
                if slope is not None and errors[i]:
                    error += abs(slope) * errors[i]
        slots[slot], errors[slot] = y, error
    return [slots[i] for i in program.outputs], [errors[i] for i in program.outputs]


def _slots(program: Program, inputs: Sequence[float], shared: Sequence[float]) -> list[float]:
    if len(inputs) != len(program.inputs) or len(shared) != len(program.shared):
        raise ValueError(
            f"expected {len(program.inputs)} inputs and {len(program.shared)} shared numbers, got {len(inputs)} and "
            f"{len(shared)}"
        )
    return program.slots([*inputs, *shared], program.constants)


def _read(slots: list[float], x: Any) -> Any:
    return [slots[i] for i in x] if type(x) is tuple else slots[x]


def _size(name: str, xs: list[Any], y: float) -> Any:
    if name == "dot":
        return sum(abs(w * x) for w, x in zip(xs[0], xs[1], strict=True)) + abs(xs[2])
    return sum(map(abs, xs[0])) if name == "sum" else y
