"""The search for the misconceptions that explain what a student's engine does, all of its numbers."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from .battery import Axis, Error, Outcome, Probe, run, same
from .changes import Changes, Misconception
from .engine import Engine, Operation, Sweep
from .misconceptions import CATALOGUE, NAMED
from .operations import IN_PLACE, MADE_OF, ORDER, PARTS, REFLECTED, RIGHT
from .orders import by_number, topological

Theirs = Mapping[Probe, Outcome]
Operations = Mapping[str, Operation]
AXES: tuple[Axis, ...] = ("nodes", "constant", "reflected", "in place", "extreme")
FREEING = Sweep(topological, frees=True)
SWEEPS = (
    Sweep(topological),
    Sweep(topological, resets="interior"),
    Sweep(topological, by_paths=True),
)
"""The right ones: micrograd's, that of this package, and the one that walks paths."""
MANY = ("no-topological-order",)
"""It has most variants, and is tried last."""
PROMISING = 6
"""Sweeps that are looked at again, with two misconceptions in one operation."""


class Choice(NamedTuple):
    """A way to write an operation that explains what is seen, and the misconceptions in it."""

    operation: Operation
    names: tuple[str, ...]


class Place(NamedTuple):
    """The place of a misconception: in which operation, tried in which way."""

    operation: str
    axis: Axis


class Explanation(NamedTuple):
    """An engine that does what the student's does, as far as that could be found."""

    sweep: Sweep
    swept: tuple[str, ...]
    """The misconceptions in the sweep."""
    operations: Operations
    choices: Mapping[Place, Sequence[Choice]]
    """For each place all ways that explain it; where there is more than the right one."""
    unexplained: tuple[Place, ...]
    left: tuple[Probe, ...]
    """The probes of the sweep that it does not explain."""

    @property
    def broken(self) -> set[str]:
        """Those of sum and product that it does not explain."""
        return {place.operation for place in self.unexplained if place.axis == "nodes"} & {"+", "*"}

    @property
    def badness(self) -> tuple[int, int]:
        """The number of places that are not explained, and how many misconceptions it takes."""
        return len(self.unexplained) + len(self.left), len(self.swept) + len(self.named())

    def named(self) -> dict[str, list[Place]]:
        """The fewest misconceptions of operations that explain everything, and where each of them is."""
        open_places = {place: ways for place, ways in self.choices.items() if ways and ways[0].names}
        found: dict[str, list[Place]] = {}
        while open_places:
            counts = Counter(name for ways in open_places.values() for name in {n for way in ways for n in way.names})
            for name in [n for n in counts if NAMED[n].together and counts[n] < len(NAMED[n].operations)]:
                del counts[name]
            counts["rule-of-another-operator"] = min(1, counts["rule-of-another-operator"])
            best = max(counts, key=lambda name: (counts[name], -priority(name)))
            done = []
            for place, ways in open_places.items():
                if having := [way for way in ways if best in way.names]:
                    for name in min(having, key=lambda way: len(way.names)).names:
                        found.setdefault(name, []).append(place)
                    done.append(place)
            for place in done:
                del open_places[place]
        return found


LATE = ("relu-derivative", "tanh-derivative", "sigmoid-derivative", "log-derivative", "gradient-of-wrong-operand",
        "gradient-for-data", "uses-own-gradient-for-upstream", "backward-called-at-once", "rule-of-another-operator",
        "children-not-recorded")  # fmt: skip
"""Names that are given only where no other fits as well: the others say more, or are met more often."""
SPECIFIC = {m.name for m in CATALOGUE if m.kind == "rules"} - {*LATE}


def priority(name: str) -> int:
    """The rank of a name among those that fit equally well; the lowest is given."""
    return 100 + LATE.index(name) if name in LATE else 0 if name in SPECIFIC else 1 + PLACES[name]


PLACES = {m.name: i for i, m in enumerate(CATALOGUE)}


def changes_of(m: Misconception, axis: Axis) -> Changes | None:
    """Its changes of an operation on an axis."""
    return m.changes if m.axis == axis else dict(m.elsewhere).get(axis)


def ways(name: str, axis: Axis, current: Operation) -> Iterator[Operation]:
    """The right ways to write an operation, as far as an axis tells them apart."""
    if axis == "extreme":
        yield replace(current, parts=None)  # parts may overflow by themselves, which is what is asked here
        return
    yield current
    if axis == "nodes":
        yield from (replace(current, parts=parts) for parts in PARTS.get(name, ()))
    elif axis == "reflected" and name in REFLECTED:
        yield replace(current, reflected=REFLECTED[name])


