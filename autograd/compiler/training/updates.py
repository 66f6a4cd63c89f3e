"""The part of a training step that moves the parameters: the rules of an optimizer, their options, and what they
remember of each parameter."""

import ctypes
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from .numbers import Numbers
from .rules import Column, Entry, Move, Rule, column_of, entry_of
from .step_plan import job


class Update(NamedTuple):
    """A job that moves all parameters."""

    kept: list[Any]
    """Everything that the job points to."""
    moves: list[Move]
    states: list[list[Entry]]
    """The states after a step."""
    job: list[int]


class Updates:
    """Makes updates, and keeps what is remembered between them."""

    MOVES = 64
    """The most rules that are kept."""

    def __init__(self, numbers: Numbers, max_value: float | None) -> None:
        self._numbers, self._max_value = numbers, max_value
        self.settled: Update | None = None
        """The update that stays the same from step to step, once there is one."""
        self._forms: list[Any] = []  # of the rules that it was made of
        self._states: list[list[Entry]] = []  # of each group
        self._moves: dict[Any, Move] = {}
        self._latest: Sequence[Rule] | None = None  # whose options are in place
        self._options: list[Column] = []  # of each rule
        self._besides: list[Column] = []

    def load(self, states: Sequence[tuple[Any, ...]], counts: Sequence[int]) -> None:
        """Takes over the states of parameters, those of groups of so many. ValueError unless the states of a group are
        of one length."""
        self.settled, self._states, start = None, [], 0
        for count in counts:
            own = states[start : start + count]
            if len({*map(len, own)}) > 1:
                raise ValueError("expected states of one length for all parameters of a group")
            self._states.append([entry_of(x) for x in zip(*own, strict=True)])
            start += count

    def states(self, counts: Sequence[int]) -> list[tuple[Any, ...]]:
        """The state of each parameter."""
        found: list[tuple[Any, ...]] = []
        for size, entries in zip(counts, self._states, strict=True):
            listed = [x.column[:size] if x.own else [x.column[0]] * size for x in entries]
            found += zip(*listed, strict=True) if listed else [()] * size
        return found

    def give(self, besides: Sequence[Sequence[float]]) -> None:
        """Takes over further numbers of each parameter for the steps to come."""
        self._besides = [column_of(x) for x in besides]

    def stay(self, rules: Sequence[Rule]) -> bool:
        """Whether the settled update does for these rules; then their options are in place."""
        if self.settled is None or self._besides or any(move.changed(quick=True) for move in self.settled.moves):
            return False
        if rules is not self._latest:
            if self._forms != [rule.form for rule in rules]:
                return False
            self._put_options(rules)
            fixed = [move.fixed for move in self.settled.moves]
            return all(x is None or x == rule.numbers for x, rule in zip(fixed, rules, strict=True))
        return True

    def make(self, rules: Sequence[Rule], most: int) -> list[Update]:
        """The updates of the first step, of the second, until one is like that before."""
        if self.stay(rules) and self.settled is not None:
            return [self.settled]
        self.settled = None
        self._put_options(rules)
        found: list[Update] = []
        states = self._states[: len(rules)]  # there are more without rules, in an estimate
        while len(found) < most:
            update = self._update(rules, states)
            found.append(update)
            if all([x.own for x in a] == [x.own for x in b] for a, b in zip(update.states, states, strict=True)):
                if not self._besides:
                    self.settled, self._forms = update, [rule.form for rule in rules]
                break
            states = update.states
        return found

    def note(self, updates: Sequence[Update], steps: int) -> None:
        """Notes that steps were made with these updates, the last of which stands for all that follow."""
        if steps:
            states = updates[min(steps, len(updates)) - 1].states
            self._states[: len(states)] = states
        if steps < len(updates):  # what was to be remembered afterwards is not there
            self.settled = None

    def _put_options(self, rules: Sequence[Rule]) -> None:
        self._latest = rules
        if [*map(len, self._options)] != [len(rule.numbers) for rule in rules]:
            self._options = [column_of(rule.numbers) for rule in rules]
        for column, rule in zip(self._options, rules, strict=True):
            column[:] = list(rule.numbers)

    def _update(self, rules: Sequence[Rule], states: list[list[Entry]]) -> Update:
        records, after, start = list[int](), list[list[Entry]](), 0
        kept, moves = list[Any](self._options), list[Move]()
        for rule, entries, options in zip(rules, states, self._options, strict=True):
            moves.append(move := self._move(rule, tuple([x.own for x in entries])))
            after.append(move.after(entries, rule.size))
            memory = self._numbers
            numbers = [memory.at(memory.first), memory.at(1), *map(ctypes.addressof, self._besides)]
            shared = [
                memory.at(memory.limit + 1),
                *[ctypes.addressof(options) + 8 * k for k in range(len(rule.numbers))],
            ]
            addresses = [x + 8 * start for x in numbers]
            record, places = move.record(memory.address, addresses, shared, entries, after[-1], rule.size)
            records += record
            kept.append(places)
            start += rule.size
        kept.append(table := array("q", records))
        return Update(kept, moves, after, job(table, self._numbers.address, 1))

    def _move(self, rule: Rule, forms: tuple[bool, ...]) -> Move:
        """The rule for states of this form; one of the latest MOVES, if what it reads is what it was."""
        key = rule.form, forms, len(self._besides)
        move = self._moves.pop(key, None)
        if move is None or move.changed() or move.fixed not in (None, rule.numbers):
            move = Move(rule, forms, len(self._besides), self._max_value, self._numbers.machine)
        self._moves[key] = move
        while len(self._moves) > self.MOVES:
            del self._moves[next(iter(self._moves))]
        return move
