"""Animations of the course: frames drawn by matplotlib, in one page that plays them and asks for nothing."""

import base64
import html
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nn.showing import image, png

from ..drawing.assets import asset, framed, script_hash
from ..drawing.looks import PAGE_STYLE
from ..files import write_file
from .pictures import panels

LARGEST = 1_000_000
"""Bytes of a page."""
INKS = 128
"""Colours of a frame, chosen so that rare ones are kept: enough for lines and text, and half of the bytes."""


class Animation:
    """Frames that a notebook plays, with a slider; before it is played, and where nothing can be, the last one is seen.
    `save("film.html")` writes the page.
    """

    def __init__(self, frames: list[bytes], alt: str, seconds: float, size: tuple[int, int]) -> None:
        self.frames, self.alt, self.seconds, self.size = frames, alt, seconds, size

    @property
    def html(self) -> str:
        """The page that plays the frames, one file that needs nothing else."""
        code = asset("animation.js", __package__)
        data = json.dumps([base64.b64encode(frame).decode() for frame in self.frames])
        return asset("animation.html", __package__).format(
            script_hash=script_hash(code),
            style=PAGE_STYLE,
            alt=html.escape(self.alt),
            last=base64.b64encode(self.frames[-1]).decode(),
            width=self.size[0],
            height=self.size[1],
            count=len(self.frames) - 1,
            seconds=self.seconds,
            data=data,
            script=code,
        )

    def save(self, path: str | Path) -> Path:
        """Writes the page, whole or not at all; returns the path. Raises OSError where that cannot be done."""
        write_file(Path(path), self.html.encode())
        return Path(path)

    def __repr__(self) -> str:
        return f"<animation of {len(self.frames)} frames: {self.alt}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {
            "text/html": framed(self.alt, self.html, self.size[1] + 70, image(self.frames[-1], self.alt)),
            "image/png": base64.b64encode(self.frames[-1]).decode(),
            "text/plain": repr(self),
        }


def animate(
    draw: Callable[[Any, Any], None],
    frames: Iterable[Any],
    *,
    alt: str,
    columns: int = 1,
    size: tuple[float, float] = (4.4, 3.4),
    seconds: float = 0.2,
) -> Animation:
    """An animation: for each of `frames`, `draw(axes, frame)` draws on panels that are empty again.

    axes: one panel, or a list of them if there are several columns. frames: at least two, of any kind. alt: what is
    seen, in words. seconds: how long a frame is shown. Raises ValueError for fewer frames, and for a page above 1 MB;
    ImportError without matplotlib.
    """
    drawn, axes = panels(columns, alt=alt, size=size)
    pictures: list[bytes] = []
    for frame in frames:
        for added in (*drawn.axes[columns:], *drawn.texts):  # by the frame before
            added.remove()
        for axis in drawn.axes:
            axis.clear()
            axis.grid(alpha=0.3)
        draw(axes, frame)
        pictures.append(_small(png(drawn, 90)))
    if len(pictures) < 2:
        raise ValueError(f"animate expected at least two frames, got {len(pictures)}")
    width, height = (round(90 * inches) for inches in drawn.get_size_inches())
    film = Animation(pictures, alt, seconds, (width, height))
    if len(film.html) > LARGEST:
        raise ValueError(
            f"an animation is at most 1 MB, and these {len(pictures)} frames are {len(film.html) / 1e6:.1f} MB; draw "
            f"fewer frames, or smaller ones by size=(3, 2.5)"
        )
    return film


def _small(picture: bytes) -> bytes:
    from PIL import Image

    content, full = io.BytesIO(), Image.open(io.BytesIO(picture)).convert("RGB")
    full.quantize(INKS, Image.Quantize.MAXCOVERAGE).save(content, format="PNG", optimize=True)
    return content.getvalue()
