"""The shape of the house: which room may import which, how long a file may be, and what the front door shows."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import BUILTIN

import autograd
import nn

ROOT = Path(__file__).parents[1]

ROOMS = [
    "autograd.floats", "autograd.modes", "autograd.primitives", "autograd.ops", "autograd.functions", "autograd.graph",
    "autograd.sweeps", "autograd.copying", "autograd.value", "autograd.operators",
    "autograd.transforms",
    "autograd.checking",
    "autograd.texts", "autograd.snapshots", "autograd.formulas", "autograd.explaining", "autograd.files",
    "autograd.drawing.tables", "autograd.drawing.cards", "autograd.drawing.grouping", "autograd.drawing.layout",
    "autograd.drawing.engines", "autograd.drawing.svg", "autograd.drawing.mermaid", "autograd.drawing.digraph",
    "autograd.drawing.notebook", "autograd.drawing.recording", "autograd.drawing.stepper", "autograd.drawing",
    *[f"autograd.compiler.{room}" for room in (
        "tracing.unknown", "tracing.trace", "tracing.sights", "tracing.watch", "tracing",
        "ir.program", "ir.peephole", "ir.passes", "ir.interpret", "ir",
        "schedule.kernels", "schedule.rolling", "schedule.loops", "schedule",
        "codegen.arithmetic", "codegen.vectors", "codegen.builder", "codegen.calls", "codegen.batch", "codegen.single",
        "codegen.straightline", "codegen.c", "codegen",
        "runtime.batches", "runtime.memory", "runtime.machine", "runtime.plan", "runtime",
        "pipeline", "specialization",
        "training.step_functions", "training.memory", "training.order", "training.rules", "training.step_plan",
        "training.updates", "training.session",
        "training", "compiled",
    )],
    "autograd.compiler",
    "autograd.extend", "autograd",
    "nn.randomness", "nn.nested", "nn.module", "nn.activations", "nn.layers", "nn.normalization", "nn.recurrent",
    "nn.convolution", "nn.attention", "nn.losses", "nn.init", "nn.options", "nn.optim", "nn.schedulers",
    "nn.regularizers", "nn.data",
    "nn.metrics", "nn.history", "nn.interrupts", "nn.turns", "nn.checks", "nn.eager", "nn.native", "nn.train",
    "nn.monitor", "nn.saving", "nn",
    "autograd.expressions", "autograd.__main__",
]  # fmt: skip
"""In order: a room imports only rooms above it."""

ALLOWED = {
    "autograd.modes": set(),
    "autograd.primitives": {"autograd.floats"},
    "autograd.ops": {"autograd.floats", "autograd.modes", "autograd.primitives"},
    "autograd.functions": {"autograd.floats", "autograd.ops", "autograd.primitives"},
    "autograd.graph": {"autograd.primitives"},
    "autograd.snapshots": {"autograd.floats", "autograd.graph"},
    "autograd.drawing.tables": {"autograd.texts", "autograd.snapshots"},
    "autograd.drawing.cards": {"autograd.texts", "autograd.snapshots"},
    "autograd.drawing.grouping": {
        "autograd.texts",
        "autograd.formulas",
        "autograd.snapshots",
        "autograd.drawing.cards",
    },
    "autograd.texts": set(),
    "autograd.files": set(),
    "autograd.drawing.layout": set(),
    "autograd.drawing.engines": {"autograd.drawing.layout"},
    "autograd.drawing.mermaid": {"autograd.drawing.cards"},
    "autograd.drawing.recording": {
        "autograd.explaining",
        "autograd.texts",
        "autograd.snapshots",
        "autograd.formulas",
        "autograd.drawing.cards",
    },
}
"""Where less than everything above is allowed: the table of operations knows no Value, pictures know snapshots only."""

DOORS = ("autograd", "autograd.extend", "autograd.compiler")
"""What `nn` may import of the engine."""

SPINE = [room for room in ROOMS[:11] if room != "autograd.ops"]
LONGEST = {**{f"{room.replace('.', '/')}.py": 300 for room in SPINE}, "autograd/ops.py": 400}


def files():
    return [p for package in ("autograd", "nn") for p in sorted((ROOT / package).rglob("*.py"))]


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path):
    """The rooms that a file imports, wherever in it."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            found = [f"{module}.{a.name}" if f"{module}.{a.name}" in ROOMS else module for a in node.names]
        else:
            continue
        yield from (name for name in found if name.partition(".")[0] in ("autograd", "nn"))


