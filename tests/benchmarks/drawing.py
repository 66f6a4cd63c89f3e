"""How good a picture is, and how long it takes: python tests/benchmarks/drawing.py [folder]

For each graph the edges that point backwards, the pairs of edges that cross, and the time, of our layout and of
Graphviz's `dot` (or `graphviz-pure`, from the extra `draw`) for the same cards; then the time of the whole picture. The
largest graph is one step of a small GPT (4,192 parameters, a name of 8 letters) in plain operators. Each is drawn in a
process of its own. With a folder, the pictures are written there.
"""

import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

REPEATS = 3


def readme():
    from autograd import Value

    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    return (a * b + c).tanh()


def tanh_chain():
    from autograd import Value

    x, y = Value(0.5, label="x"), Value(1.0, label="y")
    for i in range(11):
        y = (y * x + i).tanh()
    return y


def small_mlp():
    from autograd import Value
    from nn import MLP

    return MLP(2, [3, 3, 1], rng=0)([Value(0.5, label="x0"), Value(-1.0, label="x1")])


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


GRAPHS = {
    "readme": (readme, {}), "chain": (tanh_chain, {}), "MLP(2, [3, 3, 1])": (small_mlp, {}),
    "the same, every node": (small_mlp, {"collapse": None}), "MLP, nine examples": (mlp_batch, {}),
    "GPT": (gpt_step, {}),
}  # fmt: skip


def by_engine(sizes, edges):
    """Centres and curves by `dot -Tplain`; None without an engine. Places where edges enter are ports of cells."""
    import graphviz.backend.dot_command

    from autograd.drawing.engines import use_dot
    from autograd.drawing.layout import CARD_GAP, RANK_GAP

    if not use_dot():
        return None
    lines = [
        f"digraph {{ rankdir=LR ordering=in nodesep={CARD_GAP / 72:.3f} ranksep={RANK_GAP / 72:.3f}",
        'node [shape=plain label=""] edge [arrowhead=none]',
    ]
    ports = defaultdict(set)
    for edge in edges:
        ports[edge.target].add(edge.at)
    bare = 'border="0" cellborder="0" cellspacing="0" cellpadding="0" fixedsize="true"'
    for i, (width, height) in enumerate(sizes):
        count = max(1, len(ports[i]))
        cell = f'fixedsize="true" width="{width:.0f}" height="{height / count:.0f}"'
        rows = "".join(f'<tr><td port="p{n}" {cell}></td></tr>' for n in range(count))
        lines.append(f'{i} [label=<<table {bare} width="{width:.0f}" height="{height:.0f}">{rows}</table>>]')
    for edge in edges:
        lines.append(f"{edge.source}:e -> {edge.target}:p{sorted(ports[edge.target]).index(edge.at)}:w")
    answer = subprocess.run(
        [graphviz.backend.dot_command.DOT_BINARY, "-Kdot", "-Tplain"],
        input="\n".join([*lines, "}"]).encode(), capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    centres, curves = {}, []
    for kind, *fields in map(str.split, answer.splitlines()):
        if kind == "node":
            centres[int(fields[0])] = float(fields[1])
        elif kind == "edge":
            numbers = list(map(float, fields[3 : 3 + 2 * int(fields[2])]))
            curve = list(zip(numbers[::2], numbers[1::2], strict=True))
            curves.append((int(fields[0]), int(fields[1]), curve))
    return [(centres[a], centres[b], curve) for a, b, curve in curves]


def points_of(curve):
    """A dozen points on each piece of a curve."""
    found = [curve[0]]
    for k in range(0, len(curve) - 1, 3):
        for n in range(1, 13):
            t = n / 12
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            found.append(tuple(sum(w * p[i] for w, p in zip(weights, curve[k : k + 4], strict=True)) for i in (0, 1)))
    return found


def cross(p, q):
    """Whether two lines through points cross; they may touch."""
    for (a, b), (c, d) in itertools.product(itertools.pairwise(p), itertools.pairwise(q)):
        if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
            continue
        r, s, w = (b[0] - a[0], b[1] - a[1]), (d[0] - c[0], d[1] - c[1]), (c[0] - a[0], c[1] - a[1])
        turn = r[0] * s[1] - r[1] * s[0]
        if turn:
            t, u = (w[0] * s[1] - w[1] * s[0]) / turn, (w[0] * r[1] - w[1] * r[0]) / turn
            if 1e-6 < t < 1 - 1e-6 and 1e-6 < u < 1 - 1e-6:
                return True
    return False


def judged(edges):
    """Edges that run backwards somewhere, and pairs that cross. edges: of (place of source, of target, curve)."""
    backward = sum(
        b <= a or any(y[0] < x[0] - 0.01 * abs(b - a) for x, y in itertools.pairwise(curve)) for a, b, curve in edges
    )
    lines = [points_of(curve) for _, _, curve in edges]
    return backward, sum(cross(p, q) for p, q in itertools.combinations(lines, 2))


def measure(name, folder):
    """One graph: judges both layouts, draws the picture a few times and prints what came out."""
    from autograd import draw_dot
    from autograd.drawing.layout import layered
    from autograd.drawing.svg import card_sizes, entries
    from autograd.extend import snapshot

    make, options = GRAPHS[name]
    root = make()
    root.backward()
    diagram = draw_dot(root, **options).diagram
    sizes, edges = card_sizes(diagram.cards), entries(diagram)
    start = time.perf_counter()
    layout = layered(sizes, edges)
    taken = time.perf_counter() - start
    own = [
        (layout.centres[edge.source][0], layout.centres[edge.target][0], curve)
        for edge, curve in zip(edges, layout.curves, strict=True)
    ]
    results = [(*judged(own), taken)]
    start = time.perf_counter()
    if (theirs := by_engine(sizes, edges)) is not None:
        taken = time.perf_counter() - start
        results.append((*judged(theirs), taken))
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        svg = draw_dot(root, **options).svg
        seconds.append(time.perf_counter() - start)
    if folder:
        Path(folder, f"{name}.svg").write_text(svg)
    nodes = len(snapshot(root).nodes)
    print(json.dumps([nodes, len(diagram.cards), results, statistics.median(seconds)]))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else ""
    print("Backward edges, crossings, and time of the layout")
    print("| graph | nodes | cards | ours | Graphviz's | whole picture |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in GRAPHS:
        command = [sys.executable, __file__, "--measure", name, folder]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        nodes, cards, results, seconds = json.loads(out)
        texts = [f"{backward}, {crossings}, {1000 * s:,.0f} ms" for backward, crossings, s in results]
        texts += ["none installed"] * (len(texts) < 2)
        print(f"| {name} | {nodes:,} | {cards} | {' | '.join(texts)} | {seconds * 1000:,.0f} ms |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main()
