"""A program: a recorded graph as plain data, one instruction a line.

Slots are numbers that a program computes with, counted from 0: first the inputs of an example, then what all examples
share (parameters, and other leaves), then the result of each instruction in turn. So an instruction needs no name for
its result, and reads only slots before its own. Constants are counted from the other end: -1, -2, ...
"""

import itertools
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...primitives import Primitive
from ..identity import by_identity

Operands = tuple[Any, ...]
"""Slots, and for a vector operand a tuple of slots."""


class Instruction(NamedTuple):
    """A primitive and the slots it reads: for a vector operand a tuple of them."""

    primitive: Primitive
    operands: Operands


class RowTotal(NamedTuple):
    """A part of several sums over the examples: to each of these totals is added, for each term, a factor times the
    number that stands there in the term's row. The gradient of a neuron's weights is one of these.
    """

    into: tuple[int, ...]
    """The totals, by their numbers."""
    factors: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]


class Site(NamedTuple):
    """Calls of a part that are made together, or the way back through them; see `Call`."""

    part: Any
    gradient: Any
    """Of a way back; None for a call."""
    arguments: tuple[int, ...]
    """Of a way back, the adjoints."""
    calls: int
    """The count of calls."""
    shared: tuple[int, ...]
    """The slots of the leaves that the part reads."""
    results: range
    """Slots among the inputs."""
    forward: int | None
    """Of a way back, the number of the call."""


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
    into: tuple[int, ...] = ()
    """The numbers of the totals, sums over the examples, that the last outputs are added to; others are kept."""
    totals: tuple[RowTotal, ...] = ()
    """Further parts of totals."""
    calls: tuple[Site, ...] = ()
    """In an order in which they can be made. Their results are the last inputs."""

    def __post_init__(self) -> None:
        lowest = -len(self.constants)
        ends = by_identity(lambda x: (max(x), min(x)) if x else (0, 0))
        for slot, (primitive, operands) in enumerate(self.instructions, start=self.first):
            if len(operands) != primitive.arity:
                raise ValueError(f"%{slot}: {primitive.name} takes {primitive.arity} operands, got {len(operands)}")
            for i, x in enumerate(operands):
                if type(x) is tuple:
                    if i not in primitive.vectors:
                        raise ValueError(f"%{slot}: operand {i} of {primitive.name} is no vector, got {x}")
                    last, least = ends(x)
                else:
                    last = least = x
                if last >= slot or least < lowest:
                    raise ValueError(f"%{slot}: {primitive.name} reads %{last}, which is not computed yet")
        if not all(lowest <= slot < self.first + len(self.instructions) for slot in self.outputs):
            raise ValueError(f"the outputs {self.outputs} are no slots of this program")
        end = self.first + len(self.instructions)
        for total in self.totals:
            for x in (total.factors, *total.rows):
                last, least = ends(x)
                if last >= end or least < lowest:
                    raise ValueError(f"a total reads %{last}, which is no slot of this program")

    @property
    def first(self) -> int:
        """The slot of the first instruction."""
        return len(self.inputs) + len(self.shared)

    def kept(self) -> tuple[int, ...]:
        """The outputs that each example has."""
        return self.outputs[: len(self.outputs) - len(self.into)]

    def summed(self) -> list[tuple[int, int]]:
        """The outputs that are added to totals, after the numbers of those."""
        return list(zip(self.into, self.outputs[len(self.outputs) - len(self.into) :], strict=True))

    def depends(self) -> list[bool]:
        """For each slot whether it depends on the inputs, so that each example has its own."""
        before = [True] * len(self.inputs) + [False] * len(self.shared)
        own = self.slots(before, [False] * len(self.constants))
        of_vector = by_identity(lambda x: any(own[y] for y in x))
        for slot, (_, operands) in enumerate(self.instructions, self.first):
            own[slot] = any(of_vector(x) if type(x) is tuple else own[x] for x in operands)
        return own

    def uses(self) -> list[int]:
        """For each slot how many operands, and parts of totals, it is."""
        uses = self.slots([0] * self.first, [0] * len(self.constants))
        uses[self.first : self.first + len(self.instructions)] = [0] * len(self.instructions)
        vectors: dict[int, list[Any]] = {}  # one and how often it stands
        others = [(total.factors, *total.rows) for total in self.totals] + [(site.arguments,) for site in self.calls]
        for operands in itertools.chain([operands for _, operands in self.instructions], others):
            for x in operands:
                if type(x) is not tuple:
                    uses[x] += 1
                elif (found := vectors.get(id(x))) is None:
                    vectors[id(x)] = [x, 1]
                else:
                    found[1] += 1
        for vector, times in vectors.values():
            for y in vector:
                uses[y] += times
        return uses

    def slots(self, before: Sequence[Any], constants: Sequence[Any]) -> list[Any]:
        """A list by slot: `before` for inputs and shared numbers, then room for the results of instructions; constants
        from the end, by their negative numbers."""
        return [*before, *[None] * len(self.instructions), *reversed(constants)]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The program as text: what goes in, each instruction, what comes out."""

        def text(x: Any) -> str:
            if type(x) is tuple:
                return f"[{', '.join(map(text, x))}]"
            return f"%{x}" if x >= 0 else repr(self.constants[-1 - x])

        given = len(self.inputs) - sum(len(site.results) for site in self.calls)
        for name, start, slots in (("inputs", 0, self.inputs[:given]), ("shared", len(self.inputs), self.shared)):
            if slots:
                yield f"{name}: " + ", ".join(f"%{i} = {slot}" for i, slot in enumerate(slots, start))
        waiting = deque(self.calls)
        for slot, (primitive, operands) in enumerate(self.instructions, self.first):
            while waiting and max(waiting[0].arguments) < slot:
                yield self._line(waiting.popleft(), text)
            yield f"%{slot} = {primitive.name}({', '.join(map(text, operands))})"
        yield from [self._line(site, text) for site in waiting]
        yield "return " + ", ".join(map(text, self.outputs))
        names = ["result", *self.shared, *self.inputs]
        for into, factors, rows in self.totals:
            parts = [f"{text(factor)} * {text(row)}" for factor, row in zip(factors, rows, strict=True)]
            yield f"slopes of [{', '.join([names[i] for i in into])}]: {' + '.join(parts)}"

    @staticmethod
    def _line(site: Site, text: Any) -> str:
        """Calls, as the program shows them."""
        which = f"{site.part.name}{' back' * (site.forward is not None)}{f' x {site.calls}' * (site.calls > 1)}"
        return f"{text(tuple(site.results))} = {which}({text(site.arguments)})"


def bits(x: float) -> bytes:
    """The bytes of a float, which tell floats apart: -0.0 from 0.0, and one nan not from itself."""
    return struct.pack("d", x)


class Assembler:
    """Collects the instructions and constants of a program."""

    def __init__(self, inputs: Sequence[str], shared: Sequence[str]) -> None:
        self.inputs, self.shared = tuple(inputs), tuple(shared)
        self.instructions: list[Instruction] = []
        self.constants: list[float] = []
        self._constants: dict[bytes, int] = {}
        self._vectors: dict[Any, Any] = {}
        self.vector = by_identity(lambda x: self._vectors.setdefault(x, x))
        self._before = len(self.inputs) + len(self.shared)

    def constant(self, x: float) -> int:
        if (slot := self._constants.get(key := bits(x))) is None:
            self.constants.append(x)
            self._constants[key] = slot = -len(self.constants)
        return slot

    def append(self, primitive: Primitive, operands: Operands) -> int:
        if primitive.vectors:  # equal vectors become one
            operands = tuple([self.vector(x) if type(x) is tuple else x for x in operands])
        self.instructions.append(Instruction(primitive, operands))
        return self._before + len(self.instructions) - 1

    def program(
        self,
        outputs: Sequence[int],
        into: Sequence[int] = (),
        totals: Sequence[RowTotal] = (),
        calls: Sequence[Site] = (),
    ) -> Program:
        found = tuple(self.constants), tuple(self.instructions), tuple(outputs)
        return Program(self.inputs, self.shared, *found, tuple(into), tuple(totals), tuple(calls))


class Rewriter:
    """Makes a new program of another one, instruction by instruction: `moved` gives an old instruction's operands, and
    `take` says where its result is now."""

    def __init__(self, program: Program) -> None:
        self.old = program
        self.new = Assembler(program.inputs, program.shared)
        self.constant, self.append = self.new.constant, self.new.append
        self.slots = program.slots(range(program.first), [self.constant(x) for x in program.constants])
        self._next = program.first
        self._vector = by_identity(lambda x: tuple([self.slots[y] for y in x]))

    def constant_in(self, slot: int) -> float | None:
        """The constant in a slot of the new program; None for other slots."""
        return self.new.constants[-1 - slot] if slot < 0 else None

    def moved(self, operands: Operands) -> Operands:
        slots, vector = self.slots, self._vector
        return tuple([vector(x) if type(x) is tuple else slots[x] for x in operands])

    def take(self, slot: int) -> None:
        self.slots[self._next] = slot
        self._next += 1

    def program(self) -> Program:
        vector, old = self._vector, self.old
        totals = [RowTotal(into, vector(factors), tuple(map(vector, rows))) for into, factors, rows in old.totals]
        calls = [site._replace(arguments=vector(site.arguments)) for site in old.calls]
        return self.new.program([self.slots[y] for y in old.outputs], old.into, totals, calls)
