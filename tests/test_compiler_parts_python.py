"""Python around parts: state, hooks, modes, gradients of gradients, and what else makes a function no part."""

import numpy as np
import pytest
from parts import Reader, Writer, both, in_order, rows_of, spelling, w, wave

import nn
from autograd import Value, compile, dot, equal, exp, gradients, sin, sqrt, tanh, where
from autograd.compiler import each, part
from nn import SGD, Linear, LSTMCell, Module, Sequential, Trainer, mse_loss


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


def long(x):
    for v in w:
        x = tanh(x * v) + x
    return x


def test_common_vectors_in_several_products():
    rows = [tuple(w[:4]), tuple(w[4:8])]

    def two(q, k):
        return (dot(rows[0], k) * q + dot(rows[1], k)) * q + long(q)

    def repeated(q, k):
        return dot((q, q * q), [k[0], k[0]]) + long(q) + dot(rows[0], k)

    def mixed(q, k):
        total = long(q)
        for i in range(4):
            total = total + tanh(w[i] * k[i]) * q + tanh(w[4 + i] * q) * k[i]
        return total

    for f in (two, repeated, mixed):
        for examples in (1, 2, 5):

            def loss(queries, keys, f=f):
                moved = [tanh(k * w[0]) for k in keys]
                found = [each(f, [(q,) for q in queries], (ks,)) for ks in (moved, moved[::-1], tuple(moved))]
                return sum((a * b + c for a, b, c in zip(*found, strict=True)), 0.0)

            both(loss, w, rows_of(22, examples, 5), rows_of(23, examples, 4))


