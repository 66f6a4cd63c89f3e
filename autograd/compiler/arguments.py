"""Batches: arrays and nested lists as the numbers of all examples, one after the other, sorted by structure."""

import ctypes
import functools
import itertools
import math
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..value import Value
from .trace import Structure


class Argument(NamedTuple):
    """A batch for one argument: the structure of an example, and the numbers of all, example after example."""

    structure: Structure
    key: Any
    """What tells structures apart."""
    numbers: Any
    """Something with a buffer of doubles."""
    columns: int
    examples: int

    def doubles(self) -> Any:
        return memoryview(self.numbers).cast("B").cast("d")

    def check(self, column: int, limit: int) -> None:
        """IndexError if a number of this column is no index below the limit."""
        if hasattr(self.numbers, "min"):
            numbers = self.numbers.reshape(self.examples, self.columns)[:, column]
            least, most = numbers.min(), numbers.max()
        else:
            numbers = self.doubles()[column :: self.columns]
            least, most = min(numbers), max(numbers)
        check_range(least, most, limit)


def check_range(least: float, most: float, limit: int) -> None:
    """IndexError unless both are indices below the limit."""
    if least < 0 or most >= limit:
        raise IndexError(f"expected an index from 0 to {limit - 1}, got {least if least < 0 else most:g}")


def doubtful(arguments: Sequence[Argument]) -> frozenset[int]:
    """Which of the numbers of an example, counted through all arguments, are somewhere inf or nan."""
    found, start = set[int](), 0
    for a in arguments:
        if not _finite(a.numbers):
            numbers = a.doubles()
            found |= {start + i for i in range(a.columns) if not _finite(numbers[i :: a.columns])}
        start += a.columns
    return frozenset(found)


def _finite(numbers: Any) -> bool:
    """Whether all are finite, and so is their sum."""
    return math.isfinite(numbers.sum() if hasattr(numbers, "sum") else sum(numbers))


class Part(NamedTuple):
    """The examples of one structure: which ones, in order, and their numbers."""

    rows: Sequence[int]
    arguments: list[Argument]


def parts_of(batch: Sequence[Any]) -> tuple[list[Part], bool]:
    """The examples sorted by their structure, and whether some came as arrays, so that results are arrays too.

    Raises TypeError and ValueError for what is no batch.
    """
    if not batch:
        raise TypeError("expected a batch for each argument of the function, got none")
    for x in batch:
        if not isinstance(x, list | tuple) and not hasattr(x, "dtype"):
            raise TypeError(f"expected an array or a list with an entry for each example, got {type(x).__name__}")
    sizes = [len(x) if isinstance(x, list | tuple) or x.ndim else 0 for x in batch]
    as_array = any(hasattr(x, "dtype") for x in batch)
    found = [_of_array(x) if hasattr(x, "dtype") else _of_list(x) for x in batch]
    if len({*sizes}) > 1 or not sizes[0]:
        raise ValueError(f"expected as many examples for each argument, and at least one, got {sizes}")
    if not sum(a.columns if a is not None else 1 for a in found):
        raise ValueError("expected examples of at least one number, got empty lists")
    if None not in found:
        return [Part(range(sizes[0]), [a for a in found if a is not None])], as_array
    lists = [x.tolist() if hasattr(x, "tolist") else x for x in batch]
    return _sorted([[y.tolist() if hasattr(y, "tolist") else y for y in x] for x in lists]), as_array


def _of_array(x: Any) -> Argument:
    import numpy

    if x.dtype.kind not in "fiub" or x.ndim < 1:
        raise TypeError(f"expected an array of numbers with an axis of examples, got {x.dtype} of shape {x.shape}")
    if not math.prod(x.shape[1:]):
        raise ValueError(f"expected examples of at least one number, got an array of shape {x.shape}")
    return _regular(
        int if x.dtype.kind in "iub" else float, x.shape[1:], numpy.require(x, numpy.float64, ["C", "A"]), len(x)
    )


