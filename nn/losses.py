"""Losses of one example: a prediction, a number or a list of them, and a target.

Names and conventions are PyTorch's; `reduction` ("mean", "sum" or "none") works over the elements of the example.
Targets may be Values too; plain ones are checked.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from autograd import (
    Value,
    abs,
    dot,
    equal,
    exp,
    gather,
    greater,
    log,
    log_softmax,
    logsumexp,
    maximum,
    mean,
    minimum,
    relu,
    softplus,
    sum,
    where,
)
from autograd.compiler import is_symbolic, name_index, part

from .nested import flat, is_list, nested, shape

N = TypeVar("N", Value, float)
"""Predictions are Values or plain numbers, and so is the loss; with reduction "none" it is a list of them."""
Nested: TypeAlias = "N | Sequence[Nested[N]]"


TAKE_ONE = "; the targets are lists of one number each, or a table of one column: take that column, such as Y['y']"


def mse_loss(prediction: "Nested[N]", target: Any, reduction: str = "mean") -> N:
    """The mean of (prediction_i - target_i)**2 over the elements.

    prediction, target: one number each, or lists, nested alike, of the same lengths. Raises ValueError otherwise.
    """
    return _elementwise("mse_loss", lambda p, t: (p - t) ** 2, prediction, target, reduction)


def l1_loss(prediction: "Nested[N]", target: Any, reduction: str = "mean") -> N:
    """The mean of |prediction_i - target_i| over the elements; shapes as for `mse_loss`."""
    return _elementwise("l1_loss", lambda p, t: abs(p - t), prediction, target, reduction)


def huber_loss(prediction: "Nested[N]", target: Any, reduction: str = "mean", delta: float = 1.0) -> N:
    """The mean of d**2 / 2 where |d| <= delta and delta (|d| - delta / 2) elsewhere, with d = prediction_i - target_i
    (Huber 1964). delta > 0, ValueError otherwise; shapes as for `mse_loss`."""
    if not delta > 0:
        raise ValueError(f"huber_loss expected a delta above 0, got {delta!r}")

    def loss(p: Any, t: Any) -> Any:
        d = abs(p - t)
        inside = minimum(d, delta)
        return inside * (d - 0.5 * inside)

    return _elementwise("huber_loss", loss, prediction, target, reduction)


def binary_cross_entropy(probability: "Nested[N]", target: Any, reduction: str = "mean") -> N:
    """The mean of -(t log p + (1 - t) log(1 - p)), where no logarithm counts as less than -100, as in PyTorch.

    probability: in [0, 1]. target: 0 or 1, or a probability. Raises ValueError outside [0, 1]. Where a logarithm is
    held at -100 nothing flows, unlike in PyTorch, whose gradient is large there; train with
    `binary_cross_entropy_with_logits`, which has no such place.
    """

    def loss(p: Any, t: Any) -> Any:
        _check_probability("binary_cross_entropy", "predictions", p, "put a Sigmoid before it, or use ..._with_logits")
        _check_probability("binary_cross_entropy", "targets", t)
        return -(t * maximum(log(p), -100.0) + (1.0 - t) * maximum(log(1.0 - p), -100.0))

    return _elementwise("binary_cross_entropy", loss, probability, target, reduction)


def binary_cross_entropy_with_logits(logit: "Nested[N]", target: Any, reduction: str = "mean") -> N:
    """-log of the probability that sigmoid(logit) gives to the target: softplus(u) - m u, with u = -x and m = 1 - t for
    targets t above 1/2, else u = x and m = t. That cannot overflow, and is exact for confident right answers.

    logit: may be infinite. target: 0 or 1, or a probability in between. Raises ValueError outside [0, 1]. Warns if the
    logits are outputs of a sigmoid already.
    """
    name = "binary_cross_entropy_with_logits"
    made_by = {x.primitive.name if isinstance(x, Value) and x.primitive else "" for x in flat(logit)}
    if made_by == {"sigmoid"}:
        _warn(name, "takes logits, and applies the sigmoid itself; got outputs of sigmoid", "it without the Sigmoid")

    def loss(x: Any, t: Any) -> Any:
        _check_probability(name, "targets", t)
        if isinstance(t, Value):
            above = greater(t, 0.5)
            wrong, rest = where(above, -x, x), where(above, 1.0 - t, t)
        else:
            wrong, rest = (-x, 1.0 - t) if t > 0.5 else (x, t)
            if rest == 0.0:
                return softplus(wrong)
        if is_symbolic():
            found = softplus(wrong)
            return where(greater(math.inf, wrong), found - rest * _weighed(rest, wrong), found)
        return softplus(wrong) - rest * _weighed(rest, wrong) if wrong < math.inf else softplus(wrong)

    return _elementwise(name, loss, logit, target, reduction)


def cross_entropy(logits: Sequence[N], target: Any, *, label_smoothing: float = 0.0) -> N:
    """-log softmax(logits)[target], as softplus of the logsumexp of logits_i - logits[target] over the wrong classes,
    which is exact for confident right answers.

    logits: a list of C >= 1 numbers, not probabilities, of which a warning says so; a class that cannot be may have
    -inf. target: the index of the right class, 0 to C - 1; or C probabilities q, and the loss is
    -sum of q_i log softmax(logits)_i, where 0 times -inf is 0. label_smoothing: the share of the target, 0 to 1, that
    is spread over all classes (Szegedy et al. 2016).
    Raises TypeError if the target is no integer, and ValueError if it is no index or of another length.
    """
    if not is_list(logits) or any(map(is_list, logits)):
        raise TypeError(f"cross_entropy expected a list of logits, of one example, got {shape(logits)}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy expected a label_smoothing from 0 to 1, got {label_smoothing!r}")
    if _are_probabilities(logits):
        _warn("cross_entropy", "takes logits, and applies softmax itself; got probabilities", "it without the Softmax")
    return _cross_entropy(logits, target, label_smoothing)


@part
def _cross_entropy(logits: Sequence[Any], target: Any, label_smoothing: float) -> Any:
    if not is_list(target):
        right = _of_class("cross_entropy", logits, target)
        if isinstance(target, Value):  # known only when a compiled program runs
            wrong = [where(equal(target, float(i)), -math.inf, x - right) for i, x in enumerate(logits)]
        else:
            wrong = [x - right for i, x in enumerate(logits) if i != target] or [right - right - math.inf]
        impossible = not is_symbolic() and right == -math.inf
        loss = -log_softmax(logits)[int(target)] if impossible else softplus(logsumexp(wrong))
    elif len(target) == len(logits):
        loss = -dot([_weighed(q, x) for q, x in zip(target, log_softmax(logits), strict=True)], target)
    else:
        raise ValueError(
            f"cross_entropy expected a class, or {len(logits)} probabilities, as target, got {len(target)} numbers"
            + TAKE_ONE * (len(target) == 1)
        )
    if label_smoothing:
        loss = (1.0 - label_smoothing) * loss - label_smoothing * mean(log_softmax(logits))
    return loss


def nll_loss(log_probabilities: Sequence[N], target: int) -> N:
    """-log_probabilities[target]: what `cross_entropy` does after its log_softmax.

    log_probabilities: a list of C >= 1 numbers <= 0; a warning says so if they are probabilities. target: as for
    `cross_entropy`.
    Raises TypeError for anything but a list.
    """
    if not is_list(log_probabilities):
        raise TypeError(f"nll_loss expected a list of log-probabilities, got {shape(log_probabilities)}")
    if _are_probabilities(log_probabilities):
        _warn("nll_loss", "takes log-probabilities; got probabilities", "log_softmax of the logits, or cross_entropy")
    elif not is_symbolic() and any(not is_list(x) and x > 0 for x in log_probabilities):
        _warn("nll_loss", "takes log-probabilities, at most 0", "log_softmax of the logits, or cross_entropy")
    return -_of_class("nll_loss", log_probabilities, target)


def hinge_loss(score: N, target: Any) -> N:
    """max(0, 1 - target x score) with a target of -1 or 1: the margin loss of micrograd's example. Raises TypeError for
    a list of scores, and ValueError for another target.
    """
    if is_list(score):
        raise TypeError(f"hinge_loss expected one score, got {shape(score)}; write output[0] for the one in a list")
    if not isinstance(target, Value) and target not in (-1, 1):
        raise ValueError(f"hinge_loss expected a target of -1 or 1, got {target!r}")
    return relu(1 - target * score)


def multi_margin_loss(scores: Sequence[N], target: int, p: int = 1, margin: float = 1.0) -> N:
    """The sum over all wrong classes i of max(0, margin - scores[target] + scores[i])**p, divided by C: the loss of
    multi-class support vector machines (Crammer and Singer 2001).

    scores: a list of C >= 1 numbers. target: the right class's index. p: 1 or 2.
    Raises TypeError for anything but a list of scores, and ValueError for another p.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss expected p = 1 or 2, got {p!r}")
    if not is_list(scores):
        raise TypeError(f"multi_margin_loss expected a list of scores, got {shape(scores)}")
    right = _of_class("multi_margin_loss", scores, target)
    terms = [relu(margin - right + x) ** p for x in scores]
    return (sum(terms) - gather(terms, target)) / len(scores)


