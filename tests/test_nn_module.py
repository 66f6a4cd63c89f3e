import random

import pytest
from support import COPIES

from autograd import Value, detect_anomaly
from autograd.extend import topological_order
from nn import MLP, Conv2d, Dropout, Layer, Linear, Module, Neuron, ReLU, Residual, Sequential, TransformerBlock
from nn.randomness import Draws, drawing


class Odd(Module):
    def __init__(self):
        shared = Value(1.0)
        self.b = [Value(2.0), (Value(3.0), {"x": shared, "layer": Layer(2, 1, rng=0)})]
        self.a = shared
        self._private = Value(9.0)
        self.result = shared * 2
        self.name = "odd"

    def forward(self, x):
        return [x * self.a, x * self.b[0]]


def test_parameters_are_found_in_order_of_assignment_each_once():
    names = [name for name, _ in Odd().named_parameters()]
    layer = "b.1.1.layer.neurons.0"
    assert names == ["b.0", "b.1.0", "b.1.1.x", f"{layer}.w.0", f"{layer}.w.1", f"{layer}.b"]
    assert len(Odd().parameters()) == 6


def test_modules_are_named_by_their_path():
    assert [name for name, _ in MLP(2, [2, 1]).named_modules()][:4] == [
        "",
        "layers.0",
        "layers.0.neurons.0",
        "layers.0.neurons.1",
    ]


def test_train_and_eval_reach_every_module_and_return_the_model():
    model = MLP(2, [2, 1])
    assert model.training
    assert model.eval() is model
    assert not any(m.training for _, m in model.named_modules())
    assert model.train() is model
    assert all(m.training for _, m in model.named_modules())


def test_zero_grad():
    model = MLP(2, [2, 1], rng=0)
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


def test_outputs_are_noted_with_the_module_that_made_them():
    model = MLP(2, [3, 2], rng=0)
    for _ in range(2):
        out = model([1.0, 2.0])
        notes = {node.note.module for node in topological_order(*out)[1] if node.note}
        assert notes == {f"layers.{i}.neurons.{j}" for i, n in ((0, 3), (1, 2)) for j in range(n)}
    with detect_anomaly():
        assert {y.note.module for y in model([1.0, 2.0])} == {"layers.1.neurons.0", "layers.1.neurons.1"}
    module = Odd()
    y = module(Value(2.0, label="x"))[0]
    y.label = "y"
    assert (y.note.label, y.note.module) == ("y", "Odd")
    assert module.a.note.module == "Odd.b.1.1.x"
    assert module._private.note is None


def test_parameters_are_noted_with_their_path():
    layer = Layer(2, 1, rng=0)
    layer([1.0, 2.0])
    neuron = layer.neurons[0]
    assert [p.note.module for p in layer.parameters()] == ["neurons.0.w.0", "neurons.0.w.1", "neurons.0.b"]
    assert repr(neuron.b) == "Value(data=0.0, grad=0.0)"
    neuron = Neuron(1, rng=0)
    neuron.w[0].label = "slope"
    assert neuron([1.0]).note.module == "Neuron"
    assert [(p.label, p.note.module) for p in neuron.parameters()] == [("slope", "Neuron.w.0"), ("", "Neuron.b")]


def test_a_part_that_comes_later_gets_the_path_it_has_in_the_whole():
    model = MLP(2, [3, 3], rng=0)
    model([1.0, 2.0])
    number = model.parameters()[0].note.model
    model.layers.append(Layer(3, 1, rng=0))
    y = model([1.0, 2.0])
    assert (y.note.module, y.note.model) == ("layers.2.neurons.0", number)
    assert {node.note.model for node in topological_order(y)[0] if node.note} == {number}
    model._hidden = Layer(1, 1, rng=0)
    model.layers.append(type("Hider", (Module,), {"forward": lambda self, x: model._hidden(x)})())
    assert model([1.0, 2.0]).note.module == "neurons.0"


def test_repr_shows_the_architecture():
    assert repr(MLP(64, [32, 10])) == (
        "MLP(\n  (layers.0): Layer(64, 32, activation='relu')\n  (layers.1): Layer(32, 10, activation='linear')\n)"
    )
    assert repr(Neuron(3, activation="tanh")) == "Neuron(3, activation='tanh')"
    assert repr(Module()) == "Module()"


