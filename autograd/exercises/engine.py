"""A right engine in which every line can be exchanged: the student's engine, as the checker imagines it.

`Engine(operations, sweep)` makes nodes. An `Operation` says how one operation is written, a `Sweep` how `backward`
is; a misconception is such a record with one field exchanged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Number = Callable[[Any, Any, Any], float]
"""Of the operands, the second of which may be a number or None, and the result."""


def grad_of_result(a: Any, b: Any, out: Any) -> float:
    """The upstream gradient, as the chain rule wants it."""
    return float(out.grad)


class Step(NamedTuple):
    """One line of a backward rule: a contribution, and what is done with it."""

    to: int
    """The operand that gets it."""
    local: Number
    upstream: Number = grad_of_result
    whole: Number | None = None
    """The contribution, if it is not local times upstream."""
    adds: bool = True
    field: str = "grad"
    becomes_node: bool = False
    early: bool = False
    """Whether the local derivative is computed with the result, as by engines that store it."""

    def contribution(self, a: Any, b: Any, out: Any) -> float:
        return self.whole(a, b, out) if self.whole else self.local(a, b, out) * self.upstream(a, b, out)


Attached = Literal["result", "operand", "other operand", "nowhere", "at once", "at once, guarded"]
Gives = Literal["node", "nothing", "stub", "itself", "refusal", "missing", "leaf", "no rule"]


@dataclass(frozen=True)
class Operation:
    """One way to write an operation."""

    forward: Callable[..., float]
    steps: tuple[Step, ...]
    parts: Callable[..., Any] | None = None
    """Other operations that it is made of, instead of a rule of its own."""
    records: tuple[int, ...] = (0, 1)
    """The operands that the result remembers."""
    needs_record: bool = False
    """Whether the rule reaches only operands that are recorded, as in engines that store local derivatives."""
    at_once: bool = False
    """Whether all contributions are computed before any is stored."""
    attached: Attached = "result"
    gives: Gives = "node"
    constant: Gives = "node"
    """The result with a number on the right."""
    only: type | None = None
    """The type of the numbers that `constant` is about; all unless told."""
    reflected: Gives | Literal["swapped"] | Callable[[float, Any], Any] = "node"
    """The result with a number on the left, or other operations that make it."""
    in_place: Literal["", "returned", "and new", "and nothing"] = ""
    """Whether it changes its first operand, and gives it back, a new node, or nothing."""


Order = Callable[["Node", "Sweep"], list["Node"]]


@dataclass(frozen=True)
class Sweep:
    """One way to write `backward`."""

    order: Order
    """The nodes whose rules run, one after the other."""
    seed: Literal["root", "nothing", "first", "all", "each", "adds", "data"] = "root"
    resets: Literal["nothing", "interior", "all"] = "nothing"
    initial: float = 0.0
    """The gradient of a new node."""
    frees: bool = False
    """Whether a graph is forgotten after its sweep."""
    by_paths: bool = False
    """Whether each contribution is passed on by itself, along every path, without an order."""
    latest_rule: Literal["", "interior", "all"] = ""
    """The nodes that run the rule that was made last instead of their own."""
    shared: Literal["", "operands", "order", "visited"] = ""
    """The list that all nodes, or all sweeps, have in common."""
    unhashable: Literal["", "in the sweep", "in operations"] = ""
    as_set: bool = False
    """Whether operands are kept in a set, so that a * a has one."""
    any_order: bool = False
    """Whether operands may be visited in any order, as those in a set are."""
    flips: int = 0
    """A bit for each operation in the order in which they were made: whether its operands are visited backwards."""


NAMES = {"add": "+", "mul": "*", "sub": "-", "div": "/", "pow": "**"}
"""The operators, by the names of their primitives."""


class Node:
    """A node of the engine."""

    __slots__ = ("data", "engine", "grad", "grad_is_node", "index", "operands", "operation", "rule", "run")

    def __init__(self, engine: "Engine", data: float) -> None:
        self.engine, self.data, self.grad, self.grad_is_node = engine, float(data), 0.0, False
        self.operands: Sequence[Node] = ()
        self.operation = ""
        self.rule: Callable[[], None] | None = None
        self.run: Callable[[float], list[tuple[Node, Step, float]]] | None = None  # for sweeps by paths
        self.index = 0

    def __add__(self, x: Any) -> Any:
        return self.engine.apply("+", self, x)

    def __mul__(self, x: Any) -> Any:
        return self.engine.apply("*", self, x)

    def __sub__(self, x: Any) -> Any:
        return self.engine.apply("-", self, x)

    def __truediv__(self, x: Any) -> Any:
        return self.engine.apply("/", self, x)

    def __pow__(self, x: Any) -> Any:
        return self.engine.apply("**", self, x)

    def __iadd__(self, x: Any) -> Any:
        return self.engine.apply("+=" if "+=" in self.engine.operations else "+", self, x)

    def __imul__(self, x: Any) -> Any:
        return self.engine.apply("*=" if "*=" in self.engine.operations else "*", self, x)

    def __neg__(self) -> Any:
        return self.engine.apply("neg", self)

    def __radd__(self, x: Any) -> Any:
        return self.engine.reflected("+", x, self)

    def __rmul__(self, x: Any) -> Any:
        return self.engine.reflected("*", x, self)

    def __rsub__(self, x: Any) -> Any:
        return self.engine.reflected("-", x, self)

    def __rtruediv__(self, x: Any) -> Any:
        return self.engine.reflected("/", x, self)

    def __getattr__(self, name: str) -> Any:
        if name in self.engine.operations:
            return lambda: self.engine.apply(name, self)
        raise AttributeError(f"no {name}")

    @staticmethod
    def _record(primitive: Any, calls: Any) -> list[Any]:
        """The hook by which this package's functions take the node. Raises TypeError for an operation that the engine
        has not."""
        found = []
        for a, *rest in calls:
            name = NAMES.get(primitive.name, primitive.name)
            engine = next(x.engine for x in (a, *rest) if isinstance(x, Node))
            if name not in engine.operations or (name == "**" and isinstance(rest[0], Node)):
                raise TypeError(f"the engine of exercises has no {primitive.name}")
            plain = not isinstance(a, Node)
            found.append(engine.reflected(name, a, rest[0]) if plain else engine.apply(name, a, *rest))
        return found

    def backward(self) -> None:
        """Runs the sweep of the engine."""
        self.engine.backward(self)


class Engine:
    """Makes nodes, applies operations, and runs the sweep."""

    def __init__(self, operations: Mapping[str, Operation], sweep: Sweep) -> None:
        self.operations, self.sweep = operations, sweep
        self.latest: Callable[[], None] | None = None
        self.shared_operands: list[Node] = []
        self.shared_order: list[Node] = []
        self.count = 0

    def __call__(self, data: float) -> Node:
        node = Node(self, data)
        node.grad = self.sweep.initial
        if self.sweep.shared == "operands":
            node.operands = self.shared_operands
        return node

    def apply(self, name: str, a: Node, *rest: Any) -> Any:
        """The operation's result: a node, or what a wrong one gives. Raises TypeError, and what a wrong one would."""
        operation = self.operations[name]
        if rest and rest[0] is None and operation.gives != "stub":
            raise TypeError("unsupported operand type(s)")
        plain = bool(rest) and not isinstance(rest[0], Node) and name != "**"
        gives = operation.gives
        if plain and gives == "node" and operation.only in (None, type(rest[0])):
            gives = operation.constant
        if gives in ("leaf", "no rule"):
            return self._without_rule(gives, operation.forward(a.data, *rest), a)
        if gives != "node":
            return _failure(gives)
        if operation.parts:
            return operation.parts(a, *rest)
        if self.sweep.unhashable == "in operations":
            raise TypeError(UNHASHABLE)
        xs: list[Any] = [a, *(self(x) if plain else x for x in rest)]
        b = xs[1] if len(xs) > 1 else None
        y = operation.forward(a.data, *(x.data if isinstance(x, Node) else x for x in xs[1:]))
        if operation.in_place:
            a.data = y
            if operation.in_place != "and new":
                return a if operation.in_place == "returned" else None
        out = self(y)
        out.operation, out.index, self.count = name, self.count, self.count + 1
        recorded = [xs[i] for i in operation.records if i < len(xs) and isinstance(xs[i], Node)]
        if self.sweep.shared == "operands":
            self.shared_operands.extend(recorded)
        else:
            out.operands = recorded
        self._attach(operation, a, b, out, recorded)
        return out

    def reflected(self, name: str, x: float, a: Node) -> Any:
        """The result with a number on the left."""
        gives = self.operations[name].reflected
        if callable(gives):
            return gives(x, a)
        if gives == "swapped":
            return self.apply(name, a, x)
        if gives in ("leaf", "no rule"):
            return self._without_rule(gives, self.operations[name].forward(x, a.data), a)
        return self.apply(name, self(x), a) if gives == "node" else _failure(gives)

    def _without_rule(self, gives: Any, data: float, a: Node) -> Node:
        """A result that passes nothing on, whether or not it remembers its operand."""
        out = self(data)
        out.operands = [a] if gives == "no rule" else ()
        return out

    def _attach(self, operation: Operation, a: Node, b: Any, out: Node, recorded: list[Node]) -> None:
        targets = [a, b]
        steps = [s for s in operation.steps if s.to < 0 or isinstance(targets[s.to], Node)]
        if operation.needs_record:
            steps = [s for s in steps if any(targets[s.to] is x for x in recorded)]
        steps = [_stored(s, a, b, out) if s.early else s for s in steps]

        def rule() -> None:
            if operation.at_once:
                found = [step.contribution(a, b, out) for step in steps]
                for step, contribution in zip(steps, found, strict=True):
                    _store(step, targets[step.to], contribution, out.grad_is_node)
                return
            for step in steps:
                _store(step, targets[step.to], step.contribution(a, b, out), out.grad_is_node)

        def run(gradient: float) -> list[tuple[Node, Step, float]]:
            seen = _Passed(out.data, gradient)
            return [(targets[step.to], step, step.contribution(a, b, seen)) for step in steps]

        out.run = run
        if operation.attached == "result":
            out.rule = rule
        elif operation.attached == "operand":
            a.rule = rule
        elif operation.attached == "other operand":
            (b if isinstance(b, Node) else a).rule = rule
        elif operation.attached != "nowhere":
            rule()
            out.rule = _not_callable if operation.attached == "at once" else None
        self.latest = rule

    def backward(self, root: Node) -> None:
        """One sweep. Raises TypeError, and what a wrong one would."""
        sweep = self.sweep
        if sweep.unhashable:
            raise TypeError(UNHASHABLE)
        if sweep.by_paths:
            self._along_paths(root)
            return
        order = sweep.order(root, sweep)
        if sweep.shared in ("order", "visited"):
            known = {id(x) for x in self.shared_order}
            fresh = [x for x in order if id(x) not in known]
            kept = list(self.shared_order)
            self.shared_order[:0] = fresh
            order = [*fresh, *kept] if sweep.shared == "order" else fresh
        if sweep.resets != "nothing":
            for x in order:
                if sweep.resets == "all" or x.rule is not None:
                    x.grad, x.grad_is_node = 0.0, False
        _seed(sweep, root, order)
        for x in order:
            if sweep.seed == "each":
                x.grad = 1.0
            if sweep.latest_rule == "all" or (sweep.latest_rule and x.rule):
                rule = self.latest
            else:
                rule = x.rule
            if rule is not None:
                rule()
        for x in order if sweep.frees else ():
            x.rule, x.operands = None, ()

    def _along_paths(self, root: Node) -> None:
        waiting: list[tuple[Node, Step | None, float]] = []
        seed = {"root": 1.0, "nothing": 0.0, "data": root.data}.get(self.sweep.seed, 1.0)
        waiting.append((root, None, seed))
        while waiting:
            x, step, gradient = waiting.pop()
            if step is None:
                x.grad += gradient
            else:
                _store(step, x, gradient, False)
            if x.run is not None and x.operands:
                waiting.extend(reversed(x.run(gradient)))


