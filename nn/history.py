"""History: what a training leaves behind, as numbers and as a picture."""

import dataclasses
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .nested import number_in_state


@dataclass
class History:
    """The curves of a training. One entry an epoch: train_loss, learning_rate, and grad_norm, the mean length of the
    gradient before clipping. One entry a validation: validation_loss, the metrics, and in validation_at the epochs done
    by then, such as 1.5. Raises TypeError and ValueError for curves that are none."""

    train_loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    grad_norm: list[float] = field(default_factory=list)
    validation_at: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: float | None = None
    """The epoch in which the validation loss was lowest, in the latest `fit`."""
    interrupted: bool = False
    stopped_early: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    """Seeds, sizes, options and versions: what is needed to train the same again."""

    def __post_init__(self) -> None:
        for name in ("train_loss", "learning_rate", "grad_norm", "validation_at", "validation_loss"):
            setattr(self, name, list(map(number_in_state, getattr(self, name))))
        if not isinstance(self.settings, dict):
            raise TypeError(f"the settings of a History are a dict, got {self.settings!r}")
        self.metrics = {name: list(map(number_in_state, curve)) for name, curve in self.metrics.items()}
        if not type(self.interrupted) is type(self.stopped_early) is bool:
            raise TypeError("a History was interrupted or stopped early, or not: true or false")
        if self.best_epoch is not None and not number_in_state(self.best_epoch) >= 0.0:
            raise ValueError(f"the best epoch of a History is a number of epochs, got {self.best_epoch!r}")

    def check_lengths(self) -> None:
        """Raises ValueError unless each curve has an entry for each epoch, or for each validation."""
        by_epoch = {len(curve) for curve in (self.train_loss, self.learning_rate, self.grad_norm)}
        measured = max([len(self.validation_loss), *map(len, self.metrics.values())])
        if len(by_epoch) > 1 or not len(self.validation_loss) == len(self.validation_at) == measured:
            raise ValueError("the curves of a History have an entry for each epoch, or for each validation")

    def forget(self, epoch: int) -> None:
        """Drops what was validated in an epoch that begins anew."""
        count = sum(at <= epoch for at in self.validation_at)
        for curve in (self.validation_at, self.validation_loss, *self.metrics.values()):
            del curve[count:]

    def state_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return dataclasses.asdict(self)

    def plot(self, path: Any = None) -> Any:
        """The curves over the epochs as a matplotlib figure, also written to `path` if given.

        Raises ValueError before the first epoch is complete, and ImportError where matplotlib is missing.
        """
        if not self.train_loss:
            raise ValueError("plot expected at least one complete epoch, got none")
        epochs = list(range(1, len(self.train_loss) + 1))
        losses: dict[str, Any] = {
            "train": (epochs, self.train_loss),
            "validation": (self.validation_at, self.validation_loss),
        }
        metrics = {name: (self.validation_at, curve) for name, curve in self.metrics.items()}
        panels: dict[str, dict[str, Any]] = (
            {"loss": losses, "on validation data": metrics} if any(self.metrics.values()) else {"loss": losses}
        )
        panels |= {
            name.replace("_", " "): {"": (epochs, getattr(self, name))} for name in ("learning_rate", "grad_norm")
        }
        drawn, axes = figure(len(panels))
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            for name, (x, y) in curves.items():
                axis.plot(x, y, marker=".", label=name) if y else None
            axis.set(xlabel="epoch", title=title)
            axis.legend() if len([y for _, y in curves.values() if y]) > 1 or title.startswith("on") else None
            if self.best_epoch is not None and title == "loss":
                axis.axvline(self.best_epoch, color="gray", linestyle=":")
        if path is not None:
            drawn.savefig(path, dpi=120)
        return drawn


def versions() -> dict[str, str]:
    """The versions that a training ran on."""
    try:
        ours = version("scalar-autograd")
    except PackageNotFoundError:
        ours = "unknown"
    return {"scalar-autograd": ours, "python": platform.python_version(), "machine": platform.machine()}


def figure(columns: int, rows: int = 1) -> tuple[Any, list[Any]]:
    """A matplotlib figure with so many panels, and the panels from left to right. Raises ImportError without
    matplotlib.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise ImportError("curves are drawn by matplotlib: pip install 'scalar-autograd[plot]'") from None
    drawn = Figure(figsize=(3.6 * columns, 3.2 * rows), layout="constrained")
    axes = list(drawn.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.grid(alpha=0.3)
    for axis in axes[:columns]:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn, axes
