"""LLVM's instructions on vectors of doubles, and exp, expm1, log and log1p made of them.

Native results are held against `floats.py`: special numbers exactly, others within two units in the last place.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir


def declared(module: ir.Module, name: str, kind: ir.FunctionType) -> ir.Function:
    """The function of that name, which another module or LLVM itself has."""
    return module.globals.get(name) or ir.Function(module, kind, name)


class Vectors:
    """The `Writer` of `arithmetic.py` for vectors of doubles."""

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
        """True where a > b; nowhere if one is nan."""
        return self.b.fcmp_ordered(">", a, b)

    def at_least(self, a: Any, b: Any) -> Any:
        return self.b.fcmp_ordered(">=", a, b)

    def same(self, a: Any, b: Any) -> Any:
        return self.b.fcmp_ordered("==", a, b)

    def is_nan(self, x: Any) -> Any:
        return self.b.fcmp_unordered("uno", x, x)

    def true(self, x: Any) -> Any:
        """True where x is not 0; nan is true, as in Python."""
        return self.b.fcmp_unordered("!=", x, self(0.0))

    def either(self, a: Any, b: Any) -> Any:
        return self.b.or_(a, b)

    def choose(self, where: Any, a: Any, b: Any) -> Any:
        return self.b.select(where, a, b)

    def intrinsic(self, name: str, *xs: Any) -> Any:
        full = f"llvm.{name}.v{self.kind.count}f64"
        return self.b.call(declared(self.module, full, ir.FunctionType(self.kind, [self.kind] * len(xs))), xs)

    def copysign(self, size: Any, sign: Any) -> Any:
        return self.intrinsic("copysign", size, sign)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, rounded once where the machine can."""
        return self.intrinsic("fmuladd", a, b, c)

    def whole(self, x: int) -> ir.Value:
        """A whole number in every lane."""
        return ir.Constant(ir.VectorType(ir.IntType(64), self.kind.count), [x] * self.kind.count)

    def bits(self, x: Any) -> Any:
        return self.b.bitcast(x, self.whole(0).type)

    def from_bits(self, x: Any) -> Any:
        return self.b.bitcast(x, self.kind)

    def call(self, name: str, *xs: Any) -> Any:
        """A polynomial of our own, an instruction, or C's function of each number."""
        if name in POLYNOMIALS:
            return POLYNOMIALS[name](self, *xs)
        if name in ("sqrt", "fabs", "floor", "ceil", "trunc", "rint", "copysign"):
            return self.intrinsic(name, *xs)
        double = ir.DoubleType()
        function = declared(self.module, name, ir.FunctionType(double, [double] * len(xs)))
        result = ir.Constant(self.kind, ir.Undefined)
        for i in range(self.kind.count):
            lane = ir.Constant(ir.IntType(32), i)
            y = self.b.call(function, [self.b.extract_element(x, lane) for x in xs])
            result = self.b.insert_element(result, y, lane)
        return result


# Polynomials with range reduction

