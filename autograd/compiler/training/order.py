"""The order of examples in an epoch, shuffled as Python's `random.shuffle` does, natively."""

import ctypes
import random
from array import array
from collections.abc import Sequence

from ..runtime.machine import Machine
from . import step_functions


class Shuffler:
    """Shuffles whole numbers."""

    def __init__(self, machine: Machine) -> None:
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self._shuffle = signature(machine.function("shuffle", step_functions.shuffle))
        self._engine = machine.engine  # which keeps the function
        self._in_order = array("q")

    def order(self, size: int, seed: int) -> Sequence[int]:
        """The numbers 0 to size - 1 as `random.Random(seed).shuffle` leaves them."""
        if len(self._in_order) != size:
            self._in_order = array("q", range(size))
        order, words = self._in_order[:], array("I", random.Random(seed).getstate()[1])
        self._shuffle(order.buffer_info()[0], size, words.buffer_info()[0])
        return order