def test_activations_by_name_and_by_function():
    x = [0.3, -0.2]
    plain = Neuron(2, nonlin=False, rng=1)(x).data
    assert Neuron(2, activation="tanh", rng=1)(x).data == Value(plain).tanh().data
    assert Neuron(2, activation=lambda v: v * v, rng=1)(x).data == plain * plain
    assert MLP(2, [2, 1], activation="sigmoid").layers[0].neurons[0].activation == "sigmoid"
    with pytest.raises(ValueError, match="unknown activation 'sine'; choose one of 'linear', 'relu'"):
        Neuron(2, activation="sine")


def test_rng_is_a_seed_or_a_source_and_the_same_seed_gives_the_same_weights():
    def weights(model):
        return [p.data for p in model.parameters()]

    assert weights(MLP(2, [3, 1], rng=5)) == weights(MLP(2, [3, 1], rng=random.Random(5)))
    with pytest.raises(TypeError, match=r"rng expected a random\.Random, a seed or None, got 'a'"):
        MLP(1, [1], rng="a")
    assert weights(MLP(2, [3, 1], rng=5)) != weights(MLP(2, [3, 1], rng=6))


def test_a_layer_equals_its_neurons_one_by_one():
    layer, x = Layer(3, 4, activation="tanh", rng=0), [Value(0.1), 0.2, Value(-0.3)]
    together, alone = layer(x), [neuron(x) for neuron in layer.neurons]
    assert [y.data for y in together] == [y.data for y in alone]
    layer.neurons[1] = Odd()
    layer.neurons[1].forward = lambda x: x[0] * 5.0
    assert layer(x)[1].data == 0.5
    assert layer(x)[0].data == together[0].data


def test_weights_may_be_replaced():
    layer = Layer(2, 2, nonlin=False, rng=0)
    layer([1.0, 1.0])
    layer.neurons[0].w = [Value(10.0), Value(20.0)]
    layer.neurons[1].w[1] = Value(5.0)
    first, second = layer([1.0, 1.0])
    assert first.data == 30.0
    assert second.data == layer.neurons[1].w[0].data + 5.0
    second.backward()
    assert layer.neurons[1].w[1].grad == 1.0


def test_wrong_length_names_the_layer():
    for module in (Neuron(3), Layer(3, 2), MLP(3, [2, 1])):
        with pytest.raises(ValueError, match=r"(Neuron|Layer)\(3, .*\) expected a list of 3 numbers, got 2"):
            module([1.0, 2.0])
        with pytest.raises(ValueError, match="expected a list of 3 numbers, got one float"):
            module(1.0)


def test_a_width_that_is_no_list_is_refused():
    with pytest.raises(TypeError, match=r"MLP expected nouts as a list of widths, got 3; write MLP\(2, \[3\]\)"):
        MLP(2, 3)
    with pytest.raises(ValueError, match=r"MLP expected widths of at least 1, got \[4, 0\]"):
        MLP(2, [4, 0])


def test_forward_has_to_be_written():
    with pytest.raises(NotImplementedError, match=r"Module needs a method forward\(self, x\)"):
        Module()(1.0)


@pytest.mark.parametrize("copied", COPIES)
def test_models_can_be_copied(copied):
    model = MLP(2, [3, 1], rng=0)
    model([1.0, 2.0])
    twin = copied(model)
    assert twin([1.0, 2.0]).data == model([1.0, 2.0]).data
    twin.parameters()[0].data = 100.0
    assert twin.parameters()[0] is twin.layers[0].neurons[0].w[0]
    assert model.parameters()[0].data != 100.0


def test_batch_is_a_list_of_outputs():
    model = MLP(2, [1], rng=0)
    assert [y.data for y in model.batch([[1.0, 2.0], [0.0, 0.0]])] == [model([1.0, 2.0]).data, 0.0]


def test_a_batch_goes_through_a_forward_of_one_s_own_and_tells_every_hook():
    class Twice(Sequential):
        def forward(self, x):
            return [2.0 * v for v in super().forward(x)]

    class Minus(Residual):
        def forward(self, x):
            return [a - b for a, b in zip(x, self.module(x), strict=True)]

    for model in (Twice(Linear(2, 2, rng=0)), Minus(Linear(2, 2, rng=0)), Sequential(Residual(Linear(2, 2, rng=0)))):
        seen, xs = [], [[1.0, 2.0], [3.0, 4.0]]
        for _, module in model.named_modules():
            module.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(type(module).__name__))
        batch = model.batch(xs)
        together = sorted(seen)
        seen.clear()
        alone = [model(x) for x in xs]
        assert [[v.data for v in y] for y in batch] == [[v.data for v in y] for y in alone]
        assert sorted(seen) == together
        assert len(seen) == 2 * len(list(model.named_modules()))


