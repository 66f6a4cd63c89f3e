"""Guards: products that must not carry nan or inf to where nothing flows.

A sweep over numbers passes by the nodes that nothing flows to. A recorded sweep cannot; there flows -0.0, which adds
nothing to a sum. But times inf or nan it makes nan. So each node has the condition on which something flows to it, and
where the other factor may be inf or nan the product is chosen by that condition.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ... import ops
from ...floats import is_node
from ...graph import Node, operands, topological_order
from ...primitives import TABLE, Primitive, nothing
from .calls import back, pick

HIDING = {ops.greater, ops.greater_equal, ops.equal, ops.where, ops.pow, ops.hypot, ops.gather}
"""Primitives that can hide nan: an operand is nan, the result a number. Operations of a user's own count as such."""
stopped = Primitive("detach", lambda x: x, (nothing,))
"""x, through which nothing flows."""
Condition = Any
"""True, or a Value that is not 0 where something flows; False for a condition that nobody will ask for."""


class Chosen(NamedTuple):
    """A partial that is one of two."""

    condition: Any
    a: Any
    b: Any


@dataclass
class Guards:
    """The products that are guarded against what must not flow.

    doubtful: the leaves whose numbers may be inf or nan; None if any number may be. signs: whether the sign of a zero
    matters, for which products with finite numbers are guarded too, but for those within sums of products. last:
    whether gradients are not differentiated again.
    """

    doubtful: Collection[Node] | None = None
    signs: bool = True
    last: bool = False
    skipped: list[Node] = field(default_factory=list)
    """Products that were left without a guard. If numbers overflow there, they are nan where they should not."""


def surfaces(outputs: Sequence[Any], skipped: Sequence[Node]) -> bool:
    """Whether nan in one of these nodes comes out as nan wherever it matters: nothing computed from it is compared."""
    tainted = set(skipped)
    for node in topological_order(*[y for y in outputs if is_node(y)])[1] if tainted else ():
        xs = operands(node)
        if not tainted.isdisjoint(xs):
            assert node.primitive is not None
            power = node.primitive is ops.pow and type(xs[1]) is float and xs[1] != 0.0
            choice = node.primitive is ops.where and xs[0] not in tainted
            foreign = node.primitive.module != TABLE and node.primitive not in (stopped, back, pick)
            if foreign or (node.primitive in HIDING and not power and not choice):
                return False
            tainted.add(node)
    return True


class Reach:
    """For each node the condition on which something flows to it."""

    def __init__(self, tracked: bool) -> None:
        self.tracked = tracked
        self._found: dict[Node, Any] = {}  # True, False, or a list of conditions of which one is enough
        self._made: dict[Any, Any] = {}

    def arrive(self, node: Node, condition: Condition) -> None:
        """Something flows to the node on this condition too."""
        before = self._found.get(node)
        if before is True or condition is True:
            self._found[node] = True
        elif condition is False:
            self._found[node] = False
        elif before is None:
            self._found[node] = [condition]
        else:
            before.append(condition)

    def of(self, node: Node) -> Condition:
        """All users of the node have been looked at before."""
        found = self._found.get(node, True)
        if type(found) is list:
            conditions = tuple(dict.fromkeys(found))
            if (result := self._made.get(conditions)) is None:
                result = conditions[0]
                for condition in conditions[1:]:
                    result = ops.where(result, 1.0, condition)
                self._made[conditions] = result
            self._found[node] = [result]
            return result
        return found

    def both(self, a: Condition, b: Condition) -> Condition:
        """The condition that both hold."""
        if a is True or b is True:
            return b if a is True else a
        if not self.tracked:
            return False
        if (result := self._made.get((a, b, "both"))) is None:
            self._made[a, b, "both"] = result = ops.where(a, b, 0.0)
        return result
