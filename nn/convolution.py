"""Convolution and pooling of one image: nested lists of channels x height x width, as PyTorch has them."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from autograd import Value, amax, linear, mean
from autograd.compiler import each

from .layers import check_sizes, uniform_values, weight_matrix, wrong_input
from .module import Module
from .nested import is_list
from .randomness import Rng, as_rng

Pair = int | tuple[int, int]


class Conv2d(Module):
    """For each output channel and place the sum of weight x the patch of input channels there, plus a bias.

    x: in_channels x H x W; the result is out_channels x (H + 2 padding - span) // stride + 1, likewise for W, where a
    kernel whose places are `dilation` apart spans dilation (kernel - 1) + 1. padding: zeros around the image; or
    "valid", none; or "same", as many as leave H and W as they are, one more below and to the right if they are odd,
    for stride 1. groups: the channels in and out fall into so many groups that know nothing of each other.
    weight: out_channels x in_channels / groups x kernel x kernel. Weight and bias start uniform in (-k, k),
    k = 1 / sqrt(in_channels / groups x kernel x kernel), as PyTorch's.
    Raises ValueError for other inputs, and for images smaller than the kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        bias: bool = True,
        rng: Rng = None,
    ) -> None:
        self.kernel_size, self.stride, self.dilation = _pair(kernel_size), _pair(stride), _pair(dilation)
        check_sizes("Conv2d", in_channels=in_channels, out_channels=out_channels, kernel_size=min(self.kernel_size),
                    stride=min(self.stride), dilation=min(self.dilation), groups=groups)  # fmt: skip
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d expected groups that divide {in_channels} and {out_channels} channels, got {groups}"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"Conv2d expected padding as numbers, 'same' or 'valid', got {padding!r}")
        self.padding = padding if isinstance(padding, str) else _pair(padding)
        if self.padding == "same" and self.stride != (1, 1):
            raise ValueError(f'Conv2d expected stride 1 with padding="same", got {stride}')
        self.in_channels, self.groups = in_channels, groups
        self._padding = [_sides(self.padding, axis, self.kernel_size, self.dilation) for axis in range(2)]
        rng, (height, width), inside = as_rng(rng), self.kernel_size, in_channels // groups
        bound = 1.0 / math.sqrt(inside * height * width)
        self.weight = [[weight_matrix(height, width, bound, rng) for _ in range(inside)] for _ in range(out_channels)]
        self.bias = uniform_values(out_channels, bound, rng) if bias else None
        self._rows: list[tuple[Value, ...]] = []

    def forward(self, x: Sequence[Any]) -> list[Any]:
        if not is_list(x) or len(x) != self.in_channels:
            expected = f"an image of {self.in_channels} channels x height x width"
            raise wrong_input(self, expected, x, "; a channel is a list of rows, and one channel is [rows]")
        padded = [_padded(channel, *self._padding) for channel in x]
        windows = [_windows(self, channel, self.kernel_size, self.stride, self.dilation) for channel in padded]
        weight = [tuple([w for channel in kernels for line in channel for w in line]) for kernels in self.weight]
        if weight != self._rows:  # the same Values: pass the same tuples, which the engine recognises as shared
            self._rows = weight
        outputs: list[Any] = []
        inside, out = self.in_channels // self.groups, len(self.weight) // self.groups
        for g in range(self.groups):
            lines = [
                list(zip(*line, strict=True)) for line in zip(*windows[g * inside : (g + 1) * inside], strict=True)
            ]
            sums = iter(each(self._sums, [(sum(patch, ()), g) for line in lines for patch in line]))
            places = [list(itertools.islice(sums, len(line))) for line in lines]
            outputs += [[[place[o] for place in line] for line in places] for o in range(out)]
        return outputs

    def _sums(self, patch: tuple[Any, ...], group: int) -> list[Any]:
        """The channels of a group at one place."""
        out = len(self.weight) // self.groups
        rows, bias = self._rows, self.bias
        if self.groups > 1:
            rows, bias = rows[group * out : (group + 1) * out], bias and bias[group * out : (group + 1) * out]
        return linear(patch, rows, bias)

    def extra_repr(self) -> str:
        sizes = {name: getattr(self, name) for name in ("kernel_size", "stride", "padding", "dilation", "groups")}
        shown = [f"{name}={x!r}" for name, x in sizes.items() if (name, x) not in (("dilation", (1, 1)), ("groups", 1))]
        return f"{self.in_channels}, {len(self.weight)}, {', '.join(shown)}"


class _Pool(Module):
    """A function of each window of each channel."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None) -> None:
        self.kernel_size = _pair(kernel_size)
        self.stride = self.kernel_size if stride is None else _pair(stride)
        check_sizes(type(self).__name__, kernel_size=min(self.kernel_size), stride=min(self.stride))

    def _pool(self, x: Sequence[Any], function: Callable[[Any], Any]) -> list[Any]:
        if not is_list(x):
            raise wrong_input(self, "channels x height x width", x)
        windows = [_windows(self, channel, self.kernel_size, self.stride) for channel in x]
        found = iter(each(function, [(w,) for channel in windows for row in channel for w in row]))
        return [[list(itertools.islice(found, len(row))) for row in channel] for channel in windows]

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


def _sides(padding: Any, axis: int, kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """The places of padding before and after, along an axis."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        both = dilation[axis] * (kernel[axis] - 1)
        return both // 2, both - both // 2
    check_sizes("Conv2d", 0, padding=padding[axis])
    return padding[axis], padding[axis]


def _padded(channel: Sequence[Any], rows: tuple[int, int], columns: tuple[int, int]) -> list[list[Value | float]]:
    left, right = [0.0] * columns[0], [0.0] * columns[1]
    row = [0.0] * (len(channel[0]) + sum(columns))
    return [row] * rows[0] + [[*left, *line, *right] for line in channel] + [row] * rows[1]


def _windows(
    module: Module, channel: Sequence[Any], kernel: tuple[int, int], stride: tuple[int, int], apart: Any = (1, 1)
) -> list[list[tuple[Any, ...]]]:
    """The windows of one channel by place, each as a tuple of its numbers, row by row."""
    if not is_list(channel) or not is_list(channel[0]):
        raise wrong_input(module, "channels x height x width", [channel])
    height, width = len(channel), len(channel[0])
    down, across = (step * (size - 1) + 1 for step, size in zip(apart, kernel, strict=True))
    if height < down or width < across or {*map(len, channel)} != {width}:
        raise wrong_input(module, f"rows of one length and at least {down} x {across} places", channel)
    return [
        [
            tuple([v for row in channel[i : i + down : apart[0]] for v in row[j : j + across : apart[1]]])
            for j in range(0, width - across + 1, stride[1])
        ]
        for i in range(0, height - down + 1, stride[0])
    ]
