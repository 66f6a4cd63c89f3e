"""The engines that compute positions: Graphviz's `dot`, else `graphviz-pure` from the extra `draw`, else the layout of
our own."""

import shutil
import subprocess
import sysconfig
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import graphviz
import graphviz.backend.dot_command

from .layout import CARD_GAP, RANK_GAP, Edge, Layout, Point, layered, steps

HINT = "pip install 'scalar-autograd[draw]'"
MOST_CARDS, MOST_STEPS, SECONDS = 1000, 1000, 10
"""Cards, and ranks that all edges together pass: with more an engine may take minutes; our layout takes seconds. And
how long an engine may take in any case."""


def use_dot() -> str:
    """Makes `graphviz` run `dot` or, where there is none, `graphviz-pure`; tells which it is, "" if neither is here."""
    if shutil.which("dot"):
        graphviz.backend.dot_command.DOT_BINARY = Path("dot")
        return "dot"
    beside = Path(sysconfig.get_path("scripts")) / "graphviz-pure"
    engine = shutil.which("graphviz-pure") or shutil.which(beside)
    if engine:
        graphviz.backend.dot_command.DOT_BINARY = Path(engine)
    return "graphviz-pure" if engine else ""


def positions(sizes: Sequence[Point], edges: Sequence[Edge], rankdir: str) -> Layout:
    """Positions on the page for cards of the given widths and heights; y grows downwards."""
    if len(sizes) <= MOST_CARDS and steps(len(sizes), edges) <= MOST_STEPS and use_dot():
        try:
            return _ask(sizes, edges, rankdir)
        except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
            warnings.warn(
                f"Graphviz computed no positions ({error}); the built-in layout did", RuntimeWarning, stacklevel=2
            )
    if rankdir == "LR":
        return layered(sizes, edges)
    centres, curves = layered([(h, w) for w, h in sizes], edges)
    return Layout([(x, y) for y, x in centres], [[(x, y) for y, x in curve] for curve in curves])


def _ask(sizes: Sequence[Point], edges: Sequence[Edge], rankdir: str) -> Layout:
    """The answer of `dot -Tplain`: inches, with y upwards. Places where edges enter are ports of a table's cells."""
    lines = [
        f"digraph {{ rankdir={rankdir} ordering=in nodesep={CARD_GAP / 72:.3f} ranksep={RANK_GAP / 72:.3f}",
        'node [shape=plain label=""] edge [arrowhead=none]',
    ]
    ports: defaultdict[int, set[float]] = defaultdict(set)
    for edge in edges:
        ports[edge.target].add(edge.at)
    leave, enter = ("e", "w") if rankdir == "LR" else ("s", "n")
    for i, (width, height) in enumerate(sizes):
        count = max(1, len(ports[i]))
        extent = (width, height / count) if rankdir == "LR" else (width / count, height)
        cells = [f'<td port="p{n}" {_fixed(*extent)}></td>' for n in range(count)]
        rows = "".join(f"<tr>{cell}</tr>" for cell in cells) if rankdir == "LR" else f"<tr>{''.join(cells)}</tr>"
        bare = 'border="0" cellborder="0" cellspacing="0" cellpadding="0"'
        lines.append(f"{i} [label=<<table {bare} {_fixed(width, height)}>{rows}</table>>]")
    for edge in edges:
        port = sorted(ports[edge.target]).index(edge.at)
        lines.append(f"{edge.source}:{leave} -> {edge.target}:p{port}:{enter}")
    answer = subprocess.run(
        [graphviz.backend.dot_command.DOT_BINARY, "-Kdot", "-Tplain"],
        input="\n".join([*lines, "}"]).encode(), capture_output=True, check=True, timeout=SECONDS,
    ).stdout.decode()  # fmt: skip
    centres: list[Point] = [(0.0, 0.0)] * len(sizes)
    found: defaultdict[tuple[int, int], list[list[Point]]] = defaultdict(list)
    for line in answer.splitlines():
        kind, *fields = line.split()
        if kind == "node":
            centres[int(fields[0])] = (72 * float(fields[1]), -72 * float(fields[2]))
        elif kind == "edge":
            numbers = [72 * float(field) for field in fields[3 : 3 + 2 * int(fields[2])]]
            curve = [(x, -y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
            found[int(fields[0]), int(fields[1])].append(curve)
    across = 1 if rankdir == "LR" else 0
    for curves in found.values():  # of several uses of one operand the first enters first, so it comes last here
        curves.sort(key=lambda curve: -curve[-1][across])
    result: list[list[Point]] = [[]] * len(edges)
    for n in sorted(range(len(edges)), key=lambda n: edges[n].at):
        result[n] = found[edges[n].source, edges[n].target].pop()
    return Layout(centres, result)


def _fixed(width: float, height: float) -> str:
    return f'fixedsize="true" width="{width:.0f}" height="{height:.0f}"'
