"""Tables as people have them: pandas, polars and pyarrow, taken by rows wherever examples are taken."""

import math
import random

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import nn
from autograd import compile
from nn import MLP, SGD, Trainer, cross_entropy, one_hot, standardize, train_validation_test_split

RNG = random.Random(1)
ROWS = [[RNG.gauss(0, 1), RNG.gauss(50, 9), float(RNG.randint(0, 9))] for _ in range(24)]
Y = [i % 2 for i in range(24)]
COLUMNS = {name: [row[i] for row in ROWS] for i, name in enumerate(("age", "charge", "tickets"))}
WHOLE = {**COLUMNS, "tickets": [int(x) for x in COLUMNS["tickets"]]}
TABLES = {
    "pandas": pd.DataFrame(COLUMNS),
    "pandas, an index and whole numbers": pd.DataFrame(WHOLE, index=range(100, 124)),
    "pandas, nullable kinds": pd.DataFrame(WHOLE).convert_dtypes(),
    "pandas, arrow kinds": pd.DataFrame(WHOLE).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, two columns of one name": pd.DataFrame(np.array(ROWS), columns=["a", "a", "b"]),
    "polars": pl.DataFrame(COLUMNS),
    "polars, whole numbers": pl.DataFrame(WHOLE),
    "pyarrow": pa.table(COLUMNS),
    "pyarrow, whole numbers": pa.table(WHOLE),
}
TARGETS = {"pandas": pd.Series(Y, index=range(7, 31)), "polars": pl.Series(Y), "pyarrow": pa.array(Y),
           "pyarrow, in chunks": pa.chunked_array([Y[:9], Y[9:]]), "NumPy": np.array(Y)}  # fmt: skip


def run(X, y, compiled):
    model = MLP(3, [4, 2], rng=0)
    trainer = Trainer(model, cross_entropy, SGD(model.parameters(), lr=1e-3), metrics=[nn.accuracy], compile=compiled)
    history = trainer.fit(X, y, epochs=2, batch_size=7, validation=(X, y), progress=False)
    return history.train_loss, trainer.step(X, y), trainer.evaluate(X, y), trainer.predict(X)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_a_trainer_takes_a_table_by_rows(name, compiled):
    assert run(TABLES[name], Y, compiled) == run(ROWS, Y, compiled)


@pytest.mark.parametrize("name", TARGETS)
def test_targets_may_be_a_column(name):
    assert run(ROWS, TARGETS[name], False) == run(ROWS, Y, False)
    assert nn.accuracy(TARGETS[name], TARGETS[name]) == 1.0
    assert one_hot(list(TARGETS[name])[1], 2) == [0.0, 1.0]
    parts = train_validation_test_split(ROWS, TARGETS[name])
    assert parts == train_validation_test_split(ROWS, Y)


