"""Writes torch_nn.json: PyTorch 2.13's losses with gradients, and trajectories of its optimizers, in float64.

Run once in an environment of its own: pip install torch==2.13.0, then python tests/reference/make_torch_nn.py.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

LOSSES = {
    "mse_loss": [([0.5, -2.0, 3.0], [1.0, 0.0, 3.0]), ([1.5], [0.25])],
    "binary_cross_entropy_with_logits": [([0.5, -2.0, 40.0], [1.0, 0.0, 0.25]), ([-800.0], [1.0]), ([800.0], [1.0])],
    "cross_entropy": [([0.5, -2.0, 3.0], 0), ([1000.0, 0.0], 1), ([1.0], 0)],
}
OPTIMIZERS = [
    {"lr": 1e-3},
    {"lr": 1e-4, "momentum": 0.9},
    {"lr": 1e-4, "momentum": 0.9, "nesterov": True},
]


def loss(name, prediction, target, reduction):
    x = torch.tensor(prediction, dtype=torch.float64, requires_grad=True)
    t = torch.tensor(target) if name == "cross_entropy" else torch.tensor(target, dtype=torch.float64)
    y = getattr(F, name)(x, t, reduction=reduction)
    y.backward()
    return {"loss": name, "prediction": prediction, "target": target, "reduction": reduction, "value": y.item(),
            "gradient": x.grad.tolist()}  # fmt: skip


def trajectory(options, steps=200):
    x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([x], **options)
    points = []
    for _ in range(steps):
        optimizer.zero_grad()
        ((1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2).backward()
        optimizer.step()
        points.append(x.tolist())
    return {"optimizer": "SGD", "options": options, "points": points}


def main():
    losses = [loss(name, p, t, r) for name, cases in LOSSES.items() for p, t in cases for r in ("mean", "sum")]
    result = {"version": torch.__version__, "losses": losses, "trajectories": [trajectory(o) for o in OPTIMIZERS]}
    Path(__file__).with_name("torch_nn.json").write_text(json.dumps(result, allow_nan=False) + "\n")


main()
