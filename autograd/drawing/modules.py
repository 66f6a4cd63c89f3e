"""The modules of a graph: which node belongs to which, and so onto which card."""

import itertools
from collections import Counter
from collections.abc import Collection, Hashable, Sequence

from ..snapshots import Snapshot, SnapshotEdge, levels

MODULES = 16
"""Modules that are drawn in the place of the one that they are in, such as the neurons of a small network."""
LOOSE = 12
"""Operations of an opened module that stay single."""

Key = tuple[Hashable, ...]
"""The key of a card: ("node", i), ("open", i), which stays alone, ("module", path), ("level", ...), ..."""


def inputs_of(graph: Snapshot) -> list[list[SnapshotEdge]]:
    """The edges that come into each node."""
    inputs: list[list[SnapshotEdge]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        inputs[edge.target].append(edge)
    return inputs


def homes(graph: Snapshot) -> list[str]:
    """The module that each node belongs to: the one in which all are that use it, "" if there is none.

    An input belongs to nobody; a number does if it is an operand of one operation with at most two.
    """
    result = [node.module for node in graph.nodes]
    users: list[set[str]] = [set() for _ in graph.nodes]
    uses = [0] * len(graph.nodes)
    inputs = inputs_of(graph)
    for i in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[i]
        if not result[i] and users[i] and (node.role == "operation" or (node.role == "constant" and uses[i] == 1)):
            result[i] = _around(users[i])
        for edge in inputs[i]:
            if graph.nodes[edge.source].role != "constant" or len(inputs[i]) <= 2:
                users[edge.source].add(result[i])
                uses[edge.source] += 1
    return result


def _around(paths: Collection[str]) -> str:
    """The path of the module that all these are in."""
    if len(paths) == 1:
        return next(iter(paths))
    names = zip(*map(levels, paths), strict=False)
    return ".".join(name for name, *others in itertools.takewhile(lambda x: len({*x}) == 1, names))


def by_module(graph: Snapshot, depth: int | None, expand: Collection[str]) -> list[Key]:
    """The modules down to `depth` on a card each, but those in `expand`; None: the first depth with several modules."""
    paths = {home: levels(home) for home in {*homes(graph)} if home}
    if depth is None:
        shared = 0
        for names in zip(*paths.values(), strict=False):
            if len({*names}) > 1:
                break
            shared += 1
        depth = shared + 1
        while len(deeper := {tuple(parts[: depth + 1]) for parts in paths.values()}) <= MODULES and any(
            len(parts) > depth for parts in deeper
        ):
            depth += 1
    opened = {*expand}
    for path in expand:  # what is alone in an opened module is opened with it
        inside = [parts for parts in paths.values() if f"{'.'.join(parts)}.".startswith(f"{path}.")]
        for level in range(len(levels(path)) + 1, max(map(len, inside), default=0) + 1):
            if len(children := {".".join(parts[:level]) for parts in inside}) == 1:
                opened |= children
    parameters = {node.module for node in graph.nodes if node.role == "parameter"}
    keys: dict[str, Key] = {"": ("node",)}
    for home, parts in paths.items():
        end = depth
        while end < len(parts) and ".".join(parts[:end]) in opened:
            end += 1
        path = ".".join(parts[:end])
        alone = path in parameters and ".".join(parts[: end - 1]) in opened
        keys[home] = ("open",) if path in opened or alone else ("module", path)
    where = homes(graph)
    own = Counter(where[i] for i, node in enumerate(graph.nodes) if node.role == "operation")
    found: list[Key] = []
    for i, home in enumerate(where):
        key = keys[home]
        if key[0] == "open" and own[home] > LOOSE:
            key = ("node", home)
        found.append(key if key[0] == "module" else (*key, i))
    return found


def numbers_to_their_users(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """Plain numbers that one module alone uses, and that are not all that comes into it, on its card."""
    users: dict[int, set[Key]] = {}
    others: set[Key] = set()
    for edge in graph.edges:
        source, target = keys[edge.source], keys[edge.target]
        if graph.nodes[edge.source].role == "constant":
            users.setdefault(edge.source, set()).add(target)
        elif source != target:
            others.add(target)
    result = list(keys)
    for i, found in users.items():
        if len(found) == 1 and keys[i][0] == "node" and (user := next(iter(found)))[0] == "module" and user in others:
            result[i] = user
    return result
