"""The checks of optimizers, losses, modules and hand-made gradients; finite differences; comparing engines."""

import contextlib
import io
import math
import re
from pathlib import Path

import pytest
from engines import STYLES, engine
from plants import PLANTS

import autograd.exercises
import nn
from autograd import Value, cos, exp, log, sigmoid, sin, tanh
from autograd.exercises import (
    check_gradient,
    check_loss,
    check_module,
    check_optimizer,
    compare,
    losses,
    modules,
    numerical_gradient,
    optimizers,
    plot_step_error,
)
from autograd.exercises.misconceptions import CATALOGUE

ROOT = Path(__file__).parent.parent


def names(report):
    return [finding.name for finding in report.findings]


# Optimizers


OURS = {"sgd": nn.SGD, "adagrad": nn.Adagrad, "rmsprop": nn.RMSprop, "adam": nn.Adam, "adamw": nn.AdamW}


@pytest.mark.parametrize("kind", OURS)
def test_a_right_optimizer_passes(kind):
    report = check_optimizer(OURS[kind], kind)  # which are themselves held against PyTorch
    assert report.passed, str(report)
    assert report.score == report.out_of == 5


ADAM = """
class Student:
    def __init__(self, params, lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.lr, self.b1, self.b2, self.eps, self.wd = list(params), lr, *betas, eps, weight_decay
        self.m = [0.0 for _ in self.params]
        self.v = [0.0 for _ in self.params]
        self.t = 0
    def step(self):
        self.t += 1
        for i, p in enumerate(self.params):
            g = p.grad + self.wd * p.data
            self.m[i] = self.b1 * self.m[i] + (1 - self.b1) * g
            self.v[i] = self.b2 * self.v[i] + (1 - self.b2) * g ** 2
            m = self.m[i] / (1 - self.b1 ** self.t)
            v = self.v[i] / (1 - self.b2 ** self.t)
            p.data -= self.lr * m / (math.sqrt(v) + self.eps)
    def zero_grad(self):
        for p in self.params:
            p.grad = 0.0
"""
SGD = """
class Student:
    def __init__(self, params, lr, momentum=0.0, weight_decay=0.0):
        self.params, self.lr, self.momentum, self.weight_decay = params, lr, momentum, weight_decay
        self.velocity = {}
    def step(self):
        for p in self.params:
            g = p.grad + self.weight_decay * p.data
            v = self.momentum * self.velocity.get(id(p), 0.0) + g
            self.velocity[id(p)] = v
            p.data = p.data - self.lr * v
    def zero_grad(self):
        for p in self.params: p.grad = 0
"""
RMS = """
class Student:
    def __init__(self, params, lr=0.01, alpha=0.99, eps=1e-8):
        self.state = [[p, 0.0] for p in params]
        self.lr, self.alpha, self.eps = lr, alpha, eps
    def step(self):
        for pair in self.state:
            p, s = pair
            s = self.alpha * s + (1 - self.alpha) * p.grad * p.grad
            pair[1] = s
            p.data += -self.lr * p.grad / (s ** 0.5 + self.eps)
    def zero_grad(self):
        for p, _ in self.state: p.grad = 0
"""
WRONG = [
    ("adam", ADAM, "p.data -=", "p.data +=", ["optimizer-sign"]),
    ("adam", ADAM, "p.grad = 0.0", "pass", ["zero-grad-missing"]),
    ("adam", ADAM, "m = self.m[i] / (1 - self.b1 ** self.t)", "m = self.m[i]", ["adam-bias-correction"]),
    ("adam", ADAM, "m = self.m[i] / (1 - self.b1 ** self.t)", "m = 3 * self.m[i]", None),
    ("adam", ADAM.replace("v = self.v[i] / (1 - self.b2 ** self.t)", "v = self.v[i]"),
     "m = self.m[i] / (1 - self.b1 ** self.t)", "m = self.m[i]", ["adam-bias-correction"]),
    ("adam", ADAM, "math.sqrt(v) + self.eps", "math.sqrt(v + self.eps)", ["adam-eps-inside-root"]),
    ("adam", ADAM.replace("        self.t += 1\n", ""), "(math.sqrt(v) + self.eps)\n",
     "(math.sqrt(v) + self.eps)\n        self.t += 1\n", ["adam-step-starts-at-zero"]),
    ("adam", ADAM.replace("        self.t += 1\n", ""), "g = p.grad", "self.t += 1; g = p.grad", ["adam-step-counter"]),
    ("adam", ADAM, "self.lr, self.b1, self.b2, self.eps, self.wd = list(params), lr, *betas, eps, weight_decay",
     "self.lr, self.b1, self.b2, self.eps, self.wd = list(params), lr, *betas, 1e-8, weight_decay",
     ["hyperparameter-ignored"]),
    ("adam", ADAM, "p.grad + self.wd", "p.grad - self.wd", ["weight-decay-sign"]),
    ("adam", ADAM, "(math.sqrt(v) + self.eps)", "(v + self.eps)", ["root-missing"]),
    ("adam", ADAM.replace("math.sqrt(v) + self.eps", "math.sqrt(v + self.eps)"), "p.data -=", "p.data +=",
     ["optimizer-sign", "adam-eps-inside-root"]),
    ("adamw", ADAM.replace("weight_decay=0.0", "weight_decay=0.01"), "self.t += 1", "self.t += 1",
     ["weight-decay-coupled"]),
    ("sgd", SGD, "- self.lr * v", "+ self.lr * v", ["optimizer-sign"]),
    ("sgd", SGD, "v = self.momentum * self.velocity.get(id(p), 0.0) + g", "v = g", ["momentum-not-used"]),
    ("sgd", SGD, "v = self.momentum *", "v = -self.momentum *", ["momentum-sign"]),
    ("sgd", SGD, "v = self.momentum * self.velocity.get(id(p), 0.0) + g", "v = g * (self.momentum or 1)",
     ["momentum-overwrites"]),
    ("sgd", SGD, "+ self.weight_decay", "- self.weight_decay", ["weight-decay-sign"]),
    ("sgd", SGD.replace("0.0) + g", "0.0) + self.lr * g"), "self.lr * v", "self.lr * v", ["learning-rate-twice"]),
    ("sgd", SGD, "id(p)", "0", ["state-shared"]),
    ("sgd", SGD.replace("g = p.grad +", "g = self.last.get(id(p), 0.0) +"), "v = self.mom",
     "self.last[id(p)] = p.grad; v = self.mom", ["updates-before-backward"]),
    ("rmsprop", RMS, "s = self.alpha * s + (1 - self.alpha) * p.grad * p.grad", "s = s + p.grad * p.grad",
     ["squares-not-averaged"]),
    ("rmsprop", RMS, "(s ** 0.5 + self.eps)", "((s + self.eps) ** 0.5)", ["adam-eps-inside-root"]),
    ("rmsprop", RMS, "(s ** 0.5 + self.eps)", "(s + self.eps)", ["root-missing"]),
]  # fmt: skip


