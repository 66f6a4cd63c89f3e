"""The second door, for those who extend the engine: the record of an operation, the registry, and walks over the
graph."""

from .graph import (
    Node,
    Note,
    Snapshot,
    SnapshotEdge,
    SnapshotNode,
    local_derivatives,
    operands,
    snapshot,
    topological_order,
)
from .primitives import REGISTRY, Primitive, find, primitive

__all__ = [
    "REGISTRY",
    "Node",
    "Note",
    "Primitive",
    "Snapshot",
    "SnapshotEdge",
    "SnapshotNode",
    "find",
    "local_derivatives",
    "operands",
    "primitive",
    "snapshot",
    "topological_order",
]
