"""A program within a training step: its records, with those that bring parameters and examples."""

from array import array
from collections.abc import Sequence
from typing import Any

from . import steps
from .arguments import Part, address_of
from .function import SIZE
from .kernels import EACH
from .made import Made
from .native import Plan


class Stepped:
    """The records of a program within a step."""

    def __init__(self, training: Any, made: Made, examples: int, first_total: int = 0) -> None:
        totals, at = len(made.rolled.outputs), training.address + 8 * first_total
        self.plan = plan = Plan(made.rolled, totals, examples, training.machine, at)
        self.capacity, self.draws = examples, bool(made.asked)
        self.made = made
        self._leaves, self._first = made.leaves[len(training.params) :], len(training.params)
        place, records = EACH, list[tuple[str, list[int]]]()
        for columns in made.columns:
            records.append(("take", [0, columns, plan.at(place), plan.apart, training.cells_at]))
            place += columns
        for seed, unit, count in _runs(made.asked):
            records.append(("draw", [seed, unit, count, plan.at(place), plan.apart, training.cells_at]))
            place += count
        self._kept: list[Any] = [None] * len(made.columns)
        self._takers = [
            training.machine.function(("take", whole), steps.take, training.machine.blocks, whole=whole)
            for whole in (False, True)
        ]
        self._inner = training.table(records)
        self._inner.extend(plan.each)
        outer: list[tuple[str, list[int]]] = [("move", [(training.params_at - plan.address) // 8, 0, self._first])]
        cells_at = training.cells_at * bool(made.columns)  # a penalty takes no examples
        for table, most, fixed, cells in ((plan.once, 1, 1, 0), (self._inner, plan.capacity, 0, cells_at)):
            address, length = table.buffer_info()
            outer.append(("repeat", [address, length // SIZE, most, fixed, cells]))
        self._outer = training.table(outer)
        self.load()

    def load(self) -> None:
        """Reads the leaves that are no parameters."""
        self.plan.memory[self._first : self._first + len(self._leaves)] = [leaf._data for leaf in self._leaves]

    def take(self, part: Part) -> None:
        """These are the examples from now on."""
        for i, argument in enumerate(part.arguments):
            self.point(i, argument.numbers, False)

    def point(self, i: int, numbers: Any, whole: bool) -> None:
        """These are the numbers of the i-th argument."""
        self._kept[i] = numbers  # so that they are not freed
        self._inner[i * SIZE] = self._takers[whole]
        self._inner[i * SIZE + 1] = address_of(numbers)

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
