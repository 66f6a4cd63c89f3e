"""Initialisers: their moments, fans and gains."""

import inspect
import math
import statistics

import pytest
from reference_nn import TORCH

import nn
from nn import (
    Conv2d,
    Linear,
    Optimizer,
    Scheduler,
    calculate_gain,
    constant_,
    kaiming_normal_,
    kaiming_uniform_,
    normal_,
    ones_,
    orthogonal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from nn.nested import flat

CLASSES = [x for name in nn.__all__ if inspect.isclass(x := getattr(nn, name))]
OPTIMIZERS = [x for x in CLASSES if issubclass(x, Optimizer) and x is not Optimizer]
SCHEDULERS = [x for x in CLASSES if issubclass(x, Scheduler) and x is not Scheduler]


def spread(weight):
    found = [p.data for p in flat(weight)]
    return statistics.fmean(found), statistics.pstdev(found), max(map(abs, found)), len(found)


INITIALISERS = {
    uniform_: (lambda w: uniform_(w, -1.0, 3.0, rng=0), 1.0, 4 / math.sqrt(12)),
    normal_: (lambda w: normal_(w, 2.0, 0.5, rng=0), 2.0, 0.5),
    constant_: (lambda w: constant_(w, 0.3), 0.3, 0.0),
    zeros_: (zeros_, 0.0, 0.0),
    ones_: (ones_, 1.0, 0.0),
    xavier_uniform_: (lambda w: xavier_uniform_(w, 2.0, rng=0), 0.0, 2 * math.sqrt(2 / 100)),
    xavier_normal_: (lambda w: xavier_normal_(w, rng=0), 0.0, math.sqrt(2 / 100)),
    kaiming_uniform_: (lambda w: kaiming_uniform_(w, rng=0), 0.0, math.sqrt(2 / 60)),
    kaiming_normal_: (lambda w: kaiming_normal_(w, 0.1, "fan_out", rng=0), 0.0, math.sqrt(2 / 1.01 / 40)),
    orthogonal_: (lambda w: orthogonal_(w, 3.0, rng=0), 0.0, 3 / math.sqrt(60)),
}


def test_every_initialiser_is_found():
    found = {getattr(nn, name) for name in nn.__all__ if name.endswith("_") and not name.startswith("clip")}
    assert found == set(INITIALISERS)


@pytest.mark.parametrize("initialise", INITIALISERS, ids=lambda f: f.__name__)
def test_moments_of_initial_weights(initialise):
    fill, middle, deviation = INITIALISERS[initialise]
    weight = Linear(60, 40, rng=9).weight
    assert fill(weight) is weight
    m, s, largest, n = spread(weight)
    assert m == pytest.approx(middle, abs=4 * deviation / math.sqrt(n) + 1e-12)
    assert s == pytest.approx(deviation, abs=4 * deviation / math.sqrt(n) + 1e-12)
    if "uniform" in initialise.__name__:
        assert largest <= abs(middle) + math.sqrt(3) * deviation + 1e-12
    again = Linear(60, 40, rng=8).weight
    fill(again)
    assert spread(again) == spread(weight)  # the rng decides, nothing else


def test_fans_count_the_places_of_a_kernel():
    weight = Conv2d(4, 6, (2, 3), rng=0).weight  # fan_in 4 x 6, fan_out 6 x 6
    for mode, fan in (("fan_in", 24), ("fan_out", 36)):
        kaiming_uniform_(weight, mode=mode, nonlinearity="relu", rng=0)
        bound = math.sqrt(6 / fan)
        assert 0.9 * bound < spread(weight)[2] <= bound


def test_orthogonal_rows_and_columns():
    for shape in ((5, 9), (9, 5), (6, 6)):
        weight = orthogonal_(Linear(shape[1], shape[0], rng=0).weight, 2.0, rng=1)
        rows = [[p.data for p in row] for row in weight]
        vectors = rows if shape[0] <= shape[1] else list(zip(*rows, strict=True))
        for i, u in enumerate(vectors):
            for j, v in enumerate(vectors):
                assert sum(a * b for a, b in zip(u, v, strict=True)) == pytest.approx(4.0 * (i == j), abs=1e-12)


def test_gains_are_pytorch_s():
    for name, gain in TORCH["gains"].items():
        assert calculate_gain(name, 0.2) == pytest.approx(gain, rel=1e-15)
    for attempt, error, text in (
        (lambda: calculate_gain("gelu"), ValueError, "no gain is known for 'gelu'; choose one of leaky_relu, linear"),
        (lambda: kaiming_normal_(Linear(2, 2).weight, mode="in"), ValueError, "expected mode 'fan_in' or 'fan_out'"),
        (lambda: xavier_normal_(Linear(2, 2).bias), ValueError, "fan in and fan out need rows of weights, got 2 numb"),
        (lambda: zeros_([0.5]), TypeError, r"expected lists of Values such as layer\.weight, got 0\.5 in them"),
    ):
        with pytest.raises(error, match=text):
            attempt()
