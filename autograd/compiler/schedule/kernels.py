"""Kernels: what many numbers have done to them at once, and the places of those numbers.

Places are counted from 0 among what all examples share, and from EACH among what each example has.
"""

from collections import Counter
from typing import Any, NamedTuple

from .loops import Nest, rows_of

EACH = 1 << 60
"""The first place of what each example has of its own; farther away than any memory."""
CONSTANTS, ONCE = 1 << 40, 1 << 41
"""In a part, the first places of constants, and of what is computed of shared numbers; below are leaves."""
COMMON = EACH + (1 << 50)
"""In a part, the first place of what calls that are made together have in common, in each example."""
LARGEST, OPERANDS = 12, 14
"""The most operations in one expression, and the most operands."""


def kind_of(place: int) -> int:
    """A number that places share which can be counted from one another."""
    return place >> 40


def is_by_call(place: int) -> bool:
    """Whether each call, and each example, has its own number there."""
    return kind_of(place) == kind_of(EACH)


Expression = Any
"""The number of an operand, or (primitive, expression, ...)."""


class Calls(NamedTuple):
    """A loop around the rows of a kernel, over calls of a part that lie side by side."""

    number: int
    room: int
    """The places that each number has for them, some of which may be left over; 0 if others have those."""
    strides: tuple[int, ...]
    """Of each place from call to call: 1, or 0 where all calls have the same."""


class Map(NamedTuple):
    """The expression, for each row of places of operands, the last of which is that of the result."""

    expression: Expression
    nests: list[Nest]
    calls: Calls | None = None


class Dot(NamedTuple):
    """bias + sum over k of (what is at w + ws[k]) x (what is at x + xs[k]), for each row (w, x, bias, result)."""

    ws: tuple[int, ...]
    xs: tuple[int, ...]
    nests: list[Nest]
    calls: Calls | None = None


class Total(NamedTuple):
    """The same without a bias, summed over the examples and added to a total, for each row (w, x, which total)."""

    ws: tuple[int, ...]
    xs: tuple[int, ...]
    nests: list[Nest]
    calls: Calls | None = None


class Gather(NamedTuple):
    """The number at x + xs[index], for each row (place of the index, x, result)."""

    xs: tuple[int, ...]
    nests: list[Nest]
    calls: Calls | None = None


Kernel = Map | Dot | Total | Gather


class Kernels(NamedTuple):
    """A program as kernels: first those of shared numbers, which run once, then those that run for each example."""

    once: list[Kernel]
    each: list[Kernel]
    shared_inputs: int
    constants: tuple[float, ...]
    """They come after the shared numbers that come in."""
    shared: int
    """The places of shared numbers: those that come in, constants, and what is computed of them."""
    inputs: int
    """The count of numbers that come in with each example, at its first places."""
    own: int
    """The count of places of each example."""
    outputs: list[int]
    """The place of each output that each example has."""
    totals: int
    """The count of sums over the examples."""


def spread(kernel: Kernel) -> Kernel:
    """The same with calls as a loop like others; of a total, as terms."""
    if kernel.calls is None:
        return kernel
    count, _, strides = kernel.calls
    if isinstance(kernel, Total):
        ws, xs = (
            tuple([x + c * stride for x in offsets for c in range(count)])
            for offsets, stride in zip((kernel.ws, kernel.xs), strides, strict=False)
        )
        return Total(ws, xs, kernel.nests)
    loops = []
    for (rows, columns), start, outer, inner in kernel.nests:
        for i in range(rows):
            at = tuple([x + i * step for x, step in zip(start, outer, strict=True)])
            loops.append(Nest((count, columns), at, strides, inner))
    return kernel._replace(nests=loops, calls=None)


def describe(kernels: Kernels) -> list[str]:
    """The kernels in words, a line for each shape."""
    lines = Counter(_described(spread(kernel)) for kernel in (*kernels.once, *kernels.each))
    return [f"{line}, {uses} uses" if uses > 1 else line for line, uses in lines.items()]


def _described(kernel: Kernel) -> str:
    rows = sum(nest.counts[0] * nest.counts[1] for nest in kernel.nests)
    if isinstance(kernel, Map):
        return f"{_text(kernel.expression)} for {rows} row{'s' * (rows != 1)}"
    if isinstance(kernel, Gather):
        return f"gather {rows} of {len(kernel.xs)}"
    if isinstance(kernel, Dot):
        return f"matrix-vector {rows}x{len(kernel.ws)}"
    height, width = (len({row[k] for nest in kernel.nests for row in rows_of(nest)}) for k in range(2))
    terms = f" over {len(kernel.ws)} terms" * (len(kernel.ws) > 1)
    if height * width == rows and height > 1:
        return f"outer product {height}x{width}{terms}, summed over examples"
    return f"{rows} products{terms}, summed over examples"


def _text(expression: Expression) -> str:
    if type(expression) is not tuple:
        return "abcdefghijklmnopqrstuvwxyz"[expression]
    primitive, *parts = expression
    return f"{primitive.name}({', '.join(map(_text, parts))})"
