"""The second door, for those who extend the engine: the record of an operation, the registry, and walks over the
graph."""

from .graph import Node, Note, local_derivatives, operands, topological_order
from .primitives import REGISTRY, Primitive, find, primitive
from .snapshots import Snapshot, SnapshotEdge, SnapshotNode, snapshot

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
