"""Every layer against PyTorch's numbers, by finite differences in both modes, and without reading a number."""

import inspect
import math
import random

import pytest
from reference_nn import TORCH, all_same, assign, numbers

import nn
from autograd import Value, dot, gradcheck, gradients, jacobian, no_grad
from autograd.compiler import symbolic
from nn import (
    MLP,
    RNN,
    BatchNorm1d,
    Conv2d,
    Dropout,
    Embedding,
    GRUCell,
    LayerNorm,
    Linear,
    LSTMCell,
    MaxPool2d,
    Module,
    MultiHeadAttention,
    ReLU,
    Residual,
    RNNCell,
    Sequential,
    TransformerBlock,
    detach,
    zeros_,
)
from nn.nested import flat, nested
from nn.randomness import Draws, drawing

LAYERS = [x for name in nn.__all__ if inspect.isclass(x := getattr(nn, name)) and issubclass(x, Module)]

IMAGE = [[[0.1, -0.2, 0.3, 0.7], [0.5, 0.9, -0.4, 0.2], [1.1, -1.2, 0.8, -0.3]]]
SEQUENCE = [[0.1, -0.2, 0.3, 0.9], [0.4, 0.5, -0.6, 0.2], [0.3, -0.8, 0.2, 0.1]]
ROW = SEQUENCE[0]
SAMPLES = {
    "Neuron": (lambda: nn.Neuron(4, activation="tanh", rng=0), ROW),
    "Layer": (lambda: nn.Layer(4, 2, activation="tanh", rng=0), ROW),
    "MLP": (lambda: MLP(4, [3, 2], activation="tanh", rng=0), ROW),
    "Linear": (lambda: Linear(4, 3, rng=0), ROW),
    "Sequential": (lambda: Sequential(Linear(4, 3, rng=0), nn.Tanh()), ROW),
    "Residual": (lambda: Residual(Linear(4, 4, rng=0)), ROW),
    "Embedding": (lambda: Embedding(5, 3, rng=0), [1, 3, 1]),
    "Flatten": (nn.Flatten, IMAGE),
    "Dropout": (lambda: Dropout(0.5, seed=3), ROW),
    "BatchNorm1d": (lambda: BatchNorm1d(4), ROW),
    "LayerNorm": (lambda: LayerNorm(4), ROW),
    "RMSNorm": (lambda: nn.RMSNorm(4), SEQUENCE),
    "RNNCell": (lambda: RNNCell(4, 2, rng=0), ROW),
    "RNN": (lambda: RNN(4, 2, 2, rng=0), SEQUENCE),
    "GRUCell": (lambda: GRUCell(4, 2, rng=0), ROW),
    "LSTMCell": (lambda: LSTMCell(4, 2, rng=0), ROW),
    "Conv2d": (lambda: Conv2d(1, 2, 2, padding=1, rng=0), IMAGE),
    "MaxPool2d": (lambda: MaxPool2d(2), IMAGE),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGE),
    "MultiHeadAttention": (lambda: MultiHeadAttention(4, 2, rng=0), SEQUENCE),
    "TransformerBlock": (lambda: TransformerBlock(4, 2, 3, activation="gelu", dropout=0.25, rng=0), SEQUENCE),
    **{name: (getattr(nn, name), ROW) for name in (
        "ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Softplus", "Sigmoid", "Tanh", "Softmax", "LogSoftmax")},
}  # fmt: skip
NOT_IN_TORCH = {"Neuron", "Layer", "MLP", "Sequential", "Residual", "Dropout", "Module"}


def test_every_layer_is_found_and_has_its_cases():
    names = {x.__name__ for x in LAYERS} - {"Module"}
    assert names == set(SAMPLES)
    assert {row["layer"] for row in TORCH["layers"]} == names - NOT_IN_TORCH - {"BatchNorm1d"}  # which has its own test


def run(module, x):
    """The output of one example, in training mode that of a batch where the layer needs one."""
    if isinstance(module, BatchNorm1d) and module.training:
        return module.batch([x, [0.5 * v + 0.1 * i for i, v in enumerate(x)], [v * v for v in x]])
    return module(x)


