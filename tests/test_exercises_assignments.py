"""Assignments: their release is nbgrader's, the solution gets full marks and the release hardly any."""

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograd.exercises.release import AssignmentError, release

ROOT = Path(__file__).parent.parent
EXERCISES = sorted((ROOT / "notebooks" / "exercises").glob("*.ipynb"))
STORED = sorted((ROOT / "tests" / "reference" / "releases").glob("*.ipynb"))


def source_of(cell):
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def original(stored):
    """The notebook that was released."""
    return next(p for p in (*EXERCISES, *STORED[0].parent.glob("source/*.ipynb")) if p.name == stored.name)


@pytest.mark.parametrize("stored", STORED, ids=lambda path: path.stem)
def test_a_release_is_that_of_nbgrader(stored):
    ours, theirs = release(json.loads(original(stored).read_text())), json.loads(stored.read_text())
    assert len(ours["cells"]) == len(theirs["cells"])
    for a, b in zip(ours["cells"], theirs["cells"], strict=True):
        assert a["cell_type"] == b["cell_type"]
        assert source_of(a) == source_of(b)
        assert a["metadata"] == b["metadata"]  # checksums too
        if a["cell_type"] == "code":
            assert (a["outputs"], a["execution_count"]) == ([], None)
    assert ours["metadata"] == theirs["metadata"]


def test_every_assignment_has_a_stored_release():
    assert {path.name for path in EXERCISES} <= {path.name for path in STORED}
    assert EXERCISES


def marks(notebook):
    """The points of a notebook whose cells are run one after the other, and all points that tests give."""
    namespace, got, possible = {"__name__": "__main__"}, 0, 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            noted = cell["metadata"].get("nbgrader", {})
            points = noted.get("points", 0) if noted.get("grade") and not noted.get("solution") else 0
            possible += points
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source_of(cell), "cell", "exec"), namespace)
                got += points
    return got, possible


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_the_solution_gets_all_points_and_the_release_hardly_any(path):
    notebook = json.loads(path.read_text())
    got, possible = marks(notebook)
    assert got == possible >= 10
    released, _ = marks(release(notebook))
    assert released < 0.2 * possible
    assert any(
        c["metadata"].get("nbgrader", {}).get("points") and c["cell_type"] == "markdown" for c in notebook["cells"]
    )
    assert all(not cell.get("outputs") for cell in notebook["cells"])


def nbgrader(course, *arguments):
    bin = Path(sys.executable).parent
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments, f"--course={course}"],
        cwd=course, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.skipif(importlib.util.find_spec("nbgrader") is None, reason="needs nbgrader, of the extra test")
@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_nbgrader_grades_the_same_assignments(path, tmp_path):
    """The solution gets all points that tests give, the release none."""
    from nbgrader.api import Gradebook  # which takes a second to import, and may be missing

    folder = tmp_path / "source" / path.stem
    folder.mkdir(parents=True)
    (folder / path.name).write_text(path.read_text())
    made = nbgrader(tmp_path, "generate_assignment", path.stem)
    assert made.returncode == 0, made.stderr
    released = tmp_path / "release" / path.stem / path.name
    for student, source in (("ada", path), ("bob", released)):
        place = tmp_path / "submitted" / student / path.stem
        place.mkdir(parents=True)
        (place / path.name).write_text(source.read_text())
    done = nbgrader(tmp_path, "autograde", path.stem)
    assert done.returncode == 0, done.stderr
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        scores = {s.student.id: (s.code_score, s.max_code_score) for s in book.assignment_submissions(path.stem)}
    most = sum(c["metadata"]["nbgrader"].get("points", 0) for c in json.loads(path.read_text())["cells"]
               if c["cell_type"] == "code" and c["metadata"].get("nbgrader"))  # fmt: skip
    assert scores["ada"] == (most, most)
    assert scores["bob"][0] < 0.2 * most


def changed(**cells):
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    for name, (text, noted) in cells.items():
        noted = {"grade_id": name, **noted} if noted is not None else {}
        notebook["cells"].append(
            {"cell_type": "code", "metadata": {"nbgrader": noted} if noted else {}, "source": text}
        )
    return notebook


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"a": ("### BEGIN SOLUTION", {"solution": True})}, "cell 'a': BEGIN SOLUTION has no END SOLUTION"),
        ({"a": ("### BEGIN SOLUTION\n### BEGIN SOLUTION", {"solution": True})}, "stands inside another one"),
        (
            {"a": ("### BEGIN SOLUTION\n### END SOLUTION", {"grade": True, "points": 1})},
            "metadata should say solution: true",
        ),
        ({"a": ("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", None)}, "metadata should say grade: true"),
        ({"a": ("", {"grade": True, "grade_id": ""})}, "expected a grade_id that no other cell has"),
        ({"a": ("", {"solution": True}), "b": ("", {"solution": True, "grade_id": "a"})}, "that no other cell has"),
        ({"a": ("", {"grade": True})}, "metadata should say how many points"),
    ],
)
def test_what_cannot_be_released_is_told(cells, told):
    with pytest.raises(AssignmentError, match=told):
        release(changed(**cells))


def command(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "autograd", "release", *map(str, arguments)],
        cwd=cwd or ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command(tmp_path):
    done = command("notebooks/exercises", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [path.name for path in EXERCISES]
    for path in (tmp_path / "out").iterdir():
        assert "BEGIN SOLUTION" not in path.read_text()
        assert "HIDDEN TESTS" not in path.read_text()
    (tmp_path / "bad.ipynb").write_text("{")
    (tmp_path / "empty").mkdir()
    for arguments, told in (
        (["nowhere", "-o", tmp_path], "nowhere does not exist"),
        ([tmp_path / "bad.ipynb", "-o", tmp_path / "x"], "bad.ipynb is no notebook"),
        ([tmp_path / "empty", "-o", tmp_path / "x"], "there are no notebooks in"),
        ([tmp_path / "out" / EXERCISES[0].name, "-o", tmp_path / "out"], "is the source itself"),
    ):
        done = command(*arguments)
        assert done.returncode == 1
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()
