"""The course: every notebook runs, keeps the form that the map promises, and becomes a page that opens anywhere."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
MAP = (ROOT / "notebooks" / "README.md").read_text()
TAGS = {"answer", "check", "exercise", "folded", "solution"}
AGAIN = "again"
"""The beginning of the ids of the checks that run once more, on the solutions."""

names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def cells_of(path, kind="code", tag=None):
    cells = json.loads(path.read_text())["cells"]
    return [c for c in cells if c["cell_type"] == kind and (tag is None or tag in c["metadata"].get("tags", []))]


def source(cell):
    return "".join(cell["source"])


def text(path):
    """All that is written in it, apart from code."""
    return "\n\n".join(map(source, cells_of(path, "markdown")))


def test_there_are_eighteen():
    assert [int(path.name[:2]) for path in NOTEBOOKS] == [*range(1, 19)]


@names
def test_a_notebook_has_one_question_a_prediction_exercises_and_a_way_on(path):
    number, words = int(path.name[:2]), text(path)
    title = words.split("\n")[0]
    assert title.startswith(f"# {number}. ")
    assert words.count("**The question:**") == 1
    assert "**Predict.**" in words
    assert re.search(r"About \d\d minutes", words)
    assert "## Exercises" in words
    assert "## Where to go next" in words
    if number < 18:
        assert f"({NOTEBOOKS[number].name})" in words.split("## Where to go next")[1]
    assert f"[{title.removeprefix('# ')}]({path.name})" in MAP or f"({path.name})" in MAP


@names
def test_the_map_gives_the_same_needs_and_minutes(path):
    minutes = re.search(r"About (\d\d) minutes", text(path))[1]
    needed = re.search(r"You need notebooks? ((?:\d\d(?:, | and )?)+)", text(path))
    (row,) = [line for line in MAP.splitlines() if line.startswith("| [") and f"({path.name})" in line]
    _, _, _, needs, given, *_ = re.split(r" *\| *", row)
    assert given == minutes
    assert needs == (", ".join(str(int(n)) for n in re.findall(r"\d\d", needed[1])) if needed else "")


@names
def test_each_exercise_has_a_check_and_a_solution(path):
    code = [c["metadata"].get("tags", []) for c in cells_of(path)]
    assert all({*tags} <= TAGS for tags in code)
    exercises = [i for i, tags in enumerate(code) if "exercise" in tags]
    assert len(exercises) >= 2
    assert all("check" in code[i + 1] for i in exercises)
    assert sum("solution" in tags for tags in code) == len(exercises)
    for cell in cells_of(path):
        hidden = cell["metadata"].get("jupyter", {}).get("source_hidden", False)
        assert hidden == bool({"answer", "check", "solution", "folded"} & {*cell["metadata"].get("tags", [])})


@names
def test_the_first_cell_asks_for_all_extras(path):
    """Matplotlib, scikit-learn and NumPy, which comes with them."""
    code = "\n".join(map(source, cells_of(path)))
    imported = {
        alias.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    imported |= {
        alias.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import) for alias in node.names
    }
    needed = set()
    if imported & {"panels", "animate", "numpy", "plot_step_error"} or ".plot()" in code:
        needed.add("plot")
    if any(name.startswith(("load_d", "load_b", "make_m", "make_ci")) for name in imported):
        needed.add("data")
    if imported & {"accuracy", "roc_auc", "precision", "confusion_matrix"}:
        needed.add("data")
    if "compile" in imported:
        needed.add("compile")
    asked = {*re.findall(r'"(\w+)"', " ".join(re.findall(r"^needs\((.*)\)$", source(cells_of(path)[0]), re.MULTILINE)))}
    assert asked == needed


@names
def test_a_notebook_shares_nothing_but_the_package(path):
    for node in ast.walk(ast.parse("\n".join(map(source, cells_of(path))))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module.partition(".")[0] in {"autograd", "nn"}
        elif isinstance(node, ast.Import):
            assert all(alias.name in {*sys.stdlib_module_names, "numpy"} for alias in node.names)


@names
def test_cells_are_short(path):
    assert max(len(source(cell).splitlines()) for cell in cells_of(path)) <= 90


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The notebooks, at whose end each check runs once more, on the solution; one folder for all workers."""
    folder = tmp_path_factory.getbasetemp().parent / "course"
    folder.mkdir(exist_ok=True)
    for path in NOTEBOOKS:
        notebook = json.loads(path.read_text())
        checks = [c for c in notebook["cells"] if "check" in c["metadata"].get("tags", [])]
        notebook["cells"] += [{**c, "id": f"{AGAIN}{i}"} for i, c in enumerate(checks)]
        copy = folder / path.name
        if not copy.exists():
            temporary = copy.with_suffix(f".{tmp_path_factory.getbasetemp().name}")
            temporary.write_text(json.dumps(notebook))
            temporary.replace(copy)
    (folder / "README.md").write_text(MAP)
    return folder


