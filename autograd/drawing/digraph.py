"""The graph as a `graphviz.Digraph`: one card for each node, one edge for each use of an operand."""

import html
import shutil
import sysconfig
from pathlib import Path

import graphviz
import graphviz.backend.dot_command

from ..floats import is_node
from ..graph import Node, Snapshot, SnapshotNode, snapshot
from .tables import one_line

FILL = {"leaf": "#fef9c3", "operation": "#f1f5f9"}
BLUE, ORANGE = "#1d4ed8", "#c2410c"  # data and the forward pass; gradients and the backward pass


def draw_dot(root: Node, format: str = "svg", rankdir: str = "LR") -> graphviz.Digraph:
    """A picture of the graph below `root`: label, operation, data and grad of every node, edges in operand order.

    format: what `render` and `pipe` make, such as "svg", "png" or "pdf". rankdir: "LR" from left to right, "TB" from
    top to bottom. The result's `.source` is DOT; to make a picture of it, Graphviz's `dot` or the extra `draw` is
    needed.

    >>> from autograd import Value, draw_dot
    >>> print(draw_dot(Value(2.0) * Value(3.0)).source.count("->"))
    2
    """
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"draw_dot expected rankdir 'LR' or 'TB', got {rankdir!r}")
    if not is_node(root):
        raise TypeError(f"draw_dot expected a Value, got {type(root).__name__}")
    return digraph(snapshot(root), format, rankdir)


def digraph(graph: Snapshot, format: str = "svg", rankdir: str = "LR") -> graphviz.Digraph:
    """The picture of a snapshot; see `draw_dot`."""
    use_dot()
    dot = graphviz.Digraph(
        format=format,
        graph_attr={"rankdir": rankdir, "ordering": "in", "bgcolor": "transparent", "nodesep": "0.15"},
        node_attr={"shape": "plain", "fontname": "Helvetica", "fontsize": "11", "fontcolor": "#334155"},
        edge_attr={"color": "#64748b", "arrowsize": "0.6"},
    )
    for i, node in enumerate(graph.nodes):
        dot.node(f"n{i}", f"{node.data:.4g}" if node.role == "constant" else _card(node))
    for edge in graph.edges:
        dot.edge(f"n{edge.source}", f"n{edge.target}")
    return dot


def use_dot() -> bool:
    """Makes `graphviz` run `dot` or, where there is none, `graphviz-pure` from the extra `draw`; False if neither is
    here."""
    if shutil.which("dot"):
        return True
    beside = Path(sysconfig.get_path("scripts")) / "graphviz-pure"
    engine = shutil.which("graphviz-pure") or shutil.which(beside)
    if engine:
        graphviz.backend.dot_command.DOT_BINARY = Path(engine)
    return engine is not None


def escape(text: str) -> str:
    """Text from a user, for an HTML-like label: on one line, with nothing that is markup."""
    shown = html.escape(one_line(text, 60)) or " "
    return shown.replace("\\", "\\\\")  # of a single one dot would make an escape, such as the name of the node


def _card(node: SnapshotNode) -> str:
    def row(left: str, right: str) -> str:
        return f'<tr><td align="left">{left}</td><td align="right">{right}</td></tr>'

    def number(x: float | None, colour: str) -> str:
        return f'<font face="Courier" color="{colour}">{x:.4g}</font>'

    rows = (
        row(f"<b>{escape(node.label)}</b>", escape(node.symbol))
        + row("data", number(node.data, BLUE))
        + row("grad", number(node.grad, ORANGE))
    )
    look = f'border="0" cellborder="0" cellspacing="0" cellpadding="3" bgcolor="{FILL[node.role]}" style="rounded"'
    return f"<<table {look}>{rows}</table>>"
