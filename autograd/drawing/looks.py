"""Colours, fonts and sizes of a picture: as attributes, which every reader of SVG knows, and as a style sheet that
makes them dark where the reader is."""

from collections.abc import Iterable

PALETTE = {  # in light and in dark
    "page": ("#ffffff", "#0f172a"),
    "ink": ("#0f172a", "#f1f5f9"),
    "soft": ("#475569", "#b6c2d2"),
    "line": ("#64748b", "#8393aa"),
    "operation": ("#ffffff", "#1e293b"),
    "leaf": ("#f1f5f9", "#334155"),
    "parameter": ("#dbeafe", "#1e3a5f"),
    "constant": ("#ffffff", "#1e293b"),
    "group": ("#f8fafc", "#172033"),
    "root": ("#ffedd5", "#4a2c17"),
    "data": ("#1d4ed8", "#a5cdff"),  # data and the forward pass
    "grad": ("#b23b0b", "#fdba74"),  # gradients and the backward pass
    "local": ("#6d28d9", "#c9bbff"),  # local derivatives
}
"""Each colour has one meaning. Cards are filled by role. Texts have a contrast of at least 4.5 on every card, borders
of at least 3 (WCAG 2.2)."""

SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'Liberation Sans','DejaVu Sans',sans-serif"
MONO = "ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"

LOOKS: dict[str, dict[str, str]] = {
    "paper": {"fill": "page"},
    "title": {"fill": "ink", "font-size": "14", "font-weight": "600"},
    "auto": {"fill": "soft", "font-weight": "400"},
    "symbol": {"fill": "ink", "font-size": "15", "font-weight": "700"},
    "kind": {"fill": "soft", "font-size": "13", "font-style": "italic"},
    "row": {"fill": "soft", "font-size": "13"},
    "note": {"fill": "soft", "font-size": "13"},
    "number": {"fill": "ink", "font-size": "13"},
    "data": {"fill": "data"},
    "grad": {"fill": "grad"},
    "box": {"fill": "operation", "stroke": "line"},
    "leaf": {"fill": "leaf"},
    "parameter": {"fill": "parameter", "stroke-width": "2"},
    "constant": {"fill": "constant", "stroke-dasharray": "2 2"},
    "group": {"fill": "group"},
    "root": {"fill": "root"},
    "parted": {"stroke": "grad", "stroke-width": "4"},
    "local": {"fill": "local"},
    "inner": {"fill": "none", "stroke": "line"},
    "rule": {"fill": "none", "stroke": "line"},
    "curve": {"fill": "none", "stroke": "soft", "stroke-width": "1.4"},
    "head": {"fill": "soft"},
    "back": {},
    "flow": {"stroke": "grad"},
    "flow-head": {"fill": "grad"},
    "negative": {"stroke-dasharray": "6 3"},
    "pill": {"fill": "page", "stroke": "local"},
    "pill-text": {"fill": "local", "font-size": "13"},
    "uses": {"fill": "page", "stroke": "line"},
    "uses-text": {"fill": "soft", "font-size": "13"},
    "dim": {"fill": "page", "stroke-dasharray": "1 3"},
    "dim-text": {"fill": "soft", "font-weight": "400"},
    "faint": {"stroke-opacity": "0.35"},
    "faint-head": {"fill-opacity": "0.35"},
}
"""Attributes by class, later ones over earlier ones; paints by the name in the palette."""


def look(*names: str) -> str:
    """The attributes of something that has these classes, for a light reader."""
    found: dict[str, str] = {}
    for name in names:
        found |= LOOKS[name]
    attributes = "".join(f' {key}="{PALETTE[x][0] if x in PALETTE else x}"' for key, x in found.items())
    return f' class="{" ".join(names)}"{attributes}'


def _rules(names: Iterable[str]) -> str:
    """The paints of the classes in dark."""
    paints = {
        name: "".join(f"{key}:{PALETTE[x][1]};" for key, x in LOOKS[name].items() if x in PALETTE) for name in names
    }
    return "".join(f".agraph .{name}{{{text}}}" for name, text in paints.items() if text)


def _variables(scheme: int) -> str:
    return "".join(f"--{name}:{colours[scheme]};" for name, colours in PALETTE.items())


STYLE = (
    "@media screen{.agraph{max-width:100%;height:auto}.agraph text{unicode-bidi:plaintext}}"
    f"@media screen and (prefers-color-scheme:dark){{{_rules(LOOKS)}}}"
)
"""The style sheet of a picture."""
PAGE_STYLE = (
    f".stepper,.agraph-colours{{{_variables(0)}}}"
    f"@media screen and (prefers-color-scheme:dark){{.stepper,.agraph-colours{{{_variables(1)}}}}}{STYLE}"
)
"""That of a page around it, with the palette as variables."""