LOG2E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""log2(e), and ln(2) in two parts, of which the first has zeros at its end, so that multiples of it are exact."""
ROUNDING = 6755399441055744.0
"""1.5 x 2**52: what is added to it is rounded to a whole number, which then stands in the last bits."""
TAYLOR = [1.0 / math.factorial(k) for k in range(2, 14)]
"""Of exp, from r**2 on: the rest is below 1e-17 for |r| < ln(2) / 2."""
LOG_COEFFICIENTS = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
"""Of log(1 + f) in powers of s**2, s = f / (2 + f), minimax on sqrt(1/2) < 1 + f < sqrt(2) (Sun's fdlibm)."""


def _polynomial(v: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """c0 + c1 x + ..., as two chains that run side by side: one of the even powers, one of the odd."""
    square, chains = v.mul(x, x), []
    for chosen in (coefficients[::2], coefficients[1::2]):
        result = v(chosen[-1])
        for c in reversed(chosen[:-1]):
            result = v.fma(result, square, v(c))
        chains.append(result)
    return v.fma(chains[1], x, chains[0])


def _at_most(v: Any, x: Any, limit: float) -> Any:
    return v.choose(v.above(x, v(limit)), v(limit), x)


def _split_by_ln2(v: Any, x: Any) -> tuple[Any, Any]:
    """(exp(r) - 1, n) with x = n ln(2) + r: the n that stands in a vector of whole numbers."""
    shifted = v.fma(x, v(LOG2E), v(ROUNDING))
    n = v.sub(shifted, v(ROUNDING))
    r = v.fma(n, v(-LN2_LOW), v.fma(n, v(-LN2_HIGH), x))
    curve = v.fma(v.mul(r, r), _polynomial(v, r, TAYLOR), r)
    return curve, v.b.sub(v.bits(shifted), v.bits(v(ROUNDING)))


def _power_of_two(v: Any, n: Any) -> Any:
    """2**n for whole numbers from -1022 to 1023."""
    return v.from_bits(v.b.shl(v.b.add(n, v.whole(1023)), v.whole(52)))


def _exp(v: Any, x: Any) -> Any:
    vanishes = v.above(v(-746.0), x)  # and is computed as exp(0): what underflows takes a processor a hundred cycles
    x = _at_most(v, v.choose(vanishes, v(0.0), x), 710.0)
    curve, n = _split_by_ln2(v, x)
    half = v.b.ashr(n, v.whole(1))  # in two steps, so that neither 2**1024 nor a number below 2**-1022 is needed
    rest = v.b.sub(n, half)
    result = v.mul(v.mul(v.add(v(1.0), curve), _power_of_two(v, half)), _power_of_two(v, rest))
    return v.choose(vanishes, v(0.0), result)


def _log(v: Any, x: Any) -> Any:
    tiny = v.above(v(2.0**-1022), x)
    bits = v.bits(v.choose(tiny, v.mul(x, v(2.0**54)), x))
    # m between sqrt(1/2) and sqrt(2): its bits begin at those of sqrt(1/2)
    start = v.whole(0x3FE6A09E667F3BCD)
    exponent = v.b.ashr(v.b.sub(bits, start), v.whole(52))
    m = v.from_bits(v.b.sub(bits, v.b.shl(exponent, v.whole(52))))
    e = v.sub(v.from_bits(v.b.add(exponent, v.bits(v(ROUNDING)))), v(ROUNDING))
    e = v.choose(tiny, v.sub(e, v(54.0)), e)
    f = v.sub(m, v(1.0))
    s = v.div(f, v.add(v(2.0), f))
    z = v.mul(s, s)
    half = v.mul(v.mul(v(0.5), f), f)
    curve = v.mul(s, v.add(half, v.mul(z, _polynomial(v, z, LOG_COEFFICIENTS))))
    low = v.add(curve, v.mul(e, v(LN2_LOW)))
    result = v.sub(v.mul(e, v(LN2_HIGH)), v.sub(v.sub(half, low), f))
    result = v.choose(v.same(x, v(math.inf)), x, result)
    result = v.choose(v.above(x, v(0.0)), result, v(math.nan))
    return v.choose(v.same(x, v(0.0)), v(-math.inf), result)


def _log1p(v: Any, x: Any) -> Any:
    u = v.add(v(1.0), x)
    lost = v.div(v.sub(x, v.sub(u, v(1.0))), u)  # by rounding
    plain = v.either(v.same(u, v(0.0)), v.same(u, v(math.inf)))
    result = _log(v, u)
    result = v.choose(plain, result, v.add(result, lost))
    return v.choose(v.same(x, v(0.0)), x, result)


def _expm1(v: Any, x: Any, times: float = 1.0) -> Any:
    curve, n = _split_by_ln2(v, _at_most(v, v.choose(v.above(v(-40.0), x), v(-40.0), x), 713.0))
    scale = _power_of_two(v, v.b.sub(n, v.whole(6)))  # a part of it, so that 2**1024 is not needed
    result = v.mul(v(64.0 * times), v.fma(scale, curve, v.sub(scale, v(1.0 / 64.0))))
    small = x if times == 1.0 else v.mul(v(times), x)
    return v.choose(v.above(v(2.0**-54), v.call("fabs", x)), small, result)


def _quarter_expm1(v: Any, x: Any) -> Any:
    return _expm1(v, x, 0.25)


POLYNOMIALS: dict[str, Callable[..., Any]] = {
    "exp": _exp, "expm1": _expm1, "quarter_expm1": _quarter_expm1, "log": _log, "log1p": _log1p,
}  # fmt: skip
