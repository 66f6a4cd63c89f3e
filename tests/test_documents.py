"""Every line that a reader is shown runs: the README's Python, the tour. The notebooks run in their own tests."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = README + (ROOT / "nn/README.md").read_text()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.strip().splitlines()[0][:40])
def test_readme_blocks_run_and_print_what_they_say(code, capsys, tmp_path, monkeypatch):
    """A line `# -> text` stands behind a print and says what that prints."""
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    expected = re.findall(r"# -> (.*)", code)
    assert capsys.readouterr().out.splitlines() == expected


def test_the_compiler_s_readme_shows_what_its_blocks_print(capsys, tmp_path, monkeypatch):
    pytest.importorskip("llvmlite")
    monkeypatch.chdir(tmp_path)
    text, names = (ROOT / "autograd/compiler/README.md").read_text(), {"__name__": "readme"}
    found = re.findall(r"^```python\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", text, re.DOTALL | re.MULTILINE)
    assert len(found) == text.count("```python")
    for code, shown in found:
        exec(compile(code, "README.md", "exec"), names)
        assert capsys.readouterr().out == shown
    assert texts(tmp_path / "program.svg") == texts(ROOT / ".github/program.svg")


def texts(path):
    """What is written in a picture; where it stands depends on the engine."""
    return re.findall(r"<text[^>]*>(.*?)</text>", path.read_text())


def test_the_readme_has_two_set_up_lines():
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")]
    assert len(lines) == 2
    assert "-m autograd" in lines[0]
    assert "-m pytest" in lines[1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_committed_without_output(path):
    result = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", str(path)], check=False, capture_output=True
    )
    assert result.returncode == 0, result.stdout


def test_the_tour_runs_and_writes_its_pictures(tmp_path):
    command = [sys.executable, "-m", "autograd", "--epochs", "2", "--hidden", "16", "--output", str(tmp_path / "out")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"product +a \* b +-6 ", result.stdout)
    assert re.search(r"∂/∂product 1, ∂/∂c 1", result.stdout)
    accuracy = float(re.search(r"Test accuracy: ([\d.]+)%", result.stdout).group(1))
    assert accuracy > 70
    assert "epoch 2/2" in result.stderr
    for name in ("graph", "neuron", "mlp"):
        assert (tmp_path / "out" / f"{name}.svg").read_text().rstrip().endswith("</svg>")
    assert "2 → 16" in (tmp_path / "out" / "mlp.svg").read_text()
    assert (tmp_path / "out" / "steps.html").read_text().rstrip().endswith("</html>")
    assert (tmp_path / "out" / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert made == {"graph.svg", "steps.html", "neuron.svg", "mlp.svg", "learning_curves.png"}


def test_the_readme_s_pictures_are_what_its_commands_make(tmp_path, monkeypatch):
    (command,) = re.findall(r"^\.venv/bin/python -m autograd step (.*)$", README, re.MULTILINE)
    command = [sys.executable, "-m", "autograd", "step", *shlex.split(command)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "steps.svg").read_text() == (ROOT / ".github/steps.svg").read_text()
    assert "d = a · b" in (tmp_path / "steps.svg").read_text()
    monkeypatch.chdir(tmp_path)
    (code,) = [code for code in blocks("python") if "mlp.svg" in code]
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert (tmp_path / "mlp.svg").read_text() == (ROOT / ".github/mlp.svg").read_text()
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert sorted(pictures) == [".github/mlp.svg", ".github/monitor.png", ".github/steps.svg"]


def test_the_readme_is_short():
    assert len(README.splitlines()) < 300


@pytest.mark.parametrize(
    "folder", [".", "autograd", "autograd/compiler", "autograd/exercises", "nn", "notebooks", "tests/benchmarks"]
)
def test_links_lead_somewhere(folder):
    page = ROOT / folder / "README.md"
    for path, _, section in re.findall(r"\]\(([\w./-]*)(#([\w-]+))?\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if section else []
        assert not section or section in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings], (
            section
        )


def test_the_tour_reaches_95_percent_on_real_digits(tmp_path):
    command = [sys.executable, "-m", "autograd", "--output", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(re.search(r"Test accuracy: ([\d.]+)%", result.stdout).group(1)) >= 95.0


def test_the_tour_explains_its_options():
    result = subprocess.run(
        [sys.executable, "-m", "autograd", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in ("--output", "--epochs", "--hidden", "--batch-size", "--lr", "--seed"):
        assert option in result.stdout
    result = subprocess.run(
        [sys.executable, "-m", "autograd", "--epochs", "0"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "--epochs is at least 1" in result.stderr


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--lr", "nan"], "--lr is a number >= 0"),
        (["--lr", "1e308", "--epochs", "1"], "the loss became nan; look for nan in the data, lower the learning rate"),
        (["--output", "README.md"], "cannot write to README.md (File exists); choose another folder with --output"),
    ],
)
def test_the_tour_tells_in_one_line_what_went_wrong(options, text, tmp_path):
    command = [sys.executable, "-m", "autograd", "--output", str(tmp_path), *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert text in result.stderr
    assert "Traceback" not in result.stderr
