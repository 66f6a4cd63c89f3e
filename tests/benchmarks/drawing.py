"""How long a picture takes, for graphs of 40, 1,000 and 68,000 nodes: python tests/benchmarks/drawing.py [folder]

The largest is one step of a small GPT (4,192 parameters, a name of 8 letters) in plain operators. Each size is drawn
in a process of its own; with an engine for positions, if one is installed, and with the built-in layout. With a folder,
the pictures are written there.
"""

import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 3


def tanh_chain():
    from autograd import Value

    x, y = Value(0.5, label="x"), Value(1.0, label="y")
    for i in range(11):
        y = (y * x + i).tanh()
    return y


def mlp_batch():
    from autograd import mean
    from nn import MLP, mse_loss

    model, rng = MLP(2, [16, 16, 1], rng=0), random.Random(0)
    samples = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(9)]
    return mean([mse_loss(model(x), x[0] * x[1]) for x in samples])


def gpt_step():
    from autograd import Value

    sys.path.append(str(Path(__file__).parents[1]))
    from microgpt import gpt

    rng = random.Random(42)
    _, loss = gpt(Value, rng, width=16, heads=4, block=16, vocabulary=27, spread=0.08)
    return loss([rng.randrange(27) for _ in range(9)])


GRAPHS = {"chain": tanh_chain, "mlp": mlp_batch, "gpt": gpt_step}


def measure(name, engine, folder):
    """One contender: draws the graph a few times and prints what it took."""
    from autograd import draw_dot
    from autograd.drawing import engines
    from autograd.extend import snapshot

    root = GRAPHS[name]()
    root.backward()
    if engine == "built-in":
        engines.use_dot = lambda: False
    elif not engines.use_dot():
        return
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        picture = draw_dot(root)
        svg = picture.svg
        seconds.append(time.perf_counter() - start)
    if folder:
        Path(folder, f"{name}-{engine}.svg").write_text(svg)
    nodes, cards = len(snapshot(root).nodes), len(picture.diagram.cards)
    print(json.dumps([nodes, cards, statistics.median(seconds)]))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else ""
    print("| graph | nodes | cards | with an engine | built-in layout |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in GRAPHS:
        found = []
        for engine in ("engine", "built-in"):
            command = [sys.executable, __file__, "--measure", name, engine, folder]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found.append(json.loads(out) if out else None)
        nodes, cards, _ = found[1]
        times = " | ".join(f"{f[2] * 1000:,.0f} ms" if f else "none installed" for f in found)
        print(f"| {name} | {nodes:,} | {cards} | {times} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main()
