"""The model of microgpt.py in plain operators: what its author's code does with a Value, for any class of Values; its
own class; and the same model made of nn's layers."""

import math
import random

from autograd import mean
from nn import Adam, Embedding, Linear, LinearLR, Module, RMSNorm, Trainer, TransformerBlock, cross_entropy, load_names


class Plain:
    """The idea of microgpt.py's own class: slots, local derivatives kept on the node, a recursive sort."""

    __slots__ = ("children", "data", "grad", "local")

    def __init__(self, data, children=(), local=()):
        self.data, self.grad, self.children, self.local = data, 0.0, children, local

    def __add__(self, other):
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k):
        return Plain(self.data**k, (self,), (k * self.data ** (k - 1),))

    def log(self):
        return Plain(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Plain(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self):
        return Plain(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                for child in v.children:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1
        for v in reversed(order):
            for child, local in zip(v.children, v.local):
                child.grad += local * v.grad


def gpt(value, rng, width, heads, block, vocabulary, spread):
    """A one-layer transformer: its parameters, and a function from a list of tokens to the mean loss."""

    def matrix(rows, columns):
        return [[value(rng.gauss(0, spread)) for _ in range(columns)] for _ in range(rows)]

    state = {name: matrix(vocabulary if name in ("wte", "head") else block if name == "wpe" else width, width)
             for name in ("wte", "wpe", "head", "wq", "wk", "wv", "wo")}  # fmt: skip
    state["fc1"], state["fc2"] = matrix(4 * width, width), matrix(width, 4 * width)
    params = [p for m in state.values() for row in m for p in row]

    def linear(x, w):
        return [sum(wi * xi for wi, xi in zip(row, x, strict=True)) for row in w]

    def softmax(logits):
        largest = max(v.data for v in logits)
        exps = [(v - largest).exp() for v in logits]
        total = sum(exps)
        return [e / total for e in exps]

    def rmsnorm(x):
        scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
        return [xi * scale for xi in x]

    def logits(token, position, keys, values):
        x = rmsnorm([t + p for t, p in zip(state["wte"][token], state["wpe"][position], strict=True)])
        residual, x = x, rmsnorm(x)
        q = linear(x, state["wq"])
        keys.append(linear(x, state["wk"]))
        values.append(linear(x, state["wv"]))
        attended, size = [], width // heads
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            scores = [sum(a * b for a, b in zip(q[part], k[part], strict=True)) / size**0.5 for k in keys]
            weights = softmax(scores)
            attended += [sum(w * v[part][j] for w, v in zip(weights, values, strict=True)) for j in range(size)]
        x = [a + b for a, b in zip(linear(attended, state["wo"]), residual, strict=True)]
        residual = x
        x = linear([v.relu() for v in linear(rmsnorm(x), state["fc1"])], state["fc2"])
        return linear([a + b for a, b in zip(x, residual, strict=True)], state["head"])

    def loss(tokens):
        keys, values, terms = [], [], []
        for position, target in enumerate(tokens[1:]):
            probabilities = softmax(logits(tokens[position], position, keys, values))
            terms.append(-probabilities[target].log())
        return (1 / len(terms)) * sum(terms)

    return params, loss


class GPT(Module):
    """The same model of nn's layers: one block, RMSNorm without weights, ReLU, no biases, an untied head."""

    def __init__(self, vocabulary, width=16, heads=4, block=16, rng=None):
        self.wte, self.wpe = Embedding(vocabulary, width, rng=rng), Embedding(block, width, rng=rng)
        self.norm = RMSNorm(width, 1e-5, elementwise_affine=False)
        self.block = TransformerBlock(width, heads, norm="rms", norm_affine=False, bias=False, rng=rng)
        self.head = Linear(width, vocabulary, bias=False, rng=rng)

    def forward(self, tokens):
        places = zip(self.wte(tokens), self.wpe(range(len(tokens))), strict=True)
        return self.head(self.block(self.norm([[t + p for t, p in zip(*pair, strict=True)] for pair in places])))

    def draw(self, rng, spread=0.08):
        """Initial weights in microgpt.py's order."""
        block, attention = self.block, self.block.attention
        for layer in (self.wte, self.wpe, self.head, attention.q_proj, attention.k_proj, attention.v_proj,
                      attention.out_proj, block.linear1, block.linear2):  # fmt: skip
            for row in layer.weight:
                for p in row:
                    p.data = rng.gauss(0, spread)
        return self


def spelling(logits, tokens):
    """The mean loss over the places of one document."""
    return mean([cross_entropy(row, token) for row, token in zip(logits, tokens, strict=True)])


def read_names(path=""):
    """The names in a file, one a line; without one the project's own."""
    return [line.strip() for line in open(path) if line.strip()] if path else load_names()


def documents(names, seed=42, block=16):
    """The names in microgpt.py's order, a function from a name to its tokens, how many tokens there are, and the rng as
    it goes on."""
    rng = random.Random(seed)
    names = list(names)
    rng.shuffle(names)
    letters = sorted({c for name in names for c in name})
    end = len(letters)
    return names, lambda name: [end, *map(letters.index, name), end][: block + 1], end + 1, rng


def adam(parameters, betas):
    """Adam as microgpt.py writes it: a function of the learning rate that updates and forgets the gradients."""
    (beta1, beta2), m, v, steps = betas, [0.0] * len(parameters), [0.0] * len(parameters), 0

    def update(lr):
        nonlocal steps
        steps += 1
        for i, p in enumerate(parameters):
            m[i] = beta1 * m[i] + (1 - beta1) * p.grad
            v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
            m_hat = m[i] / (1 - beta1**steps)
            v_hat = v[i] / (1 - beta2**steps)
            p.data -= lr * m_hat / (v_hat**0.5 + 1e-8)
            p.grad = 0

    return update


def training_of_plain(vocabulary, rng, total=1000):
    """A function from a document to the loss, which makes one step of microgpt.py's training."""
    parameters, loss_of = gpt(Plain, rng, width=16, heads=4, block=16, vocabulary=vocabulary, spread=0.08)
    update, done = adam(parameters, (0.85, 0.99)), 0

    def step(tokens):
        nonlocal done
        loss = loss_of(tokens)
        loss.backward()
        update(0.01 * (1 - done / total))
        done += 1
        return loss.data

    return step


def training_of_nn(vocabulary, rng, total=1000):
    """The same with nn's layers and optimizer."""
    model = GPT(vocabulary, rng=0).draw(rng)
    optimizer = Adam(model.parameters(), lr=0.01, betas=(0.85, 0.99))
    decay = LinearLR(optimizer, 1.0, 0.0, total)
    trainer = Trainer(model, spelling, optimizer, scheduler=decay, scheduler_interval="batch")
    return lambda tokens: trainer.step([tokens[:-1]], [tokens[1:]])
