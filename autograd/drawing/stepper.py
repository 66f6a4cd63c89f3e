"""The step-through: a recording, its picture, and the page that plays it."""

import html
import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

from ..files import write_file
from ..floats import is_node
from ..foreign import Adapter, any_snapshot, looks_like_a_node
from ..formulas import partial_formulas
from ..graph import check_unchanged, topological_order
from ..texts import one_line
from .assets import asset, framed, image, script, script_hash
from .cards import SHOWABLE, Card, Diagram, description, plain
from .grouping import unfolded
from .looks import PAGE_STYLE
from .recording import packed, record, text
from .svg import Drawn, animated, draw, room_for_numbers

LARGEST = 300
"""Nodes; with more nobody steps to the end."""
SECONDS = 1.6
"""For each step of the animation."""
PAPER = 2400
"""Pixels that paper is wide enough for, turned round."""

SCRIPTS = ("recording.js", "quiz.js", "page.js", "player.js")
START = """
const main = document.querySelector("main");
play(main, JSON.parse(document.querySelector('script[type="application/json"]')?.textContent ?? ""), {
  keys: document,
  linked: true,
  quizzed: main.dataset.quiz === "true",
});
"""


class StepThrough:
    """Both passes of a graph, recorded. At the end of a notebook cell it is the page that plays them.

    recording: the steps as plain data, a documented format; `str()` lists them as text. picture: the graph as
    SVG, and its size.
    """

    def __init__(self, recording: dict[str, Any], picture: Drawn, diagram: Diagram, quiz: bool = False) -> None:
        self.recording = recording
        self.picture = picture
        self.diagram = diagram
        self.quiz = quiz

    @property
    def html(self) -> str:
        """The page: one self-contained file that asks for nothing from elsewhere."""
        code = script(*SCRIPTS) + START
        return asset("page.html").format(
            title=html.escape(f"Backpropagation of {one_line(self.recording['root'], 60)}, step by step"),
            heading=html.escape(one_line(self.recording["formula"], 120)),
            quiz=str(self.quiz).lower(),
            script_hash=script_hash(code),
            style=PAGE_STYLE + asset("player.css"),
            svg=self.picture.svg,
            recording=_json(packed(self.recording)).replace("<", "\\u003c"),
            script=code,
        )

    @property
    def animation(self) -> str:
        """All steps as one picture that moves by itself, as SVG; where nothing moves, the last one is seen."""
        steps, gap = range(len(self.recording["steps"])), room_for_numbers(self.diagram)
        frames = [draw(_frame(self.diagram, self.recording, k), gap=gap) for k in steps]
        return animated(frames, SECONDS)

    @property
    def worksheet(self) -> str:
        """A page to print: the graph with an empty box for each gradient, and on a page of its own the solution. Raises
        ValueError for a graph that is too wide for paper."""
        if self.picture.width > PAPER:
            raise ValueError("the graph is too wide to be written into on paper; take a part of it, such as one neuron")
        pictures = (draw(_filled(self.diagram, self.recording, known)).svg for known in (False, True))
        empty, solved = (re.sub(r"<style>.*?</style>", "", svg, flags=re.DOTALL) for svg in pictures)  # paper is white
        sums = [step["text"] for step in self.recording["steps"] if step["phase"] == "backward"]
        return asset("worksheet.html").format(
            title=html.escape(f"The gradients of {one_line(self.recording['root'], 60)}"),
            heading=html.escape(one_line(self.recording["formula"], 120)),
            sheet=empty,
            solution=solved,
            sums="".join(f"<li>{html.escape(text)}</li>" for text in sums),
        )

    def save(self, path: str | Path, *, worksheet: bool = False) -> str:
        """Writes the page, or for a name in `.json` the recording, in `.svg` the animation. worksheet: a page to print,
        with places for the gradients, and the solution. Returns the path. Raises ValueError for another name.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in (".html", ".htm", ".svg", ".json"):
            raise ValueError(f"save expected a name that ends in .html, .svg or .json, got {str(path)!r}")
        if suffix == ".json":
            content = _json(self.recording)
        elif suffix == ".svg":
            content = self.animation
        else:
            content = self.worksheet if worksheet else self.html
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content.encode())
        return str(path)

    def __str__(self) -> str:
        return text(self.recording)

    def __repr__(self) -> str:
        return f"<step-through of {one_line(self.recording['root'], 60)}: {len(self.recording['steps'])} steps>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        last = _filled(self.diagram, self.recording, True)
        still = f"{image(draw(last).svg, description(last))}<pre>{html.escape(str(self))}</pre>"
        shown = framed("step-through", self.html, self.picture.height + 350, still)
        return {"text/html": shown, "text/plain": str(self)}


@overload
def step_through(
    root: Any,
    *,
    names: Mapping[str, Any] | None = None,
    expand: Collection[str] = (),
    widget: Literal[False] = False,
    adapter: Adapter | None = None,
    quiz: bool = False,
) -> StepThrough: ...
@overload
def step_through(
    root: Any,
    *,
    names: Mapping[str, Any] | None = None,
    expand: Collection[str] = (),
    widget: bool,
    adapter: Adapter | None = None,
    quiz: bool = False,
) -> Any: ...
def step_through(
    root: Any,
    *,
    names: Mapping[str, Any] | None = None,
    expand: Collection[str] = (),
    widget: bool = False,
    adapter: Adapter | None = None,
    quiz: bool = False,
) -> Any:
    """Both passes below `root`, step by step: every operation, every contribution of the chain rule, every sum.

    d is a whole derivative, the gradient; ∂ a local one, along one edge. Makes a sweep of its own and changes no
    number. Leave it at the end of a notebook cell, or `save("lesson.html")` for a page that needs nothing else; `print`
    lists the steps.

    names: labels for Values without one, such as `locals()`; in a notebook its variables. expand: ["dot"]
    takes each `dot` apart into its products and their sum. widget: a live one, whose `.step` Python can set and read;
    needs the extra `widget`. adapter: see `draw_dot`, for graphs of other engines, whose gradients the cards show too.
    quiz: whether the page opens as a quiz.
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
    if not is_node(root) and not looks_like_a_node(root) and adapter is None:
        raise TypeError(f"step_through expected a Value, got {type(root).__name__}")
    if not {*expand} <= {"dot"}:
        raise ValueError(f'step_through expected expand=["dot"] or nothing, got {expand!r}')
    count = 0
    if is_node(root):
        leaves, interiors = topological_order(root)
        check_unchanged(leaves, interiors)
        count = len(leaves) + len(interiors)
    if count <= LARGEST:
        graph, _ = any_snapshot(root, names, partial_formulas, adapter)
        graph = unfolded(graph) if "dot" in expand else graph
        count = len(graph.nodes)
    if count > LARGEST:
        raise ValueError(
            f"step_through expected a graph of at most {LARGEST} nodes, got {count}; step through a part of it, "
            f"such as one neuron"
        )
    diagram = plain(graph, SHOWABLE)
    result = StepThrough(record(graph), draw(_for_the_player(diagram), player=True), diagram, quiz)
    return _widget(result) if widget else result


