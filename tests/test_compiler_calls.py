"""Calling what is compiled: batches of several shapes, arrays for the results, what a trace assumes, memory."""

import gc
import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import autograd
import nn
from autograd import Value, compile, dot, gradients, tanh
from autograd.compiler import ask, assume

pytest.importorskip("llvmlite")


def resident():
    """Bytes of memory of this process; 0 where that is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def test_examples_of_several_shapes_in_one_batch():
    w = Value(0.5)

    def f(xs, y):
        return tanh(dot(xs, [w] * len(xs))) * y + w

    X, Y = [[1.0, 2.0], [3.0], [0.5, 0.1], [1.0, 1.0, 1.0]], [1.0, 2.0, 3.0, 4.0]
    expected = [f(x, y).data for x, y in zip(X, Y, strict=True)]
    assert compile(f)(X, Y) == pytest.approx(expected, rel=1e-14)
    loss = compile(f, [w])
    assert loss(X, Y) == pytest.approx(sum(expected) / 4, rel=1e-14)
    slopes = [gradients(f(x, y), w) for x, y in zip(X, Y, strict=True)]
    assert w.grad == pytest.approx(sum(slopes) / 4, rel=1e-14)
    values, (by_x, by_y) = compile(f).value_and_grad(X, Y)
    assert values == pytest.approx(expected, rel=1e-14)
    assert [len(x) for x in by_x] == [2, 1, 2, 3]
    assert by_y == pytest.approx([tanh(0.5 * sum(x)) for x in X], rel=1e-14)


def test_a_shape_is_compiled_once_alone_and_among_others():
    calls = []

    def f(x):
        calls.append(len(x))
        return autograd.sum(x)

    compiled = compile(f)
    assert compiled([[1.0, 2.0], [3.0]]) == [3.0, 3.0]
    assert compiled([[1.0, 2.0]]) == [3.0]
    assert compiled(np.array([[1.0], [5.0]])).tolist() == [1.0, 5.0]
    assert calls == [2, 1]


def test_nested_lists_of_unequal_lengths_within_an_example():
    f = compile(lambda x: x[0][0] + x[1][0] * x[1][1])
    assert f([[[1.0], [2.0, 3.0]], [[4.0], [5.0, 6.0]]]) == [7.0, 34.0]


@pytest.mark.parametrize("large", [False, True])
def test_results_go_into_arrays_that_are_given(large):
    rows = [[Value(0.1 * i + 0.01 * j) for j in range(3)] for i in range(120 if large else 2)]

    def f(x):
        return autograd.sum([tanh(dot(row, x)) for row in rows])

    X = np.random.default_rng(0).normal(size=(301, 3))
    value, slopes = compile(f).value_and_grad(X)
    out = np.full(301, np.nan), np.full((301, 3), np.nan)
    found = compile(f).value_and_grad(X, out=out)
    assert found[0] is out[0]
    assert found[1] is out[1]
    assert (out[0] == value).all()
    assert (out[1] == slopes).all()
    alone = np.empty(301)
    assert compile(f)(X, out=alone) is alone
    assert (alone == value).all()


@pytest.mark.parametrize(
    ("out", "text"),
    [
        ((np.empty(4), np.empty((3, 2))), r"of the shapes \[\(3,\), \(3, 2\)\], got \[\(4,\), \(3, 2\)\]"),
        ((np.empty(3),), r"of the shapes \[\(3,\), \(3, 2\)\], got \[\(3,\)\]"),
        ((np.empty(3), np.empty((3, 4))[:, ::2]), "float64 that lie in one piece"),
        ((np.empty(3, np.float32), np.empty((3, 2))), "float64 that lie in one piece"),
        ((range(3), np.empty((3, 2))), "float64 that lie in one piece and can be written, got range"),
        ((np.empty(3), np.empty((2, 3))), r"got \[\(3,\), \(2, 3\)\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(out, text):
    with pytest.raises(ValueError, match=text):
        compile(lambda x: x[0] * x[1]).value_and_grad(np.ones((3, 2)), out=out)


def test_results_in_arrays_without_llvmlite(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "autograd.compiler.runtime.plan", None)
    out = np.empty(2), np.empty((2, 2))
    with pytest.warns(UserWarning, match="llvmlite is missing"):
        f = compile(lambda x: x[0] * x[1])
    f.value_and_grad(np.array([[2.0, 3.0], [4.0, 5.0]]), out=out)
    assert out[0].tolist() == [6.0, 20.0]
    assert out[1].tolist() == [[3.0, 2.0], [5.0, 4.0]]


def test_training_and_evaluation_mode_are_told_apart():
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3), nn.Linear(3, 1, rng=1)).eval()
    f = compile(lambda x: model(x)[0])
    before = f([[1.0, 2.0]])
    assert before == pytest.approx([model([1.0, 2.0])[0].data])
    model.train()
    with pytest.raises((TypeError, RuntimeError), match="LayerNorm"):
        f([[1.0, 2.0]])
    model.eval()
    assert f([[1.0, 2.0]]) == before
    (norm,) = [m for _, m in model.named_modules() if isinstance(m, nn.BatchNorm1d)]
    norm.running_mean[:] = [0.3, -0.2, 0.1]
    assert f([[1.0, 2.0]]) == pytest.approx([model([1.0, 2.0])[0].data])
    assert f([[1.0, 2.0]]) != before


def test_a_module_of_one_s_own_is_told_apart_by_its_mode():
    class Noisy(nn.Module):
        def forward(self, x):
            return 2.0 * x if self.training else x

    module = Noisy()
    f = compile(lambda x: module(x))
    assert [f([3.0]), f([3.0])] == [[6.0], [6.0]]
    module.eval()
    assert f([3.0]) == [3.0]
    module.train()
    assert f([3.0]) == [6.0]


def test_an_assumption_of_one_s_own():
    power, calls = [2], []

    def f(x):
        calls.append(1)
        return x ** float(assume(lambda: power[0]))

    compiled = compile(f)
    for power[0], expected in ((2, 9.0), (3, 27.0), (2, 9.0), (4, 81.0)):
        assert compiled([3.0]) == [expected]
    assert len(calls) == 3
    assert assume(lambda: 5) == 5


def test_what_is_asked_for_needs_somebody_who_knows_it():
    with pytest.raises(TypeError, match="cannot be drawn while a function is recorded"):
        ask(("uniform", 0, 0))
    with pytest.raises(TypeError, match=r"nn\.Trainer\(\.\.\., compile=True\)"):
        compile(lambda x: nn.Dropout(0.5)([x])[0])([1.0])


@pytest.mark.parametrize("size", [1, 2, 3, 31, 32, 33, 1000, 4097])
def test_the_native_order_is_python_s(size):
    from autograd.compiler.training.session import Training

    training = Training(lambda x: x, [Value(1.0)])
    for seed in (0, 1, 12345, 2**40):
        expected = list(range(size))
        random.Random(seed).shuffle(expected)
        assert list(training.order(size, seed)) == expected


def test_a_thousand_compiles_leak_nothing():
    def once(k):
        c = 1.0 + 0.001 * k
        compile(lambda x: tanh(c * x))([0.5])
        if k % 5 == 0:
            model = nn.MLP(2, [4, 1], activation="tanh", rng=0)
            compile(lambda x, y: nn.mse_loss(model(x), y), model.parameters())([[0.1, 0.2]], [1.0])

    for k in range(40):
        once(k)
    grown = []
    for half in range(2):  # a leak would show in both; tracemalloc's own tables would count
        gc.collect()
        native = resident()
        for k in range(500):
            once(500 * half + k)
        gc.collect()
        grown.append(resident() - native)
    assert min(grown) < 5e6
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for k in range(1000):
        once(k)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 50_000


@pytest.mark.parametrize("f", [autograd.sin, autograd.exp, tanh, autograd.sqrt, lambda x: x * x * x], ids=range(5))
@pytest.mark.parametrize("examples", [1, 9])
def test_products_whose_factor_is_needed_nowhere_else(f, examples):
    w = Value(0.7)
    xs = [0.1 + 0.3 * i for i in range(examples)]
    compile(lambda x: f(w * x), [w])(xs)
    compiled, w.grad = w.grad, 0.0
    autograd.mean([f(w * x) for x in xs]).backward()
    assert compiled == pytest.approx(w.grad, rel=1e-13)


def test_threads_may_call_what_is_compiled():
    rows = [[Value(0.1 * i + 0.01 * j) for j in range(9)] for i in range(60)]
    f = compile(lambda x: autograd.sum([tanh(dot(row, x)) for row in rows]))
    batches = [np.random.default_rng(k).normal(size=(150 + k, 9)) for k in range(8)]
    expected = [f(X) for X in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for a, b in zip(pool.map(f, batches), expected, strict=True):
                assert (a == b).all()


def test_arrays_that_lie_oddly():
    f = compile(lambda x: x * 2.0)
    shifted = np.frombuffer(bytearray(65), float, offset=1, count=8)
    shifted[:] = np.arange(8)
    assert (f(shifted) == 2.0 * np.arange(8)).all()
    assert (f(np.arange(3.0).astype(">f8")) == [0.0, 2.0, 4.0]).all()
    for out in (np.frombuffer(bytearray(33), float, offset=1, count=4), np.zeros(4, ">f8")):
        with pytest.raises(ValueError, match="float64 that lie in one piece"):
            f(np.arange(4.0), out=out)
    numbers, pair = np.arange(9.0), np.zeros(2)
    with pytest.raises(ValueError, match="share no memory"):
        f(numbers[:-1], out=numbers[1:])
    with pytest.raises(ValueError, match="share no memory"):
        f.value_and_grad(np.array([3.0, 4.0]), out=[pair, pair])
    with pytest.raises(ValueError, match="at least one number"):
        compile(lambda x: 1.0)(np.zeros((3, 0)))
    with pytest.raises(TypeError, match="got an empty list"):
        compile(lambda x: [])([1.0])


def test_signs_of_zero_tell_functions_apart():
    assert compile(lambda x: 1.0 / (x * 0.0))([1.0]) == [float("inf")]
    assert compile(lambda x: 1.0 / (x * -0.0))([1.0]) == [-float("inf")]


def test_ragged_lists_of_arrays_and_empty_examples():
    f = compile(lambda x: autograd.sum([a * a for a in x]))
    assert f([np.ones(2), np.ones(3)]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="at least one number, got empty lists"):
        f([[], []])
    w = Value(1.0)
    with pytest.raises(ValueError, match="each of params once"):
        compile(f, [w, w])
