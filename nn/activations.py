"""Activations by name."""

from collections.abc import Callable
from typing import Any

from autograd import Value

Activation = Callable[[Any], Any]

ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "tanh", "sin")


def activation_function(activation: str | Activation) -> Activation:
    """A function of a Value: the activation of that name, or the function itself. Raises ValueError for an unknown
    name."""
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"unknown activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}, or pass a function"
        )
    return _same if activation == "linear" else getattr(Value, activation)


def _same(x: Any) -> Any:
    return x