@pytest.mark.parametrize("name", TABLES)
def test_everything_else_that_takes_examples(name):
    table, model = TABLES[name], MLP(3, [4, 2], rng=0)
    parts = train_validation_test_split(table, Y)
    assert parts == train_validation_test_split(ROWS, Y)
    assert type(parts.x_train) is list
    assert type(parts.x_train[0]) is list
    assert standardize(table, table) == standardize(ROWS, ROWS)
    assert list(compile(lambda x: x[0] + x[1] * x[2])(table)) == [x[0] + x[1] * x[2] for x in ROWS]
    assert [[v.data for v in y] for y in model.batch(table)] == [[v.data for v in model(x)] for x in ROWS]
    assert nn.confusion_matrix(table, Y) == nn.confusion_matrix(ROWS, Y)
    with pytest.raises(ValueError, match=r"got 24 x 3 numbers; for a list of examples write model\.batch\(xs\)"):
        model(table)
    linear = nn.Linear(3, 2, rng=0)
    assert [[v.data for v in y] for y in linear(table)] == [[v.data for v in linear(x)] for x in ROWS]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_column_that_is_not_of_numbers_is_named(make):
    table = make({"age": [1.0, 2.0], "city": ["Rome", "Oslo"]})
    text = r"expected columns of numbers, got 'Rome' \(str\) in column 'city'; leave it out, or make numbers of it"
    for attempt in (
        lambda: train_validation_test_split(table, [0, 1]), lambda: standardize(table), lambda: MLP(2, [1])(table),
        lambda: Trainer(m := MLP(2, [2]), cross_entropy, SGD(m.parameters(), lr=0.1)).predict(table),
        lambda: Trainer(m := MLP(2, [2]), cross_entropy, SGD(m.parameters(), lr=0.1), compile=True).step(table, [0, 1]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=text):
            attempt()


def test_missing_numbers_dates_and_lazy_tables():
    for table in (pd.DataFrame({"a": [1, None]}).convert_dtypes(), pl.DataFrame({"a": [1, None]}),
                  pa.table({"a": [1, None]})):  # fmt: skip
        with pytest.raises(ValueError, match="got nan or inf in column 0 of the training part"):
            standardize(table)
    with pytest.raises(TypeError, match=r"got Timestamp.* in column 'day'"):
        standardize(pd.DataFrame({"day": pd.date_range("2024-01-01", periods=3)}))
    with pytest.raises(TypeError, match=r"rows can be read, got LazyFrame; write \.collect\(\) first"):
        nn.data.as_lists(pl.DataFrame({"a": [1.0]}).lazy())
    assert standardize(pd.DataFrame({"is": [True, False]})) == ([[1.0], [-1.0]],)
    with pytest.raises(ValueError, match=r"expected one class, got 24 numbers; write \[one_hot\(i, 2\) for i in y\]"):
        one_hot(pd.Series(Y), 2)


# Splits, scaling, metrics


@pytest.mark.parametrize("sizes", [(10, 10), (7, 13, 29), (1, 1, 2, 2, 5, 40), (3,) * 30, (1000, 9)])
@pytest.mark.parametrize("shares", [(0.15, 0.15), (0.1, 0.3), (0.33, 0.33), (0.4, 0.4)])
def test_the_totals_of_a_split_are_right_and_each_class_has_its_share(sizes, shares):
    Y = [k for k, size in enumerate(sizes) for _ in range(size)]
    parts = train_validation_test_split([[float(i)] for i in range(len(Y))], Y, validation=shares[0], test=shares[1])
    assert sorted(x for (x,) in parts.x_train + parts.x_validation + parts.x_test) == list(range(len(Y)))
    for part, share in ((parts.y_validation, shares[0]), (parts.y_test, shares[1])):
        assert abs(len(part) - share * len(Y)) <= 0.5 + 1e-9
        for k, size in enumerate(sizes):
            assert abs(part.count(k) - share * size) < 2.0 if part is parts.y_validation else 1.0


def test_ten_of_each_at_fifteen_percent():
    parts = train_validation_test_split([[0.0]] * 20, [0, 1] * 10)
    assert (len(parts.y_train), len(parts.y_validation), len(parts.y_test)) == (14, 3, 3)
    assert parts.y_train.count(0) == 7


def test_a_column_that_varies_by_rounding_is_only_shifted():
    train, later = standardize([[0.3], [0.1 + 0.2], [0.3]], [[1.3]])
    assert later[0][0] == pytest.approx(1.0)
    assert abs(train[1][0]) < 1e-15
    assert standardize([[1e-30], [3e-30]])[0] == [[pytest.approx(-1.0)], [pytest.approx(1.0)]]
    assert standardize([[5e9], [5e9 + 1.0]])[0] == [[-1.0], [1.0]]


NAN = math.nan


@pytest.mark.parametrize("metric", [nn.accuracy, nn.precision, nn.recall, nn.f1, nn.roc_auc])
def test_metrics_of_nan_are_nan(metric):
    assert math.isnan(metric([NAN] * 4, [0, 0, 0, 1]))
    assert math.isnan(metric([0.5, 1.0, NAN], [0, 1, 1]))
    assert math.isnan(metric([[0.1, 0.2], [NAN, 1.0]], [0, 1]))
    assert math.isnan(metric([0.5, 1.0], [0, NAN]))
    assert math.isnan(metric(np.array([[NAN], [1.0]]), np.array([0, 1])))
    assert not math.isnan(metric([-1.0, 1.0], [0, 1]))


def test_a_confusion_matrix_refuses_nan():
    with pytest.raises(ValueError, match="confusion_matrix expected numbers, got nan among the outputs or targets"):
        nn.confusion_matrix([NAN, 1.0], [0, 1])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "pyarrow"])
def test_a_loss_that_became_nan_says_where_the_table_has_it(make):
    X = make({"age": [1.0, 2.0, 3.0], "income": [1.0, math.nan, 2.0]})
    model = nn.MLP(2, [1], rng=0)
    for compiled in (False, True):
        trainer = nn.Trainer(model, nn.mse_loss, nn.SGD(model.parameters(), lr=0.1), compile=compiled)
        with pytest.raises(FloatingPointError, match=r"became nan.*; example 1 has nan in column 'income'"):
            trainer.fit(X, [0.0, 1.0, 2.0], epochs=1, progress=False)
        with pytest.raises(FloatingPointError, match=r"became nan.*; target 2 has nan$"):
            trainer.fit([[0.0, 1.0]] * 3, [0.0, 1.0, math.nan], epochs=1, progress=False)


def test_a_table_of_targets_is_told_to_give_its_column():
    Y = pd.DataFrame({"y": [0, 1]})
    one, two = nn.MLP(1, [1], rng=0), nn.MLP(1, [2], rng=0)
    for model, loss in ((one, nn.mse_loss), (two, nn.cross_entropy)):
        trainer = nn.Trainer(model, loss, nn.SGD(model.parameters(), lr=0.1))
        with pytest.raises(ValueError, match=rf"{loss.__name__} expected .*; the targets are lists of one number each"):
            trainer.fit([[0.0], [1.0]], Y, epochs=1, progress=False)
    with pytest.raises(
        ValueError, match=r"validation=\(examples, targets\), got one float; nn\.train_validation_test_split"
    ):
        trainer.fit([[0.0], [1.0]], [0, 1], epochs=1, validation=0.2)


def test_classes_as_text_and_nan_in_validation_data_are_told_apart():
    trainer = Trainer(model := MLP(1, [1], rng=0), nn.mse_loss, SGD(model.parameters(), lr=0.1))
    for Y in (["no", "yes"], pd.Series(["no", "yes"]), np.array(["no", "yes"])):
        with pytest.raises(
            TypeError, match=r"expected targets as numbers, got 'no'; number the classes, such as \[\{'no'"
        ):
            trainer.fit([[0.0], [1.0]], Y, epochs=1, progress=False)
    with pytest.raises(FloatingPointError, match="nan in the validation data; example 1 has nan at position 0"):
        trainer.fit([[0.0], [1.0]], [0, 1], epochs=1, validation=([[0.0], [np.float32("nan")]], [0, 1]), progress=False)
    with pytest.warns(UserWarning, match="metrics take logits, .* got numbers from 0 to 1"):
        assert nn.accuracy([0.2, 0.7, 0.9], [0, 1, 0]) == pytest.approx(1 / 3)
