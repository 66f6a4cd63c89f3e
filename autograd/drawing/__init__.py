"""Looking at a graph. Everything here reads a `Snapshot` and nothing else."""

from .digraph import draw_dot
from .notebook import mimebundle
from .table import table

__all__ = ["draw_dot", "mimebundle", "table"]
