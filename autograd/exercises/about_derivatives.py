"""The catalogue, second part: the derivatives of operations."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..primitives import REGISTRY
from .changes import Misconception, each, local, locally, one, whole
from .engine import Operation
from .operations import LOCALS


def _exchanged(name: str, o: Operation) -> Iterable[Operation]:
    return local(o, LOCALS["*" if name == "+" else "+"])


def _logarithms(name: str, o: Operation) -> Iterator[Operation]:
    def of(base: float) -> Operation:
        return replace(o, forward=lambda x: math.log(x) / math.log(base))

    for base in (10.0, 2.0):

        def rule(a: Any, b: Any, out: Any, base: float = base) -> float:
            return 1 / (float(a.data) * math.log(base))

        yield of(base)
        yield each(of(base), local=rule)
        yield each(o, local=rule)


def _first(a: Any, b: Any, out: Any) -> float:
    return float(a.data)


def _second(a: Any, b: Any, out: Any) -> float:
    return float(b.data)


def _sums(a: Any, b: Any, out: Any) -> float:
    return float(a.data + b.data)


def _quotients(name: str, o: Operation) -> Iterable[Operation]:
    if len(o.steps) != 2:
        return ()
    return local(
        o,
        (o.steps[0].local, lambda a, b, out: a.data / b.data**2),
        (o.steps[0].local, lambda a, b, out: -a.data / b.data),
        (o.steps[0].local, lambda a, b, out: a.data / b.data),
        (o.steps[0].local, lambda a, b, out: -1 / b.data**2),
        (o.steps[0].local, lambda a, b, out: 1 / b.data**2),
        (o.steps[0].local, lambda a, b, out: -1 / b.data),
        (o.steps[0].local, lambda a, b, out: 1 / a.data),
        (o.steps[0].local, lambda a, b, out: a.data),
        (o.steps[0].local, lambda a, b, out: -a.data),
        (o.steps[0].local, lambda a, b, out: -b.data / a.data**2),
        (lambda a, b, out: b.data, o.steps[1].local),
        (lambda a, b, out: 1 / b.data**2, o.steps[1].local),
        (lambda a, b, out: b.data, lambda a, b, out: -a.data),
        (lambda a, b, out: b.data / b.data**2, lambda a, b, out: a.data / b.data**2),
    )


def _sigmoid(x: float) -> float:
    return REGISTRY["sigmoid"].forward(x)


def _plus(a: Any, b: Any, out: Any) -> float:
    return 1.0


def _minus(a: Any, b: Any, out: Any) -> float:
    return -1.0


DERIVATIVES: tuple[Misconception, ...] = (
    Misconception(
        "sum-and-product-exchanged", "rules",
        "Sum and product have each other's rules: a sum passes the gradient on as it is, a product multiplies it by "
        "the other factor.",
        "Change a by a little in a + b, and then in a * b.",
        _exchanged, ("+", "*"), together=True,
    ),
    Misconception(
        "product-rule-swapped", "rules",
        "In a product you multiplied by the operand itself; the other one is expected: d(a*b)/da is b.",
        "If b is 100, how fast does a*b grow with a?",
        lambda name, o: [*local(o, (_first, _second)), one(o, 0, local=_first), one(o, 1, local=_second)], ("*",),
    ),
    Misconception(
        "product-rule-sum", "rules",
        "In a product each factor's gradient has the sum of both factors; the other factor alone is expected.",
        "(uv)' = u'v + uv' is the derivative of the whole. What remains of it if only u changes?",
        lambda name, o: [*local(o, (_sums, _sums)), one(o, 0, local=_sums), one(o, 1, local=_sums)], ("*",),
    ),
    Misconception(
        "quotient-rule", "rules",
        "In a quotient a/b the derivative by a is 1/b, and that by b is -a/b². One of them differs.",
        "Write a/b as a * b**-1 and use the rules for products and powers.",
        _quotients, ("/",),
    ),
    Misconception(
        "power-rule-exponent", "rules",
        "In the derivative of a power the exponent goes down by one: n * x**(n-1).",
        "What is the slope of x**2 at 3?",
        locally(lambda a, n, out: n * a.data**n, lambda a, n, out: n * a.data ** (n - 2),
                lambda a, n, out: n * a.data, lambda a, n, out: n * a.data ** (n + 1)), ("**",),
    ),
    Misconception(
        "power-rule-coefficient", "rules",
        "In the derivative of a power the old exponent comes to the front as a factor: n * x**(n-1).",
        "What is the slope of x**2 at 1, and what does your rule say?",
        locally(lambda a, n, out: a.data ** (n - 1), lambda a, n, out: (n - 1) * a.data ** (n - 1),
                lambda a, n, out: (n + 1) * a.data ** (n - 1)), ("**",),
    ),
    Misconception(
        "power-rule-on-exp", "rules",
        "The rule of powers was used for exp, where the exponent changes: its derivative is exp itself.",
        "In x**3 the base changes, in e**x the exponent. Which rule belongs to which?",
        locally(lambda a, b, out: a.data * math.exp(a.data - 1), lambda a, b, out: a.data * out.data), ("exp",),
    ),
    Misconception(
        "exp-uses-input", "rules",
        "The derivative of exp is its output; your rule multiplies by its input.",
        "At 0 the slope of exp is 1. What does your rule say there?",
        locally(lambda a, b, out: a.data), ("exp",),
    ),
    Misconception(
        "sign-of-subtraction", "rules",
        "In a - b the gradient of b has a minus sign.",
        "If b grows by 1, what does a - b do?",
        lambda name, o: [
            *local(o, (_plus, _plus), (_minus, _minus)),
            replace(o, parts=lambda a, b: a + b), replace(o, parts=lambda a, b: b + (-a)),
        ], ("-",),
    ),
    Misconception(
        "sign-of-negation", "rules",
        "The derivative of -a is -1; your rule passes the gradient on without the sign.",
        "If a grows by 1, what does -a do?",
        lambda name, o: [*local(o, (_plus,)), replace(o, parts=lambda a: a)], ("neg",),
    ),
    Misconception(
        "relu-derivative", "rules",
        "relu passes the gradient on where its input is positive, and nothing elsewhere; your rule does something "
        "else.",
        "Draw relu and look at its slope left and right of 0.",
        locally(lambda a, b, out: float(a.data < 0), lambda a, b, out: a.data, lambda a, b, out: out.data,
                lambda a, b, out: float(a.data > 0) - float(a.data < 0),
                lambda a, b, out: abs(a.data), _plus),
        ("relu",),
    ),
    Misconception(
        "relu-masks-gradient", "rules",
        "relu lets the gradient through by the sign of its input. Your rule looks at the sign of the gradient.",
        "A negative gradient is a gradient too. Which number decides whether relu is flat?",
        lambda name, o: whole(
            o,
            (lambda a, b, out: max(out.grad, 0.0),),
            (lambda a, b, out: max(out.grad, 0.0) * (a.data > 0),),
            (lambda a, b, out: float(out.grad > 0),),
        ),
        ("relu",),
    ),
    Misconception(
        "tanh-uses-input", "rules",
        "The derivative of tanh is 1 - tanh(x)²: it is made from the output; your rule takes the input.",
        "You have computed tanh(x) already. Is it its square that your formula has?",
        locally(lambda a, b, out: 1 - a.data**2, lambda a, b, out: 1 - math.tanh(out.data) ** 2), ("tanh",),
    ),
    Misconception(
        "tanh-derivative", "rules",
        "The derivative of tanh is 1 - tanh(x)²; your rule has another formula.",
        "At 0 tanh has slope 1, and far out slope 0. Does your formula?",
        locally(lambda a, b, out: 1 - out.data, lambda a, b, out: 1 + out.data**2, lambda a, b, out: out.data**2,
                lambda a, b, out: out.data**2 - 1, lambda a, b, out: out.data), ("tanh",),
    ),
    Misconception(
        "sigmoid-derivative", "rules",
        "With s = sigmoid(x) the derivative is s * (1 - s); your rule has another formula.",
        "At 0 sigmoid has slope 1/4. What does your formula give?",
        locally(lambda a, b, out: 1 - out.data, lambda a, b, out: out.data * (1 + out.data),
                lambda a, b, out: a.data * (1 - a.data), lambda a, b, out: out.data, lambda a, b, out: out.data**2,
                lambda a, b, out: out.data * (out.data - 1), lambda a, b, out: _sigmoid(out.data) * _sigmoid(-out.data),
                lambda a, b, out: out.data * (1 - a.data), lambda a, b, out: 1 - out.data**2),
        ("sigmoid",),
    ),
    Misconception(
        "log-derivative", "rules",
        "The derivative of log(x) is 1/x; your rule has another formula.",
        "log is steep near 0 and flat far out. Is your derivative?",
        locally(lambda a, b, out: out.data, lambda a, b, out: a.data, lambda a, b, out: 1 / out.data,
                lambda a, b, out: -1 / a.data, lambda a, b, out: -1 / a.data**2, lambda a, b, out: 1 / a.data**2),
        ("log",),
    ),
    Misconception(
        "log-wrong-base", "rules",
        "log is the natural logarithm, to the base e; yours uses another base.",
        "log(e) is 1.",
        _logarithms, ("log",),
    ),
)  # fmt: skip
