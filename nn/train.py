"""Trainer: the loop of mini-batch training."""

import contextlib
import copy
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from autograd import mean, no_grad
from autograd.compiler import Shortened
from autograd.extend import paused_collector

from .checks import COUNTERS, check_batch, check_fit, check_parts, counters_of, nan_in, why_ill
from .data import as_lists, paired
from .eager import Engine, Steps, Task
from .history import History, settings_of
from .interrupts import Held, held
from .metrics import Metric, by_name, name_of
from .module import Module
from .native import engine as make_engine
from .optimizer import Optimizer
from .progress import progress_bar, say_stopped
from .schedulers import ReduceLROnPlateau, Scheduler
from .showing import page
from .turns import Turns

Loss = Callable[[Any, Any], Any]


class Trainer:
    """Trains a model on examples with a loss of one example, averaged over mini-batches.

    loss: (output, target) -> Value. penalty: () -> Value, added to the mean loss that is minimised, but not to what is
    reported. metrics: functions (outputs, targets) -> float of validation data such as `nn.accuracy`, in a list or by
    name. scheduler: stepped after each epoch, or with scheduler_interval="batch" after each batch; `ReduceLROnPlateau`
    gets the validation loss of epochs that have one, or without validation the training loss. clip_grad_norm,
    clip_grad_value: limits. seed: decides the order of the examples. compile: whether steps and evaluation run
    natively; loss, model and penalty are then called once for each structure of the examples, on Values whose numbers
    cannot be read, and hooks with them. The numbers are the same but for rounding.
    What training goes on with is in `state_dict()`; `nn.save(trainer, path)` writes it.

    >>> from nn import MLP, SGD, mse_loss
    >>> model = MLP(1, [1], rng=0)
    >>> trainer = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], epochs=200, batch_size=3, progress=False)
    >>> [round(p.data, 3) for p in model.parameters()]
    [2.0, 1.0]
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Optimizer,
        *,
        scheduler: Scheduler | None = None,
        scheduler_interval: str = "epoch",
        penalty: Callable[[], Any] | None = None,
        metrics: Mapping[str, Metric] | Sequence[Metric] = (),
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        seed: int = 0,
        compile: bool = False,
    ) -> None:
        limits = {"clip_grad_norm": clip_grad_norm, "clip_grad_value": clip_grad_value}
        check_parts(model, loss, optimizer, scheduler, scheduler_interval, limits)
        self.model, self.loss, self.optimizer, self.penalty = model, loss, optimizer, penalty
        self.scheduler, self.scheduler_interval = scheduler, scheduler_interval
        self.metrics = by_name(metrics)
        self.clip_grad_norm, self.clip_grad_value, self.seed = clip_grad_norm, clip_grad_value, seed
        self.history = History()
        self.epoch = self.batch = self.steps = 0  # whole epochs, batches of the one that is under way, batches in all
        self.waited = self.told = 0  # validations since the best one; epochs that the callbacks have been told of
        self.finished = False  # whether the last `fit` came to its end, so that the next one is not its continuation
        self.sums = [0.0, 0.0]  # of that epoch: loss x examples, length of the gradient
        self.grad_norm = 0.0
        self.best_loss, self.best_state = math.inf, dict[str, float]()
        self.compile = compile
        self._engine_in_use: Engine | None = None
        self._warm: Any = None  # the engine that has made steps
        self._stopping = False
        self._turns, self._fitting = Turns(), 0  # the thread that runs `fit`

    @Shortened()
    def step(self, Xb: Sequence[Any], yb: Sequence[Any]) -> float:
        """One update on a batch: mean loss, backward pass, clipping, optimizer. Returns the mean loss before the
        update, without the penalty, and leaves the length of the gradient before clipping in `grad_norm`.

        Raises FloatingPointError, and updates nothing, if the loss is nan or its gradient not finite.
        """
        with self.stepping() as step:
            return step(Xb, yb)

    @contextlib.contextmanager
    def stepping(self) -> Iterator[Callable[[Sequence[Any], Sequence[Any]], float]]:
        """Within the block what it gives is like `step`, for a loop of one's own: faster if the trainer compiles, since
        parameters and the optimizer's state are read when it begins and brought up to date only when it ends.

        What is changed between two steps counts, but for one Value exchanged for another in a list of Values.
        Raises RuntimeError, in a step or at the end, if a parameter was assigned within the block, and when the step is
        called after it.
        """
        ended, turns = False, self._turns
        with turns.taken():
            self._engine()

        def step(Xb: Sequence[Any], yb: Sequence[Any]) -> float:
            if ended:
                raise RuntimeError("the block of stepping() has ended; write `with trainer.stepping() as step:` anew")
            check_batch(Xb, yb)
            turns.ask()
            with turns.lock:
                turns.begun()
                self._check_alone()
                engine = self._engine(quick=True)
                self.steps = engine.reached(self.steps)  # Ctrl-C may have come before a step was counted
                return self._counted(engine.once(Xb, yb, self.steps))

        try:
            yield step
        finally:
            ended = True
            with turns.taken():
                self._settle()

    def _counted(self, found: Steps) -> float:
        """Notes the steps that were made, and gives the last loss. FloatingPointError if another one was ill."""
        self.steps += len(found.losses)
        if found.ill is not None:
            raise FloatingPointError(why_ill(found.ill[0], self.compile))
        self.grad_norm = found.norms[-1]
        if self.scheduler is not None and self.scheduler_interval == "batch":
            self.scheduler.step()
        return found.losses[-1]

    def _engine(self, quick: bool = False) -> Engine:
        """The engine that makes steps: natively, if the trainer compiles. quick: without looking for parts of the model
        or for parameters that were exchanged, though for some that were added or removed."""
        what = self.model, self.loss, self.optimizer, self.penalty
        options = self.clip_grad_norm, self.clip_grad_value, self.compile
        engine = self._engine_in_use
        count = len(self.optimizer.parameters)
        if quick and engine and engine.task[:7] == (*what, *options) and len(engine.task.parameters) == count:
            return engine
        self._settle()
        self.optimizer.align()
        parts = tuple([module for _, module in self.model.named_modules()])
        task = Task(*what, *options, parts, tuple(self.optimizer.parameters))
        if engine is None or engine.task != task:
            self._engine_in_use = engine = make_engine(task)
        return engine

    def _check_alone(self) -> None:
        """RuntimeError if another thread trains."""
        if self._fitting not in (0, threading.get_ident()):
            raise RuntimeError("another thread runs fit of this trainer; it alone may train until that ends")

    def __getstate__(self) -> dict[str, Any]:
        """For copies: without what makes steps, which is made anew."""
        with self._turns.taken():
            self._settle()
            return vars(self) | {"_engine_in_use": None, "_warm": None, "_fitting": 0}

    def _settle(self) -> None:
        """Brings parameters and the optimizer's state up to date, before Python looks at them."""
        if self._engine_in_use is not None:
            self.steps = self._engine_in_use.reached(self.steps)
            self._engine_in_use.store()

    @Shortened()
    def fit(
        self,
        X: Sequence[Any],
        Y: Sequence[Any],
        *,
        epochs: int,
        batch_size: int = 32,
        validation: tuple[Sequence[Any], Sequence[Any]] | None = None,
        validate_every: int | None = None,
        patience: int | None = None,
        callbacks: Sequence[Callable[["Trainer"], Any]] = (),
        progress: bool = True,
    ) -> History:
        """Trains for `epochs` more passes over the examples in shuffled mini-batches; returns the whole history.

        X, Y: as many examples as targets, at least one. validation: (examples, targets) to evaluate after each epoch,
        or after every `validate_every` batches. patience: stop after an epoch by whose end so many validations in a
        row were no better than the best, and in any case end with the best weights. callbacks: called with the trainer
        after each epoch; one may call `stop()`. Ctrl-C stops after the batch that is being computed; the next `fit` of
        the same sizes goes on from there, bit for bit, and repeats the validation or callbacks that were cut short;
        with epochs=0 it does no more than that.
        The best weights are those since the last `fit` that came to its end.
        Other threads may call `predict`, `evaluate` and `state_dict` meanwhile, and have their turn between batches.
        Raises ValueError for data that does not fit together, FloatingPointError if the loss becomes nan or its
        gradient not finite, and RuntimeError if another thread trains.
        """
        with held() as hold, self._turns.taken():
            self._check_alone()
            before, self._fitting = self._fitting, threading.get_ident()
            try:
                self._fit(hold, X, Y, epochs, batch_size, validation, validate_every, patience, callbacks, progress)
            except FloatingPointError as error:
                error.args = (f"{error}{nan_in(X, Y)}",)
                raise
            except KeyboardInterrupt:
                self.history.interrupted = True
                say_stopped(self)
            finally:
                self._fitting = before
                self._settle()
        return self.history

    def _fit(
        self, hold: Held, X: Any, Y: Any, epochs: int, batch_size: int, validation: Any, validate_every: int | None,
        patience: int | None, callbacks: Sequence[Callable[["Trainer"], Any]], progress: bool,
    ) -> None:  # fmt: skip
        """`fit`, with Ctrl-C held back but where it may come."""
        sizes = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "validate_every": validate_every}
        validation = check_fit(X, Y, validation, callbacks, sizes)
        settings = {"X": len(X), **sizes, **settings_of(self)}
        self.history.interrupted = False
        self.model.train()
        with hold.allowed():
            engine = self._engine()
            data = engine.prepare(X, Y)
        steps, last = math.ceil(len(X) / batch_size), self.epoch + epochs
        if self.batch > steps or any(self.history.settings.get(name) != settings[name] for name in ("X", "batch_size")):
            self.batch, self.sums = 0, [0.0, 0.0]
            self.history.forget(self.epoch)
        if self.finished:
            self.waited, self.best_loss, self.best_state = 0, math.inf, {}
        self.history.settings = settings
        self.history.stopped_early = self.finished = self._stopping = False
        with progress_bar(epochs * steps, self.batch, progress) as bar:
            self._tell(hold, callbacks)
            while self.epoch < last and (self.batch or (not self._stopping and not self._waited_enough(patience))):
                bar.set_description(f"epoch {self.epoch + 1}/{last}")
                self._epoch(hold, engine, data, len(X), batch_size, validation, validate_every or steps, bar)
                self._tell(hold, callbacks)
                if callbacks and (now := self._engine()) is not engine:  # one of them changed what is trained
                    engine, data = now, now.prepare(X, Y)
            self._settle()
            if patience is not None:
                self.restore_best()
            self.finished, self.history.stopped_early = True, self._waited_enough(patience)

    def _waited_enough(self, patience: int | None) -> bool:
        return patience is not None and self.waited >= patience

    def _tell(self, hold: Held, callbacks: Sequence[Callable[["Trainer"], Any]]) -> None:
        """Calls the callbacks, unless they have been called for this epoch. Other threads have their turn meanwhile."""
        before, self.told = self.told, self.epoch
        if callbacks:
            self._settle()
        try:
            for callback in callbacks if before < self.epoch else ():
                with self._turns.given_away(), hold.allowed():
                    callback(self)
                self.model.train()
        except KeyboardInterrupt:
            self.told = before
            raise

    def _epoch(
        self, hold: Held, engine: Engine, data: Any, size: int, batch_size: int, validation: Any, every: int, bar: Any
    ) -> None:
        """One pass, or the rest of one that was interrupted. Ctrl-C comes between batches."""
        count = math.ceil(size / batch_size)
        order = engine.order(size, self.seed + 1_000_003 * self.epoch)
        while True:
            done = self.epoch * count + self.batch
            at = done / count
            if validation and self.batch and done % every == 0 and at not in self.history.validation_at[-1:]:
                self._validate(hold, validation, at)
            if self.batch == count:
                break
            before = self.batch
            most = min(every - done % every, 1 if self.scheduler_interval == "batch" else engine.ahead(self.steps))
            ahead = order[before * batch_size : (before + most) * batch_size]
            found = engine.steps(data, ahead, batch_size, self.steps)
            total, lengths = self.sums  # added up one by one, whatever was computed together
            for x, norm in zip(found.losses, found.norms, strict=True):
                total += x * min(batch_size, size - self.batch * batch_size)
                lengths += norm
                self.batch += 1
            self.sums = [total, lengths]
            loss = self._counted(found)
            hold.come()
            self._turns.pause()
            if engine is not self._warm:  # the first steps of an engine compile, which is no measure for the others
                self._warm = engine
                bar.unpause()
            bar.update(self.batch - before)
            bar.set_postfix({"loss": f"{loss:.4f}", **self._latest()}, refresh=False)
        self.epoch, self.batch = self.epoch + 1, 0
        self.history.train_loss.append(self.sums[0] / size)
        self.history.grad_norm.append(self.sums[1] / count)
        self.history.learning_rate.append(self.optimizer.lr)
        self.sums = [0.0, 0.0]
        if isinstance(self.scheduler, ReduceLROnPlateau):
            if validation is None:
                self.scheduler.step(self.history.train_loss[-1])
            elif self.history.validation_at[-1:] > [self.epoch - 1]:  # measured in this epoch
                self.scheduler.step(self.history.validation_loss[-1])
        elif self.scheduler is not None and self.scheduler_interval == "epoch":
            self.scheduler.step()
        bar.set_postfix({"loss": f"{self.history.train_loss[-1]:.4f}", **self._latest()})

    def _validate(self, hold: Held, validation: Any, at: float) -> None:
        """Measures, and keeps the weights if they are the best so far."""
        with hold.allowed():
            loss, metrics = self.evaluate(*validation)
        if math.isnan(loss):
            raise FloatingPointError(
                f"the validation loss is nan; look for nan in the validation data{nan_in(*validation)}"
            )
        self.history.validation_at.append(at)
        self.history.validation_loss.append(loss)
        for name, x in metrics.items():
            self.history.metrics.setdefault(name, []).append(x)
        self.waited += 1
        if loss < self.best_loss:
            self.best_loss, self.best_state, self.waited = loss, self.model.state_dict(), 0
            self.history.best_epoch = at

    def _latest(self) -> dict[str, str]:
        """Further numbers for the progress bar."""
        curves = {"validation": self.history.validation_loss, **self.history.metrics}
        return {**{name: f"{y[-1]:.4f}" for name, y in curves.items() if y}, "lr": f"{self.optimizer.lr:.2g}"}

    def stop(self) -> None:
        """Ends the training after this epoch."""
        self._stopping = True

    def restore_best(self) -> None:
        """Gives the model the weights of the lowest validation loss in this or the last `fit`, if it validates."""
        if self.best_state:
            self.model.load_state_dict(self.best_state)

    @Shortened()
    @paused_collector()
    def evaluate(self, X: Sequence[Any], Y: Sequence[Any]) -> tuple[float, dict[str, float]]:
        """The mean loss and each metric, in evaluation mode and without recording."""
        X, Y = paired(X, Y)
        with self._evaluating() as engine:
            losses, found = zip(*engine.losses(X, Y), strict=True)
        return mean(losses), {name: metric(list(found), Y) for name, metric in self.metrics.items()}

    @Shortened()
    def predict(self, X: Sequence[Any]) -> list[Any]:
        """The output for each example, numbers in the place of Values, in evaluation mode and without recording."""
        with self._evaluating() as engine:
            return list(engine.outputs(as_lists(X))) if len(X) else []

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[Engine]:
        """Within the block the model is in evaluation mode, and nothing is recorded; gives what evaluates."""
        with self._turns.taken():
            engine = self._engine()
            self._settle()
            modes = [(module, module.training) for _, module in self.model.named_modules()]
            try:
                self.model.eval()
                with no_grad():
                    yield engine
            finally:
                for module, training in modes:
                    module.training = training

    def state_dict(self) -> dict[str, Any]:
        """Everything that training goes on with, as plain data."""
        names = ("model", "optimizer", "scheduler", "history")
        with self._turns.taken():
            self._settle()
            parts = {name: part for name in names if (part := getattr(self, name)) is not None}
            state = {name: part.state_dict() for name, part in parts.items()}
            return copy.deepcopy({**state, **{name: getattr(self, name) for name in COUNTERS}})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state_dict` of a trainer that was built alike; the next `fit` goes on bit for bit."""
        with self._turns.taken():
            self._settle()
            history, counters = History(**state["history"]).checked(), counters_of(state, self.scheduler is not None)
            self.optimizer.load_state_dict(state["optimizer"])
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
            self.model.load_state_dict(state["model"])
            self.history = history
            vars(self).update(counters)

    def __repr__(self) -> str:
        parts = (type(self.model).__name__, name_of(self.loss), f"{self.optimizer!r}{', compile=True' * self.compile}")
        return f"Trainer({', '.join(parts)}; {self.epoch} epochs)"

    def _repr_html_(self) -> str:
        return page(repr(self), [("model", repr(self.model))]) + self.history._repr_html_()
