"""Passes that look at one instruction at a time, so that several of them can be done in one go.

Such a pass is a rule: for an instruction it writes what stands in its place, with what writes for the pass after it.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Protocol

from ... import floats, ops
from ...graph import arguments as arguments_of
from ...graph import topological_order
from ...modes import plainly
from ...primitives import TABLE, Primitive, nothing
from ...value import Value
from ..identity import by_identity
from ..tracing.unknown import symbolic
from .program import Operands, Program, Rewriter, bits

Pass = Callable[[Program], Program]


class Out(Protocol):
    """A writer of instructions, for the rules."""

    def append(self, primitive: Primitive, operands: Operands) -> int: ...
    def constant(self, x: float) -> int: ...
    def constant_in(self, slot: int) -> float | None:
        """The constant in a slot; None for other slots."""


Rewrite = Callable[[Out, Primitive, Operands], int]


class _Link:
    """Writes by a rule, whose results go on to the next stage."""

    def __init__(self, rule: Rewrite, out: Out) -> None:
        self.append: Callable[[Primitive, Operands], int] = functools.partial(rule, out)
        self.constant, self.constant_in = out.constant, out.constant_in


def together(*rules: Callable[[], Rewrite]) -> Pass:
    """A pass that does what these do one after the other. Rules may remember; they are made anew for each program."""

    def apply(program: Program) -> Program:
        work = Rewriter(program)
        out: Out = work
        for make in reversed(rules):
            out = _Link(make(), out)
        for primitive, operands in program.instructions:
            work.take(out.append(primitive, work.moved(operands)))
        return work.program()

    return apply


def folded() -> Rewrite:
    largest = by_identity(max)

    def rule(out: Out, primitive: Primitive, xs: Operands) -> int:
        if primitive is ops.identity:
            return int(xs[0])
        if primitive is ops.dot and not xs[0]:
            return int(xs[2])
        if len(xs) == 2 and not primitive.vectors:
            for i, x in enumerate(xs):
                if (number := out.constant_in(x)) is not None and (primitive, i, bits(number)) in NEUTRAL:
                    return int(xs[1 - i])
        if all((largest(x) if type(x) is tuple else x) < 0 for x in xs):
            numbers = [[out.constant_in(y) for y in x] if type(x) is tuple else out.constant_in(x) for x in xs]
            return out.constant(primitive.forward(*numbers))
        if primitive is ops.where and (condition := out.constant_in(xs[0])) is not None:
            return int(xs[1] if condition else xs[2])
        return out.append(primitive, xs)

    return rule


ONE, MINUS_ZERO, ZERO = bits(1.0), bits(-0.0), bits(0.0)
NEUTRAL = {
    (ops.mul, 0, ONE), (ops.mul, 1, ONE), (ops.div, 1, ONE), (ops.pow, 1, ONE),
    (ops.add, 0, MINUS_ZERO), (ops.add, 1, MINUS_ZERO), (ops.sub, 1, ZERO),
}  # fmt: skip
"""A primitive, which of its two operands, and the number there that makes the result the other operand, exactly."""
COMMUTATIVE = (ops.add, ops.mul)


def powered() -> Rewrite:
    def rule(out: Out, primitive: Primitive, xs: Operands) -> int:
        exponent = out.constant_in(xs[1]) if primitive is ops.pow else None
        return POWERS[exponent](out, xs[0]) if exponent in POWERS else out.append(primitive, xs)

    return rule


def _root(out: Out, x: int) -> int:
    """x ** 0.5, which differs from the root of x at -inf and -0."""
    append = out.append
    root = append(ops.add, (append(ops.sqrt, (x,)), out.constant(0.0)))
    lowest = append(ops.equal, (x, out.constant(-math.inf)))
    return append(ops.where, (lowest, out.constant(math.inf), root))


def _inverse(out: Out, x: int) -> int:
    return out.append(ops.div, (out.constant(1.0), x))


POWERS: dict[float | None, Callable[[Out, int], int]] = {
    2.0: lambda out, x: out.append(ops.mul, (x, x)),
    -1.0: _inverse,
    0.5: _root,
    -0.5: lambda out, x: _inverse(out, _root(out, x)),
}


def merged() -> Rewrite:
    seen: dict[Any, int] = {}
    vectors: dict[Any, Any] = {}
    vector = by_identity(lambda x: vectors.setdefault(x, x))

    def rule(out: Out, primitive: Primitive, xs: Operands) -> int:
        key: Any = xs
        if primitive in COMMUTATIVE:
            key = sorted(xs)
        elif primitive.vectors:
            key = [id(vector(x)) if type(x) is tuple else x for x in xs]
        if (slot := seen.get(key := (primitive, *key))) is None:
            seen[key] = slot = out.append(primitive, xs)
        return slot

    return rule


def lowered() -> Rewrite:
    return _lowered


def _lowered(out: Out, primitive: Primitive, xs: Operands) -> int:
    if primitive.module != TABLE:
        return _traced(out, primitive, xs)
    if primitive in SHARING:
        power, rest = SHARING[primitive]
        return out.append(rest, (*xs, out.append(power, xs))[-rest.arity :])
    return VECTORS[primitive](out, list(xs[0])) if primitive in VECTORS else out.append(primitive, xs)


def _side(x: Any) -> Any:
    return ops.where(ops.greater_equal(x, 0.0), 1.0, -1.0)


growth = Primitive("growth", floats.growth, (lambda x, e: _side(x) * (2.0 * e + 0.5),))
decay = Primitive("decay", lambda x: floats.exp(-abs(x)), (lambda x, e: -_side(x) * e,))
tanh_by_growth = Primitive(
    "tanh_by_growth",
    lambda x, e: math.copysign(e / (e + 0.5) if e < HUGE else 1.0, x) if e == e else e,
    (lambda x, e, y: ops.tanh_slope(x), nothing),  # all at once, since the factors of large x leave a float's range
    symbol="tanh",
)
tanh_slope_by_growth = Primitive(
    "tanh_slope_by_growth",
    lambda e: (1.0 - 0.25 / (e + 0.5)) / (e + 0.5),
    (lambda e, y: ops.choose(ops.greater(e, HUGE), None, -ops.div(y, e + 0.5) * ops.div(e, e + 0.25)),),
    symbol="tanh'",
)
sigmoid_by_decay = Primitive(
    "sigmoid_by_decay",
    lambda x, e: (1.0 if x >= 0.0 else e) / (1.0 + e),
    (nothing, lambda x, e, y: -_side(x) * ops.div(1.0, (1.0 + e) * (1.0 + e))),
    symbol="sigmoid",
)
sigmoid_slope_by_decay = Primitive(
    "sigmoid_slope_by_decay",
    lambda e: e / ((1.0 + e) * (1.0 + e)),
    (lambda e, y: ops.div(1.0 - e, (1.0 + e) * (1.0 + e) * (1.0 + e)),),
    symbol="sigmoid'",
)
HUGE = 1e300
"""A growth above which tanh is 1 or -1."""
SHARING = {
    ops.tanh: (growth, tanh_by_growth), ops.tanh_slope: (growth, tanh_slope_by_growth),
    ops.sigmoid: (decay, sigmoid_by_decay), ops.sigmoid_slope: (decay, sigmoid_slope_by_decay),
}  # fmt: skip
"""A function and its slope are made of one power of e, which is computed once for both; a function of x itself too. By
(exp(2|x|) - 1) / 4 the slope of tanh is a normal float as long as the true one is."""


def _sum(out: Out, xs: list[int]) -> int:
    ones = (out.constant(1.0),) * len(xs)
    return out.append(ops.dot, (ones, tuple(xs), out.constant(0.0)))


def _amax(out: Out, xs: list[int]) -> int:
    """Trees of `maximum`, each of 2, 4 or 8 numbers, the last of which may stand there more than once: so that numbers
    of any count are compared by the same few expressions."""
    while len(xs) > 1:
        width = next((n for n in (2, 4) if len(xs) <= n), 8)
        xs = xs + xs[-1:] * (-len(xs) % width)
        while width > 1:
            xs = [out.append(ops.maximum, pair) for pair in zip(xs[::2], xs[1::2], strict=True)]
            width //= 2
    return xs[0]


def _logsumexp(out: Out, xs: list[int]) -> int:
    append = out.append
    largest = _amax(out, xs)
    total = _sum(out, [append(ops.exp, (append(ops.sub, (x, largest)),)) for x in xs])
    infinite = append(ops.equal, (append(ops.abs, (largest,)), out.constant(math.inf)))
    return append(ops.where, (infinite, largest, append(ops.add, (largest, append(ops.log, (total,))))))


VECTORS: dict[Primitive, Callable[[Out, list[int]], int]] = {
    ops.sum: _sum, ops.amax: _amax, ops.logsumexp: _logsumexp,
}  # fmt: skip


def _traced(out: Out, primitive: Primitive, operands: Operands) -> int:
    """The forward rule of a custom primitive, recorded."""
    leaves: dict[Any, int] = {}

    def leaf(slot: int) -> Value:
        leaves[node := Value(0.5)] = slot
        return node

    arguments = [tuple(map(leaf, x)) if type(x) is tuple else leaf(x) for x in operands]
    try:
        with plainly(), symbolic():
            result: Any = getattr(primitive.forward, "__wrapped__", primitive.forward)(*arguments)
    except TypeError as error:
        raise TypeError(
            f"the forward rule of {primitive.name} cannot be compiled: {error}; write it with operators and autograd's "
            f"functions, such as autograd.sin in the place of math.sin"
        ) from None
    if not isinstance(result, Value):
        return out.constant(float(result))
    others, interiors = topological_order(result)
    slots = {**leaves, **{x: out.constant(x._data) for x in others if x not in leaves}}

    def slot(x: Any) -> Any:
        if type(x) is tuple:
            return tuple(map(slot, x))
        return out.constant(x) if type(x) is float else slots[x]

    for node in interiors:
        assert node.primitive is not None
        slots[node] = _lowered(out, node.primitive, tuple(map(slot, arguments_of(node))))
    return slots[result]
