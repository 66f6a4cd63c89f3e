"""Transforms: functions that take a function and return its derivative. They read and write no `.grad`.

`f` gets fresh nodes, linked to the arguments if those are Values, never the arguments themselves. Floats in give floats
out and Values in give Values out; within another transform a result that depends on that transform's arguments is a
Value too. So transforms nest as JAX's do:

>>> from autograd import grad
>>> grad(lambda x: x * grad(lambda y: x * y)(x))(3.0)
6.0
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec

from . import ops
from .floats import as_float
from .graph import topological_order
from .modes import is_recording, recording
from .sweeps import pull, push
from .trees import branches, entries, has_values, rebuild
from .value import Value

P = ParamSpec("P")
Function = Callable[..., Any]

ACTIVE: set[Value] = set()
"""The arguments of all transforms whose function is running now, in whatever thread: what depends on one is a Value."""


def grad(f: Callable[P, Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The function that returns df/dx for a function `f` with one number as its result.

    argnums: the position of x among f's arguments, or several; then the result is a tuple. x is a number, or nested
    lists, tuples, dicts, dataclasses or NumPy arrays of numbers, and the gradient has its form; f gets arrays of
    Values for arrays. has_aux: f returns (result, auxiliary), the new function
    (gradient, auxiliary). Raises TypeError if f's result is not one number.

    >>> grad(lambda w, x: (w[0] * x + w[1]) ** 2)([3.0, 1.0], 2.0)
    [28.0, 14.0]
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = value_and_grad(f, argnums, has_aux)(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def value_and_grad(
    f: Callable[P, Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[P, tuple[Any, Any]]:
    """The function that returns (f(x), df/dx); with has_aux, ((f(x), auxiliary), df/dx). See `grad`. Raises TypeError
    if f's result is not one number.
    """

    def both(*args: Any, **kwargs: Any) -> Any:
        call = _run(f, args, kwargs, argnums, has_aux)
        if branches(call.out) is not None and not isinstance(call.out, dict):
            raise TypeError(
                f"expected a function with one number as its result, got a {type(call.out).__name__}; use jacobian"
            )
        result = call.reverse([1.0])
        value = call.settle(call.out)
        return ((value, call.settle(call.aux)) if has_aux else value), result

    return both


def jacobian(f: Callable[P, Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The function that returns every derivative of every result: the shape of f's result, and in it the shape of x.

    For a list of m numbers in and a list of n numbers out, n rows of m. See `grad` for argnums and has_aux.

    >>> jacobian(lambda x: [x[0] * x[1], x[0] + x[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 1.0]]
    """

    def rows(*args: Any, **kwargs: Any) -> Any:
        call = _run(f, args, kwargs, argnums, has_aux)
        unit = [[1.0 if i == j else None for j in range(len(call.outputs))] for i in range(len(call.outputs))]
        result = rebuild(call.out, [call.reverse(row) for row in unit])  # each number of the result gives way to a tree
        return (result, call.settle(call.aux)) if has_aux else result

    return rows


