"""`compile`: a scalar function of one example, run natively on many."""

import copy
import functools
import html
import math
import warnings
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..value import Value
from .codegen.c import to_c
from .ir.interpret import replay
from .ir.passes import PASSES
from .pipeline import part_program
from .runtime.batches import Argument, Part, parts_of
from .schedule.kernels import describe
from .specialization import Cache, Specialization
from .tracing.trace import CERTAIN, Doubt, Shortened, entries, shaped
from .tracing.watch import name_of


class Text(str):
    """A string that shows itself as it is, at a prompt too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Compiled:
    """A compiled function. Call it with a batch for each argument of the function: an array or list with an entry for
    each example, a number, or nested lists of them; whole numbers can be used as indices. Raises TypeError and
    ValueError unless params are different leaf Values in a list.
    """

    def __init__(self, f: Callable[..., Any], params: Iterable[Value] | None = None) -> None:
        self._f = f
        if hasattr(params, "parameters"):
            raise TypeError(f"compile expected params as a list, got {type(params).__name__}; write model.parameters()")
        if isinstance(params, Value):
            raise TypeError("compile expected params as a list, got one Value; write [w]")
        self._params = None if params is None else list(params)
        for p in self._params or ():
            if not isinstance(p, Value) or p.primitive is not None:
                raise TypeError(f"compile expected params as leaf Values such as model.parameters(), got {p!r}")
        if len({*(self._params or ())}) < len(self._params or ()):
            raise ValueError("compile expected each of params once, got some of them twice")
        self._cache = Cache(f, self._params or [])
        self._latest: Specialization | None = None
        self.__name__ = name_of(f)

    @Shortened()
    def __call__(self, *batch: Any, out: Any = None) -> Any:
        """With params: the mean over the examples, whose gradient is added to each parameter's `.grad`. Without: what
        the function returns, for each example. out: an array for that, or a list of them, one after the other. Raises
        TypeError for `out` with params; see `compile` for other errors.
        """
        parts, as_array = parts_of(batch)
        if self._params is None:
            return self._each(parts, as_array, "values", out)[0]
        if out is not None:
            raise TypeError("with params the result is one number, and gradients go to each .grad; out has no use")
        run = Specialization.totals
        totals = [self._run(self._for(arguments, "training"), arguments, run) for _, arguments in parts]
        total, *slopes = totals[0] if len(parts) == 1 else map(math.fsum, zip(*totals, strict=True))
        examples = sum(len(rows) for rows, _ in parts)
        for p, slope in zip(self._params, slopes, strict=True):
            p._grad += slope / examples
        return total / examples

    @Shortened()
    def value_and_grad(self, *batch: Any, out: Any = None) -> tuple[Any, Any]:
        """The number that the function returns for each example, and its gradients by the arguments: one if there is
        one argument, else a tuple. out: arrays for the values and the gradients by each
        argument."""
        parts, as_array = parts_of(batch)
        value, *slopes = self._each(parts, as_array, "gradients", out)
        return value, slopes[0] if len(slopes) == 1 else tuple(slopes)

    def _each(self, parts: Sequence[Part], as_array: bool, purpose: str, out: Any) -> list[Any]:
        if out is not None and len(parts) > 1:
            raise ValueError("out expected examples of one shape")
        results = []
        for _, arguments in parts:
            special, first, arranged = self._for(arguments, purpose), 0, []
            shapes = special.prepared.shape if purpose == "gradients" else [special.prepared.shape]
            if out is not None:
                targets = _targets(out)
                _check_out(targets, shapes, arguments)
                self._run(special, arguments, functools.partial(Specialization.each, out=targets))
                return targets
            outputs = self._run(special, arguments, Specialization.each)
            for shape in shapes:
                arranged.append(_arranged(shape, outputs, len(special.prepared.kernels.outputs), first, as_array))
                first += len(entries(shape))
            results.append(arranged)
        return [_in_order(parts, columns) for columns in zip(*results, strict=True)]

    def _run(self, special: Specialization, arguments: Sequence[Argument], run: Callable[..., Any]) -> Any:
        """The results; where they hold nan, perhaps of what must not flow, those of the program in full doubt."""
        found = run(special, arguments)
        if special.prepared.skipped and _has_nan(found):
            return run(self._for(arguments, special.purpose, None), arguments)
        return found

    def _for(self, arguments: Sequence[Argument], purpose: str, doubt: Doubt = CERTAIN) -> Specialization:
        self._latest = special = self._cache.get(arguments, purpose, doubt)
        if special.prepared.asked:
            raise TypeError(
                "what is drawn anew for each example, as in Dropout, is there in training by nn.Trainer(..., "
                "compile=True); call model.eval() before the first call, which leaves it out"
            )
        return special

    def __copy__(self) -> "Compiled":
        return Compiled(self._f, self._params)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled":
        """A copy compiles anew. That of a plain function is the function itself, which goes on with the same params."""
        f = copy.deepcopy(self._f, memo)
        return Compiled(f, self._params if f is self._f else copy.deepcopy(self._params, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self._f, self._params)

    def __repr__(self) -> str:
        return f"compile({self.__name__})"

    def _repr_html_(self) -> str:
        lines = self.kernels.splitlines() if self._latest is not None else ["nothing yet; call it with a batch"]
        return f"<b>{html.escape(repr(self))}</b><pre>{html.escape(chr(10).join(lines))}</pre>"

    @property
    def _shown(self) -> "Specialization":
        if self._latest is None:
            raise ValueError("nothing is compiled yet; call it with a batch first")
        return self._latest

    @property
    def program(self) -> Text:
        """The program of the latest call, as it was traced and after each pass; and those of the parts that it
        calls."""
        stages = list(zip(("traced", *[step.__name__ for step in PASSES]), self._shown.programs(PASSES), strict=True))
        calls = stages[0][1].calls
        parts = {(id(site.part), id(site.gradient)): site for site in calls if site.gradient is not None}
        back = {site.forward for site in calls}
        parts |= {(id(s.part), 0): s for k, s in enumerate(calls) if s.forward is None and k not in back}
        found = [(f"part {site.part.name}", part_program(site)) for site in parts.values()]
        return Text("\n\n".join(f"# {name}\n{program}" for name, program in (*found, *stages)))

    @property
    def kernels(self) -> Text:
        """The kernels of the latest call, a line each."""
        return Text("\n".join(describe(self._shown.prepared.kernels)))

    def replay(self, *example: Any) -> list[Value]:
        """The results of the latest program for one example, as Values with the graph of its instructions,
        which can be drawn and stepped through; the first is the function's result."""
        special = self._shown
        numbers = [x for argument in parts_of([[x] for x in example])[0][0].arguments for x in argument.doubles()]
        return replay(special.program, numbers, [leaf._data for leaf in special.prepared.leaves])

    def to_c(self) -> Text:
        """A C file that computes what the latest call did, to be read, and compiled by any C99 compiler."""
        prepared = self._shown.prepared
        columns = sum(prepared.columns) + len(prepared.asked)
        return Text(to_c(prepared.kernels, self.__name__, columns))

    @property
    def llvm_ir(self) -> Text:
        """The code of the native functions of the latest call."""
        return Text(self._shown.llvm_ir())


