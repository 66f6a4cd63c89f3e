"""Whole training steps of small nets, by ourselves and by peers: batch in, mean gradient, SGD update, loss out.

Each contender gets a task, with weights and batches, and returns a function: a step on the i-th batch, which gives the
loss before the update. All use double precision and one core.
"""

import random

import numpy as np

LR = 0.05
NETS = {  # sizes, activation, loss, batch size
    "4-8-4-1": ([4, 8, 4, 1], "tanh", "bce", 32),
    "2-16-16-1": ([2, 16, 16, 1], "relu", "hinge", 100),
    "64-32-10": ([64, 32, 10], "relu", "ce", 32),
    "64-32-10 256": ([64, 32, 10], "relu", "ce", 256),
    "64-128-64-10": ([64, 128, 64, 10], "relu", "ce", 64),
}
BATCHES = 16


class Task:
    """The weights that all start from, and the batches."""

    def __init__(self, name):
        self.sizes, self.activation, self.loss, self.batch = NETS[name]
        rng = random.Random(1)
        self.weights, self.biases = [], []
        for i, o in zip(self.sizes, self.sizes[1:]):
            bound = i**-0.5
            self.weights.append(np.array([[rng.uniform(-bound, bound) for _ in range(i)] for _ in range(o)]))
            self.biases.append(np.array([rng.uniform(-bound, bound) for _ in range(o)]))
        source = np.random.default_rng(2)
        self.X = [source.normal(size=(self.batch, self.sizes[0])) for _ in range(BATCHES)]
        if self.loss == "ce":
            self.Y = [source.integers(0, self.sizes[-1], self.batch) for _ in range(BATCHES)]
        else:
            self.Y = [
                source.integers(0, 2, self.batch) * (2.0 if self.loss == "hinge" else 1.0) for _ in range(BATCHES)
            ]
            self.Y = [y - 1.0 if self.loss == "hinge" else y for y in self.Y]

    @property
    def flat(self):
        return np.concatenate([np.concatenate([w.ravel(), b]) for w, b in zip(self.weights, self.biases)])

    def split(self, flat):
        """Weights and biases in one vector of numbers, or of anything else."""
        found, at = [], 0
        for i, o in zip(self.sizes, self.sizes[1:]):
            rows = [flat[at + j * i : at + (j + 1) * i] for j in range(o)]
            at += o * i
            found.append((rows, flat[at : at + o]))
            at += o
        return found


def trainer(task):
    import nn

    model = nn.MLP(task.sizes[0], task.sizes[1:], activation=task.activation, rng=0)
    for layer, rows, biases in zip(model.layers, task.weights, task.biases):
        for neuron, row, bias in zip(layer.neurons, rows, biases):
            neuron.b.data = bias
            for w, number in zip(neuron.w, row):
                w.data = number
    losses = {"ce": nn.cross_entropy, "bce": nn.binary_cross_entropy_with_logits, "hinge": nn.hinge_loss}
    return nn.Trainer(model, losses[task.loss], nn.SGD(model.parameters(), lr=LR), compile=True)


def stepping(trainer):
    """The trainer's quick step, in a block that lasts as long as the process."""
    block = trainer.stepping()
    step = block.__enter__()
    return lambda X, Y, block=block: step(X, Y)


def ours(task):
    step = stepping(trainer(task))
    return lambda i: step(task.X[i], task.Y[i])


