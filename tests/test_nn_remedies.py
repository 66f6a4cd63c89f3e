"""Checkpoints, and the monitor on trainings that really have the disease."""

import sys
import tracemalloc

import pytest
from reference_nn import TORCH, all_same
from support import same

from autograd import Value, no_grad
from nn import (
    MLP,
    Dropout,
    Embedding,
    Linear,
    Residual,
    Sequential,
    Tanh,
    checkpoint_sequential,
    clip_grad_norm_,
    clip_grad_value_,
    l1_penalty,
    l2_penalty,
    mse_loss,
)

# Checkpoints


def deep(depth=4):
    layers = [Residual(Sequential(Linear(6, 6, rng=i), Tanh(), Dropout(0.3))) for i in range(depth)]
    return Sequential(*layers, Linear(6, 1, rng=9))


def gradients_of(model, compute):
    model.zero_grad()
    return compute(), [p.grad for p in model.parameters()]


def test_checkpoints_give_the_same_loss_and_gradients():
    model = deep()
    x = [Value(0.1 * i) for i in range(6)]
    model.eval()
    plain = mse_loss(model(x), [0.5])
    loss, slopes = gradients_of(model, lambda: (plain.backward(2.0), plain.data)[1])
    inputs = [v.grad for v in x]
    for v in x:
        v.grad = 0.0
    checkpoints = checkpoint_sequential([*model, lambda y: mse_loss(y, [0.5])], x)
    again, found = gradients_of(model, lambda: (checkpoints.backward(2.0), checkpoints.data)[1])
    assert (again, found, [v.grad for v in x]) == (loss, slopes, inputs)


def test_a_rebuilt_segment_draws_the_same_dropout():
    model = deep()
    loss = checkpoint_sequential([*model, lambda y: mse_loss(y, [0.5])], [0.1] * 6)
    loss.backward()  # would raise if a mask differed
    assert any(p.grad for p in model.parameters())
    assert loss.data != checkpoint_sequential([*model, lambda y: mse_loss(y, [0.5])], [0.1] * 6).data


def test_checkpoints_notice_a_change():
    model = deep().eval()
    loss = checkpoint_sequential([*model, lambda y: mse_loss(y, [0.5])], [0.1] * 6)
    model[1].module[0].weight[0][0].data += 1.0
    with pytest.raises(RuntimeError, match="segment 1 gives other numbers than before; change nothing between"):
        loss.backward()


def test_checkpoints_need_a_loss_and_a_graph():
    model = deep()
    with pytest.raises(TypeError, match="expected the last segment to return the loss, got 1 numbers"):
        checkpoint_sequential([Linear(2, 1, rng=0)], [1.0, 2.0])
    loss = checkpoint_sequential([*model.layers, lambda y: mse_loss(y, [0.5])], [0.5] * 6)
    with no_grad(), pytest.raises(RuntimeError, match=r"nothing is recorded under no_grad\(\); call backward outside"):
        loss.backward()


def test_checkpoints_begin_with_an_embedding():
    model = Sequential(Embedding(3, 2, rng=0), Linear(2, 1, rng=1))
    loss = checkpoint_sequential([*model, lambda y: mse_loss(y, [0.5])], 1)
    loss.backward()
    found = [p.grad for p in model.parameters()]
    model.zero_grad()
    mse_loss(model(1), [0.5]).backward()
    assert found == [p.grad for p in model.parameters()]


def test_checkpoints_save_memory_on_a_deep_net():
    """48 layers in pieces of six: less than a quarter of the memory, besides the gradients themselves."""
    model, x, target = MLP(16, [16] * 48 + [1], activation="tanh", rng=0), [0.1] * 16, 0.5

    def peak(compute):
        compute()
        tracemalloc.start()
        compute()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most - sys.getsizeof(0.0) * len(model.parameters())

    last = len(model.layers) - 1
    groups = [model.layers[i : i + 6] for i in range(0, last, 6)]
    segments = [Sequential(*group) for group in groups] + [model.layers[last], lambda y: mse_loss(y, target)]
    whole = peak(lambda: mse_loss(model(x), target).backward())
    parts = peak(lambda: checkpoint_sequential(segments, x).backward())
    assert parts < 0.25 * whole


# Clipping and penalties


def test_clipping_the_length_equals_pytorch():
    w = [Value(0.0) for _ in range(3)]
    for row in TORCH["clipping"]:
        for p, g in zip(w, (3.0, -4.0, 12.0), strict=True):
            p.grad = g
        assert same(clip_grad_norm_(w, row["limit"]), row["norm"])
        assert all_same([p.grad for p in w], row["gradients"])


def test_clipping_values_and_penalties():
    w = [Value(3.0), Value(-0.5)]
    w[0].grad, w[1].grad = 7.0, -0.25
    clip_grad_value_(w, 0.5)
    assert [p.grad for p in w] == [0.5, -0.25]
    clip_grad_value_(MLP(2, [1]).parameters(), 1.0)
    for penalty, value, slopes in ((l1_penalty, 3.5, [1.0, -1.0]), (l2_penalty, 9.25, [6.0, -1.0])):
        for p in w:
            p.grad = 0.0
        y = penalty(w)
        y.backward()
        assert (y.data, [p.grad for p in w]) == (value, slopes)
