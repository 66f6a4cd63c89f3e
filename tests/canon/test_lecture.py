"""What Karpathy's lecture on micrograd does by hand: a neuron, `_backward` node by node, the order, `a + a`."""

import math

import pytest

from autograd import Value, draw_dot


def neuron():
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1 = x1 * w1
    x1w1.label = "x1*w1"
    x2w2 = x2 * w2
    x2w2.label = "x2*w2"
    n = x1w1 + x2w2 + b
    n.label = "n"
    return x1, x2, w1, w2, n


def check(x1, x2, w1, w2):
    assert [v.grad for v in (x1, w1, x2, w2)] == pytest.approx([-1.5, 1.0, 0.5, 0.0])


def test_a_neuron_backwards_in_one_call():
    *leaves, n = neuron()
    o = n.tanh()
    o.label = "o"
    o.backward()
    assert o.data == pytest.approx(math.sqrt(0.5))
    check(*leaves)
    assert n.grad == pytest.approx(0.5)


def test_the_same_node_by_node():
    *leaves, n = neuron()
    o = n.tanh()
    o.grad = 1.0
    o._backward()
    n._backward()
    inner, _ = n._prev
    inner._backward()
    for product in inner._prev:
        product._backward()
    check(*leaves)


def test_the_same_with_a_sort_of_one_s_own():
    *leaves, n = neuron()
    o = n.tanh()
    topo, visited = [], set()

    def build(v):
        if v not in visited:
            visited.add(v)
            for child in v._prev:
                build(child)
            topo.append(v)

    build(o)
    o.grad = 1.0
    for node in reversed(topo):
        node._backward()
    check(*leaves)


def test_tanh_taken_apart():
    *leaves, n = neuron()
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert o.data == pytest.approx(math.sqrt(0.5))
    check(*leaves)


def test_a_value_used_twice_accumulates():
    a = Value(3.0, label="a")
    b = a + a
    b.backward()
    assert a.grad == 2.0
    a, b = Value(-2.0), Value(3.0)
    f = (a * b) * (a + b)
    f.backward()
    assert (a.grad, b.grad) == (-3.0, -8.0)


def test_the_picture():
    *_, n = neuron()
    dot = draw_dot(n.tanh())
    for label in ("x1", "w1", "x1*w1", "n"):
        assert label in dot.source


def test_softmax_and_negative_log_likelihood_with_one_s_own_operators():
    logits = [Value(0.0), Value(3.0), Value(-2.0), Value(1.0)]
    counts = [logit.exp() for logit in logits]
    denominator = sum(counts)
    probabilities = [c / denominator for c in counts]
    loss = -probabilities[3].log()
    loss.backward()
    assert loss.data == pytest.approx(2.1755153626167147)
    expected = [0.041772570515350445, 0.8390245074625319, 0.005653302662216329, -0.8864503806400986]
    assert [v.grad for v in logits] == pytest.approx(expected)


def test_its_exercise():
    def f(a, b, c):
        return -(a**3) + (3 * b).sin() - 1.0 / c + b**2.5 - a**0.5

    a, b, c = Value(2.0), Value(3.0), Value(4.0)
    f(a, b, c).backward()
    assert a.grad == pytest.approx(-12.353553390593273)
    assert b.grad == pytest.approx(10.25699027111255)
    assert c.grad == pytest.approx(0.0625)
