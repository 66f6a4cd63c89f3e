"""Pages of the site: a notebook that has run, or a text in Markdown, as one HTML file that asks for nothing."""

import copy
import functools
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from ..drawing.assets import asset
from ..drawing.looks import PAGE_STYLE

REMEDY = "the course is run and written by nbconvert: pip install 'scalar-autograd[notebook]'"

CHECK = "check"
"""The tag of cells that judge the reader's own answer: a page has no such answer, so their output is left out."""
FOLDED = {
    "answer": "The answer: predict first, then open",
    CHECK: "The check, which runs in the notebook",
    "solution": "A solution",
    "folded": "How this was made: look later",
}
"""Tags of cells that a page shows on demand, and the words to open them."""


class Neighbour(NamedTuple):
    """A page that another one leads to."""

    name: str
    title: str


class Around(NamedTuple):
    """The place of a page in the site: the title of the first page, and the pages before and after."""

    home: str
    before: Neighbour | None = None
    after: Neighbour | None = None


def title_of(text: str) -> str:
    """The first heading of a Markdown text, without its marks."""
    found = re.search(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return re.sub(r"[`*_$]", "", found.group(1)) if found else ""


def linked(text: str, pages: Collection[str]) -> str:
    """Markdown in which links to these notebooks lead to their pages, and other links to files are their words."""

    def replaced(match: re.Match[str]) -> str:
        words, target = match.groups()
        name, mark, section = target.partition("#")
        if not name or re.match(r"https?:|mailto:|data:", target):
            return match.group()
        page = name.removesuffix(".ipynb")
        return f"[{words}]({page}.html{mark}{section})" if page != name and page in pages else words

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", replaced, text)


def page(notebook: Any, name: str, around: Around, pages: Collection[str]) -> str:
    """A notebook that has run, as a page. pages: the names of all notebooks of the site. Raises ImportError without
    nbconvert."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    kinds = [next((tag for tag in cell.metadata.get("tags", []) if tag in FOLDED), "") for cell in notebook.cells]
    for i, (cell, kind) in enumerate(zip(notebook.cells, kinds, strict=True)):
        if kind and kind != [*kinds[:1], *kinds][i] * (i > 0):
            cell.metadata |= {"opens": FOLDED[kind], "kind": kind}
        if kind and [*kinds, ""][i + 1] != kind:
            cell.metadata["closes"] = True
        if CHECK in cell.metadata.get("tags", []):
            cell.outputs = []
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, pages)
    title = title_of(notebook.cells[0].source) if notebook.cells else ""
    return _written(notebook, title or name, around, f"{name}.ipynb")


def first_page(text: str, title: str, pages: Collection[str]) -> str:
    """A Markdown text as the first page. Raises ImportError without nbconvert."""
    notebook = tools().v4.new_notebook(cells=[tools().v4.new_markdown_cell(linked(text, pages))])
    return _written(notebook, title, Around(title), "")


def _written(notebook: Any, title: str, around: Around, source: str) -> str:
    style = PAGE_STYLE + asset("page.css", __package__)
    site = {"title": title, "around": around, "source": source, "style": style}
    html, _ = _exporter().from_notebook_node(notebook, resources={"site": site})
    return str(html)


def tools() -> Any:
    """The package that reads and writes notebooks. Raises ImportError without it."""
    try:
        import nbformat
    except ImportError:
        raise ImportError(REMEDY) from None
    return nbformat


@functools.cache
def _exporter() -> Any:
    """nbconvert with our template, and mathematics as MathML, which browsers show by themselves. Raises ImportError
    without nbconvert."""
    try:
        from latex2mathml.converter import convert
        from nbconvert import HTMLExporter
        from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
        from nbconvert.preprocessors import CoalesceStreamsPreprocessor
    except ImportError:
        raise ImportError(REMEDY) from None

    class Renderer(IPythonRenderer):
        """Markdown as HTML."""

        def inline_math(self, body: str) -> str:
            """A formula within a line."""
            return str(convert(body))

        def block_math(self, body: str) -> str:
            """A formula on lines of its own."""
            return str(convert(body, display="block"))

    def markdown(text: str) -> str:
        return str(MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(text))

    exporter: Any = HTMLExporter
    coalesce: Any = CoalesceStreamsPreprocessor
    made = exporter(template_name="basic", raw_template=asset("page.html.j2", __package__))
    made.register_filter("markdown2html", markdown)
    made.register_preprocessor(coalesce(), enabled=True)  # of a progress bar its last state
    return made
