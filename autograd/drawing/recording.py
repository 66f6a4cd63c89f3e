"""Both passes of a graph, step by step, as plain data: what the page plays, a terminal prints, and anybody may read.

The format, version 1. Numbers are JSON's; those it does not have are the strings "nan", "inf" and "-inf".

    format    "autograd recording"
    version   1
    root      name of the root
    formula   the root as one formula of the leaves and of what has a label
    scale     the largest size of a gradient at any step, at least 1: frames are drawn against it
    nodes     operands before users; the last is the root. An edge or a step says which by its index.
        role        "leaf", "parameter", "operation" or "constant"
        name, symbol, data, text      text: `data` as it is shown
        module, line                  where it was made, if that is known, else ""
        does                          what an operation does with the gradient that reaches it
        math                          an operation written with its operands' names
    edges     one for each use of an operand
        source, target, position      operand, user, and which operand it is, from 0
        local, text                   derivative of target by source; null where nothing flows
        rule                          the formula that gave it, if that says more than the number
    steps     phase, say (a sentence), math, text (the same as one line) and
        "start"     leaves hold their numbers
        "forward"   node, shown: its number
        "seed"      node, shown: the root's gradient, 1
        "backward"  edge, upstream, local, contribution = upstream x local, before (null if nothing has arrived at the
                    operand yet), after, shown: `after` as text. Where nothing flows local and contribution are null.
        "end"       every gradient is there; it is 0 where nothing has arrived

`math` and `rule` are MathML as nested lists: [tag, child, ...], where a tag may carry a class: "mrow.grad".
"""

import json
import math
from collections import Counter
from typing import Any

from ..explaining import role
from ..formulas import derivative, factor, marked, name, number, operation, partial, row
from ..snapshots import Flow, Formula, Snapshot, SnapshotEdge, reverse_sweep
from ..texts import number_text, one_line, symbol
from .cards import compared

VERSION = 1
SHORT, LONGEST, MOST = 32, 200, 90
"""Characters of a name in a sentence, and of what a person wrote anywhere."""


def record(graph: Snapshot) -> dict[str, Any]:
    """The recording of a snapshot that has formulas. It makes a sweep of its own."""
    flows = reverse_sweep(graph)
    operands: list[list[SnapshotEdge]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        operands[edge.target].append(edge)
    sizes = [abs(flow.after) for flow in flows if flow.after is not None and math.isfinite(flow.after)]
    place = {(edge.target, edge.position): i for i, edge in enumerate(graph.edges)}
    root = graph.nodes[-1].name
    steps = [
        _step("start", "The leaves hold their numbers. Going forward, every operation computes its own from them."),
        *(_forward(graph, i, operands[i]) for i, node in enumerate(graph.nodes) if node.role == "operation"),
        _step(
            "seed",
            f"Backward begins at the root: the gradient of {_short(root)} by itself is 1.",
            row(derivative(root, root), " = ", marked(number(1.0), "grad")),
            node=len(graph.nodes) - 1,
            shown="1",
        ),
    ]
    uses = Counter(flow.edge.source for flow in flows if flow.contribution is not None)
    seen: Counter[int] = Counter()
    for flow in flows:
        seen[flow.edge.source] += flow.contribution is not None
        more = uses[flow.edge.source] - seen[flow.edge.source]
        steps.append(
            _backward(graph, flow, more, operands[flow.edge.target])
            | {"edge": place[flow.edge.target, flow.edge.position]}
        )
    steps.append(
        _step(
            "end",
            " ".join([f"Done: every node knows how {_short(root)} changes when it does.", *compared(graph)]),
        )
    )
    return {
        "format": "autograd recording",
        "version": VERSION,
        "root": one_line(root, LONGEST),
        "formula": expression(graph),
        "scale": max([1.0, *sizes]),
        "nodes": [_node(graph, i, operands[i]) for i in range(len(graph.nodes))],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "position": edge.position,
                "local": _json(edge.local),
                "text": "" if edge.local is None else number_text(edge.local),
                "rule": rule and rule.mathml,
            }
            for edge in graph.edges
            for rule in [_rule(graph, edge, operands[edge.target])]
        ],
        "steps": steps,
    }


