"""Trainer, History and saving."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from autograd import Value, no_grad
from nn import (
    MLP,
    SGD,
    Adam,
    BatchNorm1d,
    Dropout,
    History,
    Linear,
    Module,
    OneCycleLR,
    Optimizer,
    ReduceLROnPlateau,
    Sequential,
    Sophia,
    StepLR,
    Tanh,
    Trainer,
    accuracy,
    batches,
    cross_entropy,
    l2_penalty,
    load,
    mse_loss,
    save,
)
from nn import train_validation_test_split as split
from nn.train import uninterrupted


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: SGD([], lr=0.1), ValueError, "SGD expected parameters, got none; does the model keep them"),
        (lambda: SGD([Value(1.0) * 2], lr=0.1), TypeError, "SGD expected leaf Values such as model.parameters"),
        (
            lambda: SGD(MLP(1, [1]), lr=0.1),
            TypeError,
            r"SGD expected parameters, got a module; write model\.parameters\(\)",
        ),
        (lambda: SGD([Value(1.0)], lr="0.1"), ValueError, "SGD expected lr >= 0, got '0.1'"),
        (lambda: SGD([1.0], lr=0.1), TypeError, "SGD expected leaf Values"),
        (lambda: SGD([Value(1.0)], lr=-1), ValueError, "SGD expected lr >= 0, got -1"),
        (lambda: SGD([Value(1.0)], momentum=-1), ValueError, "SGD expected momentum >= 0, got -1"),
        (
            lambda: SGD([Value(1.0)], nesterov=True),
            ValueError,
            "SGD expected momentum above 0 and no dampening with nesterov=True",
        ),
        (lambda: Optimizer([Value(1.0)]).step(), NotImplementedError, "Optimizer needs a method rule"),
        (lambda: batches(3, 0), ValueError, "batches expected a batch_size of at least 1, got 0"),
        (lambda: split([1], [1, 2]), ValueError, "got 1 examples and 2 targets"),
        (lambda: split([1], [1], test=1.0), ValueError, "expected shares of validation and test above 0"),
    ],
)
def test_errors(attempt, error, text):
    with pytest.raises(error, match=text):
        attempt()


def task():
    rng = random.Random(0)
    X = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(80)]
    return X, [int(a * b > 0) for a, b in X]


def trainer(seed=0, **options):
    model = MLP(2, [8, 2], activation="tanh", rng=1)
    return Trainer(model, cross_entropy, SGD(model.parameters(), lr=0.3, momentum=0.9), seed=seed, **options)


def right(outputs, targets):
    return sum(o[y] == max(o) for o, y in zip(outputs, targets, strict=True)) / len(targets)


def test_fit_learns_and_keeps_a_history():
    X, Y = task()
    t = trainer(metrics={"accuracy": right})
    history = t.fit(X[:60], Y[:60], epochs=40, batch_size=16, validation=(X[60:], Y[60:]), progress=False)
    assert len(history.train_loss) == len(history.validation_loss) == len(history.metrics["accuracy"]) == 40
    assert history.train_loss[-1] < 0.3 * history.train_loss[0]
    assert history.metrics["accuracy"][-1] >= 0.85
    loss, metrics = t.evaluate(X[60:], Y[60:])
    assert loss == history.validation_loss[-1]
    assert metrics["accuracy"] == history.metrics["accuracy"][-1]
    assert t.model.training
    assert all(isinstance(x, float) for x in t.predict(X[:1])[0])


def test_the_same_seed_gives_the_same_bits():
    X, Y = task()
    a, b, c = (trainer(seed).fit(X, Y, epochs=3, batch_size=16, progress=False) for seed in (0, 0, 1))
    assert a.train_loss == b.train_loss
    assert a.train_loss != c.train_loss


def test_a_step_averages_over_the_batch():
    model = MLP(1, [1], rng=0)
    w, b = model.parameters()
    w.data, b.data = 1.0, 0.0
    t = Trainer(model, mse_loss, SGD([w, b], lr=0.5))
    assert t.step([[1.0], [3.0]], [0.0, 0.0]) == 5.0
    assert (w.data, b.data) == (1.0 - 0.5 * (1.0 * 2 + 3.0 * 2 * 3.0) / 2, -0.5 * 4.0)


def test_training_under_no_grad_is_refused():
    X, Y = task()
    with pytest.raises(RuntimeError, match="nothing was recorded, so nothing can be learned; train outside of no_grad"):
        no_grad()(lambda: trainer().fit(X, Y, epochs=1, progress=False))()


def test_the_loss_of_validation_gets_values_too():
    model = MLP(1, [1], rng=0)
    t = Trainer(model, lambda score, y: (1 + -y * score).relu(), SGD(model.parameters(), lr=0.1))
    history = t.fit([[1.0], [2.0]], [1, -1], epochs=1, validation=([[1.0]], [1]), progress=False)
    assert len(history.validation_loss) == 1


def test_prediction_leaves_every_module_in_its_mode_and_takes_nested_outputs():
    class Nested(Module):
        def __init__(self):
            self.layer = MLP(1, [1], rng=0)

        def forward(self, x):
            assert not self.training
            assert not self.layer.training
            y = self.layer(x)
            assert not y.inputs
            return (y, [[y, 1.0]])

    model = Nested()
    model.layer.eval()
    t = Trainer(model, lambda out, y: out[0], SGD(model.parameters(), lr=0.1))
    ((first, nested),) = t.predict([[2.0]])
    assert nested == [[first, 1.0]]
    assert model.training
    assert not model.layer.training


def test_the_last_batch_counts_by_its_size():
    model = MLP(1, [1], rng=0)
    t = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.0))
    X, Y = [[1.0], [2.0], [3.0]], [0.0, 1.0, 5.0]
    history = t.fit(X, Y, epochs=1, batch_size=2, progress=False)
    assert history.train_loss[0] == pytest.approx(t.evaluate(X, Y)[0])


def test_ctrl_c_keeps_everything_so_far():
    X, Y = task()
    t = trainer()
    steps = []
    original = t.step

    def step(Xb, yb):
        steps.append(1)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return original(Xb, yb)

    t.step = step
    history = t.fit(X, Y, epochs=10, batch_size=16, progress=False)
    assert history.interrupted
    assert len(history.train_loss) == 1


def test_an_interrupt_in_validation_leaves_whole_epochs():
    X, Y = task()
    calls = []

    def counted(outputs, targets):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return right(outputs, targets)

    t = trainer(metrics={"accuracy": counted})
    history = t.fit(X, Y, epochs=5, validation=(X, Y), progress=False)
    assert history.interrupted
    assert len(history.train_loss) == len(history.validation_loss) == len(history.metrics["accuracy"]) == 1
    assert all(module.training for _, module in t.model.named_modules())


def test_a_loss_of_plain_numbers_is_refused():
    t = trainer()
    t.loss = lambda logits, y: 1.0
    with pytest.raises(RuntimeError, match=r"nothing was recorded, .* with a loss of Values"):
        t.step([[0.0, 0.0]], [0])


def test_nan_and_bad_data_are_named():
    class Bad(Module):
        def __init__(self):
            self.w = Value(-1.0)

        def forward(self, x):
            return self.w.log()

    model = Bad()
    t = Trainer(model, lambda out, y: out, SGD(model.parameters(), lr=0.1))
    with pytest.raises(FloatingPointError, match="the loss became nan; lower the learning rate"):
        t.fit([[1.0]], [1.0], epochs=1, progress=False)
    assert model.w.data == -1.0
    model.w.data = 0.0
    t.loss = lambda out, y: out.exp()
    with pytest.raises(FloatingPointError, match="the loss is 0, but its gradient is not finite; lower the learning"):
        t.step([[1.0]], [1.0])
    assert model.w.data == 0.0
    for name, options in {"batch_size": {"epochs": 1, "batch_size": 0}, "epochs": {"epochs": 0}}.items():
        with pytest.raises(ValueError, match=f"fit expected {name} of at least 1, got 0"):
            trainer().fit([[1.0, 2.0]], [1], **options)
    for X, Y in (([], []), ([[1.0]], [1, 2])):
        with pytest.raises(ValueError, match="expected as many targets as examples, and at least one, got"):
            trainer().fit(X, Y, epochs=1)


def test_validation_is_checked_before_training():
    X, Y = task()
    with pytest.raises(ValueError, match=r"fit expected validation=\(examples, targets\), got 1 entries"):
        trainer().fit(X, Y, epochs=1, validation=(X,))
    with pytest.raises(ValueError, match="got 80 examples and 0 targets"):
        trainer().fit(X, Y, epochs=1, validation=(X, []))


def test_no_curves_without_an_epoch():
    with pytest.raises(ValueError, match="plot expected at least one complete epoch, got none"):
        History().plot()


def test_curves_are_drawn(tmp_path):
    X, Y = task()
    history = trainer(metrics={"accuracy": right}).fit(X, Y, epochs=2, validation=(X, Y), progress=False)
    figure = history.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert [a.get_title() for a in figure.axes] == ["loss", "on validation data", "learning rate", "grad norm"]
    assert [line.get_label() for line in figure.axes[0].get_lines()][:2] == ["train", "validation"]


def test_the_progress_bar_shows_losses_metrics_and_rate(capsys):
    X, Y = task()
    trainer(metrics={"accuracy": right}).fit(X, Y, epochs=2, validation=(X, Y))
    shown = capsys.readouterr().err
    for text in ("epoch 2/2", "loss=", "validation=", "accuracy=", "lr=0.3", "batch/s"):
        assert text in shown


def test_history_has_what_is_needed_to_train_again():
    X, Y = task()
    history = trainer(seed=5).fit(X, Y, epochs=2, batch_size=16, progress=False)
    assert len(history.grad_norm) == len(history.learning_rate) == 2
    assert history.learning_rate == [0.3, 0.3]
    assert all(norm > 0 for norm in history.grad_norm)
    settings = history.settings
    assert (settings["seed"], settings["epochs"], settings["batch_size"], settings["X"]) == (5, 2, 16, 80)
    assert settings["optimizer"].startswith("SGD(lr=0.3, momentum=0.9")
    assert (settings["loss"], settings["python"]) == ("cross_entropy", sys.version.split()[0])
    assert "Layer(2, 8, activation='tanh')" in settings["model"]


def test_early_stopping_ends_with_the_best_weights():
    rng = random.Random(3)
    X = [[rng.gauss(0, 1) for _ in range(6)] for _ in range(60)]
    Y = [rng.randint(0, 1) for _ in X]  # nothing to learn: validation only gets worse
    model = MLP(6, [16, 2], rng=0)
    t = Trainer(model, cross_entropy, Adam(model.parameters(), lr=0.02))
    history = t.fit(X[:30], Y[:30], epochs=100, batch_size=10, validation=(X[30:], Y[30:]), patience=4, progress=False)
    assert history.stopped_early
    epochs = len(history.train_loss)
    assert epochs < 100
    best = min(history.validation_loss)
    assert history.validation_loss.index(best) == epochs - 1 - 4
    assert history.best_epoch == epochs - 4
    assert t.evaluate(X[30:], Y[30:])[0] == best


def test_the_best_model_is_kept_without_patience_too():
    X, Y = task()
    t = trainer()
    history = t.fit(X[:40], Y[:40], epochs=30, batch_size=4, validation=(X[40:], Y[40:]), progress=False)
    assert t.evaluate(X[40:], Y[40:])[0] == history.validation_loss[-1]
    t.restore_best()
    assert t.evaluate(X[40:], Y[40:])[0] == min(history.validation_loss)


def test_validation_every_so_many_batches():
    X, Y = task()
    history = trainer().fit(X, Y, epochs=2, batch_size=16, validation=(X, Y), validate_every=2, progress=False)
    assert history.validation_at == [0.4, 0.8, 1.2, 1.6, 2.0]
    rare = trainer().fit(X, Y, epochs=3, batch_size=16, validation=(X, Y), validate_every=7, progress=False)
    assert rare.validation_at == [1.4, 2.8]
    for options in ({"patience": 3}, {"validate_every": 3}):
        with pytest.raises(ValueError, match=r"fit expected validation=\(examples, targets\) with patience or"):
            trainer().fit(X, Y, epochs=1, **options)


def test_schedules_by_epoch_by_batch_and_by_progress():
    X, Y = task()

    def fit(make, **options):
        model = MLP(2, [2], rng=0)
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.5)
        t = Trainer(model, cross_entropy, optimizer, scheduler=make(optimizer), **options)
        return t.fit(X, Y, epochs=4, batch_size=20, progress=False).learning_rate

    assert fit(lambda o: StepLR(o, 2, gamma=0.5)) == [0.1, 0.1, 0.05, 0.05]
    rates = fit(lambda o: OneCycleLR(o, max_lr=1.0, total_steps=16), scheduler_interval="batch")
    assert rates[0] > 0.04
    assert rates[-1] < 0.05  # one step past the end, as in PyTorch
    assert fit(lambda o: ReduceLROnPlateau(o, patience=0, threshold=0.9, factor=0.5))[2:] == [0.05, 0.025]
    with pytest.raises(ValueError, match="expected scheduler_interval 'epoch' or 'batch', got 'step'"):
        fit(lambda o: StepLR(o, 1), scheduler_interval="step")


def test_clipping_penalty_and_sophia_in_the_loop():
    X, Y = task()

    def fit(optimizer=SGD, lr=0.5, **options):
        model = MLP(2, [4, 2], activation="tanh", rng=1)
        t = Trainer(model, cross_entropy, optimizer(model.parameters(), lr=lr), **options)
        if "penalty" in options:
            t.penalty = lambda: options["penalty"] * l2_penalty(model.parameters())
        return t, t.fit(X, Y, epochs=5, batch_size=40, progress=False)

    clipped, _ = fit(clip_grad_norm=0.01)
    before = [p.data for p in clipped.model.parameters()]
    clipped.step(X, Y)
    moved = sum((p.data - b) ** 2 for p, b in zip(clipped.model.parameters(), before, strict=True)) ** 0.5
    assert moved == pytest.approx(0.5 * 0.01, rel=1e-3)
    limited, _ = fit(clip_grad_value=1e-4)
    limited.step(X, Y)
    assert max(abs(p.grad) for p in limited.model.parameters()) <= 1e-4
    plain, heavy = (sum(p.data**2 for p in fit(penalty=k)[0].model.parameters()) for k in (0.0, 0.5))
    assert heavy < 0.5 * plain
    t, history = fit(Sophia, 0.05)
    assert t.optimizer.estimates == 1
    assert t.steps == 10
    assert history.train_loss[-1] < history.train_loss[0]


def test_callbacks_are_called_each_epoch_and_may_stop():
    X, Y = task()
    t, seen = trainer(), []

    def watch(trainer):
        seen.append(trainer.epoch)
        if trainer.epoch == 3:
            trainer.stop()

    assert len(t.fit(X, Y, epochs=10, callbacks=[watch], progress=False).train_loss) == 3
    assert seen == [1, 2, 3]
    assert len(t.fit(X, Y, epochs=2, progress=False).train_loss) == 5  # fit goes on, and so does the history


def test_lists_and_arrays_train_alike():
    np = pytest.importorskip("numpy")
    X, Y = task()
    assert (
        trainer()
        .fit(np.array(X), np.array(Y), epochs=1, validation=(np.array(X), np.array(Y)), progress=False)
        .state_dict()
        == trainer().fit(X, Y, epochs=1, validation=(X, Y), progress=False).state_dict()
    )


# Interrupts, saving, resuming


def rich(seed=0):
    """Everything that has a state: batch normalisation, dropout, Adam, a schedule."""
    model = Sequential(Linear(2, 6, rng=2), BatchNorm1d(6), Tanh(), Dropout(0.25), Linear(6, 2, rng=3))
    optimizer = Adam(model.parameters(), lr=0.02, amsgrad=True)
    return Trainer(
        model, cross_entropy, optimizer, scheduler=StepLR(optimizer, 2, gamma=0.5), metrics=[accuracy], seed=seed
    )


def options(X, Y, epochs):
    return {"epochs": epochs, "batch_size": 16, "validation": (X, Y), "validate_every": 3, "progress": False}


@pytest.mark.parametrize("stop_at", [1, 7, 10, 14])
def test_an_interrupted_training_resumes_bit_for_bit(tmp_path, stop_at):
    X, Y = task()
    whole = rich()
    whole.fit(X, Y, **options(X, Y, 5))
    first, original, count = rich(), Trainer.step, []

    def step(Xb, yb):
        loss = original(first, Xb, yb)
        count.append(1)
        if len(count) == stop_at:
            os.kill(os.getpid(), signal.SIGINT)  # in the middle of a step: it is finished first
        return loss

    first.step = step
    history = first.fit(X, Y, **options(X, Y, 5))
    assert history.interrupted
    assert first.steps == stop_at
    del first.step
    save(first, tmp_path / "training.json")
    again = load(rich(), tmp_path / "training.json")
    again.fit(X, Y, **options(X, Y, 5 - again.epoch))
    a, b = again.state_dict(), whole.state_dict()
    for state in (a, b):
        state["history"]["settings"] = None
    assert a == b
    assert not again.history.interrupted


def test_a_real_ctrl_c_in_another_process(tmp_path):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from test_nn_train import rich, task
from nn import save
t = rich()
X, Y = task()
print("ready", flush=True)
history = t.fit(X, Y, epochs=100_000, progress=False)
assert history.interrupted and len(history.train_loss) == t.epoch > 0
save(t, sys.argv[2])
print("saved", t.epoch)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "t.json")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out.startswith("saved")
    assert process.returncode == 0
    assert load(rich(), tmp_path / "t.json").epoch == int(out.split()[1])


def test_ctrl_c_is_held_back_and_let_through_again():
    handler = signal.getsignal(signal.SIGINT)
    reached = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (how far the block comes is the test)
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(1)
        reached.append(2)
    assert reached == [1]
    assert signal.getsignal(signal.SIGINT) is handler
    thread = threading.Thread(target=lambda: trainer().fit(*task(), epochs=1, progress=False))
    thread.start()
    thread.join()


def test_a_model_is_saved_and_loaded_with_every_bit(tmp_path):
    model, path = MLP(3, [4, 2], rng=1), tmp_path / "model.json"
    model.parameters()[0].data = 0.1 + 0.2
    model.parameters()[1].data = -0.0
    model.parameters()[2].data = float("inf")
    save(model, path)
    twin = load(MLP(3, [4, 2], rng=2), path)
    assert [str(p.data) for p in twin.parameters()] == [str(p.data) for p in model.parameters()]
    assert json.loads(path.read_text())["state"]["layers.0.neurons.0.w.0"] == 0.1 + 0.2
    assert [p.name for p in tmp_path.iterdir()] == ["model.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[1]", b'{"format": "x"}', b"[" * 100_000, b"\xff\xfe", b"\x80\x04."]
)
def test_damaged_and_hostile_files_are_refused(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    model = MLP(2, [1], rng=0)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"model\.json is not a whole file written by nn\.save"):
        load(model, path)
    assert model.state_dict() == before


def test_every_truncation_is_noticed(tmp_path):
    path, model = tmp_path / "model.json", MLP(2, [1], rng=0)
    save(model, path)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="not a whole file"):
            load(model, path)


@pytest.mark.parametrize(
    "state", ['{"w": 1}', '{"layers.0.neurons.0.w.0": "a", "layers.0.neurons.0.b": 1}', "[]", "3", "null"]
)
def test_states_that_do_not_fit_change_nothing(tmp_path, state):
    path, model = tmp_path / "model.json", MLP(1, [1], rng=0)
    path.write_text(f'{{"format": "scalar-autograd 1", "state": {state}}}')
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"the state is of another architecture|holds no state of a MLP"):
        load(model, path)
    assert model.state_dict() == before


def test_a_wrong_architecture_is_named(tmp_path):
    save(MLP(3, [4, 2], rng=1), tmp_path / "model.json")
    with pytest.raises(
        ValueError,
        match=r"another architecture than this MLP: it lacks 3 numbers \(layers\.0\.neurons\.4\.b, .*, …\)? ?and has|"
        r"it lacks .* and has .* besides; build the model as it was",
    ):
        load(MLP(3, [5, 2], rng=1), tmp_path / "model.json")
    t = rich()
    save(t, tmp_path / "trainer.json")
    before = trainer().state_dict()
    other = trainer()
    with pytest.raises(ValueError, match="the state is of a Trainer that had a schedule, or had none; build this one"):
        load(other, tmp_path / "trainer.json")
    assert other.state_dict() == before
    other.scheduler = StepLR(other.optimizer, 2)
    before = other.state_dict()
    with pytest.raises(
        ValueError, match="the state is of Adam with 44 parameters in 1 groups, but this is SGD with 42"
    ):
        load(other, tmp_path / "trainer.json")
    assert other.state_dict() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["optimizer"]["param_groups"][0].update(params=[]),
        lambda s: s["optimizer"]["param_groups"][0].update(lr="0.1"),
        lambda s: s["optimizer"]["state"].__setitem__(0, ["x"]),
        lambda s: s["scheduler"].update(optimizer=None),
        lambda s: s.update(epoch="1"),
        lambda s: s.update(batch=-1),
        lambda s: s.pop("scheduler"),
        lambda s: s["history"].update(danger=1),
        lambda s: s.pop("sums"),
        lambda s: s["model"].pop("layers.0.bias.0"),
    ],
)
def test_a_trainer_s_file_that_was_tampered_with_changes_nothing(tmp_path, change):
    X, Y = task()
    t, path = rich(), tmp_path / "t.json"
    t.fit(X, Y, epochs=1, validation=(X, Y), progress=False)
    save(t, path)
    content = json.loads(path.read_text())
    change(content["state"])
    path.write_text(json.dumps(content))
    twin = rich()
    twin.fit(X, Y, epochs=2, progress=False)
    before = twin.state_dict()
    with pytest.raises(ValueError, match=r"state|holds no state of a Trainer|expected lr"):
        load(twin, path)
    assert twin.state_dict() == before


def test_a_step_that_fails_leaves_the_running_numbers_alone():
    t = rich()
    before = [list(buffer) for _, buffer in t.model.named_buffers()]
    with pytest.raises(FloatingPointError, match="the loss became nan"):
        t.step([[1.0, 2.0], [float("nan"), 0.0]], [0, 1])
    assert [buffer for _, buffer in t.model.named_buffers()] == before


def test_what_does_not_belong_together_is_refused():
    model, other = MLP(2, [2], rng=0), SGD(MLP(2, [2], rng=0).parameters(), lr=0.1)
    own = SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="the optimizer has no parameter of the model; make it with"):
        Trainer(model, cross_entropy, other)
    with pytest.raises(ValueError, match="the scheduler belongs to another optimizer"):
        Trainer(model, cross_entropy, own, scheduler=StepLR(other, 1))
    for name in ("clip_grad_norm", "clip_grad_value"):
        with pytest.raises(ValueError, match=f"Trainer expected {name} above 0, or None, got 0"):
            Trainer(model, cross_entropy, own, **{name: 0})
    X, Y = task()
    for name in ("patience", "validate_every"):
        with pytest.raises(ValueError, match=f"fit expected {name} of at least 1, got 0"):
            trainer().fit(X, Y, epochs=1, validation=(X, Y), **{name: 0})
