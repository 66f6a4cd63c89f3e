"""Exercises: checks of a student's own code that say which misconception explains it."""

from .engines import check_engine
from .report import Finding, Report, Task

__all__ = ["Finding", "Report", "Task", "check_engine"]
