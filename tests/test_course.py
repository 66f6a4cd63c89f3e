"""What the notebooks share: extras, pictures, films."""

import base64
import io
import tomllib
from pathlib import Path

import pytest
from browser import CHROMIUM
from PIL import Image

from autograd import Value
from autograd.course import (
    COLOURS,
    animate,
    has,
    needs,
    panels,
    plot_boundary,
    plot_images,
    plot_matrix,
    plot_points,
    plot_surface,
)
from autograd.course.extras import PACKAGES

ROOT = Path(__file__).parents[1]


# Extras


def test_extras_that_are_missing_are_named_with_the_command(monkeypatch):
    monkeypatch.setattr(
        "autograd.course.extras.find_spec", lambda name: None if name in ("matplotlib", "sklearn") else 1
    )
    assert has("compile")
    assert not has("plot")
    needs("compile")
    with pytest.raises(ImportError, match=r"pip install 'scalar-autograd\[plot,data\]'"):
        needs("plot", "compile", "data")
    with pytest.raises(ValueError, match="has expected one of plot, data, compile, notebook, got 'torch'"):
        has("torch")


def test_the_extras_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert PACKAGES.keys() <= project["optional-dependencies"].keys()


# Pictures


def html_of(figure):
    return figure._repr_html_()


def test_a_figure_has_words_for_who_does_not_see_it():
    figure, axis = panels(alt='A "line" <that> rises & falls')
    axis.plot([1, 2])
    assert 'alt="A &quot;line&quot; &lt;that&gt; rises &amp; falls"' in html_of(figure)
    figure, axes = panels(2, 3, alt="Six")
    assert len(axes) == 6
    with pytest.raises(TypeError, match="alt"):
        panels(2)


def test_points_of_each_class_have_their_own_mark():
    _, axis = panels(alt="x")
    plot_points(axis, [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [0, 1, 2])
    paths = [collection.get_paths()[0].vertices.shape for collection in axis.collections]
    assert len({*paths}) == 3
    assert [text.get_text() for text in axis.legend().get_texts()] == ["class 0", "class 1", "class 2"]


@pytest.mark.parametrize("answer", [lambda s: s, lambda s: [s], lambda s: Value(s), lambda s: [Value(s)]])
def test_a_boundary_lies_where_the_score_is_0(answer):
    _, axis = panels(alt="x")
    X = [[-1.0, -1.0], [1.0, 1.0]]
    plot_boundary(axis, lambda points: [answer(x - 0.25) for x, _ in points], X, [0, 1])
    (line,) = [c for c in axis.collections if c.get_facecolor().size == 0 and c.get_paths()[0].vertices.size]
    assert abs(line.get_paths()[0].vertices[:, 0] - 0.25).max() < 0.01


def test_a_surface_takes_values_and_numbers():
    _, axis = panels(alt="x")
    plot_surface(axis, lambda x, y: Value(x) * y, (-1, 1, -2, 2), points=10)
    assert (axis.get_xlim(), axis.get_ylim()) == ((-1, 1), (-2, 2))


def test_images_that_are_signed_share_one_scale():
    _, axes = panels(2, alt="x")
    plot_images(axes, [[0.5, -1.0, 0.0, 0.25], [2.0, 0.0, 0.0, 0.0]], ["a", "b"], width=2, signed=True)
    assert [axis.images[0].get_clim() for axis in axes] == [(-2.0, 2.0)] * 2
    assert [axis.get_title() for axis in axes] == ["a", "b"]


def test_a_matrix_shows_its_numbers():
    _, axis = panels(alt="x")
    plot_matrix(axis, [[0.25, 1.0], [0.5, 0.0]], ["p", "q"], ["r", "s"], digits=1)
    assert [text.get_text() for text in axis.texts] == ["0.2", "1.0", "0.5", "0.0"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["p", "q"]


def test_the_colours_are_those_of_graphs():
    assert {"data", "grad", "local"} <= COLOURS.keys()
    assert COLOURS["grad"] in Value(1.0)._repr_mimebundle_()["image/svg+xml"]


# Films


def film(frames=3, alt="A dot that moves", **options):
    return animate(lambda axis, i: axis.plot([i], [i], "o", label="dot"), range(frames), alt=alt, **options)


def test_a_film_is_drawn_anew_for_each_frame_and_keeps_its_last_one():
    seen = []
    made = animate(lambda axes, i: seen.append((len(axes[0].lines), axes[1].plot([i]))), "abc"[:2], alt="x", columns=2)
    assert [count for count, _ in seen] == [0, 0]
    bundle = made._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == made.frames[-1]
    assert Image.open(io.BytesIO(made.frames[0])).size == made.size
    assert bundle["text/plain"] == "<animation of 2 frames: x>"


def test_a_film_needs_frames_and_stays_below_a_megabyte(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="animate expected at least two frames, got 1"):
        film(1)
    monkeypatch.setattr("autograd.course.animation.LARGEST", 5000)
    with pytest.raises(ValueError, match=r"at most 1 MB, and these 3 frames are 0\.\d MB; draw fewer frames"):
        film()


def test_words_of_a_film_are_escaped():
    made = film(alt='</script><script>alert(1)</script>"')
    assert "<script>alert" not in made.html
    assert made._repr_mimebundle_()["text/html"].count("<script") == 0


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_film_plays_by_mouse_and_keyboard_and_asks_for_nothing(open_page):
    page = open_page(film(4, seconds=0.3)).page
    assert page.get_attribute("img", "alt") == "A dot that moves"
    last = page.get_attribute("img", "src")
    page.focus("input")
    page.keyboard.press("Home")
    assert page.text_content("output") == "1 of 4"
    first = page.get_attribute("img", "src")
    assert first != last
    page.keyboard.press("ArrowRight")
    assert page.text_content("output") == "2 of 4"
    page.click("button")
    assert page.text_content("button") == "Pause"
    for _ in range(100):
        if page.text_content("button") == "Play":
            break
        page.wait_for_timeout(50)
    assert page.get_attribute("img", "src") == last
    page.click("button")  # from the end it begins anew
    page.click("button")
    assert page.text_content("button") == "Play"
    page.emulate_media(media="print")
    assert not page.is_visible("button")
    assert page.is_visible("img")
