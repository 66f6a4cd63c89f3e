"""Notebooks of assignments and submissions, as the tests write them."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXERCISES = sorted((ROOT / "notebooks" / "exercises").glob("*.ipynb"))
VALUE = EXERCISES[0]


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
