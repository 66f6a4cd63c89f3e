"""Trainer: the loop of mini-batch training, and the History it leaves."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from autograd import Value, mean, no_grad

from .data import batches
from .module import Module
from .optim import Optimizer

Loss = Callable[[Any, Any], Any]
Metric = Callable[[Any, Any], float]


@dataclass
class History:
    """One entry an epoch: the training loss, and with validation data its loss and metrics."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    interrupted: bool = False

    def trim(self) -> None:
        """Cuts off what an interrupted epoch has left; the training loss is what an epoch enters last."""
        for curve in (self.validation_loss, *self.metrics.values()):
            del curve[len(self.train_loss) :]

    def plot(self, path: str | None = None) -> Any:
        """The curves over the epochs as a matplotlib figure, also written to `path` if given.

        Raises ValueError before the first epoch is complete, and ImportError where matplotlib is missing.
        """
        if not self.train_loss:
            raise ValueError("plot expected at least one complete epoch, got none")
        try:
            from matplotlib.figure import Figure
            from matplotlib.ticker import MaxNLocator
        except ImportError:
            raise ImportError("curves are drawn by matplotlib: pip install 'scalar-autograd[plot]'") from None
        figure = Figure(figsize=(5.0 * (1 + bool(self.metrics)), 3.5), layout="constrained")
        panels = figure.subplots(1, 1 + bool(self.metrics), squeeze=False)[0]
        losses = {"train": self.train_loss, "validation": self.validation_loss}
        for panel, curves, title in zip(panels, (losses, self.metrics), ("loss", "on validation data"), strict=False):
            for name, curve in curves.items():
                if curve:
                    panel.plot(range(1, len(curve) + 1), curve, marker=".", label=name)
            panel.set(xlabel="epoch", title=title)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.legend()
            panel.grid(alpha=0.3)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


class Trainer:
    """Trains a model on examples with a loss of one example, averaged over mini-batches.

    loss: (output, target) -> Value. metrics: names of functions (output, target) -> float, averaged over validation
    data. seed: decides the order of the examples.

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
        metrics: Mapping[str, Metric] | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = dict(metrics or {})
        self.seed = seed

    def step(self, Xb: Sequence[Any], yb: Sequence[Any]) -> float:
        """One update on a batch: mean loss, backward pass, optimizer. Returns the mean loss before the update.

        Raises FloatingPointError, and updates nothing, if the loss is nan.
        """
        self.optimizer.zero_grad()
        loss = mean([self.loss(output, y) for output, y in zip(self.model.batch(Xb), yb, strict=True)])
        if not isinstance(loss, Value) or not loss.inputs:
            raise RuntimeError(
                "nothing was recorded, so nothing can be learned; train outside of no_grad(), with a loss of Values"
            )
        if math.isnan(loss.data):
            raise FloatingPointError(
                "the loss became nan; lower the learning rate, or look for the cause with autograd.detect_anomaly()"
            )
        loss.backward()
        self.optimizer.step()
        return loss.data

    def fit(
        self,
        X: Sequence[Any],
        Y: Sequence[Any],
        *,
        epochs: int,
        batch_size: int = 32,
        validation: tuple[Sequence[Any], Sequence[Any]] | None = None,
        progress: bool = True,
    ) -> History:
        """Trains for `epochs` passes over the examples in shuffled mini-batches. Ctrl-C stops and keeps everything so
        far.

        X, Y: as many examples as targets, at least one. validation: (examples, targets) to evaluate after each epoch.
        Raises ValueError for data that does not fit together and FloatingPointError if the loss becomes nan.
        """
        _check(X, Y)
        if epochs < 1 or batch_size < 1:
            raise ValueError(f"fit expected epochs and batch_size of at least 1, got {epochs} and {batch_size}")
        if validation is not None:
            if len(validation) != 2:
                raise ValueError(f"fit expected validation=(examples, targets), got {len(validation)} entries")
            _check(*validation)
        history = History(metrics={name: [] for name in self.metrics} if validation else {})
        rng = random.Random(self.seed)
        steps = math.ceil(len(X) / batch_size)
        with tqdm(total=epochs * steps, disable=not progress, unit="batch") as bar:
            try:
                for epoch in range(1, epochs + 1):
                    bar.set_description(f"epoch {epoch}/{epochs}")
                    train_loss = self._epoch(X, Y, batch_size, rng, bar)
                    if validation:
                        self._validate(*validation, history)
                    history.train_loss.append(train_loss)
                    bar.set_postfix({k: f"{v[-1]:.4f}" for k, v in _curves(history).items() if v})
            except KeyboardInterrupt:  # wherever it came: whole epochs only, and the model as training had it
                history.interrupted = True
                history.trim()
                self.model.train()
        return history

    def _epoch(self, X: Sequence[Any], Y: Sequence[Any], batch_size: int, rng: random.Random, bar: Any) -> float:
        total = 0.0
        self.model.train()
        for indices in batches(len(X), batch_size, rng):
            loss = self.step([X[i] for i in indices], [Y[i] for i in indices])
            total += loss * len(indices)
            bar.update()
        return total / len(X)

    def _validate(self, X: Sequence[Any], Y: Sequence[Any], history: History) -> None:
        loss, metrics = self.evaluate(X, Y)
        history.validation_loss.append(loss)
        for name, value in metrics.items():
            history.metrics[name].append(value)

    def evaluate(self, X: Sequence[Any], Y: Sequence[Any]) -> tuple[float, dict[str, float]]:
        """The mean loss and the mean of each metric, in evaluation mode and without recording."""
        _check(X, Y)
        with no_grad():
            outputs = self._outputs(X)
            losses = [_numbers(self.loss(output, y)) for output, y in zip(outputs, Y, strict=True)]
        found = [_numbers(output) for output in outputs]
        means = {name: sum(m(o, y) for o, y in zip(found, Y, strict=True)) / len(X) for name, m in self.metrics.items()}
        return sum(losses) / len(X), means

    def predict(self, X: Sequence[Any]) -> list[Any]:
        """The output for each example, numbers in the place of Values, in evaluation mode and without recording."""
        with no_grad():
            return [_numbers(output) for output in self._outputs(X)]

    def _outputs(self, X: Sequence[Any]) -> list[Any]:
        modes = [(module, module.training) for _, module in self.model.named_modules()]
        self.model.eval()
        try:
            return self.model.batch(X)
        finally:
            for module, training in modes:
                module.training = training


def _numbers(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [_numbers(y) for y in x]
    return x.data if isinstance(x, Value) else float(x)


def _curves(history: History) -> dict[str, list[float]]:
    return {"loss": history.train_loss, "validation": history.validation_loss, **history.metrics}


def _check(X: Sequence[Any], Y: Sequence[Any]) -> None:
    if len(X) != len(Y) or not len(X):
        raise ValueError(
            f"expected as many targets as examples, and at least one, got {len(X)} examples and {len(Y)} targets"
        )
