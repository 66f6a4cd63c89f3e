"""Stamping: the kernels of a part, rolled once, for many calls of it.

A part's numbers lie in a frame, number by number, and each number of all calls side by side. So a row of a kernel
becomes a loop over the calls.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

from .kernels import COMMON, CONSTANTS, EACH, ONCE, Calls, Dot, Gather, Kernel, Map, Total, is_by_call
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
    """The place of the first number of so many calls, and the places that each number has for them."""

    first: int
    calls: int
    room: int
    common: int
    """The place of the first number that the calls have in common."""

    def at(self, place: int, call: int, bases: Bases) -> int:
        """The place of a call's number."""
        if place >= COMMON:
            return self.common + place - COMMON
        if place >= EACH:
            return self.first + (place - EACH) * self.room + call
        if place >= ONCE:
            return bases.once + place - ONCE
        return bases.constants + place - CONSTANTS if place >= CONSTANTS else bases.leaves + place


def frame_of(first: int, calls: int, template: Template) -> Frame:
    """A frame from a place on, with room for a multiple of 4 calls, which fit the lanes of a vector; of up to 2 for no
    more."""
    room = calls if calls <= 2 else -(-calls // 4) * 4
    return Frame(first, calls, room, first + template.own * room)


def stamped(kernel: Kernel, frame: Frame, calls: range, bases: Bases) -> Kernel:
    """The kernel for these of the calls of a frame."""
    start = kernel.nests[0].start
    nests = [_moved(nest, frame, calls.start, bases) for nest in kernel.nests]
    over = None
    if len(calls) > 1:
        room = frame.room if calls == range(frame.calls) else 0
        over = Calls(len(calls), room, tuple([int(is_by_call(place)) for place in start]))
    if isinstance(kernel, Map):
        return Map(kernel.expression, nests, over)
    xs = _scaled(kernel.xs, start[1], frame)
    if isinstance(kernel, Gather):
        return Gather(xs, nests, over)
    return type(kernel)(_scaled(kernel.ws, start[0], frame), xs, nests, over)


def summed(kernel: Total, frames: Sequence[tuple[Frame, Sequence[int]]], bases: Bases) -> Total:
    """A total of a part over these calls in frames of one size."""
    (frame, (first, *_)), *_ = frames
    (w, x, _), *_ = starts = [nest.start for nest in kernel.nests]
    all_calls = all(list(calls) == list(range(frame.calls)) for _, calls in frames)
    single = [(other, call) for other, calls in frames for call in (calls[:1] if all_calls else calls)]

    def terms(offsets: tuple[int, ...], place: int) -> tuple[int, ...]:
        moves = [other.at(place, call, bases) - frame.at(place, first, bases) for other, call in single]
        return tuple([x + move for x in _scaled(offsets, place, frame) for move in moves])

    nests = [
        nest._replace(start=(*nest.start[:2], bases.leaves + start[2]))
        for nest, start in zip([_moved(nest, frame, first, bases) for nest in kernel.nests], starts, strict=True)
    ]
    over = None
    if all_calls and frame.calls > 1:
        over = Calls(frame.calls, frame.room, (int(is_by_call(w)), int(is_by_call(x)), 0))
    return Total(terms(kernel.ws, w), terms(kernel.xs, x), nests, over)


def added(kernel: Total, frame: Frame, bases: Bases, nothing: int, out: int) -> Dot:
    """A total of a part that belongs to what calls have in common, over all calls of a frame. nothing: the place of
    -0.0. out: that of the first result."""
    starts = [nest.start for nest in kernel.nests]
    (w, x, _), *_ = starts
    ws, xs = (
        tuple([y + c * is_by_call(place) for y in _scaled(offsets, place, frame) for c in range(frame.calls)])
        for offsets, place in ((kernel.ws, w), (kernel.xs, x))
    )
    nests = []
    for (counts, start, *strides), (_, _, total) in zip(
        [_moved(nest, frame, 0, bases) for nest in kernel.nests], starts, strict=True
    ):
        outer, inner = [(*stride[:2], 0, stride[2]) for stride in strides]
        nests.append(Nest(counts, (*start[:2], nothing, out + total - COMMON), outer, inner))
    return Dot(ws, xs, nests)


def _moved(nest: Nest, frame: Frame, call: int, bases: Bases) -> Nest:
    """The nest for one of the calls."""
    start = tuple([frame.at(place, call, bases) for place in nest.start])
    if frame.room == 1:
        return nest._replace(start=start)
    scales = [frame.room if is_by_call(place) else 1 for place in nest.start]
    outer, inner = (tuple([x * scale for x, scale in zip(stride, scales, strict=True)]) for stride in nest[2:])
    return Nest(nest.counts, start, outer, inner)


def _scaled(offsets: tuple[int, ...], place: int, frame: Frame) -> tuple[int, ...]:
    """Offsets from a place, in a frame."""
    return _times(offsets, frame.room) if is_by_call(place) and frame.room > 1 else offsets


@functools.lru_cache(4096)
def _times(offsets: tuple[int, ...], room: int) -> tuple[int, ...]:
    """The same object for the same offsets, so that a plan makes one table."""
    return tuple([x * room for x in offsets])
