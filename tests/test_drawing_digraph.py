"""Pictures as files and as `graphviz.Digraph`."""

import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

import graphviz
import pytest
from picture import graph

from autograd import Value, draw_dot
from autograd.drawing.engines import use_dot


def test_save_writes_what_the_name_says(tmp_path):
    pytest.importorskip("typst")
    picture = draw_dot(graph())
    for name, start in [("x.svg", "<svg"), ("x.dot", "digraph"), ("x.gv", "digraph"), ("deep/x.mmd", "flowchart LR")]:
        path = picture.save(tmp_path / name)
        assert Path(path).read_text().startswith(start)
    assert Path(picture.save(tmp_path / "x.png")).read_bytes().startswith(b"\x89PNG")
    for name in ("x.jpg", "x"):
        with pytest.raises(ValueError, match=r"save expected a name that ends in \.svg, \.html, \.png, "):
            picture.save(tmp_path / name)
    assert Path(picture.save(tmp_path / "x.pdf")).read_bytes().startswith(b"%PDF")
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix not in (".png", ".pdf")) == [
        "deep",
        "x.dot",
        "x.gv",
        "x.svg",
    ]


def test_render_takes_any_name_as_graphviz_does(tmp_path):
    pytest.importorskip("typst")
    for name in ("out", "version.1", "x.svg"):
        path = Path(draw_dot(graph()).render(tmp_path / name, format="png"))
        assert path.name == f"{name}.png"
        assert path.read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / name).read_text().startswith("digraph")
    assert draw_dot(graph()).render(tmp_path / "out").endswith("out.svg")


def test_svg_needs_nothing_and_others_name_the_extra(no_engine, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "typst", None)
    picture = draw_dot(graph())
    assert picture.pipe().startswith(b"<svg")
    assert picture.pipe(encoding="utf-8").startswith("<svg")
    path = picture.render(tmp_path / "graph", cleanup=True)
    assert Path(path).read_text().startswith("<svg")
    assert [p.name for p in tmp_path.iterdir()] == ["graph.svg"]
    assert picture._repr_mimebundle_()["image/svg+xml"].startswith("<svg")
    for format in ("png", "pdf"):
        with pytest.raises(
            ImportError, match=rf"{format} of a picture needs typst: pip install 'scalar-autograd\[draw\]'"
        ):
            picture.pipe(format=format)
        with pytest.raises(ImportError, match="svg needs nothing"):
            picture.save(tmp_path / f"x.{format}")
    with pytest.raises(RuntimeError, match=r"the format jpg needs an engine, .*pip install 'scalar-autograd\[draw\]'"):
        picture.pipe(format="jpg")
    picture.node("mine")
    with pytest.raises(RuntimeError, match="svg of a picture that you have added to needs an engine"):
        picture.svg


def test_a_png_has_the_size_that_is_asked_for():
    pytest.importorskip("typst")
    picture = draw_dot(graph())
    for scale in (1, 2.0, 0.5):
        wide, high = struct.unpack(">II", picture.pipe("png", scale=scale)[16:24])
        assert (wide, high) == (round(picture.drawn.width * scale), round(picture.drawn.height * scale))
    with pytest.raises(ValueError, match="a picture's scale is a number above 0, got -1"):
        picture.pipe("png", scale=-1)


def test_a_pdf_is_made_of_lines_and_text():
    pytest.importorskip("typst")
    content = draw_dot(graph()).pipe("pdf")
    assert b"/Subtype/Image" not in content.replace(b" ", b"")
    assert b"/FontFile" in content


def test_a_format_that_an_engine_does_not_know(monkeypatch):
    def unknown(*_, **__):
        raise subprocess.CalledProcessError(1, "graphviz-pure")

    monkeypatch.setattr("autograd.drawing.digraph.use_dot", lambda: "graphviz-pure")
    monkeypatch.setattr(graphviz.Digraph, "pipe", unknown)
    with pytest.raises(RuntimeError, match="graphviz-pure cannot make the format jpg; Graphviz itself may be able to"):
        draw_dot(graph()).pipe(format="jpg")


def test_what_you_add_to_a_picture_is_drawn():
    if not use_dot():
        pytest.skip("no engine is installed")
    picture = draw_dot(graph())
    picture.node("mine")
    assert "mine" in picture.pipe(encoding="utf-8")
    assert "mine" in picture.svg


def test_long_edges_do_not_blow_up_a_picture():
    xs = [Value(0.01 * i) for i in range(5)]
    y = xs[0] * 1.0
    for i in range(150):
        y = y * xs[i % 5] + xs[(i * 7 + 3) % 5]
    picture = draw_dot(y, collapse=None)
    assert len(picture.svg) < 6000 * len(picture.diagram.cards)


def test_what_is_no_number_has_the_widest_arrow():
    x = Value(0.0)
    y = x.sqrt() + 3 * x
    y.backward()
    assert draw_dot(y, highlight="grad").diagram.arrows[0].flow == 1.0


def test_long_numbers_fit_their_cards():
    svg = draw_dot(Value(-1.2345678901234567e-100), digits=17).svg
    assert float(re.search(r'class="box root"[^>]* x="[^"]*" y="[^"]*" width="([^"]*)"', svg)[1]) > 210


def test_copies_and_subgraphs_are_graphviz_s():
    picture = draw_dot(graph())
    other = picture.copy()
    other.node("mine")
    assert "mine" in other.source
    assert "mine" not in picture.source
    assert picture.copy().svg == picture.svg
    with other.subgraph(name="cluster_0") as part:
        part.node("inside")
    assert "subgraph cluster_0" in other.source
    assert repr(picture) == "<picture of 4 cards>"


def test_an_engine_is_found_on_the_path_or_beside_python(monkeypatch):
    binary = graphviz.backend.dot_command.DOT_BINARY
    monkeypatch.setattr(graphviz.backend.dot_command, "DOT_BINARY", binary)
    places = {"dot": "/somewhere/dot"}
    monkeypatch.setattr(shutil, "which", lambda name: places.get(str(name)))
    assert use_dot() == "dot"
    assert Path("dot") == graphviz.backend.dot_command.DOT_BINARY
    beside = str(Path(sysconfig.get_path("scripts")) / "graphviz-pure")
    places.clear()
    assert not use_dot()
    places[beside] = beside
    assert use_dot() == "graphviz-pure"
    assert Path(beside) == graphviz.backend.dot_command.DOT_BINARY