def student(source, old, new):
    assert old in source
    namespace = {"math": math}
    exec(source.replace(old, new).replace("self.velocity = {}", "self.velocity, self.last = {}, {}"), namespace)
    return namespace["Student"]


@pytest.mark.parametrize(("kind", "source", "old", "new", "expected"), WRONG)
def test_what_is_wrong_in_an_optimizer(kind, source, old, new, expected):
    report = check_optimizer(student(source, old, new), kind)
    assert names(report) == (expected or ["unexplained"]), str(report)
    assert report.score < report.out_of
    assert all(f.message for f in report.findings)


def test_optimizers_that_break():
    report = check_optimizer(student(SGD, "v = self.momentum", "1 / 0; v = self.momentum"), "sgd")
    assert "ends in an error: ZeroDivisionError" in report.findings[0].message
    assert (
        "ends in an error: no end"
        in check_optimizer(
            student(SGD, "v = self.momentum", "while True: pass\n            v = self.momentum"), "sgd"
        ).explain()
    )
    with pytest.raises(ValueError, match="knows sgd, adagrad, rmsprop, adam, adamw, got 'lion'"):
        check_optimizer(nn.SGD, "lion")
    with pytest.raises(TypeError, match="expected a class, such as SGD, got str"):
        check_optimizer("SGD", "sgd")


# Losses


def total(xs):
    return sum(xs[1:], xs[0])


def softmax(xs):
    e = [x.exp() for x in xs]
    return [x / total(e) for x in e]


