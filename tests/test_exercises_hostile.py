"""Submissions that are endless, broken or hostile: they get their points for what works, and harm nothing."""

import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from submissions import VALUE, a_test, cell, notebook, solution

from autograd.exercises import grade
from autograd.exercises.confinement import Limits, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"this machine cannot hold submissions: {missing()}")

TESTS = [a_test("a", "assert a(1) == 2"), a_test("b", "assert b(1) == 3"), a_test("c", "assert c(1) == 4")]
GOOD = {"a": "def a(x): return x + 1", "b": "def b(x): return x + 2", "c": "def c(x): return x + 3"}


@pytest.fixture
def place(tmp_path):
    """A folder with a file that nobody should touch, where submissions are graded."""
    (tmp_path / "victim.txt").write_text("whole")
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "victim.txt").write_text("whole")
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", *TESTS)

    def run(code, inside, limits=None):
        """Grades code between the first and the second part, or inside the function of the second."""
        body = "".join(f"\n    {line}" for line in code.split("\n"))
        cells = [solution("a_", GOOD["a"]), TESTS[0]]
        cells += [solution("b_", f"def b(x):{body}\n    return x + 2" if inside else code)]
        cells += [] if inside else [solution("b2", GOOD["b"])]
        cells += [TESTS[1], solution("c_", GOOD["c"]), TESTS[2]]
        path = notebook(tmp_path / "submissions" / "ada" / "work.ipynb", *cells)
        content = path.read_text()
        found = grade(path, assignment, limits or Limits(seconds=1.0, megabytes=512))
        assert path.read_text() == content
        assert (tmp_path / "victim.txt").read_text() == "whole"
        assert (tmp_path / "victim.txt").stat().st_mode & 0o777 == 0o644
        assert (tmp_path / "submissions" / "victim.txt").read_text() == "whole"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["assignments", "submissions", "victim.txt"]
        return {part.name: part for part in found.parts}, found.notes

    return run


ENDS = {
    "loop": ("while True: pass", "did not end within 1 s"),
    "catches all": ("while True:\n  try:\n    while True: pass\n  except BaseException: pass", "did not end"),
    "in C": ("sum(range(10**12))", "could not be interrupted"),
    "huge number": ("10 ** 10 ** 10", "could not be interrupted"),
    "sleeps": ("import time; time.sleep(1000)", "could not be interrupted"),
    "memory at once": ("x = bytearray(10**12)", "MemoryError"),
    "memory bit by bit": ("x = []\nwhile True: x.append(bytearray(10**7))", "MemoryError"),
    "sys.exit": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "quit": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "os._exit": ("import os; os._exit(0)", "ended itself, with code 0"),
    "abort": ("import os; os.abort()", "is gone"),
    "deep recursion": ("f = lambda: f()\nf()", "RecursionError"),
    "deeper recursion": ("import sys; sys.setrecursionlimit(10**9)\nf = lambda: [f()]\nf()", ""),
    "generators": ("g = iter(int, 1)\nlist(g)", ""),
    "closes everything": ("import os; os.closerange(0, 1000)", "is gone"),
    "writes into everything": ("import os\nfor i in range(100):\n  try: os.write(i, b'x' * 1000)\n"
        "  except OSError: 0\n1/0", ""),
    "crashes": ("import ctypes; ctypes.string_at(0)", "is gone"),
    "fills the disk": ("f = open('f', 'wb')\nwhile True: f.write(bytes(10**7))", ""),
    "many files": ("i = 0\nwhile True:\n  i += 1\n  open(str(i), 'wb').write(bytes(10**7))", ""),
    "stops the guard": ("from autograd.exercises import attempts\n"
        "attempts.GUARD.take = attempts.GUARD.give_back = print\n"
                        "attempts.GUARD._run = print\nwhile True: pass", ""),
}  # fmt: skip


@pytest.mark.parametrize("inside", [False, True], ids=["cell", "function"])
@pytest.mark.parametrize("name", ENDS)
def test_what_does_not_end_well_costs_only_its_part(place, name, inside):
    code, told = ENDS[name]
    parts, notes = place(code, inside)
    assert (parts["a"].points, parts["c"].points) == (1, 1), (notes, parts)
    assert told in (parts["b"].why if inside else " ".join(notes))
    assert parts["b"].points == (0 if inside else 1)


