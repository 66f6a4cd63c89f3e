"""`Trainer(compile=True)`: natively the same training as eagerly."""

import copy
import random

import numpy as np
import pytest
from reference_nn import TORCH
from tasks import task

import nn
from autograd import Value, mean
from nn import (
    RNN,
    SGD,
    Adam,
    Dropout,
    Embedding,
    LayerNorm,
    Linear,
    LinearLR,
    Module,
    Monitor,
    ReduceLROnPlateau,
    Sequential,
    Sophia,
    StepLR,
    Tanh,
    Trainer,
    accuracy,
    cross_entropy,
    l2_penalty,
    mse_loss,
)

pytest.importorskip("llvmlite")
ROWS = [row for row in TORCH["trajectories"] if row["optimizer"] != "Sophia"]


def model(*layers):
    return Sequential(Linear(2, 6, rng=2), *layers, Tanh(), Linear(6, 2, rng=3))


def both(make_optimizer, *, make_model=model, make_scheduler=None, penalty=None, loss=cross_entropy, **options):
    """A trainer that runs eagerly, and the same that compiles."""
    made = []
    for compiled in (False, True):
        net = make_model()
        optimizer = make_optimizer(net.parameters())
        scheduler = make_scheduler(optimizer) if make_scheduler else None
        pull = (lambda net=net: 0.01 * l2_penalty(net.parameters())) if penalty else None
        made.append(Trainer(net, loss, optimizer, scheduler=scheduler, penalty=pull, compile=compiled, **options))
    return made


def curves(t):
    h = t.history
    flat = [*h.train_loss, *h.grad_norm, *h.learning_rate, *h.validation_at, *h.validation_loss]
    return [*flat, *[x for curve in h.metrics.values() for x in curve]]


def same(eager, compiled, rel=1e-9):
    assert curves(compiled) == pytest.approx(curves(eager), rel=rel)
    assert [p.data for p in compiled.model.parameters()] == pytest.approx(
        [p.data for p in eager.model.parameters()], rel=rel, abs=1e-12
    )
    assert len(compiled.optimizer.state) == len(eager.optimizer.state)
    for a, b in zip(compiled.optimizer.state, eager.optimizer.state, strict=True):
        assert a == pytest.approx(b, rel=rel, abs=1e-15)
    for name in ("epoch", "batch", "steps", "waited"):
        assert getattr(compiled, name) == getattr(eager, name)


def fitted(trainers, *, X=None, Y=None, **options):
    X, Y = (X, Y) if X is not None else task()
    for t in trainers:
        t.fit(X, Y, progress=False, **{"epochs": 10, "batch_size": 8, **options})
    return trainers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['optimizer']}-{row['options']}")
def test_every_optimizer_makes_the_same_100_steps(row):
    def make(parameters):
        return getattr(nn, row["optimizer"])(parameters, **row["options"])

    same(*fitted(both(make)))


@pytest.mark.parametrize(
    "options",
    [
        {"clip_grad_norm": 0.3},
        {"clip_grad_value": 0.05},
        {"clip_grad_norm": 0.3, "clip_grad_value": 0.1, "penalty": True},
        {"penalty": True},
        {"make_scheduler": lambda o: StepLR(o, 3, gamma=0.5)},
        {"make_scheduler": lambda o: LinearLR(o, 1.0, 0.1, 60), "scheduler_interval": "batch"},
        {"make_scheduler": lambda o: ReduceLROnPlateau(o, patience=0)},
        {"make_model": lambda: model(Dropout(0.3), LayerNorm(6), Dropout(0.2, seed=-5))},
        {"metrics": [accuracy]},
    ],
    ids=lambda options: " ".join(options),
)
def test_clipping_penalties_schedules_dropout_and_validation(options):
    X, Y = task()
    trainers = both(lambda p: Adam(p, lr=0.02), **options)
    same(*fitted(trainers, validation=(X[:30], Y[:30]), validate_every=3, patience=50, batch_size=7))


def test_groups_of_parameters():
    def make(parameters):
        return SGD([{"params": parameters[:5], "lr": 0.1}, {"params": parameters[5:], "momentum": 0.5}], lr=0.05)

    same(*fitted(both(make)))


@pytest.mark.parametrize("layers", [(), (Dropout(0.2),)])
def test_sophia_estimates_natively(layers):
    trainers = both(
        lambda p: Sophia(p, lr=0.01, estimate_every=3, seed=5), make_model=lambda: model(*layers), penalty=True
    )
    same(*fitted(trainers, epochs=4))


class Reader(Module):
    """Classifies sequences of any length."""

    def __init__(self):
        self.embedding, self.rnn, self.head = Embedding(5, 3, rng=1), RNN(3, 4, rng=2), Linear(4, 2, rng=3)

    def forward(self, tokens):
        outputs, _ = self.rnn(self.embedding(tokens))
        return self.head(outputs[-1])


def test_sequences_of_different_lengths():
    rng = random.Random(3)
    X = [[rng.randrange(5) for _ in range(rng.choice((2, 3, 5)))] for _ in range(40)]
    Y = [int(sum(x) % 2) for x in X]
    trainers = both(lambda p: Adam(p, lr=0.02), make_model=Reader)
    same(*fitted(trainers, X=X, Y=Y, epochs=5, validation=(X[:9], Y[:9])))
    eager, compiled = trainers
    for a, b in zip(eager.predict(X), compiled.predict(X), strict=True):
        assert b == pytest.approx(a, rel=1e-9)


