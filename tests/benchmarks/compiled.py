"""How fast compiled training is, as ratios to named peers: python tests/benchmarks/compiled.py

Needs the extras `compile` and `bench`, and gcc for CasADi; takes a quarter of an hour. A step is the whole of it: batch
in, mean gradient, update, loss out, in double precision. Each contender runs in a process of its own, on one core; the
processes take turns, and medians are compared. "step" is the function that `Trainer.stepping()` gives, on arrays; "fit"
is `Trainer.fit` on 128 batches an epoch, all that it does included. CasADi is in the faster of two forms, one function
of the whole batch or `map`; PyTorch is eager or compiled, whichever is faster. What is missing in a row took minutes to
compile.

--steps N   so many losses of the GPT are compared with microgpt.py's (64); 1,000 take five minutes
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
BLOCK, ROUNDS = 0.15, 7
SINGLE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
          "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}  # fmt: skip
CYCLES = {"microgpt": 64, "Rosenbrock": 1}
"""So many different batches, else 16."""
MODULES = {"torch": "torch", "torch_compile": "torch", "jax": "jax", "casadi_whole": "casadi", "casadi_map": "casadi",
           "ddx": "ddx", "numpy": "numpy"}  # fmt: skip
SMALL = ("4-8-4-1", "2-16-16-1")
PEERS = {"torch": "PyTorch", "torch_compile": "PyTorch", "jax": "JAX", "casadi_whole": "CasADi", "casadi_map": "CasADi",
         "ddx": "ddx-ad", "numpy": "NumPy", "plain": "microgpt.py"}  # fmt: skip


def contenders(row):
    import larger

    if row in larger.CONTENDERS:
        return list(larger.CONTENDERS[row])
    names = ["fit", "ours", "torch", "torch_compile", "jax", "numpy"]
    names += ["casadi_whole"] * (row == "4-8-4-1") + ["casadi_map"] * (row != "64-128-64-10")
    return names + ["ddx"] * (row in SMALL or row == "64-32-10")


def make(row, name):
    import larger
    import peers

    if row in larger.CONTENDERS:
        return larger.CONTENDERS[row][name]()
    return getattr(peers, name)(peers.Task(row))


def child(row, name, steps):
    """Answers each line of its input with the time of a step; first with its losses, and how long the first took."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cycle = CYCLES.get(row, 16)
    __import__(MODULES.get(name, "nn"))  # so that the first step's time is not that of an import
    start = time.perf_counter()
    step = make(row, name)
    if name == "ours":  # the first step compiles, what comes before only makes the model
        start = time.perf_counter()
    losses = [step(0)]
    first = time.perf_counter() - start
    losses += [step(i % cycle if row != "microgpt" else i) for i in range(1, steps)]
    for i in range(cycle if name != "plain" else 0):
        step(i)
    print(json.dumps({"first": first, "losses": losses}), flush=True)
    count = 1
    for _ in sys.stdin:
        while True:
            start = time.perf_counter()
            for _ in range(count):
                for i in range(cycle):
                    step(i)
            taken = time.perf_counter() - start
            if taken > BLOCK:
                break
            count = max(2 * count, int(1.2 * count * BLOCK / taken))
        print(json.dumps(1e6 * taken / count / cycle), flush=True)


def fit_child(row):
    """The same for `fit`, of 128 batches an epoch; it has no losses to compare, since its batches are others."""
    import numpy as np
    import peers

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    task = peers.Task(row)
    trainer = peers.trainer(task)
    X, Y = np.concatenate(task.X * 8), np.concatenate(task.Y * 8)

    def fit(epochs):
        start = time.perf_counter()
        trainer.fit(X, Y, epochs=epochs, batch_size=task.batch, progress=False)
        return time.perf_counter() - start

    print(json.dumps({"first": fit(1), "losses": []}), flush=True)
    epochs = 8
    while fit(epochs) < BLOCK:
        epochs *= 2
    for _ in sys.stdin:
        print(json.dumps(1e6 * fit(epochs) / epochs / 128), flush=True)


