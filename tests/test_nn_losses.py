import json
import math
from pathlib import Path

import pytest
from support import same

import nn
from autograd import Value, gradcheck
from nn import binary_cross_entropy_with_logits, cross_entropy, hinge_loss, mse_loss

TORCH = json.loads((Path(__file__).parent / "reference" / "torch_nn.json").read_text())


@pytest.mark.parametrize("row", TORCH["losses"], ids=lambda row: f"{row['loss']}-{row['reduction']}")
def test_values_and_gradients_equal_pytorch(row):
    xs = [Value(x) for x in row["prediction"]]
    options = {} if row["loss"] == "cross_entropy" else {"reduction": row["reduction"]}
    y = getattr(nn, row["loss"])(xs, row["target"], **options)
    y.backward()
    assert same(y.data, row["value"])
    assert all(same(x.grad, g) for x, g in zip(xs, row["gradient"], strict=True))


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


@pytest.mark.parametrize(
    "f",
    [
        lambda xs: cross_entropy(xs, 1), lambda xs: mse_loss(xs, [0.0, 1.0, 2.0]), lambda xs: hinge_loss(xs[0], 1),
        lambda xs: binary_cross_entropy_with_logits(xs, [0, 1, 0.5], reduction="sum"),
    ],
)  # fmt: skip
def test_gradcheck(f):
    assert gradcheck(f, ([0.3, -0.7, 1.1],), order=2)


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: cross_entropy([0.0, 1.0], 2), ValueError, "cross_entropy expected a class from 0 to 1, got 2"),
        (lambda: cross_entropy([0.0, 1.0], -1), ValueError, "expected a class from 0 to 1, got -1"),
        (lambda: cross_entropy(Value(0.0), 0), TypeError, "cross_entropy expected a list of logits, got one Value"),
        (lambda: cross_entropy([0.0, 1.0], 1.0), TypeError, r"cross_entropy expected a class index, got 1.0 \(float\)"),
        (lambda: hinge_loss(0.5, 0), ValueError, "hinge_loss expected a target of -1 or 1, got 0"),
        (lambda: binary_cross_entropy_with_logits(0.5, -1), ValueError, r"targets in \[0, 1\], got -1; map classes"),
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
