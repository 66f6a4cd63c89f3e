"""Numbers that are not known: who answers for them while a graph is recorded that has to hold for any."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from ...graph import Node
from ...modes import Switch, recording, unknown
from ...sweeps import active_path
from .calls import Call
from .flow import Flow, Slopes, check_whole
from .guards import Chosen, Guards, stopped

REFUSED = {
    "data": ("the .data of a Value", "compute with the Value itself"),
    "grad": ("the .grad of a Value", "call gradients(..., create_graph=True)"),
    "gradient": ("a gradient as a number", "call gradients(..., create_graph=True)"),
    "equality": (
        "whether a Value equals another number",
        "write where(equal(v, 1), a, b) in the place of if v == 1, and equal(v, v) of v == v",
    ),
    "truth": ("the truth of a Value", "write where(condition, a, b) in the place of if, maximum(a, b) of max"),
    "number": (
        "the number of a Value",
        "compute with the Value itself, with autograd.sin(v) not math.sin(v), 1 - equal(v, v) not math.isnan(v), and "
        'print it by an f-string not "%f"',
    ),
}
"""Things that cannot be read, each with a remedy."""


class Symbolic(Guards):
    """Answers for numbers that are not known; see `modes.Unknown`. Products are guarded against what must not flow."""

    def refuse(self, what: str) -> NoReturn:
        """Raises TypeError, which says what to write instead."""
        read, instead = REFUSED[what]
        raise TypeError(f"{read} is not known while a function is recorded for all numbers; {instead}")

    def choose(self, condition: Any, a: Any, b: Any) -> Any:
        return Chosen(condition, a, b)

    def stop(self, x: Any) -> Any:
        with recording():
            return stopped(x)

    def pull(self, seeds: Sequence[tuple[Node, Any]], inputs: Sequence[Node], create_graph: bool) -> list[Any]:
        if not create_graph:
            self.refuse("gradient")
        roots = [root for root, _ in seeds]
        check_whole(roots)
        active, path = active_path(roots, inputs)
        return Flow(roots, active, self).pull(seeds, inputs, path)

    def push(self, tangents: Mapping[Any, Any], outputs: Sequence[Node], create_graph: bool) -> list[Any]:
        if not create_graph:
            self.refuse("gradient")
        check_whole(outputs)
        active, path = active_path(outputs, tangents)
        return Flow(outputs, active, self).push(tangents, outputs, path)


def symbolic(
    doubtful: Collection[Node] | None = None, signs: bool = True, last: bool = False, skipped: list[Node] | None = None
) -> Switch:
    """Within `with symbolic():` `.data`, `float`, `bool` and `backward` of a Value raise TypeError, and a comparison
    gives a recorded 0 or 1: so that a graph holds for other numbers too. Formatting and copies still read numbers.
    For the arguments see `Symbolic`.

    >>> from autograd import Value, where
    >>> from autograd.compiler import symbolic
    >>> x = Value(2.0)
    >>> with symbolic():
    ...     y = where(x > 0, x, 0.0)
    ...     z = x if x > 0 else 0.0
    Traceback (most recent call last):
    TypeError: the truth of a Value is not known while a function is recorded for all numbers; write where(...) ...
    """
    return Switch(unknown=Symbolic(doubtful, signs, last, [] if skipped is None else skipped))


def slopes(
    root: Node,
    params: Sequence[Node],
    doubtful: Collection[Node] | None,
    skipped: list[Node],
    calls: Mapping[Node, Call],
) -> Slopes:
    """The derivatives by parameters, of which only the sums over examples are wanted, and not to be differentiated
    again: those by a row of weights as a whole. For the arguments see `Symbolic`. calls: by their nodes."""
    guards = Symbolic(doubtful, signs=False, last=True, skipped=skipped)
    with Switch(unknown=guards), recording():
        active, path = active_path([root], [*params, *[node for node, x in calls.items() if x.part.params]])
        flow = Flow([root], active, guards, set(params), calls)
        return Slopes(flow.pull([(root, 1.0)], params, path), list(flow.rows.values()), flow.open, flow.backs)


def is_symbolic() -> bool:
    """Whether numbers are not known now; see `symbolic`."""
    return unknown() is not None
