"""How fast the eager engine is, as ratios to named peers: python tests/benchmarks/eager.py

Needs the extra `bench` (micrograd 0.1.0, xad 1.5.2). Each contender runs in a process of its own; the processes
alternate, and medians are compared. Python's collector stays as Python sets it, but for the line that says otherwise.

The net is 2-16-16-1 with ReLU, 100 samples, squared error; a step is one forward and one backward pass, and with Adam
also the update. "plain" is written with `*` and `+`, the same lines for every engine; "MLP" is nn.MLP. The GPT is
microgpt.py's: one name a step, Adam, 4,192 parameters. Its losses have to agree to 1e-12 at every step.

--names FILE   train the GPT on other names than the project's own, one a line, such as makemore's
--steps N      so many steps of the GPT (30); 1,000 are its whole training, and take a quarter of an hour
"""

import argparse
import gc
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.setrecursionlimit(100_000)  # for the peers, which sort by recursion

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

    return plain(Value)


def microgpt():
    from microgpt import Plain

    return plain(Plain)


def mlp():
    from nn import MLP

    numbers, X, Y = weights_and_data()
    model = MLP(SIZES[0], SIZES[1:])
    for layer, rows in zip(model.layers, numbers, strict=True):
        for neuron, row in zip(layer.neurons, rows, strict=True):
            for w, number in zip(neuron.w, row, strict=True):
                w.data = number
    return model, X, Y


def scalar_autograd_mlp():
    from autograd import mean
    from nn import mse_loss

    model, X, Y = mlp()

    def step():
        loss = mean([mse_loss(output, y) for output, y in zip(model.batch(X), Y, strict=True)])
        loss.backward()
        return loss.data

    return step


def scalar_autograd_adam():
    from nn import Adam, Trainer, mse_loss

    model, X, Y = mlp()
    trainer = Trainer(model, mse_loss, Adam(model.parameters(), lr=0.01))
    return lambda: trainer.step(X, Y)


def microgpt_adam():
    """Adam as microgpt.py writes it."""
    from microgpt import Plain, adam

    parameters = []

    def value(x):
        parameters.append(Plain(x))
        return parameters[-1]

    step = plain(value)
    update = adam(parameters, (0.9, 0.999))

    def whole_step():
        loss = step()
        update(0.01)
        return loss

    return whole_step


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
    losses, times = [step()], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        losses.append(step())
        times.append(time.perf_counter() - start)
    return {"ms": 1000 * statistics.median(times), "losses": losses}


def gpt(contender, names, steps):
    """microgpt.py's training: the time of a step, and the loss at every step."""
    import microgpt as m

    documents, tokens, vocabulary, rng = m.documents(m.read_names(names))
    step = (m.training_of_nn if contender == "nn" else m.training_of_plain)(vocabulary, rng, total=max(steps, 1000))
    losses, times = [], []
    for i in range(steps):
        start = time.perf_counter()
        losses.append(step(tokens(documents[i % len(documents)])))
        times.append(time.perf_counter() - start)
    return {"ms": 1000 * statistics.mean(times), "losses": losses}


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


def agree(runs):
    """The losses of several runs, which have to agree at every step."""
    losses = [run["losses"] for results in runs for run in results]
    for step, found in enumerate(zip(*losses, strict=True), start=1):
        assert max(found) - min(found) <= 1e-12, f"the contenders do not compute the same at step {step}: {found}"
    return losses[0]


def alternate(rounds, **contenders):
    """The measurements of each contender, in turn."""
    runs = {name: [] for name in contenders}
    for round_ in range(rounds):
        for name, call in contenders.items():
            print(f"\rround {round_ + 1} of {rounds}: {name:24}", end="", file=sys.stderr)
            runs[name].append(measure(*call))
    print("\r" + " " * 44 + "\r", end="", file=sys.stderr)
    return runs, {name: statistics.median(run["ms"] for run in results) for name, results in runs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", default="")
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    names = ["scalar_autograd", "microgpt", "micrograd", "scalar_autograd_mlp", "xad"]
    runs, ms = alternate(ROUNDS, **{name: ("step_time", name) for name in names})
    agree(runs.values())
    runs, adam = alternate(ROUNDS, **{n: ("step_time", n) for n in ("scalar_autograd_adam", "microgpt_adam")})
    agree(runs.values())
    contenders = {name: ("gpt", name, options.names, options.steps) for name in ("nn", "plain")}
    runs, gpts = alternate(3 if options.steps <= 100 else 1, **contenders)
    losses = agree(runs.values())
    print(f"GPT: loss {losses[0]!r} at step 1, {losses[-1]!r} at step {len(losses)}", file=sys.stderr)
    sizes = {name: measure("memory", name)["bytes"] for name in ("scalar_autograd", "micrograd")}
    growth = {}
    for collect in (1, 0):
        pairs = [
            (measure("chain", 10_000, collect)["ns"], measure("chain", 1_000_000, collect)["ns"]) for _ in range(ROUNDS)
        ]
        growth[collect] = statistics.median(long / short for short, long in pairs)
    ours, model = ms["scalar_autograd"], ms["scalar_autograd_mlp"]
    node, theirs = sizes["scalar_autograd"], sizes["micrograd"]
    with_adam, transformer = adam["scalar_autograd_adam"], gpts["nn"]
    rows = [
        ("what", "time or size", "ratio", "asked"),
        ("---", "---", "---", "---"),
        ("plain expressions", f"{ours:.1f} ms", f"{ms['micrograd'] / ours:.1f} times micrograd 0.1.0", "12"),
        ("", "", f"{ms['microgpt'] / ours:.2f} times microgpt.py's class", "1.4"),
        ("`nn.MLP`", f"{model:.1f} ms", f"{ms['micrograd'] / model:.0f} times micrograd 0.1.0", "50"),
        ("", "", f"{ms['xad'] / model:.2f} times XAD 1.5.2, a C++ tape ({ms['xad']:.1f} ms)", "2"),
        ("with `Adam`", f"{with_adam:.1f} ms", f"{adam['microgpt_adam'] / with_adam:.1f} times its class", "6"),
        ("its GPT, with `Adam`", f"{transformer:.1f} ms", f"{gpts['plain'] / transformer:.1f} times its class", "6"),
        ("memory of a node", f"{node:.0f} bytes", f"1/{theirs / node:.1f} of micrograd's", "1/4"),
        ("an operation in a chain of 1,000,000", "", f"{growth[1]:.2f} times one in 10,000", "at most 4"),
        ("the same with `gc.disable()`", "", f"{growth[0]:.2f} times", "at most 1.3"),
    ]  # fmt: skip
    for row in rows:
        print(f"| {' | '.join(row)} |")


CALLS = {"step_time": step_time, "memory": memory, "chain": chain, "gpt": gpt}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in CALLS:
        name, *arguments = sys.argv[1:]
        arguments = [int(a) if a.isdigit() else a for a in arguments]
        print(json.dumps(CALLS[name](*arguments)))
    else:
        main()
