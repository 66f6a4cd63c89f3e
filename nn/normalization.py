"""Normalisation: layers that keep the size of what flows through a network in bounds."""

from collections.abc import Sequence
from typing import Any, ClassVar

from autograd import Value, dot, mean
from autograd.compiler import assume, is_symbolic

from .layers import check_sizes, wrong_input
from .module import Module
from .nested import by_rows, is_list, rows


class BatchNorm1d(Module):
    """(x - m) / sqrt(v + eps) * weight + bias for each of `num_features` numbers (Ioffe and Szegedy 2015).

    In training mode m and v are the mean and the biased variance over the batch, so the layer has to see a whole
    batch: call `model.batch(xs)`, as `Trainer` does, with the layer in a `Sequential`. Each batch moves running_mean
    and running_var, of the unbiased variance, by `momentum` towards its own; evaluation mode uses these.

    Raises ValueError for a batch of one, and RuntimeError when called on one example in training mode.
    """

    buffers: ClassVar[tuple[str, ...]] = ("running_mean", "running_var")

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        check_sizes("BatchNorm1d", num_features=num_features)
        if not hasattr(momentum, "__float__") or not 0.0 <= momentum <= 1.0:
            raise ValueError(f"BatchNorm1d expected momentum as a number from 0 to 1, got {momentum!r}")
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = _affine(num_features, affine, affine)
        self.running_mean, self.running_var = [0.0] * num_features, [1.0] * num_features

    def forward(self, x: Sequence[Any]) -> list[Any]:
        """Raises RuntimeError in training mode, which needs a whole batch."""
        if self.training:
            raise RuntimeError(
                "BatchNorm1d in training mode needs a whole batch: write model.batch(xs) with the layer in a "
                "Sequential, or model.eval() first, or use LayerNorm, which looks at one example"
            )
        self._check(x)
        assume(lambda: (*self.running_mean, *self.running_var))
        scales = [(v + self.eps) ** -0.5 for v in self.running_var]
        return _scaled([a - m for a, m in zip(x, self.running_mean, strict=True)], scales, self.weight, self.bias)

    def batch(self, xs: Any) -> list[Any]:
        """Raises ValueError for fewer than 2 examples in training mode, and TypeError if that is compiled."""
        if not self.training:
            return super().batch(xs)
        self._name_once()
        xs = by_rows(xs)
        if is_symbolic():
            raise TypeError(
                "BatchNorm1d in training mode keeps running numbers, which are not known while a function is "
                "recorded; use LayerNorm, which needs none"
            )
        if len(xs) < 2:
            raise ValueError(
                f"BatchNorm1d expected at least 2 examples in a batch to train on, got {len(xs)}; choose a batch_size "
                f"that leaves more over for the last batch"
            )
        for x in xs:
            self._check(x)
        n, xs = len(xs), [x.tolist() if hasattr(x, "tolist") else x for x in xs]
        columns = list(zip(*xs, strict=True))
        means = [mean(column) for column in columns]
        centred = [tuple([x - m for x in column]) for column, m in zip(columns, means, strict=True)]
        variances = [dot(c, c) / n for c in centred]
        for running, numbers in (
            (self.running_mean, means),
            (self.running_var, [v * (n / (n - 1)) for v in variances]),
        ):
            for i, x in enumerate(numbers):
                now = x.data if isinstance(x, Value) else x
                running[i] = (1.0 - self.momentum) * running[i] + self.momentum * now
        scales = [(v + self.eps) ** -0.5 for v in variances]
        return self._announce_each(
            xs, [_scaled(row, scales, self.weight, self.bias) for row in zip(*centred, strict=True)]
        )

    def _check(self, x: Any) -> None:
        if not is_list(x) or len(x) != len(self.running_mean):
            raise wrong_input(self, f"a list of {len(self.running_mean)} numbers", x)

    def extra_repr(self) -> str:
        return f"{len(self.running_mean)}, eps={self.eps}, momentum={self.momentum}"


class LayerNorm(Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the `normalized_shape` numbers of each innermost list,
    with the biased variance (Ba, Kiros and Hinton 2016).

    elementwise_affine=False has neither weight nor bias, bias=False no bias.
    """

    def __init__(
        self, normalized_shape: int, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ) -> None:
        check_sizes("LayerNorm", normalized_shape=normalized_shape)
        self.normalized_shape, self.eps = normalized_shape, eps
        self.weight, self.bias = _affine(normalized_shape, elementwise_affine, elementwise_affine and bias)

    def forward(self, x: Any) -> Any:
        return rows(self._row, x)

    def _row(self, x: Sequence[Any]) -> list[Any]:
        _check_row(self, self.normalized_shape, x)
        m = mean(x)
        centred = tuple([v - m for v in x])
        scale = (dot(centred, centred) / len(x) + self.eps) ** -0.5
        return _scaled(centred, [scale] * len(x), self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class RMSNorm(Module):
    """x / sqrt(mean of x**2 + eps) * weight over the `normalized_shape` numbers of each innermost list (Zhang and
    Sennrich 2019).

    eps: None is the float's own, 2.2e-16, as in PyTorch. elementwise_affine=False has no weight.
    """

    def __init__(self, normalized_shape: int, eps: float | None = None, elementwise_affine: bool = True) -> None:
        check_sizes("RMSNorm", normalized_shape=normalized_shape)
        self.normalized_shape, self.eps = normalized_shape, 2.0**-52 if eps is None else eps
        self.weight, _ = _affine(normalized_shape, elementwise_affine, False)

    def forward(self, x: Any) -> Any:
        return rows(self._row, x)

    def _row(self, x: Sequence[Any]) -> list[Any]:
        _check_row(self, self.normalized_shape, x)
        x = tuple(x)
        scale = (dot(x, x) / len(x) + self.eps) ** -0.5
        return _scaled(x, [scale] * len(x), self.weight, None)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


def _affine(size: int, weight: bool, bias: bool) -> tuple[list[Value] | None, list[Value] | None]:
    return [Value(1.0) for _ in range(size)] if weight else None, [Value(0.0) for _ in range(size)] if bias else None


def _scaled(x: Sequence[Any], scales: Sequence[Any], weight: Any, bias: Any) -> list[Any]:
    y = [a * s for a, s in zip(x, scales, strict=True)]
    if weight is not None:
        y = [a * w for a, w in zip(y, weight, strict=True)]
    return y if bias is None else [a + b for a, b in zip(y, bias, strict=True)]


def _check_row(module: Module, size: int, x: Any) -> None:
    if not is_list(x) or len(x) != size:
        raise wrong_input(module, f"lists of {size} numbers", x)
