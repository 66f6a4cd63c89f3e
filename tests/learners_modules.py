"""Modules as learners write them, three times: flat lists, layers of neurons, and a module with a table."""

import itertools
import random

from learners import total

import autograd
import nn
from autograd import Value


class Flat:
    """A hidden layer of four and one output, as lists."""

    def __init__(self, bug=""):
        def weight():
            return Value(0.3 if bug == "all-weights-equal" else random.uniform(-1, 1))

        self.bug, self.grown = bug, []
        self.hidden = [[weight() for _ in range(3)] for _ in range(4)]
        if bug == "parameters-shared":
            self.hidden = [self.hidden[0]] * 4
        self.out = [weight() for _ in range(5)]

    def __call__(self, xs):
        if self.bug == "parameters-grow-at-each-call":
            self.grown.append(Value(0.1))
        if self.bug == "parameters-made-at-each-call":
            self.out = [Value(random.uniform(-1, 1)) for _ in range(5)]
        if self.bug == "gradient-lost":
            xs = [Value(x.data) * w[0].data for x, w in zip(xs, self.hidden, strict=False)]
        bend = (lambda y: y) if self.bug == "no-nonlinearity" else autograd.tanh
        bias = 0.0 if self.bug == "bias-missing" else 1.0
        h = [bend(total([w * x for w, x in zip(ws[1:], xs, strict=True)]) + bias * ws[0]) for ws in self.hidden]
        return total([w * x for w, x in zip(self.out[1:], h, strict=True)]) + bias * self.out[0]

    def parameters(self):
        found = [p for ws in self.hidden for p in ws]
        return found if self.bug == "parameters-not-found" else [*found, *self.out, *self.grown]


class Unit:
    """A neuron."""

    def __init__(self, n, bug):
        self.w = [Value(0.5 if bug == "all-weights-equal" else random.gauss(0, 1)) for _ in range(n)]
        self.b, self.bug = Value(0.5 if bug == "all-weights-equal" else 0.0), bug

    def __call__(self, xs, bends):
        if self.bug == "parameters-made-at-each-call":
            self.w = [Value(random.gauss(0, 1)) for _ in self.w]
        y = sum((w * x for w, x in zip(self.w, xs, strict=True)), Value(0.0) if self.bug == "bias-missing" else self.b)
        if self.bug == "gradient-lost":
            y = Value(y.data)
        return y.relu() if bends and self.bug != "no-nonlinearity" else y

    def parameters(self):
        return self.w if self.bug == "parameters-not-found" else [*self.w, self.b]


class Deep:
    """Layers of neurons."""

    def __init__(self, bug=""):
        sizes = [2, 4, 3, 1]
        self.bug, self.layers, self.found = bug, [], []
        for n, m in itertools.pairwise(sizes):
            one = Unit(n, bug)
            self.layers.append([one if bug == "parameters-shared" else Unit(n, bug) for _ in range(m)])

    def __call__(self, xs):
        for i, layer in enumerate(self.layers):
            xs = [unit(xs, i < len(self.layers) - 1) for unit in layer]
            if self.bug == "parameters-grow-at-each-call":
                self.found += [p for unit in layer for p in unit.parameters()]
        return xs

    def parameters(self):
        return [*(p for layer in self.layers for unit in layer for p in unit.parameters()), *self.found]


SHARED = [Value(x) for x in (0.3, -0.7, 0.2)]


class Tables(nn.Module):
    """A module of this package, with a dict of its own."""

    def __init__(self, bug=""):
        start = (lambda: Value(0.25)) if bug == "all-weights-equal" else (lambda: Value(random.uniform(-0.9, 0.9)))
        self.bug = bug
        self.table = {f"{i}{k}": start() for i in range(3) for k in range(3)}
        self.last = SHARED if bug == "parameters-shared" else [start() for _ in range(3)]
        self._hidden = [Value(0.7)]

    def __call__(self, xs):
        if self.bug == "parameters-grow-at-each-call":
            self.table[str(len(self.table))] = Value(0.2)
        last = [Value(random.random()) for _ in range(3)] if self.bug == "parameters-made-at-each-call" else self.last
        ones = 0.0 if self.bug == "bias-missing" else 1.0
        h = [autograd.dot([self.table[f"{i}{k}"] for k in range(3)], [*xs, ones]) for i in range(3)]
        if self.bug != "no-nonlinearity":
            h = [autograd.sigmoid(x) - 0.5 for x in h]
        h = [x.data for x in h] if self.bug == "gradient-lost" else h
        y = autograd.dot(last, h)
        return y * self._hidden[0] if self.bug == "parameters-not-found" else y


MODULES = {"flat": Flat, "deep": Deep, "tables": Tables}
WRONG_MODULES = ("parameters-not-found", "parameters-shared", "parameters-grow-at-each-call",
                 "parameters-made-at-each-call", "all-weights-equal", "no-nonlinearity", "bias-missing",
                 "gradient-lost")  # fmt: skip
