"""Stand-ins: a student's objects, which live in another process, as if they were here.

An operation on a stand-in is done in that process. Back come numbers, texts, collections of them, and stand-ins for
everything else. A stand-in is equal to itself alone, and neither smaller nor larger than anything, so that a judgement
is about numbers, and no method of a student takes part in it.
"""

import builtins
import contextlib
import os
import select
import site
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from .attempts import Stopped
from .confinement import Limits
from .messages import LARGEST, decode, encode, pack, unpack
from .places import Gone

GRACE = 1.0
"""Seconds after the end of the time until the process itself is ended."""
START_SECONDS = 60.0
"""The most time until a process is ready."""
LONGEST_TEXT = 2000
"""The most characters of an error, or of what is printed meanwhile."""
FOLDER_BYTES = 256 * 2**20
"""The most bytes of a submission's folder."""
CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from autograd.exercises.serving import main; main(*sys.argv[2:])"
ENDS = {-9: "the system ended it", -11: "the interpreter crashed", -24: "it took too much time",
        -25: "it wrote too large a file"}  # fmt: skip


UNUSUAL = (UnicodeError, ExceptionGroup, StopIteration, StopAsyncIteration)
"""Errors that are not made of a text, or that mean something to a loop of the grader."""


class SubmissionError(Exception):
    """An error of a kind that only the submission's process knows: its name and its text."""


class Process:
    """The process of a submission, and what it is asked; `with` ends it. Raises RuntimeError if it does not start."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits, self.ended = folder, limits, ""
        self.end = time.monotonic() + START_SECONDS
        self.standins: WeakValueDictionary[int, StandIn] = WeakValueDictionary()
        self.released: set[int] = set()
        self.functions: list[Callable[..., Any]] = []
        self.connection, far = Pipe()
        os.set_blocking(self.connection.fileno(), False)
        package = str(Path(__file__).parents[2])
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD, package, *map(str, (far.fileno(), *limits))],
            cwd=folder, env=_environment(folder), pass_fds=[far.fileno()], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        far.close()
        try:
            self._receive(self.end)
        except Gone as error:
            words = (self.words or str(error)).strip()
            raise RuntimeError(f"the process of a submission does not start: {words}") from None

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, reason: str = "it was closed") -> Gone:
        """Ends the process; returns the error of whoever asks it from now on."""
        if not self.ended:
            self.ended, self.words = reason, ""
            self.child.kill()
            self.child.wait()
            if self.child.stderr:
                self.words = self.child.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
                self.child.stderr.close()
            self.connection.close()
        return Gone(self.ended)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Gives all that is asked inside so many seconds, or less if less is left."""
        before, self.end = self.end, min(self.end, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.end = before

    def function(self, thing: Any) -> Any:
        """A stand-in for a class or a function, as that process has it."""
        return self.ask("function", thing.__module__, thing.__qualname__)

    def ask(self, do: str, /, *arguments: Any, **options: Any) -> Any:
        """Does one thing there, and gives its result. Raises what was raised there, Stopped if the time is over, Gone
        if the process has ended."""
        if self.ended:
            raise Gone(self.ended)
        left = self.end - time.monotonic()
        if left <= 0.0:
            raise Stopped
        request = {"do": encode((do, *arguments), self._refer), "options": encode(options, self._refer)}
        released, self.released = [*self.released], set()
        last = time.monotonic() + left + GRACE
        try:
            self._send({**request, "seconds": left, "released": released}, last)
            while "call" in (answer := self._receive(last)):
                self._send(self._called(answer), last)
        except BaseException:
            self.close("a question was interrupted")  # its answer would be taken for that of the next one
            raise
        sys.stdout.write(str(answer.get("output", ""))[:LONGEST_TEXT])
        if "error" in answer:
            raise _error(answer["error"])
        return self._decoded(answer.get("value"))

    def _called(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of a function of the grader, which the submission has called."""
        try:
            result = self.functions[message["call"]](*self._decoded(message.get("arguments")))
            return {"value": encode(result, self._refer)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _refer(self, x: Any) -> int:
        """The handle of a stand-in, or a negative one of a function. Raises TypeError for other things, Gone for a
        stand-in of another process."""
        if isinstance(x, StandIn):
            if x._standin_process is not self:
                raise Gone(x._standin_process.ended)
            return x._standin_handle
        if callable(x) and not isinstance(x, type):
            self.functions.append(x)
            return -len(self.functions)
        raise TypeError(
            f"a test handed a {type(x).__name__} of its own to the submission; it can hand over numbers, texts, lists "
            "of them, functions, and whatever the submission has made, such as its own Value"
        )

    def _decoded(self, x: Any) -> Any:
        try:
            return decode(x, self._standin)
        except (ValueError, TypeError, RecursionError):
            raise self.close("it answered nonsense") from None

    def _standin(self, handle: Any) -> "StandIn":
        if not isinstance(handle, int):
            raise ValueError("a handle is a number")
        self.released.discard(handle)
        found = self.standins.get(handle)
        if found is None:
            found = self.standins[handle] = StandIn(self, handle)
        return found

    def _send(self, message: Mapping[str, Any], end: float) -> None:
        """Sends a message. Raises Gone if it is not taken in time."""
        data = pack(message)
        waiting = memoryview(struct.pack("!i", len(data)) + data)
        try:
            while waiting:
                self._wait(select.POLLOUT, end)
                waiting = waiting[os.write(self.connection.fileno(), waiting) :]
        except OSError:
            raise self._broken() from None

    def _receive(self, end: float) -> dict[str, Any]:
        """The next message. Raises Gone if none comes in time, or if it is none."""
        try:
            (size,) = struct.unpack("!i", self._read(4, end))
            message = unpack(self._read(size, end)) if 0 <= size <= LARGEST else None
        except OSError:
            raise self._broken() from None
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise self.close("it answered nonsense")
        return message

    def _read(self, size: int, end: float) -> bytes:
        """A number of bytes. Raises OSError if the other end closes, Gone if they do not come in time."""
        found = bytearray()
        while len(found) < size:
            self._wait(select.POLLIN, end)
            piece = os.read(self.connection.fileno(), size - len(found))
            if not piece:
                raise OSError("closed")
            found += piece
        return bytes(found)

    def _wait(self, event: int, end: float) -> None:
        """Waits until the connection is ready. Raises Gone if it is not in time, or if the folder grows too large."""
        poll = select.poll()
        poll.register(self.connection.fileno(), event)
        while time.monotonic() < end:
            if poll.poll(500):
                return
            if _size(self.folder) > FOLDER_BYTES:
                raise self.close(f"it wrote more than {FOLDER_BYTES // 2**20} MB")
        raise self.close(f"it did not end in time, {self.limits.seconds:g} s, and could not be interrupted")

    def _broken(self) -> Gone:
        """The error after the other end has closed."""
        try:
            code = self.child.wait(GRACE)
        except subprocess.TimeoutExpired:
            return self.close("it closed its connection")
        return self.close(ENDS.get(code, f"it ended itself, with code {code}"))


def _size(folder: Path) -> int:
    """The bytes of a folder's files, as far as they stay there while it is read."""
    size = 0
    with contextlib.suppress(OSError, RecursionError):
        for path in folder.rglob("*"):
            size += path.lstat().st_size
    return size


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    home = dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), str(folder))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **kept, **home, **threads, "LANG": "C.UTF-8", "MPLBACKEND": "agg", "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUSERBASE": site.getuserbase(),
    }  # fmt: skip


