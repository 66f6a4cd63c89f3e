"""`compare`: a student's engine and the right numbers, node by node, on an expression of the user's own."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..drawing import draw_dot
from ..foreign import any_snapshot, looks_like_a_node
from ..snapshots import Snapshot
from ..texts import aligned, number_text
from ..value import Value
from .battery import close
from .engines import seen_inside
from .report import Picture, figures


@dataclass
class Comparison:
    """A student's graph with the right numbers beside its own; `print` it, or leave it at the end of a cell."""

    rows: Sequence[tuple[str, str, float, float, float | None, float | None]]
    """For each node, from the result to the inputs: name, operation, its number, the right one, its gradient, the right
    one."""
    pictures: Sequence[Picture] = field(default=(), repr=False)

    @property
    def agrees(self) -> bool:
        """Whether all numbers are right."""
        return not any(map(_differs, self.rows))

    def __str__(self) -> str:
        head = ("", "node", "operation", "your number", "right", "your gradient", "right")
        cells = [head, *(("*" if _differs(row) else "", *row[:2], *map(_text, row[2:])) for row in self.rows)]
        return aligned(cells, "<<<>>>>")

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        table = f"<pre>{html.escape(str(self))}</pre>"
        return table + figures(self.pictures)


def _text(x: float | None) -> str:
    return "" if x is None else number_text(x, 6)


def _differs(row: tuple[str, str, float, float, float | None, float | None]) -> bool:
    _, _, data, right_data, slope, right = row
    return not close(data, right_data) or (right is not None and not close(slope or 0.0, right))


def compare(StudentValue: Callable[[float], Any], f: Callable[..., Any], inputs: Mapping[str, float]) -> Comparison:
    """A student's engine and the right numbers on one expression, node by node.

    StudentValue: their class. f: takes a node for each input by its name, and gives one: `lambda a, b: a * b + a`.
    inputs: a number for each name. Raises what the student's code raises, and TypeError for a class whose graph cannot
    be read.

    >>> from autograd import Value
    >>> from autograd.exercises import compare
    >>> compare(Value, lambda a, b: a * b + a, {"a": 2.0, "b": -3.0}).agrees
    True
    """
    theirs = {name: StudentValue(x) for name, x in inputs.items()}
    ours = {name: Value(x) for name, x in inputs.items()}
    root, right = f(**theirs), f(**ours)
    root.backward()
    right.backward()
    adapter = None if isinstance(root, Value) or looks_like_a_node(root) else seen_inside
    graph, _ = any_snapshot(root, theirs, adapter=adapter)
    pictures = [
        ("your graph", draw_dot(root, names=theirs, adapter=adapter).svg),
        ("the right one", draw_dot(right, names=ours).svg),
    ]
    rows = _rows(graph, right, {name: x.grad for name, x in ours.items()})
    return Comparison(rows, pictures)


def _rows(graph: Snapshot, right: Value, leaves: Mapping[str, float]) -> list[Any]:
    rows = []
    for i in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[i]
        if node.role == "constant":
            continue
        name = node.label or node.name
        root = i == len(graph.nodes) - 1
        expected = node.data if node.expected is None else node.expected
        expected = right.data if root else expected
        slope = leaves.get(name, 1.0 if root else node.right)
        rows.append((name or "result", node.symbol, node.data, expected, node.grad, slope))
    return rows