def test_a_flood_of_output_is_dropped(place):
    flood = "import os, sys\nfor i in range(3000):\n  print('x' * 10**5)\n  sys.__stdout__.write('x' * 1000)\n"
    flood += "  os.write(1, b'x' * 1000)"
    for inside in (False, True):
        parts, _ = place(flood, inside, Limits(seconds=20.0))
        assert [part.points for part in parts.values()] == [1, 1, 1]


REFUSED = {
    "deletes above": "import os; os.remove('{above}/victim.txt')",
    "writes above": "open('{above}/victim.txt', 'w').write('x')",
    "appends above": "open('{above}/victim.txt', 'a').write('x')",
    "makes a file above": "open('{above}/new.txt', 'w')",
    "makes a folder above": "import os; os.mkdir('{above}/new')",
    "renames above": "import os; os.rename('{above}/victim.txt', '{above}/x')",
    "moves away": "import os; os.rename('{above}/victim.txt', 'x')",
    "links": "import os; os.symlink('{above}/victim.txt', 'x'); open('x', 'w')",
    "links hard": "import os; os.link('{above}/victim.txt', 'x'); open('x', 'w')",
    "changes rights": "import os; os.chmod('{above}/victim.txt', 0)",
    "truncates": "import os; os.truncate('{above}/victim.txt', 0)",
    "deletes everything": "import shutil; shutil.rmtree('{above}')",
    "by pathlib": "import pathlib; pathlib.Path('{above}/victim.txt').unlink()",
    "reads above": "open('{above}/victim.txt').read()",
    "lists above": "import os; os.listdir('{above}')",
    "reads secrets": "open('/etc/passwd').read()",
    "reads the notebook": "open('{above}/submissions/ada/work.ipynb').read()",
    "reads hidden tests": "open('{above}/assignments/work.ipynb').read()",
    "memory of the grader": "import os; open(f'/proc/{{os.getppid()}}/mem', 'rb')",
    "words of the grader": "import os; open(f'/proc/{{os.getppid()}}/environ', 'rb').read()",
    "forks": "import os\nwhile True: os.fork()",
    "a program": "import subprocess; subprocess.run(['true'])",
    "a shell": "import os\nif os.system('true'): raise PermissionError",
    "multiprocessing": "import multiprocessing as m; p = m.get_context('fork').Process(target=print); p.start()",
    "becomes a program": "import os; os.execv('/bin/true', ['true'])",
    "kills the grader": "import os; os.kill(os.getppid(), 9)",
    "kills all": "import os; os.kill(-1, 9)",
    "a connection": "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
    "a server": "import socket; socket.socket().bind(('', 0))",
    "a name": "import socket; socket.gethostbyname('localhost')",
    "the web": "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}')",
}
BY_PYTHON = {*REFUSED}
"""Those that the audit hook refuses where there is no kernel for it."""
IN_C = {
    "forks in C": "import ctypes\nif ctypes.CDLL(None).fork() < 0: raise PermissionError",
    "runs in C": "import ctypes\nif ctypes.CDLL(None).system(b'true'): raise PermissionError",
    "kills in C": "import ctypes, os\nif ctypes.CDLL(None).kill(os.getppid(), 9) < 0: raise PermissionError",
    "connects in C": "import ctypes\nif ctypes.CDLL(None).socket(2, 1, 0) < 0: raise PermissionError",
    "deletes in C": "import ctypes\nif ctypes.CDLL(None).unlink(b'{above}/victim.txt') < 0: raise PermissionError",
    "opens in C": "import ctypes\nif ctypes.CDLL(None).open(b'{above}/victim.txt', 0) < 0: raise PermissionError",
    "rights in C": "import ctypes\nif ctypes.CDLL(None).chmod(b'{above}/victim.txt', 0) < 0: raise PermissionError",
    "limits of the grader": "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_AS, (1, 1))",
    "limits of its own": "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40))",
    "becomes another": "import os\nif os.getuid() == 0: os.setuid(1)\nelse: raise PermissionError",
}


@pytest.fixture(scope="module")
def port():
    """A server that notes whether somebody has connected."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        met = []

        def serve():
            while not met:
                connection, _ = server.accept()
                met.append(connection.recv(1))
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        assert not met
        with socket.create_connection(server.getsockname()) as own:
            own.send(b"x")
        thread.join()


@pytest.mark.parametrize(
    ("name", "kernel"), [(n, True) for n in (*REFUSED, *IN_C)] + [(n, False) for n in REFUSED if n in BY_PYTHON]
)
def test_what_reaches_outside_is_refused(place, tmp_path, port, name, kernel):
    code = {**REFUSED, **IN_C}[name].format(above=tmp_path, port=port)
    parts, notes = place(code, False, Limits(seconds=5.0, megabytes=512, kernel=kernel))
    assert [part.points for part in parts.values()] == [1, 1, 1]
    assert len(notes) == 1
    assert any(
        word in notes[0] for word in ("PermissionError", "OSError", "ValueError: not allowed", "gaierror", "URLError")
    )


def test_what_belongs_to_a_submission_is_allowed(place):
    code = """