def test_what_nothing_flows_to_is_nowhere_nan():
    def root(x):
        return sqrt(x) * w[0] + long(x)

    @part
    def pair(x):
        return long(x), sqrt(x)

    def chosen(xs, conditions):
        total = 0.0
        for x, c in zip(xs, conditions, strict=True):
            a, b = pair(x * w[1])
            total = total + a + where(c, b, 0.0)
        return total

    shifted = [Value(0.5 + 0.1 * i) for i in range(2)]
    w[:2], before = shifted, w[:2]
    try:
        both(lambda xs: sum(each(root, [(x * w[1],) for x in xs])[:-1], 0.0), w, [[1.0, 2.0, 4.0, 0.0]])
        both(chosen, w, [[1.0, 2.0, 0.0], [1.0, 0.0, 3.0]], [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    finally:
        w[:2] = before


def test_hidden_places_are_hidden_with_inf_and_nan_in_them():
    attention = nn.MultiHeadAttention(4, 2, rng=0)
    X = in_order(24, 2, 4, 4)
    for bad in (np.inf, np.nan, 1e308):
        X[:, 2] = bad
        first = compile(lambda x: sum((v * v for v in attention(x)[0]), 0.0))(X)
        np.testing.assert_allclose(first, [sum(v.data**2 for v in attention(x)[0]) for x in X], rtol=1e-12)


class Caching(Module):
    """Changes an argument."""

    def __init__(self):
        self.w = [Value(0.1 * i + 0.1) for i in range(9)]

    def forward(self, x, cache):
        y = x
        for p in (*self.w, *self.w):
            y = tanh(y * p) + x
        cache.append(y)
        return sum(cache, 0.0) * x


def test_arguments_that_are_changed_are_seen():
    model = Caching()

    def f(xs):
        total = 0.0
        for half in (xs[:3], xs[3:]):
            cache = []
            for x in half:
                total = total + model(x, cache)
        return total

    both(f, model.parameters(), rows_of(25, 3, 6))


class Tallying(Module):
    def __init__(self):
        self.w, self.n = [Value(0.1 * i + 0.1) for i in range(9)], 0

    @part
    def step(self, x):
        self.n += 1
        y = x
        for p in self.w:
            y = tanh(y * p) + x * self.n
        return y


def test_a_marked_function_that_changes_what_it_reads_is_no_part():
    model = Tallying()

    def f(xs, way):
        model.n = 0
        return sum(each(model.step, [(x,) for x in xs]) if way else (model.step(x) for x in xs), 0.0)

    both(lambda xs: f(xs, 0), model.parameters(), rows_of(26, 3, 4))
    both(lambda xs: f(xs, 1), model.parameters(), rows_of(26, 3, 4))


def test_values_that_a_hook_kept_within_a_part_are_seen():
    layer, seen = Linear(1, 6, rng=0), []
    layer.register_forward_hook(lambda module, args, output: seen.extend(output))

    @part
    def hooked(x):
        return sum((tanh(v) * sin(v) for v in layer([x])), 0.0)

    def f(xs):
        seen.clear()
        total = sum((hooked(x) for x in xs), 0.0)
        return total + sum((s * s for s in seen), 0.0)

    both(f, layer.parameters(), rows_of(27, 3, 4))


class Counted(Module):
    def __init__(self):
        self.n, self.g = 0, [Value(1.0), Value(0.5), Value(0.3), Value(2.0)]

    def forward(self, x):
        self.n += 1
        return [tanh(v * g) * self.n for v, g in zip(x, self.g, strict=True)]


@pytest.mark.parametrize("name", ["norm1", "norm2"])
def test_a_block_with_a_user_s_layer_that_counts(name):
    block = nn.TransformerBlock(4, 2, 6, rng=0)
    setattr(block, name, Counted())

    def f(x):
        getattr(block, name).n = 0
        return sum((v * v for row in block(x) for v in row), 0.0)

    both(f, block.parameters(), rows_of(28, 2, 3, 4))


class Doubling(nn.MultiHeadAttention):
    def step(self, x, cache=None):
        y, cache = super().step(x, cache)
        return [2.0 * v for v in y], cache


def test_a_method_that_is_written_anew_is_called():
    attention = Doubling(4, 2, rng=0)
    both(
        lambda x: sum((v * v for row in attention(x) for v in row), 0.0),
        attention.parameters(),
        rows_of(29, 2, 3, 4),
    )


class Scaled(tuple):
    """A tuple with an attribute."""

    __slots__ = ()
    scale = 3.0


def test_tuples_of_other_kinds_and_rows_of_any_kind():
    @part
    def scaled(row):
        return long(row[0]) * row.scale

    both(lambda xs: sum((scaled(Scaled([x])) for x in xs), 0.0), w, rows_of(30, 2, 4))

    def by_number(x, i):
        return long(x) if i == 0.0 else long(x) * i

    both(lambda xs: sum(each(by_number, zip(xs, [0.0, 1.0, 2.0, 3.0], strict=True)), 0.0), w, rows_of(31, 2, 4))


def test_gradients_within_a_part_that_overflow():
    @part
    def inner(x, c):
        v = x * w[0]
        big = exp(v * 2000.0)
        y = where(c, long(v), dot([big, big], [v * big, v]))
        (slope,) = gradients(y, [v], create_graph=True)
        return where(equal(slope, slope), slope, 7.0) * x

    f = compile(lambda xs, cs: sum((inner(x, c) for x, c in zip(xs, cs, strict=True)), 0.0))
    for xs in ([-3.0, -4.0], [-3.0, -4.0, -5.0], [-3.0, -4.0]):
        eager = sum((inner(x, 1.0) for x in xs), 0.0)
        assert f([xs], [[1.0] * len(xs)]) == pytest.approx([eager.data], rel=1e-12)


def test_layers_of_a_block_that_are_exchanged_are_seen():
    block = nn.TransformerBlock(4, 2, 6, rng=0)
    f = compile(lambda x: block(x))
    X = rows_of(32, 2, 5, 4)
    f(X)
    for name in ("linear1", "linear2", "norm2"):
        setattr(block, name, type(getattr(block, name))(*{"linear1": (4, 6), "linear2": (6, 4), "norm2": (4,)}[name]))
        np.testing.assert_allclose(f(X), [[[v.data for v in row] for row in block(x)] for x in X], rtol=1e-12)
