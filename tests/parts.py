"""Nets with parts, and what is compiled held against what is eager."""

import numpy as np
import pytest

import nn
from autograd import Value, compile, mean, sin, tanh
from autograd.compiler import part
from nn import Linear, Module, TransformerBlock, cross_entropy


def in_order(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


class Reader(Module):
    """A cell over a sequence, and a layer on its last state."""

    def __init__(self, cell):
        self.cell, self.head = cell(3, 8, rng=0), Linear(8, 2, rng=1)

    def forward(self, xs):
        state = None
        for x in xs:
            state = self.cell(x, state)
        return self.head(state[0] if isinstance(state, tuple) else state)


class Writer(Module):
    """A small GPT."""

    def __init__(self, layers=2, width=8, heads=2, block=6, **options):
        self.letters, self.places = nn.Embedding(5, width, rng=0), nn.Embedding(block, width, rng=1)
        self.blocks = [TransformerBlock(width, heads, 12, rng=i, **options) for i in range(layers)]
        self.norm, self.head = nn.LayerNorm(width), Linear(width, 5, rng=3)

    def forward(self, tokens):
        x = [[a + b for a, b in zip(*rows, strict=True)]
             for rows in zip(self.letters(tokens), self.places(range(len(tokens))), strict=True)]  # fmt: skip
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def spelling(rows, tokens):
    return mean([cross_entropy(row, token) for row, token in zip(rows, tokens, strict=True)])


def both(f, params, *batch):
    """Value and gradients, compiled and eagerly, of the mean over a batch."""
    compiled = compile(f, params)
    for p in params:
        p.grad = 0.0
    value, slopes = compiled(*batch), [p.grad for p in params]
    for p in params:
        p.grad = 0.0
    loss = mean([f(*example) for example in zip(*batch, strict=True)])
    loss.backward()
    assert value == pytest.approx(loss.data, rel=1e-12)
    assert slopes == pytest.approx([p.grad for p in params], rel=1e-11, abs=1e-13)
    return compiled


def rows_of(seed, *shape):
    return in_order(seed, *shape).tolist()


w = [Value(0.1 * i - 0.4) for i in range(9)]


@part
def wave(xs, k=2):
    total = 0.0
    for i, x in enumerate(xs):
        total = total + tanh(w[i] * x + w[-1]) * sin(x * k)
    return total, [x * total for x in xs]
