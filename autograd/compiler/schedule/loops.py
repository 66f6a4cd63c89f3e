"""Nests: rows of places as loops. Rows whose places go on in constant strides are one loop, loops of one length whose
beginnings go on in constant strides are a loop of loops."""

from collections.abc import Iterator, Sequence
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
    runs: list[Nest] = []
    i, total = 0, len(rows)
    while i < total:
        start, length = rows[i], 1
        still = stride = (0,) * len(start)
        if i + 1 < total:
            stride = tuple([b - a for a, b in zip(start, rows[i + 1], strict=True)])
            expected = rows[i + 1]
            while i + length < total and rows[i + length] == expected:
                length += 1
                expected = tuple([a + s for a, s in zip(expected, stride, strict=True)])
        runs.append(Nest((1, length), start, still, stride))
        i += length
    return joined(runs)


def joined(runs: Sequence[Nest]) -> list[Nest]:
    """Loops of one turn outside, in their order, put together where they follow each other in constant strides."""
    found: list[Nest] = []
    i = 0
    while i < len(runs):
        (_, length), start, outer, inner = runs[i]
        count = 1
        if i + 1 < len(runs) and runs[i + 1].counts[1] == length and (length == 1 or runs[i + 1].inner == inner):
            outer = tuple([b - a for a, b in zip(start, runs[i + 1].start, strict=True)])
            expected = runs[i + 1].start
            while (
                i + count < len(runs)
                and runs[i + count][:2] == ((1, length), expected)
                and (runs[i + count].inner == inner)
            ):
                count += 1
                expected = tuple([a + s for a, s in zip(expected, outer, strict=True)])
        found.append(Nest((count, length), start, outer, inner))
        i += count
    return found


def rows_of(nest: Nest) -> Iterator[Places]:
    """The rows of a nest one by one."""
    (outer, inner), start = nest.counts, nest.start
    for i in range(outer):
        for j in range(inner):
            yield tuple([x + i * a + j * b for x, a, b in zip(start, nest.outer, nest.inner, strict=True)])


def stride(offsets: Sequence[int]) -> int | None:
    """The constant stride of offsets, from 0; None if there is none."""
    step = offsets[1] if len(offsets) > 1 else 0
    return step if list(offsets) == [step * k for k in range(len(offsets))] else None
