"""The picture as SVG. It has no ids, so several fit on one page."""

import html
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..texts import columns, one_line
from .cards import Arrow, Card, Diagram, width
from .layout import RANK_GAP, Edge, Layout, Point, placed
from .looks import MONO, SANS, STYLE, look

TITLE, ROW, PADDING = 28, 19, 6
MARGIN = 16.0
LEGEND = 420.0
"""A legend is broken into lines at the width of the picture, or at this one if that is wider."""
LETTER = 7.9
"""Pixels that a letter of 13 px takes, with room to spare."""


class Drawn(NamedTuple):
    """A picture, and its size in pixels."""

    svg: str
    width: float
    height: float


def draw(diagram: Diagram, rankdir: str = "LR", player: bool = False, gap: float = RANK_GAP) -> Drawn:
    """The picture of a diagram as one self-contained SVG: light or dark as its reader is, legible in grey.

    player: for the step-through, whose page has the style and lets arrows point backwards too. gap: between
    ranks, at least.
    """
    sizes = card_sizes(diagram.cards)
    layout = placed(sizes, entries(diagram, rankdir), rankdir, max(gap, room_for_numbers(diagram)))
    return render(diagram, sizes, layout, player)


def room_for_numbers(diagram: Diagram) -> float:
    """The distance of ranks at which no number on an arrow covers a card."""
    return max((LETTER * columns(arrow.text) + 28 for arrow in diagram.arrows if arrow.text), default=0.0)


def card_sizes(cards: Sequence[Card]) -> list[Point]:
    """Width and height of each card: all are of one width, numbers are small pills."""
    for most in (220, 300, 400):  # until no two titles look alike
        wide = width(cards, most)
        shown = {(c.title, _shown_title(c, wide)) for c in cards if c.role != "constant" and c.title}
        if len({short for _, short in shown}) == len(shown):
            break
    return [
        (max(28.0, LETTER * columns(c.title) + 16), 24.0)
        if c.role == "constant"
        else (float(wide), float(TITLE + ROW * len(c.rows) + PADDING * bool(c.rows)))
        for c in cards
    ]


def entries(diagram: Diagram, rankdir: str = "LR") -> list[Edge]:
    """The point where each arrow enters its card: one below the other in the order of operands."""
    counts: Counter[int] = Counter()
    result = []
    totals = Counter(arrow.target for arrow in diagram.arrows)
    for arrow in diagram.arrows:
        counts[arrow.target] += 1
        total = totals[arrow.target]
        result.append(Edge(arrow.source, arrow.target, (counts[arrow.target] - 0.5) / total if total <= 8 else 0.5))
    return result


def render(diagram: Diagram, sizes: Sequence[Point], layout: Layout, player: bool = False) -> Drawn:
    """The picture for given positions."""
    xs = [x + s * w / 2 for (x, _), (w, _) in zip(layout.centres, sizes, strict=True) for s in (-1, 1)]
    ys = [y + s * h / 2 for (_, y), (_, h) in zip(layout.centres, sizes, strict=True) for s in (-1, 1)]
    xs += [x for curve in layout.curves for x, _ in curve]
    ys += [y for curve in layout.curves for _, y in curve]
    left, top = min(xs) - MARGIN, min(ys) - MARGIN
    wide = max(max(xs) - left + MARGIN, *(LETTER * columns(note) + 2 * MARGIN for note in diagram.notes), 0.0)
    high = max(ys) - top + MARGIN
    dense = len(diagram.arrows) > 100
    parts = [
        _arrow(i, arrow, [(x - left, y - top) for x, y in curve], player, dense)
        for i, (arrow, curve) in enumerate(zip(diagram.arrows, layout.curves, strict=True))
    ]
    parts += [
        _card(i, c, x - left - w / 2, y - top - h / 2, w, h)
        for i, (c, (x, y), (w, h)) in enumerate(zip(diagram.cards, layout.centres, sizes, strict=True))
    ]
    parts += [
        _pill(i, a, c, left, top) for i, (a, c) in enumerate(zip(diagram.arrows, layout.curves, strict=True)) if a.text
    ]
    for note in diagram.notes:
        parts.append(f'<text{look("note")} x="{MARGIN:g}" y="{high + 6:g}">{_text(note)}</text>')
        high += 20
    if diagram.legend:
        items, wide, high = _legend(diagram, wide, high)
        parts += items
    size = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}"'
    title = _text(diagram.title)
    heading = "" if player else f"<title>{title}</title><style>{STYLE}</style>"
    scaled = (
        f' style="width:100%;max-width:{1.5 * wide:.0f}px;min-width:{0.8 * wide:.0f}px;'
        f'max-height:max({high:.0f}px,calc(100vh - 270px));height:auto"'
    )
    paper = f'<rect{look("paper")} width="100%" height="100%"/>'
    return Drawn(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="agraph" {size}{scaled * player} '
        f'font-family="{SANS}" role="{"group" if player else "img"}" aria-label="{title}">{heading}{paper}\n'
        + "\n".join(parts)
        + "\n</svg>\n",
        wide,
        high,
    )


