"""Optimizers. Each is one pure rule on scalars: (parameter, gradient, state) -> (new parameter, new state).

The state is a tuple of numbers, empty before the first step. The options stand in the rule's signature, behind the `*`,
and are what the constructor takes. So a rule can be read beside its formula, and records a graph if it gets Values.
Where PyTorch's rule differs from a paper's, PyTorch's is followed.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from autograd import Value, clamp, dot, gradients, maximum, sqrt
from autograd.extend import assign

from .nested import number_in_state
from .options import Configured
from .randomness import counter_uniform

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
        if any(x < 0.0 for entries in numbers for i, x in enumerate(entries) if i in self.unsigned):
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


class SGD(Optimizer):
    """Stochastic gradient descent: p = p - lr v with v = momentum v + (1 - dampening) g, or v = g without momentum.

    v starts as the first g. Nesterov: p = p - lr (g + momentum v). weight_decay adds weight_decay p to g. This is
    PyTorch's form (Sutskever et al. 2013 with the learning rate outside). Some courses write v = beta v + (1 - beta) g
    and p = p - lr' v: the same path, step for step, with momentum = beta and lr' = lr / (1 - beta).
    """

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError for nesterov without momentum, or with dampening."""
        super().check(options)
        if options["nesterov"] and (not options["momentum"] or options["dampening"]):
            raise ValueError("SGD expected momentum above 0 and no dampening with nesterov=True")

    def rule(
        self, parameter: Any, gradient: Any, state: State, *, lr: Any = 1e-3, momentum: float = 0.0,
        dampening: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False,
    ) -> Moved:  # fmt: skip
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        if not momentum:
            return parameter - lr * gradient, ()
        velocity = momentum * state[0] + (1.0 - dampening) * gradient if state else gradient
        step = gradient + momentum * velocity if nesterov else velocity
        return parameter - lr * step, (velocity,)


class Adagrad(Optimizer):
    """p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps) with s = s + g**2 (Duchi, Hazan and Singer 2011).

    s starts at initial_accumulator_value. weight_decay adds weight_decay p to g.
    """

    unsigned = (0, 1)

    def rule(
        self, parameter: Any, gradient: Any, state: State, *, lr: Any = 1e-2, lr_decay: float = 0.0,
        weight_decay: float = 0.0, initial_accumulator_value: float = 0.0, eps: float = 1e-10,
    ) -> Moved:  # fmt: skip
        past, total = state or (0.0, initial_accumulator_value)
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        total = total + gradient * gradient
        rate = lr / (1.0 + past * lr_decay)
        return parameter - rate * gradient / (total**0.5 + eps), (past + 1.0, total)


