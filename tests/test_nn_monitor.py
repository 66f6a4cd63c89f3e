"""The monitor: what it records, and that it speaks where there is a disease and only there."""

import itertools
import math
import random
from pathlib import Path

import matplotlib.colors
import pytest

from autograd import detect_anomaly, gradients, mean
from nn import (
    MLP,
    SGD,
    Adam,
    Conv2d,
    CosineAnnealingLR,
    Dropout,
    Embedding,
    Flatten,
    History,
    Linear,
    LinearLR,
    Module,
    Monitor,
    ReLU,
    RNNCell,
    Sequential,
    Sigmoid,
    StepLR,
    Tanh,
    Trainer,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    kaiming_normal_,
    make_moons,
    make_spiral,
    mse_loss,
    normal_,
    xavier_normal_,
    zeros_,
)

# Checkpoints


def watch(model, X, Y, *, epochs, optimizer, loss=cross_entropy, validation=None, batch_size=16, sample=24):
    t = Trainer(model, loss, optimizer)
    monitor = Monitor(model, loss, X[:sample], Y[:sample])
    t.fit(X, Y, epochs=epochs, batch_size=batch_size, validation=validation, callbacks=[monitor], progress=False)
    return monitor


def net(activation, widths, init, rng=0):
    layers, rng = [], random.Random(rng)
    for a, b in itertools.pairwise(widths):
        layers += [Linear(a, b, rng=rng), activation()]
        init(layers[-2].weight, rng=rng)
    return Sequential(*layers[:-1])


def test_a_healthy_training_gets_no_diagnosis():
    X, Y = make_moons(80, seed=1)
    for model in (
        net(Tanh, [2, 12, 12, 2], xavier_normal_),
        net(ReLU, [2, 16, 16, 2], kaiming_normal_),
        MLP(2, [12, 2], activation="tanh", rng=3),
    ):
        monitor = watch(model, X, Y, epochs=12, optimizer=Adam(model.parameters(), lr=0.01))
        assert monitor.diagnose() == []
        assert monitor.history.train_loss[-1] < monitor.history.train_loss[0]


def test_a_schedule_that_ends_at_zero_is_healthy():
    X, Y = make_moons(80, seed=1)
    model = net(Tanh, [2, 8, 2], xavier_normal_)
    optimizer = Adam(model.parameters(), lr=0.02)
    t = Trainer(model, cross_entropy, optimizer, scheduler=CosineAnnealingLR(optimizer, 12))
    monitor = Monitor(model, cross_entropy, X[:24], Y[:24])
    t.fit(X, Y, epochs=12, batch_size=16, callbacks=[monitor], progress=False)
    assert monitor.diagnose() == []


def test_vanishing_gradients():
    X, Y = make_moons(60, seed=1)
    model = net(Sigmoid, [2, 8, 8, 8, 8, 2], xavier_normal_)
    monitor = watch(model, X, Y, epochs=2, optimizer=SGD(model.parameters(), lr=0.1))
    (text,) = monitor.diagnose()
    assert text.startswith("gradients shrink by ")
    assert "x per layer towards the input: vanishing; try relu" in text


def test_exploding_gradients():
    X, Y = make_moons(60, seed=1)
    model = net(ReLU, [2, 12, 12, 12, 12, 12, 2], lambda w, rng: normal_(w, 0.0, 2.0, rng=rng))
    monitor = watch(model, X, Y, epochs=1, optimizer=SGD(model.parameters(), lr=1e-6))
    assert any("towards the input: exploding; try a smaller initialisation" in text for text in monitor.diagnose())


def test_dead_units():
    X, Y = make_moons(60, seed=1)
    model = net(ReLU, [2, 10, 10, 2], kaiming_normal_)
    for b in model[2].bias[:7]:
        b.data = -50.0
    monitor = watch(model, X, Y, epochs=2, optimizer=SGD(model.parameters(), lr=0.01))
    assert monitor.records[-1]["layers.3"].dead >= 0.7
    (text,) = [text for text in monitor.diagnose() if text.startswith("dead")]
    assert "% in layers.3: these ReLUs give 0 for every example and learn nothing; try a lower learning rate" in text


def test_saturated_units():
    X, Y = make_moons(60, seed=1)
    model = net(Tanh, [2, 10, 2], lambda w, rng: normal_(w, 0.0, 20.0, rng=rng))
    monitor = watch(model, X, Y, epochs=1, optimizer=SGD(model.parameters(), lr=1e-3))
    (text,) = [text for text in monitor.diagnose() if text.startswith("saturated")]
    assert "in layers.1: they sit at the ends of tanh or sigmoid" in text


