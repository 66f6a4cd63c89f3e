"""`check_engine`: a student's own class of values, held against the right one and against every misconception."""

import copy
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from ..drawing import draw_dot
from ..foreign import Seen, looks_like_a_node
from ..value import Value
from .attempts import Stopped, attempt
from .battery import BATTERY, Error, Numbers, Outcome, Probe, close, inside, number_in, run
from .diagnosis import FREEING, SWEEPS, Explanation, Search
from .engine import Engine
from .findings import (
    ENDLESS,
    TITLES,
    UNTRIED,
    Findings,
    describe,
    difference,
    finding_of,
    not_written,
    passes,
    shown_as,
)
from .misconceptions import NAMED
from .operations import FUNCTIONS, ORDER, RIGHT
from .places import there
from .report import Finding, Picture, Report, Task

SECONDS = 0.3
"""The most time for one probe, which a right engine answers in a thousandth of it."""
ALL_SECONDS = 1.5
"""The most time for all of them."""
DEEP, WIDE = 3000, 30
"""Operations in a chain, and doublings, of the remarks."""
TASKS: dict[str, float] = {"order": 2.0, "used again": 1.0, "numbers on the right": 1.0, "numbers on the left": 1.0,
                           "in place": 1.0, "large numbers": 1.0}  # fmt: skip
"""Points of the tasks that belong to no single operation; an operation has one."""


def check_engine(
    ValueClass: Callable[[float], Any], operations: Collection[str] | None = None, *, name: str = ""
) -> Report:
    """A report on a student's engine: what is right, what is wrong, and which misconceptions explain it.

    ValueClass: a class in the shape of micrograd's or microgpt's: made from a number, with operators, `backward()`,
    `.data` and `.grad`; inner names are free. operations: those that the exercise asks for, of `+ * neg - ** /` and
    `exp log tanh sigmoid relu sqrt sin cos`; unless told all operators, and the functions that are there. name: of the
    class in the report. Raises TypeError for what is no class or function, ValueError for an unknown operation.

    The class runs here, in this process, with a deadline, and what it raises or prints is kept. Loops in C, such as a
    power of huge integers, cannot be stopped, nor `os._exit`.

    >>> from autograd import Value
    >>> from autograd.exercises import check_engine
    >>> check_engine(Value).findings
    []
    """
    if not callable(ValueClass):
        raise TypeError(f"check_engine expected a class, such as Value, got {type(ValueClass).__name__}")
    for operation in operations or ():
        if operation not in ORDER:
            raise ValueError(f"check_engine knows the operations {' '.join(ORDER)}, got {operation!r}")
    return _Check(ValueClass, operations, name or getattr(ValueClass, "__name__", "the engine")).report()


