import math
import warnings

import mpmath
import numpy as np
import pytest
from reference_nn import TORCH, all_same
from support import same

import nn
from autograd import Value, compile, gradcheck, log_softmax, softmax, value_and_grad
from autograd.compiler import symbolic
from nn import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    kl_div,
    mse_loss,
    multi_margin_loss,
    nll_loss,
    triplet_margin_loss,
)
from nn.nested import flat, nested

LOSSES = [name for name in nn.__all__ if name in dir(nn.losses) and getattr(nn, name).__module__ == "nn.losses"]
VECTORS = ([0.3, -0.7, 1.1],)
PROBABILITIES = ([0.3, 0.1, 0.6],)
CASES = {
    "mse_loss": (lambda x: mse_loss(x, [0.0, 1.0, 2.0]), VECTORS),
    "l1_loss": (lambda x: nn.l1_loss(x, [0.0, 1.0, 2.0]), VECTORS),
    "huber_loss": (lambda x: huber_loss(x, [0.0, 1.0, 2.0]), VECTORS),
    "binary_cross_entropy": (lambda x: binary_cross_entropy(x, [0.0, 1.0, 0.3]), PROBABILITIES),
    "binary_cross_entropy_with_logits": (lambda x: binary_cross_entropy_with_logits(x, [0, 1, 0.5]), VECTORS),
    "cross_entropy": (lambda x: cross_entropy(x, 1, label_smoothing=0.1), VECTORS),
    "nll_loss": (lambda x: nll_loss(log_softmax(x), 2), VECTORS),
    "hinge_loss": (lambda x: hinge_loss(x[0], -1), VECTORS),
    "multi_margin_loss": (lambda x: multi_margin_loss(x, 1, p=2), VECTORS),
    "kl_div": (lambda x: kl_div(log_softmax(x), [0.2, 0.8, 0.0]), VECTORS),
    "triplet_margin_loss": (lambda x: triplet_margin_loss(x, [0.0, 0.1, 0.2], [1.0, 0.0, 1.0], 2.0), VECTORS),
}


def test_every_loss_is_found_and_has_its_cases():
    assert set(LOSSES) == set(CASES)
    from_torch = {row["loss"] for row in TORCH["losses"]} | {"triplet_margin_loss"}
    assert set(LOSSES) - from_torch == {"hinge_loss"}  # micrograd's


@pytest.mark.parametrize("row", TORCH["losses"], ids=lambda row: f"{row['loss']}-{row['options']}")
def test_values_and_gradients_equal_pytorch(row):
    xs = nested(Value, row["prediction"])
    y = getattr(nn, row["loss"])(xs, row["target"], **row["options"])
    y.backward()
    assert same(y.data, row["value"])
    assert all_same([x.grad for x in flat(xs)], row["gradient"])


def test_arrays_are_computed_with_as_floats():
    assert nn.l1_loss(np.array([1, 2], np.uint8), np.array([2, 3], np.uint8)) == 1.0
    assert mse_loss(np.array([1, 2], np.uint8), np.array([20, 3], np.uint8)) == 181.0


def test_triplets_equal_pytorch():
    row = TORCH["triplet"]
    points = nested(Value, row["points"])
    y = triplet_margin_loss(*points, margin=1.5)
    y.backward()
    assert same(y.data, row["value"])
    for point, gradients in zip(points, row["gradients"], strict=True):
        assert all_same([x.grad for x in point], gradients)


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name):
    assert gradcheck(*CASES[name], order=2)


@pytest.mark.parametrize("name", CASES)
def test_losses_can_be_recorded_without_reading_a_number(name):
    f, (x,) = CASES[name]
    with symbolic():
        y = f([Value(v) for v in x])
    assert y.data == pytest.approx(f(x), rel=1e-14)


def test_targets_may_be_values():
    x, t = [Value(0.3), Value(0.8)], [Value(1.0), Value(0.25)]
    with symbolic():
        losses = [
            f(x, t) for f in (mse_loss, huber_loss, binary_cross_entropy_with_logits, binary_cross_entropy, kl_div)
        ]
        losses += [hinge_loss(x[0], t[0]), cross_entropy(x, t)]
    for y in losses:
        y.backward()
    assert t[0].grad != 0.0
    assert t[1].grad != 0.0


def test_one_number_and_no_reduction():
    assert mse_loss(Value(3.0), 1.0).data == 4.0
    assert mse_loss(3.0, 1.0) == 4.0
    assert mse_loss([[1.0, 2.0], [3.0, 5.0]], [[0.0, 0.0], [0.0, 1.0]]) == (1 + 4 + 9 + 16) / 4
    with pytest.raises(ValueError, match="mse_loss expected as many targets as predictions"):
        mse_loss([[1.0, 2.0]], [1.0])
    assert [y.data for y in mse_loss([Value(3.0), Value(1.0)], [1.0, 0.0], reduction="none")] == [4.0, 1.0]


