"""Batches: arrays and nested lists as the numbers of all examples, one after the other, sorted by structure."""

import contextlib
import ctypes
import functools
import itertools
import math
from array import array
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, NamedTuple

from ...floats import as_float
from ..tracing.trace import Structure
from .tables import is_table, rows_of


class Argument(NamedTuple):
    """A batch for one argument: the structure of an example, and the numbers of all, example after example."""

    structure: Structure
    key: Any
    """A key that tells structures apart."""
    numbers: Any
    """Something with a buffer of doubles."""
    columns: int
    examples: int
    mixed: bool = False
    """Whether an index may stand where other examples have another number."""

    def doubles(self) -> Any:
        return memoryview(self.numbers).cast("B").cast("d")

    def check(self, column: int, limit: "Limit") -> None:
        """IndexError, or what the limit says, if a number of this column is no index below it. Raises TypeError for a
        number that is not whole.
        """
        if hasattr(self.numbers, "min"):
            numbers = self.numbers.reshape(self.examples, self.columns)[:, column]
            limit.check(numbers.min(), numbers.max())
        else:
            numbers = (self.numbers if isinstance(self.numbers, array) else self.doubles())[column :: self.columns]
            limit.check(min(numbers), max(numbers))
            if self.mixed and (wrong := next((x for x in numbers if x != int(x)), None)) is not None:
                raise TypeError(f"expected whole numbers as indices, got {wrong:g}")


class Limit(NamedTuple):
    """The size of the table that an index is used with, and the beginning of the error's text."""

    size: int
    error: type[Exception] = IndexError
    text: str = "expected an index"

    def check(self, least: float, most: float) -> None:
        """An error unless both are indices."""
        if not (least >= 0 and most < self.size):
            got = most if least >= 0 else least
            raise self.error(f"{self.text} from 0 to {self.size - 1}, got {got:g}")


def doubtful(arguments: Sequence[Argument]) -> frozenset[int]:
    """The positions of numbers, counted through all arguments of an example, that are somewhere inf or nan."""
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
    columns = list(map(listed, batch))
    sizes = [len(x) if isinstance(x, list | tuple) or x.ndim else 0 for x in columns]
    as_array = any(hasattr(x, "dtype") for x in columns)
    found = [_of_array(x) if hasattr(x, "dtype") else _of_list(x) for x in columns]
    if len({*sizes}) > 1 or not sizes[0]:
        raise ValueError(f"expected as many examples for each argument, and at least one, got {sizes}")
    if not sum(a.columns if a is not None else 1 for a in found):
        raise ValueError("expected examples of at least one number, got empty lists")
    if None not in found:
        return [Part(range(sizes[0]), [a for a in found if a is not None])], as_array
    return _sorted([[_plain(y) for y in (x.tolist() if hasattr(x, "tolist") else x)] for x in columns]), as_array


def listed(x: Any) -> Any:
    """A batch as a list, tuple or NumPy array: the rows of a table, and whatever else offers its numbers as an array or
    list is asked for them.

    Raises TypeError for anything else, for a masked array, and for a table with a column that is not of numbers.
    """
    if isinstance(x, list | tuple):
        return x
    if is_table(x):
        return rows_of(x)
    if hasattr(x, "mask") and hasattr(x, "filled"):
        raise TypeError(
            "expected numbers, got a masked array, whose mask would be lost; write x.filled(math.nan), and leave out "
            "what is missing by where(...)"
        )
    if hasattr(x, "__array_interface__") and hasattr(x, "ndim") and hasattr(x, "flags"):
        return x
    if hasattr(x, "__array__") or hasattr(x, "__array_interface__"):
        with contextlib.suppress(ImportError):
            import numpy

            return listed(numpy.asarray(x))
    for name in ("tolist", "to_list", "to_pylist"):
        if hasattr(x, name):
            return getattr(x, name)()
    raise TypeError(f"expected an array or a list with an entry for each example, got {type(x).__name__}")


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
    """None if the examples are not of one shape, or have entries of several kinds. kind: what the numbers are, if that
    is known."""
    sizes, level = list[int](), x
    while not (kinds := {*map(type, level)}).isdisjoint(NESTED) or any(map(_offers_a_list, kinds)):
        if not kinds <= NESTED:
            level = [_plain(y) for y in level]
            if (kinds := {*map(type, level)}).isdisjoint(NESTED):
                break
        if not kinds <= NESTED or len(lengths := {*map(len, level)}) > 1:
            return None
        sizes += lengths
        level = list(itertools.chain.from_iterable(level))
    if dict in kinds or (sizes and int in kinds and len(kinds) > 1):  # perhaps indices among other numbers
        return None
    kind = kind or (int if _are_whole(kinds, level) else float)
    return _regular(kind, tuple(sizes), _doubles(level), len(x))


NESTED = {list, tuple}


def _doubles(numbers: Sequence[Any]) -> "array[float]":
    """OverflowError, in our words, for a number that no float can hold."""
    try:
        return array("d", numbers)
    except OverflowError:
        return array("d", map(as_float, numbers))


def _offers_a_list(kind: type) -> bool:
    return hasattr(kind, "tolist") or hasattr(kind, "__array__")


