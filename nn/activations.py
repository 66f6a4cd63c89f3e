"""Activations: by name, as `MLP(..., activation="tanh")` takes them, and as modules, for inputs of any shape."""

from collections.abc import Callable
from typing import Any, ClassVar

import autograd
from autograd import Value

from .module import Module
from .nested import nested, rows

Activation = Callable[[Any], Any]

ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "tanh", "sin", "erf")


def activation_function(activation: str | Activation) -> Activation:
    """A function of a Value: the activation of that name, or the function itself. Raises ValueError for an unknown
    name."""
    if callable(activation) and not isinstance(activation, type):
        return activation
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"unknown activation {activation!r}; choose one of {', '.join(map(repr, ACTIVATIONS))}, or pass a function"
        )
    return _same if activation == "linear" else getattr(Value, activation)


def _same(x: Any) -> Any:
    return x


class _Elementwise(Module):
    """A function of one number, applied to each."""

    function: ClassVar[Activation]

    def forward(self, x: Any) -> Any:
        return nested(type(self).function, x)


def _elementwise(name: str, function: Any, doc: str) -> type[_Elementwise]:
    return type(name, (_Elementwise,), {"function": function, "__doc__": doc, "__module__": __name__})


ReLU = _elementwise("ReLU", autograd.relu, "max(x, 0), with derivative 0 at 0.")
Sigmoid = _elementwise("Sigmoid", autograd.sigmoid, "1 / (1 + exp(-x)), in (0, 1).")
Tanh = _elementwise("Tanh", autograd.tanh, "The hyperbolic tangent, in (-1, 1).")
Softplus = _elementwise("Softplus", autograd.softplus, "log(1 + exp(x)), a smooth ReLU.")
SiLU = _elementwise("SiLU", autograd.silu, "x * sigmoid(x).")
GELU = _elementwise("GELU", autograd.gelu, "x times the normal distribution's probability of being below x, by erf.")


class LeakyReLU(Module):
    """x above 0, negative_slope * x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return nested(lambda v: autograd.leaky_relu(v, self.negative_slope), x)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x above 0, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2015)."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return nested(lambda v: autograd.elu(v, self.alpha), x)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class Softmax(Module):
    """exp(x_i) / sum of exp(x_j): probabilities along the last dimension. Losses that take logits do without it."""

    def forward(self, x: Any) -> Any:
        return rows(autograd.softmax, x)


class LogSoftmax(Module):
    """The logarithm of softmax, along the last dimension."""

    def forward(self, x: Any) -> Any:
        return rows(autograd.log_softmax, x)
