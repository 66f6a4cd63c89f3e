"""The page of a class: what it misunderstands, most often first; how each part went; each student's work."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from .grading import Grade, Part
from .report import Finding

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8d8d2, #44443f); --bar: light-dark(#b23b0b, #e8845a);
  --soft: light-dark(#f4f3ee, #26262a) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem; vertical-align: top }
tr { border-bottom: 1px solid var(--line) } td.number { text-align: right; white-space: nowrap }
section.finding { border-left: 4px solid var(--bar); padding-left: .8rem; margin: 1.2rem 0 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .5rem; margin: .4rem 0 }
.bar { background: var(--bar); height: .6rem; border-radius: 2px } details { margin: .4rem 0 } h3 { margin: 0 }
@media print { details > * { display: block } }
"""


def class_page(grades: Sequence[tuple[str, Grade]]) -> str:
    """One HTML page of students and their grades, which asks for nothing from elsewhere and has no script."""
    students = {student for student, _ in grades}
    parts = [f"<h1>{_count(len(students), 'student')}, {_count(len(grades), 'submission')}</h1>"]
    parts += ["<h2>What to teach next</h2>", *_misconceptions(grades, len(students))]
    parts += ["<h2>How each part went</h2>", *_parts(grades), "<h2>Students</h2>", *_students(grades)]
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>Grades</title>"
    body = "\n".join(parts)
    head += f"<style>{STYLE}</style>"
    return f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body><main>{body}</main></body></html>\n"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _bar(part: int, whole: int) -> str:
    """A bar whose length is a share; the number stands beside it."""
    return f"<div class='bar' style='width:{100 * part / max(whole, 1):.0f}%' aria-hidden='true'></div>"


def _misconceptions(grades: Sequence[tuple[str, Grade]], students: int) -> Iterable[str]:
    found: dict[str, dict[str, Finding]] = {}
    for student, g in grades:
        for part in g.parts:
            for finding in part.findings:
                found.setdefault(finding.name, {}).setdefault(student, finding)
    if not found:
        yield "<p>No misconception was found.</p>"
    for name, by_student in sorted(found.items(), key=lambda item: -len(item[1])):
        texts = Counter(finding.message for finding in by_student.values())
        text = texts.most_common(1)[0][0]
        shown = next(finding for finding in by_student.values() if finding.message == text)
        count = f"{len(by_student)} of {_count(students, 'student')}"
        yield f"<section class='finding'><h3>{escape(name)}: {count}</h3>{_bar(len(by_student), students)}"
        yield f"<p>{escape(text)}</p>"
        if shown.example:
            told = f"\n{shown.quantity}: expected {shown.expected}, got {shown.got}" if shown.quantity else ""
            yield f"<pre>{escape(shown.example + told)}</pre>"
        if shown.hint:
            yield f"<p><i>{escape(shown.hint)}</i></p>"
        yield f"<p>{escape(', '.join(by_student))}</p></section>"


def _parts(grades: Sequence[tuple[str, Grade]]) -> Iterable[str]:
    yield "<table><thead><tr><th>assignment</th><th>part</th><th>solved by</th><th style='width:30%'></th></tr></thead>"
    tried: dict[tuple[str, str], list[Part]] = {}
    for _, g in grades:
        for part in g.parts:
            if part.answer is None:
                tried.setdefault((g.assignment, part.name), []).append(part)
    for (assignment, name), parts in tried.items():
        solved = sum(part.passed for part in parts)
        yield f"<tr><td>{escape(assignment)}</td><td>{escape(parts[0].title)} ({escape(name)})</td>"
        yield f"<td class='number'>{solved} of {len(parts)}</td><td>{_bar(solved, len(parts))}</td></tr>"
    yield "</table>"


def _students(grades: Sequence[tuple[str, Grade]]) -> Iterable[str]:
    for student, g in sorted(grades, key=lambda pair: (pair[0], pair[1].assignment)):
        hand = f", and {g.by_hand:g} by hand" if g.by_hand else ""
        line = f"{student}, {g.assignment}: {g.score:g} of {g.out_of:g}{hand}"
        yield f"<details><summary>{escape(line)}</summary>"
        for note in g.notes:
            yield f"<pre>{escape(note)}</pre>"
        yield "<table>"
        for part in g.parts:
            told = f"<pre>{escape(part.why)}</pre>" if part.why else ""
            points = f"{part.points:g} of {part.of:g}"
            if part.answer is not None:
                told, points = f"<pre>{escape(part.answer or '(nothing was written)')}</pre>", f"__ of {part.of:g}"
            yield f"<tr><td>{escape(part.title)}</td><td class='number'>{points}</td><td>{told}</td></tr>"
        yield "</table></details>"
