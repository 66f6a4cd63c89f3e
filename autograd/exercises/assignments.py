"""Notebooks of assignments, as the grader reads them: the kinds of their cells, their names, the files beside them."""

import ast
import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .release import AssignmentError
from .serving import without_commands

LARGEST_NOTEBOOK = 20 * 2**20
COPIED = 100 * 2**20
"""The most bytes of other files in a student's folder, which are there when the submission runs."""


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook of format 4, with all sources as one text. Raises AssignmentError for a file that is none."""
    try:
        if path.stat().st_size > LARGEST_NOTEBOOK:
            raise AssignmentError(f"{path.name} has more than {LARGEST_NOTEBOOK // 2**20} MB")
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            source = cell["source"]
            cell["source"] = source if isinstance(source, str) else "".join(source)
            cell["metadata"] = {**cell.get("metadata", {})}
            cell["metadata"]["nbgrader"] = {**cell["metadata"].get("nbgrader", {})}
            cell["cell_type"] = str(cell["cell_type"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        if isinstance(error, AssignmentError):
            raise
        raise AssignmentError(f"{path.name} is no notebook: {type(error).__name__}: {error}") from None
    return dict(notebook)


def about(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of nbgrader."""
    found: Mapping[str, Any] = cell["metadata"]["nbgrader"]
    return found


def is_test(cell: Mapping[str, Any]) -> bool:
    """Whether it is a cell of tests."""
    return bool(about(cell).get("grade")) and not about(cell).get("solution") and cell["cell_type"] == "code"


def is_of_grader(cell: Mapping[str, Any]) -> bool:
    """Whether it is a cell that helps the tests: locked, and it imports the checks."""
    noted = about(cell)
    alone = noted.get("locked") and not noted.get("solution") and cell["cell_type"] == "code"
    return bool(alone) and not noted.get("grade") and "autograd.exercises" in cell["source"]


def imports_of(code: str) -> str:
    """The lines of a cell that import something."""
    with contextlib.suppress(SyntaxError):
        return "\n".join(ast.unparse(x) for x in ast.parse(code).body if isinstance(x, ast.Import | ast.ImportFrom))
    return ""


def bound_in(codes: Iterable[str]) -> set[str]:
    """The names that cells bind: by an assignment, a definition, an import, a loop."""
    found: set[str] = set()
    for code in codes:
        with contextlib.suppress(SyntaxError):
            for x in ast.walk(ast.parse(without_commands(code))):
                if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store):
                    found.add(x.id)
                elif isinstance(x, ast.FunctionDef | ast.ClassDef):
                    found.add(x.name)
                elif isinstance(x, ast.alias):
                    found.add((x.asname or x.name).split(".")[0])
    return found


def files_beside(submission: Path) -> dict[str, Path]:
    """The other files in the folder of a notebook, by their names in it, but for notebooks, links and what hides; none,
    if they are too large."""
    files = {}
    for place, folders, names in os.walk(submission.parent):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for path in (Path(place, name) for name in sorted(names)):
            hidden = path.name.startswith(".") or path.suffix == ".ipynb"
            if path.is_file() and not path.is_symlink() and not hidden:
                files[str(path.relative_to(submission.parent))] = path
    return files if sum(path.stat().st_size for path in files.values()) <= COPIED else {}
