"""The core's tests under Python 3.13, in an environment of its own, where that Python is found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERSION = "3.13"
CORE = ["canon", *(f"test_{name}.py" for name in (
    "floats", "ops", "functions", "primitives", "graph", "sweeps", "copying", "value", "modes", "transforms", "peers",
    "nn_module", "nn_layers", "nn_losses", "nn_optim",
    "formulas", "explaining", "expressions", "files", "drawing", "drawing_digraph",
    "drawing_grouping", "drawing_layout", "drawing_recording",
))]  # fmt: skip


def find_python():
    """A Python of that version that starts; a shim on the path may not."""
    candidates = [shutil.which(f"python{VERSION}")]
    candidates += sorted(map(str, (Path.home() / ".pyenv" / "versions").glob(f"{VERSION}*/bin/python")))
    for python in filter(None, candidates):
        try:
            if subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
                return python
        except OSError:
            continue
    return None


@pytest.mark.skipif(sys.version_info[:2] == (3, 13), reason="this is Python 3.13 already")
def test_the_core_under_another_python(tmp_path):
    python = find_python()
    if python is None:
        pytest.skip(f"no Python {VERSION} on this machine")
    subprocess.run([python, "-m", "venv", tmp_path], check=True)
    inside = tmp_path / "bin" / "python"
    subprocess.run([inside, "-m", "pip", "install", "-q", f"{ROOT}[core-test]"], check=True, capture_output=True)
    tests = [str(ROOT / "tests" / name) for name in CORE]
    result = subprocess.run(
        [inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
