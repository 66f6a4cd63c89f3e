"""Recurrent layers. State is passed in and returned, never stored: backpropagation through time is the graph itself.

To truncate it, cut the graph between two pieces of a sequence: `state = detach(state)`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from autograd import linear, relu, sigmoid, tanh

from .layers import check_sizes, uniform_values, weight_matrix, wrong_input
from .module import Module
from .nested import is_list
from .randomness import Rng, as_rng

NONLINEARITIES: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "relu": relu}


class _Cell(Module):
    """Weights for `gates` sums of the input x and as many of the state h, uniform in (-k, k), k = 1 / sqrt(hidden)."""

    gates = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Rng = None) -> None:
        check_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        rng, bound, size = as_rng(rng), 1.0 / math.sqrt(hidden_size), self.gates * hidden_size
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = weight_matrix(size, input_size, bound, rng)
        self.weight_hh = weight_matrix(size, hidden_size, bound, rng)
        self.bias_ih = uniform_values(size, bound, rng) if bias else None
        self.bias_hh = uniform_values(size, bound, rng) if bias else None

    def _sums(self, x: Sequence[Any], h: Sequence[Any]) -> tuple[list[list[Any]], list[list[Any]]]:
        """For each gate W_ih x + b_ih, and for each W_hh h + b_hh."""
        if not is_list(x) or len(x) != self.input_size or any(map(is_list, x)):
            raise wrong_input(self, f"a list of {self.input_size} numbers", x)
        if not is_list(h) or len(h) != self.hidden_size:
            raise wrong_input(self, f"a state of {self.hidden_size} numbers", h)
        size = self.hidden_size
        by_x, by_h = linear(x, self.weight_ih, self.bias_ih), linear(h, self.weight_hh, self.bias_hh)
        parts = [slice(i, i + size) for i in range(0, self.gates * size, size)]
        return [by_x[part] for part in parts], [by_h[part] for part in parts]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu (Elman 1990).

    x: input_size numbers; h: hidden_size, zeros unless given. Returns h'.
    Raises ValueError for another nonlinearity.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", *, rng: Rng = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, rng=rng)
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"RNNCell expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def forward(self, x: Sequence[Any], h: Sequence[Any] | None = None) -> list[Any]:
        (by_x,), (by_h,) = self._sums(x, [0.0] * self.hidden_size if h is None else h)
        function = NONLINEARITIES[self.nonlinearity]
        return [function(a + b) for a, b in zip(by_x, by_h, strict=True)]


class GRUCell(_Cell):
    """h' = (1 - z) n + z h with n = tanh(W_in x + b_in + r (W_hn h + b_hn)) and gates r and z that are sigmoids of
    their own sums (Cho et al. 2014, with PyTorch's place of r).

    x: input_size numbers; h: hidden_size, zeros unless given. Returns h'.
    """

    gates = 3

    def forward(self, x: Sequence[Any], h: Sequence[Any] | None = None) -> list[Any]:
        h = [0.0] * self.hidden_size if h is None else h
        (rx, zx, nx), (rh, zh, nh) = self._sums(x, h)
        r = [sigmoid(a + b) for a, b in zip(rx, rh, strict=True)]
        z = [sigmoid(a + b) for a, b in zip(zx, zh, strict=True)]
        n = [tanh(a + g * b) for a, g, b in zip(nx, r, nh, strict=True)]
        return [new + g * (old - new) for new, g, old in zip(n, z, h, strict=True)]


class LSTMCell(_Cell):
    """c' = f c + i g and h' = o tanh(c'), with i, f and o sigmoids and g the tanh of sums of x and h (Hochreiter and
    Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    x: input_size numbers; state: (h, c), hidden_size numbers each, zeros unless given. Returns (h', c').
    """

    gates = 4

    def forward(
        self, x: Sequence[Any], state: tuple[Sequence[Any], Sequence[Any]] | None = None
    ) -> tuple[list[Any], list[Any]]:
        if state is not None and (len(state) != 2 or not all(map(is_list, state))):
            raise wrong_input(self, "a state of two lists, (h, c)", state)
        h, c = state or ([0.0] * self.hidden_size, [0.0] * self.hidden_size)
        if len(c) != self.hidden_size:
            raise wrong_input(self, f"a cell state of {self.hidden_size} numbers", c)
        sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(*self._sums(x, h), strict=True)]
        i, f, g, o = ([function(s) for s in part] for function, part in zip(
            (sigmoid, sigmoid, tanh, sigmoid), sums, strict=True))  # fmt: skip
        c = [keep * old + let * new for keep, old, let, new in zip(f, c, i, g, strict=True)]
        return [gate * tanh(v) for gate, v in zip(o, c, strict=True)], c


class RNN(Module):
    """`num_layers` RNN cells over a sequence, each layer on the states of the one below.

    x: T lists of input_size numbers; h: num_layers lists of hidden_size, zeros unless given.
    Returns (T states of the last layer, the last state of each layer).

    >>> from nn import detach
    >>> rnn = RNN(1, 4, rng=0)
    >>> states, h = rnn([[0.1], [0.2], [0.3]])
    >>> len(states), len(h), states[-1] == h[0]
    (3, 1, True)
    >>> states, h = rnn([[0.4]], detach(h))  # gradients stop between the two pieces
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        *,
        rng: Rng = None,
    ) -> None:
        check_sizes("RNN", num_layers=num_layers)
        rng = as_rng(rng)
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.cells = [RNNCell(size, hidden_size, bias, nonlinearity, rng=rng) for size in sizes]

    def forward(self, x: Sequence[Any], h: Sequence[Any] | None = None) -> tuple[list[Any], list[Any]]:
        """Raises ValueError unless there is a state for each layer, and x holds at least one list."""
        states: list[Any] = [None] * len(self.cells) if h is None else list(h)
        if len(states) != len(self.cells):
            raise ValueError(f"RNN expected a state for each of its {len(self.cells)} layers, got {len(states)}")
        if not is_list(x) or not len(x):
            raise wrong_input(self, "a sequence of at least one list of numbers", x)
        outputs = []
        for row in x:
            for i, cell in enumerate(self.cells):
                row = states[i] = cell(row, states[i])
            outputs.append(row)
        return outputs, states
