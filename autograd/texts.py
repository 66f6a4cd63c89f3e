"""Text for people: numbers, names from users, columns."""

import math
import unicodedata
from collections.abc import Sequence


def one_line(text: str, length: int) -> str:
    """Text from a user: without control characters, and shortened."""
    text = "".join(c if c.isprintable() or c == "\u200d" else " " for c in text[: length + 1])  # which joins emoji
    return text if len(text) <= length else text[: length - 1] + "…"


def number_text(x: float, digits: int = 4) -> str:
    """A number as people write it: so many significant digits, a real minus sign."""
    return "nan" if math.isnan(x) else f"{x:.{digits}g}".replace("-", "−").replace("inf", "∞")


def symbol(text: str) -> str:
    """An operation's symbol as people write it."""
    return {"*": "×", "-": "−"}.get(text, text)


def columns(text: str) -> int:
    """The columns that a text takes in a terminal: an ideograph or an emoji takes two, an accent none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def aligned(rows: Sequence[Sequence[str]], sides: str = "", widest: int = 48) -> str:
    """Rows of cells as columns of text. sides: < or > for each column; a cell above `widest` pushes the rest away."""
    widths = [min(widest, max(map(columns, column))) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for cell, width, side in zip(row, widths, sides or "<" * len(widths), strict=True):
            room = " " * (width - columns(cell))
            cells.append(room + cell if side == ">" else cell + room)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
