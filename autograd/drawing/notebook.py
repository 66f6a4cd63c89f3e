"""How a Value shows itself at the end of a notebook cell: a picture where it can be made, and always a table."""

import base64
from typing import Any

from ..graph import Node, snapshot, topological_order
from .digraph import digraph, find_engine
from .table import table

LARGEST = 120
"""Nodes; beyond, a picture is slow and nobody can read it."""


def mimebundle(root: Node, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """The MIME bundle of a Value. The image in HTML also survives where a notebook is opened without being trusted."""
    size = sum(map(len, topological_order(root)))
    graph = snapshot(root)
    text = f"{root!r}\n\n{table(graph)}"
    if size > LARGEST:
        return {"text/plain": f"{text}\n\nToo large to draw: {size} nodes. Draw a part of it with draw_dot(node)."}
    if not find_engine():
        return {"text/plain": f"{text}\n\nFor a picture: pip install 'scalar-autograd[draw]'"}
    svg: str = digraph(graph).pipe(format="svg", encoding="utf-8")
    source = base64.b64encode(svg.encode()).decode()
    return {
        "text/html": f'<img alt="computation graph" src="data:image/svg+xml;base64,{source}"/>',
        "image/svg+xml": svg,
        "text/plain": text,
    }
