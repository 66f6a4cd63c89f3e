"""What make_torch_nn.py writes of optimizers, schedules and clipping.

Sophia, which PyTorch has not, is written out after its paper, with PyTorch's second derivatives.
"""

import random

import torch
from torch import nn

# Optimizers: 200 steps on Rosenbrock, and the losses of a small net over 200 steps

OPTIMIZERS = [
    ("SGD", {"lr": 1e-3}), ("SGD", {"lr": 1e-4, "momentum": 0.9}),
    ("SGD", {"lr": 1e-4, "momentum": 0.9, "nesterov": True}), ("SGD", {"lr": 1e-3, "momentum": 0.5, "dampening": 0.3}),
    ("SGD", {"lr": 1e-3, "weight_decay": 0.1}),
    ("SGD", {"lr": 1e-4, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True}),
    ("Adagrad", {"lr": 0.1}), ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adadelta", {}), ("Adadelta", {"lr": 0.8, "rho": 0.8, "eps": 1e-5, "weight_decay": 0.1}),
    ("RMSprop", {}), ("RMSprop", {"lr": 1e-3, "alpha": 0.95, "eps": 1e-2, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 1e-3, "momentum": 0.9}), ("RMSprop", {"lr": 1e-3, "centered": True}),
    ("RMSprop", {"lr": 1e-4, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01}), ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.02, "amsgrad": True}), ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True, "betas": (0.85, 0.99), "eps": 1e-3}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.01, "betas": (0.85, 0.99), "eps": 1e-3}),
]  # fmt: skip
STEPS = 200
RNG = random.Random(1)
NET = [RNG.uniform(-1, 1) for _ in range(9)]
DATA = [([0.5, -1.0], 0.3), ([1.0, 2.0], -0.5), ([-1.5, 0.5], 0.8), ([0.2, 0.1], 0.0)]


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def net(w):
    """Two tanh neurons on two numbers, and a linear one on these: nine parameters."""
    total = 0.0
    for (a, b), target in DATA:
        hidden = [torch.tanh(w[3 * i] * a + w[3 * i + 1] * b + w[3 * i + 2]) for i in range(2)]
        total = total + (w[6] * hidden[0] + w[7] * hidden[1] + w[8] - target) ** 2
    return total / len(DATA)


def run(optimizer, parameters, function, before_step=lambda value: None):
    values, points = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = function(*parameters)
        before_step(value)
        value.backward()
        optimizer.step()
        values.append(value.item())
        points.append([p.item() for p in parameters])
    return values, points


def trajectory(name, options):
    make = getattr(torch.optim, name)
    xy = [torch.tensor(v, requires_grad=True) for v in (-1.2, 1.0)]
    _, points = run(make(xy, **options), xy, rosenbrock)
    w = [torch.tensor(v, requires_grad=True) for v in NET]
    values, ends = run(make(w, **options), w, lambda *w: net(w))
    return {"optimizer": name, "options": options, "points": points, "losses": values, "end": ends[-1]}


def groups():
    """Two groups with options of their own."""
    x, y = (torch.tensor(v, requires_grad=True) for v in (-1.2, 1.0))
    optimizer = torch.optim.Adam([{"params": [x], "lr": 0.02}, {"params": [y], "weight_decay": 0.1}], lr=0.01)
    return run(optimizer, [x, y], rosenbrock)[1]


