"""The numbers of a training in one piece of memory, and the functions that work on them."""

import ctypes
import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from ..runtime.machine import Machine
from ..runtime.memory import doubles
from . import step_functions
from .step_functions import CELLS, STEP


class Numbers:
    """Sums over a batch, those of the penalty, the parameters, the limit for the gradient's length, and the factor by
    which clipping shortens it. The sums are the loss and a gradient for each of `count` parameters.

    Addresses stay as long as the object.
    """

    def __init__(self, count: int, machine: Machine, max_norm: float | None) -> None:
        self.count, self.machine = count, machine
        self.penalty, self.first = 1 + count, 2 * (1 + count)
        self.limit = self.first + count
        self.memory = doubles(self.limit + 2)
        self.memory[self.limit] = math.inf if max_norm is None else max_norm
        self.memory[self.limit + 1] = 1.0
        self.address = ctypes.addressof(self.memory)
        self.cells = array("q", [0] * CELLS)
        self.cells_at = self.cells.buffer_info()[0]
        self._engines: dict[int, Any] = {}  # which keep the functions
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self._work = signature(self._kept("work", step_functions.work))

    def at(self, place: int) -> int:
        """The address of a number."""
        return self.address + 8 * place

    @property
    def params(self) -> list[float]:
        return self.memory[self.first : self.first + self.count]

    @params.setter
    def params(self, numbers: Sequence[float]) -> None:
        self.memory[self.first : self.first + self.count] = list(numbers)
        self.cells[STEP] = 0

    @property
    def gradients(self) -> list[float]:
        """Of the latest step, before clipping."""
        return self.memory[1 : 1 + self.count]

    @property
    def factor(self) -> float:
        """The factor by which clipping shortened the gradient."""
        return self.memory[self.limit + 1]

    def function(self, name: str, **options: bool) -> int:
        """The address of one of the step functions."""
        make = getattr(step_functions, name)
        return self._kept((name, *options.items()), make, self.machine.blocks, **options)

    def _kept(self, key: Any, make: Callable[..., None], *args: Any, **options: Any) -> int:
        address = self.machine.function(key, make, *args, **options)
        self._engines[id(self.machine.engine)] = self.machine.engine
        return address

    def call(self, name: str, **fields: int) -> list[int]:
        """A record that calls it."""
        return step_functions.record(name, self.function(name), **fields)

    def do(self, jobs: int, count: int, step: int) -> None:
        """Does so many jobs, which stand at that address, with what else the cells say; step: the number of the first
        step."""
        self.cells[STEP] = step
        self._work(jobs, count, self.cells_at)
