"""The picture as SVG, the same whoever computed the positions. It has no ids, so several fit on one page."""

import html
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..texts import columns, one_line
from .cards import PALETTE, Arrow, Card, Diagram, width
from .engines import positions
from .layout import Edge, Layout, Point

TITLE, ROW, PADDING = 24, 16, 5
MARGIN = 14.0

FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'


def _colours(scheme: int) -> str:
    """The palette as variables, on everything that uses it."""
    variables = "".join(f"--{name}:{colours[scheme]};" for name, colours in PALETTE.items())
    return f".agraph,.stepper,.agraph-colours{{{variables}}}"


STYLE = (
    f"""
{_colours(0)}
@media screen and (prefers-color-scheme:dark){{{_colours(1)}}}
.agraph{{font-family:{FONT}}}
"""
    + """
.agraph text{fill:var(--ink);unicode-bidi:plaintext}
.agraph .title{font-size:12px;font-weight:600}
.agraph .auto{fill:var(--soft);font-weight:400}
.agraph .symbol,.agraph .row,.agraph .number,.agraph .pill text,.agraph .constant text{font-family:ui-monospace,
"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px}
.agraph .kind{font-size:10px;fill:var(--soft);font-style:italic}
.agraph .symbol{font-weight:600}
.agraph .row,.agraph .note{fill:var(--soft)}
.agraph .note{font-size:11px}
.agraph .box{stroke:var(--line);fill:var(--operation)}
.agraph .leaf .box{fill:var(--leaf)}
.agraph .parameter .box{fill:var(--parameter);stroke-width:2}
.agraph .group .box,.agraph .group .behind{fill:var(--group)}
.agraph .behind{stroke:var(--line)}
.agraph .root .box{fill:var(--root)}
.agraph .inner{fill:none;stroke:var(--line)}
.agraph .rule{stroke:var(--line);stroke-opacity:.6}
.agraph .number.data{fill:var(--data)}
.agraph .number.grad{fill:var(--grad)}
.agraph .constant .box{stroke-dasharray:2 2}
.agraph .arrow path{fill:none;stroke:var(--soft);stroke-width:1.3}
.agraph .arrow polygon{fill:var(--soft)}
.agraph .arrow.flow path{stroke:var(--grad)}
.agraph .arrow.flow polygon{fill:var(--grad)}
.agraph .arrow.negative path{stroke-dasharray:6 3}
.agraph.dense .arrow{opacity:.5}
.agraph .dim,.agraph.dense .dim{opacity:.25}
.agraph .pill rect{fill:var(--operation);stroke:var(--local)}
.agraph .pill text{fill:var(--local);font-size:10px}
.agraph .pill.uses rect{stroke:var(--line)}
.agraph .pill.uses text{fill:var(--soft)}
"""
)


class Drawn(NamedTuple):
    """A picture, and its size in pixels."""

    svg: str
    width: float
    height: float


def draw(diagram: Diagram, rankdir: str = "LR", player: bool = False) -> Drawn:
    """The picture of a diagram as one self-contained SVG: light or dark as its reader is, legible in grey.

    player: for the step-through, whose page has the style and lets arrows point backwards too.
    """
    sizes = card_sizes(diagram.cards)
    layout = positions(sizes, entries(diagram, rankdir), rankdir)
    return render(diagram, sizes, layout, player)


