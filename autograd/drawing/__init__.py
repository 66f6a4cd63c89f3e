"""Looking at a graph. Pictures and tables are made from a `Snapshot` alone."""

from .digraph import draw_dot
from .notebook import mimebundle
from .tables import table

__all__ = ["draw_dot", "mimebundle", "table"]
