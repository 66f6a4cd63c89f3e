"""How fast the eager engine is, as ratios to named peers: python tests/benchmarks/eager.py

Needs the extra `bench` (micrograd 0.1.0, xad 1.5.2). Each contender runs in a process of its own; the processes
alternate, and medians are compared. Python's collector stays as Python sets it, but for the line that says otherwise.

The net is 2-16-16-1 with ReLU, 100 samples, squared error; a step is one forward and one backward pass.
"plain" is written with `*` and `+`, the same lines for every engine; "MLP" is nn.MLP.
"""

import gc
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
import tracemalloc

SIZES, SAMPLES = [2, 16, 16, 1], 100
ROUNDS, REPEATS = 5, 7


# The contenders: each returns a function that makes one step and returns the loss; all have to compute the same.


def weights_and_data():
    rng = random.Random(1)
    weights = [[[rng.uniform(-1, 1) for _ in range(i)] for _ in range(o)] for i, o in itertools.pairwise(SIZES)]
    X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(SAMPLES)]
    return weights, X, [rng.choice([-1.0, 1.0]) for _ in X]


def network(weights, biases, x, relu):
    for k, (rows, bias) in enumerate(zip(weights, biases, strict=True)):
        sums = []
        for row, b in zip(rows, bias, strict=True):
            s = b
            for w, xi in zip(row, x, strict=True):
                s = s + w * xi
            sums.append(s if k == len(weights) - 1 else relu(s))
        x = sums
    return x[0]


def plain(value):
    weights, X, Y = weights_and_data()
    weights = [[[value(w) for w in row] for row in rows] for rows in weights]
    biases = [[value(0.0) for _ in rows] for rows in weights]

    def step():
        loss = 0.0
        for x, y in zip(X, Y, strict=True):
            loss = loss + (network(weights, biases, x, lambda s: s.relu()) - y) ** 2
        loss = loss * (1 / SAMPLES)
        loss.backward()
        return loss.data

    return step


def scalar_autograd():
    from autograd import Value

    return plain(Value)


def micrograd():
    from micrograd.engine import Value

    sys.setrecursionlimit(100_000)
    return plain(Value)


def microgpt():
    """The idea of microgpt.py's class: slots, local derivatives kept on the node, a recursive sort."""

    class Value:
        __slots__ = ("children", "data", "grad", "local")

        def __init__(self, data, children=(), local=()):
            self.data, self.grad, self.children, self.local = data, 0.0, children, local

        def __add__(self, other):
            other = other if isinstance(other, Value) else Value(other)
            return Value(self.data + other.data, (self, other), (1, 1))

        def __mul__(self, other):
            other = other if isinstance(other, Value) else Value(other)
            return Value(self.data * other.data, (self, other), (other.data, self.data))

        def __pow__(self, k):
            return Value(self.data**k, (self,), (k * self.data ** (k - 1),))

        def relu(self):
            return Value(max(0, self.data), (self,), (float(self.data > 0),))

        def __sub__(self, other):
            return self + (-other)

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

    sys.setrecursionlimit(100_000)
    return plain(Value)


def scalar_autograd_mlp():
    from autograd import mean
    from nn import MLP, mse_loss

    numbers, X, Y = weights_and_data()
    model = MLP(SIZES[0], SIZES[1:])
    for layer, rows in zip(model.layers, numbers, strict=True):
        for neuron, row in zip(layer.neurons, rows, strict=True):
            for w, number in zip(neuron.w, row, strict=True):
                w.data = number

    def step():
        loss = mean([mse_loss(output, y) for output, y in zip(model.batch(X), Y, strict=True)])
        loss.backward()
        return loss.data

    return step


def xad():
    """The C++ tape under Python, with its own max as ReLU."""
    from xad import math
    from xad.adj_1st import Real, Tape

    numbers, X, Y = weights_and_data()

    def step():
        with Tape() as tape:
            weights = [[[Real(w) for w in row] for row in rows] for rows in numbers]
            biases = [[Real(0.0) for _ in rows] for rows in numbers]
            for rows, bias in zip(weights, biases, strict=True):
                for parameter in [*bias, *(w for row in rows for w in row)]:
                    tape.registerInput(parameter)
            tape.newRecording()
            loss = 0.0
            for x, y in zip(X, Y, strict=True):
                error = network(weights, biases, x, lambda s: math.max(s, 0.0)) - y
                loss = loss + error * error
            loss = loss * (1 / SAMPLES)
            tape.registerOutput(loss)
            loss.derivative = 1.0
            tape.computeAdjoints()
            return loss.value

    return step


