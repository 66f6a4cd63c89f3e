"""Pages of the site: a notebook that has run, or a text in Markdown, as one HTML file that asks for nothing."""

import copy
import functools
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

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
    """The place of a page in the site: the title of the first page, the pages before and after, all pages, and the
    folder of the sources."""

    home: str
    before: Neighbour | None
    after: Neighbour | None
    pages: Collection[str]
    folder: Path


def title_of(text: str) -> str:
    """The first heading of a Markdown text, without its marks."""
    outside = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.search(r"^#+ +(.*?) *$", outside, re.MULTILINE)
    return re.sub(r"[`*_$]", "", found.group(1)) if found else ""


def target(url: str, pages: Collection[str]) -> str:
    """The address that a link in a text leads to on the site: the page of a notebook; a section, or elsewhere, as it
    is; nothing for other files."""
    name, mark, section = url.partition("#")
    if not name or re.match(r"[a-z][a-z+.-]*:", name, re.IGNORECASE):
        return url
    file = unquote(name).removeprefix("./")
    page = file.removesuffix(".ipynb")
    return f"{quote(page)}.html{mark}{section}" if page != file and page in pages else ""


def page(notebook: Any, name: str, title: str, around: Around) -> str:
    """A notebook that has run, as a page. Raises ImportError without nbconvert, ValueError for a formula that cannot be
    read."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    kinds = [next((tag for tag in cell.metadata.get("tags", []) if tag in FOLDED), "") for cell in notebook.cells]
    for i, (cell, kind) in enumerate(zip(notebook.cells, kinds, strict=True)):
        if kind and (i == 0 or kinds[i - 1] != kind):
            cell.metadata |= {"opens": FOLDED[kind], "kind": kind}
        if kind and [*kinds, ""][i + 1] != kind:
            cell.metadata["closes"] = True
        if kind == CHECK:
            cell.outputs = []
    return _written(notebook, title, around, f"{name}.ipynb")


def first_page(text: str, around: Around) -> str:
    """A Markdown text as the first page. Raises ImportError without nbconvert, ValueError for a formula that cannot be
    read."""
    notebook = nbformat().v4.new_notebook(cells=[nbformat().v4.new_markdown_cell(text)])
    return _written(notebook, around.home, around, "")


def _written(notebook: Any, title: str, around: Around, source: str) -> str:
    style = PAGE_STYLE + asset("page.css", __package__)
    site = {"title": title, "around": around, "source": source, "style": style}
    html, _ = _exporter().from_notebook_node(notebook, resources={"site": site})
    return str(html)


def nbformat() -> Any:
    """The package that reads and writes notebooks. Raises ImportError without it."""
    try:
        import nbformat as found
    except ImportError:
        raise ImportError(REMEDY) from None
    return found


@functools.cache
def _exporter() -> Any:
    """nbconvert with our template, and mathematics as MathML, which browsers show by themselves. Raises ImportError
    without nbconvert."""
    try:
        from jinja2 import pass_context
        from latex2mathml.converter import convert
        from nbconvert import HTMLExporter
        from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
        from nbconvert.preprocessors import CoalesceStreamsPreprocessor
    except ImportError:
        raise ImportError(REMEDY) from None

    def formula(body: str, display: str = "inline") -> str:
        try:
            made = convert(body, display=display)
        except Exception as error:
            raise ValueError(f"the formula ${body}$ cannot be read: {type(error).__name__} {error}") from error
        spaced: str = re.sub(
            r"(<mi>(?:log|exp|max|min|sin|cos|tanh)</mi>)(?!<mo|</m)", r'\1<mspace width="0.17em"/>', made
        )
        return spaced

    class Renderer(IPythonRenderer):
        """Markdown as HTML."""

        def __init__(self, around: Around, attachments: Any) -> None:
            super().__init__(
                escape=False, embed_images=True, exclude_anchor_links=True, path=str(around.folder),
                attachments=attachments,
            )  # fmt: skip
            self.pages = around.pages

        def inline_math(self, body: str) -> str:
            """A formula within a line."""
            return formula(body)

        def block_math(self, body: str) -> str:
            """A formula on lines of its own."""
            return f'<span class="formula" tabindex="0">{formula(body, "block")}</span>'

        def heading(self, text: str, level: int, **attributes: Any) -> str:
            """A heading, with the address that JupyterLab gives it."""
            name = re.sub(r"<[^>]*>", "", text).strip().replace(" ", "-")
            return f'<h{level} id="{name}">{text}</h{level}>\n'

        def link(self, text: str, url: str, title: str | None = None) -> str:
            """A link as it leads on the site, or its words."""
            found = target(url, self.pages)
            return str(super().link(text, found, title)) if found else text

    @pass_context
    def markdown(context: Any, text: str) -> str:
        cell = context.get("cell") or {}
        renderer = Renderer(context["resources"]["site"]["around"], cell.get("attachments", {}))
        return str(MarkdownWithMath(renderer=renderer).render(text))

    exporter: Any = HTMLExporter
    coalesce: Any = CoalesceStreamsPreprocessor
    made = exporter(template_name="basic", raw_template=asset("page.html.j2", __package__))
    made.register_filter("markdown2html", markdown)
    made.register_preprocessor(coalesce(), enabled=True)  # of a progress bar its last state
    return made