def test_paths_are_unique():
    class Keyed(Module):
        def __init__(self, parts):
            self.parts = parts

    with pytest.raises(ValueError, match=r"two parameters of this Keyed have the path parts\.1; in dicts of modules"):
        Keyed({1: Value(1.0), "1": Value(2.0)}).state_dict()
    with pytest.raises(ValueError, match=r"the path parts\.a\.b"):
        Keyed({"a": {"b": Value(1.0)}, "a.b": Value(2.0)}).state_dict()


def test_forward_may_take_keywords():
    class Scaled(Module):
        def forward(self, x, *, by=1.0):
            return by * x

    assert Scaled()(2.0, by=3.0) == 6.0


def test_a_batch_within_an_example_draws_as_that_example():
    class Outer(Module):
        def __init__(self):
            self.dropout = Dropout(0.5)

        def forward(self, x):
            return self.dropout.batch([x, x])

    with drawing(Draws(3)):
        masks = Outer().batch([[1.0] * 16] * 3)
    assert len({str(mask) for pair in masks for mask in pair}) == 6


class Forgetful(Module):
    def forward(self, x):
        x + 1.0


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: Neuron(-1), ValueError, "Neuron expected nin as a whole number of at least 0, got -1"),
        (lambda: Layer(1, 1.5), ValueError, "Layer expected nout as a whole number of at least 0, got 1.5"),
        (lambda: MLP(2, [1.5]), ValueError, r"MLP expected widths of at least 1, got \[1\.5\]"),
        (lambda: MLP(2, [1])([[0.0, 1.0], [1.0, 1.0]]), ValueError, r"for a list of examples write model\.batch\(xs\)"),
        (lambda: Linear(2, 1)([[0.0], [1.0]]), ValueError, "expected a list of 2 numbers, got 1 numbers"),
        (lambda: Sequential([Linear(2, 1)]), TypeError, r"got \[Linear\(2, 1\)\]; write Sequential\(\*modules\)"),
        (lambda: Sequential(Linear), TypeError, r"got <class .*Linear'>; write \(\) behind its name"),
        (lambda: Residual(abs), TypeError, "Residual expected modules such as Linear"),
        (lambda: Dropout("a"), ValueError, "Dropout expected a probability from 0 to 1, got 'a'"),
        (
            lambda: MLP(1, [1, 1], activation=ReLU),
            ValueError,
            "unknown activation .*ReLU'>; choose one of 'linear', 'relu'",
        ),
        (
            lambda: type("F", (Module,), {"forward": lambda self, x: None})()(1.0),
            TypeError,
            "F.forward returned None; did",
        ),
        (
            lambda: Conv2d(1, 1, 2)([[0.0] * 3] * 3),
            ValueError,
            r"a channel is a list of rows, and one channel is \[rows\]",
        ),
        (lambda: Linear(2, 1, rng="a"), TypeError, r"rng expected a random\.Random, a seed or None, got 'a'"),
    ],
)
def test_texts(attempt, error, text):
    with pytest.raises(error, match=text):
        attempt()


def test_batches_may_be_iterators_and_calls_of_one_s_own_hold():
    class Doubling(Sequential):
        def __call__(self, x):
            return [2.0 * v for v in super().__call__(x)]

    layer = Linear(1, 1, rng=0)
    for model in (Sequential(layer), Residual(layer), layer, Doubling(layer)):
        assert [v.data for (v,) in model.batch(iter([[1.0], [2.0]]))] == [model([x])[0].data for x in (1.0, 2.0)]


def test_hooks_within_a_layer_and_a_block_are_called():
    seen = []
    layer, block = Layer(2, 2, rng=0), TransformerBlock(4, 2, rng=0)
    for module in (layer.neurons[1], block.attention):
        module.register_forward_hook(lambda module, inputs, output: seen.append(type(module).__name__))
    layer([1.0, 2.0])
    with_hook = block([[0.1, 0.2, 0.3, 0.4]] * 2)
    assert seen == ["Neuron", "MultiHeadAttention"]
    block.attention._hooks = ()
    assert [[v.data for v in y] for y in with_hook] == [[v.data for v in y] for y in block([[0.1, 0.2, 0.3, 0.4]] * 2)]
