"""Optimizers and losses as learners write them, each in three styles, with places for misconceptions.

A style is a text with names in double brackets; planting exchanges what stands there in a right one.
"""

import math
from types import SimpleNamespace

import autograd
import nn
from autograd import Value

RIGHT = {
    "sign": "-", "clear": "p.grad = 0.0", "rate": "lr", "g": "p.grad", "decay": "+ wd * p.data", "shrink": "pass",
    "v": "k * v + g", "step of sgd": "v", "square": "a * s + (1 - a) * g * g", "sum": "s + g * g",
    "root": "(math.sqrt(s) + eps)", "mean": "m / (1 - b1**t)", "s": "s / (1 - b2**t)",
    "root of adam": "(math.sqrt(square) + eps)", "before": "t + 1", "inside": "t", "after": "t", "place": "i",
    "eps": "eps",
}  # fmt: skip
"""The right text in each place."""

RULES = {
    "sgd": """v = state[{{place}}]["v"]
            v = {{v}}
            state[{{place}}]["v"] = v
            step = v""",
    "rmsprop": """s = state[{{place}}]["s"]
            s = {{square}}
            state[{{place}}]["s"] = s
            step = g / {{root}}""",
    "adagrad": """s = state[{{place}}]["s"]
            s = {{sum}}
            state[{{place}}]["s"] = s
            step = g / {{root}}""",
    "adam": """m, s = state[{{place}}]["m"], state[{{place}}]["s"]
            m = b1 * m + (1 - b1) * g
            s = b2 * s + (1 - b2) * g**2
            state[{{place}}]["m"], state[{{place}}]["s"] = m, s
            mean, square = {{mean}}, {{s}}
            step = mean / {{root of adam}}""",
}
RULES["adamw"] = RULES["adam"]

OPTIONS = {
    "sgd": "lr, momentum=0.0, weight_decay=0.0", "rmsprop": "lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0",
    "adagrad": "lr=0.01, eps=1e-10, weight_decay=0.0",
    "adam": "lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0",
    "adamw": "lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01",
}  # fmt: skip
LOCAL = {
    "sgd": "lr, k, wd = o['lr'], o['momentum'], o['weight_decay']",
    "rmsprop": "lr, a, eps, wd = o['lr'], o['alpha'], {{eps}}, o['weight_decay']",
    "adagrad": "lr, eps, wd = o['lr'], {{eps}}, o['weight_decay']",
    "adam": "lr, (b1, b2), eps, wd = o['lr'], o['betas'], {{eps}}, o['weight_decay']",
}
LOCAL["adamw"] = LOCAL["adam"]

LISTS = """
class Optimizer:
    def __init__(self, params, {{options}}):
        self.o = {name: x for name, x in locals().items() if name not in ("self", "params")}
        self.params, self.t = list(params), 0
        self.state = [{"v": 0.0, "m": 0.0, "s": 0.0} for _ in self.params]

    def step(self):
        o, state, t = self.o, self.state, self.t
        {{local}}
        t = {{before}}
        for i, p in enumerate(self.params):
            t = {{inside}}
            {{shrink}}
            g = {{g}} {{decay}}
            {{rule}}
            p.data = p.data {{sign}} {{rate}} * step
        self.t = {{after}}

    def zero_grad(self):
        for p in self.params:
            {{clear}}
"""
KEYED = """
class Optimizer:
    def __init__(self, params, {{options}}):
        self.o = {name: x for name, x in locals().items() if name not in ("self", "params")}
        self.params, self.t, self.state = params, 0, {}

    def update(self, p, t):
        o, state, i = self.o, self.state, id(p)
        state.setdefault({{place}}, {"v": 0.0, "m": 0.0, "s": 0.0})
        if True:
            {{local}}
            {{shrink}}
            g = {{g}} {{decay}}
            {{rule}}
            p.data {{sign}}= {{rate}} * step

    def step(self):
        t = self.t
        t = {{before}}
        for p in self.params:
            t = {{inside}}
            self.update(p, t)
        self.t = {{after}}

    def zero_grad(self):
        for p in self.params:
            {{clear}}
"""
CLOSURES = """
def Optimizer(params, {{options}}):
    o = dict(locals())
    params, count = [*params], [0]
    state = {i: {"v": 0.0, "m": 0.0, "s": 0.0} for i, _ in enumerate(params)}
    {{local}}

    def step():
        t = count[0]
        t = {{before}}
        i = 0
        while i < len(params):
            p = params[i]
            t = {{inside}}
            {{shrink}}
            g = {{g}} {{decay}}
            {{rule}}
            p.data = p.data {{sign}} step * {{rate}}
            i += 1
        count[0] = {{after}}

    def zero_grad():
        for p in params:
            {{clear}}

    return SimpleNamespace(step=step, zero_grad=zero_grad)
"""
OPTIMIZERS = {"lists": LISTS, "keyed": KEYED, "closures": CLOSURES}


