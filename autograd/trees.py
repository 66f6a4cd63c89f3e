"""Trees, as the arguments and results of functions: a number; or lists, tuples, dicts, dataclasses and NumPy arrays of
trees; or None, which has no numbers."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any

from .value import Value


def branches(tree: Any) -> list[Any] | None:
    """The trees that a tree is made of; None for a number."""
    if isinstance(tree, list | tuple):
        return list(tree)
    if isinstance(tree, Value | float):
        return None
    if isinstance(tree, dict):
        return list(tree.values())
    if tree is None:
        return []
    if is_dataclass(tree) and not isinstance(tree, type):
        return [getattr(tree, f.name) for f in fields(tree)]
    return list(tree) if _is_array(tree) else None


def joined(tree: Any, parts: list[Any]) -> Any:
    """A tree like this one, of other branches."""
    if isinstance(tree, dict):
        result = copy(tree)  # an OrderedDict stays one
        result.update(zip(tree, parts, strict=True))
        return result
    if isinstance(tree, tuple):
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if isinstance(tree, list) or tree is None:
        return parts if isinstance(tree, list) else None
    if _is_array(tree):
        return _array(parts)
    result = copy(tree)
    for f, part in zip(fields(tree), parts, strict=True):
        object.__setattr__(result, f.name, part)  # a frozen dataclass too
    return result


def _is_array(x: Any) -> bool:
    return hasattr(x, "__array_interface__") and getattr(x, "ndim", 0) > 0


def _array(parts: list[Any]) -> Any:
    """Parts, all alike, as a NumPy array: of objects, if there are Values among them."""
    import numpy

    found = numpy.empty(len(parts), dtype=object)
    found[:] = parts
    if not any(isinstance(x, Value) for x in parts) and all(isinstance(x, float) or _is_array(x) for x in parts):
        return numpy.array(parts)
    return numpy.stack(parts) if parts and all(map(_is_array, parts)) else found


def entries(tree: Any) -> Iterator[Any]:
    """The numbers of a tree, from left to right."""
    if (parts := branches(tree)) is None:
        yield tree
        return
    for part in parts:
        yield from entries(part)


def has_values(tree: Any) -> bool:
    """Whether there is a Value in a tree."""
    if _is_array(tree) and tree.dtype.kind != "O":  # data, and perhaps many
        return False
    parts = branches(tree)
    return isinstance(tree, Value) if parts is None else any(map(has_values, parts))


def rebuild(tree: Any, numbers: Iterable[Any]) -> Any:
    """A tree of the same shape with other numbers, from left to right."""
    return _rebuild(tree, iter(numbers))


def _rebuild(tree: Any, numbers: Iterator[Any]) -> Any:
    if (parts := branches(tree)) is None:
        return next(numbers)
    return joined(tree, [_rebuild(part, numbers) for part in parts])
