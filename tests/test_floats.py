import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from support import BUILTIN, GRID, same

from autograd import floats
from autograd.extend import REGISTRY

NUMPY = {
    "abs": np.abs, "sign": np.sign, "neg": np.negative, "identity": np.positive, "sqrt": np.sqrt, "exp": np.exp,
    "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asin_slope": lambda x: 1.0 / np.sqrt(1.0 - x * x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoid_slope": lambda x: 0.25 / np.cosh(0.5 * x) ** 2, "tanh_slope": lambda x: 1.0 / np.cosh(x) ** 2,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "relu": lambda x: np.maximum(x, 0.0), "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * np.array(math.erfc(-x / np.sqrt(2.0))), "erf": lambda x: np.float64(math.erf(x)),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x), "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "clamp": lambda x: np.clip(x, -np.inf, np.inf),
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "pow": lambda a, b: np.power([a], [b]), "hypot": np.hypot, "mod": np.remainder, "floordiv": np.floor_divide,
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint,
    "atan2": np.arctan2, "maximum": np.maximum, "minimum": np.minimum,
    "greater": lambda a, b: np.float64(a > b), "greater_equal": lambda a, b: np.float64(a >= b),
    "equal": lambda a, b: np.float64(a == b),
    "where": lambda c, a, b: np.where(c != 0, a, b),
    "sum": lambda a, b: np.sum([a, b]), "logsumexp": np.logaddexp, "amax": np.maximum,
    "dot": lambda a, b: np.dot([a], [b]), "gather": lambda i, x: x if i == 0.0 else np.nan,
}  # fmt: skip


@pytest.mark.parametrize("name", [p.name for p in BUILTIN])
def test_equals_numpy_on_special_numbers(name):
    primitive, function = REGISTRY[name], NUMPY[name]
    count = {"where": 3, "sum": 2, "logsumexp": 2, "amax": 2, "dot": 2, "gather": 2}.get(
        name, primitive.arity - len(primitive.parameters)
    )
    for xs in itertools.product(GRID, repeat=count):
        with np.errstate(all="ignore"):
            expected = float(np.asarray(function(*map(np.float64, xs))).item())
        vectors = {"dot": ((xs[0],), (xs[-1],), 0.0), "gather": (xs[0], xs[1:])}
        arguments = vectors.get(name, (xs,) if name in ("sum", "logsumexp", "amax") else xs)
        got = primitive(*arguments)
        assert same(got, expected), (name, xs, got, expected)
        if got == 0.0 and name not in ("sum", "dot", "gelu", "maximum", "minimum", "amax"):
            assert math.copysign(1.0, got) == math.copysign(1.0, expected), (name, xs, got, expected)


@pytest.mark.parametrize("x", [1, True, 0.5, Fraction(1, 2), np.float32(0.5), np.float64(0.5), np.int64(3)])
def test_real_numbers_become_floats(x):
    result = floats.as_float(x)
    assert type(result) is float
    assert result == x


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ("abc", "got the string 'abc'; convert it first with float"),
        (None, "got None; did a function end without `return`"),
        ([1.0], "got a list; make one Value for each number"),
        ((1.0,), "got a tuple; make one Value"),
        (1 + 2j, r"got the complex number \(1\+2j\); the engine is real"),
        (np.array(1.0), r"got ndarray; take its number out first: x.item\(\)"),
        (np.array([1.0]), r"got an array \(ndarray\); make one Value for each number: .*tolist"),
        (object(), "got object"),
    ],
)
def test_other_things_are_refused_with_a_remedy(x, text):
    with pytest.raises(TypeError, match=f"expected one real number, {text}"):
        floats.as_float(x)


def test_an_int_beyond_the_range_of_floats_is_refused_in_our_words():
    with pytest.raises(
        OverflowError, match=r"expected a number that fits a float .* got int with more than 308 digits"
    ):
        floats.as_float(10**400)
    with pytest.raises(OverflowError, match="fits a float"):
        floats.as_float(Fraction(10**400))


def test_sums_do_not_compensate_so_numbers_are_the_same_in_every_python():
    assert floats.sum([1e16, 1.0, -1e16]) == 0.0
    assert floats._loop([1e16, 1.0, -1e16], 0.0) == 0.0
    assert floats.dot([1e16, 1.0, -1e16], [1.0, 1.0, 1.0], 0.0) == 0.0
