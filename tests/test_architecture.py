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
    "autograd.trees", "autograd.transforms",
    "autograd.checking",
    "autograd.texts", "autograd.snapshots", "autograd.formulas", "autograd.foreign", "autograd.explaining",
    "autograd.files",
    *[f"autograd.drawing.{room}" for room in (
        "tables", "looks", "cards", "modules", "grouping", "layout", "svg", "engines", "rendering", "assets",
        "viewer", "mermaid", "digraph", "notebook", "recording", "stepper",
    )],
    "autograd.drawing",
    *[f"autograd.compiler.{room}" for room in (
        "identity", "tracing.calls", "tracing.guards", "tracing.flow", "tracing.unknown", "tracing.trace",
        "tracing.sights", "tracing.watch", "tracing.parts", "tracing",
        "ir.program", "ir.assembling", "ir.peephole", "ir.passes", "ir.interpret", "ir",
        "schedule.loops", "schedule.kernels", "schedule.stamping", "schedule.rolling", "schedule.composing", "schedule",
        "codegen.arithmetic", "codegen.vectors", "codegen.builder", "codegen.calls", "codegen.batch", "codegen.single",
        "codegen.straightline", "codegen.c", "codegen",
        "runtime.tables", "runtime.batches", "runtime.memory", "runtime.machine", "runtime.plan", "runtime",
        "pipeline", "specialization",
        "training.step_functions", "training.numbers", "training.order", "training.rules", "training.step_plan",
        "training.updates", "training.session",
        "training", "compiled",
    )],
    "autograd.compiler",
    "autograd.extend", "autograd",
    "nn.randomness", "nn.nested", "nn.module", "nn.activations", "nn.layers", "nn.normalization", "nn.recurrent",
    "nn.convolution", "nn.attention", "nn.losses", "nn.init", "nn.options", "nn.optimizer", "nn.optim", "nn.schedulers",
    "nn.regularizers", "nn.data",
    "nn.metrics", "nn.showing", "nn.progress", "nn.history",
    "nn.interrupts", "nn.turns", "nn.checks", "nn.eager", "nn.native", "nn.train",
    "nn.monitor", "nn.saving", "nn",
    *[f"autograd.exercises.{room}" for room in (
        "places", "attempts", "engine", "orders", "operations", "battery", "changes", "about_flow", "about_derivatives",
        "about_python", "misconceptions", "diagnosis", "report", "findings", "engines", "simple", "optimizers",
        "losses", "modules", "derivatives", "answers", "numerical", "comparison", "release",
        "messages", "confinement", "serving", "standins", "assignments", "grading", "class_page", "gradebook",
    )],
    "autograd.exercises",
    *[f"autograd.course.{room}" for room in ("extras", "pictures", "animation", "pages", "site")],
    "autograd.course",
    "autograd.expressions", "autograd.__main__",
]  # fmt: skip
"""In order: a room imports only rooms above it."""

ALLOWED = {
    "autograd.modes": set(),
    "autograd.primitives": {"autograd.floats"},
    "autograd.ops": {"autograd.floats", "autograd.modes", "autograd.primitives"},
    "autograd.functions": {"autograd.floats", "autograd.ops", "autograd.primitives"},
    "autograd.graph": {"autograd.primitives"},
    "autograd.snapshots": {"autograd.floats", "autograd.modes", "autograd.graph"},
    "autograd.drawing.tables": {"autograd.texts", "autograd.snapshots"},
    "autograd.drawing.cards": {"autograd.texts", "autograd.snapshots", "autograd.foreign"},
    "autograd.drawing.grouping": {
        "autograd.texts",
        "autograd.formulas",
        "autograd.snapshots",
        "autograd.foreign",
        "autograd.drawing.cards",
        "autograd.drawing.modules",
    },
    "autograd.drawing.modules": {"autograd.snapshots"},
    "autograd.texts": set(),
    "autograd.files": set(),
    "autograd.drawing.layout": set(),
    "autograd.drawing.looks": set(),
    "autograd.drawing.engines": set(),
    "autograd.drawing.rendering": {"autograd.drawing.engines", "autograd.drawing.svg"},
    "autograd.drawing.mermaid": {"autograd.drawing.cards", "autograd.drawing.looks"},
    "autograd.drawing.recording": {
        "autograd.explaining",
        "autograd.texts",
        "autograd.snapshots",
        "autograd.formulas",
        "autograd.drawing.cards",
    },
}
"""Where less than everything above is allowed: the table of operations knows no Value, pictures know snapshots only."""

PACKAGES = ("autograd", "nn")
DOORS = ("autograd", "autograd.extend", "autograd.compiler")
"""What `nn` may import of the engine."""

SPINE = ROOMS[:13]
LONGEST = {f"{room.replace('.', '/')}.py": 300 for room in SPINE}


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


BUDGETS = {"autograd, the spine": 1850, "nn": 3600, "autograd.compiler": 5600}
"""The most lines of code."""


