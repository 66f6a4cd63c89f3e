"""Python around parts: state, hooks, modes, gradients of gradients, and what else makes a function no part."""

import numpy as np
import pytest
from parts import Reader, Writer, both, in_order, rows_of, spelling

import nn
from autograd import Value, compile, equal, gradients, sin, tanh, where
from autograd.compiler import part
from nn import SGD, Linear, LSTMCell, Module, Sequential, Trainer, mse_loss

w = [Value(0.1 * i - 0.4) for i in range(9)]


@part
def wave(xs, k=2):
    total = 0.0
    for i, x in enumerate(xs):
        total = total + tanh(w[i] * x + w[-1]) * sin(x * k)
    return total, [x * total for x in xs]


class Counting(Module):
    """Reads what it changes: each call is another function."""

    def __init__(self):
        self.layer, self.calls = Linear(3, 3, rng=0), 0

    def forward(self, x):
        self.calls += 1
        return [y * self.calls + tanh(y) for y in self.layer(x)]


def test_a_module_that_counts_its_calls_is_no_part():
    def loss(model):
        def f(xs):
            model.calls = 0
            return sum((sum(model(x), 0.0) for x in xs), 0.0)

        return f

    model = Counting()
    both(loss(model), model.parameters(), rows_of(6, 2, 4, 3))


class Remembering(Module):
    """Keeps what it computed, and reads a Value that another one kept."""

    def __init__(self):
        self.first, self.second, self.context = Linear(3, 3, rng=0), Linear(3, 3, rng=1), None

    def forward(self, xs):
        self.context = self.first(xs[0])
        return [self.one(x) for x in xs]

    @part
    def one(self, x):
        return [tanh(y + c * v) for y, c, v in zip(self.second(x), self.context, x, strict=True)]


def test_values_that_come_from_outside_are_seen():
    model = Remembering()
    both(lambda xs: sum((sum(row, 0.0) for row in model(xs)), 0.0), model.parameters(), rows_of(7, 2, 4, 3))


class Leaking(Module):
    def __init__(self):
        self.layer, self.kept = Linear(6, 6, rng=0), []

    def forward(self, x):
        hidden = self.layer(x)
        self.kept.append(hidden)
        return [tanh(h) for h in hidden]


def test_values_that_are_kept_are_seen():
    """An activity penalty reads what modules have kept: they are no parts then."""
    model = Leaking()

    def f(xs):
        model.kept.clear()
        total = sum((sum(model(x), 0.0) for x in xs), 0.0)
        return total + 0.1 * sum((h * h for hidden in model.kept for h in hidden), 0.0)

    both(f, model.parameters(), rows_of(8, 2, 4, 6))


def test_hooks_see_the_values_of_each_call():
    model, seen = Sequential(Linear(6, 6, rng=0), nn.Tanh()), []
    model.layers[0].register_forward_hook(lambda module, args, output: seen.append(output))

    def f(xs):
        seen.clear()
        total = sum((sum(model(x), 0.0) for x in xs), 0.0)
        return total + sum((v * v for output in seen for v in output), 0.0)

    both(f, model.parameters(), rows_of(9, 2, 4, 6))


def test_second_order_through_parts():
    def f(xs):
        y = sum((wave(x)[0] for x in xs), 0.0)
        return sum((slope * slope for slope in gradients(y, w[:6], create_graph=True)), 0.0)

    both(f, w, rows_of(10, 2, 3, 6))


