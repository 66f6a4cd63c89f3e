"""Parts: functions that are called many times within a function are recorded once, and nothing else changes."""

import random

import numpy as np
import pytest
from parts import Reader, Writer, both, in_order, rows_of, spelling, w, wave

import nn
from autograd import Value, compile, dot, relu, sin, tanh
from autograd.compiler import each, part
from autograd.compiler.tracing import parts as parts_room
from nn import Adam, Linear, LSTMCell, Sequential, Trainer, cross_entropy, mse_loss


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


def test_a_marked_function_is_recorded_once():
    def f(rows):
        found = [wave(row) for row in rows]
        return sum((a * b[0] for a, b in found), 0.0) + found[0][0]

    compiled = both(f, w, rows_of(0, 4, 5, 6))
    assert len({id(site.part) for site in compiled._latest.prepared.program.calls}) == 1


def test_other_structures_and_constants_are_other_parts():
    def f(rows):
        return sum((wave(row[: 5 + i % 2], k=1 + i % 3)[0] for i, row in enumerate(rows)), 0.0)

    compiled = both(f, w, rows_of(1, 3, 18, 6))
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
    assert [site.calls for site in calls] == [5]  # the first was looked at
    moved = [[Value(x) for x in row] for row in batch[1][0]]
    compiled = both(lambda queries: f(queries, moved), [*w, *[x for row in moved for x in row]], batch[0])
    assert compiled._latest.prepared.program.calls

    def through(queries):
        """Adjoints of what is common are needed."""
        keys = [[tanh(x * w[1]) for x in query] for query in queries]
        return f(queries, keys)

    both(through, w, batch[0])


@pytest.mark.parametrize("examples", [1, 4])
def test_slopes_of_parameters_by_what_several_groups_have_in_common(examples):
    def score(q, keys):
        y = w[0] * keys[0] * tanh(q) + (w[1] * q) * tanh(q) + w[2] * keys[1]
        for i in range(3):
            y = tanh(y * w[i + 3]) + dot(w[:3], [keys[0], keys[0], keys[1]]) * q
        return y

    def f(queries, keys):
        moved = [tanh(k * w[6]) for k in keys]
        groups = [moved, moved[::-1], [k * w[7] for k in moved]]
        found = [y for i, group in enumerate(groups) for y in each(score, [(q * i,) for q in queries], (group,))]
        return sum(found, 0.0)

    compiled = both(f, w, rows_of(20, examples, 5), rows_of(21, examples, 2))
    assert sum(site.gradient is None for site in compiled._latest.prepared.program.calls) == 3


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