def _has_nan(found: Any) -> bool:
    """Whether an array or a list, or one within it, holds nan."""
    if isinstance(found, list) and not (found and isinstance(found[0], float)):
        return any(map(_has_nan, found))
    return bool((found != found).any()) if hasattr(found, "dtype") else any(x != x for x in found)


def _targets(out: Any) -> list[Any]:
    return [y for x in out for y in _targets(x)] if isinstance(out, list | tuple) else [out]


def _check_out(out: Sequence[Any], shapes: Sequence[Any], arguments: Sequence[Argument]) -> None:
    """ValueError unless these are arrays for results of these shapes for each example, and of their own."""
    import numpy

    for x in out:
        fits = hasattr(x, "dtype") and x.dtype.char == "d" and x.dtype.isnative
        if not fits or not (x.flags.c_contiguous and x.flags.writeable and x.flags.aligned):
            got = f"{x.dtype} of shape {x.shape}" if hasattr(x, "dtype") else type(x).__name__
            raise ValueError(f"out expected arrays of float64 that lie in one piece and can be written, got {got}")
    sizes = [_sizes(shape) for shape in shapes]
    wanted = [None if x is None else (arguments[0].examples, *x) for x in sizes]
    if None in wanted or [x.shape for x in out] != wanted:
        raise ValueError(f"out expected arrays of the shapes {wanted}, got {[x.shape for x in out]}")
    others = [a.numbers for a in arguments if not isinstance(a.numbers, array)]
    for i, x in enumerate(out):
        if any(numpy.may_share_memory(x, y) for y in (*others, *out[:i])):
            raise ValueError("out expected arrays that share no memory with each other or with the batch")