LOSSES = [
    ("mse_loss", lambda p, y: total([(a - b) ** 2 for a, b in zip(p, y, strict=True)]), ["mean-for-sum"]),
    ("mse_loss", lambda p, y: total([(a - b) ** 2 for a, b in zip(p, y, strict=True)]) / (2 * len(p)), ["two-missing"]),
    ("mse_loss", lambda p, y: total([abs(a - b) for a, b in zip(p, y, strict=True)]) / len(p), ["absolute-for-square"]),
    ("mse_loss", lambda p, y: (sum((a.data - b) ** 2 for a, b in zip(p, y, strict=True)) / len(p),
                               [(a.data - b) / len(p) for a, b in zip(p, y, strict=True)]), ["two-missing"]),
    ("mse_loss", lambda p, y: (sum((a.data - b) ** 2 for a, b in zip(p, y, strict=True)) / len(p),
                               [2 * (b - a.data) / len(p) for a, b in zip(p, y, strict=True)]), ["gradient-sign"]),
    ("mse_loss", lambda p, y: sum((a.data - b) ** 2 for a, b in zip(p, y, strict=True)) / len(p), ["gradient-lost"]),
    ("l1_loss", lambda p, y: total([abs(a - b) for a, b in zip(p, y, strict=True)]), ["mean-for-sum"]),
    ("cross_entropy", lambda xs, k: -softmax(xs)[k].log(), ["softmax-overflows"]),
    ("cross_entropy", lambda xs, k: -xs[k].log(), ["log-of-logits"]),
    ("cross_entropy", lambda xs, k: -nn.cross_entropy(xs, k), ["sign-of-log-likelihood"]),
    ("cross_entropy", lambda xs, k: nn.cross_entropy(xs, k) / math.log(2), ["wrong-base"]),
    ("cross_entropy", lambda xs, k: -exp(-nn.cross_entropy(xs, k)), ["probability-for-loss"]),
    ("cross_entropy", lambda xs, k: softmax(xs)[k].log(), ["softmax-overflows", "sign-of-log-likelihood"]),
    ("binary_cross_entropy_with_logits", lambda x, y: -(y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x))),
     ["sigmoid-overflows"]),
    ("binary_cross_entropy_with_logits", lambda x, y: nn.binary_cross_entropy_with_logits(x, 1 - y),
     ["target-swapped"]),
    ("binary_cross_entropy_with_logits", lambda x, y: -nn.binary_cross_entropy_with_logits(x, y),
     ["sign-of-log-likelihood"]),
    ("hinge_loss", lambda s, y: (1 + y * s).relu(), ["sign-of-log-likelihood"]),
    ("hinge_loss", lambda s, y: (1 - y * s).relu() ** 2, ["absolute-for-square"]),
]  # fmt: skip


@pytest.mark.parametrize("kind", losses.CASES)
def test_a_right_loss_passes(kind):
    report = check_loss(getattr(nn, kind), kind)
    assert report.passed, str(report)


@pytest.mark.parametrize(("kind", "f", "expected"), LOSSES)
def test_what_is_wrong_in_a_loss(kind, f, expected):
    report = check_loss(f, kind)
    assert names(report) == expected, str(report)
    assert report.score < report.out_of
    assert report.findings[0].example


def test_losses_that_break():
    assert "ends in an error: KeyError" in check_loss(lambda p, y: {}[0], "mse_loss").explain()
    assert names(check_loss(lambda p, y: total(p), "mse_loss")) == ["unexplained"]
    with pytest.raises(ValueError, match="knows mse_loss"):
        check_loss(print, "kl")


# Modules


class Net:
    """A student's network, right or not."""

    def __init__(self, bug="", shared=[]):  # noqa: B006 the bug that it shows
        rng = nn.MLP(1, [1], rng=0) and __import__("random")
        self.bug = bug

        def weight():
            return Value(0.5 if bug == "equal" else rng.uniform(-1, 1))

        self.hidden = [[weight() for _ in range(3)] for _ in range(4)]
        if bug == "one neuron":
            self.hidden = [self.hidden[0]] * 4
        self.out = [weight() for _ in range(5)]
        if bug == "shared":
            shared = shared if shared else shared.append(self.out) or shared
            self.out = shared[0]
        self.grown = []

    def __call__(self, xs):
        def unit(w, xs):
            y = total([a * x for a, x in zip(w[1:], xs, strict=True)])
            return y if self.bug == "bias" else y + w[0]

        if self.bug == "grow":
            self.grown.append(Value(0.1))
        if self.bug == "fresh":
            self.out = [Value(__import__("random").uniform(-1, 1)) for _ in range(5)]
        h = [unit(w, xs) if self.bug == "linear" else tanh(unit(w, xs)) for w in self.hidden]
        return unit(self.out, h)

    def parameters(self):
        found = [p for w in self.hidden for p in (w[1:] if self.bug == "lost" else w)]
        return [] if self.bug == "none" else [*found, *self.out, *self.grown]


@pytest.mark.parametrize(
    ("bug", "expected"),
    [
        ("", []),
        ("lost", ["parameters-not-found"]),
        ("none", ["parameters-not-found"]),
        ("one neuron", ["parameters-shared"]),
        ("shared", ["parameters-shared"]),
        ("grow", ["parameters-grow-at-each-call"]),
        ("fresh", ["parameters-made-at-each-call"]),
        ("equal", ["all-weights-equal"]),
        ("linear", ["no-nonlinearity"]),
        ("bias", ["bias-missing"]),
    ],
)
def test_what_is_wrong_in_a_module(bug, expected):
    report = check_module(lambda: Net(bug), 2, name=bug)
    assert names(report) == expected, str(report)
    assert report.passed == (not expected)
    assert not expected or report.findings[0].hint


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.MLP(2, [4, 1]),
        lambda: nn.Neuron(2, activation="tanh"),
        lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU()),
    ],
)
def test_a_right_module_passes(make):
    assert check_module(make, 2).passed


