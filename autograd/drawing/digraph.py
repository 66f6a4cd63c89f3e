"""The picture that `draw_dot` returns: a `graphviz.Digraph` that can also draw itself."""

import html
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import graphviz

from ..files import write_file
from ..floats import is_node
from ..foreign import Adapter, any_snapshot, looks_like_a_node
from ..snapshots import Snapshot
from ..texts import one_line
from .assets import framed, image
from .cards import SHOWABLE, Card, Diagram, Highlight, contribution, description
from .engines import HINT, use_dot
from .grouping import diagram
from .looks import PALETTE
from .mermaid import mermaid
from .rendering import rendered
from .svg import Drawn, draw
from .viewer import page

OURS = ("svg", "png", "pdf")
SCALE = 2.0
PAGE = 1400
"""Pixels; a wider picture is scrolled in a notebook."""
FRAMED = 3000
"""Nodes up to which a notebook gets the page in which modules open; of more nodes it is megabytes."""


class Picture(graphviz.Digraph):  # type: ignore[misc]  # graphviz comes without types
    """The picture of a graph. `save("x.svg")`, `.html`, `.png`, `.pdf`, `.dot` or `.mmd` writes what the name says;
    SVG and HTML, a page in which a click opens modules, need nothing else, PNG and PDF the extra `draw`.

    It is a `graphviz.Digraph` too: `.source` is DOT, and what you add to it, or ask for with `engine="dot"`, Graphviz
    draws, in its own look, if it is installed.
    """

    diagram: Diagram | None = None
    graph: Snapshot | None = None
    cards_of: Callable[[Snapshot], Diagram] | None = None  # how a part of the graph is drawn
    rankdir = "LR"
    _rendering = False  # while graphviz renders it saves its source under any name
    _own = ""  # the DOT that the diagram gave; something else once you have added to it

    @classmethod
    def of(cls, diagram: Diagram, format: str = "svg", rankdir: str = "LR") -> "Picture":
        """The picture of a diagram."""
        ink, soft = PALETTE["ink"][0], PALETTE["soft"][0]
        picture = cls(
            format=format,
            graph_attr={"rankdir": rankdir, "ordering": "in", "bgcolor": "transparent", "nodesep": "0.15"},
            node_attr={"shape": "plain", "fontname": "Helvetica", "fontsize": "11", "fontcolor": ink},
            edge_attr={"color": soft, "arrowsize": "0.6"},
        )
        for i, c in enumerate(diagram.cards):
            if c.role == "constant":
                picture.node(f"n{i}", _bare(c.title), shape="box", style="rounded,dashed", height="0.25")
            else:
                picture.node(f"n{i}", _table(c))
        for a in diagram.arrows:
            look = {"label": _bare(a.text), "fontsize": "9"} if a.text else {}
            if a.flow is not None:
                look |= {"penwidth": f"{0.8 + 4.2 * abs(a.flow):.2f}", "color": PALETTE["grad"][0]}
                look |= {"style": "dashed"} if a.flow < 0 else {}
            look |= {"color": "#cbd5e1"} if a.dim else {}
            picture.edge(f"n{a.source}", f"n{a.target}", **look)
        picture.diagram, picture.rankdir, picture._own = diagram, rankdir, picture.source
        return picture

    def copy(self) -> "Picture":
        """The same picture again, to add to."""
        other: Picture = super().copy()
        other.diagram, other.rankdir, other._own = self.diagram, self.rankdir, self._own
        other.graph, other.cards_of = self.graph, self.cards_of
        return other

    @property
    def drawn(self) -> Drawn | None:
        """The picture drawn here; None if you have added to it."""
        return draw(self.diagram, self.rankdir) if self.diagram and self.source == self._own else None

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        text: str = self.pipe("svg", encoding="utf-8")
        return text

    @property
    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart. Raises ValueError for a picture that `draw_dot` did not make."""
        if self.diagram is None:
            raise ValueError("only a picture made by draw_dot can be written as Mermaid")
        return mermaid(self.diagram, self.rankdir)

    @property
    def html(self) -> str:
        """The picture as a page to walk in: a click on a module opens it, down to the numbers of its parameters. Raises
        ValueError for a picture that `draw_dot` did not make."""
        if self.diagram is None or self.graph is None or self.cards_of is None:
            raise ValueError("only a picture made by draw_dot can be written as a page")
        return page(self.graph, self.diagram, self.cards_of, self.rankdir)

    def pipe(self, format: str | None = None, *args: Any, encoding: str | None = None, **options: Any) -> Any:
        """The picture in a format, as bytes, or as text in `encoding`; "svg" unless told. scale: the size of a PNG,
        2 for sharp text. See `graphviz.Digraph`."""
        format, scale = (format or self.format).lower(), options.pop("scale", SCALE)
        if format in OURS and not args and _plain(options) and (drawn := self.drawn):
            content = _content(drawn, format, scale)
            return content.decode(encoding) if encoding else content
        return self._ask(format, lambda: super(Picture, self).pipe(format, *args, encoding=encoding, **options))

    def render(
        self,
        filename: Any = None,
        directory: Any = None,
        view: bool = False,
        cleanup: bool = False,
        format: Any = None,
        **options: Any,
    ) -> str:
        """Writes DOT, and beside it the picture; returns the picture's path. See `graphviz.Digraph`."""
        format = format or self.format
        ours = _plain({k: v for k, v in options.items() if k not in ("overwrite_source", "scale")})
        scale = options.pop("scale", SCALE)
        if format not in OURS or not ours or not (drawn := self.drawn):
            options |= {"directory": directory, "view": view, "cleanup": cleanup, "format": format}
            self._rendering = True
            try:
                return str(self._ask(format, lambda: super(Picture, self).render(filename, **options)))
            finally:
                self._rendering = False
        source = Path(super().save(filename, directory=directory))
        path = source.with_name(f"{source.name}.{format}")
        write_file(path, _content(drawn, format, scale))
        if cleanup:
            source.unlink()
        if view:
            self._view(str(path), format=format, quiet=True)
        return str(path)

    def save(self, filename: Any = None, directory: Any = None, **options: Any) -> str:
        """Writes the file that the name says: `.svg`, `.html`, `.png`, `.pdf`, `.mmd`, or `.dot` or `.gv` for DOT.
        scale: see `pipe`.

        Raises ValueError for another name, ImportError for PNG and PDF without the extra `draw`, and RuntimeError for
        what needs an engine that is not installed.
        """
        suffix = Path(filename).suffix.lower() if filename is not None else ".gv"
        if self._rendering or suffix in (".dot", ".gv"):
            return str(super().save(filename, directory=directory, **options))
        if suffix not in (".svg", ".html", ".png", ".pdf", ".mmd"):
            raise ValueError(
                f"save expected a name that ends in .svg, .html, .png, .pdf, .mmd, .dot or .gv, got {str(filename)!r}"
            )
        path = Path(directory or ".", filename)
        texts = {".mmd": lambda: self.mermaid, ".html": lambda: self.html}
        content = texts[suffix]().encode() if suffix in texts else self.pipe(format=suffix[1:], **options)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
        return str(path)

    def _ask(self, format: str, ask: Callable[[], Any]) -> Any:
        """A format that only an engine can make."""
        what = f"{format} of a picture that you have added to" if self.source != self._own else f"the format {format}"
        engine = use_dot()
        if not engine:
            raise RuntimeError(f"{what} needs an engine, and none is installed: {HINT}")
        try:
            return ask()
        except subprocess.CalledProcessError as error:
            if engine == "dot":
                raise
            remedy = "Graphviz itself may be able to: install it with the system's package manager"
            raise RuntimeError(f"{engine} cannot make {what}; {remedy}") from error

    def __repr__(self) -> str:
        return f"<picture of {len(self.diagram.cards)} cards>" if self.diagram else super().__repr__()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        text = f"{self!r}: a computation graph; print(picture.source) shows it as DOT"
        drawn = self.drawn or Drawn(self.svg, 0, 0)
        told = description(self.diagram) if self.diagram else "a graph"
        small = self.graph is not None and len(self.graph.nodes) <= FRAMED
        if self.drawn and self.diagram and small and any(c.path for c in self.diagram.cards):
            shown = framed("computation graph", self.html, drawn.height + 140, image(drawn.svg, told))
        else:
            shown = image(drawn.svg, told, drawn.width > PAGE)
        return {"text/html": shown, "image/svg+xml": drawn.svg, "text/plain": text}


