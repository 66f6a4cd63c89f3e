"""The site: pages that are made of a folder of notebooks, whatever is in it."""

import base64
import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
from browser import CHROMIUM
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograd.course.pages import target, title_of

ROOT = Path(__file__).parents[1]


def test_titles_and_links():
    assert title_of("text\n\n## The *`Value`* of $x$\n") == "The Value of x"
    assert title_of("```\n# code\n```\n\n# Title") == "Title"
    assert title_of("none") == ""
    links = {
        "02_b.ipynb#part": "02_b.html#part", "./02_b.ipynb": "02_b.html", "a%20b.ipynb": "a%20b.html", "#h": "#h",
        "../README.md": "", "other.ipynb": "", "https://x.org": "https://x.org", "mailto:a@b": "mailto:a@b",
    }  # fmt: skip
    assert {url: target(url, ["02_b", "a b"]) for url in links} == links


def write(folder, name, *cells):
    """A notebook; what begins with ##, or has no code in it, is text."""
    made = [new_markdown_cell(c[1:]) if c.startswith("##") else new_code_cell(c) for c in cells]
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=made), folder / f"{name}.ipynb")


@contextlib.contextmanager
def changed(path):
    """A notebook to be changed."""
    notebook = nbformat.read(path, as_version=4)
    yield notebook
    nbformat.write(notebook, path)


