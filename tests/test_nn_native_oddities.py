"""`Trainer(compile=True)` under odd conditions: interrupts, changes in the middle, numbers and data of any kind."""

import math
import os
import signal

import numpy as np
import pytest
from tasks import task
from test_nn_native import both, curves, fitted, model, same

import autograd
import nn
from autograd import Value, where
from nn import (
    SGD,
    Adagrad,
    Adam,
    BatchNorm1d,
    Dropout,
    Embedding,
    Linear,
    Module,
    NAdam,
    Optimizer,
    ReLU,
    Tanh,
    cross_entropy,
    mse_loss,
)

pytest.importorskip("llvmlite")


def test_ctrl_c_leaves_whole_steps():
    X, Y = task()
    eager, compiled = both(lambda p: Adam(p, lr=0.02))

    def stop(t):
        if t.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    compiled.fit(X, Y, epochs=10, batch_size=8, callbacks=[stop], progress=False)
    assert compiled.history.interrupted
    compiled.fit(X, Y, epochs=10 - compiled.epoch, batch_size=8, progress=False)
    eager.fit(X, Y, epochs=10, batch_size=8, progress=False)
    same(eager, compiled)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_what_is_not_finite_stops_before_the_update(bad):
    X, Y = task()
    X[5] = [bad, 0.0]
    trainers = both(
        lambda p: Adam(p, lr=0.02),
        loss=lambda o, y: mse_loss(o, [1.0, float(0)]),
        make_model=lambda: Linear(2, 2, rng=0),
    )
    for t in trainers:
        with pytest.raises(FloatingPointError, match=r"became nan|gradient is not finite"):
            t.fit(X, Y, epochs=3, batch_size=8, progress=False)
        assert all(math.isfinite(p.data) for p in t.model.parameters())
    same(*trainers)
    assert 0 < trainers[0].steps < 10


def test_what_is_assigned_within_stepping_is_an_error():
    """Its numbers are native there; before and after, and with step, all is as eagerly."""
    X, Y = task()

    def clamped(t):
        for p in t.model.parameters():
            p.data = max(-0.3, min(0.3, p.data))

    trainers = both(SGD)
    for t in trainers:
        for _ in range(5):
            t.step(X, Y)
            clamped(t)
    same(*trainers)
    for assign in (
        clamped,
        lambda t: t.model.load_state_dict(t.model.state_dict()),
        lambda t: t.optimizer.load_state_dict(t.optimizer.state_dict()),
    ):
        _, t = both(Adam)

        def steps(t=t, assign=assign):
            with t.stepping() as step:
                step(X, Y)
                assign(t)
                step(X, Y)

        with pytest.raises(RuntimeError, match=r"assigned within stepping\(\).*train by trainer\.step"):
            steps()
        assert t.steps == 1
        t.step(X, Y)

        def last(t=t, assign=assign):
            with t.stepping() as step:
                step(X, Y)
                assign(t)

        with pytest.raises(RuntimeError, match=r"assigned within stepping\(\)"):
            last()
        assert t.steps == 3


def test_a_coefficient_that_is_a_value_is_read_at_each_step():
    X, Y = task()

    def run(compiled, penalty):
        k, slope = Value(1.0), Value(2.0)
        net = model()
        t = nn.Trainer(
            net,
            lambda o, y: k * nn.cross_entropy(o, y),
            Adam(net.parameters(), lr=0.05),
            penalty=(lambda: k * slope * net.parameters()[0] ** 2) if penalty else None,
            compile=compiled,
        )
        with t.stepping() as step:
            for i in range(6):
                step(X, Y)
                k.data *= 0.5
                if i == 3:
                    slope.data = 10.0
                if i == 4:
                    Value(1.0).data = 2.0  # of somebody else
        return [p.data for p in net.parameters()]

    for penalty in (False, True):
        assert run(True, penalty) == pytest.approx(run(False, penalty), rel=1e-9)


def test_a_parameter_is_frozen_within_stepping():
    X, Y = task()
    trainers = both(lambda p: Adam(p, lr=0.05))
    for t in trainers:
        first = t.optimizer.parameters[0]
        with t.stepping() as step:
            for i in range(6):
                step(X, Y)
                if i == 3:
                    t.optimizer.parameters.remove(first)
                    t.optimizer.param_groups[0]["params"].remove(first)
        t.step(X, Y)
    same(*trainers)


def test_a_rule_has_to_return_a_pair():
    class Half(Optimizer):
        def rule(self, parameter, gradient, state, *, lr=0.1):
            return parameter - lr * gradient

    X, Y = task()
    for t in both(Half):
        with pytest.raises(TypeError, match=r"Half\.rule has to return \(new parameter, new state\)") as raised:
            t.step(X, Y)
        assert raised.value.__context__ is None


def test_one_example_is_no_batch():
    for t in both(SGD):
        with pytest.raises(TypeError, match=r"write step\(\[x\], \[y\]\) for one"):
            t.step([0.1, 0.2], 1)


