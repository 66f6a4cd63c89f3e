"""Specialization: a function for one structure of its arguments, ready to be run; and the cache of those."""

import functools
import itertools
import math
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from ..modes import MODE, warn
from ..value import Value
from .ir.interpret import interpret
from .ir.passes import run, spelled_out
from .ir.peephole import Pass
from .ir.program import Program
from .pipeline import Runner, SumRunner, native, prepare, shortened
from .runtime.batches import Argument, address_of
from .tracing.parts import Parts
from .tracing.trace import CERTAIN, Doubt, Structure

LARGEST_CHUNK, CACHE = 256, 2**17
"""The most examples that are computed side by side, and the most numbers of all of them together: a megabyte."""


class Cache:
    """Specializations of a function, by purpose and the structure of its arguments. The structures used least recently
    are dropped when there are more than MOST.

    reads: the functions and objects that are watched for what they read besides; the function unless told.
    """

    VARIANTS = 4
    """The most programs of one structure, for other answers to what was assumed, such as whether a module trains."""
    MOST = 512
    ADVISED, LIMIT = 10, 100
    """The programs of one structure before a warning, and those in a row that ran only once before an error."""

    def __init__(self, f: Callable[..., Any], params: list[Value], reads: Sequence[Any] | None = None) -> None:
        self.f, self.params, self.reads = f, params, [f] if reads is None else reads
        self.parts = Parts(params)
        self.kept: dict[Any, list[Specialization]] = {}
        self.anew: dict[Any, int] = {}  # programs of one structure
        self.wasted: dict[Any, int] = {}  # the latest of them that ran only once

    def __iter__(self) -> "Iterator[Specialization]":
        return itertools.chain.from_iterable(self.kept.values())

    def get(self, arguments: Sequence[Argument], purpose: str, doubt: Doubt = CERTAIN) -> "Specialization":
        """Raises TypeError where f reads a number, and RuntimeError if what f reads besides changes at each call, or
        within `detect_anomaly`."""
        if (mode := MODE.get()) is not None and mode.anomaly:
            raise RuntimeError(
                "detect_anomaly watches what Python computes, and this is compiled; call the function itself, or train "
                "with compile=False, to find the operation"
            )
        key = (purpose, doubt, *[a.key for a in arguments])
        variants = self.kept.pop(key, [])
        self.kept[key] = variants  # the latest comes last
        for special in variants:
            if special.prepared.watch.holds():
                return special
        if variants and (what := variants[0].prepared.watch.changed()) is not None:
            self._advise(key, what, variants[0])
        structures = [a.structure for a in arguments]
        special = Specialization(self.f, structures, purpose, self.params, doubt, self.reads, self.parts)
        variants[:] = [special, *variants[: self.VARIANTS - 1]]
        while len(self.kept) > self.MOST:
            del self.kept[next(iter(self.kept))]
        return special

    def _advise(self, key: Any, what: str, special: "Specialization") -> None:
        self.anew[key] = times = self.anew.get(key, 0) + 1
        self.wasted[key] = wasted = self.wasted.get(key, 0) + 1 if special.uses <= 1 else 0
        text = (
            f"{what} has changed {times} times, and each time everything was compiled anew; make it a Value, whose "
            f".data is read at each call (k = Value(0.5); k.data *= 0.9), or do not compile"
        )
        if wasted >= self.LIMIT:
            del self.wasted[key], self.anew[key]  # so that what is mended goes on
            raise RuntimeError(f"{text}; this is an error now, since the latest {self.LIMIT} programs ran only once")
        if times == self.ADVISED:
            warn(text)


