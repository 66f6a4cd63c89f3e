"""The second door, for those who extend the engine: the record of an operation, the registry, and walks over the
graph."""

from .compiler.runtime.batches import listed
from .compiler.tracing.trace import Shortened, ask, assume, name_index
from .compiler.tracing.unknown import is_symbolic, symbolic
from .compiler.tracing.watch import Watched
from .files import write_file
from .floats import as_float
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
    "Shortened",
    "Snapshot",
    "SnapshotEdge",
    "SnapshotNode",
    "Watched",
    "as_float",
    "ask",
    "assign",
    "assume",
    "find",
    "is_recording",
    "is_symbolic",
    "listed",
    "local_derivatives",
    "name_index",
    "operands",
    "paused_collector",
    "primitive",
    "snapshot",
    "symbolic",
    "topological_order",
    "warn",
    "write_file",
]
