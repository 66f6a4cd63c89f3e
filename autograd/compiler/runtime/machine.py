"""LLVM for this computer: functions are made once for each kind, and found again.

llvmlite brings its own LLVM, so that nothing else is needed to compile; what it makes stays in memory.
"""

import ctypes
import ctypes.util
import functools
import itertools
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir

from ..codegen import calls
from ..codegen.arithmetic import LIBRARY
from ..codegen.builder import Blocks


class Machine:
    """LLVM for this computer, or for one with other features, and the functions made so far. When there are MOST of
    them, others are begun; those of before are gone with the last plan that calls them."""

    MOST = 4096

    def __init__(self, features: str | None = None) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        host = llvm.get_host_cpu_features()
        self.features = host.flatten() if features is None else features
        enabled = {f[1:] for f in self.features.split(",") if f.startswith("+")}
        lanes = 8 if "avx512f" in enabled else 4 if "avx" in enabled else 2
        self.blocks = Blocks(lanes, 4, 4 if lanes == 8 else 2)
        self.cpu = llvm.get_host_cpu_name() if features is None else ""
        self.engine = self._first = self._engine("")
        for name in LIBRARY:
            llvm.add_symbol(name, _address(name))
        self.functions: dict[Any, int] = {}
        self._alone, self._numbers = threading.Lock(), itertools.count()
        self.code: dict[Any, str] = {}
        self.run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(
            self.function("run", calls.run)
        )
        pointer, whole = ctypes.c_void_p, ctypes.c_int64
        self.copy = ctypes.CFUNCTYPE(None, pointer, whole, whole, pointer, whole, whole, whole, whole)(
            self.function("copy", calls.copy)
        )

    def _engine(self, code: str) -> Any:
        module = llvm.parse_assembly(code)
        module.verify()
        module.triple = llvm.get_process_triple()
        target = llvm.Target.from_default_triple()
        machine = target.create_target_machine(cpu=self.cpu, features=self.features, opt=1, jit=True)
        return llvm.create_mcjit_compiler(module, machine)

    def function(self, key: Any, make: Callable[..., None], *args: Any, **options: Any) -> int:
        """The address of a function, made when it is asked for the first time. Whoever keeps it keeps `engine`."""
        with self._alone:
            if len(self.functions) >= self.MOST and key not in self.functions:
                self.engine, self.functions, self.code = self._engine(""), {}, {}
            return self._function(key, make, *args, **options)

    def _function(self, key: Any, make: Callable[..., None], *args: Any, **options: Any) -> int:
        if (address := self.functions.get(key)) is None:
            name = f"kernel_{next(self._numbers)}"  # never twice, even if Ctrl-C comes before the function is noted
            self.code[key] = _written(name, make, *args, **options)
            compiled = llvm.parse_assembly(self.code[key])
            compiled.verify()
            self.engine.add_module(compiled)
            self.engine.finalize_object()
            self.functions[key] = address = self.engine.get_function_address(name)
        return address

    def alone(self, make: Callable[..., None], *args: Any, **options: Any) -> "Alone":
        """A function that nobody else needs, which is gone when it is no longer referred to."""
        code = _written("alone", make, *args, **options)
        engine = self._engine(code)
        engine.finalize_object()
        return Alone(engine.get_function_address("alone"), code, engine)


class Alone(NamedTuple):
    address: int
    code: str
    engine: Any
    """The engine, which keeps the function."""


def _written(name: str, make: Callable[..., None], *args: Any, **options: Any) -> str:
    module = ir.Module(name)
    make(module, name, *args, **options)
    return str(module)


@functools.cache
def machine() -> Machine:
    return Machine()


@functools.cache
def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("m") if sys.platform != "win32" else "msvcrt"
    return ctypes.CDLL(name)


def _address(name: str) -> int:
    return ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value or 0
