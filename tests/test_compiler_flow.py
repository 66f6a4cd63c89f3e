"""What must not flow does not, not even nan: compiled gradients are the eager engine's, nan for nan, sign for sign."""

import math
import random

import numpy as np
import pytest
from support import BUILTIN, identical

import nn
from autograd import (
    Value,
    abs,
    acos,
    clamp,
    compile,
    dot,
    equal,
    gather,
    grad,
    gradients,
    hessian,
    jvp,
    maximum,
    mean,
    minimum,
    relu,
    sum,
    tanh,
    value_and_grad,
    where,
)
from nn import SGD, Adam, Linear, Sequential, Tanh, Trainer, l2_penalty

pytest.importorskip("llvmlite")
nan, inf = math.nan, math.inf
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, inf, -inf, nan, 1e308, -1e308, 5e-324, -5e-324]
MASKED = {
    "distance": lambda w, x, t: abs(w * x - t),
    "square": lambda w, x, t: (w * x - t) * (w * x - t),
    "power": lambda w, x, t: (w * x - t) ** 2,
    "product": lambda w, x, t: w * t,
    "tanh": lambda w, x, t: tanh(w * t),
    "dot": lambda w, x, t: dot([w, x], [t, w]),
    "layers": lambda w, x, t: tanh(dot([w, w, t], [t, x, w], w)) * t,
    "shared trunk": lambda w, x, t: sum([w * t, tanh(w * x) * t, dot([w] * 3, [t, x, t])]),
}


def held_against_eager(f, w, columns):
    """f(w, *numbers): the mean's gradient by w, and the gradients by all operands of each example."""
    w.grad = 0.0
    compile(lambda *xs: f(w, *xs), [w])(*columns)
    compiled, w.grad = w.grad, 0.0
    rows = list(zip(*columns, strict=True))
    mean([f(w, *xs) for xs in rows]).backward()
    assert identical(compiled, w.grad) or compiled == pytest.approx(w.grad, rel=1e-12), (compiled, w.grad)
    weights = [w.data] * len(rows)
    _, slopes = compile(f).value_and_grad(weights, *columns)
    for i, xs in enumerate(rows):
        leaves = [Value(w.data), *map(Value, xs)]
        expected = gradients(f(*leaves), leaves)
        for a, b in zip([s[i] for s in slopes], expected, strict=True):
            assert identical(a, b) or a == pytest.approx(b, rel=1e-12), (xs, a, b)


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("examples", [1, 3, 20])
@pytest.mark.parametrize("name", MASKED)
def test_missing_targets_are_left_out(name, examples, bad):
    columns = [[0.5 + i for i in range(examples)], [bad if i % 2 == 0 else 3.0 + i for i in range(examples)]]

    def eager(w, x, t):
        return MASKED[name](w, x, t) if math.isfinite(t) else w * 0.0

    w = Value(2.0)
    compile(lambda x, t: where(equal(t, t), where(abs(t) < inf, MASKED[name](w, x, t), 0.0), 0.0), [w])(*columns)
    compiled, w.grad = w.grad, 0.0
    mean([eager(w, x, t) for x, t in zip(*columns, strict=True)]).backward()
    assert compiled == pytest.approx(w.grad, rel=1e-12)


@pytest.mark.parametrize("examples", [1, 9])
@pytest.mark.parametrize(
    "f",
    [
        lambda w, x: relu(w * x), lambda w, x: clamp(w * x, -1.0, 1.0), lambda w, x: maximum(w * x, 0.0),
        lambda w, x: minimum(w * x, 0.0), lambda w, x: relu(dot([w, 0.5], [x, x])), lambda w, x: relu(w * x) ** 2,
        lambda w, x: where(x < 0, 0.0, w * x) + w, lambda w, x: relu(relu(w * x) * x),
        lambda w, x: abs(x) * relu(w * x),
    ],
)  # fmt: skip
def test_masks_of_infinite_numbers(f, examples):
    for w in (2.0, -1.0, inf, 0.0):
        held_against_eager(
            f, Value(w), [[[-inf, inf, nan, -1.0, 0.0, -0.0, 1e308, 2.0, -inf][i] for i in range(examples)]]
        )
        held_against_eager(f, Value(w), [[-inf] * examples])