def test_every_room_stands_in_the_list():
    assert sorted(map(name_of, files())) == sorted(ROOMS)


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_room_imports_only_rooms_above_it(path):
    room = name_of(path)
    above = ROOMS[: ROOMS.index(room)]
    for other in imports(path):
        assert other in above, f"{room} imports {other}"
        assert other in ALLOWED.get(room, above), f"{room} imports {other}"
        if room.startswith("nn"):
            assert other.startswith("nn") or other in DOORS, f"{room} imports {other}"


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_file_fits_one_sitting(path):
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST.get(str(path.relative_to(ROOT)), 400)


def lines_of_code(path):
    """The lines that hold code: no blank ones, comments or docstrings."""
    source = path.read_text()
    texts = [
        (node.lineno, node.end_lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    inside = {i for first, last in texts for i in range(first, last + 1)}
    lines = enumerate(source.splitlines(), start=1)
    return sum(bool(line.strip()) and line.strip()[0] != "#" and i not in inside for i, line in lines)


def test_nn_stays_thin():
    rooms = [path for path in (ROOT / "nn").glob("*.py") if path.name != "native.py"]  # the bridge to the compiler
    assert sum(map(lines_of_code, rooms)) < 2750


def test_the_top_level():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    if not any(tracked):
        pytest.skip("not a git checkout")
    top = {path.partition("/")[0] for path in tracked if path}
    assert {name for name in top if not name.startswith(".")} <= {
        "pyproject.toml", "README.md", "autograd", "nn", "tests", "notebooks", "LICENSE",
    }  # fmt: skip


@pytest.mark.parametrize("package", [autograd, nn])
def test_the_readme_s_table_lists_the_front_door(package):
    readme = (ROOT / "README.md").read_text()
    section = readme.split(f"<!-- names of {package.__name__} -->")[1].split("<!-- end -->")[0]
    listed = re.findall(
        r"`(\w+)`", "\n".join(line.rpartition("|")[0].rpartition("|")[2] for line in section.splitlines())
    )
    assert sorted(listed) == sorted(package.__all__)


@pytest.mark.parametrize("package", [autograd, nn])
def test_every_public_name_exists_and_has_a_docstring(package):
    assert len(set(package.__all__)) == len(package.__all__)
    for name in package.__all__:
        public = getattr(package, name)
        assert (public.__doc__ or "").strip(), name
        for attribute in vars(public) if isinstance(public, type) else ():
            if not attribute.startswith("_") and callable(getattr(public, attribute)):
                assert attribute in ("neg", "identity") or inspect.getdoc(getattr(public, attribute)), (
                    f"{name}.{attribute}"
                )


def test_no_room_has_the_name_of_a_public_function():
    for package in (autograd, nn):
        rooms = {room.rpartition(".")[2] for room in ROOMS if room.startswith(package.__name__)}
        assert not rooms - {"autograd", "nn"} & set(package.__all__)


def test_methods_made_from_the_table_are_declared_for_type_checkers():
    source = (ROOT / "autograd" / "value.py").read_text()
    block = source.split("if TYPE_CHECKING:")[1].split("def __init__")[0]
    declared = set(re.findall(r"\b(\w+)(?= =)", block))
    made = {p.name for p in BUILTIN if p.is_unary}
    assert made <= declared
    assert declared <= set(dir(autograd.Value))


def test_importing_autograd_loads_no_extra():
    code = "import sys, autograd, nn; print(*{'numpy', 'sklearn', 'matplotlib', 'jax', 'IPython'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