def test_hinge_loss():
    x = Value(0.25)
    y = hinge_loss(x, -1)
    y.backward()
    assert (y.data, x.grad) == (1.25, 1.0)
    assert hinge_loss(Value(2.0), 1).data == 0.0


def test_cross_entropy_is_shift_invariant_and_stable():
    logits = [0.3, -1.0, 2.0]
    assert cross_entropy(logits, 1) == pytest.approx(cross_entropy([x + 500 for x in logits], 1))
    assert cross_entropy([-1000.0, 1000.0], 0) == 2000.0
    assert binary_cross_entropy_with_logits(-1000.0, 1) == 1000.0
    assert math.isfinite(binary_cross_entropy_with_logits(Value(1e308), 0).data)
    assert cross_entropy([1000.0, 980.0], 0) == pytest.approx(math.log1p(math.exp(-20)), rel=1e-12)


def test_binary_cross_entropy_holds_its_logarithms_at_minus_100():
    p = Value(0.0)
    y = binary_cross_entropy(p, 1.0)
    y.backward()
    assert (y.data, p.grad) == (100.0, 0.0)
    assert binary_cross_entropy(1.0, 0.0) == 100.0


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (lambda: cross_entropy(softmax([0.3, 2.0, -1.0]), 0), "cross_entropy takes logits, and applies softmax itself"),
        (lambda: nll_loss(softmax([0.3, 2.0, -1.0]), 0), "nll_loss takes log-probabilities; got probabilities"),
        (lambda: kl_div([0.25, 0.75], [0.5, 0.5]), "kl_div takes log-probabilities first"),
        (
            lambda: binary_cross_entropy_with_logits(Value(0.3).sigmoid(), 1),
            "takes logits, and applies the sigmoid itself; got outputs of sigmoid; use it without the Sigmoid",
        ),
        (lambda: binary_cross_entropy_with_logits([Value(0.3).sigmoid()], [1]), "got outputs of sigmoid"),
    ],
)
def test_probabilities_where_logits_are_expected_are_warned_of_where_they_are_given(attempt, text):
    with pytest.warns(UserWarning, match=text) as caught:
        attempt()
    assert caught[0].filename == __file__


def test_logits_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cross_entropy([0.0, 1.0], 1)
        cross_entropy([0.2, 0.7], 1)
        cross_entropy([2.0, -1.0], 1)
        nll_loss(log_softmax([0.3, 2.0]), 0)
        binary_cross_entropy_with_logits(0.5, 1)


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: cross_entropy([0.0, 1.0], 2), ValueError, "cross_entropy expected a class from 0 to 1, got 2"),
        (lambda: cross_entropy([0.0, 1.0], -1), ValueError, "expected a class from 0 to 1, got -1"),
        (
            lambda: cross_entropy(Value(0.0), 0),
            TypeError,
            "cross_entropy expected a list of logits, of one example, got",
        ),
        (
            lambda: cross_entropy([0.0, 1.0], 1.0),
            TypeError,
            r"expected a class index such as 2, got 1.0 \(float\); write int\(target\)",
        ),
        (
            lambda: cross_entropy([0.0, 1.0], [1.0]),
            ValueError,
            "expected a class, or 2 probabilities, as target, got 1",
        ),
        (
            lambda: cross_entropy([0.0, 1.0], 0, label_smoothing=2.0),
            ValueError,
            "expected a label_smoothing from 0 to 1, got 2.0",
        ),
        (lambda: nll_loss(0.0, 0), TypeError, "nll_loss expected a list of log-probabilities, got one float"),
        (lambda: nll_loss([-1.0], 1), ValueError, "nll_loss expected a class from 0 to 0, got 1"),
        (lambda: hinge_loss(0.5, 0), ValueError, "hinge_loss expected a target of -1 or 1, got 0"),
        (lambda: huber_loss(0.5, 0.0, delta=0), ValueError, "huber_loss expected a delta above 0, got 0"),
        (lambda: multi_margin_loss([0.5], 0, p=3), ValueError, "multi_margin_loss expected p = 1 or 2, got 3"),
        (lambda: binary_cross_entropy_with_logits(0.5, -1), ValueError, r"targets in \[0, 1\], got -1; map classes"),
        (lambda: binary_cross_entropy(1.5, 1), ValueError, r"binary_cross_entropy expected predictions in \[0, 1\]"),
        (lambda: triplet_margin_loss([1.0], [1.0], []), ValueError, "three lists of one length, got 1, 1 and 0"),
        (lambda: mse_loss([1.0], [1.0, 2.0]), ValueError, "got 1 numbers predicted and 2 numbers as target"),
        (lambda: mse_loss(Value(1.0), [1.0]), ValueError, "got one Value predicted and 1 numbers as target"),
        (
            lambda: mse_loss(1.0, 1.0, reduction="max"),
            ValueError,
            "expected reduction 'mean', 'sum' or 'none', got 'max'",
        ),
    ],
)
def test_errors(attempt, error, text):
    with pytest.raises(error, match=text):
        attempt()


