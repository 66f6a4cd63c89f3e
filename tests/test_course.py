"""What the notebooks share: extras, pictures, films; and the site that is made of a folder of notebooks."""

import base64
import io
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
from PIL import Image

from autograd import Value
from autograd.course import (
    COLOURS,
    animate,
    has,
    needs,
    panels,
    plot_boundary,
    plot_images,
    plot_matrix,
    plot_points,
    plot_surface,
)
from autograd.course.pages import target, title_of

ROOT = Path(__file__).parents[1]


# Extras


def test_extras_that_are_missing_are_named_with_the_command(monkeypatch):
    monkeypatch.setattr(
        "autograd.course.extras.find_spec", lambda name: None if name in ("matplotlib", "sklearn") else 1
    )
    assert has("compile")
    assert not has("plot")
    needs("compile")
    with pytest.raises(ImportError, match=r"pip install 'scalar-autograd\[plot,data\]'"):
        needs("plot", "compile", "data")
    with pytest.raises(ValueError, match="has expected one of plot, data, compile, notebook, got 'torch'"):
        has("torch")


# Pictures


def html_of(figure):
    return figure._repr_html_()


def test_a_figure_has_words_for_who_does_not_see_it():
    figure, axis = panels(alt='A "line" <that> rises & falls')
    axis.plot([1, 2])
    assert 'alt="A &quot;line&quot; &lt;that&gt; rises &amp; falls"' in html_of(figure)
    figure, axes = panels(2, 3, alt="Six")
    assert len(axes) == 6
    with pytest.raises(TypeError, match="alt"):
        panels(2)