UNHASHABLE = "unhashable type"


class _Passed(NamedTuple):
    """A result as a rule sees it that is handed its gradient."""

    data: float
    grad: float


def _store(step: Step, x: Node, contribution: float, from_node: bool) -> None:
    setattr(x, step.field, contribution + (getattr(x, step.field) if step.adds else 0.0))
    x.grad_is_node |= step.becomes_node or from_node


def _stored(step: Step, a: Any, b: Any, out: Any) -> Step:
    local = step.local(a, b, out)
    return step._replace(local=lambda *_: local)


def _not_callable() -> None:
    raise TypeError("'NoneType' object is not callable")


def _failure(gives: str) -> Any:
    """A wrong operation's result, or its error."""
    if gives in ("nothing", "stub"):
        return None
    if gives == "itself":
        raise RecursionError
    if gives == "refusal":
        raise AttributeError("'float' object has no attribute 'data'")
    raise TypeError("unsupported operand type(s)")


def _seed(sweep: Sweep, root: Node, order: list[Node]) -> None:
    if sweep.seed == "adds":
        root.grad += 1.0
    elif sweep.seed == "data":
        root.grad = root.data
    elif sweep.seed == "root":
        root.grad = 1.0
    elif sweep.seed == "first":
        (order or [root])[-1].grad = 1.0
    elif sweep.seed == "all":
        for x in order:
            x.grad = 1.0
