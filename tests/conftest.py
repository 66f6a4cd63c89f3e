"""Fixtures that several files share. Scripts that pytest does not collect need packages that the tests do without."""

import sys
from importlib.util import find_spec

import guarded
import pytest
from browser import CHROMIUM, FLAGS, Page

collect_ignore = ["reference", "benchmarks"]


def pytest_configure(config):
    """Without llvmlite what is compiled runs in Python, and the tests hold that to the same numbers."""
    if not find_spec("llvmlite"):
        config.addinivalue_line("filterwarnings", "ignore:llvmlite is missing")


@pytest.fixture(autouse=True)
def _guard_pages(request, monkeypatch):
    """Where native code runs, its memory lies between forbidden pages."""
    name = request.module.__name__.rpartition(".")[2]
    if sys.platform == "linux" and name.startswith(("test_compiler", "test_nn")) and find_spec("llvmlite"):
        monkeypatch.setattr("autograd.compiler.runtime.memory.doubles", guarded.doubles)


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setattr("autograd.drawing.digraph.use_dot", lambda: False)


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is in the extra `test`")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, tmp_path):
    pages = []

    def open_page(result, **options):
        path = result.save(tmp_path / f"{len(pages)}.html")
        page = Page(browser.new_page(**options), f"file://{path}")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert page.errors == []
        assert page.requests == [page.url]
        page.page.close()
