"""`check_answer`: a number, a text or a function of a reader, beside the right one and known mistakes."""

import copy
import math
from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

from .attempts import Stopped, attempt
from .findings import describe, of_error
from .report import Finding, Report, Task

SECONDS = 10.0
"""For each call of a reader's function."""


def check_answer(
    answer: Any,
    right: Any,
    mistakes: Mapping[str, Any] | None = None,
    *,
    at: Sequence[Sequence[Any]] = (),
    name: str = "the answer",
    tolerance: float = 1e-6,
) -> Report:
    """A report on an answer: a number, a text, True or False, a list of them, or a function that gives one.

    right: the right answer, of the same kind. mistakes: wrong answers by the sentence that explains them; a function
    among them gives wrong answers. at: for functions, the arguments with which they are called, a tuple for each call.
    name: of the answer in the report. tolerance: between numbers, |a - b| <= tolerance max(1, |b|). A Value counts as
    its number, None and `...` as not written yet. Raises ValueError for a function without `at`.

    >>> from autograd.exercises import check_answer
    >>> check_answer(6.0, 8.0, {"b hands on twice.": 6.0}).findings[0].message
    'b hands on twice.'
    """
    if callable(right) and not at:
        raise ValueError("check_answer expected arguments for the function in at=[(0.5,), (1.0,)], got none")
    subject = f"check_answer({name})"
    calls: list[tuple[Any, ...]] = [()]
    if callable(right):
        calls = [tuple(place) if isinstance(place, tuple | list) else (place,) for place in at]
    if answer is None or answer is ... or callable(right) != callable(answer):
        return Report(subject, [Task(name, 0, len(calls), 1.0)], [_not_written(name, answer)])
    wanted = [_given(right, place) for place in calls]
    done = [attempt(partial(_given, answer, place), SECONDS) for place in calls[:1]]
    if not isinstance(done[0].error, Stopped):
        done += [attempt(partial(_given, answer, place), SECONDS) for place in calls[1:]]
    wanted = wanted[: len(done)]
    passed = [not d.error and same(d.value, w, tolerance) for d, w in zip(done, wanted, strict=True)]
    findings = []
    if not all(passed):
        i = passed.index(False)
        example = f"{name}({', '.join(map(_short, calls[i]))})" if callable(right) else ""
        if (error := done[i].error) is not None:
            findings = [
                of_error(f"`{name}`", describe(error), shown=(example, "the result", _short(wanted[i]), "an error"))
            ]
        elif done[i].value is None:
            findings = [Finding("not-written", f"`{name}` gives None: is the `return` missing?", "", example)]
        else:
            theirs = [d.value for d in done]
            sentence = _explained(theirs, mistakes or {}, calls, tolerance)
            findings = [
                Finding(
                    "known-mistake" if sentence else "unexplained",
                    sentence or f"`{name}` is not right yet.",
                    "",
                    example,
                    "the result" if example else name,
                    _short(wanted[i]) if example else "something else",
                    _short(theirs[i]),
                )
            ]
    return Report(subject, [Task(name, sum(passed), len(calls), 1.0)], findings, output=done[0].output)


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two answers agree: numbers but for the tolerance, where True is 1; texts but for capitals, and spaces
    and full stops around; lists entry by entry; nan is nan."""
    a, b = (getattr(x, "data", x) if hasattr(x, "grad") else x for x in (a, b))
    a, b = (x.tolist() if hasattr(x, "tolist") else x for x in (a, b))
    if isinstance(b, str) or isinstance(a, str):
        return isinstance(a, str) and isinstance(b, str) and a.strip(" .").casefold() == b.strip(" .").casefold()
    if isinstance(b, list | tuple):
        return (
            isinstance(a, list | tuple)
            and len(a) == len(b)
            and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
        )
    if isinstance(b, bool) or not (isinstance(a, Real) and isinstance(b, Real)):
        return type(a) is type(b) and bool(a == b)
    try:
        x, y = float(a), float(b)
    except OverflowError:  # of an int that is too large for a float
        return bool(a == b)
    if not (math.isfinite(x) and math.isfinite(y)):
        return x == y or (x != x and y != y)
    return abs(x - y) <= tolerance * max(1.0, abs(y))


def _given(answer: Any, place: tuple[Any, ...]) -> Any:
    return answer(*copy.deepcopy(place)) if callable(answer) else answer  # which it may change


def _explained(
    theirs: Sequence[Any], mistakes: Mapping[str, Any], calls: Sequence[tuple[Any, ...]], tolerance: float
) -> str:
    """The sentence of the mistake that gives all of these answers, or nothing."""
    for sentence, wrong in mistakes.items():
        done = [attempt(partial(_given, wrong, place), SECONDS) for place in calls]
        if all(not d.error and same(x, d.value, tolerance) for d, x in zip(done, theirs, strict=True)):
            return sentence
    return ""


def _not_written(name: str, answer: Any) -> Finding:
    if answer is None or answer is ...:
        return Finding("not-written", f"`{name}` is not written yet.")
    kind = "not be a function" if callable(answer) else f"be a function, and is {_short(answer)}"
    return Finding("not-written", f"`{name}` should {kind}.")


def _short(x: Any) -> str:
    text = f"{x:.6g}" if isinstance(x, float) else repr(x)
    return text if len(text) <= 80 else f"{text[:77]}..."
