"""Value: one number that remembers how it was made.

A node is one object of eight slots; the collector's work grows with the number of objects, and that is what eager
training spends its time on. The room `operators` adds what is made from the table in `ops`.
"""

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from . import copying, sweeps
from .floats import as_float
from .graph import Note, describe_operation, numbers, operands
from .modes import MODE, Mode, check_known, line_of_user, unknown
from .primitives import NEW_OPERATION, Primitive

current_mode = MODE.get
new = object.__new__
clock = 0
"""Ticks whenever data is assigned. A leaf's stamp is when it was made or last assigned, a node's its birth."""


class Value:
    """A number in a graph that can be differentiated.

    data: a real number; int, float, bool, Fraction and NumPy's real scalars are taken and stored as a float.
    label: a name for people, shown in pictures and error texts.
    Raises TypeError for anything else, and OverflowError for an int that no float can hold.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> loss = (a * b + 6.5).tanh()
    >>> loss.backward()
    >>> a.grad == b.data * (1 - loss.data**2)
    True
    """

    __slots__ = ("__weakref__", "_a", "_b", "_data", "_grad", "_stamp", "note", "primitive")

    _a: Any
    _b: Any
    _data: float
    _grad: float
    _stamp: int
    note: Note | None
    primitive: Primitive | None

    if TYPE_CHECKING:  # hung on by the room `operators`; the notebook's display by the front door
        _repr_mimebundle_: ClassVar[Callable[..., dict[str, str]]]

        def _operator(self, other: "Value | float") -> "Value": ...
        def _comparison(self, other: "Value | float") -> bool: ...
        def _method(self) -> "Value": ...
        def _parametric(self, *args: float, **parameters: float) -> "Value": ...
        def _pair(self, other: "Value | float") -> "tuple[Value, Value]": ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operator
        __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _operator
        __lt__ = __le__ = __gt__ = __ge__ = _comparison
        __divmod__ = __rdivmod__ = _pair
        __pos__ = __neg__ = __abs__ = __round__ = __floor__ = __ceil__ = __trunc__ = identity = neg = abs = _method
        sign = sqrt = exp = expm1 = log = log1p = floor = ceil = trunc = round = _method
        sin = cos = tan = asin = asin_slope = acos = _method
        atan = sinh = cosh = tanh = tanh_slope = sigmoid = sigmoid_slope = softplus = relu = gelu = silu = erf = _method
        leaky_relu = elu = clamp = _parametric

    def __init__(self, data: Any, *made_from: Any, label: str = "", **others: Any) -> None:
        if made_from or others:
            what = ", ".join(others) or "operands"
            raise TypeError(f"a Value takes one number and a label, no {what}{NEW_OPERATION}")
        self._data = as_float(data)
        self._grad = 0.0
        self.primitive = self._a = self._b = self.note = None
        self._stamp = clock
        if (mode := current_mode()) is not None and mode.noting:
            self.note = Note(line=line_of_user())
        if label != "":
            self.label = label

    @property
    def data(self) -> float:
        """The number. It can be assigned: what is computed afterwards uses it. What was computed before can then not be
        differentiated, nor can a node with operands of its own."""
        if current_mode() is not None:
            check_known("data")
        return self._data

    @data.setter
    def data(self, x: Any) -> None:
        global clock
        if self.primitive is not None:
            check_known("data")
        self._data = as_float(x)
        clock += 1
        self._stamp = clock if self.primitive is None else -clock

    @property
    def grad(self) -> float:
        """The gradient: a leaf accumulates it over `backward` calls, others show the last sweep's. None sets 0."""
        if current_mode() is not None:
            check_known("grad")
        return self._grad

    @grad.setter
    def grad(self, x: Any) -> None:
        self._grad = 0.0 if x is None else as_float(x)

    @property
    def label(self) -> str:
        """A name for people; "" unless given. Raises TypeError for anything but a string."""
        return self.note.label if self.note else ""

    @label.setter
    def label(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"label expected a string, got {type(text).__name__}; write str(...) around it")
        self.note = (self.note or Note())._replace(label=text)

    @property
    def inputs(self) -> "tuple[Value | float, ...]":
        """The operands that this was computed from, in order: Values and floats. Empty for a leaf."""
        return operands(self)

    @property
    def _prev(self) -> "tuple[Value, ...]":
        return tuple(x for x in operands(self) if isinstance(x, Value))

    @property
    def _op(self) -> str:
        return self.primitive.symbol if self.primitive else ""

    def backward(self, seed: float = 1.0) -> None:
        """Adds seed x d self / d leaf to the `.grad` of every leaf below; other nodes show this sweep's gradients.

        Raises RuntimeError, and changes nothing, if a leaf's `.data` was assigned after it was used. Two threads must
        not sweep graphs that share nodes at the same time; with `gradients` they may.
        """
        sweeps.backward(self, as_float(seed))

    @property
    def _backward(self) -> Callable[[], None]:
        """One step of the chain rule: adds this node's gradient times its partials to its operands' `.grad`."""
        return lambda: sweeps.step_back(self)

    @_backward.setter
    def _backward(self, rule: Any) -> None:
        raise TypeError(f"the rule of a Value cannot be assigned{NEW_OPERATION}")

    def detach(self) -> "Value":
        """A new leaf with the same number and label: gradients stop here."""
        return Value(self._data, label=self.label) if (answers := unknown()) is None else answers.stop(self)

    @staticmethod
    def _record(primitive: Primitive, calls: Sequence[tuple[Any, ...]]) -> "list[Value]":
        """The hook that a primitive calls when an operand is a Value: the general way to make nodes, one for each call.

        The numbers of a vector that several calls share, such as a layer's input, are read only once.
        """
        mode = current_mode()
        forward, in_slots, has_vectors = primitive.forward, primitive.in_slots, bool(primitive.vectors)
        vectors: dict[int, list[float]] = {}
        nodes = []
        values: list[Any]
        for xs in calls:
            try:
                if has_vectors:
                    values = []
                    for x in xs:
                        if type(x) is tuple:
                            if (values_of_x := vectors.get(id(x))) is None:
                                vectors[id(x)] = values_of_x = numbers(x)
                            values.append(values_of_x)
                        else:
                            values.append(x if type(x) is float else x._data)
                else:
                    values = [x if type(x) is float else x._data for x in xs]
            except AttributeError:  # a number of another kind, or a mistake
                xs = primitive.converted(xs)
                values = [x if type(x) is float else numbers(x) if type(x) is tuple else x._data for x in xs]
            a, b = (xs, None) if not in_slots else xs if len(xs) == 2 else (xs[0], None)
            node = make_node(primitive, a, b, forward(*values))
            nodes.append(node if mode is None else _in_mode(mode, node))
        return nodes

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        numbers = "?" if unknown() else f"{self._data!r}, grad={self._grad!r}"
        return f"Value(data={numbers}{label})"

    def __format__(self, spec: str) -> str:
        return "?" if unknown() else format(self._data, spec)

    def __eq__(self, other: object) -> bool:
        """Equality of numbers with a plain number, identity between Values, as nodes live in sets; where no number can
        be read, asking raises TypeError."""
        if current_mode() is not None and isinstance(other, Real | Value):
            check_known("equality")
        if self is other:
            return True
        return self._data == other if not isinstance(other, Value) and isinstance(other, Real) else NotImplemented

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        if current_mode() is not None:
            check_known("truth")
        return self._data != 0.0

    def __float__(self) -> float:
        check_known("number")
        raise TypeError(
            "a Value does not turn into a float by itself, since its gradient would be lost without a word; "
            "write v.data for the number, or autograd.sin(v) rather than math.sin(v)"
        )

    __int__ = __complex__ = __float__

    def __copy__(self) -> "Value":
        node = new(type(self))
        for slot in Value.__slots__[1:]:  # all but __weakref__
            setattr(node, slot, getattr(self, slot))
        return node if type(self) is Value else copying.give(node, copying.own_state(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> "Value":
        result: Value = copying.deepcopy(self, memo, _rebuild)
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        if self.primitive is None:
            leaf = type(self), self._data, self._grad, self._stamp, self.note
            of_dict, of_slots = ({}, {}) if type(self) is Value else copying.own_state(self)
            return _load_leaf, leaf, (of_dict or None, of_slots) if of_dict or of_slots else None
        return _load, copying.flatten(self)


def assign(leaves: Sequence[Value], numbers: Sequence[Any]) -> None:
    """Sets the `.data` of leaves, each as assigning it would, but all or none: TypeError for what is no number, and
    AttributeError for what is no leaf, before anything is written."""
    global clock
    floats = list(map(as_float, numbers))
    for leaf in leaves:
        if leaf.primitive is not None:
            raise AttributeError(f"expected leaves, got {describe_operation(leaf)}, which follows from its operands")
    clock += len(leaves)
    for leaf, x in zip(leaves, floats, strict=True):
        leaf._data = x
        leaf._stamp = clock


def make_node(primitive: Primitive, a: Any, b: Any, data: float) -> Value:
    node: Value = new(Value)
    node._data = data
    node._grad = 0.0
    node.primitive = primitive
    node._a = a
    node._b = b
    node._stamp = clock
    node.note = None
    return node


def _in_mode(mode: Mode, node: Value) -> Value:
    if mode.anomaly or mode.noting:
        node.note = Note(line=line_of_user())
    if mode.anomaly and not math.isfinite(node._data):
        raise FloatingPointError(f"the forward pass made {node._data}: {describe_operation(node)}")
    if mode.recording:
        return node
    return Value(node._data) if mode.unknown is None else mode.unknown.stop(node)


def _rebuild(
    primitive: Primitive, xs: tuple[Any, ...], data: float, grad: float, stamp: int, note: Note | None
) -> Value:
    a, b = (xs, None) if not primitive.in_slots else xs if len(xs) == 2 else (xs[0], None)
    node = make_node(primitive, a, b, data)
    node._grad, node._stamp, node.note = grad, stamp, note
    return node


def _load_leaf(cls: type[Value], data: float, grad: float, stamp: int, note: Note | None) -> Value:
    global clock
    if stamp > clock:  # later nodes must be younger than what is loaded; no call between, so no other thread
        clock = stamp
    leaf = new(cls)
    leaf._data, leaf._grad, leaf._stamp, leaf.note = data, grad, stamp, note
    leaf.primitive = leaf._a = leaf._b = None
    return leaf


def _load(leaves: list[Any], records: list[copying.Record]) -> Value:
    global clock
    newest = max(abs(stamp) for *_, stamp, _ in records)
    if newest > clock:
        clock = newest
    node: Value = copying.unflatten(leaves, records, _rebuild)
    return node
