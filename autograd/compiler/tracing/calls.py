"""Calls: a part of a function stands in a graph as one node, `call`, whose results are picked from it.

The graph of the part is recorded once, on placeholders. `back` is the reverse sweep through a call: it takes the
adjoints of the results, and adjoints of the arguments are picked from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...graph import Node
from ...primitives import Primitive, nothing

call = Primitive("call", lambda xs: math.nan, (lambda xs, out: [None] * len(xs),), vectors=(0,))
back = Primitive("back", lambda xs, call: math.nan, (lambda xs, call, out: [None] * len(xs), nothing), vectors=(0,))
pick = Primitive("pick", lambda call, i: math.nan, (nothing, nothing))


class Uncut(BaseException):
    """A function has to be recorded as a whole: its parts cannot stand as calls. No error of a user's."""


class NoPart(BaseException):
    """A function is no part by itself. No error of a user's."""


class Recorded(NamedTuple):
    """A graph on placeholders: those for arguments, and the nodes that are computed, with the leaves below."""

    inputs: list[Any]
    results: list[Any]
    """Nodes and floats; a node may be an input or a leaf."""
    picks: list[Node]
    """The results that are computed, each once."""
    interiors: list[Node]
    leaves: list[Node]
    """Leaves that are no inputs."""

    def resolved(self, arguments: Sequence[Any], picked: Sequence[Any]) -> list[Any]:
        """The results of a call with these arguments."""
        known = {**dict(zip(self.inputs, arguments, strict=True)), **dict(zip(self.picks, picked, strict=True))}
        return [y if type(y) is float or y is None else known.get(y, y) for y in self.results]


@dataclass(eq=False)
class Call:
    """Calls of a part that are made together, or the way back through them.

    A call's node has the common arguments, and after them those of each call in turn; its results are those of each
    call in turn. A way back has the adjoints of each call in turn; its results are the adjoints of common arguments,
    and then those of each call.
    """

    node: Node
    part: Any
    """A `Part`."""
    graph: Recorded
    count: int = 1
    forward: "Call | None" = None
    """Of a way back, the call."""
    gradient: Any = None
    """Of a way back, the `Gradient`."""

    @property
    def results(self) -> int:
        """The count of results."""
        return self.count * len(self.graph.picks) + (0 if self.gradient is None else len(self.gradient.common))


def shares(xs: Sequence[Any], common: int, count: int) -> list[list[Any]]:
    """The entries of each of so many calls, after those that are common to all."""
    each = (len(xs) - common) // count
    return [[*xs[:common], *xs[i : i + each]] for i in range(common, len(xs), each)] if each else [[*xs]] * count
