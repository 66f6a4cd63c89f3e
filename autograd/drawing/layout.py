"""Where cards stand and how arrows run: a layered layout of our own, for where no engine is, 3 ms for 40 cards.

All of it happens in two directions that the caller maps onto the page: `along` the flow, from operands to users, and
`across` it.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]

RANK_GAP, CARD_GAP, LINE_GAP = 56.0, 16.0, 10.0
SWEEPS = 8


class Edge(NamedTuple):
    """From a card to a place on the entering side of another: `at` is from 0 to 1 of its extent across."""

    source: int
    target: int
    at: float


class Layout(NamedTuple):
    """Centres of the cards, and a curve for each edge: cubic Bézier control points, 3k + 1 of them."""

    centres: list[Point]
    curves: list[list[Point]]


def layered(sizes: Sequence[Point], edges: Sequence[Edge]) -> Layout:
    """Positions for cards of the given extents (along, across). Edges form no cycle.

    Every card stands in the rank just before its first user; an edge that skips ranks runs through places reserved in
    them. Ranks are ordered by the mean place of their neighbours (Sugiyama et al. 1981), beginning with the order of
    operands; the best of several sweeps, counted in crossings, is kept.
    """
    count = len(sizes)
    users: list[list[int]] = [[] for _ in sizes]
    operands: list[list[int]] = [[] for _ in sizes]
    for edge in edges:
        users[edge.source].append(edge.target)
        operands[edge.target].append(edge.source)
    order = _topological(users, operands)
    rank = [0] * count
    for i in reversed(order):
        rank[i] = min((rank[j] - 1 for j in users[i]), default=0)
    lowest = min(rank, default=0)
    rank = [r - lowest for r in rank]

    # An edge over several ranks becomes a chain through places without extent.
    extents = [size[1] for size in sizes]
    chains = []
    for edge in edges:
        chain = [edge.source]
        for r in range(rank[edge.source] + 1, rank[edge.target]):
            chain.append(len(rank))
            rank.append(r)
            extents.append(0.0)
        chains.append([*chain, edge.target])
    before: list[list[int]] = [[] for _ in rank]
    after: list[list[int]] = [[] for _ in rank]
    for chain in chains:
        for a, b in itertools.pairwise(chain):
            after[a].append(b)
            before[b].append(a)

    ranks = _initial_order(rank, before)
    ranks = _fewest_crossings(ranks, before, after)
    across = _places(ranks, extents, before, after, count)

    width = [max([0.0, *(sizes[i][0] for i in row if i < count)]) for row in ranks]
    middle = list(itertools.accumulate([w / 2 + v / 2 + RANK_GAP for v, w in itertools.pairwise(width)], initial=0.0))
    centres = [(middle[rank[i]], across[i]) for i in range(count)]
    curves = []
    for edge, chain in zip(edges, chains, strict=True):
        (x0, y0), (x1, y1) = centres[edge.source], centres[edge.target]
        points = [(x0 + sizes[edge.source][0] / 2, y0)]
        for i in chain[1:-1]:
            points += [
                (middle[rank[i]] - width[rank[i]] / 2, across[i]),
                (middle[rank[i]] + width[rank[i]] / 2, across[i]),
            ]
        points.append((x1 - sizes[edge.target][0] / 2, y1 + (edge.at - 0.5) * sizes[edge.target][1]))
        curves.append(_curve(points))
    return Layout(centres, curves)


def _topological(users: Sequence[Sequence[int]], operands: Sequence[Sequence[int]]) -> list[int]:
    """Cards in an order in which operands precede their users."""
    missing = [len(xs) for xs in operands]
    order = [i for i, n in enumerate(missing) if n == 0]
    for i in order:
        for j in users[i]:
            missing[j] -= 1
            if missing[j] == 0:
                order.append(j)
    return order


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


def _fewest_crossings(
    ranks: list[list[int]], before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]
) -> list[list[int]]:
    best, fewest = ranks, _crossings(ranks, after)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        ranks = [list(row) for row in ranks]
        neighbours, rows = (before, ranks) if sweep % 2 else (after, ranks[::-1])
        place = {i: n for row in ranks for n, i in enumerate(row)}
        for row in rows:
            mean = {i: sum(place[j] for j in neighbours[i]) / len(neighbours[i]) for i in row if neighbours[i]}
            row.sort(key=lambda i: mean.get(i, place[i]))
            place.update({i: n for n, i in enumerate(row)})
        found = _crossings(ranks, after)
        if found < fewest:
            best, fewest = ranks, found
    return best


def _crossings(ranks: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> int:
    """How many pairs of edges between neighbouring ranks cross: inversions, counted in a Fenwick tree."""
    total = 0
    for row, following in itertools.pairwise(ranks):
        place = {i: n for n, i in enumerate(following)}
        tree = [0] * (len(following) + 1)
        placed = 0
        for i in row:
            ends = [place[j] for j in after[i]]
            for end in ends:
                n, smaller = end + 1, 0
                while n:
                    smaller += tree[n]
                    n &= n - 1
                total += placed - smaller
            for end in ends:
                n = end + 1
                while n < len(tree):
                    tree[n] += 1
                    n += n & -n
            placed += len(ends)
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


def _curve(points: Sequence[Point]) -> list[Point]:
    """Through the points, leaving and entering each along the flow."""
    curve = [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        bend = (x1 - x0) / 2
        curve += [(x0 + bend, y0), (x1 - bend, y1), (x1, y1)]
    return curve
