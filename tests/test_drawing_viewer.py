"""The page in which modules open, in a real browser."""

import re

import pytest
from browser import CHROMIUM, Page
from test_drawing_looks import gpt, network

from autograd import Value, draw_dot
from nn import Linear, Module

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")


@pytest.fixture
def open_picture(browser, tmp_path):
    pages = []

    def open_picture(picture, **options):
        path = picture.save(tmp_path / f"{len(pages)}.html")
        pages.append(Page(browser.new_page(**options), f"file://{path}"))
        return pages[-1]

    yield open_picture
    for page in pages:
        assert page.errors == []
        assert page.requests == [page.url]


def shown(page):
    return page.page.locator("section.view:not([hidden])")


@in_a_browser
def test_three_clicks_lead_from_a_gpt_to_a_weight_s_gradient(open_picture):
    root = gpt()
    page = open_picture(draw_dot(root))
    for path in ("blocks.0", "blocks.0.attention", "blocks.0.attention.q_proj"):
        shown(page).locator(f"[data-path='{path}']").first.click()
        assert shown(page).get_attribute("data-view") == path
    rows = shown(page).locator("tr").all_inner_texts()
    assert rows[0].split() == ["parameter", "data", "grad"]
    assert len(rows) == 1 + 8 * 8 + 8
    name, _, grad = rows[1].split()
    assert name == "blocks.0.attention.q_proj.weight.0.0"
    assert re.fullmatch(r"[−\d.e]+", grad)
    page.press("Escape")
    assert shown(page).get_attribute("data-view") == "blocks.0.attention"
    page.page.get_by_role("button", name="whole graph").click()
    assert shown(page).get_attribute("data-view") == ""


@in_a_browser
def test_keys_zoom_and_axe(open_picture):
    page = open_picture(draw_dot(network()), viewport={"width": 700, "height": 500})
    width = lambda: shown(page).locator("svg").bounding_box()["width"]  # noqa: E731  # asked four times
    fitted = width()
    assert fitted <= 700
    page.page.get_by_role("button", name="Larger").click()
    assert width() == pytest.approx(1.25 * fitted, rel=1e-3)
    page.page.get_by_role("button", name="Fit").click()
    assert width() == pytest.approx(fitted, rel=1e-3)
    shown(page).locator("[data-path]").first.focus()
    page.press("Enter")
    assert shown(page).get_attribute("data-view") != ""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page.page)
    assert found.violations_count == 0, found.generate_report()


class Hostile(Module):
    def __init__(self):
        setattr(self, "<img src=x onerror=alert(1)>", Linear(2, 2, rng=0))
        self.b = Linear(2, 1, rng=1)

    def forward(self, x):
        return self.b(getattr(self, "<img src=x onerror=alert(1)>")(x))[0]


@in_a_browser
def test_names_are_text(open_picture):
    y = Hostile()([Value(1.0, label="</script><b>"), Value(2.0)])
    page = open_picture(draw_dot(y, collapse=1))
    shown(page).locator("[data-path]").first.click()
    assert page.page.locator("img, b").count() == 0


def test_a_notebook_gets_the_page_and_without_trust_the_picture():
    picture = draw_dot(network())
    source = picture._repr_mimebundle_()["text/html"]
    assert "srcdoc=" in source
    left = re.sub(r"<(iframe|style)\b.*?</\1>", "", source, flags=re.DOTALL)
    assert "data:image/svg+xml;base64," in left
    assert "srcdoc=" not in draw_dot(Value(1.0) * 2)._repr_mimebundle_()["text/html"]
    picture.node("mine")
    with pytest.raises(ValueError, match="only a picture made by draw_dot"):
        type(picture)().html


def test_modules_that_cannot_be_opened_are_told(monkeypatch):
    monkeypatch.setattr("autograd.drawing.viewer.MOST_VIEWS", 2)
    page = draw_dot(network()).html
    assert page.count('class="view"') == 3
    assert re.search(r"Of \d+ modules the outer 2 can be opened", page)
