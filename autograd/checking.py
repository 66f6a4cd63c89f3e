"""gradcheck: the engine's derivatives against finite differences, in both modes, to order 2.

The slope by finite differences is a central difference at many steps, extrapolated to step zero (Richardson), and the
entry of that table is taken that its neighbours agree with best and no finer one contradicts (after Ridders 1982). So
no step has to be guessed, and the disagreement is an estimate of the error.
"""

import inspect
import itertools
import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .floats import as_float
from .graph import topological_order
from .modes import recording
from .sweeps import gradients, pull, push
from .trees import entries, rebuild
from .value import Value

RELATIVE = 1e-6
"""The largest distance, relative to its size, of a derivative from the finite difference, beyond the latter's own
error."""
LARGEST, SMALLEST = 2.0**-6, 2.0**-17
"""Steps are halved from the largest, relative to max(1, |x|), to the smallest, relative to min(1, |x|)."""
ROUNDING = 2.0**-50
"""The least error of a function's value, relative to its size: four units in the last place."""


class GradcheckError(AssertionError):
    """A derivative of the engine differs from the finite difference."""


class GradcheckWarning(UserWarning):
    """Finite differences could not judge a derivative, which was left unchecked."""


class Slope(NamedTuple):
    """A derivative by finite differences, an estimate of its error, and why it cannot be relied on, if so."""

    value: float
    error: float
    rounding: float = 0.0  # the part of the error that rounding makes
    problem: str = ""


