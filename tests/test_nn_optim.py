"""Optimizers, schedules, initialisers and clipping: against PyTorch's numbers, and by statistics."""

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
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    Optimizer,
    ReduceLROnPlateau,
    Scheduler,
    SequentialLR,
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


def schedule(row, optimizer):
    if row["scheduler"] == "SequentialLR":
        parts = [
            LinearLR(optimizer, 0.1, total_iters=10),
            CosineAnnealingLR(optimizer, 40),
            ExponentialLR(optimizer, 0.9),
        ]
        return SequentialLR(optimizer, parts, [10, 50])
    return getattr(nn, row["scheduler"])(optimizer, **row["options"])


@pytest.mark.parametrize("row", TORCH["schedules"], ids=lambda row: f"{row['scheduler']}-{row['options']}")
def test_100_steps_of_a_schedule_equal_pytorch_s(row):
    w = [Value(0.0)]
    optimizer = Adam(w, lr=0.2) if "adam" in row else SGD(w, lr=0.2, momentum=0.9 if row["momenta"] else 0.0)
    scheduler = schedule(row, optimizer)
    for t, expected in enumerate(row["rates"]):
        assert same(optimizer.lr, expected)
        assert scheduler.get_last_lr() == [optimizer.lr]
        group = optimizer.param_groups[0]
        if row["momenta"]:
            assert same(group["betas"][0] if "betas" in group else group["momentum"], row["momenta"][t])
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(TORCH["watched"][t])
        else:
            scheduler.step()


@pytest.mark.parametrize("row", TORCH["schedules"], ids=lambda row: f"{row['scheduler']}-{row['options']}")
def test_a_schedule_goes_on_where_it_was_saved(row):
    def make():
        optimizer = SGD([Value(0.0)], lr=0.2, momentum=0.9)
        return optimizer, schedule(row, optimizer)

    def step(scheduler, t):
        scheduler.step(*[TORCH["watched"][t]] * isinstance(scheduler, ReduceLROnPlateau))

    optimizer, scheduler = make()
    for t in range(30):
        step(scheduler, t)
    twin, again = make()
    twin.load_state_dict(optimizer.state_dict())
    again.load_state_dict(scheduler.state_dict())
    for t in range(30, 90):
        assert twin.lr == optimizer.lr
        step(scheduler, t)
        step(again, t)


def test_schedules_say_what_is_wrong():
    optimizer = SGD([Value(0.0)], lr=0.2)
    for attempt, error, text in (
        (lambda: ReduceLROnPlateau(optimizer, "mean"), ValueError, "expected mode 'min' or 'max' and a factor in"),
        (lambda: [ReduceLROnPlateau(optimizer).step()], TypeError, "expected the number to watch: step"),
        (
            lambda: OneCycleLR(nn.Adagrad([Value(0.0)]), 0.1, 5),
            ValueError,
            "optimizer with momentum or betas, or cycle",
        ),
        (lambda: SequentialLR(optimizer, [StepLR(optimizer, 3)], [4]), ValueError, "a milestone between each two of 1"),
        (
            lambda: StepLR(optimizer, 3).load_state_dict({"kind": "LinearLR"}),
            ValueError,
            "the state is of LinearLR, but",
        ),
        (lambda: Scheduler(optimizer), NotImplementedError, r"Scheduler needs a method rate\(self, base, t\)"),
    ):
        with pytest.raises(error, match=text):
            attempt()
    cycle = OneCycleLR(optimizer, 0.1, 3)
    for _ in range(3):
        cycle.step()
    with pytest.raises(ValueError, match="OneCycleLR expected at most 3 steps, got one more"):
        cycle.step()
    assert cycle.last_epoch == 3
    assert MultiStepLR(SGD([Value(0.0)], lr=0.2), [1]).get_last_lr() == [0.2]


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


@pytest.mark.parametrize("row", TORCH["touched_schedules"], ids=lambda row: f"{row['scheduler']}-{row['hand']}")
def test_rates_set_by_hand_and_chained_schedules_equal_pytorch_s(row):
    optimizer = SGD([Value(0.0)], lr=0.2, momentum=0.9)
    first = ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        first.step()
    optimizer.lr = 0.08
    scheduler = getattr(nn, row["scheduler"])(optimizer, **row["options"])
    second = ExponentialLR(optimizer, 0.97) if row["second"] else None
    for t, expected in enumerate(row["rates"]):
        if t == 12 and row["hand"]:
            optimizer.param_groups[0]["lr"] = row["hand"]
        if expected < 0.0:  # which PyTorch's cosine with a floor lets happen, beside a schedule that goes below it
            assert optimizer.lr == 0.0
            break
        assert same(optimizer.lr, expected), t
        scheduler.step(*[TORCH["watched"][t]] * isinstance(scheduler, ReduceLROnPlateau))
        if second:
            second.step()


