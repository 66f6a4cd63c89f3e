"""The second door, for those who extend the engine: the record of an operation, the registry, and walks over the
graph."""

from .files import write_file
from .floats import as_float
from .foreign import Seen
from .graph import Node, Note, local_derivatives, operands, topological_order
from .modes import is_recording, paused_collector, warn
from .primitives import REGISTRY, Primitive, find, primitive
from .snapshots import Snapshot, SnapshotEdge, SnapshotNode, snapshot
from .value import assign

__all__ = [
    "REGISTRY",
    "Node",
    "Note",
    "Primitive",
    "Seen",
    "Snapshot",
    "SnapshotEdge",
    "SnapshotNode",
    "as_float",
    "assign",
    "find",
    "is_recording",
    "local_derivatives",
    "operands",
    "paused_collector",
    "primitive",
    "snapshot",
    "topological_order",
    "warn",
    "write_file",
]
