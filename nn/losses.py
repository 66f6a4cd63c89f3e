"""Losses of one example: a prediction, a number or a list of them, and a target.

Names and conventions are PyTorch's; `reduction` ("mean", "sum" or "none") works over the elements of the example.
"""

from collections.abc import Callable, Sequence
from typing import Any

from autograd import log_softmax, mean, relu, softplus, sum


def mse_loss(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """The mean of (prediction_i - target_i)**2 over the elements.

    prediction, target: one number each, or lists, nested alike, of the same lengths. Raises ValueError otherwise.
    """
    return _elementwise("mse_loss", lambda p, t: (p - t) ** 2, prediction, target, reduction)


def binary_cross_entropy_with_logits(logit: Any, target: Any, reduction: str = "mean") -> Any:
    """-log of the probability that sigmoid(logit) gives to the target, in the form log(1 + exp(x)) - t x, which
    cannot overflow.

    target: 0 or 1, or a probability in between. Raises ValueError outside [0, 1].
    """

    def loss(x: Any, t: Any) -> Any:
        if not 0 <= t <= 1:
            raise ValueError(
                f"binary_cross_entropy_with_logits expected targets in [0, 1], got {t}; map classes -1 and 1 to 0 and 1"
            )
        return softplus(x) - t * x

    return _elementwise("binary_cross_entropy_with_logits", loss, logit, target, reduction)


def cross_entropy(logits: Sequence[Any], target: int) -> Any:
    """-log softmax(logits)[target], by `log_softmax`, which cannot overflow.

    logits: a list of C >= 1 numbers, not probabilities. target: the index of the right class, 0 to C - 1.
    Raises TypeError if the target is no integer, and ValueError if it is no index.
    """
    if not hasattr(logits, "__len__"):
        raise TypeError(f"cross_entropy expected a list of logits, got one {type(logits).__name__}")
    if not hasattr(target, "__index__"):
        raise TypeError(f"cross_entropy expected a class index, got {target!r} ({type(target).__name__})")
    if not 0 <= target < len(logits):
        raise ValueError(f"cross_entropy expected a class from 0 to {len(logits) - 1}, got {target}")
    return -log_softmax(logits)[target]


def hinge_loss(score: Any, target: float) -> Any:
    """max(0, 1 - target x score) with a target of -1 or 1: the margin loss of micrograd's example."""
    if target not in (-1, 1):
        raise ValueError(f"hinge_loss expected a target of -1 or 1, got {target!r}")
    return relu(1 - target * score)


def _elementwise(name: str, loss: Callable[[Any, Any], Any], prediction: Any, target: Any, reduction: str) -> Any:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name} expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    many = _is_list(prediction)
    if many != _is_list(target) or (many and len(prediction) != len(target)):
        sizes = [f"{len(x)} numbers" if _is_list(x) else "one number" for x in (prediction, target)]
        raise ValueError(
            f"{name} expected as many targets as predictions, got {sizes[0]} predicted and {sizes[1]} as target"
        )
    if not many:
        return loss(prediction, target)
    losses = [
        _elementwise(name, loss, p, t, "none") if _is_list(p) or _is_list(t) else loss(p, t)
        for p, t in zip(prediction, target, strict=True)
    ]
    if reduction != "none":
        losses = _flat(losses)
    return losses if reduction == "none" else mean(losses) if reduction == "mean" else sum(losses)


def _is_list(x: Any) -> bool:
    """Whether x is a list, tuple or array of numbers; a string and an array without axes are not."""
    return hasattr(x, "__len__") and not isinstance(x, str) and getattr(x, "ndim", 1) > 0


def _flat(xs: list[Any]) -> list[Any]:
    return [y for x in xs for y in (_flat(x) if isinstance(x, list) else [x])]