class Adadelta(Optimizer):
    """p = p - lr d with d = sqrt(u + eps) / sqrt(s + eps) g, where s and u are running means of g**2 and d**2 in which
    the past counts rho (Zeiler 2012). weight_decay adds weight_decay p to g."""

    unsigned = (0, 1)

    def rule(
        self, parameter: Any, gradient: Any, state: State, *, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> Moved:  # fmt: skip
        square, moves = state or (0.0, 0.0)
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        square = rho * square + (1.0 - rho) * gradient * gradient
        move = ((moves + eps) / (square + eps)) ** 0.5 * gradient
        moves = rho * moves + (1.0 - rho) * move * move
        return parameter - lr * move, (square, moves)


class RMSprop(Optimizer):
    """p = p - lr g / (sqrt(s) + eps) where s is a running mean of g**2 in which the past counts alpha (Tieleman and
    Hinton 2012, with eps outside the root as in PyTorch).

    centered: s - m**2 in the place of s, with m the running mean of g, and 0 where rounding makes that negative, which
    PyTorch lets become nan. momentum: b = momentum b + the fraction, and
    p = p - lr b. weight_decay adds weight_decay p to g.
    """

    unsigned = (0,)

    def rule(
        self, parameter: Any, gradient: Any, state: State, *, lr: Any = 1e-2, alpha: float = 0.99,
        eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False,
    ) -> Moved:  # fmt: skip
        square, mean, buffer = state or (0.0, 0.0, 0.0)
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        square = alpha * square + (1.0 - alpha) * gradient * gradient
        if centered:
            mean = alpha * mean + (1.0 - alpha) * gradient
        spread = maximum(square - mean * mean, 0.0) if centered else square  # below 0 by rounding only
        buffer = momentum * buffer + gradient / (sqrt(spread) + eps)
        return parameter - lr * buffer, (square, mean, buffer)


class Adam(Optimizer):
    """p = p - lr m' / (sqrt(v') + eps): m and v are running means of g and g**2 in which the past counts betas, and
    m' = m / (1 - beta1**t), v' = v / (1 - beta2**t) make up for their start at 0 (Kingma and Ba 2015, algorithm 1).

    weight_decay adds weight_decay p to g. amsgrad: the largest v so far in the place of v (Reddi et al. 2018).
    """

    unsigned = (0, 2, 3)

    def rule(
        self, parameter: Any, gradient: Any, state: State, *, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0.0, amsgrad: bool = False,
    ) -> Moved:  # fmt: skip
        (beta1, beta2), (step, mean, square, largest) = betas, state or (0.0, 0.0, 0.0, 0.0)
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        step = step + 1.0
        mean = beta1 * mean + (1.0 - beta1) * gradient
        square = beta2 * square + (1.0 - beta2) * gradient * gradient
        if amsgrad:
            largest = maximum(largest, square)
        root = ((largest if amsgrad else square) / (1.0 - beta2**step)) ** 0.5
        return parameter - lr * mean / (1.0 - beta1**step) / (root + eps), (step, mean, square, largest)


class AdamW(Adam):
    """`Adam` with weight decay of its own: p = p - lr weight_decay p, then Adam's step; g and its running means are
    left alone (Loshchilov and Hutter 2019)."""

    def rule(
        self, parameter: Any, gradient: Any, state: State, *, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False,
    ) -> Moved:  # fmt: skip
        parameter = parameter - lr * weight_decay * parameter
        return super().rule(parameter, gradient, state, lr=lr, betas=betas, eps=eps, amsgrad=amsgrad)


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead: p = p - lr ((1 - mu) g / (1 - M) + mu' m / (1 - M mu')) / (sqrt(v') + eps), with
    mu = beta1 (1 - 0.96**(t momentum_decay) / 2), mu' the next one and M the product of all so far (Dozat 2016).

    weight_decay adds weight_decay p to g.
    """

    unsigned = (0, 2, 3)

    def rule(
        self, parameter: Any, gradient: Any, state: State, *, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0.0, momentum_decay: float = 4e-3,
    ) -> Moved:  # fmt: skip
        (beta1, beta2), (step, mean, square, product) = betas, state or (0.0, 0.0, 0.0, 1.0)
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        step = step + 1.0
        mean = beta1 * mean + (1.0 - beta1) * gradient
        square = beta2 * square + (1.0 - beta2) * gradient * gradient
        mu, following = (beta1 * (1.0 - 0.5 * 0.96 ** (t * momentum_decay)) for t in (step, step + 1.0))
        product = product * mu
        ahead = (1.0 - mu) / (1.0 - product) * gradient + following / (1.0 - product * following) * mean
        root = (square / (1.0 - beta2**step)) ** 0.5
        return parameter - lr * ahead / (root + eps), (step, mean, square, product)


class Sophia(Optimizer):
    """p = p - lr weight_decay p - lr clip(m / max(gamma h, eps), -1, 1): m is the running mean of g, and h that of the
    Hessian's diagonal, renewed every `estimate_every` steps (Liu et al. 2023, algorithm 3).

    `estimate(loss)` draws Hutchinson's estimate u (H u) with random signs u, by differentiating the gradient again; the
    `Trainer` calls it. seed: decides the signs.
    """

    def __init__(
        self, params: Iterable[Any], *args: Any, estimate_every: int = 10, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(params, *args, **options)
        self.estimate_every, self.seed, self.estimates = estimate_every, seed, 0
        self._diagonal: list[float] | None = None

    def estimate(self, loss: Value) -> None:
        signs = self.signs()
        slopes = gradients(loss, self.parameters, create_graph=True)
        self.estimated(signs, gradients(dot(slopes, signs), self.parameters))

    def estimated(self, signs: Sequence[float], products: Sequence[float]) -> None:
        """Takes over H u for these signs u. Raises FloatingPointError if it is not finite."""
        diagonal = [sign * product for sign, product in zip(signs, products, strict=True)]
        if not all(map(math.isfinite, diagonal)):
            raise FloatingPointError("the estimate of the Hessian is not finite; is the loss smooth at these weights?")
        self._diagonal = diagonal
        self.estimates += 1

    def signs(self) -> list[float]:
        """The signs u of the next estimate."""
        draws = [counter_uniform(self.seed, self.estimates, i) for i in range(len(self.parameters))]
        return [1.0 if x < 0.5 else -1.0 for x in draws]

    def besides(self) -> list[Sequence[Any]]:
        return [] if self._diagonal is None else [self._diagonal]

    def forget(self) -> None:
        self._diagonal = None

    def rule(
        self, parameter: Any, gradient: Any, state: State, hessian: Any = None, *, lr: Any = 1e-2,
        betas: tuple[float, float] = (0.96, 0.99), gamma: float = 0.01, eps: float = 1e-12, weight_decay: float = 0.0,
    ) -> Moved:  # fmt: skip
        (beta1, beta2), (mean, curvature) = betas, state or (0.0, 0.0)
        mean = beta1 * mean + (1.0 - beta1) * gradient
        if hessian is not None:
            curvature = beta2 * curvature + (1.0 - beta2) * hessian
        step = clamp(mean / maximum(gamma * curvature, eps), -1.0, 1.0)
        return parameter - lr * weight_decay * parameter - lr * step, (mean, curvature)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "estimates": self.estimates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over such a state. Raises ValueError without a count of estimates."""
        estimates = state["estimates"]
        if type(estimates) is not int:
            raise ValueError(f"the state of Sophia has a count as estimates, got {estimates!r}")
        super().load_state_dict(state)
        self.estimates = estimates

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, estimate_every={self.estimate_every}, seed={self.seed})"