class _Check:
    """One check of one class."""

    def __init__(self, make: Callable[[float], Any], operations: Collection[str] | None, name: str) -> None:
        self.make, self.name = make, name
        self.printed: list[str] = []
        self.left = ALL_SECONDS
        self.stopped: set[str] = set()
        self.again = False
        self.kept = there(_Kept)(make)
        self.wanted = self._wanted(operations)

    def _wanted(self, operations: Collection[str] | None) -> set[str]:
        """The operations that are tried."""
        if operations is not None:
            return {*operations}

        def there(name: str) -> bool:
            return callable(getattr(self.make(0.5), name, None))

        return {*ORDER} - {name for name in FUNCTIONS if not attempt(partial(there, name), SECONDS).value}

    def report(self) -> Report:
        """The report."""
        if (problem := self._no_node()) is not None:
            return Report(f"check_engine({self.name})", [Task("a number becomes a node", 0, 1, 1.0)], [problem])
        asked = self.wanted | {f"{sign}=" for sign in "+*" if sign in self.wanted}
        probes = [item for item in BATTERY if item.operations <= asked]
        theirs = {item: self._run(item) for item in probes}
        _mask(theirs)
        right = {item: run(Engine(RIGHT, SWEEPS[1]), item) for item in probes}
        wrong = [
            item
            for item in probes
            if not passes(item, right[item], theirs[item]) and not self._frees(item, theirs[item])
        ]
        beyond = [item for item in wrong if item.axis == "repeated" and not item.basic]
        basic = [item for item in wrong if item not in beyond]
        findings: list[Finding] = []
        pictures: dict[str, Callable[[], Sequence[Picture]]] = {}
        explanation = None
        unwritten = self._unwritten(theirs)
        known = {item: x for item, x in theirs.items() if item.operations.isdisjoint(unwritten)}
        basic = [item for item in basic if item in known]
        if basic or any(isinstance(x, Numbers) and x.nodes for x in known.values()):
            explanation = Search(known, 3.0 if self.left > 0.0 else 1.5, not self.kept.grew).explain()
            findings = Findings(explanation, known, right, basic).all()
        if unwritten:
            names = ["backward"] if "backward" in unwritten else [name for name in ORDER if name in unwritten]
            findings.insert(0, not_written(names))
        order_wrong = any(NAMED[f.name].sweeps for f in findings if f.name in NAMED) or self.left <= 0.0
        remarks = [] if order_wrong or unwritten else self._remarks(beyond, right, theirs, explanation)
        self.kept.restore()
        by_text = {item.text: item for item in probes}
        for finding in findings:
            if finding.example in by_text:
                pictures[finding.name] = _Pictures(self.make, by_text[finding.example])
        errors = {item for item, x in theirs.items() if isinstance(x, Error)}
        tasks, printed = self._tasks(probes, wrong, errors, explanation, unwritten), "".join(self.printed)
        return Report(f"check_engine({self.name})", tasks, findings, remarks, printed, pictures)

    def _no_node(self) -> Finding | None:
        """The reason why there is nothing to try."""
        made = attempt(lambda: self.make(2.0), SECONDS)
        program, node = "a = Value(2.0)", made.value
        if made.error is not None:
            text = f"Value(2.0) raises {describe(made.error)}, so that nothing else can be tried."
            return Finding("no-node", text, "Which arguments does __init__ take?", program)
        for attribute in ("data", "grad", "backward"):
            read = attempt(partial(getattr, node, attribute), SECONDS)
            if read.error is not None:
                text = (
                    f"Reading .{attribute} of a node raises {describe(read.error)}, so that nothing else can be tried."
                )
                if type(read.error) is AttributeError:
                    text = f"A node has no .{attribute}, so that nothing else can be tried."
                return Finding("no-node", text, "A node has .data, .grad and backward().", program)
        found = attempt(lambda: number_in(getattr(node, "data", None))[0], SECONDS)
        if found.value is None or not close(found.value, 2.0):
            text = ".data of Value(2.0) is not the number 2.0."
            return Finding(
                "no-node", text, "What does __init__ keep?", f"{program}; a.data", "a.data", 2.0, repr(found.value)
            )
        return None

    def _run(self, item: Probe) -> Outcome:
        """The probe, with a deadline."""
        if self.left <= 0.0 or any(item.operations >= {name} for name in self.stopped):
            return Error(0, "endless", UNTRIED)
        self.kept.restore()
        done = attempt(lambda: run(self.make, item), min(SECONDS, self.left))
        self.left -= done.seconds
        if done.output and sum(map(len, self.printed)) < 2000:
            self.printed.append(done.output)
        if isinstance(done.error, Stopped) and not self.again:
            self.again = True  # the machine itself may have paused
            return self._run(item)
        if isinstance(done.error, Stopped):
            if len(item.operations) == 1:
                self.stopped |= item.operations
            return Error(len(item.lines) - 1, "endless", f"{ENDLESS} within {SECONDS} s")
        if done.value is None:
            return Error(len(item.lines) - 1, "error", describe(done.error))
        return done.value

    def _frees(self, item: Probe, theirs: Outcome) -> bool:
        """Whether the numbers are those of an engine that forgets a graph after its sweep, as PyTorch does."""
        if item.axis != "repeated" or self.kept.grew:
            return False
        return passes(item, run(Engine(RIGHT, FREEING), item), theirs)

    def _remarks(
        self,
        beyond: list[Probe],
        right: Mapping[Probe, Outcome],
        theirs: Mapping[Probe, Outcome],
        explanation: Explanation | None,
    ) -> list[Finding]:
        """The remarks; about repeated sweeps without numbers, if something else is wrong with them."""
        found = []
        if explanation and (explanation.sweep.resets != "nothing" or explanation.sweep.by_paths):
            beyond = []
        for name, trunk in (("repeat-backward-accumulates-interior", False), ("gradient-of-shared-trunk", True)):
            items = [item for item in beyond if ("M.backward()" in item.lines) == trunk]
            items = [item for item in items if isinstance(theirs[item], Numbers)]
            if items and (shown := difference(items[0], right[items[0]], theirs[items[0]])):
                remark = finding_of(NAMED[name], (), shown)
                found.append(remark._replace(quantity="", expected=None, got=None) if explanation else remark)
        a_sum = next((x for item, x in theirs.items() if item.lines[0] == "L = a + b"), None)
        if not isinstance(a_sum, Numbers):
            return found
        for name, program, count in (
            ("recursion-limit", f"L = a; for i in range({DEEP}): L = L + a", DEEP),
            ("every-path-walked", f"L = a; for i in range({WIDE}): L = L + L", WIDE),
        ):
            done = attempt(partial(self._chain, name, count), SECONDS)
            expected = DEEP + 1.0 if count == DEEP else 2.0**WIDE
            if done.error is not None or done.value is None or not close(done.value, expected):
                got = describe(done.error) if done.error else repr(done.value)
                if name == "recursion-limit" and not isinstance(done.error, RecursionError):
                    continue
                if name == "every-path-walked" and not isinstance(done.error, Stopped):
                    continue
                text = f"a = Value(1.0); {program}; L.backward()"
                found.append(
                    finding_of(NAMED[name], (), None)._replace(
                        example=text, quantity="a.grad", expected=expected, got=got
                    )
                )
        return found

    def _chain(self, name: str, count: int) -> float | None:
        a = self.make(1.0)
        result = a
        for _ in range(count):
            result = result + (a if name == "recursion-limit" else result)
        result.backward()
        return number_in(a.grad)[0]

    def _unwritten(self, theirs: Mapping[Probe, Outcome]) -> set[str]:
        """The operations that only raise NotImplementedError, as those do which a student has not written yet; or
        backward, by all its names."""
        stubs = {
            item: "backward" if x.line >= 0 and "backward" in item.lines[x.line] else "operation"
            for item, x in theirs.items()
            if isinstance(x, Error) and x.kind == "unwritten"
        }
        if "backward" in stubs.values():
            return {"backward", *self.wanted}
        alone = [item for item in theirs if item.axis == "nodes" and len(item.operations) == 1]
        of = {name: [item for item in alone if item.operations == {name}] for name in self.wanted}
        return {name for name, items in of.items() if items and all(item in stubs for item in items)}

    def _tasks(
        self,
        probes: Sequence[Probe],
        wrong: Collection[Probe],
        errors: Collection[Probe],
        found: Explanation | None,
        unwritten: Collection[str],
    ) -> list[Task]:
        """The points: of what is right by the explanation all, of the rest those of the programs that work. What an
        operation does with numbers has none if the operation itself ends in an error."""
        places = [p for p, ways in found.choices.items() if ways[0].names] if found else []
        places += found.unexplained if found else []
        alone = [item for item in probes if item.axis == "nodes" and len(item.operations) == 1]
        broken = {item.subject for item in alone} - {item.subject for item in alone if item not in errors}
        swept = bool(found and (found.swept or found.left))
        tasks = [Task("a number becomes a node", 1, 1, 1.0)]
        for name in ORDER:
            if name in self.wanted:
                items = [item for item in probes if item.axis == "nodes" and item.subject == name]
                blamed = (
                    swept
                    or name in unwritten
                    or any(place.operation == name and place.axis == "nodes" for place in places)
                )
                tasks.append(_task(shown_as(name), items, wrong if blamed else (), 1.0))
        for axis, title in TITLES.items():
            items = [item for item in probes if item.axis == axis and (axis != "repeated" or item.basic)]
            missing = any(not item.operations.isdisjoint({*unwritten, *broken}) for item in items)
            blamed = swept or missing or any(place.axis == axis for place in places)
            if items:
                tasks.append(_task(title, items, wrong if blamed else (), TASKS[title]))
        return tasks


