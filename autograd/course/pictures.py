"""Pictures of the course, on matplotlib: the same colours, marks and directions in every notebook."""

from collections.abc import Callable, Sequence
from typing import Any

from nn.showing import figure

from ..drawing.looks import PALETTE

COLOURS = {name: PALETTE[name][0] for name in ("data", "grad", "local", "ink", "soft")}
"""Numbers and the forward pass; gradients and the backward pass; local derivatives; text. As in pictures of graphs."""
CLASSES = (COLOURS["data"], COLOURS["grad"], COLOURS["local"])
MARKS = "o^sDvP*X<>"
"""Each class has its own mark too, for who does not tell colours apart."""
DIVERGING, RISING = "PuOr_r", "Blues"
"""Colour maps: of numbers around 0, positive ones orange and negative ones violet; and of sizes from 0 up."""


def panels(columns: int = 1, rows: int = 1, *, alt: str, size: tuple[float, float] = (4.4, 3.4)) -> tuple[Any, Any]:
    """(figure, axes): a matplotlib figure that a notebook shows, and its panels: one, or a list of them row by row.

    alt: the picture in words, for those who do not see it. size: of a panel, in inches. Raises ImportError without
    matplotlib.
    """
    drawn, axes = figure(columns, rows, alt=alt)
    drawn.set_size_inches(size[0] * columns, size[1] * rows)
    return drawn, axes[0] if len(axes) == 1 else axes


def plot_points(axis: Any, X: Sequence[Sequence[float]], Y: Sequence[int], size: float = 18.0) -> None:
    """Points of the plane by class: class 0 as blue circles, class 1 as orange triangles, class 2 as violet squares."""
    for c in sorted({*map(int, Y)}):
        xs, ys = zip(*[x for x, y in zip(X, Y, strict=True) if int(y) == c], strict=True)
        look = {"color": CLASSES[c % 3], "marker": MARKS[c % len(MARKS)]}
        axis.scatter(xs, ys, s=size, label=f"class {c}", edgecolors="white", linewidths=0.4, **look)


def plot_surface(
    axis: Any,
    f: Callable[[float, float], Any],
    extent: tuple[float, float, float, float],
    levels: Any = 14,
    points: int = 60,
) -> None:
    """Height lines of f over the rectangle (left, right, bottom, top); a Value that f gives counts as its number."""
    left, right, bottom, top = extent
    xs, ys = _spread(left, right, points), _spread(bottom, top, points)
    heights = [[_score(f(x, y)) for x in xs] for y in ys]
    axis.contourf(xs, ys, heights, levels, cmap=RISING, alpha=0.8)
    axis.contour(xs, ys, heights, levels, colors=COLOURS["soft"], linewidths=0.5, linestyles="solid")
    axis.grid(False)


def plot_boundary(
    axis: Any,
    predict: Callable[[list[list[float]]], Sequence[Any]],
    X: Sequence[Sequence[float]],
    Y: Sequence[int],
    points: int = 50,
) -> None:
    """Two classes in the plane, and what a model says everywhere: orange where its score is above 0, blue below, the
    stronger the surer, and a line at 0.

    predict: takes a list of points and gives a score for each, such as `Trainer.predict`.
    """
    (left, right), (bottom, top) = [(min(column) - 0.4, max(column) + 0.4) for column in zip(*X, strict=True)]
    xs, ys = _spread(left, right, points), _spread(bottom, top, points)
    found = [_score(s) for s in predict([[x, y] for y in ys for x in xs])]
    scores = [found[i * points : (i + 1) * points] for i in range(points)]
    bands = [-1e300, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 1e300]
    from matplotlib.colors import LinearSegmentedColormap

    blue_to_orange = LinearSegmentedColormap.from_list("", [COLOURS["data"], "white", COLOURS["grad"]])
    axis.contourf(xs, ys, scores, bands, colors=blue_to_orange([i / 9 for i in range(10)]), alpha=0.45)
    axis.contour(xs, ys, scores, [0.0], colors=COLOURS["ink"], linewidths=1.2)
    plot_points(axis, X, Y)
    axis.grid(False)


def _spread(first: float, last: float, count: int) -> list[float]:
    """Numbers at equal distances."""
    return [first + (last - first) * i / (count - 1) for i in range(count)]


def _score(output: Any) -> float:
    """The number of a float, a Value, or a list of one of them."""
    number: Any = output[0] if hasattr(output, "__len__") else output
    return float(number.data if hasattr(number, "grad") else number)


def plot_images(
    axes: Any,
    images: Sequence[Sequence[float]],
    titles: Sequence[str] = (),
    *,
    width: int = 8,
    signed: bool = False,
) -> None:
    """An image on each panel, from lists of pixels, row by row. signed: numbers around 0, such as gradients, with one
    scale for all of them; positive ones orange, negative ones violet."""
    largest = max((abs(x) for image in images for x in image), default=1.0) or 1.0
    panels_given = axes if isinstance(axes, Sequence) else [axes]
    for axis, image, title in zip(panels_given, images, [*titles, *[""] * len(images)], strict=False):
        rows = [image[i : i + width] for i in range(0, len(image), width)]
        if signed:
            axis.imshow(rows, cmap=DIVERGING, vmin=-largest, vmax=largest)
        else:
            axis.imshow(rows, cmap="gray_r")
        axis.set_title(title, fontsize=9)
        axis.set(xticks=(), yticks=())


def plot_matrix(
    axis: Any,
    rows: Sequence[Sequence[float]],
    across: Sequence[str] = (),
    down: Sequence[str] = (),
    *,
    digits: int | None = 2,
    signed: bool = False,
) -> None:
    """A matrix as coloured squares, with names across the top and down the side, and the number in each square, with
    so many digits; no numbers if None. signed: numbers around 0."""
    largest = max(abs(x) for row in rows for x in row) or 1.0
    shown = {"cmap": DIVERGING, "vmin": -largest} if signed else {"cmap": RISING, "vmin": 0.0}
    axis.imshow(rows, vmax=largest, **shown)
    axis.set_xticks(range(len(across)), across)
    axis.set_yticks(range(len(down)), down)
    axis.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    axis.grid(False)
    for i, row in enumerate(rows if digits is not None else ()):
        for j, x in enumerate(row):
            ink = "white" if abs(x) > 0.6 * largest else COLOURS["ink"]
            axis.text(j, i, f"{x:.{digits}f}", ha="center", va="center", fontsize=8, color=ink)
