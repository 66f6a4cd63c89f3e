"""Arithmetic on plain floats that never raises: where Python raises, these return IEEE 754's inf and nan, as NumPy
does.

Every forward rule of `ops` is an operator or a function of `math` that never raises, or one of the functions below.
"""

import builtins
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from operator import mul

inf, nan = math.inf, math.nan


def as_float(x: object) -> float:
    """The float that `x` stands for: int, float, bool, Fraction and NumPy's real scalars are numbers here.

    Raises TypeError for anything else and OverflowError for an int that no float can hold; both say what to do instead.
    """
    if type(x) is float:
        return x
    if isinstance(x, Real):
        try:
            return float(x)
        except OverflowError:
            raise OverflowError(
                f"expected a number that fits a float (up to about 1.8e308), got {type(x).__name__} with "
                f"more than 308 digits before the point; scale it down first"
            ) from None
    raise TypeError(f"expected one real number, got {_describe(x)}")


def is_node(x: object) -> bool:
    """Whether x is a node of a graph: its type has the hook through which primitives record."""
    return hasattr(type(x), "_record")


def _describe(x: object) -> str:
    if x is None:
        return "None; did a function end without `return`?"
    if isinstance(x, str):
        return f"the string {x[:20]!r}; convert it first with float(...)"
    if isinstance(x, complex):
        return f"the complex number {x}; the engine is real: use its .real and .imag"
    if is_node(x):
        return "a Value; use it as it is, or its number: v.data"
    if isinstance(x, list | tuple | set | dict):
        return f"a {type(x).__name__}; make one Value for each number: [Value(x) for x in xs]"
    if hasattr(x, "item"):
        if getattr(x, "ndim", 0) == 0:
            return f"{type(x).__name__}; take its number out first: x.item()"
        return f"an array ({type(x).__name__}); make one Value for each number: [Value(x) for x in xs.tolist()]"
    return f"{type(x).__name__}"


def total(
    function: Callable[[float], float], overflow: Callable[[float], float] = lambda x: inf
) -> Callable[[float], float]:
    """`function` with nan where it is not defined and `overflow(x)` where its result is too large for a float."""

    def rule(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return nan
        except OverflowError:
            return overflow(x)

    rule.__name__ = rule.__qualname__ = function.__name__
    return rule


exp = total(math.exp)
expm1 = total(math.expm1)
sqrt = total(math.sqrt)
sin = total(math.sin)
cos = total(math.cos)
tan = total(math.tan)
asin = total(math.asin)
acos = total(math.acos)
cosh = total(math.cosh)
sinh = total(math.sinh, lambda x: math.copysign(inf, x))


def div(a: float, b: float) -> float:
    try:
        return a / b
    except ZeroDivisionError:
        return nan if a == 0.0 or a != a else math.copysign(inf, a) * math.copysign(1.0, b)


def mod(a: float, b: float) -> float:
    try:
        return a % b
    except ZeroDivisionError:
        return nan


def floordiv(a: float, b: float) -> float:
    try:
        return a // b
    except ZeroDivisionError:
        return div(a, b)


def whole(function: Callable[[float], int]) -> Callable[[float], float]:
    """`function`, which makes a number whole, as a float of the same sign; inf and nan stay."""

    def rule(x: float) -> float:
        return math.copysign(function(x), x) if x - x == 0.0 else x

    rule.__name__ = rule.__qualname__ = function.__name__
    return rule


floor, ceil, trunc, round = whole(math.floor), whole(math.ceil), whole(math.trunc), whole(builtins.round)


def pow(base: float, exponent: float) -> float:
    """base ** exponent as in C99: a fractional power of a negative number is nan, never complex."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -inf if base < 0.0 and exponent % 2.0 == 1.0 else inf
    except ValueError:
        if base != 0.0:
            return nan
        return math.copysign(inf, base) if exponent % 2.0 == 1.0 else inf


def log(x: float) -> float:
    return math.log(x) if x > 0.0 else -inf if x == 0.0 else nan


def log1p(x: float) -> float:
    return math.log1p(x) if x > -1.0 else -inf if x == -1.0 else nan


def asin_slope(x: float) -> float:
    return div(1.0, sqrt((1.0 - x) * (1.0 + x)))


def sigmoid(x: float) -> float:
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)  # at most 1, so nothing overflows
    return e / (1.0 + e)


def sigmoid_slope(x: float) -> float:
    e = math.exp(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def tanh_slope(x: float) -> float:
    return 4.0 * sigmoid_slope(2.0 * x)


def growth(x: float) -> float:
    """(exp(2|x|) - 1) / 4, as exact for small x as for large."""
    x = abs(x)
    return 0.25 * math.expm1(2.0 * x) if x < 20.0 else (half := 0.5 * exp(x)) * half


def softplus(x: float) -> float:
    return (x if x > 0.0 else 0.0) + math.log1p(math.exp(-abs(x)))


def relu(x: float) -> float:
    return 0.0 if x <= 0.0 else x  # nan is not <= 0, so it stays nan


def leaky_relu(x: float, negative_slope: float) -> float:
    return x if x > 0.0 else negative_slope * x


def elu(x: float, alpha: float) -> float:
    return x if x > 0.0 else alpha * math.expm1(x)


def gelu(x: float) -> float:
    return 0.5 * x * math.erfc(-x * math.sqrt(0.5))  # erfc keeps the small tail that 1 + erf loses


def silu(x: float) -> float:
    return x * sigmoid(x)


def sign(x: float) -> float:
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else x + 0.0  # nan stays nan, -0.0 becomes 0.0


def maximum(a: float, b: float) -> float:
    return a if a >= b or a != a else b


def minimum(a: float, b: float) -> float:
    return a if a <= b or a != a else b


def clamp(x: float, low: float, high: float) -> float:
    return minimum(maximum(x, low), high)


def where(condition: float, a: float, b: float) -> float:
    return a if condition else b


# Vectors: an operand that is a sequence of floats


def _loop(xs: Iterable[float], start: float) -> float:
    for x in xs:
        start += x
    return start


left_to_right: Callable[[Iterable[float], float], float] = builtins.sum if sys.version_info < (3, 12) else _loop
"""start + x1 + ... + xn. From Python 3.12 on the built-in compensates, and numbers would depend on the version."""


def sum(xs: Sequence[float]) -> float:
    return left_to_right(xs, 0.0)


def dot(ws: Sequence[float], xs: Sequence[float], bias: float) -> float:
    return left_to_right(map(mul, ws, xs), bias)


def gather(index: float, xs: Sequence[float]) -> float:
    return xs[int(index)] if index in range(len(xs)) else nan


def amax(xs: Sequence[float]) -> float:
    return nan if any(x != x for x in xs) else max(xs)


def logsumexp(xs: Sequence[float]) -> float:
    """log(exp(x1) + ... + exp(xn)); the largest is taken out first, so nothing overflows or is lost beside it."""
    if any(x != x for x in xs):
        return nan
    largest = max(xs)
    if largest in (inf, -inf):
        return largest
    terms = [math.exp(x - largest) for x in xs]
    terms[xs.index(largest)] = 0.0
    return largest + math.log1p(sum(terms))
