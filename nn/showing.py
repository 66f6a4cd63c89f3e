"""Displays for a prompt and a notebook: figures that show themselves, and small tables."""

import base64
import functools
import html
import io
import sys
from collections.abc import Sequence
from typing import Any


@functools.cache
def _figure_class() -> Any:
    """matplotlib's figure, which a notebook shows whether or not matplotlib was told to draw there. Raises ImportError
    without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("curves are drawn by matplotlib: pip install 'scalar-autograd[plot]'") from None

    class Plot(Figure):
        """A figure that shows itself at the end of a notebook's cell, with the words of `alt` for who does not see."""

        alt = ""

        def _repr_png_(self) -> bytes:
            return png(self)

        def _repr_html_(self) -> str:
            return image(png(self), told(self))

    return Plot


def figure(columns: int, rows: int = 1, epochs: int = 0, alt: str = "") -> tuple[Any, list[Any]]:
    """A matplotlib figure with so many panels, and the panels from left to right. epochs: how many of them are over
    epochs; the first row unless told. alt: the figure in words; the titles and labels of its panels unless told. Raises
    ImportError without matplotlib.
    """
    drawn = _figure_class()(figsize=(3.6 * columns, 3.2 * rows), layout="constrained")
    drawn.alt = alt
    from matplotlib.ticker import MaxNLocator

    axes = list(drawn.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.grid(alpha=0.3)
    for axis in axes[: epochs or columns]:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn, axes


def png(drawn: Any, dpi: int = 100) -> bytes:
    """A figure as a picture."""
    content = io.BytesIO()
    drawn.savefig(content, format="png", dpi=dpi)
    return content.getvalue()


def told(drawn: Any) -> str:
    """A figure in words: its `alt`, or the titles and labels of its panels."""
    panels = [
        f"{axis.get_title()}: {', '.join(axis.get_legend_handles_labels()[1]) or axis.get_ylabel() or 'one curve'}"
        for axis in drawn.axes
    ]
    return drawn.alt or "; ".join(panels)


def image(picture: bytes, alt: str) -> str:
    """A PNG as an image of HTML, with its alternative text."""
    data = base64.b64encode(picture).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}" style="max-width:100%"/>'


def page(title: str, rows: Sequence[Sequence[Any]], drawn: Any = None) -> str:
    """HTML for a notebook: a small table, and a figure if there is one. Texts are escaped."""
    cells = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(str(x))}</td>" for x in row) + "</tr>"
        for row in rows
    )
    picture = f"<br>{image(png(drawn), told(drawn))}" if drawn is not None else ""
    return f"<b>{html.escape(title)}</b><table>{cells}</table>{picture}"


def has_matplotlib() -> bool:
    try:
        _figure_class()
    except ImportError:
        return False
    return True


def in_notebook() -> bool:
    """Whether output goes to a notebook's cell, where what is written to stderr stands on red."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell" or "marimo" in sys.modules
