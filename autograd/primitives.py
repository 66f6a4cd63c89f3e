"""A primitive: one record that holds all the engine knows of an operation, and the one hook through which it is
called."""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, overload

from .floats import as_float, is_node


class Recorded(Protocol):
    """A node, for type checkers: its type has the hook through which primitives record."""

    @property
    def _record(self) -> Any: ...


N = TypeVar("N", bound=Recorded)
Partial = Callable[..., Any]
TABLE = "autograd.ops"
"""The module that holds this package's own primitives."""
NEW_OPERATION = """, and is made from others by operations alone; write a new operation as

    @primitive(lambda x, out: 3 * x**2)  # for each operand: (operands, result) -> derivative
    def cube(x):
        return x**3"""
"""The end of an error's text."""


def nothing(*_: Any) -> None:
    """The partial by an operand that nothing ever flows to."""


@dataclass(frozen=True, eq=False, repr=False)
class Primitive:
    """An operation on numbers with its partial derivatives.

    Calling it with floats gives a float. Calling it with a node (anything whose type has the hook `_record`) gives what
    the hook returns: a new node of the graph.
    """

    name: str
    forward: Callable[..., float]
    """Floats to float. Total: it returns inf or nan rather than raise."""
    partials: tuple[Partial, ...]
    """For each operand `(operand, ..., out) -> derivative of out by this operand`. They are written in primitives, so
    that they can be differentiated again. None says that nothing flows there."""
    domain: tuple[tuple[float, float], ...] = ((-3.0, 3.0),)
    """An interval for each operand in which the operation is defined and tests sample it; the last one repeats."""
    textbook: tuple[Partial, ...] = ()
    """The partials as a textbook writes them, for pictures, if those above are written so that nothing cancels."""
    symbol: str = ""
    """A short name for pictures: the name unless told. Nothing is ever read back out of it."""
    vectors: tuple[int, ...] = ()
    """The positions of operands that are tuples of numbers, of any length. The partial of such a one is a sequence of
    derivatives, each of which may be None."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Trailing operands that have a name and a default, such as the slope of `leaky_relu`."""
    doc: str = ""
    names: tuple[str, ...] = ()
    """The operands' names in `help`; found in the rules unless told."""
    module: str = ""
    """The module of the definition; unless told, the one that makes the record."""
    arity: int = field(init=False)
    in_slots: bool = field(init=False)
    """Whether a node keeps its operands, one or two and no vectors, in slots rather than in a tuple."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbol", self.symbol or self.name)
        object.__setattr__(self, "arity", len(self.partials))
        object.__setattr__(self, "in_slots", self.arity <= 2 and not self.vectors)
        object.__setattr__(self, "__doc__", self.doc)
        object.__setattr__(self, "__name__", self.name)
        object.__setattr__(self, "__signature__", self._signature())
        if not self.module:
            object.__setattr__(self, "module", sys._getframe(2).f_globals.get("__name__", "__main__"))
        REGISTRY[self.key] = self  # defined again, as by a notebook cell that is run again, it replaces its like

    @property
    def key(self) -> str:
        """Its name in the registry and in pickled graphs: `exp`, or `module.name` for a custom one."""
        return self.name if self.module == TABLE else f"{self.module}.{self.name}"

    def _signature(self) -> inspect.Signature:
        """For `help`: operands are named as a partial or the forward rule names them."""
        codes = [f.__code__ for f in (*self.partials, self.forward) if hasattr(f, "__code__")]
        known = [code.co_varnames for code in codes if code.co_argcount >= self.arity]
        names = self.names or (known[0] if known else [f"x{i + 1}" for i in range(self.arity)])
        names = names[: self.arity - len(self.parameters)]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        trailing = [inspect.Parameter(name, kind, default=x) for name, x in self.parameters.items()]
        return inspect.Signature([*(inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names), *trailing])

    @property
    def is_unary(self) -> bool:
        """Whether one number is enough: a function of a number, and a method of `Value`."""
        return self.arity - len(self.parameters) == 1 and not self.vectors

    @overload
    def __call__(self, *operands: float, **parameters: float) -> float: ...  # type: ignore[overload-overlap]  # alike for no operands
    @overload
    def __call__(self, *operands: "N | float", **parameters: float) -> "N": ...
    @overload
    def __call__(self, *operands: Any, **parameters: float) -> Any: ...
    def __call__(self, *operands: Any, **parameters: float) -> Any:
        if parameters or len(operands) != self.arity:
            operands = self._bind(operands, parameters)
        for x in operands:
            if type(x) is not float:
                record = getattr(type(x), "_record", None)
                return self.map((operands,))[0] if record is None else record(self, (operands,))[0]
        return self.forward(*operands)  # the short way that partials take in a float sweep

    def map(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results of several calls, each a tuple of all operands; made together they are faster than one by one."""
        for operands in calls:
            if (record := hook(operands)) is not None:
                return record(self, calls)
        return [self.forward(*map(self._numbers, range(self.arity), xs)) for xs in calls]

    def converted(self, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """The same operands with every number a float. Raises TypeError for what is no number."""

        def operand(x: Any) -> Any:
            return x if is_node(x) else as_float(x)

        return tuple(tuple(map(operand, x)) if i in self.vectors else operand(x) for i, x in enumerate(operands))

    def _numbers(self, position: int, x: Any) -> Any:
        return [as_float(v) for v in x] if position in self.vectors else as_float(x)

    def _bind(self, operands: tuple[Any, ...], parameters: Mapping[str, float]) -> tuple[Any, ...]:
        required = self.arity - len(self.parameters)
        given = dict(zip(self.parameters, operands[required:], strict=False))
        takes = f"{self.name} takes {required} operand{'s' * (required != 1)}"
        if self.parameters:
            takes += " and optionally " + ", ".join(self.parameters)
        if len(operands) < required or len(operands) > self.arity:
            raise TypeError(f"{takes}; got {len(operands)}")
        for name in parameters:
            if name not in self.parameters or name in given:
                raise TypeError(f"{takes}; got {name!r} {'twice' if name in given else 'as a keyword'}")
        return operands[:required] + tuple({**self.parameters, **given, **parameters}.values())

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.key,)


