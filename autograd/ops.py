"""THE TABLE: every primitive, once, with its forward rule, partial derivatives, and domain.

A partial gets the operands and the result `y`. It is written in primitives itself, so it works on floats in the float
sweeps and on nodes when derivatives are differentiated again. Where something could raise stands a primitive (`div`,
`pow`, `log`); `+ - *` cannot, and are plain operators; a branch between two partials is `choose`.

Conventions at kinks and outside the domain are PyTorch's.
"""

import math
import sys
from typing import Any

from . import floats
from .floats import is_node
from .modes import unknown
from .primitives import Primitive, nothing

any_number = (-3.0, 3.0)
positive = (0.1, 3.0)

# Arithmetic

add = Primitive("add", lambda a, b: a + b, (lambda a, b, y: 1.0, lambda a, b, y: 1.0), symbol="+")
sub = Primitive("sub", lambda a, b: a - b, (lambda a, b, y: 1.0, lambda a, b, y: -1.0), symbol="-")
mul = Primitive("mul", lambda a, b: a * b, (lambda a, b, y: b, lambda a, b, y: a), symbol="*")
div = Primitive(
    "div", floats.div, (lambda a, b, y: div(1.0, b), lambda a, b, y: -div(y, b)), symbol="/",
    domain=(any_number, positive),
)  # fmt: skip
mod = Primitive(
    "mod", floats.mod, (lambda a, b, y: 1.0, lambda a, b, y: -floordiv(a, b)), symbol="%",
    domain=((0.5, 2.9), (3.0, 5.0)),
)  # fmt: skip
floordiv = Primitive("floordiv", floats.floordiv, (nothing, nothing), symbol="//", domain=(any_number, positive))
floor = Primitive("floor", floats.floor, (nothing,), doc="The next whole number below; no derivative.")
ceil = Primitive("ceil", floats.ceil, (nothing,), doc="The next whole number above; no derivative.")
trunc = Primitive("trunc", floats.trunc, (nothing,), doc="The whole number towards 0; no derivative.")
round = Primitive("round", floats.round, (nothing,), doc="The nearest whole number, even at halves; no derivative.")
neg = Primitive("neg", lambda x: -x, (lambda x, y: -1.0,), doc="-x.")
identity = Primitive("identity", lambda x: x, (lambda x, y: 1.0,), symbol="id", doc="x, as a node of its own.")
abs = Primitive("abs", math.fabs, (lambda x, y: sign(x),), doc="|x|, with derivative 0 at 0.")
sign = Primitive("sign", floats.sign, (nothing,), doc="-1, 0 or 1; no derivative.")
sqrt = Primitive("sqrt", floats.sqrt, (lambda x, y: div(0.5, y),), (positive,), doc="The square root; nan below 0.")


def _share_of_hypot(a: Any, b: Any, y: Any) -> Any:
    """a / y; where |a| > |b| in a form whose derivative does not cancel."""
    is_larger = greater(abs(a), abs(b)) * greater(math.inf, y)
    return choose(is_larger, div(sign(a), hypot(1.0, div(b, a))), div(a, y))


hypot = Primitive(
    "hypot", math.hypot, (_share_of_hypot, lambda a, b, y: _share_of_hypot(b, a, y)),
    textbook=(lambda a, b, y: div(a, y), lambda a, b, y: div(b, y)),
    doc="sqrt(a**2 + b**2) without overflow on the way.",
)  # fmt: skip

# Exponentials and logarithms

exp = Primitive("exp", floats.exp, (lambda x, y: y,), doc="e**x; inf above 709.78.")
expm1 = Primitive("expm1", floats.expm1, (lambda x, y: exp(x),), doc="e**x - 1, exact for small x.")
log = Primitive(
    "log", floats.log, (lambda x, y: div(1.0, x),), (positive,), doc="Natural logarithm; log(0) = -inf, nan below 0."
)
log1p = Primitive(
    "log1p", floats.log1p, (lambda x, y: div(1.0, 1.0 + x),), ((-0.9, 3.0),), doc="log(1 + x), exact for small x."
)


