"""`compile`: a scalar function of one example, run natively on many."""

import itertools
import math
import warnings
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .. import ops
from ..modes import paused_collector
from ..sweeps import pull
from ..value import Value
from .interpret import interpret, replay
from .kernels import Rolled, describe, roll
from .passes import PASSES, run
from .program import Program, program_of
from .source import to_c
from .trace import Structure, flat, trace

LARGEST_CHUNK, CACHE = 256, 2**17
"""So many examples at most are computed side by side, and fewer if they need more than so many numbers, a megabyte."""


class Text(str):
    """A string that shows itself as it is, at a prompt too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Argument(NamedTuple):
    """A batch for one argument: the structure of an example, and the numbers of all, example after example."""

    structure: Structure
    numbers: Any
    """Something with a buffer of doubles."""
    columns: int
    examples: int


class Compiled:
    """What `compile` returns. Call it with a batch for each argument of the function: an array or list with an entry
    for each example, a number, or nested lists of them; whole numbers can be used as indices."""

    def __init__(self, f: Callable[..., Any], params: Iterable[Value] | None = None) -> None:
        self._f = f
        self._params = None if params is None else list(params)
        for p in self._params or ():
            if not isinstance(p, Value) or p.primitive is not None:
                raise TypeError(f"compile expected params as leaf Values such as model.parameters(), got {p!r}")
        self._made: dict[Any, _Made] = {}
        self._latest: _Made | None = None
        self.__name__ = getattr(f, "__name__", type(f).__name__)

    def __call__(self, *batch: Any) -> Any:
        """With params: the mean over the examples, whose gradient is added to each parameter's `.grad`. Without: what
        the function returns, for each example."""
        arguments, as_array = _arguments(batch)
        if self._params is None:
            made = self._for(arguments, "values")
            return _arranged(made.shape, *made.each(arguments), 0, as_array)
        total, *slopes = self._for(arguments, "training").totals(arguments)
        examples = arguments[0].examples
        for p, slope in zip(self._params, slopes, strict=True):
            p._grad += slope / examples
        return total / examples

    def value_and_grad(self, *batch: Any) -> tuple[Any, Any]:
        """What the function returns, one number, for each example, and its gradients by the arguments: one if there is
        one argument, else a tuple. An index has gradient 0."""
        arguments, as_array = _arguments(batch)
        made = self._for(arguments, "gradients")
        outputs, first, parts = made.each(arguments), 0, []
        for shape in made.shape:
            parts.append(_arranged(shape, *outputs, first, as_array))
            first += len(flat(shape))
        value, *slopes = parts
        return value, slopes[0] if len(slopes) == 1 else tuple(slopes)

    def _for(self, arguments: Sequence[Argument], purpose: str) -> "_Made":
        structures = [a.structure for a in arguments]
        key = purpose, str(structures)
        if (made := self._made.get(key)) is None:
            self._made[key] = made = _Made(self._f, structures, purpose, self._params or [])
        self._latest = made
        return made

    @property
    def _shown(self) -> "_Made":
        if self._latest is None:
            raise ValueError("nothing is compiled yet; call it with a batch first")
        return self._latest

    @property
    def program(self) -> Text:
        """The program of the latest call, as it was traced and after each pass."""
        stages = zip(("traced", *[step.__name__ for step in PASSES]), self._shown.stages, strict=True)
        return Text("\n\n".join(f"# {name}\n{program}" for name, program in stages))

    @property
    def kernels(self) -> Text:
        """The kernels of the latest call, a line each."""
        return Text("\n".join(describe(self._shown.rolled)))

    def replay(self, *example: Any) -> list[Value]:
        """What the program of the latest call gives for one example, as Values with the graph of its instructions,
        which can be drawn and stepped through; the first is the function's result."""
        made, numbers = self._shown, [x for argument in example for x in _laid_out([argument])[1]]
        return replay(made.stages[-1], numbers, [leaf._data for leaf in made.leaves])

    def to_c(self) -> Text:
        """A C file that computes what the latest call did, to be read, and compiled by any C99 compiler."""
        made = self._shown
        columns, totals = len(made.stages[-1].inputs), len(made.rolled.outputs) * made.total
        return Text(to_c(made.rolled, self.__name__, columns, totals))

    @property
    def llvm_ir(self) -> Text:
        """The code of the native functions of the latest call."""
        return Text(self._shown.llvm_ir())


