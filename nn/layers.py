"""Layers: functions of one example, which is a list of numbers."""

import random
from collections.abc import Sequence
from typing import Any

from autograd import Value, dot, linear

from .activations import Activation, activation_function
from .module import Module

Rng = random.Random | int | None


def as_rng(rng: Rng) -> Any:
    """A source of random numbers: `rng` itself, one seeded with an int, or for None the module `random`."""
    if rng is None:
        return random
    if hasattr(rng, "__index__"):
        return random.Random(rng.__index__())
    if not hasattr(rng, "uniform"):
        raise TypeError(f"rng expected a random.Random, a seed or None, got {rng!r}")
    return rng


class Neuron(Module):
    """activation(w . x + b) for a list x of `nin` numbers: a Value.

    w starts uniform in (-1, 1), b at 0. nonlin: ReLU if true, else linear; activation: a name or function instead.
    rng: a seeded `random.Random`, or a seed; None draws from the module `random`.
    Raises ValueError if the length of x is not nin.
    """

    def __init__(
        self, nin: int, nonlin: bool = True, *, activation: str | Activation | None = None, rng: Rng = None
    ) -> None:
        source = as_rng(rng)
        self.w = [Value(source.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0.0)
        self.activation = ("relu" if nonlin else "linear") if activation is None else activation
        self._activate = activation_function(self.activation)

    def forward(self, x: Sequence[Any]) -> Value:
        if not hasattr(x, "__len__") or len(x) != len(self.w):
            raise _wrong_input(self, len(self.w), x)
        result: Value = self._activate(dot(self.w, x, self.b))
        return result

    def extra_repr(self) -> str:
        return f"{len(self.w)}, activation={_name(self.activation)}"


class Layer(Module):
    """`nout` neurons that look at the same `nin` numbers: a list of Values, or one Value if nout is 1.

    Takes the keywords of `Neuron`.
    """

    def __init__(
        self, nin: int, nout: int, nonlin: bool = True, *, activation: str | Activation | None = None, rng: Rng = None
    ) -> None:
        rng = as_rng(rng)
        self.neurons = [Neuron(nin, nonlin, activation=activation, rng=rng) for _ in range(nout)]
        self._weight: list[tuple[Value, ...]] = []

    def forward(self, x: Sequence[Any]) -> Any:
        if any(type(neuron) is not Neuron for neuron in self.neurons):
            out = [neuron(x) for neuron in self.neurons]
        else:
            out = self._together(x)
        return out[0] if len(out) == 1 else out

    def _together(self, x: Sequence[Any]) -> list[Value]:
        """What calling each neuron gives, faster."""
        if self.neurons and (not hasattr(x, "__len__") or len(x) != len(self.neurons[0].w)):
            raise _wrong_input(self, len(self.neurons[0].w), x)
        weight = [tuple(neuron.w) for neuron in self.neurons]
        if weight == self._weight:  # the same Values: pass the same tuples, which the engine recognises as shared
            weight = self._weight
        self._weight = weight
        sums = linear(x, weight, [neuron.b for neuron in self.neurons])
        out = []
        for neuron, y in zip(self.neurons, sums, strict=True):
            y = neuron._activate(y)
            if isinstance(y, Value):
                neuron.leave_note(y)
            out.append(y)
        return out

    def __repr__(self) -> str:
        if not self.neurons:
            return "Layer()"
        first = self.neurons[0]
        return f"Layer({len(first.w)}, {len(self.neurons)}, activation={_name(first.activation)})"


class MLP(Module):
    """A multi-layer perceptron: layers of the widths `nouts`, the last one linear.

    nin: numbers in an example. nouts: the width of each layer; if the last is 1 the output is a Value, else a list.
    activation: of all layers but the last, ReLU unless told. rng: as for `Neuron`.

    >>> MLP(2, [16, 16, 1], rng=0)
    MLP(
      (layers.0): Layer(2, 16, activation='relu')
      (layers.1): Layer(16, 16, activation='relu')
      (layers.2): Layer(16, 1, activation='linear')
    )
    """

    def __init__(
        self, nin: int, nouts: Sequence[int], *, activation: str | Activation | None = None, rng: Rng = None
    ) -> None:
        rng = as_rng(rng)
        if not isinstance(nouts, Sequence):
            raise TypeError(f"MLP expected nouts as a list of widths, got {nouts!r}; write MLP({nin}, [{nouts}])")
        if any(width < 1 for width in nouts):
            raise ValueError(f"MLP expected widths of at least 1, got {list(nouts)}")
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [
            Layer(sizes[i], sizes[i + 1], nonlin=i != last, activation=activation if i != last else None, rng=rng)
            for i in range(len(nouts))
        ]

    def forward(self, x: Any) -> Any:
        for i, layer in enumerate(self.layers):
            x = layer([x] if i and isinstance(x, Value) else x)  # a layer of width 1 gives a Value
        return x


def _name(activation: str | Activation) -> str:
    return repr(activation) if isinstance(activation, str) else getattr(activation, "__name__", repr(activation))


def _wrong_input(module: Module, nin: int, x: Any) -> ValueError:
    got = len(x) if hasattr(x, "__len__") else f"one {type(x).__name__}"
    return ValueError(f"{module!r} expected a list of {nin} numbers, got {got}")
