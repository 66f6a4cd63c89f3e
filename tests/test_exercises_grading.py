"""Grading: points for what works, explanations for the rest, from the command line too."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browser import CHROMIUM, Page

from autograd.exercises.class_page import class_page
from autograd.exercises.confinement import Limits, missing
from autograd.exercises.gradebook import find, newest, scores
from autograd.exercises.grading import Grade, Part, grade
from autograd.exercises.release import AssignmentError, release
from autograd.exercises.report import Finding

ROOT = Path(__file__).parent.parent
EXERCISES = sorted((ROOT / "notebooks" / "exercises").glob("*.ipynb"))
VALUE = EXERCISES[0]

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"this machine cannot hold submissions: {missing()}")


def cell(source, name="", kind="code", **noted):
    return {"cell_type": kind, "metadata": {"nbgrader": {"grade_id": name, **noted}} if name else {}, "source": source}


def solution(name, source):
    return cell(source, name, solution=True, grade=False, locked=False)


def a_test(name, source, points=1):
    return cell(source, name, solution=False, grade=True, locked=True, points=points)


def notebook(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


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


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def run(*arguments, cwd=ROOT, **options):
    return subprocess.run(
        [sys.executable, "-m", "autograd", "grade", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False, **options,
    )  # fmt: skip


def test_the_command(tmp_path):
    source = VALUE.read_text()
    swapped = source.replace("other.data * out.grad", "@").replace("self.data * out.grad", "other.data * out.grad")
    for name, text in {
        "ada/1_value.ipynb": source,
        "bob/1_value/1_value.ipynb": swapped.replace("@", "self.data * out.grad"),
        "=cyd_1_value.ipynb": source.replace("math.tanh(self.data)", "__import__('os')._exit(0)"),
        "dan/other.ipynb": '{"cells": []}',
    }.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    output = tmp_path / "out" / "scores.csv"
    done = run(tmp_path / "in", "-o", output)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 submissions" in done.stdout
    assert "4/4" in done.stderr  # the progress bar, of three and of the solution; one is of no assignment
    rows = table(output)
    assert [(r["student"], r["score"], r["misconceptions"]) for r in rows] == [
        ("'=cyd", "12", ""),
        ("ada", "18", ""),
        ("bob", "11", "product-rule-swapped"),
        ("dan", "0", ""),
    ]
    assert "ended itself" in rows[0]["notes"] or rows[0]["notes"] == ""
    assert "is of no assignment" in rows[3]["notes"]
    page = output.with_suffix(".html").read_text()
    assert "product-rule-swapped: 1 of 3 students, in 1_value" in page
    assert "In `a + a` the node" in page

    again = run(tmp_path / "in", "-o", output)
    assert "submission/s" not in again.stderr  # nothing changed
    ada = tmp_path / "in" / "ada" / "1_value.ipynb"
    ada.write_text(ada.read_text() + " ")
    assert "1/1" in run(tmp_path / "in", "-o", output).stderr
    output.with_suffix(".json").write_text("[]")
    assert "holds no grades" in run(tmp_path / "in", "-o", output).stderr
    assert "4/4" in run(tmp_path / "in", "-o", output, "--again").stderr


def test_nothing_is_lost_on_ctrl_c(tmp_path):
    slow = cell("import time; time.sleep(20)")
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", a_test("t", "pass"))
    for name in "abc":
        notebook(tmp_path / "in" / name / "work.ipynb", *([slow] if name == "c" else []))
    command = [sys.executable, "-m", "autograd", "grade", "in", "-o", "scores.csv", "--jobs", "2"]
    command += ["--assignments", str(assignment.parent)]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while time.monotonic() < end and len(json.loads(_read(tmp_path / "scores.json"))["grades"]) < 3:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "2 of 3 submissions" in out
    assert "the same command goes on from here" in error
    assert "Traceback" not in error
    assert [row["student"] for row in table(tmp_path / "scores.csv")] == ["a", "b"]
    notebook(tmp_path / "in" / "c" / "work.ipynb")
    done = run("in", "-o", "scores.csv", "--assignments", assignment.parent, cwd=tmp_path,
               env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert "1/1" in done.stderr
    assert [row["score"] for row in table(tmp_path / "scores.csv")] == ["1", "1", "1"]


def _read(path):
    return path.read_text() if path.exists() else '{"grades": {}}'


def test_wrong_arguments_of_the_command(tmp_path):
    (tmp_path / "empty").mkdir()
    assignments = notebook(tmp_path / "assignments" / "work.ipynb", a_test("t", "pass")).parent
    for arguments, told in (
        (["nowhere", "-o", tmp_path / "s.csv"], "nowhere does not exist"),
        (
            [assignments, "-o", tmp_path / "s.csv", "--assignments", "no"],
            "no does not exist; --assignments names the folder",
        ),
        ([tmp_path / "empty", "-o", tmp_path / "s.csv"], "there are no notebooks in"),
        ([assignments, "-o", tmp_path / "s.txt"], "expected a name that ends in .csv"),
        (
            [assignments, "-o", tmp_path / "s.csv", "--assignments", tmp_path / "empty"],
            "--assignments names their folder",
        ),
        ([assignments, "-o", tmp_path / "s.csv", "--megabytes", "1"], "--megabytes at least 256"),
    ):
        done = run(*arguments)
        assert done.returncode in (1, 2)
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "s.csv").exists()


def test_students_are_found_in_folders_of_many_shapes(tmp_path):
    assignments = {"1_value": VALUE}
    for name in (
        "ada/1_value.ipynb",
        "bob/1_value/1_value.ipynb",
        "1_value/cyd.ipynb",
        "1_value_dan.ipynb",
        "eve.ipynb",
        "Fay_123_assignsubmission_file/1_value (1).ipynb",
        "gus/.ipynb_checkpoints/1_value.ipynb",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(VALUE.read_text())
    found = {submission.student for submission in find(tmp_path, assignments)}
    assert found == {"ada", "bob", "cyd", "dan", "eve", "Fay_123_assignsubmission_file"}
    assert {submission.assignment for submission in find(tmp_path, assignments)} == {"1_value"}


def test_odd_files_stop_nobody(tmp_path):
    for name in ("ada", "bob", "cyd", "dan", "eve\r=1+1", "\udcff"):
        (tmp_path / "in" / name).mkdir(parents=True)
    (tmp_path / "in" / "ada" / "1_value.ipynb").symlink_to(VALUE)  # somebody else's work
    (tmp_path / "in" / "bob" / "1_value.ipynb").mkdir()
    os.mkfifo(tmp_path / "in" / "cyd" / "1_value.ipynb")
    (tmp_path / "in" / "dan" / "1_value.ipynb").symlink_to("nowhere")
    for name in ("eve\r=1+1", "\udcff"):
        notebook(tmp_path / "in" / name / "1_value.ipynb", cell("'\ud800'; raise ValueError('\ud800')"))
    output = tmp_path / "s.csv"
    done = run(tmp_path / "in", "-o", output)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 submissions" in done.stdout
    assert "is not graded: it is a link, or no file" in done.stdout
    assert [row["student"] for row in table(output)] == ["eve =1+1", "?"]


def test_files_of_others_are_not_beside_a_notebook(tmp_path, graded):
    for name in ("ada_work", "bob_work"):
        notebook(tmp_path / "in" / f"{name}.ipynb", cell("import os; found = os.listdir()"))
    (tmp_path / "in" / "scores.json").write_text("{}")
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", a_test("t", "assert 'scores.json' not in found"))
    done = run(tmp_path / "in", "-o", tmp_path / "in" / "s.csv", "--assignments", assignment.parent)
    assert [row["score"] for row in table(tmp_path / "in" / "s.csv")] == ["1", "1"], done.stderr
    assert (
        "submission/s"
        not in run(tmp_path / "in", "-o", tmp_path / "in" / "s.csv", "--assignments", assignment.parent).stderr
    )


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


def test_of_several_files_of_a_student_the_newest_counts(tmp_path):
    for i, name in enumerate(("1_value.ipynb", "1_value (1).ipynb", "1_value-Copy1.ipynb")):
        path = notebook(tmp_path / "in" / "ada" / name)
        os.utime(path, (1000 + i % 2, 1000 + i % 2))
    found = find(tmp_path / "in", {"1_value": VALUE})
    assert {(s.student, s.assignment) for s in found} == {("ada", "1_value")}
    assert [s.path.name for s in newest(found)] == ["1_value (1).ipynb"]
    done = run(tmp_path / "in", "-o", tmp_path / "s.csv", "--feedback", tmp_path / "pages")
    assert done.stdout.count("is not graded: ada has a newer 1_value") == 2
    assert "1_value: 0 of 18; 2 points for a person to give" in (tmp_path / "pages" / "ada.html").read_text()


def test_a_solution_that_fails_its_own_test_is_told(tmp_path):
    cells = [solution("s", "def f(x): return x"), a_test("good", "f(1)"), a_test("bad", "assert f(1) == 2")]
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", *cells)
    notebook(tmp_path / "in" / "ada" / "work.ipynb", *cells)
    done = run(tmp_path / "in", "-o", tmp_path / "s.csv", "--assignments", assignment.parent)
    assert done.returncode == 0
    assert "the solution of work does not pass bad, so the test may be wrong: assert f(1) == 2" in done.stderr


def test_what_is_not_written_is_told_as_that(graded):
    stub = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\nf(1)"
    points, found = graded([solution("s", stub)], [a_test("t", "f(1)"), a_test("u", "assert undefined")])
    assert points == {"t": 0, "u": 0}
    assert found.parts[0].why == "This is not written yet."
    assert [finding.name for finding in found.parts[0].findings] == ["not-written"]
    assert found.notes == ()


def test_texts_of_students_are_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    finding = Finding(evil, evil, evil, evil, evil, evil, evil)
    part = Part(evil, evil, 0.0, 1.0, evil, (finding,))
    page = class_page([(evil, Grade(evil, (part, part._replace(answer=evil)), (evil,)))])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10
    assert scores([]) == "student,assignment,score,out_of,by_hand,misconceptions,notes\n"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_class_in_a_browser(browser, tmp_path, scheme):
    finding = Finding(
        "product-rule-swapped", "In `*` the other one is expected.", "Why?", "L = a * b", "a.grad", 3.0, 2.0
    )
    parts = (Part("t", "The product", 0.0, 3.0, "x", (finding,)), Part("w", "A question", 0.0, 2.0, answer="It " * 200))
    grades = [(f"student {i}", Grade(f"{k}_value", parts, ("a note",))) for i in range(9) for k in range(4)]
    path = tmp_path / "page.html"
    path.write_text(class_page(grades))
    page = Page(browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme), f"file://{path}")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 400
    page.page.get_by_role("link", name="student 3").first.click()
    for summary in page.page.locator("summary").all()[:2]:
        summary.click()
    assert page.page.locator("details[open] td").count() > 3
    found = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run(page.page)
    assert found.violations_count == 0, found.generate_report()
    assert page.errors == []
    assert page.requests == [page.url]
