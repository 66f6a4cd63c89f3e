"""Optimizers, initialisers and clipping: against PyTorch's numbers, and by statistics."""

import functools
import inspect
import json
import math
import random

import numpy as np
import pytest
from reference_nn import TORCH, all_same
from support import same

import nn
from autograd import Value, mean, tanh
from autograd.compiler import symbolic
from nn import (
    MLP,
    SGD,
    Adam,
    AdamW,
    OneCycleLR,
    Optimizer,
    ReduceLROnPlateau,
    Scheduler,
    Sophia,
    StepLR,
)

CLASSES = [x for name in nn.__all__ if inspect.isclass(x := getattr(nn, name))]
OPTIMIZERS = [x for x in CLASSES if issubclass(x, Optimizer) and x is not Optimizer]
SCHEDULERS = [x for x in CLASSES if issubclass(x, Scheduler) and x is not Scheduler]


def test_every_optimizer_and_schedule_has_stored_numbers_for_every_option():
    assert {row["optimizer"] for row in TORCH["trajectories"]} | {"Sophia"} == {x.__name__ for x in OPTIMIZERS}
    for optimizer in OPTIMIZERS:
        rows = [row["options"] for row in TORCH["trajectories"] if row["optimizer"] == optimizer.__name__]
        if optimizer is not Sophia:
            assert set().union(*rows) == set(optimizer([Value(0.0)]).defaults)
    assert {row["scheduler"] for row in TORCH["schedules"]} == {x.__name__ for x in SCHEDULERS}


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


DATA = [([0.5, -1.0], 0.3), ([1.0, 2.0], -0.5), ([-1.5, 0.5], 0.8), ([0.2, 0.1], 0.0)]


def net(*w):
    def output(a, b):
        hidden = [tanh(w[3 * i] * a + w[3 * i + 1] * b + w[3 * i + 2]) for i in range(2)]
        return w[6] * hidden[0] + w[7] * hidden[1] + w[8]

    return mean([(output(*x) - y) ** 2 for x, y in DATA])


def run(optimizer, parameters, function, steps=200):
    for t in range(steps):
        optimizer.zero_grad()
        value = function(*parameters)
        if optimizer.estimate_every and t % optimizer.estimate_every == 0:
            optimizer.estimate(value)
        value.backward()
        optimizer.step()
        yield value.data, [p.data for p in parameters]


def net_parameters():
    rng = random.Random(1)
    return [Value(rng.uniform(-1, 1)) for _ in range(9)]


@pytest.mark.parametrize("row", TORCH["trajectories"], ids=lambda row: f"{row['optimizer']}-{row['options']}")
def test_200_steps_equal_pytorch_s_at_every_step(row):
    make = getattr(nn, row["optimizer"])
    xy = [Value(-1.2), Value(1.0)]
    for (_, point), expected in zip(run(make(xy, **row["options"]), xy, rosenbrock), row["points"], strict=True):
        assert all_same(point, expected)
    w = net_parameters()
    for (loss, _), expected in zip(run(make(w, **row["options"]), w, net), row["losses"], strict=True):
        assert same(loss, expected)
    assert all_same([p.data for p in w], row["end"])


def test_groups_have_options_of_their_own():
    x, y = Value(-1.2), Value(1.0)
    optimizer = Adam([{"params": [x], "lr": 0.02}, {"params": [y], "weight_decay": 0.1}], lr=0.01)
    for (_, point), expected in zip(run(optimizer, [x, y], rosenbrock), TORCH["groups"], strict=True):
        assert all_same(point, expected)
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, 0.01]


def test_sophia_equals_its_paper_written_out_in_pytorch():
    row = TORCH["sophia"]
    o = row["options"]
    options = {name: o[name] for name in ("lr", "gamma", "eps", "weight_decay")} | {"betas": (o["beta1"], o["beta2"])}

    class Given(Sophia):
        """With the stored signs."""

        def signs(self):
            return row["signs"][self.estimates][: len(self.parameters)]

    xy = [Value(-1.2), Value(1.0)]
    for (_, point), expected in zip(run(Given(xy, **options), xy, rosenbrock), row["points"], strict=True):
        assert all_same(point, expected)
    w = net_parameters()
    for (loss, _), expected in zip(run(Given(w, **options), w, net), row["losses"], strict=True):
        assert same(loss, expected)


