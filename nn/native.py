"""What `Trainer(..., compile=True)` asks of the compiler: whole training steps as native code, and compiled evaluation.

While steps are made, parameters and the optimizer's state live in flat arrays; `store` brings the Values up to date.
"""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from autograd import Value, compile, dot, gradients

from .eager import Eager, Steps, Task, recorded
from .optim import Optimizer, Sophia
from .randomness import Draws, drawing

STRETCH = 0.05
"""So many seconds of steps are made at a time, in which Ctrl-C waits."""


class Native:
    """Steps and evaluation for a model, a loss of (output, target), and an optimizer.

    Raises ImportError without llvmlite, and TypeError for an optimizer that is more than its rule.
    """

    def __init__(self, task: Task) -> None:
        from autograd.compiler.training import Training  # llvmlite is imported only where it is needed

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
        self._values, self._latest = list[Any](), list[Any]()
        self._latest_rules: dict[int, tuple[list[Any], Any]] = {}

        def of_example(x: Any, y: Any) -> Any:
            with drawing(Draws()):
                found = loss(model.batch([x])[0], y)
            return found if penalty or isinstance(found, list | tuple) else recorded(found)

        limits = {"max_norm": max_norm, "max_value": max_value}
        self._training = Training(of_example, optimizer.parameters, penalty, **limits, reads=(model, loss))
        self._curvature: Any = None
        if isinstance(optimizer, Sophia):
            parameters, self._signs = optimizer.parameters, [Value(1.0) for _ in optimizer.parameters]

            def curved(value: Any) -> Any:
                """Its gradient is H u, for the signs u."""
                slopes = gradients(value, parameters, create_graph=True) if isinstance(value, Value) else [0.0]
                return dot(slopes, self._signs[: len(slopes)])

            self._curvature = Training(
                lambda x, y: curved(of_example(x, y)), parameters, penalty and (lambda: curved(penalty())),
                reads=(model, loss),
            )
        self.outputs = compile(lambda x: model.batch([x])[0])
        """In evaluation mode."""
        self.losses = compile(lambda x, y: _with_loss(loss, model.batch([x])[0], y))
        """The loss and the output."""

    def prepare(self, X: Sequence[Any], Y: Sequence[Any]) -> Any:
        """Examples to make steps with."""
        return self._training.prepare(X, Y)

    def order(self, size: int, seed: int) -> Sequence[int]:
        """As `shuffled` has it."""
        return self._training.order(size, seed)

    def ahead(self, step: int) -> int:
        """How many batches to compute at a time. A step that begins with an estimate is on its own."""
        every = self.optimizer.estimate_every
        return min(self._ahead, (-step) % every or 1) if every else self._ahead

    def steps(self, data: Any, order: Sequence[int], batch_size: int, step: int) -> Steps:
        """A step for each batch of the examples in this order, until one is ill; step: how many were made before."""
        begin = time.perf_counter()
        log = self._training.run(data, order, batch_size, step, self._prepared(data, order, step))
        taken, made = time.perf_counter() - begin, -(-len(order) // batch_size)
        self._ahead = max(1, min(2 * made, int(made * STRETCH / max(taken, 1e-9))))
        return self._found(log)

    def once(self, X: Sequence[Any], Y: Sequence[Any], step: int) -> Steps:
        """A step on these examples."""
        if self.optimizer.estimate_every and step % self.optimizer.estimate_every == 0:
            return self.steps(self.prepare(X, Y), range(len(X)), len(X), step)
        return self._found(self._training.once(X, Y, step, self._prepared(None, (), step)))

    def _found(self, log: list[float]) -> Steps:
        """log: loss, loss with penalty and length for each step."""
        self.optimizer.forget()
        if math.isfinite(log[-1]) and not math.isnan(log[-2]):
            return Steps(log[::3], log[2::3])
        return Steps(log[:-3:3], log[2:-3:3], (log[-2], log[-1]))

    def _prepared(self, data: Any, order: Sequence[int], step: int) -> list[Any]:
        """Loads what steps need, and returns the rules."""
        if not self._loaded:
            self._training.load(self.optimizer.state, self._counts())
            self._loaded = True
        every = self.optimizer.estimate_every
        if every and step % every == 0 and isinstance(self.optimizer, Sophia):
            self._estimate(self.optimizer, data, order, step)
        self._training.give(self.optimizer.besides())
        return self._rules()

    def _estimate(self, optimizer: Sophia, data: Any, order: Sequence[int], step: int) -> None:
        self.store()
        for leaf, sign in zip(self._signs, signs := optimizer.signs(), strict=True):
            leaf.data = sign
        self._curvature.load([()] * len(signs), self._counts())
        self._curvature.run(self._curvature.sorted(data.parts), order, len(order), step, [])
        optimizer.estimated(signs, self._curvature.gradients())
        self._training.load(optimizer.state, self._counts())
        self._loaded = True

    def store(self) -> None:
        """Brings Values and state up to date."""
        if self._loaded:
            self.optimizer.state = self._training.store(self._counts())
            self._loaded = False

    def _counts(self) -> list[int]:
        return [len(group["params"]) for group in self.optimizer.param_groups]

    def _rules(self) -> list[Any]:
        from autograd.compiler.rules import Rule

        values = [list(group.values()) for group in self.optimizer.param_groups]
        if values == self._values:
            return self._latest
        rules, before = [], self._latest_rules
        self._latest_rules = {}
        for i, group in enumerate(self.optimizer.param_groups):
            options = [group[name] for name in self.optimizer.defaults if name != "lr"]
            if i in before and before[i][0] == options:
                rule = before[i][1]._replace(lr=group["lr"])
            else:
                fixed = {name: group[name] for name in self.optimizer.defaults}

                def apply(p: Any, g: Any, state: Any, lr: Any, *besides: Any, fixed: Any = fixed) -> Any:
                    return self.optimizer.with_options({**fixed, "lr": lr})(p, g, state, *besides)

                rule = Rule(apply, len(group["params"]), (i, repr(options)), group["lr"])
            self._latest_rules[i] = options, rule
            rules.append(rule)
        self._values, self._latest = values, rules
        return rules


def _with_loss(loss: Callable[[Any, Any], Any], output: Any, y: Any) -> tuple[Any, Any]:
    return loss(output, y), output


def engine(task: Task) -> Any:
    """What makes steps for a task: natively, if that is wanted and llvmlite is there."""
    if not task.compile:
        return Eager(task)
    try:
        return Native(task)
    except ImportError:
        message = "llvmlite is missing, so nothing is compiled: pip install 'scalar-autograd[compile]'"
        warnings.warn(message, stacklevel=4)
        return Eager(task)
