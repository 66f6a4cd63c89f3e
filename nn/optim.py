"""Optimizers. Each is one pure rule on scalars: (parameter, gradient, state) -> (new parameter, new state).

The state is a tuple of numbers, empty before the first step. The options stand in the rule's signature, behind the `*`,
and are what the constructor takes. So a rule can be read beside its formula, and records a graph if it gets Values.
Where PyTorch's rule differs from a paper's, PyTorch's is followed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autograd import Value, clamp, dot, gradients, maximum, sqrt

from .optimizer import Moved, Optimizer, State
from .randomness import counter_uniform


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
