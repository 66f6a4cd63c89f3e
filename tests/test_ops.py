import json
import math
import random
from pathlib import Path

import mpmath
import pytest
from support import BUILTIN, call, same, sample

from autograd import Value, grad, gradcheck, gradients, hessian, jvp
from autograd.extend import REGISTRY

IDS = [p.name for p in BUILTIN]
TORCH = json.loads((Path(__file__).parent / "reference" / "torch.json").read_text())

MPMATH = {
    "expm1": mpmath.expm1, "exp": mpmath.exp, "log": mpmath.log, "log1p": mpmath.log1p, "sqrt": mpmath.sqrt,
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "asin": mpmath.asin, "acos": mpmath.acos,
    "atan": mpmath.atan, "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh, "erf": mpmath.erf,
    "asin_slope": lambda x: 1 / mpmath.sqrt(1 - x * x), "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "sigmoid_slope": lambda x: mpmath.sech(x / 2) ** 2 / 4, "tanh_slope": lambda x: mpmath.sech(x) ** 2,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)), "gelu": lambda x: x * mpmath.ncdf(x),
    "elu": lambda x, a: x if x > 0 else a * mpmath.expm1(x), "leaky_relu": lambda x, s: x if x > 0 else s * x,
    "relu": lambda x: max(x, 0), "abs": abs, "sign": mpmath.sign, "neg": lambda x: -x, "identity": lambda x: x,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "mod": lambda a, b: a - b * mpmath.floor(a / b), "floordiv": lambda a, b: mpmath.floor(a / b),
    "floor": mpmath.floor, "ceil": mpmath.ceil, "round": mpmath.nint,
    "trunc": lambda x: mpmath.sign(x) * mpmath.floor(abs(x)),
    "pow": lambda a, b: a**b, "hypot": mpmath.hypot, "atan2": mpmath.atan2, "maximum": max, "minimum": min,
    "clamp": lambda x, low, high: min(max(x, low), high), "where": lambda c, a, b: a if c else b,
    "greater": lambda a, b: mpmath.mpf(a > b), "greater_equal": lambda a, b: mpmath.mpf(a >= b),
    "equal": lambda a, b: mpmath.mpf(a == b), "sum": lambda xs: sum(xs), "dot": lambda w, x, b: mpmath.fdot(w, x) + b,
    "amax": max, "gather": lambda i, xs: xs[int(i)], "logsumexp": lambda xs: mpmath.log(sum(map(mpmath.exp, xs))),
}  # fmt: skip


def as_mpf(x):
    return [mpmath.mpf(v) for v in x] if isinstance(x, list) else mpmath.mpf(x)


@pytest.mark.parametrize("primitive", BUILTIN, ids=IDS)
def test_value_and_gradient_equal_mpmath_at_fifty_digits(primitive):
    rng, oracle = random.Random(1), MPMATH[primitive.name]
    for _ in range(10):
        xs = sample(primitive, rng)
        leaves = [[Value(v) for v in x] if isinstance(x, list) else Value(x) for x in xs]
        y = call(primitive, *leaves)
        y.backward()
        with mpmath.workdps(50):
            assert same(y.data, float(oracle(*map(as_mpf, xs))))
            for i, leaf in enumerate(leaves):
                if (primitive.name, i) == ("gather", 0):  # a whole number has no next to it
                    continue
                for k, x in enumerate(leaf if isinstance(leaf, list) else [leaf]):

                    def along(t, i=i, k=k, xs=xs):
                        moved = [as_mpf(x) for x in xs]
                        if isinstance(xs[i], list):
                            moved[i][k] = t
                        else:
                            moved[i] = t
                        return oracle(*moved)

                    expected = float(mpmath.diff(along, x.data, h=mpmath.mpf(10) ** -20))
                    assert same(x.grad, expected), (primitive.name, xs, i, x.grad, expected)


@pytest.mark.parametrize("primitive", BUILTIN, ids=IDS)
def test_gradcheck_to_second_order_in_both_modes(primitive):
    rng = random.Random(2)
    for _ in range(3):
        xs = sample(primitive, rng)
        fixed = [xs.pop(0)] if primitive.name == "gather" else []
        assert gradcheck(lambda *xs, fixed=fixed: call(primitive, *fixed, *xs), xs, order=2)


