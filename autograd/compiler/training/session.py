"""Training steps as native code: the mean loss and its gradient, clipping, and the optimizer's rule, over flat arrays.

A step is a list of jobs, each a table of calls. `Training` keeps the parameters, their gradients and what the rule
remembers of each in memory of its own; `load` fills it from the Values, `store` brings the Values up to date.
"""

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ... import value
from ...modes import paused_collector
from ...value import Value, assign
from ..runtime.batches import Part, copied, doubtful, parts_of
from ..runtime.machine import machine
from ..specialization import Cache, Specialization
from ..tracing.trace import CERTAIN, Doubt
from .numbers import Numbers
from .order import Shuffler
from .rules import Rule
from .step_functions import CELLS, JOB, LOG, LOGGED, NUMBERS, ORDER, STEP
from .step_plan import StepPlan, job
from .updates import Update, Updates


class Data(NamedTuple):
    """Examples, ready to be taken."""

    parts: list[Part]
    doubts: list[Doubt]
    """The positions of numbers that may be inf or nan, for each part."""
    special: list[Specialization]
    where: list[tuple[int, int]] | None
    """For each example its part and its row there; None for one part."""


class Training:
    """loss: a function of one example. params: those that are trained, in the order of the rules' groups.
    penalty: a function without arguments, added to the mean loss. max_norm, max_value: limits for gradients.
    reads: what is watched for what the loss reads besides its arguments; the loss unless told.

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
        reads: Sequence[Any] | None = None,
    ) -> None:
        self.params, self.max_value = list(params), max_value
        self.cache = Cache(loss, self.params, reads)
        self.numbers = numbers = Numbers(len(self.params), machine(), max_norm)
        self.updates = Updates(numbers, max_value)
        self.order = Shuffler(numbers.machine).order
        self._penalty_of = None if penalty is None else Cache(penalty, self.params)
        self._penalty_special: Specialization | None = None
        self._plans: dict[Specialization, StepPlan] = {}
        self._in_use: list[Specialization] = []
        self._ready: dict[Any, _Ready] = {}
        self._doubts: dict[Any, frozenset[int]] = {}  # by structure
        self._in_doubt = False  # whether a step is tried once more, with guards everywhere
        self._clock = value.clock  # when the parameters were taken over
        self._log = array("d", bytes(24))
        cleared = numbers.first if penalty else numbers.penalty
        self._begin = array("q", numbers.call("clear", target=0, count=cleared))
        places = {"sums": 0, "penalty": numbers.penalty, "limit": numbers.limit}
        self._finish = array("q", numbers.call("finish", count=numbers.count, cells=numbers.cells_at, **places))

    # Parameters and states

    def load(self, states: Sequence[tuple[Any, ...]], counts: Sequence[int]) -> None:
        """Takes over the parameters' numbers and their states, those of groups of so many."""
        self.numbers.params = [p._data for p in self.params]
        self._clock = value.clock
        self.updates.load(states, counts)
        self._ready.clear()
        for plan in self._plans.values():
            plan.load()

    def refresh(self) -> bool:
        """Reads the Values anew that are no parameters. Returns whether a parameter was assigned since `load`."""
        ticks = value.clock - self._clock
        if ticks == 0:
            return False
        fresh = {leaf for plan in self._plans.values() for leaf in plan.leaves if leaf._stamp > self._clock}
        if len(fresh) < ticks and any(p._stamp > self._clock for p in self.params):  # something else was assigned
            return True
        if fresh:
            for plan in self._plans.values():
                plan.load()
        self._clock = value.clock
        return False

    def store(self, counts: Sequence[int]) -> list[tuple[Any, ...]]:
        """Gives the Values their numbers and gradients, and returns the states."""
        assign(self.params, self.numbers.params)
        factor, most = self.numbers.factor, self.max_value or math.inf
        for p, g in zip(self.params, self.numbers.gradients, strict=True):
            p._grad = min(max(g * factor, -most), most)
        return self.updates.states(counts)

    def reached(self) -> int:
        """The number of steps after the latest one since `load`; 0 before the first."""
        return self.numbers.cells[STEP]

    def gradients(self) -> list[float]:
        """The mean gradient of the latest step, before clipping."""
        return self.numbers.gradients

    # Data

    @paused_collector()
    def prepare(self, X: Any, Y: Any) -> Data:
        """Examples to take batches of. Raises IndexError for an index that is out of range."""
        data = self.sorted([Part(rows, list(map(copied, arguments))) for rows, arguments in parts_of((X, Y))[0]])
        for part, special in zip(data.parts, data.special, strict=True):
            special.check(part.arguments)
        return data

    def sorted(self, parts: list[Part], doubts: list[Doubt] | None = None) -> Data:
        """doubts: what may be inf or nan; found out unless told."""
        where = None
        if len(parts) > 1:
            where = [(0, 0)] * sum(len(part.rows) for part in parts)
            for k, part in enumerate(parts):
                for row, i in enumerate(part.rows):
                    where[i] = k, row
        if doubts is None:
            doubts = [doubtful(part.arguments) for part in parts]
        special = [self.cache.get(part.arguments, "training", x) for part, x in zip(parts, doubts, strict=True)]
        return Data(parts, doubts, special, where)

    # Steps

    @paused_collector()
    def run(self, data: Data, order: Sequence[int], batch_size: int, step: int, rules: Sequence[Rule]) -> list[float]:
        """A step for each batch of the examples in this order. Returns for each step loss, loss with penalty, and
        length of the gradient: of all steps, or until one had a loss of nan or a gradient that is not finite, which
        changed nothing.

        A step that ends so is tried once more in full doubt, if numbers that overflow may have met what must not flow.
        """
        log = list[float]()
        while True:
            found = self._run(data, order, batch_size, step, rules)
            log += found
            if not (is_ill(found) and self._skipped(data)):
                return log
            done = len(found) // 3 - 1
            order, step = order[done * batch_size :], step + done
            self._in_doubt = True
            try:
                doubted = self.sorted(data.parts, [None] * len(data.parts))
                log[-3:] = again = self._run(doubted, order[:batch_size], batch_size, step, rules)
            finally:
                self._in_doubt = False
            order, step = order[batch_size:], step + 1
            if is_ill(again) or not len(order):
                return log

    def _skipped(self, data: Data) -> bool:
        """Whether a product was left without a guard."""
        return any(special.prepared.skipped for special in data.special) or (
            self._penalty_special is not None and self._penalty_special.prepared.skipped
        )

    def _run(self, data: Data, order: Sequence[int], batch_size: int, step: int, rules: Sequence[Rule]) -> list[float]:
        updates = self.updates.make(rules, -(-len(order) // batch_size))
        if not all(special.prepared.watch.holds() for special in data.special):
            data = self.sorted(data.parts, data.doubts)
        self._in_use = data.special
        plans = [
            self._plan(special, part, min(batch_size, len(part.rows)))
            for special, part in zip(data.special, data.parts, strict=True)
        ]
        jobs, taken, numbers = array("q"), array("q"), array("q")
        full, rest = divmod(len(order), batch_size)
        for special in data.special:
            special.uses += full + (rest > 0)
        if data.where is None:
            middle = plans[0].job(batch_size)
            for update in updates[:full]:
                jobs.extend(self._batch(middle, batch_size, update))
            jobs.extend(array("q", self._batch(middle, batch_size, updates[-1])) * max(full - len(updates), 0))
            if rest:
                jobs.extend(self._batch(plans[0].job(rest), rest, updates[min(full, len(updates) - 1)]))
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
                update = updates[min(i, len(updates) - 1)]
                jobs.extend(self._batch(middle, min(batch_size, len(order) - start), update))
                for chosen in rows.values():
                    taken.extend([row for row, _ in chosen])
                    numbers.extend([number for _, number in chosen])
        log = array("d", bytes(24 * (full + (rest > 0))))
        done = self._do(jobs, step, log, taken, numbers)
        self.updates.note(updates, done)
        return log.tolist()[: 3 * (done + 1)]

    def once(self, X: Any, Y: Any, step: int, rules: Sequence[Rule]) -> list[float]:
        """The same for one batch, of these examples; quickly, if there was one of the same form before."""
        forms = _form(X), _form(Y)
        if (ready := self._quick(forms, rules)) is not None:
            if ready.plan.special.prepared.limits:
                _check_indices(ready.plan.special, (X, Y))
            ready.plan.point(0, X, forms[0][0] == "l")
            ready.plan.point(1, Y, forms[1][0] == "l")
            if not is_ill(log := self._repeat(ready, step)):
                return log
        parts, _ = parts_of((X, Y))
        (rows, arguments), *others = parts
        key: Any = (len(rows), *[a.key for a in arguments])
        if ready is None and not others and (ready := self._quick(key, rules)) is not None:
            ready.plan.special.check(arguments)
            ready.plan.take(parts[0])
            if not is_ill(log := self._repeat(ready, step)):
                return log
        doubts: list[Doubt] = [self._doubt(part) for part in parts]
        data, count = self.sorted(parts, doubts), sum(len(part.rows) for part in parts)
        for part, special in zip(parts, data.special, strict=True):
            special.check(part.arguments)
        log = self.run(data, range(count), count, step, rules)
        if not others and (update := self.updates.settled) is not None:
            plan = self._plans[self._in_use[0]]
            jobs = array("q", self._batch(plan.job(count), count, update))
            order, cells = array("q", rows), array("q", self.numbers.cells)
            self._ready[key] = ready = _Ready(plan, update, jobs, jobs.buffer_info()[0], order, cells)
            self._point(cells, self._log, order, order)
            if None not in forms:
                self._ready[forms] = ready
        return log

    def _quick(self, key: Any, rules: Sequence[Rule]) -> "_Ready | None":
        """The step of before for batches of this form, if there is one that holds."""
        ready = self._ready.get(key)
        if ready is None or not self.updates.stay(rules) or ready.update is not self.updates.settled:
            return None
        penalty_holds = self._penalty_special is None or self._penalty_special.prepared.watch.holds(quick=True)
        return ready if penalty_holds and ready.plan.special.prepared.watch.holds(quick=True) else None

    def _doubt(self, part: Part) -> frozenset[int]:
        """The positions of numbers that are inf or nan in examples of this structure, here or in a batch of before."""
        key = tuple([a.key for a in part.arguments])
        if found := self._doubts.get(key, frozenset()) | doubtful(part.arguments):
            self._doubts[key] = found
        return found

    def _repeat(self, ready: "_Ready", step: int) -> list[float]:
        ready.plan.special.uses += 1
        self.numbers.cells[:] = ready.cells
        self.numbers.do(ready.address, len(ready.jobs) // JOB, step)
        return self._log.tolist()

    def _batch(self, middle: list[int], examples: int, update: Update) -> list[int]:
        """The jobs of a step."""
        memory = self.numbers.address
        begin, finish = job(self._begin, memory, 1), job(self._finish, memory, examples)
        return [*begin, *self._penalty(), *middle, *finish, *update.job]

    def _do(
        self, jobs: "array[int]", step: int, log: "array[float]", taken: "array[int]", numbers: "array[int]"
    ) -> int:
        """Returns how many steps were made."""
        self._point(self.numbers.cells, log, taken, numbers)
        self.numbers.do(jobs.buffer_info()[0], len(jobs) // JOB, step)
        return self.numbers.cells[LOGGED]

    @staticmethod
    def _point(cells: "array[int]", log: "array[float]", taken: "array[int]", numbers: "array[int]") -> None:
        cells[:] = array("q", [0] * CELLS)
        cells[LOG], cells[ORDER], cells[NUMBERS] = (x.buffer_info()[0] for x in (log, taken, numbers))

    def _plan(self, special: Specialization, part: Part, examples: int) -> StepPlan:
        examples, plan = min(examples, special.most()), self._plans.get(special)
        if plan is None or plan.capacity < examples:
            known = {*self.cache, *(self._penalty_of or ()), *self._in_use}  # others are dropped
            self._plans = {other: x for other, x in self._plans.items() if other in known}
            self._plans[special] = plan = StepPlan(self.numbers, special, examples)
            special.forget_program()
            self._ready.clear()
        plan.take(part)
        return plan

    def _penalty(self) -> list[int]:
        if self._penalty_of is None:
            return []
        self._penalty_special = special = self._penalty_of.get((), "training", None if self._in_doubt else CERTAIN)
        if special.prepared.asked:
            raise TypeError(
                "a penalty is the same for all examples and cannot draw as Dropout does; add it to the loss"
            )
        if (plan := self._plans.get(special)) is None:
            self._plans[special] = plan = StepPlan(self.numbers, special, 1, self.numbers.penalty)
        return plan.job(1)


def is_ill(log: Sequence[float]) -> bool:
    """Whether the last step had a loss of nan or a gradient that is not finite."""
    return not math.isfinite(log[-1]) or math.isnan(log[-2])


class _Ready(NamedTuple):
    """A step that can be repeated on other examples."""

    plan: StepPlan
    update: Update
    jobs: "array[int]"
    address: int
    """The address of the jobs."""
    order: "array[int]"
    cells: "array[int]"


def _check_indices(special: Specialization, batch: Sequence[Any]) -> None:
    """As `Specialization.check`, for arrays that are taken as they lie."""
    start = 0
    for x, columns in zip(batch, special.prepared.columns, strict=True):
        for slot, limit in special.prepared.limits.items():
            if start <= slot < start + columns:
                column = x if x.ndim == 1 else x.reshape(len(x), columns)[:, slot - start]
                limit.check(column.min(), column.max())
        start += columns


def _form(x: Any) -> Any:
    """Type and shape of an array whose numbers can be taken as they lie; None of anything else."""
    kind = getattr(getattr(x, "dtype", None), "char", None)
    if kind not in ("d", "l") or x.dtype.itemsize != 8 or hasattr(x, "mask"):
        return None
    return (kind, x.shape) if x.dtype.isnative and x.flags.c_contiguous and x.flags.aligned else None
