"""The compiler as `Trainer(..., compile=True)` uses it: whole training steps as native code, and compiled evaluation.

While steps are made, parameters and the optimizer's state live in flat arrays; `store` brings the Values up to date.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from autograd import Value, compile, dot, gradients
from autograd.extend import warn

from .eager import Eager, Engine, Steps, Task, recorded
from .optim import Sophia
from .optimizer import Optimizer
from .randomness import Draws, drawing

if TYPE_CHECKING:
    from autograd.compiler import Rule

STRETCH = 0.05
"""The seconds of steps that are made at a time, in which Ctrl-C waits."""


class Native:
    """Makes steps natively, several batches at a time; see `Engine`.

    Raises ImportError without llvmlite, and TypeError for an optimizer that is more than its rule.
    """

    def __init__(self, task: Task) -> None:
        from autograd.compiler import Training  # which imports llvmlite, an extra

        self.task = task
        model, loss, optimizer, penalty, max_norm, max_value, *_ = task
        kind = type(optimizer)
        if kind.proposals is not Optimizer.proposals or (kind.step, kind.estimate) not in (
            (Optimizer.step, Optimizer.estimate), (Optimizer.step, Sophia.estimate),
        ):  # fmt: skip
            raise TypeError(
                f"{kind.__name__} does more at a step than its rule says, and only that is compiled; train it with "
                f"compile=False"
            )
        self.optimizer, self._loaded, self._ahead = optimizer, False, 1
        self._state: Any = None  # of the optimizer, when it was loaded
        self._values = list[Any]()
        self._latest: list[Rule] = []
        self._sizes, self._groups = list[int](), list[int]()

        def of_example(x: Any, y: Any) -> Any:
            with drawing(Draws()):
                found = loss(model.batch([x])[0], y)
            return found if penalty or isinstance(found, list | tuple) else recorded(found)

        limits = {"max_norm": max_norm, "max_value": max_value}
        self._training = Training(of_example, optimizer.parameters, penalty, **limits, reads=(model, loss))
        if isinstance(optimizer, Sophia):
            parameters, self._signs = optimizer.parameters, [Value(1.0) for _ in optimizer.parameters]

            def curved(value: Any) -> Any:
                """Its gradient is H u, for the signs u."""
                slopes = gradients(value, parameters, create_graph=True) if isinstance(value, Value) else [0.0]
                return dot(slopes, self._signs[: len(slopes)])

            self._curvature = Training(
                lambda x, y: curved(of_example(x, y)),
                parameters,
                penalty and (lambda: curved(penalty())),
                reads=(model, loss),
            )
        self.outputs = compile(lambda x: model.batch([x])[0])
        """In evaluation mode."""
        self.losses = compile(lambda x, y: _with_loss(loss, model.batch([x])[0], y))
        """The loss and the output."""

    def prepare(self, X: Sequence[Any], Y: Sequence[Any]) -> Any:
        return self._training.prepare(X, Y)

    def order(self, size: int, seed: int) -> Sequence[int]:
        return self._training.order(size, seed)

    def ahead(self, step: int) -> int:
        """A step that begins with an estimate is on its own."""
        every = self.optimizer.estimate_every
        return min(self._ahead, (-step) % every or 1) if every else self._ahead

    def steps(self, data: Any, order: Sequence[int], batch_size: int, step: int) -> Steps:
        begin = time.perf_counter()
        rules = self._prepared(data, order, step)
        log = self._training.run(data, order, batch_size, step, rules)
        taken, made = time.perf_counter() - begin, -(-len(order) // batch_size)
        self._ahead = max(1, min(2 * made, int(made * STRETCH / max(taken, 1e-9))))
        return self._found(log)

    def once(self, X: Sequence[Any], Y: Sequence[Any], step: int) -> Steps:
        if self.optimizer.estimate_every and step % self.optimizer.estimate_every == 0:
            return self.steps(self.prepare(X, Y), range(len(X)), len(X), step)
        return self._found(self._training.once(X, Y, step, self._prepared(None, (), step)))

    def _found(self, log: list[float]) -> Steps:
        """log: loss, loss with penalty and length for each step."""
        self.optimizer.forget()
        if math.isfinite(log[-1]) and not math.isnan(log[-2]):
            return Steps(log[::3], log[2::3])
        return Steps(log[:-3:3], log[2:-3:3], (log[-2], log[-1]))

    def _prepared(self, data: Any, order: Sequence[int], step: int) -> "list[Rule]":
        """Loads what steps need, and returns the rules."""
        if not self._loaded:
            self._load()
        elif self._lost():
            self.store()
        every = self.optimizer.estimate_every
        if every and step % every == 0 and isinstance(self.optimizer, Sophia):
            self._estimate(self.optimizer, data, order, step)
        self._training.updates.give(self.optimizer.besides())
        return self._rules()

    def _estimate(self, optimizer: Sophia, data: Any, order: Sequence[int], step: int) -> None:
        self.store()
        for leaf, sign in zip(self._signs, signs := optimizer.signs(), strict=True):
            leaf.data = sign
        self._curvature.load([()] * len(signs), [len(signs)])
        self._curvature.run(self._curvature.sorted(data.parts), order, len(order), step, [])
        optimizer.estimated(signs, self._curvature.gradients())
        self._load()

    def _load(self) -> None:
        self._sizes, self._latest = self._counts(), []
        self._training.load(self.optimizer.state, self._sizes)
        self._loaded, self._state = True, self.optimizer.state

    def reached(self, step: int) -> int:
        if self._loaded and (made := self._training.reached()) > step:
            return made
        return step

    def store(self) -> None:
        """Raises RuntimeError, after it has stored, if somebody else has assigned what is native."""
        if self._loaded:
            lost = self._lost()
            self.optimizer.state = self._training.store(self._sizes)
            self._loaded = False
            if lost:
                raise RuntimeError(
                    "a parameter or the optimizer's state was assigned within stepping(), where both are native, so "
                    "what was assigned is lost; assign before or after the block, or train by trainer.step(X, Y), "
                    "which brings them up to date each time"
                )

    def _lost(self) -> bool:
        """Whether somebody has assigned what is native now."""
        return self._training.refresh() or self.optimizer.state is not self._state

    def _counts(self) -> list[int]:
        """The counts of parameters that are moved alike: by group, and in it by the length of their states."""
        counts, states = list[int](), iter(self.optimizer.state)
        self._groups = list[int]()
        for i, group in enumerate(self.optimizer.param_groups):
            lengths = [len(next(states)) for _ in group["params"]]
            for _, run in itertools.groupby(lengths):
                counts.append(len(list(run)))
                self._groups.append(i)
        return counts

    def _rules(self) -> "list[Rule]":
        """A rule for each of those counts."""
        values = [[x for name, x in group.items() if name != "params"] for group in self.optimizer.param_groups]
        if values == self._values and self._latest:
            return self._latest
        self._values = [[[*x] if isinstance(x, list) else x for x in row] for row in values]
        rules = [self._rule(self.optimizer.param_groups[i]) for i in self._groups]
        self._latest = [rule._replace(size=n) for rule, n in zip(rules, self._sizes, strict=True)]
        return self._latest

    def _rule(self, group: Mapping[str, Any]) -> "Rule":
        from autograd.compiler import Rule  # which imports llvmlite, an extra

        optimizer, options = self.optimizer, {name: group[name] for name in self.optimizer.defaults}
        names, numbers = list[str](), list[float]()

        def taken(name: str, x: Any) -> Any:
            """The place of a number, or the object itself if it is none."""
            if isinstance(x, tuple | list):
                return tuple([taken(f"{name}[{i}]", y) for i, y in enumerate(x)])
            if isinstance(x, bool) or not isinstance(x, float | int):
                return x
            names.append("learning rate" if name == "lr" else name)
            numbers.append(float(x))
            return _Place(len(numbers) - 1)

        places = {name: taken(name, x) for name, x in options.items()}

        def apply(p: Any, g: Any, state: Any, given: Any, *besides: Any) -> Any:
            rule = optimizer.with_options({name: _filled(x, given) for name, x in places.items()})
            optimizer.check_moved(found := rule(p, g, state, *besides))
            return found

        key = repr(places), getattr(optimizer.rule, "__func__", optimizer.rule)
        return Rule(apply, 0, key, tuple(numbers), tuple(names), (optimizer.rule,))


class _Place(NamedTuple):
    """The place of an option's number."""

    i: int


def _filled(x: Any, numbers: Sequence[Any]) -> Any:
    if isinstance(x, _Place):
        return numbers[x.i]
    return tuple([_filled(y, numbers) for y in x]) if isinstance(x, tuple) else x


def _with_loss(loss: Callable[[Any, Any], Any], output: Any, y: Any) -> tuple[Any, Any]:
    return loss(output, y), output


def engine(task: Task) -> Engine:
    """An engine for a task: natively, if that is wanted and llvmlite is there."""
    if not task.compile:
        return Eager(task)
    try:
        return Native(task)
    except ImportError:
        warn("llvmlite is missing, so nothing is compiled: pip install 'scalar-autograd[compile]'")
        return Eager(task)
