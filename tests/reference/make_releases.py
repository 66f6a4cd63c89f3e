"""Stores what nbgrader releases of each assignment and of `releases/source/`, in an environment with nbgrader 0.9.6:

python make_releases.py
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = [
    *(HERE / "releases" / "source").glob("*.ipynb"),
    *(HERE.parents[1] / "notebooks" / "exercises").glob("*.ipynb"),
]

for source in SOURCES:
    with tempfile.TemporaryDirectory() as course:
        folder = Path(course) / "source" / source.stem
        folder.mkdir(parents=True)
        shutil.copy(source, folder)
        subprocess.run(["nbgrader", "generate_assignment", source.stem, f"--course={course}"], check=True, cwd=course)
        made = json.loads((Path(course) / "release" / source.stem / source.name).read_text())
    (HERE / "releases" / source.name).write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
