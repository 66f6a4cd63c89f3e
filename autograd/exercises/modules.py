"""`check_module`: a student's neuron, layer or network: whether its parameters are found, and whether it can learn."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from ..graph import topological_order
from ..value import Value
from .attempts import attempt
from .battery import close
from .findings import describe, of_error
from .places import there
from .report import Finding, Report, Task
from .simple import Simple

MISCONCEPTIONS = (
    Simple("parameters-not-found", "The output depends on Values that parameters() does not give, so they will never "
           "learn.",
           "Go through all attributes that hold Values: weights, biases, those of layers in lists."),
    Simple("parameters-shared", "The same Value stands for several parameters: they will always move together.",
           "[Neuron()] * 3 is one neuron, three times. How do you get three?"),
    Simple("parameters-grow-at-each-call", "Each call adds parameters: weights are made where the network is used.",
           "Which lines belong into __init__, and which into __call__?"),
    Simple("parameters-made-at-each-call", "Two calls with the same input differ: weights are made anew at each call.",
           "Which lines belong into __init__, and which into __call__?"),
    Simple("all-weights-equal", "All weights start with the same number, so that all units of a layer stay the same "
           "for ever.",
           "If two neurons have equal weights, how do their gradients differ?"),
    Simple("no-nonlinearity", "The network is a linear function, however many layers it has.",
           "What is a matrix times a matrix? What has to stand between two layers?"),
    Simple("bias-missing", "There is no bias: whatever the parameters are, the output for input 0 is the same.",
           "A line through the origin cannot be moved up. Which number would move it?"),
    Simple("gradient-lost", "No gradient, or a wrong one, reaches some parameters, though the output depends on them: "
           "on the way a Value is replaced by its number.",
           "Where does your module read .data, call float, or make a new Value of a result?"),
)  # fmt: skip
BY_NAME = {m.name: m for m in MISCONCEPTIONS}
SECONDS = 10.0
"""The most time for all that is tried."""
LOOKED_AT = 24
"""The most parameters whose gradients are held against finite differences."""


def check_module(
    make: Callable[[], Any], inputs: int, *, nonlinear: bool = True, bias: bool = True, name: str = ""
) -> Report:
    """A report on a student's module, and which misconception explains what is wrong.

    make: makes a new one, such as `lambda: MLP(2, [4, 1])`; it is called with a list of Values, gives a Value or a list
    of them, and has `parameters()`. inputs: the length of that list. nonlinear: whether it should be more than a linear
    function. bias: whether its output should depend on a parameter where all inputs are 0.
    Raises TypeError if `make` cannot be called.

    >>> from nn import MLP
    >>> from autograd.exercises import check_module
    >>> check_module(lambda: MLP(2, [4, 1]), 2).passed
    True
    """
    if not callable(make):
        raise TypeError(f"check_module expected a function that makes a module, got {type(make).__name__}")
    title = name or "module"
    state = random.getstate()
    random.seed(0)  # so that the report is the same each time
    try:
        done = attempt(lambda: _look(make, inputs, nonlinear, bias), SECONDS)
    finally:
        random.setstate(state)
    tasks = _names(nonlinear, bias)
    if done.value is None:
        hint = "Make one, and call it with a list of Values, line by line."
        finding = of_error("The module", describe(done.error), hint)
        return Report(f"check_module({title})", [Task(t, 0, 1, 1.0) for t in tasks], [finding])
    found = {finding.name for finding in done.value}
    scored = [Task(t, int(found.isdisjoint(names)), 1, 1.0) for t, names in tasks.items()]
    return Report(f"check_module({title})", scored, done.value, output=done.output)


def _names(nonlinear: bool, bias: bool) -> dict[str, tuple[str, ...]]:
    """The tasks, and the misconceptions that each of them excludes."""
    tasks = {
        "parameters are found": ("parameters-not-found",),
        "each parameter is its own": ("parameters-shared",),
        "parameters stay": ("parameters-grow-at-each-call", "parameters-made-at-each-call"),
        "weights differ": ("all-weights-equal",),
    }
    tasks |= {"gradients arrive": ("gradient-lost",)}
    tasks |= {"more than linear": ("no-nonlinearity",)} if nonlinear else {}
    return tasks | ({"bias": ("bias-missing",)} if bias else {})


def _outputs(module: Any, xs: Sequence[float]) -> list[Any]:
    y = module([there(Value)(x) for x in xs])
    return list(y) if isinstance(y, list | tuple) else [y]


def _numbers(module: Any, xs: Sequence[float]) -> list[float]:
    return [float(y.data) if isinstance(y, there(Value)) else float(y) for y in _outputs(module, xs)]


def _finding(name: str, example: str, quantity: str, expected: Any, got: Any) -> Finding:
    return Finding(name, BY_NAME[name].message, BY_NAME[name].hint, example, quantity, expected, got)


def _look(make: Callable[[], Any], inputs: int, nonlinear: bool, bias: bool) -> list[Finding]:
    """All findings. Raises what the module raises."""
    found: list[Finding] = []
    rng = random.Random(0)
    module, other = make(), make()
    x, zero = [rng.uniform(-1, 1) for _ in range(inputs)], [0.0] * inputs
    before = len(list(module.parameters()))
    first, second = _numbers(module, x), _numbers(module, x)
    parameters = list(module.parameters())
    if len(parameters) != before:
        example = "module(x); module(x)"
        found.append(
            _finding("parameters-grow-at-each-call", example, "len(module.parameters())", before, len(parameters))
        )
    elif not all(map(close, first, second)):
        found.append(
            _finding("parameters-made-at-each-call", "module(x); module(x)", "the output", first[0], second[0])
        )
    else:
        found += _lost(module, x, parameters)
    if not any(f.name == "parameters-grow-at-each-call" for f in found):
        found += _shared(parameters, list(other.parameters()))
    weights = [p.data for p in {id(p): p for p in parameters}.values() if p.data]
    if len(weights) > 2 and len({*weights}) <= len(weights) / 2:
        found.append(_finding("all-weights-equal", "", "different weights", "many", len({*weights})))
    equal = any(f.name == "all-weights-equal" for f in found)
    if (
        nonlinear and not equal and all(_affine(m, inputs, rng) for m in (module, other, make(), make(), make()))
    ):  # one may be dead
        example = "f(x + y) - f(x) - f(y) + f(0) for random x, y"
        found.append(_finding("no-nonlinearity", example, "the largest", "not 0", 0.0))
    if bias and not any(f.name == "parameters-not-found" for f in found) and _no_bias(module, zero, parameters):
        example = f"module({zero})"
        found.append(_finding("bias-missing", example, "parameters on which it depends", "at least 1", 0))
    if not {f.name for f in found} & {"parameters-made-at-each-call", "parameters-grow-at-each-call"}:
        found += _without_gradient(module, x, parameters)
    return found


def _without_gradient(module: Any, x: Sequence[float], parameters: Sequence[Value]) -> list[Finding]:
    """The first parameter whose gradient is not the slope of the sum of all outputs."""
    for p in parameters:
        p.grad = 0.0
    outputs = [y for y in _outputs(module, x) if isinstance(y, there(Value))]
    if outputs:
        sum(outputs[1:], outputs[0]).backward()
    for p in random.Random(0).sample([*parameters], min(LOOKED_AT, len(parameters))):
        start, at = p.data, []
        for step in (-1e-5, 0.0, 1e-5):
            p.data = start + step
            at.append(sum(_numbers(module, x)))
        p.data = start
        slope, most = (at[2] - at[0]) / 2e-5, 1e-3 * max(1.0, abs(at[2] - at[0]) / 2e-5)
        kink = abs(at[2] - 2 * at[1] + at[0]) / 1e-5 > most
        if abs(slope - p.grad) > most and not kink:
            return [_finding("gradient-lost", f"y = module({[round(v, 3) for v in x]}); y.backward()", "p.grad of a "
                             "parameter", round(slope, 6), p.grad)]  # fmt: skip
    return []


def _lost(module: Any, x: Sequence[float], parameters: Sequence[Value]) -> list[Finding]:
    """Values that the output depends on in each call, and that are no parameters; constants are new each time."""
    calls = []
    for _ in range(2):
        inputs = [there(Value)(v) for v in x]
        y = module(inputs)
        roots = [v for v in (y if isinstance(y, list | tuple) else [y]) if isinstance(v, there(Value))]
        leaves, _ = there(topological_order)(*roots)
        calls.append((leaves, inputs))
    lost = {id(v) for v in calls[0][0]} & {id(v) for v in calls[1][0]} - {id(p) for p in parameters}
    if not lost and parameters:
        return []
    total = len(parameters) + len(lost)
    return [_finding("parameters-not-found", "", "Values that the output depends on", total, len(parameters))]


def _shared(parameters: Sequence[Value], others: Sequence[Value]) -> list[Finding]:
    unique = len({id(p) for p in parameters})
    if unique < len(parameters):
        return [_finding("parameters-shared", "", "different Values in parameters()", len(parameters), unique)]
    both = len({id(p) for p in parameters} & {id(p) for p in others})
    if both:
        return [_finding("parameters-shared", "a, b = make(), make()", "parameters that both have", 0, both)]
    return []


def _affine(module: Any, inputs: int, rng: random.Random) -> bool:
    """Whether the module is a linear function and a constant, for all pairs of inputs that were tried."""
    zero = _numbers(module, [0.0] * inputs)
    for _ in range(20):
        x, y = ([rng.uniform(-4, 4) for _ in range(inputs)] for _ in range(2))
        ends = (
            _numbers(module, [a + b for a, b in zip(x, y, strict=True)]),
            _numbers(module, x),
            _numbers(module, y),
            zero,
        )
        if any(not close(s + o, a + b) for s, a, b, o in zip(*ends, strict=True)):
            return False
    return True


def _no_bias(module: Any, zero: Sequence[float], parameters: Sequence[Value]) -> bool:
    """Whether no parameter changes the output at 0, also where all of them have been moved: a little, and so far that a
    ReLU that was off is on."""
    before = _numbers(module, zero)
    numbers = [p.data for p in parameters]
    try:
        for by in (0.1, 3.0):
            for i, (p, number) in enumerate(zip(parameters, numbers, strict=True)):
                p.data = number + by + 0.01 * i
            if not all(map(close, before, _numbers(module, zero))):
                return False
        return True
    finally:
        for p, number in zip(parameters, numbers, strict=True):
            p.data = number