def test_points_of_each_class_have_their_own_mark():
    _, axis = panels(alt="x")
    plot_points(axis, [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [0, 1, 2])
    paths = [collection.get_paths()[0].vertices.shape for collection in axis.collections]
    assert len({*paths}) == 3
    assert [text.get_text() for text in axis.legend().get_texts()] == ["class 0", "class 1", "class 2"]


@pytest.mark.parametrize("answer", [lambda s: s, lambda s: [s], lambda s: Value(s), lambda s: [Value(s)]])
def test_a_boundary_lies_where_the_score_is_0(answer):
    _, axis = panels(alt="x")
    X = [[-1.0, -1.0], [1.0, 1.0]]
    plot_boundary(axis, lambda points: [answer(x - 0.25) for x, _ in points], X, [0, 1])
    (line,) = [c for c in axis.collections if c.get_facecolor().size == 0 and c.get_paths()[0].vertices.size]
    assert abs(line.get_paths()[0].vertices[:, 0] - 0.25).max() < 0.01


def test_a_surface_takes_values_and_numbers():
    _, axis = panels(alt="x")
    plot_surface(axis, lambda x, y: Value(x) * y, (-1, 1, -2, 2), points=10)
    assert (axis.get_xlim(), axis.get_ylim()) == ((-1, 1), (-2, 2))


def test_images_that_are_signed_share_one_scale():
    _, axes = panels(2, alt="x")
    plot_images(axes, [[0.5, -1.0, 0.0, 0.25], [2.0, 0.0, 0.0, 0.0]], ["a", "b"], width=2, signed=True)
    assert [axis.images[0].get_clim() for axis in axes] == [(-2.0, 2.0)] * 2
    assert [axis.get_title() for axis in axes] == ["a", "b"]


def test_a_matrix_shows_its_numbers():
    _, axis = panels(alt="x")
    plot_matrix(axis, [[0.25, 1.0], [0.5, 0.0]], ["p", "q"], ["r", "s"], digits=1)
    assert [text.get_text() for text in axis.texts] == ["0.2", "1.0", "0.5", "0.0"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["p", "q"]


def test_the_colours_are_those_of_graphs():
    assert {"data", "grad", "local"} <= COLOURS.keys()
    assert COLOURS["grad"] in Value(1.0)._repr_mimebundle_()["image/svg+xml"]


# Films


def film(frames=3, alt="A dot that moves", **options):
    return animate(lambda axis, i: axis.plot([i], [i], "o", label="dot"), range(frames), alt=alt, **options)


def test_a_film_is_drawn_anew_for_each_frame_and_keeps_its_last_one():
    seen = []
    made = animate(lambda axes, i: seen.append((len(axes[0].lines), axes[1].plot([i]))), "abc"[:2], alt="x", columns=2)
    assert [count for count, _ in seen] == [0, 0]
    bundle = made._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == made.frames[-1]
    assert Image.open(io.BytesIO(made.frames[0])).size == made.size
    assert bundle["text/plain"] == "<animation of 2 frames: x>"


def test_a_film_needs_frames_and_stays_below_a_megabyte(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="animate expected at least two frames, got 1"):
        film(1)
    monkeypatch.setattr("autograd.course.animation.LARGEST", 5000)
    with pytest.raises(ValueError, match=r"at most 1 MB, and these 3 frames are 0\.\d MB; draw fewer frames"):
        film()


def test_words_of_a_film_are_escaped():
    made = film(alt='</script><script>alert(1)</script>"')
    assert "<script>alert" not in made.html
    assert made._repr_mimebundle_()["text/html"].count("<script") == 0


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_film_plays_by_mouse_and_keyboard_and_asks_for_nothing(open_page):
    page = open_page(film(4, seconds=0.3)).page
    assert page.get_attribute("img", "alt") == "A dot that moves"
    last = page.get_attribute("img", "src")
    page.focus("input")
    page.keyboard.press("Home")
    assert page.text_content("output") == "1 of 4"
    first = page.get_attribute("img", "src")
    assert first != last
    page.keyboard.press("ArrowRight")
    assert page.text_content("output") == "2 of 4"
    page.click("button")
    assert page.text_content("button") == "Pause"
    for _ in range(100):
        if page.text_content("button") == "Play":
            break
        page.wait_for_timeout(50)
    assert page.get_attribute("img", "src") == last
    page.click("button")  # from the end it begins anew
    page.click("button")
    assert page.text_content("button") == "Play"
    page.emulate_media(media="print")
    assert not page.is_visible("button")
    assert page.is_visible("img")


# Texts


def test_titles_and_links():
    assert title_of("text\n\n## The *`Value`* of $x$\n") == "The Value of x"
    assert title_of("```\n# code\n```\n\n# Title") == "Title"
    assert title_of("none") == ""
    links = {
        "02_b.ipynb#part": "02_b.html#part", "./02_b.ipynb": "02_b.html", "a%20b.ipynb": "a%20b.html", "#h": "#h",
        "../README.md": "", "other.ipynb": "", "https://x.org": "https://x.org", "mailto:a@b": "mailto:a@b",
    }  # fmt: skip
    assert {url: target(url, ["02_b", "a b"]) for url in links} == links


# The site


def write(folder, name, *cells):
    """A notebook; what begins with ##, or has no code in it, is text."""
    made = [new_markdown_cell(c[1:]) if c.startswith("##") else new_code_cell(c) for c in cells]
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=made), folder / f"{name}.ipynb")


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
    notebook = nbformat.read(tmp_path / "a.ipynb", as_version=4)
    for cell, tag in zip(notebook.cells[2:], ("answer", "check", "solution"), strict=True):
        cell.metadata.tags = [tag]
    nbformat.write(notebook, tmp_path / "a.ipynb")
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
    notebook = nbformat.read(tmp_path / "b.ipynb", as_version=4)
    notebook.cells[0]["attachments"] = {"a.png": {"image/png": base64.b64encode(PICTURE).decode()}}
    nbformat.write(notebook, tmp_path / "b.ipynb")
    write(tmp_path, "c", "'just code, without a title'")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    page, problems = browser.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("dialog", lambda dialog: (problems.append("a script ran"), dialog.dismiss()))
    page.goto(f"file://{tmp_path}/site/index.html")
    assert page.evaluate("[...document.querySelectorAll('a')].length") == 3
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
    notebook = nbformat.read(tmp_path / "d.ipynb", as_version=4)
    notebook.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    nbformat.write(notebook, tmp_path / "d.ipynb")
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
