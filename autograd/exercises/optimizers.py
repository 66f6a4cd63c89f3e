"""`check_optimizer`: a student's optimizer, held against the rule of the paper and against every misconception."""

import contextlib
import inspect
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ..value import Value
from .attempts import attempt
from .battery import close
from .findings import describe, of_error
from .places import there
from .report import Finding, Report, Task
from .simple import Simple, fewest

DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.0},
    "adagrad": {"lr": 0.1, "eps": 1e-10, "weight_decay": 0.0},
    "rmsprop": {"lr": 0.1, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0},
    "adam": {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "adamw": {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
}
"""The options of each rule, as PyTorch names them; only lr has no value of its own."""
OTHERS: dict[str, Any] = {
    "lr": 0.05, "momentum": 0.8, "weight_decay": 0.3, "eps": 0.2, "alpha": 0.7, "betas": (0.6, 0.8)
}  # fmt: skip
"""Other values, to see whether an option is used."""
GRADIENTS = ((1.0, -2.0), (0.5, 3.0), (-1.5, 0.25), (2.0, -0.75), (0.1, 1.0))
"""The gradients of two parameters in five steps."""
START = (1.0, -0.5)

MISCONCEPTIONS = (
    Simple("optimizer-sign", "The step goes uphill: it adds where it should subtract.",
           "The gradient points to where the loss grows. Where do you want to go?"),
    Simple("zero-grad-missing", "After zero_grad() the gradients are still there, so that they pile up from batch to "
           "batch.",
           "What should .grad be before the next backward?"),
    Simple("learning-rate-twice", "The learning rate is multiplied in twice.",
           "With lr = 0.1 and gradient 1, how long is your first step?"),
    Simple("updates-before-backward", "Each step uses the gradient of the step before.",
           "At which moment does your optimizer read .grad?"),
    Simple("momentum-not-used", "Momentum has no effect: the step is the gradient alone.",
           "Give two equal gradients. Is the second step longer than the first?"),
    Simple("momentum-sign", "Momentum works against the motion: its sign is wrong.",
           "Give two equal gradients. Should the second step be longer or shorter?"),
    Simple("momentum-overwrites", "The velocity is made anew at each step instead of from the one before.",
           "After three steps, what of the first gradient is left in your velocity?"),
    Simple("momentum-averaged", "The velocity is a running mean of the gradients; in SGD each gradient is added whole.",
           "After many gradients of 1, with momentum 0.9, the velocity should be 10. What is yours?"),
    Simple("weight-decay-sign", "Weight decay makes parameters larger: its sign is wrong.",
           "With gradient 0, should a parameter of 1 come nearer to 0 or go away from it?"),
    Simple("weight-decay-coupled", "Weight decay goes through the adaptive step; in AdamW it acts on the parameter "
           "itself.",
           "With gradient 0, by which factor does a parameter shrink in one step?"),
    Simple("adam-bias-correction", "The means start at 0, and not both are corrected for it, so the first steps have "
           "the wrong size.",
           "After one step with gradient 1, what is your first mean, and what should it be?"),
    Simple("adam-eps-inside-root", "eps stands inside the square root; it belongs beside it.",
           "Is eps added before the root is taken, or after it? For a gradient of 0 the two differ most."),
    Simple("adam-step-starts-at-zero", "The step counter is 0 in the first step, so that the correction divides by 0.",
           "What is 1 - beta**t for your first t?"),
    Simple("adam-step-counter", "The step counter goes on once for each parameter; it counts calls of step().",
           "With two parameters, what is t after one call of step()?"),
    Simple("squares-not-averaged", "The squares of gradients are summed where their running mean is asked, or the "
           "other way round.", "After many steps with gradient 1, what should the number under the root be?"),
    Simple("root-missing", "The step is divided by the mean square itself; its square root is expected.",
           "If all gradients are ten times as large, should the steps of this optimizer change?"),
    Simple("state-shared", "All parameters share one state: each of them moves on with the memory of the others.",
           "Where do you keep the velocity or the means, and how many of them are there?"),
    Simple("hyperparameter-ignored", "{where} has no effect, or its default is used instead.",
           "Follow the option from __init__ to the line that should use it."),
)  # fmt: skip
BY_NAME = {m.name: m for m in MISCONCEPTIONS}
HALVES = ("mean-uncorrected", "square-uncorrected")
"""Two more ways to be wrong about the correction, which have its name."""
BY_NAME |= dict.fromkeys(HALVES, BY_NAME["adam-bias-correction"])
BY_KIND = {
    "sgd": ("optimizer-sign", "learning-rate-twice", "updates-before-backward", "momentum-not-used", "momentum-sign",
            "momentum-overwrites", "momentum-averaged", "weight-decay-sign", "state-shared"),
    "adagrad": ("optimizer-sign", "learning-rate-twice", "updates-before-backward", "weight-decay-sign",
                "adam-eps-inside-root", "squares-not-averaged", "root-missing", "state-shared"),
    "rmsprop": ("optimizer-sign", "learning-rate-twice", "updates-before-backward", "weight-decay-sign",
                "adam-eps-inside-root", "squares-not-averaged", "root-missing", "state-shared"),
    "adam": ("optimizer-sign", "learning-rate-twice", "updates-before-backward", "weight-decay-sign",
             "adam-bias-correction", *HALVES, "adam-eps-inside-root", "adam-step-starts-at-zero", "adam-step-counter",
             "root-missing", "state-shared"),
}  # fmt: skip
BY_KIND["adamw"] = (*BY_KIND["adam"], "weight-decay-coupled")


class Bug(NamedTuple):
    """A misconception in an optimizer, and the option that it is about, if it is about one."""

    name: str
    option: str = ""


Path = list[tuple[float, ...]] | str
"""The parameters after each step; or the error that ended it."""


def reference(kind: str, options: Mapping[str, Any], misunderstood: Collection[Bug] = ()) -> Path:
    """The path of the parameters by the rule, with some things misunderstood."""
    bugs = frozenset(bug.name for bug in misunderstood)
    o = {**DEFAULTS[kind], **options}
    o |= {bug.option: DEFAULTS[kind][bug.option] for bug in misunderstood if bug.option}
    sign = -1.0 if "optimizer-sign" in bugs else 1.0
    lr, decay = o["lr"], o["weight_decay"] * (-1.0 if "weight-decay-sign" in bugs else 1.0)
    ps, t = list(START), 0
    states: list[dict[str, float]] = [{"v": 0.0, "s": 0.0, "m": 0.0} for _ in ps]
    if "state-shared" in bugs:
        states = [states[0]] * len(ps)
    path: list[tuple[float, ...]] = []
    before = [0.0] * len(ps)
    for gradients in GRADIENTS:
        if "adam-step-counter" not in bugs and "adam-step-starts-at-zero" not in bugs:
            t += 1
        for i, g in enumerate(gradients):
            if "adam-step-counter" in bugs:
                t += 1
            if "updates-before-backward" in bugs:
                g, before[i] = before[i], g
            decoupled = kind == "adamw" and "weight-decay-coupled" not in bugs
            if decoupled:
                ps[i] *= 1.0 - lr * decay
            else:
                g += decay * ps[i]
            try:
                step = _step(kind, g, states[i], o, t, bugs)
            except ZeroDivisionError:
                return "ZeroDivisionError"
            ps[i] -= sign * lr * step * (lr if "learning-rate-twice" in bugs else 1.0)
        if "adam-step-starts-at-zero" in bugs:
            t += 1
        path.append(tuple(ps))
    return path


def _step(kind: str, g: float, s: dict[str, float], o: Mapping[str, Any], t: int, bugs: frozenset[str]) -> float:
    """The step before it is multiplied by the learning rate. Raises ZeroDivisionError for a correction by 0."""
    if kind == "sgd":
        k = o["momentum"]
        if "momentum-not-used" in bugs:
            return g
        if "momentum-overwrites" in bugs:
            return g * k if k else g
        g *= 1 - k if "momentum-averaged" in bugs else 1
        s["v"] = (-k if "momentum-sign" in bugs else k) * s["v"] + g
        return s["v"]
    averaged = (kind != "adagrad") != ("squares-not-averaged" in bugs)
    first, second = o.get("betas", (0.0, o.get("alpha", 0.99)))
    s["s"] = second * s["s"] + (1 - second) * g * g if averaged else s["s"] + g * g
    s["m"] = first * s["m"] + (1 - first) * g
    mean, square = (s["m"], s["s"]) if kind.startswith("adam") else (g, s["s"])
    if kind.startswith("adam"):
        corrected = mean / (1 - first**t), square / (1 - second**t)
        mean = mean if bugs & {"adam-bias-correction", "mean-uncorrected"} else corrected[0]
        square = square if bugs & {"adam-bias-correction", "square-uncorrected"} else corrected[1]
    if "root-missing" in bugs:
        return float(mean / (square + o["eps"]))
    root = math.sqrt(square + o["eps"]) if "adam-eps-inside-root" in bugs else math.sqrt(square) + o["eps"]
    return float(mean / root)


def check_optimizer(StudentOptimizer: Callable[..., Any], kind: str, *, name: str = "") -> Report:
    """A report on a student's optimizer: whether it follows the rule of `kind`, and which misconception explains it.

    StudentOptimizer: a class made from a list of parameters and options with PyTorch's names (`lr`, `momentum`,
    `weight_decay`, `betas`, `eps`, `alpha`), with `step()` and `zero_grad()`; parameters are Values with `.data` and
    `.grad`. Options that it does not take are not asked for. kind: "sgd", "adagrad", "rmsprop", "adam" or "adamw".
    Raises ValueError for another kind, TypeError for what is no class.

    >>> from nn import Adam
    >>> from autograd.exercises import check_optimizer
    >>> check_optimizer(Adam, "adam").passed
    True
    """
    if kind not in DEFAULTS:
        raise ValueError(f"check_optimizer knows {', '.join(DEFAULTS)}, got {kind!r}")
    if not callable(StudentOptimizer):
        raise TypeError(f"check_optimizer expected a class, such as SGD, got {type(StudentOptimizer).__name__}")
    taken = there(_options)(StudentOptimizer, kind)
    settings: list[Mapping[str, Any]] = [{"lr": 0.1}]
    settings += [{"lr": 0.1, option: OTHERS[option]} for option in taken]
    settings.append({option: OTHERS[option] for option in taken})
    theirs = [_path(StudentOptimizer, options) for options in settings]
    right = [reference(kind, options) for options in settings]
    findings = []
    if any(not _same(a, b) for a, b in zip(right, theirs, strict=True)):
        findings = _explained(kind, taken, settings, right, theirs)
    zero = attempt(lambda: _after_zero_grad(StudentOptimizer), 1.0)
    cleared = zero.error is None and zero.value == [0.0, 0.0]
    if isinstance(zero.error, NotImplementedError):
        findings = findings or [of_error("zero_grad", describe(zero.error))]
    elif not cleared and not (zero.error and findings):
        m = BY_NAME["zero-grad-missing"]
        got = describe(zero.error) if zero.error else str(zero.value)
        findings.append(
            Finding(m.name, m.message, m.hint, "loss.backward(); optimizer.zero_grad()", "p.grad", 0.0, got)
        )
    passed = [_same(a, b) for a, b in zip(right, theirs, strict=True)]
    tasks = [
        Task("steps", sum(passed[:1]), 1, 2.0),
        Task("options", sum(passed[1:]), len(passed) - 1, 2.0),
        Task("zero_grad", int(cleared), 1, 1.0),
    ]
    title = name or getattr(StudentOptimizer, "__name__", "optimizer")
    return Report(f"check_optimizer({title}, {kind!r})", tasks, findings)


def _options(make: Callable[..., Any], kind: str) -> list[str]:
    """The options that it takes."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return [*DEFAULTS[kind]]
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return [*DEFAULTS[kind]]
    return [option for option in DEFAULTS[kind] if option in parameters]


def _path(make: Callable[..., Any], options: Mapping[str, Any]) -> Path:
    def run() -> list[tuple[float, ...]]:
        ps = [there(Value)(x) for x in START]
        optimizer = make(ps, **options)
        path = []
        for gradients in GRADIENTS:
            with contextlib.suppress(Exception):  # it is checked by itself; here it should do nothing else
                optimizer.zero_grad()
            for p, g in zip(ps, gradients, strict=True):
                p.grad = g
            optimizer.step()
            path.append(tuple(p.data for p in ps))
        return path

    done = attempt(run, 1.0)
    return done.value if done.value is not None else describe(done.error)


def _after_zero_grad(make: Callable[..., Any]) -> list[float]:
    ps = [there(Value)(x) for x in START]
    optimizer = make(ps, lr=0.1)
    for p in ps:
        p.grad = 1.0
    optimizer.zero_grad()
    return [p.grad for p in ps]


def _same(a: Path, b: Path) -> bool:
    if isinstance(a, str) and not isinstance(b, str):  # NumPy's numbers divide by 0 without an error
        return a == "ZeroDivisionError" and not any(map(math.isfinite, b[0]))
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and b.startswith(a)
    return all(close(x, y) for xs, ys in zip(a, b, strict=True) for x, y in zip(xs, ys, strict=True))


def _explained(
    kind: str,
    taken: Sequence[str],
    settings: Sequence[Mapping[str, Any]],
    right: Sequence[Path],
    theirs: Sequence[Path],
) -> list[Finding]:
    """The fewest misconceptions that give the student's paths, in all settings."""
    bugs = [*map(Bug, BY_KIND[kind]), *(Bug("hyperparameter-ignored", option) for option in taken if option != "lr")]

    def fits(chosen: tuple[Bug, ...]) -> bool:
        return all(_same(reference(kind, o, chosen), path) for o, path in zip(settings, theirs, strict=True))

    found = []
    for bug in fewest(bugs, fits) or ():
        m = BY_NAME[bug.name]
        alone = [reference(kind, options, [bug]) for options in settings]
        places = [i for i, (a, b) in enumerate(zip(alone, right, strict=True)) if not _same(a, b)]
        shown = _shown(settings, right, theirs, places)
        where = (bug.option,) if bug.option else ()
        found.append(Finding(m.name, m.message.format(where=f"`{bug.option}`"), m.hint, *shown, where))
    if not found:
        text = "The parameters do not go where the rule says, and no misconception that is known here explains it."
        errors = [path for path in theirs if isinstance(path, str)]
        places = [i for i, (a, b) in enumerate(zip(theirs, right, strict=True)) if not _same(a, b)]
        hint = "Compute the example by hand, and print your state after each step."
        shown = _shown(settings, right, theirs, places)
        told = of_error("The optimizer", errors[0], hint, shown) if errors else None
        found.append(told or Finding("unexplained", text, hint, *shown))
    return found


def _shown(
    settings: Sequence[Mapping[str, Any]], right: Sequence[Path], theirs: Sequence[Path], places: Sequence[int]
) -> tuple[str, str, float | str, float | str]:
    """The example of a finding: a program, the number in it, the right one and the student's."""
    for i in places:
        options = ", ".join(f"{key}={x!r}" for key, x in settings[i].items())
        program = f"p, q = Value({START[0]}), Value({START[1]}); optimizer = Optimizer([p, q], {options}); "
        program += "for p.grad, q.grad in {}: optimizer.step()"
        a, b = right[i], theirs[i]
        if isinstance(a, str) or isinstance(b, str):
            return program.format([*GRADIENTS[:1]]), "p.data", "a number", b if isinstance(b, str) else b[0][0]
        for step, (xs, ys) in enumerate(zip(a, b, strict=True), start=1):
            for letter, x, y in zip("pq", xs, ys, strict=True):
                if not close(x, y):
                    return program.format([*GRADIENTS[:step]]), f"{letter}.data", x, y
    return "", "", "", ""
