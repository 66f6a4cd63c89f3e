"""Optimizers' rules as native code: one function for all parameters of a group, straight through."""

import ctypes
from array import array
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from ... import ops
from ...value import Value
from ..codegen import straightline
from ..codegen.builder import INNER, SIZE, TABLE_X
from ..ir.assembling import program_of
from ..ir.passes import prune, run, simplify
from ..ir.program import Program, bits
from ..runtime import memory
from ..runtime.machine import Machine
from ..runtime.memory import Span
from ..tracing.trace import flat, trace
from ..tracing.watch import Watch

Column = memory.Doubles
UPDATE = (simplify, prune)
"""Passes for rules: products are added as they are written."""


class Rule(NamedTuple):
    """The rule by which an optimizer moves the parameters of one group."""

    apply: Callable[..., Any]
    """(parameter, gradient, state, the options' numbers, what else there is of each) -> (new parameter, new state)"""
    size: int
    key: Hashable
    """Everything else that decides the recorded rule, such as options that are no numbers."""
    numbers: tuple[float, ...]
    """Of the options, the learning rate among them: they may be others at each step."""
    names: tuple[str, ...]
    reads: tuple[Any, ...] = ()
    """Functions and objects that are watched for their reads."""

    @property
    def form(self) -> Hashable:
        """The key of one native function: a rule may ask whether an option is 0."""
        return self.key, tuple([x != 0.0 for x in self.numbers])


class Option(Value):
    """An option's number, of which a rule may ask whether it is 0."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return self._data != 0.0


class Entry(NamedTuple):
    """A number of the state: one for all parameters of a group, or of each its own."""

    column: Column
    own: bool


class Move:
    """The rule of a group for states of this form, as one function. Raises TypeError for a rule that is more than
    operations on single numbers.
    """

    def __init__(
        self, rule: Rule, forms: tuple[bool, ...], besides: int, max_value: float | None, machine: Machine
    ) -> None:
        self.fixed: tuple[float, ...] | None = None
        """The options' numbers, if the rule holds for those alone, since it asks for more than whether they are 0."""
        before = Watch(rule.reads)
        asks_for_more = False
        try:
            self.program = self._traced(rule, forms, besides, max_value, Option)
        except TypeError:
            asks_for_more = True
        if asks_for_more:  # outside of the handler, so that an error stands alone
            self.fixed = rule.numbers
            self.program = self._traced(rule, forms, besides, max_value, lambda x, label: x)
        self._watch = Watch(rule.reads)
        self._watch.since(before)
        moves, *self.own = [self.program.depends()[y] for y in self.program.outputs]
        if not moves or not straightline.fits(self.program):
            raise TypeError("the rule of an optimizer can be compiled if it is made of operations on single numbers")
        self.function = machine.alone(straightline.write, machine.blocks, self.program, strides=False)

    @staticmethod
    def _traced(
        rule: Rule, forms: tuple[bool, ...], besides: int, max_value: float | None, option: Callable[..., Any]
    ) -> Program:
        factor = Value(1.0, label="factor")
        options = [option(x, label=name) for name, x in zip(rule.names, rule.numbers, strict=True)]
        leaves = [Value(0.5, label=f"state {i}") for i in range(len(forms))]

        def traced(p: Value, g: Any, *others: Value) -> list[Any]:
            numbers = iter(others)
            state = tuple([next(numbers) if own else leaf for own, leaf in zip(forms, leaves, strict=True)])
            g = g * factor
            if max_value is not None:
                g = ops.clamp(g, -max_value, max_value)
            moved, after = rule.apply(p, g, state, options, *numbers)
            return [moved, *after]

        found = trace(traced, [float] * (2 + sum(forms) + besides))
        given = [Value(x, label=name) if type(x) is float else x for name, x in zip(rule.names, options, strict=True)]
        shared = [factor, *given, *[leaf for leaf, own in zip(leaves, forms, strict=True) if not own]]
        program, known = program_of(flat(found.result), found.inputs, shared)
        if len(known) > len(shared):
            raise TypeError("the rule of an optimizer can be compiled if it uses no Values but those that it gets")
        return run(program, UPDATE)[-1]

    def changed(self, quick: bool = False) -> str | None:
        """The name of something that the rule read and that has changed."""
        return self._watch.changed(quick)

    def after(self, entries: Sequence[Entry], count: int) -> list[Entry]:
        """The state after a step: in the same memory, if it has the same form."""
        kept = [*entries, *[None] * len(self.own)][: len(self.own)]
        return [
            x if x is not None and x.own == own else Entry(column_of([0.0] * (count if own else 1)), own)
            for x, own in zip(kept, self.own, strict=True)
        ]

    def record(
        self, base: int, numbers: Sequence[int], shared: Sequence[int], before: list[Entry],
        after: list[Entry], count: int,
    ) -> tuple[list[int], "array[int]"]:  # fmt: skip
        """The call for a group, and the table of places that it reads, counted from the address `base`.

        numbers: the addresses of parameters and gradients, and of what else there is of each. shared: of the factor
        for gradients, and the options.
        """
        for x in (*before, *after):
            memory.check(
                f"the state of {count} parameters", "touch", Span(0, count if x.own else 1), Span(0, len(x.column))
            )
        p, g, *besides = numbers
        own = [p, g, *[ctypes.addressof(x.column) for x in before if x.own], *besides]
        same = [*shared, *[ctypes.addressof(x.column) for x in before if not x.own]]
        results = [p, *[ctypes.addressof(x.column) for x in after]]
        places = array("q", [(y - base) // 8 for y in (*own, *same, *results)])
        record = [self.function.address, *[0] * (SIZE - 1)]
        record[INNER], record[TABLE_X] = count, places.buffer_info()[0]
        return record, places


def column_of(numbers: Sequence[float]) -> Column:
    column = memory.doubles(len(numbers))
    column[:] = list(numbers)
    return column


def entry_of(numbers: Sequence[float]) -> Entry:
    """One number for all, if they are the same to the bit."""
    same = len({*map(bits, numbers)}) == 1
    return Entry(column_of(numbers[:1] if same else numbers), not same)