def _task(title: str, items: Sequence[Probe], wrong: Collection[Probe], points: float) -> Task:
    return Task(title, sum(item not in wrong for item in items), len(items), points)


class _Kept:
    """The lists, sets and dicts that all nodes of a class share, and what was in them before the first node: so that
    each probe begins as the first one does."""

    def __init__(self, make: Callable[..., Any]) -> None:
        waiting = [f for f in (*getattr(make, "__dict__", {}).values(), make) if inspect.isfunction(f)]
        held: list[Any] = [*getattr(make, "__dict__", {}).values()]
        met: set[int] = set()
        while waiting:
            f = waiting.pop()
            if id(f) not in met:
                met.add(id(f))
                known = [f.__globals__[name] for name in f.__code__.co_names if name in f.__globals__]
                held += [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values(), *known]
                waiting += [g for g in known if inspect.isfunction(g) and g.__module__ == f.__module__]
        self.before = [(x, copy.copy(x)) for x in held if type(x) in (list, set, dict)]
        self.grew = False

    def restore(self) -> None:
        """Puts back what was there."""
        for x, before in self.before:
            if len(x) != len(before):
                self.grew = True
                x.clear()
                (x.extend if isinstance(x, list) else x.update)(before)


def _mask(theirs: dict[Probe, Outcome]) -> None:
    """Forgets which operands are recorded, if that cannot be seen in this engine at all."""
    numbers = {item: x for item, x in theirs.items() if isinstance(x, Numbers)}
    if not any(any(x.recorded) for x in numbers.values() if x.recorded):
        theirs |= {item: x._replace(recorded=None) for item, x in numbers.items()}