def kl_div(log_probabilities: "Nested[N]", target: Any, reduction: str = "mean", log_target: bool = False) -> N:
    """The mean of target_i (log target_i - log_probabilities_i) over the elements, where 0 log 0 is 0.

    target: probabilities, or their logarithms with log_target. reduction "sum" gives the Kullback-Leibler divergence
    of one example, which PyTorch's "batchmean" averages over a batch; "mean" divides by the number of elements.
    """

    def loss(q: Any, t: Any) -> Any:
        if log_target:
            weight = exp(t)
            return weight * (_weighed(weight, t) - _weighed(weight, q))
        return where(t, t * log(where(t, t, 1.0)), 0.0) - t * _weighed(t, q)

    if _are_probabilities(log_probabilities):
        _warn("kl_div", "takes log-probabilities first; got probabilities", "their logarithms")
    return _elementwise("kl_div", loss, log_probabilities, target, reduction)


def triplet_margin_loss(
    anchor: Sequence[Any], positive: Sequence[Any], negative: Sequence[Any], margin: float = 1.0, *, eps: float = 1e-6
) -> Any:
    """max(0, |anchor - positive| - |anchor - negative| + margin) with the Euclidean length, for lists of n numbers.

    eps is added to each difference, as in PyTorch, so that the length of nothing has a derivative.
    Raises TypeError for anything but lists, and ValueError if their lengths differ.
    """
    if not all(map(is_list, (anchor, positive, negative))):
        raise TypeError("triplet_margin_loss expected three lists of numbers")
    if not len(anchor) == len(positive) == len(negative):
        raise ValueError(
            f"triplet_margin_loss expected three lists of one length, got {len(anchor)}, {len(positive)} and "
            f"{len(negative)}"
        )

    def distance(other: Sequence[Any]) -> Any:
        differences = tuple([a - b + eps for a, b in zip(anchor, other, strict=True)])
        return dot(differences, differences) ** 0.5

    return relu(distance(positive) - distance(negative) + margin)


