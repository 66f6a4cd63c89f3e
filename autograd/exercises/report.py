"""The report of a check: what was tried, the points, the findings; for a terminal, a notebook, an autograder."""

import html
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..drawing.assets import image
from ..files import write_file

Picture = tuple[str, str]
"""A caption, and an SVG."""


class Finding(NamedTuple):
    """One thing that is wrong, and the misconception that explains it."""

    name: str
    message: str
    hint: str = ""
    """A question that leads on, without giving the code away."""
    example: str = ""
    """The smallest program that shows it."""
    quantity: str = ""
    """The number of the program that differs, such as `a.grad`."""
    expected: float | str | None = None
    got: float | str | None = None
    where: tuple[str, ...] = ()
    """The operations, layers or options in which it was found."""
    also: tuple[str, ...] = ()
    """Other misconceptions that lead to the same numbers."""
    tasks: tuple[str, ...] = ()
    """The tasks that it is about; none for all of them."""

    def __str__(self) -> str:
        lines = [self.name, *_wrapped(self.message)]
        if self.example:
            lines += _wrapped(self.example, "      ")
        if self.quantity:
            lines.append(f"      {self.quantity}: expected {self.expected}, got {self.got}")
        lines += _wrapped(self.hint)
        if self.also:
            lines += _wrapped(f"The same numbers come from: {', '.join(self.also)}.")
        return "\n".join(lines)


class Task(NamedTuple):
    """A part of the exercise."""

    name: str
    passed: int
    tried: int
    of: float
    """The points that it is worth."""

    @property
    def points(self) -> float:
        """The points for what works."""
        return round(self.of * self.passed / self.tried, 2) if self.tried else 0.0


class FindingError(AssertionError):
    """A check that found something wrong: the findings, and all of it as text."""

    def __init__(self, findings: Sequence[Finding], text: str) -> None:
        super().__init__(text)
        self.findings = tuple(findings)