def animated(frames: Sequence[Drawn], seconds: float) -> str:
    """Pictures of one size one after the other, each for so many seconds, as one that moves by itself. Readers that do
    not move it, and people who want nothing to move, see the last one."""
    wide, high = max(frame.width for frame in frames), max(frame.height for frame in frames)
    share = 100.0 / len(frames)
    style = (
        f"@media (prefers-reduced-motion:no-preference){{.frame{{animation:frame {seconds * len(frames):g}s step-end "
        f"infinite;visibility:hidden}}}}@keyframes frame{{0%{{visibility:visible}}{share:.4f}%{{visibility:hidden}}}}"
    )
    parts = []
    for n, frame in enumerate(frames):
        inner = re.sub(
            r"<title>.*?</title>|<style>.*?</style>", "", frame.svg.split(">", 1)[1], count=2, flags=re.DOTALL
        )
        inner = inner.rsplit("</svg>", 1)[0]
        hidden = "" if n == len(frames) - 1 else ' visibility="hidden"'
        parts.append(f'<g class="frame"{hidden} style="animation-delay:{(n - len(frames)) * seconds:g}s">{inner}</g>')
    size = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="agraph" {size} font-family="{SANS}" role="img" '
        f'aria-label="computation graph, step by step"><style>{STYLE}{style}</style>' + "\n".join(parts) + "</svg>\n"
    )


def _legend(diagram: Diagram, wide: float, high: float) -> tuple[list[str], float, float]:
    """The meaning of the colours, below a picture of this size, in as many lines as it takes; and the new size."""
    cards = [c for c in diagram.cards if c.role != "constant"]
    roles = {"leaf": "input", "parameter": "parameter", "operation": "operation", "group": "several"}
    kinds = {"data": "the number", "grad": "derivative of the root by it", "local": "what it should be"}
    found: list[tuple[tuple[str, ...], str, tuple[str, ...]]]
    found = [(("box", *((role,) if role != "operation" else ())), text, ("note",))
             for role, text in roles.items() if any(c.role == role and not c.root for c in cards)]  # fmt: skip
    found.append((("box", "root"), "root", ("note",)))
    found += [((), f"{'right' if kind == 'local' else kind}: {text}", ("note", kind)) for kind, text in kinds.items()
              if any(row.kind == kind for c in cards for row in c.rows)]  # fmt: skip
    parts, x, y = list[str](), MARGIN, high + 4
    for swatch, text, looks in found:
        length = 22 * bool(swatch) + 0.9 * LETTER * columns(text) + 16
        if x > MARGIN and x + length > max(wide, LEGEND):
            x, y = MARGIN, y + 22
        if swatch:
            parts.append(f'<rect{look(*swatch)} x="{x:.1f}" y="{y - 11:.1f}" width="16" height="12" rx="3"/>')
        start = x + 22 * bool(swatch)
        parts.append(f'<text{look(*looks)} x="{start:.1f}" y="{y:.1f}">{text}</text>')
        x += length
        wide = max(wide, x)
    return [f'<g class="legend">{"".join(parts)}</g>'], wide, y + MARGIN


