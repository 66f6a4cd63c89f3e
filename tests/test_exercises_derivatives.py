"""Derivatives by hand in unusual shapes, and modules that are off where they are looked at."""

import numpy as np
import pytest

import autograd
import nn
from autograd import Value, cos, exp, grad, sin
from autograd.exercises import check_gradient, check_module


def two(a, b):
    return a * a * b


@pytest.mark.parametrize(
    ("slopes", "text"),
    [
        (lambda a, b: None, "gives no number: is the `return` missing?"),
        (lambda a, b: 2 * a * b, "gives 1 where 2 numbers, one for each argument should come"),
        (lambda a, b: (a * a, 2 * a * b), "right, in another order: first comes that by the first argument"),
    ],
)
def test_the_shape_of_derivatives_by_hand(slopes, text):
    assert text in " ".join(check_gradient(two, slopes).explain().split())


def test_derivatives_by_hand_may_be_an_array():
    assert check_gradient(two, lambda a, b: np.array([2 * a * b, a * a])).passed
    assert check_gradient(grad(lambda x: x**3), lambda x: 6 * x).passed


def test_a_derivative_by_hand_is_not_told_about_engines():
    """Forgotten terms and inner derivatives look like wrong sums and sweeps."""
    for f, slope in (
        (lambda x: sin(3 * x), lambda x: cos(3 * x)),
        (lambda x: x * exp(-(x**2)), lambda x: -2 * x * exp(-(x**2))),
    ):
        names = {finding.name for finding in check_gradient(f, slope).findings}
        assert not names & {"sum-and-product-exchanged", "overwrites-gradient"}


def test_a_relu_that_is_off_has_a_bias_all_the_same():
    class Off(nn.Module):
        def __init__(self):
            self.w, self.b = [Value(0.5), Value(-0.25)], Value(-0.9)

        def forward(self, x):
            return autograd.relu(self.w[0] * x[0] + self.w[1] * x[1] + self.b)

    assert not any(finding.name == "bias-missing" for finding in check_module(Off, 2).findings)