def test_a_learning_rate_that_is_too_high():
    X, Y = [[x / 10] for x in range(-10, 11)], [x / 5 for x in range(-10, 11)]
    model = MLP(1, [1], rng=0)
    monitor = watch(model, X, Y, epochs=5, optimizer=SGD(model.parameters(), lr=3.1), loss=mse_loss, batch_size=21)
    (text,) = monitor.diagnose()
    assert text.startswith("loss rose 3 times in a row and the update ratio is ")
    assert text.endswith("learning rate too high")


def test_a_loss_that_jumps_up_and_down():
    X, Y = make_moons(200, seed=3)
    model = MLP(2, [16, 2], activation="tanh", rng=2)
    monitor = watch(model, X, Y, epochs=12, optimizer=SGD(model.parameters(), lr=8.0))
    assert any(text.startswith("loss rose in 4 of 6 epochs and the update ratio is 0.") for text in monitor.diagnose())


def test_an_output_may_be_sure_and_a_channel_is_dead_only_in_all_places():
    X, Y = make_moons(60, seed=1)
    model = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 1, rng=1), Sigmoid())
    for p in model[2].parameters():
        p.data *= 100.0
    monitor = watch(
        model, X, Y, epochs=1, optimizer=SGD(model.parameters(), lr=1e-6), loss=lambda o, y: (o[0] - y) ** 2
    )
    assert monitor.records[-1]["layers.3"].saturated > 0.5
    assert not any(text.startswith("saturated") for text in monitor.diagnose())
    images = [[[[float(i == j + k) for j in range(6)] for i in range(6)]] for k in range(6)]
    model = Sequential(Conv2d(1, 4, 3, rng=0), ReLU(), Flatten(), Linear(64, 2, rng=0))
    model[0].bias[1].data = -9.0
    monitor = watch(model, images, [0, 1] * 3, epochs=1, optimizer=SGD(model.parameters(), lr=1e-6), sample=6)
    assert monitor.records[-1]["layers.1"].dead == 0.25


def test_a_learning_rate_that_is_too_low():
    X, Y = make_moons(60, seed=1)
    model = net(Tanh, [2, 8, 2], xavier_normal_)
    monitor = watch(model, X, Y, epochs=5, optimizer=SGD(model.parameters(), lr=1e-6))
    (text,) = monitor.diagnose()
    assert text.startswith("loss hardly falls and the update ratio is at most ")


def test_a_schedule_that_ends_within_the_first_epoch():
    """The loss falls in that epoch, and then no more."""
    X, Y = make_moons(60, seed=1)
    model = net(Tanh, [2, 8, 2], xavier_normal_)
    monitor, optimizer = Monitor(model, cross_entropy, X, Y), SGD(model.parameters(), lr=0.1)
    schedule = StepLR(optimizer, step_size=3, gamma=0.5)
    trainer = Trainer(model, cross_entropy, optimizer, scheduler=schedule, scheduler_interval="batch")
    losses = trainer.fit(X, Y, epochs=6, batch_size=1, callbacks=[monitor], progress=False).train_loss
    assert losses[0] - losses[-1] > 0.02 * losses[0]
    assert [text[-21:] for text in monitor.diagnose()] == ["learning rate too low"]


def test_over_fitting():
    rng = random.Random(5)
    X = [[rng.gauss(0, 1) for _ in range(5)] for _ in range(60)]
    Y = [rng.randint(0, 1) for _ in X]
    model = net(Tanh, [5, 24, 2], xavier_normal_)
    monitor = watch(
        model, X[:30], Y[:30], epochs=25, optimizer=Adam(model.parameters(), lr=0.02), validation=(X[30:], Y[30:])
    )
    (text,) = monitor.diagnose()
    best = monitor.history.best_epoch
    assert text.startswith(f"validation rises while training falls: over-fitting since epoch {best:.0f}; try patience")


def test_no_gradient_at_all():
    X, Y = make_moons(40, seed=1)
    model = net(ReLU, [2, 6, 6, 2], kaiming_normal_)
    zeros_(model[4].weight)
    monitor = watch(model, X, Y, epochs=1, optimizer=SGD(model.parameters(), lr=0.0))
    assert any(text.startswith("no gradient reaches layers.0") for text in monitor.diagnose())


