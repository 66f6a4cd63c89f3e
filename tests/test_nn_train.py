"""Trainer and History."""

import random
import sys
import time

import pytest
from tasks import task, trainer

import nn
from autograd import Value, no_grad
from nn import (
    MLP,
    SGD,
    Adam,
    Dropout,
    History,
    Linear,
    Module,
    OneCycleLR,
    ReduceLROnPlateau,
    Sequential,
    Sophia,
    StepLR,
    Trainer,
    accuracy,
    cross_entropy,
    l2_penalty,
    mse_loss,
)


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
    original = t.optimizer.step

    def step():
        steps.append(1)
        if len(steps) == 8:
            raise KeyboardInterrupt
        original()

    t.optimizer.step = step
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
    with pytest.raises(FloatingPointError, match="the loss became nan; look for nan in the data"):
        t.fit([[1.0]], [1.0], epochs=1, progress=False)
    assert model.w.data == -1.0
    model.w.data = 0.0
    t.loss = lambda out, y: out.exp()
    with pytest.raises(FloatingPointError, match="the loss is 0, but its gradient is not finite; lower the learning"):
        t.step([[1.0]], [1.0])
    assert model.w.data == 0.0
    with pytest.raises(FloatingPointError, match="the validation loss is nan; look for nan in the validation data"):
        trainer().fit([[1.0, 2.0]], [1], epochs=1, validation=([[float("nan"), 1.0]], [0]), progress=False)
    with pytest.raises(ValueError, match="fit expected batch_size as a whole number of at least 1, got 0"):
        trainer().fit([[1.0, 2.0]], [1], epochs=1, batch_size=0)
    with pytest.raises(ValueError, match="fit expected epochs as a whole number of at least 0, got -1"):
        trainer().fit([[1.0, 2.0]], [1], epochs=-1)
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
    assert [a.get_title() for a in figure.axes] == ["loss", "on validation data", "grad norm"]
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
    with pytest.raises(ValueError, match="ReduceLROnPlateau looks at whole epochs; leave out scheduler_interval"):
        fit(ReduceLROnPlateau, scheduler_interval="batch")
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
        with pytest.raises(ValueError, match=f"fit expected {name} as a whole number of at least 1, got 0"):
            trainer().fit(X, Y, epochs=1, validation=(X, Y), **{name: 0})
    with pytest.raises(ValueError, match=r"fit expected epochs as a whole number of at least 0, got 1\.5"):
        trainer().fit(X, Y, epochs=1.5)
    for metrics in (["accuracy"], accuracy, "accuracy"):
        with pytest.raises(TypeError, match=r"expected metrics as a list of functions such as \[nn\.accuracy\], got"):
            trainer(metrics=metrics)
    with pytest.raises(ValueError, match=r'expected metrics of different names; give them as \{"name": function'):
        trainer(metrics=[lambda o, t: 0.0, lambda o, t: 1.0])
    with pytest.raises(ValueError, match="step expected as many targets as examples, got 2 examples and 1 targets"):
        trainer().step(X[:2], Y[:1])
    for attempt, text in (
        (lambda: Trainer(MLP, cross_entropy, own), r"expected a model, got <class .*MLP'>; write \(\) behind its name"),
        (lambda: Trainer(model, cross_entropy, "sgd"), "Trainer expected an optimizer, got 'sgd'"),
        (lambda: Trainer(model, cross_entropy, own, scheduler=StepLR), "Trainer expected a scheduler, got <class"),
    ):
        with pytest.raises(TypeError, match=text):
            attempt()
    with pytest.raises(TypeError, match=r"expected a loss as a function such as nn\.mse_loss, got 'mse'"):
        Trainer(model, "mse", own)
    with pytest.raises(
        TypeError, match=r"SGD expected a list of parameters, got one method; write model\.parameters\(\)"
    ):
        SGD(model.parameters)


def test_a_plateau_is_judged_by_this_fit_s_validation_of_this_epoch():
    X, Y = task()
    t, seen = trainer(), []
    t.scheduler = ReduceLROnPlateau(t.optimizer)
    t.scheduler.step = seen.append
    run = {"batch_size": 20, "progress": False}
    history = t.fit(X, Y, epochs=4, validation=(X, Y), validate_every=8, **run)  # every other epoch
    assert history.validation_at == [2.0, 4.0]
    assert seen == history.validation_loss
    t.fit(X, Y, epochs=1, **run)
    assert seen[2:] == t.history.train_loss[4:]


def test_the_penalty_is_minimised_but_not_reported():
    model = MLP(1, [1], rng=0)
    t = Trainer(
        model, mse_loss, SGD(model.parameters(), lr=0.1), penalty=lambda: 100.0 * l2_penalty(model.parameters())
    )
    before, (output, _) = [p.data for p in model.parameters()], (model([1.0]).data, 0)
    assert t.step([[1.0]], [0.0]) == output**2
    assert [p.data for p in model.parameters()] != before


def test_settings_name_all_that_decides():
    model = Sequential(Linear(2, 4, rng=0), Dropout(0.2, seed=7), Linear(4, 2, rng=0))
    first, last = model[0].parameters(), model[2].parameters()
    optimizer = Sophia([{"params": first, "lr": 0.25}, {"params": last}], seed=3, estimate_every=5)
    t = Trainer(model, cross_entropy, optimizer, penalty=l2_penalty, metrics=[accuracy])
    settings = nn.history.settings_of(t)
    assert "lr=0.25" in settings["optimizer"]
    assert "lr=0.01" in settings["optimizer"]
    assert "estimate_every=5, seed=3" in settings["optimizer"]
    assert "seed=7" in settings["model"]
    assert (settings["penalty"], settings["metrics"], settings["loss"]) == ("l2_penalty", ["accuracy"], "cross_entropy")


def test_ctrl_c_says_where_it_stopped_and_how_to_go_on(capsys):
    X, Y = task()
    t, seen = trainer(), []

    def interrupting(output, target):
        seen.append(1)
        if len(seen) == 50:
            raise KeyboardInterrupt
        return cross_entropy(output, target)

    t.loss = interrupting
    history = t.fit(X, Y, epochs=3, batch_size=16)
    assert history.interrupted
    text = (
        f"Stopped in epoch 1, after {t.batch} of 5 batches. Call fit with the same data and sizes to go on from there"
    )
    assert text in capsys.readouterr().err
    assert "interrupted" in repr(history)
    t.fit(X, Y, epochs=1, batch_size=16, progress=False)
    assert "Stopped" not in capsys.readouterr().err


def test_the_estimate_does_not_count_the_first_steps_which_compile(monkeypatch):
    X, Y = task()
    t, bars, steps = trainer(), [], nn.eager.Eager.steps

    def slow_at_first(self, *arguments):
        if not bars[0].n:
            time.sleep(1.0)
        return steps(self, *arguments)

    def remembered(*arguments):
        bars.append(nn.progress.progress_bar(*arguments))
        return bars[-1]

    monkeypatch.setattr(nn.eager.Eager, "steps", slow_at_first)
    monkeypatch.setattr("nn.train.progress_bar", remembered)
    start = time.perf_counter()
    t.fit(X, Y, epochs=2, batch_size=16)
    assert bars[0].n == 10
    assert bars[0].format_dict["elapsed"] < time.perf_counter() - start - 0.9


def test_in_a_notebook_the_bar_is_plain_output(monkeypatch, capsys):
    monkeypatch.setattr("nn.progress.in_notebook", lambda: True)
    X, Y = task()
    trainer().fit(X, Y, epochs=1)
    output = capsys.readouterr()
    assert "epoch 1/1" in output.out
    assert output.err == ""
