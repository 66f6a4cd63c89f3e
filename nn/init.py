"""Initialisers: they set the numbers of a weight in place and return it, with PyTorch's names.

A weight is nested lists of Values, such as `Linear.weight`: rows of fan_in numbers, one for each of fan_out outputs.
`rng` is a `random.Random`, a seed, or None for the module `random`.
"""

import math
from collections.abc import Callable
from typing import Any

from autograd import Value

from .nested import flat, is_list, shape
from .randomness import Rng, as_rng

GAINS = {
    "linear": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """By what factor weights are drawn wider to make up for what an activation takes away from the spread.

    1 for linear and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2 / (1 + param**2)) for leaky_relu with that slope.
    Raises ValueError for another name.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + param**2))
    if nonlinearity not in GAINS:
        raise ValueError(f"no gain is known for {nonlinearity!r}; choose one of leaky_relu, {', '.join(GAINS)}")
    return GAINS[nonlinearity]


def uniform_(weight: Any, a: float = 0.0, b: float = 1.0, *, rng: Rng = None) -> Any:
    """Numbers uniform in (a, b)."""
    source = as_rng(rng)
    return _fill(weight, lambda: source.uniform(a, b))


def normal_(weight: Any, mean: float = 0.0, std: float = 1.0, *, rng: Rng = None) -> Any:
    """Normal numbers of that mean and standard deviation."""
    source = as_rng(rng)
    return _fill(weight, lambda: source.gauss(mean, std))


def constant_(weight: Any, value: float) -> Any:
    """The same number everywhere."""
    return _fill(weight, lambda: value)


def zeros_(weight: Any) -> Any:
    """0 everywhere: for biases. Weights that are all alike get equal gradients, and never become different."""
    return constant_(weight, 0.0)


def ones_(weight: Any) -> Any:
    """1 everywhere: for the weights of a normalisation."""
    return constant_(weight, 1.0)


def xavier_uniform_(weight: Any, gain: float = 1.0, *, rng: Rng = None) -> Any:
    """Uniform in (-a, a), a = gain sqrt(6 / (fan_in + fan_out)): signals keep their spread both ways through layers
    that are nearly linear (Glorot and Bengio 2010, equation 16)."""
    bound = gain * math.sqrt(6.0 / sum(_fans(weight)))
    return uniform_(weight, -bound, bound, rng=rng)


def xavier_normal_(weight: Any, gain: float = 1.0, *, rng: Rng = None) -> Any:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    return normal_(weight, 0.0, gain * math.sqrt(2.0 / sum(_fans(weight))), rng=rng)


def kaiming_uniform_(
    weight: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Rng = None
) -> Any:
    """Uniform in (-b, b), b = gain sqrt(3 / fan): as `kaiming_normal_`, with the same spread."""
    bound = math.sqrt(3.0) * _kaiming_std(weight, a, mode, nonlinearity)
    return uniform_(weight, -bound, bound, rng=rng)


def kaiming_normal_(
    weight: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Rng = None
) -> Any:
    """Normal with standard deviation gain / sqrt(fan): signals keep their spread through ReLU layers (He et al. 2015,
    equation 14).

    mode: fan_in for the forward pass, fan_out for the backward pass. nonlinearity, a: see `calculate_gain`, with `a`
    the slope of leaky_relu.
    """
    return normal_(weight, 0.0, _kaiming_std(weight, a, mode, nonlinearity), rng=rng)


def orthogonal_(weight: Any, gain: float = 1.0, *, rng: Rng = None) -> Any:
    """Rows at right angles and of length `gain`; columns, if there are more rows (Saxe et al. 2013).

    Normal numbers are made orthogonal by Gram and Schmidt's method, twice, which is as good as any (Kahan's rule).
    """
    _fans(weight)
    table = [flat(row) for row in weight]
    source, transposed = as_rng(rng), len(table) > len(table[0])
    height, width = sorted((len(table), len(table[0])))
    basis: list[list[float]] = []
    for _ in range(height):
        v = [source.gauss(0, 1) for _ in range(width)]
        for u in 2 * basis:
            along = math.fsum(a * b for a, b in zip(u, v, strict=True))
            v = [b - along * a for a, b in zip(u, v, strict=True)]
        length = math.hypot(*v)
        basis.append([x / length for x in v])
    for i, row in enumerate(table):
        for j, p in enumerate(row):
            p.data = gain * (basis[j][i] if transposed else basis[i][j])
    return weight


def _fill(weight: Any, draw: Callable[[], float]) -> Any:
    for p in flat(weight):
        if not isinstance(p, Value):
            raise TypeError(f"an initialiser expected lists of Values such as layer.weight, got {p!r} in them")
        p.data = draw()
    return weight


def _fans(weight: Any) -> tuple[int, int]:
    """(fan_in, fan_out) of rows: numbers in a row, and rows times the places of a kernel that sees one channel."""
    if not is_list(weight) or not len(weight) or not is_list(weight[0]):
        raise ValueError(f"fan in and fan out need rows of weights, got {shape(weight)}")
    kernel = len(flat(weight[0][0]))
    return len(flat(weight[0])), len(weight) * kernel


def _kaiming_std(weight: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"expected mode 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(weight)[mode == "fan_out"])
