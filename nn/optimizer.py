"""The base of optimizers: groups of parameters, their options and states, and a step that moves all of them."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from autograd import Value
from autograd.extend import assign

from .nested import number_in_state
from .options import Configured

State = tuple[Any, ...]
Moved = tuple[Any, State]


class Optimizer(Configured):
    """Applies its `rule` to each parameter at every `step`. State is kept here, by the parameter's position.

    params: leaf Values such as `model.parameters()`, or groups of them with options of their own:
    `[{"params": a, "lr": 0.1}, {"params": b}]`. The options of each group can be read and changed in `param_groups`.
    Raises ValueError or TypeError for options out of range and for anything but leaf Values, each of them once.

    A rule of your own; `state` is a tuple of numbers that the rule gets back at the next step, and empty at the first:

    >>> class SignMomentum(Optimizer):
    ...     def rule(self, parameter, gradient, state, *, lr=0.01, beta=0.9):
    ...         (mean,) = state or (0.0,)
    ...         mean = beta * mean + (1.0 - beta) * gradient
    ...         return parameter - lr * ((mean > 0) - (mean < 0)), (mean,)
    >>> w = Value(1.0)
    >>> w.grad = 3.0
    >>> SignMomentum([w], lr=0.25).step()
    >>> w.data
    0.75
    """

    formula, subject = "rule", "params"
    unwatched = ("state", "parameters", "param_groups", "defaults", "_moved")
    """Attributes that a compiled rule is given, or does not read."""
    unsigned: ClassVar[tuple[int, ...]] = ()
    """The positions of numbers in a parameter's state that are never negative, such as a count of steps."""
    estimate_every: int = 0
    """After how many steps the `Trainer` calls `estimate(loss)` again; never if 0."""

    def __init__(self, params: Iterable[Any], *args: Any, **options: Any) -> None:
        kind = type(self).__name__
        if hasattr(params, "parameters") or not isinstance(params, Iterable):
            raise TypeError(
                f"{kind} expected a list of parameters, got one {type(params).__name__}; write model.parameters()"
            )
        entries = list(params)
        self.defaults = self._bind(args, options)
        if "lr" not in self.defaults and type(self).rule is not Optimizer.rule:
            raise TypeError(f"{kind}.rule needs its options behind a `*`, lr among them: rule(self, ..., *, lr=0.1)")
        self.param_groups: list[dict[str, Any]] = []
        for group in entries if entries and isinstance(entries[0], Mapping) else [{"params": entries}]:
            if not isinstance(group, Mapping) or "params" not in group:
                raise ValueError(f'{kind} expected groups such as {{"params": [...], "lr": 0.1}}, got {group!r}')
            own = {name: x for name, x in group.items() if name != "params"}
            self.check(bound := self._bind((), {**self.defaults, **own}))
            self.param_groups.append({"params": list(group["params"]), **bound})
        self.parameters: list[Value] = [p for group in self.param_groups for p in group["params"]]
        for p in self.parameters:
            if not isinstance(p, Value) or p.primitive is not None:
                raise TypeError(f"{kind} expected leaf Values such as model.parameters(), got {p!r}")
        if not self.parameters:
            raise ValueError(f"{kind} expected parameters, got none; does the model keep them in its attributes?")
        if len({*self.parameters}) < len(self.parameters):
            raise ValueError(f"{kind} expected each parameter once, got some of them twice")
        self.state: list[State] = [()] * len(self.parameters)
        self._moved = self.parameters.copy()  # those that the state belongs to

    def align(self) -> None:
        """Makes the state that of the parameters there are now, if some were added, removed or exchanged.

        ValueError if `parameters` and the groups differ.
        """
        now = [p for group in self.param_groups for p in group["params"]]
        if now == self._moved == self.parameters:
            return
        if len(now) != len(self.parameters) or {*now} != {*self.parameters}:
            raise ValueError(
                f"{type(self).__name__} has other parameters in its groups than in .parameters; change both "
                f'optimizer.parameters and the "params" of optimizer.param_groups'
            )
        known = dict(zip(self._moved, self.state, strict=True))
        self.state = [known.get(p, ()) for p in now]
        self.parameters, self._moved = now, now.copy()

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError for options out of their ranges."""
        super().check(options)
        if not options.get("eps", 1.0) > 0.0:
            raise ValueError(
                f"{type(self).__name__} expected eps > 0, got 0, by which a gradient of 0 would be divided"
            )

    def rule(self, *args: Any, **options: Any) -> Moved:
        """(parameter, gradient, state, *, options) -> (new parameter, new state)."""
        raise NotImplementedError(f"{type(self).__name__} needs a method rule(self, parameter, gradient, state, *, lr)")

    @property
    def lr(self) -> float:
        """The learning rate of the first group; assigning sets that of all groups."""
        rate: float = self.param_groups[0]["lr"]
        return rate

    @lr.setter
    def lr(self, rate: float) -> None:
        self.check({**{name: self.param_groups[0][name] for name in self.defaults}, "lr": rate})
        for group in self.param_groups:
            group["lr"] = rate

    def proposals(self, gradients: Sequence[float]) -> list[Moved]:
        """Each parameter and its state after a step by these gradients; nothing is changed. Raises TypeError if the
        rule does not return a new parameter and a tuple.
        """
        self.align()
        inputs, moved = [iter(numbers) for numbers in (gradients, self.state, *self.besides())], list[Moved]()
        for group in self.param_groups:
            rule = self.with_options({name: group[name] for name in self.defaults})
            found = list(map(rule, [p.data for p in group["params"]], *inputs))
            self.check_moved(found[0])
            moved += found
        return moved

    def check_moved(self, found: Any) -> None:
        """Raises TypeError unless this is what a rule has to return."""
        if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[1], tuple):
            raise TypeError(
                f"{type(self).__name__}.rule has to return (new parameter, new state), the state a tuple, got {found!r}"
            )

    def besides(self) -> list[Sequence[Any]]:
        """Further numbers for the rule at the next step, for each parameter."""
        return []

    def forget(self) -> None:
        """Forgets that, after a step."""

    def step(self) -> None:
        """Moves every parameter once, by its `.grad`. All new numbers are computed before the first is written."""
        moved, states = zip(*self.proposals([p.grad for p in self.parameters]), strict=True)
        assign(self.parameters, moved)
        self.state = list(states)
        self.forget()

    def zero_grad(self) -> None:
        """Sets every parameter's `.grad` to 0."""
        for p in self.parameters:
            p.grad = 0.0

    def estimate(self, loss: Value) -> None:
        """Learns from the loss something besides its gradient; nothing, unless a subclass says otherwise."""

    def state_dict(self) -> dict[str, Any]:
        """The state of each parameter and the options of each group, as plain data."""
        groups = [{name: x for name, x in group.items() if name != "params"} for group in self.param_groups]
        return {"kind": type(self).__name__, "state": [list(state) for state in self.state], "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state_dict`. Raises ValueError, and changes nothing, for another optimizer's or model's."""
        kind, groups = type(self).__name__, state["param_groups"]
        if state["kind"] != kind or len(state["state"]) != len(self.state) or len(groups) != len(self.param_groups):
            raise ValueError(
                f"the state is of {state['kind']} with {len(state['state'])} parameters in {len(groups)} groups, but "
                f"this is {kind} with {len(self.state)} in {len(self.param_groups)}; build it as it was when saved"
            )
        known, read = {*self.defaults, "initial_lr"}, []
        for options in groups:
            if not self.defaults.keys() <= options.keys() <= known:
                raise ValueError(
                    f"the state of {kind} has the options {', '.join(options)}, not {', '.join(self.defaults)}"
                )
            read.append({name: tuple(x) if isinstance(x, list) else x for name, x in options.items()})
            for name, default in self.defaults.items():
                if isinstance(default, bool) and type(options[name]) is not bool:
                    raise ValueError(f"{kind} expected {name} as true or false, got {options[name]!r}")
            self.check({name: read[-1][name] for name in self.defaults})
            if "initial_lr" in options and not 0.0 <= number_in_state(options["initial_lr"]) < math.inf:
                raise ValueError(f"{kind} expected initial_lr >= 0, got {options['initial_lr']!r}")
        numbers = [tuple(map(number_in_state, entries)) for entries in state["state"]]
        if not all(x >= 0.0 for entries in numbers for i, x in enumerate(entries) if i in self.unsigned):
            raise ValueError(f"the state of {kind} is damaged: a count or a mean of squares is below 0")
        self._check_lengths(numbers, read)
        for group, options in zip(self.param_groups, read, strict=True):
            group.update(options)
        self.state = numbers

    def _check_lengths(self, states: Sequence[State], options: Sequence[Mapping[str, Any]]) -> None:
        """ValueError if the rule cannot go on from these states, by group."""
        rest = iter(states)
        for group, own in zip(self.param_groups, options, strict=True):
            rule = self.with_options({name: own[name] for name in self.defaults})
            for state in {len(state): state for state in itertools.islice(rest, len(group["params"]))}.values():
                try:
                    rule(0.0, 0.0, state)
                except (ValueError, IndexError, TypeError):
                    raise ValueError(
                        f"the state of {type(self).__name__} is damaged: a parameter has {len(state)} numbers"
                    ) from None

    def __repr__(self) -> str:
        groups = [", ".join(f"{name}={group[name]!r}" for name in self.defaults) for group in self.param_groups]
        return f"{type(self).__name__}({groups[0] if len(groups) == 1 else ', '.join(f'({g})' for g in groups)})"
