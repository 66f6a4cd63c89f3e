"""History: what a training leaves behind, as numbers and as a picture."""

import dataclasses
import platform
from dataclasses import dataclass, field
from typing import Any

import autograd

from .metrics import name_of
from .nested import number_in_state
from .showing import figure, has_matplotlib, page


@dataclass(repr=False)
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

    def checked(self) -> "History":
        """Itself. Raises ValueError unless each curve has an entry for each epoch, or for each validation."""
        by_epoch = {len(curve) for curve in (self.train_loss, self.learning_rate, self.grad_norm)}
        measured = max([len(self.validation_loss), *map(len, self.metrics.values())])
        if len(by_epoch) > 1 or not len(self.validation_loss) == len(self.validation_at) == measured:
            raise ValueError("the curves of a History have an entry for each epoch, or for each validation")
        return self

    def forget(self, epoch: int) -> None:
        """Drops what was validated in an epoch that begins anew."""
        count = sum(at <= epoch for at in self.validation_at)
        for curve in (self.validation_at, self.validation_loss, *self.metrics.values()):
            del curve[count:]

    def state_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return dataclasses.asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """A short table of the training: names and texts."""
        found = [("epochs", f"{len(self.train_loss)}" + ", interrupted" * self.interrupted)]
        curves = {"train loss": self.train_loss, "validation loss": self.validation_loss, **self.metrics}
        found += [(name, f"{curve[-1]:.4g}") for name, curve in curves.items() if curve]
        if self.best_epoch is not None:
            found.append(("best epoch", f"{self.best_epoch:g}" + ", stopped early" * self.stopped_early))
        return found

    def __repr__(self) -> str:
        return f"History({', '.join(f'{name} {text}' for name, text in self.rows())})"

    def _repr_html_(self) -> str:
        return page("History", self.rows(), self.plot() if self.train_loss and has_matplotlib() else None)

    def plot(self, path: Any = None) -> Any:
        """The curves over the epochs as a matplotlib figure, which a notebook shows; also written to `path` if given.
        The best epoch is marked, and a learning rate that was always the same left out.

        Raises ValueError before the first epoch is complete, and ImportError where matplotlib is missing.
        """
        if not self.train_loss:
            raise ValueError("plot expected at least one complete epoch, got none")
        epochs = list(range(1, len(self.train_loss) + 1))
        panels: dict[str, dict[str, Any]] = {
            "loss": {"train": (epochs, self.train_loss), "validation": (self.validation_at, self.validation_loss)},
            "on validation data": {name: (self.validation_at, curve) for name, curve in self.metrics.items()},
            "learning rate": {"": (epochs, self.learning_rate)} if len({*self.learning_rate}) > 1 else {},
            "grad norm": {"": (epochs, self.grad_norm)},
        }
        panels = {title: curves for title, curves in panels.items() if any(y for _, y in curves.values())}
        drawn, axes = figure(len(panels))
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            for name, (x, y) in curves.items():
                axis.plot(x, y, marker=".", label=name) if y else None
            axis.set(xlabel="epoch", title=title)
            if self.best_epoch is not None and title == "loss":
                axis.axvline(self.best_epoch, color="gray", linestyle=":", label=f"best, epoch {self.best_epoch:g}")
            axis.legend() if len(axis.get_legend_handles_labels()[1]) > 1 or title.startswith("on") else None
        if path is not None:
            drawn.savefig(path, dpi=120)
        return drawn


def versions() -> dict[str, str]:
    """The versions that a training ran on."""
    return {"scalar-autograd": autograd.__version__, "python": platform.python_version(), "machine": platform.machine()}


def settings_of(trainer: Any) -> dict[str, Any]:
    """The parts and options of a trainer, as plain data, and the versions."""
    parts: dict[str, Any] = {name: repr(getattr(trainer, name)) for name in ("model", "optimizer", "scheduler")}
    parts |= {name: name_of(getattr(trainer, name)) for name in ("loss", "penalty")}
    parts["metrics"] = list(trainer.metrics)
    names = ("scheduler_interval", "clip_grad_norm", "clip_grad_value", "seed", "compile")
    chosen = {name: getattr(trainer, name) for name in names}
    return {**chosen, **parts, **versions()}
