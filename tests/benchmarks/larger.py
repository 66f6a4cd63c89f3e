"""A convolutional net for digits, microgpt, and Rosenbrock's function: ours and peers', in the manner of `peers.py`."""

import itertools
import random

import numpy as np
from peers import stepping

ROWS = ("digits CNN", "microgpt", "Rosenbrock")
POINTS = 1_000_000


# The convolutional net of the ladder, without its dropout, on batches of 32 digits


def cnn_model():
    import nn

    rng = random.Random(0)
    layers = [nn.Conv2d(1, 24, 3, rng=rng), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(216, 10, rng=rng)]
    X, Y = nn.load_digits()
    images = np.array(X).reshape(-1, 1, 8, 8)[: 16 * 32].reshape(16, 32, 1, 8, 8) / 16.0
    return nn.Sequential(*layers), images, np.array(Y)[: 16 * 32].reshape(16, 32)


def ours_cnn():
    import nn

    model, X, Y = cnn_model()
    trainer = nn.Trainer(model, nn.cross_entropy, nn.SGD(model.parameters(), lr=0.05), compile=True)
    step = stepping(trainer)
    return lambda i: step(X[i], Y[i])


def torch_cnn():
    import torch
    from torch.nn import functional as f

    torch.set_num_threads(1)
    model, X, Y = cnn_model()
    state = model.state_dict()

    def tensor(layer, *shape):
        numbers = [x for name, x in state.items() if name.startswith(layer)]
        return torch.tensor(np.array(numbers).reshape(shape), requires_grad=True)

    params = [
        tensor("layers.0.weight", 24, 1, 3, 3), tensor("layers.0.bias", 24),
        tensor("layers.4.weight", 10, 216), tensor("layers.4.bias", 10),
    ]  # fmt: skip
    X, Y = [torch.tensor(x) for x in X], [torch.tensor(y) for y in Y]
    optimizer = torch.optim.SGD(params, lr=0.05)

    def step(i):
        optimizer.zero_grad()
        hidden = f.relu(f.max_pool2d(f.conv2d(X[i], params[0], params[1]), 2))
        loss = f.cross_entropy(f.linear(hidden.flatten(1), params[2], params[3]), Y[i])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


# microgpt: one name a step, Adam; the i-th step gets the i-th name


def gpt(make):
    import microgpt as m

    names, tokens, vocabulary, rng = m.documents(m.read_names())
    step = make(vocabulary, rng)
    lists = [tokens(name) for name in names]
    return lambda i: step(lists[i % len(lists)])


def ours_gpt():
    import microgpt as m

    import nn

    def make(vocabulary, rng):
        model = m.GPT(vocabulary, rng=0).draw(rng)
        optimizer = nn.Adam(model.parameters(), lr=0.01, betas=(0.85, 0.99))
        decay = nn.LinearLR(optimizer, 1.0, 0.0, 1000)
        trainer = nn.Trainer(model, m.spelling, optimizer, scheduler=decay, scheduler_interval="batch", compile=True)
        step = stepping(trainer)
        return lambda tokens: step([tokens[:-1]], [tokens[1:]])

    return gpt(make)


def plain_gpt():
    import microgpt as m

    return gpt(m.training_of_plain)


def torch_gpt():
    import torch
    from torch.nn import functional as f

    torch.set_num_threads(1)

    def make(vocabulary, rng):
        def matrix(rows, columns):
            numbers = [[rng.gauss(0, 0.08) for _ in range(columns)] for _ in range(rows)]
            return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)

        wte, wpe, head = matrix(vocabulary, 16), matrix(16, 16), matrix(vocabulary, 16)
        wq, wk, wv, wo = (matrix(16, 16) for _ in range(4))
        fc1, fc2 = matrix(64, 16), matrix(16, 64)
        params = [wte, wpe, head, wq, wk, wv, wo, fc1, fc2]
        optimizer = torch.optim.Adam(params, lr=0.01, betas=(0.85, 0.99), fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: max(1.0 - i / 1000, 0.0))
        places = torch.arange(16)

        def norm(x):
            return x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt()

        def step(tokens):
            tokens = torch.tensor(tokens)
            count = len(tokens) - 1
            x = norm(wte[tokens[:-1]] + wpe[places[:count]])
            n = norm(x)
            q, k, v = ((n @ w.T).view(count, 4, 4).transpose(0, 1) for w in (wq, wk, wv))
            attended = f.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + attended.transpose(0, 1).reshape(count, 16) @ wo.T
            x = x + f.relu(norm(x) @ fc1.T) @ fc2.T
            loss = f.cross_entropy(x @ head.T, tokens[1:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss.item()

        return step

    return gpt(make)


# Rosenbrock's function of ten variables, value and gradient at a million points, into arrays that are there


def points():
    return np.random.default_rng(0).normal(size=(POINTS, 10))


def ours_rosenbrock():
    from autograd import compile

    X, value, slopes = points(), np.empty(POINTS), np.empty((POINTS, 10))
    f = compile(lambda x: sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2 for a, b in itertools.pairwise(x)))

    def step(i):
        f.value_and_grad(X, out=(value, slopes))
        return float(value[i] + slopes[i].sum())

    return step


def jax_rosenbrock():
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)
    X = jnp.array(points())
    f = jax.jit(jax.vmap(jax.value_and_grad(
        lambda x: jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))))  # fmt: skip

    def step(i):
        value, slopes = jax.block_until_ready(f(X))
        return float(value[i] + slopes[i].sum())

    return step


def numpy_rosenbrock():
    X = points()

    def step(i):
        inner, rest = X[:, 1:] - X[:, :-1] ** 2, 1.0 - X[:, :-1]
        slopes = np.zeros_like(X)
        slopes[:, :-1] = -400.0 * inner * X[:, :-1] - 2.0 * rest
        slopes[:, 1:] += 200.0 * inner
        return float((100.0 * inner[i] ** 2 + rest[i] ** 2).sum() + slopes[i].sum())

    return step


CONTENDERS = {
    "digits CNN": {"ours": ours_cnn, "torch": torch_cnn},
    "microgpt": {"ours": ours_gpt, "torch": torch_gpt, "plain": plain_gpt},
    "Rosenbrock": {"ours": ours_rosenbrock, "jax": jax_rosenbrock, "numpy": numpy_rosenbrock},
}
