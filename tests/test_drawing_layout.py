"""Positions: cards do not overlap, arrows run forwards and end where they should."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.drawing.layout import Edge, layered, placed
from autograd.drawing.svg import pill_place


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 25))
    sizes = [(draw(st.sampled_from([26.0, 112.0])), draw(st.sampled_from([22.0, 61.0]))) for _ in range(count)]
    edges = []
    for target in range(1, count):
        sources = draw(st.lists(st.integers(0, target - 1), max_size=3))
        edges += [Edge(s, target, (i + 0.5) / len(sources)) for i, s in enumerate(sources)]
    return sizes, edges


def check(sizes, edges, layout, rankdir="LR", tolerance=1.5):
    def side(i, axis, sign):
        return layout.centres[i][axis] + sign * sizes[i][axis] / 2

    for i, j in itertools.combinations(range(len(sizes)), 2):
        apart = [
            side(i, k, 1) <= side(j, k, -1) + tolerance or side(j, k, 1) <= side(i, k, -1) + tolerance for k in (0, 1)
        ]
        assert any(apart), f"cards {i} and {j} overlap"
    along, across = (0, 1) if rankdir == "LR" else (1, 0)
    assert len(layout.curves) == len(edges)
    for edge, curve in zip(edges, layout.curves, strict=True):
        assert len(curve) % 3 == 1
        assert side(edge.source, along, 1) < side(edge.target, along, -1)
        assert curve[0][along] == pytest.approx(side(edge.source, along, 1), abs=tolerance)
        assert curve[0][across] == pytest.approx(layout.centres[edge.source][across], abs=tolerance)
        assert curve[-1][along] == pytest.approx(side(edge.target, along, -1), abs=tolerance)
        size = sizes[edge.target][across]
        assert curve[-1][across] == pytest.approx(layout.centres[edge.target][across] + (edge.at - 0.5) * size, abs=3)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_the_built_in_layout(graph):
    check(*graph, layered(*graph))
    assert layered(*graph) == layered(*graph)


@settings(max_examples=25, deadline=None)
@given(graph=graphs())
def test_from_top_to_bottom(graph):
    check(*graph, placed(*graph, "TB"), "TB")


def test_operands_stand_in_their_order():
    sizes = [(112.0, 61.0)] * 5
    layout = layered(sizes, [Edge(3, 4, 0.25), Edge(2, 4, 0.5), Edge(0, 4, 0.75), Edge(1, 3, 0.5)])
    assert [layout.centres[i][1] for i in (3, 2, 0)] == sorted(layout.centres[i][1] for i in (3, 2, 0))


def test_cards_are_ordered_to_avoid_crossings():
    def crossings(edges):
        ys = [c[1] for c in layered([(100.0, 60.0)] * 9, edges).centres]
        ends = [(ys[e.source], ys[e.target] + 60 * (e.at - 0.5)) for e in edges]
        return sum((a - c) * (b - d) < 0 for (a, b), (c, d) in itertools.combinations(ends, 2))

    # three operands and three users, given crosswise; then x*w and x+..., where w may not stand above x
    assert (
        crossings(
            [Edge(0, 5, 0.5), Edge(1, 4, 0.5), Edge(2, 3, 0.5), Edge(3, 6, 0.25), Edge(4, 6, 0.5), Edge(5, 6, 0.75)][:3]
        )
        == 0
    )
    layout = layered([(100.0, 60.0)] * 4, [Edge(0, 2, 0.25), Edge(1, 2, 0.75), Edge(2, 3, 0.25), Edge(0, 3, 0.75)])
    assert layout.centres[0][1] < layout.centres[1][1] or layout.curves[3][1][1] > layout.centres[1][1]


def test_an_edge_over_several_ranks_avoids_cards():
    sizes = [(100.0, 60.0)] * 4  # 0 -> 1 -> 2 -> 3 and 0 -> 3
    layout = layered(sizes, [Edge(0, 1, 0.5), Edge(1, 2, 0.5), Edge(2, 3, 0.25), Edge(0, 3, 0.75)])
    for x, y in layout.curves[3][1:-1]:
        for cx, cy in layout.centres[1:3]:
            assert abs(x - cx) > 50 or abs(y - cy) > 30 or abs(abs(x - cx) - 50) < 1e-6


def test_a_large_graph():
    rng = random.Random(0)
    sizes = [(112.0, 61.0)] * 3000
    edges = [Edge(max(0, i - rng.randrange(1, 60)), i, 0.5) for i in range(1, 3000)]
    assert len(placed(sizes, edges, "LR").curves) == 2999


def test_a_number_stands_on_its_curve():
    straight = [(0.0, 0.0), (20.0, 0.0), (40.0, 0.0), (60.0, 0.0)]
    assert pill_place(straight)[0] == pytest.approx(30.0, abs=4)
    long = [(0.0, 0.0), (200.0, 0.0), (400.0, 0.0), (600.0, 0.0)]
    assert pill_place(long)[0] > 500
