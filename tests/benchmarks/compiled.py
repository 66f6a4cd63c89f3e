"""How fast compiled training is, as ratios to named peers: python tests/benchmarks/compiled.py

Needs the extras `compile` and `bench`, and gcc. A step is the whole of it: batch in, mean gradient, SGD update, loss
out. Each contender runs in a process of its own, on one core; the processes take turns, and medians are compared.
"""

import argparse
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
ABSENT = {  # what takes too long to compile, tried once
    ("casadi_whole", "2-16-16-1"), ("casadi_whole", "64-32-10"), ("casadi_whole", "64-32-10 256"),
    ("casadi_whole", "64-128-64-10"),
    ("casadi_map", "64-128-64-10"), ("ddx", "64-128-64-10"), ("ddx", "64-32-10 256"),
}  # fmt: skip


def child(name, net):
    """Answers each line of its input with the time of a step, and first with its losses and how long the first took."""
    import peers

    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    task = peers.Task(net)
    start = time.perf_counter()
    step = getattr(peers, name)(task)
    losses = [step(0)]
    first = time.perf_counter() - start
    losses += [step(i % peers.BATCHES) for i in range(1, 40)]
    print(json.dumps({"first": first, "losses": losses}), flush=True)
    count = 1
    for _ in sys.stdin:
        while True:
            start = time.perf_counter()
            for i in range(count):
                step(i % peers.BATCHES)
            taken = time.perf_counter() - start
            if taken > BLOCK:
                break
            count = max(2 * count, int(1.2 * count * BLOCK / taken))
        print(json.dumps(1e6 * taken / count), flush=True)


def fit_child(net):
    """The same for `fit`, of 128 batches an epoch."""
    import numpy as np
    import peers

    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    task = peers.Task(net)
    trainer = peers.trainer(task)
    X, Y = np.concatenate(task.X * 8), np.concatenate(task.Y * 8)

    def fit(epochs):
        start = time.perf_counter()
        trainer.fit(X, Y, epochs=epochs, batch_size=task.batch, progress=False)
        return time.perf_counter() - start

    print(json.dumps({"first": fit(1), "losses": []}), flush=True)
    epochs = 2
    while fit(epochs) < BLOCK:
        epochs *= 2
    for _ in sys.stdin:
        print(json.dumps(1e6 * fit(epochs) / epochs / (8 * peers.BATCHES)), flush=True)


def start(*call):
    return subprocess.Popen(
        [sys.executable, __file__, "--child", *call], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **SINGLE},
    )  # fmt: skip


def measure(net, names, rounds):
    """For each contender microseconds a step, and seconds to the first loss."""
    running, first, losses = {}, {}, {}
    for name in names:
        if (name, net) in ABSENT:
            continue
        print(f"\r{net}: {name} compiles          ", end="", file=sys.stderr)
        process = start(name, net)
        line = process.stdout.readline()
        if not line:
            print(f"\r{net}: {name} failed            ", file=sys.stderr)
            continue
        running[name], found = process, json.loads(line)
        first[name], losses[name] = found["first"], found["losses"]
    times = {name: [] for name in running}
    for round_ in range(rounds):
        print(f"\r{net}: round {round_ + 1} of {rounds}          ", end="", file=sys.stderr)
        for name, process in running.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            times[name].append(json.loads(process.stdout.readline()))
    for process in running.values():
        process.stdin.close()
        process.wait()
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    expected = losses["numpy"]
    for name, found in losses.items():
        for i, a in enumerate(found):  # none of `fit`, whose order is another
            b = expected[i]
            assert abs(a - b) <= 1e-9 * abs(b), f"{net}: {name} computes {a} at step {i + 1}, NumPy {b}"
    return {name: statistics.median(x) for name, x in times.items()}, first


def main():
    import peers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", default=list(peers.NETS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", default=["fit", *[f.__name__ for f in peers.CONTENDERS]])
    options = parser.parse_args()
    for net in options.nets:
        us, first = measure(net, options.only, options.rounds)
        print(net)
        for name in us:
            print(f"  {name:14} {us[name]:9.2f} us  {us[name] / us['ours']:7.2f} x ours  first {first[name]:.2f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        name, net = sys.argv[2:]
        fit_child(net) if name == "fit" else child(name, net)
    else:
        main()