def wrong_ways(name: str, axis: Axis, current: Operation) -> Iterator[Choice]:
    """The ways with one misconception."""
    for m in CATALOGUE:
        changes = changes_of(m, axis)
        if changes and name in m.operations:
            for operation in changes(name, current):
                yield Choice(operation, (m.name,))


def wrong_twice(name: str, axis: Axis, current: Operation) -> Iterator[Choice]:
    """The ways with two."""
    for first in wrong_ways(name, axis, current):
        for second in wrong_ways(name, axis, first.operation):
            if second.names > first.names:
                yield Choice(second.operation, (*first.names, *second.names))


def explains(operations: Operations, sweep: Sweep, item: Probe, theirs: Outcome) -> bool:
    """Whether an engine does in a probe what the student's does. A set of operands has no order, and a graph may have
    several topological orders."""
    bits = len(item.lines) if sweep.any_order or (item.axis == "sweep" and sweep.order is topological) else 0
    return any(
        same(item, run(Engine(operations, replace(sweep, flips=flips) if flips else sweep), item), theirs)
        for flips in range(2**bits)
    )


def _missing(outcome: Outcome) -> bool:
    return isinstance(outcome, Error) and outcome.kind == "unsupported operand"


class Search:
    """The search for one student's engine. theirs: what it did in each probe that was tried. seconds: of this thread's
    own time, so that a busy machine gives the same answer. frees: whether it may forget a graph after its sweep."""

    def __init__(self, theirs: Theirs, seconds: float = 3.2, frees: bool = False) -> None:
        self.bases = (*SWEEPS, FREEING) if frees else SWEEPS
        self.theirs, self.end = theirs, time.thread_time() + seconds
        self.found: list[Explanation] = []
        self.guesses: list[_Guess] = []
        self.tried = [name for name in (*ORDER, *IN_PLACE) if any(name in item.operations for item in theirs)]
        self.by_axis: dict[Axis, list[Probe]] = {}
        for item in theirs:
            self.by_axis.setdefault(item.axis, []).append(item)

    def explain(self) -> Explanation:
        """The explanation that leaves least open, and of those the one with the fewest misconceptions."""
        for sweep in self.bases:
            self._try(sweep, ())
        well = self._sweeps_well()
        for e in [*self.found]:
            if e.broken != {"+", "*"}:
                self._try(e.sweep, (), thorough=True)
        if not well:
            for sweep, names in self._sweeps():
                self._try(sweep, names)
        promising = sorted(self.found, key=lambda e: e.badness)[:PROMISING]
        for e in promising:
            self._try(e.sweep, e.swept, thorough=True)
        if not well:
            for sweep, names in self._sweeps():
                for second, more in self._sweeps([sweep]) if self._best > (0, 2) else ():
                    if more > names:
                        self._try(second, names + more)
        best = min(range(len(self.found)), key=lambda i: self.found[i].badness)
        return self.guesses[best].finished(self.found[best].swept, final=True)

    def _sweeps_well(self) -> bool:
        """Whether a right sweep explains sum and product, and all programs about the order, so that whatever is left is
        in other operations."""
        return any(not e.swept and not e.left and not e.broken for e in self.found)

    @property
    def _best(self) -> tuple[int, int]:
        return min(e.badness for e in self.found) if self.found else (len(self.theirs), len(CATALOGUE))

    def _sweeps(self, bases: Sequence[Sweep] = SWEEPS) -> list[tuple[Sweep, tuple[str, ...]]]:
        """Those with a misconception, which leave no choice first."""
        ordered: list[tuple[Sweep, tuple[str, ...]]] = []
        for base in bases:
            found = [
                (sweep, (m.name,))
                for m in CATALOGUE
                for sweep in (m.sweeps(base) if m.sweeps else ())
                if not base.by_paths or sweep.seed != base.seed
            ]
            ordered += sorted(
                found, key=lambda way: (way[0].any_order and way[0].order is not by_number, way[1] == MANY)
            )
        return ordered

    def _try(self, sweep: Sweep, swept: tuple[str, ...], thorough: bool = False) -> None:
        """Adds the best explanation with this sweep to those found, unless it cannot be the best of all."""
        guess, best = _Guess(self, sweep, thorough), self._best
        for name in self.tried:
            guess.right_only = best <= (0, len(swept) + guess.at_least + 1)
            guess.operation(name)
            if swept and not guess.broken.isdisjoint("+*"):
                return
            if (len(guess.unexplained), len(swept) + guess.at_least) >= best or time.thread_time() > self.end:
                return
        self.found.append(guess.finished(swept))
        self.guesses.append(guess)