def _in_order(parts: Sequence[Part], results: Sequence[Any]) -> Any:
    """The results for the examples of each part, in the order of the examples."""
    if len(parts) == 1:
        return results[0]
    found = [None] * sum(len(rows) for rows, _ in parts)
    for (rows, _), result in zip(parts, results, strict=True):
        for i, x in zip(rows, result, strict=True):
            found[i] = x
    return found


def _arranged(shape: Any, found: Any, columns: int, first: int, as_array: bool) -> Any:
    """For each example what stands from column `first` on, in nested lists of that shape, or as one array of all."""
    count = len(entries(shape))
    examples = len(found) // columns
    if as_array and (sizes := _sizes(shape)) is not None:
        import numpy

        table = numpy.asarray(found).reshape(examples, columns)
        return table[:, first : first + count].reshape(examples, *sizes)
    numbers = found.tolist()
    rows = (iter(numbers[i + first : i + first + count]) for i in range(0, len(numbers), columns))
    return [shaped(row, shape) for row in rows]


def _sizes(shape: Any) -> list[int] | None:
    """The lengths of nested lists that are as long as each other; None for others."""
    if isinstance(shape, dict):
        return None
    if not isinstance(shape, list | tuple):
        return []
    inner = [_sizes(x) for x in shape]
    if not inner or inner[0] is None or any(sizes != inner[0] for sizes in inner):
        return None
    return [len(shape), *inner[0]]


def compile(f: Callable[..., Any], params: Iterable[Value] | None = None) -> Compiled:
    """f, a function of one example, for whole batches, compiled: it is called once for each structure of its arguments,
    on Values whose numbers cannot be read, and what it records runs natively.

    With params, leaf Values such as `model.parameters()`, f is a loss: the result, called with a batch for each
    argument, returns the mean and adds its gradient to each parameter's `.grad`. Without, it returns what f returns
    for each example, and `value_and_grad` the gradients by the arguments too. A leaf that f uses besides is read anew
    at each call, and what was computed of it outside is computed anew. When Python's own numbers or objects that f
    uses besides are others, f is called anew, so far as they can be seen, which `compiler/tracing/watch.py` says.

    A batch is an array or a list with an entry for each example. An entry is a number, or nested lists, tuples and
    dicts of them; f is called once for each shape of examples, of which the latest 512 are kept. Whole numbers can be
    used as indices, by `gather`. A copy of what is returned compiles anew.
    Raises TypeError, with what to write instead, where f reads a number, so that the program would hold for that one
    alone; ValueError for batches that do not fit together; IndexError for an index out of range; RuntimeError if what f
    uses besides is another each time, a hundred times one after the other.

    >>> from autograd import compile, tanh
    >>> neuron = compile(lambda x, w: tanh(x[0] * w + x[1]))
    >>> neuron([[0.5, 0.0], [1.0, -2.0]], [2.0, 2.0]) == [tanh(1.0), tanh(0.0)]
    True
    """
    try:
        from .runtime.plan import Plan  # noqa: F401  # llvmlite is an extra: is it there?
    except ImportError:
        warnings.warn(
            "llvmlite is missing, so what is compiled runs in Python: pip install 'scalar-autograd[compile]'",
            stacklevel=2,
        )
    return Compiled(f, params)