def gradcheck(
    f: Callable[..., Any], inputs: Any, *, order: int = 1, sample: int | None = None, rng: random.Random | None = None
) -> bool:
    """True if the derivatives of f at `inputs`, by the reverse and the forward sweep, agree with finite differences.

    f: a function of numbers or nested lists of numbers that returns a number or a list of numbers.
    inputs: its arguments, as a list or tuple, or one number; or leaf Values such as `model.parameters()`, which f is
    called with, or which it uses by itself if it takes no arguments. Their `.data` is changed and restored.
    order: 2 checks the second derivatives too. sample: check only so many of the numbers in `inputs`, drawn by `rng`.

    Raises GradcheckError, naming function, point, argument, analytic, numeric and tolerance; ValueError or TypeError
    for inputs that it cannot work with. Warns (GradcheckWarning), and leaves a derivative unchecked, if two calls at
    one point differ, if a kink lies within the step, or if rounding inside the function hides it.

    >>> from autograd import gradcheck, tanh
    >>> gradcheck(lambda x, y: tanh(x * y) / y, (0.5, 2.0), order=2)
    True
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck expected order 1 or 2, got {order}")
    if sample is not None and sample < 1:
        raise ValueError(f"gradcheck expected sample >= 1, got {sample}; leave it out to check all")
    problem = _Problem(f, inputs)
    indices = list(range(len(problem.point)))
    if sample is not None and sample < len(indices):
        indices = sorted((rng or random.Random(0)).sample(indices, sample))
    first = problem.call()
    if any(a != b and a == a for _ in range(4) for a, b in zip(first, problem.call(), strict=True)):
        problem.unchecked = [f"{problem.name} gave two results at one point, so nothing was checked; is there dropout?"]
        indices = []
    for column in indices:
        problem.check_column(column, 1)
        if order == 2:
            problem.check_column(column, 2)
    for text in problem.unchecked:
        warnings.warn(text, GradcheckWarning, stacklevel=2)
    return True


class _Problem:
    """A function of a flat list of numbers, `point`, with flat results, and its derivatives by every route."""

    def __init__(self, f: Callable[..., Any], inputs: Any) -> None:
        self.f = f
        self.unchecked: list[str] = []
        self.noise: dict[int, list[float]] = {}
        self.name = getattr(f, "__name__", None) or repr(f)
        self.inputs = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
        self.nodes = [x for x in entries(self.inputs) if isinstance(x, Value)]
        numbers = list(entries(self.inputs))
        if not numbers or (self.nodes and len(self.nodes) != len(numbers)):
            raise TypeError("gradcheck expected inputs that are all numbers or all leaf Values, and at least one")
        for x in self.nodes:
            if x.primitive is not None:
                raise TypeError(
                    f"gradcheck expected leaf Values, got the result of {x.primitive.name!r}; pass x.detach()"
                )
        self.in_place = bool(self.nodes)
        self.nodes = self.nodes or [Value(x) for x in numbers]
        self.point = [x.data for x in self.nodes]
        if not all(map(math.isfinite, self.point)):
            raise ValueError(f"gradcheck expected finite inputs, got {self.point}")
        self.arguments: tuple[Any, ...] = self.inputs if self.in_place else rebuild(self.inputs, self.nodes)
        if self.in_place and not _parameters(f):
            self.arguments = ()

    def graph(self) -> list[Any]:
        """The results as nodes of a new graph on the inputs."""
        with recording():
            result = self.f(*self.arguments)
            return [as_float(None)] if result is None else list(entries(result))

    def call(self) -> list[float]:
        return [y.data if isinstance(y, Value) else as_float(y) for y in self.graph()]

    def slopes(self, create_graph: bool = False) -> list[Any]:
        """All first derivatives, result by result, by the reverse sweep."""
        rows = [gradients(y, self.nodes, create_graph=create_graph) for y in self.graph() if isinstance(y, Value)]
        return [slope for row in rows for slope in row]

    def results(self, order: int) -> list[Any]:
        """The nodes to be differentiated: the function's results, or all first derivatives."""
        return self.graph() if order == 1 else self.slopes(create_graph=True)

    def along(self, column: int, function: Callable[[], list[float]]) -> Callable[[float], list[float]]:
        """`function` as a function of one coordinate of the point, which is always put back."""
        x = self.nodes[column]
        stamp = x._stamp

        def moved(at: float) -> list[float]:
            try:
                x.data = at
                return function()
            finally:
                x.data = self.point[column]
                x._stamp = stamp  # it is as it was, so what was computed from it before still holds

        return moved

    def analytic(self, column: int, order: int) -> Iterator[tuple[str, list[float]]]:
        """By each route the derivatives by one input: of the results, or of all first derivatives."""
        x = self.nodes[column]
        ys = self.results(order)
        yield "reverse", [_zero(pull([(y, 1.0)], [x], False)[0]) if isinstance(y, Value) else 0.0 for y in ys]
        moved = iter(push({x: 1.0}, [y for y in ys if isinstance(y, Value)], False))
        yield "forward", [_zero(next(moved)) if isinstance(y, Value) else 0.0 for y in ys]

    def check_column(self, column: int, order: int) -> None:
        function = self.along(column, self.call if order == 1 else self.slopes)
        if order not in self.noise:
            self.noise[order] = [_rounding(y) for y in self.results(order)]
        numeric = differentiate(function, self.point[column], self.noise[order])
        for row, slope in enumerate(numeric):
            if slope.problem:
                self.unchecked.append(f"{self.where(column, row, order)} was not checked: {slope.problem}")
        for mode, found in self.analytic(column, order):
            for row, (slope, derivative) in enumerate(zip(numeric, found, strict=True)):
                if not slope.problem:
                    self.compare(self.where(column, row, order), mode, derivative, slope)

    def compare(self, where: str, mode: str, analytic: float, numeric: Slope) -> None:
        """GradcheckError if they differ by more than the tolerance."""
        size = max(math.fabs(analytic), math.fabs(numeric.value))
        tolerance = RELATIVE * size + 8.0 * numeric.error
        if not math.fabs(analytic - numeric.value) <= tolerance:
            cause = "Check the partial derivatives of the operations that it is made of."
            if analytic == 0.0:
                cause = "Nothing flows there: does the function read `.data`, or put its number into a new Value?"
            raise GradcheckError(
                f"{where} is wrong.\n  analytic ({mode} sweep): {analytic!r}\n  numeric:  {numeric.value!r}\n"
                f"  tolerance: {tolerance:.2g}\n{cause}"
            )
        if 0.25 * numeric.error < size and tolerance > 5e-4 * size:
            share = f"errors below {tolerance / size:.1%}" if tolerance < size else "it"
            self.unchecked.append(
                f"{where} was not fully checked: rounding in the function hides {share} ({mode} sweep)"
            )

    def where(self, column: int, row: int, order: int) -> str:
        """The subject of the check, in words."""
        by = f"input {column} ({self.point[column]!r})" + (f" and input {row % len(self.point)}" if order == 2 else "")
        return f"the {'second ' * (order == 2)}derivative of {self.name} at {self.arguments_text()} by {by}"

    def arguments_text(self) -> str:
        text = ", ".join(f"{x:.6g}" for x in self.point[:8])
        return f"({text}, ...)" if len(self.point) > 8 else f"({text})"


def _zero(x: float | None) -> float:
    return 0.0 if x is None else x


