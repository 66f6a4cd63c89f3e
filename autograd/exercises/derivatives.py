"""`check_gradient`: a derivative that a student has worked out by hand, held against every misconception."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..transforms import grad
from .attempts import attempt
from .battery import close, number_in
from .diagnosis import SWEEPS, priority, wrong_ways
from .engine import Engine, Operation
from .findings import describe, finding_of, of_error
from .misconceptions import NAMED
from .operations import RIGHT
from .report import Finding, Report, Task
from .simple import fewest

AT = (0.5, -0.8, 1.7, 0.3, -1.4, 2.2)
"""The numbers at which functions are tried unless told, shifted by one place from try to try."""
TRIES = 3
SKIPPED = ("operator-", "data-", "rule-never", "backward-", "children-", "gradient-becomes", "uses-own", "in-place",
           "sum-and-product", "overwrites-gradient")  # fmt: skip
"""Misconceptions that a formula cannot have."""


class Change(NamedTuple):
    """One operation with one misconception."""

    name: str
    operation: str
    way: Operation


def check_gradient(
    f: Callable[..., Any],
    student_gradient: Callable[..., Any],
    at: Sequence[float] | Sequence[Sequence[float]] | None = None,
    *,
    name: str = "",
) -> Report:
    """A report on a derivative worked out by hand: whether it is right, and which misconception explains it.

    f: a function of one or several numbers, written with operators and this package's functions. student_gradient:
    takes the same numbers, and gives the derivative, or a tuple of the derivatives by each of them. at: the places
    where they are compared, a list of numbers or of tuples; three between -1.4 and 2.2 unless told. name: of the
    student's function in the report.
    Raises TypeError for what cannot be called.

    >>> from autograd import tanh
    >>> from autograd.exercises import check_gradient
    >>> check_gradient(lambda x: tanh(x) ** 2, lambda x: 2 * tanh(x)).findings[0].name
    'local-forgotten'
    """
    for g in (f, student_gradient):
        if not callable(g):
            raise TypeError(f"check_gradient expected two functions, got {type(g).__name__}")
    places = _places(f, at)
    right = [_right(f, place) for place in places]
    done = [attempt(partial(_theirs, student_gradient, place), 1.0) for place in places]
    theirs = [d.value for d in done]
    errors = [describe(d.error) for d in done if d.error]
    passed = [b is not None and _same(a, b) for a, b in zip(right, theirs, strict=True)]
    findings = []
    if not all(passed):
        findings = _explained(f, places, right, theirs, errors, name or "derivative")
    return Report(
        f"check_gradient({name or 'derivative'})", [Task("the derivative", sum(passed), len(passed), 1.0)], findings
    )


def _places(f: Callable[..., Any], at: Any) -> list[tuple[float, ...]]:
    if at is not None:
        return [tuple(map(float, x)) if isinstance(x, Sequence) else (float(x),) for x in at]
    named = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    count = sum(p.kind in named for p in inspect.signature(f).parameters.values()) or 1  # one, as `grad(f)` takes
    return [tuple(AT[(shift + i) % len(AT)] for i in range(count)) for shift in range(TRIES)]


def _right(f: Callable[..., Any], place: Sequence[float]) -> tuple[float, ...]:
    found = grad(f, argnums=tuple(range(len(place))))(*place)
    return tuple(map(float, found))


def _theirs(g: Callable[..., Any], place: Sequence[float]) -> tuple[float, ...]:
    found = g(*place)
    found = found.tolist() if hasattr(found, "tolist") else found
    numbers = [number_in(x)[0] for x in (found if isinstance(found, tuple | list) else [found])]
    return tuple(float("nan") if x is None else x for x in numbers)


def _same(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(map(close, a, b))


def _by_engine(f: Callable[..., Any], place: Sequence[float], operations: dict[str, Operation]) -> tuple[float, ...]:
    """The derivatives by an engine with these operations."""
    engine = Engine(operations, SWEEPS[0])
    leaves = [engine(x) for x in place]
    y = f(*leaves)
    y.backward()
    return tuple(x.grad for x in leaves)


def _used(f: Callable[..., Any], place: Sequence[float]) -> set[str]:
    """The operations of f."""
    engine = Engine(RIGHT, SWEEPS[0])
    waiting, found = [f(*map(engine, place))], set()
    while waiting:
        node = waiting.pop()
        found.add(node.operation)
        waiting += node.operands
    return found - {""}


def _explained(
    f: Callable[..., Any],
    places: Sequence[tuple[float, ...]],
    right: Sequence[tuple[float, ...]],
    theirs: Sequence[tuple[float, ...] | None],
    errors: Sequence[str],
    name: str,
) -> list[Finding]:
    wrong = next(i for i, (a, b) in enumerate(zip(right, theirs, strict=True)) if b is None or not _same(a, b))
    which = next(
        (k for k, (x, y) in enumerate(zip(right[wrong], theirs[wrong] or (), strict=False)) if not close(x, y)), 0
    )
    numbers = theirs[wrong] or ()
    if not errors and all(x != x for x in numbers):
        return [Finding("not-written", f"Your {name} gives no number: is the `return` missing?")]
    if not errors and len(numbers) != len(right[wrong]):
        asked = "one number" if len(right[wrong]) == 1 else f"{len(right[wrong])} numbers, one for each argument"
        return [Finding("unexplained", f"Your {name} gives {len(numbers)} where {asked} should come.")]
    got: float | str = errors[0] if errors else numbers[which] if which < len(numbers) else "nothing"
    example = f"{name}({', '.join(f'{x:g}' for x in places[wrong])})"
    quantity = "the derivative" if len(right[wrong]) == 1 else f"the derivative by argument {which + 1}"
    shown = (example, quantity, right[wrong][which], got)
    used = attempt(lambda: _used(f, places[0]), 1.0).value or set()
    changes = [
        Change(choice.names[0], operation, choice.operation)
        for operation in sorted(used)
        for choice in wrong_ways(operation, "nodes", RIGHT[operation])
        if not choice.names[0].startswith(SKIPPED)
    ]
    changes.sort(key=lambda change: priority(change.name))

    def fits(chosen: tuple[Change, ...]) -> bool:
        operations = {**RIGHT, **{change.operation: change.way for change in chosen}}
        return all(
            b is not None and _same(_by_engine(f, place, operations), b)
            for place, b in zip(places, theirs, strict=True)
        )

    found = attempt(lambda: fewest(changes, fits, 2), 2.0).value if used and not errors else None
    if found:
        return [
            finding_of(NAMED[change.name], [change.operation], None)._replace(
                example=shown[0], quantity=shown[1], expected=shown[2], got=shown[3]
            )
            for change in found
        ]
    if errors:
        return [of_error(f"Your {name}", errors[0], "", shown)]
    text = "The derivative is wrong, and no misconception that is known here explains it."
    factor = _factor(right, theirs)
    if _exchanged(right, theirs):
        text = f"The numbers of your {name} are right, in another order: first comes that by the first argument."
    elif factor is not None:
        text = f"Your {name} is {factor:g} times the right one, everywhere that was tried."
    hint = "Compare it with numerical_gradient, term by term."
    return [Finding("unexplained", text, hint, *shown)]


def _exchanged(right: Sequence[tuple[float, ...]], theirs: Sequence[tuple[float, ...] | None]) -> bool:
    """Whether each place has the right derivatives in another order."""
    return all(b is not None and _same(sorted(a), sorted(b)) for a, b in zip(right, theirs, strict=True))


def _factor(right: Sequence[tuple[float, ...]], theirs: Sequence[tuple[float, ...] | None]) -> float | None:
    """The one number by which all derivatives are multiplied; None if there is none."""
    pairs = [(x, y) for a, b in zip(right, theirs, strict=True) for x, y in zip(a, b or (), strict=False) if x]
    ratios = [y / x for x, y in pairs]
    return ratios[0] if ratios and all(close(r, ratios[0]) for r in ratios) else None
