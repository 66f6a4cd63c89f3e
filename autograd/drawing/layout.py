"""Positions of cards and curves of arrows: a layered layout, 5 ms for 40 cards.

All of it happens in two directions that the caller maps onto the page: `along` the flow, from operands to users, and
`across` it.
"""

import bisect
import itertools
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]

RANK_GAP, CARD_GAP, LINE_GAP = 56.0, 16.0, 10.0
SWEEPS, EXCHANGES, TOLERANCE = 16, 8, 5.0
FEW, MANY = 200, 500
"""Edges, and places: a layout of more is not tried twice, and of more not improved by exchanges."""


class Edge(NamedTuple):
    """From a card to a place on the entering side of another: `at` is from 0 to 1 of its extent across."""

    source: int
    target: int
    at: float


class Layout(NamedTuple):
    """Centres of the cards, and a curve for each edge: cubic Bézier control points, 3k + 1 of them."""

    centres: list[Point]
    curves: list[list[Point]]


def placed(sizes: Sequence[Point], edges: Sequence[Edge], rankdir: str, gap: float = RANK_GAP) -> Layout:
    """Positions on the page for cards of the given widths and heights; y grows downwards. gap: between ranks."""
    if rankdir == "LR":
        return layered(sizes, edges, gap)
    centres, curves = layered([(h, w) for w, h in sizes], edges)
    return Layout([(x, y) for y, x in centres], [[(x, y) for y, x in curve] for curve in curves])


def layered(sizes: Sequence[Point], edges: Sequence[Edge], gap: float = RANK_GAP) -> Layout:
    """Positions for cards of the given extents (along, across). Edges form no cycle.

    Every card stands in the rank just before its first user; an edge that skips ranks runs through places reserved in
    them, which the edges of a card share, unless that makes more crossings. Ranks are ordered by the mean or the median
    place of their neighbours (Sugiyama et al. 1981), beginning with the order of operands, and neighbours exchanged
    where that helps; the best of several sweeps, counted in crossings, is kept.
    """
    layout, crossings = _layered(sizes, edges, True, gap)
    if crossings and len(edges) <= FEW:
        other, fewer = _layered(sizes, edges, False, gap)
        layout = other if fewer < crossings else layout
    return layout


def _layered(sizes: Sequence[Point], edges: Sequence[Edge], shared: bool, gap: float) -> tuple[Layout, int]:
    """A layout, and how many pairs of edges cross in it, where edges that share places count as one."""
    count = len(sizes)
    rank = ranks_of(count, edges)

    # An edge over several ranks becomes a chain through places without extent.
    extents = [size[1] for size in sizes]
    places: dict[tuple[int, int, int], int] = {}
    chains = []
    for edge in edges:
        chain = [edge.source]
        for r in range(rank[edge.source] + 1, rank[edge.target]):
            place = edge.source, r, 0 if shared else edge.target
            if place not in places:
                places[place] = len(rank)
                rank.append(r)
                extents.append(0.0)
            chain.append(places[place])
        chains.append([*chain, edge.target])
    entries: dict[tuple[int, int], list[float]] = {}  # for each pair of neighbours, where it enters: 0 top, 1 bottom
    for edge, chain in zip(edges, chains, strict=True):
        for pair in itertools.pairwise(chain):
            entries.setdefault(pair, []).append(edge.at if pair[1] == edge.target else 0.5)
    before: list[list[int]] = [[] for _ in rank]
    after: list[list[int]] = [[] for _ in rank]
    ends: list[list[tuple[int, float]]] = [[] for _ in rank]
    for (a, b), at in entries.items():
        after[a].append(b)
        before[b].append(a)
        ends[a] += [(b, x) for x in dict.fromkeys(at)]

    ranks = _initial_order(rank, before)
    ranks = _fewest_crossings(ranks, before, ends)
    across = _places(ranks, extents, before, after, count)

    width = [max([0.0, *(sizes[i][0] for i in row if i < count)]) for row in ranks]
    middle = list(itertools.accumulate([w / 2 + v / 2 + gap for v, w in itertools.pairwise(width)], initial=0.0))
    centres = [(middle[rank[i]], across[i]) for i in range(count)]
    curves = []
    for edge, chain in zip(edges, chains, strict=True):
        (x0, y0), (x1, y1) = centres[edge.source], centres[edge.target]
        points = [(x0 + sizes[edge.source][0] / 2, y0)]
        if sizes[edge.source][0] < width[rank[edge.source]]:  # past its wider neighbours first
            points.append((x0 + width[rank[edge.source]] / 2, y0))
        for i in _bends(chain[1:-1], [(middle[rank[i]], across[i]) for i in chain[1:-1]]):
            half = width[rank[i]] / 2
            points += [(middle[rank[i]] - half, across[i]), (middle[rank[i]] + half, across[i])]
        end = y1 + (edge.at - 0.5) * sizes[edge.target][1]
        if sizes[edge.target][0] < width[rank[edge.target]]:
            points.append((x1 - width[rank[edge.target]] / 2, end))
        points.append((x1 - sizes[edge.target][0] / 2, end))
        curves.append(_curve(points))
    return Layout(centres, curves), _crossings(ranks, ends)


