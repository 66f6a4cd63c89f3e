"""`numerical_gradient`: derivatives by finite differences, and a picture of how their error depends on the step."""

from collections.abc import Callable, Sequence
from typing import Any, overload

from nn.showing import figure

from ..transforms import grad

STEP = 6e-6
"""About the cube root of a float's precision, which is best for the symmetric difference."""


@overload
def numerical_gradient(f: Callable[..., Any], x: float, *, step: float = ...) -> float: ...
@overload
def numerical_gradient(f: Callable[..., Any], x: Sequence[float], *, step: float = ...) -> list[float]: ...
def numerical_gradient(f: Callable[..., Any], x: float | Sequence[float], *, step: float = STEP) -> float | list[float]:
    """The derivative of f at a number, or by each number of a list: (f(x + h) - f(x - h)) / 2h.

    h is step * max(1, |x|). f takes a number, or one argument for each number of the list; a Value that it gives counts
    as its number. Raises ValueError for a step that is not above 0.

    >>> from autograd import tanh
    >>> from autograd.exercises import numerical_gradient
    >>> round(numerical_gradient(tanh, 0.5), 6)
    0.786448
    """
    if not step > 0.0:
        raise ValueError(f"numerical_gradient expected a step above 0, got {step!r}")
    if isinstance(x, int | float):
        return _difference(f, [float(x)], 0, step)
    xs = [float(v) for v in x]
    return [_difference(f, xs, i, step) for i in range(len(xs))]


def _difference(f: Callable[..., Any], xs: Sequence[float], i: int, step: float) -> float:
    h = step * max(1.0, abs(xs[i]))
    right, left = xs[i] + h, xs[i] - h
    ends = [_number(f(*xs[:i], x, *xs[i + 1 :])) for x in (right, left)]
    return (ends[0] - ends[1]) / (right - left)


def _number(y: Any) -> float:
    return float(getattr(y, "data", y))


def plot_step_error(f: Callable[[Any], Any], x: float) -> Any:
    """A figure of the error of two finite differences against the step: (f(x+h) - f(x)) / h and the symmetric one.

    With large steps the curve of f shows, with small ones the rounding of floats; the best step lies between. f is
    written in operators and this package's functions, whose exact derivative is the reference. Raises ImportError
    without matplotlib.
    """
    exact, number = float(grad(f)(x)), float(x)
    steps = [10.0 ** (-i / 4) for i in range(2, 65)]
    forward = [abs((_number(f(number + h)) - _number(f(number))) / h - exact) for h in steps]
    both = [abs((_number(f(number + h)) - _number(f(number - h))) / (2 * h) - exact) for h in steps]
    told = (
        "error of two finite differences against the step: each falls to a lowest point, then rises as the step shrinks"
    )
    drawn, axes = figure(1, alt=told)
    axis = axes[0]
    axis.loglog(steps, [max(e, 1e-17) for e in forward], label="(f(x + h) − f(x)) / h")
    axis.loglog(steps, [max(e, 1e-17) for e in both], "--", label="(f(x + h) − f(x − h)) / 2h")
    axis.set(xlabel="step h", ylabel="error of the derivative", title=f"x = {x:g}")
    axis.legend(fontsize=8)
    return drawn
