"""What each operation on single numbers is made of natively: adding, multiplying, comparing and choosing, in vectors.

exp, log, tanh and what is made of them are computed here; all others ask C's library for each number.
Native results are held against `floats.py`, special numbers exactly.
"""

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from .. import ops
from ..primitives import Primitive

LIBRARY = (
    "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "erf", "erfc",
    "atan2", "hypot", "pow",
)  # fmt: skip
"""C's functions that are called number by number."""


class Vectors:
    """Arithmetic on vectors of doubles, as a rule of the table below writes it."""

    def __init__(self, b: ir.IRBuilder, module: ir.Module, kind: ir.VectorType) -> None:
        self.b, self.module, self.kind = b, module, kind

    def __call__(self, x: float) -> ir.Value:
        """A constant."""
        return ir.Constant(self.kind, [x] * self.kind.count)

    def add(self, a: Any, b: Any) -> Any:
        return self.b.fadd(a, b)

    def sub(self, a: Any, b: Any) -> Any:
        return self.b.fsub(a, b)

    def mul(self, a: Any, b: Any) -> Any:
        return self.b.fmul(a, b)

    def div(self, a: Any, b: Any) -> Any:
        return self.b.fdiv(a, b)

    def neg(self, x: Any) -> Any:
        return self.b.fneg(x)

    def above(self, a: Any, b: Any) -> Any:
        """Where a > b; nowhere if one is nan."""
        return self.b.fcmp_ordered(">", a, b)

    def at_least(self, a: Any, b: Any) -> Any:
        return self.b.fcmp_ordered(">=", a, b)

    def same(self, a: Any, b: Any) -> Any:
        return self.b.fcmp_ordered("==", a, b)

    def is_nan(self, x: Any) -> Any:
        return self.b.fcmp_unordered("uno", x, x)

    def true(self, x: Any) -> Any:
        """Where x is not 0; nan is true, as in Python."""
        return self.b.fcmp_unordered("!=", x, self(0.0))

    def either(self, a: Any, b: Any) -> Any:
        return self.b.or_(a, b)

    def choose(self, where: Any, a: Any, b: Any) -> Any:
        return self.b.select(where, a, b)

    def intrinsic(self, name: str, *xs: Any) -> Any:
        full = f"llvm.{name}.v{self.kind.count}f64"
        found = self.module.globals.get(full)
        function = found or ir.Function(self.module, ir.FunctionType(self.kind, [self.kind] * len(xs)), full)
        return self.b.call(function, xs)

    def abs(self, x: Any) -> Any:
        return self.intrinsic("fabs", x)

    def library(self, name: str, *xs: Any) -> Any:
        """C's function of each number."""
        double = ir.DoubleType()
        found = self.module.globals.get(name)
        function = found or ir.Function(self.module, ir.FunctionType(double, [double] * len(xs)), name)
        result = ir.Constant(self.kind, ir.Undefined)
        for i in range(self.kind.count):
            lane = ir.Constant(ir.IntType(32), i)
            y = self.b.call(function, [self.b.extract_element(x, lane) for x in xs])
            result = self.b.insert_element(result, y, lane)
        return result


def _one_or_zero(condition: str) -> Callable[..., Any]:
    return lambda v, a, b: v.choose(getattr(v, condition)(a, b), v(1.0), v(0.0))


def _library(name: str) -> Callable[..., Any]:
    return lambda v, *xs: v.library(name, *xs)


def _sign(v: Vectors, x: Any) -> Any:
    return v.choose(v.above(x, v(0.0)), v(1.0), v.choose(v.above(v(0.0), x), v(-1.0), v.add(x, v(0.0))))


def _sigmoid(v: Vectors, x: Any) -> Any:
    e = v.library("exp", v.neg(v.abs(x)))  # at most 1, so nothing overflows
    return v.div(v.choose(v.at_least(x, v(0.0)), v(1.0), e), v.add(v(1.0), e))


def _softplus(v: Vectors, x: Any) -> Any:
    tail = v.library("log1p", v.library("exp", v.neg(v.abs(x))))
    return v.add(v.choose(v.above(x, v(0.0)), x, v(0.0)), tail)


def _gelu(v: Vectors, x: Any) -> Any:
    return v.mul(v.mul(v(0.5), x), v.library("erfc", v.mul(v.neg(x), v(math.sqrt(0.5)))))


def _maximum(v: Vectors, a: Any, b: Any) -> Any:
    return v.choose(v.either(v.at_least(a, b), v.is_nan(a)), a, b)


def _minimum(v: Vectors, a: Any, b: Any) -> Any:
    return v.choose(v.either(v.at_least(b, a), v.is_nan(a)), a, b)


def _pow(v: Vectors, base: Any, exponent: Any) -> Any:
    if isinstance(exponent, ir.Constant):
        return v.library("pow", base, exponent)
    return v.library("pow", base, exponent)


SCALARS: dict[Primitive, Callable[..., Any]] = {
    ops.add: Vectors.add,
    ops.sub: Vectors.sub,
    ops.mul: Vectors.mul,
    ops.div: Vectors.div,
    ops.pow: _pow,
    ops.neg: Vectors.neg,
    ops.identity: lambda v, x: x,
    ops.abs: Vectors.abs,
    ops.sign: _sign,
    ops.sqrt: lambda v, x: v.intrinsic("sqrt", x),
    ops.greater: _one_or_zero("above"),
    ops.greater_equal: _one_or_zero("at_least"),
    ops.equal: _one_or_zero("same"),
    ops.where: lambda v, c, a, b: v.choose(v.true(c), a, b),
    ops.maximum: _maximum,
    ops.minimum: _minimum,
    ops.clamp: lambda v, x, low, high: _minimum(v, _maximum(v, x, low), high),
    ops.sigmoid: _sigmoid,
    ops.softplus: _softplus,
    ops.relu: lambda v, x: v.choose(v.b.fcmp_ordered("<=", x, v(0.0)), v(0.0), x),
    ops.leaky_relu: lambda v, x, slope: v.choose(v.above(x, v(0.0)), x, v.mul(slope, x)),
    ops.elu: lambda v, x, alpha: v.choose(v.above(x, v(0.0)), x, v.mul(alpha, v.library("expm1", x))),
    ops.gelu: _gelu,
    ops.silu: lambda v, x: v.mul(x, _sigmoid(v, x)),
    **{getattr(ops, name): _library(name) for name in LIBRARY if name != "pow" and hasattr(ops, name)},
}
