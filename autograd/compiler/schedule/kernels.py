"""Kernels: what many numbers have done to them at once, and the places of those numbers.

Places are counted from 0 among what all examples share, and from EACH among what each example has.
"""

from collections import Counter
from typing import Any, NamedTuple

EACH = 1 << 60
"""The first place of what each example has of its own; farther away than any memory."""
LARGEST, OPERANDS = 12, 14
"""The most operations in one expression, and the most operands."""

Expression = Any
"""The number of an operand, or (primitive, expression, ...)."""


class Map(NamedTuple):
    """The expression, for each row of places of operands."""

    expression: Expression
    rows: list[tuple[int, ...]]
    out: list[int]


class Dot(NamedTuple):
    """bias + sum over k of (what is at w + ws[k]) x (what is at x + xs[k]), for each row (w, x, bias)."""

    ws: tuple[int, ...]
    xs: tuple[int, ...]
    rows: list[tuple[int, int, int]]
    out: list[int]


class Total(NamedTuple):
    """The same without a bias, summed over the examples. `out` counts the totals."""

    ws: tuple[int, ...]
    xs: tuple[int, ...]
    rows: list[tuple[int, int]]
    out: list[int]


class Gather(NamedTuple):
    """The number at x + xs[index], for each row (place of the index, x)."""

    xs: tuple[int, ...]
    rows: list[tuple[int, int]]
    out: list[int]


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
    """The place of each output; of a total, which one it is."""


def describe(kernels: Kernels) -> list[str]:
    """The kernels in words, a line for each shape."""
    lines = Counter(_described(kernel) for kernel in (*kernels.once, *kernels.each))
    return [f"{line}, {uses} uses" if uses > 1 else line for line, uses in lines.items()]


def _described(kernel: Kernel) -> str:
    rows = len(kernel.rows)
    if isinstance(kernel, Map):
        return f"{_text(kernel.expression)} for {rows} row{'s' * (rows != 1)}"
    if isinstance(kernel, Gather):
        return f"gather {rows} of {len(kernel.xs)}"
    if isinstance(kernel, Dot):
        return f"matrix-vector {rows}x{len(kernel.ws)}"
    height, width = len({w for w, _ in kernel.rows}), len({x for _, x in kernel.rows})
    terms = f" over {len(kernel.ws)} terms" * (len(kernel.ws) > 1)
    if height * width == rows and height > 1:
        return f"outer product {height}x{width}{terms}, summed over examples"
    return f"{rows} products{terms}, summed over examples"


def _text(expression: Expression) -> str:
    if type(expression) is not tuple:
        return "abcdefghijklmnopqrstuvwxyz"[expression]
    primitive, *parts = expression
    return f"{primitive.name}({', '.join(map(_text, parts))})"
