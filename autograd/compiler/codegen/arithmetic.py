"""Each operation on single numbers, as a rule of simpler ones: adding, multiplying, comparing, choosing, and calling
functions.

A rule is written once, and gets something that writes: LLVM's instructions on vectors, or C. Native code has
polynomials of its own for exp, expm1, log and log1p; all other functions are C's, asked number by number.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

from ... import ops
from ...primitives import Primitive
from ..ir import peephole

LIBRARY = (
    "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "erf", "erfc",
    "atan2", "hypot", "pow", "sqrt", "fabs", "fmod", "floor", "ceil", "trunc", "rint", "copysign",
)  # fmt: skip
"""C's functions."""


class Writer(Protocol):
    """Arithmetic, as a rule of the table below writes it."""

    def __call__(self, x: float) -> Any: ...
    def add(self, a: Any, b: Any) -> Any: ...
    def sub(self, a: Any, b: Any) -> Any: ...
    def mul(self, a: Any, b: Any) -> Any: ...
    def div(self, a: Any, b: Any) -> Any: ...
    def neg(self, x: Any) -> Any: ...
    def above(self, a: Any, b: Any) -> Any:
        """True where a > b; nowhere if one is nan. So with the next two."""

    def at_least(self, a: Any, b: Any) -> Any: ...
    def same(self, a: Any, b: Any) -> Any: ...
    def is_nan(self, x: Any) -> Any: ...
    def true(self, x: Any) -> Any:
        """True where x is not 0; nan is true, as in Python."""

    def either(self, a: Any, b: Any) -> Any: ...
    def choose(self, where: Any, a: Any, b: Any) -> Any: ...
    def call(self, name: str, *xs: Any) -> Any:
        """A function of C's library, or `quarter_expm1`: (exp(x) - 1) / 4 for x >= 0."""


def _one_or_zero(condition: str) -> Callable[..., Any]:
    return lambda v, a, b: v.choose(getattr(v, condition)(a, b), v(1.0), v(0.0))


def _called(name: str) -> Callable[..., Any]:
    return lambda v, *xs: v.call(name, *xs)


def _sign(v: Writer, x: Any) -> Any:
    return v.choose(v.above(x, v(0.0)), v(1.0), v.choose(v.above(v(0.0), x), v(-1.0), v.add(x, v(0.0))))


def _asin_slope(v: Writer, x: Any) -> Any:
    return v.div(v(1.0), v.call("sqrt", v.mul(v.sub(v(1.0), x), v.add(v(1.0), x))))


def _growth(v: Writer, x: Any) -> Any:
    return v.call("quarter_expm1", v.mul(v(2.0), v.call("fabs", x)))


def _tanh_by_growth(v: Writer, x: Any, e: Any) -> Any:
    return v.call("copysign", v.choose(v.above(e, v(peephole.HUGE)), v(1.0), v.div(e, v.add(e, v(0.5)))), x)


def _tanh_slope_by_growth(v: Writer, e: Any) -> Any:
    share = v.div(v(1.0), v.add(e, v(0.5)))
    return v.mul(share, v.sub(v(1.0), v.mul(v(0.25), share)))


def _decay(v: Writer, x: Any) -> Any:
    return v.call("exp", v.neg(v.call("fabs", x)))


def _sigmoid_by_decay(v: Writer, x: Any, e: Any) -> Any:
    return v.div(v.choose(v.at_least(x, v(0.0)), v(1.0), e), v.add(v(1.0), e))


def _sigmoid_slope_by_decay(v: Writer, e: Any) -> Any:
    return v.div(e, v.mul(v.add(v(1.0), e), v.add(v(1.0), e)))


def _softplus(v: Writer, x: Any) -> Any:
    return v.add(v.choose(v.above(x, v(0.0)), x, v(0.0)), v.call("log1p", _decay(v, x)))


