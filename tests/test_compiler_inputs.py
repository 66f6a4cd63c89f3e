"""Batches in whatever form people have them, and errors that name who is at fault."""

import array
import math
import traceback

import numpy as np
import pytest

import nn
from autograd import Value, compile, gather, mean, tanh
from nn import SGD, Embedding, Module, Trainer, cross_entropy, mse_loss

pytest.importorskip("llvmlite")


class Tensor:
    """Like a tensor of another library: its dtype is nothing that NumPy knows."""

    dtype = "float64"

    def __init__(self, numbers):
        self.numbers = numbers

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numbers, dtype)

    def __len__(self):
        return len(self.numbers)


class Listed(Tensor):
    __array__ = None

    def tolist(self):
        return self.numbers


class Interface:
    def __init__(self, numbers):
        self.__array_interface__ = np.array(numbers).__array_interface__
        self.kept = numbers


def test_whatever_offers_its_numbers_is_taken():
    f = compile(lambda x: x * 2.0)
    numbers = [1.0, 2.0, 3.0]
    for x in (Tensor(numbers), array.array("d", numbers), np.array(numbers), memoryview(array.array("d", numbers))):
        assert list(f(x)) == [2.0, 4.0, 6.0]
    assert list(f(Interface(np.array(numbers)))) == [2.0, 4.0, 6.0]
    g = compile(lambda x: x[0] * x[1])
    assert list(g([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])) == [2.0, 12.0]
    assert list(g(Tensor([[1.0, 2.0], [3.0, 4.0]]))) == [2.0, 12.0]


def test_masked_arrays_are_refused():
    masked = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 1], [0, 0]])
    f = compile(lambda x: x[0] * x[1])
    f(np.ones((2, 2)))
    text = r"got a masked array, whose mask would be lost; write x\.filled\(math\.nan\)"
    for x in (masked, list(masked)):
        with pytest.raises(TypeError, match=text):
            f(x)
    model = nn.MLP(2, [2], rng=0)
    for compiled in (False, True):
        t = Trainer(model, cross_entropy, SGD(model.parameters()), compile=compiled)
        with t.stepping() as step:
            step(np.ones((2, 2)), np.array([0, 1]))
            for attempt, others in ((t.predict, ()), (step, (np.array([0, 1]),)), (t.evaluate, ([0, 1],))):
                with pytest.raises(TypeError, match=text):
                    attempt(masked, *others)
            with pytest.raises(TypeError, match=text):
                t.fit(masked, [0, 1], epochs=1, progress=False)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("f", "X"),
    [
        (lambda m, x: m.w * x[0][0] + gather([x[0][1], m.w, 2.0], x[1]), [([0.5, 2.0], 1), ([1.0, 3.0], 0)]),
        (lambda m, x: m.w * x[0] + gather([1.0, m.w], x[1][1]) * x[1][0], [(2.0, [0.5, 1]), (3.0, [0.25, 0])]),
        (lambda m, x: m.w * x["a"] + gather([1.0, m.w], x["i"]), [{"a": 0.5, "i": 1}, {"a": 1.5, "i": 0}]),
        (lambda m, x: m.w * x[0] + gather([1.0, m.w], x[1]), [[0.5, 1], [1, 0]]),
        (lambda m, x: m.w * sum(x[0]) + gather([1.0, m.w], x[1][0]), [([0.5], [1, 0]), ([1.0, 2.0], [0])]),
        (lambda m, x: m.w * sum(x), [[], [0.1]]),
        (lambda m, x: m.w * sum(x), [[1, 2.5], [3], [0.5, 1.5]]),
        (
            lambda m, x: m.w * sum(x["v"]) * x["d"]["s"],
            [{"v": [1.0], "d": {"s": 2.0}}, {"v": [1.0, 3.0], "d": {"s": 1}}],
        ),
    ],
)
def test_examples_of_several_kinds_of_numbers(f, X, compiled):
    class Own(Module):
        def __init__(self):
            self.w = Value(2.0)

        def forward(self, x):
            return f(self, x)

    model = Own()
    expected = [float(getattr(y := model(x), "data", y)) for x in X]
    t = Trainer(model, mse_loss, SGD(model.parameters(), lr=0.01), compile=compiled)
    assert t.predict(X) == expected
    Y = [0.5] * len(X)
    loss = mean([(y - 0.5) ** 2 for y in expected])
    assert t.evaluate(X, Y)[0] == pytest.approx(loss)
    assert t.step(X, Y) == pytest.approx(loss)
    assert t.step(X, Y) < loss
    assert t.fit(X, Y, epochs=2, progress=False).train_loss[-1] < loss


