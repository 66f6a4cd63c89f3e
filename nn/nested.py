"""Nested lists of numbers: inputs, outputs and targets."""

from collections.abc import Callable, Iterator
from typing import Any

from autograd import Value
from autograd.compiler import each, in_parts, is_table, listed
from autograd.extend import as_float

NUMBERS = {Value, float}
"""Types that are no lists: where there are only these, nothing has to be asked one by one."""


def is_list(x: Any) -> bool:
    """Whether x is a list, tuple or array of numbers; a string and an array without axes are not."""
    kind = type(x)
    if kind is Value or kind is float:
        return False
    return kind is list or (hasattr(x, "__len__") and not isinstance(x, str) and getattr(x, "ndim", 1) > 0)


def flat(x: Any) -> list[Any]:
    """The numbers of nested lists, from left to right."""
    if type(x) is list and {*map(type, x)} <= NUMBERS:
        return x.copy()
    return [v for y in x for v in (flat(y) if is_list(y) else (y,))] if is_list(x) else [x]


def nested(f: Callable[..., Any], *xs: Any) -> Any:
    """f of the numbers of nested lists that have the same shape, in that shape."""
    if not is_list(xs[0]):
        return f(*xs)
    if {*map(type, xs[0])} <= NUMBERS:
        return [f(*ys) for ys in zip(*xs, strict=True)]
    if in_parts():
        numbers = iter(each(f, list(zip(*map(flat, xs), strict=True))))
        return _reshaped(xs, numbers)
    return [nested(f, *ys) if is_list(ys[0]) else f(*ys) for ys in zip(*xs, strict=True)]


def _reshaped(xs: Any, numbers: Iterator[Any]) -> Any:
    """The numbers in the shape of nested lists, which are alike."""
    if not is_list(xs[0]):
        return next(numbers)
    return [_reshaped(ys, numbers) for ys in zip(*xs, strict=True)]


def rows(f: Callable[[Any], Any], x: Any) -> Any:
    """f of each innermost list of nested lists: what PyTorch does along the last dimension."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if not len(x) or not is_list(x[0]):
        return f(x)
    if len(x[0]) and not is_list(x[0][0]):
        return each(f, [(y,) for y in x])
    return [rows(f, y) for y in x]


def by_rows(x: Any) -> Any:
    """The rows of a table of another library as lists; anything else as it is. Raises TypeError for a column that is
    not of numbers."""
    if type(x) is list or not is_table(x):
        return x
    found = listed(x)
    return found.tolist() if hasattr(found, "tolist") else found


def column_names(x: Any) -> list[str]:
    """The names of a table's columns; none for anything else."""
    return list(map(str, getattr(x, "column_names", None) or x.columns)) if is_table(x) else []


def number_in_state(x: Any) -> float:
    """A number of a state as a float. Raises TypeError for anything else, `true` among it, and ValueError for one that
    is too large."""
    if isinstance(x, bool):
        raise TypeError(f"expected a number, got {x}")
    try:
        return as_float(x)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def shape(x: Any) -> str:
    """The form of an input, for error texts: `3 x 8 x 8 numbers`, or `one float`."""
    sizes, x = [], by_rows(x)
    while is_list(x):
        sizes.append(str(len(x)))
        x = x[0] if len(x) else 0.0
    return f"{' x '.join(sizes)} numbers" if sizes else f"one {type(x).__name__}"


def detach(x: Any) -> Any:
    """Nested lists of the same numbers as new leaves: gradients stop there, as in truncated backpropagation through
    time."""
    return nested(lambda v: v.detach() if isinstance(v, Value) else v, x)
