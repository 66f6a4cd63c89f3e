"""Modes: what happens when an operation is recorded. All of them are one context variable, read once an operation.

A `ContextVar` gives every thread and every asyncio task modes of its own.
"""

import contextlib
import functools
import gc
import inspect
import linecache
import sys
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from types import FrameType
from typing import Any, NamedTuple, NoReturn, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Unknown(Protocol):
    """Answers where a number would be read that is not known. The compiler has the one implementation."""

    def refuse(self, what: str) -> NoReturn:
        """TypeError: this number cannot be read, and what to write instead."""

    def choose(self, condition: Any, a: Any, b: Any) -> Any:
        """A partial that is a or b; see `ops.choose`."""

    def stop(self, x: Any) -> Any:
        """x, through which nothing flows: `detach`, and what `no_grad` computes."""

    def pull(self, seeds: Any, inputs: Any, create_graph: bool) -> list[Any]:
        """A whole reverse sweep, recorded; see `sweeps.pull`."""

    def push(self, tangents: Any, outputs: Any, create_graph: bool) -> list[Any]:
        """A whole forward sweep, recorded; see `sweeps.push`."""


class Mode(NamedTuple):
    recording: bool = True  # False: results are leaves that remember nothing
    anomaly: bool = False  # True: the first nan or inf is an error
    noting: bool = False  # True: nodes note the line of source that made them
    unknown: Unknown | None = None  # who answers for the numbers, if a graph is recorded that has to hold for others


MODE: ContextVar[Mode | None] = ContextVar("autograd mode", default=None)
"""None stands for `Mode()`, so that the operators' fast path is one comparison with None."""


class Switch:
    """Sets some fields of the mode for a `with` block or, as a decorator, for each call of a function."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._tokens: list[Token[Mode | None]] = []

    def __enter__(self) -> None:
        mode = (MODE.get() or Mode())._replace(**self._changes)
        self._tokens.append(MODE.set(None if mode == Mode() else mode))

    def __exit__(self, *error: object) -> None:
        MODE.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function in this mode. Raises TypeError for generators and coroutines, which run piece by piece."""
        if (
            inspect.iscoroutinefunction(function)
            or inspect.isgeneratorfunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise TypeError(
                f"{function.__name__} runs piece by piece, so a decorator cannot hold a mode around its body; write "
                f"the `with` statement inside it, around lines that do not yield"
            )

        @functools.wraps(function)
        def in_mode(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)(**self._changes):
                return function(*args, **kwargs)

        return in_mode


def no_grad() -> Switch:
    """Within `with no_grad():`, or in a function decorated with `@no_grad()`, operations compute but record nothing.

    >>> from autograd import Value, no_grad
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y.inputs
    (9.0, ())
    """
    return Switch(recording=False)


def recording() -> Switch:
    """The opposite of `no_grad`, for what cannot work without a graph: the transforms and the differentiable sweeps."""
    return Switch(recording=True)


def plainly() -> Switch:
    """No mode at all: for what computes on the side and must be neither watched nor traced."""
    return Switch(**Mode()._asdict())


def is_recording() -> bool:
    return (MODE.get() or Mode()).recording


def unknown() -> Unknown | None:
    """The object that answers for numbers that are not known now; None where numbers are known."""
    mode = MODE.get()
    return mode.unknown if mode is not None else None


def check_known(what: str) -> None:
    """TypeError if this cannot be read, since numbers are not known."""
    if (answers := unknown()) is not None:
        answers.refuse(what)


def detect_anomaly() -> Switch:
    """Within `with detect_anomaly():` the first nan or inf, in the forward pass or in a sweep, raises
    FloatingPointError.

    The error names the node, the numbers it was made from and the line of source that made it. Slow: for finding a
    fault.

    >>> from autograd import Value, detect_anomaly
    >>> with detect_anomaly():
    ...     y = Value(0.0, label="x").log()
    Traceback (most recent call last):
    FloatingPointError: the forward pass made -inf: log(x = 0.0) ...
    """
    return Switch(anomaly=True)


def trace_source() -> Switch:
    """Within `with trace_source():` every Value notes the line of source that made it, for pictures, step-throughs and
    error texts. It costs a few microseconds a node.

    >>> from autograd import Value, trace_source
    >>> with trace_source():
    ...     y = Value(2.0) * 3.0
    >>> bool(y.note.line)  # such as "lesson.py:12: y = Value(2.0) * 3.0"
    True
    """
    return Switch(noting=True)


NOT_OF_USER = ("autograd", "nn", "contextlib")


def line_of_user() -> str:
    """The line of the innermost frame outside autograd and nn, as `file:line: source`."""
    frame, _ = _frame_of_user()
    return source_line(frame.f_code.co_filename, frame.f_lineno)


def warn(text: str) -> None:
    """A warning that names the innermost line outside autograd and nn."""
    _, depth = _frame_of_user()
    warnings.warn(text, stacklevel=depth)


def _frame_of_user() -> tuple[FrameType, int]:
    """The innermost frame of the user's code, and its distance from the caller, for `stacklevel`."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in NOT_OF_USER:
        frame, depth = frame.f_back, depth + 1
    return frame, depth


def notebook() -> Any:
    """IPython's shell, if the user works in one; None otherwise."""
    shell = getattr(sys.modules.get("IPython.core.interactiveshell"), "InteractiveShell", None)
    return shell.instance() if shell and shell.initialized() else None


def source_line(file: str, line: int) -> str:
    """A line of source as `file:line: source`; a notebook's cell as `In[3]:line: source`."""
    name_of_cell = getattr(getattr(notebook(), "compile", None), "format_code_name", None)
    _, cell = (name_of_cell and name_of_cell(file)) or ("", file)
    return f"{cell}:{line}: {linecache.getline(file, line).strip()}".rstrip(": ")


@contextlib.contextmanager
def paused_collector() -> Iterator[None]:
    """Python's collector looks for cycles, which a graph has none of, and would take a third of the time of a step."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
