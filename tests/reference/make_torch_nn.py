"""Writes torch_nn.json: PyTorch 2.13's layers, losses, optimizers and schedules in float64.

Run once in an environment of its own: pip install torch==2.13.0, then python tests/reference/make_torch_nn.py.
Sophia, which PyTorch has not, is written out below after its paper, with PyTorch's second derivatives.
"""

import functools
import json
import random
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
warnings.simplefilter("ignore")  # schedules are stepped without an optimizer's step


# Losses: (name, prediction, target, options), with gradients by the prediction

PROBABILITIES = [0.2, 0.5, 0.3]
LOG_PROBABILITIES = [-0.5, -1.5, -2.0]
LOSSES = [
    ("mse_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {}),
    ("mse_loss", [1.5], [0.25], {"reduction": "sum"}),
    ("mse_loss", [[0.5, -2.0], [3.0, 1.0]], [[1.0, 0.0], [3.0, 2.0]], {}),
    ("l1_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {}),
    ("l1_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {"reduction": "sum"}),
    ("huber_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {}),
    ("huber_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 1.0], {"delta": 2.0}),
    ("huber_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 1.0], {"delta": 0.25, "reduction": "sum"}),
    ("binary_cross_entropy", [0.2, 0.9, 0.5], [1.0, 0.0, 0.25], {}),
    ("binary_cross_entropy", [0.2, 1e-8, 0.999], [1.0, 1.0, 0.0], {"reduction": "sum"}),
    ("binary_cross_entropy_with_logits", [0.5, -2.0, 40.0], [1.0, 0.0, 0.25], {}),
    ("binary_cross_entropy_with_logits", [-800.0], [1.0], {}),
    ("binary_cross_entropy_with_logits", [800.0], [1.0], {"reduction": "sum"}),
    ("cross_entropy", [0.5, -2.0, 3.0], 0, {}),
    ("cross_entropy", [1000.0, 0.0], 1, {}),
    ("cross_entropy", [1.0], 0, {}),
    ("cross_entropy", [0.5, -2.0, 3.0], PROBABILITIES, {}),
    ("cross_entropy", [0.5, -2.0, 3.0], 1, {"label_smoothing": 0.1}),
    ("cross_entropy", [0.5, -2.0, 3.0], PROBABILITIES, {"label_smoothing": 0.3}),
    ("nll_loss", LOG_PROBABILITIES, 2, {}),
    ("multi_margin_loss", [0.1, 0.9, 0.2, -3.0], 2, {}),
    ("multi_margin_loss", [0.1, 0.9, 0.2, -3.0], 1, {"p": 2}),
    ("multi_margin_loss", [0.1, 0.9, 0.2, -3.0], 0, {"margin": 2.5}),
    ("kl_div", LOG_PROBABILITIES, PROBABILITIES, {}),
    ("kl_div", LOG_PROBABILITIES, [0.0, 0.6, 0.4], {"reduction": "sum"}),
    ("kl_div", LOG_PROBABILITIES, LOG_PROBABILITIES[::-1], {"log_target": True}),
]


def loss(name, prediction, target, options):
    x = torch.tensor(prediction, requires_grad=True)
    function = getattr(F, name)
    if name == "multi_margin_loss":  # it has no unbatched form with a plain index
        y = function(x[None], torch.tensor([target]), **options)
    else:
        y = function(x, torch.tensor(target), **options)
    y.backward()
    return {"loss": name, "prediction": prediction, "target": target, "options": options, "value": y.item(),
            "gradient": x.grad.flatten().tolist()}  # fmt: skip


def triplet():
    a, p, n = (torch.tensor(x, requires_grad=True) for x in ([0.5, -1.0, 2.0], [0.4, -1.5, 1.0], [1.0, 0.0, 2.0]))
    y = F.triplet_margin_loss(a, p, n, margin=1.5)
    y.backward()
    return {
        "points": [x.tolist() for x in (a, p, n)],
        "value": y.item(),
        "gradients": [x.grad.tolist() for x in (a, p, n)],
    }


# Layers: parameters in the order of our own, input, output, and the gradients of sum(output x cotangent)


def weights(*modules):
    """Weight and bias of each module, in that order."""
    return [p for m in modules for p in (m.weight, m.bias) if p is not None]


def attention_weights(m):
    """q, k, v and out: weight and bias of each."""
    q, k, v = m.in_proj_weight.chunk(3)
    bq, bk, bv = m.in_proj_bias.chunk(3)
    return [q, bq, k, bk, v, bv, m.out_proj.weight, m.out_proj.bias]


def gathered(m, by_name):
    """The gradients of parameters that PyTorch keeps in one tensor, taken apart."""
    return torch.cat([p.flatten() for p in by_name(m)]).tolist()


def shuffled_parameters(module):
    for p in module.parameters():
        with torch.no_grad():
            p.copy_(torch.randn_like(p) * 0.5)


class Grads:
    """Reads `.grad` in the place of each parameter."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        found = getattr(self.module, name)
        if isinstance(found, torch.Tensor):
            return found.grad
        return Grads(found) if isinstance(found, nn.Module) else found


def layer(name, module, args, kwargs, read, x, call=None):
    shuffled_parameters(module)
    inputs = x if isinstance(x, torch.Tensor) else torch.randn(*x, requires_grad=True)
    output = (call or module)(inputs)
    outputs = output if isinstance(output, tuple) else (output,)
    cotangents = [torch.randn_like(y) for y in outputs]
    sum((y * c).sum() for y, c in zip(outputs, cotangents, strict=True)).backward()
    row = {"layer": name, "args": args, "kwargs": kwargs, "input": inputs.tolist()}
    row["parameters"] = gathered(module, read)
    row["output"] = [v for y in outputs for v in y.flatten().tolist()]
    row["cotangent"] = [v for c in cotangents for v in c.flatten().tolist()]
    row["input_gradient"] = inputs.grad.flatten().tolist() if inputs.requires_grad else []
    row["parameter_gradient"] = gathered(Grads(module), read)
    return row


def nothing(m):
    return [torch.zeros(0)]


def cell_weights(m):
    return [m.weight_ih, m.weight_hh, m.bias_ih, m.bias_hh]


def rnn_weights(m):
    return [getattr(m, f"{kind}_l{i}") for i in range(2) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def block_weights(m):
    return [*weights(m.norm1), *attention_weights(m.self_attn), *weights(m.norm2, m.linear1, m.linear2)]


def layers():
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    for args, kwargs, torch_kwargs in (([3, 4], {}, {}), ([3, 4], {"bias": False}, {"bias": False})):
        yield layer("Linear", nn.Linear(*args, **torch_kwargs), args, kwargs, weights, [3])
    yield layer("Linear", nn.Linear(3, 2), [3, 2], {}, weights, [2, 3])
    yield layer("Embedding", nn.Embedding(5, 3), [5, 3], {}, lambda m: [m.weight], torch.tensor([1, 3, 1]))
    yield layer("LayerNorm", nn.LayerNorm(4), [4], {}, weights, [2, 4])
    yield layer("LayerNorm", nn.LayerNorm(4, bias=False), [4], {"bias": False}, weights, [4])
    kwargs = {"elementwise_affine": False, "eps": 0.1}
    yield layer("LayerNorm", nn.LayerNorm(4, **kwargs), [4], kwargs, nothing, [4])
    yield layer("RMSNorm", nn.RMSNorm(4), [4], {}, lambda m: [m.weight], [2, 4])
    kwargs = {"elementwise_affine": False, "eps": 1e-5}
    yield layer("RMSNorm", nn.RMSNorm(4, **kwargs), [4], kwargs, nothing, [4])
    yield layer("RNNCell", nn.RNNCell(3, 2), [3, 2], {}, cell_weights, [3])
    yield layer("RNNCell", nn.RNNCell(3, 2, nonlinearity="relu"), [3, 2], {"nonlinearity": "relu"}, cell_weights, [3])
    yield layer("GRUCell", nn.GRUCell(3, 2), [3, 2], {}, cell_weights, [3])
    yield layer("LSTMCell", nn.LSTMCell(3, 2), [3, 2], {}, cell_weights, [3])
    yield layer("RNN", nn.RNN(3, 2, num_layers=2), [3, 2, 2], {}, rnn_weights, [4, 3])
    yield layer("Conv2d", nn.Conv2d(2, 3, 3), [2, 3, 3], {}, weights, [2, 5, 4])
    kwargs = {"stride": 2, "padding": 1, "bias": False}
    yield layer("Conv2d", nn.Conv2d(1, 2, 3, **kwargs), [1, 2, 3], kwargs, weights, [1, 5, 6])
    kwargs = {"stride": (1, 2), "padding": (0, 1)}
    yield layer("Conv2d", nn.Conv2d(2, 2, (2, 3), **kwargs), [2, 2, (2, 3)], kwargs, weights, [2, 4, 5])
    yield layer("MaxPool2d", nn.MaxPool2d(2), [2], {}, nothing, [2, 4, 5])
    yield layer("MaxPool2d", nn.MaxPool2d(3, stride=1), [3], {"stride": 1}, nothing, [1, 4, 4])
    yield layer("AvgPool2d", nn.AvgPool2d(2), [2], {}, nothing, [2, 4, 4])
    yield layer("AvgPool2d", nn.AvgPool2d((2, 1), stride=(1, 2)), [(2, 1)], {"stride": (1, 2)}, nothing, [1, 4, 4])
    yield layer("Flatten", nn.Flatten(0), [], {}, nothing, [2, 3, 2])
    for name in ("ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus", "Sigmoid", "Tanh"):
        yield layer(name, getattr(nn, name)(), [], {}, nothing, [2, 5])
    for name, parameter in (("LeakyReLU", 0.2), ("ELU", 0.7)):
        yield layer(name, getattr(nn, name)(parameter), [parameter], {}, nothing, [2, 5])
    yield layer("Softmax", nn.Softmax(-1), [], {}, nothing, [2, 4])
    yield layer("LogSoftmax", nn.LogSoftmax(-1), [], {}, nothing, [4])
    for is_causal, mask in ((True, causal), (False, None)):
        m = nn.MultiheadAttention(4, 2)
        attend = functools.partial(attended, m, mask)
        yield layer("MultiHeadAttention", m, [4, 2], {"causal": is_causal}, attention_weights, [3, 4], attend)
        for activation in ("relu", "gelu"):
            m = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, activation=activation, norm_first=True)
            kwargs = {"causal": is_causal, "activation": activation}
            call = functools.partial(m, src_mask=mask)
            yield layer("TransformerBlock", m, [4, 2, 6], kwargs, block_weights, [3, 4], call)


def attended(module, mask, x):
    return module(x, x, x, attn_mask=mask, need_weights=False)[0]


def batch_norm():
    """Two batches in training mode, then one example in evaluation mode."""
    m = nn.BatchNorm1d(3, momentum=0.3)
    shuffled_parameters(m)
    row = {"parameters": gathered(m, weights), "batches": []}
    for size in (4, 2):
        x = torch.randn(size, 3, requires_grad=True)
        cotangent = torch.randn(size, 3)
        m.zero_grad()
        y = m(x)
        (y * cotangent).sum().backward()
        row["batches"].append({"input": x.tolist(), "output": y.tolist(), "cotangent": cotangent.tolist(),
            "input_gradient": x.grad.flatten().tolist(), "parameter_gradient": gathered(Grads(m), weights),
            "running_mean": m.running_mean.tolist(), "running_var": m.running_var.tolist()})  # fmt: skip
    x = torch.randn(1, 3)
    row["evaluation"] = {"input": x[0].tolist(), "output": m.eval()(x)[0].tolist()}
    return row


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
                    {"mode": "max", "factor": 0.5, "patience": 5}):  # fmt: skip
        rates, _ = schedule(lambda o, k=options: lr.ReduceLROnPlateau(o, **k), metric=watched)
        yield {"scheduler": "ReduceLROnPlateau", "options": options, "rates": rates, "momenta": []}


def clipping():
    p = [torch.zeros(1, requires_grad=True) for _ in range(3)]
    rows = []
    for limit in (1.0, 100.0):
        for x, g in zip(p, (3.0, -4.0, 12.0), strict=True):
            x.grad = torch.tensor([g])
        norm = nn.utils.clip_grad_norm_(p, limit).item()
        rows.append({"limit": limit, "norm": norm, "gradients": [x.grad.item() for x in p]})
    return rows


def main():
    gains = {name: nn.init.calculate_gain(name) for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu")}
    result = {
        "version": torch.__version__,
        "losses": [loss(*row) for row in LOSSES],
        "triplet": triplet(),
        "layers": list(layers()),
        "batch_norm": batch_norm(),
        "trajectories": [trajectory(*row) for row in OPTIMIZERS],
        "groups": groups(),
        "sophia": sophia(),
        "schedules": list(schedules()),
        "watched": [watched(t) for t in range(100)],
        "clipping": clipping(),
        "gains": {**gains, "leaky_relu": nn.init.calculate_gain("leaky_relu", 0.2)},
    }
    parts = []
    for name, part in result.items():  # a row a line, so that a change shows what changed
        text = json.dumps(part, allow_nan=False)
        if isinstance(part, list) and isinstance(part[0], dict):
            text = "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in part) + "\n]"
        parts.append(f'"{name}": {text}')
    Path(__file__).with_name("torch_nn.json").write_text("{" + ",\n".join(parts) + "}\n")


main()
