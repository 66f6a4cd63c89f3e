"""Findings: what an explanation says of a student's numbers, each with the smallest program that shows it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .attempts import Stopped
from .battery import Error, Outcome, Probe, close, run, same
from .changes import Misconception
from .diagnosis import SWEEPS, Explanation, Place
from .engine import Engine
from .misconceptions import NAMED
from .operations import BINARY, RIGHT
from .report import Finding

ENDLESS = "no end"
UNTRIED = "it was not tried, since others took too long"


class Shown(NamedTuple):
    """A difference between two outcomes."""

    probe: Probe
    quantity: str
    expected: float | str
    got: float | str


def describe(error: BaseException | None) -> str:
    """An error as a student sees it."""
    if isinstance(error, Stopped):
        return ENDLESS
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def shown_as(name: str) -> str:
    """An operation as it is typed."""
    return {"neg": "-a"}.get(name, f"a {name} b" if name in (*BINARY, "**") else name)


TITLES = {"constant": "numbers on the right", "reflected": "numbers on the left", "in place": "in place",
          "extreme": "large numbers", "sweep": "order", "repeated": "used again"}  # fmt: skip
"""The tasks that belong to no single operation."""


def _tasks(places: Iterable[Place]) -> tuple[str, ...]:
    """The tasks that places belong to."""
    return tuple(dict.fromkeys(TITLES.get(place.axis) or shown_as(place.operation) for place in places))


def passes(item: Probe, right: Outcome, theirs: Outcome) -> bool:
    """Whether the numbers that count are right: all data, and the gradients of leaves."""
    if isinstance(right, Error) or isinstance(theirs, Error):
        return False
    leaves = [name for name in item.values if name in right.grads]
    return (
        not theirs.nodes
        and right.data.keys() == theirs.data.keys()
        and all(close(x, theirs.data[name]) for name, x in right.data.items())
        and all(close(right.grads[name] or 0.0, theirs.grads[name] or 0.0) for name in leaves)
    )


def difference(item: Probe, right: Outcome, theirs: Outcome) -> Shown | None:
    """The first number in which they differ, leaves first."""
    if isinstance(right, Error):
        return None
    if isinstance(theirs, Error):
        line = item.lines[max(theirs.line, 0)]
        return Shown(item, line, "a number", theirs.text or theirs.kind)
    leaves = [name for name in item.values if name in right.grads]
    for name in leaves:
        if not close(right.grads[name] or 0.0, theirs.grads[name] or 0.0):
            return Shown(item, f"{name}.grad", right.grads[name] or 0.0, theirs.grads[name] or 0.0)
    for name, x in right.data.items():
        if not close(x, theirs.data[name]):
            return Shown(item, f"{name}.data", x, theirs.data[name])
    if theirs.nodes:
        name = min(theirs.nodes)
        return Shown(item, f"{name}.grad", "a number", "a node")
    return None


def finding_of(m: Misconception, where: Sequence[str], shown: Shown | None, also: Sequence[str] = ()) -> Finding:
    """A finding of the catalogue."""
    message = m.message.format(where=_listed(where))
    if shown is None:
        return Finding(m.name, message, m.hint, where=tuple(where), also=tuple(also))
    return Finding(
        m.name, message, m.hint, shown.probe.text, shown.quantity, shown.expected, shown.got, tuple(where), tuple(also)
    )


def not_written(names: Sequence[str]) -> Finding:
    """The finding of operations that raise NotImplementedError."""
    where = [shown_as(name) if name == "neg" else name for name in names]
    verb = "is" if len(where) == 1 else "are"
    tasks = [] if "backward" in names else [Place(name, "nodes") for name in names]
    text = f"{_listed(where)} {verb} not written yet."
    return Finding("not-written", text, where=tuple(where), tasks=_tasks(tasks))


def of_error(subject: str, error: str, hint: str = "", shown: Sequence[Any] = ()) -> Finding:
    """The finding of code that ends in an error, or is not written yet."""
    if error.startswith(NotImplementedError.__name__):
        return Finding("not-written", f"{subject} is not written yet.")
    return Finding("unexplained", f"{subject} ends in an error: {error}.", hint, *shown)


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1] if quoted else ""


class Findings:
    """An explanation as findings."""

    def __init__(
        self,
        explanation: Explanation,
        theirs: Mapping[Probe, Outcome],
        right: Mapping[Probe, Outcome],
        wrong: Sequence[Probe],
    ) -> None:
        self.explanation, self.theirs, self.right = explanation, theirs, right
        self.wrong = sorted(wrong, key=lambda item: (len(item.lines), len(item.text)))

    def all(self) -> list[Finding]:
        """Those of the sweep, those of operations, and what is not explained."""
        e = self.explanation
        found = [finding_of(NAMED[name], (), self._shown(sweep=True)) for name in e.swept]
        for name, places in e.named().items():
            where = [_place(place) for place in places]
            also = {other for place in places for way in e.choices[place] for other in way.names if len(way.names) == 1}
            shown = self._shown(places, name)
            finding = finding_of(NAMED[name], where, shown, sorted(also - {name}))
            found.append(finding._replace(tasks=_tasks(places)))
        groups: dict[str, list[tuple[Place, Shown]]] = {}
        for place in e.unexplained:
            if shown := self._first(place):
                kind = re.sub(r"[\d.]+", "", shown.got) if isinstance(shown.got, str) else ""
                groups.setdefault(kind, []).append((place, shown))
        for group in groups.values():
            places = [place for place, _ in group]
            finding = self._unexplained([*map(_place, places)], group[0][1])
            found.append(finding._replace(tasks=_tasks(places)))
        if e.left and not e.unexplained:
            left = [item for item in self.wrong if item in e.left]
            found += [self._unexplained(["backward"], shown) for item in left[:1] if (shown := self._difference(item))]
        if not found:
            found += [
                self._unexplained(["the engine"], shown) for item in self.wrong[:1] if (shown := self._difference(item))
            ]
        return found

    def _difference(self, item: Probe) -> Shown | None:
        return difference(item, self.right[item], self.theirs[item])

    def _unexplained(self, where: Sequence[str], shown: Shown) -> Finding:
        several, theirs = len(where) > 1, self.theirs.get(shown.probe)
        if isinstance(theirs, Error) and theirs.kind == "unwritten":
            return Finding("not-written", f"{_listed(where)} {'are' if several else 'is'} not written yet.")
        text = f"{_listed(where)}: the numbers are wrong, and no misconception that is known here explains them."
        hint = "Compute the example by hand, line by line, and compare with your nodes."
        if shown.got == "a node":
            text = f"{_listed(where)}: after backward .grad holds a node instead of a number."
        elif isinstance(shown.got, str):
            text = f"{_listed(where)} {'end' if several else 'ends'} in an error: {shown.got.rstrip('.')}."
            hint = "The error's last line says what happened. Run the example, and see which of your lines it names."
            if shown.got.startswith(ENDLESS):
                text = f"{_listed(where)} {'do' if several else 'does'} not come to an end."
                hint = "Which loop or which call goes on for ever? Print something inside."
            elif shown.got == UNTRIED:
                text = f"{_listed(where)}: this was not tried, since other programs took too long."
                hint = ""
        return Finding(
            "unexplained", text, hint, shown.probe.text, shown.quantity, shown.expected, shown.got, tuple(where)
        )

    def _first(self, place: Place) -> Shown | None:
        """The first program that shows what is wrong there, rather one that was tried."""
        items = [x for x in self.wrong if place.operation in x.operations and x.axis == place.axis]
        for untried in (False, True):
            for item in items:
                theirs = self.theirs[item]
                if untried or not (isinstance(theirs, Error) and theirs.text == UNTRIED):
                    return self._difference(item)
        return None

    def _shown(self, places: Sequence[Place] = (), name: str = "", sweep: bool = False) -> Shown | None:
        """The smallest probe in which this misconception alone leads to the student's numbers; or where they are wrong
        too."""
        e = self.explanation
        operations = dict(RIGHT)
        for place in places:
            way = min((c for c in e.choices[place] if name in c.names), key=lambda c: len(c.names))
            operations[place.operation] = way.operation
        engine_sweep = e.sweep if sweep else SWEEPS[1]
        axes, found = {place.axis for place in places}, None
        for item in self.wrong:
            if axes and "nodes" not in axes and item.axis not in axes:
                continue
            alone = run(Engine(operations, engine_sweep), item)
            if not passes(item, self.right[item], alone):
                found = found or item
                if same(item, alone, self.theirs[item]):
                    return self._difference(item)
        return self._difference(found) if found else None


def _place(place: Place) -> str:
    """An operation, as it was tried."""
    sign = place.operation
    if place.axis == "constant":
        return f"v {sign} 2"
    if place.axis == "reflected":
        return f"2 {sign} v"
    return shown_as(sign) if sign == "neg" else sign