@pytest.mark.parametrize("primitive", [p for p in BUILTIN if not p.vectors], ids=lambda p: p.name)
def test_derivatives_at_special_numbers_have_their_signs(primitive):
    """First and second derivatives of each operation, at each special number, to the sign of a zero."""
    count = primitive.arity
    points = [
        list(map(float, x)) for x in np.array(np.meshgrid(*[SPECIAL] * min(count, 2))).reshape(min(count, 2), -1).T
    ]
    points = [x + [1.0] * (count - len(x)) for x in points]
    columns = list(zip(*points, strict=True))

    def by_first(*xs):
        return grad(lambda x: primitive(x, *xs[1:]))(xs[0])

    for f in (lambda *xs: primitive(*xs), by_first):
        _, slopes = compile(f).value_and_grad(*map(list, columns))
        slopes = slopes if isinstance(slopes, tuple) else (slopes,)
        for i, xs in enumerate(points):
            leaves = list(map(Value, xs))
            y = f(*leaves)
            # an exponent of 0, or of 1 at second order, still has a slope, which only the differentiable sweep knows
            varying = primitive.name == "pow" and xs[1] in (0.0, 1.0)
            expected = gradients(y, leaves, create_graph=varying) if isinstance(y, Value) else [0.0] * count
            expected = [x.data for x in expected] if varying and isinstance(y, Value) else expected
            for a, b in zip([s[i] for s in slopes], expected, strict=True):
                close = math.isfinite(b) and b != 0.0 and a == pytest.approx(b, rel=1e-13, abs=1e-320)
                assert identical(a, b) or close, (primitive.name, xs, a, b)


def test_transforms_within_keep_signs_and_nothing():
    assert math.copysign(1.0, compile(grad(relu))([-1.0])[0]) == 1.0
    assert compile(lambda x: 1.0 / grad(relu)(x))([-1.0]) == [inf]
    added = lambda x: x * -0.0 + relu(x) + 0.0 * maximum(-x, 0.0)  # noqa: E731 (where nothing flows, nothing is added)
    assert all(map(identical, compile(grad(added))([-1.0, 1.0]), [grad(added)(-1.0), grad(added)(1.0)]))
    assert math.copysign(1.0, grad(added)(-1.0)) == -1.0
    f = lambda x: where(x[0] > 0, x[0] * x[1], x[1] ** 0.5)  # noqa: E731
    X = [[1.0, -2.0], [-1.0, 0.0], [-1.0, 4.0], [0.5, nan]]
    for transform in (grad, value_and_grad, hessian):
        found = compile(lambda x, transform=transform: list(nn.module.flat(transform(f)(x))))(X)
        for a, x in zip(found, X, strict=True):
            assert all(map(identical, a, nn.module.flat(transform(f)(x)))), (transform, x, a)
    g = lambda x, t: jvp(lambda x: where(equal(t, t), (x - t) * t, 0.0), (x,), (1.0,))[1]  # noqa: E731
    assert compile(g)([1.0, 1.0], [nan, 2.0]) == [g(1.0, nan), g(1.0, 2.0)] == [0.0, 2.0]


def test_what_numbers_overflow_to_does_not_flow_either():
    """The numbers that come in are finite; nan came out, and so the program was run again with guards."""
    w = Value(1e200)
    held_against_eager(lambda w, x: relu(w * x * x) + w * 0.5, w, [[-1e200, 2.0, -1e300, 1.0]])
    held_against_eager(lambda w, x: where(x < 0, 0.0, tanh(dot([w, w], [x * x, x], 1.0))), w, [[-1e200, 2.0, -1e300]])


