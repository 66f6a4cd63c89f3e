"""The catalogue: every misconception about an engine, its sentence, its hint, and the line that it exchanges."""

from .about_derivatives import DERIVATIVES
from .about_flow import FLOW
from .about_python import PYTHON

CATALOGUE = (*FLOW, *DERIVATIVES, *PYTHON)
NAMED = {m.name: m for m in CATALOGUE}
assert len(NAMED) == len(CATALOGUE)
