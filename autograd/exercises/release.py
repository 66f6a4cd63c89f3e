"""`python -m autograd release`: assignments without solutions and hidden tests, as nbgrader makes them."""

import argparse
import copy
import json
import re
import sys
from collections.abc import Iterator, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

from ..files import write_file

CODE_STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
TEXT_STUB = ("YOUR ANSWER HERE",)


class AssignmentError(ValueError):
    """An assignment that cannot be released."""


def release(notebook: dict[str, Any], name: str = "the notebook") -> dict[str, Any]:
    """The notebook as students get it: solutions replaced by stubs, hidden tests and mark schemes taken out, outputs
    cleared, graded cells locked. Raises AssignmentError for a region without an end or in the wrong kind of cell, and
    for names of cells that are missing or given twice, or points that are missing."""
    released = copy.deepcopy(notebook)
    known: set[str] = set()
    for cell in released["cells"]:
        about = cell.get("metadata", {}).get("nbgrader", {})
        solution, grade = bool(about.get("solution")), bool(about.get("grade"))
        place = f"{name}, cell {about.get('grade_id') or _text(cell)[:40]!r}"
        task = bool(about.get("task"))
        if solution or grade or task:
            if not about.get("grade_id") or about["grade_id"] in known:
                raise AssignmentError(f"{place}: expected a grade_id that no other cell has")
            known.add(about["grade_id"])
        if (grade or task) and not isinstance(about.get("points"), int | float):
            raise AssignmentError(f"{place}: it is graded, so its metadata should say how many points it has")
        _lock(cell, about)
        stub = CODE_STUB if cell["cell_type"] == "code" else TEXT_STUB
        lines, replaced = _without(_text(cell).split("\n"), "SOLUTION", stub, place)
        if replaced and not solution:
            raise AssignmentError(f"{place}: it has a solution, so its metadata should say solution: true")
        if solution and not replaced:
            lines = list(stub)
        lines, hidden = _without(lines, "HIDDEN TESTS", (), place)
        if hidden and not grade:
            raise AssignmentError(f"{place}: it has hidden tests, so its metadata should say grade: true")
        lines, _ = _without(lines, "MARK SCHEME", (), place)
        cell["source"] = "\n".join(lines)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            for key in ("collapsed", "scrolled", "execution"):
                cell["metadata"].pop(key, None)
        if solution or grade or about.get("locked"):
            about |= {"checksum": checksum(cell), "cell_type": cell["cell_type"]}
    released.get("metadata", {}).pop("celltoolbar", None)
    return released


def checksum(cell: dict[str, Any]) -> str:
    """The number by which nbgrader sees that a cell was edited: of its text, kind, role, name and points."""
    about = cell["metadata"]["nbgrader"]
    solution, grade = bool(about.get("solution")), bool(about.get("grade"))
    locked = not solution and (grade or bool(about.get("locked")))
    parts = [_text(cell), cell["cell_type"], str(grade), str(solution), str(locked), about["grade_id"]]
    parts += [str(float(about["points"]))] if grade else []
    return md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _lock(cell: dict[str, Any], about: dict[str, Any]) -> None:
    """Solutions cannot be deleted, tests and texts that belong to the assignment not edited either."""
    if about.get("solution"):
        cell["metadata"]["deletable"] = False
    elif about.get("grade") or about.get("locked"):
        cell["metadata"]["deletable"] = cell["metadata"]["editable"] = False


def _without(lines: Sequence[str], word: str, stub: Sequence[str], place: str) -> tuple[list[str], bool]:
    """The lines with a stub, at the same indent, in the place of each region. Raises AssignmentError for a region that
    begins twice or has no end."""
    kept: list[str] = []
    inside = replaced = False
    for line in lines:
        if f"BEGIN {word}" in line:
            if inside:
                raise AssignmentError(f"{place}: BEGIN {word} stands inside another one")
            inside = replaced = True
            indent = re.match(r"\s*", line)
            kept += [f"{indent[0] if indent else ''}{text}" for text in stub]
        elif f"END {word}" in line:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise AssignmentError(f"{place}: BEGIN {word} has no END {word}")
    return kept, replaced


def notebooks(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """The notebooks of files and folders, each with its path inside the folder. Raises FileNotFoundError for a path
    that is not there."""
    for path in paths:
        if path.is_dir():
            for found in sorted(path.rglob("*.ipynb")):
                if ".ipynb_checkpoints" not in found.parts:
                    yield found, found.relative_to(path)
        elif path.exists():
            yield path, Path(path.name)
        else:
            raise FileNotFoundError(f"{path} does not exist")


def main(arguments: Sequence[str]) -> None:
    """The command. Raises SystemExit with a sentence if something cannot be released."""
    parser = argparse.ArgumentParser(
        prog="python -m autograd release",
        description="Writes assignments as students get them: without solutions, hidden tests and outputs.",
        epilog="example: python -m autograd release notebooks/exercises -o build/release",
    )
    parser.add_argument("sources", nargs="+", type=Path, help="notebooks, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder that they are written to")
    options = parser.parse_args(arguments)
    try:
        found = list(notebooks(options.sources))
        if not found:
            sys.exit(f"there are no notebooks in {', '.join(map(str, options.sources))}")
        ready = []
        for path, inside in found:
            target = options.output / inside
            if target.resolve() == path.resolve():
                sys.exit(f"{target} is the source itself; choose another folder with -o")
            ready.append((target, release(json.loads(path.read_text(encoding="utf-8")), path.name)))
        for target, notebook in ready:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_file(target, (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())
            print(target)
    except (AssignmentError, FileNotFoundError) as error:
        sys.exit(str(error))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"{path} is no notebook: {type(error).__name__}: {error}")
    except OSError as error:
        sys.exit(f"cannot write to {options.output}: {error.strerror}")
