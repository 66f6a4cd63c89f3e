"""Checks of the arguments of `Trainer`, and of a state that it takes over: errors say what was expected."""

import math
from collections.abc import Mapping
from typing import Any

from .data import as_lists, check_paired, paired
from .module import Module
from .nested import column_names, flat, is_list, number_in_state
from .optimizer import Optimizer
from .schedulers import ReduceLROnPlateau, Scheduler

COUNTS = ("epoch", "batch", "steps", "waited", "told")
COUNTERS = (*COUNTS, "finished", "sums", "best_loss", "best_state")


def check_parts(
    model: Any, loss: Any, optimizer: Any, scheduler: Any, interval: Any, limits: Mapping[str, Any]
) -> None:
    """TypeError or ValueError for what makes no trainer."""
    if interval not in ("epoch", "batch"):
        raise ValueError(f"Trainer expected scheduler_interval 'epoch' or 'batch', got {interval!r}")
    if interval == "batch" and isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("ReduceLROnPlateau looks at whole epochs; leave out scheduler_interval='batch'")
    _check("a model", model, Module)
    _check("an optimizer", optimizer, Optimizer)
    if scheduler is not None:
        _check("a scheduler", scheduler, Scheduler)
    if not callable(loss) or isinstance(loss, type):
        raise TypeError(f"Trainer expected a loss as a function such as nn.mse_loss, got {loss!r}")
    for name, limit in limits.items():
        if limit is not None and (not hasattr(limit, "__float__") or not limit > 0):
            raise ValueError(f"Trainer expected {name} above 0, or None, got {limit!r}")
    if {*model.parameters()}.isdisjoint(optimizer.parameters):
        raise ValueError("the optimizer has no parameter of the model; make it with model.parameters() of this one")
    if scheduler is not None and scheduler.optimizer is not optimizer:
        raise ValueError("the scheduler belongs to another optimizer; make it with the one that the Trainer gets")


def _check(what: str, x: Any, kind: type) -> None:
    if not isinstance(x, kind):
        hint = "; write () behind its name" * isinstance(x, type)
        raise TypeError(f"Trainer expected {what}, got {x!r}{hint}")


def check_batch(X: Any, Y: Any) -> None:
    """TypeError and ValueError unless there is a target for each example."""
    try:
        examples, targets = len(X), len(Y)
    except TypeError:
        raise TypeError("step expected a batch, lists of examples and targets; write step([x], [y]) for one") from None
    if examples != targets:
        raise ValueError(f"step expected as many targets as examples, got {examples} examples and {targets} targets")


def check_fit(X: Any, Y: Any, validation: Any, callbacks: Any, sizes: Mapping[str, Any]) -> Any:
    """The validation data as lists. TypeError or ValueError for what `fit` cannot be called with."""
    check_paired(X, Y)
    if not isinstance(callbacks, list | tuple):
        raise TypeError(f"fit expected callbacks in a list, such as [monitor], got {callbacks!r}")
    for name, number in sizes.items():
        least = int(name != "epochs")
        if number is not None and (not hasattr(number, "__index__") or number < least):
            raise ValueError(f"fit expected {name} as a whole number of at least {least}, got {number!r}")
    if validation is not None:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            entries = isinstance(validation, tuple | list)
            got = f"{len(validation)} entries" if entries else f"one {type(validation).__name__}"
            raise ValueError(
                f"fit expected validation=(examples, targets), got {got}; nn.train_validation_test_split splits data"
            )
        return paired(*validation)
    if sizes["patience"] is not None or sizes["validate_every"] is not None:
        raise ValueError("fit expected validation=(examples, targets) with patience or validate_every")
    return None


def why_ill(loss: float, compiled: bool) -> str:
    """An error's text for a loss or a gradient that is not finite."""
    search = "with autograd.detect_anomaly()" + " and compile=False" * compiled
    if math.isnan(loss):
        return f"the loss became nan; look for nan in the data, lower the learning rate, or find the operation {search}"
    return (
        f"the loss is {loss:.4g}, but its gradient is not finite; lower the learning rate or the initial weights, or "
        f"look for the cause {search}"
    )


def nan_in(X: Any, Y: Any) -> str:
    """The place of the first nan among examples and targets, for the end of an error's text; empty if there is none."""
    for kind, data in (("example", X), ("target", Y)):
        names = column_names(data)
        for i, row in enumerate(as_lists(data)):
            for k, x in enumerate(flat(row)):
                if not isinstance(x, str) and x != x:
                    where = f" in column {names[k]!r}" if k < len(names) else f" at position {k}" * is_list(row)
                    return f"; {kind} {i} has nan{where}"
    return ""


def counters_of(state: Mapping[str, Any], has_scheduler: bool) -> dict[str, Any]:
    """The counters in the state of a trainer. ValueError if they are none, or those of a trainer built otherwise."""
    counters = {name: state[name] for name in COUNTERS}
    for name in COUNTS:
        if type(counters[name]) is not int or not 0 <= counters[name] < 2**53:
            raise ValueError(f"the state of a Trainer has a count as {name}, got {counters[name]!r}")
    if len(counters["sums"]) != 2:
        raise ValueError(f"the state of a Trainer has two sums, got {counters['sums']!r}")
    if type(counters["finished"]) is not bool:
        raise ValueError(f"the state of a Trainer is finished or not, true or false, got {counters['finished']!r}")
    counters["sums"] = list(map(number_in_state, counters["sums"]))
    if counters["sums"][1] < 0.0:
        raise ValueError(f"the state of a Trainer has a sum of lengths, got {counters['sums'][1]}")
    counters["best_loss"] = number_in_state(counters["best_loss"])
    counters["best_state"] = {name: number_in_state(x) for name, x in counters["best_state"].items()}
    if counters["best_state"] and counters["best_state"].keys() != state["model"].keys():
        raise ValueError("the state of a Trainer has best weights of another model than its own")
    if ("scheduler" in state) != has_scheduler:
        kind = state["scheduler"].get("kind") if "scheduler" in state else "none"
        raise ValueError(f"the state is of a Trainer whose schedule was {kind}; build this one alike, by scheduler=")
    return counters