@dataclass
class Report:
    """The result of a check: what was tried, what passed, and why the rest did not.

    `findings` is a list of `Finding`, `remarks` one of what goes beyond the exercise. `score` are all points together,
    out of `out_of`; `points` those of each task. `print(report)`, the end of a notebook cell, and `report.json()` show
    all of it.
    """

    subject: str
    tasks: Sequence[Task]
    findings: Sequence[Finding] = ()
    remarks: Sequence[Finding] = ()
    output: str = ""
    """The text that the code printed."""
    pictures: Mapping[str, Callable[[], Sequence[Picture]]] = field(default_factory=dict, repr=False)
    """For a finding's name, pictures that show it."""

    @property
    def points(self) -> dict[str, float]:
        """The points of each task."""
        return {task.name: task.points for task in self.tasks}

    @property
    def score(self) -> float:
        """All points together."""
        return round(sum(self.points.values()), 2)

    @property
    def out_of(self) -> float:
        """The points of a solution without faults."""
        return round(sum(task.of for task in self.tasks), 2)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and all(task.passed == task.tried for task in self.tasks)

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [f"{self.subject}: {self.score:g} of {self.out_of:g} points", ""]
        width = max((len(task.name) for task in self.tasks), default=0)
        for task in self.tasks:
            mark = "ok   " if task.passed == task.tried else "wrong" if task.tried else "-    "
            lines.append(f"  {mark}  {task.name:{width}}  {task.points:g} of {task.of:g}")
        for i, finding in enumerate(self.findings, start=1):
            lines += ["", *(f"{i}. " + str(finding)).split("\n")]
        if self.remarks:
            lines += ["", "Beyond this exercise:"]
            lines += [line for remark in self.remarks for line in ("", *str(remark).split("\n"))]
        if self.output.strip():
            lines += ["", "Your code printed:", *textwrap.indent(self.output.strip()[:2000], "  ").split("\n")]
        return "\n".join(lines)

    def explain(self) -> str:
        """The findings alone: name, sentence, example, hint."""
        return "\n\n".join(map(str, self.findings))

    def check(self, *tasks: str) -> None:
        """For tests of an exercise: nothing, if all points of these tasks, or of all of them, are there. Raises
        FindingError, an AssertionError with the findings about them, if not; ValueError for an unknown task."""
        known = {task.name: task for task in self.tasks}
        for name in tasks:
            if name not in known:
                raise ValueError(f"{self.subject} has the tasks {', '.join(map(repr, known))}, got {name!r}")
        if all(known[name].passed == known[name].tried for name in tasks) if tasks else self.passed:
            return
        findings = [f for f in self.findings if not (tasks and f.tasks) or not {*tasks}.isdisjoint(f.tasks)]
        findings = findings or [*self.findings]  # something else is in the way
        raise FindingError(findings, "\n\n" + ("\n\n".join(map(str, findings)) or str(self)))

    def as_dict(self) -> dict[str, Any]:
        """Plain data, named as Gradescope's autograders name it: score, max_score, tests; and findings, remarks."""
        tests = [
            {"name": t.name, "score": t.points, "max_score": t.of, "passed": t.passed, "tried": t.tried}
            for t in self.tasks
        ]
        return {
            "subject": self.subject,
            "score": self.score,
            "max_score": self.out_of,
            "tests": tests,
            "findings": [_plain(finding) for finding in self.findings],
            "remarks": [_plain(remark) for remark in self.remarks],
            "output": self.output,
        }

    def json(self, path: str | Path | None = None) -> str:
        """The same as JSON, where numbers that JSON lacks, such as nan, are texts; with a path also written there.
        Raises OSError if it cannot be written."""
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        if path is not None:
            write_file(Path(path), text.encode())
        return text

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'✓' if t.passed == t.tried else '✗' if t.tried else '–'}</td>"
            f"<td style='text-align:left'>{html.escape(t.name)}</td><td>{t.points:g} of {t.of:g}</td></tr>"
            for t in self.tasks
        )
        parts = [f"<b>{html.escape(self.subject)}: {self.score:g} of {self.out_of:g} points</b><table>{rows}</table>"]
        parts += [self._shown(finding) for finding in self.findings]
        if self.remarks:
            parts.append("<p><b>Beyond this exercise</b></p>")
            parts += [self._shown(remark) for remark in self.remarks]
        if self.output.strip():
            parts.append(f"<p>Your code printed:</p><pre>{html.escape(self.output.strip()[:2000])}</pre>")
        return "".join(parts)

    def _shown(self, finding: Finding) -> str:
        text = f"<p><b>{html.escape(finding.name)}</b><br>{html.escape(finding.message)}</p>"
        if finding.example:
            text += f"<pre>{html.escape(finding.example)}</pre>"
        if finding.quantity:
            numbers = [finding.quantity, f"expected {finding.expected}", f"got {finding.got}"]
            text += "<table><tr>" + "".join(f"<td>{html.escape(x)}</td>" for x in numbers) + "</tr></table>"
        if finding.hint:
            text += f"<p><i>{html.escape(finding.hint)}</i></p>"
        if finding.also:
            text += f"<p>The same numbers come from: {html.escape(', '.join(finding.also))}.</p>"
        text += figures(self.pictures.get(finding.name, lambda: ())())
        return f"<div style='border-left:4px solid #b23b0b;padding-left:12px;margin:12px 0'>{text}</div>"


def figures(pictures: Sequence[Picture]) -> str:
    """Pictures beside each other, as HTML."""
    each = (
        f"<figure style='margin:8px'><figcaption>{html.escape(text)}</figcaption>{image(svg, text)}</figure>"
        for text, svg in pictures
    )
    return f"<div style='display:grid;grid-template-columns:repeat(2,minmax(0,1fr))'>{''.join(each)}</div>"


def _wrapped(text: str, indent: str = "   ") -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent, break_long_words=False)


def _plain(finding: Finding) -> dict[str, Any]:
    def plain(x: Any) -> Any:
        return repr(x) if isinstance(x, float) and (x != x or x in (float("inf"), float("-inf"))) else x

    return {key: plain(x) for key, x in finding._asdict().items()}