def step_time(contender):
    step = globals()[contender]()
    loss, times = step(), []
    for _ in range(REPEATS):
        start = time.perf_counter()
        loss = step()
        times.append(time.perf_counter() - start)
    return {"ms": 1000 * statistics.median(times), "loss": loss}


def memory(contender):
    """Bytes of one node in a chain of x = x * 1.5."""
    if contender == "micrograd":
        from micrograd.engine import Value
    else:
        from autograd import Value
    tracemalloc.start()
    x = Value(1.0)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(1000):
        x = x * 1.5
    after, _ = tracemalloc.get_traced_memory()
    return {"bytes": (after - before) / 1000}


def chain(size, collect):
    """Nanoseconds an operation, forward and backward, of a chain."""
    from autograd import Value

    if not collect:
        gc.disable()
    times = []
    for _ in range(20 if size < 100_000 else 1):
        start = time.perf_counter()
        x = Value(1.0)
        for _ in range(size):
            x = x * 1.0000001
        x.backward()
        times.append(time.perf_counter() - start)
    return {"ns": 1e9 * statistics.median(times) / size}


def measure(*call):
    """One measurement in a process of its own."""
    result = subprocess.run([sys.executable, __file__, *map(str, call)], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def main():
    contenders = ["scalar_autograd", "microgpt", "micrograd", "scalar_autograd_mlp", "xad"]
    runs = {name: [] for name in contenders}
    for round_ in range(ROUNDS):
        for name in contenders:
            print(f"\rround {round_ + 1} of {ROUNDS}: {name:20}", end="", file=sys.stderr)
            runs[name].append(measure("step_time", name))
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    losses = [run["loss"] for results in runs.values() for run in results]
    assert max(losses) - min(losses) < 1e-12, f"the contenders do not compute the same: {sorted(set(losses))}"
    ms = {name: statistics.median(run["ms"] for run in results) for name, results in runs.items()}
    sizes = {name: measure("memory", name)["bytes"] for name in ("scalar_autograd", "micrograd")}
    growth = {}
    for collect in (1, 0):
        pairs = [
            (measure("chain", 10_000, collect)["ns"], measure("chain", 1_000_000, collect)["ns"]) for _ in range(ROUNDS)
        ]
        growth[collect] = statistics.median(long / short for short, long in pairs)
    ours, model = ms["scalar_autograd"], ms["scalar_autograd_mlp"]
    node, theirs = sizes["scalar_autograd"], sizes["micrograd"]
    rows = [
        ("what", "time or size", "ratio", "asked"),
        ("---", "---", "---", "---"),
        ("plain expressions", f"{ours:.1f} ms", f"{ms['micrograd'] / ours:.1f} times micrograd 0.1.0", "12"),
        ("", "", f"{ms['microgpt'] / ours:.2f} times microgpt.py's class", "1.4"),
        ("`nn.MLP`", f"{model:.1f} ms", f"{ms['micrograd'] / model:.0f} times micrograd 0.1.0", "50"),
        ("", "", f"{ms['xad'] / model:.2f} times XAD 1.5.2, a C++ tape ({ms['xad']:.1f} ms)", "2"),
        ("memory of a node", f"{node:.0f} bytes", f"1/{theirs / node:.1f} of micrograd's", "1/4"),
        ("an operation in a chain of 1,000,000", "", f"{growth[1]:.2f} times one in 10,000", "at most 4"),
        ("the same with `gc.disable()`", "", f"{growth[0]:.2f} times", "at most 1.3"),
    ]
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        name, *arguments = sys.argv[1:]
        arguments = [int(a) if a.isdigit() else a for a in arguments]
        print(json.dumps({"step_time": step_time, "memory": memory, "chain": chain}[name](*arguments)))
