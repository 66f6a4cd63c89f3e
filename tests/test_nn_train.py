import json
import random
from pathlib import Path

import pytest
from support import same

from autograd import Value, no_grad
from nn import MLP, SGD, History, Module, Optimizer, Trainer, batches, cross_entropy, load_digits, mse_loss
from nn import train_validation_test_split as split

TORCH = json.loads((Path(__file__).parent / "reference" / "torch_nn.json").read_text())


@pytest.mark.parametrize("row", TORCH["trajectories"], ids=lambda row: str(row["options"]))
def test_sgd_equals_pytorch_at_every_step(row):
    x, y = Value(-1.2), Value(1.0)
    optimizer = SGD([x, y], **row["options"])
    for expected in row["points"]:
        optimizer.zero_grad()
        ((1 - x) ** 2 + 100 * (y - x**2) ** 2).backward()
        optimizer.step()
        assert same(x.data, expected[0])
        assert same(y.data, expected[1])


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


def test_batches_hold_each_index_once_and_the_last_one_is_kept():
    assert list(batches(5, 2)) == [[0, 1], [2, 3], [4]]
    shuffled = list(batches(100, 7, random.Random(0)))
    assert sorted(i for b in shuffled for i in b) == list(range(100))
    assert shuffled == list(batches(100, 7, random.Random(0)))
    assert shuffled != list(batches(100, 7, random.Random(1)))


def test_the_split_is_stratified_complete_and_seeded():
    X, Y = load_digits()
    assert (len(X), len(X[0]), min(map(min, X)), max(map(max, X)), sorted(set(Y))) == (
        1797,
        64,
        0.0,
        1.0,
        list(range(10)),
    )
    parts = split(X, Y, seed=1)
    assert len(parts.x_train) + len(parts.x_validation) + len(parts.x_test) == 1797
    for digit in range(10):
        share = parts.y_test.count(digit) / Y.count(digit)
        assert share == pytest.approx(0.15, abs=0.005)
    assert parts == split(X, Y, seed=1)
    assert parts != split(X, Y, seed=2)


def test_numbers_are_split_without_classes():
    X, Y = [[i] for i in range(20)], [0.5 * i for i in range(20)]
    parts = split(X, Y, stratify=False)
    assert (len(parts.x_train), len(parts.x_validation), len(parts.x_test)) == (14, 3, 3)
    assert sorted(parts.y_train + parts.y_validation + parts.y_test) == Y
    with pytest.raises(ValueError, match=r"got 20 examples of 20 classes; are the targets classes\? .* stratify=False"):
        split(X, Y)


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
    history.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_progress_bar_shows_losses_and_metrics(capsys):
    X, Y = task()
    trainer(metrics={"accuracy": right}).fit(X, Y, epochs=2, validation=(X, Y))
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown
    assert "accuracy=" in shown
