"""The operations of the reference engine, written right, and the ways in which right engines make them of others."""

import math
from collections.abc import Callable
from typing import Any

from ..primitives import REGISTRY
from .engine import NAMES, Number, Operation, Step

BINARY = ("+", "*", "-", "/")
FUNCTIONS = ("exp", "log", "tanh", "sigmoid", "relu", "sqrt", "sin", "cos")
IN_PLACE = ("+=", "*=")
PRIMITIVES = {sign: name for name, sign in NAMES.items()}


LOCALS: dict[str, tuple[Number, ...]] = {
    "+": (lambda a, b, out: 1.0, lambda a, b, out: 1.0),
    "*": (lambda a, b, out: b.data, lambda a, b, out: a.data),
    "neg": (lambda a, b, out: -1.0,),
    "-": (lambda a, b, out: 1.0, lambda a, b, out: -1.0),
    "**": (lambda a, n, out: n * a.data ** (n - 1),),
    "/": (lambda a, b, out: 1 / b.data, lambda a, b, out: -a.data / b.data**2),
    "exp": (lambda a, b, out: out.data,),
    "log": (lambda a, b, out: 1 / a.data,),
    "tanh": (lambda a, b, out: 1 - out.data**2,),
    "sigmoid": (lambda a, b, out: out.data * (1 - out.data),),
    "relu": (lambda a, b, out: float(a.data > 0),),
    "sqrt": (lambda a, b, out: 1 / (2 * out.data),),
    "sin": (lambda a, b, out: math.cos(a.data),),
    "cos": (lambda a, b, out: -math.sin(a.data),),
}
"""The local derivative by each operand, as students write it: what is out of range raises."""
ORDER = tuple(LOCALS)
"""An operation comes after those that it may be made of."""


def right(name: str) -> Operation:
    """The operation with a rule of its own."""
    forward = REGISTRY[PRIMITIVES.get(name, name)].forward
    return Operation(forward, tuple(Step(i, local) for i, local in enumerate(LOCALS[name])))


RIGHT = {name: right(name) for name in ORDER}

PARTS: dict[str, tuple[Callable[..., Any], ...]] = {
    "neg": (lambda a: a * -1.0,),
    "-": (lambda a, b: a + (-b), lambda a, b: a + b * -1.0),
    "/": (lambda a, b: a * _power(b, -1.0), lambda a, b: a * (1.0 / b)),
    "sigmoid": (lambda a: _power((-a).exp() + 1.0, -1.0), lambda a: a.exp() / (a.exp() + 1.0)),
    "tanh": (
        lambda a: ((a * 2.0).exp() - 1.0) / ((a * 2.0).exp() + 1.0),
        lambda a: _over((e := (a * 2.0).exp()) - 1.0, e + 1.0),
        lambda a: (a * 2.0).sigmoid() * 2.0 - 1.0,
    ),
    "sqrt": (lambda a: a**0.5,),
}
"""Other operations that it may be made of."""
MADE_OF = {"neg": "*", "-": ("+", "*", "neg"), "/": ("*", "**"), "sigmoid": ("exp", "neg", "+", "/", "**"),
           "tanh": ("exp", "neg", "+", "-", "*", "/", "sigmoid"), "sqrt": ("**",)}  # fmt: skip
"""Those operations by name."""

REFLECTED: dict[str, Callable[[float, Any], Any]] = {
    "+": lambda x, a: a + x,
    "*": lambda x, a: a * x,
    "-": lambda x, a: (-a) + x,
    "/": lambda x, a: _power(a, -1.0) * x,
}
"""Other operations that a number on the left may be made of."""


def _over(a: Any, b: Any) -> Any:
    return a / b


def _power(x: Any, exponent: float) -> Any:
    return x**exponent
