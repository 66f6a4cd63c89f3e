"""The model of microgpt.py in plain operators: what its author's code does with a Value, for any class of Values."""


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
