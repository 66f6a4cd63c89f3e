"""PyTorch's stored numbers, and how to give a layer its weights."""

import json
from pathlib import Path

from support import same

from nn.nested import flat

TORCH = json.loads((Path(__file__).parent / "reference" / "torch_nn.json").read_text())


def assign(parameters, numbers):
    for p, x in zip(parameters, numbers, strict=True):
        p.data = x


def all_same(xs, ys, tolerance=1e-12):
    return len(xs) == len(ys) and all(same(x, y, tolerance) for x, y in zip(xs, ys, strict=True))


def numbers(x):
    """The numbers of nested lists of Values and floats."""
    return [v if isinstance(v, float) else v.data for v in flat(x)]
