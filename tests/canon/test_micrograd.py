"""What code written for micrograd relies on, with nothing but the import changed."""

import random

import pytest

from autograd import Value
from nn import MLP, Layer, Module, Neuron


def test_an_expression_of_every_operator():
    x = Value(-3.0)
    a = 3 * x + 1 - x / 2
    b = (a + 20).relu() ** 2 + (-x) * a
    a += b - 1
    a -= 2.0 / x
    a *= 0.5
    y = sum([a, b, 1], x)
    y.backward()

    def f(x):
        a = 3 * x + 1 - x / 2
        b = max(a + 20, 0) ** 2 + (-x) * a
        a = (a + b - 1 - 2.0 / x) * 0.5
        return x + a + b + 1

    assert y.data == f(-3.0)
    assert x.grad == pytest.approx((f(-3.0 + 1e-6) - f(-3.0 - 1e-6)) / 2e-6, rel=1e-6)


def test_attributes_that_code_looks_at():
    a, b = Value(2), Value(3)
    c = a * b
    assert c._op == "*"
    assert set(c._prev) == {a, b}
    assert a._op == ""
    assert a._prev == ()
    c.grad = 1
    c._backward()
    assert (a.grad, b.grad) == (3, 2)
    a.data -= 0.5 * a.grad
    assert a.data == 0.5


def test_sum_starts_with_a_number_and_comparison_gives_booleans():
    total = sum(Value(i) for i in range(4))
    assert isinstance(total, Value)
    assert total.data == 6
    assert (Value(1.0).data > 0) == (Value(2.0) > 0)


def test_the_seed_decides_the_weights_drawn_one_by_one_from_minus_one_to_one():
    random.seed(1337)
    model = MLP(2, [3, 1])
    random.seed(1337)
    expected = []
    for nin, nout in ((2, 3), (3, 1)):
        for _ in range(nout):
            expected += [random.uniform(-1, 1) for _ in range(nin)] + [0.0]
    assert [p.data for p in model.parameters()] == expected


def test_shapes_of_outputs():
    x = [1.0, -2.0]
    assert isinstance(Neuron(2)(x), Value)
    assert isinstance(Neuron(2, nonlin=False)(x), Value)
    assert isinstance(Layer(2, 1)(x), Value)
    assert [type(v) for v in Layer(2, 3)(x)] == [Value] * 3
    assert isinstance(MLP(2, [4, 4, 1])(list(map(Value, x))), Value)
    assert len(MLP(2, [4, 3])(x)) == 3
    assert isinstance(MLP(2, [1, 1, 1])(x), Value)
    assert len(MLP(2, [16, 16, 1]).parameters()) == 337


def test_a_hand_written_module_and_training_loop():
    class Line(Module):
        def __init__(self):
            self.k, self.d = Value(0.0), Value(0.0)

        def __call__(self, x):
            return self.k * x + self.d

        def parameters(self):
            return [self.k, self.d]

    line = Line()
    for _ in range(300):
        losses = [(line(x) - (2 * x - 1)) ** 2 for x in (-1.0, 0.0, 1.0, 2.0)]
        loss = sum(losses) * (1.0 / len(losses))
        line.zero_grad()
        loss.backward()
        for p in line.parameters():
            p.data -= 0.1 * p.grad
    assert [p.data for p in line.parameters()] == pytest.approx([2.0, -1.0], abs=1e-6)


def test_moons_like_training_with_the_margin_loss_and_regularisation():
    random.seed(1)
    points = [(random.uniform(-1, 1), random.uniform(-1, 1)) for _ in range(60)]
    labels = [1 if a * b > 0 else -1 for a, b in points]
    model = MLP(2, [8, 1])

    def loss():
        scores = list(map(model, [list(map(Value, p)) for p in points]))
        losses = [(1 + -y * s).relu() for y, s in zip(labels, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in model.parameters())
        accuracy = sum((y > 0) == (s.data > 0) for y, s in zip(labels, scores, strict=True)) / len(labels)
        return data_loss + reg_loss, accuracy

    for k in range(60):
        total, accuracy = loss()
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 60) * p.grad
    assert accuracy > 0.9