@pytest.mark.parametrize("primitive", BUILTIN, ids=IDS)
def test_forward_sweep_is_the_transpose_of_the_reverse_sweep(primitive):
    rng = random.Random(3)
    xs = sample(primitive, rng)
    tangents = [[rng.gauss(0, 1) for _ in x] if isinstance(x, list) else rng.gauss(0, 1) for x in xs]
    _, forward = jvp(lambda *xs: call(primitive, *xs), xs, tangents)
    leaves = [[Value(v) for v in x] if isinstance(x, list) else Value(x) for x in xs]
    flat = [v for x in leaves for v in (x if isinstance(x, list) else [x])]
    slopes = gradients(call(primitive, *leaves), flat)
    directions = [t for x in tangents for t in (x if isinstance(x, list) else [x])]
    assert same(forward, sum(s * t for s, t in zip(slopes, directions, strict=True)))


# Where we differ from PyTorch, and why.
OURS = {
    ("abs", "nan"): "the derivative at nan is nan, as sign(nan) is in NumPy",
    ("sign", "nan"): "sign(nan) is nan, as in NumPy",
    ("elu", "nan"): "the derivative at nan is nan",
}


def excused(name, row):
    if name == "atan2":  # PyTorch squares, which underflows next to the origin
        return 0 < math.hypot(float(row[0]), float(row[1])) < 1e-300
    return (name, str(row[0])) in OURS


@pytest.mark.parametrize("name", [name for name in TORCH if name != "version"])
def test_values_and_gradients_equal_pytorch_at_special_numbers(name):
    for row in TORCH[name]:
        numbers = [float(x) for x in row]
        xs = [Value(x) for x in numbers[: (len(numbers) - 1) // 2]]
        y = (
            REGISTRY[name](tuple(xs))
            if name == "logsumexp"
            else xs[0].clamp(0, 1)
            if name == "clamp"
            else REGISTRY[name](*xs)
        )
        y.backward()
        pairs = zip([y.data, *(x.grad for x in xs)], numbers[len(xs) :], strict=True)
        assert all(same(got, expected) for got, expected in pairs) != excused(name, row), row


@pytest.mark.parametrize(
    ("expression", "point", "value", "slopes"),
    [
        (lambda x: x.relu(), (0.0,), 0.0, (0.0,)),
        (lambda x: abs(x), (0.0,), 0.0, (0.0,)),
        (lambda x: x.sqrt(), (0.0,), 0.0, (math.inf,)),
        (lambda x: x**0, (0.0,), 1.0, (0.0,)),
        (lambda x, y: x**y, (0.0, 0.0), 1.0, (0.0, 0.0)),
        (lambda x, y: x**y, (-2.0, 3.0), -8.0, (12.0, math.nan)),
        (lambda x: x ** (1 / 3), (-8.0,), math.nan, (math.nan,)),
        (lambda x: x.log(), (0.0,), -math.inf, (math.inf,)),
        (lambda x: 1 / x, (0.0,), math.inf, (-math.inf,)),
        (lambda x: x.exp(), (1000.0,), math.inf, (math.inf,)),
        (lambda x: x.clamp(0, 1), (0.0,), 0.0, (1.0,)),
        (lambda x: x.clamp(0, 1), (1.0,), 1.0, (1.0,)),
        (lambda x: x.leaky_relu(), (0.0,), 0.0, (0.01,)),
        (lambda x: x.relu(), (math.nan,), math.nan, (1.0,)),
        (lambda x: x.log(), (-1.0,), math.nan, (-1.0,)),
        (lambda x: x.relu().log(), (-1.0,), -math.inf, (0.0,)),
        (lambda x, y: REGISTRY["maximum"](x, y), (2.0, 2.0), 2.0, (0.5, 0.5)),
        (lambda x, y: REGISTRY["minimum"](x, y), (2.0, 2.0), 2.0, (0.5, 0.5)),
        (lambda x, y: REGISTRY["hypot"](x, y), (0.0, 0.0), 0.0, (math.nan, math.nan)),
        (lambda x, y: REGISTRY["atan2"](x, y), (0.0, 0.0), 0.0, (0.0, 0.0)),
        (lambda x: REGISTRY["where"](x > 0, x.log(), 0.0), (0.0,), 0.0, (0.0,)),
    ],
)
def test_conventions_at_kinks_and_outside_the_domain(expression, point, value, slopes):
    xs = [Value(x) for x in point]
    y = expression(*xs)
    y.backward()
    assert same(y.data, value)
    assert all(same(x.grad, slope) for x, slope in zip(xs, slopes, strict=True))
    assert all(same(g, slope) for g, slope in zip(gradients(expression(*xs), xs), slopes, strict=True))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "silu", "gelu", "elu"])