def _card(i: int, c: Card, x: float, y: float, w: float, h: float) -> str:
    box = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"'
    dim = ("dim",) * c.dim
    faded = ("dim-text",) * c.dim
    if c.role == "constant":
        place = f'x="{x + w / 2:.1f}" y="{y + 16.5:.1f}" text-anchor="middle"'
        text = f'<text{look("number", *faded)} font-family="{MONO}" {place}>{_text(c.title)}</text>'
        return (
            f'<g class="node constant" data-node="{i}"><rect{look("box", "constant", *dim)} {box} rx="12"/>{text}</g>'
        )
    parts, numbers = list[str](), list[str]()
    if c.role == "group":
        behind = f'x="{x + 4:.1f}" y="{y - 4:.1f}" width="{w:.1f}" height="{h:.1f}"'
        parts.append(f'<rect{look("box", "group", *dim)} {behind} rx="8"/>')
    filled: tuple[str, ...] = ("root",) if c.root else () if c.role == "operation" else (c.role,)
    filled += ("parted",) * c.parted
    parts.append(f'<rect{look("box", *filled, *dim)} {box} rx="8"/>')
    if c.root:
        inner = f'x="{x + 3:.1f}" y="{y + 3:.1f}" width="{w - 6:.1f}" height="{h - 6:.1f}"'
        parts.append(f'<rect{look("inner", *dim)} {inner} rx="6"/>')
    kind = _kind(c)
    if c.title:
        title = _shown_title(c, w)
        shade = () if c.named else ("auto",)
        parts.append(f'<text{look("title", *shade, *faded)} x="{x + 10:.1f}" y="{y + 19:.1f}">{_text(title)}</text>')
    if c.symbol:
        place = f'x="{x + w - 10:.1f}" y="{y + 19:.1f}" text-anchor="end"'
        (numbers if kind == "symbol" else parts).append(f"<text{look(kind, *faded)} {place}>{_text(c.symbol)}</text>")
    if c.rows:
        parts.append(f'<path{look("rule")} d="M{x:.1f} {y + TITLE:.1f}h{w:.1f}"/>')
    for n, row in enumerate(c.rows):
        base = y + TITLE + ROW * n + 16
        numbers.append(f'<text{look("row", *faded)} x="{x + 10:.1f}" y="{base:.1f}">{_text(row.name)}</text>')
        place = f'x="{x + w - 10:.1f}" y="{base:.1f}" text-anchor="end"'
        shade = () if row.kind == "plain" else (row.kind,)
        numbers.append(f"<text{look('number', *shade, *faded)} {place}>{_text(row.text)}</text>")
    tip = f"<title>{_text(c.tip, 600)}</title>" if c.tip else ""
    mono = f'<g font-family="{MONO}">{"".join(numbers)}</g>' if numbers else ""
    path = f' data-path="{_text(c.path)}"' if c.path else ""
    return f'<g class="node {c.role}" data-node="{i}"{path}>{tip}{"".join(parts)}{mono}</g>'


def _kind(c: Card) -> str:
    return "symbol" if c.role == "operation" else "kind"


def _shown_title(c: Card, wide: float) -> str:
    """The title as it fits onto a card of this width."""
    beside = (9.1 if _kind(c) == "symbol" else LETTER) * columns(c.symbol) + 10 if c.symbol else 0.0
    return _fit(c.title, int((wide - 20 - beside) / 8.4), c.role == "group" or not c.named)


def _arrow(i: int, arrow: Arrow, curve: Sequence[Point], player: bool, dense: bool) -> str:
    """A curve whose head points at the user; for the player also one that points back at the operand."""
    curved, headed, stroke = ["curve"], ["head"], ""
    if arrow.flow is not None:
        curved += ["flow"] + ["negative"] * (arrow.flow < 0)
        headed.append("flow-head")
        stroke = f' style="stroke-width:{0.8 + 4.2 * abs(arrow.flow):.2f}"'
    if arrow.dim or dense:
        curved.append("faint")
        headed.append("faint-head")
    d = "".join(_piece(curve[n : n + 4]) for n in range(0, len(curve) - 1, 3))
    d = f"M{_short(*curve[0])}{d}"
    heads = f'<polygon{look(*headed)} points="{_head(curve[-1], curve[-2])}"/>'
    if player:
        heads += f'<polygon{look("head", "back")} points="{_head(curve[0], curve[1])}"/>'
    return f'<g class="arrow" data-edge="{i}"><path{look(*curved)} d="{d}"{stroke}/>{heads}</g>'