def _slope_of_power(b: Any, slope: Any) -> Any:
    """At exponent 0 nothing flows to the base; but where the exponent is a node, the slope still varies with it."""
    if is_node(b):
        return choose(b, slope, choose(equal(slope, slope), slope + 0.0))  # 0.0 is what -0.0 becomes
    return choose(b, slope)


pow = Primitive(
    "pow", floats.pow,
    (lambda a, b, y: _slope_of_power(b, b * pow(a, b - 1.0)),
     lambda a, b, y: choose(equal(a, 0.0) * greater_equal(b, 0.0), None, y * log(a))),
    symbol="**", domain=(positive, any_number),
)  # fmt: skip

# Trigonometry

sin = Primitive("sin", floats.sin, (lambda x, y: cos(x),), doc="Sine of x in radians.")
cos = Primitive("cos", floats.cos, (lambda x, y: -sin(x),), doc="Cosine of x in radians.")
tan = Primitive("tan", floats.tan, (lambda x, y: 1.0 + y * y,), ((-1.4, 1.4),), doc="Tangent of x in radians.")
asin = Primitive(
    "asin", floats.asin, (lambda x, y: asin_slope(x),), ((-0.9, 0.9),),
    textbook=(lambda x, y: div(1.0, sqrt(1.0 - x * x)),), doc="Inverse sine, in radians; nan outside [-1, 1].",
)  # fmt: skip
acos = Primitive(
    "acos", floats.acos, (lambda x, y: -asin_slope(x),), ((-0.9, 0.9),),
    textbook=(lambda x, y: -div(1.0, sqrt(1.0 - x * x)),), doc="Inverse cosine, in radians; nan outside [-1, 1].",
)  # fmt: skip
asin_slope = Primitive(
    "asin_slope", floats.asin_slope, (lambda x, y: x * y * y * y,), ((-0.9, 0.9),), symbol="asin'",
    doc="The derivative of asin, 1 / sqrt(1 - x**2), as exact at the ends as next to 0.",
)  # fmt: skip
atan = Primitive("atan", math.atan, (lambda x, y: div(1.0, 1.0 + x * x),), doc="Inverse tangent, in radians.")
atan2 = Primitive(
    "atan2", math.atan2,
    (lambda a, b, y: choose(equal(hypot(a, b), 0.0), None, div(div(b, hypot(a, b)), hypot(a, b))),
     lambda a, b, y: choose(equal(hypot(a, b), 0.0), None, -div(div(a, hypot(a, b)), hypot(a, b)))),
    doc="The angle of the point with ordinate a and abscissa b, in radians; derivatives 0 at the origin.",
)  # fmt: skip
sinh = Primitive("sinh", floats.sinh, (lambda x, y: cosh(x),), doc="Hyperbolic sine.")
cosh = Primitive("cosh", floats.cosh, (lambda x, y: sinh(x),), doc="Hyperbolic cosine.")


def _slope_of_tanh(x: Any, y: Any) -> Any:
    """1 - y**2, but for the ends, where that cancels. While numbers are not known, the compiler chooses."""
    return 1.0 - y * y if (type(y) is float or unknown() is None) and -0.9 < y < 0.9 else tanh_slope(x)


tanh = Primitive(
    "tanh", math.tanh, (_slope_of_tanh,), textbook=(lambda x, y: 1.0 - y * y,), doc="Hyperbolic tangent, in [-1, 1].",
)  # fmt: skip
tanh_slope = Primitive(
    "tanh_slope", floats.tanh_slope, (lambda x, y: -2.0 * y * tanh(x),), symbol="tanh'",
    doc="The derivative of tanh, 1 / cosh(x)**2, as exact for large x as for small.",
)  # fmt: skip

# Activations


def _slope_of_sigmoid(x: Any, y: Any) -> Any:
    """y (1 - y), in another form where that, or its own derivative, would cancel."""
    return y * (1.0 - y) if type(y) is float and y < 0.9 else sigmoid_slope(x)