def test_transforms_within_a_part():
    @part
    def bent(x):
        def inner(v):
            total = v
            for i in range(8):
                total = tanh(total * w[i] + v)
            return total

        v = x * w[0]
        (slope,) = gradients(inner(v), [v], create_graph=True)
        return slope * x

    both(lambda xs: sum((bent(x) for x in xs), 0.0), w, rows_of(11, 2, 4))


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_dropout_draws_for_each_call(p):
    class Net(Module):
        def __init__(self):
            self.layer, self.drop = Linear(5, 5, rng=0), nn.Dropout(p, seed=3)

        def forward(self, xs):
            return [sum((tanh(v) for v in self.drop(self.layer(x))), 0.0) for x in xs]

    losses = []
    for compiled in (False, True):
        model = Net()
        t = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.1), compile=compiled)
        X, Y = in_order(12, 6, 4, 5), in_order(13, 6, 4)
        losses.append(t.fit(X, Y, epochs=3, batch_size=2, progress=False).train_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_training_mode_belongs_to_a_part():
    model = Reader(LSTMCell)

    class Scaled(Module):
        def __init__(self):
            self.inner = model

        def forward(self, xs):
            return [y * (2.0 if self.inner.cell.training else 1.0) for y in self.inner(xs)]

    net = Scaled()
    f = compile(lambda xs: net(xs))
    X = rows_of(14, 2, 5, 3)
    first = f(X)
    net.eval()
    np.testing.assert_allclose(np.array(first), 2.0 * np.array(f(X)), rtol=1e-14)
    net.train()
    np.testing.assert_array_equal(f(X), first)


def test_missing_targets_are_left_out_with_parts():
    X, Y = in_order(15, 6, 5, 3), in_order(16, 6, 2)
    Y[2, 1] = np.nan

    def masked(output, y):
        return sum((where(equal(v, v), (o - v) ** 2, 0.0) for o, v in zip(output, y, strict=True)), 0.0)

    def losses(compiled):
        model = Reader(LSTMCell)
        t = Trainer(model, masked, SGD(model.parameters(), lr=0.1), compile=compiled)
        return t.fit(X, Y, epochs=2, batch_size=3, progress=False).train_loss

    assert losses(True) == pytest.approx(losses(False), rel=1e-12)


def test_numbers_that_overflow_within_a_part():
    """What is nan only since nothing was guarded is computed again, as a whole."""

    @part
    def guarded(x, t):
        y = x
        for i in range(8):
            y = y * (w[i] + 2.0)
        huge = (y * y * 1e200) * 1e200
        return where(t, tanh(y), huge * w[0])

    def f(xs, ts):
        return sum((guarded(x, t) for x, t in zip(xs, ts, strict=True)), 0.0)

    both(f, w, rows_of(17, 2, 3), [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])


def test_an_index_out_of_range_names_who_takes_it_in_parts():
    model = Writer()
    compiled = compile(lambda x, y: spelling(model(x), y), model.parameters())
    good = [[0, 1, 2, 3]]
    compiled(good, good)
    with pytest.raises(IndexError, match="Embedding"):
        compiled([[0, 1, 2, 5]], good)
    with pytest.raises(ValueError, match="cross_entropy expected a class"):
        compiled(good, [[0, 1, 2, 7]])


def test_weights_that_are_exchanged_are_seen():
    model = Reader(nn.RNNCell)
    f = compile(lambda xs: model(xs))
    X = rows_of(18, 2, 6, 3)
    first = np.array(f(X))
    model.cell.bias_ih = tuple([Value(0.3) for _ in model.cell.bias_ih])
    changed = np.array(f(X))
    expected = [[v.data for v in model(x)] for x in X]
    np.testing.assert_allclose(changed, expected, rtol=1e-12)
    assert not np.allclose(first, changed)


def test_weights_that_are_exchanged_one_by_one_are_seen():
    model = Reader(nn.RNNCell)
    f = compile(lambda xs: model(xs))
    X = rows_of(18, 2, 6, 3)
    f(X)
    model.cell.weight_ih[0] = tuple([Value(0.7) for _ in model.cell.weight_ih[0]])
    np.testing.assert_allclose(f(X), [[v.data for v in model(x)] for x in X], rtol=1e-12)


class Fading(Module):
    """A cell that does something else in training."""

    def __init__(self):
        self.cell, self.fade = Linear(6, 6, rng=0), nn.Dropout(0.5)

    @part
    def step(self, x):
        return [tanh(v) * (0.5 if self.training else 2.0) for v in self.fade(self.cell(x))]

    def forward(self, xs):
        return [v for x in xs for v in self.step(x)]


def test_a_part_is_recorded_anew_in_another_mode():
    model = Fading().eval()
    f = compile(lambda xs: model(xs))
    X = rows_of(19, 2, 4, 6)
    first = f(X)
    np.testing.assert_allclose(first, [[v.data for v in model(x)] for x in X], rtol=1e-12)
    model.training = True
    np.testing.assert_allclose(f(X), np.array(first) / 4.0, rtol=1e-12)
    model.eval()
    np.testing.assert_array_equal(f(X), first)