def expression(graph: Snapshot) -> str:
    """The root as one formula, in which nodes that nobody gave a name are written out, unless they are long."""
    operands: list[list[SnapshotEdge]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        operands[edge.target].append(edge)
    formulas: list[Formula] = []
    for i, node in enumerate(graph.nodes):
        written = None
        if operands[i] and node.primitive and (not node.label or i == len(graph.nodes) - 1):
            written = operation(node.primitive, [formulas[edge.source] for edge in operands[i]])
        short = written is not None and len(written.text) <= MOST
        formulas.append(written if written is not None and short else _named(graph, i))
    root, text = graph.nodes[-1], formulas[-1].text
    return one_line(text if not root.label or text == root.label else f"{root.label} = {text}", LONGEST)


def packed(recording: dict[str, Any]) -> dict[str, Any]:
    """The same for the page: without the lines of text, and with mathematics that occurs more than once written once,
    in the list `pieces`; a number stands for a piece."""
    holders = [*recording["nodes"], *recording["edges"], *recording["steps"]]
    counts: Counter[str] = Counter()
    waiting = [holder[key] for holder in holders for key in ("math", "rule") if holder.get(key)]
    while waiting:
        part = waiting.pop()
        counts[json.dumps(part)] += 1
        waiting += [child for child in part if isinstance(child, list)]
    places: dict[str, int] = {}
    pieces: list[Any] = []

    def pack(part: Any) -> Any:
        if not isinstance(part, list):
            return part
        key = json.dumps(part)
        if key not in places:
            whole = [pack(child) for child in part]
            if counts[key] < 2 or len(key) < 16:
                return whole
            places[key] = len(pieces)
            pieces.append(whole)
        return places[key]

    def slim(holder: dict[str, Any], without: str = "") -> dict[str, Any]:
        return {key: pack(x) if key in ("math", "rule") else x for key, x in holder.items() if key != without}

    return {
        **recording,
        "nodes": [slim(node) for node in recording["nodes"]],
        "edges": [slim(edge) for edge in recording["edges"]],
        "steps": [slim(step, "text") for step in recording["steps"]],
        "pieces": pieces,
    }


def text(recording: dict[str, Any]) -> str:
    """The steps as lines, for a terminal."""
    lines = [(str(n), step["phase"], step["text"] or step["say"]) for n, step in enumerate(recording["steps"])]
    wide = len(lines[-1][0])
    return "\n".join(f"{n:>{wide}}  {phase:8}  {line}" for n, phase, line in lines)


def _step(phase: str, say: str, math: Formula | None = None, **fields: Any) -> dict[str, Any]:
    return {"phase": phase, "say": say, "math": math and math.mathml, "text": math.text if math else "", **fields}


def _node(graph: Snapshot, i: int, operands: list[SnapshotEdge]) -> dict[str, Any]:
    node = graph.nodes[i]
    written = operation(node.primitive, [_named(graph, edge.source) for edge in operands]) if operands else None
    return {
        "role": node.role,
        "name": one_line(node.name, LONGEST),
        "symbol": symbol(node.symbol),
        "data": _json(node.data),
        "text": number_text(node.data),
        "module": one_line(node.module, LONGEST),
        "line": one_line(node.line, LONGEST),
        "does": role(graph, operands) if operands else "",
        "math": written and written.mathml,
    }


def _named(graph: Snapshot, i: int) -> Formula:
    node = graph.nodes[i]
    return number(node.data) if node.role == "constant" else name(node.name)


def _short(label: str) -> str:
    return one_line(label, SHORT)


def _forward(graph: Snapshot, i: int, operands: list[SnapshotEdge]) -> dict[str, Any]:
    node = graph.nodes[i]
    written = operation(node.primitive, [_named(graph, edge.source) for edge in operands])
    numbers = operation(node.primitive, [number(graph.nodes[edge.source].data) for edge in operands])
    found = marked(number(node.data), "data")
    shown = [written, numbers if numbers and numbers.text != number_text(node.data) else None]
    parts = [part for formula in shown if formula for part in (" = ", formula)]
    called = [_short(graph.nodes[e.source].name) or number_text(graph.nodes[e.source].data) for e in operands]
    listed = called if len(called) <= 6 else [*called[:5], f"{len(called) - 5} more"]
    say = f"Forward: {_short(node.name)} is computed from {_and(listed)}."
    return _step("forward", say, row(name(node.name), *parts, " = ", found), node=i, shown=number_text(node.data))


def _and(items: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def _backward(graph: Snapshot, flow: Flow, more: int, operands: list[SnapshotEdge]) -> dict[str, Any]:
    edge, upstream, contribution, before, after = flow
    root, user, operand = graph.nodes[-1].name, graph.nodes[edge.target].name, graph.nodes[edge.source].name
    fields = {
        "upstream": _json(upstream),
        "local": _json(edge.local),
        "contribution": _json(contribution),
        "before": _json(before),
        "after": _json(after),
        "shown": "" if after is None else number_text(after),
    }
    if contribution is None or edge.local is None or after is None:
        say = f"{_short(user)} hands nothing to {_short(operand)}: along this edge its slope is 0 here."
        return _step("backward", say, None, **fields)
    say = f"Backward: {_short(user)} hands its gradient, times its slope along this edge, to {_short(operand)}."
    if before is not None:
        say = f"{say} {_short(operand)} is used more than once, so this is added to what is there."
    elif more:
        say = f"{say} {_short(operand)} is used {more + 1} times; the rest will be added."
    symbols: list[Formula | str] = [
        marked(derivative(root, user), "grad", "upstream"),
        " · ",
        marked(_local(graph, edge, operands), "local", "local"),
    ]
    numbers: list[Formula | str] = [marked(factor(upstream), "grad"), " × ", marked(factor(edge.local), "local")]
    result: list[Formula | str] = [" = ", marked(number(contribution), "grad")]
    if before is not None:
        result += [";  ", marked(number(before), "grad"), " + ", marked(factor(contribution), "grad"), " = "]
        result.append(marked(number(after), "grad"))
    if more:
        result.append(Formula(" so far", r"\ \text{so far}", ["mtext", " so far"]))
    equals = " += " if before is not None or more else " = "
    equation = row(derivative(root, operand), equals, *symbols, " = ", *numbers, *result)
    step = _step("backward", say, equation, **fields)
    if rule := _rule(graph, edge, operands):
        step["text"] += f", where {rule.text}"
    return step


def _rule(graph: Snapshot, edge: SnapshotEdge, operands: list[SnapshotEdge]) -> Formula | None:
    """The local derivative as its formula, where that says more than the number."""
    if edge.local is None or edge.formula is None or edge.formula.text == number_text(edge.local):
        return None
    return row(_local(graph, edge, operands), " = ", edge.formula)


def _local(graph: Snapshot, edge: SnapshotEdge, operands: list[SnapshotEdge]) -> Formula:
    """∂user/∂operand; where that stands there more than once, with which of the operands it is."""
    symbol = partial(graph.nodes[edge.target].name, graph.nodes[edge.source].name)
    which = Formula(f" (operand {edge.position + 1})", "", ["mtext", f" operand {edge.position + 1}"])
    return row(symbol, which, level=symbol.level) if sum(e.source == edge.source for e in operands) > 1 else symbol


def _json(x: float | None) -> float | str | None:
    return x if x is None or math.isfinite(x) else str(x)
