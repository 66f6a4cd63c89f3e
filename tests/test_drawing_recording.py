"""The recording of both passes and the page that holds it; what the page does is tested in a browser."""

import base64
import html
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import evaluate, numbers, ours, steps

import autograd
from autograd import Value, dot, gradients, no_grad, step_through, trace_source
from autograd.drawing.recording import packed, record
from nn import MLP


def example():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    y = (a * b + a).tanh()
    y.label = "y"
    return y, a, b


@settings(max_examples=100, deadline=None)
@given(steps, st.lists(numbers, min_size=2, max_size=3))
def test_each_step_adds_up_and_the_last_is_the_gradient(steps, xs):
    leaves = [Value(x, label=f"x{i}") for i, x in enumerate(xs)]
    root = evaluate(steps, leaves, ours())
    recording = step_through(root).recording
    grads = {}
    for step in recording["steps"]:
        if step["phase"] == "seed":
            grads[step["node"]] = 1.0
        if step["phase"] == "backward":
            edge = recording["edges"][step["edge"]]
            assert step["before"] == grads.get(edge["source"])
            assert step["upstream"] == grads[edge["target"]]
            assert step["local"] == edge["local"]
            if step["local"] is not None:
                assert step["contribution"] == step["upstream"] * step["local"]
                assert step["after"] == (step["before"] or 0.0) + step["contribution"]
                grads[edge["source"]] = step["after"]
            else:
                assert (step["contribution"], step["after"]) == (None, step["before"])
    index = {node["name"]: i for i, node in enumerate(recording["nodes"])}
    for leaf in leaves:
        if leaf.label in index:
            assert grads.get(index[leaf.label], 0.0) == gradients(root, leaf)
    assert all(leaf.grad == 0 for leaf in leaves)


def test_the_numbers_are_those_of_backward_to_the_last_bit():
    model = MLP(2, [4, 1], activation="tanh", rng=0)
    root = (model([0.3, -0.7]) - 1.0) ** 2
    recording = step_through(root).recording
    root.backward()
    last = {}
    for step in recording["steps"]:
        if step["phase"] == "backward":
            last[recording["edges"][step["edge"]]["source"]] = step["after"]
    found = [last[i] for i, node in enumerate(recording["nodes"]) if node["role"] == "parameter"]
    assert sorted(found) == sorted(p.grad for p in model.parameters())


def test_the_documented_format():
    y, _, _ = example()
    recording = step_through(y).recording
    assert json.loads(json.dumps(recording, allow_nan=False)) == recording
    assert list(recording) == ["format", "version", "root", "formula", "scale", "nodes", "edges", "steps"]
    assert (recording["format"], recording["version"], recording["root"]) == ("autograd recording", 1, "y")
    assert [s["phase"] for s in recording["steps"]] == ["start", *["forward"] * 3, "seed", *["backward"] * 5, "end"]
    fields = {"role", "name", "symbol", "data", "text", "module", "line", "does", "math"}
    assert all(set(node) == fields for node in recording["nodes"])
    assert all(set(e) == {"source", "target", "position", "local", "text", "rule"} for e in recording["edges"])
    always = {"phase", "say", "math", "text"}
    flow = {"edge", "upstream", "local", "contribution", "before", "after", "shown"}
    more = {"start": set(), "forward": {"node", "shown"}, "seed": {"node", "shown"}, "backward": flow, "end": set()}
    assert all(set(step) == always | more[step["phase"]] for step in recording["steps"])
    documentation = record.__globals__["__doc__"]
    documented = {
        word.strip(",:") for line in documentation.splitlines() if line.startswith("    ") for word in line.split()
    }
    assert fields | flow | always | {"scale", "root", "formula", "source", "target", "position", "rule"} <= documented


def test_the_scale_is_the_largest_gradient_at_any_step():
    x = Value(5.0, label="x")
    assert step_through(x * x).recording["scale"] == 10.0
    assert step_through(x * 0.5).recording["scale"] == 1.0


def test_sentences_tell_of_uses_to_come_and_of_many_operands():
    x = Value(2.0, label="x")
    says = [step["say"] for step in step_through(x * x + x).recording["steps"] if step["phase"] == "backward"]
    assert [("is used 3 times; the rest will be added" in say, "more than once, so this" in say) for say in says] == [
        (False, False), (True, False), (False, True), (False, True),
    ]  # fmt: skip
    total = autograd.sum([Value(float(i), label=f"x{i}") for i in range(9)])
    assert "computed from x0, x1, x2, x3, x4 and 4 more." in step_through(total).recording["steps"][1]["say"]


def test_the_same_operand_twice_has_two_rules():
    x = Value(3.0, label="x")
    text = str(step_through(x * x))
    assert "dv1/dx += dv1/dv1 · ∂v1/∂x (operand 1) = 1 × 3 = 3 so far, where ∂v1/∂x (operand 1) = x" in text
    assert "where ∂v1/∂x (operand 2) = x" in text