def test_looking_changes_nothing():
    X, Y = make_spiral(60, rng=0)

    def fit(callbacks):
        from nn import BatchNorm1d

        model = Sequential(Linear(2, 6, rng=0), BatchNorm1d(6), Tanh(), Dropout(0.2), Linear(6, 3, rng=1))
        t = Trainer(model, cross_entropy, Adam(model.parameters(), lr=0.01))
        t.fit(X, Y, epochs=3, callbacks=[c(model) for c in callbacks], progress=False)
        return t.state_dict()

    assert fit([]) == fit([lambda model: Monitor(model, cross_entropy, X[:10], Y[:10])])


def test_what_is_recorded():
    X, Y = make_moons(40, seed=1)
    model = MLP(2, [4, 2], activation="relu", rng=0)
    monitor = watch(model, X, Y, epochs=1, optimizer=SGD(model.parameters(), lr=0.5))
    assert list(monitor.records[0]) == ["layers.0", "layers.1"]
    record = monitor.records[0]["layers.0"]
    outputs = [y.data for x in X[:24] for y in model.layers[0](x)]
    assert sorted(record.outputs) == sorted(outputs)
    assert record.mean == pytest.approx(sum(outputs) / len(outputs))
    loss = mean([cross_entropy(model(x), y) for x, y in zip(X[:24], Y[:24], strict=True)])
    model.zero_grad()
    loss.backward()
    own = model.layers[0].parameters()
    assert record.gradients == pytest.approx([p.grad for p in own])
    size = (sum(p.grad**2 for p in own) / len(own)) ** 0.5
    assert record.gradient == pytest.approx(size)
    weights = (sum(p.data**2 for p in own) / len(own)) ** 0.5
    assert record.update_ratio == pytest.approx(0.5 * size / weights)


