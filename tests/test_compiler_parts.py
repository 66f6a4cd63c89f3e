"""Parts: functions that are called many times within a function are recorded once, and nothing else changes."""

import random

import numpy as np
import pytest

import nn
from autograd import Value, compile, equal, gradients, mean, relu, sin, tanh, where
from autograd.compiler import each, part
from autograd.compiler.tracing import parts as parts_room
from nn import SGD, Adam, Linear, LSTMCell, Module, Sequential, Trainer, TransformerBlock, cross_entropy, mse_loss


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


def image_net():
    return Sequential(
        nn.Conv2d(1, 3, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2, rng=1), nn.Tanh(),
        nn.Flatten(), Linear(2 * 3 * 3, 2, rng=2),
    )  # fmt: skip


TASKS = {
    "RNN": (lambda: Reader(nn.RNNCell), mse_loss, in_order(1, 5, 7, 3), in_order(2, 5, 2)),
    "GRU": (lambda: Reader(nn.GRUCell), mse_loss, in_order(1, 5, 7, 3), in_order(2, 5, 2)),
    "LSTM": (lambda: Reader(LSTMCell), mse_loss, in_order(1, 5, 7, 3), in_order(2, 5, 2)),
    "convolution": (image_net, cross_entropy, in_order(3, 5, 1, 8, 8), np.arange(5) % 2),
    "GPT": (Writer, spelling, np.arange(30).reshape(5, 6) % 5, np.arange(30).reshape(5, 6) % 4),
    "GPT with rms": (
        lambda: Writer(norm="rms", norm_affine=False, bias=False, activation="gelu"), spelling,
        np.arange(20).reshape(5, 4) % 5, np.arange(20).reshape(5, 4) % 3,
    ),
}  # fmt: skip


def trained(task, examples, *, compile, epochs=3):
    make, loss, X, Y = TASKS[task]
    model = make()
    trainer = Trainer(model, loss, Adam(model.parameters(), lr=0.02), compile=compile)
    history = trainer.fit(X[:examples], Y[:examples], epochs=epochs, batch_size=3, progress=False)
    return history.train_loss, model, trainer


@pytest.mark.parametrize("examples", [1, 5])
@pytest.mark.parametrize("task", TASKS)
def test_trained_in_parts_as_eagerly(task, examples):
    losses, model, trainer = trained(task, examples, compile=True)
    expected, eager, by_hand = trained(task, examples, compile=False)
    assert losses == pytest.approx(expected, rel=1e-12)
    assert [p.data for p in model.parameters()] == pytest.approx([p.data for p in eager.parameters()], rel=1e-9)
    X = TASKS[task][2][:examples]
    np.testing.assert_allclose(trainer.predict(X), by_hand.predict(X), rtol=1e-9, atol=1e-12)


def program_of(task):
    """What is compiled for a task, with its program."""
    make, loss, X, Y = TASKS[task]
    model = make()
    compiled = compile(lambda x, y: loss(model(x), y), model.parameters())
    compiled(X, Y)
    return compiled._latest.prepared


@pytest.mark.parametrize("task", TASKS)
def test_calls_stand_in_programs(task):
    program = program_of(task).program
    assert sum(site.calls for site in program.calls) >= 8
    assert any(site.gradient is not None for site in program.calls)


@pytest.mark.parametrize("task", TASKS)
def test_a_program_in_parts_is_the_whole_one(task, monkeypatch):
    """Interpreted, where calls stand as what they are made of, and natively without parts."""
    make, loss, X, Y = TASKS[task]

    def found():
        model = make()
        compiled = compile(lambda x, y: loss(model(x), y), model.parameters())
        value = compiled(X, Y)
        return compiled, value, [p.grad for p in model.parameters()]

    compiled, value, slopes = found()
    interpreted = list(map(number, compiled.replay(X[0], Y[0])))
    monkeypatch.setattr(parts_room.Parts, "off", True, raising=False)
    monkeypatch.setattr(parts_room.Parts, "__init__", parts_switched_off)
    whole, value_of_whole, slopes_of_whole = found()
    assert not whole._latest.prepared.program.calls
    assert value == pytest.approx(value_of_whole, rel=1e-13)
    assert slopes == pytest.approx(slopes_of_whole, rel=1e-11, abs=1e-14)
    assert interpreted == pytest.approx(list(map(number, whole.replay(X[0], Y[0]))), rel=1e-11, abs=1e-14)


def number(y):
    return y.data if isinstance(y, Value) else y


def parts_switched_off(self, params, made=parts_room.Parts.__init__):
    made(self, params)
    self.off = True


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


def test_a_marked_function_is_recorded_once():
    def f(rows):
        found = [wave(row) for row in rows]
        return sum((a * b[0] for a, b in found), 0.0) + found[0][0]

    compiled = both(f, w, rows_of(0, 4, 5, 6))
    assert len({id(site.part) for site in compiled._latest.prepared.program.calls}) == 1


def test_other_structures_and_constants_are_other_parts():
    def f(rows):
        return sum((wave(row[: 5 + i % 2], k=1 + i % 3)[0] for i, row in enumerate(rows)), 0.0)

    compiled = both(f, w, rows_of(1, 3, 12, 6))
    assert len({id(site.part) for site in compiled._latest.prepared.program.calls}) == 6