class _Pictures:
    """The student's graph beside the right one, drawn when they are shown."""

    def __init__(self, make: Callable[[float], Any], item: Probe) -> None:
        self.make, self.item = make, item

    def __call__(self) -> list[Picture]:
        found = []
        for caption, make, adapter in (("your graph", self.make, True), ("the right one", Value, False)):
            done = attempt(partial(self._picture, make, adapter), 2.0)
            if done.value is not None:
                found.append((caption, done.value))
        return found if len(found) == 2 else []

    def _picture(self, make: Callable[[float], Any], theirs: bool) -> str:
        names = self.item.program(**{name: make(x) for name, x in self.item.values.items()})
        root = names["M" if "M" in names else "L"]
        adapter = seen_inside if theirs and not looks_like_a_node(root) else None
        return draw_dot(root, names=names, adapter=adapter).svg


def seen_inside(x: Any) -> Seen:
    """The adapter for a class with names of its own: the operands are the nodes that a node holds, in whatever
    attributes."""
    names = [getattr(x, name, "") for name in ("_op", "op", "operation")]
    return Seen(x.data, x.grad, there(_operands)(x), next((n for n in names if n and isinstance(n, str)), ""))


def _operands(x: Any) -> list[Any]:
    kind = type(x)
    skipped = (kind, type, FunctionType, ModuleType, str, float, int)
    waiting, met, apart = [x], {id(x)}, []
    while waiting and len(met) < 50:
        v = waiting.pop(0)
        nodes = [w for w in inside(v) if isinstance(w, kind) and w is not x]
        if nodes and v is not x and isinstance(v, list | tuple | set | frozenset):
            return nodes
        apart += nodes
        fresh = [w for w in inside(v) if id(w) not in met and not isinstance(w, skipped)]
        met |= {*map(id, fresh)}
        waiting += fresh
    return apart
