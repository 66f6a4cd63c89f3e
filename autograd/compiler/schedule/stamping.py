"""Stamping: the kernels of a part, rolled once, for many calls of it.

A part's numbers lie in a frame, number by number, and each number of all calls side by side. So a row of a kernel
becomes a loop over the calls.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .kernels import CONSTANTS, EACH, ONCE, Gather, Kernel, Map, Total
from .loops import Nest


class Template(NamedTuple):
    """The kernels of a part, whose places are those of one call. Those of leaves are counted from the first leaf."""

    once: list[Kernel]
    """Those of shared numbers alone."""
    ahead: list[Kernel]
    back: list[Kernel]
    """Those of the reverse sweep."""
    constants: tuple[float, ...]
    shared: int
    """The count of numbers that `once` computes."""
    own: int
    """The count of numbers of a call."""
    outputs: list[int]
    """The places of the results, and after them of the adjoints of arguments."""


class Bases(NamedTuple):
    """The first places of a part's shared numbers."""

    leaves: int
    constants: int
    once: int


class Frame(NamedTuple):
    """The place of the first number of so many calls."""

    first: int
    calls: int

    def at(self, place: int, call: int, bases: Bases) -> int:
        """The place of a call's number."""
        if place >= EACH:
            return self.first + (place - EACH) * self.calls + call
        if place >= ONCE:
            return bases.once + place - ONCE
        return bases.constants + place - CONSTANTS if place >= CONSTANTS else bases.leaves + place


def stamped(kernel: Kernel, frame: Frame, calls: range, bases: Bases) -> Kernel:
    """The kernel for these of the calls of a frame."""
    loops = [nest for one in kernel.nests for nest in _stamped_nest(one, frame, calls, bases)]
    if isinstance(kernel, Map):
        return Map(kernel.expression, loops)
    xs = scaled(kernel.xs, kernel.nests[0].start[1], frame)
    if isinstance(kernel, Gather):
        return Gather(xs, loops)
    return type(kernel)(scaled(kernel.ws, kernel.nests[0].start[0], frame), xs, loops)


def scaled(offsets: tuple[int, ...], place: int, frame: Frame) -> tuple[int, ...]:
    """Offsets from a place, in a frame."""
    return offsets if place < EACH or frame.calls == 1 else _times(offsets, frame.calls)


@functools.lru_cache(4096)
def _times(offsets: tuple[int, ...], calls: int) -> tuple[int, ...]:
    """The same object for the same offsets, so that a plan makes one table."""
    return tuple([x * calls for x in offsets])


def _stamped_nest(nest: Nest, frame: Frame, calls: range, bases: Bases) -> Iterator[Nest]:
    own = [place >= EACH for place in nest.start]
    start = tuple([frame.at(place, calls.start, bases) for place in nest.start])
    outer, inner = (
        tuple([x * frame.calls if mine else x for x, mine in zip(stride, own, strict=True)]) for stride in nest[2:]
    )
    over_calls, (rows, columns), count = tuple(map(int, own)), nest.counts, len(calls)
    if count == 1:
        yield Nest(nest.counts, start, outer, inner)
    elif rows == 1:
        yield Nest((columns, count), start, inner, over_calls)
    else:
        for i in range(rows):
            at = tuple([x + i * stride for x, stride in zip(start, outer, strict=True)])
            yield Nest((columns, count), at, inner, over_calls)


def summed(kernel: Total, frames: Sequence[tuple[Frame, Sequence[int]]], bases: Bases) -> Total:
    """A total of a part over these calls in frames of one size."""
    (frame, (first, *_)), *_ = frames
    apart = [other.first - frame.first + call - first for other, calls in frames for call in calls]

    def terms(offsets: tuple[int, ...], place: int) -> tuple[int, ...]:
        moves = apart if place >= EACH else [0] * len(apart)
        return tuple([x + move for x in scaled(offsets, place, frame) for move in moves])

    w, x, _ = kernel.nests[0].start
    loops = []
    for counts, start, *strides in kernel.nests:
        places = [*[frame.at(place, first, bases) for place in start[:2]], bases.leaves + start[2]]
        moves = [
            [*[a * frame.calls if p >= EACH else a for a, p in zip(s[:2], start, strict=False)], s[2]] for s in strides
        ]
        loops.append(Nest(counts, tuple(places), *map(tuple, moves)))
    return Total(terms(kernel.ws, w), terms(kernel.xs, x), loops)