class Specialization:
    """A function for one structure of its arguments: its kernels, and native code to run them when it is asked for.

    doubt: the numbers that may be inf or nan. Products with these are guarded. If another number overflows, the result
    is nan; if `prepared.skipped`, the batch has to be run again with every product guarded.
    """

    def __init__(
        self, f: Callable[..., Any], structures: list[Structure], purpose: str, params: list[Value],
        doubt: Doubt = CERTAIN, reads: Sequence[Any] = (), parts: Parts | None = None,
    ) -> None:  # fmt: skip
        self.purpose, self.total = purpose, purpose == "training"
        self.prepared = prepare(f, structures, purpose, params, doubt, reads, parts or Parts(params))
        self.uses = 0
        """The count of runs; of training, of batches."""
        self.plan: Runner | None = None
        self._alone = threading.Lock()  # native code runs outside of Python's own lock, in memory of the plan

    @functools.cached_property
    def program(self) -> Program:
        """After the passes; of a training with an output for each total. Native code needs it no longer."""
        program = shortened(self.prepared.whole())
        return spelled_out(program, self.prepared.kernels.totals) if self.total else program

    def programs(self, passes: Sequence[Pass] = ()) -> list[Program]:
        """The program as it was traced, and after each pass."""
        assert self.prepared.program is not None, "training keeps no programs to be shown"
        return run(self.prepared.program, passes)

    def forget_program(self) -> None:
        """Frees what would take as much memory again."""
        self.prepared = self.prepared._replace(program=None, whole=_forgotten)

    def most(self) -> int:
        """The most examples to compute side by side."""
        return min(LARGEST_CHUNK, max(CACHE // max(self.prepared.kernels.own, 1), 1))

    def _native(self, examples: int) -> Runner | None:
        """A runner for this number of examples; None without llvmlite."""
        examples = min(examples, self.most())
        if self.plan is None or self.plan.capacity < examples:
            self.plan = native(self.prepared, lambda: self.program, self.purpose, examples)
        return self.plan

    def check(self, arguments: Sequence[Argument]) -> None:
        """IndexError for an index that is none."""
        start = 0
        for argument in arguments:
            for slot, limit in self.prepared.limits.items():
                if start <= slot < start + argument.columns:
                    argument.check(slot - start, limit)
            start += argument.columns

    def totals(self, arguments: Sequence[Argument]) -> list[float]:
        """The sums over the examples."""
        self.check(arguments)
        shared = [leaf._data for leaf in self.prepared.leaves]
        examples = arguments[0].examples
        with self._alone:
            return self._totals(arguments, shared, examples)

    def _totals(self, arguments: Sequence[Argument], shared: list[float], examples: int) -> list[float]:
        self.uses += 1
        if (plan := self._native(examples)) is not None:
            return cast(SumRunner, plan).totals_over(arguments, shared, examples)
        rows = [interpret(self.program, row, shared) for row in _rows(arguments)]
        return [math.fsum(column) for column in zip(*rows, strict=True)]

    def each(self, arguments: Sequence[Argument], out: Sequence[Any] | None = None) -> Any:
        """For each example the outputs, row after row. out: arrays that get them instead, one after the other."""
        self.check(arguments)
        with self._alone:
            return self._each(arguments, out)

    def _each(self, arguments: Sequence[Argument], out: Sequence[Any] | None) -> Any:
        shared, examples = [leaf._data for leaf in self.prepared.leaves], arguments[0].examples
        outputs = len(self.prepared.kernels.outputs)
        self.uses += 1
        if (plan := self._native(examples)) is None:
            rows = [interpret(self.program, row, shared) for row in _rows(arguments)]
            if out is None:
                return array("d", itertools.chain.from_iterable(rows))
            first = 0
            for x in out:
                columns = x.size // examples
                x.reshape(examples, columns)[:] = [row[first : first + columns] for row in rows]
                first += columns
            return out
        found: Any = _room(examples * outputs) if out is None else out
        results = []
        for x in [found] if out is None else out:
            columns = outputs if out is None else x.size // examples
            results += [(address_of(x) + 8 * k, columns) for k in range(columns)]
        plan.each_output(arguments, shared, examples, results)
        return found

    def llvm_ir(self) -> str:
        """The code of the native functions. Raises ValueError if there are none."""
        if self.plan is None:
            raise ValueError("nothing was compiled natively: pip install 'scalar-autograd[compile]'")
        return "\n".join(self.plan.code())


def _forgotten() -> Program:
    raise AssertionError("training keeps no programs to be shown")


def _rows(arguments: Sequence[Argument]) -> Iterable[list[float]]:
    """The numbers of each example."""
    for i in range(arguments[0].examples):
        yield [x for a in arguments for x in a.doubles()[i * a.columns : (i + 1) * a.columns]]


def _room(count: int) -> Any:
    """An array of doubles."""
    try:
        import numpy
    except ImportError:
        return array("d", bytes(8 * count))
    return numpy.empty(count)
