"""Steps and evaluation as the engine makes them: a graph for each batch. `nn.native` makes the same ones natively."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from autograd import Value, mean
from autograd.extend import paused_collector

from .data import as_lists, shuffled
from .module import Module
from .nested import nested
from .optimizer import Optimizer
from .randomness import Draws, drawing
from .regularizers import clip_grad_norm_, clip_grad_value_


class Task(NamedTuple):
    """A loss to be minimised, and the means."""

    model: Module
    loss: Callable[[Any, Any], Any]
    """Of an output and its target."""
    optimizer: Optimizer
    penalty: Callable[[], Any] | None
    max_norm: float | None
    max_value: float | None
    compile: bool
    parts: tuple[Module, ...]
    """The modules that the model is made of."""
    parameters: tuple[Value, ...]
    """Those that the optimizer moves."""


class Steps(NamedTuple):
    """The findings of steps."""

    losses: list[float]
    norms: list[float]
    """The lengths of the gradients, before clipping."""
    ill: tuple[float, float] | None = None
    """Loss with penalty, and length, of a last step that updated nothing, since one of them is not finite."""


class Engine(Protocol):
    """Makes steps for a task, and evaluates: `Eager`, or `Native`."""

    task: Task

    def prepare(self, X: Sequence[Any], Y: Sequence[Any]) -> Any:
        """Examples to make steps with, which nobody else changes."""

    def order(self, size: int, seed: int) -> Sequence[int]:
        """The order of the examples: the numbers 0 to size - 1 as `random.Random(seed).shuffle` leaves them."""

    def ahead(self, step: int) -> int:
        """The number of batches to compute at a time."""

    def steps(self, data: Any, order: Sequence[int], batch_size: int, step: int) -> Steps:
        """A step for each batch of the examples in this order, until one is ill; step: how many were made before."""

    def once(self, X: Sequence[Any], Y: Sequence[Any], step: int) -> Steps:
        """A step on these examples."""

    def reached(self, step: int) -> int:
        """The number of steps that were made, at least those that were counted."""

    def store(self) -> None:
        """Brings Values and state up to date. RuntimeError, after it, if somebody else has changed them meanwhile."""

    @property
    def losses(self) -> Callable[[Sequence[Any], Sequence[Any]], list[tuple[float, Any]]]:
        """The loss of each example, and the output."""

    @property
    def outputs(self) -> Callable[[Sequence[Any]], list[Any]]:
        """The output for each example."""


class Eager:
    """Makes steps one by one: a graph for each batch."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._buffers = [buffer for _, buffer in task.model.named_buffers()]

    def prepare(self, X: Sequence[Any], Y: Sequence[Any]) -> Any:
        return copied(as_lists(X)), copied(as_lists(Y))

    def order(self, size: int, seed: int) -> Sequence[int]:
        return shuffled(size, seed)

    def ahead(self, step: int) -> int:
        return 1

    def reached(self, step: int) -> int:
        return step

    def store(self) -> None:
        """Here they always are up to date."""

    def steps(self, data: Any, order: Sequence[int], batch_size: int, step: int) -> Steps:
        (X, Y), found = data, Steps([], [])
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            losses, norms, ill = self.once([X[k] for k in batch], [Y[k] for k in batch], step + len(found.losses))
            found.losses.extend(losses)
            found.norms.extend(norms)
            if ill is not None:
                return found._replace(ill=ill)
        return found

    @paused_collector()
    def once(self, X: Sequence[Any], Y: Sequence[Any], step: int) -> Steps:
        X, Y = as_lists(X), as_lists(Y)
        task, before = self.task, list(map(list, self._buffers))
        parameters, well, norm = task.optimizer.parameters, False, 0.0
        try:
            task.optimizer.zero_grad()
            with drawing(Draws(step)):
                fit = mean([task.loss(output, y) for output, y in zip(task.model.batch(X), Y, strict=True)])
            loss = recorded(fit if task.penalty is None else fit + task.penalty())
            if not math.isnan(loss.data):
                loss.backward()
                norm = clip_grad_norm_(parameters, task.max_norm or math.inf)
            if math.isnan(loss.data) or not math.isfinite(norm):
                return Steps([], [], (loss.data, norm))
            if task.max_value is not None:
                clip_grad_value_(parameters, task.max_value)
            if task.optimizer.estimate_every and step % task.optimizer.estimate_every == 0:
                task.optimizer.estimate(loss)
            task.optimizer.step()
            well = True
        finally:
            if not well:
                for buffer, numbers in zip(self._buffers, before, strict=True):
                    buffer[:] = numbers
        return Steps([fit.data if isinstance(fit, Value) else fit], [norm])

    def losses(self, X: Sequence[Any], Y: Sequence[Any]) -> list[tuple[float, Any]]:
        pairs = zip(self.task.model.batch(X), Y, strict=True)
        return [(as_numbers(self.task.loss(output, y)), as_numbers(output)) for output, y in pairs]

    def outputs(self, X: Sequence[Any]) -> list[Any]:
        return [as_numbers(output) for output in self.task.model.batch(X)]


def copied(x: Any) -> Any:
    """Nested lists, tuples and dicts of the same numbers."""
    if isinstance(x, dict):
        return {name: copied(y) for name, y in x.items()}
    return [copied(y) for y in x] if type(x) is list else tuple(map(copied, x)) if type(x) is tuple else x


def recorded(loss: Any) -> Any:
    """The loss. RuntimeError if it is the same whatever the parameters are."""
    if not isinstance(loss, Value) or not loss.inputs:
        raise RuntimeError(
            "nothing was recorded, so nothing can be learned; train outside of no_grad(), with a loss of Values"
        )
    return loss


def as_numbers(x: Any) -> Any:
    return nested(lambda v: v.data if isinstance(v, Value) else float(v), x)
