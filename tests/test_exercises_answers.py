"""`check_answer`: numbers, texts and functions, beside the right ones and known mistakes."""

import math
from fractions import Fraction

import numpy as np
import pytest

from autograd import Value
from autograd.exercises import check_answer


def names(report):
    return [finding.name for finding in report.findings]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (8, 8.0),
        (8.0, 8),
        (1 / 3, 0.3333333333),
        (Value(8.0), 8.0),
        (np.float64(8.0), 8.0),
        (np.int64(8), 8),
        (Fraction(1, 2), 0.5),
        ("  Sum. ", "sum"),
        (10**400, 10**400),
        (True, True),
        (True, 1),
        (math.nan, math.nan),
        (math.inf, math.inf),
        ([1, (2.0, 3)], (1.0, [2, 3.0])),
        (np.array([[1.0, 2.0]]), [[1.0, 2.0]]),
        ([Value(1.0), 2.0], [1.0, 2.0]),
    ],
)
def test_right_answers(answer, right):
    report = check_answer(answer, right)
    assert report.passed, report
    assert report.findings == []


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (7.9, 8.0),
        (10**400, 10**400 + 1),
        (10**400, 1.0),
        (False, 1.0),
        (1, True),
        ("8", 8),
        (8, "8"),
        ([1, 2], [1, 2, 3]),
        (3, [3]),
        ([3], 3),
        (math.nan, 1.0),
        (1.0, math.nan),
        (-math.inf, math.inf),
        (3.0, math.inf),
        ([0.0], [math.inf]),
        (1 + 2j, 1.0),
        (object(), 1.0),
        ({1: 2}, [1]),
    ],
)
def test_wrong_answers(answer, right):
    report = check_answer(answer, right, name="it")
    assert names(report) == ["unexplained"]
    assert report.findings[0].message == "`it` is not right yet."
    assert report.findings[0].expected == "something else"  # which is for the reader to find


@pytest.mark.parametrize("answer", [None, ...])
def test_what_is_not_written(answer):
    assert names(check_answer(answer, 3)) == ["not-written"]
    assert names(check_answer(answer, lambda x: x, at=[(1,)])) == ["not-written"]


def test_a_known_mistake_has_its_sentence():
    mistakes = {"Forgot the factor.": 4.0, "The sign is wrong.": -8.0}
    for sentence, wrong in mistakes.items():
        (finding,) = check_answer(wrong, 8.0, mistakes).findings
        assert (finding.name, finding.message) == ("known-mistake", sentence)
    assert names(check_answer(5.0, 8.0, mistakes)) == ["unexplained"]


def test_functions_are_tried_at_all_places():
    places = [(0.5,), (2.0,), (-1.0,)]
    assert check_answer(lambda x: x * x, lambda x: x**2, at=places).passed
    report = check_answer(lambda x: abs(x) * x, lambda x: x**2, at=places, name="square")
    assert report.tasks[0].passed == 2
    (finding,) = report.findings
    assert (finding.example, finding.expected, finding.got) == ("square(-1)", "1", "-1")
    report = check_answer(lambda x: 2 * x, lambda x: x**2, {"That is twice x.": lambda x: x + x}, at=places)
    assert report.findings[0].message == "That is twice x."


def endless(x):
    while True:
        pass


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda x: 1 / 0, "ends in an error: ZeroDivisionError"),
        (lambda x: None, "gives None: is the `return` missing?"),
        (lambda: 1.0, "ends in an error: TypeError"),
        (endless, "ends in an error: no end"),
        (7.0, "should be a function, and is 7"),
    ],
)
def test_functions_that_fail(answer, text, monkeypatch):
    monkeypatch.setattr("autograd.exercises.answers.SECONDS", 0.2)
    (finding,) = check_answer(answer, lambda x: x, at=[(1.0,)], name="f").findings
    assert text in finding.message


def test_a_function_that_is_not_written():
    def f(x):
        raise NotImplementedError

    assert names(check_answer(f, lambda x: x, at=[(1.0,)])) == ["not-written"]


def test_a_mistake_that_fails_explains_nothing():
    report = check_answer(lambda x: x + 1, lambda x: x, {"Divided by 0.": lambda x: 1 / 0}, at=[(1.0,)])
    assert names(report) == ["unexplained"]


def test_the_tolerance_is_that_of_whole_numbers_too():
    assert check_answer(101, 100, tolerance=0.02).passed
    assert not check_answer(103, 100, tolerance=0.02).passed


def test_a_function_needs_places():
    with pytest.raises(ValueError, match=r"check_answer expected arguments for the function in at="):
        check_answer(abs, abs)


def test_each_call_has_arguments_of_its_own():
    def greedy(xs):
        xs.clear()
        return 3

    numbers = [3, 1, 2]
    assert check_answer(greedy, len, at=[(numbers,)]).passed
    assert not check_answer(lambda xs: xs, sorted, at=[(numbers,)]).passed
    report = check_answer(greedy, lambda xs: xs[0] + 9, {"It clears.": lambda xs: 3 if xs else 0}, at=[(numbers,)])
    assert (report.findings[0].example, report.findings[0].message) == ("the answer([3, 1, 2])", "It clears.")
    assert numbers == [3, 1, 2]


def test_places_may_be_bare_numbers_and_output_is_kept():
    report = check_answer(lambda x: print("hello") or -x, abs, at=[-1.0, 2.0])
    assert report.tasks[0].passed == 1
    assert "hello" in str(report)


def test_a_function_where_a_number_is_asked():
    assert names(check_answer(lambda: 8.0, 8.0)) == ["not-written"]


def test_what_never_ends_is_tried_once(monkeypatch):
    monkeypatch.setattr("autograd.exercises.answers.SECONDS", 0.2)
    report = check_answer(endless, abs, at=[1.0] * 50)
    assert (report.tasks[0].tried, report.tasks[0].passed) == (50, 0)
