"""Grading one submission: its cells run in a process of its own, the tests of the assignment here, on stand-ins."""

import builtins
import contextlib
import io
import re
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .assignments import about, bound_in, files_beside, imports_of, is_of_grader, is_test, read_notebook
from .attempts import Stopped
from .confinement import Limits, missing, readable
from .findings import describe
from .places import PLACE, Gone
from .release import AssignmentError, release
from .report import Finding, FindingError
from .standins import Process

MOST_NOTES, LONGEST_NOTE = 20, 1000
LONGEST_TEXT = 5000
"""The most characters of an explanation or of a written answer that are kept."""


UNWRITTEN = Finding("not-written", "This is not written yet.")


class Part(NamedTuple):
    """A graded cell: its name and title, the points, and why they are not all there."""

    name: str
    title: str
    points: float
    of: float
    why: str = ""
    findings: tuple[Finding, ...] = ()
    answer: str | None = None
    """Text or code that a person grades."""

    def __str__(self) -> str:
        return self.name

    @property
    def passed(self) -> bool:
        """Whether all points are there, or a person gives them."""
        return self.answer is not None or self.points == self.of

    def check(self) -> None:
        """For tests. Raises FindingError, an AssertionError with the explanation, if the part is not solved."""
        if not self.passed:
            raise FindingError(self.findings, self.why)


class Grade(NamedTuple):
    """The grade of one submission."""

    assignment: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    """Cells that ended in an error, and other events."""

    @property
    def score(self) -> float:
        """The points that tests give."""
        return round(sum(part.points for part in self.parts if part.answer is None), 2)

    @property
    def out_of(self) -> float:
        """The points that tests could give."""
        return round(sum(part.of for part in self.parts if part.answer is None), 2)

    @property
    def by_hand(self) -> float:
        """The points that a person gives."""
        return round(sum(part.of for part in self.parts if part.answer is not None), 2)


class Cell(NamedTuple):
    """A cell that runs in the grading: a student's one, or a test."""

    name: str
    code: str
    test: bool


def grade(
    submission: str | Path, assignment: str | Path, limits: Limits | None = None, *, alone: bool = False
) -> Grade:
    """The grade of a submitted notebook.

    submission: the student's notebook; other files of its folder are there when it runs, unless it is alone.
    assignment: the notebook with solutions and hidden tests, whose tests count, whatever the submission did to its own.
    limits: of time and memory.
    The student's cells run in a process of their own, which can read and write only its own folder. Raises
    RuntimeError if this machine cannot hold such a process, AssignmentError for an assignment that is no notebook, and
    for notebooks that lie where submissions can read.
    """
    limits = limits or Limits()
    if limits.kernel and (lack := missing()):
        raise RuntimeError(f"{lack}. Limits(kernel=False) grades without that; do so only with code that you trust")
    source = read_notebook(Path(assignment))
    release(source, Path(assignment).name)  # which finds what is wrong with it
    for place in readable() if limits.kernel else ():
        for path in (Path(assignment), Path(submission)):
            if path.resolve().is_relative_to(place):
                raise AssignmentError(f"{path} lies in {place}, which submissions can read; put it elsewhere")
    try:
        theirs = read_notebook(Path(submission))
    except AssignmentError as error:
        parts = [part._replace(why="" if part.answer == "" else str(error)) for part in parts_of(source)]
        return Grade(Path(assignment).stem, tuple(parts), (str(error),))
    temporary = Path(tempfile.mkdtemp(prefix="submission-")).resolve()
    try:
        files = {} if alone else files_beside(Path(submission))
        grading = _Grading(source, theirs, files, temporary / "work", limits)
        return Grade(Path(assignment).stem, grading.grade(), tuple(grading.notes))
    finally:
        _remove(temporary)


def parts_of(assignment: Mapping[str, Any]) -> list[Part]:
    """The graded cells without points, each with the heading above it as its title."""
    parts, heading = [], ""
    for cell in assignment["cells"]:
        noted = about(cell)
        if noted.get("grade") or noted.get("task"):
            answer = None if is_test(cell) else ""
            parts.append(
                Part(noted["grade_id"], heading or noted["grade_id"], 0.0, noted.get("points", 0), answer=answer)
            )
        elif cell["cell_type"] == "markdown" and (found := re.findall(r"(?m)^#+\s+(.+?)\s*$", cell["source"])):
            heading = found[-1]
    return parts