def build(folder, *options, output=None):
    command = [sys.executable, "-m", "autograd", "course", str(folder), "-o", str(output or folder / "site"), *options]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_a_folder_of_notebooks_becomes_a_site(tmp_path):
    write(tmp_path / "mine", "a", "## Sums & $x^2$", "print(1 + 1)")
    write(tmp_path / "mine", "b", "## Next", "import time; open('ran.txt', 'a').write('x')")
    done = build(tmp_path / "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("site/index.html\n")
    site = tmp_path / "mine" / "site"
    page = (site / "a.html").read_text()
    assert "<math" in page
    assert "<pre>2\n</pre>" in page
    assert re.search(r'<a [^>]*href="b\.html"[^>]*>Next →</a>', page)
    index = (site / "index.html").read_text()
    assert re.findall(r'<a href="(\w\.html)">', index) == ["a.html", "b.html"]
    assert json.loads((site / "a.ipynb").read_text())["cells"][1]["outputs"] == []
    assert build(tmp_path / "mine").returncode == 0
    assert (tmp_path / "mine" / "ran.txt").read_text() == "x"  # what has not changed does not run again
    write(tmp_path / "mine", "b", "## Next", "import time; open('ran.txt', 'a').write('y')")
    assert build(tmp_path / "mine").returncode == 0
    assert (tmp_path / "mine" / "ran.txt").read_text() == "xy"


def test_a_notebook_that_fails_is_named_and_the_others_are_written(tmp_path):
    write(tmp_path, "a", "## One", "1 / 0")
    write(tmp_path, "b", "## Two", "import os; os._exit(3)")
    write(tmp_path, "c", "## Three", "'fine'")
    done = build(tmp_path)
    assert done.returncode == 1
    assert "a.ipynb did not run to its end" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "b.ipynb did not run to its end" in done.stderr
    assert "\x1b" not in done.stderr
    assert "Pages: 1 of 3." in done.stdout
    assert (tmp_path / "site" / "c.html").exists()
    assert not (tmp_path / "site" / "a.html").exists()


def test_answers_checks_and_solutions_are_folded(tmp_path):
    write(tmp_path, "a", "## One", "x = 41", "x + 1", "x + 2", "'solved'")
    with changed(tmp_path / "a.ipynb") as notebook:
        for cell, tag in zip(notebook.cells[2:], ("answer", "check", "solution"), strict=True):
            cell.metadata.tags = [tag]
    assert build(tmp_path).returncode == 0
    page = (tmp_path / "site" / "a.html").read_text()
    parts = re.findall(r'<details class="(\w+)">\s*<summary>([^<]*)</summary>(.*?)</details>', page, re.DOTALL)
    assert [kind for kind, _, _ in parts] == ["answer", "check", "solution"]
    assert "42" in parts[0][2]
    assert "43" not in parts[1][2]  # of an answer that a page does not have
    assert "solved" in parts[2][2]


ODD = "a'b & <script>c? d#"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_site_of_odd_names_texts_and_outputs_opens_without_a_complaint(tmp_path, browser):
    (tmp_path / "p.png").write_bytes(PICTURE)
    write(tmp_path, ODD, "## <script>alert(1)</script> [x](y) & $a<b$", "1")
    text = f"""## Next

Code `layers[0](x)`, a [file](p.txt), [the other]({quote(ODD)}.ipynb), [here](#Next), ![a dot](p.png),
![attached](attachment:a.png)

```
out = fs[k](z)
```

$$\\log p$$
"""
    write(
        tmp_path,
        "b",
        text,
        "from IPython.display import Javascript, Latex, display; display(Latex('$x^2$'), Javascript('1'))",
    )
    with changed(tmp_path / "b.ipynb") as notebook:
        notebook.cells[0]["attachments"] = {"a.png": {"image/png": base64.b64encode(PICTURE).decode()}}
    write(tmp_path, "c", "'just code, without a title'")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    page, problems = browser.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("dialog", lambda dialog: (problems.append("a script ran"), dialog.dismiss()))
    page.goto(f"file://{tmp_path}/site/index.html")
    assert page.evaluate("[...document.querySelectorAll('a')].length") == 3
    assert problems == []  # in a list of titles they are texts; a notebook's own page may run its own HTML
    page.click("a >> nth=0")
    assert page.title() == "<script>alert(1)</script> [x](y) & a<b"
    page.click("a[rel=next]")
    assert page.text_content("#Next") == "Next"
    shown = page.text_content("main")
    assert "layers[0](x)" in shown
    assert "fs[k](z)" in shown
    assert page.evaluate("[...document.images].every(image => image.naturalWidth === 1)")
    assert page.evaluate("document.images.length") == 2
    assert page.evaluate("document.querySelectorAll('math').length") == 2
    page.click("text=the other")
    assert "alert(1)" in page.title()
    page.goto(f"file://{tmp_path}/site/c.html")
    assert page.title() == "c"
    assert problems == ["a script ran"] * problems.count("a script ran")
    page.close()


def test_what_cannot_be_read_or_shown_is_named_and_the_rest_is_written(tmp_path):
    write(tmp_path, "a", "## Fine", "1")
    write(tmp_path, "b", "## Wrong $x_$")
    (tmp_path / "c.ipynb").write_text("{")
    write(tmp_path, "d", "## R")
    with changed(tmp_path / "d.ipynb") as notebook:
        notebook.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    done = build(tmp_path)
    assert done.returncode == 1
    assert "b.ipynb cannot be shown: the formula $x_$ cannot be read" in done.stderr
    assert "c.ipynb did not run to its end" in done.stderr
    assert "it is written in R; only notebooks in Python run here" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Pages: 1 of 4." in done.stdout
    assert (tmp_path / "site" / "a.html").exists()
    (tmp_path / "site" / ".ran" / "a.ipynb").write_text("[]")
    assert "Pages: 1 of 1." in build(tmp_path, "--only", "a").stdout


def test_pages_lead_only_to_pages_that_are_there(tmp_path):
    for name in "abc":
        write(tmp_path, name, f"## {name}", "1 / 0" if name == "b" else "1")
    assert build(tmp_path).returncode == 1
    first = (tmp_path / "site" / "a.html").read_text()
    assert re.findall(r'href="(\w+\.html)"', first) == ["index.html", "c.html"] * 2
    index = (tmp_path / "site" / "index.html").read_text()
    assert re.findall(r'href="(\w+\.html)"', index) == ["a.html", "c.html"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere", "-o", "x"], "no notebooks in nowhere; start this where that folder is, or name another one"),
        (["notebooks", "-o", "x", "--only", "99"], "--only expected the beginning of a name, such as 01_value"),
        (["notebooks", "-o", "x", "--jobs", "0"], "--jobs is at least 1"),
        (["notebooks", "-o", "README.md"], "cannot write"),
        (["tests", "-o", "x"], "no notebooks in tests"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, error):
    command = [sys.executable, "-m", "autograd", "course", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_nbconvert_is_told(tmp_path):
    write(tmp_path, "a", "## One")
    code = "import sys; sys.modules['nbformat'] = None; from autograd.course import site; site.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, str(tmp_path), "-o", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'scalar-autograd[notebook]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_an_interrupt_leaves_no_kernel_and_loses_nothing(tmp_path):
    write(tmp_path, "a", "## One", "'done'")
    write(
        tmp_path,
        "b",
        "## Two",
        "import os; open('pid.txt', 'w').write(str(os.getpid()))",
        "import time; time.sleep(300)",
    )
    assert build(tmp_path, "--only", "a").returncode == 0
    command = [sys.executable, "-m", "autograd", "course", str(tmp_path), "-o", str(tmp_path / "site")]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    pid, end = tmp_path / "pid.txt", time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < end:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopped; the same command goes on with the notebooks that are missing" in error
    assert "Traceback" not in error
    while Path(f"/proc/{pid.read_text()}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid.read_text()}").exists()
    assert (tmp_path / "site" / "a.html").exists()