@pytest.mark.parametrize("part", BUDGETS)
def test_a_part_stays_within_its_budget(part, capsys):
    paths = [path for path in files() if name_of(path) in SPINE] if "spine" in part else None
    paths = paths or sorted((ROOT / part.replace(".", "/")).rglob("*.py"))
    lines = sum(map(lines_of_code, paths))
    with capsys.disabled():
        print(f" [{part}: {lines} of {BUDGETS[part]} lines of code] ", end="")
    assert BUDGETS[part] - 250 < lines <= BUDGETS[part]


def test_the_pages_agree_on_rooms_and_budgets():
    contributing = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    for part, budget in BUDGETS.items():
        assert re.search(rf"{part.rpartition(', ')[2]}.*\| {budget:,}\b", contributing)
    spine = [room.partition(".")[2] for room in SPINE]
    for page in (contributing, (ROOT / "README.md").read_text()):
        listed = ", ".join(f"`{room}`" for room in spine)
        assert listed in re.sub(r"\s+", " ", page)
    stages = (ROOT / "autograd" / "compiler" / "README.md").read_text()
    for room in ROOMS:
        if room.startswith("autograd.compiler."):
            assert f"{room.rpartition('.')[2]}.py`" in stages or f"`{room.rpartition('.')[2]}/`" in stages, room


FOR_TRACES = re.compile(
    r"\b(unknown|Unknown|check_known|answers|symbolic|traced?|compil\w+)\b|(cannot|can) be read|known only when"
)


def test_the_spine_speaks_of_derivatives():
    """At most 70 of its lines are there because a trace must not read numbers."""
    count = 0
    for path in files():
        if name_of(path) not in SPINE:
            continue
        lines = path.read_text().splitlines()
        inside = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in ("Unknown", "unknown", "check_known"):
                inside |= {*range(node.lineno, node.end_lineno + 1)}
        count += sum(i in inside or bool(FOR_TRACES.search(line)) for i, line in enumerate(lines, 1) if line.strip())
        assert not (path.name == "ops.py" and FOR_TRACES.search("".join(lines[20:60])))
    assert count <= 70


def depth(node, level=0):
    """How deep loops, branches and blocks are nested; an elif is no deeper than its if."""
    deepest = level
    for field, found in ast.iter_fields(node):
        for child in found if isinstance(found, list) else [found]:
            if isinstance(child, ast.AST):
                nests = isinstance(child, ast.For | ast.While | ast.If | ast.With | ast.Try)
                elif_ = isinstance(node, ast.If) and field == "orelse" and isinstance(child, ast.If) and len(found) == 1
                deepest = max(deepest, depth(child, level + (nests and not elif_)))
    return deepest


def test_sweeps_are_not_nested_deeply():
    tree = ast.parse((ROOT / "autograd" / "sweeps.py").read_text())
    assert max(depth(node) for node in tree.body if isinstance(node, ast.FunctionDef)) <= 4


def test_a_late_import_has_its_reason_beside_it():
    for path in files():
        text = path.read_text()
        assert "import_module" not in text, path
        lines = text.splitlines()
        for function in ast.walk(ast.parse(text)):
            for node in ast.walk(function) if isinstance(function, ast.FunctionDef) else ():
                if isinstance(node, ast.Import):
                    own = any(alias.name.partition(".")[0] in PACKAGES for alias in node.names)
                else:
                    own = isinstance(node, ast.ImportFrom) and (node.level or node.module.partition(".")[0] in PACKAGES)
                if own:
                    reason = lines[node.lineno - 1].rpartition("#")[2].split()
                    assert len(reason) >= 3, f"{path}:{node.lineno}"


# Words


def documented(node, owner=None):
    """Public functions and methods with their docstring; constructors and calls have that of the class too, and a
    setter has its property's."""
    known = {}
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from documented(child, child)
        elif isinstance(child, ast.FunctionDef) and (child.name[0] != "_" or child.name in ("__init__", "__call__")):
            text = ast.get_docstring(child) or known.get(child.name, "")
            known[child.name] = text
            if owner and child.name[0] == "_":
                text += ast.get_docstring(owner) or ""
            yield child, text


def raised(function):
    """The names of errors that a function itself raises."""
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(error, ast.Name) and error.id[0].isupper() and error.id != "NotImplementedError":
                yield error.id


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_public_function_that_raises_says_so(path):
    for function, text in documented(ast.parse(path.read_text())):
        for error in raised(function):
            assert error in text, f"{path}:{function.lineno}: {function.name} raises {error}, and does not say so"


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_docstring_begins_with_a_noun(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            clause = re.match(
                r"(What(ever)?|Which|Who(se)?|Where|When|How|Why|So|(By|In|Of|On) which)\b", node.value.value
            )
            assert not clause, f"{path}:{node.lineno}: {node.value.value[:60]}"


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
    readme = (ROOT / package.__name__ / "README.md").read_text()
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
