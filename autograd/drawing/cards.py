"""The parts of a picture, before it has positions: cards and arrows, the same for SVG, DOT and Mermaid."""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from ..foreign import parted, swept
from ..snapshots import Snapshot, SnapshotEdge, SnapshotNode
from ..texts import columns, number_text, one_line, symbol

SHOWABLE = ("label", "data", "grad", "local")

Kind = Literal["data", "grad", "local", "plain"]


class Row(NamedTuple):
    """A line on a card: what it is, and the number."""

    name: str
    text: str
    kind: Kind


class Card(NamedTuple):
    """A node of the picture, or several nodes drawn as one."""

    role: Literal["leaf", "parameter", "operation", "constant", "group"]
    title: str
    symbol: str  # on the right of the title
    rows: tuple[Row, ...]
    tip: str = ""  # more, for whoever points at it
    named: bool = True  # whether the title is a name that a person gave
    root: bool = False
    dim: bool = False
    path: str = ""  # of the module that it stands for
    parted: bool = False  # the first node whose gradient is wrong, in a graph of another engine


class Arrow(NamedTuple):
    """A use of an operand; between groups, all uses."""

    source: int
    target: int
    position: int = 0  # which operand of the target
    uses: int = 1
    text: str = ""  # on the arrow
    flow: float | None = None  # the gradient it carries back, from -1 to 1 of the scale
    dim: bool = False


class Diagram(NamedTuple):
    cards: tuple[Card, ...]
    arrows: tuple[Arrow, ...]
    notes: tuple[str, ...] = ()  # below the picture
    title: str = "computation graph"
    legend: bool = False  # whether colours are explained


DESCRIBED = 12
"""The most cards that are told one by one."""


def description(diagram: Diagram) -> str:
    """The picture in words, for who does not see it: its cards, or how many there are."""
    told = []
    for i, c in enumerate(diagram.cards):
        operands = [
            diagram.cards[a.source].title or diagram.cards[a.source].symbol for a in diagram.arrows if a.target == i
        ]
        made = f" = {c.symbol}({', '.join(operands)})" if operands else ""
        numbers = ", ".join(f"{row.name} {row.text}" for row in c.rows)
        told.append((c.title or c.symbol) + made + (f": {numbers}" if numbers else ""))
    few = "; ".join(told) if len(told) <= DESCRIBED else f"{len(told)} cards, the last one {told[-1]}"
    return f"{diagram.title}: {one_line(few, 500)}"


def card(node: SnapshotNode, show: Collection[str], digits: int, root: bool = False) -> Card:
    """The card of one node."""
    if node.role == "constant":
        return Card("constant", number_text(node.data, digits), "", ())
    rows = []
    if "data" in show:
        rows.append(Row("data", number_text(node.data, digits), "data"))
    if "grad" in show and node.grad is not None:
        rows.append(Row("grad", number_text(node.grad, digits), "grad"))
        if node.right is not None:
            rows.append(Row("right", number_text(node.right, digits), "local"))
    name = node.name if "label" in show else ""
    kind = symbol(node.symbol) or {"leaf": "input", "parameter": "parameter"}.get(node.role, "")
    tip = " · ".join(one_line(text, 200) for text in (node.name, node.module, node.line) if text)
    return Card(node.role, one_line(name, 100), one_line(kind, 16), tuple(rows), tip, bool(node.label), root)


def plain(
    graph: Snapshot, show: Collection[str] = SHOWABLE[:3], digits: int = 4, highlight: "Highlight | None" = None
) -> Diagram:
    """A card for each node, an arrow for each use."""
    root = len(graph.nodes) - 1
    wrong = parted(graph)
    cards = tuple(card(node, show, digits, i == root)._replace(parted=i == wrong) for i, node in enumerate(graph.nodes))
    places = range(len(cards))
    told = (*notes(highlight), *compared(graph))
    return Diagram(faded(cards, places, highlight), arrows(graph, places, show, digits, highlight), told)