def _error(told: Any) -> BaseException:
    """The error that was raised in the submission's process, and where as a note."""
    name, text, place = told if isinstance(told, list) and len(told) == 3 else ("Error", str(told), "")
    if name == "Stopped":
        return Stopped()
    kind = getattr(builtins, str(name), None)
    error: Exception
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UNUSUAL):
        error = kind(str(text)[:LONGEST_TEXT])
    else:
        error = SubmissionError(f"{name}: {text}"[:LONGEST_TEXT])
    if place:
        error.add_note(str(place)[:LONGEST_TEXT])
    return error


class StandIn:
    """Stands for an object of a submission."""

    __slots__ = ("__weakref__", "_standin_handle", "_standin_process")

    def __init__(self, process: Process, handle: int) -> None:
        object.__setattr__(self, "_standin_process", process)
        object.__setattr__(self, "_standin_handle", handle)

    _standin_process: Process
    _standin_handle: int

    def __del__(self) -> None:
        self._standin_process.released.add(self._standin_handle)

    def __getattr__(self, name: str) -> Any:
        """Raises AttributeError for names that Python keeps for itself: what libraries look for in them is not here."""
        if name.startswith("__"):
            raise AttributeError(f"a stand-in has no {name}")
        return self._standin_process.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._standin_process.ask("setattr", self, name, value)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._standin_process.ask("call", self, *arguments, **options)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._standin_process.ask("items", self))

    def __contains__(self, x: Any) -> bool:
        return any(v is x or v == x for v in self)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return str(self._standin_process.ask("repr", self))

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else repr(self)

    def __mro_entries__(self, bases: Any) -> Any:
        """Raises TypeError: what a test makes of a class of the submission would live here."""
        raise TypeError("a test cannot make a subclass of a submission's class; define it in a cell of the submission")

    def __lt__(self, x: Any) -> bool:
        """Raises TypeError: only numbers are compared."""
        raise TypeError(f"a number is expected here, and the submission gave {self!r}")

    __gt__ = __le__ = __ge__ = __lt__

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, StandIn) and self._standin_process.ask("isinstance", self, x) is True

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __len__(self) -> int:
        return int(self._number("len"))

    def _number(self, do: str) -> float:
        """Raises TypeError for what is no number."""
        found = self._standin_process.ask(do, self)
        if not isinstance(found, int | float):
            raise TypeError(f"expected a number, got {type(found).__name__}")
        return found


def _left(do: str) -> Callable[..., Any]:
    return lambda self, *xs: _made(do, self._standin_process.ask(do, self, *xs))


def _right(do: str) -> Callable[..., Any]:
    return lambda self, x: _made(do, self._standin_process.ask(do, x, self))


def _made(do: str, found: Any) -> Any:
    """The result of an operation on objects. Raises TypeError for a number, which a student's method has chosen."""
    if isinstance(found, int | float) and do != "getitem":
        raise TypeError(f"{do} of objects gave the plain number {found!r} instead of an object")
    return found


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(StandIn, f"__{_name}__", _left(_name))
    setattr(StandIn, f"__r{_name}__", _right(_name))
for _name in ("iadd", "isub", "imul", "itruediv", "ipow", "neg", "pos", "abs", "getitem", "setitem"):
    setattr(StandIn, f"__{_name}__", _left(_name))
