"""A picture to walk in: one page in which a click on a module opens it, down to the numbers of its parameters."""

import html
from collections.abc import Callable, Sequence

from ..snapshots import Snapshot, SnapshotNode, levels
from ..texts import number_text, one_line
from .assets import asset, script, script_hash
from .cards import Diagram
from .looks import PAGE_STYLE
from .modules import homes
from .svg import draw

MOST_VIEWS = 400
"""Modules that can be opened; of a model with more those that come first."""

Grouping = Callable[[Snapshot], Diagram]
"""The cards of a graph."""


def page(graph: Snapshot, whole: Diagram, cards_of: Grouping, rankdir: str) -> str:
    """One file that asks for nothing from elsewhere: the whole picture, and a view of the inside of each module."""
    where = homes(graph)
    modules = _modules(graph, where)
    paths = modules[:MOST_VIEWS]
    left_out = len(modules) - len(paths)
    told = (f"Of {len(modules):,} modules the outer {MOST_VIEWS} can be opened.",) if left_out else ()
    views = [_view("", draw(whole._replace(notes=told), rankdir).svg, "")]
    for path in paths:
        inside = _inside(graph, where, path)
        views.append(_view(path, draw(cards_of(inside)._replace(notes=()), rankdir).svg, _parameters(inside, path)))
    code = script("viewer.js")
    return asset("viewer.html").format(
        title="computation graph", style=PAGE_STYLE, views="\n".join(views), script=code, script_hash=script_hash(code)
    )


def _modules(graph: Snapshot, where: Sequence[str]) -> list[str]:
    """All modules, outer ones first; the path of a parameter ends with its own name."""
    found: dict[str, None] = {}
    homes_of = {(home, node.role == "parameter"): None for home, node in zip(where, graph.nodes, strict=True)}
    for home, parameter in homes_of:
        parts = levels(home)
        for n in range(1, len(parts) + (not parameter)):
            found[".".join(parts[:n])] = None
    return sorted(found, key=lambda path: len(levels(path)))


def _inside(graph: Snapshot, where: Sequence[str], path: str) -> Snapshot:
    """The graph inside a module; what comes in from outside are its inputs. Names begin behind the module's own."""
    own = [f"{home}.".startswith(f"{path}.") for home in where]
    needed = list(own)
    for edge in graph.edges:
        if own[edge.target]:
            needed[edge.source] = True
    place: dict[int, int] = {}
    nodes: list[SnapshotNode] = []
    for i, node in enumerate(graph.nodes):
        if needed[i]:
            place[i] = len(nodes)
            if not own[i]:
                node = node._replace(role="constant" if node.role == "constant" else "leaf", symbol="", module="")
            nodes.append(node)
    edges = [
        edge._replace(source=place[edge.source], target=place[edge.target]) for edge in graph.edges if own[edge.target]
    ]
    return Snapshot(tuple(nodes), tuple(edges))


def _parameters(inside: Snapshot, path: str) -> str:
    """The parameters of the module itself as a table of their numbers and gradients."""
    own = [
        node for node in inside.nodes if node.role == "parameter" and len(levels(node.module)) <= len(levels(path)) + 1
    ]
    rows = "".join(
        f"<tr><th scope=row>{html.escape(one_line(node.module, 80))}</th><td class=data>{number_text(node.data)}</td>"
        f"<td class=grad>{number_text(node.grad or 0.0)}</td></tr>"
        for node in own
    )
    head = "<tr><th scope=col>parameter</th><th scope=col>data</th><th scope=col>grad</th></tr>"
    return f'<div class="parameters" tabindex="0"><table>{head}{rows}</table></div>' if rows else ""


def _view(path: str, svg: str, table: str) -> str:
    hidden = " hidden" if path else ""
    return f'<section class="view" data-view="{html.escape(path)}"{hidden}>{svg}{table}</section>'
