"""Pictures and tables: what stands on them, in every format."""

import base64
import builtins
import json
import re
import xml.etree.ElementTree as ElementTree

import graphviz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture import SVG, cards, graph

import autograd
from autograd import Value, draw_dot
from autograd.drawing import mimebundle, notebook, table
from autograd.drawing.engines import use_dot
from autograd.extend import snapshot
from autograd.snapshots import names_of_values
from nn import MLP

# What is shown


def test_a_digraph_with_label_operation_data_and_grad_in_operand_order():
    dot = draw_dot(graph(), format="png", rankdir="TB")
    assert isinstance(dot, graphviz.Digraph)
    assert dot.format == "png"
    assert "rankdir=TB" in dot.source
    assert "ordering=in" in dot.source
    edges = [line.split() for line in dot.source.splitlines() if "->" in line]
    assert [(e[0], e[2]) for e in edges] == [("n0", "n2"), ("n1", "n2"), ("n2", "n3"), ("n0", "n3")]
    for text in ("<b>a</b>", "<b>b</b>", ">−<", ">×<", ">5<", ">10<", ">7<"):
        assert text in dot.source


def test_every_card_has_title_operation_data_and_grad():
    assert cards(draw_dot(graph()).svg) == [
        ["a", "input", "data", "2", "grad", "7"],
        ["b", "input", "data", "−3", "grad", "−2"],
        ["v1", "−", "data", "5", "grad", "2"],
        ["v2", "×", "data", "10", "grad", "1"],
    ]


def test_what_to_show_and_how_many_digits():
    x = Value(1 / 3, label="x")
    assert cards(draw_dot(x * 1.5, show=("data",), digits=2).svg) == [
        ["input", "data", "0.33"],
        ["1.5"],
        ["×", "data", "0.5"],
    ]
    assert cards(draw_dot(x * 1.5, show=()).svg)[0] == ["input"]
    svg = draw_dot(x * 1.5, show=("label", "local")).svg
    pills = [g for g in ElementTree.fromstring(svg).findall(f"{SVG}g") if g.get("class") == "label pill"]
    assert [p.find(f"{SVG}text").text for p in pills] == ["1.5"]


def test_multiplicity_and_number_operands():
    a = Value(3.0)
    assert draw_dot(a * a).source.count("n0 -> n1") == 2
    svg = ElementTree.fromstring(draw_dot(a * a).svg)
    curves = [p.get("d") for p in svg.findall(f"{SVG}g[@data-edge]/{SVG}path")]
    assert len({*curves}) == 2
    source = draw_dot(autograd.dot([a, 2.0], [a, a], 1.0)).source
    assert source.count("->") == 5
    assert "[label=2 " in source


def test_operands_enter_from_top_to_bottom():
    a, b, c = (Value(float(i), label=x) for i, x in enumerate("abc"))
    for y in (autograd.where(a, b, c), autograd.where(c, b, a), a - a, autograd.dot([a, b], [b, a], c)):
        svg = ElementTree.fromstring(draw_dot(y).svg)
        tips = [p.get("points").split()[1] for p in svg.findall(f"{SVG}g[@data-edge]/{SVG}polygon")]
        assert tips == sorted(tips, key=float)


def test_names_come_from_variables_where_there_is_no_label():
    x, y = Value(1.0, label="mine"), Value(2.0)
    w = [Value(3.0), Value(4.0)]
    total = x * y + w[0] * w[1]
    assert [c[0] for c in cards(draw_dot(total, names=locals()).svg)] == [
        "mine",
        "y",
        "w[0]",
        "w[1]",
        "v1",
        "v2",
        "total",
    ]
    assert names_of_values({"_": x, "a": x, "b": x, "c": 3}) == {x: "a"}
    assert x.label == "mine"
    assert y.note is None


def test_parameters_are_called_by_their_attribute():
    model = MLP(2, [1], rng=0)
    y = model([Value(1.0, label="x"), 2.0])
    drawn = cards(draw_dot(y).svg)
    assert ["w[1]", "parameter"] in [c[:2] for c in drawn]
    assert ["b", "parameter"] in [c[:2] for c in drawn]
    assert ["x", "input"] in [c[:2] for c in drawn]


