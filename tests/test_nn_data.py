"""Data sets, splits and metrics."""

import random
import statistics

import numpy as np
import pytest
from sklearn import metrics as theirs
from sklearn.datasets import load_digits as theirs_digits
from sklearn.preprocessing import StandardScaler

import nn
from nn import batches, load_digits, make_churn, make_spiral, make_xor, one_hot, standardize
from nn import train_validation_test_split as split


def test_batches_hold_each_index_once_and_the_last_one_is_kept():
    assert list(batches(5, 2)) == [[0, 1], [2, 3], [4]]
    shuffled = list(batches(100, 7, random.Random(0)))
    assert sorted(i for b in shuffled for i in b) == list(range(100))
    assert shuffled == list(batches(100, 7, random.Random(0)))
    assert shuffled != list(batches(100, 7, random.Random(1)))


def test_the_split_is_stratified_complete_and_seeded():
    X, Y = load_digits()
    assert (len(X), len(X[0]), min(map(min, X)), max(map(max, X)), sorted(set(Y))) == (
        1797,
        64,
        0.0,
        1.0,
        list(range(10)),
    )
    parts = split(X, Y, seed=1)
    assert len(parts.x_train) + len(parts.x_validation) + len(parts.x_test) == 1797
    for digit in range(10):
        share = parts.y_test.count(digit) / Y.count(digit)
        assert share == pytest.approx(0.15, abs=0.005)
    assert parts == split(X, Y, seed=1)
    assert parts != split(X, Y, seed=2)


def test_numbers_are_split_without_classes():
    X, Y = [[i] for i in range(20)], [0.5 * i for i in range(20)]
    parts = split(X, Y, stratify=False)
    assert (len(parts.x_train), len(parts.x_validation), len(parts.x_test)) == (14, 3, 3)
    assert sorted(parts.y_train + parts.y_validation + parts.y_test) == Y
    with pytest.raises(ValueError, match=r"got 20 examples of 20 classes; are the targets classes\? .* stratify=False"):
        split(X, Y)


def test_splits_take_arrays():
    X, Y = theirs_digits(return_X_y=True)
    parts = split(X, Y)
    assert np.array_equal(parts.x_test[0], X[[np.array_equal(x, parts.x_test[0]) for x in X]][0])
    assert len(parts.y_test) == len(split(X.tolist(), Y.tolist()).y_test)


def test_standardize_fits_on_the_training_part_only():
    rng = random.Random(0)
    train = [[rng.gauss(5, 2), rng.uniform(0, 100), 7.0] for _ in range(50)]
    test = [[0.0, 0.0, 8.0], [5.0, 50.0, 7.0]]
    scaler = StandardScaler().fit(train)
    a, b = standardize(train, test)
    assert np.allclose(a, scaler.transform(train), rtol=0, atol=1e-12)
    assert np.allclose(b, scaler.transform(test), rtol=0, atol=1e-12)
    assert standardize(np.array(train), np.array(test)) == (a, b)
    with pytest.raises(ValueError, match="standardize expected rows of one length, got 1 x 2 numbers, 1 x 1 numbers"):
        standardize([[1.0, 2.0]], [[1.0]])


def test_one_hot():
    assert one_hot(1, 3) == [0.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="one_hot expected a whole number from 0 to 2, got 3"):
        one_hot(3, 3)


def test_data_sets_of_scikit_learn():
    for load, n, width, classes in (
        (nn.load_breast_cancer, 569, 30, {0, 1}),
        (nn.load_diabetes, 442, 10, None),
        (lambda: nn.make_moons(60, seed=1), 60, 2, {0, 1}),
        (lambda: nn.make_circles(60, seed=1), 60, 2, {0, 1}),
    ):
        X, Y = load()
        assert (len(X), len(Y), {len(row) for row in X}) == (n, n, {width})
        assert {type(x) for row in X for x in row} == {float}
        assert classes is None or set(Y) == classes
        assert load() == (X, Y)


def test_generated_data_sets_are_seeded():
    assert make_xor() == ([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], [0, 1, 1, 0])
    X, Y = make_xor(40, noise=0.1, rng=1)
    assert sum((x > 0) != (y > 0) for (x, y) in X) == sum(Y) == 20
    X, Y = make_spiral(90, 3, rng=1)
    assert [Y.count(c) for c in range(3)] == [30, 30, 30]
    assert max(x * x + y * y for x, y in X) == pytest.approx(1.0)
    assert make_spiral(90, 3, rng=1) == (X, Y) != make_spiral(90, 3, rng=2)


