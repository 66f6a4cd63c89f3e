"""Looking at a graph. Pictures and tables are made from a `Snapshot` alone."""

from .digraph import draw_dot
from .notebook import mimebundle
from .stepper import step_through
from .tables import table

__all__ = ["draw_dot", "mimebundle", "step_through", "table"]