def test_an_automatic_name_is_never_one_that_is_taken():
    x = Value(1.0, label="v1")
    assert [n.name for n in snapshot(x.exp().exp()).nodes] == ["v1", "v2", "v3"]


def test_numbers_of_a_shared_vector_are_drawn_once():
    model = MLP(2, [3], rng=0)
    nodes = snapshot(autograd.sum(model([1.0, 2.0]))).nodes
    assert [n.data for n in nodes if n.role == "constant"] == [1.0, 2.0]


def test_dot_can_be_taken_apart():
    w, x, b = [Value(2.0, label="w"), Value(3.0)], [Value(5.0, label="x"), 7.0], Value(1.0, label="b")
    y = autograd.dot(w, x, b)
    y.label = "y"
    y.backward()
    drawn = cards(draw_dot(y, expand=["dot"]).svg)
    assert [c[:2] for c in drawn if c[1:2] in (["×"], ["+"])] == [["y.1", "×"], ["y.2", "×"], ["y", "+"]]
    assert ["y.2", "×", "data", "21", "grad", "1"] in drawn
    picture = draw_dot(y, expand=["dot"])
    into = [[a.source for a in picture.diagram.arrows if a.target == i] for i in range(len(drawn))]
    assert [len(sources) for sources in into if sources] == [2, 2, 3]


def test_gradients_as_width_and_sign():
    y = graph()
    arrows = draw_dot(y, highlight="grad").diagram.arrows
    assert [a.flow for a in arrows] == [2 / 5, -2 / 5, 2 / 5, 1.0]
    assert [a.flow for a in draw_dot(y, highlight=10).diagram.arrows] == [0.2, -0.2, 0.2, 0.5]
    svg = draw_dot(y, highlight=2.0).svg
    assert [a.flow for a in draw_dot(y, highlight=2.0).diagram.arrows][3] == 1.0
    assert svg.count('class="curve flow negative"') == 1
    assert svg.count('class="curve flow"') == 3
    assert "full at 2; solid is positive, dashed negative" in svg
    source = draw_dot(y, highlight="grad").source
    assert source.count("style=dashed penwidth=") + source.count("penwidth=2.48 style=dashed") == 1
    assert source.count("penwidth=") == 4


def test_before_any_sweep_the_picture_says_so():
    picture = draw_dot(Value(2.0) * 3.0, highlight="grad")
    assert "All gradients are 0: has backward() been run?" in picture.svg


def test_a_path_stands_out():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    y = (a * 2) + (b * 3)
    picture = draw_dot(y, highlight=a)
    dim = {c.title for c in picture.diagram.cards if c.dim}
    assert dim == {"2", "b", "3", "v2"}
    assert sum(arrow.dim for arrow in picture.diagram.arrows) == 4  # with the number 2 of the path's own product
    assert picture.source.count('color="#cbd5e1"') == 4
    assert (picture.svg.count('class="curve faint"'), len(re.findall('class="box [a-z ]*dim"', picture.svg))) == (4, 4)
    assert not any(c.dim for c in draw_dot(y, highlight=[a, b]).diagram.cards if c.title in ("a", "b"))


def test_the_same_graph_gives_the_same_bytes():
    for rankdir in ("LR", "TB"):
        first, second = draw_dot(graph(), rankdir=rankdir), draw_dot(graph(), rankdir=rankdir)
        assert first.source == second.source
        assert first.svg == second.svg
        assert first.mermaid == second.mermaid


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rankdir": "XX"}, "draw_dot expected rankdir 'LR' or 'TB', got 'XX'"),
        ({"show": "data"}, "draw_dot expected show as some of .*, got 'data'"),
        ({"show": ["size"]}, r"draw_dot expected show as some of .*, got \['size'\]"),
        ({"digits": 0}, "draw_dot expected digits from 1 to 17, got 0"),
        ({"collapse": "all"}, "draw_dot expected collapse 'auto', None or a depth such as 1, got 'all'"),
        ({"collapse": -1}, "draw_dot expected collapse"),
        (
            {"highlight": "data"},
            "draw_dot expected highlight 'grad', a number above 0, or Values of the graph, got 'data'",
        ),
        ({"highlight": Value(1.0)}, "got a Value that is not in this graph"),
        ({"highlight": 0}, "got 0"),
        ({"highlight": float("inf")}, "got inf"),
        ({"highlight": True}, "got True"),
        ({"highlight": []}, r"got \(\)"),
        ({"collapse": True}, "draw_dot expected collapse"),
        (
            {"expand": ["layer.0"]},
            "expand expected \"dot\" or the path of a module in the graph, got 'layer.0'; there are no",
        ),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        draw_dot(graph(), **options)