@pytest.mark.parametrize("row", TORCH["layers"], ids=lambda row: f"{row['layer']}-{row['args']}-{row['kwargs']}")
def test_values_and_gradients_equal_pytorch(row):
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in row["kwargs"].items()}
    module = getattr(nn, row["layer"])(*[tuple(a) if isinstance(a, list) else a for a in row["args"]], **options)
    parameters = module.parameters()
    assign(parameters, row["parameters"])
    x = row["input"] if row["layer"] == "Embedding" else nested(Value, row["input"])
    output = flat(module(x))
    assert all_same(numbers(output), row["output"])
    dot(output, row["cotangent"]).backward()
    assert all_same([p.grad for p in parameters], row["parameter_gradient"])
    if row["input_gradient"]:
        assert all_same([v.grad for v in flat(x)], row["input_gradient"])


def test_batch_norm_equals_pytorch():
    row = TORCH["batch_norm"]
    layer = BatchNorm1d(3, momentum=0.3)
    assign(layer.parameters(), row["parameters"])
    for batch in row["batches"]:
        layer.zero_grad()
        xs = nested(Value, batch["input"])
        ys = layer.batch(xs)
        assert all_same(numbers(ys), numbers(batch["output"]))
        dot(flat(ys), flat(batch["cotangent"])).backward()
        assert all_same([p.grad for p in layer.parameters()], batch["parameter_gradient"])
        assert all_same([x.grad for x in flat(xs)], batch["input_gradient"])
        assert all_same(layer.running_mean, batch["running_mean"])
        assert all_same(layer.running_var, batch["running_var"])
    layer.eval()
    assert all_same(numbers(layer(row["evaluation"]["input"])), row["evaluation"]["output"])


SMOOTH = set(SAMPLES) - {"ReLU", "LeakyReLU", "MaxPool2d"}


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", SAMPLES)
def test_gradcheck(name, training):
    make, x = SAMPLES[name]
    module = make().train(training)
    order = 2 if name in SMOOTH else 1
    weights = random.Random(1)
    cotangent = [weights.uniform(-1, 1) for _ in flat(run(module, x))]

    def loss(x):
        with drawing(Draws()):  # the same dropout at every call
            return dot(flat(run(module, x)), cotangent)

    if name != "Embedding":
        assert gradcheck(loss, (x,), order=order, sample=6, rng=random.Random(0))
    if parameters := module.parameters():
        assert gradcheck(lambda: loss(x), parameters, order=order, sample=8, rng=random.Random(0))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", SAMPLES)
def test_layers_can_be_recorded_without_reading_a_number(name, training):
    make, x = SAMPLES[name]
    module = make().train(training)
    x = x if name == "Embedding" else nested(Value, x)
    if training and name in ("BatchNorm1d", "Dropout", "TransformerBlock"):
        with symbolic(), pytest.raises(TypeError, match=r"; use LayerNorm|drawn anew for each example cannot be drawn"):
            run(module, x)
        return
    with drawing(Draws()), symbolic():
        y = run(module, x)
    with drawing(Draws()):
        assert flat(numbers(y)) == pytest.approx(flat(numbers(run(module, x))), rel=1e-14)


def test_symbolic_refuses_what_would_freeze_a_number():
    x = Value(2.0)
    with symbolic():
        for read in (
            lambda: x.data, lambda: bool(x), lambda: float(x), lambda: 1 if x > 1 else 0, lambda: max(x, 1.0),
            lambda: sorted([x, Value(1.0)]), lambda: int(x),
            x.backward, (x * 2.0).backward, (x * 2.0)._backward, lambda: gradients(x * 2.0, [x]),
            lambda: jacobian(lambda v: [v * x])(3.0),
        ):  # fmt: skip
            with pytest.raises(TypeError, match=r"is not known while|does not turn into a float"):
                read()
        assert isinstance(x < 3.0, Value)
        (cut,) = detach([x * x])
        assert gradients(cut * x, x, create_graph=True).inputs[1] is cut
        with no_grad():
            cut = x * x
        assert gradients(cut * x, x, create_graph=True).inputs[1] is cut
        comparisons = [x < 3.0, x <= 2.0, x > 2.0, x >= 2.0, x > 1.0, x > x]
    assert [y.data for y in comparisons] == [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    assert (x < 3.0) is True


# Dropout


def test_dropout_keeps_the_share_and_the_mean():
    layer, n = Dropout(0.3, seed=1), 20_000
    y = layer([1.0] * n)
    assert set(y) == {0.0, 1.0 / 0.7}
    assert sum(v == 0.0 for v in y) / n == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / n))
    assert layer.eval()([1.0, 2.0]) == [1.0, 2.0]
    assert Dropout(1.0)([1.0, 2.0]) == [0.0, 0.0]