def optimizer(style, kind, **planted):
    """An optimizer in a style; planted: other texts in some places, `_` for a space."""
    places = {**RIGHT, "options": OPTIONS[kind], "local": LOCAL[kind], "rule": RULES[kind], "eps": "o['eps']"}
    if kind == "adamw":
        places |= {"shrink": "p.data *= 1 - lr * wd", "decay": ""}
    places |= {name.replace("_", " "): text for name, text in planted.items()}
    source = OPTIMIZERS[style]
    for _ in range(2):
        for name, text in places.items():
            source = source.replace("{{" + name + "}}", text)
    assert "{{" not in source, source
    earlier = {}

    def late(p):
        _, g = earlier.get(id(p), (p, 0.0))
        earlier[id(p)] = p, p.grad  # which keeps p, so that no other Value gets its id
        return g

    namespace = {"math": math, "SimpleNamespace": SimpleNamespace, "late": late}
    exec(source, namespace)
    return namespace["Optimizer"]


WRONG_OPTIMIZERS = {
    "optimizer-sign": ("adagrad", {"sign": "+"}),
    "zero-grad-missing": ("rmsprop", {"clear": "pass"}),
    "learning-rate-twice": ("sgd", {"rate": "lr * lr"}),
    "updates-before-backward": ("adam", {"g": "late(p)"}),
    "momentum-not-used": ("sgd", {"v": "g"}),
    "momentum-sign": ("sgd", {"v": "g - k * v"}),
    "momentum-averaged": ("sgd", {"v": "k * v + (1 - k) * g"}),
    "momentum-overwrites": ("sgd", {"v": "k * g if k else g"}),
    "weight-decay-sign": ("adam", {"decay": "- wd * p.data"}),
    "weight-decay-coupled": ("adamw", {"shrink": "pass", "decay": "+ wd * p.data"}),
    "adam-bias-correction": ("adam", {"mean": "m", "s": "s"}),
    "adam-eps-inside-root": ("adamw", {"root_of_adam": "math.sqrt(square + eps)"}),
    "adam-step-starts-at-zero": ("adam", {"before": "t", "after": "t + 1"}),
    "adam-step-counter": ("adam", {"before": "t", "inside": "t + 1"}),
    "squares-not-averaged": ("rmsprop", {"square": "s + g * g"}),
    "root-missing": ("rmsprop", {"root": "(s + eps)"}),
    "state-shared": ("adam", {"place": "0"}),
    "hyperparameter-ignored": ("adagrad", {"eps": "1e-10"}),
}
"""For each misconception an optimizer, and what stands in which place."""


# Losses, three times: by operators and methods, by functions of the library, by hand with the list of derivatives


def total(xs):
    return sum(xs[1:], xs[0])


def pairs(p, y):
    return list(zip(p, y, strict=True))


def softmax(xs):
    powers = [x.exp() for x in xs]
    return [x / total(powers) for x in powers]


def stable(xs):
    """The shares of plain numbers, which never overflow."""
    powers = [math.exp(x.data - max(v.data for v in xs)) for x in xs]
    return [x / sum(powers) for x in powers]


def log_of_sum(xs):
    return autograd.log(total([autograd.exp(x) for x in xs]))


def by_hand(xs, k, base=math.e, sign=1.0, slope=1.0):
    """Cross-entropy and its derivatives in plain numbers."""
    shares = stable(xs)
    largest = max(x.data for x in xs)
    loss = (math.log(sum(math.exp(x.data - largest) for x in xs)) + largest - xs[k].data) / math.log(base)
    return sign * loss, [sign * slope * (s - (i == k)) / math.log(base) for i, s in enumerate(shares)]


def binary_by_hand(x, y, sign=1.0, slope=1.0, base=math.e):
    z = x.data if y else -x.data
    loss = (math.log1p(math.exp(-z)) if z > 0 else -z + math.log1p(math.exp(z))) / math.log(base)
    chance = 1 / (1 + math.exp(-x.data)) if x.data > -300 else 0.0
    return sign * loss, [sign * slope * (chance - y) / math.log(base)]


def squares(p, y, size=None, slope=2.0):
    n = size or len(p)
    return sum((a.data - b) ** 2 for a, b in pairs(p, y)) / n, [slope * (a.data - b) / n for a, b in pairs(p, y)]