def copied(argument: Argument) -> Argument:
    """The same, with numbers that nobody else changes."""
    numbers = argument.numbers
    return argument if isinstance(numbers, array) else argument._replace(numbers=numbers.copy())


def _regular(kind: type, sizes: tuple[int, ...], numbers: Any, examples: int) -> Argument:
    return Argument(*_known(kind, sizes), numbers, math.prod(sizes), examples)


@functools.cache
def _known(kind: type, sizes: tuple[int, ...]) -> tuple[Structure, Any]:
    structure: Structure = kind
    for size in reversed(sizes):
        structure = [structure] * size
    return structure, (kind, sizes)


def _of_list(x: Sequence[Any], kind: type | None = None) -> Argument | None:
    """None if the examples are not of one shape. kind: what the numbers are, if that is known."""
    sizes, level = list[int](), x
    while not (kinds := {*map(type, level)}).isdisjoint(NESTED) or any(hasattr(kind, "tolist") for kind in kinds):
        if not kinds <= NESTED:
            level = [y.tolist() if hasattr(y, "tolist") else y for y in level]
            if (kinds := {*map(type, level)}).isdisjoint(NESTED):
                break
        if not kinds <= NESTED or len(lengths := {*map(len, level)}) > 1:
            return None
        sizes += lengths
        level = list(itertools.chain.from_iterable(level))
    kind = kind or (int if _are_whole(kinds, level) else float)
    return _regular(kind, tuple(sizes), array("d", level), len(x))


NESTED = {list, tuple}


def _are_whole(kinds: set[type], numbers: Sequence[Any]) -> bool:
    """Whether all are whole numbers. TypeError if some are no numbers."""
    for kind in kinds:
        if not hasattr(kind, "__float__") or issubclass(kind, Value):
            x = next(x for x in numbers if type(x) is kind)
            raise TypeError(f"expected numbers, or lists of them, got {x!r} ({kind.__name__})")
    return bool(kinds) and all(hasattr(kind, "__index__") for kind in kinds)


def _sorted(columns: Sequence[Sequence[Any]]) -> list[Part]:
    """The examples of arguments whose structures differ, by structure."""
    numbers_of = [_flat(x) for x in columns]
    kinds = [int if _are_whole({*map(type, x)}, x) else float for x in numbers_of]
    rows: dict[str, list[int]] = {}
    for i, example in enumerate(zip(*columns, strict=True)):
        rows.setdefault(str([_structure(x, float) for x in example]), []).append(i)
    parts = []
    for chosen in rows.values():
        examples = [[column[i] for i in chosen] for column in columns]
        parts.append(Part(chosen, [_of_list(x, k) or _irregular(x, k) for x, k in zip(examples, kinds, strict=True)]))
    return parts


def _irregular(x: Sequence[Any], kind: type) -> Argument:
    """Of examples that are lists of unequal lists, all alike."""
    structure, numbers = _structure(x[0], kind), array("d", _flat(x))
    return Argument(structure, str(structure), numbers, len(numbers) // len(x), len(x))


def _flat(x: Any) -> list[Any]:
    if isinstance(x, list | tuple) or hasattr(x, "tolist"):
        return [z for y in (x.tolist() if hasattr(x, "tolist") else x) for z in _flat(y)]
    return [x]


def _structure(x: Any, kind: type) -> Structure:
    if isinstance(x, list | tuple) or hasattr(x, "tolist"):
        return [_structure(y, kind) for y in x]
    return kind


def address_of(numbers: Any) -> int:
    """Where a buffer of doubles begins; it may be read-only."""
    if isinstance(numbers, array):
        return numbers.buffer_info()[0]
    if numbers.flags.writeable and numbers.size:
        return ctypes.addressof(ctypes.c_char.from_buffer(numbers))  # three times as fast
    address: int = numbers.__array_interface__["data"][0]
    return address
