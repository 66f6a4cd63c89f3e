"""Large graphs on few cards: by module path first, then by repeated structure. And `dot` taken apart.

Whatever is put on one card, the cards still form a graph without cycles, so that it can be laid out.
"""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Hashable, Sequence

from ..formulas import number_text, one_line
from ..graph import Snapshot, SnapshotEdge, SnapshotNode
from .cards import SYMBOLS, Card, Diagram, Highlight, Row, arrows, card, faded, notes, plain

LIMIT = 60
"""Nodes; more are unreadable at the width of a page and are put together, on fewer cards than FEW."""

FEW = 40

Key = tuple[Hashable, ...]
"""What a card stands for: ("node", i), ("open", i), which stays alone, ("module", path), ("level", ...), ..."""


def unfolded(graph: Snapshot) -> Snapshot:
    """Every `dot` as its products and their sum, which takes the place, the name and the numbers of the `dot`."""
    nodes: list[SnapshotNode] = []
    edges: list[SnapshotEdge] = []
    place: list[int] = []
    inputs = _inputs(graph)
    for i, node in enumerate(graph.nodes):
        uses = inputs[i]
        if node.primitive == "dot":
            count = len(uses) // 2
            terms: list[int] = []
            for w, x in zip(uses[:count], uses[count : 2 * count], strict=True):
                product = graph.nodes[w.source].data * graph.nodes[x.source].data
                name = f"{node.name}·{len(terms) + 1}"
                terms.append(len(nodes))
                nodes.append(
                    SnapshotNode("operation", "*", product, node.grad, name, "", node.module, node.line, "mul")
                )
                edges += [
                    e._replace(source=place[e.source], target=terms[-1], position=j) for j, e in enumerate((w, x))
                ]
            one = uses[-1]._replace(local=1.0)
            sources = [*terms, place[one.source]]
            locals_ = [1.0] * count + [uses[-1].local]
            edges += [
                one._replace(source=source, target=len(nodes), position=j, local=local)
                for j, (source, local) in enumerate(zip(sources, locals_, strict=True))
            ]
            node = node._replace(symbol="+", primitive="sum")
        else:
            edges += [e._replace(source=place[e.source], target=len(nodes)) for e in uses]
        place.append(len(nodes))
        nodes.append(node)
    return Snapshot(tuple(nodes), tuple(edges))


