"""The files of the pages: templates, and JavaScript as one module."""

import base64
import hashlib
import html
import re
from functools import cache
from importlib.resources import files


@cache
def asset(name: str, package: str = "autograd.drawing") -> str:
    """A file in the folder of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """A script and what it imports, as one module without imports and types."""
    parts = "".join(map(asset, ("elements.js", *names)))
    return re.sub(r"/\*\*.*?\*/\s*", "", re.sub(r"^import .*\n", "", parts, flags=re.MULTILINE), flags=re.DOTALL)


def script_hash(code: str) -> str:
    """The digest of a script, as the policy of its page names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def image(svg: str, told: str, wide: bool = False) -> str:
    """A picture as an image of HTML, which also survives where a notebook is opened without being trusted. told: the
    picture in words. A wide one is scrolled rather than made smaller."""
    source = base64.b64encode(svg.encode()).decode()
    found = f'<img alt="{html.escape(told)}" src="data:image/svg+xml;base64,{source}"'
    if not wide:
        return f'{found} style="max-width:100%"/>'
    scrolled = 'style="overflow-x:auto" tabindex="0" role="group" aria-label="wide picture"'
    return f'<div {scrolled}>{found} style="max-width:none"/></div>'


def framed(title: str, page: str, height: float, instead: str) -> str:
    """A page in a notebook. One that is not trusted, and GitHub, leave out frames and styles: then what is given
    `instead` is seen, as HTML."""
    look = f'width="100%" height="{min(900, height):.0f}" style="border:0" sandbox="allow-scripts"'
    return (
        f'<div class="autograd-instead">{instead}</div><style>.autograd-instead{{display:none}}</style>'
        f'<iframe title="{html.escape(title)}" {look} srcdoc="{html.escape(page)}"></iframe>'
    )