class _Names(dict[str, Any]):
    """The names of the tests. What they do not define themselves is a stand-in for what the submission has."""

    def __init__(self, process: Callable[[], Process], own: Collection[str]) -> None:
        super().__init__({"__name__": "__main__", "__builtins__": builtins})
        self.process, self.own = process, own

    def __missing__(self, name: str) -> Any:
        """Raises KeyError for names of Python's own, NameError for what the submission does not define, and for what a
        test defines that has not run, whatever the submission has under its name."""
        if hasattr(builtins, name):
            raise KeyError(name)
        if name in self.own:
            raise NameError(f"name {name!r} is not defined: a test defines it that has not run")
        return self.process().ask("name", name)


class _Grading:
    """One submission while it is graded."""

    def __init__(
        self,
        source: Mapping[str, Any],
        theirs: Mapping[str, Any],
        files: Mapping[str, Path],
        folder: Path,
        limits: Limits,
    ) -> None:
        self.source, self.theirs, self.folder, self.limits = source, theirs, folder, limits
        self.end = time.monotonic() + limits.total
        self.alive: Process | None = None
        self.done: list[Cell] = []
        """The student's cells that have run, and run again in each new process."""
        self.notes: list[str] = []
        self.unwritten = False
        """Whether a cell ended where something is not written yet, so that names of it may be missing."""
        code = [cell for cell in source["cells"] if cell["cell_type"] == "code"]
        tests = [cell["source"] for cell in code if is_test(cell) or is_of_grader(cell)]
        theirs_too = [cell["source"] for cell in code if not is_test(cell) and not is_of_grader(cell)]
        self.names = _Names(self._process, bound_in(tests) - bound_in(theirs_too))
        self.helpers = [*map(imports_of, tests), *(cell["source"] for cell in code if is_of_grader(cell))]
        self.visible = "\n".join(imports_of(cell["source"]) for cell in release(dict(source))["cells"] if is_test(cell))
        """The imports of the tests that students see: they may use them."""
        self.files = files

    def grade(self) -> tuple[Part, ...]:
        """The parts, after all cells have run in their order."""
        parts = {part.name: part for part in parts_of(self.source)}
        try:
            for cell in self._plan():
                if cell.test:
                    parts[cell.name] = self._tested(cell, parts[cell.name])
                else:
                    self._run(cell)
        finally:
            if self.alive:
                self.alive.close()
        return tuple(part if part.answer is None else self._answered(part) for part in parts.values())

    def _plan(self) -> Iterator[Cell]:
        """The student's cells and the tests. Cells that are not the student's own are those of the assignment."""
        own = {about(cell)["grade_id"]: cell for cell in self.source["cells"] if about(cell).get("grade_id")}
        tests = {name: Cell(name, cell["source"], True) for name, cell in own.items() if is_test(cell)}
        count = 0
        for cell in self.theirs["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                name = about(cell).get("grade_id")
                original = own.get(name) if isinstance(name, str) else None
                if original is not None and is_test(original):
                    if test := tests.pop(name, None):
                        yield test
                else:
                    kept = (
                        original is not None and about(original).get("locked") and not about(original).get("solution")
                    )
                    code = original["source"] if original is not None and kept else cell["source"]
                    yield Cell(f"cell {name}"[:100] if name else f"cell {count}, {_first_line(code)}", code, False)
        yield from tests.values()

    def _process(self) -> Process:
        """The process; a new one, in which all cells have run again, if it has ended. Raises Gone after the time."""
        while self.alive is None or self.alive.ended:
            if time.monotonic() > self.end:
                raise Gone(f"{self.limits.total:g} s, the time of a submission, are over")
            self.alive = Process(self._folder(), self.limits)
            self._ran(self.alive, Cell("imports", self.visible, False))
            for cell in [*self.done]:
                if not self._ran(self.alive, cell):
                    self.done.remove(cell)
                    break
        return self.alive

    def _folder(self) -> Path:
        """A new folder for a process, with what lay beside the notebook."""
        _remove(self.folder)
        self.folder.mkdir()
        for name, file in self.files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, self.folder / name)
        return self.folder

    def _run(self, cell: Cell) -> None:
        """Runs a cell of the student."""
        try:
            if self._ran(self._process(), cell, self.notes):
                self.done.append(cell)
        except Gone as error:
            self.notes.append(f"{cell.name} was not run: {error}")

    def _ran(self, process: Process, cell: Cell, notes: list[str] | None = None) -> bool:
        """Whether the cell came to an end, be it by an error."""
        process.end = min(self.end, time.monotonic() + self.limits.seconds)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                process.ask("run", cell.code, cell.name)
        except NotImplementedError:
            self.unwritten = True  # the tests say what
            return True
        except (Exception, Stopped, Gone) as error:
            if notes is not None and len(notes) < MOST_NOTES:
                notes.append(f"{cell.name}: {self._why(error, cell)}"[:LONGEST_NOTE])
            return isinstance(error, Exception)
        return True

    def _tested(self, cell: Cell, part: Part) -> Part:
        """The part, after its test."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                while self.helpers:
                    exec(compile(self.helpers.pop(0), "<helper>", "exec"), self.names)
                process = self._process()
                process.end = min(self.end, time.monotonic() + self.limits.seconds)
                place = PLACE.set(process)
                try:
                    exec(compile(cell.code, f"<{cell.name}>", "exec"), self.names)
                finally:
                    PLACE.reset(place)
        except (Exception, Stopped, Gone) as error:
            if isinstance(error, NotImplementedError) or (isinstance(error, NameError) and self.unwritten):
                return part._replace(why=UNWRITTEN.message, findings=(UNWRITTEN,))
            findings = tuple(map(_told, error.findings)) if isinstance(error, FindingError) else ()
            why = [self._why(error, cell), *(self.notes if isinstance(error, NameError) else ())]
            return part._replace(why="\n\n".join(why), findings=findings)
        return part._replace(points=part.of)

    def _why(self, error: BaseException, cell: Cell) -> str:
        """An error as an explanation."""
        if isinstance(error, Stopped):
            return f"it did not end within {self.limits.seconds:g} s"
        if isinstance(error, Gone):
            return f"the submission's process is gone: {error}"
        try:
            text = str(error).strip() if isinstance(error, AssertionError) else describe(error)
        except (Exception, Stopped, Gone) as failure:  # its text is that of a stand-in
            text = f"{type(error).__name__}, and its text ends in {type(failure).__name__}"
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == f"<{cell.name}>"]
        if frames and not text:
            text = cell.code.split("\n")[(frames[-1].lineno or 1) - 1].strip()
        return "\n".join([text, *getattr(error, "__notes__", ())])[:LONGEST_TEXT]

    def _answered(self, part: Part) -> Part:
        """The part with what the student wrote, if it is not what stood there."""

        def text_in(notebook: Mapping[str, Any]) -> str:
            found = (cell["source"] for cell in notebook["cells"] if about(cell).get("grade_id") == part.name)
            return str(next(found, "")).strip()

        text = text_in(self.theirs)
        return part._replace(answer="" if text == text_in(release(dict(self.source))) else text[:LONGEST_TEXT])


def _remove(folder: Path) -> None:
    """Removes a folder, however deep folders stand in folders."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stderr=subprocess.DEVNULL)


def _told(finding: Finding) -> Finding:
    """The finding with plain numbers and texts alone."""
    expected, got = (
        x if x is None or isinstance(x, float | str) else repr(x)[:200] for x in (finding.expected, finding.got)
    )
    finding = finding._replace(message=finding.message[:1000], example=finding.example[:1000])
    return finding._replace(expected=expected, got=got[:200] if isinstance(got, str) else got)


def _first_line(code: str) -> str:
    return repr(next((line.strip() for line in code.split("\n") if line.strip()), "")[:40])
