"""Writes torch.json: values and gradients of PyTorch 2.13 at special points, in float64.

Run once in an environment of its own: pip install torch==2.13.0, then python tests/reference/make_torch.py.
Infinities and nan are stored as strings, so that the file is strict JSON.
"""

import itertools
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

GRID = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, -5e-324]

UNARY = {
    "abs": torch.abs, "sign": torch.sign, "neg": torch.neg, "sqrt": torch.sqrt, "exp": torch.exp, "expm1": torch.expm1,
    "log": torch.log, "log1p": torch.log1p, "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "asin": torch.asin,
    "acos": torch.acos, "atan": torch.atan, "sinh": torch.sinh, "cosh": torch.cosh, "tanh": torch.tanh,
    "sigmoid": torch.sigmoid, "softplus": F.softplus, "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu,
    "gelu": F.gelu, "silu": F.silu, "erf": torch.erf,
}  # fmt: skip
BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow, "hypot": torch.hypot,
    "atan2": torch.atan2, "maximum": torch.maximum, "minimum": torch.minimum,
}  # fmt: skip


def plain(x):
    return x if math.isfinite(x) else str(x)


def evaluate(function, xs):
    inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in xs]
    y = function(*inputs)
    y.backward()
    return [plain(t) for t in [*xs, y.item(), *(x.grad.item() for x in inputs)]]


def main():
    table = {name: [evaluate(f, [x]) for x in GRID] for name, f in UNARY.items()}
    table |= {name: [evaluate(f, pair) for pair in itertools.product(GRID, repeat=2)] for name, f in BINARY.items()}
    table["clamp"] = [evaluate(lambda x: torch.clamp(x, 0.0, 1.0), [x]) for x in GRID]
    vectors = [
        [0.0, 0.0],
        [1000.0, 1000.0],
        [1000.0, 0.0],
        [-1000.0, 0.0],
        [math.inf, 0.0],
        [-math.inf, 0.0],
        [math.nan, 0.0],
    ]
    table["logsumexp"] = [evaluate(lambda *xs: torch.logsumexp(torch.stack(xs), 0), xs) for xs in vectors]
    path = Path(__file__).with_name("torch.json")
    rows = ",\n".join(f'"{name}": {json.dumps(rows, allow_nan=False)}' for name, rows in table.items())
    path.write_text(f'{{"version": "{torch.__version__}",\n{rows}}}\n')


main()
