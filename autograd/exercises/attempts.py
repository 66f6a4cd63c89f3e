"""Running a stranger's code: with a deadline, its output kept, whatever it raises."""

import builtins
import contextlib
import ctypes
import gc
import io
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Generic, NamedTuple, TypeVar

from .places import PLACE, Gone, Place

T = TypeVar("T")
DEPTH = 1000
"""Calls within calls that the code may make, as Python sets it."""
PATIENCE = 5
"""The factor by which code in a process of its own may take longer, beside others on a busy machine."""
LONGEST = 10_000
"""The most characters of output that are kept."""


class Stopped(BaseException):
    """The time is over. No `except Exception` catches it, and where something else does, the watch goes on."""

    def __init__(self, watch: "Watch | None" = None) -> None:
        super().__init__()
        self.watch = watch

    def __del__(self) -> None:
        if self.watch is not None and self.watch.running:
            self.watch.start()


class Watch:
    """Stops Python code that runs longer than so many seconds.

    Python calls the watch at every line. Whatever it raises ends the tracing too, so that code which catches everything
    would run on for ever; therefore the exception starts the watch again when it is dropped. A second thread raises it
    where no line begins, or where the exception is kept.
    """

    def __init__(self, seconds: float) -> None:
        self.end, self.running, self.thread = time.monotonic() + seconds, True, threading.get_ident()

    def start(self) -> None:
        """Watches this thread, from all frames that run in it."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename != __file__:
                frame.f_trace = self
            frame = frame.f_back
        sys.settrace(self)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> "Watch":
        """Called by Python. Raises Stopped if the time is over."""
        if time.monotonic() > self.end and self.running and frame.f_code.co_filename != __file__:
            raise Stopped(self)  # which no name keeps alive
        return self


class Guard:
    """The second thread: it sleeps, looks at the time, and ends after a while without work.

    No locks: an exception that arrives between taking one and giving it back would keep it for ever.
    """

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self.busy, self.sent, self.alive = False, False, False

    def take(self, watch: Watch) -> Watch | None:
        """Guards this watch from now on; returns the one before."""
        before, self.watch = self.watch, watch
        if not self.alive:
            with contextlib.suppress(RuntimeError):  # where there are no threads
                self.alive = True
                threading.Thread(target=self._run, daemon=True).start()
        return before

    def give_back(self, watch: Watch, before: Watch | None) -> None:
        """Guards the watch before again; nothing arrives from this one any more."""
        while True:
            try:
                watch.running, self.watch = False, before
                while self.busy:
                    time.sleep(0)
                for _ in range(100 * self.sent):  # what was sent arrives here at the latest
                    time.sleep(0)
                self.sent = False
                return
            except Stopped:
                continue

    def _run(self) -> None:
        idle = time.monotonic()
        while self.watch is not None or time.monotonic() - idle < 1.0:
            time.sleep(0.05)
            self.busy = True
            watch = self.watch
            if watch is not None:
                idle = time.monotonic()
                if watch.running and idle > watch.end + 0.1:
                    self.sent = True
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(watch.thread), ctypes.py_object(Stopped))
            self.busy = False
        self.alive = False


GUARD = Guard()


class Attempt(NamedTuple, Generic[T]):
    """The outcome: a value or an error, and what was printed."""

    value: T | None
    error: BaseException | None
    output: str
    seconds: float


class _Limited(io.StringIO):
    """Keeps the beginning of a text."""

    def write(self, text: str) -> int:
        if (room := LONGEST - self.tell()) > 0:
            super().write(text[:room])
        return len(text)

    def close(self) -> None:
        """Stays open, whatever the code does."""


def _no_input(prompt: object = "") -> str:
    raise EOFError("input() has nobody to ask while a checker runs")


def attempt(f: Callable[[], T], seconds: float = 1.0) -> Attempt[T]:
    """Calls f, and tells what it gave or raised and what it printed. SystemExit is an error like others;
    KeyboardInterrupt is passed on. Where the code runs in a process of its own, that process is given the deadline;
    Raises Gone if it ends."""
    if (place := PLACE.get()) is not None:
        return _attempt_there(f, seconds, place)
    before, watch, output = _Surroundings(), Watch(seconds), _Limited()
    start = time.monotonic()
    value, error = None, None
    guarded = GUARD.take(watch)
    try:
        before.change(output)
        sys.settrace(watch)
        value = f()
    except KeyboardInterrupt:
        raise
    except BaseException as caught:
        error = caught
    finally:
        while True:  # an error from the guard may arrive in any line until it is over
            try:
                sys.settrace(None)
                GUARD.give_back(watch, guarded)
                before.restore()
                break
            except Stopped:
                continue
    return Attempt(value, error, output.getvalue(), time.monotonic() - start)


def _attempt_there(f: Callable[[], T], seconds: float, place: Place) -> Attempt[T]:
    value, error, output, start = None, None, _Limited(), time.monotonic()
    try:
        with place.within(PATIENCE * seconds), contextlib.redirect_stdout(output):
            value = f()
    except (KeyboardInterrupt, Gone):
        raise
    except BaseException as caught:
        error = caught
    return Attempt(value, error, output.getvalue(), (time.monotonic() - start) / PATIENCE)


class _Surroundings:
    """The streams, limits and traces that a stranger's code may change: they are put back afterwards."""

    def __init__(self) -> None:
        self.streams, self.ask = (sys.stdin, sys.stdout, sys.stderr), builtins.input
        self.collects = gc.isenabled()
        self.limit, self.set_limit, self.trace = sys.getrecursionlimit(), sys.setrecursionlimit, sys.gettrace()
        self.frames: list[tuple[FrameType, Any]] = []
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            self.frames.append((frame, frame.f_trace))
            frame = frame.f_back

    def change(self, output: io.StringIO) -> None:
        """Takes output, gives no input, and keeps recursion within what Python's stack holds."""
        gc.disable()  # others' callbacks would run deep in a recursion
        most = len(self.frames) + DEPTH
        self.set_limit(most)
        sys.setrecursionlimit = lambda limit: self.set_limit(min(limit, most + 4 * DEPTH))
        sys.stdin, sys.stdout, sys.stderr = io.StringIO(), output, output
        builtins.input = _no_input

    def restore(self) -> None:
        """Puts all of it back."""
        sys.stdin, sys.stdout, sys.stderr = self.streams
        builtins.input, sys.setrecursionlimit = self.ask, self.set_limit
        self.set_limit(self.limit)
        for frame, trace in self.frames:
            frame.f_trace = trace
        if self.collects:
            gc.enable()
        sys.settrace(self.trace)