@pytest.mark.parametrize(("x", "t"), [(30.0, 1.0), (37.0, 1.0), (-37.0, 0.0), (700.0, 1.0), (30.0, 1.0 - 1e-10),
                                      (-25.0, 1e-12), (0.5, 0.5), (0.0, 1.0), (-3.0, 0.7)])  # fmt: skip
def test_cross_entropy_of_confident_right_answers_is_exact(x, t):
    with mpmath.workdps(700):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
        loss, slope = -(t * mpmath.log(p) + (1 - mpmath.mpf(t)) * mpmath.log(1 - p)), p - mpmath.mpf(t)
    w, v = Value(x), Value(1.0)
    y = binary_cross_entropy_with_logits(w, t)
    y.backward()
    compiled = compile(lambda x, t: binary_cross_entropy_with_logits(v * x, t), [v])
    for got in (y.data, compiled([x], [t])):
        assert abs(got - loss) <= 1e-14 * abs(loss)
    if t in (0.0, 1.0):
        assert abs(w.grad - slope) <= 1e-14 * abs(slope)
        assert abs(v.grad - slope * x) <= 1e-14 * abs(slope * x)
        logits = [Value(x), Value(0.0)]
        y = cross_entropy(logits, 1 - int(t))
        y.backward()
        assert abs(y.data - loss) <= 1e-14 * abs(loss)
        assert abs(logits[0].grad - slope) <= 1e-14 * abs(slope)
        many = compile(lambda k: cross_entropy(logits, k), logits)
        logits[0].grad = 0.0
        assert abs(many([1 - int(t)]) - loss) <= 1e-14 * abs(loss)
        assert abs(logits[0].grad - slope) <= 1e-14 * abs(slope)


INF = math.inf


@pytest.mark.parametrize(("x", "t", "loss"), [(INF, 1.0, 0.0), (INF, 0.0, INF), (-INF, 0.0, 0.0), (-INF, 1.0, INF),
                                              (INF, 0.3, INF), (-INF, 0.3, INF)])  # fmt: skip
def test_infinite_logits(x, t, loss):
    w = Value(x)
    y = binary_cross_entropy_with_logits(w, t)
    y.backward()
    assert y.data == loss
    assert math.isfinite(w.grad)
    assert compile(binary_cross_entropy_with_logits)([x], [t]) == [loss]
    assert binary_cross_entropy_with_logits(Value(x), Value(t)).data == loss


def test_a_class_that_cannot_be():
    for make in (lambda f: f, lambda f: lambda *xs: compile(f)(*[[x] for x in xs])[0]):
        by_class = make(lambda x, k: cross_entropy(x, k))
        assert by_class([-INF, 0.5, 0.5], 1) == pytest.approx(math.log(2), rel=1e-15)
        assert by_class([-INF, 0.5, 0.5], 0) == INF
        by_shares = make(lambda x, q: cross_entropy(x, q))
        assert by_shares([-INF, 0.5, 0.5], [0.0, 0.5, 0.5]) == pytest.approx(math.log(2), rel=1e-15)
        assert by_shares([-INF, 0.5, 0.5], [0.5, 0.5, 0.0]) == INF
        assert make(lambda q, t: kl_div(q, t))([-INF, 0.0], [0.0, 1.0]) == 0.0
    logits = [Value(-INF), Value(0.5), Value(1.5)]
    cross_entropy(logits, [0.0, 0.25, 0.75]).backward()
    assert logits[0].grad == 0.0
    assert math.isfinite(logits[1].grad)


def test_nan_is_no_impossible_class_and_a_loss_of_values_is_a_value():
    assert math.isnan(kl_div([math.nan, -0.5], [0.0, 1.0], "sum"))
    assert math.isnan(compile(lambda q, t: kl_div(q, t, "sum"))([[math.nan, -0.5]], [[0.0, 1.0]])[0])
    for f in (kl_div, lambda q, t, r, log_target: compile(lambda q, t: kl_div(q, t, r, log_target))([q], [t])[0]):
        assert f([-INF, 0.0], [-INF, 0.0], "sum", True) == 0.0
    y = cross_entropy([Value(-INF), Value(0.5)], [0.0, 0.0])
    y.backward()
    assert y.data == 0.0
    assert math.isnan(cross_entropy([Value(math.nan), Value(0.0)], [0.0, 0.0]).data)
    f = lambda x, q: cross_entropy(x, q)  # noqa: E731
    expected = f([0.0, 40.0, -5.0], [0.0, 1.0, 0.0])
    assert compile(f)([[0.0, 40.0, -5.0]], [[0.0, 1.0, 0.0]])[0] == pytest.approx(expected, rel=1e-14)
    assert expected == pytest.approx(4.276979441097076e-18, rel=1e-14)


def test_an_impossible_right_class_has_pytorch_s_gradient():
    loss, slopes = value_and_grad(lambda x: nn.cross_entropy(x, 0))([-math.inf, 1.0, 2.0])
    assert loss == math.inf
    assert slopes == pytest.approx([-1.0, 0.2689414213699951, 0.7310585786300049])
