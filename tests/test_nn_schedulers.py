"""Schedules of the learning rate: against PyTorch's numbers."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from reference_nn import TORCH
from support import same

import nn
from autograd import Value
from nn import (
    SGD,
    Adam,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    Scheduler,
    SequentialLR,
    StepLR,
)


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


def test_a_rate_set_by_hand_is_checked_and_stays_as_it_is():
    optimizer = SGD([Value(0.0)], lr=1.0)
    for wrong in (-1.0, math.nan, "x", math.inf):
        with pytest.raises(ValueError, match="SGD expected lr >= 0, got"):
            optimizer.lr = wrong
    s = StepLR(optimizer, 5, gamma=0.1)
    optimizer.lr = 0.2
    s.step()
    assert optimizer.lr == 0.2


@pytest.mark.parametrize("row", TORCH["schedules"], ids=lambda row: f"{row['scheduler']}-{row['options']}")
def test_a_state_has_the_options(row):
    """As PyTorch's: after loading they are those of the run that was saved, whatever the schedule was built with."""
    optimizer = SGD([Value(0.0)], lr=0.2, momentum=0.9)
    saved = schedule(row, optimizer)
    state = json.loads(json.dumps(saved.state_dict()))
    twin = SGD([Value(0.0)], lr=0.2, momentum=0.9)
    required = {"StepLR": [7], "MultiStepLR": [[3]], "ExponentialLR": [0.3], "CosineAnnealingLR": [9]}
    if row["scheduler"] == "SequentialLR":
        again = SequentialLR(twin, [LinearLR(twin), CosineAnnealingLR(twin, 3), ExponentialLR(twin, 0.1)], [1, 2])
    elif row["scheduler"] == "OneCycleLR":
        again = OneCycleLR(twin, 3.0, 1000)
    else:
        again = getattr(nn, row["scheduler"])(twin, *required.get(row["scheduler"], []))
    again.load_state_dict(state)
    assert again.state_dict() == saved.state_dict()
    for t in range(90):
        assert twin.lr == optimizer.lr
        for s in (saved, again):
            s.step(*[TORCH["watched"][t]] * isinstance(s, ReduceLROnPlateau))


def test_options_can_be_read_and_changed():
    s = StepLR(SGD([Value(0.0)], lr=1.0), 1, gamma=0.5)
    s.gamma = np.float32(0.25)
    s.step()
    assert (s.optimizer.lr, s.gamma, repr(s)) == (0.25, 0.25, "StepLR(step_size=1, gamma=0.25)")
    with pytest.raises(ValueError, match="StepLR expected gamma >= 0, got -1"):
        s.gamma = -1
    with pytest.raises(AttributeError, match="StepLR has no 'gama'"):
        s.gama  # an attribute that is not there
    assert s.gamma == 0.25


@pytest.mark.parametrize(
    "options",
    [{}, {"step_size": 0, "gamma": 0.5}, {"step_size": 1, "gamma": "x"}, {"step_size": [1], "gamma": 0.5}, None, 5],
)
def test_damaged_options_of_a_state_change_nothing(options):
    s = StepLR(SGD([Value(0.0)], lr=1.0), 1, gamma=0.5)
    before = s.state_dict()
    with pytest.raises(ValueError, match="StepLR"):
        s.load_state_dict({**before, "last_epoch": 7, "options": options})
    assert s.state_dict() == before
    plateau = ReduceLROnPlateau(s.optimizer)
    with pytest.raises(ValueError, match="expected mode 'min' or 'max'"):
        plateau.load_state_dict({**(state := plateau.state_dict()), "options": {**state["options"], "mode": "up"}})
    s.step()
    chain = SequentialLR(s.optimizer, [s, StepLR(s.optimizer, 2)], [4])
    state = chain.state_dict()
    state["options"]["schedulers"][1]["options"]["gamma"] = -1.0
    with pytest.raises(ValueError, match="StepLR expected gamma"):
        chain.load_state_dict(state)


def test_an_option_that_is_a_function_stays():
    class LambdaLR(Scheduler):
        def rate(self, base, t, *, factor):
            return base * factor(t)

    def half(t):
        return 0.5**t

    optimizer = SGD([Value(0.0)], lr=1.0)
    s = LambdaLR(optimizer, half)
    s.load_state_dict(json.loads(json.dumps(s.state_dict())))
    s.step()
    assert (optimizer.lr, s.factor) == (0.5, half)


@pytest.mark.parametrize(
    "option", [[[0, 1], [5, 0.1]], ("a", "b"), (1, None), [True, False], [math.sin], {1: 0.5}, None, Fraction(1, 2)]
)
def test_options_of_any_shape_survive_a_file(option, tmp_path):
    class Own(Scheduler):
        def rate(self, base, t, *, phases=None, last_epoch=0, found=1.0):
            return base

    def trainer():
        model = nn.MLP(2, [1], rng=0)
        optimizer = SGD(model.parameters(), lr=0.1)
        return nn.Trainer(model, nn.mse_loss, optimizer, scheduler=Own(optimizer, phases=option))

    first = trainer()
    first.fit([[1.0, 2.0]] * 4, [1.0] * 4, epochs=1, progress=False)
    nn.save(first, tmp_path / "t.json")
    again = trainer()
    nn.load(again, tmp_path / "t.json")
    assert again.scheduler.state_dict() == first.scheduler.state_dict()
    assert type(again.scheduler.phases) in (type(option), float)


def test_a_schedule_in_a_sequence_can_be_changed_before_and_after_loading():
    optimizer = SGD([Value(0.0)], lr=1.0)
    decay = ExponentialLR(optimizer, 0.5)
    s = SequentialLR(optimizer, [LinearLR(optimizer, 0.5, total_iters=1), decay], [1])
    for _ in range(4):
        s.step()
    decay.gamma = 0.9
    s.step()
    assert same(optimizer.lr, 0.1125)
    s.load_state_dict(json.loads(json.dumps(s.state_dict())))
    assert s.schedulers[1] is decay
    decay.gamma = 0.5
    s.step()
    assert same(optimizer.lr, 0.05625)


def test_options_that_make_no_sense_are_refused_at_once():
    optimizer = SGD([Value(0.0)], lr=1.0, momentum=0.9)
    linear = LinearLR(optimizer)
    for attempt in (
        lambda: SequentialLR(optimizer, [linear, LinearLR(optimizer)], [math.nan]),
        lambda: OneCycleLR(optimizer, 0.1, 10, div_factor=0.0),
        lambda: ExponentialLR(optimizer, 10**400),
        lambda: setattr(StepLR(optimizer, 2), "step_size", [1]),
        lambda: linear.load_state_dict({}),
        lambda: linear.load_state_dict({**linear.state_dict(), "last_lrs": [10**400]}),
    ):
        with pytest.raises(ValueError, match=r"expected|the state"):
            attempt()
    assert MultiStepLR(optimizer, np.array([1, 3])).milestones == MultiStepLR(optimizer, range(1, 4, 2)).milestones
    plateau = ReduceLROnPlateau(optimizer, patience=0)
    plateau.mode = "max"
    before = optimizer.lr
    for metric in (0.1, 0.2, 0.3):
        plateau.step(metric)
    assert optimizer.lr == before