def test_other_examples_of_the_same_form_are_of_the_same_structure():
    calls = []

    def f(x):
        calls.append(1)
        return x[0] * gather([1.0, 2.0], x[1])

    compiled = compile(f)
    assert compiled([[0.5, 1], [3, 0]]) == [1.0, 3.0]
    assert compiled([[2, 1], [0.25, 1]]) == [4.0, 0.5]
    assert len(calls) == 1
    with pytest.raises(TypeError, match=r"expected whole numbers as indices, got 0\.5"):
        compiled([[2, 0.5], [0.25, 1]])


def test_gradients_have_the_form_of_the_examples():
    f = compile(lambda x: x["a"] * x["b"][0])
    values, slopes = f.value_and_grad([{"a": 2.0, "b": [3.0]}, {"a": 5.0, "b": [7.0]}])
    assert values == [6.0, 35.0]
    assert slopes == [{"a": 3.0, "b": [2.0]}, {"a": 7.0, "b": [5.0]}]


def test_an_index_out_of_range_names_who_takes_it():
    model = nn.Sequential(Embedding(5, 2, rng=0), nn.Linear(2, 3, rng=1))
    t = Trainer(model, cross_entropy, SGD(model.parameters()), compile=True)
    for bad in (5, -1):
        text = rf"Embedding\(5, 2\) expected whole numbers from 0 to 4, got {bad}"
        for attempt, targets in ((t.predict, ()), (t.step, ([1],)), (t.evaluate, ([1],))):
            with pytest.raises(IndexError, match=text):
                attempt([bad], *targets)
        with pytest.raises(IndexError, match=text):
            t.fit([bad], [1], epochs=1, progress=False)
    for attempt in (lambda: t.step([1], [3]), lambda: t.evaluate([1], [3])):
        with pytest.raises(ValueError, match="cross_entropy expected a class from 0 to 2, got 3"):
            attempt()


def test_errors_of_a_trace_end_with_the_user_s_own_line():
    model = nn.MLP(2, [3, 1], rng=0)
    t = Trainer(model, cross_entropy, SGD(model.parameters()), compile=True)
    f = compile(lambda x: math.sin(x))
    attempts = [
        (lambda: t.fit([[0.1, 0.2]], [0], epochs=1, progress=False), r"expected a list of logits.*got one Value"),
        (lambda: t.step([[0.1, 0.2]], [0]), "expected a list of logits"),
        (lambda: t.evaluate([[0.1, 0.2]], [0]), "expected a list of logits"),
        (lambda: f([1.0]), r"autograd\.sin\(v\) not math\.sin"),
        (lambda: compile(lambda x: [x, x], [Value(1.0)])([1.0]), "has to return one number"),
    ]
    for attempt, text in attempts:
        with pytest.raises(TypeError, match=text) as caught:
            attempt()
        lines = traceback.extract_tb(caught.value.__traceback__)
        assert {line.filename for line in lines} == {__file__}
        (note,) = caught.value.__notes__
        assert note.startswith("while the function was called to be compiled, on Values whose numbers are not known: ")
        assert f"{__file__}:" in note
    assert tanh(0.0) == 0.0