def test_the_monitor_s_picture(tmp_path):
    X, Y = make_moons(40, seed=1)
    model = MLP(2, [4, 2], activation="relu", rng=0)
    monitor = watch(model, X, Y, epochs=3, optimizer=SGD(model.parameters(), lr=0.1))
    figure = monitor.plot(tmp_path / "monitor.png")
    assert (tmp_path / "monitor.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes) == 6
    with pytest.raises(ValueError, match="diagnose expected at least one epoch"):
        Monitor(model, cross_entropy, X, Y).diagnose()


def test_a_loss_that_jumps_is_put_before_its_symptoms():
    X, Y = make_moons(100, noise=0.15, seed=2)
    for model, optimizer in (
        (MLP(2, [1], rng=0), SGD), (MLP(2, [8, 8, 1], activation="silu", rng=0), SGD),
        (MLP(2, [8, 8, 1], activation="tanh", rng=0), Adam), (MLP(2, [8, 8, 1], rng=0), SGD),
    ):  # fmt: skip
        monitor = watch(
            model,
            X,
            Y,
            epochs=8,
            optimizer=optimizer(model.parameters(), lr=100.0),
            loss=binary_cross_entropy_with_logits,
        )
        found = monitor.diagnose()
        assert any(
            f"{text}" in found[0] for text in ("rate too high", "lower the learning rate", "a lower learning rate")
        )


def test_a_monitor_of_another_model_is_refused():
    X, Y = make_moons(40, seed=1)
    model = MLP(2, [4, 2], rng=0)
    monitor = Monitor(MLP(2, [4, 2], rng=0), cross_entropy, X, Y)
    t = Trainer(model, cross_entropy, SGD(model.parameters(), lr=0.1))
    with pytest.raises(ValueError, match="the monitor looks at another model"):
        t.fit(X, Y, epochs=1, callbacks=[monitor], progress=False)


def test_what_is_learned_is_not_ill():
    model = MLP(1, [4, 4, 1], rng=0)
    X, Y = [[-2.0], [2.0]] * 8, [-1, 1] * 8
    monitor = watch(model, X, Y, epochs=60, optimizer=Adam(model.parameters(), lr=0.05), loss=hinge_loss, sample=16)
    assert monitor.history.train_loss[-1] == 0.0
    assert monitor.diagnose() == []


def test_layers_are_seen_in_the_order_in_which_they_are_called():
    class Backwards(Module):
        def __init__(self):
            self.unused = Linear(2, 2, rng=9)
            self.head = Linear(8, 2, rng=0)
            self.hidden = [Linear(8, 8, rng=i) for i in range(6)]
            self.first = Linear(2, 8, rng=7)

        def forward(self, x):
            x = self.first(x)
            for layer in self.hidden:
                x = layer([v.sigmoid() for v in x])
            return self.head([v.sigmoid() for v in x])

    X, Y = make_moons(40, seed=1)
    model = Backwards()
    monitor = watch(model, X, Y, epochs=1, optimizer=SGD(model.parameters(), lr=0.1))
    assert list(monitor.records[0])[:2] == ["first", "hidden.0"]
    assert "unused" not in monitor.records[0]
    assert any("towards the input: vanishing" in text for text in monitor.diagnose())


def test_flow_is_counted_by_examples():
    class Twice(Module):
        def __init__(self):
            self.letters, self.cell, self.out = Embedding(3, 2, rng=0), RNNCell(2, 2, rng=1), Linear(2, 2, rng=2)

        def forward(self, word):
            h = None
            for x in self.letters(word):
                h = self.cell(x, h)
            return self.out(h)

    model = Twice()
    X, Y = [[0, 1, 2, 1]], [1]
    monitor = watch(model, X, Y, epochs=1, optimizer=SGD(model.parameters(), lr=0.0), sample=1)
    record = monitor.records[0]
    assert math.isnan(record["letters"].output_gradient)
    states = []
    handle = model.cell.register_forward_hook(lambda module, inputs, output: states.extend(output))
    loss = cross_entropy(model(X[0]), 1)
    handle.remove()
    assert record["cell"].output_gradient == pytest.approx(math.hypot(*gradients(loss, states)))


def test_negative_losses_may_stay_where_they_are():
    X, Y = make_moons(40, seed=1)
    seen = Monitor(MLP(2, [4, 2], rng=0), cross_entropy, X, Y)
    at = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    noise = [0.9, 0.0113, 0.012, 0.0126, 0.0125, 0.0126]
    for validation in ([-1.0] * 6, [-1.0, -2.0, -1.99, -1.995, -1.998, -1.999], noise):
        seen.history = History(
            train_loss=[-1.0, -2.0, -2.1, -2.2, -2.3, -2.4], validation_loss=validation, validation_at=at
        )
        assert seen._fit() == []


def test_the_update_ratio_counts_clipping():
    X, Y = make_moons(40, seed=1)
    model = MLP(2, [4, 2], rng=0)
    t = Trainer(model, cross_entropy, SGD(model.parameters(), lr=1.0), clip_grad_norm=1e-3)
    monitor = Monitor(model, cross_entropy, X, Y)
    t.fit(X, Y, epochs=1, callbacks=[monitor], progress=False)
    assert max(r.update_ratio for r in monitor.records[0].values()) < 1e-2


def test_what_has_exploded_is_said_so_after_one_epoch():
    X, Y = [[i / 10, -i / 7] for i in range(-15, 15)], [i / 3 for i in range(-15, 15)]
    model = MLP(2, [8, 1], rng=0)
    monitor = Monitor(model, mse_loss, X, Y)
    t = Trainer(model, mse_loss, SGD(model.parameters(), lr=5.0))
    with pytest.raises(FloatingPointError):
        t.fit(X, Y, epochs=500, batch_size=30, callbacks=[monitor], progress=False)
    assert "they have exploded; lower the learning rate" in monitor.diagnose()[0]


def test_an_anomaly_in_training_names_the_user_s_line():
    model = MLP(1, [1], rng=0)
    t = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.1))
    with detect_anomaly(), pytest.raises(FloatingPointError, match=r"made nan.* at .*test_nn_monitor\.py"):
        t.fit([[math.nan]], [1.0], epochs=1, progress=False)


def colours(axis):
    found = {line.get_label(): line.get_color() for line in axis.get_lines()}
    found |= {patch.get_label(): matplotlib.colors.to_hex(patch.get_edgecolor()) for patch in axis.patches}
    return {name: matplotlib.colors.to_hex(colour) for name, colour in found.items() if not name.startswith("_")}


