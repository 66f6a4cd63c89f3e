"""Large graphs on few cards: by module path first, then by repeated structure. And `dot` taken apart.

Whatever is put on one card, the cards still form a graph without cycles, so that it can be laid out.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ..foreign import parted
from ..formulas import number
from ..snapshots import Snapshot, SnapshotEdge, SnapshotNode, levels
from ..texts import number_text, one_line, symbol
from .cards import Card, Diagram, Highlight, Row, arrows, card, compared, faded, notes, plain
from .modules import Key, by_module, inputs_of, numbers_to_their_users

LIMIT, LIMIT_OF_MODULES = 60, 25
"""Nodes; more are unreadable at the width of a page, and are put together; where there are modules, earlier."""

FEW = 40
"""Cards for what is put together; only what was asked for with `expand` adds to them."""


def unfolded(graph: Snapshot) -> Snapshot:
    """Every `dot` as its products and their sum, which takes the place, the name and the numbers of the `dot`."""
    nodes: list[SnapshotNode] = []
    edges: list[SnapshotEdge] = []
    place: list[int] = []
    inputs = inputs_of(graph)
    for i, node in enumerate(graph.nodes):
        uses = inputs[i]
        if node.primitive == "dot":
            count = len(uses) // 2
            terms: list[int] = []
            for w, x in zip(uses[:count], uses[count : 2 * count], strict=True):
                product = graph.nodes[w.source].data * graph.nodes[x.source].data
                name = f"{node.name}.{len(terms) + 1}"
                terms.append(len(nodes))
                nodes.append(
                    SnapshotNode("operation", "*", product, node.grad, name, "", node.module, node.line, "mul")
                )
                edges += [
                    e._replace(source=place[e.source], target=terms[-1], position=j) for j, e in enumerate((w, x))
                ]
            edges += [SnapshotEdge(term, len(nodes), j, 1.0, number(1.0)) for j, term in enumerate(terms)]
            edges.append(uses[-1]._replace(source=place[uses[-1].source], target=len(nodes), position=count))
            node = node._replace(symbol="+", primitive="sum")
        else:
            edges += [e._replace(source=place[e.source], target=len(nodes)) for e in uses]
        place.append(len(nodes))
        nodes.append(node)
    return Snapshot(tuple(nodes), tuple(edges))


def diagram(
    graph: Snapshot,
    show: Collection[str],
    digits: int,
    collapse: str | int | None,
    expand: Collection[str],
    highlight: Highlight | None,
) -> Diagram:
    """The cards of a snapshot: one for each node, or, where asked for or needed, one for many. Raises ValueError for a
    path to expand that is no module of the graph.
    """
    known = {
        ".".join(parts[:n]) for node in graph.nodes for parts in [levels(node.module)] for n in range(1, len(parts) + 1)
    }
    for path in expand:
        if path != "dot" and path not in known:
            raise ValueError(
                f'expand expected "dot" or the path of a module in the graph, got {path!r}; {_some(known)}'
            )
    if "dot" in expand:
        graph = unfolded(graph)
    parts = [levels(path) for path in expand]  # what is around an opened module is open too
    expand = [".".join(names[:n]) for names in parts for n in range(1, len(names) + 1)]
    limit = LIMIT_OF_MODULES if known else LIMIT
    if not collapse or (collapse == "auto" and len(graph.nodes) <= limit):
        return plain(graph, show, digits, highlight)
    keys = by_module(graph, None if collapse == "auto" else int(collapse), expand)
    if collapse != "auto":
        return _draw(graph, without_cycles(graph, keys), show, digits, highlight)
    keys = numbers_to_their_users(graph, keys)
    if len({*keys}) > FEW:
        keys = by_structure(graph, keys)
    keys = leaves_by_use(graph, without_cycles(graph, keys))
    for simpler in (in_runs, in_bands, leaves_by_role):
        if len({*keys}) > FEW:
            keys = without_cycles(graph, simpler(graph, keys))
            keys = leaves_by_use(graph, keys) if simpler is not leaves_by_role else keys
    return _draw(graph, keys, show, digits, highlight)


def _some(paths: Collection[str]) -> str:
    first = sorted(paths, key=lambda path: (path.count("."), path))[:4]
    return f"there are {', '.join(first)}{', ...' * (len(paths) > 4)}" if first else "there are no modules in it"


# By structure


def by_structure(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """Operations that belong to no module, or to an opened one, by what they are and how far they are from the leaves
    or from the modules before them.

    A run of one operation, such as the additions of a sum, counts as one step, so a repeated structure falls onto the
    same cards however often it is repeated, and whatever its length.
    """
    inputs = inputs_of(graph)
    height = [0] * len(graph.nodes)
    result = list(keys)
    for i, node in enumerate(graph.nodes):
        if node.role == "operation" and keys[i][0] == "node":
            below = (height[e.source] + (graph.nodes[e.source].primitive != node.primitive) for e in inputs[i])
            height[i] = max(below, default=0)
            if i != len(graph.nodes) - 1:
                result[i] = ("level", height[i], node.primitive, *keys[i][1:-1])
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


def leaves_by_role(graph: Snapshot, keys: Sequence[Key]) -> list[Key]:
    """All that is on no card of operations, but for what was opened, on a card for each role."""
    operations = {key for node, key in zip(graph.nodes, keys, strict=True) if node.role == "operation"}
    return [
        key if key in operations or key[0] == "open" else ("leaves", node.role)
        for node, key in zip(graph.nodes, keys, strict=True)
    ]


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
    first: dict[int, int] = {}  # a leaf goes onto the first of the cards that it is used on, and before other cards
    for edge in graph.edges:
        source, target = keys[edge.source], keys[edge.target]
        if graph.nodes[edge.source].role != "operation" and component[source] == component[target]:
            latest = again[edge.target] - (source != target)
            first[edge.source] = min(latest, first.get(edge.source, latest))
    dealt = [(*key, first.get(i, again[i])) if sizes[component[key]] > 1 else key for i, key in enumerate(keys)]
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
    paths = [str(key[1]) if key[0] == "module" else "" for key in members]
    shapes = _shapes(graph, inside, paths)
    used = {edge.source for edge in graph.edges if inside[edge.source] != inside[edge.target]} | {len(keys) - 1}
    drawn = []
    for key, nodes in members.items():
        if len(nodes) == 1:
            drawn.append(card(graph.nodes[nodes[0]], show, digits, nodes[0] == len(keys) - 1))
        else:
            outputs = [graph.nodes[i] for i in nodes if i in used]
            outputs = [node for node in outputs if node.role == "operation"] or outputs
            shape, calls = shapes.get(place[key], ("", 1))
            title = _title(key, [graph.nodes[i] for i in nodes])
            rows = _ranges(outputs, show, min(digits, 3))
            parameters = sum(graph.nodes[i].role == "parameter" for i in nodes)
            counts = {"nodes": len(nodes) if len(outputs) > 1 or key[0] != "module" else 1}
            if key[0] == "module":
                counts |= {"calls": calls, "parameters": parameters if len(outputs) > 1 else 0}
            rows += [Row(name, f"{count:,}", "plain") for name, count in counts.items() if count > 1]
            root = len(keys) - 1 in nodes
            symbol = shape if key[0] == "module" else ""
            path = str(key[1]) if key[0] == "module" else ""
            drawn.append(Card("group", title, symbol, tuple(rows), title, bool(path), root, path=path))
    drawn = _told_apart(graph, drawn, members)
    if (wrong := parted(graph)) is not None:
        drawn[inside[wrong]] = drawn[inside[wrong]]._replace(parted=True)
    lines = [*notes(highlight), *compared(graph)]
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


def _title(key: Key, nodes: Sequence[SnapshotNode]) -> str:
    """The text on a card for several nodes: the module, else the operations, the most frequent first."""
    if key[0] == "module":
        return one_line(str(key[1]), 40)
    if key[0] == "leaves":
        return {"leaf": "inputs", "parameter": "parameters", "constant": "numbers"}[nodes[0].role]
    modules = list(dict.fromkeys(levels(node.module)[0] for node in nodes if node.module))
    symbols = Counter(symbol(node.symbol) for node in nodes if node.symbol)
    names = modules if key[0] == "cycle" and modules else [name for name, _ in symbols.most_common()]
    return one_line(" ".join(names[:4]), 24) + (" …" if len(names) > 4 else "")


def _told_apart(graph: Snapshot, drawn: Sequence[Card], members: Mapping[Key, Sequence[int]]) -> list[Card]:
    """The cards with titles of which no two are alike: parts of a module by the module that is most in it, if they
    share none, and others by numbers."""
    result = list(drawn)
    alike: dict[str, list[int]] = {}
    inside: list[Counter[str]] = []
    for n, (key, nodes) in enumerate(members.items()):
        paths = (levels(graph.nodes[i].module) for i in nodes)
        depth = len(levels(str(key[1]))) if key[0] == "module" else 0
        inside.append(Counter(path[depth] for path in paths if depth and len(path) > depth))
        if drawn[n].role == "group":
            alike.setdefault(drawn[n].title, []).append(n)
    for title, places in alike.items():
        names = [name for n in places for name in inside[n]]
        apart = all(inside[n] for n in places) and len({*names}) == len(names)
        for k, n in enumerate(places if len(places) > 1 else ()):
            new = f"{title}.{inside[n].most_common(1)[0][0]}" if apart else f"{title} ({k + 1})" if k else title
            result[n] = drawn[n]._replace(title=new, tip=new)
    return result


def _shapes(graph: Snapshot, inside: Sequence[int], paths: Sequence[str]) -> dict[int, tuple[str, int]]:
    """For each card how many numbers go in and come out of one call, its own parameters aside, such as `2 → 16`, and
    how many calls there are: the k-th use of a parameter is in the k-th call, and what follows from it as well.

    paths: of the module that each card stands for.
    """
    users: Counter[int] = Counter()
    call = [0] * len(graph.nodes)
    for target, edges in itertools.groupby(graph.edges, key=lambda edge: edge.target):
        for edge in edges:
            if inside[edge.source] == inside[target]:
                if graph.nodes[edge.source].role == "parameter":
                    call[target] = max(call[target], users[edge.source])
                    users[edge.source] += 1
                elif graph.nodes[edge.source].role == "operation":
                    call[target] = max(call[target], call[edge.source])
    ins: dict[tuple[int, int], set[int]] = {}
    outs: dict[tuple[int, int], set[int]] = {(inside[-1], call[-1]): {len(call) - 1}}
    for edge in graph.edges:
        source, target = (inside[edge.source], call[edge.source]), (inside[edge.target], call[edge.target])
        own = f"{graph.nodes[edge.source].module}.".startswith(f"{paths[inside[edge.target]]}.")
        if source != target and not (own and graph.nodes[edge.source].role == "parameter"):
            ins.setdefault(target, set()).add(edge.source)
            outs.setdefault(source, set()).add(edge.source)
    calls: Counter[int] = Counter(place for place, _ in {*ins, *outs})
    return {
        place: (f"{len(ins.get((place, 0), ()))} → {len(outs.get((place, 0), ()))}", count)
        for place, count in calls.items()
    }
