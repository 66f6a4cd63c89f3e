"""Schedules of the learning rate, with PyTorch's names. Each is a formula: `rate(base, t)` after t steps from the rate
`base` that the optimizer began with. Call `step()` after each epoch, or give the schedule to the `Trainer`.

A rate that a schedule left is followed by `rate(base, t)`. Another one, set by hand or by a second schedule, is moved
as the formula moves, from where it is: multiplied with rate(base, t) / rate(base, t - 1), above the formula's own floor
such as eta_min. So two schedules that are stepped one after the other multiply, as PyTorch's chainable forms do. A rate
that is no multiple of `base`, as that of `OneCycleLR`, is simply set. `load_state_dict` sets the rates and options of
the run that was saved, whatever was built or loaded first.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from autograd import Value
from autograd.extend import as_float

from .nested import number_in_state
from .optimizer import Optimizer
from .options import Changes, Configured, plain, restore, saved_options

COUNTS = ("last_epoch", "bad", "cooling")
OWN = (*COUNTS, "optimizer", "options", "base_lrs", "found", "left", "best", "_latest")
"""The attributes of a schedule that are never options."""


class Scheduler(Configured):
    """Sets the optimizer's learning rates when it is made and at every `step`. Options such as `gamma` can be read and
    changed. Raises TypeError for anything but an optimizer.

    A schedule of your own:

    >>> from autograd import Value
    >>> from nn import SGD
    >>> class InverseRoot(Scheduler):
    ...     def rate(self, base, t, *, warmup=4):
    ...         return base * min(1.0, (t + 1) / warmup, (warmup / (t + 1)) ** 0.5)
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule, rates = InverseRoot(optimizer, warmup=2), []
    >>> for epoch in range(4):
    ...     rates.append(round(optimizer.lr, 2))
    ...     schedule.step()
    >>> rates
    [0.5, 1.0, 0.82, 0.71]
    """

    formula, subject = "rate", "optimizer"

    def __init__(self, optimizer: Optimizer, *args: Any, **options: Any) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__} expected an optimizer first, got {optimizer!r}")
        self.optimizer = optimizer
        self.options = self._bind(args, options)
        self.check(self.options)
        self.begin()
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self.last_epoch, self._latest = -1, list[float]()  # and the formula's rates then, if they are known
        self.found = self.get_last_lr()  # and what the first step made of them
        self.step()
        self.left = self.get_last_lr()

    def __getattr__(self, name: str) -> Any:
        if name in (options := vars(self).get("options", {})):
            return options[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __setattr__(self, name: str, x: Any) -> None:
        if name in (options := vars(self).get("options", {})) and name not in OWN:
            if isinstance(options[name], list | tuple) != isinstance(x, list | tuple):
                raise ValueError(
                    f"{type(self).__name__} expected {name} as something like {options[name]!r}, got {x!r}"
                )
            self.check(changed := {**options, name: plain(x)})
            name, x, self._latest = "options", changed, []
        super().__setattr__(name, x)

    def begin(self) -> None:
        """Anything to be done when a schedule is made, before it sets rates; nothing, unless it says otherwise."""

    def rate(self, *args: Any, **options: Any) -> float:
        """(base, t, *, options) -> the learning rate after t steps."""
        raise NotImplementedError(f"{type(self).__name__} needs a method rate(self, base, t)")

    def step(self) -> None:
        """Goes on to the next learning rate. Raises ValueError if `rate` returns no learning rate."""
        own = vars(self)  # once a batch, perhaps, so that no time is lost
        t, groups = own["last_epoch"] + 1, self.optimizer.param_groups
        before = own["_latest"] if t and own["_latest"] else self._before(t)
        rates = after = [self._rate(base, t) for base in self.base_lrs]
        if [group["lr"] for group in groups] != before:
            rates = [
                y if group["lr"] == x else self._moved(group["lr"], base, t, x, y)
                for group, base, x, y in zip(groups, self.base_lrs, before, after, strict=True)
            ]
        own["last_epoch"], own["_latest"] = t, after
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self.arrive(t)

    def arrive(self, t: int) -> None:
        """Sets further options of the optimizer after t steps; none, unless a schedule says otherwise."""

    def _before(self, t: int) -> list[float]:
        """The formula's rates one step before."""
        if not t:
            return self.base_lrs
        return [self._rate(base, t - 1) for base in self.base_lrs]

    def _moved(self, now: float, base: float, t: int, before: float, after: float) -> float:
        """The rate after t steps, from another one than the formula's."""
        if before == after != 0.0:  # where the formula does not move, neither does another rate
            return now
        low, low_after = self._rate(0.0, t - 1) if t else 0.0, self._rate(0.0, t)
        for start in (base, 1.0):  # a base of 0 tells nothing
            old, new = self._rate(start, t - 1) if t else start, self._rate(start, t)
            if old != low:
                return max(low_after + (now - low) * (new - low_after) / (old - low), 0.0)
        if before == after:  # as a formula does that has come to 0
            return now
        return after if after == low_after else max(now + after - before, 0.0)

    def _rate(self, base: float, t: int) -> float:
        rate = self.rate(base, t, **self.options)
        if not hasattr(rate, "__float__") or not 0.0 <= rate < math.inf:
            raise ValueError(f"{type(self).__name__}.rate has to return a learning rate >= 0, got {rate!r}")
        return rate

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The position of the schedule, as plain data."""
        return {
            "kind": type(self).__name__,
            "base_lrs": self.base_lrs,
            "last_epoch": self.last_epoch,
            "last_lrs": self.get_last_lr(),
            "options": saved_options(self.options),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state_dict`, and sets the learning rates and options that were there then; an option that is a
        function stays. Raises ValueError for another kind, and changes nothing if the state is damaged."""
        kind = type(self).__name__
        known = self.state_dict().keys()
        if (
            state.get("kind") != kind or not known - {"last_lrs", "options"} <= state.keys() <= known
        ):  # older ones lack some
            raise ValueError(f"the state is of {state.get('kind')}, but this is {kind}")
        count = len(self.base_lrs)
        new: dict[str, Any] = {name: x for name, x in state.items() if name not in ("kind", "last_lrs")}
        new["base_lrs"] = rates_of(state["base_lrs"], count, kind)
        changes: Changes = []
        if "options" in new:
            saved = new.pop("options")
            if not isinstance(saved, dict) or saved.keys() != self.options.keys():
                raise ValueError(f"the state of {kind} has the options {saved!r} where this has {self.options!r}")
            restore(self, saved, changes)
        if "best" in new:
            new["best"] = number_in_state(new["best"])
        best = new.get("best", 0.0)
        if best != best or any(type(x) is not int or not 0 <= x < 2**53 for name, x in new.items() if name in COUNTS):
            raise ValueError(f"the state of {kind} is damaged: {dict(state)}")
        last = rates_of(state["last_lrs"], count, kind) if "last_lrs" in state else self.get_last_lr()
        vars(self).update(new)
        for schedule, options in changes:
            vars(schedule).update(options=options, _latest=[])
        for group, rate in zip(self.optimizer.param_groups, last, strict=True):
            group["lr"] = rate

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={x!r}' for name, x in self.options.items())})"


