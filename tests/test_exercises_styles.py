"""Every misconception of optimizers, losses and modules, in three styles; and several at once."""

import itertools

import pytest
from learners import OPTIMIZERS, OPTIONS, WRONG_LOSSES, WRONG_OPTIMIZERS, optimizer
from learners_modules import MODULES, WRONG_MODULES

from autograd.exercises import check_loss, check_module, check_optimizer, losses, modules, optimizers


def names(report):
    return [finding.name for finding in report.findings]


@pytest.mark.parametrize("style", OPTIMIZERS)
@pytest.mark.parametrize("kind", OPTIONS)
def test_a_right_optimizer_has_no_finding(style, kind):
    report = check_optimizer(optimizer(style, kind), kind)
    assert report.passed, str(report)


@pytest.mark.parametrize("style", OPTIMIZERS)
@pytest.mark.parametrize("name", WRONG_OPTIMIZERS)
def test_a_misconception_of_an_optimizer_is_the_only_finding(name, style):
    kind, planted = WRONG_OPTIMIZERS[name]
    report = check_optimizer(optimizer(style, kind, **planted), kind)
    assert names(report) == [name], str(report)


HIDES = {"adam-step-starts-at-zero", "adam-bias-correction"}
"""The first of them ends in an error, and nothing else is seen; without the second there is no counter."""
ADAM = [name for name, (kind, _) in WRONG_OPTIMIZERS.items() if kind == "adam" and name not in HIDES]


@pytest.mark.parametrize("two", [*itertools.combinations(ADAM, 2)], ids=" ".join)
def test_two_misconceptions_of_an_optimizer_are_two_findings(two):
    planted = WRONG_OPTIMIZERS[two[0]][1] | WRONG_OPTIMIZERS[two[1]][1]
    report = check_optimizer(optimizer("lists", "adam", **planted), "adam")
    assert {*names(report)} == {*two}, str(report)


@pytest.mark.parametrize(("name", "kind", "f"), [(name, *way) for name, ways in WRONG_LOSSES.items() for way in ways])
def test_a_misconception_of_a_loss_is_the_only_finding(name, kind, f):
    report = check_loss(f, kind)
    assert names(report) == [name], str(report)


@pytest.mark.parametrize("style", MODULES)
def test_a_right_module_has_no_finding(style):
    assert check_module(MODULES[style], 2).passed


@pytest.mark.parametrize("style", MODULES)
@pytest.mark.parametrize("name", WRONG_MODULES)
def test_a_misconception_of_a_module_is_the_only_finding(name, style):
    report = check_module(lambda: MODULES[style](name), 2)
    assert names(report) == [name], str(report)


def test_every_misconception_is_planted_three_times():
    assert {m.name for m in optimizers.MISCONCEPTIONS} == {*WRONG_OPTIMIZERS}
    assert {m.name for m in losses.MISCONCEPTIONS} == {*WRONG_LOSSES}
    assert {m.name for m in modules.MISCONCEPTIONS} == {*WRONG_MODULES}
    assert len(OPTIMIZERS) == len(MODULES) == 3
    assert all(len(ways) == 3 for ways in WRONG_LOSSES.values())