def binary(x, y):
    return nn.binary_cross_entropy_with_logits(x, y)


def naive(chance, y):
    return -(y * chance.log() + (1 - y) * (1 - chance).log())


WRONG_LOSSES = {
    "log-of-logits": [
        ("cross_entropy", lambda xs, k: -xs[k].log()),
        ("cross_entropy", lambda xs, k: autograd.log(1 / xs[k])),
        ("binary_cross_entropy_with_logits", naive),
    ],
    "softmax-overflows": [
        ("cross_entropy", lambda xs, k: -softmax(xs)[k].log()),
        ("cross_entropy", lambda xs, k: log_of_sum(xs) - xs[k]),
        ("cross_entropy", lambda xs, k: (math.log(sum(math.exp(x.data) for x in xs)) - xs[k].data, by_hand(xs, k)[1])),
    ],
    "sigmoid-overflows": [
        ("binary_cross_entropy_with_logits", lambda x, y: naive(1 / (1 + (-x).exp()), y)),
        ("binary_cross_entropy_with_logits", lambda x, y: naive(autograd.sigmoid(x), y)),
        ("binary_cross_entropy_with_logits",
         lambda x, y: (math.log(1 + math.exp(-x.data if y else x.data)), binary_by_hand(x, y)[1])),
    ],
    "sign-of-log-likelihood": [
        ("cross_entropy", lambda xs, k: xs[k] - autograd.logsumexp(xs)),
        ("binary_cross_entropy_with_logits", lambda x, y: binary_by_hand(x, y, sign=-1.0)),
        ("hinge_loss", lambda s, y: autograd.maximum(1 + y * s, 0.0)),
    ],
    "mean-for-sum": [
        ("mse_loss", lambda p, y: total([(a - b) ** 2 for a, b in pairs(p, y)])),
        ("mse_loss", lambda p, y: squares(p, y, size=1)),
        ("l1_loss", lambda p, y: total([autograd.maximum(a - b, b - a) for a, b in pairs(p, y)])),
    ],
    "two-missing": [
        ("mse_loss", lambda p, y: total([(a - b) * (a - b) for a, b in pairs(p, y)]) / (2 * len(p))),
        ("mse_loss", lambda p, y: squares(p, y, slope=1.0)),
        ("hinge_loss", lambda s, y: (1 - y * s).relu() / 2),
    ],
    "target-swapped": [
        ("binary_cross_entropy_with_logits", lambda x, y: binary(x, 1 - y)),
        ("binary_cross_entropy_with_logits", lambda x, y: autograd.softplus(x) if y else autograd.softplus(-x)),
        ("binary_cross_entropy_with_logits", lambda x, y: binary_by_hand(x, 1 - y)),
    ],
    "wrong-base": [
        ("cross_entropy", lambda xs, k: nn.cross_entropy(xs, k) / math.log(2)),
        ("cross_entropy", lambda xs, k: by_hand(xs, k, base=2.0)),
        ("binary_cross_entropy_with_logits", lambda x, y: autograd.softplus(-x if y else x) / math.log(2)),
    ],
    "probability-for-loss": [
        ("cross_entropy", lambda xs, k: -(-nn.cross_entropy(xs, k)).exp()),
        ("cross_entropy", lambda xs, k: -autograd.exp(xs[k] - autograd.logsumexp(xs))),
        ("cross_entropy",
         lambda xs, k: (-stable(xs)[k], [-stable(xs)[k] * ((i == k) - s) for i, s in enumerate(stable(xs))])),
    ],
    "absolute-for-square": [
        ("mse_loss", lambda p, y: total([abs(a - b) for a, b in pairs(p, y)]) / len(p)),
        ("l1_loss", squares),
        ("hinge_loss", lambda s, y: autograd.maximum(1 - y * s, 0.0) ** 2),
    ],
    "gradient-sign": [
        ("mse_loss", lambda p, y: squares(p, y, slope=-2.0)),
        ("cross_entropy", lambda xs, k: by_hand(xs, k, slope=-1.0)),
        ("binary_cross_entropy_with_logits", lambda x, y: binary_by_hand(x, y, slope=-1.0)),
    ],
    "gradient-lost": [
        ("mse_loss", lambda p, y: squares(p, y)[0]),
        ("cross_entropy", lambda xs, k: nn.cross_entropy(xs, k).data),
        ("binary_cross_entropy_with_logits", lambda x, y: Value(binary(x, y).data)),
    ],
}  # fmt: skip
