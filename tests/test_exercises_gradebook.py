"""The command that grades a folder: scores, pages, odd files, interrupts."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from browser import CHROMIUM, Page
from submissions import ROOT, VALUE, a_test, cell, notebook, solution

from autograd.exercises.class_page import class_page
from autograd.exercises.confinement import missing
from autograd.exercises.gradebook import find, newest, scores
from autograd.exercises.grading import Grade, Part
from autograd.exercises.report import Finding

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"this machine cannot hold submissions: {missing()}")


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
    assert "is not graded: it is a link, no file, or what a Mac leaves" in done.stdout
    assert [row["student"] for row in table(output)] == ["eve =1+1", "?"]


def test_files_of_others_are_not_beside_a_notebook(tmp_path):
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