def test_what_is_no_graph_and_a_bare_string_are_refused():
    with pytest.raises(TypeError, match="draw_dot expected a Value, got float"):
        draw_dot(3.0)
    with pytest.raises(TypeError, match=r"names expected a dict such as locals\(\), got list"):
        draw_dot(graph(), names=["a"])
    with pytest.raises(TypeError, match=r"expected expand as a list of names such as \[\"dot\"\], got 'dot'"):
        draw_dot(graph(), expand="dot")


# What people write


HOSTILE = [
    '</table>><b onload="x">',
    '"];evil[label="',
    "</script><img src=x onerror=alert(1)>",
    "a|b{c}",
    "x\ny\0z",
    "\\N\\G",
    "שלום",
    "\u202eevil",
    "🎉",
    "&amp;#60;",
    "`${x}`",
    "]]>",
    "a" * 10_000,
]


def shown(label, length):
    return "".join(c if c.isprintable() else " " for c in label[:length]).strip()


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_are_shown_as_text(label):
    picture = draw_dot(Value(1.0, label=label) * 2)
    root = ElementTree.fromstring(picture.svg)
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        "svg",
        "title",
        "style",
        "g",
        "rect",
        "path",
        "polygon",
        "text",
    }
    assert not any(key.startswith("on") or "href" in key for e in root.iter() for key in e.attrib)
    tips = [e.text.strip() for e in root.iter(f"{SVG}title")]
    assert any(tip.startswith(shown(label, 199)) for tip in tips)
    head, _, tail = cards(picture.svg)[0][0].partition("…")
    assert shown(label, 40).startswith(head.strip())
    assert tail.strip().removesuffix("…") in label
    for line in picture.mermaid.splitlines()[1:3]:
        text = re.fullmatch(r'    n\d\["(.*)"\]:::\w+', line)[1].replace("<br/>", "")
        assert not re.search(r'[<>"`{}|\[\]\\&]', text)
    if use_dot():
        drawn = graphviz.Digraph.pipe(graphviz.Source(picture.source), format="svg", encoding="utf-8", quiet=True)
        root = ElementTree.fromstring(drawn)
        assert not any(
            e.tag.endswith(("script", "img")) or any(k.startswith("on") for k in e.attrib) for e in root.iter()
        )


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1))
def test_no_label_breaks_out_of_its_card(label):
    picture = draw_dot(Value(1.0, label=label))
    content = picture.source[picture.source.index("<<table") + 1 : picture.source.rindex("</table>>") + len("</table>")]
    card = ElementTree.fromstring(content)
    assert [e.tag for e in card.iter()] == ["table", "tr", "td", "b", "td", *["tr", "td", "td", "font"] * 2]
    root = ElementTree.fromstring(picture.svg)
    (card,) = [e for e in root if e.get("class") == "node leaf"]
    assert [e.tag.removeprefix(SVG) for e in card.iter()].count("text") == 6
    assert re.fullmatch(
        r'    n0\["[^"<>`|{}\[\]\\&]*(<br/>[^"<>`|{}\[\]\\&]*)*"\]:::leaf', picture.mermaid.split("\n")[1]
    )


def test_mermaid_has_cards_and_arrows():
    lines = draw_dot(graph(), rankdir="TB").mermaid.splitlines()
    assert lines[0] == "flowchart TD"
    assert lines[1] == '    n0["a  input<br/>data 2<br/>grad 7"]:::leaf'
    assert '    n0["#92;#8203;n ' in draw_dot(Value(1.0, label="\\n")).mermaid
    assert [line.split() for line in lines if "-->" in line] == [
        ["n0", "-->", "n2"], ["n1", "-->", "n2"], ["n2", "-->", "n3"], ["n0", "-->", "n3"],
    ]  # fmt: skip


