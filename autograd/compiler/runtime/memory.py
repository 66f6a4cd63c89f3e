"""Memory for native code, and the check that no call of a kernel leaves it.

A plan is checked when it is made, before it runs: from counts, strides, tables and lanes follow the lowest and the
highest number that each call reads and writes.
"""

import ctypes
import reprlib
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from ..codegen.builder import INNER, OUTER, PLACES, STRIDES_INNER, STRIDES_OUTER

Doubles = ctypes.Array[ctypes.c_double]


def doubles(count: int) -> Doubles:
    """Zeros, at an address that stays."""
    return (ctypes.c_double * count)()


class Span(NamedTuple):
    """Numbers of a memory, from the first to before the end."""

    first: int
    end: int


class Extent(NamedTuple):
    """The reach of an operand from the places of its rows: the least and the largest offset of a term, and
    how many examples lie side by side there."""

    least: int = 0
    most: int = 0
    examples: int = 1


def touched(record: Sequence[int], k: int, extent: Extent) -> Span:
    """The numbers that a call reads or writes as its k-th operand, in all of its rows."""
    first = last = record[PLACES + k]
    for strides, counts in ((STRIDES_OUTER, OUTER), (STRIDES_INNER, INNER)):
        way = record[strides + k] * (record[counts] - 1)
        if way < 0:
            first += way
        else:
            last += way
    return Span(first + extent.least, last + extent.most + extent.examples)


def check(what: Any, does: str, span: Span, allowed: Span) -> None:
    """RuntimeError, which names the kernel, unless the span lies within what is allowed."""
    if span.first < allowed.first or span.end > allowed.end:
        refuse(what, does, span, f"where {allowed.first} to {allowed.end - 1} are its own")


def refuse(what: Any, does: str, span: Span, why: str) -> NoReturn:
    """RuntimeError, which names the kernel."""
    raise RuntimeError(
        f"the compiler made a call that would {does} the numbers {span.first} to {span.end - 1} of its memory, {why}: "
        f"{reprlib.repr(str(what))[1:-1]}; nothing was run, please report it"
    )


class Written:
    """The places that have been written, of so many: each once, and before it is read."""

    def __init__(self, places: int, known: int) -> None:
        self._marks = bytearray(places)
        self._marks[:known] = b"\1" * known

    def write(self, what: Any, starts: Sequence[int], stride: int, count: int, lanes: int) -> None:
        """Notes so many places from each of these on, each with so many beside it. RuntimeError if one was written
        before."""
        if stride == lanes:
            count, lanes = 1, count * lanes
        rows = starts if count == 1 else [x + i * stride for x in starts for i in range(count)]
        written = b"\1" * lanes
        for first in rows:
            if any(self._marks[first : first + lanes]):
                refuse(what, "write", Span(first, first + lanes), "which was written before")
            self._marks[first : first + lanes] = written

    def read(self, what: Any, rows: Sequence[int], last: int) -> None:
        """RuntimeError unless each of these places, and the one so much further, has been written."""
        for first in rows:
            if not (self._marks[first] and self._marks[first + last]):
                refuse(what, "read", Span(first, first + last + 1), "which is not written yet")
