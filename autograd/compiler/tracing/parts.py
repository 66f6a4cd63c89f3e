"""Parts: functions that are called many times within a function, and recorded once for each structure of arguments."""

import functools
import types
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, ParamSpec, TypeVar

from ... import ops
from ...floats import is_node
from ...graph import Node, topological_order
from ...modes import Switch, is_recording, plainly, recording, unknown
from ...sweeps import active_path
from ...value import Value
from .calls import Call, NoPart, Recorded, call, pick, shares
from .flow import Flow, Row, vectors_of
from .trace import CURRENT, Index, Trace, called, name_index
from .unknown import Symbolic
from .watch import OWN, Watch, Watched, name_of

TINY = 24
"""The most operations of a function that is not worth a call."""
MANY = 32
"""The least operations, of all calls, that are worth being made together."""


P = ParamSpec("P")
R = TypeVar("R")


def part(f: Callable[P, R]) -> Callable[P, R]:
    """The same function, or method of a module, which is recorded once for each structure of its arguments where what
    calls it many times is compiled. Mark a function that only computes, from its arguments and from parameters.

    >>> from autograd import compile
    >>> from autograd.compiler import part
    >>> @part
    ... def cube(x):
    ...     return x * x * x
    >>> compile(lambda xs: [cube(x) for x in xs])([[1.0, 2.0]])
    [[1.0, 8.0]]
    """

    @functools.wraps(f)
    def marked(*args: P.args, **options: P.kwargs) -> Any:
        if CURRENT.get() is None:
            return f(*args, **options)
        if args and isinstance(args[0], Watched):
            return called(args[0], types.MethodType(f, args[0]), args[1:], options, marked=True)
        return called(f, f, args, options, marked=True)

    return marked


NONE = tuple, ()
"""The structure of no arguments."""
NOT_YET = object()
"""In the place of a part that has not been recorded yet."""


@dataclass(eq=False)
class Gradient:
    """The reverse sweep through a part, recorded."""

    graph: Recorded
    """Its inputs are those of the part, and the adjoints that arrive; its results those that are wanted."""
    common: list[Node]
    """The inputs common to all calls that something flows to."""
    single: dict[Node, Any]
    """By parameter or common input, the slope."""
    rows: list[Row]
    """By parameters or common inputs."""
    open: bool
    """Whether products were left without a guard."""


class Part:
    """A function for one structure of its arguments."""

    def __init__(
        self,
        name: str,
        graph: Recorded,
        common: int,
        shape: Any,
        watch: Watch,
        params: Collection[Node],
        recorded: Trace,
    ) -> None:
        self.common = common
        """The count of inputs, the first ones, that are the same for calls made together."""
        self.name, self.graph, self.shape, self.watch = name, graph, shape, watch
        self.assumed, self.named = recorded.assumed, recorded.named
        self.holds_in = 0 if recorded.within is None else recorded.within.number
        """The number of the latest trace that began with all that the part reads as it was."""
        position = {x: i for i, x in enumerate(graph.inputs)}
        gathers = [node._a for node in graph.interiors if node.primitive is ops.gather]
        self.tables = [(position[index], len(xs)) for index, xs in gathers if index in position]
        """For each look-up by an argument which one it is, and how long the table."""
        self.params = [leaf for leaf in graph.leaves if leaf in params]
        self.templates: dict[Any, Any] = {}
        """Kernels of the part, by its gradient and by where its leaves lie."""
        self._gradients: dict[Any, Gradient] = {}

    def gradient(self, needed: tuple[bool, ...], arriving: tuple[bool, ...]) -> Gradient:
        """The sweep that begins at the results that an adjoint arrives at, and goes to the inputs that need it, and to
        the parameters."""
        if (found := self._gradients.get((needed, arriving))) is None:
            self._gradients[needed, arriving] = found = self._swept(needed, arriving)
        return found

    def _swept(self, needed: tuple[bool, ...], arriving: tuple[bool, ...]) -> Gradient:
        graph = self.graph
        roots = [y for y, arrives in zip(graph.picks, arriving, strict=True) if arrives]
        wanted: list[Any] = [x for x, need in zip(graph.inputs, needed, strict=True) if need]
        common = wanted[: sum(needed[: self.common])]
        own, params = wanted[len(common) :], [*self.params, *common]
        adjoints = [Value(0.5) for _ in roots]
        guards = Symbolic([], signs=False, last=True)
        with Switch(unknown=guards), recording():
            active, path = active_path(roots, [*own, *params])
            flow = Flow(roots, active, guards, set(self.params), common=set(common))
            slopes = flow.pull(list(zip(roots, adjoints, strict=True)), [*own, *params], path)
        single = {p: slope for p, slope in zip(params, slopes[len(own) :], strict=True) if slope is not None}
        rows = list(flow.rows.values())
        besides = [*single.values(), *[y for x in vectors_of(rows) for y in x]]
        recorded = recorded_graph([*graph.inputs, *adjoints], slopes[: len(own)], besides)
        reached = {*single, *[p for row in rows for p in row.params]}
        found = [x for x in common if x in reached]
        return Gradient(recorded, found, single, rows, flow.open or bool(guards.skipped))


