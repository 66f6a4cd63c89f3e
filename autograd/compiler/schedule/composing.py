"""The kernels of a program with its calls: parts are rolled once, and stamped where they are called."""

import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from ... import ops
from ..ir.program import Program, Site
from .kernels import COMMON, CONSTANTS, EACH, ONCE, Kernels, Map, Total
from .loops import Nest, nests, rows_of
from .rolling import Roller
from .stamping import Bases, Frame, Template, added, frame_of, stamped, summed


def roll(program: Program, totals: int, template: Callable[[Site], Template]) -> Kernels:
    """The kernels of a program that `separate` has left, which has so many totals. template: of the part of a call,
    with the reverse sweep if a way back is given."""
    return _Whole(program, totals, template).kernels()


def roll_part(program: Program, leaves: Sequence[int], common: int, adjoints: int) -> Template:
    """The kernels of a part. leaves: the places of its shared numbers. common: how many of its inputs, the first ones,
    calls have in common. adjoints: how many, the last ones, belong to the reverse sweep."""
    return _Part(program, leaves, common, adjoints).template()


class _Part(Roller):
    """Makes the template of a part."""

    def __init__(self, program: Program, leaves: Sequence[int], common: int, adjoints: int) -> None:
        super().__init__(program, leaves, CONSTANTS, ONCE, adjoints)
        self._leaves, by_call = leaves, len(program.inputs) - common
        self.place[: len(program.inputs)] = [*range(COMMON, COMMON + common), *range(EACH, EACH + by_call)]
        self.next_own = EACH + by_call

    def total_of(self, number: int) -> int:
        leaves = len(self._leaves)
        return 1 + self._leaves[number - 1] if number <= leaves else COMMON + number - 1 - leaves

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
        self._nothing = shared + len(program.constants)  # the place of -0.0
        constants, once, places = [*program.constants, -0.0], 0, dict[Any, Bases]()
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
        self._ready = self._last_argument()
        self._levels: list[int] = []  # of the calls that have been reached
        self._frames: dict[int, tuple[Frame, int]] = {}  # of a call, and which of the calls there it is
        self._begun = set[Any]()
        self._sums: dict[Any, list[tuple[Frame, list[int]]]] = {}

    def kernels(self) -> Kernels:
        self.roll()
        for (key, _), frames in self._sums.items():
            template = next(x for k, x in enumerate(self._templates) if self._key(k) == key)
            totals = [x for x in template.back if isinstance(x, Total) and x.nests[0].start[2] < COMMON]
            self.each += [summed(x, frames, self._bases[key]) for x in totals]
        program, own = self.program, self.next_own - EACH
        outputs = [self.place[y] for y in program.kept()]
        sizes = self.next_shared, self._inputs, own
        return Kernels(self.once, self.each, len(program.shared), self._constants, *sizes, outputs, self._totals_count)

    def _key(self, k: int) -> Any:
        """A call's template, and the numbers that it shares with others."""
        return id(self._templates[k]), self._sites[k].shared

    def before(self, slot: int) -> None:
        while slot > self._ready:
            k, site = self._reached, self._sites[self._reached]
            levels = [self.level[y] for y in site.arguments]
            if site.forward is not None:
                levels.append(self._levels[site.forward])
            self._levels.append(1 + max(levels))
            self._reached += 1
            self._ready = self._last_argument()
            places = self._results(k) * site.calls
            own = [True] * (len(site.results) - len(places)) + [place >= EACH for place in places]
            for y, mine in zip(site.results, own, strict=True):
                self.own[y], self.level[y] = mine, self._levels[k]

    def _last_argument(self) -> float:
        """The last slot that the next call waits for."""
        return max(self._sites[self._reached].arguments) if self._reached < len(self._sites) else math.inf

    def _results(self, k: int) -> list[int]:
        """The places of a call's results, in its template."""
        site, outputs = self._sites[k], self._templates[k].outputs
        count = len(site.part.graph.picks)
        return outputs[:count] if site.forward is None else outputs[count:]

    def make_calls(self, until: int | None) -> None:
        for _, group in groupby(self._in_levels(until), key=self._levels.__getitem__):
            members: dict[Any, list[int]] = {}
            for k in group:
                forward = self._sites[k].forward
                alone = k if self._sites[k].part.common else None
                key = self._key(k), alone, None if forward is None else self._frames[forward][0]
                members.setdefault(key, []).append(k)
            for (*_, frame), ks in members.items():
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
        key, common = self._key(members[0]), self._sites[members[0]].part.common
        template, bases = self._templates[members[0]], self._bases[key]
        calls = sum(self._sites[k].calls for k in members)
        frame = frame_of(self.next_own, calls, template)
        self.next_own = frame.common + common
        first = 0
        for k in members:
            self._frames[k] = frame, first
            first += self._sites[k].calls
        if key not in self._begun:
            self._begun.add(key)
            self.once += [stamped(kernel, frame, range(1), bases) for kernel in template.once]
        arguments = self._sites[members[0]].arguments
        self._copy([(self.place[y], frame.common + i) for i, y in enumerate(arguments[:common])], self.each)
        self._bring(members, common, 0)
        self.each += [stamped(kernel, frame, range(calls), bases) for kernel in template.ahead]
        for k in members:
            self._hand_over(k, self._sites[k].results, bases)

    def _go_back(self, members: list[int], frame: Frame) -> None:
        key = self._key(members[0])
        template, bases = self._templates[members[0]], self._bases[key]
        self._frames.update((k, self._frames[self._sites[k].forward or 0]) for k in members)
        members.sort(key=lambda k: self._frames[k][1])
        part = self._sites[members[0]].part
        self._bring(members, 0, len(part.graph.inputs) - part.common)
        calls = [c + i for k in members for _, c in [self._frames[k]] for i in range(self._sites[k].calls)]
        for run in _runs(calls):
            self.each += [stamped(x, frame, run, bases) for x in template.back if not isinstance(x, Total)]
        self._sums.setdefault((key, frame.calls), []).append((frame, calls))
        for k in members:
            common, results = self._sites[k].gradient.common, self._sites[k].results
            if common:
                number = {x: i for i, x in enumerate(part.graph.inputs)}
                self._add_up(template, frame, bases, [number[x] for x in common], results)
            self._hand_over(k, results[len(common) :], bases)

    def _add_up(
        self, template: Template, frame: Frame, bases: Bases, common: Sequence[int], results: Sequence[int]
    ) -> None:
        """The adjoints of arguments that calls have in common, into as many results, the first ones."""
        parts: dict[int, list[int]] = {}
        width = 1 + max(common)
        totals = [x for x in template.back if isinstance(x, Total) and x.nests[0].start[2] >= COMMON]
        for total in totals:
            for nest in itertools.chain(*map(_without_repeats, total.nests)):
                kernel = added(total._replace(nests=[nest]), frame, bases, self._nothing, self.next_own)
                self.each.append(kernel)
                for *_, out in rows_of(kernel.nests[0]):
                    parts.setdefault(out - self.next_own, []).append(out)
                self.next_own += width
        while any(len(parts[i]) > 1 for i in common):
            rows = []
            for i in common:
                if len(parts[i]) > 1:
                    rows.append((parts[i].pop(), parts[i].pop(), self.next_own))
                    parts[i].append(self.next_own)
                    self.next_own += 1
            self.each.append(Map((ops.add, 0, 1), nests(rows)))
        for y, i in zip(results, common, strict=False):
            self.place[y] = parts[i][0]

    def _bring(self, members: list[int], skipped: int, first: int) -> None:
        """Copies the arguments of calls into their frame, to the inputs from the first on; so many are passed by."""
        rows = []
        for k in members:
            site, (frame, call) = self._sites[k], self._frames[k]
            each = (len(site.arguments) - skipped) // site.calls
            for j, y in enumerate(site.arguments[skipped:]):
                rows.append((self.place[y], frame.first + (first + j % each) * frame.room + call + j // each))
        self._copy(rows, self.each)

    def _hand_over(self, k: int, results: Sequence[int], bases: Bases) -> None:
        """Gives the results of a call their places."""
        frame, call = self._frames[k]
        places = self._results(k)
        for j, y in enumerate(results):
            self.place[y] = frame.at(places[j % len(places)], call + j // len(places), bases)


def _without_repeats(nest: Nest) -> list[Nest]:
    """The nest of a total or, if some of its rows belong to the same one, a nest for each row."""
    rows = list(rows_of(nest))
    if len({total for *_, total in rows}) == len(rows):
        return [nest]
    return [Nest((1, 1), row, (0,) * len(row), (0,) * len(row)) for row in rows]


def _runs(numbers: Sequence[int]) -> list[range]:
    """Rising numbers, as few ranges as hold them."""
    found: list[range] = []
    for x in numbers:
        if found and found[-1].stop == x:
            found[-1] = range(found[-1].start, x + 1)
        else:
            found.append(range(x, x + 1))
    return found
