"""What is made of a function for one structure of its arguments: program, kernels, and memory to run them in."""

import functools
import itertools
import math
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from typing import Any

from .. import ops
from ..graph import Node
from ..modes import MODE, paused_collector, warn
from ..sweeps import pull
from ..value import Value
from .ir.interpret import interpret
from .ir.passes import QUICK, run
from .ir.peephole import Pass
from .ir.program import Program, program_of
from .runtime.batches import Argument, Limit, address_of
from .schedule.kernels import Rolled, roll
from .tracing.trace import CERTAIN, Doubt, Structure, entries, flat, parameters_of, shaped, skeleton, trace
from .tracing.unknown import surfaces, symbolic
from .tracing.watch import Watch

LARGEST_CHUNK, CACHE = 256, 2**17
"""So many examples at most are computed side by side, and fewer if they need more than so many numbers, a megabyte."""


class Cache:
    """What was made of a function, by purpose and the structure of its arguments. The structures used least recently
    are dropped when there are more than MOST.

    reads: the functions and objects that are watched for what they read besides; the function unless told.
    """

    VARIANTS = 4
    """The most programs of one structure, for other answers to what was assumed, such as whether a module trains."""
    MOST = 512
    ADVISED, LIMIT = 10, 100
    """After so many programs of one structure comes advice, and after so many that ran but once, one after the other,
    an error."""

    def __init__(self, f: Callable[..., Any], params: list[Value], reads: Sequence[Any] | None = None) -> None:
        self.f, self.params, self.reads = f, params, [f] if reads is None else reads
        self.made: dict[Any, list[Made]] = {}
        self.anew: dict[Any, int] = {}  # programs of one structure
        self.wasted: dict[Any, int] = {}  # the latest of them that ran only once

    def __iter__(self) -> "Iterator[Made]":
        return itertools.chain.from_iterable(self.made.values())

    def get(self, arguments: Sequence[Argument], purpose: str, doubt: Doubt = CERTAIN) -> "Made":
        """TypeError where f reads a number, RuntimeError if what it reads besides is ever another, and within
        `detect_anomaly`."""
        if (mode := MODE.get()) is not None and mode.anomaly:
            raise RuntimeError(
                "detect_anomaly watches what Python computes, and this is compiled; call the function itself, or train "
                "with compile=False, to find the operation"
            )
        key = (purpose, doubt, *[a.key for a in arguments])
        variants = self.made.pop(key, [])
        self.made[key] = variants  # the latest comes last
        for made in variants:
            if made.holds():
                return made
        if variants and (what := variants[0].changed()) is not None:
            self._advise(key, what, variants[0])
        made = Made(self.f, [a.structure for a in arguments], purpose, self.params, doubt, self.reads)
        variants[:] = [made, *variants[: self.VARIANTS - 1]]
        while len(self.made) > self.MOST:
            del self.made[next(iter(self.made))]
        return made

    def _advise(self, key: Any, what: str, made: "Made") -> None:
        self.anew[key] = times = self.anew.get(key, 0) + 1
        self.wasted[key] = wasted = self.wasted.get(key, 0) + 1 if made.uses <= 1 else 0
        text = (
            f"{what} has changed {times} times, and each time everything was compiled anew; make it a Value, whose "
            f".data is read at each call (k = Value(0.5); k.data *= 0.9), or do not compile"
        )
        if wasted >= self.LIMIT:
            del self.wasted[key], self.anew[key]  # so that what is mended goes on
            raise RuntimeError(f"{text}; this is an error now, since the latest {self.LIMIT} programs ran only once")
        if times == self.ADVISED:
            warn(text)