@names
def test_a_notebook_runs_its_solutions_pass_and_its_page_opens_anywhere(path, folder, browser):
    output = folder / "build"
    command = [sys.executable, "-m", "autograd", "course", str(folder), "-o", str(output), "--only", path.stem]
    done = subprocess.run([*command, "--jobs", "1"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ran = json.loads((output / ".ran" / path.name).read_text())["cells"]
    checks = [c for c in ran if "check" in c["metadata"].get("tags", [])]
    for cell in checks:
        report = "".join("".join(o.get("data", {}).get("text/plain", "")) for o in cell["outputs"])
        marks = re.findall(r"^  (ok|wrong|-) ", report, re.MULTILINE)
        solved = {*marks} == {"ok"}
        assert solved == cell["id"].startswith(AGAIN), f"{source(cell)}\n{report}"
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"file://{output}/{path.stem}.html")
    for details in page.query_selector_all("details > summary"):
        details.click()
    page.wait_for_timeout(200)
    assert problems == []
    assert [url for url in requests if not url.startswith("data:")] == [f"file://{output}/{path.stem}.html"]
    assert page.evaluate("[...document.images].filter(image => image.alt.length < 10).length") == 0
    assert page.evaluate("[...document.querySelectorAll('iframe')].filter(frame => !frame.title).length") == 0
    wide = "document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(wide)
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate(wide)
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    pages = {f"{p.stem}.html" for p in NOTEBOOKS} | {p.name for p in NOTEBOOKS} | {"index.html"}
    assert {*links} <= pages
    found = Axe().run(page).response["violations"]
    assert [v["nodes"][0]["html"] for v in found if v["impact"] in ("serious", "critical")] == []
    shown = page.evaluate("document.querySelector('main').innerText")
    prose = page.evaluate("[...document.querySelectorAll('section.text')].map(s => s.innerText).join(' ')")
    assert "Traceback" not in shown
    assert not re.search(r"\$|\\(frac|sigma|cdot|partial|left|lambda|eta)\b", prose)
    page.close()


@pytest.mark.slow
@names
def test_a_notebook_runs_without_the_compiler_or_says_that_it_needs_it(path, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['llvmlite'] = None")
    command = [sys.executable, "-m", "autograd", "course", "-o", str(tmp_path / "site"), "--only", path.stem]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if '"compile"' in source(cells_of(path)[0]).split("needs(")[-1].split(")")[0]:
        assert "pip install 'scalar-autograd[compile]'" in done.stderr
    else:
        assert done.returncode == 0, done.stderr


def test_at_least_six_hand_over_something_broken():
    broken = [path for path in NOTEBOOKS if "## Your turn: " in text(path)]
    assert len(broken) >= 6
    listed = re.search(r"Something broken is handed to you in ([^:]*):", MAP)[1]
    assert listed == "2 to 14, 16 and 17"
    assert [int(path.name[:2]) for path in broken] == [*range(2, 15), 16, 17]


def test_the_glossary_is_sorted_and_points_to_notebooks():
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([\d, ]+) \|$", MAP.split("## Glossary")[1], re.MULTILINE)
    assert len(rows) > 40
    assert [word.casefold() for word, _ in rows] == sorted(word.casefold() for word, _ in rows)
    for word, numbers in rows:
        for number in map(int, numbers.split(", ")):
            parts = re.findall(r"\w+", word.casefold())
            here = json.dumps(json.loads(NOTEBOOKS[number - 1].read_text()), ensure_ascii=False).casefold()
            assert any(part[:6] in here for part in parts), f"{word} in {number}"
