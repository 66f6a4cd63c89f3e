"""Training steps as native code: the mean loss and its gradient, clipping, and the optimizer's rule, over flat arrays.

A step is a list of jobs, each a table of calls. `Training` keeps the parameters, their gradients and what the rule
remembers of each in memory of its own; `load` fills it from the Values, `store` brings the Values up to date.
"""

import ctypes
import math
from array import array
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from .. import ops
from ..modes import paused_collector
from ..value import Value, assign
from . import steps, straight
from .arguments import Part, parts_of
from .emit import INNER, SIZE, TABLE_X
from .kernels import EACH
from .made import Cache, Made
from .native import Plan, address_of, machine
from .passes import fold, lower, merge, powers, prune, run
from .program import bits, program_of
from .trace import flat, trace

Column = ctypes.Array[ctypes.c_double]
UPDATE = (lower, fold, powers, merge, prune)
"""Passes for rules: products are added as they are written."""


class Rule(NamedTuple):
    """How an optimizer moves the parameters of one group."""

    apply: Callable[..., Any]
    """(parameter, gradient, state, learning rate, what else there is of each) -> (new parameter, new state)"""
    size: int
    key: Hashable
    """Whatever else decides what the rule records, such as its other options."""
    lr: float


class Data(NamedTuple):
    """Examples, ready to be taken."""

    parts: list[Part]
    made: list[Made]
    where: list[tuple[int, int]] | None
    """Of which part each is, and its row there; None if there is one part."""


