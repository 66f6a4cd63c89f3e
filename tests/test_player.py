"""The player's JavaScript: formatted, linted, typed by its comments, and its own tests, all by deno."""

import re
import subprocess
from pathlib import Path

import pytest

deno = pytest.importorskip("deno", reason="deno is in the extra `test`")
ROOT = Path(__file__).parents[1]
SOURCES = [
    "tests/player.test.js",
    *(f"autograd/drawing/{name}.js" for name in ("elements", "recording", "quiz", "player")),
]


@pytest.mark.parametrize(
    "command",
    [
        ["fmt", "--check", *SOURCES, "autograd/drawing/player.css"],
        ["lint", *SOURCES],
        ["check", *SOURCES],
        ["test", "--no-check", SOURCES[0]],
    ],
    ids=lambda command: command[0],
)
def test_javascript(command, tmp_path):
    head, *rest = command
    result = subprocess.run(
        [deno.find_deno_bin(), head, "--config", "tests/deno.json", *rest],
        cwd=ROOT, capture_output=True, text=True, check=False, env={"DENO_DIR": str(tmp_path), "NO_COLOR": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    if head == "test":
        assert re.search(r"[1-9]\d* passed \| 0 failed", result.stdout)