def hessian(f: Callable[P, Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The function that returns all second derivatives: the jacobian of the jacobian. See `grad`.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([2.0, 3.0])
    [[6.0, 4.0], [4.0, 0.0]]
    """
    return jacobian(jacobian(f, argnums, has_aux), argnums, has_aux)


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """(f(*primals), its derivative in the direction of the tangents), by a forward sweep.

    primals, tangents: f's arguments and, in the same shape, the direction. With has_aux, (result, derivative,
    auxiliary). Raises TypeError if the shapes differ.

    >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    (6.0, 3.0)
    """
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise TypeError(
            "jvp expected a tuple of primals and one of tangents, one entry for each argument: jvp(f, (x,), (v,))"
        )
    direction = _like(tuple(primals), tuple(tangents), "jvp", "tangents")
    call = _run(f, tuple(primals), {}, tuple(range(len(primals))), has_aux, along=tangents)
    result = (call.settle(call.out), call.forward(direction))
    return (*result, call.settle(call.aux)) if has_aux else result


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(f(*primals), pullback): the pullback takes a cotangent in the shape of f's result and returns a tuple, for each
    argument the sum over f's results of cotangent x derivative. It raises TypeError for a cotangent of another shape.
    With has_aux, (result, pullback, auxiliary).

    >>> y, pullback = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> y, pullback(10.0)
    (6.0, (30.0, 20.0))
    """
    call = _run(f, primals, {}, tuple(range(len(primals))), has_aux)

    def pullback(cotangent: Any) -> Any:
        return call.reverse(_like(call.out, cotangent, "the pullback", "cotangent"))

    result = (call.settle(call.out), pullback)
    return (*result, call.settle(call.aux)) if has_aux else result


def hvp(f: Function, x: Any, v: Any) -> Any:
    """H(x) v, the Hessian of f at x times the vector v, without building H: a forward sweep over a reverse one.

    f: a function with one number as its result. x, v: numbers, or nested lists of numbers of one shape.
    Raises TypeError if the shapes differ or f's result is not one number.

    >>> hvp(lambda x: x[0] ** 2 * x[1], [2.0, 3.0], [1.0, 0.0])
    [6.0, 4.0]
    """
    return jvp(grad(f), (x,), (v,))[1]


def _like(tree: Any, other: Any, who: str, what: str) -> list[Any]:
    """The numbers of `other`, which has to have the shape of `tree`."""
    if _shape(tree) != _shape(other):
        raise TypeError(f"{who} expected {what} in the shape of {_shape(tree)}, got {_shape(other)}")
    if (parts := branches(tree)) is None:
        return [other if isinstance(other, Value) else as_float(other)]
    others = [other[key] for key in tree] if isinstance(tree, dict) else branches(other) or []
    return [x for pair in zip(parts, others, strict=True) for x in _like(*pair, who, what)]


def _shape(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {sorted(tree, key=str)}"
    return "one number" if (parts := branches(tree)) is None else f"{len(parts)} entries"


# One call of a function on fresh nodes


@dataclass
class _Call:
    """The result of a function, and the reading of derivatives off it."""

    arguments: Any  # those to differentiate by
    fresh: list[Value]  # the nodes that stood for their numbers
    out: Any
    aux: Any
    as_values: bool

    outputs: list[Any] = field(init=False)  # the numbers of out: Values and floats
    create_graph: bool = field(init=False)

    def __post_init__(self) -> None:
        if self.out is None:
            as_float(None)  # raises, in its words
        self.outputs = [y if isinstance(y, Value) else as_float(y) for y in entries(self.out)]
        self.create_graph = self.as_values and is_recording()

    def reverse(self, cotangents: Sequence[Any]) -> Any:
        """The reverse sweep from the results, in the shape of the arguments. From a None nothing flows."""
        create_graph = self.create_graph or (is_recording() and any(isinstance(c, Value) for c in cotangents))
        pairs = zip(self.outputs, cotangents, strict=True)
        seeds = [(y, _number(c, create_graph)) for y, c in pairs if isinstance(y, Value) and c is not None]
        found = pull(seeds, self.fresh, create_graph)
        return rebuild(self.arguments, [_number(g, create_graph or self.as_values) for g in found])

    def forward(self, tangents: Sequence[Any]) -> Any:
        """The forward sweep from the arguments, in the shape of the results."""
        moved = {x: _number(v, self.create_graph) for x, v in zip(self.fresh, tangents, strict=True)}
        found = iter(push(moved, [y for y in self.outputs if isinstance(y, Value)], self.create_graph))
        return rebuild(
            self.out, [_number(next(found) if isinstance(y, Value) else 0.0, self.as_values) for y in self.outputs]
        )

    def settle(self, tree: Any) -> Any:
        """The result of f, with numbers in the place of Values where plain numbers went in."""
        if branches(tree) is not None:
            return rebuild(tree, [self.settle(x) for x in entries(tree)])
        if isinstance(tree, Value) and not self.create_graph:
            return tree.detach() if self.as_values else tree.data
        return tree


def _number(x: Any, as_value: bool) -> Any:
    x = 0.0 if x is None else x
    if as_value:
        return x if isinstance(x, Value) else Value(x)
    return x.data if isinstance(x, Value) else x


def _run(
    f: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    along: Any = (),
) -> _Call:
    """Calls f with fresh nodes for the arguments at `argnums`. Values among the arguments, or `along`, make Values
    the result."""
    positions = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    for i in positions:
        if not -len(args) <= i < len(args):
            raise TypeError(
                f"cannot differentiate by argument {i}: the function was called with {len(args)} positional arguments"
            )
    if len({i % len(args) for i in positions}) != len(positions):
        raise ValueError(f"argnums expected different arguments, got {argnums}")
    fresh: list[Value] = []

    def link(x: Any) -> Value:
        fresh.append(ops.identity(x) if isinstance(x, Value) else Value(x))
        return fresh[-1]

    with recording():
        linked = list(args)
        for i in positions:
            linked[i] = rebuild(args[i], [link(x) for x in entries(args[i])])
        ACTIVE.update(fresh)
        try:
            result = f(*linked, **kwargs)
        finally:
            ACTIVE.difference_update(fresh)
    if has_aux and not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(
            f"with has_aux=True the function returns a pair (result, auxiliary), got {type(result).__name__}"
        )
    out, aux = result if has_aux else (result, None)
    as_values = has_values([*args, kwargs, along])
    if ACTIVE and not as_values:
        below = topological_order(*(y for y in entries([out, aux]) if isinstance(y, Value)))
        as_values = any(node in ACTIVE for nodes in below for node in nodes)
    arguments = tuple(args[i] for i in positions) if isinstance(argnums, Sequence) else args[argnums]
    return _Call(arguments, fresh, out, aux, as_values)