def test_nothing_overflows_that_need_not(name):
    for x in (1000.0, -1000.0, 1e308, -1e308):
        v = Value(x)
        y = REGISTRY[name](v)
        y.backward()
        assert math.isfinite(y.data)
        assert math.isfinite(v.grad)


def test_the_slope_of_a_power_still_varies_with_the_exponent_at_zero():
    assert hessian(lambda v: v[0] ** v[1])([2.0, 0.0]) == [[0.0, 0.5], [0.5, math.log(2) ** 2]]
    assert hessian(lambda v: v[0] ** v[1])([0.0, 0.0])[0][0] == 0.0
    assert hessian(lambda x: x**0)(2.0) == 0.0


@pytest.mark.parametrize("exponent", [0, 0.0, Value(0.0)])
def test_nothing_flows_through_a_power_of_zero(exponent):
    x = Value(2.0)
    (x**exponent - 1.0).log().backward()
    assert x.grad == 0.0
    assert gradients((x**exponent - 1.0).log(), x) == 0.0


@pytest.mark.parametrize("name", ["relu", "maximum", "minimum", "clamp", "where", "leaky_relu"])
def test_selectors_send_nothing_rather_than_zero_to_what_they_do_not_choose(name):
    """An infinite slope beyond a product with zero would be nan; beyond nothing it is nothing."""
    x = Value(0.0)
    infinite = x.sqrt()  # 0, with an infinite slope
    y = {
        "relu": lambda: (infinite - 1.0).relu(),
        "maximum": lambda: REGISTRY["maximum"](infinite, 1.0),
        "minimum": lambda: REGISTRY["minimum"](infinite, -1.0),
        "clamp": lambda: infinite.clamp(1.0, 2.0),
        "where": lambda: REGISTRY["where"](1.0, 2.0, infinite),
        "leaky_relu": lambda: REGISTRY["leaky_relu"](1.0, infinite),
    }[name]()
    y.backward()
    assert x.grad == gradients(y, x) == 0.0


@pytest.mark.parametrize("x", [-30.0, -10.0, -8.0, -1.0, -0.999, 0.0, 3.0])
def test_the_slope_of_gelu_keeps_its_tail(x):
    with mpmath.workdps(50):
        at = mpmath.mpf(x)
        expected = float(mpmath.ncdf(at) + at * mpmath.npdf(at))
        second = float((2 - at * at) * mpmath.npdf(at))
    assert grad(REGISTRY["gelu"])(x) == pytest.approx(expected, rel=1e-12)
    assert grad(grad(REGISTRY["gelu"]))(x) == pytest.approx(second, rel=1e-11)


def test_softplus_is_exact_far_out():
    assert REGISTRY["softplus"](-50.0) == pytest.approx(math.exp(-50), rel=1e-15)
    assert REGISTRY["softplus"](50.0) == 50.0


def test_the_bounds_of_a_clamp_receive_what_they_decide():
    for x, low, high, value, slopes in (
        (0.5, 0.0, 1.0, 0.5, [1.0, 0.0, 0.0]),
        (-2.0, 0.0, 1.0, 0.0, [0.0, 1.0, 0.0]),
        (5.0, 0.0, 1.0, 1.0, [0.0, 0.0, 1.0]),
        (-2.0, 3.0, 1.0, 1.0, [0.0, 0.0, 1.0]),  # the upper bound wins where they cross
        (2.0, 3.0, 1.0, 1.0, [0.0, 0.0, 1.0]),
    ):
        leaves = [Value(x), Value(low), Value(high)]
        y = REGISTRY["clamp"](*leaves)
        assert y.data == value
        assert gradients(y, leaves) == slopes


def test_nothing_flows_to_the_branch_not_taken_in_any_sweep():
    where = REGISTRY["where"]

    def f(x):
        return where(x > 0, x.log(), x * 2.0)

    x = Value(0.0)
    f(x).backward()
    assert x.grad == 2.0
    assert gradients(f(x), x) == 2.0
    assert gradients(f(x), x, create_graph=True).data == 2.0
    assert jvp(f, (0.0,), (1.0,))[1] == 2.0


def test_every_primitive_has_a_domain_an_arity_and_where_it_is_public_a_docstring():
    for p in BUILTIN:
        assert p.arity >= 1
        assert all(low < high or p.name == "gather" for low, high in p.domain)
        if p.is_unary and p.name not in ("neg", "identity"):
            assert p.doc
