"""Looks of pictures: contrasts of the palette, and what readers of SVG that are no browsers make of them."""

import io
import itertools
import random
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from picture import SVG

from autograd import Value, draw_dot, mean, step_through
from autograd.drawing.looks import LOOKS, PALETTE
from autograd.drawing.rendering import rendered
from autograd.drawing.svg import Drawn
from nn import MLP, Embedding, Linear, Module, TransformerBlock, cross_entropy

CARDS = ("page", "operation", "leaf", "parameter", "group", "root")


def brightness(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(
        share * (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4)
        for share, x in zip((0.2126, 0.7152, 0.0722), channels, strict=True)
    )


def contrast(a, b):
    low, high = sorted(map(brightness, (a, b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_and_borders_have_enough_contrast_on_every_card(scheme):
    for card in CARDS:
        fill = PALETTE[card][scheme]
        for text in ("ink", "soft", "data", "grad", "local"):
            assert contrast(PALETTE[text][scheme], fill) >= 4.5, (text, card)
        assert contrast(PALETTE["line"][scheme], fill) >= 3.0, card
    texts = {look["fill"] for name, look in LOOKS.items() if "font-size" in look or name in ("dim-text", "auto")}
    assert texts <= {"ink", "soft", "data", "grad", "local"}
    assert min(float(look.get("font-size", 13)) for look in LOOKS.values()) >= 13


def expression():
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    y = (a * b + c).tanh()
    y.backward()
    return y


def network():
    y = MLP(2, [3, 3, 1], rng=0)([Value(0.5, label="x0"), Value(-1.0, label="x1")])
    y.backward()
    return y


class GPT(Module):
    def __init__(self):
        rng = random.Random(0)
        self.tokens, self.positions = Embedding(27, 8, rng=rng), Embedding(8, 8, rng=rng)
        self.blocks = [TransformerBlock(8, num_heads=2, rng=rng) for _ in range(2)]
        self.head = Linear(8, 27, rng=rng)

    def forward(self, word):
        places = self.positions(list(range(len(word))))
        h = [[a + b for a, b in zip(t, p, strict=True)] for t, p in zip(self.tokens(word), places, strict=True)]
        for block in self.blocks:
            h = block(h)
        return self.head(h)


def gpt():
    word = [1, 5, 7, 3, 2, 9]
    loss = mean([cross_entropy(x, y) for x, y in zip(GPT()(word[:-1]), word[1:], strict=True)])
    loss.backward()
    return loss


def by_cairo(svg):
    try:
        import cairosvg
    except (ImportError, OSError):
        pytest.skip("cairosvg or Debian's libcairo2 is not installed")
    return cairosvg.svg2png(bytestring=svg.encode())


def by_rsvg(svg):
    if not shutil.which("rsvg-convert"):
        pytest.skip("Debian's librsvg2-bin is not installed")
    return subprocess.run(["rsvg-convert"], input=svg.encode(), capture_output=True, check=True).stdout


def by_ourselves(svg):
    pytest.importorskip("typst")
    return rendered(Drawn(svg, 0.0, 0.0), "png", 1.0)


@pytest.mark.parametrize("reader", [by_cairo, by_rsvg, by_ourselves])
@pytest.mark.parametrize("make", [expression, network, gpt])
def test_readers_that_are_no_browsers_see_the_same_colours(make, reader):
    Image = pytest.importorskip("PIL.Image")
    svg = draw_dot(make()).svg
    image = Image.open(io.BytesIO(reader(svg))).convert("RGBA")
    root = ElementTree.fromstring(svg)
    assert image.size == pytest.approx((float(root.get("width")), float(root.get("height"))), abs=1)

    def colour(x, y):
        return "#" + "".join(f"{channel:02x}" for channel in image.getpixel((int(x), int(y))))

    assert colour(2, 2) == "#ffffffff"
    for card in (group for group in root.iter(f"{SVG}g") if (group.get("class") or "").startswith("node")):
        box = [rect for rect in card.iter(f"{SVG}rect") if rect.get("class").startswith("box")][-1]  # in front
        if box.get("rx") != "8":
            continue
        x, y, height = (float(box.get(name)) for name in ("x", "y", "height"))
        assert colour(x + 5, y + height - 8) == box.get("fill") + "ff"
    inks = {PALETTE[name][0] for name in ("ink", "soft", "data", "grad")}
    seen = {colour(x, y)[:7] for x, y in itertools.product(range(image.width), range(image.height))}
    assert len(inks & seen) >= 3  # the middles of letters and arrows have the colours themselves


@pytest.mark.parametrize("make", [network, gpt])
def test_no_two_cards_have_one_title(make):
    for options in ({}, {"expand": ["blocks.0"] if make is gpt else ["layers.0"]}, {"collapse": 2}):
        root = ElementTree.fromstring(draw_dot(make(), **options).svg)
        titles = [
            text.text
            for group in root.iter(f"{SVG}g") if (group.get("class") or "").startswith("node")
            for text in group.iter(f"{SVG}text") if text.get("class").startswith("title")
        ]  # fmt: skip
        assert len({*titles}) == len(titles), options


def test_parameters_of_a_network_keep_names_that_tell_them_apart():
    root = ElementTree.fromstring(draw_dot(network(), collapse=None).svg)
    names = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "title auto"]
    assert len({*names}) == len(names)
    assert "l[0].n[1].w[0]" in names


def test_a_legend_explains_the_colours_unless_it_is_switched_off():
    picture = draw_dot(expression())
    assert "derivative of the root by it" in picture.svg
    assert "derivative of the root by it" not in draw_dot(expression(), legend=False).svg
    assert "derivative of the root by it" not in step_through(expression()).html


def test_a_gpt_opens_one_level_and_keeps_the_other_cards():
    closed, opened = (draw_dot(gpt(), **options).diagram for options in ({}, {"expand": ["blocks.0"]}))
    titles = {c.title for c in opened.cards}
    assert {"blocks.0.attention", "blocks.0.norm1", "blocks.0.linear1", "blocks.1", "head"} <= titles
    assert {c.title for c in closed.cards} - titles == {"blocks.0"}
    assert len(opened.cards) <= 20


def test_a_png_that_is_too_large_is_refused_before_it_takes_the_machine():
    pytest.importorskip("typst")
    with pytest.raises(ValueError, match="at most 64 million are drawn; take a smaller scale="):
        draw_dot(expression()).pipe("png", scale=1000)
    for scale in ("2", None, 1j):
        with pytest.raises(ValueError, match="a picture's scale is a number above 0"):
            draw_dot(expression()).pipe("png", scale=scale)


def test_two_models_and_numbered_attributes_keep_their_numbers():
    first, second = MLP(2, [3, 1], rng=0), MLP(2, [3, 1], rng=1)
    x = [Value(1.0), Value(2.0)]
    root = ElementTree.fromstring(draw_dot(first(x) * second(x)).svg)
    titles = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "title"]
    assert len({*titles}) == len(titles)


def test_numbers_on_arrows_have_room():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    root = ElementTree.fromstring(step_through((a * b + 1.0).tanh()).picture.svg)
    cards = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class").startswith("box") and rect.get("rx") == "8"]
    for pill in (rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "pill"):
        left, top = float(pill.get("x")), float(pill.get("y"))
        right, bottom = left + float(pill.get("width")), top + float(pill.get("height"))
        for card in cards:
            x, y = float(card.get("x")), float(card.get("y"))
            apart = right <= x or left >= x + float(card.get("width")) or bottom <= y
            assert apart or top >= y + float(card.get("height"))


def test_a_picture_that_a_browser_opens_is_no_wider_than_the_page():
    assert "@media screen{.agraph{max-width:100%;height:auto}" in draw_dot(expression()).svg