def test_sophia_s_estimate_is_right_on_average():
    x, y = Value(0.3), Value(-0.5)
    optimizer, sums = Sophia([x, y], seed=4), [0.0, 0.0]
    for _ in range(400):
        optimizer.estimate(x**2 * 3 + x * y + y**4)
        sums = [s + d for s, d in zip(sums, optimizer._diagonal, strict=True)]
    assert [s / 400 for s in sums] == pytest.approx([6.0, 12 * 0.25], abs=0.2)  # the off-diagonal 1 averages out


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rules_can_be_recorded_without_reading_a_number(optimizer):
    o = optimizer([Value(0.5)])
    options = {**o.defaults, "lr": Value(o.lr)}
    besides = (Value(2.0),) if optimizer is Sophia else ()
    with symbolic():
        first = o.rule(Value(0.5), Value(0.25), (), *besides, **options)
        second = o.rule(first[0], Value(-0.1), first[1], *besides, **options)
    plain = tuple(b.data for b in besides)
    numbers = o.rule(0.5, 0.25, (), *plain, **o.defaults)
    assert same(first[0].data, numbers[0])
    assert same(second[0].data, o.rule(numbers[0], -0.1, numbers[1], *plain, **o.defaults)[0])


def test_the_two_forms_of_momentum_are_one_path():
    beta, lr = 0.9, 1e-3
    x, y, v = Value(-1.2), -1.2, 0.0
    optimizer = SGD([x], lr=lr, momentum=beta)
    for _ in range(50):
        optimizer.zero_grad()
        (x**4 + x).backward()
        slope = 4 * y**3 + 1
        v = beta * v + (1 - beta) * slope
        y -= lr / (1 - beta) * v
        optimizer.step()
        assert x.data == pytest.approx(y, rel=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_state_is_saved_and_goes_on_bit_for_bit(optimizer):
    def make():
        w = net_parameters()
        return w, optimizer(w)

    w, whole = make()
    ends = [point for _, point in run(whole, w, net, 25)]
    w, first = make()
    list(run(first, w, net, 10))
    state = json.loads(json.dumps(first.state_dict()))
    twin, second = make()
    for p, q in zip(twin, w, strict=True):
        p.data = q.data
    second.load_state_dict(state)
    assert [point for _, point in run(second, twin, net, 15)] == ends[10:]


def test_a_rule_may_be_decorated_or_inherited():
    def traced(rule):
        return functools.wraps(rule)(lambda *args, **options: rule(*args, **options))

    class Decorated(Optimizer):
        @traced
        def rule(self, parameter, gradient, state, *, lr=0.1):
            return parameter - lr * gradient, state

    class Inherited(Decorated):
        """Nothing of its own."""

    for make in (Decorated, Inherited, SGD):
        w = Value(1.0)
        w.grad = 1.0
        make([w], lr=0.5).step()
        assert w.data == 0.5


def test_options_are_checked_and_shown():
    with pytest.raises(ValueError, match="Adam expected eps > 0, got 0, by which a gradient of 0 would be divided"):
        Adam([Value(1.0)], eps=0)
    with pytest.raises(ValueError, match=r"StepLR expected step_size >= 1, whole, got 2\.5"):
        StepLR(SGD([Value(1.0)]), 2.5)
    with pytest.raises(ValueError, match="ReduceLROnPlateau expected factor >= 0, got 'a'"):
        ReduceLROnPlateau(SGD([Value(1.0)]), factor="a")
    with pytest.raises(ValueError, match=r"OneCycleLR expected pct_start in \[0, 1\), got 2"):
        OneCycleLR(SGD([Value(1.0)], momentum=0.9), 1.0, 10, pct_start=2)
    w = [Value(1.0)]
    assert str(inspect.signature(Adam)).startswith("(params, lr")
    assert Adam(w, 0.1, (0.8, 0.9)).param_groups[0]["betas"] == (0.8, 0.9)
    assert repr(SGD(w, lr=0.1)) == "SGD(lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False)"
    optimizer = SGD([{"params": w, "lr": 0.1}, {"params": [Value(2.0)]}])
    assert optimizer.lr == 0.1
    optimizer.lr = 0.5
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]
    for attempt, error, text in (
        (lambda: Adam(w, beta=0.9), TypeError, "Adam: got an unexpected keyword argument 'beta'; its options are lr, "),
        (lambda: Adam(w, betas=(0.9, 1.0)), ValueError, r"Adam expected betas in \[0, 1\), got 1.0"),
        (lambda: Adam(w, betas=0.9), ValueError, r"Adam expected betas as 2 numbers such as \(0.9, 0.999\), got 0.9"),
        (lambda: SGD(w, lr=None), ValueError, "SGD expected lr >= 0, got None"),
        (lambda: SGD([{"lr": 0.1}]), ValueError, r'SGD expected groups such as {"params": \[...\], "lr": 0.1}, got'),
        (lambda: AdamW(w, weight_decay=-1), ValueError, "AdamW expected weight_decay >= 0, got -1"),
        (lambda: SGD([{"params": w, "learning": 1}]), TypeError, "SGD: got an unexpected keyword argument 'learning'"),
        (lambda: SGD([*w, *w]), ValueError, "SGD expected each parameter once, got some of them twice"),
        (lambda: StepLR(optimizer), TypeError, "StepLR: missing a required argument: 'step_size'; its options are"),
        (lambda: StepLR(optimizer, 0), ValueError, "StepLR expected step_size >= 1, whole, got 0"),
        (lambda: StepLR(w, 1), TypeError, "StepLR expected an optimizer first"),
        (
            lambda: Adam(w).load_state_dict(SGD(w).state_dict()),
            ValueError,
            "the state is of SGD with 1 parameters in 1",
        ),
    ):
        with pytest.raises(error, match=text):
            attempt()


