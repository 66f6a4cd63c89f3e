"""The reasons of a derivative: the chain rule of one root and one leaf, with this graph's own numbers."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .floats import is_node
from .foreign import Adapter, any_snapshot, looks_like_a_node
from .formulas import PRODUCT, derivative, factor, number, partial, partial_formulas, row, tight
from .graph import Node, operands
from .snapshots import Formula, Snapshot, SnapshotEdge, SnapshotNode, reverse_sweep
from .sweeps import active_path
from .texts import aligned, number_text, one_line, symbol

MOST_PATHS = 1000
MOST_ROWS = 60
MOST_TERMS = 8


def role(graph: Snapshot, edges: Sequence[SnapshotEdge]) -> str:
    """A sentence on what an operation does with the gradient that reaches it; `edges` are those from its operands."""
    inner = [e for e in edges if graph.nodes[e.source].role != "constant"]
    taken = [graph.nodes[e.source].name for e in inner if e.local is not None]
    if not taken:
        return "is shut: nothing flows through"
    if len(taken) < len(inner):
        return f"routes the gradient to {one_line(', '.join(taken), 40)} alone"
    if all(e.formula and e.formula.constant for e in inner):
        if {e.local for e in inner} == {1.0}:
            return "hands the gradient on unchanged" + (" to each operand" if len(inner) > 1 else "")
        words = {1.0: "unchanged", -1.0: "with its sign turned"}
        parts = [words.get(e.local or 0.0, f"times {number_text(e.local or 0.0)}") for e in inner]
        to = [f" to {one_line(name, 16)}" if len(inner) > 1 else "" for name in taken]
        return "hands the gradient on " + one_line(", ".join(map("".join, zip(parts, to, strict=True))), 90)
    if len(edges) == len(inner) == 2 and all(e.formula and e.formula.operand == 1 - e.position for e in inner):
        return "swaps: each operand gets the gradient times the other"
    return "scales the gradient by its slope here" + (" for each operand" if len(inner) > 1 else "")


class Term(NamedTuple):
    """One summand of an adjoint: what one use of a node contributes to its derivative."""

    user: int  # the node that uses it
    upstream: float
    local: float | None  # None where nothing flows
    formula: Formula | None
    product: float


class Adjoint(NamedTuple):
    """The derivative of the root by one of the nodes between it and the leaf."""

    node: int
    terms: tuple[Term, ...]  # none for the root, and where no gradient arrives
    total: float
    role: str  # what the node does with the gradient that reaches it


class Path(NamedTuple):
    """One way from the leaf up to the root."""

    nodes: tuple[int, ...]  # from the leaf to the root
    factors: tuple[float, ...]  # the local derivative of each edge on it
    product: float


@dataclass(frozen=True, repr=False)
class Explanation:
    """The reasons of d root / d leaf being `derivative`. Print it, or leave it at the end of a notebook cell.

    adjoints: the chain rule from the root back to the leaf, one entry for each node between. paths: the same as a sum
    over paths, or None if there are more than a thousand; path_count tells how many. verdict: how `leaf.grad`
    compares. Indices are those of `graph.nodes`.
    """

    derivative: float
    adjoints: tuple[Adjoint, ...]
    paths: tuple[Path, ...] | None
    path_count: int
    verdict: str
    graph: Snapshot
    leaf: int

    def _name(self, i: int) -> str:
        return one_line(self.graph.nodes[i].name, 32)

    def _by(self, node: int) -> Formula:
        return derivative(self.graph.nodes[self.adjoints[0].node].name, self.graph.nodes[node].name)

    def _equation(self, adjoint: Adjoint) -> Formula:
        """dL/dp = dL/du · ∂u/∂p + ... = numbers = total, with each ∂u/∂p as its rule."""
        left, total = self._by(adjoint.node), number(adjoint.total)
        terms = [term for term in adjoint.terms if term.local is not None]
        if not terms:
            return row(left, " = ", total)
        rules: list[Formula | str] = []
        numbers: list[Formula | str] = []
        for term in terms[:MOST_TERMS]:
            names = self.graph.nodes[term.user].name, self.graph.nodes[adjoint.node].name
            rule = term.formula or partial(*names)
            rules += [" + ", row(self._by(term.user), " · ", tight(rule, PRODUCT))]
            numbers += [" + ", row(factor(term.upstream), " × ", factor(term.local or 0.0))]
        more = [" + ", "…"] if len(terms) > MOST_TERMS else []
        return row(left, " = ", *rules[1:], *more, " = ", *numbers[1:], *more, " = ", total)

    def _remark(self, adjoint: Adjoint) -> str:
        shown = one_line(symbol(self.graph.nodes[adjoint.node].symbol), 16)
        return f"{self._name(adjoint.node)} ({shown}) {adjoint.role}" if adjoint.role else ""

    def _rows(self) -> list[tuple[str, ...]]:
        return [(self._equation(a).text, self._remark(a)) if a else ("…", "") for a in _cut([*self.adjoints], None)]

    def _ways(self) -> list[tuple[str, ...]]:
        """The largest paths first: route, product, share."""
        ways: list[tuple[str, ...]] = []
        for path in _cut(sorted(self.paths or (), key=lambda path: -abs(path.product)), None):
            if path is None:
                ways.append(("…", "", ""))
                continue
            route = " → ".join(_cut([one_line(self._name(i), 16) for i in path.nodes], "…", 16))
            factors = [part for x in reversed(path.factors) for part in (" × ", factor(x))][1:] or [number(1.0)]
            product = row(*_cut(factors, "…", 32), " = ", number(path.product)).text
            share = path.product / self.derivative if self.derivative else math.nan
            ways.append((route, product, f"{share:.1%}".replace("-", "−") if math.isfinite(share) else ""))
        return ways

    def _texts(self) -> tuple[str, str, str]:
        """The result, and what stands above the two tables."""
        title = f"{self._by(self.leaf).text} = {number_text(self.derivative, 6)}"
        root, leaf = self._name(self.adjoints[0].node), self._name(self.leaf)
        first = f"The chain rule, from {root} back to {leaf}:"
        if self.path_count == 0:
            reason = "every path is shut" if len(self.adjoints) > 1 else f"{root} does not depend on {leaf}"
            return title, first, f"No gradient reaches {leaf}: {reason}."
        if self.paths is None:
            count = str(self.path_count) if self.path_count < 10**15 else "more than 10^15"
            return title, first, f"The same is a sum over {count} paths, too many to list."
        count = "the product along the only path" if self.path_count == 1 else f"a sum over {self.path_count} paths"
        return title, first, f"The same as {count}:"

    def __str__(self) -> str:
        title, first, second = self._texts()
        ways = self._ways()
        parts = [title, f"{first}\n{_indented(self._rows())}", f"{second}\n{_indented(ways)}" if ways else second]
        return "\n\n".join([*parts, self.verdict])

    __repr__ = __str__

    @property
    def latex(self) -> str:
        r"""The chain rule, and the sum over paths, as an `aligned` environment of LaTeX."""
        lines = [
            self._equation(a).latex.replace(" = ", " &= ", 1) if a else r"&\ \vdots"
            for a in _cut([*self.adjoints], None)
        ]
        if self.paths and len(self.paths) > 1:
            terms: list[Formula | str] = [part for p in self.paths for part in (" + ", factor(p.product))][1:]
            total = row(*_cut(terms, "…", 2 * MOST_TERMS), " = ", number(self.derivative)).latex
            lines.append(f"{self._by(self.leaf).latex} &= {total}")
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        title, first, second = (html.escape(text) for text in self._texts())
        tables = f"<p>{first}</p>{_table(self._rows())}<p>{second}</p>{_table(self._ways())}"
        return {
            "text/html": f"<h4>{title}</h4>{tables}<p>{html.escape(self.verdict)}</p>",
            "text/latex": f"$$\n{self.latex}\n$$",
            "text/plain": str(self),
        }


def explain(
    root: Any, leaf: Any, *, names: Mapping[str, Any] | None = None, adapter: Adapter | None = None
) -> Explanation:
    """The reasons of the derivative of `root` by `leaf`: the chain rule of this graph, with its numbers.

    Makes a sweep of its own and changes no number. Shows the recursion of adjoints, each operation's role, for up to
    1,000 paths also the sum over paths with the share of each, and how `leaf.grad` compares. `leaf` may be any node.
    names: labels for Values without one, such as `locals()`; in a notebook its variables.
    adapter: see `draw_dot`, for graphs of other engines.
    Raises TypeError for anything but Values, RuntimeError if a leaf's `.data` was assigned after it was used.

    >>> from autograd import Value, explain
    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> print(explain(a * b + a, a))
    dv2/da = 4
    <BLANKLINE>
    The chain rule, from v2 back to a:
      dv2/dv2 = 1                                       v2 (+) hands the gradient on unchanged to each operand
      dv2/dv1 = dv2/dv2 · 1 = 1 × 1 = 1                 v1 (×) swaps: each operand gets the gradient times the other
      dv2/da = dv2/dv2 · 1 + dv2/dv1 · b = 1 × 1 + 1 × 3 = 4
    <BLANKLINE>
    The same as a sum over 2 paths:
      a → v1 → v2  1 × 3 = 3  75.0%
      a → v2       1 = 1      25.0%
    <BLANKLINE>
    a.grad is 0: no sweep has been run yet from this root; call .backward() on it.
    """
    for x in (root, leaf):
        if not is_node(x) and not looks_like_a_node(x) and adapter is None:
            raise TypeError(f"explain expected two Values, explain(root, leaf), got {type(x).__name__}")
    active = active_path([root], [leaf])[0] if is_node(root) and is_node(leaf) else set()

    def formulas(node: Node, called: Mapping[Node, str]) -> Sequence[Formula | None]:
        return partial_formulas(node, called) if node in active else [None] * len(operands(node))

    graph, index = any_snapshot(root, names, formulas, adapter)
    if leaf not in index:
        found = any_snapshot(leaf, names, None, adapter)[0].nodes[-1]
        other = found._replace(name=found.label or "other")
        graph = Snapshot(
            (other, *graph.nodes), tuple(e._replace(source=e.source + 1, target=e.target + 1) for e in graph.edges)
        )
        last = Adjoint(len(graph.nodes) - 1, (), 1.0, "")
        return Explanation(0.0, (last,), (), 0, _verdict(graph.nodes[-1], other, 0.0, other.name), graph, 0)
    start = index[leaf]
    users: dict[int, list[SnapshotEdge]] = {}
    inputs: dict[int, list[SnapshotEdge]] = {}
    between = {start}
    for edge in graph.edges:
        inputs.setdefault(edge.target, []).append(edge)
        if edge.source in between:
            between.add(edge.target)
            users.setdefault(edge.source, []).append(edge)
    terms: dict[int, list[Term]] = {}
    totals = {len(graph.nodes) - 1: 1.0}
    for edge, upstream, contribution, _, after in reverse_sweep(graph):
        if edge.source in between:
            term = Term(edge.target, upstream, edge.local, edge.formula, contribution or 0.0)
            terms.setdefault(edge.source, []).append(term)
            totals[edge.source] = after or 0.0
    adjoints = tuple(
        Adjoint(i, tuple(terms.get(i, ())), totals.get(i, 0.0), "" if i == start else role(graph, inputs[i]))
        for i in sorted(between, reverse=True)
    )
    total = totals.get(start, 0.0)
    count, paths = _paths(users, start, len(graph.nodes) - 1)
    verdict = _verdict(graph.nodes[-1], graph.nodes[start], total, graph.nodes[start].name)
    return Explanation(total, adjoints, paths, count, verdict, graph, start)


def _paths(users: dict[int, list[SnapshotEdge]], start: int, root: int) -> tuple[int, tuple[Path, ...] | None]:
    """The count of paths that a gradient flows on, and the paths, if they can be listed."""
    ways = {root: 1}
    for i in sorted(users, reverse=True):
        if i != root:
            ways[i] = sum(ways[edge.target] for edge in users[i] if edge.local is not None)
    if ways[start] > MOST_PATHS or ways[start] * len(ways) > 1000 * MOST_PATHS:
        return ways[start], None
    paths = []
    nodes = [start]
    factors: list[float] = []
    branches = [iter(users.get(start, []))]  # for each node of the path so far, the uses not followed yet
    if start == root:
        return 1, (Path((root,), (), 1.0),)
    while branches:
        edge = next(branches[-1], None)
        if edge is None:
            branches.pop()
            nodes.pop()
            if factors:
                factors.pop()
        elif edge.local is not None and ways[edge.target]:
            nodes.append(edge.target)
            factors.append(edge.local)
            branches.append(iter(users.get(edge.target, [])))
            if edge.target == root:
                paths.append(Path(tuple(nodes), tuple(factors), math.prod(reversed(factors))))
    return ways[start], tuple(paths)


def _verdict(root: SnapshotNode, leaf: SnapshotNode, total: float, name: str) -> str:
    """A comparison of `leaf.grad` with the derivative, and the likeliest reason for a difference."""

    def close(a: float, b: float) -> bool:
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (a != a and b != b)

    name, grad, own = one_line(name, 32), leaf.grad or 0.0, root.grad or 0.0
    times = grad / total if total else math.nan
    sweeps = round(times) if math.isfinite(times) else 0
    if close(grad, total):
        reason = "the same."
    elif grad == 0 and own == 0:
        reason = "no sweep has been run yet from this root; call .backward() on it."
    elif grad == 0 and leaf.right is None:
        reason = (
            f"a sweep was run, for the root's .grad is {number_text(own)}; this one was set to 0 since, or cancelled."
        )
    elif leaf.role == "operation":
        reason = "no leaf, so it shows the last sweep only; that one had another root or another seed."
    elif close(grad, own * total):
        reason = f"the derivative times {number_text(own)}, the seed or the gradient that the root itself received."
    elif sweeps > 1 and close(times, sweeps) and own == 1:
        reason = (
            f"{sweeps} times the derivative, as after {sweeps} sweeps: a leaf adds up the gradients of all sweeps "
            f"until its .grad is set to 0, those from other roots too."
        )
    elif leaf.right is not None:
        reason = f"not the derivative, {number_text(total, 6)}; draw_dot and step_through mark where they part first."
    else:
        reason = "sweeps from other roots, or with other numbers, were added to it, or it was assigned."
    return f"{name}.grad is {number_text(grad, 6)}: {reason}"


def _cut(items: list[Any], gap: Any, most: int = MOST_ROWS) -> list[Any]:
    """A long list without its middle."""
    return items if len(items) <= most else [*items[: most // 2], gap, *items[-(most // 2) :]]


def _indented(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"  {line}" for line in aligned(rows).split("\n"))


def _table(rows: list[tuple[str, ...]]) -> str:
    cells = ("".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
