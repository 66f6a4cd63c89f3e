"""A program: a recorded graph as plain data, one instruction a line.

Slots are numbers that a program computes with, counted from 0: first the inputs of an example, then what all examples
share (parameters, and other leaves), then constants, then the result of each instruction in turn. So an instruction
needs no name for its result, and reads only slots before its own.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..floats import is_node
from ..graph import Node, arguments, topological_order
from ..primitives import Primitive

Operands = tuple[Any, ...]
"""Slots, and for a vector operand a tuple of slots."""


class Instruction(NamedTuple):
    """A primitive and the slots it reads: for a vector operand a tuple of them."""

    primitive: Primitive
    operands: Operands


@dataclass(frozen=True)
class Program:
    """Checked where it is made: ValueError if an instruction reads what is not computed yet, or too few operands."""

    inputs: tuple[str, ...]
    """Names of the numbers of an example."""
    shared: tuple[str, ...]
    """Names of the numbers that all examples share."""
    constants: tuple[float, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    """The slots of the results."""
    limits: Mapping[int, int] = field(default_factory=dict)
    """Inputs that are indices, by slot: whole numbers from 0 to below this."""

    def __post_init__(self) -> None:
        for slot, (primitive, operands) in enumerate(self.instructions, start=self.first):
            if len(operands) != primitive.arity:
                raise ValueError(f"%{slot}: {primitive.name} takes {primitive.arity} operands, got {len(operands)}")
            for i, x in enumerate(operands):
                if (type(x) is tuple) != (i in primitive.vectors):
                    raise ValueError(f"%{slot}: operand {i} of {primitive.name} is {x!r}")
            if (largest := max(_flat(operands), default=-1)) >= slot:
                raise ValueError(f"%{slot}: {primitive.name} reads %{largest}, which is not computed yet")
        if not all(0 <= slot < self.first + len(self.instructions) for slot in (*self.outputs, *self.limits)):
            raise ValueError(f"the outputs {self.outputs} are no slots of this program")

    @property
    def first(self) -> int:
        """The slot of the first instruction."""
        return len(self.inputs) + len(self.shared) + len(self.constants)

    @property
    def first_constant(self) -> int:
        return len(self.inputs) + len(self.shared)

    def constant(self, slot: int) -> float | None:
        """The number in a slot that holds a constant; None for others."""
        i = slot - self.first_constant
        return self.constants[i] if 0 <= i < len(self.constants) else None

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The program as text: what goes in, each instruction, what comes out."""

        def text(x: Any) -> str:
            if type(x) is tuple:
                return f"[{', '.join(map(text, x))}]"
            number = self.constant(x)
            return f"%{x}" if number is None else repr(number)

        for name, slots in (("inputs", self.inputs), ("shared", self.shared)):
            start = 0 if name == "inputs" else len(self.inputs)
            if slots:
                yield f"{name}: " + ", ".join(f"%{i} = {slot}" for i, slot in enumerate(slots, start))
        for slot, (primitive, operands) in enumerate(self.instructions, self.first):
            yield f"%{slot} = {primitive.name}({', '.join(map(text, operands))})"
        yield "return " + ", ".join(map(text, self.outputs))


def _flat(operands: Operands) -> Iterator[int]:
    for x in operands:
        if type(x) is tuple:
            yield from x
        else:
            yield x


def bits(x: float) -> bytes:
    """What tells floats apart: -0.0 from 0.0, and one nan not from itself."""
    return struct.pack("d", x)


class Builder:
    """Collects a program whose inputs and shared numbers are known; constants are found on the way.

    Slots are negative for constants until `program` gives them their places.
    """

    def __init__(self, inputs: Sequence[str], shared: Sequence[str]) -> None:
        self.inputs, self.shared = tuple(inputs), tuple(shared)
        self.constants: dict[bytes, float] = {}
        self._slots: dict[bytes, int] = {}
        self.instructions: list[Instruction] = []
        self.before = len(self.inputs) + len(self.shared)

    def constant(self, x: float) -> int:
        key = bits(x)
        if (slot := self._slots.get(key)) is None:
            self._slots[key] = slot = -1 - len(self._slots)
            self.constants[key] = x
        return slot

    def append(self, primitive: Primitive, operands: Operands) -> int:
        self.instructions.append(Instruction(primitive, operands))
        return self.before + len(self.instructions) - 1

    def program(self, outputs: Sequence[int], limits: Mapping[int, int]) -> Program:
        before, count = self.before, len(self.constants)

        def place(x: Any) -> Any:
            if type(x) is tuple:
                return tuple([y if 0 <= y < before else y + count if y >= 0 else before - 1 - y for y in x])
            return x if 0 <= x < before else x + count if x >= 0 else before - 1 - x

        instructions = tuple([Instruction(p, tuple([place(x) for x in xs])) for p, xs in self.instructions])
        constants = tuple(self.constants.values())
        return Program(self.inputs, self.shared, constants, instructions, tuple(map(place, outputs)), dict(limits))


def program_of(
    outputs: Sequence[Any], inputs: Sequence[Node], shared: Sequence[Node], limits: Mapping[int, int]
) -> tuple[Program, list[Node]]:
    """The graph below `outputs`, Values and floats, as a program; and the leaves whose numbers it shares: those given,
    and then all others that it finds."""
    leaves, interiors = topological_order(*[y for y in outputs if is_node(y)])
    known = {*inputs, *shared}
    everything = [*shared, *[leaf for leaf in leaves if leaf not in known]]
    names = [_name(leaf, f"v{i}") for i, leaf in enumerate(everything)]
    builder = Builder([_name(x, f"x{i}") for i, x in enumerate(inputs)], names)
    slots: dict[Any, int] = {node: i for i, node in enumerate([*inputs, *everything])}
    constant, append = builder.constant, builder.append
    vectors: dict[int, tuple[int, ...]] = {}  # by the tuple's identity: a layer's rows share one

    def slot(x: Any) -> int:
        return constant(x) if type(x) is float else slots[x]

    for node in interiors:
        operands: list[Any] = []
        for x in arguments(node):
            if type(x) is tuple:
                if (found := vectors.get(id(x))) is None:
                    vectors[id(x)] = found = tuple(map(slot, x))
                operands.append(found)
            else:
                operands.append(slot(x))
        assert node.primitive is not None  # no leaf
        slots[node] = append(node.primitive, tuple(operands))
    return builder.program([slot(y) for y in outputs], limits), everything


def _name(node: Node, otherwise: str) -> str:
    note = node.note
    return (note.label or note.module if note else "") or otherwise