REGISTRY: dict[str, Primitive] = {}
"""Every primitive by its key, in order of definition."""


def find(key: str) -> Primitive:
    """The primitive of that key; KeyError, with a remedy, if there is none."""
    try:
        return REGISTRY[key]
    except KeyError:
        raise KeyError(
            f"no primitive is named {key!r}; if it is a custom one, run the code that defines it first"
        ) from None


def hook(operands: Sequence[Any]) -> Callable[[Primitive, Sequence[tuple[Any, ...]]], list[Any]] | None:
    """The hook by which the first node among the operands records calls; None if all are plain numbers."""
    for x in operands:
        if type(x) is not float:
            record = getattr(type(x), "_record", None) if type(x) is not tuple else hook(x)
            if record is not None:
                return record
    return None


def primitive(
    *partials: Partial, symbol: str = "", domain: tuple[tuple[float, float], ...] = ((-3.0, 3.0),)
) -> Callable[[Callable[..., float]], Callable[..., Any]]:
    """Makes a function of floats into an operation of the engine, given its partial derivatives.

    partials: for each operand of the function one `(operand, ..., out) -> derivative`; for a function of `*operands` a
    single `(operands, out) -> sequence of derivatives`. Write them with operators and this package's functions (no
    `math`, no `.data`), and the operation can be differentiated as often as you like, in both modes.
    symbol: what a picture shows; the function's name unless told. domain: for each operand an interval in which it is
    defined. Raises TypeError if the partials do not fit the function.

    >>> from autograd import grad, primitive
    >>> @primitive(lambda x, out: 3 * x**2)
    ... def cube(x):
    ...     return x * x * x
    >>> cube(2.0), grad(cube)(2.0), grad(grad(cube))(2.0)
    (8.0, 12.0, 12.0)
    """

    for partial in partials:
        if not any(_takes(partial, count) for count in range(2, 65)):
            raise TypeError(
                f"primitive expected partials that take the operands and then the result, got {partial!r}; write "
                f"@primitive(lambda x, out: ...) above the function"
            )

    def decorate(function: Callable[..., float]) -> Callable[..., Any]:
        name = getattr(function, "__name__", type(function).__name__)
        if not name.isidentifier():
            raise TypeError("primitive expected a function with a name, which a lambda has not; write it with def")
        takes = list(inspect.signature(function).parameters.values())
        variadic = any(p.kind is p.VAR_POSITIONAL for p in takes)
        if any(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in takes) or (variadic and len(takes) > 1) or not takes:
            raise TypeError(f"{name} expected to take its operands by position: (x), (x, y), ... or (*xs)")
        if len(takes) != len(partials):
            raise TypeError(f"{name} needs one partial for each of its {len(takes)} operands, got {len(partials)}")
        if not variadic and not all(_takes(partial, len(takes) + 1) for partial in partials):
            raise TypeError(f"each partial of {name} takes {len(takes) + 1} arguments: its operands and the result")

        def rule(*operands: Any) -> Any:
            return function(*(operands[0] if variadic else operands))

        @functools.wraps(rule)  # which the compiler calls with Values
        def forward(*operands: Any) -> float:
            return as_float(rule(*operands))

        def checked(partial: Partial) -> Partial:
            if variadic:
                return lambda xs, out: _derivatives(name, partial(xs, out), (*xs, out))
            return lambda *xs: _derivative(name, partial(*xs), xs)

        record = Primitive(
            name=name,
            symbol=symbol,
            forward=forward,
            partials=tuple(map(checked, partials)),
            domain=domain,
            vectors=(0,) if variadic else (),
            parameters={p.name: as_float(p.default) for p in takes if p.default is not p.empty},
            names=tuple(p.name for p in takes),
            doc=function.__doc__ or "",
            module=getattr(function, "__module__", "__main__"),
        )
        return functools.wraps(function)(lambda *operands: record(operands)) if variadic else record

    return decorate


def _takes(function: Any, count: int) -> bool:
    """Whether something can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a built-in that hides what it takes
        return callable(function)
    return True


def _derivatives(name: str, found: Sequence[Any] | None, operands: Sequence[Any]) -> list[Any]:
    count = len(operands) - 1
    derivatives = [None] * count if found is None else list(found)
    if len(derivatives) != count:
        raise ValueError(f"the partial of {name} returned {len(derivatives)} derivatives for {count} operands")
    return [_derivative(name, d, operands) for d in derivatives]


def _derivative(name: str, derivative: Any, operands: Sequence[Any]) -> Any:
    """The result of a custom partial, as a float, None or a node; a node from elsewhere is not its to return."""
    if derivative is None or type(derivative) is float:
        return derivative
    if not is_node(derivative):
        return as_float(derivative)
    if hook(operands) is None:
        raise TypeError(f"a partial of {name} uses a Value that is none of its operands; use its number, v.data")
    return derivative
