"""A small program as a user writes it: mypy --strict and pyright, strict too, have nothing to say about it."""

from typing import assert_type

from autograd import Value, atan2, dot, exp, grad, logsumexp, mean, step_through, tanh, value_and_grad, where
from autograd.drawing.stepper import StepThrough
from nn import MLP, SGD, History, Linear, Module, Trainer, cross_entropy, mse_loss


class Net(Module):
    def __init__(self, width: int) -> None:
        self.one = Linear(2, width)

    def forward(self, x: list[float]) -> Value:
        hidden: list[Value] = self.one(x)
        return mean([tanh(h) for h in hidden])


def f(x: float) -> float:
    return exp(x) * tanh(x)


a = Value(2.0, label="a")
b = tanh(a) + exp(a * 2) ** 0.5
assert_type(b, Value)
assert_type(tanh(1.0), float)
assert_type(atan2(a, 1.0), Value)
assert_type(where(a > 0, a, 1.0), Value)
assert_type(logsumexp([a, b]), Value)
assert_type(dot([a], [1.0]), Value)
assert_type(mse_loss([a, b], [1.0, 0.0]), Value)
assert_type(mse_loss([0.5], [1.0]), float)
assert_type(step_through(b), StepThrough)
slope: float = grad(f)(1.0)
value, first = value_and_grad(f)(1.0)
loss = cross_entropy([a, b], 1)
loss.backward()
model = MLP(2, [3, 1], "tanh")
trainer = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.1))
history = trainer.fit([[0.0, 1.0]], [1.0], epochs=1, progress=False)
assert_type(history, History)
