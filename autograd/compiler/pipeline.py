"""The pipeline, a line for each stage: from a function to kernels, and from kernels to native code."""

import functools
from collections.abc import Callable, Sequence
from numbers import Real
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from .. import ops
from ..graph import Node
from ..modes import paused_collector
from ..sweeps import pull
from ..value import Value
from .ir.assembling import program_of
from .ir.passes import QUICK, run
from .ir.program import Program, Site
from .runtime.batches import Argument, Limit
from .schedule.composing import roll, roll_part
from .schedule.kernels import Kernels
from .schedule.stamping import Template
from .tracing.calls import Uncut, shares
from .tracing.flow import Slopes, computed
from .tracing.guards import surfaces
from .tracing.parts import Parts
from .tracing.trace import (
    CERTAIN,
    Doubt,
    Structure,
    Trace,
    calls_so_far,
    entries,
    flat,
    parameters_of,
    shaped,
    skeleton,
    trace,
)
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
    whole: Callable[[], Program]
    """The same without calls."""
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
    """Whether nan among the results may be of a product that was left without a guard, or of a place that is hidden."""
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
    parts: Parts,
) -> Prepared:
    """A function for one structure of its arguments as kernels.

    purpose: "values" for what f returns, "gradients" for that and the gradients by its arguments, "training" for that
    and the gradients by the params, summed over the examples. doubt: which numbers of an example may be inf or nan.
    reads: what is watched for what f reads besides its arguments. parts: those that were recorded before.

    Raises TypeError where f reads a number, or returns what is no number.
    """
    before = Watch(reads)
    made = None
    if not parts.off and doubt == CERTAIN and purpose != "gradients":  # else products are guarded across parts
        made = _in_parts(f, structures, purpose, params, parts)
    if made is None:
        whole = _recorded(f, structures, purpose, params, doubt, None)
        made = whole, *whole.program(params)
    found, program, leaves = made
    recorded, slopes = found.trace, found.slopes
    watch = Watch(reads).since(before, recorded.assumed)
    kernels = roll(shortened(program), 0 if slopes is None else 1 + len(params), _template)
    columns = [len(entries(structure)) for structure in structures]
    shape, limits = skeleton(recorded.result), _limits(program, recorded)
    spelled = functools.partial(_whole, found, params)
    return Prepared(
        program,
        spelled,
        kernels,
        leaves,
        columns,
        shape,
        recorded.asked,
        limits,
        found.skipped or bool(program.calls),
        watch,
    )


def _template(site: Site) -> Template:
    """The kernels of the part that is called, with its reverse sweep if this is a way back."""
    part, first = site.part, min(site.shared, default=0)
    places = tuple([slot - first for slot in sorted(site.shared)])
    found: Template | None = part.templates.get(key := (site.gradient, places))
    if found is None:
        program = part_program(site)
        adjoints = len(program.inputs) - len(part.graph.inputs)
        part.templates[key] = found = roll_part(program, places, part.common, adjoints)
    return found


def part_program(site: Site) -> Program:
    """The program of the part that is called, after the passes; its leaves are in the order of their slots."""
    part, gradient = site.part, site.gradient
    leaves = [leaf for _, leaf in sorted(zip(site.shared, part.graph.leaves, strict=True), key=itemgetter(0))]
    if gradient is None:
        program, _ = program_of(part.graph.picks, part.graph.inputs, leaves)
    else:
        number = {x: i for i, x in enumerate([*leaves, *part.graph.inputs[: part.common]], 1)}
        single = [(number[p], slope) for p, slope in gradient.single.items()]
        kept = [*part.graph.picks, *gradient.graph.picks]
        program, _ = program_of(kept, gradient.graph.inputs, leaves, single, gradient.rows, number=number)
    return shortened(program)


def _whole(found: "_Recorded", params: list[Value]) -> Program:
    return found.program(params, whole=True)[0]


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
    if not (prepared.program and prepared.program.calls) and Pointwise.fits(program()):
        return Pointwise(program(), machine())
    return Plan(prepared.kernels, examples, machine())


class _Recorded(NamedTuple):
    """A function's graph with that of its gradients."""

    trace: Trace
    outputs: list[Any]
    slopes: Slopes | None
    """Of a training."""
    skipped: bool
    """Whether products were left without a guard. They are not, if nan would not come out as nan."""

    def program(self, params: list[Value], whole: bool = False) -> tuple[Program, list[Node]]:
        """The program, and the shared leaves. In training the loss is total 0, and the slope by the first parameter 1.
        whole: whether calls stand as what their parts are made of."""
        inputs, calls = self.trace.inputs, self.trace.calls
        if self.slopes is None:
            return program_of(self.outputs, inputs, params, calls=calls, whole=whole)
        single = [(i, slope) for i, slope in enumerate(self.slopes.single, 1) if slope is not None]
        summed, calls = [(0, self.outputs[0]), *single], {**calls, **self.slopes.backs}
        return program_of([], inputs, params, summed, self.slopes.rows, calls, whole=whole)


def _in_parts(
    f: Callable[..., Any], structures: Sequence[Structure], purpose: str, params: list[Value], parts: Parts
) -> "tuple[_Recorded, Program, list[Node]] | None":
    """The function, whose parts are recorded once each, with its program and the shared leaves; None, now and from now
    on, if that does not do."""
    try:
        found = _recorded(f, structures, purpose, params, CERTAIN, parts)
        program, leaves = found.program(params)
        if parts.placeholders.isdisjoint(leaves):
            return found, program, leaves
    except Uncut:
        pass
    parts.off = True
    return None


def _recorded(
    f: Callable[..., Any], structures: Sequence[Structure], purpose: str, params: list[Value], doubt: Doubt,
    parts: Parts | None,
) -> _Recorded:  # fmt: skip
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
            by_params = slopes(root, params, doubtful, skipped, calls_so_far())
            return [root]
        with symbolic(doubtful, True, True, skipped):
            found = pull([(root, 1.0)], inputs, True)
        gradients = iter([0.0 if slope is None else slope for slope in found])
        return [root, *[shaped(gradients, x) for x in arguments]]

    found = trace(with_gradients, structures, names, doubt, skipped, parts)
    besides = [] if by_params is None or not skipped else computed(by_params)
    if not surfaces([*entries(found.result), *besides], skipped):
        doubt = None
        skipped.clear()
        found = trace(with_gradients, structures, names)
    outputs = entries(found.result) if purpose == "gradients" else flat(found.result)
    if not outputs:
        raise TypeError("the function has to return numbers, or lists of them, got an empty list")
    return _Recorded(found, outputs, by_params, bool(skipped) or (by_params is not None and by_params.skipped))


def _limits(program: Program, recorded: Trace) -> dict[int, Limit]:
    """For each input that is an index the smallest table that it is used with."""
    gathers = [(xs[0], len(xs[1])) for primitive, xs in program.instructions if primitive is ops.gather]
    for site in program.calls:
        for arguments in shares(site.arguments, site.part.common, site.calls) if site.gradient is None else ():
            gathers += [(arguments[i], size) for i, size in site.part.tables]
    limits: dict[int, Limit] = {}
    for index, size in gathers:
        if 0 <= index < len(recorded.inputs) and (index not in limits or size < limits[index].size):
            limits[index] = Limit(size, *recorded.named.get(recorded.inputs[index], ()))
    return limits