class _Guess:
    """An explanation in the making, for one sweep: one operation after the other."""

    def __init__(self, search: Search, sweep: Sweep, thorough: bool) -> None:
        self.search, self.sweep, self.thorough = search, sweep, thorough
        self.right_only = False  # if with one more misconception it would not be the best explanation
        self.operations: dict[str, Operation] = dict(RIGHT)
        self.choices: dict[Place, list[Choice]] = {}
        self.unexplained: list[Place] = []
        self.broken: set[str] = set()

    def operation(self, name: str) -> None:
        """Finds the ways to write an operation that explain its probes."""
        for axis in AXES:
            items = self._items(name, axis)
            if not items:
                continue
            found = self._fitting(name, axis, items) or self._with_others(name, axis, items)
            if axis == "nodes" and not self.broken.isdisjoint(MADE_OF.get(name, ())):
                found = [choice for choice in found if not {*choice.names} & {*LATE}]  # what it is made of may be it
            if found:
                self._take(Place(name, axis), found)
            else:
                self.unexplained.append(Place(name, axis))
                if axis == "nodes":
                    self.broken.add(name)
                    return

    @property
    def at_least(self) -> int:
        """As many misconceptions as the operations must have: places that no name has in common."""
        counted: list[set[str]] = []
        for found in self.choices.values():
            names = {name for choice in found for name in choice.names}
            if names and all(names.isdisjoint(others) for others in counted):
                counted.append(names)
        return len(counted)

    def finished(self, swept: tuple[str, ...], final: bool = False) -> Explanation:
        """The explanation, where each place keeps only the choices that explain everything; if something would be left
        otherwise, or if it is final."""
        left = self._left()
        if left or final:
            for place, found in self.choices.items():
                if len(found) > 1 and any(choice.names for choice in found):
                    items = [item for item in self.search.theirs if place.operation in item.operations]
                    kept = [choice for choice in found if self._fits(place.operation, choice.operation, items)]
                    self._take(place, kept or found)
            left = self._left()
        return Explanation(self.sweep, swept, self.operations, self.choices, tuple(self.unexplained), tuple(left))

    def _left(self) -> list[Probe]:
        """The probes of the sweep that it does not explain."""
        items = [item for axis in ("sweep", "repeated") for item in self.search.by_axis.get(axis, ())]
        return [item for item in items if not self._fits("", RIGHT["+"], [item])]

    def _take(self, place: Place, found: list[Choice]) -> None:
        self.choices[place] = found
        self.operations[place.operation] = found[0].operation

    def _items(self, name: str, axis: Axis) -> list[Probe]:
        tried = self.search.tried
        known = {*tried[: tried.index(name) + 1]} - self.broken
        items = self.search.by_axis.get(axis, ())
        return [item for item in items if name in item.operations and item.operations <= known]

    def _fits(self, name: str, operation: Operation, items: Iterable[Probe]) -> bool:
        """Whether the engine with this operation explains the probes, but for those of operations that nothing
        explains."""
        engine = {**self.operations, name: operation}
        theirs = self.search.theirs
        return all(
            explains(engine, self.sweep, item, theirs[item]) for item in items if not item.operations & self.broken
        )

    def _fitting(self, name: str, axis: Axis, items: Sequence[Probe], right_only: bool = False) -> list[Choice]:
        """The ways that explain the probes: the right one, or those that are made of other operations and all wrong
        ones."""
        current = self.operations.get(name) or self.operations[name[0]]
        if axis == "extreme":
            current = replace(current, parts=None)
        right = [Choice(way, ()) for way in ways(name, axis, current) if self._fits(name, way, items)]
        if axis == "nodes" and all(_missing(self.search.theirs[item]) for item in items):
            right = []  # what it may be made of is missing too
        if right_only or self.right_only or (right and right[0].operation == current):
            return right
        for wrong in (wrong_ways, wrong_twice) if self.thorough else (wrong_ways,):
            found = []
            for choice in wrong(name, axis, current):
                if self._fits(name, choice.operation, items):
                    found.append(choice)
                elif time.thread_time() > self.search.end:
                    return found
            if right or found:
                return right + found
        return []

    def _with_others(self, name: str, axis: Axis, items: Sequence[Probe]) -> list[Choice]:
        """The same, with another choice for an earlier operation, which its own probes left open."""
        used = {name for item in items for name in item.operations}
        for place, found in [*self.choices.items()]:
            if len(found) > 1 and place.operation in used and place != Place(name, axis):
                before = self.operations[place.operation]
                for choice in found[1:]:
                    self.operations[place.operation] = choice.operation
                    if fitting := self._fitting(name, axis, items, right_only=not self.thorough):
                        self.choices[place] = [choice, *(c for c in found if c is not choice)]
                        return fitting
                self.operations[place.operation] = before
        return []
