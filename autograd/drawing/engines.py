"""Graphviz's engine, for pictures in its own look: `dot`, else `graphviz-pure` from the extra `draw`."""

import shutil
import sysconfig
from pathlib import Path

import graphviz.backend.dot_command

HINT = "pip install 'scalar-autograd[draw]'"


def use_dot() -> str:
    """Makes `graphviz` run `dot` or, where there is none, `graphviz-pure`; tells which it is, "" if neither is here."""
    if shutil.which("dot"):
        graphviz.backend.dot_command.DOT_BINARY = Path("dot")
        return "dot"
    beside = Path(sysconfig.get_path("scripts")) / "graphviz-pure"
    engine = shutil.which("graphviz-pure") or shutil.which(beside)
    if engine:
        graphviz.backend.dot_command.DOT_BINARY = Path(engine)
    return "graphviz-pure" if engine else ""