def _plain(x: Any) -> Any:
    """An entry of a list, with lists in the place of arrays."""
    if not _offers_a_list(type(x)):
        return x
    found = listed(x)
    return found.tolist() if hasattr(found, "tolist") else found


def _are_whole(kinds: set[type], numbers: Sequence[Any]) -> bool:
    """Whether all are whole numbers. TypeError if some are no numbers."""
    for kind in kinds:
        if not issubclass(kind, Real):
            x = next(x for x in numbers if type(x) is kind)
            instead = "; write math.nan for a missing number, and where(equal(y, y), loss, 0.0) to leave it out"
            missing = instead if x is None else ""
            raise TypeError(f"expected numbers, or lists of them, got {x!r} ({kind.__name__}){missing}")
    return bool(kinds) and all(hasattr(kind, "__index__") for kind in kinds)


# Examples that differ in structure, or in which indices stand among other numbers


def _sorted(columns: Sequence[Sequence[Any]]) -> list[Part]:
    """The examples by structure."""
    whole: list[dict[Any, bool]] = []
    for column in columns:
        whole.append({})
        for x in column:
            _look(x, (), whole[-1])
    rows: dict[str, list[int]] = {}
    for i, example in enumerate(zip(*columns, strict=True)):
        rows.setdefault(str([_shape(x) for x in example]), []).append(i)
    parts = []
    for chosen in rows.values():
        examples = [[column[i] for i in chosen] for column in columns]
        parts.append(Part(chosen, [_alike(x, known) for x, known in zip(examples, whole, strict=True)]))
    return parts


def _alike(x: Sequence[Any], whole: dict[Any, bool]) -> Argument:
    """Of examples of one structure."""
    kinds = {int if are else float for are in whole.values()}
    return (_of_list(x, kinds.pop()) if len(kinds) == 1 else None) or _irregular(x, whole)


def _fields(x: Any) -> list[tuple[Any, Any]]:
    """The entries of a list, tuple or dict, each with what tells its kind of number apart: entries of a list of lists
    are alike, those of a tuple, of a dict, and of a list of both numbers and lists are not."""
    if isinstance(x, dict):
        return list(x.items())
    alike = isinstance(x, list) and ({*map(type, x)} <= NESTED or {*map(type, x)}.isdisjoint({*NESTED, dict}))
    return [("all" if alike else i, y) for i, y in enumerate(x)]


def _look(x: Any, path: tuple[Any, ...], whole: dict[Any, bool]) -> None:
    """Notes for each path whether all numbers there are whole."""
    if isinstance(x, list | tuple | dict):
        for name, y in _fields(x):
            _look(_plain(y), (*path, name), whole)
    else:
        whole[path] = _are_whole({type(x)}, [x]) and whole.get(path, True)


def _irregular(x: Sequence[Any], whole: dict[Any, bool]) -> Argument:
    """The same, where numbers are of several kinds, or lists of several lengths.

    Where a list has whole numbers and others, each entry is what it is here in all examples. The key does not tell
    them apart, so that other examples can be of the same structure.
    """
    numbers = [list(_numbers(y)) for y in x]
    mixed = [int if all(hasattr(y, "__index__") for y in column) else float for column in zip(*numbers, strict=True)]
    key, kinds = _structure(x[0], (), whole, None), iter(mixed)
    structure = _structure(x[0], (), whole, kinds)
    flat = _doubles(list(itertools.chain.from_iterable(numbers)))
    return Argument(structure, _shape(x[0]) + str(key), flat, len(mixed), len(x), True)


def _structure(x: Any, path: tuple[Any, ...], whole: dict[Any, bool], kinds: "Iterator[type] | None") -> Structure:
    """kinds: of the numbers in order; None for a structure in which only paths tell kinds."""
    if isinstance(x, dict):
        return {name: _structure(_plain(y), (*path, name), whole, kinds) for name, y in x.items()}
    if isinstance(x, list | tuple):
        return [_structure(_plain(y), (*path, name), whole, kinds) for name, y in _fields(x)]
    kind = float if kinds is None else next(kinds)
    return int if whole[path] else kind


def _numbers(x: Any) -> Iterator[Any]:
    if isinstance(x, dict):
        x = list(x.values())
    if isinstance(x, list | tuple):
        for y in x:
            yield from _numbers(_plain(y))
    else:
        yield x


def _shape(x: Any) -> str:
    """Of lists and dicts, without what numbers are."""
    if isinstance(x, dict):
        return "{" + ",".join(f"{name!r}:{_shape(_plain(y))}" for name, y in x.items()) + "}"
    return "[" + ",".join(_shape(_plain(y)) for y in x) + "]" if isinstance(x, list | tuple) else "."


def address_of(numbers: Any) -> int:
    """The address of a buffer of doubles; it may be read-only."""
    if isinstance(numbers, array):
        return numbers.buffer_info()[0]
    if numbers.flags.writeable and numbers.size:
        return ctypes.addressof(ctypes.c_char.from_buffer(numbers))  # three times as fast
    address: int = numbers.__array_interface__["data"][0]
    return address