def numpy(task):
    weights, biases = [w.copy() for w in task.weights], [b.copy() for b in task.biases]
    rows = np.arange(task.batch)

    def step(i):
        x, y = task.X[i], task.Y[i]
        inputs = []
        for k, (w, b) in enumerate(zip(weights, biases)):
            inputs.append(x)
            x = x @ w.T + b
            if k < len(weights) - 1:
                x = np.tanh(x) if task.activation == "tanh" else np.maximum(x, 0.0)
        if task.loss == "ce":
            x -= x.max(axis=1, keepdims=True)
            e = np.exp(x)
            s = e.sum(axis=1, keepdims=True)
            loss = (np.log(s[:, 0]) - x[rows, y]).mean()
            g = e / s
            g[rows, y] -= 1.0
        elif task.loss == "bce":
            z = x[:, 0]
            e = np.exp(-np.abs(z))
            loss = (np.maximum(z, 0.0) - z * y + np.log1p(e)).mean()
            g = (np.where(z >= 0, 1.0, e) / (1.0 + e) - y)[:, None]
        else:
            margin = 1.0 - y * x[:, 0]
            loss = np.maximum(margin, 0.0).mean()
            g = np.where(margin > 0, -y, 0.0)[:, None]
        g /= task.batch
        for k in reversed(range(len(weights))):
            a = inputs[k]
            down = g @ weights[k]
            weights[k] -= LR * (g.T @ a)
            biases[k] -= LR * g.sum(axis=0)
            g = down * (1.0 - a * a if task.activation == "tanh" else a > 0)
        return float(loss)

    return step


def torch(task, compiled=False):
    import torch
    from torch.nn import functional as f

    torch.set_num_threads(1)
    params = [torch.tensor(p, requires_grad=True) for pair in zip(task.weights, task.biases) for p in pair]
    X = [torch.tensor(x) for x in task.X]
    Y = [torch.tensor(y) for y in task.Y]

    def loss_of(x, y, *params):
        for k in range(0, len(params), 2):
            x = f.linear(x, params[k], params[k + 1])
            if k < len(params) - 2:
                x = torch.tanh(x) if task.activation == "tanh" else torch.relu(x)
        if task.loss == "ce":
            return f.cross_entropy(x, y)
        if task.loss == "bce":
            return f.binary_cross_entropy_with_logits(x[:, 0], y)
        return torch.relu(1.0 - y * x[:, 0]).mean()

    if compiled:
        loss_of = torch.compile(loss_of)
    optimizer = torch.optim.SGD(params, lr=LR)

    def step(i):
        optimizer.zero_grad()
        loss = loss_of(X[i], Y[i], *params)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_compile(task):
    return torch(task, compiled=True)


def jax(task):
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)
    X, Y = [jnp.array(x) for x in task.X], [jnp.array(y) for y in task.Y]

    def loss_of(params, x, y):
        for k, (w, b) in enumerate(params):
            x = x @ w.T + b
            if k < len(params) - 1:
                x = jnp.tanh(x) if task.activation == "tanh" else jax.nn.relu(x)
        if task.loss == "ce":
            return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()
        z = x[:, 0]
        if task.loss == "bce":
            return (jax.nn.softplus(z) - z * y).mean()
        return jax.nn.relu(1.0 - y * z).mean()

    @jax.jit
    def update(params, x, y):
        loss, slopes = jax.value_and_grad(loss_of)(params, x, y)
        return jax.tree.map(lambda p, g: p - LR * g, params, slopes), loss

    params = [(jnp.array(w), jnp.array(b)) for w, b in zip(task.weights, task.biases)]

    def step(i):
        nonlocal params
        params, loss = update(params, X[i], Y[i])
        return float(loss)

    return step


def scalar_loss(task, w, x, y, m):
    """The loss of one example in operators, of numbers of the peer m."""
    for k, (rows, biases) in enumerate(layers := task.split(w)):
        sums = []
        for row, bias in zip(rows, biases):
            s = bias
            for a, b in zip(row, x):
                s = s + a * b
            sums.append(s)
        x = sums if k == len(layers) - 1 else [m.tanh(s) if task.activation == "tanh" else m.relu(s) for s in sums]
    if task.loss == "ce":
        largest = x[0]
        for v in x[1:]:
            largest = m.maximum(largest, v)
        exps = [m.exp(v - largest) for v in x]
        total = exps[0]
        for e in exps[1:]:
            total = total + e
        return m.log(total) - sum((v - largest) * hot for v, hot in zip(x, y))  # y: one hot
    if task.loss == "bce":
        return m.relu(x[0]) - x[0] * y[0] + m.log(1.0 + m.exp(-m.abs(x[0])))
    return m.relu(1.0 - y[0] * x[0])