ORDERS = {
    "as it was": ("build", "optimizer", "schedule"),
    "the schedule first": ("build", "schedule", "optimizer"),
    "built last": ("optimizer", "build", "schedule"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("touch", ["nothing", "by hand", "chained", "both"])
@pytest.mark.parametrize("row", TORCH["schedules"], ids=lambda row: f"{row['scheduler']}-{row['options']}")
def test_a_run_that_is_resumed_in_any_order_has_the_rates_that_it_would_have_had(row, touch, order):
    def build(optimizer):
        second = [ExponentialLR(optimizer, 0.97)] if touch in ("chained", "both") else []
        return [schedule(row, optimizer), *second]

    def rates(optimizer, schedules, steps):
        for t in steps:
            if t == 12 and touch in ("by hand", "both"):
                optimizer.lr = 0.03
            for s in schedules:
                s.step(*[TORCH["watched"][t]] * isinstance(s, ReduceLROnPlateau))
            yield optimizer.lr

    def make():
        return SGD([Value(0.0)], lr=0.2, momentum=0.9)

    optimizer = make()
    schedules = build(optimizer)
    list(rates(optimizer, schedules, range(25)))
    saved, states = optimizer.state_dict(), [s.state_dict() for s in schedules]
    twin, again = make(), []
    for what in ORDERS[order]:
        if what == "build":
            again = build(twin)
        elif what == "optimizer":
            twin.load_state_dict(saved)
        else:
            for s, state in zip(again, states, strict=True):
                s.load_state_dict(state)
    assert twin.lr == optimizer.lr
    assert list(rates(twin, again, range(25, 50))) == list(rates(optimizer, schedules, range(25, 50)))


def test_a_state_of_before_there_were_rates_in_it_still_loads():
    optimizer = SGD([Value(0.0)], lr=0.2)
    s = StepLR(optimizer, 1, gamma=0.5)
    state = s.state_dict()
    del state["last_lrs"]
    s.step()
    s.load_state_dict(state)
    assert (s.last_epoch, optimizer.lr) == (0, 0.1)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_a_plateau_of_negative_numbers_is_one(mode, threshold_mode):
    sign = -1.0 if mode == "min" else 1.0
    for level in (-1.0, 1.0, -1e-3):
        optimizer = SGD([Value(0.0)], lr=1.0)
        s = ReduceLROnPlateau(optimizer, mode, 0.5, 2, threshold_mode=threshold_mode)
        for _ in range(4):
            s.step(level)
        assert (optimizer.lr, s.best) == (0.5, level)
        s.step(level - sign * 1e-6)  # worse
        assert s.best == level
        s.step(level + sign * 0.1)
        assert s.best == level + sign * 0.1
    with pytest.raises(ValueError, match="expected threshold_mode 'rel' or 'abs', got 'share'"):
        ReduceLROnPlateau(optimizer, threshold_mode="share")


def test_a_rate_that_somebody_sets_is_kept_by_a_schedule_that_comes_after():
    optimizer = SGD([Value(0.0)], lr=1.0)
    s = ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        s.step()
    optimizer.lr = 0.01
    assert StepLR(optimizer, 30).get_last_lr() == [0.01]
    warmup, cosine = LinearLR(optimizer, 0.5, total_iters=2), CosineAnnealingLR(optimizer, 10)
    chain = SequentialLR(optimizer, [warmup, cosine], [2])
    assert optimizer.lr == 0.005
    chain.step()
    assert same(optimizer.lr, 0.0075)
    with pytest.raises(ValueError, match="learning rates of at least 0"):
        s.load_state_dict({**s.state_dict(), "last_lrs": [-1.0]})


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


@pytest.mark.parametrize(
    ("lr", "make", "steps", "after"),
    [
        (1.0, lambda o: LinearLR(o, 1.0, 0.0, total_iters=3), 4, [0.5, 0.5]),
        (1.0, lambda o: MultiStepLR(o, [2], gamma=0.0), 3, [0.5, 0.5]),
        (0.0, lambda o: ExponentialLR(o, 0.5), 1, [0.25, 0.125]),
    ],
)
def test_a_rate_set_after_the_schedule_has_come_to_0_is_kept(lr, make, steps, after):
    """PyTorch's numbers."""
    optimizer = SGD([Value(0.0)], lr=lr)
    s = make(optimizer)
    for _ in range(steps):
        s.step()
    optimizer.lr = 0.5
    found = []
    for _ in after:
        s.step()
        found.append(optimizer.lr)
    assert found == after


def test_a_plateau_takes_a_value():
    s = ReduceLROnPlateau(SGD([Value(0.0)], lr=1.0))
    s.step(Value(0.5))
    s.step(np.float32(0.25))
    assert json.dumps(s.state_dict()["best"]) == "0.25"


@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_infinite_options_are_refused(name):
    with pytest.raises(ValueError, match=f"SGD expected {name} >= 0, got inf"):
        SGD([Value(0.0)], **{name: math.inf})


def test_a_rate_set_by_hand_is_checked_and_stays_as_it_is():
    optimizer = SGD([Value(0.0)], lr=1.0)
    for wrong in (-1.0, math.nan, "x", math.inf):
        with pytest.raises(ValueError, match="SGD expected lr >= 0, got"):
            optimizer.lr = wrong
    s = StepLR(optimizer, 5, gamma=0.1)
    optimizer.lr = 0.2
    s.step()
    assert optimizer.lr == 0.2