def test_anomalies_are_found_in_python():
    X, Y = task()
    t = both(SGD, loss=lambda o, y: (o[0] * 0.0 - 1.0).log())[1]
    with pytest.raises(FloatingPointError, match=r"detect_anomaly\(\) and compile=False"):
        t.step(X, Y)
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match="train with compile=False"):
        both(SGD)[1].step(X, Y)


def test_wrong_indices_are_named():
    _, compiled = both(lambda p: Adam(p))
    X, Y = task()
    Y[3] = 2
    with pytest.raises(ValueError, match="cross_entropy expected a class from 0 to 1, got 2"):
        compiled.fit(X, Y, epochs=1, progress=False)
    with pytest.raises(ValueError, match="cross_entropy expected a class from 0 to 1, got 2"):
        compiled.step(X[:5], Y[:5])
    assert compiled.steps == 0


def test_what_cannot_be_compiled_says_why():
    class Own(SGD):
        def step(self):
            super().step()

    X, Y = task()
    for trainer, text in (
        (both(Own)[1], "Own does more at a step than its rule says"),
        (both(SGD, make_model=lambda: model(BatchNorm1d(6)))[1], "LayerNorm"),
        (both(SGD, loss=lambda o, y: o[0] if o[0] > 0 else o[1])[1], "where"),
        (both(SGD, loss=lambda o, y: 1.0)[1], "nothing was recorded"),
        (both(SGD, loss=lambda o, y: o)[1], "has to return one number"),
    ):
        with pytest.raises((TypeError, RuntimeError), match=text):
            trainer.step(X[:8], Y[:8])

    class Branching(Optimizer):
        def rule(self, parameter, gradient, state, *, lr=0.1):
            return (parameter - lr * gradient if gradient > 0 else parameter), ()

    with pytest.raises(TypeError, match="write where"):
        both(Branching)[1].step(X[:8], Y[:8])


def test_a_rule_of_one_s_own():
    class Sign(Optimizer):
        def rule(self, parameter, gradient, state, *, lr=0.01, beta=0.9):
            (average,) = state or (0.0,)
            average = beta * average + (1.0 - beta) * gradient
            return parameter - lr * ((average > 0) - (average < 0)), (average,)

    same(*fitted(both(Sign)))


@pytest.mark.parametrize("kind", ["delayed", "counts", "shifted"])
def test_rules_that_hand_on_what_they_remember(kind):
    class Own(Optimizer):
        def rule(self, parameter, gradient, state, *, lr=0.1):
            if kind == "delayed":
                a, b = state or (0.0, 0.0)
                return parameter - lr * b, (gradient, a)
            if kind == "counts":
                t, old = state or (0.0, 0.0)
                return parameter - lr * gradient / (1.0 + old), (t + 1.0, t)
            a, b, c = state or (0.0, 0.0, 0.0)
            return parameter - lr * (a + b + c), (gradient, a, b)

    same(*fitted(both(Own)))


def test_options_that_change_between_steps():
    X, Y = task()
    eager, compiled = both(lambda p: SGD(p, lr=0.1, momentum=0.9))
    for t in (eager, compiled):
        (group,) = t.optimizer.param_groups
        with t.stepping() as step:
            for size in (5, 5, 4, 4, 5, 4):
                step(np.array(X[:size]), np.array(Y[:size]))
            group["weight_decay"] = 0.5
            step(np.array(X[:5]), np.array(Y[:5]))
            junk = [np.arange(50) for _ in range(1000)]
            for _ in range(3):
                step(np.array(X[:4]), np.array(Y[:4]))
            for momentum in (0.0, 0.5, 0.0, 0.9):  # what is remembered changes its form
                group["momentum"] = momentum
                for size in (4, 4, 5):
                    step(np.array(X[:size]), np.array(Y[:size]))
        assert junk
    same(eager, compiled)


