"""Data: mini-batches, splits, and data sets: scikit-learn's own, and some that are generated from a seed.

Lists and NumPy arrays both work; the data sets are lists.
"""

import math
import random
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, NamedTuple

from autograd import Value, equal
from autograd.compiler import is_symbolic, listed

from .nested import is_list, shape
from .randomness import Rng, as_rng

Examples = tuple[list[list[float]], list[Any]]


class Split(NamedTuple):
    """Examples and targets in three parts."""

    x_train: list[Any]
    y_train: list[Any]
    x_validation: list[Any]
    y_validation: list[Any]
    x_test: list[Any]
    y_test: list[Any]


def batches(size: int, batch_size: int, rng: Rng = None) -> Iterator[list[int]]:
    """The indices 0 to size - 1 in lists of `batch_size`, the last one shorter; shuffled if there is an rng.

    Raises ValueError for a batch_size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batches expected a batch_size of at least 1, got {batch_size}")
    order = list(range(size))
    if rng is not None:
        as_rng(rng).shuffle(order)
    return (order[i : i + batch_size] for i in range(0, size, batch_size))


def shuffled(size: int, seed: int) -> list[int]:
    """The indices 0 to size - 1 as `random.Random(seed).shuffle` leaves them."""
    order = list(range(size))
    random.Random(seed).shuffle(order)
    return order


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

    X, Y: as many examples as targets; each target is a class, a number or a text, unless stratify is False.
    validation, test: their shares, above 0 and together below 1. A part gets the rounded share of all examples, and of
    each class that share rounded up or down, so that a class of very few may be missing in it. Lists come out, of
    arrays and tables too.
    Raises ValueError if a part gets no example, or if most classes have only one.
    Raises TypeError for targets that are lists, unless stratify is False.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise ValueError(
            f"expected shares of validation and test above 0 and together below 1, got {validation} and {test}"
        )
    X, Y = paired(X, Y)
    if stratify and any(isinstance(y, list) for y in Y):
        raise TypeError("stratify expected a class for each example, got lists; for those pass stratify=False")
    rng = random.Random(seed)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    classes: dict[Any, list[int]] = {}
    for i, y in enumerate(Y):
        classes.setdefault(y if stratify else None, []).append(i)
    groups = list(classes.values())
    ranks = shuffled(len(groups), seed)  # which decide between classes with equally much left over
    tested = _shared_out([test * len(members) for members in groups], test * len(Y), ranks)
    wanted = [(test + validation) * len(members) - n for members, n in zip(groups, tested, strict=True)]
    validated = _shared_out(wanted, validation * len(Y), ranks)
    for members, first, count in zip(groups, tested, validated, strict=True):
        second = first + count
        rng.shuffle(members)
        for part, chosen in zip(parts, (members[second:], members[first:second], members[:first]), strict=True):
            part.extend(chosen)
    alone = stratify and 2 * sum(len(members) == 1 for members in groups) > len(groups)
    if not all(parts) or alone:
        raise ValueError(
            f"expected enough examples of each class for three parts, got {len(Y)} examples of {len(classes)} classes; "
            f"are the targets classes? For other numbers pass stratify=False"
        )
    for part in parts:
        rng.shuffle(part)
    return Split(*[[data[i] for i in part] for part in parts for data in (X, Y)])


def _shared_out(shares: Sequence[float], total: float, ranks: Sequence[int]) -> list[int]:
    """Each share rounded up or down, so that together they are the rounded total: up where most is left over, and of
    those by rank."""
    parts = [max(math.floor(share + 1e-9), 0) for share in shares]  # 0.15 x 20 may be below 3
    rest = max(math.floor(total + 0.5) - sum(parts), 0)
    for i in sorted(range(len(parts)), key=lambda i: (round(parts[i] - shares[i], 9), ranks[i]))[:rest]:
        parts[i] += 1
    return parts


def paired(X: Sequence[Any], Y: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Examples and targets as lists. ValueError if they are not as many as each other, or none."""
    check_paired(X, Y)
    return as_lists(X), as_lists(Y)