def _gelu(v: Writer, x: Any) -> Any:
    return v.mul(v.mul(v(0.5), x), v.call("erfc", v.mul(v.neg(x), v(math.sqrt(0.5)))))


def _shifts(v: Writer, r: Any, b: Any, yes: Any, no: Any) -> Any:
    """yes where C's remainder r has another sign than b, by which Python's differs from it."""
    zero = v(0.0)
    return v.choose(v.above(r, zero), v.choose(v.above(zero, b), yes, no), v.choose(
        v.above(zero, r), v.choose(v.above(b, zero), yes, no), no))  # fmt: skip


def _mod(v: Writer, a: Any, b: Any) -> Any:
    r = v.call("fmod", a, b)
    return v.choose(v.same(r, v(0.0)), v.call("copysign", v(0.0), b), _shifts(v, r, b, v.add(r, b), r))


def _floordiv(v: Writer, a: Any, b: Any) -> Any:
    """As Python's: the quotient of a without its remainder, which is whole but for rounding."""
    r, exact = v.call("fmod", a, b), v.div(a, b)
    q = v.div(v.sub(a, r), b)
    q = _shifts(v, r, b, v.sub(q, v(1.0)), q)
    whole = v.call("floor", q)
    whole = v.choose(v.above(v.sub(q, whole), v(0.5)), v.add(whole, v(1.0)), whole)
    whole = v.choose(v.same(q, v(0.0)), v.call("copysign", v(0.0), exact), whole)
    return v.choose(v.same(b, v(0.0)), exact, whole)


def maximum(v: Writer, a: Any, b: Any) -> Any:
    return v.choose(v.either(v.at_least(a, b), v.is_nan(a)), a, b)


def minimum(v: Writer, a: Any, b: Any) -> Any:
    return v.choose(v.either(v.at_least(b, a), v.is_nan(a)), a, b)


SCALARS: dict[Primitive, Callable[..., Any]] = {
    ops.add: lambda v, a, b: v.add(a, b),
    ops.sub: lambda v, a, b: v.sub(a, b),
    ops.mul: lambda v, a, b: v.mul(a, b),
    ops.div: lambda v, a, b: v.div(a, b),
    ops.mod: _mod,
    ops.floordiv: _floordiv,
    ops.round: _called("rint"),
    ops.neg: lambda v, x: v.neg(x),
    ops.identity: lambda v, x: x,
    ops.abs: lambda v, x: v.call("fabs", x),
    ops.sign: _sign,
    ops.greater: _one_or_zero("above"),
    ops.greater_equal: _one_or_zero("at_least"),
    ops.equal: _one_or_zero("same"),
    ops.where: lambda v, c, a, b: v.choose(v.true(c), a, b),
    ops.maximum: maximum,
    ops.minimum: minimum,
    ops.clamp: lambda v, x, low, high: minimum(v, maximum(v, x, low), high),
    ops.asin_slope: _asin_slope,
    peephole.growth: _growth,
    peephole.tanh_by_growth: _tanh_by_growth,
    peephole.tanh_slope_by_growth: _tanh_slope_by_growth,
    peephole.decay: _decay,
    peephole.sigmoid_by_decay: _sigmoid_by_decay,
    peephole.sigmoid_slope_by_decay: _sigmoid_slope_by_decay,
    ops.softplus: _softplus,
    ops.relu: lambda v, x: v.choose(v.at_least(v(0.0), x), v(0.0), x),
    ops.leaky_relu: lambda v, x, slope: v.choose(v.above(x, v(0.0)), x, v.mul(slope, x)),
    ops.elu: lambda v, x, alpha: v.choose(v.above(x, v(0.0)), x, v.mul(alpha, v.call("expm1", x))),
    ops.gelu: _gelu,
    ops.silu: lambda v, x: v.mul(x, _sigmoid_by_decay(v, x, _decay(v, x))),
    **{getattr(ops, name): _called(name) for name in LIBRARY if hasattr(ops, name)},
}