def ranks_of(count: int, edges: Sequence[Edge]) -> list[int]:
    """The rank of each card, from 0: just before the first of its users."""
    users: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for edge in edges:
        users[edge.source].append(edge.target)
        missing[edge.target] += 1
    order = [i for i, n in enumerate(missing) if n == 0]
    for i in order:  # grows: operands precede their users
        for j in users[i]:
            missing[j] -= 1
            if missing[j] == 0:
                order.append(j)
    rank = [0] * count
    for i in reversed(order):
        rank[i] = min((rank[j] - 1 for j in users[i]), default=0)
    lowest = min(rank, default=0)
    return [r - lowest for r in rank]


def _initial_order(rank: Sequence[int], before: Sequence[Sequence[int]]) -> list[list[int]]:
    """Depth first from the root, operands in their order: that keeps `a - b` from being drawn as `b - a`."""
    ranks: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    seen: set[int] = set()
    stack = sorted(range(len(rank)), key=lambda i: rank[i])
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            ranks[rank[i]].append(i)
            stack.extend(reversed(before[i]))
    return ranks


Ends = Sequence[Sequence[tuple[int, float]]]
"""For each node the neighbours after it, and where it enters them."""


def _fewest_crossings(ranks: list[list[int]], before: Sequence[Sequence[int]], ends: Ends) -> list[list[int]]:
    best, fewest = ranks, _crossings(ranks, ends)
    many = sum(map(len, ranks)) > MANY
    for sweep in range(SWEEPS // 2 if many else SWEEPS):
        if fewest == 0:
            break
        ranks = [list(row) for row in ranks]
        place = {i: float(n) for row in ranks for n, i in enumerate(row)}
        middle = _mean if sweep % 4 < 2 else _median
        for row in ranks if sweep % 2 else ranks[::-1]:
            for i in row:
                beside = [place[j] for j in before[i]] if sweep % 2 else [place[j] + at for j, at in ends[i]]
                place[i] = middle(beside, place[i])
            row.sort(key=place.__getitem__)
            place.update({i: float(n) for n, i in enumerate(row)})
        exchanged = [list(row) for row in ranks]
        if not many:
            _exchange(exchanged, before, ends)
        found = _crossings(exchanged, ends)
        if found < fewest:
            best, fewest = exchanged, found
    return best


def _exchange(ranks: list[list[int]], before: Sequence[Sequence[int]], ends: Ends) -> None:
    """Exchanges neighbours in a rank as long as that takes crossings away."""
    place = {i: n for row in ranks for n, i in enumerate(row)}

    def crossings(a: int, b: int) -> int:
        """Of the edges of a, if it comes first, with those of b."""
        left, right = [place[i] for i in before[a]], [place[i] for i in before[b]]
        total = sum(x > y for x in left for y in right)
        right_ends = [place[i] + at for i, at in ends[b]]
        return total + sum(place[i] + at > y for i, at in ends[a] for y in right_ends)

    for _ in range(EXCHANGES):
        moved = False
        for row in ranks:
            for n in range(len(row) - 1):
                a, b = row[n], row[n + 1]
                if crossings(a, b) > crossings(b, a):
                    row[n], row[n + 1] = b, a
                    place[a], place[b] = n + 1, n
                    moved = True
        if not moved:
            return


def _crossings(ranks: Sequence[Sequence[int]], ends: Ends) -> int:
    """The count of pairs of edges between neighbouring ranks that cross: inversions of where they end."""
    total = 0
    for row, following in itertools.pairwise(ranks):
        place = {i: n for n, i in enumerate(following)}
        passed: list[float] = []  # where the edges of the nodes so far end, sorted
        for i in row:
            own = [place[j] + at for j, at in ends[i]]
            total += sum(len(passed) - bisect.bisect_right(passed, end) for end in own)
            for end in own:
                bisect.insort(passed, end)
    return total


def _places(
    ranks: Sequence[Sequence[int]],
    extents: Sequence[float],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    count: int,
) -> list[float]:
    """A place across for each node: near its neighbours, in the order of its rank, with a gap between."""
    place = [0.0] * len(extents)

    def settle(row: Sequence[int], wanted: Sequence[float]) -> None:
        """Nodes that would overlap move apart around their common mean: blocks that grow as they touch."""
        offsets = [0.0]
        for a, b in itertools.pairwise(row):
            gap = CARD_GAP if a < count and b < count else LINE_GAP
            offsets.append(offsets[-1] + extents[a] / 2 + gap + extents[b] / 2)
        blocks: list[tuple[float, int]] = []  # sum of wanted places less the offsets, and how many nodes
        for want, offset in zip(wanted, offsets, strict=True):
            block = (want - offset, 1)
            while blocks and blocks[-1][0] / blocks[-1][1] >= block[0] / block[1]:
                total, size = blocks.pop()
                block = (total + block[0], size + block[1])
            blocks.append(block)
        starts = [total / size for total, size in blocks for _ in range(size)]
        for i, start, offset in zip(row, starts, offsets, strict=True):
            place[i] = start + offset

    for row in ranks:
        settle(row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        neighbours, rows = (after, ranks[::-1]) if sweep % 2 == 0 else (before, ranks)
        for row in rows:
            settle(row, [_mean([place[j] for j in neighbours[i]], place[i]) for i in row])
    for row in ranks:
        settle(row, [_mean([place[j] for j in (*before[i], *after[i])], place[i]) for i in row])
    return place


def _mean(numbers: Sequence[float], default: float) -> float:
    return sum(numbers) / len(numbers) if numbers else default


def _median(numbers: Sequence[float], default: float) -> float:
    if not numbers:
        return default
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(numbers) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _bends(nodes: Sequence[int], points: Sequence[Point]) -> list[int]:
    """Of the places on a long edge those that it needs: without them it would be off by more than a few pixels
    (Ramer 1972, Douglas and Peucker 1973)."""
    kept = {0, len(nodes) - 1}
    waiting = [(0, len(nodes) - 1)]
    while waiting:
        a, b = waiting.pop()
        (x0, y0), (x1, y1) = points[a] if nodes else (0.0, 0.0), points[b] if nodes else (0.0, 0.0)
        off = [abs(points[i][1] - y0 - (y1 - y0) * (points[i][0] - x0) / (x1 - x0)) for i in range(a + 1, b)]
        if off and max(off) > TOLERANCE:
            farthest = a + 1 + off.index(max(off))
            kept.add(farthest)
            waiting += [(a, farthest), (farthest, b)]
    return [node for i, node in enumerate(nodes) if i in kept]


def _curve(points: Sequence[Point]) -> list[Point]:
    """Through the points, leaving and entering each along the flow."""
    curve = [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        bend = (x1 - x0) / 2
        curve += [(x0 + bend, y0), (x1 - bend, y1), (x1, y1)]
    return curve
