"""Options by name: what a class's one formula takes after its `*` is what its constructor takes, with the defaults."""

import functools
import inspect
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

SHARES = ("betas", "rho", "alpha", "pct_start")
"""Shares of the past in a running mean, or of the steps: below 1."""
COUNTS = ("step_size", "total_iters", "T_max", "total_steps")
"""Whole numbers of at least 1."""


class Configured:
    """A base of classes that are one method, named by `formula`, with options."""

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
                if not hasattr(x, kind_of_number) or not low <= x < high:
                    wanted = "in [0, 1)" if name in SHARES else f">= {low}" + ", whole" * (name in COUNTS)
                    raise ValueError(f"{kind} expected {name} {wanted}, got {x!r}")


def plain(x: Any) -> Any:
    """Python's own number in the place of NumPy's, which would compute in its own precision."""
    if isinstance(x, tuple | list):
        return type(x)([plain(y) for y in x])
    return x.item() if hasattr(x, "dtype") and hasattr(x, "item") else x
