"""The picture as a Mermaid flowchart, for Markdown that renders it."""

from .cards import Card, Diagram
from .looks import PALETTE


def mermaid(diagram: Diagram, rankdir: str = "LR") -> str:
    """The diagram in Mermaid's language."""
    lines = [f"flowchart {rankdir if rankdir == 'LR' else 'TD'}"]
    lines += [f'    n{i}["{_label(c)}"]:::{c.role}' for i, c in enumerate(diagram.cards)]
    for a in diagram.arrows:
        lines.append(f"    n{a.source} -->{f'|{chr(34)}{escape(a.text)}{chr(34)}|' if a.text else ''} n{a.target}")
    for role in sorted({c.role for c in diagram.cards}):
        fill, stroke, ink = (PALETTE[name][0] for name in (role, "soft", "ink"))
        lines.append(f"    classDef {role} fill:{fill},stroke:{stroke},color:{ink}")
    return "\n".join(lines) + "\n"


def _label(c: Card) -> str:
    rows = [f"{c.title}  {c.symbol}".strip(), *(f"{row.name} {row.text}" for row in c.rows)]
    return "<br/>".join(map(escape, rows)) or "#32;"


def escape(text: str) -> str:
    """Everything that Mermaid, Markdown or HTML could read as markup as a number: `#60;` is <.

    A backslash is followed by a space without width, since Mermaid makes a new line of backslash and n.
    """
    numbered = "".join(c if c.isalnum() or c in " .−…→" else f"#{ord(c)};" for c in text)
    return numbered.replace("#92;", "#92;#8203;")