def test_a_mask_is_a_function_of_seed_step_example_and_unit():
    layer, ones = Dropout(0.5, seed=1), [1.0] * 64

    def masks(step, seed=1):
        with drawing(Draws(step)):
            return Dropout(0.5, seed=seed).batch([ones, ones])

    assert masks(3) == masks(3)
    first, second = masks(3)
    assert first != second
    assert masks(3) != masks(4)
    assert masks(3) != masks(3, seed=2)
    with drawing(Draws(3)):
        draws = [layer(ones), layer(ones)]  # the second call in one example goes on in the stream
    assert draws[0] == first
    assert draws[1] not in (first, second)
    assert layer(ones) != layer(ones)


def test_layer_by_layer_and_one_by_one_draw_the_same():
    model = Sequential(Dropout(0.5), ReLU(), Dropout(0.5))
    xs = [[1.0] * 16, [2.0] * 16, [3.0] * 16]
    with drawing(Draws(1)):
        together = model.batch(xs)
    with drawing(Draws(1)) as counters:
        alone = [model(x) for x in counters.each(xs)]
    assert together == alone


def test_counters_look_uniform_and_independent():
    from nn.randomness import counter_uniform

    n = 4000
    draws = [counter_uniform(0, step, 0, unit) for step in range(40) for unit in range(100)]
    assert all(0.0 <= x < 1.0 for x in draws)
    assert sum(draws) / n == pytest.approx(0.5, abs=4 / math.sqrt(12 * n))
    bins = [sum(i / 10 <= x < (i + 1) / 10 for x in draws) for i in range(10)]
    assert sum((b - n / 10) ** 2 / (n / 10) for b in bins) < 33.7  # chi square of 9, 1 in 10,000
    for lag in (1, 100):
        product = sum((a - 0.5) * (b - 0.5) for a, b in zip(draws, draws[lag:], strict=False)) / n
        assert abs(product) < 4 / (12 * math.sqrt(n))
    assert counter_uniform(1, 2) != counter_uniform(2, 1)


# What each layer promises besides


def test_batch_norm_says_what_to_do():
    layer = BatchNorm1d(2)
    with pytest.raises(RuntimeError, match=r"needs a whole batch: write model\.batch\(xs\).*LayerNorm"):
        layer([1.0, 2.0])
    with pytest.raises(ValueError, match="expected at least 2 examples in a batch to train on, got 1"):
        layer.batch([[1.0, 2.0]])
    with pytest.raises(ValueError, match="expected a list of 2 numbers, got 3 numbers"):
        layer.batch([[1.0, 2.0], [1.0, 2.0, 3.0]])


def test_batch_norm_works_inside_sequential_and_residual():
    model = Sequential(Linear(2, 2, rng=0), Residual(Sequential(BatchNorm1d(2), ReLU())), Linear(2, 1, rng=1))
    ys = model.batch([[1.0, 2.0], [3.0, -1.0], [0.0, 0.5]])
    assert len(ys) == 3
    running = dict(model.named_buffers())
    assert list(running) == ["layers.1.module.layers.0.running_mean", "layers.1.module.layers.0.running_var"]
    assert running["layers.1.module.layers.0.running_mean"] != [0.0, 0.0]
    model.eval()
    assert isinstance(model([1.0, 2.0])[0], Value)


def test_attention_by_steps_with_a_cache_is_attention_at_once():
    for module in (MultiHeadAttention(4, 2, rng=0), TransformerBlock(4, 2, rng=0, norm="rms")):
        whole, cache, steps = module(SEQUENCE), None, []
        for place in SEQUENCE:
            y, cache = module.step(place, cache)
            steps.append(y)
        assert numbers(whole) == numbers(steps)
        assert len(cache.keys) == len(cache.values) == 3
        changed = [*SEQUENCE[:2], [9.0, 9.0, 9.0, 9.0]]
        assert numbers(module(changed)[:2]) == numbers(whole[:2])  # causal: the past does not see the future


