"""The table of calls of a program within a training step: its kernels, after what brings parameters and examples."""

from array import array
from collections.abc import Sequence
from typing import Any

from ..codegen.builder import SIZE
from ..runtime.batches import Part, address_of
from ..runtime.memory import Span, check
from ..runtime.plan import Plan
from ..schedule.kernels import EACH
from ..specialization import Specialization
from .numbers import Numbers
from .step_functions import FIELDS, record

SOURCE = 1 + FIELDS["take"].index("source")
"""The position of the numbers' address in a record of `take`."""


class StepPlan:
    """The tables that run a program within a step: a table that is called once, and in it one for each chunk of the
    batch."""

    def __init__(self, own: Numbers, special: Specialization, examples: int, first_total: int = 0) -> None:
        self.plan = plan = Plan(special.prepared.kernels, examples, own.machine, own.at(first_total))
        self.capacity, self.draws = examples, bool(special.prepared.asked)
        self.special = special
        self.leaves, self._first = special.prepared.leaves[own.count :], own.count
        cells, apart = own.cells_at, plan.apart
        self._taken: list[int] = []  # where the records of `take` begin, one for each argument
        self._kept: list[Any] = [None] * len(special.prepared.columns)
        single = {"single": plan.capacity == 1}
        self._takers = [own.function("take", whole=whole, **single) for whole in (False, True)]
        place, self._inner = EACH, array("q")
        for columns in special.prepared.columns:
            self._taken.append(len(self._inner))
            target = plan.at(place)
            fields = {"source": 0, "columns": columns, "target": target, "apart": apart, "cells": cells}
            self._inner.extend(record("take", self._takers[0], **fields))
            place += columns
        for seed, unit, count in _runs(special.prepared.asked):
            fields = {"seed": seed, "unit": unit, "count": count, "target": plan.at(place)}
            self._inner.extend(own.call("draw", **fields, apart=apart, cells=cells))
            place += count
        taken = Span(plan.at(EACH), plan.at(place))
        kernels = special.prepared.kernels
        check("the examples' numbers", "write", taken, Span(plan.first_own, plan.at(EACH + kernels.inputs)))
        check("the parameters", "write", Span(0, self._first), Span(0, kernels.shared_inputs))
        self._inner.extend(plan.each)
        source = (own.at(own.first) - plan.address) // 8
        self._outer = array("q", own.call("move", source=source, target=0, count=self._first))
        cells *= bool(special.prepared.columns)  # a penalty takes no examples
        for table, most, fixed, position in ((plan.once, 1, 1, 0), (self._inner, plan.capacity, 0, cells)):
            records, length = table.buffer_info()
            fields = {"records": records, "count": length // SIZE, "most": most, "examples": fixed}
            self._outer.extend(own.call("repeat", **fields, cells=position))
        self.load()

    def load(self) -> None:
        """Reads the leaves that are no parameters."""
        self.plan.memory[self._first : self._first + len(self.leaves)] = [leaf._data for leaf in self.leaves]

    def take(self, part: Part) -> None:
        """These are the examples from now on."""
        for i, argument in enumerate(part.arguments):
            self.point(i, argument.numbers, False)

    def point(self, i: int, numbers: Any, whole: bool) -> None:
        """These are the numbers of the i-th argument."""
        self._kept[i] = numbers  # so that they are not freed
        start = self._taken[i]
        self._inner[start] = self._takers[whole]
        self._inner[start + SOURCE] = address_of(numbers)

    def job(self, examples: int) -> list[int]:
        return job(self._outer, self.plan.address, examples)


def _runs(asked: Sequence[Any]) -> list[tuple[int, int, int]]:
    """(seed, first unit, how many) of what is drawn, in order."""
    found: list[tuple[int, int, int]] = []
    for kind, seed, unit in asked:
        assert kind == "uniform"
        seed = (seed & 2**64 - 1) - (2**64 if seed & 2**63 else 0)
        if found and found[-1][0] == seed and found[-1][1] + found[-1][2] == unit:
            found[-1] = seed, found[-1][1], found[-1][2] + 1
        else:
            found.append((seed, unit, 1))
    return found


def job(table: "array[int]", memory: int, examples: int) -> list[int]:
    return [table.buffer_info()[0], len(table) // SIZE, memory, examples]
