import shutil
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import graphviz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value, draw_dot
from autograd.drawing import mimebundle, table
from autograd.drawing import notebook as display
from autograd.drawing.digraph import use_dot
from autograd.extend import snapshot


def graph():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    y = (a - b) * a
    y.backward()
    return y


def test_a_digraph_with_label_operation_data_and_grad_in_operand_order():
    dot = draw_dot(graph(), format="png", rankdir="TB")
    assert isinstance(dot, graphviz.Digraph)
    assert dot.format == "png"
    assert "rankdir=TB" in dot.source
    assert "ordering=in" in dot.source
    edges = [line.split() for line in dot.source.splitlines() if "->" in line]
    assert [(e[0], e[2]) for e in edges] == [("n0", "n2"), ("n1", "n2"), ("n2", "n3"), ("n0", "n3")]
    for text in ("<b>a</b>", "<b>b</b>", ">-<", ">*<", ">5<", ">10<", ">7<"):
        assert text in dot.source


def test_multiplicity_and_number_operands():
    a = Value(3.0)
    assert draw_dot(a * a).source.count("n0 -> n1") == 2
    source = draw_dot(autograd.dot([a, 2.0], [a, a], 1.0)).source
    assert source.count("->") == 5
    assert "[label=2]" in source


def test_the_same_graph_gives_the_same_bytes():
    assert draw_dot(graph()).source == draw_dot(graph()).source


def test_what_is_no_graph_and_a_wrong_direction_are_refused():
    with pytest.raises(TypeError, match="draw_dot expected a Value, got float"):
        draw_dot(3.0)
    with pytest.raises(ValueError, match="draw_dot expected rankdir 'LR' or 'TB', got 'XX'"):
        draw_dot(Value(1.0), rankdir="XX")


HOSTILE = [
    '</table>><b onload="x">',
    '"];evil[label="',
    "<script>alert(1)</script>",
    "a|b{c}",
    "x\ny\0z",
    "\\N\\G",
    "שלום",
    "🎉",
    "&amp;",
    "a" * 10_000,
]


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_are_shown_as_text(label):
    svg = draw_dot(Value(1.0, label=label)).pipe(format="svg", encoding="utf-8", quiet=True)
    root = ElementTree.fromstring(svg)
    assert not any(e.tag.endswith(("script", "b")) or "onload" in e.attrib for e in root.iter())
    shown = "".join(t for e in root.iter() if e.tag.endswith("text") for t in e.itertext())
    start = "".join(c if c.isprintable() else " " for c in label[:59])
    assert start.replace(" ", "") in shown.replace("\N{NO-BREAK SPACE}", "").replace(" ", "")


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1))
def test_no_label_breaks_out_of_its_card(label):
    source = draw_dot(Value(1.0, label=label)).source
    content = source[source.index("<<table") + 1 : source.rindex("</table>>") + len("</table>")]
    card = ElementTree.fromstring(content)
    assert [e.tag for e in card.iter()] == ["table", "tr", "td", "b", "td", *["tr", "td", "td", "font"] * 2]


def test_a_table_shows_every_node_with_its_local_derivatives():
    lines = table(snapshot(graph())).splitlines()
    assert lines[0].split() == ["node", "operation", "data", "grad", "local", "derivatives"]
    assert lines[1].split() == ["a", "leaf", "2", "7"]
    assert lines[3].split() == ["#2", "a", "-", "b", "5", "2", "d/da", "1,", "d/db", "-1"]
    assert lines[4].split() == ["#3", "#2", "*", "a", "10", "1", "d/d#2", "2,", "d/da", "5"]
    assert "dot(a, 2, 0)" in table(snapshot(autograd.dot([Value(1.0, label="a")], [2])))


def test_a_long_table_shows_its_end():
    y = Value(1.0)
    for _ in range(100):
        y = y + 1.0
    lines = table(snapshot(y), limit=10).splitlines()
    assert len(lines) == 12
    assert "91 more nodes" in lines[1]


def test_a_notebook_shows_picture_and_table():
    bundle = graph()._repr_mimebundle_()
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag.endswith("svg")
    assert bundle["text/html"].startswith('<img alt="computation graph" src="data:image/svg+xml;base64,')
    assert "a - b" in bundle["text/plain"]


def test_a_notebook_shows_a_table_where_nothing_computes_positions(monkeypatch):
    monkeypatch.setattr(display, "use_dot", lambda: False)
    bundle = mimebundle(graph())
    assert set(bundle) == {"text/plain"}
    assert "a - b" in bundle["text/plain"]
    assert "pip install 'scalar-autograd[draw]'" in bundle["text/plain"]


def test_a_large_graph_is_summed_up():
    y = Value(1.0)
    for _ in range(300):
        y = y * 2.0
    text = mimebundle(y)["text/plain"]
    assert "too large to draw: 1 leaf nodes, 300 *" in text


def test_an_engine_is_found_on_the_path_or_beside_python(monkeypatch):
    binary = graphviz.backend.dot_command.DOT_BINARY
    monkeypatch.setattr(graphviz.backend.dot_command, "DOT_BINARY", binary)
    places = {"dot": "/somewhere/dot"}
    monkeypatch.setattr(shutil, "which", lambda name: places.get(str(name)))
    assert use_dot()
    assert binary == graphviz.backend.dot_command.DOT_BINARY
    beside = str(Path(sysconfig.get_path("scripts")) / "graphviz-pure")
    places.clear()
    assert not use_dot()
    places[beside] = beside
    assert use_dot()
    assert Path(beside) == graphviz.backend.dot_command.DOT_BINARY
