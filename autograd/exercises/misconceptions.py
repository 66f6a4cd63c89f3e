"""The catalogue: every misconception about an engine, its sentence, its hint, and the line that it exchanges."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from ..primitives import REGISTRY
from . import engine
from .battery import Axis
from .engine import Number, Operation, Step, Sweep
from .operations import BINARY, FUNCTIONS, IN_PLACE, LOCALS, RIGHT

Changes = Callable[[str, Operation], Iterable[Operation]]
TWO = (*BINARY,)
RULES = ("+", "*", "neg", "-", "**", "/", *FUNCTIONS)


class Misconception(NamedTuple):
    """One thing that is often misunderstood, as a small change of a right engine."""

    name: str
    kind: str
    message: str
    """A sentence for a beginner; {where} becomes the operations in which it was found."""
    hint: str
    changes: Changes | None = None
    """The wrong ways to write an operation, of its name and a way without this change."""
    operations: tuple[str, ...] = RULES
    axis: Axis = "nodes"
    elsewhere: tuple[tuple[Axis, Changes], ...] = ()
    """The same on further axes."""
    sweeps: Callable[[Sweep], Iterable[Sweep]] | None = None
    remark: bool = False
    """Whether right engines of others have it too."""
    together: bool = False
    """Whether it is one only if all its operations have it."""


def each(o: Operation, **changes: Any) -> Operation:
    """The operation with every step changed."""
    return replace(o, steps=tuple(s._replace(**changes) for s in o.steps))


def one(o: Operation, i: int, **changes: Any) -> Operation:
    """The operation with one step changed."""
    return replace(o, steps=tuple(s._replace(**changes) if i == j else s for j, s in enumerate(o.steps)))


def singly(o: Operation, **changes: Any) -> Iterator[Operation]:
    """Every step changed; and if there are two, only the one or only the other."""
    yield each(o, **changes)
    if len(o.steps) > 1:
        for i in range(len(o.steps)):
            yield one(o, i, **changes)


def local(o: Operation, *ways: tuple[Number, ...]) -> Iterator[Operation]:
    """The operation with other local derivatives."""
    for way in ways if len(o.steps) == len(ways[0]) else ():
        yield replace(o, steps=tuple(s._replace(local=f) for s, f in zip(o.steps, way, strict=True)))


def whole(o: Operation, *ways: tuple[Number | None, ...]) -> Iterator[Operation]:
    """The operation with other contributions; None leaves one as it is."""
    for way in ways if len(o.steps) == len(ways[0]) else ():
        yield replace(o, steps=tuple(s._replace(whole=f) for s, f in zip(o.steps, way, strict=True)))


def field(**changes: Any) -> Changes:
    """Other fields of the operation."""
    return lambda name, o: [replace(o, **changes)]


def fields(*all_changes: dict[str, Any]) -> Changes:
    """Other fields, in several ways."""
    return lambda name, o: [replace(o, **changes) for changes in all_changes]


def in_both_orders(changes: Changes) -> Changes:
    """The changes, with contributions stored one by one, and all at the end: it matters where a rule reads what it
    writes."""

    def both(name: str, o: Operation) -> Iterator[Operation]:
        for changed in changes(name, o):
            yield changed
            if len(changed.steps) > 1:
                yield replace(changed, at_once=True)

    return both


class _Grads:
    """A node whose gradient stands where its number belongs."""

    def __init__(self, node: Any) -> None:
        self.data = self.grad = node.grad


def _grad_for_data(name: str, o: Operation) -> Iterator[Operation]:
    if name in ("+", "-", "neg", "relu") or not o.steps:
        return

    def confused(f: Number, of: str) -> Number:
        def wrong(a: Any, b: Any, out: Any) -> float:
            a = _Grads(a) if "a" in of else a
            b = _Grads(b) if "b" in of and hasattr(b, "data") else b
            return f(a, b, _Grads(out) if "o" in of else out)

        return wrong

    if name in ("*", "/"):
        changed = replace(o, steps=tuple(s._replace(local=confused(s.local, "ab")) for s in o.steps))
        yield from (changed, each(changed, early=True))
        yield from (one(o, i, local=confused(step.local, "ab")) for i, step in enumerate(o.steps))
        yield from (one(o, 1, local=confused(o.steps[-1].local, of)) for of in "ab" if name == "/")
    else:
        yield from (each(o, local=confused(o.steps[0].local, of)) for of in "ao")


def _rule_of_another(name: str, o: Operation) -> Iterator[Operation]:
    group = BINARY if name in BINARY else ("neg", *FUNCTIONS) if name != "**" else ()
    for other in group:
        if other != name and RIGHT[other].steps:
            yield from local(o, LOCALS[other])


def _own(step: Step) -> Number:
    return lambda a, b, out: (a, b)[step.to].grad  # type: ignore[no-any-return]


def _own_gradient(name: str, o: Operation) -> Iterator[Operation]:
    own = replace(o, steps=tuple(s._replace(upstream=_own(s)) for s in o.steps))
    yield own
    if len(o.steps) > 1:
        yield each(o, upstream=lambda a, b, out: a.grad)
        for i in range(2):
            yield one(o, i, upstream=_own(o.steps[i]))


def _ones(name: str, o: Operation) -> Iterator[Operation]:
    if name != "+":
        yield from singly(o, local=lambda a, b, out: 1.0)


def _brackets(name: str, o: Operation) -> Iterator[Operation]:
    if name == "tanh":
        yield from whole(
            o,
            (lambda a, b, out: 1 - out.data**2 * out.grad,),
            (lambda a, b, out: (1 - out.data) ** 2 * out.grad,),
            (lambda a, b, out: (1 - out.data * out.grad) ** 2,),
        )
    elif name == "sigmoid":
        yield from whole(
            o,
            (lambda a, b, out: out.data * 1 - out.data * out.grad,),
            (lambda a, b, out: (out.data * 1 - out.data) * out.grad,),
            (lambda a, b, out: out.data * (1 - out.data * out.grad),),
        )
    elif name == "**":
        yield from whole(
            o,
            (lambda a, n, out: (n * a.data**n - 1) * out.grad,),
            (lambda a, n, out: n * a.data**n - 1 * out.grad,),
            (lambda a, n, out: (n * a.data) ** (n - 1) * out.grad,),
        )
    elif name == "/":
        squares: tuple[Number, ...] = (
            lambda a, b, out: -((a.data / b.data) ** 2) * out.grad,
            lambda a, b, out: (-a.data / b.data) ** 2 * out.grad,
            lambda a, b, out: -a.data / (b.data * out.grad) ** 2,
        )
        yield from whole(o, *((None, square) for square in squares))
    elif name == "sqrt":
        yield from whole(o, (lambda a, b, out: 1 / 2 * out.data * out.grad,))


def _swapped(name: str, o: Operation) -> Iterator[Operation]:
    yield replace(o, steps=tuple(s._replace(to=1 - s.to) for s in o.steps))


def _on_one(name: str, o: Operation) -> Iterator[Operation]:
    yield from (each(o, to=0), each(o, to=1))


def _forgotten(name: str, o: Operation) -> Iterator[Operation]:
    yield from (replace(o, steps=o.steps[1:]), replace(o, steps=o.steps[:1]))


def _data_changed(name: str, o: Operation) -> Iterator[Operation]:
    yield from singly(o, field="data")
    yield each(o, field="data", early=True)
    yield replace(o, steps=(*o.steps, *(s._replace(field="data") for s in o.steps)))
    yield replace(o, steps=tuple(t for s in o.steps for t in (s, s._replace(field="data", adds=False))))


def _exchanged(name: str, o: Operation) -> Iterable[Operation]:
    return local(o, LOCALS["*" if name == "+" else "+"])


def _logarithms(name: str, o: Operation) -> Iterator[Operation]:
    def of(base: float) -> Operation:
        return replace(o, forward=lambda x: math.log(x) / math.log(base))

    for base in (10.0, 2.0):
        rule: Number = lambda a, b, out, base=base: 1 / (a.data * math.log(base))  # noqa: E731
        yield of(base)
        yield each(of(base), local=rule)
        yield each(o, local=rule)


def _overflows(f: Callable[[float], float], where: Callable[[float], bool]) -> Iterator[Callable[[float], float]]:
    def raises(x: float) -> float:
        if where(x):
            raise OverflowError
        return f(x)

    yield from (raises, lambda x: math.nan if where(x) else f(x))


def _large(name: str, o: Operation) -> Iterator[Operation]:
    def ranges() -> Iterator[Callable[[float], bool]]:
        yield from (lambda x: x > 300, lambda x: x < -300, lambda x: abs(x) > 300)

    for where in ranges():
        for forward in _overflows(o.forward, where):
            yield replace(o, forward=forward)
    if name == "sigmoid":  # 1/(1 + exp(-x)) and its slope exp(-x)/(1 + exp(-x))**2
        for forward in _overflows(o.forward, lambda x: False):
            yield replace(each(o, local=lambda a, b, out: math.nan if a.data < -300 else 0.0), forward=forward)


def _not_in_order(s: Sweep) -> Iterator[Sweep]:
    searches = [engine.searched(when, last) for last in (False, True) for when in ("when met", "when run", "never")]
    for order in (engine.preorder, engine.preorder_once, *searches):
        if order is not searches[-1]:  # which is a topological order with repeats
            yield replace(s, order=order)
        for as_set in (True, False):
            yield replace(s, order=order, as_set=as_set, any_order=True)


def _sums(a: Any, b: Any, out: Any) -> float:
    return float(a.data + b.data)


def _seeds(*seeds: str) -> Callable[[Sweep], Iterable[Sweep]]:
    return lambda s: [replace(s, seed=seed) for seed in seeds]  # type: ignore[arg-type]


def _orders(*orders: engine.Order) -> Callable[[Sweep], Iterable[Sweep]]:
    return lambda s: [replace(s, order=order) for order in orders]


def _quotients(name: str, o: Operation) -> Iterable[Operation]:
    if len(o.steps) != 2:
        return ()
    first: Number = lambda a, b, out: 1 / b.data  # noqa: E731
    return local(
        o,
        (first, lambda a, b, out: a.data / b.data**2),
        (first, lambda a, b, out: -a.data / b.data),
        (first, lambda a, b, out: a.data / b.data),
        (first, lambda a, b, out: -1 / b.data**2),
        (first, lambda a, b, out: 1 / b.data**2),
        (first, lambda a, b, out: -1 / b.data),
        (first, lambda a, b, out: 1 / a.data),
        (first, lambda a, b, out: a.data),
        (first, lambda a, b, out: -a.data),
        (first, lambda a, b, out: -b.data / a.data**2),
        (lambda a, b, out: b.data, o.steps[1].local),
        (lambda a, b, out: 1 / b.data**2, o.steps[1].local),
        (lambda a, b, out: b.data, lambda a, b, out: -a.data),
        (lambda a, b, out: b.data / b.data**2, lambda a, b, out: a.data / b.data**2),
    )


def _locals(*ways: Number) -> Changes:
    return lambda name, o: local(o, *((way,) for way in ways))


def _sigmoid(x: float) -> float:
    return REGISTRY["sigmoid"].forward(x)


CATALOGUE: tuple[Misconception, ...] = (
    Misconception(
        "overwrites-gradient", "accumulation",
        "A node that is used twice gets two contributions. {where} keeps only the last one: it assigns the gradient "
        "instead of adding to it.",
        "A node may already hold a contribution from another use. What happens to that number in this rule?",
        lambda name, o: singly(o, adds=False),
    ),
    Misconception(
        "adds-to-one-operand-twice", "accumulation",
        "{where} gives both contributions to the same operand; the other one gets nothing.",
        "Read the two lines of the rule aloud: whose gradient does each of them change?",
        _on_one, TWO,
    ),
    Misconception(
        "gradient-of-wrong-operand", "accumulation",
        "{where} gives each operand the contribution that belongs to the other one.",
        "Take the derivative by the first operand alone. To which node does your rule add it?",
        _swapped, ("-", "/", "*"),
    ),
    Misconception(
        "operand-without-gradient", "accumulation",
        "{where} passes a gradient to one operand only; the result depends on both.",
        "The result changes when the other operand does. Where does your rule say so?",
        _forgotten, TWO,
    ),
    Misconception(
        "no-topological-order", "order",
        "backward lets a node pass on its gradient before all its users have given it theirs, or passes the same "
        "gradient on again. A node may run only when every node that uses it has run.",
        "Draw d = a * b; e = d + a; L = d * e. In which order do your nodes run, and is d complete when it does?",
        sweeps=_not_in_order,
    ),
    Misconception(
        "order-not-reversed", "order",
        "backward runs the nodes from the inputs to the result. Gradients come from the result, so it must begin "
        "there.",
        "When the rule of the first node runs in your loop, has anything given it a gradient yet?",
        sweeps=_orders(engine.not_reversed, engine.postorder),
    ),
    Misconception(
        "nodes-with-equal-numbers-merged", "order",
        "Two different nodes that happen to hold the same number are taken for one, so that one of them never passes "
        "on its gradient.",
        "How do you decide that a node was visited before? Two nodes with the number 2.0 are still two nodes.",
        sweeps=lambda s: [
            replace(s, order=engine.by_number, any_order=True),
            replace(s, unhashable="in the sweep"),
            replace(s, unhashable="in operations"),
        ],
    ),
    Misconception(
        "children-not-recorded", "order",
        "The result of {where} does not remember all its operands, so backward never reaches what lies behind them.",
        "Print what a result remembers of its operands, for each operation.",
        lambda name, o: [
            replace(o, records=records, needs_record=stored)
            for records in ((), (1,), (0,))[: 3 if name in BINARY else 1]
            for stored in (False, True)
        ],
    ),
    Misconception(
        "seed-missing", "seed",
        "backward starts with gradient 0 at the result, so every gradient stays 0. The derivative of the result by "
        "itself is 1.",
        "What is dL/dL, and where does your backward say it?",
        sweeps=_seeds("nothing"),
    ),
    Misconception(
        "seed-on-wrong-node", "seed",
        "backward gives the first gradient, 1, to another node than the one that it was called on.",
        "backward is called on the result. Which node gets the 1 in your code?",
        sweeps=lambda s: [
            replace(s, seed="first"), replace(s, seed="all"), replace(s, seed="first", any_order=True)
        ],
    ),
    Misconception(
        "seed-not-one", "seed",
        "backward starts with the number of the result instead of 1.",
        "What is dL/dL, whatever number L holds?",
        sweeps=_seeds("data"),
    ),
    Misconception(
        "seed-accumulates", "seed",
        "backward adds 1 to the gradient of the result instead of setting it to 1, so a second call starts with 2.",
        "Call backward twice and print the gradient of the result itself.",
        sweeps=_seeds("adds"),
    ),
    Misconception(
        "chain-rule-forgotten", "chain rule",
        "{where} uses only its own derivative. The chain rule multiplies it by the gradient of the result.",
        "If the result counts five times in what comes after it, how does your rule learn of the five?",
        lambda name, o: [each(o, upstream=lambda a, b, out: 1.0)],
    ),
    Misconception(
        "upstream-forgotten-on-one-operand", "chain rule",
        "{where} multiplies by the gradient of the result for one operand, and forgets it for the other.",
        "Compare the two lines of the rule.",
        lambda name, o: [one(o, i, upstream=lambda a, b, out: 1.0) for i in range(2)], TWO,
    ),
    Misconception(
        "uses-own-gradient-for-upstream", "chain rule",
        "{where} multiplies by the gradient of the operand, which is only being computed. The gradient of the result "
        "belongs there.",
        "Gradients flow from the result to the operands. Whose gradient is known when the rule runs?",
        in_both_orders(_own_gradient),
    ),
    Misconception(
        "local-forgotten", "chain rule",
        "{where} passes the gradient of the result on as it is, without the operation's own derivative.",
        "Change the operand a little. By how much does the result change: really by the same?",
        _ones,
    ),
    Misconception(
        "gradient-for-data", "chain rule",
        "{where} reads a gradient where a number belongs: the local derivative is made from .data.",
        "Write down the derivative of this operation on paper. Does a gradient occur in it?",
        in_both_orders(_grad_for_data),
    ),
    Misconception(
        "wrong-brackets-in-rule", "chain rule",
        "The rule of {where} has the right parts, but a bracket is missing or stands in the wrong place.",
        "In which order does Python compute + - * / and **?",
        _brackets, ("tanh", "sigmoid", "**", "/", "sqrt"),
    ),
    Misconception(
        "rule-of-another-operator", "chain rule",
        "{where} has the derivative of another operation.",
        "Derive the derivative of this operation again, and compare.",
        _rule_of_another,
    ),
    Misconception(
        "sum-and-product-exchanged", "rules",
        "Sum and product have each other's rules: a sum passes the gradient on as it is, a product multiplies it by "
        "the other factor.",
        "Change a by a little in a + b, and then in a * b.",
        _exchanged, ("+", "*"), together=True,
    ),
    Misconception(
        "product-rule-swapped", "rules",
        "In a product you multiplied by the operand itself; the other one is expected: d(a*b)/da is b.",
        "If b is 100, how fast does a*b grow with a?",
        lambda name, o: local(o, (lambda a, b, out: a.data, lambda a, b, out: b.data)), ("*",),
    ),
    Misconception(
        "product-rule-sum", "rules",
        "In a product each factor's gradient has the sum of both factors; the other factor alone is expected.",
        "(uv)' = u'v + uv' is the derivative of the whole. What remains of it if only u changes?",
        lambda name, o: [*local(o, (_sums, _sums)), one(o, 0, local=_sums), one(o, 1, local=_sums)], ("*",),
    ),
    Misconception(
        "quotient-rule", "rules",
        "In a quotient a/b the derivative by a is 1/b, and that by b is -a/b². One of them differs.",
        "Write a/b as a * b**-1 and use the rules for products and powers.",
        _quotients, ("/",),
    ),
    Misconception(
        "power-rule-exponent", "rules",
        "In the derivative of a power the exponent goes down by one: n * x**(n-1).",
        "What is the slope of x**2 at 3?",
        _locals(lambda a, n, out: n * a.data**n, lambda a, n, out: n * a.data ** (n - 2),
                lambda a, n, out: n * a.data, lambda a, n, out: n * a.data ** (n + 1)), ("**",),
    ),
    Misconception(
        "power-rule-coefficient", "rules",
        "In the derivative of a power the old exponent comes to the front as a factor: n * x**(n-1).",
        "What is the slope of x**2 at 1, and what does your rule say?",
        _locals(lambda a, n, out: a.data ** (n - 1), lambda a, n, out: (n - 1) * a.data ** (n - 1),
                lambda a, n, out: (n + 1) * a.data ** (n - 1)), ("**",),
    ),
    Misconception(
        "power-rule-on-exp", "rules",
        "The rule of powers was used for exp, where the exponent changes: its derivative is exp itself.",
        "In x**3 the base changes, in e**x the exponent. Which rule belongs to which?",
        _locals(lambda a, b, out: a.data * math.exp(a.data - 1), lambda a, b, out: a.data * out.data), ("exp",),
    ),
    Misconception(
        "exp-uses-input", "rules",
        "The derivative of exp is its output; your rule multiplies by its input.",
        "At 0 the slope of exp is 1. What does your rule say there?",
        _locals(lambda a, b, out: a.data), ("exp",),
    ),
    Misconception(
        "sign-of-subtraction", "rules",
        "In a - b the gradient of b has a minus sign.",
        "If b grows by 1, what does a - b do?",
        lambda name, o: local(o, (_plus, _plus), (_minus, _minus)), ("-",),
    ),
    Misconception(
        "sign-of-negation", "rules",
        "The derivative of -a is -1; your rule passes the gradient on without the sign.",
        "If a grows by 1, what does -a do?",
        _locals(lambda a, b, out: 1.0), ("neg",),
    ),
    Misconception(
        "relu-derivative", "rules",
        "relu passes the gradient on where its input is positive, and nothing elsewhere; your rule does something "
        "else.",
        "Draw relu and look at its slope left and right of 0.",
        _locals(lambda a, b, out: float(a.data < 0), lambda a, b, out: a.data, lambda a, b, out: out.data,
                lambda a, b, out: float(a.data > 0) - float(a.data < 0),
                lambda a, b, out: abs(a.data)),
        ("relu",),
    ),
    Misconception(
        "relu-masks-gradient", "rules",
        "relu lets the gradient through by the sign of its input. Your rule looks at the sign of the gradient.",
        "A negative gradient is a gradient too. Which number decides whether relu is flat?",
        lambda name, o: whole(
            o,
            (lambda a, b, out: max(out.grad, 0.0),),
            (lambda a, b, out: max(out.grad, 0.0) * (a.data > 0),),
            (lambda a, b, out: float(out.grad > 0),),
        ),
        ("relu",),
    ),
    Misconception(
        "tanh-uses-input", "rules",
        "The derivative of tanh is 1 - tanh(x)²: it is made from the output; your rule takes the input.",
        "You have computed tanh(x) already. Which name does it have in your rule?",
        _locals(lambda a, b, out: 1 - a.data**2, lambda a, b, out: 1 - math.tanh(out.data) ** 2), ("tanh",),
    ),
    Misconception(
        "tanh-derivative", "rules",
        "The derivative of tanh is 1 - tanh(x)²; your rule has another formula.",
        "At 0 tanh has slope 1, and far out slope 0. Does your formula?",
        _locals(lambda a, b, out: 1 - out.data, lambda a, b, out: 1 + out.data**2, lambda a, b, out: out.data**2,
                lambda a, b, out: out.data**2 - 1, lambda a, b, out: out.data), ("tanh",),
    ),
    Misconception(
        "sigmoid-derivative", "rules",
        "With s = sigmoid(x) the derivative is s * (1 - s); your rule has another formula.",
        "At 0 sigmoid has slope 1/4. What does your formula give?",
        _locals(lambda a, b, out: 1 - out.data, lambda a, b, out: out.data * (1 + out.data),
                lambda a, b, out: a.data * (1 - a.data), lambda a, b, out: out.data, lambda a, b, out: out.data**2,
                lambda a, b, out: out.data * (out.data - 1), lambda a, b, out: _sigmoid(out.data) * _sigmoid(-out.data),
                lambda a, b, out: out.data * (1 - a.data), lambda a, b, out: 1 - out.data**2),
        ("sigmoid",),
    ),
    Misconception(
        "log-derivative", "rules",
        "The derivative of log(x) is 1/x; your rule has another formula.",
        "log is steep near 0 and flat far out. Is your derivative?",
        _locals(lambda a, b, out: out.data, lambda a, b, out: a.data, lambda a, b, out: 1 / out.data,
                lambda a, b, out: -1 / a.data, lambda a, b, out: -1 / a.data**2, lambda a, b, out: 1 / a.data**2),
        ("log",),
    ),
    Misconception(
        "log-wrong-base", "rules",
        "log is the natural logarithm, to the base e; yours uses another base.",
        "log(e) is 1.",
        _logarithms, ("log",),
    ),
    Misconception(
        "operator-missing", "operators",
        "{where} cannot be used on two nodes.",
        "Which special method does Python call for it?",
        lambda name, o: [replace(o, gives="missing"), replace(o, gives="missing", constant="missing")], RULES,
    ),
    Misconception(
        "constant-operand-breaks", "operators",
        "{where} fails if a plain number stands on the right.",
        "Before you read .data of the other operand, what must it be?",
        fields({"constant": "refusal"}, {"constant": "missing"}), TWO, "constant",
    ),
    Misconception(
        "reflected-operator-missing", "operators",
        "{where} fails if a plain number stands on the left: Python then asks the node on the right.",
        "For 2 + v Python first tries (2).__add__(v). Which method does it try next?",
        fields({"reflected": "missing"}, {"reflected": "refusal"}), TWO, "reflected",
    ),
    Misconception(
        "reflected-operator-order", "operators",
        "With a number on the left {where} computes the operands in the wrong order.",
        "In 2 - v, which of the two is `self`?",
        fields({"reflected": "swapped"}), ("-", "/"), "reflected",
    ),
    Misconception(
        "division-truncates", "operators",
        "{where} drops the fraction of the result.",
        "Python has two operators of division.",
        lambda name, o: [replace(o, forward=lambda a, b: a // b), replace(o, forward=lambda a, b: float(int(a / b)))],
        ("/",),
    ),
    Misconception(
        "in-place-changes-operand", "operators",
        "{where} changes the number of an operand instead of making a new node, so that the graph no longer says what "
        "was computed.",
        "Other names may hold the same node. After s = a; s += b, which number should a have?",
        fields({"in_place": "returned"}, {"in_place": "and new"}), (*TWO, *IN_PLACE),
        elsewhere=(("in place", fields({"in_place": "returned"}, {"in_place": "and new"})),),
    ),
    Misconception(
        "tanh-overflows", "operators",
        "tanh of a large number fails, though it is almost 1: exp overflows on the way.",
        "Python's math module has the function that you need.",
        _large, ("tanh",), "extreme",
    ),
    Misconception(
        "sigmoid-overflows", "operators",
        "sigmoid of a large number, positive or negative, fails, though it is almost 1 or 0: exp overflows on the "
        "way.",
        "For negative x write it with exp(x), for positive x with exp(-x).",
        _large, ("sigmoid",), "extreme",
    ),
    Misconception(
        "operator-returns-nothing", "Python",
        "{where} gives None instead of a node.",
        "Which line hands the new node back to the caller?",
        field(gives="nothing"),
        elsewhere=(("constant", field(constant="nothing")), ("reflected", field(reflected="nothing"))),
    ),
    Misconception(
        "operator-calls-itself", "Python",
        "{where} calls itself until Python gives up.",
        "Follow the calls by hand: which method does your expression ask for again?",
        field(gives="itself"),
        elsewhere=(("constant", field(constant="itself")), ("reflected", field(reflected="itself"))),
    ),
    Misconception(
        "closure-binds-late", "Python",
        "Every node runs the rule of the node that was made last.",
        "Where is the rule of a node kept: in the node, or in a place that all nodes share?",
        sweeps=lambda s: [replace(s, latest_rule="interior"), replace(s, latest_rule="all")],
    ),
    Misconception(
        "backward-called-at-once", "Python",
        "The rule of {where} is called at once, when the node is made, instead of being kept for backward.",
        "What is the difference between a function f and its call f()?",
        fields({"attached": "at once"}, {"attached": "at once, guarded"}),
    ),
    Misconception(
        "rule-never-attached", "Python",
        "The rule of {where} never reaches the node on which backward looks for it.",
        "Which node should keep the rule, and under which name does backward call it?",
        fields({"attached": "nowhere"}, {"attached": "operand"}, {"attached": "other operand"}),
    ),
    Misconception(
        "node-run-more-than-once", "Python",
        "backward runs the rule of a node more than once, so its contributions are counted again.",
        "How does your loop know that it has met a node before?",
        sweeps=_orders(engine.twice, engine.reversed_preorder),
    ),
    Misconception(
        "gradient-becomes-a-node", "Python",
        "{where} leaves a node in .grad instead of a number.",
        "Somewhere in the rule an operand itself stands where its number belongs.",
        lambda name, o: singly(o, becomes_node=True),
    ),
    Misconception(
        "stops-after-one-level", "Python",
        "backward runs the rule of the result and does not go on to the nodes behind its operands.",
        "Who runs the rules of the operands, and of their operands?",
        sweeps=_orders(engine.levels(1), engine.levels(2)),
    ),
    Misconception(
        "shared-default-argument", "Python",
        "All nodes, or all calls of backward, share one list: a default argument or a class attribute that is changed "
        "lives on from one to the next.",
        "When does Python make the list of a default argument: at each call, or once?",
        sweeps=lambda s: [replace(s, shared="operands"), replace(s, shared="order"), replace(s, shared="visited")],
    ),
    Misconception(
        "data-mutated-in-backward", "Python",
        "{where} changes the .data of a node during backward. Only gradients may change there.",
        "Compare the numbers of the nodes before and after backward.",
        in_both_orders(_data_changed),
    ),
    Misconception(
        "gradients-reset-by-backward", "repeated use",
        "backward sets the gradients of the leaves to 0 before it starts. They should accumulate over calls, so that "
        "the gradients of several examples can be summed.",
        "Call backward on two losses that share a leaf: which gradient should the leaf have?",
        sweeps=lambda s: [replace(s, resets="all")],
    ),
    Misconception(
        "repeat-backward-accumulates-interior", "repeated use",
        "A second backward over the same graph starts with the gradients that the first one left in the nodes between, "
        "so the leaves get too much: exactly twice would be right.",
        "Which nodes should keep their gradients from call to call: leaves, or those between?",
        remark=True,
    ),
    Misconception(
        "gradient-of-shared-trunk", "repeated use",
        "Two results that share a part of the graph: the second backward passes on the first one's gradient again.",
        "The gradients of leaves add up over both calls. Should those of the nodes between?",
        remark=True,
    ),
    Misconception(
        "recursion-limit", "Python",
        "A chain of a few thousand operations ends in a RecursionError.",
        "Keep a list of the nodes that still have to be visited instead of calling a function in itself.",
        remark=True,
    ),
    Misconception(
        "every-path-walked", "order",
        "backward walks every path of the graph. With thirty additions a = a + a there are a billion of them.",
        "Let every node wait until its gradient is complete; then it has to pass it on only once.",
        remark=True,
    ),
)  # fmt: skip


def _plus(a: Any, b: Any, out: Any) -> float:
    return 1.0


def _minus(a: Any, b: Any, out: Any) -> float:
    return -1.0


NAMED = {m.name: m for m in CATALOGUE}
assert len(NAMED) == len(CATALOGUE)