def test_attention_that_looks_ahead_has_no_steps():
    module = MultiHeadAttention(4, 2, causal=False, rng=0)
    with pytest.raises(RuntimeError, match="step needs causal=True"):
        module.step(ROW)
    assert numbers(module(SEQUENCE)) != numbers(MultiHeadAttention(4, 2, rng=0)(SEQUENCE))


def test_truncated_backpropagation_through_time():
    cell, x = RNNCell(1, 2, rng=0), Value(0.7)
    whole = cell([0.1], cell([x]))
    dot(whole, [1.0, 1.0]).backward()
    assert x.grad != 0.0
    x.grad = 0.0
    cut = cell([0.1], detach(cell([x])))
    assert numbers(cut) == numbers(whole)
    dot(cut, [1.0, 1.0]).backward()
    assert x.grad == 0.0


def test_rnn_state_is_passed_on():
    rnn = RNN(4, 3, 2, rng=0)
    whole, last = rnn(SEQUENCE)
    first, h = rnn(SEQUENCE[:1])
    rest, again = rnn(SEQUENCE[1:], h)
    assert numbers(whole) == numbers([*first, *rest])
    assert numbers(last) == numbers(again)
    assert whole[-1] == last[-1]


def test_equal_largest_numbers_share_the_gradient():
    xs = [Value(1.0), Value(1.0), Value(0.0), Value(-1.0)]
    MaxPool2d(2)([[xs[:2], xs[2:]]])[0][0][0].backward()
    assert [x.grad for x in xs] == [0.5, 0.5, 0.0, 0.0]


def test_mlp_with_an_activation_for_each_layer():
    model = MLP(2, [3, 3, 2], activation=["tanh", "relu", "sigmoid"], rng=0)
    assert [layer.neurons[0].activation for layer in model.layers] == ["tanh", "relu", "sigmoid"]
    with pytest.raises(ValueError, match="MLP expected an activation for each of 2 layers, got 1"):
        MLP(2, [3, 1], activation=["relu"])


def test_sequential_is_a_sequence():
    model = Sequential(Linear(2, 3, rng=0), ReLU(), Linear(3, 1, rng=0))
    assert len(model) == 3
    assert isinstance(model[1], ReLU)
    assert [type(m) for m in model[:2]] == [Linear, ReLU]
    assert repr(model).splitlines()[1] == "  (layers.0): Linear(2, 3)"
    with pytest.raises(TypeError, match=r"Sequential expected modules such as Linear\(2, 3\) or ReLU\(\), got 'relu'"):
        Sequential("relu")


def test_tied_weights_count_once():
    class Tied(Module):
        def __init__(self):
            self.embedding, self.head = Embedding(5, 3, rng=0), Linear(3, 5, bias=False, rng=0)
            self.head.weight = self.embedding.weight

        def forward(self, i):
            return self.head(self.embedding(i))

    model = Tied()
    assert len(model.parameters()) == len(model.state_dict()) == 15
    assert len(model(2)) == 5


def test_hooks_see_each_call_until_removed():
    model, seen = MLP(2, [3, 1], rng=0), []
    handle = model.layers[0].register_forward_hook(lambda module, inputs, output: seen.append((inputs, len(output))))
    model([1.0, 2.0])
    handle.remove()
    model([1.0, 2.0])
    assert seen == [(([1.0, 2.0],), 3)]


def test_outputs_of_any_shape_are_noted():
    y = Sequential(Conv2d(1, 2, 2, rng=0), ReLU())(IMAGE)
    assert {v.note.module for v in flat(y)} == {"layers.1"}


def test_outputs_of_a_batch_are_noted_with_their_path():
    model = Sequential(Linear(2, 2, rng=0), Residual(Sequential(BatchNorm1d(2), nn.Tanh())))
    for y in flat(model.batch([[1.0, 2.0], [3.0, 0.5]])):
        a, b = y.inputs
        assert (a.note.module, b.note.module) == ("layers.0", "layers.1.module.layers.1")
        assert b.inputs[0].note.module == "layers.1.module.layers.0"
    assert len({p.note.model for p in model.parameters()}) == 1