def recorded_graph(inputs: list[Any], results: list[Any], besides: Sequence[Any] = ()) -> Recorded:
    """The graph of results of these inputs, and of what else is wanted."""
    leaves, interiors = topological_order(*dict.fromkeys(y for y in (*results, *besides) if is_node(y)))
    placeholders = set(inputs)
    picks = list(dict.fromkeys(y for y in results if is_node(y) and y.primitive is not None and y not in placeholders))
    return Recorded(inputs, results, picks, interiors, [leaf for leaf in leaves if leaf not in placeholders])


class Parts:
    """The parts that have been recorded for a function and its specializations.

    params: the leaves by which slopes are wanted.
    """

    def __init__(self, params: Sequence[Value]) -> None:
        self.params = frozenset(params)
        self.placeholders = set[Value]()
        self.off = False
        """Whether the function has to be recorded as a whole."""
        self._known: dict[Any, tuple[Any, Any]] = {}  # with the owner; None for what is no part

    def of(self, owner: Any, f: Callable[..., Any], args: Any, options: Any, marked: bool) -> Any:
        """The result of f, which belongs to the owner, as a call if it is worth one. marked: whether parts within it
        are parts of it, rather than by themselves."""
        leaves = list[Any]()
        if (structure := _structure((args, options), leaves)) is None or not _can_be_called(leaves):
            return f(*args, **options)
        key = _key(owner, f, (NONE, structure, _repeats(leaves)), TINY)
        if key not in self._known and not _is_own(owner, f):
            return self._looked_at(key, owner, f, args, options, marked)
        part = self._part(key, owner, f, (NONE, structure), 0, leaves, marked)
        return f(*args, **options) if part is None else self._called(part, leaves, 1)[0]

    def _looked_at(self, key: Any, owner: Any, f: Callable[..., Any], args: Any, options: Any, marked: bool) -> Any:
        """The result of a user's function, which is called as it is: then it is known whether it changes what it reads,
        or is made of parts."""
        current = CURRENT.get()
        assert current is not None
        before, asked_for = Watch([owner, f]), current.asked_for
        result = f(*args, **options)
        alone = (marked or current.asked_for == asked_for) and _holds(before)
        self._known[key] = owner, NOT_YET if alone else None
        return result

    def each(self, f: Callable[..., Any], rows: Sequence[Any], common: Any) -> list[Any]:
        """The result of f(*row, *common) for each row, as calls that are made together if the rows are alike."""
        leaves = list[Any]()
        around, counted = _structure(common, leaves), len(leaves)
        inside = [_structure((row, {}), leaves, floats=True) for row in rows]
        part, alike = None, None not in (around, inside[0]) and inside.count(inside[0]) == len(rows)
        if alike and _can_be_called(first := leaves[: counted + (len(leaves) - counted) // len(rows)]):
            owner, structures = getattr(f, "__self__", f), (around, inside[0])
            key = _key(owner, f, structures, 0)
            if key not in self._known and not _is_own(owner, f):
                result = self._looked_at(key, owner, f, (*rows[0], *common), {}, True)
                return [result, *(self.each(f, rows[1:], common) if len(rows) > 1 else ())]
            part = self._part(key, owner, f, structures, counted, first, True)
            if part is not None and len(part.graph.interiors) * len(rows) < MANY:
                part = None
        return [f(*row, *common) for row in rows] if part is None else self._called(part, leaves, len(rows))

    def _part(
        self, key: Any, owner: Any, f: Callable[..., Any], structures: Any, common: int, leaves: list[Any], marked: bool
    ) -> Part | None:
        """The part for arguments of these structures, those that are common first; None if it is none."""
        current = CURRENT.get()
        assert current is not None
        part = self._known.get(key, (owner, NOT_YET))[1]
        if isinstance(part, Part) and part.holds_in != current.number:
            same = _holds(part.watch) and all(read() == answer for read, answer in part.assumed)
            part.holds_in, part = current.number, part if same else NOT_YET
        elif isinstance(part, Part) and not _holds(part.watch, quick=_is_own(owner, f)):
            part = None  # what it reads changes from call to call
        if part is NOT_YET:
            part = self._recorded(owner, f, structures, common, leaves, marked, key[-1])
        self._known[key] = owner, part
        found: Part | None = part
        return found

    def _recorded(
        self,
        owner: Any,
        f: Callable[..., Any],
        structures: Any,
        common: int,
        leaves: list[Any],
        marked: bool,
        tiny: int,
    ) -> Part | None:
        """tiny: so many operations are not worth a call."""
        outer = CURRENT.get()
        assert outer is not None
        inputs: list[Any] = [Index(0.5) if isinstance(x, Index) else Value(0.5) for x in leaves]
        placeholders = iter(inputs)
        around, (args, options) = (filled(structure, placeholders) for structure in structures)
        given = _structure((around, args, options), [])
        before = None if _is_own(owner, f) else Watch([owner, f])
        inner = Trace(inputs, within=outer, marked=marked)
        self.placeholders.update(inputs)  # whatever becomes of it: they may have been kept
        skipped: Any = getattr(unknown(), "skipped", [])
        skipped_before = len(skipped)
        token = CURRENT.set(inner)
        try:
            result = f(*args, *around, **options)
            shape = flattened(result, found := list[Any]())
            same = _structure((around, args, options), left := list[Any]()) == given
        except NoPart:
            return None
        except TypeError:
            if any(type(x) is float for x in leaves):  # perhaps since a number of Python's own is a Value here
                return None
            raise
        finally:
            CURRENT.reset(token)
        if len(skipped) > skipped_before:
            del skipped[skipped_before:]
            return None
        changed = not same or [*map(id, left)] != [*map(id, inputs)]
        if changed or (before and not _holds(before)) or inner.asked or any(isinstance(x, Index) for x in found):
            return None
        graph = recorded_graph(inputs, found)
        if len(graph.interiors) <= tiny or _reaches(graph, outer):
            return None
        name, watch = name_of(owner if marked else type(owner)), before or Watch([owner, f])
        return Part(name, graph, common, shape, watch, self.params, inner)

    def _called(self, part: Part, leaves: list[Any], count: int) -> list[Any]:
        """The results of so many calls."""
        current = CURRENT.get()
        assert current is not None
        node: Any = call(tuple(leaves))
        current.calls[node] = found = Call(node, part, part.graph, count)
        current.assumed |= part.assumed
        picks, results = pick.map([(node, float(i)) for i in range(found.results)]), []
        for arguments, picked in zip(shares(leaves, part.common, count), shares(picks, 0, count), strict=True):
            for x, argument in zip(part.graph.inputs, arguments, strict=True) if part.named else ():
                if x in part.named:
                    name_index(argument, *part.named[x])
            results.append(filled(part.shape, iter(part.graph.resolved(arguments, picked))))
        return results


def _key(owner: Any, f: Any, structures: Any, tiny: int) -> Any:
    return getattr(f, "__func__", f), id(owner), structures, tiny


@plainly()
def _holds(watch: Watch, quick: bool = False) -> bool:
    """Whether all is as it was; numbers are compared."""
    return watch.holds(quick)


def _is_own(owner: Any, f: Any) -> bool:
    """Whether a function is of this project, with all that it may call, and so changes nothing that it reads."""
    modules = owner.named_modules() if hasattr(owner, "named_modules") else ()
    inside = [f, *[kind for _, module in modules for kind in type(module).__mro__[:-1]]]
    return all(str(getattr(x, "__module__", "")).partition(".")[0] in OWN for x in inside)


def _repeats(leaves: Sequence[Any]) -> Any:
    """The places of Values that stand there before; None if there are none."""
    if len({*map(id, leaves)}) == len(leaves):
        return None
    first: dict[int, int] = {}
    return tuple([first.setdefault(id(x), i) for i, x in enumerate(leaves)])


def _can_be_called(leaves: Sequence[Any]) -> bool:
    """Whether there is something to be recorded."""
    return any(map(is_node, leaves)) and is_recording()


def _reaches(graph: Recorded, outer: Trace) -> bool:
    """Whether a graph goes on to numbers that are no arguments, but of the function around it."""
    own = set(graph.inputs)
    others = set(outer.inputs) - own
    return not others.isdisjoint(graph.leaves) or any(node.primitive in (call, pick) for node in graph.interiors)


def _structure(x: Any, leaves: list[Any], floats: bool = False) -> Any:
    """As `flattened`; None for anything else, or where a constant is no key."""
    try:
        found = flattened(x, leaves, floats)
        hash(found)
    except (NoPart, TypeError):
        return None
    return found


class Constant(NamedTuple):
    """A part of a structure that is no number to compute with. The text tells apart zeros by their signs."""

    kind: type
    x: Any
    text: str


def flattened(x: Any, leaves: list[Any], floats: bool = True) -> Any:
    """The structure of nested lists, tuples and dicts, whose Values are added to the leaves. floats: whether these are
    too; else they are constants. NoPart for anything else but plain constants."""
    kind = type(x)
    if kind is Value or (kind is float and floats):
        leaves.append(x)
        return float
    if kind is Index:
        leaves.append(x)
        return int
    if kind is list or kind is tuple or (kind.__bases__ == (tuple,) and hasattr(kind, "_fields")):
        if {*map(type, x)} == {Value}:
            leaves.extend(x)
            return kind, len(x)
        return kind, tuple([flattened(y, leaves, floats) for y in x])
    if kind is dict:
        return kind, tuple(x), tuple([flattened(y, leaves, floats) for y in x.values()])
    if x is None or kind in (float, int, bool, str, range):
        return Constant(kind, x, repr(x))
    raise NoPart


def filled(structure: Any, numbers: Iterator[Any]) -> Any:
    """The structure with these leaves."""
    if structure is float or structure is int:
        return next(numbers)
    if type(structure) is Constant:
        return structure.x
    kind, inside, *entries = structure
    if kind is dict:
        return dict(zip(inside, [filled(y, numbers) for y in entries[0]], strict=True))
    made = [next(numbers) for _ in range(inside)] if type(inside) is int else [filled(y, numbers) for y in inside]
    return made if kind is list else kind(*made) if hasattr(kind, "_fields") else kind(made)
