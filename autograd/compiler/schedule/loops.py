"""Nests: rows of places as loops. Rows whose places go on in constant strides are one loop, loops of one length whose
beginnings go on in constant strides are a loop of loops."""

from collections.abc import Sequence
from typing import NamedTuple

Places = tuple[int, ...]


class Nest(NamedTuple):
    """places = start + i x outer + j x inner, for i below counts[0] and j below counts[1]."""

    counts: tuple[int, int]
    start: Places
    outer: Places
    inner: Places


def nests(rows: Sequence[Places]) -> list[Nest]:
    """The rows, in their order, as few nests as a look ahead of one row finds."""
    runs: list[tuple[int, Places, Places]] = []  # length, start, stride
    i, total = 0, len(rows)
    while i < total:
        start, length = rows[i], 1
        stride: Places = (0,) * len(start)
        if i + 1 < total:
            stride = tuple([b - a for a, b in zip(start, rows[i + 1], strict=True)])
            expected = rows[i + 1]
            while i + length < total and rows[i + length] == expected:
                length += 1
                expected = tuple([a + s for a, s in zip(expected, stride, strict=True)])
        runs.append((length, start, stride))
        i += length
    found: list[Nest] = []
    i = 0
    while i < len(runs):
        length, start, inner = runs[i]
        count = 1
        outer: Places = (0,) * len(start)
        if i + 1 < len(runs) and runs[i + 1][0] == length and (length == 1 or runs[i + 1][2] == inner):
            outer = tuple([b - a for a, b in zip(start, runs[i + 1][1], strict=True)])
            expected = runs[i + 1][1]
            while i + count < len(runs) and runs[i + count] == (length, expected, inner):
                count += 1
                expected = tuple([a + s for a, s in zip(expected, outer, strict=True)])
        found.append(Nest((count, length), start, outer, inner))
        i += count
    return found


def stride(offsets: Sequence[int]) -> int | None:
    """The constant stride of offsets, from 0; None if there is none."""
    step = offsets[1] if len(offsets) > 1 else 0
    return step if list(offsets) == [step * k for k in range(len(offsets))] else None