def test_the_text_of_the_steps():
    y, _, _ = example()
    lines = str(step_through(y)).splitlines()
    assert lines[1] == " 1  forward   v1 = a · b = 2 · (−3) = −6"
    assert lines[4] == " 4  seed      dy/dy = 1"
    assert lines[5] == " 5  backward  dy/dv2 = dy/dy · ∂y/∂v2 = 1 × 0.001341 = 0.001341, where ∂y/∂v2 = 1 − y²"
    assert any("; " in line and "+=" in line for line in lines)


def test_where_nothing_flows_the_step_says_so():
    x = Value(-1.0, label="x")
    steps_ = step_through(x.relu() + x).recording["steps"]
    (shut,) = [s for s in steps_ if s["phase"] == "backward" and s["contribution"] is None]
    assert shut["say"] == "v1 hands nothing to x: along this edge its slope is 0 here."
    assert shut["math"] is None


def test_numbers_that_json_does_not_have():
    x = Value(0.0, label="x")
    recording = step_through(x.log() * 2 + x.sqrt()).recording
    assert "-inf" in {node["data"] for node in recording["nodes"]}
    assert "inf" in {step.get("after") for step in recording["steps"]}
    assert math.isfinite(recording["scale"])
    json.dumps(recording, allow_nan=False)


def test_it_changes_no_number_and_works_in_any_mode():
    y, a, _ = example()
    y.backward()
    before = [v.grad for v in (y, a)]
    with no_grad():
        step_through(y)
    assert [v.grad for v in (y, a)] == before
    a.data = 1.0
    with pytest.raises(RuntimeError, match=r"of a leaf was assigned, a = 1\.0"):
        step_through(y)


def test_dot_is_one_step_or_its_products_and_sum():
    w, x = [Value(2.0, label="w1"), Value(3.0, label="w2")], [Value(5.0, label="x1"), 7.0]
    y = dot(w, x, 1.0)
    y.label = "y"
    assert "y = w1 · x1 + w2 · 7 + 1 = 2 · 5 + 3 · 7 + 1 = 32" in str(step_through(y))
    lines = str(step_through(y, expand=["dot"]))
    assert "y.1 = w1 · x1 = 2 · 5 = 10" in lines
    assert "y = y.1 + y.2 + 1 = 10 + 21 + 1 = 32" in lines
    for bias in (1.0, Value(1.0)):
        nodes = step_through(dot(w, x, bias), expand=["dot"]).recording["nodes"]
        assert nodes[-1]["does"] == "hands the gradient on unchanged to each operand"
    assert "where ∂y.1/∂w1 = x1" in lines


def test_the_line_that_made_a_node_is_recorded_on_request():
    with trace_source():
        a = Value(2.0, label="a")
        y = a * 3.0
    lines = [node["line"] for node in step_through(y).recording["nodes"] if node["role"] != "constant"]
    assert [line.partition(": ")[2] for line in lines] == ['a = Value(2.0, label="a")', "y = a * 3.0"]
    assert all("test_drawing_recording.py:" in line for line in lines)
    assert step_through(Value(1.0) * 2).recording["nodes"][-1]["line"] == ""


