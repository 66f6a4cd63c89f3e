"""The packages' names: versions, what completion shows, and other packages and files of the same name."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import autograd

ROOT = Path(__file__).parents[1]


def python(*arguments, cwd, path=None):
    environment = {**os.environ, "PYTHONPATH": str(path or ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_version_and_what_completion_shows():
    assert autograd.__version__ == version("scalar-autograd")
    assert {*dir(autograd)} == {*autograd.__all__, "__version__", "compile"}


def other_autograd(folder):
    (folder / "numpy").mkdir(parents=True)
    (folder / "numpy" / "numpy_wrapper.py").write_text("")


def test_another_autograd_in_the_same_folder_is_told(tmp_path):
    for package in ("autograd", "nn"):
        shutil.copytree(ROOT / package, tmp_path / package)
    other_autograd(tmp_path / "autograd")
    result = python("-c", "import autograd; print(autograd.Value(2.0).data)", cwd=tmp_path, path=tmp_path)
    assert result.stdout == "2.0\n"
    assert "also holds the files of HIPS's autograd, which has the same name" in result.stderr
    (tmp_path / "autograd" / "__init__.py").write_text("def grad(f): ...\n")  # its own, installed last
    result = python("-c", "import nn", cwd=tmp_path, path=tmp_path)
    assert "nn needs the autograd of scalar-autograd, and found another package of that name" in result.stderr


def test_a_student_s_nn_py_does_not_hide_the_steps(tmp_path):
    (tmp_path / "nn.py").write_text("raise SystemExit('this is mine')\n")
    result = python("-m", "autograd", "step", "a*b", "a=2", "b=3", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "6" in result.stdout
    result = python("-m", "autograd", cwd=tmp_path)
    assert result.returncode == 1
    assert "nn.py hides the package nn; start the tour in another folder" in result.stderr
