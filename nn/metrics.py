"""Metrics, computed by scikit-learn: functions of all outputs of a model and all targets, for `Trainer(metrics=[...])`.

An output is a score for each class, of which the largest is predicted; or one number, alone or in a list, a logit:
class 1 is predicted above 0, and else class 0, or -1 where the targets are -1 and 1. For a probability p give p - 0.5.
Precision, recall and F1 of more than two classes are the mean over the classes. With nan among the outputs or targets a
metric is nan.
"""

import functools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .data import as_lists
from .nested import flat, is_list

Numbers = Sequence[Any]
Metric = Callable[[Sequence[Any], Sequence[Any]], float]


def _nan_stays(metric: Metric) -> Metric:
    """The metric, which is nan if an output or a target is."""

    @functools.wraps(metric)
    def checked(outputs: Numbers, targets: Numbers) -> float:
        return math.nan if _with_nan(outputs, targets) else metric(as_lists(outputs), as_lists(targets))

    return checked


def _with_nan(*numbers: Numbers) -> bool:
    return any(x != x for y in numbers for x in flat(as_lists(y)))


@_nan_stays
def accuracy(outputs: Numbers, targets: Numbers) -> float:
    """The share of right predictions: the largest score, or of one number, a logit, what is above 0."""
    return float(_sklearn().accuracy_score(*_classes(outputs, targets)))


@_nan_stays
def precision(outputs: Numbers, targets: Numbers) -> float:
    """Of what was predicted to be of a class, the share that is; 0 if nothing was; of more than two classes the mean
    over them. Outputs as for `accuracy`."""
    return float(_sklearn().precision_score(*_classes(outputs, targets), **_average(outputs)))


@_nan_stays
def recall(outputs: Numbers, targets: Numbers) -> float:
    """Of what is of a class, the share that was found; of more than two classes the mean over them. Outputs as for
    `accuracy`."""
    return float(_sklearn().recall_score(*_classes(outputs, targets), **_average(outputs)))


@_nan_stays
def f1(outputs: Numbers, targets: Numbers) -> float:
    """The harmonic mean of precision and recall; of more than two classes the mean over them. Outputs as for
    `accuracy`."""
    return float(_sklearn().f1_score(*_classes(outputs, targets), **_average(outputs)))


@_nan_stays
def roc_auc(outputs: Numbers, targets: Numbers) -> float:
    """The probability that an example of class 1 gets a higher logit than one of class 0; 0.5 is guessing. For two
    classes. Raises ValueError for more.
    """
    if is_list(first := _alone(outputs)[0]) and len(first) > 2:
        raise ValueError(f"roc_auc is for two classes, got scores for {len(first)}")
    return float(_sklearn().roc_auc_score(_alone(targets), [x[1] - x[0] if is_list(x) else x for x in _alone(outputs)]))


def confusion_matrix(outputs: Numbers, targets: Numbers) -> list[list[int]]:
    """The counts of examples of each class, by row, that were predicted to be of each, by column. Outputs as for
    `accuracy`. Raises ValueError for nan, which is of no class."""
    if _with_nan(outputs, targets):
        raise ValueError("confusion_matrix expected numbers, got nan among the outputs or targets")
    outputs, targets = as_lists(outputs), as_lists(targets)
    first = _alone(outputs)[0]
    known = range(len(first)) if is_list(first) else [-1 if -1 in _alone(targets) else 0, 1]
    classes = sorted({*known, *_alone(targets)})
    table: list[list[int]] = _sklearn().confusion_matrix(*_classes(outputs, targets), labels=classes).tolist()
    return table


def _alone(numbers: Numbers) -> list[Any]:
    """Lists of one number as that number."""
    return [x[0] if is_list(x) and len(x) == 1 else x for x in numbers]


def _classes(outputs: Numbers, targets: Numbers) -> tuple[list[Any], list[int]]:
    """The targets, and the classes that are predicted."""
    targets = _alone(targets)
    if any(map(is_list, targets)):
        raise TypeError("metrics expect a class as target of each example, got lists")
    other, scores = -1 if -1 in targets else 0, _alone(outputs)
    if not any(map(is_list, scores)) and any(0.0 < x < 1.0 for x in scores) and all(0.0 <= x <= 1.0 for x in scores):
        warnings.warn(
            "metrics take logits, of which class 1 is what is above 0, and got numbers from 0 to 1; of a probability p "
            "give p - 0.5",
            stacklevel=4,
        )
    predicted = [max(range(len(x)), key=x.__getitem__) if is_list(x) else 1 if x > 0 else other for x in scores]
    return targets, predicted


def _average(outputs: Numbers) -> dict[str, Any]:
    many = is_list(outputs[0]) and len(outputs[0]) > 2
    return {"average": "macro" if many else "binary", "zero_division": 0}


def _sklearn() -> Any:
    try:
        from sklearn import metrics
    except ImportError:
        raise ImportError("metrics are scikit-learn's: pip install 'scalar-autograd[data]'") from None
    return metrics


def by_name(metrics: Any) -> dict[str, Metric]:
    """Metrics in a list under the names of their functions. Raises TypeError for anything else, and ValueError if two
    have one name.
    """
    if isinstance(metrics, Mapping):
        entries = list(metrics.items())
    else:
        entries = [(name_of(f), f) for f in (metrics if isinstance(metrics, list | tuple) else [None])]
    if not all(callable(f) for _, f in entries):
        raise TypeError(f"Trainer expected metrics as a list of functions such as [nn.accuracy], got {metrics!r}")
    if len(dict(entries)) < len(entries):
        raise ValueError('Trainer expected metrics of different names; give them as {"name": function, ...}')
    return dict(entries)


def name_of(f: Any) -> str:
    return getattr(f, "__name__", repr(f))