def _inputs(graph: Snapshot) -> list[list[SnapshotEdge]]:
    inputs: list[list[SnapshotEdge]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        inputs[edge.target].append(edge)
    return inputs


def diagram(
    graph: Snapshot,
    show: Collection[str],
    digits: int,
    collapse: str | int | None,
    expand: Collection[str],
    highlight: Highlight | None,
) -> Diagram:
    """The cards of a snapshot: one for each node, or, where asked for or needed, one for many."""
    if "dot" in expand:
        graph = unfolded(graph)
    if not collapse or (collapse == "auto" and len(graph.nodes) <= LIMIT):
        return plain(graph, show, digits, highlight)
    keys = by_module(graph, None if collapse == "auto" else int(collapse), expand)
    if collapse != "auto":
        return _draw(graph, without_cycles(graph, keys), show, digits, highlight)
    if len({*keys}) > FEW:
        keys = by_structure(graph, keys)
    keys = leaves_by_use(graph, without_cycles(graph, keys))
    for simpler in (in_runs, in_bands):
        if len({*keys}) > FEW:
            keys = leaves_by_use(graph, without_cycles(graph, simpler(graph, keys)))
    return _draw(graph, keys, show, digits, highlight)


# By module


def levels(path: str) -> list[str]:
    """A module path, one entry for each module on it: `layers.0.neurons.2` has two."""
    return re.findall(r"[^.]+(?:\.\d+)*", path)


def homes(graph: Snapshot) -> list[str]:
    """The module that each node belongs to: the nearest one downstream whose output depends on it; "" if none.

    An input belongs to nobody; a number does if it is an operand of one operation with at most two.
    """
    result = [node.module for node in graph.nodes]
    users: list[set[str]] = [set() for _ in graph.nodes]
    uses = [0] * len(graph.nodes)
    inputs = _inputs(graph)
    for i in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[i]
        if (
            not result[i]
            and len(users[i]) == 1
            and (node.role == "operation" or (node.role == "constant" and uses[i] == 1))
        ):
            (result[i],) = users[i]
        for edge in inputs[i]:
            if graph.nodes[edge.source].role != "constant" or len(inputs[i]) <= 2:
                users[edge.source].add(result[i])
                uses[edge.source] += 1
    return result


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
    opened = {*expand}
    for path in expand:  # what is alone in an opened module is opened with it
        inside = [parts for parts in paths.values() if f"{'.'.join(parts)}.".startswith(f"{path}.")]
        for level in range(len(levels(path)) + 1, max(map(len, inside), default=0) + 1):
            if len(children := {".".join(parts[:level]) for parts in inside}) == 1:
                opened |= children
    keys: dict[str, Key] = {"": ("node",)}
    for home, parts in paths.items():
        end = depth
        while end < len(parts) and ".".join(parts[:end]) in opened:
            end += 1
        path = ".".join(parts[:end])
        keys[home] = ("open",) if path in opened else ("module", path)
    found = [keys[home] for home in homes(graph)]
    return [key if key[0] == "module" else (*key, i) for i, key in enumerate(found)]


# By structure


def by_structure(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """Operations that belong to no module, by what they are and how far they are from the leaves.

    A run of one operation, such as the additions of a sum, counts as one step, so a repeated structure falls onto the
    same cards however often it is repeated, and whatever its length.
    """
    inputs = _inputs(graph)
    height = [0] * len(graph.nodes)
    result = list(keys)
    for i, node in enumerate(graph.nodes):
        if node.role == "operation":
            below = (height[e.source] + (graph.nodes[e.source].primitive != node.primitive) for e in inputs[i])
            height[i] = max(below, default=0)
            if keys[i][0] == "node" and i != len(graph.nodes) - 1:
                result[i] = ("level", height[i], node.primitive)
    return result


def leaves_by_use(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """If cards are still many: leaves by which cards use them; a number that only one card of operations uses goes onto
    it."""
    if len({*keys}) <= FEW:
        return list(keys)
    users: list[set[Key]] = [set() for _ in graph.nodes]
    for edge in graph.edges:
        users[edge.source].add(keys[edge.target])
    result = list(keys)
    for i, node in enumerate(graph.nodes):
        if node.role != "operation" and keys[i][0] in ("node", "leaves"):
            user = next(iter(users[i])) if len(users[i]) == 1 else ("",)
            inner = node.role == "constant" and user[0] in ("level", "run", "band")
            result[i] = user if inner else ("leaves", node.role, frozenset(users[i]))
    return result


def without_cycles(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """The same cards, but one that reaches itself through others is dealt out over several: whenever a path enters
    it again, that is another card. Where these are too many, all that are on the cycle become one."""
    component = components(graph, keys)
    sizes = Counter(component.values())
    again = [0] * len(graph.nodes)
    for edge in graph.edges:
        source, target = keys[edge.source], keys[edge.target]
        if component[source] == component[target]:
            again[edge.target] = max(again[edge.target], again[edge.source] + (source != target))
    dealt = [(*key, again[i]) if sizes[component[key]] > 1 else key for i, key in enumerate(keys)]
    owner = {new: component[old] for old, new in zip(keys, dealt, strict=True)}
    cards_of = Counter(owner.values())
    return [
        ("cycle", owner[key]) if sizes[owner[key]] > 1 and cards_of[owner[key]] > FEW // 2 else key for key in dealt
    ]


def in_runs(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """Steps of structure that only follow each other on one card."""
    before, after = _neighbours(graph, keys)
    run: dict[Key, Key] = {}
    for key, previous in before.items():
        if key[0] == "level":
            (only,) = previous if len(previous) == 1 else (key,)
            run[key] = run[only] if only in run and len(after[only]) == 1 else ("run", key)
    return [run.get(key, key) for key in keys]


def in_bands(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """All operations between the leaves and the root on a few cards, by their distance from the leaves."""
    before, _ = _neighbours(graph, keys)
    rank: dict[Key, int] = {}
    for key, previous in before.items():
        rank[key] = max((rank[p] + 1 for p in previous), default=0)
    bands, highest = FEW // 4, max(rank.values(), default=0) + 1
    return [
        ("band", rank[key] * bands // highest) if key in rank and key[0] != "open" and key != keys[-1] else key
        for key in keys
    ]


def _neighbours(graph: Snapshot, keys: Sequence[Key]) -> tuple[dict[Key, set[Key]], dict[Key, set[Key]]]:
    """For each card of operations those before and those after it; cards stand in an order in which users are last."""
    operations = {key for node, key in zip(graph.nodes, keys, strict=True) if node.role == "operation"}
    order = sorted(operations, key=components(graph, keys).__getitem__, reverse=True)
    before: dict[Key, set[Key]] = {key: set() for key in order}
    after: dict[Key, set[Key]] = {key: set() for key in order}
    for edge in graph.edges:
        source, target = keys[edge.source], keys[edge.target]
        if source != target and source in before and target in before:
            before[target].add(source)
            after[source].add(target)
    return before, after


def components(graph: Snapshot, keys: Sequence[Key]) -> dict[Key, int]:
    """The strongly connected components of the graph of cards, numbered: Tarjan's algorithm with a stack of its own."""
    successors: dict[Key, dict[Key, None]] = {key: {} for key in keys}
    for edge in graph.edges:
        if keys[edge.source] != keys[edge.target]:
            successors[keys[edge.source]][keys[edge.target]] = None
    order: dict[Key, int] = {}
    lowest: dict[Key, int] = {}
    component: dict[Key, int] = {}
    waiting: list[Key] = []
    numbers = itertools.count()
    for start in successors:
        stack = [(start, iter(successors[start]))] if start not in order else []
        while stack:
            key, rest = stack[-1]
            if key not in order:
                order[key] = lowest[key] = len(order)
                waiting.append(key)
            for successor in rest:
                if successor not in order:
                    stack.append((successor, iter(successors[successor])))
                    break
                if successor not in component:
                    lowest[key] = min(lowest[key], order[successor])
            else:
                stack.pop()
                if stack:
                    lowest[stack[-1][0]] = min(lowest[stack[-1][0]], lowest[key])
                if lowest[key] == order[key]:
                    number = next(numbers)
                    while key not in component:
                        component[waiting.pop()] = number
    return component


# Cards


def _draw(
    graph: Snapshot, keys: Sequence[Key], show: Collection[str], digits: int, highlight: Highlight | None
) -> Diagram:
    members: dict[Key, list[int]] = {}
    for i, key in enumerate(keys):
        members.setdefault(key, []).append(i)
    place = {key: n for n, key in enumerate(members)}
    inside = [place[key] for key in keys]
    used = {edge.source for edge in graph.edges if inside[edge.source] != inside[edge.target]} | {len(keys) - 1}
    entering: list[set[int]] = [set() for _ in members]
    for edge in graph.edges:
        if inside[edge.source] != inside[edge.target]:
            entering[inside[edge.target]].add(edge.source)
    shapes = _shapes(graph, inside, entering, used)
    drawn = []
    for key, nodes in members.items():
        if len(nodes) == 1:
            drawn.append(card(graph.nodes[nodes[0]], show, digits, nodes[0] == len(keys) - 1))
        else:
            outputs = [graph.nodes[i] for i in nodes if i in used]
            shape, calls = shapes.get(place[key], ("", 1))
            title, symbol = _heading(key, [graph.nodes[i] for i in nodes], shape)
            rows = _ranges(outputs, show, min(digits, 3))
            count = Counter(graph.nodes[i].role for i in nodes)
            if len(outputs) > 1:
                rows.append(Row("nodes", f"{len(nodes):,}", "plain"))
            if key[0] == "module" and calls > 1:
                rows.append(Row("calls", f"{calls:,}", "plain"))
            if key[0] == "module" and count["parameter"] and len(outputs) > 1:
                rows.append(Row("parameters", f"{count['parameter']:,}", "plain"))
            drawn.append(Card("group", title, symbol, tuple(rows), title, key[0] == "module", len(keys) - 1 in nodes))
    lines = list(notes(highlight))
    if len(members) < len(keys):
        modules = [key for key in members if key[0] == "module" and len(members[key]) > 1]
        opening = max(modules, key=lambda key: len(members[key]))[1] if modules else None
        hint = f'; expand=["{one_line(str(opening), 60)}"] opens one' if opening else ""
        lines.append(f"{len(keys):,} nodes on {len(members)} cards{hint}")
    return Diagram(faded(drawn, inside, highlight), arrows(graph, inside, show, digits, highlight), tuple(lines))


def _ranges(outputs: Sequence[SnapshotNode], show: Collection[str], digits: int) -> list[Row]:
    """From the smallest to the largest number that leaves a card."""
    rows = []
    for kind in ("data", "grad"):
        numbers: list[float] = [x for node in outputs if (x := getattr(node, kind)) is not None]
        known = [x for x in numbers if x == x]
        ends = [number_text(x, digits) for x in (min(known), max(known))] if known else []
        if kind in show and numbers:
            ends += ["nan"] * (len(known) < len(numbers))
            rows.append(Row(kind, " … ".join(dict.fromkeys(ends)), kind))
    return rows


def _heading(key: Key, nodes: Sequence[SnapshotNode], shape: str) -> tuple[str, str]:
    """Title and symbol of a card for several nodes."""
    if key[0] == "module":
        return one_line(str(key[1]), 24), shape
    if key[0] == "leaves":
        return {"leaf": "inputs", "parameter": "parameters", "constant": "numbers"}[nodes[0].role], ""
    symbols = Counter(SYMBOLS.get(node.symbol, node.symbol) for node in nodes if node.symbol)
    common = [symbol for symbol, _ in symbols.most_common(4)]
    return one_line(" ".join(common), 18) + (" …" if len(symbols) > 4 else ""), ""


def _shapes(
    graph: Snapshot, inside: Sequence[int], entering: Sequence[set[int]], used: Collection[int]
) -> dict[int, tuple[str, int]]:
    """For each card how many numbers go in and come out of one call, parameters aside, such as `2 → 16`, and how many
    calls there are: parts that no number is shared by, if all can be alike."""
    parent = list(range(len(graph.nodes)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    seen: dict[tuple[int, int], int] = {}  # a card and a source outside: a node on the card that uses it
    for edge in graph.edges:
        if graph.nodes[edge.source].role != "parameter":
            own = inside[edge.target]
            other = edge.source if inside[edge.source] == own else seen.setdefault((own, edge.source), edge.target)
            parent[find(other)] = find(edge.target)
    calls: dict[int, set[int]] = {}
    outputs = Counter(inside[i] for i in used)
    for i, node in enumerate(graph.nodes):
        if node.role == "operation":
            calls.setdefault(inside[i], set()).add(find(i))
    result = {}
    for place, roots in calls.items():
        ins = sum(graph.nodes[i].role != "parameter" for i in entering[place])
        n = len(roots) if ins % len(roots) == outputs[place] % len(roots) == 0 else 1
        result[place] = f"{ins // n} → {outputs[place] // n}", n
    return result
