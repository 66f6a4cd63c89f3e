"""check_engine: every misconception planted into engines that are written differently, pairs of them, right engines."""

import itertools

import pytest
from engines import STYLES, engine, made
from plants import COMMON, PLANTS
from right_engines import COMPOSED, DATACLASS, TAPE

from autograd import Value
from autograd.exercises import check_engine
from autograd.exercises.battery import BATTERY, Error, run
from autograd.exercises.diagnosis import AXES, SWEEPS, changes_of
from autograd.exercises.engine import Engine
from autograd.exercises.misconceptions import CATALOGUE
from autograd.exercises.operations import RIGHT


def cases():
    for name, plants in PLANTS.items():
        for i, (style, rules, lines) in enumerate(plants):
            yield pytest.param(name, style, rules, lines, id=f"{name}-{style}-{i}")


@pytest.mark.parametrize(("name", "style", "rules", "lines"), [*cases()])
def test_a_planted_misconception_is_the_only_finding(name, style, rules, lines):
    report = check_engine(engine(style, rules, **lines))
    assert [finding.name for finding in report.findings] == [name], str(report)
    finding = report.findings[0]
    assert finding.message
    assert finding.hint
    assert finding.example
    assert report.score < report.out_of
    assert finding.expected != finding.got


def test_every_misconception_is_planted_in_three_engines():
    for m in CATALOGUE:
        assert m.remark or len(PLANTS[m.name]) >= 3, m.name
        assert m.remark or len({style for style, *_ in PLANTS[m.name]}) >= 2, m.name


RIGHT_ONES = {style: engine(style) for style in STYLES} | {
    "composed": made(COMPOSED),
    "tape": made(TAPE),
    "ours": Value,
    "graph that is freed": engine("closures", freed=("v._backward()", "v._backward(); v._prev, v._backward = (), int")),
    "float32": made(TAPE.replace("float64", "float32")),
    "foreign": type("Mine", (made(COMPOSED),), {}),
}


@pytest.mark.parametrize("kind", RIGHT_ONES)
def test_a_right_engine_has_no_finding(kind):
    report = check_engine(RIGHT_ONES[kind])
    assert report.passed, str(report)
    assert not report.findings
    assert report.score == report.out_of


def test_an_engine_with_less_is_asked_for_less():
    report = check_engine(made(DATACLASS), ["+", "*", "**"])
    assert report.passed, str(report)
    assert {finding.name for finding in check_engine(made(DATACLASS)).findings} == {"operator-missing"}


def outcomes(operations, sweep):
    found = []
    for item in BATTERY:
        outcome = run(Engine(operations, sweep), item)
        if isinstance(outcome, Error):
            found.append(outcome[:2])
            continue
        counted = [x for name, x in outcome.grads.items() if name in item.values or item.axis != "repeated"]
        numbers = (*outcome.data.values(), *counted)
        nodes = outcome.nodes if item.axis != "repeated" else None
        found.append((*(round(x, 6) if abs(x) < 1e12 else repr(x) for x in numbers), nodes, outcome.recorded))
    return tuple(found)


def variants():
    for m in CATALOGUE:
        for sweep in m.sweeps(SWEEPS[0]) if m.sweeps else ():
            yield m.name, outcomes(RIGHT, sweep)
        for axis in AXES:
            changes = None if m.together else changes_of(m, axis)
            for name in m.operations if changes else ():
                for way in changes(name, RIGHT.get(name) or RIGHT[name[0]]):
                    yield m.name, outcomes({**RIGHT, name: way}, SWEEPS[0])


ALIKE = [
    {"adds-to-one-operand-twice", "backward-called-at-once", "rule-never-attached"},  # a - b: +g and -g
    {"gradient-of-wrong-operand", "product-rule-swapped"},  # of a product the same program
    {"local-forgotten", "rule-of-another-operator", "sign-of-negation"},  # the rule of a sum
    {"local-forgotten", "rule-of-another-operator", "sign-of-subtraction"},
    {"local-forgotten", "relu-derivative", "rule-of-another-operator"},  # slope 1 everywhere
    {"log-derivative", "relu-derivative", "sigmoid-derivative", "tanh-derivative", "rule-of-another-operator"},
    {"backward-called-at-once", "rule-never-attached", "wrong-brackets-in-rule"},  # s * 1 - s is 0
    {"data-for-upstream", "gradient-for-data"},  # of a root: x / (2 x) is 1/2, whatever x is
    {"no-topological-order", "node-run-more-than-once"},  # a search with repeats, last operand first
]
"""Misconceptions some of whose variants are the same program."""


def test_two_misconceptions_differ_somewhere_in_the_battery():
    by_outcome = {}
    for name, outcome in variants():
        by_outcome.setdefault(outcome, set()).add(name)
    right = outcomes(RIGHT, SWEEPS[0])
    found = [names for outcome, names in by_outcome.items() if outcome != right and len(names) > 1]
    assert not [names for names in found if not any(names <= alike for alike in ALIKE)]
    seen = {name for outcome, names in by_outcome.items() if outcome != right for name in names}
    assert seen == {m.name for m in CATALOGUE if not m.remark and not m.together}


def test_nodes_have_equal_numbers_only_where_it_is_meant():
    for item in BATTERY:
        names = run(Engine(RIGHT, SWEEPS[0]), item).data
        meant = (
            "relu" in item.operations
            or "d = a; " in item.text
            or "s = a" in item.text
            or "d = a - b; L = b + d" in item.text  # which is a
            or "L = -d" in item.text
            or item.axis in ("sweep", "extreme", "in place")
        )
        if not meant:
            numbers = [x for name, x in names.items()]
            assert len({*numbers}) == len(numbers), item.text


# Mixtures


def mixed(*names):
    rules, lines = {}, {}
    for name in names:
        _, more, found = COMMON[name]
        rules |= more
        lines |= {f"{name} {key}": line for key, line in found.items()}
    return engine("closures", rules, **lines)


PAIRS = [
    pair
    for pair in itertools.combinations(COMMON, 2)
    if pair != ("no-topological-order", "seed-accumulates")  # a sweep without a list has one seed
]


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_two_misconceptions_are_two_findings(names):
    report = check_engine(mixed(*names))
    assert sorted(finding.name for finding in report.findings) == sorted(names), str(report)


FOURS = [names for i, names in enumerate(itertools.combinations([*COMMON][:9], 4)) if i % 6 == 0]


@pytest.mark.parametrize("names", FOURS, ids="+".join)
def test_four_misconceptions_are_told_apart(names):
    report = check_engine(mixed(*names))
    assert sorted(finding.name for finding in report.findings) == sorted(names), str(report)