class _Made:
    """What was made for one structure of the arguments."""

    @paused_collector()
    def __init__(self, f: Callable[..., Any], structures: list[Structure], purpose: str, params: list[Value]) -> None:
        self.shape: Any = None

        def traced(*arguments: Any) -> Any:
            result = f(*arguments)
            if purpose == "values":
                return result
            if not isinstance(result, Value | float | int):
                raise TypeError(f"the function has to return one number, got {type(result).__name__}")
            wanted = params if purpose == "training" else flat(list(arguments))
            root = result if isinstance(result, Value) else Value(result)
            slopes = iter(pull([(root, 1.0)], wanted, True))
            numbers = [0.0 if slope is None else slope for slope in slopes]
            return [result, *numbers] if purpose == "training" else [result, *_shaped(iter(numbers), arguments)]

        found = trace(traced, structures)
        self.shape = found.result
        outputs = flat(found.result)
        program, self.leaves = program_of(outputs, found.inputs, params)
        limits: dict[int, int] = {}
        for primitive, operands in program.instructions:
            if primitive is ops.gather and operands[0] < len(found.inputs):
                limits[operands[0]] = min(len(operands[1]), limits.get(operands[0], len(operands[1])))
        self.limits = limits
        self.stages: list[Program] = run(program)
        self.total = purpose == "training"
        self.rolled: Rolled = roll(self.stages[-1], [self.total] * len(outputs))
        self.plan: Any = None

    def _native(self, examples: int) -> Any:
        """The plan for so many examples; None without llvmlite."""
        examples = min(examples, LARGEST_CHUNK, max(CACHE // self.rolled.own, 1))
        if self.plan is None or self.plan.capacity < examples:
            try:
                from .native import Plan, machine
            except ImportError:
                warnings.warn(
                    "llvmlite is missing, so what is compiled runs in Python: pip install 'scalar-autograd[compile]'",
                    stacklevel=4,
                )
                return None
            totals = len(self.rolled.outputs) if self.total else 0
            self.plan = Plan(self.rolled, totals, examples, machine())
        return self.plan

    def _check(self, arguments: Sequence[Argument]) -> None:
        start = 0
        for argument in arguments:
            for slot, limit in self.limits.items():
                if start <= slot < start + argument.columns:
                    column = _doubles(argument)[slot - start :: argument.columns]
                    for x in column:
                        if not 0 <= x < limit:
                            raise IndexError(f"expected an index from 0 to {limit - 1}, got {x:g}")
            start += argument.columns

    def totals(self, arguments: Sequence[Argument]) -> list[float]:
        """The sums over the examples."""
        self._check(arguments)
        shared = [leaf._data for leaf in self.leaves]
        examples = arguments[0].examples
        if (plan := self._native(examples)) is not None:
            result: list[float] = plan(arguments, shared, examples)
            return result
        rows = [interpret(self.stages[-1], row, shared) for row in _rows(arguments)]
        return [math.fsum(column) for column in zip(*rows, strict=True)]

    def each(self, arguments: Sequence[Argument]) -> tuple["array[float]", int]:
        """The outputs, example after example, and how many there are of each."""
        self._check(arguments)
        shared = [leaf._data for leaf in self.leaves]
        if (plan := self._native(arguments[0].examples)) is not None:
            found: array[float] = plan.each_output(arguments, shared, arguments[0].examples)
        else:
            rows = (interpret(self.stages[-1], row, shared) for row in _rows(arguments))
            found = array("d", itertools.chain.from_iterable(rows))
        return found, len(self.rolled.outputs)

    def llvm_ir(self) -> str:
        if self.plan is None:
            raise ValueError("nothing was compiled natively: pip install 'scalar-autograd[compile]'")
        return "\n".join(self.plan.code())


def _rows(arguments: Sequence[Argument]) -> Iterable[list[float]]:
    """The numbers of each example."""
    for i in range(arguments[0].examples):
        yield [x for a in arguments for x in _doubles(a)[i * a.columns : (i + 1) * a.columns]]


def _doubles(argument: Argument) -> Any:
    return memoryview(argument.numbers).cast("B").cast("d")


def _shaped(numbers: Any, structure: Any) -> Any:
    """The numbers in the nested lists of a structure of Values."""
    return [_shaped(numbers, x) if isinstance(x, list | tuple) else next(numbers) for x in structure]


def _arranged(shape: Any, found: "array[float]", columns: int, first: int, as_array: bool) -> Any:
    """For each example what stands from column `first` on, in nested lists of that shape, or as one array of all."""
    count = len(flat(shape))
    examples = len(found) // columns
    if as_array and (sizes := _sizes(shape)) is not None:
        import numpy

        table = numpy.frombuffer(found).reshape(examples, columns)
        return table[:, first : first + count].reshape(examples, *sizes)
    rows = (iter(found[i + first : i + first + count]) for i in range(0, len(found), columns))
    if isinstance(shape, list | tuple):
        return [_shaped(row, shape) for row in rows]
    return [next(row) for row in rows]


def _sizes(shape: Any) -> list[int] | None:
    """The lengths of nested lists that are as long as each other; None for others."""
    if not isinstance(shape, list | tuple):
        return []
    inner = [_sizes(x) for x in shape]
    if not inner or inner[0] is None or any(sizes != inner[0] for sizes in inner):
        return None
    return [len(shape), *inner[0]]


def _arguments(batch: Sequence[Any]) -> tuple[list[Argument], bool]:
    """The arguments, and whether some of them came as arrays, so that results are arrays too."""
    if not batch:
        raise TypeError("expected a batch for each argument of the function, got none")
    arguments = [_argument(x) for x in batch]
    sizes = {a.examples for a in arguments}
    if len(sizes) > 1 or not arguments[0].examples:
        raise ValueError(
            f"expected as many examples for each argument, and at least one, got {[a.examples for a in arguments]}"
        )
    return arguments, any(hasattr(x, "__array_interface__") for x in batch)


def _argument(x: Any) -> Argument:
    if hasattr(x, "__array_interface__"):
        import numpy

        if x.dtype.kind not in "fiub" or x.ndim < 1:
            raise TypeError(f"expected an array of numbers with an axis of examples, got {x.dtype} of shape {x.shape}")
        kind = int if x.dtype.kind in "iub" else float
        return Argument(
            _structure(kind, x.shape[1:]), numpy.ascontiguousarray(x, numpy.float64), math.prod(x.shape[1:]), x.shape[0]
        )
    if not isinstance(x, list | tuple):
        raise TypeError(f"expected an array or a list with an entry for each example, got {type(x).__name__}")
    sizes, numbers = _laid_out(x)
    if not all(map(_is_number, {type(y): y for y in numbers}.values())):
        wrong = next(y for y in numbers if not _is_number(y))
        raise TypeError(f"expected numbers, or lists of them, got {wrong!r} ({type(wrong).__name__})")
    whole = bool(numbers) and all(hasattr(kind, "__index__") for kind in {*map(type, numbers)})
    return Argument(_structure(int if whole else float, sizes), array("d", numbers), math.prod(sizes), len(x))


def _structure(kind: type, sizes: Sequence[int]) -> Structure:
    structure: Structure = kind
    for size in reversed(sizes):
        structure = [structure] * size
    return structure


def _laid_out(x: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """The lengths of nested lists below the first, and all numbers in them."""
    sizes, level = list[int](), [y.tolist() if hasattr(y, "tolist") else y for y in x]
    while any(isinstance(y, list | tuple) for y in level):
        lengths = {len(y) if isinstance(y, list | tuple) else -1 for y in level}
        if len(lengths) > 1:
            raise ValueError("expected examples of one shape, lists of one length; compile sees one shape at a time")
        sizes += lengths
        level = list(itertools.chain.from_iterable(level))
    return sizes, level


def _is_number(x: Any) -> bool:
    return hasattr(x, "__float__") and not isinstance(x, Value)


def compile(f: Callable[..., Any], params: Iterable[Value] | None = None) -> Compiled:
    """f, a function of one example, for whole batches, compiled: it is called once for each structure of its arguments,
    on Values whose numbers cannot be read, and what it records runs natively.

    With params, leaf Values such as `model.parameters()`, f is a loss: the result, called with a batch for each
    argument, returns the mean and adds its gradient to each parameter's `.grad`. Without, it returns what f returns
    for each example, and `value_and_grad` the gradients by the arguments too. A leaf that f uses besides is read anew
    at each call; Python's own numbers, and whether a model is in training mode, are as they were at the first call.

    A batch is an array or a list with an entry for each example. An entry is a number or nested lists of them, of the
    same shape for all examples; whole numbers can be used as indices, by `gather`.
    Raises TypeError, with what to write instead, where f reads a number, so that the program would hold for that one
    alone; ValueError for batches that do not fit together; IndexError for an index out of range.

    >>> from autograd import compile, tanh
    >>> neuron = compile(lambda x, w: tanh(x[0] * w + x[1]))
    >>> neuron([[0.5, 0.0], [1.0, -2.0]], [2.0, 2.0]) == [tanh(1.0), tanh(0.0)]
    True
    """
    return Compiled(f, params)
