"""Native code never leaves its memory: what used to, and the check of each call before anything runs."""

import subprocess
import sys
from pathlib import Path

import guarded
import numpy as np
import pytest

import nn
from autograd import Value, compile, dot, gather, gradients, tanh

pytest.importorskip("llvmlite")
from autograd.compiler.runtime import machine, plan
from autograd.compiler.specialization import Specialization
from autograd.compiler.training import rules

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="guard pages are made with Linux's mprotect")


def test_the_guard_catches_one_number_too_far():
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import guarded
numbers = [guarded.doubles(5) for _ in range(2)]
at = [guarded.ctypes.addressof(x) for x in numbers]
read = guarded.ctypes.c_double.from_address
assert read(at[0] + 32).value == 0.0 and read(at[1]).value == 0.0
print("inside", flush=True)
print(read(at[0] + 40 if sys.argv[2] == "above" else at[1] - 8).value)
"""
    for side in ("above", "below"):
        call = [sys.executable, "-c", code, str(Path(__file__).parent), side]
        result = subprocess.run(call, capture_output=True, text=True, check=False)
        assert result.stdout == "inside\n"
        assert result.returncode < 0  # a signal


@pytest.mark.parametrize("examples", [1, 2, 9])
@pytest.mark.parametrize(
    "table",
    [
        lambda w, x: [w, x[0], 1.0, x[1]],
        lambda w, x: [x[0], w, 1.0],
        lambda w, x: [1.0, w, 2.0],
        lambda w, x: [x[1], tanh(w), x[0] * w, 0.5, x[0]],
        lambda w, x: [gather([x[0], w], 0), w, x[1]],
    ],
)
def test_tables_that_mix_what_examples_have_with_what_all_share(table, examples):
    w = Value(10.0)
    X, I = [[5.0 + k, 6.0 - k] for k in range(examples)], [k % 3 for k in range(examples)]
    f = compile(lambda x, i: gather(table(w, x), i))
    assert f(X, I) == [float(getattr(y := table(w, x)[i], "data", y)) for x, i in zip(X, I, strict=True)]
    w.grad = 0.0
    compile(lambda x, i: gather(table(w, x), i), [w])(X, I)
    taken = [table(w, x)[i] for x, i in zip(X, I, strict=True)]
    slopes = [gradients(y, w) if isinstance(y, Value) else 0.0 for y in taken]
    assert w.grad == pytest.approx(sum(slopes) / examples)


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("size", [2, 3, 7, 8, 9, 1000, 200_000])
def test_rows_that_lie_far_apart(size, step):
    w = Value(0.5)
    X = guarded.array(np.random.default_rng(0).normal(size=(1, 5, size)))
    order = range(5)[::step]
    f = compile(lambda x: dot([w] * 5, [(x[r][0] - x[r][size - 1]).tanh() for r in order]), [w])
    found = f(X)
    expected = np.tanh(X[0, :, 0] - X[0, :, -1]).sum()
    assert found == pytest.approx(0.5 * expected, rel=1e-14)
    assert w.grad == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("rows", [1, 3, 5, 8, 9, 17])
@pytest.mark.parametrize("stride", [-3, -1, 1, 2, 5])
def test_windows_of_one_example(rows, stride):
    """Sums and expressions over rows whose operands go on by any stride, upwards and downwards."""
    width = 4
    w = [Value(0.1 * k) for k in range(width)]
    size = (rows - 1) * abs(stride) + width
    start = 0 if stride > 0 else size - width
    X = guarded.array(np.random.default_rng(1).normal(size=(1, size)))

    def f(x):
        windows = [x[start + r * stride :][:width] for r in range(rows)]
        return dot([tanh(window[0]) * window[-1] for window in windows], [dot(w, window) for window in windows])

    found = compile(f, w)(X)
    leaves = [Value(v) for v in X[0]]
    assert found == pytest.approx(f(leaves).data, rel=1e-13)
    assert [v.grad for v in w] == pytest.approx(gradients(f(leaves), w), rel=1e-12)


@pytest.mark.parametrize("examples", [1, 40])
@pytest.mark.parametrize("wrong", ["start", "stride", "count"])
def test_a_call_that_would_leave_its_memory_is_refused(monkeypatch, examples, wrong):
    right = plan.Plan._pieces

    def broken(self, kernel):
        for nest in right(self, kernel):
            if wrong == "start":
                yield nest._replace(start=tuple([x + 10_000 for x in nest.start]))
            elif wrong == "stride":
                yield nest._replace(inner=tuple([x - 1000 for x in nest.inner]), counts=(nest.counts[0], 2))
            else:
                yield nest._replace(counts=(nest.counts[0], nest.counts[1] + 50), inner=(1,) * len(nest.inner))

    monkeypatch.setattr(plan.Plan, "_pieces", broken)
    model = nn.MLP(4, [3, 2], rng=0)
    loss = compile(lambda x, y: nn.cross_entropy(model(x), y), model.parameters())
    with pytest.raises(RuntimeError, match=r"would (read|write) the numbers .* (Dot|Map|Total)\(.*nothing was run"):
        loss([[0.1, 0.2, 0.3, 0.4]] * examples, [1] * examples)


@pytest.mark.parametrize("what", ["the examples' numbers", "the parameters", "the state of 3 parameters"])
def test_a_step_that_would_leave_its_memory_is_refused(monkeypatch, what):
    """What brings parameters and examples to the kernels, and what moves the parameters and their states."""
    model = nn.Linear(2, 1, rng=0)
    trainer = nn.Trainer(model, nn.mse_loss, nn.Adam(model.parameters()), compile=True)
    if what == "the state of 3 parameters":
        after = rules.Move.after
        monkeypatch.setattr(rules.Move, "after", lambda move, entries, count: after(move, entries, count - 1))
    else:
        made = Specialization.__init__

        def larger(self, *args):
            made(self, *args)
            if what == "the parameters":
                self.prepared = self.prepared._replace(kernels=self.prepared.kernels._replace(shared_inputs=2))
            else:
                self.prepared.columns[0] += 1

        monkeypatch.setattr(Specialization, "__init__", larger)
    before = [p.data for p in model.parameters()]
    with pytest.raises(RuntimeError, match=rf"would (touch|write) the numbers .*{what}; nothing was run"):
        trainer.fit([[0.1, 0.2]] * 5, [[1.0]] * 5, epochs=1, progress=False)
    assert [p.data for p in model.parameters()] == before


@pytest.mark.parametrize("examples", [1, 40])
def test_a_kernel_reads_only_what_was_written_before_it(monkeypatch, examples):
    def swapped(self, kernels, single):
        return records(self, list(kernels)[::-1], single)

    records = plan.Plan._records
    monkeypatch.setattr(plan.Plan, "_records", swapped)
    rows = [[Value(0.1 * i + 0.01 * j) for j in range(9)] for i in range(60)]
    with pytest.raises(RuntimeError, match=r"would (read|write) the numbers"):
        compile(lambda x: dot([tanh(dot(row, x)) for row in rows], [1.0] * 60))([[0.5] * 9] * examples)


def test_functions_are_begun_anew_when_there_are_many(monkeypatch):
    small = machine.Machine()
    small.MOST = 8
    monkeypatch.setattr(machine, "machine", lambda: small)
    rows = [[Value(0.1 * i + 0.01 * j) for j in range(9)] for i in range(60)]
    shapes = [tanh, lambda v: v * v, lambda v: v.sin() + v, lambda v: v.exp() - 1.0, lambda v: 1.0 / (v * v + 1.0)]

    def made(k):
        return compile(lambda x: dot([shapes[k](dot(row, x)) for row in rows], rows[0] * 6 + rows[1][:6]))

    X = [[0.1 * j for j in range(9)]] * 3
    compiled = [made(k) for k in range(len(shapes))]
    first = [f(X) for f in compiled]
    assert len(small.functions) <= 8
    assert [f(X) for f in compiled] == first
