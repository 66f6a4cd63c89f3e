"""A misconception, and the changes that it makes: what all parts of the catalogue are written with."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from .battery import Axis
from .engine import Number, Operation, Sweep
from .operations import ORDER

Changes = Callable[[str, Operation], Iterable[Operation]]


class Misconception(NamedTuple):
    """One thing that is often misunderstood, as a small change of a right engine."""

    name: str
    kind: str
    message: str
    """A sentence for a beginner; {where} becomes the operations in which it was found."""
    hint: str
    changes: Changes | None = None
    """The wrong ways to write an operation, of its name and a way without this change."""
    operations: tuple[str, ...] = ORDER
    axis: Axis = "nodes"
    elsewhere: tuple[tuple[Axis, Changes], ...] = ()
    """The same on further axes."""
    sweeps: Callable[[Sweep], Iterable[Sweep]] | None = None
    remark: bool = False
    """Whether right engines of others have it too."""
    together: bool = False
    """Whether it is one only if all its operations have it."""


def each(o: Operation, **changes: Any) -> Operation:
    """The operation with every step changed."""
    return replace(o, steps=tuple(s._replace(**changes) for s in o.steps))


def one(o: Operation, i: int, **changes: Any) -> Operation:
    """The operation with one step changed."""
    return replace(o, steps=tuple(s._replace(**changes) if i == j else s for j, s in enumerate(o.steps)))


def singly(o: Operation, **changes: Any) -> Iterator[Operation]:
    """Every step changed; and if there are two, only the one or only the other."""
    yield each(o, **changes)
    if len(o.steps) > 1:
        for i in range(len(o.steps)):
            yield one(o, i, **changes)


def local(o: Operation, *ways: tuple[Number, ...]) -> Iterator[Operation]:
    """The operation with other local derivatives."""
    for way in ways if len(o.steps) == len(ways[0]) else ():
        yield replace(o, steps=tuple(s._replace(local=f) for s, f in zip(o.steps, way, strict=True)))


def locally(*ways: Number) -> Changes:
    """Another local derivative of an operation on one number."""
    return lambda name, o: local(o, *((way,) for way in ways))


def whole(o: Operation, *ways: tuple[Number | None, ...]) -> Iterator[Operation]:
    """The operation with other contributions; None leaves one as it is."""
    for way in ways if len(o.steps) == len(ways[0]) else ():
        yield replace(o, steps=tuple(s._replace(whole=f) for s, f in zip(o.steps, way, strict=True)))


def field(**changes: Any) -> Changes:
    """Other fields of the operation."""
    return lambda name, o: [replace(o, **changes)]


def fields(*all_changes: dict[str, Any]) -> Changes:
    """Other fields, in several ways."""
    return lambda name, o: [replace(o, **changes) for changes in all_changes]
