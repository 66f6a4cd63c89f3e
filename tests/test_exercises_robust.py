"""check_engine and odd classes: nothing that a student's code does ends the check, and all of it is told."""

import json
import sys
import time

import pytest
from engines import engine, made, source

from autograd.exercises import check_engine
from autograd.exercises.attempts import Stopped, attempt


def broken(old, new, style="closures"):
    return made(source(style, line=(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("self.grad = 1.0", "while True: pass", "not come to an end"),
        ("self.grad = 1.0", "while True:\n            try: 1 / 0\n            except: pass", "not come to an end"),
        ("self.grad = 1.0", "sys.exit(3)", "SystemExit"),
        ("self.grad = 1.0", "raise KeyError('lost')", "KeyError: 'lost'"),
        ("self.grad = 1.0", "self.backward()", "RecursionError"),
        ("self.grad = 1.0", "input('?')", "EOFError"),
        ("self.grad = 1.0", "self.grad = 'one'", "error"),
        ("self.grad = 1.0", "self.grad = 1j", "complex"),
        ("self.grad = 1.0", "[0] * 10**15", "MemoryError"),
        ("self.grad = 1.0", "undefined_name", "NameError"),
        ("math.tanh(self.data)", "self.__class__.__name__", "tanh"),
    ],
)
def test_what_a_class_does_is_caught_and_told(old, new, told):
    start = time.monotonic()
    report = check_engine(broken(old, new if "sys" not in new else f"import sys; {new}"))
    assert time.monotonic() - start < 10  # five seconds, on a machine that does nothing else
    assert not report.passed
    assert report.findings
    assert told in str(report)
    assert len(report.findings) <= 2


def test_what_does_not_end_in_one_operation_costs_only_that():
    report = check_engine(broken("math.tanh(self.data)", "[1 for _ in iter(int, 1)]"))
    assert report.points["a + b"] == 1
    assert report.points["tanh"] == 0
    assert [finding.where for finding in report.findings] == [("tanh",)]


def test_output_is_kept_apart(capsys):
    report = check_engine(broken("self.grad = 1.0", "self.grad = 1.0; print('sweep', flush=True)"))
    assert report.passed
    assert "sweep" in report.output
    assert len(report.output) < 20_000
    assert capsys.readouterr().out == ""


def test_the_trace_of_a_debugger_is_put_back():
    def trace(*_):
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        check_engine(engine("locals"), ["+"])
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda x: 1 / 0, "raises ZeroDivisionError"),
        (lambda x: None, "no .data"),
        (lambda x: type("V", (), {"data": 1.0})(), "no .grad"),
        (lambda x: type("V", (), {"data": 1.0, "grad": 0.0})(), "no .backward"),
        (lambda x: type("V", (), {"data": "2", "grad": 0.0, "backward": None})(), None),
        (lambda x: type("V", (), {"data": 3.0, "grad": 0.0, "backward": None})(), "not the number 2.0"),
        (lambda: None, "raises TypeError"),
        (
            type("V", (), {"__init__": lambda s, x: setattr(s, "data", x), "grad": property(lambda s: s.grad)}),
            "Reading .grad",
        ),
    ],
)
def test_what_is_no_node(make, told):
    report = check_engine(make)
    assert not report.passed
    assert told is None or told in report.findings[0].message


def test_what_is_left_of_a_check():
    deep = "import sys\n        sys.setrecursionlimit(10**6)\n        def build(v): build(v)\n        build(self)"
    before = (sys.stdin, sys.stdout, sys.getrecursionlimit(), sys.setrecursionlimit)
    for text in (deep, "exit('todo')", "sys = __import__('sys'); sys.stdin.close(); sys.stdout.close()"):
        report = check_engine(broken("self.grad = 1.0", text), ["+"])
        assert report.findings
        assert check_engine(engine("closures"), ["+"]).passed
        assert (sys.stdin, sys.stdout, sys.getrecursionlimit(), sys.setrecursionlimit) == before


def test_wrong_arguments():
    with pytest.raises(TypeError, match="expected a class, such as Value, got int"):
        check_engine(3)
    with pytest.raises(ValueError, match=r"knows the operations .* got 'plus'"):
        check_engine(engine("closures"), ["plus"])


def test_the_report_for_a_terminal_a_notebook_and_an_autograder(tmp_path):
    report = check_engine(engine("closures", {"tanh": "self.grad = (1 - out.data**2) * out.grad"}))
    text = str(report)
    assert "overwrites-gradient" in text
    assert "a.grad: expected" in text
    assert "recursion-limit" in text
    data = json.loads(report.json(tmp_path / "report.json"))
    assert json.loads((tmp_path / "report.json").read_text()) == data
    assert (
        data["score"] == report.score < data["max_score"] == report.out_of == sum(t["max_score"] for t in data["tests"])
    )
    assert [f["name"] for f in data["findings"]] == ["overwrites-gradient"]
    assert data["findings"][0]["where"] == ["tanh"]
    page = report._repr_html_()
    assert page.count("<img") == 2  # the student's graph and the right one
    assert "your graph" in page
    assert "the right one" in page
    with pytest.raises(AssertionError, match="keeps only the last one"):
        report.check()
    check_engine(engine("closures")).check()


def test_remarks_beside_findings_have_no_numbers():
    report = check_engine(engine("closures", {"tanh": "self.grad += out.grad"}))
    (repeat,) = [r for r in report.remarks if r.name == "repeat-backward-accumulates-interior"]
    assert (repeat.quantity, repeat.expected) == ("", None)  # they would be mixed with those of the finding
    (repeat,) = [r for r in check_engine(engine("closures")).remarks if r.name == repeat.name]
    assert (repeat.quantity, repeat.expected, repeat.got) == ("a.grad", -42.0, -63.0)


def test_texts_of_a_class_are_escaped():
    hostile = made(source("closures", line=("self.grad = 1.0", "raise ValueError('<script>alert(1)</script>')")))
    hostile.__name__ = "<b>V</b>"
    page = check_engine(hostile)._repr_html_()
    assert "<script>" not in page
    assert "<b>V</b>" not in page


def test_a_deadline_holds_against_code_that_catches_everything():
    def stubborn():
        while True:
            try:
                while True:
                    pass
            except BaseException:
                continue

    done = attempt(stubborn, 0.2)
    assert isinstance(done.error, Stopped)
    assert done.seconds < 2
    assert sys.gettrace() is None or not type(sys.gettrace()).__module__.startswith("autograd")


def test_what_is_not_written_yet_is_told_as_that():
    def stub(*operands):
        raise NotImplementedError

    wrong = engine("closures")
    wrong.__radd__ = wrong.__rmul__ = stub
    report = check_engine(wrong, ["+", "*"])
    assert [(f.name, f.message) for f in report.findings] == [
        ("not-written", "`2 + v` and `2 * v` are not written yet.")
    ]
    wrong = engine("closures")
    wrong.backward = stub
    assert [f.message for f in check_engine(wrong, ["+", "*"]).findings] == ["`backward` is not written yet."]
