"""autograd: a scalar reverse-mode autograd engine. This front door is the table of contents."""

from .compiler import compile as compile  # not in __all__: a star import keeps the built-in
from .checking import GradcheckError, GradcheckWarning, gradcheck
from .drawing import draw_dot, step_through
from .drawing import mimebundle as _mimebundle
from .explaining import explain
from .files import check_files as _check_files
from .files import version as _version
from .functions import abs, amax, dot, gather, linear, log_softmax, logsumexp, mean, pow, round, softmax, sum
from .modes import detect_anomaly, no_grad, trace_source
from .operators import Value
from .ops import (
    acos,
    asin,
    atan,
    atan2,
    ceil,
    clamp,
    cos,
    cosh,
    elu,
    equal,
    erf,
    exp,
    expm1,
    floor,
    gelu,
    greater,
    greater_equal,
    hypot,
    leaky_relu,
    log,
    log1p,
    maximum,
    minimum,
    relu,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softplus,
    sqrt,
    tan,
    tanh,
    trunc,
    where,
)
from .primitives import primitive
from .sweeps import gradients
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

Value._repr_mimebundle_ = _mimebundle  # a notebook shows a Value as its picture
_check_files(__file__)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "compile"])


def __getattr__(name: str) -> str:
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# fmt: off
__all__ = [
    # value, sweeps
    "Value", "gradients",
    # ops and functions
    "exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh",
    "tanh", "sigmoid", "softplus", "relu", "leaky_relu", "elu", "gelu", "silu", "erf", "abs", "sign", "maximum",
    "minimum", "amax", "clamp", "where", "greater", "greater_equal", "equal", "hypot", "pow", "dot", "linear", "gather",
    "floor", "ceil", "trunc", "round", "sum", "mean", "logsumexp", "softmax", "log_softmax",
    # modes
    "no_grad", "detect_anomaly", "trace_source",
    # transforms
    "grad", "value_and_grad", "jacobian", "hessian", "jvp", "vjp", "hvp",
    # checking
    "gradcheck", "GradcheckError", "GradcheckWarning",
    # primitives
    "primitive",
    # drawing
    "draw_dot", "step_through", "explain",
]
# fmt: on
