"""The page of a class: what it misunderstands, most often first; how each part went; each student's work."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .grading import Grade, Part
from .report import Finding

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8d8d2, #44443f); --bar: light-dark(#b23b0b, #e8845a);
  --soft: light-dark(#f4f3ee, #26262a) }
body { background: light-dark(#fff, #17171b); color: light-dark(#1b1b1f, #eaeaea) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem; vertical-align: top }
tr { border-bottom: 1px solid var(--line) } td.number, th.number { text-align: right; white-space: nowrap }
section { border-left: 4px solid var(--bar); padding-left: .8rem; margin: 1.2rem 0; overflow-wrap: anywhere }
pre, code { background: var(--soft) }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem; margin: .4rem 0 }
.bar { background: var(--bar); height: .6rem; margin-top: .5rem; border-radius: 2px } details { margin: .4rem 0 }
h3 { margin: 0 } .wide { overflow-x: auto } p { margin: .5rem 0 }
@media (max-width: 600px) { .stack td { display: block } .stack td.number { text-align: left }
  .stack thead { display: none } }
"""
LAST = ("unexplained", "not-written")
"""The findings that name no misconception."""


def class_page(grades: Sequence[tuple[str, Grade]]) -> str:
    """One HTML page of students and their grades, which asks for nothing from elsewhere and has no script."""
    students = {student: i for i, student in enumerate(sorted({student for student, _ in grades}))}
    parts = [
        f"<h1>{_count(len(students), 'student')}, {_count(len(grades), 'submission')}</h1>",
        *_totals(grades, students),
    ]
    parts += ["<h2>What to teach next</h2>", *_misconceptions(grades, students)]
    parts += ["<h2>How each part went</h2>", *_parts(grades), "<h2>Students</h2>"]
    for student, i in students.items():
        work = sorted((g for other, g in grades if other == student), key=lambda g: g.assignment)
        each = "".join(f"<details><summary>{_line(g)}</summary>{_work(g)}</details>" for g in work)
        parts.append(f"<h3 id='s{i}'>{escape(student)}</h3>{each}")
    return _page("Grades", parts)


def student_page(student: str, grades: Sequence[Grade]) -> str:
    """The page of one student, to hand back."""
    parts = [f"<h1>{escape(student)}</h1>"]
    for g in grades:
        parts.append(f"<h2>{_line(g)}</h2>{_work(g)}")
    return _page(student, parts)