def card_sizes(cards: Sequence[Card]) -> list[Point]:
    """Width and height of each card: all are of one width, numbers are small pills."""
    wide = width(cards)
    return [
        (max(26.0, 7.0 * columns(c.title) + 14), 22.0)
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
    wide = max(max(xs) - left + MARGIN, *(6.2 * columns(note) + 2 * MARGIN for note in diagram.notes), 0.0)
    high = max(ys) - top + MARGIN
    parts = [
        _arrow(i, arrow, [(x - left, y - top) for x, y in curve], player)
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
        parts.append(f'<text class="note" x="{MARGIN:g}" y="{high + 6:g}">{_text(note)}</text>')
        high += 18
    size = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}"'
    title = _text(diagram.title)
    heading = "" if player else f"<title>{title}</title><style>{STYLE}</style>"
    scaled = (
        (
            f"width:100%;max-width:{1.5 * wide:.0f}px;min-width:{0.8 * wide:.0f}px;"
            f"max-height:max({high:.0f}px,calc(100vh - 270px))"
        )
        if player
        else "max-width:100%"
    )
    dense = " dense" if len(diagram.arrows) > 100 else ""
    return Drawn(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="agraph{dense}" {size} style="{scaled};height:auto" '
        f'role="{"group" if player else "img"}" aria-label="{title}">{heading}\n' + "\n".join(parts) + "\n</svg>\n",
        wide,
        high,
    )


def _card(i: int, c: Card, x: float, y: float, w: float, h: float) -> str:
    box = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"'
    if c.role == "constant":
        text = f'<text x="{x + w / 2:.1f}" y="{y + 15:.1f}" text-anchor="middle">{_text(c.title)}</text>'
        look = "node constant dim" if c.dim else "node constant"
        return f'<g class="{look}" data-node="{i}"><rect class="box" {box} rx="11"/>{text}</g>'
    parts = []
    if c.role == "group":
        behind = f'x="{x + 4:.1f}" y="{y - 4:.1f}" width="{w:.1f}" height="{h:.1f}"'
        parts.append(f'<rect class="behind" {behind} rx="8"/>')
    parts.append(f'<rect class="box" {box} rx="8"/>')
    if c.root:
        inner = f'x="{x + 3:.1f}" y="{y + 3:.1f}" width="{w - 6:.1f}" height="{h - 6:.1f}"'
        parts.append(f'<rect class="inner" {inner} rx="6"/>')
    room = int((w - 26 - 6.6 * columns(c.symbol)) / 7.2) if c.symbol else int((w - 18) / 7.2)
    look = "title" if c.named else "title auto"
    title = _fit(c.title, room, c.role == "group" or (c.role == "parameter" and not c.named))
    if c.title:
        parts.append(f'<text class="{look}" x="{x + 9:.1f}" y="{y + 16:.1f}">{_text(title)}</text>')
    if c.symbol:
        look = "symbol" if c.role == "operation" else "kind"
        place = f'x="{x + w - 9:.1f}" y="{y + 16:.1f}" text-anchor="end"'
        parts.append(f'<text class="{look}" {place}>{_text(c.symbol)}</text>')
    if c.rows:
        parts.append(f'<path class="rule" d="M{x:.1f} {y + TITLE:.1f}h{w:.1f}"/>')
    for n, row in enumerate(c.rows):
        base = y + TITLE + ROW * n + 14
        parts.append(f'<text class="row" x="{x + 9:.1f}" y="{base:.1f}">{_text(row.name)}</text>')
        place = f'x="{x + w - 9:.1f}" y="{base:.1f}" text-anchor="end"'
        parts.append(f'<text class="number {row.kind}" {place}>{_text(row.text)}</text>')
    tip = f"<title>{_text(c.tip, 600)}</title>" if c.tip else ""
    look = f"node {c.role}{' root' if c.root else ''}{' dim' if c.dim else ''}"
    return f'<g class="{look}" data-node="{i}">{tip}{"".join(parts)}</g>'


def _arrow(i: int, arrow: Arrow, curve: Sequence[Point], player: bool) -> str:
    """A curve whose head points at the user; for the player also one that points back at the operand."""
    look, stroke = "arrow", ""
    if arrow.flow is not None:
        look += " flow" + (" negative" if arrow.flow < 0 else "")
        stroke = f' style="stroke-width:{0.8 + 4.2 * abs(arrow.flow):.2f}"'
    if arrow.dim:
        look += " dim"
    d = "".join(_piece(curve[n : n + 4]) for n in range(0, len(curve) - 1, 3))
    d = f"M{_short(*curve[0])}{d}"
    heads = f'<polygon points="{_head(curve[-1], curve[-2])}"/>'
    if player:
        heads += f'<polygon class="back" points="{_head(curve[0], curve[1])}"/>'
    return f'<g class="{look}" data-edge="{i}"><path d="{d}"{stroke}/>{heads}</g>'


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


def pill_place(curve: Sequence[Point]) -> Point:
    """The place of a number on a curve: half way, but on a long one not far before its end, where arrows are apart."""
    points = [_point(curve[n : n + 4], t / 12) for n in range(0, len(curve) - 1, 3) for t in range(12)] + [curve[-1]]
    lengths = [0.0]
    for (x0, y0), (x1, y1) in itertools.pairwise(reversed(points)):
        lengths.append(lengths[-1] + math.hypot(x1 - x0, y1 - y0))
    wanted = min(lengths[-1] / 2, 34.0)
    return points[-1 - next(n for n, length in enumerate(lengths) if length >= wanted)]


def _point(piece: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return sum(w * x for w, (x, _) in zip(weights, piece, strict=True)), sum(
        w * y for w, (_, y) in zip(weights, piece, strict=True)
    )


def _pill(i: int, arrow: Arrow, curve: Sequence[Point], left: float, top: float) -> str:
    x, y = pill_place(curve)
    w = 6.2 * columns(arrow.text) + 10
    box = f'x="{x - left - w / 2:.1f}" y="{y - top - 8:.1f}" width="{w:.1f}" height="16" rx="8"'
    text = f'<text x="{x - left:.1f}" y="{y - top + 3.5:.1f}" text-anchor="middle">{_text(arrow.text)}</text>'
    look = "pill uses" if arrow.uses > 1 else "pill"
    return f'<g class="{look}" data-edge="{i}"><rect {box}/>{text}</g>'


def _fit(text: str, room: int, from_the_left: bool) -> str:
    """A title cut to so many columns; of a path the end matters."""
    if columns(text) <= room:
        return text
    while text and columns(text) > room - 1:
        text = text[1:] if from_the_left else text[:-1]
    return f"…{text}" if from_the_left else f"{text}…"


def _text(text: str, length: int = 200) -> str:
    return html.escape(one_line(text, length))
