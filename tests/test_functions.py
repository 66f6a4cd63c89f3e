import builtins
import itertools
import math

import pytest

import autograd
from autograd import (
    Value,
    amax,
    compile,
    dot,
    grad,
    gradcheck,
    gradients,
    jvp,
    linear,
    log_softmax,
    logsumexp,
    mean,
    softmax,
)
from nn import cross_entropy


def test_on_plain_numbers_the_built_ins_results():
    for x in (3, -3, -2.5, True, 1 + 1j):
        assert autograd.abs(x) == builtins.abs(x)
        assert type(autograd.abs(x)) is type(builtins.abs(x))
    assert type(autograd.sum([1, 2])) is int
    assert autograd.sum([]) == 0
    assert autograd.sum([[1], [2]], start=[]) == [1, 2]
    assert autograd.sum([1, 2], 3) == 6
    assert autograd.pow(2, 10) == 1024
    assert autograd.pow(2, -1) == 0.5
    assert autograd.pow(2, 5, 5) == 2
    assert autograd.pow(-8, 1 / 3) == (-8) ** (1 / 3)
    with pytest.raises(TypeError):
        autograd.sum(["a", "b"])


def test_with_values_they_record():
    x, y = Value(-2.0), Value(3.0)
    assert autograd.abs(x).data == 2.0
    assert autograd.pow(x, 3).data == -8.0
    assert autograd.pow(2, y).data == 8.0
    with pytest.raises(TypeError, match="pow of a Value takes no modulus"):
        autograd.pow(x, 2, 3)
    total = autograd.sum([x, 1, y], start=x)
    assert total.inputs == (x, x, 1.0, y)
    total.backward()
    assert (x.grad, y.grad) == (2.0, 1.0)
    assert autograd.sum(v for v in [x, y]).data == 1.0


def test_mean_and_dot():
    x, y = Value(2.0), Value(4.0)
    m = mean([x, y, 3])
    m.backward()
    assert m.data == 3.0
    assert x.grad == pytest.approx(1 / 3)
    assert mean([1, 2]) == 1.5
    assert dot([1, 2], (3, 4)) == 11.0
    assert dot([], [], 2.0) == 2.0
    d = dot([x, 2.0], [y, x], bias=y)
    assert d.inputs == (x, 2.0, y, x, y)
    assert d.data == 16.0
    x.grad = y.grad = 0
    d.backward()
    assert (x.grad, y.grad) == (6.0, 3.0)
    with pytest.raises(ValueError, match="dot expected two sequences of the same length, got 1 and 2"):
        dot([1.0], [1.0, 2.0])


@pytest.mark.parametrize("size", [1e3, 1e8, 1e12, 1e17, -1e17])
def test_huge_logits_lose_nothing(size):
    xs = [Value(size)] * 2 + [Value(size)]
    assert [p.data for p in softmax(xs)] == pytest.approx([1 / 3] * 3, rel=1e-13)
    assert [p.data for p in log_softmax(xs)] == pytest.approx([-math.log(3)] * 3, rel=1e-13)
    assert cross_entropy(xs, 0).data == pytest.approx(math.log(3), rel=1e-13)
    assert grad(logsumexp)([size] * 3) == pytest.approx([1 / 3] * 3, rel=1e-13)
    assert grad(lambda xs: cross_entropy(xs, 0))([size] * 3) == pytest.approx([-2 / 3, 1 / 3, 1 / 3], rel=1e-13)


def test_linear_is_a_dot_for_each_row():
    w, b, x = [[Value(1.0), Value(2.0)], [Value(3.0), 4.0]], [Value(0.5), 0.0], [Value(10.0), 5.0]
    together = linear(x, w, b)
    alone = [dot(row, x, bias) for row, bias in zip(w, b, strict=True)]
    assert [y.data for y in together] == [y.data for y in alone] == [20.5, 50.0]
    assert [y.inputs for y in together] == [y.inputs for y in alone]
    mixed = linear([1, x[0]], [[2, 3.0], [w[0][0], 1], [Value(1.0), 0.0]], [0, 1, 2])
    assert [y.data for y in mixed] == [32.0, 12.0, 3.0]
    with pytest.raises(
        ValueError, match=r"linear expected, for 1 numbers and 2 biases, 2 rows of 1 weights, got 2 rows of \[2\]"
    ):
        linear([1.0], w, b)