def masked_loss(output, target):
    return mean([where(equal(t, t), abs(o - t), 0.0) for o, t in zip(output, target, strict=True)])


def tasks(share):
    rng = random.Random(4)
    X = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(40)]
    return X, [[nan if rng.random() < share else sum(x), nan if rng.random() < share else x[0]] for x in X]


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("penalty", [False, True])
def test_training_on_targets_that_are_missing(activation, batch_size, penalty):
    X, Y = tasks(0.4)
    trainers = []
    for compiled in (False, True):
        model = nn.MLP(3, [8, 2], activation=activation, rng=0)
        pull = (lambda m: lambda: 0.01 * l2_penalty(m.parameters()))(model) if penalty else None
        t = Trainer(model, masked_loss, Adam(model.parameters(), lr=0.01), penalty=pull, compile=compiled)
        t.fit(X, Y, epochs=3, batch_size=batch_size, progress=False)
        with t.stepping() as step:
            for i in range(0, 40, 8):
                step(np.array(X[i : i + 8]), np.array(Y[i : i + 8]))
            step(X[:8], Y[:8])
        trainers.append(t)
    eager, compiled = trainers
    assert compiled.history.train_loss == pytest.approx(eager.history.train_loss, rel=1e-9)
    for a, b in zip(compiled.model.parameters(), eager.model.parameters(), strict=True):
        assert a.data == pytest.approx(b.data, rel=1e-9)


def test_one_batch_in_which_numbers_overflow_is_stepped_again():
    def loss(output, target):
        return where(target > 1e100, 0.0, (output[0] - target) ** 2)

    X = [[0.1 * i] for i in range(12)]
    Y = [1e300 if i == 7 else 0.5 for i in range(12)]
    found = []
    for compiled in (False, True):
        model = Sequential(Linear(1, 4, rng=0), Tanh(), Linear(4, 1, rng=1))
        t = Trainer(model, loss, SGD(model.parameters(), lr=0.1), compile=compiled)
        t.fit(X, Y, epochs=4, batch_size=3, progress=False)
        found.append([*t.history.train_loss, *[p.data for p in model.parameters()]])
    assert found[1] == pytest.approx(found[0], rel=1e-10)


def test_at_exponent_0_nothing_flows_to_the_base():
    for f, xs in (
        (lambda x: (1.0 + x[0].sqrt()) ** x[1], [0.0, 0.0]),
        (lambda x: (1.0 - x[0]) ** x[1], [0.5, 0.0]),
        (lambda x: acos(x[0] ** x[1]), [-0.5, 0.0]),
    ):
        leaves = [Value(x) for x in xs]
        expected = gradients(f(leaves), leaves)
        assert expected[0] == 0.0
        assert list(map(str, compile(f).value_and_grad([xs])[1][0])) == list(map(str, expected))
    second = compile(hessian(lambda x: x[0] ** x[1]))([[2.0, 0.0]])[0]
    assert second[0][1] == second[1][0] == 0.5  # 1 / x: the slope varies with the exponent


def test_what_an_index_does_not_pick_gets_nothing():
    table = [Value(1.0), Value(inf), Value(3.0)]
    X, I, J = [1.0, inf, 2.0, 5.0], [0, 1, 2, 0], [0, 0, 2, 2]

    def f(x, i, j):
        return gather(table, i) * x + gather(table, j) * 0.5

    compile(f, table)(X, I, J)
    compiled = [v.grad for v in table]
    for v in table:
        v.grad = 0.0
    mean([f(*example) for example in zip(X, I, J, strict=True)]).backward()
    assert compiled == [v.grad for v in table]


def test_a_gradient_that_is_cut_off():
    w = Value(2.0)
    compile(lambda x: (w * x).detach() * w, [w])([3.0, 4.0])
    assert w.grad == 7.0
    assert compile(lambda x: grad(lambda v: v.detach() * v)(x))([3.0]) == [3.0]
    assert compile(lambda x: nn.detach([x * x])[0] * x)([3.0]) == [27.0]