class Sophia(torch.optim.Optimizer):
    """Algorithm 3 of Liu et al. 2023, with estimates u * (H u) for signs u that are given."""

    def __init__(self, params, signs, lr, beta1, beta2, gamma, eps, weight_decay):
        super().__init__(params, {})
        self.signs, self.lr, self.betas, self.gamma, self.eps, self.decay = (
            signs,
            lr,
            (beta1, beta2),
            gamma,
            eps,
            weight_decay,
        )
        self.p = self.param_groups[0]["params"]
        self.m, self.h, self.t = [0.0] * len(self.p), [0.0] * len(self.p), 0

    def estimate(self, loss):
        if self.t % 10 == 0:
            signs = self.signs[self.t // 10]
            slopes = torch.autograd.grad(loss, self.p, create_graph=True)
            products = torch.autograd.grad(
                sum(s * g for s, g in zip(signs, slopes, strict=True)), self.p, retain_graph=True
            )
            beta = self.betas[1]
            self.h = [beta * h + (1 - beta) * s * q.item() for h, s, q in zip(self.h, signs, products, strict=True)]
        self.t += 1

    @torch.no_grad()
    def step(self):
        beta = self.betas[0]
        for i, p in enumerate(self.p):
            self.m[i] = beta * self.m[i] + (1 - beta) * p.grad.item()
            move = self.m[i] / max(self.gamma * self.h[i], self.eps)
            p.sub_(self.lr * self.decay * p.item() + self.lr * min(max(move, -1.0), 1.0))


def sophia():
    rng = random.Random(7)
    signs = [[rng.choice((-1.0, 1.0)) for _ in NET] for _ in range(STEPS // 10)]
    options = {"lr": 0.02, "beta1": 0.9, "beta2": 0.95, "gamma": 0.5, "eps": 1e-12, "weight_decay": 0.05}
    xy = [torch.tensor(v, requires_grad=True) for v in (-1.2, 1.0)]
    optimizer = Sophia(xy, [s[:2] for s in signs], **options)
    _, points = run(optimizer, xy, rosenbrock, optimizer.estimate)
    w = [torch.tensor(v, requires_grad=True) for v in NET]
    optimizer = Sophia(w, signs, **options)
    values, _ = run(optimizer, w, lambda *w: net(w), optimizer.estimate)
    return {"options": options, "signs": signs, "points": points, "losses": values}


# Schedules: learning rates before each of 100 steps

SCHEDULERS = [
    ("StepLR", {"step_size": 30}), ("StepLR", {"step_size": 7, "gamma": 0.7}),
    ("MultiStepLR", {"milestones": [10, 40, 41], "gamma": 0.3}), ("ExponentialLR", {"gamma": 0.95}),
    ("LinearLR", {}), ("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 50}),
    ("CosineAnnealingLR", {"T_max": 100}), ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 101}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 120, "pct_start": 0.25, "base_momentum": 0.8, "max_momentum": 0.9,
                    "div_factor": 10.0, "final_div_factor": 100.0}),
]  # fmt: skip


def watched(t):
    """A loss that falls, stays, jumps and falls again."""
    return 1.0 / (1 + t) if t < 20 else 0.05 + 0.01 * (t % 3) if t < 60 else 0.5 / (t - 50)


def schedule(make, kind=torch.optim.SGD, metric=None, **options):
    optimizer = kind([torch.zeros(1, requires_grad=True)], lr=0.2, **options)
    scheduler, rates, momenta = make(optimizer), [], []
    for t in range(100):
        group = optimizer.param_groups[0]
        rates.append(group["lr"])
        momenta.append(group["betas"][0] if "betas" in group else group["momentum"])
        scheduler.step(*([] if metric is None else [metric(t)]))
    return rates, momenta


def schedules():
    lr = torch.optim.lr_scheduler
    for name, options in SCHEDULERS:
        kind = {"momentum": 0.9}
        rates, momenta = schedule(lambda o, n=name, k=options: getattr(lr, n)(o, **k), **kind)
        yield {"scheduler": name, "options": options, "rates": rates, "momenta": momenta}
    rates, momenta = schedule(lambda o: lr.OneCycleLR(o, max_lr=0.5, total_steps=101), torch.optim.Adam)
    yield {"scheduler": "OneCycleLR", "options": {"max_lr": 0.5, "total_steps": 101}, "adam": True, "rates": rates,
           "momenta": momenta}  # fmt: skip

    def sequence(o):
        parts = [lr.LinearLR(o, 0.1, total_iters=10), lr.CosineAnnealingLR(o, 40), lr.ExponentialLR(o, 0.9)]
        return lr.SequentialLR(o, parts, [10, 50])

    yield {"scheduler": "SequentialLR", "options": {}, "rates": schedule(sequence)[0], "momenta": []}
    for options in ({"patience": 3}, {"factor": 0.5, "patience": 2, "cooldown": 4, "min_lr": 0.01, "threshold": 0.01},
                    {"mode": "max", "factor": 0.5, "patience": 5},
                    {"factor": 0.5, "patience": 2, "threshold": 0.02, "threshold_mode": "abs"}):  # fmt: skip
        rates, _ = schedule(lambda o, k=options: lr.ReduceLROnPlateau(o, **k), metric=watched)
        yield {"scheduler": "ReduceLROnPlateau", "options": options, "rates": rates, "momenta": []}


def touched(make, *, hand=None, second=None, metric=None):
    """The rates of 60 steps. hand: the rate set before step 12. second: another schedule, stepped after this one. First
    an exponential schedule runs for three steps, after which the rate is set to 0.08."""
    lr = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2, momentum=0.9)
    first, rates = lr.ExponentialLR(optimizer, 0.5), []
    for _ in range(3):
        first.step()
    group = optimizer.param_groups[0]
    group["lr"] = 0.08
    scheduler = make(optimizer)
    other = second(optimizer) if second else None
    for t in range(60):
        if hand is not None and t == 12:
            group["lr"] = hand
        rates.append(group["lr"])
        scheduler.step(*([] if metric is None else [metric(t)]))
        if other:
            other.step()
    return rates


def touched_schedules():
    lr = torch.optim.lr_scheduler
    plateau = ("ReduceLROnPlateau", {"factor": 0.5, "patience": 2})
    for name, options in [*SCHEDULERS, plateau]:
        metric = watched if name == "ReduceLROnPlateau" else None
        for hand, second in ((None, False), (0.03, False), (None, True), (0.03, True)):
            rates = touched(
                lambda o, n=name, k=options: getattr(lr, n)(o, **k),
                hand=hand, second=(lambda o: lr.ExponentialLR(o, 0.97)) if second else None, metric=metric,
            )  # fmt: skip
            yield {"scheduler": name, "options": options, "hand": hand, "second": second, "rates": rates}


def clipping():
    p = [torch.zeros(1, requires_grad=True) for _ in range(3)]
    rows = []
    for limit in (1.0, 100.0):
        for x, g in zip(p, (3.0, -4.0, 12.0), strict=True):
            x.grad = torch.tensor([g])
        norm = nn.utils.clip_grad_norm_(p, limit).item()
        rows.append({"limit": limit, "norm": norm, "gradients": [x.grad.item() for x in p]})
    return rows