class Made:
    """What was made for one structure of the arguments.

    doubt: which of their numbers may be inf or nan. Whatever may be is kept apart from what must not flow; what
    overflows without a doubt is told by nan among the results, if `skipped`, and has to be run again in full doubt.
    """

    @paused_collector()
    def __init__(
        self, f: Callable[..., Any], structures: list[Structure], purpose: str, params: list[Value],
        doubt: Doubt = CERTAIN, reads: Sequence[Any] = (),
    ) -> None:  # fmt: skip
        self.shape: Any = None
        self.purpose = purpose
        self.uses = 0
        """How often it was run: of training, on how many batches."""
        skipped = list[Node]()

        def traced(*arguments: Any) -> Any:
            result = f(*arguments)
            if purpose == "values":
                return result
            if not isinstance(result, Value | Real):
                raise TypeError(f"the function has to return one number, got {type(result).__name__}")
            wanted = params if purpose == "training" else entries(arguments)
            root = result if isinstance(result, Value) else Value(result)
            doubtful = None if doubt is None else [entries(arguments)[i] for i in doubt]
            with symbolic(doubtful, purpose == "gradients", True, skipped):
                slopes = iter(pull([(root, 1.0)], wanted, True))
            numbers = [0.0 if slope is None else slope for slope in slopes]
            if purpose == "training":
                return [root, *numbers]
            gradients = iter(numbers)
            return [root, *[shaped(gradients, x) for x in arguments]]

        before = Watch(reads)
        names = parameters_of(f, len(structures))
        found = trace(traced, structures, names, doubt, skipped)
        if not surfaces(entries(found.result), skipped):
            doubt = None
            skipped.clear()
            found = trace(traced, structures, names)
        self.skipped = bool(skipped)
        """Whether nan among the results may be of what must not flow."""
        self._watch = Watch(reads)
        self._watch.since(before)
        self.columns = [len(entries(structure)) for structure in structures]
        self.shape, self.asked, self.assumed = skeleton(found.result), found.asked, found.assumed
        outputs = entries(found.result) if purpose == "gradients" else flat(found.result)
        if not outputs:
            raise TypeError("the function has to return numbers, or lists of them, got an empty list")
        program, self.leaves = program_of(outputs, found.inputs, params)
        self.limits: dict[int, Limit] = {}
        for primitive, (index, *operands) in program.instructions:
            if primitive is ops.gather and 0 <= index < len(found.inputs):
                size = len(operands[0])
                if index not in self.limits or size < self.limits[index].size:
                    self.limits[index] = Limit(size, *found.named.get(found.inputs[index], ()))
        self.traced: Program | None = program
        self.total = purpose == "training"
        self.rolled: Rolled = roll(run(program, QUICK)[-1], [self.total] * len(outputs))
        self.plan: Any = None
        self._alone = threading.Lock()  # native code runs outside of Python's own lock, in memory of the plan

    @functools.cached_property
    def program(self) -> Program:
        """After the passes. Native code needs it no longer."""
        return run(self.stages()[0], QUICK)[-1]

    def stages(self, passes: Sequence[Pass] = ()) -> list[Program]:
        """The program as it was traced, and after each pass."""
        assert self.traced is not None, "training keeps no programs to be shown"
        return run(self.traced, passes)

    def holds(self, quick: bool = False) -> bool:
        """Whether what was read and assumed in the trace is still so. quick: see `Watch.changed`."""
        for read, answer in self.assumed:
            if read() != answer:
                return False
        return self._watch.changed(quick) is None

    def changed(self) -> str | None:
        """What was read in the trace and is no longer so."""
        return self._watch.changed()

    def most(self) -> int:
        """How many examples to compute side by side at most."""
        return min(LARGEST_CHUNK, max(CACHE // max(self.rolled.own, 1), 1))

    def _native(self, examples: int) -> Any:
        """What runs so many examples; None without llvmlite."""
        examples = min(examples, self.most())
        if self.plan is None or self.plan.capacity < examples:
            try:
                from .runtime.native import Plan, Pointwise, machine
            except ImportError:  # `compile` has said so
                return None
            totals = len(self.rolled.outputs) if self.total else 0
            if not self.total and Pointwise.fits(self.program):
                self.plan = Pointwise(self.program, machine())
            else:
                self.plan = Plan(self.rolled, totals, examples, machine())
        return self.plan

    def check(self, arguments: Sequence[Argument]) -> None:
        """IndexError for an index that is none."""
        start = 0
        for argument in arguments:
            for slot, limit in self.limits.items():
                if start <= slot < start + argument.columns:
                    argument.check(slot - start, limit)
            start += argument.columns

    def totals(self, arguments: Sequence[Argument]) -> list[float]:
        """The sums over the examples."""
        self.check(arguments)
        shared = [leaf._data for leaf in self.leaves]
        examples = arguments[0].examples
        with self._alone:
            return self._totals(arguments, shared, examples)

    def _totals(self, arguments: Sequence[Argument], shared: list[float], examples: int) -> list[float]:
        self.uses += 1
        if (plan := self._native(examples)) is not None:
            result: list[float] = plan(arguments, shared, examples)
            return result
        rows = [interpret(self.program, row, shared) for row in _rows(arguments)]
        return [math.fsum(column) for column in zip(*rows, strict=True)]

    def each(self, arguments: Sequence[Argument], out: Sequence[Any] | None = None) -> Any:
        """For each example the outputs, row after row. out: arrays that get them instead, one after the other."""
        self.check(arguments)
        with self._alone:
            return self._each(arguments, out)

    def _each(self, arguments: Sequence[Argument], out: Sequence[Any] | None) -> Any:
        shared, examples = [leaf._data for leaf in self.leaves], arguments[0].examples
        outputs = len(self.rolled.outputs)
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
        if self.plan is None:
            raise ValueError("nothing was compiled natively: pip install 'scalar-autograd[compile]'")
        return "\n".join(self.plan.code())


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
