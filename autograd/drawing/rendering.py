"""A picture as PNG or PDF, from the same SVG, by typst from the extra `draw`."""

from typing import Literal

from .engines import HINT
from .svg import Drawn

PIXELS_PER_INCH = 96
MOST = 64_000_000
PAGE = '#set page(width: auto, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), format: "svg")'


def rendered(picture: Drawn, format: Literal["png", "pdf"], scale: float) -> bytes:
    """The picture in the format "png", `scale` times as large, or "pdf", which is made of lines. Raises ImportError
    without typst, and ValueError for more than 64 million pixels."""
    pixels = picture.width * picture.height * scale * scale
    if format == "png" and pixels > MOST:
        raise ValueError(
            f"the picture would have {pixels / 1e6:,.0f} million pixels, and at most {MOST // 1_000_000} million are "
            f"drawn; take a smaller scale=, collapse, or svg"
        )
    try:
        import typst
    except ImportError:
        raise ImportError(f"{format} of a picture needs typst: {HINT}; svg needs nothing") from None
    inputs = {"svg": picture.svg}
    return typst.compile(PAGE.encode(), format=format, ppi=PIXELS_PER_INCH * scale, sys_inputs=inputs)