class Training:
    """loss: a function of one example. params: those that are trained, in the order of the rules' groups.
    penalty: a function without arguments, added to the mean loss. max_norm, max_value: limits for gradients.

    Raises ImportError without llvmlite.
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        params: Sequence[Value],
        penalty: Callable[[], Any] | None = None,
        *,
        max_norm: float | None = None,
        max_value: float | None = None,
    ) -> None:
        self.params, self.max_value = list(params), max_value
        self.machine, self.cache = machine(), Cache(loss, self.params)
        count = len(self.params)
        self._first_penalty, self._first = 1 + count, 2 * (1 + count)
        self._limit, self._rates = self._first + count, self._first + count + 2
        self.home = (ctypes.c_double * (self._rates + count + 8))()  # as many groups as parameters at most
        self.address = ctypes.addressof(self.home)
        self.home[self._limit] = math.inf if max_norm is None else max_norm
        self.home[self._limit + 1] = 1.0
        self.params_at = self.address + 8 * self._first
        self.cells = array("q", [0] * steps.CELLS)
        self.cells_at = self.cells.buffer_info()[0]
        self.besides: list[Column] = []
        self._plans: dict[Made, _Steps] = {}
        self._states: list[list[_Entry]] = []  # of each group
        self._moves: dict[Any, _Move] = {}
        self._penalty_of = None if penalty is None else Cache(penalty, self.params)
        cleared = self._first if penalty else self._first_penalty
        self._begin = self.table([("clear", [0, cleared])])
        self._finish = self.table([("finish", [0, count, self._first_penalty, self._limit, self.cells_at])])
        self._work = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(
            self.machine.function("work", steps.work, self.machine.blocks)
        )

    def _record(self, name: str, entries: Sequence[int]) -> list[int]:
        function = self.machine.function(name, getattr(steps, name), self.machine.blocks)
        return [function, *entries, *[0] * (SIZE - 1 - len(entries))]

    def table(self, records: Sequence[tuple[str, Sequence[int]]]) -> "array[int]":
        return array("q", [x for name, entries in records for x in self._record(name, entries)])

    # Parameters and states

    def load(self, states: Sequence[tuple[Any, ...]], counts: Sequence[int]) -> None:
        """Takes over the parameters' numbers and their states, those of groups of so many."""
        first = self._first
        self.home[first : first + len(self.params)] = [p._data for p in self.params]
        self._states, start = [], 0
        for count in counts:
            own = states[start : start + count]
            if len({*map(len, own)}) > 1:
                raise ValueError("expected states of one length for all parameters of a group")
            self._states.append([_entry(x) for x in zip(*own, strict=True)])
            start += count
        for plan in self._plans.values():
            plan.load()

    def store(self, counts: Sequence[int]) -> list[tuple[Any, ...]]:
        """Gives the Values their numbers and gradients, and returns the states."""
        first, count = self._first, len(self.params)
        assign(self.params, self.home[first : first + count])
        factor, most = self.home[self._limit + 1], self.max_value or math.inf
        for p, g in zip(self.params, self.home[1 : 1 + count], strict=True):
            p._grad = min(max(g * factor, -most), most)
        states: list[tuple[Any, ...]] = []
        for size, entries in zip(counts, self._states, strict=True):
            listed = [x.column[:size] if x.own else [x.column[0]] * size for x in entries]
            states += zip(*listed, strict=True) if listed else [()] * size
        return states

    def gradients(self) -> list[float]:
        """The mean gradient of the latest step, before clipping."""
        return self.home[1 : 1 + len(self.params)]

    def give(self, besides: Sequence[Sequence[float]]) -> None:
        """What else the rule gets of each parameter in the steps to come."""
        self.besides = [_column(x) for x in besides]

    # Data

    @paused_collector()
    def prepare(self, X: Any, Y: Any) -> Data:
        """Examples to take batches of. Raises IndexError for an index that is out of range."""
        parts, _ = parts_of((X, Y))
        where = None
        if len(parts) > 1:
            where = [(0, 0)] * sum(len(part.rows) for part in parts)
            for k, part in enumerate(parts):
                for row, i in enumerate(part.rows):
                    where[i] = k, row
        data = self.compiled(Data(parts, [], where))
        for part, made in zip(data.parts, data.made, strict=True):
            made.check(part.arguments)
        return data

    def compiled(self, data: Data) -> Data:
        """The same examples, those of another training perhaps."""
        return data._replace(made=[self.cache.get(part.arguments, "training") for part in data.parts])

    # Steps

    @paused_collector()
    def run(
        self, data: Data, order: Sequence[int], batch_size: int, step: int, rules: Sequence[Rule]
    ) -> tuple[list[float], int]:
        """A step for each batch of the examples in this order. Returns for each step loss, loss with penalty, and
        length of the gradient, and how many steps were made: if those are fewer, the next one had a loss of nan or a
        gradient that is not finite, and changed nothing."""
        penalty, updates = self._penalty(), self._updates(rules, -(-len(order) // batch_size))
        plans = [
            self._plan(made, part, min(batch_size, len(part.rows)))
            for made, part in zip(data.made, data.parts, strict=True)
        ]
        jobs, taken, numbers = array("q"), array("q"), array("q")
        begin = [*_job(self._begin, self.address, 1), *penalty]

        def batch(i: int, examples: int) -> list[int]:
            finish = _job(self._finish, self.address, examples)
            return [*begin, *middle, *finish, *updates[min(i, len(updates) - 1)].job]

        full, rest = divmod(len(order), batch_size)
        if data.where is None:
            middle = plans[0].job(batch_size)
            for i in range(min(full, len(updates))):
                jobs.extend(batch(i, batch_size))
            jobs.extend(array("q", batch(full, batch_size)) * max(full - len(updates), 0))
            if rest:
                middle = plans[0].job(rest)
                jobs.extend(batch(full, rest))
            taken.extend(order)
            if plans[0].draws:
                numbers = array("q", range(batch_size)) * (full + 1)
        else:
            for i, start in enumerate(range(0, len(order), batch_size)):
                rows: dict[int, list[tuple[int, int]]] = {}
                for number, example in enumerate(order[start : start + batch_size]):
                    k, row = data.where[example]
                    rows.setdefault(k, []).append((row, number))
                middle = [x for k, chosen in rows.items() for x in plans[k].job(len(chosen))]
                jobs.extend(batch(i, min(batch_size, len(order) - start)))
                for chosen in rows.values():
                    taken.extend([row for row, _ in chosen])
                    numbers.extend([number for _, number in chosen])
        log = array("d", bytes(24 * -(-len(order) // batch_size)))
        self._do(jobs, step, log, taken, numbers)
        done = self.cells[steps.LOGGED]
        if done:
            self._states[: len(rules)] = updates[min(done, len(updates)) - 1].states
        return log.tolist(), done

    def _do(
        self, jobs: "array[int]", step: int, log: "array[float]", taken: "array[int]", numbers: "array[int]"
    ) -> None:
        cells = self.cells
        cells[steps.POSITION] = cells[steps.FAILED] = cells[steps.LOGGED] = 0
        cells[steps.STEP], cells[steps.LOG] = step, log.buffer_info()[0]
        cells[steps.ORDER], cells[steps.NUMBERS] = taken.buffer_info()[0], numbers.buffer_info()[0]
        self._work(jobs.buffer_info()[0], len(jobs) // steps.JOB, self.cells_at)

    def _plan(self, made: Made, part: Part, examples: int) -> "_Steps":
        examples, plan = min(examples, made.most()), self._plans.get(made)
        if plan is None or plan.capacity < examples:
            self._plans[made] = plan = _Steps(self, made, examples)
        plan.take(part)
        return plan

    def _penalty(self) -> list[int]:
        if self._penalty_of is None:
            return []
        made = self._penalty_of.get((), "training")
        if (plan := self._plans.get(made)) is None:
            self._plans[made] = plan = _Steps(self, made, 1, self._first_penalty)
        return plan.job(1)

    def factor_and_rate(self, group: int) -> tuple[int, int]:
        """The addresses of what gradients are multiplied with, and of a group's learning rate."""
        return self.address + 8 * (self._limit + 1), self.address + 8 * (self._rates + group)

    def _updates(self, rules: Sequence[Rule], most: int) -> "list[_Update]":
        """The jobs that move the parameters: of the first step, of the second, until one is like that before."""
        found: list[_Update] = []
        states = self._states
        for i, rule in enumerate(rules):
            self.home[self._rates + i] = rule.lr
        states = states[: len(rules)]  # none, if there are no rules
        while len(found) < most:
            records, after, start = list[int](), list[list[_Entry]](), 0
            tables: list[array[int]] = []
            for i, (rule, entries) in enumerate(zip(rules, states, strict=True)):
                forms = tuple([x.own for x in entries])
                key = i, rule.key, forms, len(self.besides)
                if (move := self._moves.get(key)) is None:
                    self._moves[key] = move = _Move(rule, forms, len(self.besides), self.max_value)
                after.append(move.after(entries, rule.size))
                record, places = move.record(self, i, start, rule.size, entries, after[-1])
                records += record
                tables.append(places)
                start += rule.size
            tables.append(table := array("q", records))
            found.append(_Update(tables, after, _job(table, self.address, 1)))
            if [[x.own for x in entries] for entries in after] == [[x.own for x in entries] for entries in states]:
                break
            states = after
        return found


class _Entry(NamedTuple):
    """A number of the state: one for all parameters of a group, or of each its own."""

    column: Column
    own: bool


class _Update(NamedTuple):
    tables: "list[array[int]]"
    """What the job points to."""
    states: list[list[_Entry]]
    """What is remembered afterwards."""
    job: list[int]


class _Steps:
    """The records of a program within a step."""

    def __init__(self, training: Training, made: Made, examples: int, first_total: int = 0) -> None:
        totals, at = len(made.rolled.outputs), training.address + 8 * first_total
        self.plan = plan = Plan(made.rolled, totals, examples, training.machine, at)
        self.capacity, self.draws = examples, bool(made.asked)
        self._leaves, self._first = made.leaves[len(training.params) :], len(training.params)
        place, records = EACH, list[tuple[str, list[int]]]()
        for columns in made.columns:
            records.append(("take", [0, columns, plan.at(place), plan.capacity, training.cells_at]))
            place += columns
        for seed, unit, count in _runs(made.asked):
            records.append(("draw", [seed, unit, count, plan.at(place), plan.capacity, training.cells_at]))
            place += count
        self._inner = training.table(records)
        self._inner.extend(plan.each)
        outer: list[tuple[str, list[int]]] = [("move", [(training.params_at - plan.address) // 8, 0, self._first])]
        cells_at = training.cells_at * bool(made.columns)  # a penalty takes no examples
        for table, most, fixed, cells in ((plan.once, 1, 1, 0), (self._inner, plan.capacity, 0, cells_at)):
            address, length = table.buffer_info()
            outer.append(("repeat", [address, length // SIZE, most, fixed, cells]))
        self._outer = training.table(outer)
        self._part: Part | None = None
        self.load()

    def load(self) -> None:
        """Reads the leaves that are no parameters."""
        self.plan.memory[self._first : self._first + len(self._leaves)] = [leaf._data for leaf in self._leaves]

    def take(self, part: Part) -> None:
        """These are the examples from now on."""
        if part is not self._part:
            self._part = part
            for i, argument in enumerate(part.arguments):
                self._inner[i * SIZE + 1] = address_of(argument.numbers)

    def job(self, examples: int) -> list[int]:
        return _job(self._outer, self.plan.address, examples)


class _Move:
    """The rule of a group for states of this form, as one function."""

    def __init__(self, rule: Rule, forms: tuple[bool, ...], besides: int, max_value: float | None) -> None:
        factor, lr, leaves = Value(1.0), Value(rule.lr), [Value(0.5) for _ in forms]

        def traced(p: Value, g: Any, *others: Value) -> list[Any]:
            numbers = iter(others)
            state = tuple([next(numbers) if own else leaf for own, leaf in zip(forms, leaves, strict=True)])
            g = g * factor
            if max_value is not None:
                g = ops.clamp(g, -max_value, max_value)
            moved, after = rule.apply(p, g, state, lr, *numbers)
            return [moved, *after]

        found = trace(traced, [float] * (2 + sum(forms) + besides))
        shared = [factor, lr, *[leaf for leaf, own in zip(leaves, forms, strict=True) if not own]]
        program, known = program_of(flat(found.result), found.inputs, shared)
        if len(known) > len(shared):
            raise TypeError("the rule of an optimizer can be compiled if it uses no Values but those that it gets")
        self.program = run(program, UPDATE)[-1]
        moves, *self.own = [self.program.depends()[y] for y in self.program.outputs]
        if not moves or not straight.fits(self.program):
            raise TypeError("the rule of an optimizer can be compiled if it is made of operations on single numbers")

    def after(self, entries: Sequence[_Entry], count: int) -> list[_Entry]:
        """What is remembered after a step: in the same memory, if it has the same form."""
        kept = [*entries, *[None] * (len(self.own) - len(entries))]
        return [
            x if x is not None and x.own == own else _Entry(_column([0.0] * (count if own else 1)), own)
            for x, own in zip(kept, self.own, strict=True)
        ]

    def record(
        self, training: Training, group: int, start: int, count: int, before: list[_Entry], after: list[_Entry]
    ) -> tuple[list[int], "array[int]"]:
        """The call for a group, and the table of places that it reads."""
        p = training.params_at + 8 * start
        own = [p, training.address + 8 * (1 + start), *[ctypes.addressof(x.column) for x in before if x.own]]
        besides = [ctypes.addressof(x) + 8 * start for x in training.besides]
        shared = [*training.factor_and_rate(group), *[ctypes.addressof(x.column) for x in before if not x.own]]
        results = [p, *[ctypes.addressof(x.column) for x in after]]
        places = array("q", [(y - training.address) // 8 for y in (*own, *besides, *shared, *results)])
        name = "straight", self.program
        totals = [False] * len(self.program.outputs)
        function = training.machine.function(
            name, straight.straight, training.machine.blocks, self.program, None, totals
        )
        record = [function, *[0] * (SIZE - 1)]
        record[INNER], record[TABLE_X] = count, places.buffer_info()[0]
        return record, places


def _column(numbers: Sequence[float]) -> Column:
    """Room for a few more, since vectors are read whole."""
    return (ctypes.c_double * (len(numbers) + 8))(*numbers)


def _entry(numbers: Sequence[float]) -> _Entry:
    """One number for all, if they are the same to the bit."""
    same = len({*map(bits, numbers)}) == 1
    return _Entry(_column(numbers[:1] if same else numbers), not same)


def _runs(asked: Sequence[Any]) -> list[tuple[int, int, int]]:
    """(seed, first unit, how many) of what is drawn, in order."""
    found: list[tuple[int, int, int]] = []
    for kind, seed, unit in asked:
        assert kind == "uniform"
        seed = (seed & 2**64 - 1) - (2**64 if seed & 2**63 else 0)
        if found and found[-1][0] == seed and found[-1][1] + found[-1][2] == unit:
            found[-1] = seed, found[-1][1], found[-1][2] + 1
        else:
            found.append((seed, unit, 1))
    return found


def _job(table: "array[int]", memory: int, examples: int) -> list[int]:
    return [table.buffer_info()[0], len(table) // SIZE, memory, examples]