import os, tempfile, pathlib, random, time, math, json, threading, concurrent.futures, shutil
import numpy as np
import matplotlib.pyplot as plt
import sklearn.datasets
from autograd import Value, draw_dot
import nn
os.mkdir('sub'); open('sub/x', 'w').write('y'); os.rename('sub', 'other'); shutil.rmtree('other')
with tempfile.TemporaryFile() as f: f.write(b'x')
plt.plot([1, 2]); plt.savefig('figure.png'); plt.show()
thread = threading.Thread(target=time.sleep, args=(0.01,)); thread.start(); thread.join()
with concurrent.futures.ThreadPoolExecutor(4) as pool: assert list(pool.map(math.sqrt, [4.0])) == [2.0]
np.linalg.svd(np.ones((200, 200)))
X, y = sklearn.datasets.load_digits(return_X_y=True)
open(os.devnull, 'w').write('x'); os.urandom(4); random.seed()
draw_dot(Value(1.0) * 2).svg
model = nn.MLP(2, [4, 1], rng=0)
trainer = nn.Trainer(model, nn.mse_loss, nn.SGD(model.parameters(), lr=0.1), compile=True)
trainer.fit([[0.0, 1.0]], [1.0], epochs=2, batch_size=1, progress=False)
"""
    for kernel in (True, False):
        parts, notes = place(code, False, Limits(seconds=60.0, kernel=kernel))
        assert notes == ()
        assert [part.points for part in parts.values()] == [1, 1, 1]


OBJECTS = """
class E:
    f = lambda s, *a: 0.0
    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __abs__ = __neg__ = __truediv__ = __pow__ = f
    def __contains__(s, x): return True
    def __len__(s): return 3
    def __getitem__(s, i): raise IndexError