def test_a_small_gpt_one_document_a_step():
    import microgpt as m

    def make():
        return m.GPT(5, width=8, heads=2, block=4, rng=0).draw(random.Random(1))

    trainers = both(
        lambda p: Adam(p, lr=0.01, betas=(0.85, 0.99)), make_model=make, loss=m.spelling,
        make_scheduler=lambda o: LinearLR(o, 1.0, 0.0, 100), scheduler_interval="batch",
    )  # fmt: skip
    rng = random.Random(2)
    X = [[rng.randrange(5) for _ in range(rng.randrange(1, 4))] for _ in range(25)]
    Y = [[*x[1:], 4] for x in X]
    fitted(trainers, X=X, Y=Y, epochs=2, batch_size=1)
    same(*trainers, rel=1e-12)


def test_batches_larger_than_a_chunk():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 2))
    Y = (X[:, 0] * X[:, 1] > 0).astype(int)
    trainers = both(lambda p: SGD(p, lr=0.2), make_model=lambda: model(Dropout(0.2)))
    same(*fitted(trainers, X=X, Y=Y, epochs=3, batch_size=600))


def test_steps_of_one_s_own():
    X, Y = task()
    eager, compiled = both(lambda p: Adam(p, lr=0.02))
    for t in (eager, compiled):
        t.losses = [t.step(X[i : i + 9], Y[i : i + 9]) for i in range(0, 72, 9)]
        with t.stepping() as step:
            t.losses += [step(np.array(X[:n]), np.array(Y[:n])) for n in (9, 30, 1, 9)]
        assert any(p.grad for p in t.model.parameters())
    assert compiled.losses == pytest.approx(eager.losses, rel=1e-12)
    assert [p.grad for p in compiled.model.parameters()] == pytest.approx([p.grad for p in eager.model.parameters()])
    assert compiled.grad_norm == pytest.approx(eager.grad_norm)
    same(eager, compiled)


def test_a_step_outside_of_its_block_is_refused():
    X, Y = task()
    for t in both(SGD):
        with t.stepping() as step:
            step(X, Y)
        with pytest.raises(RuntimeError, match=r"write `with trainer\.stepping\(\) as step:` anew"):
            step(X, Y)


def test_values_are_up_to_date_wherever_python_looks():
    X, Y = task()
    seen = [], []
    trainers = both(lambda p: Adam(p, lr=0.02))
    monitors = [Monitor(t.model, t.loss, X[:20], Y[:20]) for t in trainers]

    def halved(t):
        (p, *_) = t.model.parameters()
        loss = mean([t.loss(t.model(x), y) for x, y in zip(X, Y, strict=True)])
        seen[t.compile].append([p.data, t.optimizer.state[0][1], loss.data])
        p.data *= 0.5
        t.optimizer.lr *= 0.9

    for t, monitor in zip(trainers, monitors, strict=True):
        t.fit(X, Y, epochs=5, batch_size=16, callbacks=[halved, monitor], progress=False)
    same(*trainers)
    for a, b in zip(*seen, strict=True):
        assert b == pytest.approx(a, rel=1e-9)
    assert monitors[1].diagnose() == monitors[0].diagnose()


def test_copies_and_files_of_a_trainer(tmp_path):
    X, Y = task()
    eager, compiled = both(lambda p: Adam(p, lr=0.02), make_model=lambda: model(Dropout(0.2)))
    fitted((eager, compiled), epochs=2)
    twin = copy.deepcopy(compiled)
    nn.save(compiled, tmp_path / "trainer.json")
    (_, loaded) = both(lambda p: Adam(p, lr=0.02), make_model=lambda: model(Dropout(0.2)))
    nn.load(loaded, tmp_path / "trainer.json")
    with loaded.stepping() as step:  # what is loaded within the block counts
        step(X[:8], Y[:8])
        nn.load(loaded, tmp_path / "trainer.json")
    fitted((eager, compiled, twin, loaded), epochs=2)
    for t in (compiled, twin, loaded):
        same(eager, t)
        assert curves(t) == curves(compiled)


def test_leaves_that_are_no_parameters_are_read_anew():
    scale = Value(1.0)

    def loss(output, y):
        return mse_loss(output, [scale * y, y])

    trainers = both(lambda p: SGD(p, lr=0.1), loss=loss)
    X, Y = task()
    for factor in (1.0, 3.0):
        scale.data = factor
        fitted(trainers, X=X, Y=[float(y) for y in Y], epochs=2)
    same(*trainers)


def test_training_and_evaluation_mode_at_the_first_step():
    eager, compiled = both(lambda p: SGD(p, lr=0.1), make_model=lambda: model(Dropout(0.5)))
    X, Y = task()
    for t in (eager, compiled):
        t.losses = []
        for mode in (True, False, True, False):
            t.model.train(mode)
            t.losses.append(t.step(X[:10], Y[:10]))
    assert compiled.losses == pytest.approx(eager.losses, rel=1e-12)
