"""Types for those who use the packages, and what `help` tells."""

import json
import pydoc
import shutil
import subprocess
import sys
from pathlib import Path

from autograd import Value

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "tests" / "typed_user.py"


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_mypy_and_pyright_have_nothing_to_say_about_a_user_s_program(tmp_path):
    shutil.copy(PROGRAM, tmp_path)
    found = run(sys.executable, "-m", "mypy", "--strict", PROGRAM.name, cwd=tmp_path)
    assert found.returncode == 0, found.stdout
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)], "include": [PROGRAM.name]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    found = run(sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, cwd=tmp_path)
    assert found.returncode == 0, found.stdout


def test_the_program_runs():
    found = run(sys.executable, PROGRAM, cwd=ROOT)
    assert found.returncode == 0, found.stderr


def test_help_tells_each_operator():
    text = pydoc.render_doc(Value, renderer=pydoc.plaintext)
    for sign in ("+", "-", "*", "/", "**", "%", "//"):
        assert f"self {sign} other" in text
        assert f"other {sign} self" in text
    for sign in ("<", "<=", ">", ">="):
        assert f"self {sign} other" in text
    for name in ("__neg__", "__abs__", "__divmod__", "__round__", "__eq__"):
        assert getattr(Value, name).__doc__
        assert getattr(Value, name).__name__ in (name, name.strip("_"))