# Tables and notebooks


def test_a_table_shows_every_node_with_its_local_derivatives():
    lines = table(snapshot(graph())).splitlines()
    assert lines[0].split() == ["node", "operation", "data", "grad", "local", "derivatives"]
    assert lines[1].split() == ["a", "leaf", "2", "7"]
    assert lines[3].split() == ["v1", "a", "-", "b", "5", "2", "∂/∂a", "1,", "∂/∂b", "-1"]
    assert lines[4].split() == ["v2", "v1", "*", "a", "10", "1", "∂/∂v1", "2,", "∂/∂a", "5"]
    assert "dot(a, 2, 0)" in table(snapshot(autograd.dot([Value(1.0, label="a")], [2])))


def test_a_long_table_shows_its_end():
    y = Value(1.0)
    for _ in range(100):
        y = y + 1.0
    lines = table(snapshot(y), limit=10).splitlines()
    assert len(lines) == 12
    assert "91 more nodes" in lines[1]


@pytest.mark.parametrize("show", [lambda y: y._repr_mimebundle_(), lambda y: draw_dot(y)._repr_mimebundle_()])
def test_a_notebook_shows_a_picture_that_survives_and_a_text(show):
    bundle = show(graph())
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag == f"{SVG}svg"
    image = re.fullmatch(
        r'<img alt="computation graph: [^"]*" src="data:image/svg\+xml;base64,(.*)"/>', bundle["text/html"]
    )
    assert base64.b64decode(image[1]).decode() == bundle["image/svg+xml"]
    assert "<svg" not in bundle["text/plain"]
    json.dumps(bundle)


def test_the_text_in_a_notebook_is_the_table():
    assert "a - b" in mimebundle(graph())["text/plain"]


def test_a_wide_picture_is_scrolled_not_shrunk():
    y = Value(1.0)
    for _ in range(20):
        y = y.tanh()
    html = mimebundle(y)["text/html"]
    assert re.match(r'<div style="overflow-x:auto" tabindex="0" [^>]*><img', html)
    assert 'style="max-width:none"' in html


def test_a_huge_graph_is_summed_up(monkeypatch):
    monkeypatch.setattr(notebook, "LARGEST", 300)
    y = Value(1.0)
    for _ in range(300):
        y = y * 2.0
    bundle = mimebundle(y)
    assert set(bundle) == {"text/plain"}
    assert "A large graph: 1 leaf nodes, 300 *. For a picture of it: draw_dot(root)." in bundle["text/plain"]


def test_drawing_needs_no_package_but_graphviz(monkeypatch):
    real = builtins.__import__

    def only(name, *args, **options):
        assert name.partition(".")[0] not in ("numpy", "matplotlib", "anywidget", "IPython", "traitlets")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", only)
    draw_dot(graph()).svg


@pytest.fixture
def shell():
    interactive = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    shell = interactive.instance()
    yield shell
    interactive.clear_instance()


def test_in_a_notebook_values_take_the_names_of_its_variables(shell):
    shell.run_cell("from autograd import Value, trace_source\nw = Value(2.0)\nxs = [Value(3.0), Value(4.0)]")
    shell.run_cell("with trace_source():\n    loss = w * xs[0] + xs[1]\nloss", store_history=True)
    root = shell.user_ns["loss"]
    assert [c[0] for c in cards(root._repr_mimebundle_()["image/svg+xml"])] == ["w", "xs[0]", "xs[1]", "v1", "loss"]
    assert [c[0] for c in cards(draw_dot(root, names={}).svg)] == ["v1", "v2", "v3", "v4", "v5"]
    lines = [node["line"] for node in autograd.step_through(root).recording["nodes"]]
    assert re.fullmatch(r"In\[\d+\]:2: loss = w \* xs\[0\] \+ xs\[1\]", lines[-1])
