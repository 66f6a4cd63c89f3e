"""The linter, the formatter and the strict type checker, so that one command checks everything."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("package", "command"), [("ruff", ["check", "."]), ("ruff", ["format", "--check", "."]), ("mypy", [])], ids=str
)
def test_style(package, command):
    pytest.importorskip(package)
    result = subprocess.run(
        [sys.executable, "-m", package, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
