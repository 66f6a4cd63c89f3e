"""Interrupts, saving, resuming."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tasks import options, rich, task, trainer

from autograd import Value
from nn import (
    MLP,
    SGD,
    Module,
    Sophia,
    StepLR,
    Trainer,
    load,
    mse_loss,
    save,
)
from nn.interrupts import uninterrupted


@pytest.mark.parametrize("stop_at", [1, 7, 10, 14])
def test_an_interrupted_training_resumes_bit_for_bit(tmp_path, stop_at):
    X, Y = task()
    whole = rich()
    whole.fit(X, Y, **options(X, Y, 5))
    first, count = rich(), []
    original = first.optimizer.step

    def step():
        count.append(1)
        if len(count) == stop_at:
            os.kill(os.getpid(), signal.SIGINT)  # in the middle of a step: it is finished first
        original()

    first.optimizer.step = step
    history = first.fit(X, Y, **options(X, Y, 5))
    assert history.interrupted
    assert first.steps == stop_at
    del first.optimizer.step
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
from tasks import rich, task
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


def test_a_handler_of_one_s_own_gets_the_signal_even_if_the_block_fails():
    got, before = [], signal.signal(signal.SIGINT, lambda *call: got.append(call))
    try:
        with pytest.raises(ZeroDivisionError), uninterrupted():  # noqa: PT012 (the signal comes first)
            os.kill(os.getpid(), signal.SIGINT)
            1 / 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(got) == 1


def test_callbacks_that_an_interrupt_cut_short_are_called_again():
    X, Y = task()
    t, calls = trainer(), []

    def interrupted_once(t):
        calls.append(t.epoch)
        if calls == [1, 2]:
            raise KeyboardInterrupt

    fit = {"batch_size": 40, "callbacks": [interrupted_once], "progress": False}
    assert t.fit(X, Y, epochs=3, **fit).interrupted
    assert not t.fit(X, Y, epochs=1, **fit).interrupted
    assert calls == [1, 2, 2, 3]


def test_an_interrupt_at_the_last_validation_does_not_lose_the_early_stop():
    X, Y = task()

    def fit(interrupt_at=None):
        t, original = trainer(), Trainer._validate
        t.optimizer.lr = 3.0  # the best weights come early

        def validate(*args):
            original(t, *args)
            if t.waited == interrupt_at:
                raise KeyboardInterrupt

        t._validate = validate
        run = {"epochs": 60, "batch_size": 20, "validation": (X[40:], Y[40:]), "patience": 3, "progress": False}
        history = t.fit(X[:40], Y[:40], **run)
        if interrupt_at:
            assert history.interrupted
            assert not history.stopped_early
            history = t.fit(X[:40], Y[:40], **run)
        assert history.stopped_early
        return t.state_dict()

    a, b = fit(), fit(3)
    assert a["epoch"] < 60
    for state in (a, b):
        state["history"]["settings"] = None
    assert a == b


def test_a_fit_after_a_finished_one_looks_for_the_best_weights_anew():
    X, Y = task()
    t = trainer()
    run = {"batch_size": 20, "patience": 2, "progress": False}
    easy, hard = (X, Y), (X, [1 - y for y in Y])
    t.fit(X, Y, epochs=3, validation=easy, **run)
    before = t.model.state_dict()
    history = t.fit(X, Y, epochs=30, validation=hard, **run)
    assert history.best_epoch > 3.0
    assert t.best_loss == min(history.validation_loss[3:]) > min(history.validation_loss[:3])
    assert t.model.state_dict() != before


def test_numpy_s_numbers_are_saved_as_numbers(tmp_path):
    model = MLP(1, [1], rng=0)
    t = Trainer(model, mse_loss, SGD(model.parameters(), lr=np.float32(0.5)))
    t.fit(np.zeros((3, 1)), np.zeros(3), epochs=np.int64(1), progress=False)
    save(t, tmp_path / "t.json")
    other = MLP(1, [1], rng=1)
    assert load(Trainer(other, mse_loss, SGD(other.parameters())), tmp_path / "t.json").optimizer.lr == 0.5
    save(other, tmp_path / "m.json")
    with pytest.raises(ValueError, match=r"holds no state of a Trainer, but of a MLP"):
        load(t, tmp_path / "m.json")


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
    path.write_text(f'{{"format": "scalar-autograd 1", "kind": "MLP", "state": {state}}}')
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
    with pytest.raises(ValueError, match="the state is of a Trainer whose schedule was StepLR; build this one"):
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
        lambda s: s.update(sums=[None, 0.0]),
        lambda s: s.update(best_loss="low"),
        lambda s: s.update(best_state={"a": 1.0}),
        lambda s: s["optimizer"]["state"][0].pop(),
        lambda s: s["scheduler"].update(last_epoch=1.5),
        lambda s: s["scheduler"].update(base_lrs=[]),
        lambda s: s["history"].update(train_loss=["a"]),
        lambda s: s["history"].update(metrics={"accuracy": None}),
        lambda s: s["optimizer"]["param_groups"][0].update(lr=[1]),
        lambda s: s["optimizer"]["param_groups"][0].update(lr=True),
        lambda s: s["optimizer"]["param_groups"][0].update(weight_decay=[]),
        lambda s: s["optimizer"]["param_groups"][0].update(amsgrad=0),
        lambda s: s["optimizer"]["param_groups"][0].update(betas=[0.9]),
        lambda s: s["optimizer"]["param_groups"][0].update(initial_lr="0.1"),
        lambda s: s["optimizer"]["state"][0].__setitem__(0, -1),
        lambda s: s["optimizer"]["state"][0].__setitem__(1, True),
        lambda s: s["optimizer"]["state"].__setitem__(0, s["optimizer"]["state"][0][:2]),
        lambda s: s["model"].update({"layers.0.bias.0": True}),
        lambda s: s["model"].update({"layers.0.bias.0": [1.0]}),
        lambda s: s.update(finished=1),
        lambda s: s.update(finished="yes"),
        lambda s: s.update(steps=-1),
        lambda s: s.update(epoch=10**400),
        lambda s: s.update(sums=[0.0, -1.0]),
        lambda s: s["scheduler"].update(last_epoch=10**400),
        lambda s: s["optimizer"]["param_groups"][0].update(weight_decay=float("inf")),
        lambda s: s["optimizer"]["state"][0].__setitem__(0, float("nan")),
        lambda s: s.update(best_loss=True),
        lambda s: s["scheduler"].update(last_lrs=[True]),
        lambda s: s["scheduler"].update(last_lrs=[-0.1]),
        lambda s: s["history"].update(best_epoch="1"),
        lambda s: s["history"].update(best_epoch=-1.0),
        lambda s: s["history"].update(interrupted=None),
        lambda s: s["history"]["train_loss"].append(0.5),
        lambda s: s["history"]["validation_loss"].append(0.5),
        lambda s: s["history"]["metrics"]["accuracy"].append(0.5),
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
    with pytest.raises(ValueError, match=r"damaged, or was changed after nn\.save wrote it: its checksum does not fit"):
        load(rich(), path)
    content = {**content, "format": "scalar-autograd 1"}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="its checksum does not fit"):
        load(rich(), path)
    del content["sha256"]
    path.write_text(json.dumps(content))  # as before there was one
    twin = rich()
    twin.fit(X, Y, epochs=2, progress=False)
    before = twin.state_dict()
    with pytest.raises(ValueError, match=r"state|holds no state of a Trainer|expected \w+|History"):
        load(twin, path)
    assert twin.state_dict() == before


def test_a_step_that_fails_leaves_the_running_numbers_alone():
    t = rich()
    before = [list(buffer) for _, buffer in t.model.named_buffers()]
    with pytest.raises(FloatingPointError, match="the loss became nan"):
        t.step([[1.0, 2.0], [float("nan"), 0.0]], [0, 1])
    assert [buffer for _, buffer in t.model.named_buffers()] == before


def test_what_can_be_saved_comes_first(tmp_path):
    for attempt in (lambda: save("m.json", MLP(1, [1])), lambda: load(MLP, tmp_path / "m.json")):
        with pytest.raises(TypeError, match="expected a model or a Trainer first, and then a path, got"):
            attempt()
    save(rich(), tmp_path / "t.json")
    with pytest.raises(ValueError, match="holds a Trainer, with its model; load it with one, or"):
        load(MLP(1, [1]), tmp_path / "t.json")
    with pytest.raises(TypeError, match=r"fit expected callbacks in a list, such as \[monitor\], got"):
        trainer().fit(*task(), epochs=1, callbacks=print)


def test_a_fit_of_no_epochs_finishes_what_was_cut_short():
    X, Y = task()
    t, calls = trainer(), []

    def interrupted_once(t):
        calls.append(t.epoch)
        if calls == [1, 2]:
            raise KeyboardInterrupt

    run = {"validation": (X, Y), "patience": 5, "callbacks": [interrupted_once], "progress": False}
    assert t.fit(X, Y, epochs=2, **run).interrupted
    history = t.fit(X, Y, epochs=0, **run)
    assert not history.interrupted
    assert t.finished
    assert calls == [1, 2, 2]
    assert len(history.train_loss) == 2


def test_an_epoch_that_begins_anew_is_validated_anew():
    X, Y = task()
    t, original = trainer(), Trainer._validate

    def validate(*args):
        original(t, *args)
        raise KeyboardInterrupt

    t._validate = validate
    t.fit(X, Y, epochs=1, batch_size=20, validation=(X, Y), validate_every=2, progress=False)
    del t._validate
    assert t.history.validation_at == [0.5]
    history = t.fit(X, Y, epochs=1, batch_size=40, validation=(X, Y), validate_every=1, progress=False)
    assert history.validation_at == [0.5, 1.0]
    assert t.evaluate(X, Y)[0] == history.validation_loss[1] != history.validation_loss[0]


def test_options_changed_since_do_not_matter_to_a_file(tmp_path):
    model = MLP(1, [1], rng=0)
    t = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.1, momentum=0.9))
    t.step([[1.0]], [2.0])
    t.optimizer.param_groups[0]["momentum"] = 0.0
    save(t, tmp_path / "t.json")
    twin = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.1, momentum=0.9))
    assert load(twin, tmp_path / "t.json").optimizer.state == t.optimizer.state


def test_a_failed_estimate_changes_nothing():
    class Kink(Module):
        def __init__(self):
            self.w, self.v = Value(0.0), Value(1.0)

        def forward(self, x):
            return self.v * x + abs(self.w) ** 1.5

    model = Kink()
    t = Trainer(model, mse_loss, Sophia(model.parameters(), lr=0.1))
    before = t.state_dict()
    with pytest.raises(FloatingPointError, match="the estimate of the Hessian is not finite"):
        t.step([1.0], [0.0])
    assert t.state_dict() == before


def test_a_flipped_bit_is_noticed(tmp_path):
    X, Y = task()
    t, path, rng = rich(), tmp_path / "t.json", random.Random(4)
    t.fit(X, Y, epochs=1, progress=False)
    save(t, path)
    whole, twin = path.read_bytes(), rich()
    before, changed = twin.state_dict(), 0
    for _ in range(400):
        i, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        path.write_bytes(whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :])
        try:
            load(twin, path)
        except ValueError:
            assert twin.state_dict() == before
        else:  # white space is no content
            changed += 1
            assert json.loads(path.read_bytes()) == json.loads(whole)
            twin.load_state_dict(before)
    assert changed < 40


def test_a_file_of_before_there_was_a_checksum_still_loads(tmp_path):
    model, path = MLP(2, [1], rng=0), tmp_path / "m.json"
    path.write_text(json.dumps({"format": "scalar-autograd 1", "kind": "MLP", "state": model.state_dict()}))
    assert load(MLP(2, [1], rng=1), path).state_dict() == model.state_dict()
