"""Tracing: a function is called once, on Values whose numbers cannot be read, and what it records is its program.

A trace is ordinary recording under the mode `symbolic`. So whatever the engine can record can be traced, and what would
freeze a number into the program raises an error that says what to write instead.
"""

import contextlib
import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from ...graph import Node
from ...modes import NOT_OF_USER, line_of_user, plainly, source_line
from ...value import Value
from .calls import Call, NoPart
from .unknown import symbolic

T = TypeVar("T")
Structure = Any
"""The form of an argument: `float`, `int` for an index, or a list or dict of structures."""
Doubt = frozenset[int] | None
"""The positions of the numbers of an example that may be inf or nan; None: any number may."""
CERTAIN: Doubt = frozenset()


class Index(Value):
    """A whole number that is known only when the program runs. `gather` takes it; it can be computed with as well."""

    __slots__ = ()

    def __index__(self) -> int:
        raise TypeError(
            "an index is known only when the program runs; write autograd.gather(values, index) in the place of "
            "values[index]; ranges and slices need numbers that are the same for all examples"
        )


@dataclass
class Trace:
    """A recorded call: the inputs, laid out flat, and the result of the function."""

    inputs: list[Value]
    result: Any = None
    assumed: set[tuple[Callable[[], Any], Any]] = field(default_factory=set)
    """Reads of the trace with their answers, which have to be the same for the program to hold."""
    asked: list[Any] = field(default_factory=list)
    """Keys of further inputs, which come after those of the arguments; whoever runs the program knows them."""
    named: dict[Value, tuple[type[Exception], str]] = field(default_factory=dict)
    """Of indices, the error for one that is out of range."""
    parts: Any = None
    """The `Parts` that may be called; None if all is recorded as a whole."""
    calls: dict[Node, Call] = field(default_factory=dict)
    within: "Trace | None" = None
    """Of a part, the trace that it is called in."""
    marked: bool = False
    """Whether a part of it is recorded with it, rather than by itself."""
    asked_for: int = 0
    """The count of functions that might have been parts."""
    number: int = field(default_factory=itertools.count(1).__next__)
    """Of traces so far."""


CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


def trace(
    f: Callable[..., Any],
    structures: Sequence[Structure],
    names: Sequence[str] = (),
    doubt: Doubt = None,
    skipped: list[Node] | None = None,
    parts: Any = None,
) -> Trace:
    """Calls f on one example of these structures, of which it may read no number. names: of the arguments. doubt: which
    of the numbers may be inf or nan. skipped: gets what was left without a guard; see `Symbolic`. parts: those that may
    be called.

    Raises TypeError, with a remedy, where it tries to. An error says that it happened here, and ends with the user's
    line.
    """
    found = Trace([], parts=parts)
    names = names or ("xyzuvw" if len(structures) <= 6 else [f"x{i}" for i in range(len(structures))])
    arguments = [_argument(s, found.inputs, name) for s, name in zip(structures, names, strict=False)]
    token = CURRENT.set(found)
    try:
        with plainly(), symbolic(None if doubt is None else [found.inputs[i] for i in doubt], skipped=skipped):
            found.result = f(*arguments)
    except Exception as error:
        lines = _lines_of_user(error.__traceback__)
        where = source_line(lines[-1].tb_frame.f_code.co_filename, lines[-1].tb_lineno) if lines else line_of_user()
        if (hint := _hint(error)) is not None:
            error.add_note(hint)
        error.add_note(f"while the function was called to be compiled, on Values whose numbers are not known: {where}")
        error.traced = True  # type: ignore[attr-defined]  # for `Shortened`
        raise
    finally:
        CURRENT.reset(token)
    return found


def _hint(error: Exception) -> str | None:
    """A remedy for an error that is Python's own."""
    if isinstance(error, TypeError) and "indices must be integers or slices, not " in str(error):
        return "write gather(values, index), with whole numbers in the data, in the place of values[index]"
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], Value):
        return "write where(equal(v, 1), a, b) in the place of a dict's entry: no Value is equal to a key"
    return None


