"""Python's operators on Values, and the methods: all made from the table in `ops`.

The common case, floats and Values with no mode set, takes a short way to the new node.
"""

import inspect
import operator as op
from collections.abc import Callable
from numbers import Real
from typing import Any

from . import ops
from .floats import as_float
from .modes import unknown
from .primitives import REGISTRY, TABLE, Primitive
from .value import Value, current_mode, make_node

__all__ = ["Value"]


def _binary(primitive: Primitive) -> tuple[Callable[..., Any], Callable[..., Any]]:
    forward = primitive.forward

    def operator(self: Value, other: Any) -> Any:
        if type(other) is Value:
            number = other._data
        elif type(other) is float:
            number = other
        elif isinstance(other, Real):
            number = other = as_float(other)
        else:
            return Value._record(primitive, [(self, other)])[0] if isinstance(other, Value) else NotImplemented
        if current_mode() is None:
            return make_node(primitive, self, other, forward(self._data, number))
        return Value._record(primitive, [(self, other)])[0]

    def reflected(self: Value, other: Any) -> Any:
        if not isinstance(other, Real):
            return NotImplemented
        number = as_float(other)
        if current_mode() is None:
            return make_node(primitive, number, self, forward(number, self._data))
        return Value._record(primitive, [(number, self)])[0]

    return operator, reflected


def _method(primitive: Primitive) -> Any:
    forward = primitive.forward

    def unary(self: Value) -> Value:
        return (
            make_node(primitive, self, None, forward(self._data))
            if current_mode() is None
            else Value._record(primitive, [(self,)])[0]
        )

    def parametric(self: Value, *args: float, **parameters: float) -> Any:
        return primitive(self, *args, **parameters)

    method: Any = parametric if primitive.parameters else unary
    method.__name__ = primitive.name
    method.__qualname__ = f"Value.{primitive.name}"
    method.__doc__ = primitive.doc
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    _, *parameters = inspect.signature(primitive).parameters.values()
    method.__signature__ = inspect.Signature([own, *parameters])  # what `help` shows
    return method


def _comparison(compare: Callable[[Any, Any], bool], primitive: Primitive) -> Callable[[Value, Any], Any]:
    swap = compare in (op.lt, op.le)

    def comparison(self: Value, other: Any) -> Any:
        if type(other) is not Value and type(other) is not float and not isinstance(other, Value | Real):
            return NotImplemented
        if unknown():
            return primitive(other, self) if swap else primitive(self, other)
        return compare(self._data, other._data if isinstance(other, Value) else other)

    return comparison


def _hang(name: str, function: Any, doc: str) -> None:
    """Gives Value an operator, with what `help` shows."""
    function.__name__, function.__qualname__, function.__doc__ = name, f"Value.{name}", doc
    setattr(Value, name, function)


for _name, _primitive in {"add": ops.add, "sub": ops.sub, "mul": ops.mul, "truediv": ops.div, "pow": ops.pow,
                          "mod": ops.mod, "floordiv": ops.floordiv}.items():  # fmt: skip
    _operator, _reflected = _binary(_primitive)
    _hang(f"__{_name}__", _operator, f"self {_primitive.symbol} other, recorded.")
    _hang(f"__r{_name}__", _reflected, f"other {_primitive.symbol} self, recorded, for a number on the left.")
for _name, _compare in {"lt": op.lt, "le": op.le, "gt": op.gt, "ge": op.ge}.items():
    _sign = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}[_name]
    _found = _comparison(_compare, ops.greater if _name[1] == "t" else ops.greater_equal)
    _hang(f"__{_name}__", _found, f"self {_sign} other, of the numbers; other is a Value or a number.")
for _primitive in REGISTRY.values():
    if _primitive.is_unary and _primitive.module == TABLE:
        setattr(Value, _primitive.name, _method(_primitive))


def _divmod(self: Value, other: Any) -> Any:
    """(self // other, self % other)."""
    quotient = self // other
    return quotient if quotient is NotImplemented else (quotient, self % other)


def _rdivmod(self: Value, other: Any) -> Any:
    """(other // self, other % self)."""
    return (other // self, other % self) if isinstance(other, Real) else NotImplemented


def _round(self: Value, ndigits: None = None) -> Value:
    """The nearest whole number, even at halves; no derivative. Raises TypeError for a number of digits."""
    if ndigits is not None:
        raise TypeError(f"round of a Value takes no number of digits; write f'{{v:.{ndigits}f}}' to show it")
    return ops.round(self)


for _function in (_divmod, _rdivmod, _round):
    _hang(f"__{_function.__name__[1:]}__", _function, str(_function.__doc__))
Value.__pos__ = Value.identity
Value.__neg__ = Value.neg
Value.__abs__ = Value.abs
Value.__floor__, Value.__ceil__, Value.__trunc__ = Value.floor, Value.ceil, Value.trunc