def draw_dot(
    root: Any,
    format: str = "svg",
    rankdir: str = "LR",
    *,
    show: Collection[str] = ("label", "data", "grad"),
    digits: int = 4,
    names: Mapping[str, Any] | None = None,
    collapse: str | int | None = "auto",
    expand: Collection[str] = (),
    highlight: Any = None,
    legend: bool = True,
    adapter: Adapter | None = None,
) -> Picture:
    """A picture of the graph below `root`: a card for each node, an arrow for each use of an operand, in its order.

    format: what `render` and `pipe` make: "svg", which needs nothing else, "png", "pdf", ... rankdir: "LR" from left
    to right, "TB" from top to bottom. show: some of "label", "data", "grad", "local"; the last writes local derivatives
    on the arrows. digits: significant ones. names: labels for Values without one, such as `locals()`; in a notebook its
    variables. collapse: "auto" draws a network as its neurons or layers, from 25 nodes on, and more than 60 other nodes
    on fewer cards, by structure; 1, 2, ... a card for each module at that depth; None never. expand: module paths to
    open, such as ["layers.0"]; "dot" takes `dot` apart.
    highlight: "grad" draws the gradient that each arrow carries: size as width, sign as dashes; a number does the same
    with that as full width; a Value, or a list of them, fades everything that is not on a path through it. legend:
    whether the colours are explained below.
    root may also be a node of another engine, with `.data`, `.grad`, and `_prev` and `_op` as in micrograd or
    `_children` and `_local_grads` as in microgpt: its own gradients stand beside the right ones, and the first wrong
    one on the way back is marked. adapter: for others, a function from a node to `autograd.extend.Seen`.
    Raises TypeError or ValueError for anything else.

    >>> from autograd import Value, draw_dot
    >>> print(draw_dot(Value(2.0) * Value(3.0)).source.count("->"))
    2
    """
    if not is_node(root) and not looks_like_a_node(root) and adapter is None:
        raise TypeError(f"draw_dot expected a Value, got {type(root).__name__}")
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"draw_dot expected rankdir 'LR' or 'TB', got {rankdir!r}")
    if isinstance(show, str) or not isinstance(show, Iterable) or not {*show} <= {*SHOWABLE}:
        raise ValueError(f'draw_dot expected show as some of {SHOWABLE}, such as ("data", "grad"), got {show!r}')
    if isinstance(expand, str) or not isinstance(expand, Iterable) or not all(isinstance(x, str) for x in expand):
        raise TypeError(f'draw_dot expected expand as a list of names such as ["dot"], got {expand!r}')
    if collapse not in ("auto", None) and (type(collapse) is not int or collapse < 0):
        raise ValueError(f"draw_dot expected collapse 'auto', None or a depth such as 1, got {collapse!r}")
    if type(digits) is not int or not 1 <= digits <= 17:
        raise ValueError(f"draw_dot expected digits from 1 to 17, got {digits!r}")
    graph, index = any_snapshot(root, names, adapter=adapter)
    if not isinstance(highlight, Highlight | None):
        highlight = _highlight(highlight, graph, index)
    drawn = diagram(graph, show, digits, collapse, expand, highlight)._replace(legend=bool(legend))
    picture = Picture.of(drawn, format, rankdir)
    picture.graph, picture.cards_of = graph, lambda part: diagram(part, show, digits, "auto", (), None)
    return picture