def check_paired(X: Sequence[Any], Y: Sequence[Any]) -> None:
    """Raises TypeError and ValueError unless there are as many targets as examples, and at least one."""
    if not is_list(X) or not is_list(Y):
        raise TypeError(f"expected lists of examples and of targets, got {shape(X)} and {shape(Y)}")
    if len(X) != len(Y) or not len(X):
        raise ValueError(
            f"expected as many targets as examples, and at least one, got {len(X)} examples and {len(Y)} targets"
        )
    if isinstance(label := as_lists(Y[:1])[0], str):
        raise TypeError(
            f"expected targets as numbers, got {label!r}; number the classes, such as "
            f"[{{'no': 0, 'yes': 1}}[y] for y in Y]"
        )


def as_lists(X: Any) -> list[Any]:
    """Lists of Python's own numbers in the place of arrays. TypeError for masked arrays, whose mask would be lost."""
    X = listed(X)
    result: list[Any] = X.tolist() if hasattr(X, "tolist") else [_plain(x) for x in X]
    return result


def _plain(x: Any) -> Any:
    return as_lists(x) if hasattr(x, "tolist") or hasattr(x, "__array__") else x


def standardize(train: Any, *others: Any) -> tuple[list[list[float]], ...]:
    """(train, *others) with each column shifted and scaled so that in `train` its mean is 0 and its standard deviation,
    the biased one, is 1. The others are scaled by the numbers of `train`, so that nothing of them leaks into it.

    A column that does not vary in `train`, but for rounding, is only shifted: if its standard deviation is below that
    of n numbers rounded at its mean, as in scikit-learn. Raises ValueError if the widths differ.

    >>> standardize([[1.0], [3.0]], [[5.0]])
    ([[-1.0], [1.0]], [[3.0]])
    """
    tables = [as_lists(x) for x in (train, *others)]
    widths = {len(row) if is_list(row) else 0 for table in tables for row in table}
    if len(widths) != 1 or widths == {0} or not tables[0]:
        raise ValueError(f"standardize expected rows of one length, got {', '.join(map(shape, tables))}")
    columns = list(zip(*tables[0], strict=True))
    for i, column in enumerate(columns):
        if not all(map(math.isfinite, column)):
            raise ValueError(f"standardize expected numbers, got nan or inf in column {i} of the training part")
    means = [math.fsum(column) / len(column) for column in columns]
    deviations = [math.dist(c, [m] * len(c)) / math.sqrt(len(c)) for c, m in zip(columns, means, strict=True)]
    deviations = [
        d if d > len(c) * sys.float_info.epsilon * abs(m) else 1.0
        for d, c, m in zip(deviations, columns, means, strict=True)
    ]
    return tuple(
        [[(x - m) / d for x, m, d in zip(row, means, deviations, strict=True)] for row in table] for table in tables
    )


def one_hot(index: Any, num_classes: int) -> list[Any]:
    """num_classes numbers: 1 at `index`, else 0. Raises ValueError if the index is none."""
    if isinstance(index, Value) and is_symbolic():
        return [equal(index, float(i)) for i in range(num_classes)]
    index = index.as_py() if hasattr(index, "as_py") else index  # pyarrow's
    if is_list(index):
        raise ValueError(
            f"one_hot expected one class, got {shape(index)}; write [one_hot(i, {num_classes}) for i in y]"
        )
    if not hasattr(index, "__index__") or not 0 <= index < num_classes:
        raise ValueError(f"one_hot expected a whole number from 0 to {num_classes - 1}, got {index}")
    return [float(i == index) for i in range(num_classes)]


def load_digits() -> Examples:
    """scikit-learn's 1,797 handwritten digits: images of 8 x 8 = 64 numbers from 0 to 1, and classes from 0 to 9."""
    X, Y = _sklearn("load_digits")
    return [[x / 16.0 for x in row] for row in X], Y


