"""The step-through: a recording, its picture, and the page that plays it."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, overload

from ..files import write_file
from ..floats import is_node
from ..formulas import partial_formulas
from ..graph import Node, check_unchanged, topological_order
from ..snapshots import names_of_values, snapshot
from ..texts import one_line
from .cards import SHOWABLE, plain
from .grouping import unfolded
from .looks import PAGE_STYLE
from .recording import packed, record, text
from .svg import Drawn, draw

LARGEST = 300
"""Nodes; with more nobody steps to the end."""

START = """
play(
  /** @type {HTMLElement} */ (document.querySelector("main")),
  JSON.parse(document.querySelector('script[type="application/json"]')?.textContent ?? ""),
  { keys: document },
);
"""


class StepThrough:
    """Both passes of a graph, recorded. At the end of a notebook cell it is the page that plays them.

    recording: the steps as plain data, a documented format; `str()` lists them as text. picture: the graph as
    SVG, and its size.
    """

    def __init__(self, recording: dict[str, Any], picture: Drawn) -> None:
        self.recording = recording
        self.picture = picture

    @property
    def html(self) -> str:
        """The page: one self-contained file that asks for nothing from elsewhere."""
        script = re.sub(r"/\*\*.*?\*/\s*", "", _script() + START, flags=re.DOTALL)  # without types
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return _asset("page.html").format(
            title=html.escape(f"Backpropagation of {one_line(self.recording['root'], 60)}, step by step"),
            script_hash=f"'sha256-{digest}'",
            style=PAGE_STYLE + _asset("player.css"),
            svg=self.picture.svg,
            recording=_json(packed(self.recording)).replace("<", "\\u003c"),
            script=script,
        )

    def save(self, path: str | Path) -> str:
        """Writes the page, or, if the name ends in `.json`, the recording. Returns the path. Raises ValueError for
        another name.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm", ".json"):
            raise ValueError(f"save expected a name that ends in .html or .json, got {str(path)!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, (_json(self.recording) if path.suffix.lower() == ".json" else self.html).encode())
        return str(path)

    def __str__(self) -> str:
        return text(self.recording)

    def __repr__(self) -> str:
        return f"<step-through of {one_line(self.recording['root'], 60)}: {len(self.recording['steps'])} steps>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        look = (
            f'width="100%" height="{min(900, self.picture.height + 250):.0f}" style="border:0" sandbox="allow-scripts"'
        )
        frame = f'<iframe title="step-through" {look} srcdoc="{html.escape(self.html)}"></iframe>'
        return {"text/html": frame, "text/plain": str(self)}


@overload
def step_through(
    root: Node, *, names: Mapping[str, Any] | None = None, expand: Collection[str] = (), widget: Literal[False] = False
) -> StepThrough: ...
@overload
def step_through(
    root: Node, *, names: Mapping[str, Any] | None = None, expand: Collection[str] = (), widget: bool
) -> Any: ...
def step_through(
    root: Node, *, names: Mapping[str, Any] | None = None, expand: Collection[str] = (), widget: bool = False
) -> Any:
    """Both passes below `root`, step by step: every operation, every contribution of the chain rule, every sum.

    d is a whole derivative, the gradient; ∂ a local one, along one edge. Makes a sweep of its own and changes no
    number. Leave it at the end of a notebook cell, or `save("lesson.html")` for a page that needs nothing else; `print`
    lists the steps.

    names: labels for Values without one, such as `locals()`; in a notebook its variables. expand: ["dot"]
    takes each `dot` apart into its products and their sum. widget: a live one, whose `.step` Python can set and read;
    needs the extra `widget`.
    Raises TypeError for anything but a Value, ValueError for a graph of more than 300 nodes, RuntimeError if a leaf's
    `.data` was assigned after it was used.

    >>> from autograd import Value, step_through
    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> print(step_through(a * b))
    0  start     The leaves hold their numbers. Going forward, every operation computes its own from them.
    1  forward   v1 = a · b = 2 · 3 = 6
    2  seed      dv1/dv1 = 1
    3  backward  dv1/da = dv1/dv1 · ∂v1/∂a = 1 × 3 = 3, where ∂v1/∂a = b
    4  backward  dv1/db = dv1/dv1 · ∂v1/∂b = 1 × 2 = 2, where ∂v1/∂b = a
    5  end       Done: every node knows how v1 changes when it does.
    """
    if not is_node(root):
        raise TypeError(f"step_through expected a Value, got {type(root).__name__}")
    if not {*expand} <= {"dot"}:
        raise ValueError(f'step_through expected expand=["dot"] or nothing, got {expand!r}')
    leaves, interiors = topological_order(root)
    check_unchanged(leaves, interiors)
    count = len(leaves) + len(interiors)
    if count <= LARGEST:
        graph = snapshot(root, names_of_values(names), partial_formulas)
        graph = unfolded(graph) if "dot" in expand else graph
        count = len(graph.nodes)
    if count > LARGEST:
        raise ValueError(
            f"step_through expected a graph of at most {LARGEST} nodes, got {count}; step through a part of it, "
            f"such as one neuron"
        )
    picture = draw(plain(graph, SHOWABLE)._replace(title="computation graph, step by step"), player=True)
    result = StepThrough(record(graph), picture)
    return _widget(result) if widget else result


def _json(recording: dict[str, Any]) -> str:
    return json.dumps(recording, ensure_ascii=False, separators=(",", ":"))


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    """The player and what it imports, as one module."""
    parts = "".join(map(_asset, ("elements.js", "recording.js", "quiz.js", "player.js")))
    return re.sub(r"^import .*\n", "", parts, flags=re.MULTILINE)


def _widget(result: StepThrough) -> Any:
    """The same as a widget, with the traits `step` and `recording`."""
    try:
        return _widget_class()(recording={**result.recording, "svg": result.picture.svg})
    except ImportError:
        raise ImportError("step_through(widget=True) needs anywidget: pip install 'scalar-autograd[widget]'") from None


@cache
def _widget_class() -> Any:
    import anywidget
    import traitlets

    class StepWidget(anywidget.AnyWidget):
        """A live step-through: `.step` is where it stands."""

        _esm = _script()
        _css = PAGE_STYLE + _asset("player.css")
        step = traitlets.Int(0).tag(sync=True)
        recording = traitlets.Dict().tag(sync=True)

        @traitlets.validate("step")
        def _in_range(self, proposal: Any) -> int:
            return max(0, min(len(self.recording["steps"]) - 1, int(proposal["value"])))

    return StepWidget