def test_a_layer_has_one_colour_in_all_panels_and_shares_end_at_1():
    X, Y = make_moons(40, seed=1)
    model = Sequential(Linear(2, 4, rng=0), Tanh(), Linear(4, 4, rng=1), ReLU(), Linear(4, 2, rng=2))
    monitor = watch(model, X, Y, epochs=2, optimizer=SGD(model.parameters(), lr=0.1))
    axes = monitor.plot().axes
    known = colours(axes[0])
    assert len({*known.values()}) == 5
    for axis in axes:
        assert colours(axis).items() <= known.items()
    assert axes[3].get_ylim() == (-0.02, 1.02)
    assert any(list(line.get_ydata()) == [1e-3, 1e-3] for line in axes[1].get_lines())
    assert [text.get_text() for text in axes[0].figure.legends[0].get_texts()] == list(known)


def test_pictures_and_tables_show_themselves(capsys):
    X, Y = make_moons(40, seed=1)
    model = MLP(2, [4, 2], rng=0)
    monitor = Monitor(model, cross_entropy, X, Y)
    assert repr(monitor) == "Monitor(2 layers, 0 epochs)"

    def right(outputs, targets):
        return 0.5

    optimizer = SGD(model.parameters(), lr=0.1)
    t = Trainer(model, cross_entropy, optimizer, metrics={"<b>share</b>": right})
    assert repr(t).startswith("Trainer(MLP, cross_entropy, SGD(lr=0.1,")
    assert "epochs" in t._repr_html_()
    history = t.fit(X, Y, epochs=3, validation=(X, Y), callbacks=[monitor], progress=False)
    assert repr(history).startswith("History(epochs 3, train loss 0.")
    assert repr(monitor).startswith("Monitor(2 layers, 3 epochs, ")
    for shown in (t, history, monitor):
        html = shown._repr_html_()
        assert "data:image/png;base64,iVBOR" in html
        assert "<b>share</b>" not in html
    assert "&lt;b&gt;share" in history._repr_html_()
    for picture in (history.plot(), monitor.plot()):
        assert picture._repr_png_().startswith(b"\x89PNG")
    assert [a.get_title() for a in history.plot().axes] == ["loss", "on validation data", "grad norm"]
    labels = [text.get_text() for text in history.plot().axes[0].get_legend().get_texts()]
    assert labels[-1] == f"best, epoch {history.best_epoch:g}"


def test_a_cell_shows_a_picture_without_being_told():
    code = (
        "from nn import History\nHistory(train_loss=[2.0, 1.0], learning_rate=[0.1, 0.1], grad_norm=[1.0, 2.0]).plot()"
    )
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    path = str(Path(__file__).parents[1])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": path}}).execute()
    (output,) = notebook.cells[0].outputs
    assert output["data"]["image/png"].startswith("iVBOR")


def test_a_monitor_that_comes_late_counts_the_epochs_of_the_training():
    X, Y = make_moons(20, seed=1)
    model = MLP(2, [4, 2], rng=0)
    trainer = Trainer(model, cross_entropy, Adam(model.parameters()))
    trainer.fit(X, Y, epochs=3, progress=False)
    monitor = Monitor(model, cross_entropy, X, Y)
    trainer.fit(X, Y, epochs=2, callbacks=[monitor], progress=False)
    assert monitor.epochs == [4, 5]
    assert list(monitor.plot().axes[0].lines[0].get_xdata()) == [4, 5]


def test_the_update_ratio_is_that_of_the_epoch_and_not_of_the_rate_after_it():
    X, Y = make_moons(20, seed=1)

    def ratios(make):
        model = MLP(2, [4, 2], rng=0)
        optimizer = SGD(model.parameters(), lr=0.1)
        monitor = Monitor(model, cross_entropy, X, Y)
        t = Trainer(model, cross_entropy, optimizer, scheduler=make(optimizer))
        t.fit(X, Y, epochs=1, callbacks=[monitor], progress=False)
        return [r.update_ratio for r in monitor.records[0].values()], optimizer.lr

    expected, _ = ratios(lambda o: None)
    for make, after in ((lambda o: StepLR(o, 1, gamma=0.01), 0.001), (lambda o: LinearLR(o, 1.0, 0.0, 1), 0.0)):
        found, rate = ratios(make)
        assert (found, rate) == (pytest.approx(expected), after)


def test_a_monitor_that_is_called_by_hand_counts_its_own_epochs():
    X, Y = make_moons(20, seed=1)
    model = MLP(2, [4, 2], rng=0)
    trainer, monitor = Trainer(model, cross_entropy, Adam(model.parameters())), Monitor(model, cross_entropy, X, Y)
    for _ in range(3):
        trainer.step(X, Y)
        monitor(trainer)
    assert monitor.epochs == [1, 2, 3]