def test_modules_that_break():
    assert "ends in an error: TypeError" in check_module(lambda: Net(7, 8, 9), 2).explain()
    assert check_module(lambda: nn.Linear(2, 1, bias=False), 2, nonlinear=False, bias=False).passed
    with pytest.raises(TypeError, match="expected a function that makes a module, got int"):
        check_module(3, 2)
    assert {m.name for m in modules.MISCONCEPTIONS} >= {"bias-missing"}


# Gradients by hand


@pytest.mark.parametrize(
    ("f", "g", "expected"),
    [
        (lambda x: x**3, lambda x: 3 * x**2, []),
        (lambda x: x**3, lambda x: x**2, ["power-rule-coefficient"]),
        (lambda x: x**3, lambda x: 3 * x**3, ["power-rule-exponent"]),
        (lambda x, y: x * y, lambda x, y: (x, y), ["product-rule-swapped"]),
        (lambda x, y: x / y, lambda x, y: (1 / y, x / y**2), ["quotient-rule"]),
        (lambda x: tanh(x * x), lambda x: 1 - tanh(x * x) ** 2, None),
        (lambda x: exp(x), lambda x: x * math.exp(x - 1), ["power-rule-on-exp"]),
        (lambda x, y: sin(x) - cos(y), lambda x, y: (cos(x), -sin(y)), ["sign-of-subtraction"]),
        (lambda x: sin(x), lambda x: 2 * cos(x), ["unexplained"]),
        (lambda x: sin(x), lambda x: 1 / 0, ["unexplained"]),
    ],
)
def test_a_derivative_by_hand(f, g, expected):
    report = check_gradient(f, g)
    assert expected is None or names(report) == expected, str(report)
    assert report.passed == (expected == [])


def test_a_factor_is_told():
    assert "2 times the right one" in check_gradient(sin, lambda x: 2 * cos(x), at=[0.3, 1.2]).explain()
    with pytest.raises(TypeError, match="expected two functions, got float"):
        check_gradient(sin, 1.0)


# Finite differences, and comparing


def test_the_numerical_gradient_and_its_picture(tmp_path):
    assert numerical_gradient(lambda x: x**3, 2.0) == pytest.approx(12.0, rel=1e-9)
    assert numerical_gradient(lambda a, b: a * b, [2.0, 3.0]) == pytest.approx([3.0, 2.0])
    assert numerical_gradient(lambda x: x.tanh() if isinstance(x, Value) else math.tanh(x), 0.5) == pytest.approx(
        0.78644773
    )
    with pytest.raises(ValueError, match=r"a step above 0, got 0\.0"):
        numerical_gradient(sin, 1.0, step=0.0)
    drawn = plot_step_error(sin, 1.0)
    drawn.savefig(tmp_path / "error.png")
    symmetric = drawn.axes[0].lines[1].get_ydata()
    assert min(symmetric) < 1e-9 < 1e-3 < symmetric[0]


@pytest.mark.parametrize("style", list(STYLES))
def test_comparing_a_right_engine(style):
    found = compare(engine(style), lambda a, b: (a * b + a).tanh() - b, {"a": 0.5, "b": -0.3})
    assert found.agrees, str(found)
    assert len(found.rows) == 6
    assert found._repr_html_().count("<img") == 2


def test_comparing_a_wrong_engine():
    wrong = engine("closures", {"*": "self.grad += self.data * out.grad; other.grad += other.data * out.grad"})
    found = compare(wrong, lambda a, b: a * b + a, {"a": 0.5, "b": -0.3})
    assert not found.agrees
    assert [line.split()[1] for line in sorted(str(found).splitlines()) if line.startswith("*")] == ["a", "b"]


def test_the_room_s_page():
    page = (ROOT / "autograd" / "exercises" / "README.md").read_text()
    for m in CATALOGUE:
        styles = ", ".join(sorted({style for style, *_ in PLANTS.get(m.name, ())}))
        message, planted = m.message.format(where="The operation"), styles or "a remark: right engines have it"
        row = f"| `{m.name}` | {message} | {planted} |"
        assert row in page, row
    for m in (*optimizers.MISCONCEPTIONS, *losses.MISCONCEPTIONS, *modules.MISCONCEPTIONS):
        assert f"| `{m.name}` | {m.message.format(where='The option')} |" in page
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
        assert printed.getvalue().strip() == re.findall("# -> (.*)", code)[0].strip()
    for name in autograd.exercises.__all__:
        assert name in ("Comparison", "Finding", "Report", "Task") or f"`{name}(" in page, name
