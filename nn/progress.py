"""The words of `fit` while it runs: a progress bar, and after Ctrl-C how to go on."""

import math
import sys
from typing import Any

from tqdm import tqdm

from .showing import in_notebook


def progress_bar(total: int, initial: int, shown: bool) -> Any:
    """A bar of batches; in a notebook as plain output, since what goes to stderr stands on red there."""
    file = sys.stdout if in_notebook() else None
    return tqdm(total=total, initial=initial, disable=not shown, unit="batch", file=file)


def say_stopped(trainer: Any) -> None:
    """Says where Ctrl-C has stopped a training and how it goes on."""
    if settings := trainer.history.settings:
        batches = math.ceil(settings["X"] / settings["batch_size"])
        print(
            f"Stopped in epoch {trainer.epoch + 1}, after {trainer.batch} of {batches} batches. Call fit with the same "
            f"data and sizes to go on from there, or nn.save(trainer, path) to go on another day.",
            file=sys.stdout if in_notebook() else sys.stderr,
        )