def columns(task):
    """For each batch inputs and targets side by side, the targets one hot, if they are classes."""
    found = []
    for x, y in zip(task.X, task.Y):
        y = np.eye(task.sizes[-1])[y] if task.loss == "ce" else y[:, None]
        found.append(np.ascontiguousarray(np.concatenate([x, y], axis=1)))
    return found


def casadi(task, whole):
    import casadi as ca

    class Math:
        tanh, exp, log, abs, maximum = ca.tanh, ca.exp, ca.log, ca.fabs, ca.fmax

        @staticmethod
        def relu(x):
            return ca.fmax(x, 0.0)

    count, inputs = len(task.flat), task.sizes[0]
    data = columns(task)
    width = data[0].shape[1]
    w, xy = ca.SX.sym("w", count), ca.SX.sym("xy", width)
    cells = [xy[i] for i in range(width)]
    loss = scalar_loss(task, [w[i] for i in range(count)], cells[:inputs], cells[inputs:], Math)
    options = {"jit": True, "compiler": "shell", "jit_options": {"flags": ["-O3", "-march=native"]}}
    if whole:
        one = ca.Function("one", [w, xy], [loss])
        batch = ca.SX.sym("batch", width, task.batch)
        total = sum(one(w, batch[:, i]) for i in range(task.batch)) / task.batch
        f = ca.Function("f", [w, batch], [total, w - LR * ca.gradient(total, w)], options)
    else:
        inner = ca.Function("inner", [w, xy], [loss, ca.gradient(loss, w)])
        p, batch = ca.MX.sym("p", count), ca.MX.sym("batch", width, task.batch)
        losses, slopes = inner.map(task.batch)(p, batch)
        moved = p - LR / task.batch * ca.sum2(slopes)
        f = ca.Function("f", [p, batch], [ca.sum2(losses) / task.batch, moved], options)
    buffer, run = f.buffer()
    weights, moved, result = task.flat, np.empty(count), np.empty(1)
    buffer.set_arg(0, memoryview(weights))
    buffer.set_res(0, memoryview(result))
    buffer.set_res(1, memoryview(moved))
    views = [memoryview(d.ravel()) for d in data]

    def step(i):
        buffer.set_arg(1, views[i])
        run()
        weights[:] = moved
        return float(result[0])

    return step


def casadi_whole(task):
    return casadi(task, True)


def casadi_map(task):
    return casadi(task, False)


def ddx(task):
    import ddx

    class Math:
        tanh, exp, log, abs, maximum = ddx.tanh, ddx.exp, ddx.log, ddx.abs, ddx.max

        @staticmethod
        def relu(x):
            return ddx.max(x, 0.0)

    count, inputs = len(task.flat), task.sizes[0]
    data = columns(task)
    width = data[0].shape[1]

    def model():
        w = [ddx.var(f"w{i}") for i in range(count)]
        cells = [ddx.param(f"x{i}") for i in range(width)]
        return scalar_loss(task, w, cells[:inputs], cells[inputs:], Math)

    f = ddx.equation(model).compile(points=task.batch)
    weights = task.flat
    call = f.buffer(np.concatenate([np.repeat(weights[:, None], task.batch, axis=1), data[0].T]))
    turned = [np.ascontiguousarray(d.T) for d in data]

    def step(i):
        call.x[:count] = weights[:, None]
        call.x[count:] = turned[i]
        call()
        loss = call.value.mean()
        weights[:] -= LR * call.jacobian.mean(axis=1)
        return float(loss)

    return step


CONTENDERS = (ours, torch, torch_compile, jax, casadi_whole, casadi_map, ddx, numpy)
