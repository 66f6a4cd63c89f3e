"""`python -m autograd grade`: a folder of submissions as scores, and as a page of what the class misunderstands."""

import argparse
import csv
import ctypes
import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from hashlib import sha256
from multiprocessing import active_children, cpu_count, get_context
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from ..files import version, write_file
from .assignments import COPIED, about, files_beside, read_notebook
from .class_page import class_page, student_page
from .confinement import Limits, limit_memory, missing
from .grading import Grade, Part, grade
from .release import AssignmentError, notebooks
from .report import Finding

GRADER_BYTES = 4 * 2**30
"""The most memory of a process that grades; a submission's own limit is another one."""
UNKNOWN = "(none)"
"""The assignment of a notebook that belongs to none."""


class Submission(NamedTuple):
    """A notebook that was sent in: whose it is, and of which assignment."""

    student: str
    assignment: str
    path: Path


def main(arguments: Sequence[str]) -> None:
    """The command. Raises SystemExit with a sentence if something cannot be graded."""
    parser = argparse.ArgumentParser(
        prog="python -m autograd grade",
        description="Grades a folder of submitted notebooks, each in a process of its own with limits, and writes the "
        "scores, and a page with what the class misunderstands. What was graded before is graded again if it changed.",
        epilog="example: python -m autograd grade submissions/ -o scores.csv, with submissions/ada/1_value.ipynb",
    )
    parser.add_argument("submissions", type=Path, help="a folder with a folder for each student and notebooks in it, "
                        "nbgrader's submitted/, or notebooks with the names of students in theirs")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, help="the scores, a .csv; the page is beside it")
    parser.add_argument("--assignments", type=Path, default=Path("notebooks/exercises"),
                        help="the notebooks with solutions and tests (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=30.0, help="the most time for a cell (default: %(default)s)")
    parser.add_argument("--megabytes", type=int, default=2048, help="the most memory (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=_cores(), help="submissions at once (default: %(default)s)")
    parser.add_argument("--feedback", type=Path, metavar="FOLDER", help="write a page for each student, to hand back")
    parser.add_argument("--again", action="store_true", help="grade all again")
    parser.add_argument("--trust", action="store_true",
                        help="grade even if the kernel cannot hold a submission: only code that you trust")  # fmt: skip
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold anything
    if options.output.suffix != ".csv":
        parser.error(f"-o expected a name that ends in .csv, got {str(options.output)!r}")
    if not options.seconds > 0 or options.megabytes < 256 or options.jobs < 1:
        parser.error("--seconds is above 0, --megabytes at least 256, --jobs at least 1")
    if not options.trust and (lack := missing()):
        sys.exit(f"{lack}. --trust grades without that; do so only with code that you trust, or in a container")
    try:
        _Gradebook(options).run()
    except (AssignmentError, RuntimeError) as error:
        sys.exit(str(error))
    except BrokenExecutor:
        sys.exit("a process that grades was ended from outside, perhaps for want of memory; the same command goes on")
    except FileNotFoundError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cpu_count()


def _begin() -> None:
    """Prepares a process that grades: Ctrl-C is for the command, its ending ends what it has begun, and no answer of a
    submission takes all memory."""
    limit_memory(GRADER_BYTES)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # it ends with the command
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


STOPPED: list[bool] = []
"""Whether this process that grades has been told to end."""


def _end(*_: object) -> None:
    """Ends what is being graded. Raises SystemExit."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt the cleaning up
    STOPPED.append(True)
    sys.exit(1)


def _graded(s: Submission, assignment: Path, limits: Limits, alone: bool) -> Grade:
    if STOPPED:
        sys.exit(1)  # the pool keeps that, and would begin with the next one
    return grade(s.path, assignment, limits, alone=alone)


def find(folder: Path, assignments: Mapping[str, Path]) -> list[Submission]:
    """The submissions in a folder. A notebook belongs to the assignment of its name, or else to the one whose cells it
    has. Raises FileNotFoundError for a folder that is not there."""
    cells = {name: _cells(path) for name, path in assignments.items()}
    found = []
    for path, inside in notebooks([folder]):
        if path.is_symlink() or not path.is_file() or path.name.startswith("._"):
            print(f"{path} is not graded: it is a link, no file, or what a Mac leaves beside one")
            continue
        stem = re.sub(r"\s*\(\d+\)$|-Copy\d+$", "", path.stem)  # a second download, or a copy
        named = [name for name in sorted(assignments, key=len) if name in stem]
        assignment = named[-1] if named else _by_cells(path, cells)
        words = [*inside.parts[:-1], re.sub(rf"[\W_]*{re.escape(assignment)}[\W_]*", "", stem)]
        student = next((word for word in words if word and word != assignment), stem)
        found.append(Submission(student, assignment, path))
    return found


def newest(submissions: Iterable[Submission]) -> list[Submission]:
    """The submissions without those of which a student has sent in a newer one."""
    kept: dict[tuple[str, str], Submission] = {}
    for s in submissions:
        place = (s.student, s.assignment if s.assignment != UNKNOWN else str(s.path))
        if place not in kept or s.path.stat().st_mtime > kept[place].path.stat().st_mtime:
            kept[place] = s
    return [*kept.values()]


def _cells(path: Path) -> set[str]:
    try:
        return {str(about(cell)["grade_id"]) for cell in read_notebook(path)["cells"] if about(cell).get("grade_id")}
    except AssignmentError:
        return set()


def _by_cells(path: Path, cells: Mapping[str, set[str]]) -> str:
    theirs = _cells(path)
    best = max(cells, key=lambda name: len(cells[name] & theirs))
    return best if len(cells[best] & theirs) * 2 >= len(cells[best]) else UNKNOWN


class _Gradebook:
    """The grades of a folder, which are kept in a file beside the scores."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.limits = Limits(options.seconds, options.megabytes, not options.trust)
        self.record = options.output.with_suffix(".json")
        if not options.assignments.exists():
            raise AssignmentError(f"{options.assignments} does not exist; --assignments names the folder of yours")
        self.assignments = {path.stem: path for path, _ in notebooks([options.assignments])}
        if not self.assignments:
            raise AssignmentError(f"there are no notebooks in {options.assignments}; --assignments names their folder")
        found = find(options.submissions, self.assignments)
        if not found:
            raise AssignmentError(f"there are no notebooks in {options.submissions}")
        self.submissions = newest(found)
        for s in found:
            if s not in self.submissions:
                print(f"{s.path} is not graded: {s.student} has a newer {s.assignment}")
        self.grades: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """Grades what is new, and writes everything."""
        self.options.output.parent.mkdir(parents=True, exist_ok=True)
        used = sorted({s.assignment for s in self.submissions} - {UNKNOWN})
        self.solutions = [Submission(f"the solution of {name}", name, self.assignments[name]) for name in used]
        everything = [*self.solutions, *self.submissions]
        before = {} if self.options.again else self._read()
        keys = {str(submission.path): self._key(submission) for submission in everything}
        self.grades = {path: before[path] for path, key in keys.items() if before.get(path, {}).get("key") == key}
        waiting = [s for s in everything if str(s.path) not in self.grades]
        interrupted = False
        try:
            self._grade([s for s in waiting if s.assignment != UNKNOWN], keys)
        except KeyboardInterrupt:
            interrupted = True
        for s in waiting:
            if s.assignment == UNKNOWN:
                note = f"{s.path.name} is of no assignment in {self.options.assignments}: it has none of their cells"
                self.grades[str(s.path)] = _plain("", Grade(UNKNOWN, (), (note,)))
        graded = self._write()
        self._warn()
        told = f"{graded} of {len(self.submissions)} submissions: {self.options.output}"
        print(f"{told}, and the page of the class: {self.options.output.with_suffix('.html')}")
        if interrupted:
            sys.exit("stopped; the same command goes on from here")

    def _grade(self, waiting: Sequence[Submission], keys: Mapping[str, str]) -> None:
        """Grades submissions, as many at once as there are jobs, and keeps each grade at once."""
        if not waiting:
            return
        jobs = min(self.options.jobs, len(waiting))
        with ProcessPoolExecutor(jobs, get_context("spawn"), _begin) as pool:
            tasks = {
                pool.submit(_graded, s, self.assignments[s.assignment], self.limits, self._alone(s)): s for s in waiting
            }
            try:
                for task in tqdm(as_completed(tasks), total=len(tasks), unit="submission", file=sys.stderr):
                    path = str(tasks[task].path)
                    self.grades[path] = self._result(task, tasks[task], keys[path])
                    self._keep()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in active_children():
                    process.terminate()
                raise

    def _result(self, task: "Future[Grade]", s: Submission, key: str) -> dict[str, Any]:
        """The grade; or the failure of the grader itself, after which the same command grades it again."""
        try:
            return _plain(key, task.result())
        except (AssignmentError, BrokenExecutor):
            raise
        except Exception as error:
            note = f"the grader itself failed here, so there are no points yet: {type(error).__name__}: {error}"
            print(f"{s.path}: {note}", file=sys.stderr)
            return _plain("", Grade(s.assignment, (), (note,)))

    def _key(self, submission: Submission) -> str:
        """A number that is another one if the submission, its assignment, the limits or this package change."""
        digest = sha256(repr((version(), self.limits)).encode())
        beside = {} if self._alone(submission) else files_beside(submission.path)
        for path in (submission.path, *beside.values(), self.assignments.get(submission.assignment)):
            if path is not None:
                digest.update(repr((str(path), path.stat().st_size)).encode(errors="backslashreplace"))
                digest.update(path.read_bytes() if path.stat().st_size <= COPIED else b"")
        return digest.hexdigest()

    def _alone(self, submission: Submission) -> bool:
        """Whether the files beside a notebook are not its student's, since it lies in the folder of all."""
        return bool(submission.path.parent == self.options.submissions)

    def _read(self) -> dict[str, dict[str, Any]]:
        """The grades of last time. Raises AssignmentError for a file of something else."""
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
            return {path: {**found["grades"][path]} for path in found["grades"]}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise AssignmentError(f"{self.record} holds no grades ({error}); move it away to grade all again") from None

    def _keep(self) -> None:
        write_file(self.record, json.dumps({"grades": self.grades}, indent=1).encode())

    def _write(self) -> int:
        """Writes the record, the scores, the page, and a page for each student; returns the number of grades."""
        self._keep()
        rows = [(s, _grade_of(self.grades[str(s.path)])) for s in self.submissions if str(s.path) in self.grades]
        rows.sort(key=lambda row: row[0])
        page = class_page([(s.student, g) for s, g in rows])
        for name, text in ((self.options.output, scores(rows)), (self.options.output.with_suffix(".html"), page)):
            write_file(name, text.encode(errors="replace"))
        if self.options.feedback is not None:
            self.options.feedback.mkdir(parents=True, exist_ok=True)
            for student in {s.student for s, _ in rows}:
                page = student_page(student, [g for s, g in rows if s.student == student])
                name = re.sub(r"[^\w .-]", "_", student)
                write_file(self.options.feedback / f"{name}.html", page.encode(errors="replace"))
        return len(rows)

    def _warn(self) -> None:
        """Tells of assignments whose own solution does not get all points, since that cannot be a student's fault."""
        for s in self.solutions:
            found = _grade_of(self.grades[str(s.path)]) if str(s.path) in self.grades else Grade(s.assignment, ())
            for part in found.parts:
                if not part.passed:
                    print(
                        f"{s.student} does not pass {part.name}, so the test may be wrong: {part.why}", file=sys.stderr
                    )


def scores(rows: Iterable[tuple[Submission, Grade]]) -> str:
    """The scores as CSV. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "assignment", "score", "out_of", "by_hand", "misconceptions", "notes"])
    for s, g in rows:
        names = sorted({finding.name for part in g.parts for finding in part.findings})
        points = [f"{x:g}" for x in (g.score, g.out_of, g.by_hand)]
        words = (s.student, s.assignment, *points, " ".join(names), " | ".join(g.notes).replace("\n", " / "))
        words = tuple(re.sub(r"[\r\n]+", " ", x) for x in words)
        writer.writerow([f"'{x}" if x.startswith(("=", "+", "-", "@", "\t", "\r")) else x for x in words])
    return text.getvalue()


def _plain(key: str, g: Grade) -> dict[str, Any]:
    parts = [{**part._asdict(), "findings": [f._asdict() for f in part.findings]} for part in g.parts]
    return {"key": key, "assignment": g.assignment, "parts": parts, "notes": g.notes}


def _grade_of(plain: Mapping[str, Any]) -> Grade:
    parts = [Part(**{**part, "findings": tuple(Finding(**f) for f in part["findings"])}) for part in plain["parts"]]
    return Grade(plain["assignment"], tuple(parts), tuple(plain["notes"]))