def _for_the_player(diagram: Diagram) -> Diagram:
    """The picture that the page fills: what another engine found stands below the gradient that arrives."""
    cards = []
    for c in diagram.cards:
        own = [row._replace(name="yours", kind="local") for row in c.rows if row.name == "grad"]
        rows = [row for row in c.rows if row.name != "right"]
        cards.append(c._replace(rows=(*rows, *own)) if len(rows) < len(c.rows) else c)
    return diagram._replace(cards=tuple(cards), notes=(), title="computation graph, step by step")


def _known(recording: Mapping[str, Any], last: int) -> tuple[dict[int, str], dict[int, str], set[int]]:
    """After a step: the numbers and the gradients that are there, by node, and the edges on which something flowed."""
    data = {i: node["text"] for i, node in enumerate(recording["nodes"]) if node["role"] != "operation"}
    grads: dict[int, str] = {}
    used: set[int] = set()
    for step in recording["steps"][: last + 1]:
        if step["phase"] == "forward":
            data[step["node"]] = step["shown"]
        elif step["phase"] == "seed":
            grads[step["node"]] = step["shown"]
        elif step["phase"] == "backward" and step["contribution"] is not None:
            grads[recording["edges"][step["edge"]]["source"]] = step["shown"]
            used.add(step["edge"])
        elif step["phase"] == "end":
            grads = {i: grads.get(i, "0") for i in range(len(recording["nodes"]))}
    return data, grads, used


def _with_numbers(diagram: Diagram, data: Mapping[int, str], grads: Mapping[int, str], unknown: str) -> list[Card]:
    cards = []
    for i, c in enumerate(diagram.cards):
        texts = {"data": data.get(i, unknown), "grad": grads.get(i, unknown)}
        rows = [row._replace(text=texts.get(row.name, row.text)) for row in c.rows if row.name != "right"]
        cards.append(c._replace(rows=tuple(rows), parted=False))
    return cards


def _filled(diagram: Diagram, recording: Mapping[str, Any], known: bool) -> Diagram:
    """The picture after the last step; unless the gradients are known, with places to write them."""
    data, grads, _ = _known(recording, len(recording["steps"]) - 1)
    cards = _with_numbers(diagram, data, grads if known else {}, "_______")
    arrows = diagram.arrows if known else tuple(arrow._replace(text="") for arrow in diagram.arrows)
    return diagram._replace(cards=tuple(cards), arrows=arrows, notes=())


def _frame(diagram: Diagram, recording: Mapping[str, Any], k: int) -> Diagram:
    """The picture after step k, with what is said of it below."""
    step, (data, grads, used) = recording["steps"][k], _known(recording, k)
    edge = step.get("edge")
    active = recording["edges"][edge]["source"] if edge is not None else step.get("node")
    cards = _with_numbers(diagram, data, grads, "·")
    if active is not None:
        cards[active] = cards[active]._replace(parted=True)
    arrows = [
        arrow._replace(text=arrow.text if i == edge else "", flow=1.0 if i == edge else 0.2 if i in used else None)
        for i, arrow in enumerate(diagram.arrows)
    ]
    said = (f"{k} {step['phase']}", one_line(step["text"] or step["say"], 110))
    return diagram._replace(cards=tuple(cards), arrows=tuple(arrows), notes=said)


def _json(recording: dict[str, Any]) -> str:
    return json.dumps(recording, ensure_ascii=False, separators=(",", ":"))


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

        _esm = script(*SCRIPTS, "widget.js")
        _css = PAGE_STYLE + asset("player.css")
        step = traitlets.Int(0).tag(sync=True)
        recording = traitlets.Dict().tag(sync=True)

        @traitlets.validate("step")
        def _in_range(self, proposal: Any) -> int:
            return max(0, min(len(self.recording["steps"]) - 1, int(proposal["value"])))

    return StepWidget
