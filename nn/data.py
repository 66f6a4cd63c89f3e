"""Data: mini-batches, splits and the data sets that come with scikit-learn. Lists and NumPy arrays both work."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Split(NamedTuple):
    """Examples and targets in three parts."""

    x_train: list[Any]
    y_train: list[Any]
    x_validation: list[Any]
    y_validation: list[Any]
    x_test: list[Any]
    y_test: list[Any]


def batches(size: int, batch_size: int, rng: random.Random | None = None) -> Iterator[list[int]]:
    """The indices 0 to size - 1 in lists of `batch_size`, the last one shorter; shuffled if there is an rng.

    Raises ValueError for a batch_size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batches expected a batch_size of at least 1, got {batch_size}")
    order = list(range(size))
    if rng is not None:
        rng.shuffle(order)
    return (order[i : i + batch_size] for i in range(0, size, batch_size))


def train_validation_test_split(
    X: Sequence[Any],
    Y: Sequence[Any],
    *,
    validation: float = 0.15,
    test: float = 0.15,
    stratify: bool = True,
    seed: int = 0,
) -> Split:
    """A shuffled split in which each class has the same share of every part.

    X, Y: as many examples as targets; each target is a hashable class, unless stratify is False.
    validation, test: their shares of all examples, above 0 and together below 1.
    Raises ValueError if a part gets no example.
    """
    if len(X) != len(Y):
        raise ValueError(f"expected as many targets as examples, got {len(X)} examples and {len(Y)} targets")
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise ValueError(
            f"expected shares of validation and test above 0 and together below 1, got {validation} and {test}"
        )
    rng = random.Random(seed)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    classes: dict[Any, list[int]] = {}
    for i, y in enumerate(Y):
        classes.setdefault(y if stratify else None, []).append(i)
    for members in classes.values():
        rng.shuffle(members)
        first, second = round(len(members) * test), round(len(members) * (test + validation))
        for part, chosen in zip(parts, (members[second:], members[first:second], members[:first]), strict=True):
            part.extend(chosen)
    if not all(parts):
        raise ValueError(
            f"expected enough examples of each class for three parts, got {len(Y)} examples of {len(classes)} classes; "
            f"are the targets classes? For other numbers pass stratify=False"
        )
    for part in parts:
        rng.shuffle(part)
    return Split(*[[data[i] for i in part] for part in parts for data in (X, Y)])


def load_digits() -> tuple[list[list[float]], list[int]]:
    """scikit-learn's 1,797 handwritten digits: images of 8 x 8 = 64 numbers from 0 to 1, and classes from 0 to 9."""
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError("the digits come with scikit-learn: pip install 'scalar-autograd[data]'") from None
    digits = datasets.load_digits()
    return (digits.data / 16.0).tolist(), digits.target.tolist()