def test_results_may_be_arguments_parameters_and_numbers():
    @part
    def odd(x, y):
        z = x
        for i in range(9):
            z = tanh(z * w[i]) + y
        return {"same": x, "w": w[0], "one": 1.0, "none": None, "z": z, "twice": (z, z)}

    def f(xs):
        total = 0.0
        for x in xs:
            found = odd(x, total)
            assert found["same"] is x
            assert found["w"] is w[0]
            assert found["none"] is None
            assert found["twice"][0] is found["twice"][1]
            total = found["z"] * found["w"] + found["one"] * found["same"]
        return total

    both(f, w, rows_of(2, 3, 5))


def test_nothing_flows_to_what_is_not_used():
    @part
    def pair(x):
        y, z = x, x
        for i in range(8):
            y, z = tanh(y * w[i]), sin(z + w[i])
        return y, z

    both(lambda xs: sum((pair(x)[0] for x in xs), 0.0), w, rows_of(3, 4, 5))
    both(lambda xs: sum((pair(x)[i % 2] for i, x in enumerate(xs)), 0.0), w, rows_of(3, 4, 5))


def test_each_makes_calls_together_with_what_they_have_in_common():
    def score(query, bias, keys):
        return [relu(sum((q * k for q, k in zip(query, key, strict=True)), bias * w[0])) for key in keys]

    def f(queries, keys):
        rows = [(query, float(i)) for i, query in enumerate(queries)]
        scores = each(score, rows, (keys,))
        return sum((sum(row, 0.0) for row in scores), 0.0)

    batch = rows_of(4, 3, 6, 4), rows_of(5, 3, 5, 4)
    compiled = both(f, w, *batch)
    calls = [site for site in compiled._latest.prepared.program.calls if site.gradient is None]
    assert [site.calls for site in calls] == [6]
    moved = [[Value(x) for x in row] for row in batch[1][0]]
    compiled = both(lambda queries: f(queries, moved), [*w, *[x for row in moved for x in row]], batch[0])
    assert compiled._latest.prepared.program.calls

    def through(queries):
        """Adjoints of what is common are needed."""
        keys = [[tanh(x * w[1]) for x in query] for query in queries]
        return f(queries, keys)

    both(through, w, batch[0])


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


def operations(task, length):
    """How many operations are looked at to compile a sequence of a length: of the program, and of each part."""
    make, loss = TASKS[task][:2]
    model = make() if task != "GPT" else Writer(block=length)
    if task == "GPT":
        X = Y = np.arange(length).reshape(1, length) % 5
    else:
        X, Y = in_order(1, 1, length, 3), in_order(2, 1, 2)
    compiled = compile(lambda x, y: loss(model(x), y), model.parameters())
    compiled(X, Y)
    program = compiled._latest.prepared.program
    parts = {id(site.part): site.part for site in program.calls}.values()
    return len(program.instructions), sum(len(p.graph.interiors) for p in parts)


@pytest.mark.parametrize("task", ["RNN", "GRU", "LSTM", "GPT"])
def test_twice_the_length_is_hardly_more_to_compile(task):
    (few, in_parts), (more, in_parts_of_more) = operations(task, 16), operations(task, 32)
    assert in_parts_of_more <= 1.5 * in_parts
    assert few + in_parts < 4000
    assert more + in_parts_of_more < 1.85 * (few + in_parts)


def test_random_nets_of_parts():
    """Whatever calls whatever: compiled is eager."""
    for seed in range(25):
        rng = random.Random(seed)
        size = rng.choice([2, 3, 5])
        cells = [nn.RNNCell(size, size, rng=seed + i) for i in range(2)]
        layers = [Linear(size, size, rng=seed + 5 + i) for i in range(2)]
        plan = [rng.choice(["cell", "layer", "mix", "skip", "reverse", "each"]) for _ in range(rng.randint(3, 7))]

        def f(xs, plan=plan, cells=cells, layers=layers, size=size):
            rows, state = list(xs), [0.1] * size
            for i, kind in enumerate(plan):
                if kind == "cell":
                    found = []
                    for x in rows:
                        state = cells[i % 2](x, state)
                        found.append(state)
                    rows = found
                elif kind == "layer":
                    rows = [[tanh(v) for v in layers[i % 2](x)] for x in rows]
                elif kind == "mix":
                    rows = [[a * b + 0.1 for a, b in zip(x, rows[-1], strict=True)] for x in rows]
                elif kind == "skip":
                    rows = [layers[i % 2](x) if k % 2 else x for k, x in enumerate(rows)]
                elif kind == "each":
                    rows = each(layers[i % 2].forward, [(x,) for x in rows])
                else:
                    rows = rows[::-1]
            return sum((v * v for x in rows for v in x), 0.0) + sum(state, 0.0)

        params = [p for m in (*cells, *layers) for p in m.parameters()]
        examples = rng.choice([1, 1, 3, 6])
        both(f, params, rows_of(seed, examples, rng.randint(2, 9), size))
