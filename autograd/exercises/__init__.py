"""Exercises: checks of a student's own code that say which misconception explains it."""

from .answers import check_answer
from .comparison import Comparison, compare
from .derivatives import check_gradient
from .engines import check_engine
from .grading import grade
from .losses import check_loss
from .modules import check_module
from .numerical import numerical_gradient, plot_step_error
from .optimizers import check_optimizer
from .report import Finding, Report, Task

__all__ = [
    "Comparison",
    "Finding",
    "Report",
    "Task",
    "check_answer",
    "check_engine",
    "check_gradient",
    "check_loss",
    "check_module",
    "check_optimizer",
    "compare",
    "grade",
    "numerical_gradient",
    "plot_step_error",
]
