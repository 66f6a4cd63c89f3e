"""Memory for native code, and the check that no call of a kernel leaves it.

A plan is checked when it is made, before it runs: from counts, strides, tables and lanes follow the lowest and the
highest number that each call reads and writes.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

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
        raise RuntimeError(
            f"the compiler made a call that would {does} the numbers {span.first} to {span.end - 1} of its memory, "
            f"where {allowed.first} to {allowed.end - 1} are its own: {what}; nothing was run, please report it"
        )
