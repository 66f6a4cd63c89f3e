"""The picture that `draw_dot` returns: a `graphviz.Digraph` that can also draw itself."""

import base64
import html
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import graphviz

from ..files import write_file
from ..floats import is_node
from ..formulas import one_line
from ..graph import Node, indexed_snapshot, names_of_values
from .cards import SHOWABLE, Card, Diagram, Highlight, contribution
from .engines import HINT, use_dot
from .grouping import diagram
from .mermaid import mermaid
from .svg import svg

FILL = {"leaf": "#f1f5f9", "parameter": "#dbeafe", "operation": "#ffffff", "group": "#f8fafc"}
COLOUR = {"data": "#1d4ed8", "grad": "#c2410c", "plain": "#0f172a"}

PAGE = 1400
"""Pixels; a wider picture is scrolled rather than made smaller."""


class Picture(graphviz.Digraph):  # type: ignore[misc]
    """The picture of a graph. `.source` is DOT; everything of `graphviz.Digraph` works, if an engine is installed.

    As SVG, in a notebook or through `pipe`, `render` and `save`, it is drawn here and needs no engine, unless you
    have added to it. `save("x.svg")`, `.png`, `.pdf`, `.dot` or `.mmd` writes what the name says.
    """

    def __init__(self, picture: Diagram, format: str = "svg", rankdir: str = "LR") -> None:
        use_dot()
        super().__init__(
            format=format,
            graph_attr={"rankdir": rankdir, "ordering": "in", "bgcolor": "transparent", "nodesep": "0.15"},
            node_attr={"shape": "plain", "fontname": "Helvetica", "fontsize": "11", "fontcolor": "#0f172a"},
            edge_attr={"color": "#64748b", "arrowsize": "0.6"},
        )
        self.diagram = picture
        self.rankdir = rankdir
        for i, c in enumerate(picture.cards):
            if c.role == "constant":
                self.node(f"n{i}", escape(c.title, markup=False), shape="box", style="rounded,dashed", height="0.25")
            else:
                self.node(f"n{i}", _table(c))
        for a in picture.arrows:
            look = {"label": escape(a.text, markup=False), "fontsize": "9"} if a.text else {}
            if a.flow is not None:
                look |= {"penwidth": f"{0.8 + 4.2 * abs(a.flow):.2f}", "color": COLOUR["grad"]}
                look |= {"style": "dashed"} if a.flow < 0 else {}
            self.edge(f"n{a.source}", f"n{a.target}", **look, **({"color": "#cbd5e1"} if a.dim else {}))
        self._own = self.source

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        if self.source == self._own:
            return svg(self.diagram, self.rankdir)
        self._need_engine("a picture that you have added to")
        return str(super().pipe(format="svg", encoding="utf-8"))

    @property
    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart."""
        return mermaid(self.diagram, self.rankdir)

    def pipe(self, format: str | None = None, *args: Any, encoding: str | None = None, **options: Any) -> Any:
        """The picture in a format, as bytes, or as text in `encoding`; "svg" unless told. See `graphviz.Digraph`."""
        if (format or self.format) == "svg" and self.source == self._own and not args and _plain(options):
            return self.svg if encoding else self.svg.encode()
        self._need_engine(f"the format {format or self.format}")
        return super().pipe(format, *args, encoding=encoding, **options)

    def render(
        self, filename: Any = None, directory: Any = None, view: bool = False, cleanup: bool = False, **options: Any
    ) -> str:
        """Writes DOT, and beside it the picture; returns the picture's path. See `graphviz.Digraph`."""
        format = options.get("format") or self.format
        plain = _plain({k: v for k, v in options.items() if k not in ("format", "overwrite_source")})
        if format != "svg" or self.source != self._own or not plain or options.get("outfile"):
            self._need_engine(f"the format {format}")
            return str(super().render(filename, directory=directory, view=view, cleanup=cleanup, **options))
        source = Path(super().save(filename, directory=directory))
        path = source.with_name(f"{source.name}.svg")
        write_file(path, self.svg.encode())
        if cleanup:
            source.unlink()
        if view:
            self._view(str(path), format="svg", quiet=True)
        return str(path)

    def save(self, filename: Any = None, directory: Any = None, **options: Any) -> str:
        """Writes the file that the name says: `.svg`, `.png`, `.pdf`, `.dot`, `.mmd`; DOT under any other name.

        Raises RuntimeError for PNG and PDF if no engine is installed.
        """
        suffix = Path(filename).suffix.lower() if filename is not None else ""
        if suffix not in (".svg", ".png", ".pdf", ".mmd"):
            return str(super().save(filename, directory=directory, **options))
        path = Path(directory or ".", filename)
        content = self.mermaid.encode() if suffix == ".mmd" else self.pipe(format=suffix[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
        return str(path)

    def _need_engine(self, what: str) -> None:
        if not use_dot():
            raise RuntimeError(f"{what} needs an engine, and none is installed: {HINT}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        return bundle(self.svg, f"A computation graph: {len(self.diagram.cards)} cards; print(picture.source) for DOT.")


def bundle(picture: str, text: str) -> dict[str, str]:
    """The MIME bundle of an SVG. The image in HTML also survives where a notebook is opened without being trusted."""
    source = base64.b64encode(picture.encode()).decode()
    image = f'<img alt="computation graph" src="data:image/svg+xml;base64,{source}"'
    wide = float(picture.partition('width="')[2].partition('"')[0].removesuffix("pt")) > PAGE
    return {
        "text/html": f'<div style="overflow-x:auto">{image} style="max-width:none"/></div>' if wide else f"{image}/>",
        "image/svg+xml": picture,
        "text/plain": text,
    }


def draw_dot(
    root: Node,
    format: str = "svg",
    rankdir: str = "LR",
    *,
    show: Collection[str] = ("label", "data", "grad"),
    digits: int = 4,
    names: Mapping[str, Any] | None = None,
    collapse: str | int | None = "auto",
    expand: Collection[str] = (),
    highlight: Any = None,
) -> Picture:
    """A picture of the graph below `root`: a card for each node, an arrow for each use of an operand, in its order.

    format: what `render` and `pipe` make: "svg", which needs nothing else, "png", "pdf", ... rankdir: "LR" from left
    to right, "TB" from top to bottom. show: some of "label", "data", "grad", "local"; the last writes local derivatives
    on the arrows. digits: significant ones. names: labels for Values without one, such as `locals()`.
    collapse: "auto" draws more than 60 nodes on fewer cards, by module and then by structure; 1, 2, ... a card for each
    module at that depth; None never. expand: module paths to open, such as ["layers.0"]; "dot" takes `dot` apart.
    highlight: "grad" draws the gradient that each arrow carries: size as width, sign as dashes; a number does the same
    with that as full width; a Value, or a list of them, fades everything that is not on a path through it.
    Raises TypeError or ValueError for anything else.

    >>> from autograd import Value, draw_dot
    >>> print(draw_dot(Value(2.0) * Value(3.0)).source.count("->"))
    2
    """
    if not is_node(root):
        raise TypeError(f"draw_dot expected a Value, got {type(root).__name__}")
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"draw_dot expected rankdir 'LR' or 'TB', got {rankdir!r}")
    if isinstance(show, str) or not {*show} <= {*SHOWABLE}:
        raise ValueError(f"draw_dot expected show as some of {SHOWABLE}, got {show!r}")
    if isinstance(expand, str):
        raise TypeError(f"draw_dot expected expand as a list, got {expand!r}; write expand=[{expand!r}]")
    if collapse != "auto" and collapse is not None and (not isinstance(collapse, int) or collapse < 0):
        raise ValueError(f"draw_dot expected collapse 'auto', None or a depth such as 1, got {collapse!r}")
    if not isinstance(digits, int) or not 1 <= digits <= 17:
        raise ValueError(f"draw_dot expected digits from 1 to 17, got {digits!r}")
    graph, index = indexed_snapshot(root, names_of_values(names or {}))
    if not isinstance(highlight, Highlight | None):
        highlight = _highlight(highlight, graph, index)
    return Picture(diagram(graph, show, digits, collapse, expand, highlight), format, rankdir)


def _highlight(wanted: Any, graph: Any, index: Mapping[Node, int]) -> Highlight:
    if wanted == "grad" or (isinstance(wanted, int | float) and wanted > 0):
        flows = [abs(contribution(graph, edge)) for edge in graph.edges]
        largest = max((x for x in flows if x < float("inf")), default=0.0)
        return Highlight(scale=largest if wanted == "grad" else float(wanted))
    nodes = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
    for node in nodes:
        if not is_node(node) or node not in index:
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
    return Highlight(nodes=frozenset(up), below=frozenset(down))


def _plain(options: Mapping[str, Any]) -> bool:
    """Whether nothing is asked for that only an engine can do."""
    return all(value in (None, False) for key, value in options.items() if key != "quiet")


def escape(text: str, markup: bool = True) -> str:
    """Text from a user, for DOT: on one line, with nothing that is markup. A single backslash would be an escape."""
    text = one_line(text, 60)
    return (html.escape(text) if markup else text).replace("\\", "\\\\") or " "


def _table(c: Card) -> str:
    def row(left: str, right: str) -> str:
        return f'<tr><td align="left">{left}</td><td align="right">{right}</td></tr>'

    title = f"<b>{escape(c.title)}</b>" if c.named else escape(c.title)
    rows = [row(title, escape(c.symbol))]
    for name, text, kind in c.rows:
        rows.append(row(escape(name), f'<font face="Courier" color="{COLOUR[kind]}">{escape(text)}</font>'))
    fill = "#ffedd5" if c.root else FILL[c.role]
    sides = 'border="2"' if c.root or c.role == "parameter" else 'border="1"'
    look = f'{sides} color="#94a3b8" cellborder="0" cellspacing="0" cellpadding="3" bgcolor="{fill}" style="rounded"'
    return f"<<table {look}>{''.join(rows)}</table>>"