def _page(title: str, parts: Iterable[str]) -> str:
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    head += f"<title>{escape(title)}</title><style>{STYLE}</style>"
    body = "\n".join(parts)
    return f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body><main>{body}</main></body></html>\n"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _prose(text: str) -> str:
    """Text with the words between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _line(g: Grade) -> str:
    waiting = f"; {_points(g.by_hand)} for a person to give" if g.by_hand else ""
    return escape(f"{g.assignment}: {g.score:g} of {g.out_of:g}{waiting}")


def _points(number: float) -> str:
    return f"{number:g} point{'' if number == 1 else 's'}"


def _bar(part: int, whole: int) -> str:
    """A bar whose length is a share; the number stands beside it."""
    return f"<div class='bar' style='width:{100 * part / max(whole, 1):.0f}%' aria-hidden='true'></div>"


def _totals(grades: Sequence[tuple[str, Grade]], students: Mapping[str, int]) -> Iterable[str]:
    """The scores of all students in all assignments."""
    assignments = sorted({g.assignment for _, g in grades})
    head = "".join(f"<th scope='col' class='number'>{escape(name)}</th>" for name in assignments)
    yield f"<div class='wide'><table><thead><tr><th scope='col'>student</th>{head}<th scope='col'>sum</th></tr></thead>"
    for student, i in students.items():
        found = {g.assignment: g for other, g in grades if other == student}
        cells = "".join(
            f"<td class='number'>{found[name].score:g} of {found[name].out_of:g}</td>" if name in found else "<td></td>"
            for name in assignments
        )
        total = sum(g.score for g in found.values())
        yield f"<tr><th scope='row'><a href='#s{i}'>{escape(student)}</a></th>{cells}<td>{total:g}</td></tr>"
    yield "</table></div>"


def _misconceptions(grades: Sequence[tuple[str, Grade]], students: Mapping[str, int]) -> Iterable[str]:
    """The findings with how many students had them; then messages of tests that several students met."""
    found: dict[tuple[str, str], dict[str, Finding]] = {}
    told: dict[tuple[str, str, str], set[str]] = {}
    for student, g in grades:
        for part in g.parts:
            for finding in part.findings:
                place = (finding.name, g.assignment if finding.name in LAST else "")
                found.setdefault(place, {}).setdefault(student, finding)
            if part.why and not part.findings:
                told.setdefault((g.assignment, part.title, part.why.split("\n")[0]), set()).add(student)
    if not found and not told:
        yield "<p>Nothing is wrong.</p>"
    for (name, assignment), having in sorted(found.items(), key=lambda item: (item[0][0] in LAST, -len(item[1]))):
        text, _ = Counter(finding.message for finding in having.values()).most_common(1)[0]
        shown = next(finding for finding in having.values() if finding.message == text)
        where = [assignment] if assignment else sorted({g.assignment for _, g in grades if _has(g, name)})
        asked = {student for student, g in grades if g.assignment in where}
        title = f"{name}: {len(having)} of {_count(len(asked), 'student')}, in {', '.join(where)}"
        yield f"<section><h3>{escape(title)}</h3>{_bar(len(having), len(asked))}{_shown(shown)}"
        yield f"<p>{_names(having, students)}</p></section>"
    for (assignment, title, why), who in sorted(told.items(), key=lambda item: -len(item[1])):
        if len(who) > 1:
            yield f"<section><h3>{escape(assignment)}, {escape(title)}: {_count(len(who), 'student')}</h3>"
            yield f"<p>{_prose(why)}</p><p>{_names(sorted(who), students)}</p></section>"


def _has(g: Grade, name: str) -> bool:
    return any(finding.name == name for part in g.parts for finding in part.findings)


def _names(who: Iterable[str], students: Mapping[str, int]) -> str:
    return ", ".join(f"<a href='#s{students[student]}'>{escape(student)}</a>" for student in who)


def _shown(finding: Finding) -> str:
    """A finding without its name."""
    text = f"<p>{_prose(finding.message)}</p>"
    if finding.example:
        told = f"\n{finding.quantity}: expected {finding.expected}, got {finding.got}" if finding.quantity else ""
        text += f"<pre>{escape(finding.example + told)}</pre>"
    return text + (f"<p><i>{_prose(finding.hint)}</i></p>" if finding.hint else "")


def _parts(grades: Sequence[tuple[str, Grade]]) -> Iterable[str]:
    """The parts, with the share of students who have solved each."""
    names = "".join(f"<th scope='col'>{name}</th>" for name in ("assignment", "part", "solved by", "share"))
    yield f"<table class='stack'><thead><tr>{names}</tr></thead>"
    tried: dict[tuple[str, str], list[Part]] = {}
    for _, g in grades:
        for part in g.parts:
            if part.answer is None:
                tried.setdefault((g.assignment, part.name), []).append(part)
    for (assignment, name), parts in tried.items():
        solved = sum(part.passed for part in parts)
        yield f"<tr><td>{escape(assignment)}</td><td>{_prose(parts[0].title)} ({escape(name)})</td>"
        yield f"<td class='number'>{solved} of {len(parts)}</td>"
        yield f"<td style='width:30%'>{_bar(solved, len(parts))}</td></tr>"
    yield "</table>"


def _work(g: Grade) -> str:
    """The parts of one submission, with explanations and answers."""
    rows = [f"<pre>{escape(note)}</pre>" for note in g.notes] + ["<table class='stack'>"]
    for part in g.parts:
        points = f"{part.points:g} of {part.of:g}"
        told = "".join(f"<p><b>{escape(f.name)}</b></p>{_shown(f)}" for f in part.findings)
        if part.why and not part.findings:
            told = f"<pre>{escape(part.why)}</pre>"
        if part.answer is not None:
            told, points = f"<pre>{escape(part.answer or '(nothing was written)')}</pre>", f"__ of {part.of:g}"
        rows.append(f"<tr><td>{_prose(part.title)}</td><td class='number'>{points}</td><td>{told}</td></tr>")
    return "".join([*rows, "</table>"])
