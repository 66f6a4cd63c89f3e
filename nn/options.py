"""Options by name: what a class's one formula takes after its `*` is what its constructor takes, with the defaults."""

import functools
import inspect
import math
import sys
import types
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, ClassVar

SHARES = ("betas", "rho", "alpha", "pct_start")
"""Shares of the past in a running mean, or of the steps: below 1."""
COUNTS = ("step_size", "total_iters", "T_max", "total_steps")
"""Whole numbers of at least 1."""


class Configured:
    """A base of classes that are one method, named by `formula`, with options."""

    options: dict[str, Any]
    formula: ClassVar[str]
    subject: ClassVar[str]
    """The first argument of the constructor."""

    def __init_subclass__(cls) -> None:
        """`help` and editors show the constructor as it can be called."""
        if hasattr(cls, "formula") and "__init__" not in vars(cls):
            first = inspect.Parameter(cls.subject, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            cls.__signature__ = inspect.Signature([first, *cls._options()])  # type: ignore[attr-defined]  # inspect reads it

    @classmethod
    def _options(cls) -> list[inspect.Parameter]:
        parameters = (
            inspect.signature(getattr(cls, cls.formula)).parameters.values() if hasattr(cls, cls.formula) else ()
        )
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return [p.replace(kind=kind) for p in parameters if p.kind is p.KEYWORD_ONLY]

    def _bind(self, args: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
        """The options by name, those left out at their defaults. Raises TypeError for unknown and missing ones."""
        try:
            bound = inspect.Signature(self._options()).bind(*args, **options)
        except TypeError as error:
            names = ", ".join(p.name for p in self._options())
            raise TypeError(f"{type(self).__name__}: {error}; its options are {names or 'none'}") from None
        bound.apply_defaults()
        return {name: plain(x) for name, x in bound.arguments.items()}

    def with_options(self, options: Mapping[str, Any]) -> Callable[..., Any]:
        """The formula with its options filled in: as its defaults, which is a third faster than a partial."""
        method = getattr(self, self.formula)
        function = getattr(method, "__func__", None)
        code = getattr(function, "__code__", None)
        if function is None or code is None or code.co_kwonlyargcount != len(options):  # decorated, for one
            return functools.partial(method, **options)
        twin = types.FunctionType(
            code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        twin.__kwdefaults__ = dict(options)
        return types.MethodType(twin, self)

    def check(self, options: Mapping[str, Any]) -> None:
        """ValueError for an option that is out of range or of another shape than its default."""
        kind, defaults = type(self).__name__, {p.name: p.default for p in self._options()}
        for name, option in options.items():
            if isinstance(defaults[name], bool | str) or defaults[name] is None or callable(option):
                continue
            if isinstance(default := defaults[name], tuple) and (
                not isinstance(option, tuple | list) or len(option) != len(default)
            ):
                raise ValueError(f"{kind} expected {name} as {len(default)} numbers such as {default}, got {option!r}")
            if isinstance(default, int | float) and isinstance(option, tuple | list | bool):
                raise ValueError(f"{kind} expected {name} as a number such as {default}, got {option!r}")
            for x in option if isinstance(option, tuple | list) else (option,):
                low, high = (1, math.inf) if name in COUNTS else (0, 1.0 if name in SHARES else math.inf)
                kind_of_number = "__index__" if name in COUNTS else "__float__"
                if not hasattr(x, kind_of_number) or not low <= x < high or not x <= sys.float_info.max:
                    wanted = "in [0, 1)" if name in SHARES else f">= {low}" + ", whole" * (name in COUNTS)
                    raise ValueError(f"{kind} expected {name} {wanted}, got {x!r}")


def plain(x: Any) -> Any:
    """Python's own numbers in the place of NumPy's, which would compute in their own precision, and of a range."""
    if hasattr(x, "ndim") and x.ndim:
        return x.tolist()
    if isinstance(x, range):
        return list(x)
    if isinstance(x, tuple | list) and not hasattr(x, "_fields"):
        return type(x)([plain(y) for y in x])
    return x.item() if hasattr(x, "dtype") and hasattr(x, "item") else x


Changes = list[tuple[Configured, dict[str, Any]]]
"""Owners of options, and those that they are to have."""


def saved_options(x: Any) -> Any:
    """Options as plain data; what has no such form by its kind."""
    if isinstance(x, Configured):
        return {"kind": type(x).__name__, "options": saved_options(x.options)}
    if isinstance(x, dict):
        return {str(name): saved_options(y) for name, y in x.items()}
    if isinstance(x, list | tuple):
        return [saved_options(y) for y in x]
    if x is None or isinstance(x, bool | int | float | str):
        return x
    return float(x) if isinstance(x, Real) else {"kind": type(x).__name__}


def restore(owner: Configured, saved: dict[str, Any], changes: Changes) -> None:
    """Notes the options of a state for their owner, a schedule for one. Raises ValueError if they do not fit."""
    options = {name: _restored(x, saved[name], type(owner).__name__, changes) for name, x in owner.options.items()}
    owner.check(options)
    changes.append((owner, options))


def _restored(x: Any, saved: Any, kind: str, changes: Changes) -> Any:
    if saved == (here := saved_options(x)):
        return x
    if isinstance(x, Configured) and isinstance(saved, dict) and saved.get("kind") == here["kind"]:
        if isinstance(inner := saved.get("options"), dict) and inner.keys() == x.options.keys():
            restore(x, inner, changes)
            return x
    elif isinstance(x, list | tuple) and isinstance(saved, list):
        if len(x) == len(saved):
            return type(x)([_restored(y, z, kind, changes) for y, z in zip(x, saved, strict=True)])
        if not any(isinstance(y, dict) for y in [*here, *saved]):
            return type(x)(saved)
    elif not isinstance(saved, dict | list) and not isinstance(here, dict | list):
        kinds = {type(here), type(saved)} - {type(None)}
        if kinds <= {int, float} or len(kinds) == 1:
            return saved
    elif None in (x, saved) and not (isinstance(saved, dict) and saved.keys() == {"kind"}):
        return saved
    raise ValueError(f"the state of {kind} has {saved!r} where this has {x!r}")