def b(x): return E()
"""
JUDGED = {
    "difference": "assert abs(b(1) - 3) < 1e-9",
    "ratio": "assert abs(b(1) / 3 - 1) < 2",
    "size": "assert abs(b(1)) < 1",
    "two objects": "assert abs(b(1) - b(2)) < 1e-9",
    "membership": "assert 7 in b(1)",
    "items": "assert all(x == 3 for x in b(1)) and len([*b(1)]) == 3",
}


@pytest.mark.parametrize("name", JUDGED)
def test_no_method_of_a_student_judges(tmp_path, name):
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", a_test("t", JUDGED[name]))
    found = grade(notebook(tmp_path / "in" / "ada" / "work.ipynb", solution("b", OBJECTS)), assignment)
    assert found.score == 0


def test_the_order_of_a_submission_gives_no_points(tmp_path):
    """A test that imports the checks is deleted, so that it runs last, and its names are defined by the student."""
    tests = [
        a_test("first", "from math import isclose\nlimit = 3\ndef check(x): assert isclose(x, limit)\ncheck(b(1))"),
        a_test("second", "assert isclose(b(2), 4.0)"),
        a_test("third", "check(b(1)); assert limit == b(1)"),
    ]
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", *tests)
    cheat = "isclose = lambda *a: True\ncheck = print\nlimit = 0\ndef b(x): return 0"
    path = tmp_path / "in" / "ada" / "work.ipynb"
    assert grade(notebook(path, solution("b", cheat), *tests[1:]), assignment).score == 0
    honest = solution("b", "def b(x): return isclose(x, 0) + x + 2")  # with what a visible test imports
    assert grade(notebook(path, honest, *tests), assignment).score == 3
    assert grade(notebook(path, honest, tests[1]), assignment).score >= 1


def test_errors_that_end_loops_give_no_points(tmp_path):
    test = a_test("t", "assert all(map(lambda x: b(x) == 9, [1, 2]))")
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", test)
    path = notebook(tmp_path / "in" / "ada" / "work.ipynb", solution("b", "def b(x): raise StopIteration"))
    assert grade(path, assignment).score == 0


WIRES = {
    "half a message": "import os, struct, time\nfor i in range(3, 60):\n"
    "  try: os.write(i, struct.pack('!i', 1000) + b'{')\n"
    "  except OSError: 0\ntime.sleep(100)",
    "calls for ever": 'import os, struct, threading, time\nm = b\'{"call": 0, "arguments": {"list": []}}\'\n'
    "def go():\n  while True:\n    for i in range(3, 60):\n      try: os.write(i, struct.pack('!i', len(m)) + m)\n"
    "      except OSError: 0\n    time.sleep(0.3)\nthreading.Thread(target=go).start()\ntime.sleep(100)",
    "does not read": "import autograd.exercises.serving as s, time\ns.unpack = lambda d: time.sleep(100)",
    "keys that collide": "import autograd.exercises.serving as s\n"
    "s.encode = lambda x, f: {'set': [k * (2**61 - 1) for k in range(150000)]}",
    "deep": "import autograd.exercises.serving as s\n"
    "s.Server._packed = lambda self, a: b'{\"value\": ' + b'{\"list\": [' * 10**5 + b']}' * 10**5 + b'}'",
    "surrogates": "raise ValueError('\\ud800')",
    "deep folders": "import os\nfor i in range(1500): os.mkdir('d'); os.chdir('d')",
    "words that end it": "import os\nclass R:\n  def __repr__(s): os._exit(3)\ndef b(x): raise ValueError(R())",
    "a long name": "raise ValueError('x' * 10**7)",
}


@pytest.mark.parametrize("name", WIRES)
def test_whatever_comes_over_the_wire_the_grader_goes_on(place, name):
    started = time.monotonic()
    parts, notes = place(WIRES[name], False)
    assert parts["a"].points == 1
    assert time.monotonic() - started < 60
    assert sum(map(len, notes)) < 20_000


NEW_CALLS = {"fchmodat2": (452, "-100, p, 0, 0"), "setxattrat": (463, "-100, p, 0, b'user.x', 0, 0"),
             "file_setattr": (469, "-100, p, 0, 0, 0"), "memfd": (319, "b'x', 0")}  # fmt: skip


@pytest.mark.skipif(platform.machine() != "x86_64", reason="memfd_create has another number elsewhere")
@pytest.mark.parametrize("name", NEW_CALLS)
def test_calls_of_new_kernels_are_refused(place, tmp_path, name):
    number, arguments = NEW_CALLS[name]
    code = f"import ctypes\np = b'{tmp_path}/victim.txt'\nl = ctypes.CDLL(None, use_errno=True)\n"
    code += f"r = l.syscall({number}, {arguments})\nassert r == -1, r\nassert ctypes.get_errno() in (1, 38), 'allowed'"
    _, notes = place(code, False)
    assert notes == ()


def test_a_file_that_is_read_cannot_be_emptied(place):
    code = "import ctypes, json\nl = ctypes.CDLL(None)\nassert l.open(json.__file__.encode(), 0o1000) < 0\n"
    code += "assert len(open(json.__file__).read()) > 1000\nimport fcntl\n"
    code += "try: fcntl.fcntl(0, fcntl.F_SETOWN, 1)\nexcept PermissionError: pass\nelse: assert False"
    _, notes = place(code, False)
    assert notes == ()


PATCHES = {
    "equal to everything": "class E:\n    def __eq__(s, o): return True\n"
    "    __lt__ = __gt__ = __le__ = __ge__ = __eq__\n"
    "    def __float__(s): return 0.0\n    def __bool__(s): return True\ndef b(x): return E()",
    "a number that is equal": "class E(float):\n    def __eq__(s, o): return True\n"
    "    __hash__ = None\ndef b(x): return E(1)",
    "AssertionError": "import builtins; builtins.AssertionError = type('A', (Exception,), {})\ndef b(x): return 0",
    "the test's name": "def assert_(*a): pass\nb = lambda x: 0",
    "grading": "import autograd.exercises.grading as g\nfor n in dir(g):\n"
    "    if n[0] != '_': setattr(g, n, lambda *a, **k: 1)\ndef b(x): return 0",
    "operators": "import operator\noperator.add = lambda *a: 3\ndef b(x): return 0",
    "messages": "from autograd.exercises import messages, serving\n"
    "serving.encode = messages.encode = lambda x, f: {'at': 1}\ndef b(x): return 0",
    "the wire": "import os\ndef b(x):\n    for i in range(3, 60):\n"
    "        try: os.write(i, b'\\0\\0\\0\\x0c{\"value\": 99}')\n        except OSError: pass\n    return 0",
    "the frames": "import sys, gc\ndef b(x):\n    f = sys._getframe()\n"
    "    while f: f.f_globals['b'] = f.f_locals['x'] = 3; f = f.f_back\n    return 0",
    "its own tests": "def test_b(): pass\ndef b(x): return 0",
}


@pytest.mark.parametrize("name", PATCHES)
def test_patching_gives_no_points(tmp_path, name):
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", *TESTS)
    cells = [solution("a_", GOOD["a"]), TESTS[0], solution("b_", PATCHES[name]), TESTS[1]]
    found = grade(notebook(tmp_path / "in" / "ada" / "work.ipynb", *cells), assignment, Limits(seconds=5.0))
    assert [part.points for part in found.parts] == [1, 0, 0]


CHEATS = {
    "check_engine": "import autograd.exercises, autograd.exercises.report as r\n"
    "autograd.exercises.check_engine = lambda *a, **k: r.Report('x', [r.Task('x', 1, 1, 1.0)])\n"
    "r.Report.check = lambda *a: None\nr.Report.passed = True",
    "close": "import autograd.exercises.battery as b\nb.close = lambda *a: True\nb.same = lambda *a: True",
    "run": "import autograd, autograd.exercises.battery as b\n"
        "from autograd.exercises import engine, operations, diagnosis\n"
    "old = b.run\nb.run = lambda make, item: old(engine.Engine(operations.RIGHT, diagnosis.SWEEPS[1]), item)\n"
    "import autograd.exercises.engines as e\ne.run = b.run",
    "the expectations": "from autograd.exercises import battery\nimport dataclasses\n"
    "battery.BATTERY = ()\nimport autograd.exercises.engines as e\ne.BATTERY = ()",
    "attempts": "import autograd.exercises.engines as e\ne.attempt = lambda f, s: (_ for _ in ()).throw(SystemExit)",
    "recorded": "import autograd.exercises.battery as b\nb.reached = lambda *a: (True, True, False)",
    "nonsense": "import autograd.exercises.battery as b\nb.reached = lambda *a: 'x' * 10**6",
}  # fmt: skip


@pytest.mark.parametrize("name", CHEATS)
def test_patching_the_checker_gives_no_points(tmp_path, name):
    source = json.loads(VALUE.read_text())
    for one in source["cells"]:
        text = "".join(one["source"]).replace("self.grad += other.data * out.grad", "self.grad += 7.0")
        one["source"] = text
    source["cells"].insert(1, cell(CHEATS[name]))
    (tmp_path / "1_value.ipynb").write_text(json.dumps(source))
    found = grade(tmp_path / "1_value.ipynb", VALUE)
    points = {part.name: part.points for part in found.parts}
    assert points["product-test"] == points["engine-test"] == 0


def test_the_secret_is_nowhere_in_the_process(tmp_path):
    """Hidden tests are not in the memory, the environment, or the arguments of a submission's process."""
    secret = "a_very_secret_number_4711"
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", a_test("t", f"{secret} = 1\nassert look() == []"))
    code = f"""
import gc, os, sys
word = {secret[:10]!r} + {secret[10:]!r}
def look():
    found = [x for x in gc.get_objects() if isinstance(x, str) and word in x and x != word]
    frame = sys._getframe()
    while frame: found += [k for k in frame.f_locals if k == word]; frame = frame.f_back
    found += [v for v in os.environ.values() if word in v] + [v for v in sys.orig_argv if word in v]
    for place in ('/proc/self/environ', '/proc/self/cmdline'):
        found += [place] if word in open(place, errors='replace').read() else []
    return found
"""
    submission = notebook(tmp_path / "in" / "ada" / "work.ipynb", solution("s", code))
    found = grade(submission, assignment)
    assert found.parts[0].points == 1, (found.parts[0].why, found.notes)


def test_no_process_is_left(tmp_path):
    assignment = notebook(tmp_path / "assignments" / "work.ipynb", a_test("t", "f()"))
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(100,)).start()\ndef f(): return 1"
    submission = notebook(tmp_path / "in" / "ada" / "work.ipynb", solution("s", code))
    assert grade(submission, assignment).score == 1
    time.sleep(0.2)
    left = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    mine = [line for line in left.splitlines() if line.split()[0] == str(os.getpid()) and "serving" in line]
    assert mine == []
    assert not [path for path in Path("/tmp").glob("submission-*") if path.stat().st_mtime > time.time() - 1]
    assert sys.platform == "linux"