def compared(graph: Snapshot) -> tuple[str, ...]:
    """A sentence on the numbers and gradients that another engine found; none for a graph of ours."""
    odd = next((node for node in graph.nodes if node.expected is not None), None)
    if odd is not None:
        name, found, expected = one_line(odd.name, 40), number_text(odd.data), number_text(odd.expected or 0.0)
        return (
            f"{name} is {found}, but its operands give {expected}: one changed since, or its forward rule is wrong.",
        )
    judged = [node for node in graph.nodes if node.right is not None]
    if not judged:
        return ()
    if (sweeps := swept(graph)) > 1:
        return (f"All gradients are right, {sweeps} times: backward has run {sweeps} times.",)
    if (wrong := parted(graph)) is None:
        return ("All gradients are right.",)
    node = graph.nodes[wrong]
    found, right = number_text(node.grad or 0.0), number_text(node.right or 0.0)
    name = one_line(node.name, 40)
    return (f"Coming from the root, {name} is the first with a wrong gradient: {found}, right is {right}.",)


def faded(cards: Sequence[Card], place: Sequence[int], highlight: "Highlight | None") -> tuple[Card, ...]:
    """The cards, where node i stands on card place[i]; those that a highlight of nodes leaves out are dim."""
    if highlight is None or highlight.above is None:
        return tuple(cards)
    lit = {place[i] for i in highlight.above | highlight.below}
    return tuple(c if i in lit else c._replace(dim=True) for i, c in enumerate(cards))


class Highlight(NamedTuple):
    """The emphasis: the gradient on every arrow, against a fixed scale, or the paths through some nodes."""

    scale: float | None = None
    above: frozenset[int] | None = None  # the stressed nodes and all above them
    below: frozenset[int] = frozenset()  # the stressed nodes and all below them

    def shows(self, edge: SnapshotEdge) -> bool:
        """Whether an edge is on a path through a stressed node."""
        return self.above is None or edge.source in self.above or edge.target in self.below


def contribution(graph: Snapshot, edge: SnapshotEdge) -> float:
    """The gradient that an arrow carries back, from what the nodes hold now."""
    upstream = graph.nodes[edge.target].grad
    return 0.0 if edge.local is None or upstream is None else upstream * edge.local


def arrows(
    graph: Snapshot, place: Sequence[int], show: Collection[str], digits: int, highlight: "Highlight | None"
) -> tuple[Arrow, ...]:
    """The arrows between cards, where node i stands on card place[i]. Uses between single nodes stay apart."""
    found: dict[tuple[int, int, int], list[SnapshotEdge]] = {}
    single = [0] * (max(place, default=-1) + 1)
    for card_index in place:
        single[card_index] += 1
    for edge in graph.edges:
        source, target = place[edge.source], place[edge.target]
        if source != target:
            apart = single[source] == single[target] == 1
            found.setdefault((source, target, edge.position if apart else -1), []).append(edge)
    result = []
    for (source, target, position), edges in found.items():
        flow = None
        if highlight and highlight.scale is not None:
            flow = sum(contribution(graph, edge) for edge in edges)
            flow = flow / highlight.scale if highlight.scale else 0.0
            flow = max(-1.0, min(1.0, flow)) if flow == flow else 1.0  # what is no number is as large as can be
        dim = highlight is not None and not any(highlight.shows(edge) for edge in edges)
        local = edges[0].local
        text = f"×{len(edges)}" if len(edges) > 1 else ""
        if "local" in show and position >= 0 and local is not None:
            text = number_text(local, digits)
        result.append(Arrow(source, target, max(position, 0), len(edges), text, flow, dim))
    return tuple(result)


def notes(highlight: "Highlight | None") -> tuple[str, ...]:
    if highlight is None or highlight.scale is None:
        return ()
    if highlight.scale == 0:
        return ("All gradients are 0: has backward() been run?",)
    scale = number_text(highlight.scale)
    return (f"Arrows carry gradients: width is size, full at {scale}; solid is positive, dashed negative.",)


def width(cards: Sequence[Card], most: int = 220) -> int:
    """The width of every card of a picture: at least 128, so that all numbers fit, and titles up to `most`."""
    others = [c for c in cards if c.role != "constant"]
    titles = max((8.6 * columns(c.title) + 9.1 * columns(c.symbol) + 30 for c in others), default=0)
    rows = max((7.9 * (columns(r.name) + columns(r.text)) + 32 for c in others for r in c.rows), default=0)
    return int(max(128, min(most, titles), rows))