def parameters_of(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the first parameters of a function; none if they cannot be found."""
    try:
        found = list(inspect.signature(f).parameters.values())[:count]
    except (TypeError, ValueError):
        return []
    named = [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return named if len(named) == count else []


class Shortened(contextlib.ContextDecorator):
    """An error of a trace leaves the block, or the decorated function, with the user's own lines only."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if getattr(error, "traced", False) and error is not None:
            chain = None
            for line in reversed(_lines_of_user(error.__traceback__)):
                chain = TracebackType(chain, line.tb_frame, line.tb_lasti, line.tb_lineno)
            error.__traceback__ = chain


def _lines_of_user(traceback: TracebackType | None) -> list[TracebackType]:
    found = []
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in NOT_OF_USER:
            found.append(traceback)
        traceback = traceback.tb_next
    return found


def assume(read: Callable[[], T]) -> T:
    """The result of `read`; a trace that is under way holds only as long as that stays the same.

    For what is no number but decides what is recorded, such as whether a module is in training mode. A method that is
    read many times is asked once when the program runs again.
    """
    found = read()
    if (current := CURRENT.get()) is not None:
        current.assumed.add((read, found))
    return found


def ask(key: Any) -> Value:
    """A further input of the trace that is under way, for each example, which whoever runs the program knows by its
    key. TypeError if there is none; NoPart in what is recorded by itself."""
    if (current := CURRENT.get()) is None:
        raise TypeError(
            "what is drawn anew for each example cannot be drawn while a function is recorded for all numbers"
        )
    if current.within is not None:
        raise NoPart
    current.asked.append(key)
    current.inputs.append(Value(math.nan, label=" ".join(map(str, key))))
    return current.inputs[-1]


def called(owner: Any, f: Callable[..., Any], args: Any, options: Any, marked: bool = False) -> Any:
    """f(*args, **options); where a function is recorded in parts, as a call of a part that is recorded once for each
    structure of the arguments. owner: the object that f belongs to; its attributes are watched. marked: whether parts
    within it are recorded with it, rather than by themselves. NoPart in what might be a part by itself."""
    current = CURRENT.get()
    if current is None or not in_parts():
        return f(*args, **options)
    if current.within is not None:
        raise NoPart
    current.asked_for += 1
    return current.parts.of(owner, f, args, options, marked)


def each(f: Callable[..., Any], rows: Iterable[Any], common: Sequence[Any] = ()) -> list[Any]:
    """[f(*row, *common) for row in rows]; where a function is recorded in parts, f is recorded once, if rows have one
    structure, and all of it is done together. f: a function, or a method of a module, as for `part`. NoPart in what
    might be a part by itself."""
    current, rows = CURRENT.get(), list(rows)
    if current is None or len(rows) < 2 or not in_parts():
        return [f(*row, *common) for row in rows]
    if current.within is not None:
        raise NoPart
    current.asked_for += 1
    found: list[Any] = current.parts.each(f, rows, common)
    return found


def in_parts() -> bool:
    """Whether a function is recorded in parts now; see `each`."""
    current = CURRENT.get()
    if current is None or current.within is None:
        return current is not None and current.parts is not None
    return not current.marked


def calls_so_far() -> dict[Node, Call]:
    """The calls of the trace that is under way, by their nodes."""
    current = CURRENT.get()
    return {} if current is None else current.calls


def name_index(index: Any, error: type[Exception], text: str) -> None:
    """Has an index that is out of range, when the trace that is under way is run, raise this error; the text goes on
    with the range and what was found."""
    if (current := CURRENT.get()) is not None and isinstance(index, Index):
        current.named[index] = error, text


def _argument(structure: Structure, inputs: list[Value], name: str) -> Any:
    if isinstance(structure, dict):
        return {key: _argument(s, inputs, f"{name}[{key!r}]") for key, s in structure.items()}
    if isinstance(structure, list):
        return [_argument(s, inputs, f"{name}[{i}]") for i, s in enumerate(structure)]
    inputs.append((Index if structure is int else Value)(math.nan, label=name))
    return inputs[-1]


def entries(x: Any) -> list[Any]:
    """The numbers, or kinds of them, in nested lists, tuples and dicts, from left to right."""
    if isinstance(x, dict):
        x = list(x.values())
    return [z for y in x for z in entries(y)] if isinstance(x, list | tuple) else [x]


def flat(result: Any) -> list[Any]:
    """The Values and floats of nested lists and tuples, from left to right. Raises TypeError for anything else."""
    if isinstance(result, list | tuple):
        return [y for x in result for y in flat(x)]
    if not isinstance(result, Value) and not hasattr(result, "__float__"):
        raise TypeError(f"the function has to return numbers, or lists of them, got {type(result).__name__}")
    return [result if isinstance(result, Value) else float(result)]


def shaped(numbers: Any, structure: Any) -> Any:
    """The next numbers, in nested lists and dicts of this structure."""
    if isinstance(structure, dict):
        return {key: shaped(numbers, x) for key, x in structure.items()}
    return [shaped(numbers, x) for x in structure] if isinstance(structure, list | tuple) else next(numbers)


def skeleton(x: Any) -> Any:
    """The nested lists and dicts without what is in them."""
    if isinstance(x, dict):
        return {key: skeleton(y) for key, y in x.items()}
    return [skeleton(y) for y in x] if isinstance(x, list | tuple) else None