def load_breast_cancer() -> Examples:
    """scikit-learn's 569 tumours: 30 measurements, unscaled, and whether each is benign (1) or malignant (0)."""
    return _sklearn("load_breast_cancer")


def load_diabetes() -> Examples:
    """scikit-learn's 442 patients: 10 scaled measurements, and a number for how the disease went on within a year."""
    return _sklearn("load_diabetes")


def make_moons(n: int = 100, noise: float = 0.1, seed: int = 0) -> Examples:
    """scikit-learn's two half circles that reach into each other: points of the plane, and classes 0 and 1."""
    return _sklearn("make_moons", n_samples=n, noise=noise, random_state=seed)


def make_circles(n: int = 100, noise: float = 0.05, factor: float = 0.5, seed: int = 0) -> Examples:
    """scikit-learn's circle (class 1) of `factor` times the radius of the circle around it (class 0)."""
    return _sklearn("make_circles", n_samples=n, noise=noise, factor=factor, random_state=seed)


def make_xor(n: int = 4, noise: float = 0.0, rng: Rng = 0) -> Examples:
    """Points near the corners (-1, -1), (-1, 1), (1, -1) and (1, 1) in turn; class 1 where the signs differ."""
    source, corners = as_rng(rng), [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)]
    chosen = [corners[i % 4] for i in range(n)]
    return [[c + noise * source.gauss(0, 1) for c in corner] for corner in chosen], [int(a != b) for a, b in chosen]


def make_spiral(n: int = 300, classes: int = 3, noise: float = 0.1, rng: Rng = 0) -> Examples:
    """Points of `classes` spiral arms of one and a quarter turns around 0, in turn: what no straight line separates."""
    source, X, Y = as_rng(rng), [], []
    for i in range(n):
        radius = (i // classes + 1) / math.ceil(n / classes)
        angle = 2.0 * math.pi * (1.25 * radius + i % classes / classes) + noise * source.gauss(0, 1)
        X.append([radius * math.cos(angle), radius * math.sin(angle)])
        Y.append(i % classes)
    return X, Y


def make_churn(n: int = 1000, rng: Rng = 0) -> Examples:
    """Customers: [months, monthly charge, support tickets, usage hours] and whether each has left (1) or stayed (0).

    Drawn: months uniform in 1 to 72, the charge normal around 65 (sd 20, at least 15), tickets 0 to 9, rarer the more,
    usage normal around 40 (sd 15, at least 0). Causes: z = -0.4 - 0.045 (months - 24) + 0.025 (charge - 65)
    + 0.45 (tickets - 1.5) - 0.04 (usage - 40), and 0.9 more for those who pay over 80 and use less than 30 hours.
    A customer leaves with probability sigmoid(z): that chance is the noise, and no model can foresee it.
    """
    source, X, Y = as_rng(rng), [], []
    for _ in range(n):
        months, charge = float(source.randint(1, 72)), max(15.0, source.gauss(65, 20))
        tickets, usage = float(min(9, int(source.expovariate(0.5)))), max(0.0, source.gauss(40, 15))
        z = -0.4 - 0.045 * (months - 24) + 0.025 * (charge - 65) + 0.45 * (tickets - 1.5) - 0.04 * (usage - 40)
        z += 0.9 * (charge > 80 and usage < 30)
        X.append([months, round(charge, 2), tickets, round(usage, 1)])
        Y.append(int(source.random() < 1.0 / (1.0 + math.exp(-z))))
    return X, Y


def load_names() -> list[str]:
    """Common first names in small letters, for models that learn to spell."""
    return resources.files("nn").joinpath("names.txt").read_text().split()


def _sklearn(name: str, **options: Any) -> Examples:
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError("this data set comes with scikit-learn: pip install 'scalar-autograd[data]'") from None
    function = getattr(datasets, name)
    X, Y = function(**options) if options else function(return_X_y=True)
    return X.tolist(), Y.tolist()
