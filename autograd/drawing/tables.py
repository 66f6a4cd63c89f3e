"""The graph as a table of text, for where there is no picture."""

from ..snapshots import Snapshot
from ..texts import aligned, one_line

HEAD = ("node", "operation", "data", "grad", "local derivatives")


def table(graph: Snapshot, limit: int = 60) -> str:
    """A line for each node, operands first: name, operation, data, grad, and its derivative by each operand.

    A node without a label is called v1, v2, ... Above `limit` nodes only the last ones are shown.
    """
    names = [f"{n.data:g}" if n.role == "constant" else n.name for n in graph.nodes]
    inputs: dict[int, list[tuple[str, float | None]]] = {}
    for edge in graph.edges:
        inputs.setdefault(edge.target, []).append((names[edge.source], edge.local))
    rows: list[tuple[str, ...]] = [HEAD]
    for i, node in enumerate(graph.nodes):
        if node.role != "constant":
            xs = [name for name, _ in inputs.get(i, [])]
            local = ", ".join(f"∂/∂{name} {number:.6g}" for name, number in inputs.get(i, []) if number is not None)
            rows.append((names[i], _operation(node.symbol, xs), f"{node.data:.6g}", f"{node.grad:.6g}", local))
    left_out = max(0, len(rows) - 1 - limit)
    rows[1 : 1 + left_out] = []
    rows = [tuple(one_line(cell, 48) for cell in row) for row in rows]
    lines = aligned(rows, "<<>><").split("\n")
    if left_out:
        lines.insert(1, f"... {left_out} more nodes ...")
    return "\n".join(lines)


def _operation(symbol: str, xs: list[str]) -> str:
    if len(xs) == 2 and not symbol.isidentifier():
        return f"{xs[0]} {symbol} {xs[1]}"
    return f"{symbol}({', '.join(xs)})" if symbol else "leaf"
