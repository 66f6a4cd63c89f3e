"""The pipeline, a line for each stage: from a function to kernels, and from kernels to native code."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NamedTuple, Protocol

from .. import ops
from ..graph import Node
from ..modes import paused_collector
from ..sweeps import pull
from ..value import Value
from .ir.passes import QUICK, run
from .ir.program import Program, RowTotal, program_of
from .runtime.batches import Argument, Limit
from .schedule.kernels import Kernels
from .schedule.rolling import roll
from .tracing.flow import Slopes, computed, surfaces
from .tracing.trace import Doubt, Structure, Trace, entries, flat, parameters_of, shaped, skeleton, trace
from .tracing.unknown import slopes, symbolic
from .tracing.watch import Watch


class Runner(Protocol):
    """Runs a program natively: `Plan` as a table of kernels, `Pointwise` as one function."""

    capacity: int
    """The most examples at a time."""

    def each_output(
        self, arguments: Sequence[Argument], shared: Sequence[float], examples: int, results: Sequence[tuple[int, int]]
    ) -> None: ...

    def code(self) -> list[str]: ...


class SumRunner(Runner, Protocol):
    """One that adds up over the examples."""

    def totals_over(self, arguments: Sequence[Argument], shared: Sequence[float], examples: int) -> list[float]: ...


class Prepared(NamedTuple):
    """A function for one structure of its arguments, on its way to native code."""

    program: Program | None
    """As it was traced; None once nobody needs it."""
    kernels: Kernels
    leaves: list[Node]
    """The shared numbers that come in."""
    columns: list[int]
    """The count of an example's numbers for each argument."""
    shape: Any
    """Of the result: nested lists and dicts."""
    asked: list[Any]
    """Further numbers of an example, by the keys that were asked for."""
    limits: dict[int, Limit]
    """Of the inputs that are indices."""
    skipped: bool
    """Whether nan among the results may be of a product that was left without a guard."""
    watch: Watch
    """A watch of everything that the function read besides its arguments."""


@paused_collector()
def prepare(
    f: Callable[..., Any],
    structures: Sequence[Structure],
    purpose: str,
    params: list[Value],
    doubt: Doubt,
    reads: Sequence[Any],
) -> Prepared:
    """A function for one structure of its arguments as kernels.

    purpose: "values" for what f returns, "gradients" for that and the gradients by its arguments, "training" for that
    and the gradients by the params, summed over the examples. doubt: which numbers of an example may be inf or nan.
    reads: what is watched for what f reads besides its arguments.

    Raises TypeError where f reads a number, or returns what is no number.
    """
    before = Watch(reads)
    recorded, outputs, slopes, skipped = _recorded(f, structures, purpose, params, doubt)
    watch = Watch(reads).since(before, recorded.assumed)
    program, leaves = _program(recorded, outputs, slopes, params)
    kernels = roll(shortened(program), 0 if slopes is None else 1 + len(params))
    columns = [len(entries(structure)) for structure in structures]
    shape, limits = skeleton(recorded.result), _limits(program, recorded)
    return Prepared(program, kernels, leaves, columns, shape, recorded.asked, limits, skipped, watch)


def shortened(program: Program) -> Program:
    """The program after all passes."""
    return run(program, QUICK)[-1]


def native(prepared: Prepared, program: Callable[[], Program], purpose: str, examples: int) -> Runner | None:
    """The kernels, or a small program as it is, as native code for this number of examples at a time; None without
    llvmlite.
    """
    try:
        from .runtime.machine import machine  # llvmlite is an extra
        from .runtime.plan import Plan, Pointwise  # llvmlite is an extra
    except ImportError:  # `compile` has said so
        return None
    if purpose == "training":
        return Plan(prepared.kernels, examples, machine())
    if Pointwise.fits(program()):
        return Pointwise(program(), machine())
    return Plan(prepared.kernels, examples, machine())


def _recorded(
    f: Callable[..., Any], structures: Sequence[Structure], purpose: str, params: list[Value], doubt: Doubt
) -> tuple[Trace, list[Any], Slopes | None, bool]:
    """The function's graph with that of its gradients, its outputs, the slopes of a training, and whether products were
    left without a guard.

    They are not, if nan would not come out as nan.
    """
    skipped, names = list[Node](), parameters_of(f, len(structures))
    by_params: Slopes | None = None

    def with_gradients(*arguments: Any) -> Any:
        nonlocal by_params
        result = f(*arguments)
        if purpose == "values":
            return result
        if not isinstance(result, Value | Real):
            raise TypeError(f"the function has to return one number, got {type(result).__name__}")
        root, inputs = result if isinstance(result, Value) else Value(result), entries(arguments)
        doubtful = None if doubt is None else [inputs[i] for i in doubt]
        if purpose == "training":
            by_params = slopes(root, params, doubtful, skipped)
            return [root]
        with symbolic(doubtful, True, True, skipped):
            found = pull([(root, 1.0)], inputs, True)
        gradients = iter([0.0 if slope is None else slope for slope in found])
        return [root, *[shaped(gradients, x) for x in arguments]]

    found = trace(with_gradients, structures, names, doubt, skipped)
    besides = [] if by_params is None or not skipped else computed(by_params)
    if not surfaces([*entries(found.result), *besides], skipped):
        doubt = None
        skipped.clear()
        found = trace(with_gradients, structures, names)
    outputs = entries(found.result) if purpose == "gradients" else flat(found.result)
    if not outputs:
        raise TypeError("the function has to return numbers, or lists of them, got an empty list")
    return found, outputs, by_params, bool(skipped) or (by_params is not None and by_params.skipped)


def _program(
    recorded: Trace, outputs: list[Any], slopes: Slopes | None, params: list[Value]
) -> tuple[Program, list[Node]]:
    """The program, and the shared leaves. In training its outputs are the loss, which is total 0, and the slopes by
    parameters: total 1 is that of the first."""
    if slopes is None:
        return program_of(outputs, recorded.inputs, params)
    number: dict[Any, int] = {p: i for i, p in enumerate(params, 1)}
    single = {i: slope for i, slope in enumerate(slopes.single, 1) if slope is not None}
    rows = [
        RowTotal(tuple([number[p] for p in row.params]), tuple(row.factors), tuple(row.rows)) for row in slopes.rows
    ]
    return program_of([*outputs, *single.values()], recorded.inputs, params, [0, *single], rows)


def _limits(program: Program, recorded: Trace) -> dict[int, Limit]:
    """For each input that is an index the smallest table that it is used with."""
    limits: dict[int, Limit] = {}
    for primitive, (index, *operands) in program.instructions:
        if primitive is ops.gather and 0 <= index < len(recorded.inputs):
            size = len(operands[0])
            if index not in limits or size < limits[index].size:
                limits[index] = Limit(size, *recorded.named.get(recorded.inputs[index], ()))
    return limits