# Schedules


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: SGD([], lr=0.1), ValueError, "SGD expected parameters, got none; does the model keep them"),
        (lambda: SGD([Value(1.0) * 2], lr=0.1), TypeError, "SGD expected leaf Values such as model.parameters"),
        (
            lambda: SGD(MLP(1, [1]), lr=0.1),
            TypeError,
            r"SGD expected a list of parameters, got one MLP; write model\.parameters\(\)",
        ),
        (lambda: SGD([Value(1.0)], lr="0.1"), ValueError, "SGD expected lr >= 0, got '0.1'"),
        (lambda: SGD([1.0], lr=0.1), TypeError, "SGD expected leaf Values"),
        (lambda: SGD([Value(1.0)], lr=-1), ValueError, "SGD expected lr >= 0, got -1"),
        (lambda: SGD([Value(1.0)], momentum=-1), ValueError, "SGD expected momentum >= 0, got -1"),
        (
            lambda: SGD([Value(1.0)], nesterov=True),
            ValueError,
            "SGD expected momentum above 0 and no dampening with nesterov=True",
        ),
        (lambda: Optimizer([Value(1.0)]).step(), NotImplementedError, "Optimizer needs a method rule"),
    ],
)
def test_errors(attempt, error, text):
    with pytest.raises(error, match=text):
        attempt()


def test_rules_and_schedules_of_one_s_own_are_checked():
    class Half(Optimizer):
        def rule(self, parameter, gradient, state, *, lr=0.1):
            return parameter - lr * gradient

    class Rate(Optimizer):
        def rule(self, parameter, gradient, state, *, rate=0.1):
            return parameter - rate * gradient, state

    class Downhill(Scheduler):
        def rate(self, base, t):
            return -0.1

    with pytest.raises(TypeError, match=r"Half\.rule has to return \(new parameter, new state\), the state a tuple"):
        Half([Value(1.0)]).step()
    with pytest.raises(TypeError, match=r"Rate\.rule needs its options behind a `\*`, lr among them"):
        Rate([Value(1.0)])
    with pytest.raises(ValueError, match=r"Downhill\.rate has to return a learning rate >= 0, got -0\.1"):
        Downhill(SGD([Value(1.0)]))
    w = Value(1.0)
    optimizer = SGD([w], lr=np.float32(0.1))
    w.grad = 1 / 3
    optimizer.step()
    assert w.data == 1.0 - float(np.float32(0.1)) / 3


def test_clipping_refuses_a_negative_limit_and_takes_one_value():
    w = Value(1.0)
    w.grad = 3.0
    for clip, name in ((nn.clip_grad_norm_, "max_norm"), (nn.clip_grad_value_, "clip_value")):
        for limit in (-1.0, math.nan):
            with pytest.raises(ValueError, match=f"{clip.__name__} expected {name} of at least 0, got {limit}"):
                clip([w], limit)
    assert w.grad == 3.0
    assert nn.clip_grad_norm_(w, 1.0) == 3.0
    assert w.grad == pytest.approx(1.0, rel=1e-6)
    nn.clip_grad_value_(w, 0.25)
    assert w.grad == 0.25


@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_infinite_options_are_refused(name):
    with pytest.raises(ValueError, match=f"SGD expected {name} >= 0, got inf"):
        SGD([Value(0.0)], **{name: math.inf})