sigmoid = Primitive(
    "sigmoid", floats.sigmoid, (_slope_of_sigmoid,), textbook=(lambda x, y: y * (1.0 - y),),
    doc="1 / (1 + exp(-x)), without overflow.",
)  # fmt: skip
sigmoid_slope = Primitive(
    "sigmoid_slope", floats.sigmoid_slope, (lambda x, y: -y * tanh(0.5 * x),), symbol="sigmoid'",
    doc="The derivative of sigmoid, as exact for large x as for small.",
)  # fmt: skip
softplus = Primitive("softplus", floats.softplus, (lambda x, y: sigmoid(x),), doc="log(1 + exp(x)), exact at every x.")
relu = Primitive("relu", floats.relu, (lambda x, y: choose(y, 1.0),), doc="max(x, 0), with derivative 0 at 0.")
leaky_relu = Primitive(
    "leaky_relu", floats.leaky_relu,
    (lambda x, negative_slope, y: choose(greater(x, 0.0), 1.0, negative_slope),
     lambda x, negative_slope, y: choose(greater(x, 0.0), None, x)),
    parameters={"negative_slope": 0.01},
    doc="x above 0, negative_slope * x elsewhere.",
)  # fmt: skip
elu = Primitive(
    "elu", floats.elu,
    (lambda x, alpha, y: choose(greater(x, 0.0), 1.0, alpha * exp(x)),
     lambda x, alpha, y: choose(greater(x, 0.0), None, expm1(x))),
    parameters={"alpha": 1.0},
    doc="x above 0, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2015).",
)  # fmt: skip
gelu = Primitive(
    "gelu", floats.gelu,
    (lambda x, y: where(greater(x, -1.0), 0.5 * (1.0 + erf(x * math.sqrt(0.5))), div(y, x))  # y / x keeps the tail
     + x * exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi)),),
    doc="x times the normal distribution's probability of being below x: the erf form (Hendrycks and Gimpel 2016).",
)  # fmt: skip
silu = Primitive(
    "silu", floats.silu, (lambda x, y: sigmoid(x) + x * sigmoid_slope(x),),
    doc="x * sigmoid(x), also known as swish.",
)  # fmt: skip
erf = Primitive("erf", math.erf, (lambda x, y: 2 / math.sqrt(math.pi) * exp(-(x * x)),), doc="The error function.")

# Choosing: nothing flows to what was not chosen


def choose(condition: Any, a: Any, b: Any = None) -> Any:
    """One of two partials; None: nothing flows. Unlike `where` it multiplies nothing with zero."""
    if type(condition) is not float and (answers := unknown()) is not None:
        return answers.choose(condition, a, b)
    return a if condition else b


greater = Primitive(
    "greater", lambda a, b: 1.0 if a > b else 0.0, (nothing, nothing), symbol=">",
    doc="1.0 where a > b, else 0.0; no derivative.",
)  # fmt: skip
greater_equal = Primitive(
    "greater_equal", lambda a, b: 1.0 if a >= b else 0.0, (nothing, nothing), symbol=">=",
    doc="1.0 where a >= b, else 0.0; no derivative.",
)  # fmt: skip
equal = Primitive(
    "equal", lambda a, b: 1.0 if a == b else 0.0, (nothing, nothing), symbol="==",
    doc="1.0 where a == b, else 0.0; no derivative.",
)  # fmt: skip
where = Primitive(
    "where", floats.where, (nothing, lambda c, a, b, y: choose(c, 1.0), lambda c, a, b, y: choose(c, None, 1.0)),
    doc="a where the condition is true, else b. Nothing flows to the branch not taken, not even nan.",
)  # fmt: skip
maximum = Primitive(
    "maximum", floats.maximum,
    (lambda a, b, y: choose(greater(b, a), None, where(equal(a, b), 0.5, 1.0)),
     lambda a, b, y: choose(greater(a, b), None, where(equal(a, b), 0.5, 1.0))),
    symbol="max", doc="The larger of two; nan if either is. Equal operands share the gradient, half each.",
)  # fmt: skip
minimum = Primitive(
    "minimum", floats.minimum,
    (lambda a, b, y: choose(greater(a, b), None, where(equal(a, b), 0.5, 1.0)),
     lambda a, b, y: choose(greater(b, a), None, where(equal(a, b), 0.5, 1.0))),
    symbol="min", doc="The smaller of two; nan if either is. Equal operands share the gradient, half each.",
)  # fmt: skip
clamp = Primitive(
    "clamp", floats.clamp,
    (lambda x, low, high, y: choose(greater_equal(x, low) * greater_equal(high, x), 1.0),
     lambda x, low, high, y: choose(greater(low, x) * greater_equal(high, low), 1.0),
     lambda x, low, high, y: choose(greater(maximum(x, low), high), 1.0)),
    (any_number, (-2.0, -1.0), (1.0, 2.0)), parameters={"min": -math.inf, "max": math.inf},
    doc="x held between min and max; both ends still pass the gradient.",
)  # fmt: skip


