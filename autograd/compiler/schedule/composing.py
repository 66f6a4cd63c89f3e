"""The kernels of a program with its calls: parts are rolled once, and stamped where they are called."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from ... import ops
from ..ir.program import Program, Site
from .kernels import CONSTANTS, EACH, ONCE, Kernels, Map, Total, kind_of
from .loops import nests
from .rolling import Roller
from .stamping import Bases, Frame, Template, frame_of, stamped, summed


def roll(program: Program, totals: int, template: Callable[[Site], Template]) -> Kernels:
    """The kernels of a program that `separate` has left, which has so many totals. template: of the part of a call,
    with the reverse sweep if a way back is given."""
    return _Whole(program, totals, template).kernels()


def roll_part(program: Program, leaves: Sequence[int], adjoints: int) -> Template:
    """The kernels of a part. leaves: the places of its shared numbers. adjoints: how many of its inputs, the last ones,
    belong to the reverse sweep."""
    return _Part(program, leaves, adjoints).template()


class _Part(Roller):
    """Makes the template of a part."""

    def __init__(self, program: Program, leaves: Sequence[int], adjoints: int) -> None:
        super().__init__(program, leaves, CONSTANTS, ONCE, adjoints)
        self._leaves = leaves

    def total_of(self, number: int) -> int:
        return 1 + self._leaves[number - 1]

    def template(self) -> Template:
        self.roll()
        outputs = [self.place[y] for y in self.program.kept()]
        sizes = self.next_shared - ONCE, self.next_own - EACH
        return Template(self.once, self.ahead, self.afterwards, self.program.constants, *sizes, outputs)


class _Whole(Roller):
    """Makes the kernels of a program."""

    def __init__(self, program: Program, totals: int, template: Callable[[Site], Template]) -> None:
        self._totals_count, self._sites = totals, program.calls
        ways_back = {site.forward: site for site in program.calls if site.forward is not None}
        self._templates: list[Template] = []
        for k, site in enumerate(program.calls):
            forward = site.forward
            self._templates.append(template(ways_back.get(k, site)) if forward is None else self._templates[forward])
        shared, inputs = len(program.shared), len(program.inputs)
        constants, once, places = list(program.constants), 0, dict[Any, Bases]()
        for k, site in enumerate(program.calls):
            if (key := self._key(k)) not in places:
                found = self._templates[k]
                places[key] = Bases(min(site.shared, default=inputs) - inputs, shared + len(constants), once)
                constants += found.constants
                once += found.shared
        computed = shared + len(constants)
        self._bases = {key: bases._replace(once=computed + bases.once) for key, bases in places.items()}
        self._constants = tuple(constants)
        super().__init__(program, range(shared), shared, computed + once)
        self._inputs = inputs - sum(len(site.results) for site in program.calls)
        self.next_own = EACH + self._inputs
        self._reached, self._made, self._ordered = 0, 0, deque[int]()
        self._levels: list[int] = []  # of the calls that have been reached
        self._frames: dict[int, tuple[Frame, int]] = {}  # of a call, and which of the calls there it is
        self._begun = set[Any]()
        self._sums: dict[Any, list[tuple[Frame, list[int]]]] = {}

    def kernels(self) -> Kernels:
        self.roll()
        for (key, _), frames in self._sums.items():
            template = next(x for k, x in enumerate(self._templates) if self._key(k) == key)
            self.each += [summed(x, frames, self._bases[key]) for x in template.back if isinstance(x, Total)]
        program, own = self.program, self.next_own - EACH
        outputs = [self.place[y] for y in program.kept()]
        sizes = self.next_shared, self._inputs, own
        return Kernels(self.once, self.each, len(program.shared), self._constants, *sizes, outputs, self._totals_count)

    def _key(self, k: int) -> Any:
        """A call's template, and the numbers that it shares with others."""
        return id(self._templates[k]), self._sites[k].shared

    def before(self, slot: int) -> None:
        while self._reached < len(self._sites):
            k, site = self._reached, self._sites[self._reached]
            if max(site.arguments) >= slot:
                return
            levels = [self.level[y] for y in site.arguments]
            if site.forward is not None:
                levels.append(self._levels[site.forward])
            self._levels.append(1 + max(levels))
            self._reached += 1
            for y, place in zip(site.results, self._results(k), strict=True):
                self.own[y], self.level[y] = place >= EACH, self._levels[k]

    def _results(self, k: int) -> list[int]:
        """The places of a call's results, in its template."""
        outputs, count = self._templates[k].outputs, len(self._sites[k].results)
        return outputs[:count] if self._sites[k].forward is None else outputs[len(outputs) - count :]

    def make_calls(self, until: int | None) -> None:
        for _, group in groupby(self._in_levels(until), key=self._levels.__getitem__):
            members: dict[Any, list[int]] = {}
            for k in group:
                forward = self._sites[k].forward
                key = self._key(k), None if forward is None else self._frames[forward][0]
                members.setdefault(key, []).append(k)
            for (_, frame), ks in members.items():
                if frame is None:
                    self._call(ks)
                else:
                    self._go_back(ks, frame)

    def _in_levels(self, until: int | None) -> list[int]:
        """The calls that have not been made, up to a level."""
        if not self._ordered:
            self._ordered = deque(sorted(range(len(self._sites)), key=self._levels.__getitem__))
        found = []
        while self._made < len(self._sites) and (until is None or self._levels[self._ordered[0]] <= until):
            found.append(self._ordered.popleft())
            self._made += 1
        return found

    def _call(self, members: list[int]) -> None:
        key = self._key(members[0])
        template, bases = self._templates[members[0]], self._bases[key]
        frame = frame_of(self.next_own, len(members))
        self.next_own += template.own * frame.room
        self._frames.update((k, (frame, c)) for c, k in enumerate(members))
        if key not in self._begun:
            self._begun.add(key)
            self.once += [stamped(kernel, frame, range(1), bases) for kernel in template.once]
        self._bring(members, 0)
        self.each += [stamped(kernel, frame, range(len(members)), bases) for kernel in template.ahead]
        self._hand_over(members, bases)

    def _go_back(self, members: list[int], frame: Frame) -> None:
        key = self._key(members[0])
        template, bases = self._templates[members[0]], self._bases[key]
        self._frames.update((k, self._frames[self._sites[k].forward or 0]) for k in members)
        members.sort(key=lambda k: self._frames[k][1])
        self._bring(members, len(self._sites[members[0]].part.graph.inputs))
        calls = [self._frames[k][1] for k in members]
        for run in _runs(calls):
            self.each += [stamped(x, frame, run, bases) for x in template.back if not isinstance(x, Total)]
        self._sums.setdefault((key, frame.calls), []).append((frame, calls))
        self._hand_over(members, bases)

    def _bring(self, members: list[int], first: int) -> None:
        """Copies the arguments of calls into their frame, to the inputs from the first on."""
        rows = [
            (self.place[y], frame.first + i * frame.room + c)
            for k in members
            for frame, c in [self._frames[k]]
            for i, y in enumerate(self._sites[k].arguments, first)
        ]
        rows.sort(key=lambda row: (kind_of(row[0]), row[1]))
        for _, some in groupby(rows, key=lambda row: kind_of(row[0])):
            self.each.append(Map((ops.identity, 0), nests(list(some))))

    def _hand_over(self, members: list[int], bases: Bases) -> None:
        """Gives the results of calls their places."""
        for k in members:
            frame, c = self._frames[k]
            for y, place in zip(self._sites[k].results, self._results(k), strict=True):
                self.place[y] = frame.at(place, c, bases)


def _runs(numbers: Sequence[int]) -> list[range]:
    """Rising numbers, as few ranges as hold them."""
    found: list[range] = []
    for x in numbers:
        if found and found[-1].stop == x:
            found[-1] = range(found[-1].start, x + 1)
        else:
            found.append(range(x, x + 1))
    return found
