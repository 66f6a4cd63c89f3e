"""What microgpt.py's model code does with its Value: a tiny transformer, Adam written out, all in plain operators."""

import math
import random

import pytest
from microgpt import gpt

from autograd import Value


class Plain:
    """The idea of that file's own class: local derivatives kept on the node, a recursive sort."""

    __slots__ = ("children", "data", "grad", "local")

    def __init__(self, data, children=(), local=()):
        self.data, self.grad, self.children, self.local = data, 0.0, children, local

    def lift(self, other):
        return other if isinstance(other, Plain) else Plain(other)

    def __add__(self, other):
        other = self.lift(other)
        return Plain(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = self.lift(other)
        return Plain(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k):
        return Plain(self.data**k, (self,), (k * self.data ** (k - 1),))

    def log(self):
        return Plain(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Plain(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self):
        return Plain(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * self.lift(other) ** -1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                for child in v.children:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            for child, local in zip(v.children, v.local, strict=True):
                child.grad += local * v.grad


def train(value, steps=3):
    """Trains on a tiny alphabet with Adam written out; losses of each step and the last parameters."""
    params, loss_of = gpt(value, random.Random(42), width=4, heads=2, block=4, vocabulary=5, spread=0.3)
    losses, m, v = [], [0.0] * len(params), [0.0] * len(params)
    for step in range(steps):
        loss = loss_of([0, 3, 1, 4, 2])
        loss.backward()
        for i, p in enumerate(params):
            m[i] = 0.85 * m[i] + 0.15 * p.grad
            v[i] = 0.99 * v[i] + 0.01 * p.grad**2
            p.data -= 0.01 * (m[i] / (1 - 0.85 ** (step + 1))) / ((v[i] / (1 - 0.99 ** (step + 1))) ** 0.5 + 1e-8)
            p.grad = 0
        losses.append(loss.data)
    return losses, [p.data for p in params]


def test_the_model_trains_the_same_with_its_own_class_deleted():
    losses, parameters = train(Value)
    expected_losses, expected_parameters = train(Plain)
    assert losses == pytest.approx(expected_losses, rel=1e-12)
    assert parameters == pytest.approx(expected_parameters, rel=1e-10)
    assert losses[-1] < losses[0]
