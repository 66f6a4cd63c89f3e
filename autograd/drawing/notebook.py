"""The display of a Value at the end of a notebook cell: a picture, and always a table."""

from collections import Counter
from typing import Any

from ..graph import Node, topological_order
from ..snapshots import names_of_values, snapshot
from .digraph import draw_dot
from .tables import table

LARGEST = 80_000
"""Nodes; beyond, a picture takes many seconds, and one has to ask for it."""


def mimebundle(root: Node, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """The MIME bundle of a Value: picture and table of its graph."""
    leaves, interiors = topological_order(root)
    if len(leaves) + len(interiors) > LARGEST:
        counts = Counter(node.primitive.symbol for node in interiors if node.primitive).most_common()
        summary = ", ".join(f"{count:,} {symbol}" for symbol, count in [("leaf nodes", len(leaves)), *counts])
        return {"text/plain": f"{root!r}\n\nA large graph: {summary}. For a picture of it: draw_dot(root)."}
    return {
        **draw_dot(root)._repr_mimebundle_(),
        "text/plain": f"{root!r}\n\n{table(snapshot(root, names_of_values(None)))}",
    }
