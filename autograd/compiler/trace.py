"""Tracing: a function is called once, on Values whose numbers cannot be read, and what it records is its program.

A trace is ordinary recording under the mode `symbolic`. So whatever the engine can record can be traced, and what would
freeze a number into the program raises an error that says what to write instead.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..modes import plainly, symbolic
from ..value import Value

Structure = Any
"""How an argument looks: `float`, `int` for an index, or a list of structures."""


class Index(Value):
    """A whole number that is known only when the program runs. `gather` takes it; it can be computed with as well."""

    __slots__ = ()

    def __index__(self) -> int:
        raise TypeError(
            "an index picks from a list only when the program runs; write autograd.gather(values, index) in the place "
            "of values[index]"
        )


class Trace(NamedTuple):
    """What a call recorded: the inputs, laid out flat, and what the function returned."""

    inputs: list[Value]
    result: Any


def trace(f: Callable[..., Any], structures: Sequence[Structure]) -> Trace:
    """Calls f on one example of these structures, of which it may read no number.

    Raises TypeError, with a remedy, where it tries to.
    """
    inputs: list[Value] = []
    names = "xyzuvw" if len(structures) <= 6 else ""
    arguments = [_argument(s, inputs, names[i] if names else f"x{i}") for i, s in enumerate(structures)]
    with plainly(), symbolic():
        result = f(*arguments)
    return Trace(inputs, result)


def _argument(structure: Structure, inputs: list[Value], name: str) -> Any:
    if isinstance(structure, list):
        return [_argument(s, inputs, f"{name}[{i}]") for i, s in enumerate(structure)]
    inputs.append((Index if structure is int else Value)(0.5 if structure is float else 0, label=name))
    return inputs[-1]


def flat(result: Any) -> list[Any]:
    """The Values and floats of nested lists and tuples, from left to right."""
    if isinstance(result, list | tuple):
        return [y for x in result for y in flat(x)]
    return [result if isinstance(result, Value) else float(result)]
