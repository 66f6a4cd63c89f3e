"""Remedies that stand outside of any layer: clipping, penalties, and trading time for memory."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from autograd import Value, abs, dot, no_grad, sum
from autograd.extend import is_recording

from .nested import flat, is_list, nested, shape
from .randomness import drawing, draws


def clip_grad_norm_(parameters: Iterable[Value] | Value, max_norm: float) -> float:
    """Scales all gradients together so that their Euclidean length is at most max_norm; returns the length before.

    parameters: Values, or one. max_norm: at least 0, ValueError otherwise; PyTorch turns gradients round by a negative
    one. The factor is max_norm / (length + 1e-6), as PyTorch has it, if that is below 1 (Pascanu et al. 2013).
    """
    parameters = _to_clip("clip_grad_norm_", parameters, "max_norm", max_norm)
    length = math.hypot(*[p.grad for p in parameters])
    factor = clip_factor(length, max_norm)
    for p in parameters if factor < 1.0 else ():
        p.grad *= factor
    return length


def clip_factor(length: float, max_norm: float) -> float:
    """The factor by which clipping shortens a gradient of this length, at most 1."""
    return min(1.0, max_norm / (length + 1e-6))


def clip_grad_value_(parameters: Iterable[Value] | Value, clip_value: float) -> None:
    """Holds each gradient between -clip_value and clip_value. parameters: Values, or one. clip_value: at least 0,
    ValueError otherwise."""
    for p in _to_clip("clip_grad_value_", parameters, "clip_value", clip_value):
        p.grad = min(max(p.grad, -clip_value), clip_value)


def _to_clip(function: str, parameters: Iterable[Value] | Value, name: str, limit: float) -> list[Value]:
    if not hasattr(limit, "__float__") or not limit >= 0.0:
        raise ValueError(f"{function} expected {name} of at least 0, got {limit!r}")
    return [parameters] if isinstance(parameters, Value) else list(parameters)


def l1_penalty(parameters: Iterable[Value]) -> Any:
    """The sum of |p|, whose gradient pulls small parameters to exactly 0; add a multiple of it to the loss."""
    return sum([abs(p) for p in parameters])


def l2_penalty(parameters: Iterable[Value]) -> Any:
    """The sum of p**2. Half of weight_decay times it is what SGD's weight_decay adds to the loss."""
    parameters = tuple(parameters)
    return dot(parameters, parameters)


class Checkpoints:
    """A loss without its graph: the number `data`, and `backward`. Raises TypeError if the last segment returns no
    single number.
    """

    def __init__(self, segments: Sequence[Callable[[Any], Any]], x: Any) -> None:
        self._segments = list(segments)
        self._borders: list[tuple[Any, Any]] = []
        with no_grad():
            for segment in self._segments:
                self._borders.append((x, draws().copy()))
                x = nested(_number, segment(x))
        if is_list(x):
            raise TypeError(f"checkpoint_sequential expected the last segment to return the loss, got {shape(x)}")
        self.data: float = _number(x)

    def backward(self, seed: float = 1.0) -> None:
        """Adds seed x the derivative of the loss to the `.grad` of every leaf, rebuilding one segment at a time.

        Raises RuntimeError if a rebuilt segment gives other numbers, since something it uses was changed; the gradients
        are then incomplete.
        """
        if not is_recording():
            raise RuntimeError("nothing is recorded under no_grad(); call backward outside of it")
        seeds, expected = [seed], [self.data]
        for i in reversed(range(len(self._segments))):
            x, counters = self._borders[i]
            inputs = nested(Value, x) if i else x
            with drawing(counters.copy()):
                outputs = flat(self._segments[i](inputs))
            if not all(a == b or (a != a and b != b) for a, b in zip(map(_number, outputs), expected, strict=True)):
                raise RuntimeError(
                    f"segment {i} gives other numbers than before; change nothing between checkpoint_sequential and "
                    f"backward"
                )
            total = dot(outputs, seeds)
            if isinstance(total, Value):
                total.backward()
            seeds, expected = [v.grad for v in flat(inputs)] if i else [], flat(x) if i else []


def checkpoint_sequential(segments: Sequence[Callable[[Any], Any]], x: Any) -> Checkpoints:
    """Runs the segments one after the other, the last of which returns the loss, and remembers only what passes between
    them; `backward` computes each segment again when its turn comes (Chen et al. 2016).

    Batch normalisation in training mode would move its running numbers twice; use `LayerNorm`.

    A graph of n equal segments then takes the memory of one, and the time of one more forward pass: 48 layers in pieces
    of six take less than a quarter of the memory.

    >>> from nn import MLP, mse_loss
    >>> model = MLP(1, [8, 8, 1], rng=0)
    >>> loss = checkpoint_sequential([*model.layers, lambda y: mse_loss(y, 0.5)], [2.0])
    >>> loss.backward()
    >>> once = [p.grad for p in model.parameters()]
    >>> model.zero_grad()
    >>> mse_loss(model([2.0]), 0.5).backward()
    >>> once == [p.grad for p in model.parameters()]
    True
    """
    return Checkpoints(segments, x)


def _number(x: Any) -> float:
    return x.data if isinstance(x, Value) else float(x)
