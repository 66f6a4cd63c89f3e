"""What microgpt.py's model code does with its Value: a tiny transformer, Adam written out, all in plain operators."""

import math
import random

import pytest

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
    """A one-layer transformer with two heads on a tiny alphabet; losses of each step and the last parameters."""
    rng = random.Random(42)
    width, heads, block, vocabulary = 4, 2, 4, 5

    def matrix(rows, columns):
        return [[value(rng.gauss(0, 0.3)) for _ in range(columns)] for _ in range(rows)]

    state = {name: matrix(vocabulary if name in ("wte", "head") else block if name == "wpe" else width, width)
             for name in ("wte", "wpe", "head", "wq", "wk", "wv", "wo")}  # fmt: skip
    state["fc1"], state["fc2"] = matrix(4 * width, width), matrix(width, 4 * width)
    params = [p for m in state.values() for row in m for p in row]

    def linear(x, w):
        return [sum(wi * xi for wi, xi in zip(row, x, strict=True)) for row in w]

    def softmax(logits):
        largest = max(v.data for v in logits)
        exps = [(v - largest).exp() for v in logits]
        total = sum(exps)
        return [e / total for e in exps]

    def rmsnorm(x):
        scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
        return [xi * scale for xi in x]

    def gpt(token, position, keys, values):
        x = rmsnorm([t + p for t, p in zip(state["wte"][token], state["wpe"][position], strict=True)])
        residual, x = x, rmsnorm(x)
        q = linear(x, state["wq"])
        keys.append(linear(x, state["wk"]))
        values.append(linear(x, state["wv"]))
        attended, size = [], width // heads
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            scores = [sum(a * b for a, b in zip(q[part], k[part], strict=True)) / size**0.5 for k in keys]
            weights = softmax(scores)
            attended += [sum(w * v[part][j] for w, v in zip(weights, values, strict=True)) for j in range(size)]
        x = [a + b for a, b in zip(linear(attended, state["wo"]), residual, strict=True)]
        residual = x
        x = linear([v.relu() for v in linear(rmsnorm(x), state["fc1"])], state["fc2"])
        return linear([a + b for a, b in zip(x, residual, strict=True)], state["head"])

    losses, m, v = [], [0.0] * len(params), [0.0] * len(params)
    for step in range(steps):
        tokens, keys, values, terms = [0, 3, 1, 4, 2], [], [], []
        for position in range(4):
            probabilities = softmax(gpt(tokens[position], position, keys, values))
            terms.append(-probabilities[tokens[position + 1]].log())
        loss = (1 / 4) * sum(terms)
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
