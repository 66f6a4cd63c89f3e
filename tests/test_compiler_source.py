"""A compiled program as C: gcc makes the same numbers of it."""

import ctypes
import math
import re
import shutil
import subprocess

import pytest
from support import BUILTIN, identical
from test_nn_layers import SAMPLES

import nn
from autograd import compile, dot
from nn.nested import flat, nested

pytest.importorskip("llvmlite")


def run_in_c(compiled, rows, directory):
    """What gcc makes of the C file, for rows of inputs."""
    found = compiled._latest
    text, library = directory / "f.c", directory / "f.so"
    text.write_text(compiled.to_c())
    options = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-O1", "-ffp-contract=off"]
    subprocess.run(["gcc", *options, "-shared", "-fPIC", "-o", library, text, "-lm"], check=True)
    function = getattr(ctypes.CDLL(str(library)), re.search(r"^void (\w+)\(", compiled.to_c(), re.M)[1])
    shared = [leaf.data for leaf in found.prepared.leaves]
    outputs = found.prepared.kernels.totals or len(found.prepared.kernels.outputs) * len(rows)
    numbers = (ctypes.c_double * len(flat(rows)))(*flat(rows))
    result = (ctypes.c_double * outputs)()
    function(ctypes.c_size_t(len(rows)), numbers, (ctypes.c_double * len(shared))(*shared), result)
    return list(result)


needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")


@needs_gcc
@pytest.mark.parametrize("name", ["MLP", "Conv2d", "TransformerBlock", "LSTMCell", "Embedding", "RMSNorm"])
def test_c_gives_the_same_numbers(name, tmp_path):
    make, x = SAMPLES[name]
    module = make().eval()
    for i, p in enumerate(module.parameters()):
        p.data += 0.01 * i

    def loss(x):
        outputs = flat(module(x))
        return dot(outputs, [0.3 + 0.1 * i for i in range(len(outputs))])

    rows = [x] * 3 if name == "Embedding" else [nested(lambda v, k=k: v * k, x) for k in (1.0, -0.5, 2.0)]
    compiled = compile(loss, module.parameters())
    value = compiled(rows)
    got = run_in_c(compiled, [[float(v) for v in flat(row)] for row in rows], tmp_path)
    assert got[0] / 3 == pytest.approx(value, rel=1e-13)
    assert [y / 3 for y in got[1:]] == pytest.approx([p.grad for p in module.parameters()], rel=1e-12, abs=1e-15)


@needs_gcc
def test_every_operation_in_c(tmp_path):
    chosen = [p for p in BUILTIN if not p.vectors]
    compiled = compile(lambda x: [p(*x[: p.arity]) for p in chosen])
    rows = [[a, b, 0.75] for a in (0.0, -0.0, 0.5, -1.5, 3.0, math.inf, math.nan) for b in (0.5, -2.0, math.inf)]
    compiled(rows)
    got = run_in_c(compiled, rows, tmp_path)
    for i, row in enumerate(rows):
        for p, y in zip(chosen, got[i * len(chosen) : (i + 1) * len(chosen)], strict=True):
            expected = p(*row[: p.arity])
            assert identical(y, expected) or y == pytest.approx(expected, rel=1e-15), (p.name, row, y, expected)


def test_c_is_readable():
    model = nn.MLP(4, [3, 1], activation="tanh", rng=0)

    def loss(x, y):
        return nn.mse_loss(model(x), y)

    compiled = compile(loss, model.parameters())
    compiled([[0.1, 0.2, 0.3, 0.4]], [1.0])
    text = compiled.to_c()
    assert "void loss(size_t examples, const double *inputs, const double *given, double *outputs)" in text
    assert (
        """
        for (size_t j = 0; j < 3; j++) {
            double sum = shared[4 + j * 5];
            for (size_t k = 0; k < 4; k++)
                sum += shared[j * 5 + k] * own[k];
            own[5 + j] = sum;
        }
"""
        in text
    )


@needs_gcc
@pytest.mark.parametrize(
    "name", ["int", "double", "shared", "tanh_", "tanh", "add", "exp", "fma", "NULL", "1st", "naïve"]
)
def test_functions_of_any_name_become_c(name, tmp_path):
    def f(x):
        return x * x

    f.__name__ = name
    compiled = compile(f)
    compiled([2.0])
    assert run_in_c(compiled, [3.0], tmp_path) == [9.0]
