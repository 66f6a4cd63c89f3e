"""Metrics, computed by scikit-learn: functions of all outputs of a model and all targets, for `Trainer(metrics=[...])`.

An output is a score for each class, of which the largest is predicted; or one number, a logit, and class 1 is predicted
above 0. Precision, recall and F1 of more than two classes are the mean over the classes.
"""

from collections.abc import Sequence
from typing import Any

from .module import is_list

Numbers = Sequence[Any]


def accuracy(outputs: Numbers, targets: Numbers) -> float:
    """The share of right predictions."""
    return float(_sklearn().accuracy_score(list(targets), _classes(outputs)))


def precision(outputs: Numbers, targets: Numbers) -> float:
    """Of what was predicted to be of a class, the share that is; 0 if nothing was."""
    return float(_sklearn().precision_score(list(targets), _classes(outputs), **_average(outputs)))


def recall(outputs: Numbers, targets: Numbers) -> float:
    """Of what is of a class, the share that was found."""
    return float(_sklearn().recall_score(list(targets), _classes(outputs), **_average(outputs)))


def f1(outputs: Numbers, targets: Numbers) -> float:
    """The harmonic mean of precision and recall."""
    return float(_sklearn().f1_score(list(targets), _classes(outputs), **_average(outputs)))


def roc_auc(outputs: Numbers, targets: Numbers) -> float:
    """The probability that an example of class 1 gets a higher logit than one of class 0; 0.5 is guessing."""
    return float(_sklearn().roc_auc_score(list(targets), [x[1] - x[0] if is_list(x) else x for x in outputs]))


def confusion_matrix(outputs: Numbers, targets: Numbers) -> list[list[int]]:
    """How many examples of each class, by row, were predicted to be of each, by column."""
    table: list[list[int]] = _sklearn().confusion_matrix(list(targets), _classes(outputs)).tolist()
    return table


def _classes(outputs: Numbers) -> list[int]:
    return [max(range(len(x)), key=x.__getitem__) if is_list(x) else int(x > 0) for x in outputs]


def _average(outputs: Numbers) -> dict[str, Any]:
    many = is_list(outputs[0]) and len(outputs[0]) > 2
    return {"average": "macro" if many else "binary", "zero_division": 0}


def _sklearn() -> Any:
    try:
        from sklearn import metrics
    except ImportError:
        raise ImportError("metrics are scikit-learn's: pip install 'scalar-autograd[data]'") from None
    return metrics