def _highlight(wanted: Any, graph: Snapshot, index: Mapping[Any, int]) -> Highlight:
    if wanted == "grad" or (type(wanted) in (int, float) and 0 < wanted < float("inf")):
        flows = [abs(contribution(graph, edge)) for edge in graph.edges]
        largest = max((x for x in flows if x < float("inf")), default=0.0)
        return Highlight(scale=largest if wanted == "grad" else float(wanted))
    nodes = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
    for node in nodes or [()]:
        if node not in index:
            what = "a Value that is not in this graph" if is_node(node) else repr(node)
            raise ValueError(
                f"draw_dot expected highlight 'grad', a number above 0, or Values of the graph, got {what}"
            )
    up = {index[node] for node in nodes}
    down = set(up)
    for edge in graph.edges:
        if edge.source in up:
            up.add(edge.target)
    for edge in reversed(graph.edges):
        if edge.target in down:
            down.add(edge.source)
    return Highlight(above=frozenset(up), below=frozenset(down))


def _content(drawn: Drawn, format: str, scale: float) -> bytes:
    """The picture as it is drawn here."""
    if not isinstance(scale, int | float) or not 0.0 < scale < float("inf"):
        raise ValueError(f"a picture's scale is a number above 0, got {scale!r}")
    return drawn.svg.encode() if format == "svg" else rendered(drawn, "png" if format == "png" else "pdf", scale)


def _plain(options: Mapping[str, Any]) -> bool:
    """Whether nothing is asked for that only an engine can do."""
    return all(value in (None, False) for key, value in options.items() if key != "quiet")


def escape(text: str) -> str:
    """Text from a user, for an HTML-like label: on one line, with nothing that is markup."""
    return _bare(html.escape(one_line(text, 60)))


def _bare(text: str) -> str:
    """Text for DOT, where a single backslash would be an escape, such as the name of the node."""
    return text.replace("\\", "\\\\") or " "


def _table(c: Card) -> str:
    def row(left: str, right: str) -> str:
        return f'<tr><td align="left">{left}</td><td align="right">{right}</td></tr>'

    title = f"<b>{escape(c.title)}</b>" if c.named else escape(c.title)
    rows = [row(title, escape(c.symbol))]
    for name, text, kind in c.rows:
        rows.append(
            row(
                escape(name),
                f'<font face="Courier" color="{PALETTE["ink" if kind == "plain" else kind][0]}">{escape(text)}</font>',
            )
        )
    fill, line = PALETTE["root" if c.root else c.role][0], PALETTE["line"][0]
    sides = 'border="2"' if c.root or c.role == "parameter" else 'border="1"'
    look = f'{sides} color="{line}" cellborder="0" cellspacing="0" cellpadding="3" bgcolor="{fill}" style="rounded"'
    return f"<<table {look}>{''.join(rows)}</table>>"
