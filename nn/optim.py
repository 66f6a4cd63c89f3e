"""Optimizers. Each is one pure rule on scalars: (parameter, gradient, state) -> (new parameter, new state)."""

from collections.abc import Iterable
from typing import Any

from autograd import Value


class Optimizer:
    """Applies its `rule` to each parameter at every `step`. State is kept here, by the parameter's position."""

    def __init__(self, parameters: Iterable[Value], lr: Any) -> None:
        if hasattr(parameters, "parameters"):
            raise TypeError(f"{type(self).__name__} expected parameters, got a module; write model.parameters()")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError(
                f"{type(self).__name__} expected parameters, got none; does the model keep them in its attributes?"
            )
        for p in self.parameters:
            if not isinstance(p, Value) or p.primitive is not None:
                raise TypeError(f"{type(self).__name__} expected leaf Values such as model.parameters(), got {p!r}")
        if isinstance(lr, str) or not lr >= 0:
            raise ValueError(f"{type(self).__name__} expected a learning rate >= 0, got {lr!r}")
        self.lr: float = lr
        self.state: list[Any] = [None] * len(self.parameters)

    def rule(self, parameter: float, gradient: float, state: Any) -> tuple[float, Any]:
        """The new parameter and state; the state is None at first."""
        raise NotImplementedError(f"{type(self).__name__} needs a method rule(self, parameter, gradient, state)")

    def step(self) -> None:
        """Moves every parameter once, by its `.grad`. All new numbers are computed before the first is written."""
        moved = [self.rule(p.data, p.grad, state) for p, state in zip(self.parameters, self.state, strict=True)]
        for i, (data, state) in enumerate(moved):
            self.parameters[i].data, self.state[i] = data, state

    def zero_grad(self) -> None:
        """Sets every parameter's `.grad` to 0."""
        for p in self.parameters:
            p.grad = 0.0


class SGD(Optimizer):
    """Stochastic gradient descent, as PyTorch defines it (Sutskever et al. 2013 with the learning rate outside).

    v = momentum * v + g, and p = p - lr * v; with Nesterov, p = p - lr * (g + momentum * v). v starts as the first g.
    lr >= 0. momentum >= 0; 0 is plain p = p - lr * g. Raises ValueError otherwise, and for nesterov without momentum.
    """

    def __init__(
        self, parameters: Iterable[Value], lr: float = 1e-3, momentum: float = 0.0, *, nesterov: bool = False
    ) -> None:
        super().__init__(parameters, lr)
        if not momentum >= 0:
            raise ValueError(f"SGD expected a momentum >= 0, got {momentum!r}")
        if nesterov and not momentum:
            raise ValueError("SGD expected a momentum above 0 with nesterov=True, got 0")
        self.momentum = momentum
        self.nesterov = nesterov

    def rule(self, parameter: float, gradient: float, state: Any) -> tuple[float, Any]:
        velocity = gradient if state is None else self.momentum * state + gradient
        step = gradient + self.momentum * velocity if self.nesterov else velocity if self.momentum else gradient
        return parameter - self.lr * step, velocity
