"""Functions whose signature is friendlier than their primitive's: over lists, or shared with a built-in.

`abs`, `pow`, `round` and `sum` stand in for the built-ins of the same name: on plain numbers the result is the
built-in's own.
"""

import builtins
from collections.abc import Iterable, Sequence
from typing import Any, overload

from . import ops
from .floats import as_float, is_node
from .primitives import N, hook


@overload
def abs(x: float, /) -> float: ...
@overload
def abs(x: N, /) -> N: ...
def abs(x: Any, /) -> Any:
    """|x|. With a Value the derivative is sign(x), 0 at 0; with a plain number this is the built-in."""
    return ops.abs(x) if hook((x,)) else builtins.abs(x)


@overload
def pow(base: float, exp: float) -> float: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def pow(base: N | float, exp: N | float) -> N: ...
@overload
def pow(base: Any, exp: Any, mod: Any = None) -> Any: ...
def pow(base: Any, exp: Any, mod: Any = None) -> Any:
    """base ** exp. With a Value a fractional power of a negative number is nan; with plain numbers this is the
    built-in.

    Raises TypeError for a Value together with `mod`.
    """
    if not hook((base, exp, mod)):
        return builtins.pow(base, exp, mod)
    if mod is not None:
        raise TypeError("pow of a Value takes no modulus: pow(base, exp)")
    return ops.pow(base, exp)


def round(number: Any, ndigits: Any = None) -> Any:
    """The nearest whole number, even at halves. With a Value there is no derivative, and TypeError for a number of
    digits; with a plain number this is the built-in."""
    if not is_node(number):
        return builtins.round(number, ndigits)
    return number.__round__(ndigits)


@overload
def sum(iterable: Iterable[float], /, start: float = 0) -> float: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def sum(iterable: Iterable[N | float], /, start: N | float = 0) -> N: ...
@overload
def sum(iterable: Iterable[Any], /, start: Any = 0) -> Any: ...
def sum(iterable: Iterable[Any], /, start: Any = 0) -> Any:
    """start + x1 + ... + xn, added from left to right, as one node. With plain numbers this is the built-in.

    >>> from autograd import Value, sum
    >>> sum([Value(1.0), Value(2.0), 3.0])
    Value(data=6.0, grad=0.0)
    >>> sum([1, 2, 3])
    6
    """
    xs = tuple(iterable)
    if not hook((*xs, start)):
        return builtins.sum(xs, start)
    return ops.sum(tuple(xs)) if type(start) is int and start == 0 else ops.sum((start, *xs))