def _head(tip: Point, before: Point) -> str:
    """A triangle with its point at `tip`, coming from `before`."""
    x, y = tip[0] - before[0], tip[1] - before[1]
    length = (x * x + y * y) ** 0.5 or 1.0
    x, y = 7 * x / length, 7 * y / length
    corners = [tip, (tip[0] - x - y / 2, tip[1] - y + x / 2), (tip[0] - x + y / 2, tip[1] - y - x / 2)]
    return " ".join(_short(*corner) for corner in corners)


def _piece(piece: Sequence[Point]) -> str:
    """A piece of a curve, from its second point on."""
    if len({y for _, y in piece}) == 1:
        return f"H{_short(piece[-1][0])}"
    return "C" + " ".join(_short(x, y) for x, y in piece[1:])


def _short(*numbers: float) -> str:
    return " ".join(f"{x:.1f}".removesuffix(".0") for x in numbers)


def pill_place(curve: Sequence[Point], wide: float = 52.0) -> Point:
    """The place of a number so wide on a curve: half way, but on a long one just before its end, where arrows are
    apart."""
    points = [_point(curve[n : n + 4], t / 12) for n in range(0, len(curve) - 1, 3) for t in range(12)] + [curve[-1]]
    lengths = [0.0]
    for (x0, y0), (x1, y1) in itertools.pairwise(reversed(points)):
        lengths.append(lengths[-1] + math.hypot(x1 - x0, y1 - y0))
    wanted = min(lengths[-1] / 2, wide / 2 + 8.0)
    return points[-1 - next(n for n, length in enumerate(lengths) if length >= wanted)]


def _point(piece: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return sum(w * x for w, (x, _) in zip(weights, piece, strict=True)), sum(
        w * y for w, (_, y) in zip(weights, piece, strict=True)
    )


def _pill(i: int, arrow: Arrow, curve: Sequence[Point], left: float, top: float) -> str:
    w = LETTER * columns(arrow.text) + 12
    x, y = pill_place(curve, w)
    box = f'x="{x - left - w / 2:.1f}" y="{y - top - 10:.1f}" width="{w:.1f}" height="20" rx="10"'
    name = "uses" if arrow.uses > 1 else "pill"
    place = f'x="{x - left:.1f}" y="{y - top + 4.5:.1f}" text-anchor="middle" font-family="{MONO}"'
    text = f"<text{look(f'{name}-text')} {place}>{_text(arrow.text)}</text>"
    return f'<g class="label {name}" data-edge="{i}"><rect{look(name)} {box}/>{text}</g>'


def _fit(text: str, room: int, path: bool) -> str:
    """A title of at most so many columns. Of a path the words are cut to letters first, so that indices and the last
    word stay: `l.0.n[1].w[0]`; then, as of any text, its middle is left out."""
    if path and columns(text) > room:
        parts = re.split(r"([.\[\]])", text)
        words = [i for i, part in enumerate(parts) if part[:1].isalpha()]
        for i in words[:-1]:
            parts[i] = parts[i][0] + re.sub(r".*?(\d*)$", r"\1", parts[i])
        text = "".join(parts)
    if columns(text) <= room:
        return text
    tail = text
    while tail and columns(tail) > (room - 1) * 2 // 3:
        tail = tail[1:]
    head = text[: len(text) - len(tail)]
    while head and columns(head) + columns(tail) > room - 1:
        head = head[:-1]
    return f"{head}…{tail}"


def _text(text: str, length: int = 200) -> str:
    return html.escape(one_line(text, length))