def _elementwise(name: str, loss: Callable[[Any, Any], Any], prediction: Any, target: Any, reduction: str) -> Any:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name} expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    prediction, target = (x.tolist() if hasattr(x, "tolist") else x for x in (prediction, target))
    if not is_list(prediction) and not is_list(target):
        return loss(prediction, target)
    if not _alike(prediction, target) or not len(flat(prediction)):
        one = is_list(prediction) and len(prediction) == 1 and not is_list(target)
        other = is_list(target) and len(target) == 1 and not is_list(prediction)
        remedy = "; write output[0] for the one number in a list" * one + TAKE_ONE * other
        raise ValueError(
            f"{name} expected as many targets as predictions, at least one, got {shape(prediction)} predicted and "
            f"{shape(target)} as target{remedy}"
        )
    losses = nested(loss, prediction, target)
    return losses if reduction == "none" else mean(flat(losses)) if reduction == "mean" else sum(flat(losses))


def _alike(x: Any, y: Any) -> bool:
    if not is_list(x) or not is_list(y):
        return is_list(x) == is_list(y)
    return len(x) == len(y) and all(map(_alike, x, y))


def _of_class(name: str, values: Sequence[Any], target: Any) -> Any:
    """values[target], in the loss's words if it is no class."""
    name_index(target, ValueError, f"{name} expected a class")
    try:
        return gather(values, target)
    except TypeError:
        raise TypeError(
            f"{name} expected a class index such as 2, got {target!r} ({type(target).__name__}); write int(target)"
            f"{' where the data are made' * isinstance(target, Value)}"
        ) from None
    except IndexError:
        one = "; for one logit use binary_cross_entropy_with_logits" * (len(values) == 1)
        raise ValueError(f"{name} expected a class from 0 to {len(values) - 1}, got {target}{one}") from None


def _weighed(weight: Any, x: Any) -> Any:
    """x, or 0 where x is infinite and its weight 0: so that the product is 0 there, and not nan."""
    if is_symbolic() and (isinstance(weight, Value) or not weight):
        return where(equal(abs(x), math.inf), where(weight, x, 0.0), x)
    is_zero = not (weight.data if isinstance(weight, Value) else weight)
    return where(0.0, x, 0.0) if is_zero and (x == math.inf or x == -math.inf) else x


def _check_probability(name: str, what: str, x: Any, remedy: str = "map classes -1 and 1 to 0 and 1") -> None:
    if not (isinstance(x, Value) and is_symbolic()) and not 0 <= x <= 1:
        missing = "one is missing: leave its example out"
        raise ValueError(f"{name} expected {what} in [0, 1], got {x}; {missing if x != x else remedy}")


def _are_probabilities(xs: Any) -> bool:
    """Whether numbers, two or more, lie between 0 and 1 and add up to 1, which logits hardly do by chance."""
    if is_symbolic() or not is_list(xs) or len(xs) < 2 or is_list(xs[0]):
        return False
    numbers = [x.data if isinstance(x, Value) else x for x in xs]
    return min(numbers) > 0.0 and -1e-9 < sum(numbers) - 1.0 < 1e-9


def _warn(name: str, what: str, instead: str) -> None:
    warnings.warn(f"{name} {what}; use {instead}", stacklevel=3)
