"""`check_loss`: a student's loss of one example, its number and its gradient, held against every misconception."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from nn import binary_cross_entropy_with_logits, cross_entropy

from ..ops import log
from ..transforms import value_and_grad
from ..value import Value
from .attempts import attempt
from .battery import close, number_in
from .findings import describe, of_error
from .places import there
from .report import Finding, Report, Task
from .simple import Simple, fewest

MISCONCEPTIONS = (
    Simple("log-of-logits", "The logarithm is taken of the scores themselves; they have to become probabilities first.",
           "Scores may be negative. What is the logarithm of a negative number?"),
    Simple("softmax-overflows", "For large scores the loss is wrong or infinite: exp overflows on the way, or a "
           "probability becomes 0 before its logarithm is taken.",
           "Subtract the largest score from all, and write the logarithm of the quotient as a difference: which of its "
           "two logarithms needs no exp?"),
    Simple("sigmoid-overflows", "For large scores the loss is wrong or infinite: exp of a large number, or log of 0, "
           "stands on the way.",
           "log(1 + exp(x)) is almost x for large x. Which function of the library computes it exactly?"),
    Simple("sign-of-log-likelihood", "The sign is wrong: a loss is the negative log-likelihood.",
           "Should the loss grow or shrink when the right answer becomes more probable?"),
    Simple("mean-for-sum", "The loss is averaged where it should be summed, or summed where it should be averaged.",
           "How does your loss change if the example is given twice as many numbers?"),
    Simple("two-missing", "A factor 2 is missing: the loss or its gradient is half of the right one.",
           "What is the derivative of (p - y)**2 by p?"),
    Simple("target-swapped", "The two answers are exchanged: the loss is that of the other class.",
           "If y is 1, which of the two logarithms should count?"),
    Simple("wrong-base", "The logarithm has another base than e.", "log(e) is 1."),
    Simple("probability-for-loss", "The probability itself is given; its logarithm is missing.",
           "How large is your loss when the right answer has probability 0?"),
    Simple("absolute-for-square", "The distance is taken as it is where its square is asked, or the other way round.",
           "Which of the two makes an error of 2 four times as bad as one of 1?"),
    Simple("gradient-sign", "The loss is right, its gradient has the wrong sign.",
           "If the prediction is too large, should its gradient be positive or negative?"),
    Simple("gradient-lost", "The loss is a plain number, so that no gradient can flow from it.",
           "Where in your loss do you read .data, or use math instead of the library?"),
)  # fmt: skip
BUGS = {
    "mse_loss": ("mean-for-sum", "two-missing", "absolute-for-square", "gradient-sign"),
    "l1_loss": ("mean-for-sum", "absolute-for-square", "gradient-sign"),
    "cross_entropy": ("log-of-logits", "softmax-overflows", "sign-of-log-likelihood", "mean-for-sum", "wrong-base",
                      "probability-for-loss", "gradient-sign"),
    "binary_cross_entropy_with_logits": ("log-of-logits", "sigmoid-overflows", "sign-of-log-likelihood",
                                         "target-swapped",
                                         "wrong-base", "gradient-sign"),
    "hinge_loss": ("sign-of-log-likelihood", "two-missing", "absolute-for-square", "gradient-sign"),
}  # fmt: skip


class Case(NamedTuple):
    """An example."""

    prediction: Any
    target: Any
    large: bool = False


CASES = {
    "mse_loss": (Case([0.5, -1.0, 2.0], [1.0, 1.0, 1.5]), Case([3.0, 1.5], [1.0, 0.0])),
    "cross_entropy": (Case([2.0, -1.0, 0.5], 0), Case([0.3, 1.2], 1), Case([1000.0, 0.0, -1000.0], 1, True)),
    "binary_cross_entropy_with_logits": (Case(0.7, 1.0), Case(1.3, 0.0), Case(1000.0, 0.0, True),
                                         Case(-1000.0, 1.0, True)),
    "hinge_loss": (Case(0.5, 1.0), Case(0.5, -1.0), Case(2.0, 1.0)),
}  # fmt: skip
CASES["l1_loss"] = CASES["mse_loss"]


class Found(NamedTuple):
    """The loss of an example, and its gradient by the prediction; nan stands for an error in exp or log."""

    loss: float
    gradient: tuple[float, ...] | None


def reference(kind: str, case: Case, bugs: tuple[str, ...] = ()) -> Found:
    """The loss and its gradient, with some things misunderstood."""
    if case.large and {"softmax-overflows", "sigmoid-overflows"} & {*bugs}:
        return Found(math.nan, None)
    many = isinstance(case.prediction, list)

    def f(*xs: Any) -> Any:
        return _loss(kind, list(xs), case.target, bugs)

    xs = case.prediction if many else [case.prediction]
    y, gradient = value_and_grad(f, argnums=tuple(range(len(xs))))(*xs)
    factor = -1.0 if "gradient-sign" in bugs else 1.0
    return Found(float(y), None if "gradient-lost" in bugs else tuple(factor * g for g in gradient))


def _loss(kind: str, xs: list[Any], target: Any, bugs: tuple[str, ...]) -> Any:
    if kind in ("mse_loss", "l1_loss"):
        square = (kind == "mse_loss") != ("absolute-for-square" in bugs)
        terms = [(x - y) ** 2 if square else abs(x - y) for x, y in zip(xs, target, strict=True)]
        total = sum(terms[1:], terms[0])
        total = total if "mean-for-sum" in bugs else total / len(terms)
        return total / 2 if "two-missing" in bugs else total
    if kind == "hinge_loss":
        margin = 1.0 - target * xs[0]
        if "sign-of-log-likelihood" in bugs:
            margin = 1.0 + target * xs[0]
        loss = margin.relu()
        loss = loss**2 if "absolute-for-square" in bugs else loss
        return loss / 2 if "two-missing" in bugs else loss
    if kind == "cross_entropy":
        chance = -log(xs[target]) if "log-of-logits" in bugs else cross_entropy(xs, target)
        if "probability-for-loss" in bugs:
            chance = -((-chance).exp())
        chance = chance / len(xs) if "mean-for-sum" in bugs else chance
    else:
        y = 1.0 - target if "target-swapped" in bugs else target
        if "log-of-logits" in bugs:
            chance = -(y * log(xs[0]) + (1.0 - y) * log(1.0 - xs[0]))
        else:
            chance = binary_cross_entropy_with_logits(xs[0], y)
    chance = chance / math.log(2.0) if "wrong-base" in bugs else chance
    return -chance if "sign-of-log-likelihood" in bugs else chance


def check_loss(student_loss: Callable[[Any, Any], Any], kind: str, *, name: str = "") -> Report:
    """A report on a student's loss of one example, and which misconception explains it.

    student_loss: takes a prediction and a target as the loss of that name in `nn` does: lists of Values for "mse_loss"
    and "l1_loss", a list of logits and an index for "cross_entropy", a logit and 0 or 1 for
    "binary_cross_entropy_with_logits", a score and -1 or 1 for "hinge_loss". It returns a Value; or the number and a
    list of derivatives by the prediction, if the gradient is written by hand. Raises ValueError for another kind.

    >>> from nn import cross_entropy
    >>> from autograd.exercises import check_loss
    >>> check_loss(cross_entropy, "cross_entropy").passed
    True
    """
    if kind not in CASES:
        raise ValueError(f"check_loss knows {', '.join(CASES)}, got {kind!r}")
    cases = CASES[kind]
    done = [attempt(partial(_try, student_loss, case), 1.0) for case in cases]
    errors = [describe(d.error) if d.error else "" for d in done]
    theirs = [d.value or Found(math.nan, None) for d in done]
    if not any(any(found.gradient or ()) for found in theirs):
        theirs = [found._replace(gradient=None) for found in theirs]  # a Value that does not depend on the prediction
    right = [reference(kind, case) for case in cases]
    losses = [close(a.loss, b.loss) for a, b in zip(right, theirs, strict=True)]
    slopes = [_same(a, b) for a, b in zip(right, theirs, strict=True)]
    normal = [i for i, case in enumerate(cases) if not case.large]
    large = [i for i, case in enumerate(cases) if case.large]
    tasks = [
        Task("the number", sum(losses[i] for i in normal), len(normal), 2.0),
        Task("its gradient", sum(slopes[i] for i in normal), len(normal), 2.0),
    ]
    if large:
        tasks.append(Task("large scores", sum(slopes[i] for i in large), len(large), 1.0))
    findings = [] if all(slopes) else _explained(kind, cases, right, theirs, errors)
    title = name or getattr(student_loss, "__name__", "loss")
    return Report(f"check_loss({title}, {kind!r})", tasks, findings)


def _try(f: Callable[[Any, Any], Any], case: Case) -> Found:
    many = isinstance(case.prediction, list)
    leaves = [there(Value)(x) for x in (case.prediction if many else [case.prediction])]
    result = f(leaves if many else leaves[0], case.target)
    if result is None:
        raise TypeError("it returns None; is `return` missing?")
    if isinstance(result, tuple | list) and len(result) == 2:
        loss, slopes = result
        numbers = [number_in(x)[0] for x in (slopes if isinstance(slopes, Sequence) else [slopes])]
        return Found(_plain(loss), tuple(math.nan if x is None else x for x in numbers))
    if not isinstance(result, there(Value)):
        return Found(_plain(result), None)
    result.backward()
    return Found(result.data, tuple(x.grad for x in leaves))


def _plain(x: Any) -> float:
    found = number_in(x)[0]
    return math.nan if found is None else found


def _same(a: Found, b: Found) -> bool:
    if not close(a.loss, b.loss) or (a.gradient is None) != (b.gradient is None):
        return False
    if a.gradient is None or b.gradient is None:
        return True
    return len(a.gradient) == len(b.gradient) and all(map(close, a.gradient, b.gradient))


def _explained(
    kind: str, cases: Sequence[Case], right: Sequence[Found], theirs: Sequence[Found], errors: Sequence[str]
) -> list[Finding]:
    lost = all(found.gradient is None for found in theirs)
    found = [found._replace(gradient=None) for found in theirs] if lost else theirs

    def fits(chosen: tuple[str, ...]) -> bool:
        wrong = [reference(kind, case, chosen) for case in cases]
        if lost:
            wrong = [x._replace(gradient=None) for x in wrong]
        return all(
            (not math.isfinite(x.loss) and not math.isfinite(y.loss))
            or (not error and (_same(x, y) or ("probability-for-loss" in chosen and _same(_negated(x), y))))
            for x, y, error in zip(wrong, found, errors, strict=True)
        )

    names = [name for name in BUGS[kind] if not (lost and name == "gradient-sign")]
    if lost and not any(errors) and fits(()):
        chosen: tuple[str, ...] | None = ("gradient-lost",)
    elif half := _half(kind, right, theirs):
        chosen = half
    elif overflow := _overflow(kind, cases, right, theirs):
        chosen = overflow
    else:
        chosen = fewest(names, fits)
        chosen = (*chosen, "gradient-lost") if chosen and lost and not any(errors) else chosen
    by_name = {m.name: m for m in MISCONCEPTIONS}
    reports = []
    for name in chosen or ():
        m = by_name[name]
        places = [i for i, case in enumerate(cases) if not _same(reference(kind, case, (name,)), right[i])]
        reports.append(Finding(name, m.message, m.hint, *_shown(cases, right, theirs, errors, places)))
    if not reports:
        places = [i for i in range(len(cases)) if not _same(right[i], theirs[i])]
        text = "The loss is not the right one, and no misconception that is known here explains it."
        hint, shown = "Compute the example by hand.", _shown(cases, right, theirs, errors, places)
        ended = next(filter(None, errors), "")
        reports.append(
            of_error("The loss", ended, hint, shown) if ended else Finding("unexplained", text, hint, *shown)
        )
    return reports


def _negated(x: Found) -> Found:
    return Found(-x.loss, None if x.gradient is None else tuple(-g for g in x.gradient))


def _overflow(
    kind: str, cases: Sequence[Case], right: Sequence[Found], theirs: Sequence[Found]
) -> tuple[str, ...] | None:
    """The name of an overflow, if all is right but for large scores."""
    wrong = [case.large for case, a, b in zip(cases, right, theirs, strict=True) if not _same(a, b)]
    return ({"cross_entropy": "softmax-overflows"}.get(kind, "sigmoid-overflows"),) if all(wrong) else None


def _half(kind: str, right: Sequence[Found], theirs: Sequence[Found]) -> tuple[str, ...]:
    """Whether the losses are right and the gradients, written by hand, have half their size."""
    halves = [x._replace(gradient=tuple(g / 2 for g in x.gradient or ())) for x in right]
    return ("two-missing",) if kind == "mse_loss" and all(map(_same, halves, theirs)) else ()


def _shown(
    cases: Sequence[Case], right: Sequence[Found], theirs: Sequence[Found], errors: Sequence[str], places: Sequence[int]
) -> tuple[str, str, float | str, float | str]:
    for i in places or range(len(cases)):
        program = f"loss({cases[i].prediction}, {cases[i].target})"
        if errors[i]:
            return program, "the loss", right[i].loss, errors[i]
        if not close(right[i].loss, theirs[i].loss):
            return program, "the loss", right[i].loss, theirs[i].loss
        if theirs[i].gradient is None:
            return program, "the loss", "a Value", "a plain number"
        for k, (x, y) in enumerate(zip(right[i].gradient or (), theirs[i].gradient or (), strict=False)):
            if not close(x, y):
                return program, f"its gradient by prediction[{k}]", x, y
    return "", "", "", ""