def test_names_come_from_variables():
    weight = Value(2.0)
    out = weight * 3.0
    assert "out = weight · 3 = 2 · 3 = 6" in str(step_through(out, names=locals()))


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path):
    y, _, _ = example()
    result = step_through(y)
    page = Path(result.save(tmp_path / "deep" / "lesson.html")).read_text()
    assert page == result.html
    for request in (
        r"https?://(?!www\.w3\.org/)",
        "<link",
        "<img",
        "@import",
        r"url\(",
        r"fetch\(",
        "XMLHttp",
        r"import\(",
    ):
        assert not re.search(request, page), request
    assert "default-src 'none'" in page
    recording = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert recording == packed(result.recording)

    def whole(part):
        if type(part) is int:
            return whole(recording["pieces"][part])
        return [whole(x) for x in part] if type(part) is list else part

    for packed_step, step in zip(recording["steps"], result.recording["steps"], strict=True):
        assert whole(packed_step["math"]) == step["math"]
        assert {k: v for k, v in packed_step.items() if k != "math"} == {
            k: v for k, v in step.items() if k not in ("math", "text")
        }
    assert json.loads(Path(result.save(tmp_path / "lesson.json")).read_text()) == result.recording
    with pytest.raises(ValueError, match=r"save expected a name that ends in \.html, \.svg or \.json"):
        result.save(tmp_path / "lesson.txt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "lesson.json"]


def wide():
    x = [Value(i + 1.0) for i in range(12)]
    y = x[0]
    for i in range(14):
        y = (y * x[i % 12]).tanh()
    return y


def long():
    x = [Value(0.1 * i, label=f"input_{i}") for i in range(4)]
    y = x[0]
    for i in range(36):
        y = y * x[i % 4]
        y.label = f"h{i}"
    return y


@pytest.mark.parametrize("make", [wide, long])
def test_a_page_of_forty_nodes_is_small(make):
    result = step_through(make())
    assert len(result.recording["nodes"]) == 40
    assert len(result.html.encode()) < 200_000


def test_a_notebook_gets_the_page_in_a_frame():
    y, _, _ = example()
    bundle = step_through(y)._repr_mimebundle_()
    frame = re.search(r'<iframe title="step-through" (.*?) srcdoc="(.*)"></iframe>$', bundle["text/html"], re.DOTALL)
    assert 'sandbox="allow-scripts"' in frame[1]
    assert html.unescape(frame[2]) == step_through(y).html
    assert bundle["text/plain"] == str(step_through(y))


def test_the_same_graph_gives_the_same_bytes():
    assert step_through(example()[0]).html == step_through(example()[0]).html


def test_what_is_refused():
    y = Value(1.0)
    for _ in range(600):
        y = y + 1
    with pytest.raises(
        ValueError, match="step_through expected a graph of at most 300 nodes, got 601; step through a part"
    ):
        step_through(y)
    with pytest.raises(TypeError, match="step_through expected a Value, got int"):
        step_through(3)
    with pytest.raises(ValueError, match="expected expand="):
        step_through(Value(1.0), expand=["layers.0"])


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_no_label_breaks_out_of_the_page(label):
    x = Value(1.0, label=label)
    page = step_through(x * x).html
    assert page.count("<script") == page.count("</script>") == 2
    body = page.split('<script type="application/json">')[1].split("</script>")[0]
    assert "<" not in body
    json.loads(body)


def test_a_widget_shares_the_script():
    pytest.importorskip("anywidget")
    y, _, _ = example()
    widget = step_through(y, widget=True)
    assert widget.step == 0
    widget.step = 4
    assert widget.step == 4
    widget.step = 10_000
    assert widget.step == len(widget.recording["steps"]) - 1
    assert widget.recording["svg"].startswith("<svg")
    assert "export default {" in str(widget._esm)
    assert "export function play(host, recording" in str(widget._esm)
    assert "export function play(host, recording" in step_through(y).html


def test_without_anywidget_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anywidget", None)
    autograd.drawing.stepper._widget_class.cache_clear()
    with pytest.raises(ImportError, match=r"needs anywidget: pip install 'scalar-autograd\[widget\]'"):
        step_through(Value(1.0) * 2, widget=True)
    autograd.drawing.stepper._widget_class.cache_clear()


def test_without_frames_and_styles_a_notebook_shows_a_picture_and_the_list():
    """As where it is not trusted, and on GitHub."""
    y, _, _ = example()
    result = step_through(y)
    source = result._repr_mimebundle_()["text/html"]
    left = re.sub(r"<(iframe|style)\b.*?</\1>", "", source, flags=re.DOTALL)
    image = re.search(r'<img alt="computation graph: [^"]*" src="data:image/svg\+xml;base64,([^"]*)"', left)[1]
    assert result.recording["steps"][-2]["shown"] in base64.b64decode(image).decode()
    assert html.escape(str(result)) in left
    assert ".autograd-instead{display:none}" in source


def test_a_worksheet_has_boxes_and_then_the_solution(tmp_path):
    y, _, _ = example()
    result = step_through(y)
    page = Path(result.save(tmp_path / "sheet.html", worksheet=True)).read_text()
    sheet, solution = page.split("</section>")[:2]
    nodes = sum(node["role"] != "constant" for node in result.recording["nodes"])
    assert sheet.count(">_______<") == nodes
    assert "_______<" not in solution
    final = {step["edge"]: step["shown"] for step in result.recording["steps"] if step["phase"] == "backward"}
    last = {result.recording["edges"][edge]["source"]: shown for edge, shown in final.items()}
    assert all(shown in solution for shown in last.values())
    assert html.escape(result.recording["formula"]) in sheet
    assert "<script" not in page
    x = Value(0.5)
    for _ in range(30):
        x = x.tanh()
    with pytest.raises(ValueError, match="too wide to be written into on paper; take a part of it"):
        step_through(x).save(tmp_path / "wide.html", worksheet=True)


def test_the_expression_writes_out_what_has_no_name():
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    assert step_through((a * b + c).tanh()).recording["formula"] == "tanh(a · b + c)"
    d = a * b
    d.label, y = "d", (d + c) ** 2
    y.label = "L"
    assert step_through(y).recording["formula"] == "L = (d + c)²"
    deep = a
    for _ in range(40):
        deep = (deep * b + c).tanh()
    assert len(step_through(deep).recording["formula"]) < 200


def test_the_animation_shows_each_step_and_the_last_where_nothing_moves(tmp_path):
    y, _, _ = example()
    result = step_through(y)
    svg = Path(result.save(tmp_path / "steps.svg")).read_text()
    frames = re.findall(r'<g class="frame"( visibility="hidden")?', svg)
    assert len(frames) == len(result.recording["steps"])
    assert [bool(hidden) for hidden in frames] == [True] * (len(frames) - 1) + [False]
    root = ElementTree.fromstring(svg)
    last = root.findall("{http://www.w3.org/2000/svg}g")[-1]
    shown = [text.text for text in last.iter("{http://www.w3.org/2000/svg}text")]
    assert {step["shown"] for step in result.recording["steps"] if step["phase"] == "forward"} <= {*shown}
    assert "prefers-reduced-motion" in svg
