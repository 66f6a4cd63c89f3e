"""Grading: points for what works, explanations for the rest, from the command line too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from submissions import EXERCISES, ROOT, VALUE, a_test, cell, notebook, solution

from autograd.exercises.confinement import Limits, missing
from autograd.exercises.grading import grade
from autograd.exercises.release import AssignmentError, release

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"this machine cannot hold submissions: {missing()}")


@pytest.fixture
def graded(tmp_path):
    """Grades cells of a student against tests; gives the points of each and the whole."""

    def run(cells, tests, **limits):
        assignment = notebook(tmp_path / "assignments" / "work.ipynb", *tests)
        submission = notebook(tmp_path / "submissions" / "ada" / "work.ipynb", *cells)
        found = grade(submission, assignment, Limits(**limits))
        return {part.name: part.points for part in found.parts}, found

    return run


def test_what_a_test_sees_of_a_submission(graded):
    student = solution(
        "s",
        "class V:\n    def __init__(self, x): self.x = x; self.seen = []\n"
        "    def __add__(self, o): return V(self.x + o)\n"
        "    def __radd__(self, o): return V(o - self.x)\n    def __iadd__(self, o): self.x += 10 * o; return self\n"
        "    def __len__(self): return 3\n    def __getitem__(self, i): return i * 2\n"
        "    def __float__(self): return 0.5\n"
        "def twice(f, x): return f(f(x))\ndef fails(x): raise KeyError(x)\n"
        "def both(x, *, y=1): return x, [y, {'k': {x}}]\n"
        "def gives(f): return [f(V(i)) for i in range(3)]\nnan = float('nan')\nendless = iter(int, 1)\n"
        "import collections, numpy\n"
        "def odd(): return numpy.bool_(False), collections.namedtuple('P', 'x y')(1, 2), collections.Counter('a')\n"
        "class S:\n    def __getitem__(self, i): return [1, 2, 3, 4][i]\ndef sliced(): return S()",
    )
    tests = {
        "operators": "v = V(2)\nassert (v + 1).x == 3 and (1 + v).x == -1\nv += 1\nassert v.x == 12",
        "attributes": "v = V(1)\nv.x = 7\nassert v.x == 7 and not hasattr(v, 'y')\nv.seen",
        "containers": "v = V(1)\nassert len(v) == 3 and v[4] == 8 and float(v) == 0.5",
        "plain": "assert both(2, y=3) == (2, [3, {'k': {2}}]) and nan != nan",
        "callbacks": "assert twice(lambda x: x * x, 3) == 81 and gives(lambda v: v.x + 1) == [1, 2, 3]",
        "errors": "try:\n    fails('k')\nexcept KeyError as e:\n    assert 'k' in str(e)\nelse:\n    assert False",
        "identity": "v = V(1)\nassert both(v)[0] is v and v == v and v != V(1) and isinstance(v, V)",
        "names": "try:\n    nothing\nexcept NameError as e:\n    assert 'nothing' in str(e)\nelse:\n    assert False",
        "own function": "def f(x):\n    return V(x).x\nassert [f(i) for i in range(3)] == [0, 1, 2]",
        "odd plain": "import numpy\nassert not odd()[0] and odd()[1] == (1, 2) and odd()[2] == {'a': 1}",
        "slices": "v = V(1)\nassert sliced()[1:3] == [2, 3]",
        "endless": "try:\n    list(endless)\nexcept ValueError as e:\n    assert 'more than 100000 items' in str(e)",
    }
    points, found = graded([student], [a_test(name, text) for name, text in tests.items()])
    assert points == dict.fromkeys(tests, 1), [part.why for part in found.parts if part.why]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("assert f(1) == 3", "assert f(1) == 3"),
        ("assert f(1) == 3, 'three is right'", "three is right"),
        ("g(0)", "ZeroDivisionError: division by zero\ncell s, line 2: def g(x): return 1 / x"),
        ("nowhere", "NameError: name 'nowhere' is not defined"),
        ("f(g)(1)", "TypeError: unsupported operand"),
        ("from autograd import Value\nf(Value(1.0))", "a test handed a Value of its own to the submission"),
        ("assert h(1) > 0", "TypeError: a number is expected here, and the submission gave <"),
        ("import numpy\nnumpy.asarray(h(1)) + 1", "TypeError"),
    ],
)
def test_what_is_not_right_is_explained(graded, test, told):
    code = "def f(x): return x + 1\ndef g(x): return 1 / x\nclass Sly:\n    def __gt__(self, x): return True\n"
    code += "    __array_interface__ = {'shape': (9,), 'typestr': '<f8', 'data': (1, False), 'version': 3}\n"
    code += "def h(x): return Sly()"
    points, found = graded([solution("s", code)], [a_test("t", test)])
    assert points == {"t": 0}
    assert told in found.parts[0].why


def test_the_assignments_own_cells_count(graded):
    tests = [
        cell("limit = 3", "given", solution=False, grade=False, locked=True),
        cell(
            "import autograd.exercises\ndef close(x, y): return abs(x - y) < 1e-9", "helper", locked=True, grade=False
        ),
        solution("s", "def f(x): return x"),
        a_test("t", "assert close(f(limit), 3)"),
        a_test("u", "assert close(f(limit), 4)"),
    ]
    theirs = [
        cell("limit = 4", "given", solution=False, grade=False, locked=True),
        cell("def close(x, y): return True", "helper", locked=True),
        solution("s", "def f(x): return x\ndef close(x, y): return True"),
        a_test("t", "pass", points=100),
        a_test("another", "pass", points=100),
    ]
    points, found = graded(theirs, tests)
    assert points == {"t": 1, "u": 0}
    assert found.out_of == 2


def test_a_cell_that_fails_costs_only_what_needs_it(graded):
    cells = [
        cell("%matplotlib inline\n!pip install x\na = 1"),
        solution("s", "b = nothing"),
        cell("c = 'with ! and %'; display(c)"),
        cell("d = ("),
        cell("e = open('data.txt').read(); open('mine.txt', 'w').write('x')"),
    ]
    tests = [a_test(name, f"assert {name}") for name in "abcde"]
    folder = notebook(Path(str(graded.__closure__[0].cell_contents)) / "submissions" / "ada" / "x.ipynb").parent
    (folder / "data.txt").write_text("data")
    points, found = graded(cells, tests)
    assert points == {"a": 1, "b": 0, "c": 1, "d": 0, "e": 1}
    assert [note.split(":")[0] for note in found.notes] == ["cell s", "cell 4, 'd = ('"]
    assert "line 1: b = nothing" in found.notes[0]
    assert not (folder / "mine.txt").exists()


def test_written_answers_wait_for_a_person(graded):
    question = cell("because", "why", "markdown", solution=True, grade=True, points=2)
    stub = "YOUR ANSWER HERE"
    for text, answer in (("It adds up.", "It adds up."), (stub, ""), ("", "")):
        _, found = graded([{**question, "source": text}], [question])
        assert (found.parts[0].answer, found.by_hand, found.score, found.out_of) == (answer, 2, 0, 0)
    _, found = graded([], [question])
    assert found.parts[0].answer == ""


def test_the_time_of_a_cell_and_of_all(graded):
    cells = [solution("s", "import time\ndef f():\n    time.sleep(0.3)\n    return 1")]
    points, found = graded(cells, [a_test("t", "for i in range(9):\n    f()"), a_test("u", "f()")], seconds=1.0)
    assert points == {"t": 0, "u": 1}
    assert "did not end within 1 s" in found.parts[0].why or "did not end in time, 1 s" in found.parts[0].why


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": [{}]}', "[" * 100_000, '{"cells": [3]}'])
def test_what_is_no_notebook_gets_no_points(tmp_path, text):
    assignment = notebook(tmp_path / "a" / "work.ipynb", a_test("t", "pass"))
    path = tmp_path / "work.ipynb"
    path.write_text(text)
    found = grade(path, assignment)
    assert (found.score, found.out_of) == (0, 1)
    assert "is no notebook" in found.notes[0]
    with pytest.raises(AssignmentError, match="is no notebook"):
        grade(assignment, path)


def test_an_assignment_that_submissions_can_read(tmp_path):
    path = Path(sys.prefix) / "lib" / "work.ipynb"
    with pytest.raises(AssignmentError, match="which submissions can read"):
        grade(path, notebook(path, a_test("t", "pass")))
    path.unlink()


def test_parts_are_tests_for_pytest(tmp_path):
    """As a teacher would write it."""
    theirs = VALUE.read_text().replace("self.grad += other.data", "self.grad += self.data")
    (tmp_path / "1_value.ipynb").write_text(theirs)
    (tmp_path / "test_ada.py").write_text(
        "import pytest\nfrom autograd.exercises import grade\n\n"
        f"@pytest.mark.parametrize('part', grade('1_value.ipynb', {str(VALUE)!r}).parts, ids=str)\n"
        "def test_part(part):\n    part.check()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "2 failed, 5 passed" in done.stdout
    assert "test_part[product-test]" in done.stdout
    assert "upstream" in done.stdout or "operand itself" in done.stdout


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_the_solution_gets_all_points_and_the_release_hardly_any(path, tmp_path):
    found = grade(path, path)
    assert found.score == found.out_of >= 10, [part.why for part in found.parts]
    assert found.notes == ()
    assert found.by_hand > 0
    (tmp_path / path.name).write_text(json.dumps(release(json.loads(path.read_text()))))
    assert grade(tmp_path / path.name, path).score < 0.2 * found.out_of


@pytest.mark.parametrize(
    "code",
    [
        "%matplotlib inline\nx = 3",
        "if True:\n    !ls\n    x = 3",
        "y = !ls\nx = 3",
        "%time x = 3",
        "%%time\nx = 3",
        "print?\nx = 3",
        "t = %timeit -o 1\nx = 3",
    ],
)
def test_commands_of_notebooks_are_left_out(graded, code):
    assert graded([cell(code)], [a_test("t", "assert x == 3")])[0] == {"t": 1}
    assert graded([cell("%%bash\nls"), cell("x = 3")], [a_test("t", "assert x == 3")])[1].notes == ()


def test_what_is_not_written_is_told_as_that(graded):
    stub = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\nf(1)"
    points, found = graded([solution("s", stub)], [a_test("t", "f(1)"), a_test("u", "assert undefined")])
    assert points == {"t": 0, "u": 0}
    assert found.parts[0].why == "This is not written yet."
    assert [finding.name for finding in found.parts[0].findings] == ["not-written"]
    assert found.notes == ()