@overload
def mean(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def mean(xs: Iterable[N | float]) -> N: ...
@overload
def mean(xs: Iterable[Any]) -> Any: ...
def mean(xs: Iterable[Any]) -> Any:
    """(x1 + ... + xn) / n for n >= 1 numbers or Values. Raises ValueError for none."""
    xs = _some(xs, "mean")
    return ops.div(ops.sum(xs), len(xs))


@overload
def dot(ws: Sequence[float], xs: Sequence[float], bias: float = 0.0) -> float: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def dot(ws: Sequence[N | float], xs: Sequence[N | float], bias: N | float = 0.0) -> N: ...
@overload
def dot(ws: Sequence[Any], xs: Sequence[Any], bias: Any = 0.0) -> Any: ...
def dot(ws: Sequence[Any], xs: Sequence[Any], bias: Any = 0.0) -> Any:
    """bias + w1 x1 + ... + wn xn as one node: a neuron before its activation.

    ws, xs: two sequences of the same length n >= 0. Raises ValueError if the lengths differ.

    >>> from autograd import Value, dot
    >>> w = [Value(2.0), Value(3.0)]
    >>> y = dot(w, [10.0, 100.0], bias=1.0)
    >>> y.backward()
    >>> y.data, [v.grad for v in w]
    (321.0, [10.0, 100.0])
    """
    if len(ws) != len(xs):
        raise ValueError(f"dot expected two sequences of the same length, got {len(ws)} and {len(xs)}")
    return ops.dot(tuple(ws), tuple(xs), bias)


def linear(x: Sequence[Any], weight: Sequence[Sequence[Any]], bias: Sequence[Any] | None = None) -> list[Any]:
    """[dot(w, x, b) for each row w of the weight and its b]: a layer before its activation, faster than row by row.

    x: n numbers. weight: m rows of n. bias: m numbers, or None. Raises ValueError if the lengths do not fit.

    >>> linear([1.0, 2.0], [[10.0, 1.0], [0.0, 1.0]], [0.5, 0.0])
    [12.5, 2.0]
    """
    bias = [0.0] * len(weight) if bias is None else bias
    if len(bias) != len(weight) or {*map(len, weight)} - {len(x)}:
        raise ValueError(
            f"linear expected, for {len(x)} numbers and {len(bias)} biases, {len(bias)} rows of {len(x)} weights, "
            f"got {len(weight)} rows of {sorted({*map(len, weight)})}"
        )
    x = tuple(x)
    return ops.dot.map([(tuple(w), x, b) for w, b in zip(weight, bias, strict=True)])


def gather(values: Sequence[Any], index: int) -> Any:
    """values[index] by a whole number from 0 to n - 1: an embedding's row, the right class's logit. A look-up records
    nothing, unless the index is one that is known only when a compiled program runs.

    Raises TypeError if the index is no whole number, and IndexError if it is out of range; a negative one is.

    >>> gather([[0.1, 0.2], [0.3, 0.4]], 1)
    [0.3, 0.4]
    """
    if not hasattr(index, "__index__"):
        hint = "; what is compiled takes whole numbers in the data for indices" * is_node(index)
        raise TypeError(f"gather expected a whole number as index, got {index!r} ({type(index).__name__}){hint}")
    if is_node(index):  # known only when a compiled program runs
        if len(values) and isinstance(values[0], list | tuple):
            return [gather(column, index) for column in zip(*values, strict=True)]
        return ops.gather(index, tuple(values))
    if not 0 <= index < len(values):
        raise IndexError(f"gather expected an index from 0 to {len(values) - 1}, got {index}")
    return values[index]


@overload
def amax(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def amax(xs: Iterable[N | float]) -> N: ...
@overload
def amax(xs: Iterable[Any]) -> Any: ...
def amax(xs: Iterable[Any]) -> Any:
    """The largest of n >= 1 numbers, as one node; nan if one is. Equally large ones share the gradient. Raises
    ValueError for none."""
    return ops.amax(_some(xs, "amax"))


@overload
def logsumexp(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def logsumexp(xs: Iterable[N | float]) -> N: ...
@overload
def logsumexp(xs: Iterable[Any]) -> Any: ...
def logsumexp(xs: Iterable[Any]) -> Any:
    """log(exp(x1) + ... + exp(xn)) for n >= 1, without overflow, as one node. Of only -inf it is -inf, with gradient
    0. Raises ValueError for none."""
    return ops.logsumexp(_some(xs, "logsumexp"))


@overload
def softmax(xs: Iterable[float]) -> list[float]: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def softmax(xs: Iterable[N | float]) -> list[N]: ...
@overload
def softmax(xs: Iterable[Any]) -> list[Any]: ...
def softmax(xs: Iterable[Any]) -> list[Any]:
    """[exp(x1), ..., exp(xn)] divided by their sum: n >= 1 probabilities that add up to 1. Raises ValueError for
    none."""
    return [ops.exp(x) for x in log_softmax(xs)]


@overload
def log_softmax(xs: Iterable[float]) -> list[float]: ...  # type: ignore[overload-overlap]  # floats fit both
@overload
def log_softmax(xs: Iterable[N | float]) -> list[N]: ...
@overload
def log_softmax(xs: Iterable[Any]) -> list[Any]: ...
def log_softmax(xs: Iterable[Any]) -> list[Any]:
    """The logarithms of `softmax`, x - logsumexp(xs), exact where a probability is too small for a float, or too close
    to 1."""
    return ops.log_shares([x if type(x) is float or is_node(x) else as_float(x) for x in _some(xs, "log_softmax")])


def _some(xs: Iterable[Any], name: str) -> tuple[Any, ...]:
    if is_node(xs) or not isinstance(xs, Iterable):
        raise TypeError(f"{name} expected a list of numbers, got {type(xs).__name__}; write {name}([x, ...])")
    xs = tuple(xs)
    if not xs:
        raise ValueError(f"{name} expected at least one number, got none")
    return xs
