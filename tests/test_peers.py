"""What other engines get wrong, kept as tests. Where a file has its own test of it, this one is the shortest form."""

import copy
import math
import pickle

import numpy as np
import pytest

from autograd import Value, draw_dot, softmax
from nn import MLP


def test_backward_twice():
    x = Value(3.0)
    y = (x * x) * x
    y.backward()
    y.backward()
    assert x.grad == 54.0


def test_two_losses_with_a_shared_trunk():
    x = Value(3.0)
    trunk = x * x
    (trunk * 2).backward()
    (trunk * 5).backward()
    assert x.grad == 42.0


def test_a_chain_deeper_than_any_stack():
    x = Value(1.0)
    y = x
    for _ in range(50_000):
        y = y * 1.0
    y.backward()
    assert x.grad == 1.0
    assert copy.deepcopy(y).data == 1.0
    assert pickle.loads(pickle.dumps(y)).data == 1.0


def test_data_changed_before_backward():
    x = Value(3.0)
    y = x * x
    x.data = 5.0
    with pytest.raises(RuntimeError, match="from its old number"):
        y.backward()


def test_a_square_has_two_edges():
    a = Value(3.0)
    assert draw_dot(a * a).source.count("->") == 2


def test_a_deep_copy_has_leaves_that_receive_gradients():
    x = Value(3.0)
    x2, y2 = copy.deepcopy((x, x * x))
    y2.backward()
    assert (x2.grad, x.grad) == (6.0, 0.0)


def test_overflow_at_a_thousand():
    x = Value(1000.0)
    assert x.exp().data == math.inf
    assert (x.tanh().data, x.sigmoid().data, (-x).sigmoid().data) == (1.0, 1.0, 0.0)
    assert [p.data for p in softmax([x, Value(0.0)])] == [1.0, 0.0]


def test_relu_does_not_hide_nan():
    assert math.isnan(Value(math.nan).relu().data)


def test_a_fractional_power_of_a_negative_number_is_not_complex():
    assert math.isnan((Value(-8.0) ** (1 / 3)).data)
    assert math.isnan((Value(-8.0) ** Value(0.5)).data)


def test_strings_and_typos():
    with pytest.raises(TypeError):
        Value("abc")
    with pytest.raises(AttributeError):
        Value(1.0).gard = 1


def test_numpy_scalars_do_not_spread():
    x = Value(np.float64(2.0))
    y = x * np.float32(3.0) + np.int64(1)
    y.backward()
    assert {type(y.data), type(x.data), type(x.grad)} == {float}
    assert type((np.float64(2.0) * x).data) is float


def test_the_lecture_s_mlp_is_all_tanh_and_learns_its_four_examples():
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    losses = []
    for seed in range(5):
        n = MLP(3, [4, 4, 1], ["tanh"] * 3, rng=seed)
        for _ in range(100):
            loss = sum((n(x) - y) ** 2 for x, y in zip(xs, ys, strict=True))
            for p in n.parameters():
                p.grad = 0.0
            loss.backward()
            for p in n.parameters():
                p.data += -0.1 * p.grad
        losses.append(loss.data)
    assert sorted(losses)[2] < 0.01
    assert repr(MLP(3, [4, 1], "tanh").layers[0]) == "Layer(3, 4, activation='tanh')"