def test_numpy_arrays_are_inputs_too():
    np = pytest.importorskip("numpy")
    assert numbers(Linear(4, 3, rng=0)(np.array(ROW))) == numbers(Linear(4, 3, rng=0)(ROW))
    assert numbers(Conv2d(1, 2, 2, rng=0)(np.array(IMAGE))) == numbers(Conv2d(1, 2, 2, rng=0)(IMAGE))
    assert numbers(Sequential(nn.Flatten(), Linear(12, 1, rng=0))(np.array(IMAGE)))


def test_initial_weights_are_pytorch_s():
    bound = 1 / math.sqrt(50)
    for module in (Linear(50, 40, rng=0), RNNCell(3, 50, rng=0), GRUCell(3, 50, rng=0), Conv2d(2, 8, 5, rng=0)):
        found = [p.data for p in module.parameters()]
        assert max(map(abs, found)) <= bound
        assert max(map(abs, found)) > 0.95 * bound
    rows = [p.data for p in Embedding(50, 40, rng=0).parameters()]
    assert sum(x * x for x in rows) / len(rows) == pytest.approx(1.0, abs=4 * math.sqrt(2 / 2000))
    assert {p.data for p in zeros_(Linear(3, 2).weight)[0]} == {0.0}


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: Linear(0, 2), ValueError, "Linear expected in_features as a whole number of at least 1, got 0"),
        (lambda: Linear(2, 2.5), ValueError, "Linear expected out_features as a whole number of at least 1, got 2.5"),
        (lambda: Linear(3, 2)([1.0]), ValueError, r"Linear\(3, 2\) expected a list of 3 numbers, got 1 numbers"),
        (lambda: Linear(3, 2)(1.0), ValueError, "expected a list of 3 numbers, got one float"),
        (lambda: Embedding(3, 2)(3), IndexError, "expected whole numbers from 0 to 2, got 3"),
        (lambda: Embedding(3, 2)(1.0), TypeError, "expected whole numbers from 0 to 2, got 1.0"),
        (lambda: Dropout(1.5), ValueError, "Dropout expected a probability from 0 to 1, got 1.5"),
        (lambda: Residual(Linear(2, 3))([1.0, 2.0]), ValueError, "Residual expected an output of the input's shape, 2"),
        (lambda: LayerNorm(3)([1.0]), ValueError, r"LayerNorm\(3, eps=1e-05\) expected lists of 3 numbers, got 1 num"),
        (lambda: RNNCell(2, 3)([1.0]), ValueError, r"RNNCell\(2, 3\) expected a list of 2 numbers, got 1 numbers"),
        (lambda: RNNCell(1, 3)([1.0], [0.0]), ValueError, "expected a state of 3 numbers, got 1 numbers"),
        (lambda: RNNCell(2, 3, nonlinearity="sin"), ValueError, "expected nonlinearity 'tanh' or 'relu', got 'sin'"),
        (lambda: LSTMCell(1, 2)([1.0], ([0.0, 0.0], [0.0])), ValueError, "expected a cell state of 2 numbers, got 1"),
        (lambda: RNN(1, 2)([]), ValueError, "expected a sequence of at least one list of numbers, got 0 numbers"),
        (lambda: RNN(1, 2, 2)([[1.0]], [[0.0, 0.0]]), ValueError, "a state for each of its 2 layers, got 1"),
        (lambda: Conv2d(2, 1, 3)(IMAGE), ValueError, "expected an image of 2 channels x height x width, got 1 x 3 x 4"),
        (lambda: Conv2d(1, 1, 4)(IMAGE), ValueError, "at least 4 x 4 places, got 3 x 4 numbers"),
        (lambda: MaxPool2d(2)([1.0, 2.0]), ValueError, "expected channels x height x width"),
        (lambda: MultiHeadAttention(4, 3), ValueError, "expected num_heads that divide 4, got 3"),
        (lambda: MultiHeadAttention(4, 2)(ROW), ValueError, "expected a sequence of lists of 4 numbers, got 4 numbers"),
        (lambda: TransformerBlock(4, 2, norm="batch"), ValueError, "expected norm 'layer' or 'rms', got 'batch'"),
    ],
)
def test_errors(attempt, error, text):
    with pytest.raises(error, match=text):
        attempt()
