"""Compiled training while others look on, and while parts, options and parameters are changed: what eager training
makes of it."""

import gc
import random
import signal
import threading
import time

import numpy as np
import pytest
from tasks import task
from test_compiler_calls import resident
from test_nn_native import both, curves, fitted, model, same

from autograd import Value
from nn import (
    SGD,
    Adam,
    AdamW,
    Dropout,
    Linear,
    Module,
    OneCycleLR,
    Optimizer,
    ReLU,
    RMSprop,
    Sequential,
    Tanh,
    Trainer,
    cross_entropy,
    mse_loss,
)
from nn.turns import Turns

pytest.importorskip("llvmlite")


def test_those_who_wait_have_their_turn():
    turns, order = Turns(), []

    def take(name):
        with turns.taken(), turns.taken():
            order.append(name)

    threads = [threading.Thread(target=take, args=(i,)) for i in range(5)]
    with turns.taken():
        for thread in threads:
            thread.start()
        while len(turns._waiting) < 5:
            time.sleep(0.001)
        order.append("first")
        while turns._waiting:
            turns.pause()
        order.append("last")
    for thread in threads:
        thread.join()
    assert sorted(map(str, order[1:-1])) == ["0", "1", "2", "3", "4"]
    assert (order[0], order[-1]) == ("first", "last")


