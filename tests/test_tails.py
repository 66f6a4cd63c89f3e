"""First and second derivatives far out, where a rule that is written through a rounded result would cancel: each
primitive against mpmath, relative to the true number, eager and compiled."""

import itertools
import math
import sys

import mpmath
import pytest
from support import BUILTIN
from test_ops import MPMATH

from autograd import acos, asin, compile, grad, hessian, jvp, logsumexp
from autograd.extend import REGISTRY

SIZES = [
    1e-60,
    1e-9,
    1e-3,
    0.1,
    0.45,
    0.7,
    0.97,
    1.0,
    1.7,
    3.0,
    6.0,
    11.0,
    19.0,
    37.0,
    60.0,
    350.0,
    355.2,
    700.0,
    709.3,
]
POINTS = [sign * x for x in SIZES for sign in (1.0, -1.0)]
PAIRS = list(itertools.product([1e-8, 0.3, 1.0, 40.0, 1e8], repeat=2))
LOOSER = {"erf": 1e-12, "gelu": 1e-12}
"""Their slopes are the exponential of a square, which is rounded."""
KINKS = {"abs", "sign", "relu", "leaky_relu", "elu", "clamp", "floor", "ceil", "trunc", "round", "identity", "neg"}
UNARY = [p for p in BUILTIN if p.is_unary and p.name not in KINKS]


def close(got, true, tolerance):
    """Where the true number is a normal float, relative to it."""
    return abs(true) > sys.float_info.max or abs(got - true) <= max(tolerance * abs(true), sys.float_info.min)


def in_domain(name, x):
    if name in ("log", "sqrt"):
        return x > 0
    return x > -1 if name == "log1p" else abs(x) < 1 if name in ("asin", "acos", "asin_slope") else True


def slopes(primitive, x):
    """The first and the second derivative, to a thousand digits."""
    with mpmath.workdps(1400):
        f = MPMATH[primitive.name]
        extra = [mpmath.mpf(v) for v in primitive.parameters.values()]
        h = mpmath.mpf(10) ** -400 * abs(mpmath.mpf(x))
        low, middle, high = (f(mpmath.mpf(x) + k * h, *extra) for k in (-1, 0, 1))
        return (high - low) / (2 * h), (high - 2 * middle + low) / (h * h)


@pytest.mark.parametrize("primitive", UNARY, ids=lambda p: p.name)
def test_both_derivatives_equal_mpmath_in_the_tails(primitive):
    points = [x for x in POINTS if in_domain(primitive.name, x)]
    once, twice = compile(lambda x: grad(primitive)(x)), compile(lambda x: grad(grad(primitive))(x))
    results = zip(points, once(points), twice(points), strict=True)
    tolerance = LOOSER.get(primitive.name, 1e-14)
    for x, compiled_first, compiled_second in results:
        first, second = slopes(primitive, x)
        for got in (grad(primitive)(x), jvp(primitive, (x,), (1.0,))[1]):
            assert close(got, first, tolerance), (primitive.name, x, got, float(first))
        got = grad(grad(primitive))(x)
        assert close(got, second, tolerance), (primitive.name, x, got, float(second))
        assert close(compiled_first, first, tolerance), (primitive.name, x, compiled_first, float(first))
        assert close(compiled_second, second, tolerance), (primitive.name, x, compiled_second, float(second))


@pytest.mark.parametrize(("f", "sign"), [(asin, 1.0), (acos, -1.0)])
def test_the_ends_of_asin_are_infinitely_steep_and_curved(f, sign):
    curvature = grad(grad(f))
    assert [curvature(1.0), curvature(-1.0)] == [sign * math.inf, -sign * math.inf]
    assert compile(lambda x: curvature(x))([1.0, -1.0]) == [sign * math.inf, -sign * math.inf]
    assert grad(f)(1.0) == sign * math.inf
    assert math.isnan(grad(f)(1.5))


@pytest.mark.parametrize("name", ["hypot", "atan2", "div", "mul", "pow"])
def test_second_derivatives_of_two_operands_equal_mpmath(name):
    primitive, f = REGISTRY[name], MPMATH[name]
    for a, b in PAIRS:
        if (name == "pow" and max(a, b) > 30) or (name == "atan2" and a == b):  # overflow; a root
            continue
        got = hessian(lambda v: primitive(*v))([a, b])
        with mpmath.workdps(120):
            x, y = mpmath.mpf(a), mpmath.mpf(b)
            true = [[mpmath.diff(f, (x, y), order) for order in row] for row in (((2, 0), (1, 1)), ((1, 1), (0, 2)))]
        for i, j in itertools.product(range(2), repeat=2):
            true_here = true[i][j] if abs(true[i][j]) > 1e-60 else 0.0
            assert close(got[i][j], true_here, 1e-13), (name, a, b, i, j, got[i][j], float(true[i][j]))


@pytest.mark.parametrize(
    "xs", [[40.0, 0.0], [0.0, -300.0, -310.0], [1.0, 1.0, 1.0], [3.0, 2.9, -50.0], [-1e5, -1e5 - 35]]
)
def test_log_space_sums_equal_mpmath(xs):
    got = hessian(logsumexp)(xs)
    with mpmath.workdps(400):
        terms = [mpmath.exp(mpmath.mpf(x) - mpmath.mpf(max(xs))) for x in xs]
        shares = [t / sum(terms) for t in terms]
        n = range(len(xs))
        true = [[shares[i] * ((i == j) - shares[j]) for j in n] for i in n]
    for i, j in itertools.product(n, repeat=2):
        assert close(got[i][j], true[i][j], 1e-13), (xs, i, j, got[i][j], float(true[i][j]))
    assert close(logsumexp([0.0, -40.0]), mpmath.mpf("4.248354255291589e-18"), 1e-14)


def test_a_sum_of_impossible_states_sends_nothing_back():
    inf = math.inf
    assert (logsumexp([-inf, -inf]), grad(logsumexp)([-inf, -inf])) == (-inf, [0.0, 0.0])
    nested = grad(lambda v: logsumexp([logsumexp(v[:2]), v[2]]))
    assert nested([-inf, -inf, 0.5]) == [0.0, 0.0, 1.0]
    assert compile(lambda v: nested(v))([[-inf, -inf, 0.5]]) == [[0.0, 0.0, 1.0]]
    assert hessian(logsumexp)([-inf, -inf]) == [[0.0, 0.0], [0.0, 0.0]]
