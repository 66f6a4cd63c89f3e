"""The process of a submission: it runs the student's cells, and answers a grader's questions about what they made.

The grader sends what to do with which objects; back go numbers, texts, collections of them, and handles of everything
else. What is right is not known here.
"""

import builtins
import ctypes
import io
import itertools
import linecache
import operator
import os
import re
import sys
import traceback
import types
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from .attempts import GUARD, Watch
from .confinement import Limits, confine, readable
from .messages import decode, encode, pack, unpack

ITEMS = 100_000
"""The most items that are taken from an iterator."""
PRINTED = 2_000
"""The most characters of output that are sent with an answer."""


class GraderError(Exception):
    """The grader's own error in a function of its own, which the student's code called."""


class Server:
    """Answers requests until the other side closes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.objects: dict[int, Any] = {}
        self.handles: dict[int, int] = {}
        self.counter = itertools.count(1)
        self.module = types.ModuleType("__main__")
        self.names = self.module.__dict__
        self.names |= {"display": lambda *things: None, "__builtins__": builtins}
        sys.modules["__main__"] = self.module

    def serve(self) -> None:
        """Answers one request after the other."""
        while True:
            try:
                request = unpack(self.connection.recv_bytes())
            except EOFError:
                return
            self.connection.send_bytes(self._packed(self.answer(request)))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request: a value or an error, and what was printed meanwhile."""
        for handle in request["released"]:
            self.handles.pop(id(self.objects.pop(handle, None)), None)
        output = io.StringIO()
        sys.stdout = sys.stderr = output
        watch = Watch(request["seconds"])
        before = GUARD.take(watch)
        try:
            try:
                f, *arguments = decode(request["do"], self._object)
                options = decode(request["options"], self._object)
                answer = {"value": encode(ACTIONS[f](self, *arguments, **options), self.refer)}
            finally:
                GUARD.give_back(watch, before)
        except BaseException as error:
            answer = {"error": [type(error).__name__, _text(error), place_of(error)]}
        return answer | {"output": output.getvalue()[:PRINTED]}

    def _packed(self, answer: dict[str, Any]) -> bytes:
        try:
            return pack(answer)
        except ValueError as error:
            return pack({"error": ["ValueError", f"the result cannot be told: {error}", ""], "output": ""})

    def refer(self, x: Any) -> int:
        """The handle of an object, which is kept until the grader releases it."""
        if id(x) not in self.handles:
            handle = next(self.counter)
            self.handles[id(x)], self.objects[handle] = handle, x
        return self.handles[id(x)]

    def _object(self, handle: int) -> Any:
        """The object of a handle; of a negative one a function of the grader."""
        return self.objects[handle] if handle > 0 else self._callback(-handle - 1)

    def _callback(self, number: int) -> Callable[..., Any]:
        """A function that the grader runs. Raises GraderError with the words of its error."""

        def call(*arguments: Any) -> Any:
            message = {"call": number, "arguments": encode(arguments, self.refer)}
            self.connection.send_bytes(self._packed(message))
            while "do" in (answer := unpack(self.connection.recv_bytes())):  # what that function asks meanwhile
                self.connection.send_bytes(self._packed(self.answer(answer)))
            if "error" in answer:
                raise GraderError(answer["error"])
            return decode(answer["value"], self._object)

        return call

    def run(self, code: str, name: str) -> None:
        """Runs a cell. Raises what it raises."""
        filename = f"<{name}>"
        try:
            compiled = compile(code, filename, "exec")
        except SyntaxError:
            code = without_commands(code)
            compiled = compile(code, filename, "exec")
        linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
        exec(compiled, self.names)

    def name(self, name: str) -> Any:
        """The object of a name of the submission. Raises NameError."""
        if name not in self.names:
            raise NameError(f"name {name!r} is not defined")
        return self.names[name]


def without_commands(code: str) -> str:
    """A cell without the commands of notebooks, which plain Python does not have."""
    if re.match(r"\s*%%(?!time|capture)\w", code):
        return ""  # in another language
    code = re.sub(r"(?m)^\s*%%.*$", "", code)
    code = re.sub(r"(?m)^(\s*)%time(?:it)?\b(?: -\S+(?: \d+)?)*\s*", r"\1", code)
    code = re.sub(r"(?m)^(\s*)(?:[%!?].*|\S+\?+\s*)$", r"\1pass", code)
    return re.sub(r"(?m)=\s*[%!].*$", "= None", code)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:1000]
    except Exception:
        return "(its text cannot be made)"


def place_of(error: BaseException) -> str:
    """The last line of the submission's cells in which an error arose, as people read it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename.strip('<>')}, line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell")]
    return f"{frames[-1].filename.strip('<>')}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""


def _found(module: str, name: str) -> Any:
    return operator.attrgetter(name)(sys.modules[module])


def _items(x: Any) -> list[Any]:
    """All items. Raises ValueError if they do not end."""
    found = list(itertools.islice(iter(x), ITEMS + 1))
    if len(found) > ITEMS:
        raise ValueError(f"more than {ITEMS} items")
    return found


def _operated(name: str, server: Server, *xs: Any) -> Any:
    return getattr(operator, name)(*xs)


OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "iadd", "isub", "imul", "itruediv",
             "ipow", "neg", "pos", "abs", "getitem", "setitem")  # fmt: skip
ACTIONS: dict[str, Callable[..., Any]] = {
    **{name: partial(_operated, name) for name in OPERATORS},
    "run": Server.run,
    "name": Server.name,
    "function": lambda server, module, name: _found(module, name),
    "call": lambda server, f, /, *arguments, **options: f(*arguments, **options),
    "getattr": lambda server, x, name: getattr(x, name),
    "setattr": lambda server, x, name, value: setattr(x, name, value),
    "isinstance": lambda server, kind, x: isinstance(x, kind),
    "float": lambda server, x: float(x),
    "int": lambda server, x: int(x),
    "len": lambda server, x: len(x),
    "items": lambda server, x: _items(x),
    "repr": lambda server, x: repr(x)[:200],
}
"""All that a grader can ask for."""


def main(descriptor: str, seconds: str, megabytes: str, kernel: str) -> None:
    """Confines this process and serves the grader at the other end of a connection. Never returns."""
    connection = Connection(int(descriptor))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)  # it ends with the grader
    confine(os.getcwd(), readable(), Limits(float(seconds), int(megabytes), kernel == "True"))
    sys.path.append(os.getcwd())
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    connection.send_bytes(pack({"ready": True}))
    Server(connection).serve()
    os._exit(0)
