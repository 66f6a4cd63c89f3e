"""What nn can learn: small tasks in seconds, whole data sets on demand (-m slow)."""

import random
import statistics
import sys
from pathlib import Path

import pytest

from nn import (
    MLP,
    RNN,
    Adam,
    BatchNorm1d,
    Linear,
    Module,
    Sequential,
    Tanh,
    Trainer,
    accuracy,
    cross_entropy,
    huber_loss,
    load_diabetes,
    make_moons,
    make_spiral,
    make_xor,
    mse_loss,
    standardize,
    train_validation_test_split,
)

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import learning


def fit(model, X, Y, *, loss=cross_entropy, epochs=60, lr=0.03, batch_size=16, **options):
    trainer = Trainer(model, loss, Adam(model.parameters(), lr=lr), **options)
    trainer.fit(X, Y, epochs=epochs, batch_size=batch_size, progress=False)
    return trainer


def test_xor():
    X, Y = make_xor()
    model = MLP(2, [4, 1], activation="tanh", rng=1)
    fit(model, X, Y, loss=mse_loss, epochs=300, batch_size=4)
    assert [round(model(x).data) for x in X] == Y


@pytest.mark.parametrize(
    ("data", "epochs"), [(lambda: make_moons(80, seed=1), 40), (lambda: make_spiral(60, 2, noise=0.05, rng=1), 150)]
)
def test_moons_and_spirals(data, epochs):
    X, Y = data()
    model = Sequential(
        Linear(2, 16, rng=1), BatchNorm1d(16), Tanh(), Linear(16, 16, rng=2), Tanh(), Linear(16, 2, rng=3)
    )
    trainer = fit(model, X, Y, epochs=epochs, metrics=[accuracy])
    assert trainer.evaluate(X, Y)[1]["accuracy"] >= 0.95


def test_regression_beats_the_mean():
    split = train_validation_test_split(*load_diabetes(), stratify=False, seed=1)
    (y_train, y_test), scale = ([[y / 100 for y in part] for part in (split.y_train, split.y_test)], 100)
    train, test = standardize(split.x_train, split.x_test)
    trainer = fit(Linear(10, 1, rng=0), train, [[y] for y in y_train], loss=huber_loss, epochs=15, lr=0.01)
    loss, _ = trainer.evaluate(test, [[y] for y in y_test])
    middle = statistics.median(y_train)
    assert scale * loss < 0.75 * scale * statistics.fmean(huber_loss(middle, y) for y in y_test)


def test_a_recurrent_net_remembers():
    """The first number of a sequence of six, told at the end."""
    rng = random.Random(0)
    X = [[[rng.choice((-1.0, 1.0))] for _ in range(6)] for _ in range(40)]

    class Memory(Module):
        def __init__(self):
            self.rnn, self.head = RNN(1, 6, rng=1), Linear(6, 1, rng=2)

        def forward(self, x):
            return self.head(self.rnn(x)[0][-1])

    trainer = fit(Memory(), X, [x[0] for x in X], loss=mse_loss, epochs=25, lr=0.02)
    assert trainer.history.train_loss[-1] < 0.05


@pytest.mark.parametrize("make", [learning.Recurrent, learning.Attention])
def test_names_are_learned(make):
    """In one short epoch to well below log 27 = 3.30 a letter, and below what the letters' frequencies alone give."""
    loss, _, model = learning.names(make, epochs=1, size=160, progress=False)
    assert loss < 2.9
    assert learning.make_up(model, random.Random(0)).isalpha()


def test_churn_is_foreseen_as_well_as_the_better_of_scikit_learn_s_models():
    found = [learning.churn(seed) for seed in learning.SEEDS]
    ours, logistic, boosting = map(statistics.mean, zip(*found, strict=True))
    assert ours >= max(logistic, boosting) - 0.01


def test_a_small_cnn_reads_digits():
    """A quarter of the training digits, two epochs; the whole is `learning.py digits`."""
    share, _ = learning.digits(learning.digits_cnn, 0, epochs=2, size=320)
    assert share >= 0.7  # guessing gets 0.1


@pytest.mark.slow
def test_digits_mean_of_five_splits():
    learning.run_digits()


@pytest.mark.slow
def test_names_better_than_counting_pairs():
    learning.run_names()