# Vectors: an operand that is a tuple of numbers; its partial is the sequence of the derivatives by each of them

sum = Primitive("sum", floats.sum, (lambda xs, y: [1.0] * len(xs),), vectors=(0,))
dot = Primitive(
    "dot", floats.dot, (lambda ws, xs, bias, y: xs, lambda ws, xs, bias, y: ws, lambda ws, xs, bias, y: 1.0),
    vectors=(0, 1),
)  # fmt: skip
gather = Primitive(
    "gather", floats.gather,
    (nothing, lambda index, xs, y: [choose(equal(index, float(i)), 1.0) for i in range(len(xs))]),
    ((0.0, 0.0), any_number), vectors=(1,), symbol="[]", doc="xs[index] by a whole number; nan for any other index.",
)  # fmt: skip


def _equal_shares(xs: Any, y: Any) -> list[Any]:
    """1 for the largest; the equally large ones share it, and nothing flows to the others."""
    hits = [equal(x, y) for x in xs]
    share = div(1.0, sum(tuple(hits)))
    return [choose(hit, share) for hit in hits]


amax = Primitive("amax", floats.amax, (_equal_shares,), vectors=(0,), symbol="max")


def log_shares(xs: Any) -> list[Any]:
    """x - logsumexp(xs) for each x, exact where a share or its distance from 1 is too small to be seen beside 1: that
    of the largest x is found from the others alone."""
    if unknown() is not None and any(map(is_node, xs)):
        return _log_shares_of_unknown(xs)
    k = 0
    for i, x in enumerate(xs):
        k = i if x > xs[k] else k
    if not -math.inf < xs[k] < math.inf:
        total = logsumexp(tuple(xs))
        shifted = [x - total for x in xs]
        rest = logsumexp(tuple(shifted))
        return [x - rest for x in shifted]
    apart = [x - xs[k] for x in xs]
    rest = softplus(logsumexp((*apart[:k], *apart[k + 1 :], -math.inf)))
    return [(0.0 if i == k and len(xs) > 1 else x) - rest for i, x in enumerate(apart)]  # of one node, a node


def _log_shares_of_unknown(xs: Any) -> list[Any]:
    """The same, where it is not known which x is the largest; several may be."""
    largest = amax(tuple(xs))
    apart = [x - largest for x in xs]
    hits = [equal(x, 0.0) for x in apart]
    count = sum(tuple(hits))
    alone = equal(count, 1.0)
    others = sum(tuple([where(hit, 0.0, exp(x)) for hit, x in zip(hits, apart, strict=True)]))
    rest = log1p(others + (count - 1.0))
    return [where(hit * alone, 0.0, x) - rest for hit, x in zip(hits, apart, strict=True)]


def _shares(xs: Any, y: Any) -> list[Any]:
    """exp(x - y) for each x, divided by their sum: that is 1 but for what y, next to huge xs, has lost by rounding. 0
    if all are -inf."""
    if is_node(y) and unknown() is None and -math.inf < y < math.inf:  # to be differentiated again
        return [exp(x) for x in log_shares(xs)]
    y = maximum(y, -sys.float_info.max)
    terms = [exp(x - y) for x in xs]
    total = sum(tuple(terms))
    scale = where(greater(total, 0.0), div(1.0, total), 1.0)  # so that nan stays where it came from
    return [term * scale for term in terms]


logsumexp = Primitive(
    "logsumexp", floats.logsumexp, (_shares,), textbook=(lambda xs, y: [exp(x - y) for x in xs],), vectors=(0,)
)