def test_the_largest_take_the_gradient_in_equal_shares():
    xs = [Value(2.0), Value(3.0), Value(3.0), 1.0]
    y = amax(xs)
    y.backward()
    assert (y.data, [x.grad for x in xs[:3]]) == (3.0, [0.0, 0.5, 0.5])
    assert len(y.inputs) == 4
    assert math.isnan(amax([1.0, math.nan, 2.0]))


def test_logsumexp_and_softmax_do_not_overflow_and_shift():
    assert logsumexp([1000.0, 1000.0]) == 1000.0 + math.log(2)
    assert softmax([1000.0, 0.0]) == [1.0, 0.0]
    assert log_softmax([1000.0, 0.0]) == [0.0, -1000.0]
    assert logsumexp([-math.inf, -math.inf]) == -math.inf
    a, b = softmax([0.1, 0.7, -2.0]), softmax([5.1, 5.7, 3.0])
    assert a == pytest.approx(b, rel=1e-14)
    assert sum(a) == pytest.approx(1.0)
    for f, i in itertools.product((softmax, log_softmax), range(3)):
        assert gradcheck(lambda xs, f=f, i=i: f(xs)[i], ([0.3, -1.0, 2.0],), order=2)


@pytest.mark.parametrize("f", [mean, amax, logsumexp, softmax, log_softmax])
def test_one_number_is_refused(f):
    with pytest.raises(TypeError, match=f"{f.__name__} expected a list of numbers, got Value"):
        f(Value(1.0))


@pytest.mark.parametrize("f", [mean, amax, logsumexp, softmax, log_softmax])
def test_nothing_is_refused(f):
    with pytest.raises(ValueError, match="expected at least one number, got none"):
        f([])


POINTS = [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-7.5, -2.0), (0.3, 0.1), (-0.3, 5.0), (6.0, 3.0)]


@pytest.mark.parametrize(("a", "b"), POINTS)
def test_quotients_and_remainders_are_python_s(a, b):
    x, y = Value(a), Value(b)
    assert ((x % y).data, (x // y).data) == (a % b, a // b)
    assert ((x % b).data, (a // y).data) == (a % b, a // b)
    for pair in (divmod(x, y), divmod(x, b), divmod(a, y)):
        assert tuple(v.data for v in pair) == divmod(a, b)
    assert gradients(x % y, [x, y]) == [1.0, -float(a // b)]
    assert gradients(x // y, [x, y]) == [0.0, 0.0]
    slopes = grad(lambda v, w: divmod(v, w)[1], argnums=(0, 1))
    assert slopes(a, b) == (1.0, -float(a // b))
    assert jvp(lambda v, w: v % w, (a, b), (2.0, 1.0))[1] == 2.0 - a // b
    compiled = compile(lambda v, w: [*divmod(v, w), *slopes(v, w)])
    assert compiled([a], [b])[0] == [a // b, a % b, 1.0, -float(a // b)]


@pytest.mark.parametrize("x", [2.5, 3.5, -2.5, -0.4, 0.0, 7.0, 1e18])
def test_whole_numbers_are_python_s(x):
    pairs = {math.floor: autograd.floor, math.ceil: autograd.ceil, math.trunc: autograd.trunc, round: autograd.round}
    for theirs, ours in pairs.items():
        v = Value(x)
        for y in (theirs(v), ours(v)):
            assert y.data == theirs(x)
            assert gradients(y, [v]) == [0.0]
        assert ours(x) == theirs(x)
        assert compile(lambda u, ours=ours: [ours(u), grad(ours)(u)])([x])[0] == [theirs(x), 0.0]
    with pytest.raises(TypeError, match=r"round of a Value takes no number of digits; write f'{v:\.2f}'"):
        round(Value(x), 2)
    assert autograd.round(2.675, 2) == round(2.675, 2)
    assert divmod(Value(7.0), 2.0)[1].data == 1.0
    with pytest.raises(TypeError, match="unsupported operand"):
        divmod(Value(1.0), "a")


def test_the_share_of_one_node_is_a_node():
    """As of the first place of causal attention, which has nothing but itself to look at."""
    x = Value(3.0)
    (share,), (log_share,) = softmax([x]), log_softmax([x])
    assert (share.data, log_share.data) == (1.0, 0.0)
    (share + log_share).backward()
    assert x.grad == 0.0
    assert softmax([3.0]) == [1.0]
    assert type(softmax([3.0])[0]) is float