@pytest.mark.parametrize("kind", [Adam, NAdam, Adagrad, SGD], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("good", [0, 1, 4])
def test_steps_go_on_after_one_that_failed(kind, good):
    X, Y = task()
    options = {"momentum": 0.9} if kind is SGD else {"initial_accumulator_value": 0.5} if kind is Adagrad else {}
    trainers = both(lambda p: kind(p, lr=0.05, **options))
    for t in trainers:
        with t.stepping() as step:
            for _ in range(good):
                step(X[:6], Y[:6])
            with pytest.raises(FloatingPointError):
                step([[math.nan, 1.0]] * 6, Y[:6])
            for _ in range(3):
                step(X[:6], Y[:6])
    same(*trainers)


def test_a_first_step_that_failed_among_several_leaves_nothing_to_remember():
    X, Y = task()
    X = [[math.nan, 1.0]] * 6 + X[:18]
    trainers = both(lambda p: NAdam(p, lr=0.05))
    for t in trainers:
        engine = t._engine()
        data = engine.prepare(X, Y[:24])
        assert engine.steps(data, range(24), 6, 0).ill is not None
        assert len(engine.steps(data, range(6, 24), 6, 0).losses) == 3
        engine.store()
    same(*trainers)


def test_programs_of_modes_that_are_gone_are_dropped():
    _, compiled = both(lambda p: SGD(p, lr=0.1), make_model=lambda: model(Dropout(0.5)))
    (dropout,) = [m for _, m in compiled.model.named_modules() if isinstance(m, Dropout)]

    def step(p):
        dropout.p = p
        compiled.step(*task())

    for i in range(10):
        step(0.1 + 0.01 * i)
    with pytest.warns(UserWarning, match=r"layers\[\.\.\.\]\.p has changed 10 times"):
        step(0.3)
    step(0.4)
    assert len(compiled._engine_in_use._training._plans) <= 5


def test_a_fit_that_begins_in_evaluation_mode_and_options_of_modules():
    trainers = both(lambda p: SGD(p, lr=0.1), make_model=lambda: model(Dropout(0.5)))

    def change(t):
        (dropout,) = [m for _, m in t.model.named_modules() if isinstance(m, Dropout)]
        dropout.p = 0.1
        t.model.eval()

    for t in trainers:
        t.model.eval()
    same(*fitted(trainers, callbacks=[change], epochs=3))


def test_parts_that_are_exchanged_and_a_loss_that_is_changed():
    X, Y = task()
    trainers = both(lambda p: SGD(p, lr=0.1))

    def change(t):
        if t.epoch == 2:
            t.model.layers[1] = ReLU()
        if t.epoch == 3:
            t.loss = lambda output, y: 0.5 * cross_entropy(output, y)

    same(*fitted(trainers, callbacks=[change], epochs=5, validation=(X[:20], Y[:20])))
    for t in trainers:
        t.model.layers[1] = Tanh()
    assert trainers[1].predict(X[:3])[0] == pytest.approx(trainers[0].predict(X[:3])[0])
    same(*fitted(trainers, epochs=2))


def test_data_that_change_during_fit_are_those_of_its_beginning():
    X, Y = (np.array(x) for x in task())
    for t in (trainers := both(lambda p: SGD(p, lr=0.1))):
        data = X.copy()
        t.fit(data, Y, epochs=3, callbacks=[lambda _, data=data: data.__imul__(0.5)], progress=False)
    same(*trainers)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_very_long_and_very_short_gradients(size):
    def loss(output, y):
        return size * output[0]

    trainers = both(lambda p: SGD(p, lr=0.1 / size), loss=loss)
    X, Y = task()
    for t in trainers:
        t.step(X[:8], Y[:8])
    assert trainers[1].grad_norm == pytest.approx(trainers[0].grad_norm, rel=1e-12)
    same(*trainers)


def test_without_llvmlite_it_trains_eagerly_and_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "autograd.compiler.training.session", None)
    eager, compiled = both(lambda p: Adam(p, lr=0.02))
    with pytest.warns(UserWarning, match=r"llvmlite is missing.*pip install 'scalar-autograd\[compile\]'"):
        fitted([compiled], epochs=2)
    fitted([eager], epochs=2)
    assert curves(compiled) == curves(eager)


@pytest.mark.parametrize("features", ["", "+avx", "+avx,+avx2,+fma"])
def test_machines_with_fewer_features(features, monkeypatch):
    from autograd.compiler.runtime import machine
    from autograd.compiler.training import session

    if not set(features.split(",")) <= {"", *machine.machine().features.split(",")}:
        pytest.skip(f"this machine has not {features}")
    restricted = machine.Machine(features)
    monkeypatch.setattr(machine, "machine", lambda: restricted)
    monkeypatch.setattr(session, "machine", lambda: restricted)
    for batch_size in (1, 7):
        same(
            *fitted(
                both(lambda p: Adam(p, lr=0.02), make_model=lambda: model(Dropout(0.2))),
                batch_size=batch_size,
                epochs=2,
            )
        )


def test_an_index_that_the_loss_hides_is_named():
    class Positive(Module):
        def __init__(self):
            self.embedding = Embedding(5, 4, rng=0)

        def forward(self, x):
            return sum(where(v > 0, v, 0.0) for v in self.embedding(x))

    _, compiled = both(SGD, make_model=Positive, loss=mse_loss)
    good, bad, Y = np.array([0, 1]), np.array([0, 7]), np.array([1.0, 2.0])
    with compiled.stepping() as step:
        for _ in range(3):
            step(good, Y)
        before = compiled.steps
        for x in (bad, bad.tolist()):
            with pytest.raises(IndexError, match=r"Embedding\(5, 4\) expected whole numbers from 0 to 4, got 7"):
                step(x, Y)
    assert compiled.steps == before


def test_a_penalty_that_draws_is_refused():
    dropout = Dropout(0.5)
    _, compiled = both(SGD)
    compiled.penalty = lambda: dropout([p * p for p in compiled.model.parameters()])[0]
    with pytest.raises(TypeError, match="a penalty is the same for all examples"):
        compiled.step(*task())
