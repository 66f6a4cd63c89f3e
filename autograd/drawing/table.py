"""The graph as a table of text, for where there is no picture."""

from ..graph import Snapshot

HEAD = ("node", "operation", "data", "grad", "local derivatives")


def table(graph: Snapshot, limit: int = 60) -> str:
    """A line for each node, operands first: name, operation, data, grad, and its derivative by each operand.

    A node without a label is called by its number, `#3`. Above `limit` nodes only the last ones are shown.
    """
    names = [f"{n.data:g}" if n.role == "constant" else n.label or f"#{i}" for i, n in enumerate(graph.nodes)]
    inputs: dict[int, list[tuple[str, float | None]]] = {}
    for edge in graph.edges:
        inputs.setdefault(edge.target, []).append((names[edge.source], edge.local))
    rows = [HEAD]
    for i, node in enumerate(graph.nodes):
        if node.role != "constant":
            xs = [name for name, _ in inputs.get(i, [])]
            local = ", ".join(f"d/d{name} {number:.6g}" for name, number in inputs.get(i, []) if number is not None)
            rows.append((names[i], _operation(node.symbol, xs), f"{node.data:.6g}", f"{node.grad:.6g}", local))
    left_out = len(rows) - 1 - limit
    if left_out > 0:
        rows[1 : 1 + left_out] = []
    rows = [tuple(_one_line(cell) for cell in row) for row in rows]  # type: ignore[misc]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for row in rows:
        cells = [
            f"{cell:>{w}}" if column in (2, 3) else f"{cell:<{w}}"
            for column, (cell, w) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    if left_out > 0:
        lines.insert(1, f"... {left_out} more nodes ...")
    return "\n".join(lines)


def _operation(symbol: str, xs: list[str]) -> str:
    if len(xs) == 2 and not symbol.isidentifier():
        return f"{xs[0]} {symbol} {xs[1]}"
    return f"{symbol}({', '.join(xs)})" if symbol else "leaf"


def _one_line(text: str, length: int = 48) -> str:
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= length else text[: length - 1] + "…"
