"""How a Value shows itself at the end of a notebook cell: a picture where it can be made, and always a table."""

import base64
from collections import Counter
from typing import Any

from ..graph import Node, snapshot, topological_order
from .digraph import digraph, use_dot
from .tables import table

LARGEST = 120
"""Nodes; beyond, a picture is slow and nobody can read it."""


def mimebundle(root: Node, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """The MIME bundle of a Value. The image in HTML also survives where a notebook is opened without being trusted."""
    leaves, interiors = topological_order(root)
    if len(leaves) + len(interiors) > LARGEST:
        counts = Counter(node.primitive.symbol for node in interiors if node.primitive).most_common()
        summary = ", ".join(f"{count} {symbol}" for symbol, count in [("leaf nodes", len(leaves)), *counts])
        return {"text/plain": f"{root!r}\n\nA graph too large to draw: {summary}. Draw a part of it: draw_dot(node)."}
    graph = snapshot(root)
    text = f"{root!r}\n\n{table(graph)}"
    if not use_dot():
        return {"text/plain": f"{text}\n\nFor a picture: pip install 'scalar-autograd[draw]'"}
    svg: str = digraph(graph).pipe(format="svg", encoding="utf-8", quiet=True)
    source = base64.b64encode(svg.encode()).decode()
    return {
        "text/html": f'<img alt="computation graph" src="data:image/svg+xml;base64,{source}"/>',
        "image/svg+xml": svg,
        "text/plain": text,
    }