def differentiate(function: Callable[[float], list[float]], x: float, noise: Sequence[float] = ()) -> list[Slope]:
    """The derivative of each of a function's results at x, by finite differences.

    noise: what is known of how far each result is off by rounding.
    """
    count = 1 + round(math.log2(LARGEST / SMALLEST) + math.fabs(math.log2(math.fabs(x) or 1.0)))
    steps = [
        (x + max(1.0, math.fabs(x)) * LARGEST * 0.5**k) - x for k in range(min(count, 60))
    ]  # exactly representable
    middle = function(x)

    def attempt(at: float) -> list[float]:
        try:
            return function(at)
        except (ValueError, ArithmeticError):  # a custom operation outside its domain
            return [math.nan] * len(middle)

    above = [attempt(x + h) for h in steps]
    below = [attempt(x - h) for h in steps]
    tiny = max(min((math.fabs(x) or 1.0) * 2.0**-28, 2.0**-20), 16.0 * math.ulp(x))
    near = [attempt(x + k * tiny) for k in range(-4, 5)]
    noise = noise or [0.0] * len(middle)
    found = []
    for i, y in enumerate(middle):
        samples = [(h, a[i], b[i]) for h, a, b in zip(steps, above, below, strict=True)]
        found.append(_slope(y, ROUNDING * math.fabs(y) + noise[i], _scatter([values[i] for values in near]), samples))
    return found


def _scatter(near: list[float]) -> float:
    """The error of values by rounding inside: fourth differences of nine neighbours (Moré and Wild 2011)."""
    for _ in range(4):
        near = [b - a for a, b in itertools.pairwise(near)]
    return 4.0 * math.sqrt(math.fsum(d * d for d in near if math.isfinite(d)) / (70.0 * len(near)))


def _slope(middle: float, noise: float, scatter: float, samples: Sequence[tuple[float, float, float]]) -> Slope:
    """The extrapolated slope from f(x) and (h, f(x + h), f(x - h)), the steps h falling by a factor of two.

    noise, scatter: how far values of f are off, as known from its graph and as seen next to x.
    """
    samples = [(h, a, b) for h, a, b in samples if h > 0.0 and math.isfinite(a) and math.isfinite(b)]
    if not math.isfinite(middle) or len(samples) < 4:
        return Slope(math.nan, math.inf, problem="the function is not finite on both sides")
    rows: list[Slope] = []  # for each step the best of what can be extrapolated from it and the larger ones
    previous: list[float] = []
    for h, a, b in samples:
        row = [(a - b) / (2.0 * h)]
        best = Slope(row[0], math.inf)
        for power, left in enumerate(previous, start=1):
            row.append(row[-1] + (row[-1] - left) / (4.0**power - 1.0))
            rounding = (noise + scatter + ROUNDING * max(math.fabs(a), math.fabs(b))) / h
            error = max(math.fabs(row[-1] - row[-2]), math.fabs(row[-1] - left)) + rounding
            if error < best.error:
                best = Slope(row[-1], error, rounding)
        rows.append(best)
        previous = row
    best = rows[-1]
    for coarser in reversed(rows[1:-1]):  # better, unless a finer one contradicts it: there may be a pole in between
        if math.fabs(coarser.value - best.value) > 4.0 * (coarser.error + best.error):
            break
        best = min(best, coarser, key=lambda slope: slope.error)
    # f(x+h) - 2 f(x) + f(x-h), over h: falls in proportion to h where f is smooth, and stays where its slope jumps.
    bends = [math.fabs(a - 2.0 * middle + b) / h for h, a, b in samples[-4:]]
    if bends[-1] > 0.5 * bends[0] and bends[-1] > 64.0 * noise / samples[-1][0]:
        return best._replace(problem="a kink lies within the step")
    h, a, b = samples[0]
    typical = max(math.fabs(a - middle), math.fabs(b - middle)) / h
    if best.error - best.rounding > 1e-3 * math.fabs(best.value) + 1e-6 * typical + best.rounding:
        return best._replace(problem="finite differences do not settle; the function varies within the smallest step")
    return best


def _rounding(y: Any) -> float:
    """The error of a result if each node below is off by a unit in the last place: the sum of |adjoint x number|."""
    if not isinstance(y, Value):
        return 0.0
    leaves, interiors = topological_order(y)
    nodes = leaves + interiors
    terms = [
        adjoint * node._data for adjoint, node in zip(pull([(y, 1.0)], nodes, False), nodes, strict=True) if adjoint
    ]
    return 2.0**-52 * math.fsum(math.fabs(term) for term in terms if math.isfinite(term))


def _parameters(f: Callable[..., Any]) -> bool:
    """Whether a function takes arguments; built-ins that hide it do."""
    try:
        return bool(inspect.signature(f).parameters)
    except ValueError:
        return True