@pytest.mark.parametrize("compiled", [False, True])
def test_ctrl_c_in_a_loop_of_steps_keeps_no_turn_and_loses_no_count(compiled):
    X, Y = (np.array(x) for x in task())
    (t,) = (both(lambda p: Adam(p, lr=1e-4))[compiled],)
    t.predict(X[:2])
    rng, before, came = random.Random(0), signal.signal(signal.SIGALRM, signal.default_int_handler), 0
    size = 8 if compiled else 1
    try:
        for _ in range(150):
            try:
                with t.stepping() as step:
                    step(X[:size], Y[:size])
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-4, 2e-3))
                    while True:
                        step(X[:size], Y[:size])
            except KeyboardInterrupt:
                came += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            found = []
            thread = threading.Thread(target=lambda found=found: found.append(t.state_dict()), daemon=True)
            thread.start()
            thread.join(20)
            (state,) = found
            if compiled:
                assert state["steps"] == state["optimizer"]["state"][0][0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert came == 150


@pytest.mark.parametrize("compiled", [False, True])
def test_predictions_and_states_from_another_thread_take_turns(compiled):
    """Nothing is lost, each look is at whole steps, and neither side starves."""
    X, Y = task()
    alone, watched = (
        both(lambda p: Adam(p, lr=0.01), make_model=lambda: model(Dropout(0.2)))[compiled] for _ in range(2)
    )
    epochs = 30 if compiled else 4
    looks, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            state = watched.state_dict()
            counts = {row[0] for row in state["optimizer"]["state"] if row}
            looks.append(counts <= {state["steps"]} and state["steps"] == state["epoch"] * 10 + state["batch"])
            watched.predict(X[:3])
            watched.evaluate(X[:3], Y[:3])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        watched.fit(X, Y, epochs=epochs, batch_size=8, progress=False)
    finally:
        stop.set()
        thread.join()
    alone.fit(X, Y, epochs=epochs, batch_size=8, progress=False)
    assert len(looks) > 3
    assert all(looks)
    assert watched.steps == alone.steps == 10 * epochs
    assert watched.optimizer.state[0][0] == watched.steps
    assert curves(watched) == curves(alone)
    assert watched.predict(X) == alone.predict(X)


def test_training_has_one_owner():
    X, Y = task()
    (_, t) = both(SGD)
    errors = []

    def intrude(attempt):
        try:
            attempt()
        except RuntimeError as error:
            errors.append(str(error))

    def during(_):
        for attempt in (lambda: t.fit(X, Y, epochs=1, progress=False), lambda: t.step(X, Y)):
            thread = threading.Thread(target=intrude, args=(attempt,))
            thread.start()
            thread.join()

    def nested(t):
        if t.epoch == 1:
            t.fit(X, Y, epochs=1, progress=False)
        during(t)

    t.fit(X, Y, epochs=1, callbacks=[nested], progress=False)
    assert errors == ["another thread runs fit of this trainer; it alone may train until that ends"] * 2
    t.fit(X, Y, epochs=1, progress=False)


def test_a_callback_may_wait_for_another_thread_s_prediction():
    X, Y = task()
    for t in both(SGD):
        found = []

        def wait(t, found=found):
            thread = threading.Thread(target=lambda: found.append(t.predict(X[:2])))
            thread.start()
            thread.join(20)

        t.fit(X, Y, epochs=2, callbacks=[wait], progress=False)
        assert len(found) == 2


def stepped(change):
    """Steps within one block, with something changed between them, then a prediction and a state within the block."""
    X, Y = task()
    found = []
    for t in both(lambda p: Adam(p, lr=0.02), make_model=lambda: model(Dropout(0.3))):
        with t.stepping() as step:
            losses = [step(np.array(X[:9]), np.array(Y[:9])) for _ in range(3)]
            for _ in range(2):
                change(t)
                losses += [step(np.array(X[:9]), np.array(Y[:9])) for _ in range(2)]
                losses += t.predict(X[:2])[0]
                losses += [step(X[:9], Y[:9]), t.grad_norm]
                losses += t.state_dict()["model"].values()
        found.append([*losses, *[p.data for p in t.model.parameters()]])
    return found


CHANGES = {
    "clipping": lambda t: setattr(t, "clip_grad_norm", 0.05),
    "clipping by value": lambda t: setattr(t, "clip_grad_value", 0.001),
    "loss": lambda t: setattr(t, "loss", lambda o, y: 0.5 * cross_entropy(o, y)),
    "penalty": lambda t: setattr(t, "penalty", lambda: t.model.parameters()[0] ** 2),
    "layer": lambda t: t.model.layers.__setitem__(2, ReLU()),
    "forward": lambda t: setattr(t.model.layers[2], "forward", lambda x: [2.0 * v for v in x]),
    "dropout's seed": lambda t: setattr(t.model.layers[1], "seed", 9),
    "dropout's p": lambda t: setattr(t.model.layers[1], "p", 0.6),
    "learning rate": lambda t: setattr(t.optimizer, "lr", 0.2),
    "mode": lambda t: t.model.eval(),
    "betas": lambda t: t.optimizer.param_groups[0].__setitem__("betas", [0.5, 0.9]),
    "an attribute": lambda t: setattr(t.model.layers[0], "weight", t.model.layers[0].weight[::-1]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_within_a_block_of_steps(name):
    eager, compiled = stepped(CHANGES[name])
    assert compiled == pytest.approx(eager, rel=1e-9, abs=1e-12)


def test_betas_that_change_in_place():
    X, Y = task()
    trainers = both(lambda p: Adam(p, lr=0.02, betas=[0.9, 0.99]))

    def change(t):
        t.optimizer.param_groups[0]["betas"][0] *= 0.8

    same(*fitted(trainers, callbacks=[change], epochs=4))
    for t in trainers:
        with t.stepping() as step:
            for _ in range(3):
                step(np.array(X[:9]), np.array(Y[:9]))
                change(t)
    same(*trainers)


def test_weights_exchanged_in_a_callback():
    def change(t):
        layer = t.model.layers[0]
        layer.weight[1] = (Value(0.7), *layer.weight[1][1:])

    same(*fitted(both(lambda p: SGD(p, lr=0.1)), callbacks=[change], epochs=3))


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_parameters_that_leave_and_come(kind):
    extra = Value(0.5)
    X, Y = task()
    trainers = both(lambda p: kind(p, lr=0.05))
    for t in trainers:
        own, group = t.optimizer.parameters, t.optimizer.param_groups[0]["params"]

        def change(t, own=own, group=group):
            if t.epoch == 1:
                gone = own[2]
                t.optimizer.parameters.remove(gone)
                t.optimizer.param_groups[0]["params"].remove(gone)
            if t.epoch == 2:
                t.optimizer.parameters.append(extra)
                t.optimizer.param_groups[0]["params"].append(extra)
            if t.epoch == 3:
                t.optimizer.parameters.insert(0, p := Value(1.0))
                t.optimizer.param_groups[0]["params"].insert(0, p)

        extra.data, extra.grad = 0.5, 0.0
        t.fit(X, Y, epochs=5, batch_size=16, callbacks=[change], progress=False)
    same(*trainers)
    (t, _) = trainers
    t.optimizer.parameters.pop()
    with pytest.raises(ValueError, match=r"other parameters in its groups than in \.parameters; change both"):
        t.step(X, Y)


def test_a_schedule_by_batch_compiles_one_rule():
    X, Y = task()

    def make(p):
        return AdamW(p, lr=0.01, weight_decay=0.02)

    def schedule(optimizer):
        return OneCycleLR(optimizer, max_lr=0.05, total_steps=400)

    trainers = both(make, make_scheduler=schedule, scheduler_interval="batch")
    same(*fitted(trainers, epochs=20))
    (_, t) = trainers
    updates = t._engine_in_use._training.updates
    assert len(updates._moves) <= 2
    (group,) = t.optimizer.param_groups
    gc.collect()
    before = resident()
    with t.stepping() as step:
        for i in range(150):
            group["betas"] = (0.9 - 0.001 * i, 0.99)
            group["weight_decay"], group["eps"] = 0.01 + 0.001 * i, 1e-8 * (1 + i)
            step(np.array(X), np.array(Y))
    assert len(updates._moves) <= 2
    assert resident() - before < 10e6


def test_a_rule_that_asks_what_an_option_is_holds_for_that_number():
    class Steps(Optimizer):
        def rule(self, parameter, gradient, state, *, lr=0.1, power=1.0):
            if power > 1.5:
                return parameter - lr * gradient * abs(gradient), ()
            return parameter - lr * gradient, ()

    def change(t):
        t.optimizer.param_groups[0]["power"] += 0.4

    same(*fitted(both(Steps), callbacks=[change], epochs=4))


def test_a_rule_that_reads_an_attribute_of_its_own():
    class Scaled(Optimizer):
        def __init__(self, params, **options):
            super().__init__(params, **options)
            self.factor, self.log = [1.0], []

        def rule(self, parameter, gradient, state, *, lr=0.1):
            return parameter - lr * self.factor[0] * gradient, ()

    def change(t):
        t.optimizer.factor[0] *= 0.5
        t.optimizer.log.append(1)

    trainers = fitted(both(Scaled), callbacks=[change], epochs=4)
    same(*trainers)
    X, Y = task()
    for t in trainers:
        with t.stepping() as step:
            for _ in range(4):
                step(np.array(X), np.array(Y))
                change(t)
    same(*trainers)


def test_a_rule_with_memory_is_traced_once():
    calls = []

    class Own(Optimizer):
        def rule(self, parameter, gradient, state, *, lr=0.1, momentum=0.9):
            calls.append(1)
            (v,) = state or (0.0,)
            v = momentum * v + gradient
            return parameter - lr * v, (v,)

    X, Y = task()
    (_, t) = both(Own)
    for _ in range(10):
        t.step(X, Y)
    t.fit(X, Y, epochs=10, callbacks=[lambda t: None], progress=False)
    assert len(calls) <= 3


def test_examples_that_a_callback_changes_are_those_of_the_beginning():
    X, Y = task()
    trainers = both(lambda p: SGD(p, lr=0.1))
    for t in trainers:
        own = [list(x) for x in X]

        def change(_, own=own):
            for x in own:
                x[0] += 1.0

        t.fit(own, Y, epochs=3, callbacks=[change], progress=False)
    same(*trainers)


def test_a_centred_mean_square_is_never_below_0():
    def loss(output, y):
        return output[0]

    def make(p):
        return RMSprop(p, lr=1e-3, alpha=0.5, centered=True, eps=1e-4)

    trainers = both(make, make_model=lambda: Linear(1, 1, rng=0), loss=loss)
    for t in trainers:
        t.fit([[0.3]] * 10, [0.0] * 10, epochs=20, batch_size=1, progress=False)
        assert all(abs(p.data) < 1e6 for p in t.model.parameters())
    same(*trainers)


def test_a_cache_keeps_the_structures_of_late(monkeypatch):
    monkeypatch.setattr("autograd.compiler.specialization.Cache.MOST", 5)

    class Total(Module):
        def __init__(self):
            self.w = Value(0.5)

        def forward(self, x):
            return self.w * sum(x)

    trainers = both(lambda p: SGD(p, lr=0.01), make_model=Total, loss=mse_loss)
    rng = random.Random(0)
    X = [[rng.random() for _ in range(n)] for n in range(1, 13)] * 2
    for t in trainers:
        t.fit(X, [1.0] * len(X), epochs=2, batch_size=4, progress=False)
        with t.stepping() as step:
            for x in X:
                step([x], [1.0])
    same(*trainers)
    training = trainers[1]._engine_in_use._training
    assert len(list(training.cache)) <= 5
    assert len(training._plans) <= 6


@pytest.mark.parametrize("compiled", [False, True])
def test_ctrl_c_at_any_moment_ends_fit(compiled):
    """Signals at random moments; `fit` returns, whole steps were made, and the next one goes on from there."""
    X, Y = task()
    alone, t = (both(lambda p: Adam(p, lr=0.01), make_model=model)[compiled] for _ in range(2))
    both(Adam)[compiled].step(X, Y)  # imports what is needed
    rng, main, came, done = random.Random(3), threading.main_thread().ident, 0, threading.Event()
    epochs = 2000 if compiled else 20

    def disturb():
        while not done.is_set():
            time.sleep(rng.uniform(0.0, 0.02))
            signal.pthread_kill(main, signal.SIGINT)

    def handle(_, frame):
        while frame and frame.f_code.co_name != "gc_callback":  # hypothesis's, of which Python would only say something
            if frame.f_code in (Trainer._fit.__code__, Trainer._settle.__code__):
                raise KeyboardInterrupt
            frame = frame.f_back

    before = signal.signal(signal.SIGINT, handle)
    thread = threading.Thread(target=disturb)
    thread.start()
    begin = time.monotonic()
    try:
        while t.epoch < epochs and time.monotonic() - begin < 60:
            came += t.fit(X, Y, epochs=epochs - t.epoch, batch_size=8, progress=False).interrupted
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    alone.fit(X, Y, epochs=t.epoch, batch_size=8, progress=False)
    assert came > 3
    assert t.steps == alone.steps
    assert t.history.train_loss == alone.history.train_loss
    assert t.predict(X) == alone.predict(X)


def test_ctrl_c_while_compiling_ends_fit(monkeypatch):
    X, Y = task()
    (_, t) = both(SGD)
    from autograd.compiler import pipeline

    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        return roll(*args)

    roll = pipeline.roll
    monkeypatch.setattr(pipeline, "roll", interrupted)
    history = t.fit(X, Y, epochs=3, progress=False)
    assert history.interrupted
    assert t.steps == 0
    monkeypatch.setattr(pipeline, "roll", roll)
    assert not t.fit(X, Y, epochs=3, progress=False).interrupted


def test_a_model_and_loss_need_no_more_than_python():
    """A trainer that compiles goes through what pickles as before."""
    import copy
    import pickle

    X, Y = task()
    net = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 2, rng=1))
    t = Trainer(net, cross_entropy, Adam(net.parameters()), compile=True)
    t.fit(X, Y, epochs=2, progress=False)
    for twin in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert twin.predict(X) == t.predict(X)
        twin.fit(X, Y, epochs=1, progress=False)
