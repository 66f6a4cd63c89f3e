"""Convolution and pooling of one image: nested lists of channels x height x width, as PyTorch has them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from autograd import Value, amax, linear, mean

from .layers import check_sizes, uniform_values, weight_matrix, wrong_input
from .module import Module
from .nested import is_list
from .randomness import Rng, as_rng

Pair = int | tuple[int, int]


class Conv2d(Module):
    """For each output channel and place the sum of weight x the patch of all input channels there, plus a bias.

    x: in_channels x H x W; the result is out_channels x (H + 2 padding - kernel) // stride + 1, likewise for W.
    weight: out_channels x in_channels x kernel x kernel. Weight and bias start uniform in (-k, k),
    k = 1 / sqrt(in_channels x kernel x kernel), as PyTorch's.
    Raises ValueError for other inputs, and for images smaller than the kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        *,
        bias: bool = True,
        rng: Rng = None,
    ) -> None:
        self.kernel_size, self.stride, self.padding = _pair(kernel_size), _pair(stride), _pair(padding)
        check_sizes("Conv2d", in_channels=in_channels, out_channels=out_channels, kernel_size=min(self.kernel_size),
                    stride=min(self.stride))  # fmt: skip
        check_sizes("Conv2d", 0, padding=min(self.padding))
        self.in_channels = in_channels
        rng, (height, width) = as_rng(rng), self.kernel_size
        bound = 1.0 / math.sqrt(in_channels * height * width)
        self.weight = [
            [weight_matrix(height, width, bound, rng) for _ in range(in_channels)] for _ in range(out_channels)
        ]
        self.bias = uniform_values(out_channels, bound, rng) if bias else None
        self._rows: list[tuple[Value, ...]] = []

    def forward(self, x: Sequence[Any]) -> list[Any]:
        if not is_list(x) or len(x) != self.in_channels:
            expected = f"an image of {self.in_channels} channels x height x width"
            raise wrong_input(self, expected, x, "; a channel is a list of rows, and one channel is [rows]")
        padded = [_padded(channel, *self.padding) for channel in x]
        patches = [
            [sum(patch, ()) for patch in zip(*row, strict=True)]
            for row in zip(*[_windows(self, channel, self.kernel_size, self.stride) for channel in padded], strict=True)
        ]
        weight = [tuple([w for channel in kernels for line in channel for w in line]) for kernels in self.weight]
        if weight != self._rows:  # the same Values: pass the same tuples, which the engine recognises as shared
            self._rows = weight
        sums = [[linear(patch, self._rows, self.bias) for patch in row] for row in patches]
        return [[[place[o] for place in row] for row in sums] for o in range(len(self.weight))]

    def extra_repr(self) -> str:
        sizes = ", ".join(f"{name}={getattr(self, name)}" for name in ("kernel_size", "stride", "padding"))
        return f"{self.in_channels}, {len(self.weight)}, {sizes}"


class _Pool(Module):
    """A function of each window of each channel."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None) -> None:
        self.kernel_size = _pair(kernel_size)
        self.stride = self.kernel_size if stride is None else _pair(stride)
        check_sizes(type(self).__name__, kernel_size=min(self.kernel_size), stride=min(self.stride))

    def _pool(self, x: Sequence[Any], function: Callable[[Any], Any]) -> list[Any]:
        if not is_list(x):
            raise wrong_input(self, "channels x height x width", x)
        return [
            [[function(w) for w in row] for row in _windows(self, channel, self.kernel_size, self.stride)]
            for channel in x
        ]

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class MaxPool2d(_Pool):
    """The largest number of each kernel x kernel window; the windows are `stride` apart, kernel_size unless told.

    Equal largest numbers share the gradient, as in `amax`; PyTorch gives it to the first.
    """

    def forward(self, x: Sequence[Any]) -> list[Any]:
        return self._pool(x, amax)


class AvgPool2d(_Pool):
    """The mean of each kernel x kernel window; the windows are `stride` apart, kernel_size unless told."""

    def forward(self, x: Sequence[Any]) -> list[Any]:
        return self._pool(x, mean)


def _pair(size: Pair) -> tuple[int, int]:
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2 or not all(hasattr(x, "__index__") for x in pair):
        raise ValueError(f"expected a whole number, or two for height and width, got {size!r}")
    return pair


def _padded(channel: Sequence[Any], height: int, width: int) -> list[list[Value | float]]:
    side = [0.0] * width
    row = [0.0] * (len(channel[0]) + 2 * width)
    return [row] * height + [[*side, *line, *side] for line in channel] + [row] * height


def _windows(
    module: Module, channel: Sequence[Any], kernel: tuple[int, int], stride: tuple[int, int]
) -> list[list[tuple[Any, ...]]]:
    """The windows of one channel by place, each as a tuple of its numbers, row by row."""
    if not is_list(channel) or not is_list(channel[0]):
        raise wrong_input(module, "channels x height x width", [channel])
    height, width = len(channel), len(channel[0])
    if height < kernel[0] or width < kernel[1] or {*map(len, channel)} != {width}:
        raise wrong_input(module, f"rows of one length and at least {kernel[0]} x {kernel[1]} places", channel)
    return [
        [
            tuple([v for row in channel[i : i + kernel[0]] for v in row[j : j + kernel[1]]])
            for j in range(0, width - kernel[1] + 1, stride[1])
        ]
        for i in range(0, height - kernel[0] + 1, stride[0])
    ]