def test_churn_follows_its_rule():
    X, Y = make_churn()
    assert (len(X), make_churn()) == (1000, (X, Y))
    months, charge, tickets, usage = (list(column) for column in zip(*X, strict=True))
    assert (min(months) >= 1, max(months) <= 72, min(charge) >= 15, min(usage) >= 0) == (True,) * 4
    assert set(tickets) <= {float(i) for i in range(10)}
    assert statistics.fmean(charge) == pytest.approx(65, abs=3)
    assert 0.25 < statistics.fmean(Y) < 0.5

    def rate(chosen):
        return statistics.fmean(y for x, y in zip(X, Y, strict=True) if chosen(x))

    assert rate(lambda x: x[0] < 12) > rate(lambda x: x[0] > 60) + 0.3
    assert rate(lambda x: x[2] >= 4) > rate(lambda x: x[2] == 0) + 0.2
    assert rate(lambda x: x[1] > 80 and x[3] < 30) > rate(lambda x: x[1] < 80) + 0.2


def test_names_are_spelled_in_small_letters():
    names = nn.load_names()
    assert len(names) == len(set(names)) > 700
    assert {c for name in names for c in name} == set("abcdefghijklmnopqrstuvwxyz")
    assert max(map(len, names)) <= 15


def test_metrics_are_scikit_learn_s():
    logits, binary = [[0.1, 2.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.1, 3.0], [2.0, 1.0, 0.0]], [0.5, -1.0, 2.0, -0.3]
    targets, labels = [1, 2, 2, 0], [1, 0, 0, 1]
    assert nn.accuracy(logits, targets) == 0.75
    assert nn.confusion_matrix(logits, targets) == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert nn.f1(logits, targets) == theirs.f1_score(targets, [1, 0, 2, 0], average="macro")
    assert nn.precision(binary, labels) == 0.5
    assert nn.recall(binary, labels) == 0.5
    assert nn.f1(binary, labels) == 0.5
    assert nn.roc_auc(binary, labels) == theirs.roc_auc_score(labels, binary)
    assert nn.roc_auc([[0.0, x] for x in binary], labels) == nn.roc_auc(binary, labels)
    assert nn.precision([-1.0, -1.0], [1, 0]) == 0.0


def test_a_column_that_does_not_vary_is_only_shifted():
    for x, n in ((0.1, 3), (7.7, 9), (1 / 3, 25)):
        _, ((y,),) = standardize([[x]] * n, [[x + 1.0]])
        assert y == pytest.approx(1.0)


def test_one_number_in_a_list_is_that_number_and_margins_are_classes_too():
    binary, labels = [0.5, -1.0, 2.0, -0.3], [1, 0, 0, 1]
    for metric in (nn.accuracy, nn.precision, nn.recall, nn.f1, nn.roc_auc):
        value = metric(binary, labels)
        assert metric([[x] for x in binary], [[y] for y in labels]) == value
        assert metric(binary, [2 * y - 1 for y in labels]) == value


def test_a_class_that_does_not_occur_has_a_row_of_its_own():
    assert nn.confusion_matrix([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [0, 0]) == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert nn.confusion_matrix([1.0, 2.0], [1, 1]) == [[0, 0], [0, 2]]
    assert nn.confusion_matrix([1.0, -2.0], [-1, -1]) == [[1, 1], [0, 0]]
    assert nn.confusion_matrix([[1.0, 0.0], [0.0, 1.0]], [0, 5]) == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_data_that_is_no_table_is_named():
    with pytest.raises(ValueError, match="got nan or inf in column 0 of the training part"):
        standardize([[float("nan")], [1.0]])
    with pytest.raises(ValueError, match="roc_auc is for two classes, got scores for 3"):
        nn.roc_auc([[1.0, 2.0, 3.0]], [0])
    with pytest.raises(TypeError, match="metrics expect a class as target of each example, got lists"):
        nn.accuracy([[1.0, 0.0]], [[1, 0]])
    with pytest.raises(ValueError, match="batches expected a batch_size of at least 1, got 0"):
        batches(3, 0)
    with pytest.raises(ValueError, match="got 1 examples and 2 targets"):
        split([1], [1, 2])
    with pytest.raises(ValueError, match="expected shares of validation and test above 0"):
        split([1], [1], test=1.0)
    with pytest.raises(ValueError, match="standardize expected rows of one length, got 2 numbers"):
        standardize([1.0, 2.0])
    with pytest.raises(TypeError, match="expected a class for each example, got lists; for those pass stratify=False"):
        split([[0.0]] * 4, [[0.0, 1.0]] * 4)
    with pytest.raises(ValueError, match=r"one_hot expected a whole number from 0 to 2, got 1\.5"):
        one_hot(1.5, 3)