def peak_child():
    """GFLOP/s of a large product of matrices."""
    import numpy as np

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    a, times = np.random.default_rng(0).normal(size=(768, 768)), []
    for _ in range(20):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    print(json.dumps(2e-9 * 768**3 / min(times)), flush=True)


def start(*call):
    return subprocess.Popen(
        [sys.executable, __file__, "--child", *map(str, call)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env={**os.environ, **SINGLE},
    )  # fmt: skip


def measure(row, rounds, steps):
    """For each contender microseconds a step, and seconds to the first loss."""
    running, first, losses = {}, {}, {}
    for name in contenders(row):
        print(f"\r{row}: {name} compiles          ", end="", file=sys.stderr)
        process = start(row, name, steps)
        if line := process.stdout.readline():
            running[name], found = process, json.loads(line)
            first[name], losses[name] = found["first"], found["losses"]
        else:
            print(f"\r{row}: {name} failed            ", file=sys.stderr)
    times = {name: [] for name in running}
    for round_ in range(rounds):
        print(f"\r{row}: round {round_ + 1} of {rounds}          ", end="", file=sys.stderr)
        for name, process in running.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            times[name].append(json.loads(process.stdout.readline()))
    for process in running.values():
        process.stdin.close()
        process.wait()
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    tolerance = 1e-12 if row == "microgpt" else 1e-9
    for name, found in losses.items():
        for i, (a, b) in enumerate(zip(found, losses["ours"], strict=False)):
            assert abs(a - b) <= tolerance * max(1.0, abs(b)), f"{row}: {name} computes {a} at step {i + 1}, we {b}"
    return {name: statistics.median(x) for name, x in times.items()}, first


def time_of(us):
    return f"{us / 1000:.1f} ms" if us >= 10_000 else f"{us:.0f} us" if us >= 100 else f"{us:.1f} us"


def line(row, us, first, peak):
    """A line of the table."""
    import peers

    best = {}
    for name, x in us.items():
        if name in PEERS:
            best[PEERS[name]] = min(x, best.get(PEERS[name], x))
    ours = min(us["ours"], us.get("fit", us["ours"]))
    ratios = sorted(((x / ours, name) for name, x in best.items()))
    share = ""
    if row in peers.NETS:
        sizes, _, _, batch = peers.NETS[row]
        flops = 6.0 * batch * sum(a * b for a, b in itertools.pairwise(sizes))
        share = f"{100 * flops / (1000.0 * ours) / peak:.0f} %"
    name = f"{row.split()[0]}, batch {peers.NETS[row][3]}" if row in peers.NETS else row
    fit = time_of(us["fit"]) if "fit" in us else ""
    texts = ", ".join(f"{ratio:.{0 if ratio >= 20 else 1}f} x {peer}" for ratio, peer in ratios)
    return f"| {name} | {time_of(us['ours'])} | {fit} | {texts} | {share} | {first['ours']:.1f} s |"


def main():
    import larger
    import peers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=[*peers.NETS, *larger.ROWS])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=64)
    options = parser.parse_args()
    peak = json.loads(start("peak").stdout.readline())
    print(f"One core, {peak:.0f} GFLOP/s in a product of matrices.", file=sys.stderr)
    print("| | step | fit | faster than | of the peak | first step |\n| --- | --- | --- | --- | --- | --- |")
    for row in options.rows:
        rounds = min(options.rounds, 3) if row == "microgpt" else options.rounds
        steps = options.steps if row == "microgpt" else 1 if row == "Rosenbrock" else 40
        us, first = measure(row, rounds, steps)
        print(line(row, us, first, peak), flush=True)
        print({name: f"{x:.2f} us, first {first[name]:.2f} s" for name, x in us.items()}, file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        arguments = sys.argv[2:]
        if arguments == ["peak"]:
            peak_child()
        elif arguments[1] == "fit":
            fit_child(arguments[0])
        else:
            child(arguments[0], arguments[1], int(arguments[2]))
    else:
        main()