def rates_of(rates: Any, count: int, kind: str) -> list[float]:
    """Learning rates in a state, one for each group. Raises ValueError if they are none."""
    if not isinstance(rates, list) or len(rates) != count:
        raise ValueError(f"the state of {kind} has {count} learning rates, got {rates!r}")
    found = list(map(number_in_state, rates))
    if not all(0.0 <= rate < math.inf for rate in found):
        raise ValueError(f"the state of {kind} has learning rates of at least 0, got {rates!r}")
    return found


class StepLR(Scheduler):
    """base x gamma**(t // step_size)."""

    def rate(self, base: float, t: int, *, step_size: int, gamma: float = 0.1) -> float:
        return float(base * gamma ** (t // step_size))


class MultiStepLR(Scheduler):
    """base x gamma for each of the `milestones` that t has reached."""

    def rate(self, base: float, t: int, *, milestones: Sequence[int], gamma: float = 0.1) -> float:
        return float(base * gamma ** bisect.bisect_right(sorted(milestones), t))


class ExponentialLR(Scheduler):
    """base x gamma**t."""

    def rate(self, base: float, t: int, *, gamma: float) -> float:
        return float(base * gamma**t)


class LinearLR(Scheduler):
    """base x a factor that goes from start_factor to end_factor in total_iters steps and stays: by default a
    warm-up."""

    def rate(
        self, base: float, t: int, *, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> float:
        return base * (start_factor + (end_factor - start_factor) * min(t, total_iters) / total_iters)


class CosineAnnealingLR(Scheduler):
    """eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2 (Loshchilov and Hutter 2017, without restarts)."""

    def rate(self, base: float, t: int, *, T_max: int, eta_min: float = 0.0) -> float:
        return eta_min + (base - eta_min) * (1.0 + math.cos(math.pi * t / T_max)) / 2.0


class SequentialLR(Scheduler):
    """One schedule after the other: the next one begins at each of the `milestones`.

    A warm-up of 5 epochs, then a cosine over 45:

    >>> from autograd import Value
    >>> from nn import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> warmup, cosine = LinearLR(optimizer, 0.2, total_iters=5), CosineAnnealingLR(optimizer, 45)
    >>> schedule, rates = SequentialLR(optimizer, [warmup, cosine], [5]), []
    >>> for epoch in range(50):
    ...     rates.append(round(optimizer.lr, 3))
    ...     schedule.step()
    >>> rates[:6], rates[-1]
    ([0.2, 0.36, 0.52, 0.68, 0.84, 1.0], 0.001)
    """

    def rate(self, base: float, t: int, *, schedulers: Sequence[Scheduler], milestones: Sequence[int]) -> float:
        i = bisect.bisect_right(milestones, t)
        return schedulers[i].rate(base, t - (milestones[i - 1] if i else 0), **schedulers[i].options)

    def arrive(self, t: int) -> None:
        self._latest = []  # the options of one of the schedules may change before the next step
        schedulers, milestones = self.options["schedulers"], self.options["milestones"]
        i = bisect.bisect_right(milestones, t)
        schedulers[i].arrive(t - (milestones[i - 1] if i else 0))

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError unless there is a rising milestone between each two schedules of this optimizer by
        epoch."""
        schedulers, milestones = options["schedulers"], options["milestones"]
        whole = all(hasattr(milestone, "__index__") and milestone >= 0 for milestone in milestones)
        if not whole or len(milestones) != len(schedulers) - 1 or sorted(milestones) != list(milestones):
            raise ValueError(
                f"SequentialLR expected a milestone between each two of {len(schedulers)} schedules, rising, got "
                f"{list(milestones)}"
            )
        for scheduler in schedulers:
            if isinstance(scheduler, ReduceLROnPlateau) or scheduler.optimizer is not self.optimizer:
                raise ValueError(f"SequentialLR expected schedules by epoch of its own optimizer, got {scheduler!r}")

    def begin(self) -> None:
        """The schedules' own beginnings are undone."""
        for scheduler in reversed(self.options["schedulers"]):
            for group, found, left in zip(self.optimizer.param_groups, scheduler.found, scheduler.left, strict=True):
                if group["lr"] == left:
                    group["lr"] = found


class OneCycleLR(Scheduler):
    """From max_lr / div_factor up to max_lr, then down to max_lr / div_factor / final_div_factor, in total_steps steps
    along two half cosines (Smith and Topin 2018). Step it after each batch: `Trainer(..., scheduler_interval="batch")`.

    pct_start: the share of the way up. cycle_momentum: SGD's momentum, or beta1, goes from max_momentum down to
    base_momentum and back. Raises ValueError for more steps than total_steps.
    """

    def rate(
        self, base: float, t: int, *, max_lr: float, total_steps: int, pct_start: float = 0.3,
        cycle_momentum: bool = True, base_momentum: float = 0.85, max_momentum: float = 0.95, div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> float:  # fmt: skip
        """Raises ValueError after total_steps, and for options that do not fit."""
        if t > total_steps:
            raise ValueError(f"OneCycleLR expected at most {total_steps} steps, got one more")
        top = pct_start * total_steps - 1.0
        if top in (0.0, total_steps - 1.0):
            raise ValueError(f"OneCycleLR expected steps up and steps down, got pct_start {pct_start} of {total_steps}")
        return _one_cycle(t, top, total_steps, max_lr / div_factor, max_lr, max_lr / div_factor / final_div_factor)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError for options out of their ranges."""
        super().check(options)
        for name in ("div_factor", "final_div_factor"):
            if not options[name] > 0:
                raise ValueError(f"OneCycleLR expected {name} above 0, got {options[name]!r}")

    def arrive(self, t: int) -> None:
        """Sets the momentum. Raises ValueError for an optimizer without."""
        options = self.options
        total, high, low = options["total_steps"], options["max_momentum"], options["base_momentum"]
        for group in self.optimizer.param_groups if options["cycle_momentum"] else ():
            momentum = _one_cycle(t, options["pct_start"] * total - 1.0, total, high, low, high)
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif "momentum" in group:
                group["momentum"] = momentum
            else:
                raise ValueError("OneCycleLR expected an optimizer with momentum or betas, or cycle_momentum=False")


def _one_cycle(t: int, top: float, total: int, start: float, middle: float, end: float) -> float:
    """From start to middle at `top`, and on to the end: two half cosines."""
    start, end, share = (start, middle, t / top) if t <= top else (middle, end, (t - top) / (total - 1.0 - top))
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0


class ReduceLROnPlateau(Scheduler):
    """Multiplies the learning rate with `factor` when a measured number, given to `step(metric)`, has not got better
    for more than `patience` steps, and then waits for `cooldown` steps; never below min_lr.

    mode: "min" or "max" is better. threshold: by how much it has to be better, as a share of the best's size with
    threshold_mode "rel", which holds for negative numbers too, unlike in PyTorch; or as a number with "abs". The
    `Trainer` gives the validation loss, or without validation the training loss.
    """

    def rate(
        self, base: float, t: int, *, mode: str = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: float = 0.0, eps: float = 1e-8,
    ) -> float:  # fmt: skip
        """The rate after one more reduction."""
        lower = max(base * factor, min_lr)
        return lower if base - lower > eps else base

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError for another mode or a factor outside (0, 1)."""
        super().check(options)
        if options["mode"] not in ("min", "max") or not 0 < options["factor"] < 1:
            raise ValueError(
                f"ReduceLROnPlateau expected mode 'min' or 'max' and a factor in (0, 1), got {options['mode']!r} and "
                f"{options['factor']}"
            )
        if options["threshold_mode"] not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau expected threshold_mode 'rel' or 'abs', got {options['threshold_mode']!r}"
            )

    def begin(self) -> None:
        """No number was seen yet."""
        self.best, self.bad, self.cooling = math.inf if self.options["mode"] == "min" else -math.inf, 0, 0

    def __setattr__(self, name: str, x: Any) -> None:
        super().__setattr__(name, x)
        if name == "mode":
            self.begin()

    def step(self, metric: Any = None) -> None:
        """Looks at the number, and lowers the learning rate if there was no progress. Raises TypeError without a
        number.
        """
        self.last_epoch += 1
        if metric is None:
            if self.last_epoch:
                raise TypeError("ReduceLROnPlateau.step expected the number to watch: step(validation_loss)")
            return
        metric = as_float(metric.data if isinstance(metric, Value) else metric)
        options, sign = self.options, -1.0 if self.options["mode"] == "min" else 1.0
        relative = options["threshold_mode"] == "rel" and math.isfinite(self.best)
        margin = options["threshold"] * (abs(self.best) if relative else 1.0)
        better = sign * metric > sign * self.best + margin
        self.best = metric if better else self.best
        self.bad = 0 if better or self.cooling else self.bad + 1
        self.cooling = max(self.cooling - 1, 0)
        if self.bad > options["patience"]:
            self.bad, self.cooling = 0, options["cooldown"]
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(group["lr"], self.last_epoch, **options)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "best": self.best, "bad": self.bad, "cooling": self.cooling}
