"""The catalogue, first part: how gradients accumulate, in which order, from where, and the chain rule."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from . import orders
from .changes import Changes, Misconception, each, fields, local, one, singly, whole
from .engine import Number, Operation, Order, Step, Sweep
from .operations import BINARY, FUNCTIONS, LOCALS, RIGHT


def at_both_times(changes: Changes) -> Changes:
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
    return lambda a, b, out: (a, b)[step.to].grad


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


def _not_in_order(s: Sweep) -> Iterator[Sweep]:
    searches = [orders.searched(when, last) for last in (False, True) for when in ("when met", "when run", "never")]
    for order in (orders.preorder, orders.preorder_once, *searches):
        if order is not searches[-1]:  # which is a topological order with repeats
            yield replace(s, order=order)
        for as_set in (True, False):
            yield replace(s, order=order, as_set=as_set, any_order=True)


def _seeds(*seeds: Any) -> Callable[[Sweep], Iterable[Sweep]]:
    return lambda s: [replace(s, seed=seed) for seed in seeds]


def ordered(*ways: Order) -> Callable[[Sweep], Iterable[Sweep]]:
    return lambda s: [replace(s, order=order) for order in ways]


FLOW: tuple[Misconception, ...] = (
    Misconception(
        "overwrites-gradient", "accumulation",
        "{where}: a node that is used twice gets two contributions, and the rule keeps only the last one. It "
        "assigns the gradient instead of adding to it.",
        "A node may already hold a contribution from another use. What happens to that number in this rule?",
        lambda name, o: singly(o, adds=False),
    ),
    Misconception(
        "adds-to-one-operand-twice", "accumulation",
        "{where}: the rule gives both contributions to the same operand; the other one gets nothing.",
        "Read the two lines of the rule aloud: whose gradient does each of them change?",
        _on_one, BINARY,
    ),
    Misconception(
        "gradient-of-wrong-operand", "accumulation",
        "{where}: the rule gives each operand the contribution that belongs to the other one.",
        "Take the derivative by the first operand alone. To which node does your rule add it?",
        _swapped, ("-", "/", "*"),
    ),
    Misconception(
        "operand-without-gradient", "accumulation",
        "{where}: the rule passes a gradient to one operand only, though the result depends on both.",
        "The result changes when the other operand does. Where does your rule say so?",
        _forgotten, BINARY,
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
        sweeps=ordered(orders.not_reversed, orders.postorder),
    ),
    Misconception(
        "nodes-with-equal-numbers-merged", "order",
        "Two different nodes that happen to hold the same number are taken for one, so that one of them never passes "
        "on its gradient.",
        "How do you decide that a node was visited before? Two nodes with the number 2.0 are still two nodes.",
        sweeps=lambda s: [
            replace(s, order=orders.by_number, any_order=True),
            replace(s, unhashable="in the sweep"),
            replace(s, unhashable="in operations"),
        ],
    ),
    Misconception(
        "children-not-recorded", "order",
        "{where}: the result does not remember all its operands, so backward never reaches what lies behind "
        "them.",
        "Print what a result remembers of its operands, for each operation.",
        lambda name, o: [
            replace(o, records=records, needs_record=stored)
            for records in ((), (1,), (0,))[: 3 if name in BINARY else 1]
            for stored in (False, True)
        ],
        elsewhere=(
            ("constant", fields(*({"constant": gives, "only": only} for gives in ("leaf", "no rule")
                                  for only in (None, int, float)))),
            ("reflected", fields({"reflected": "leaf"}, {"reflected": "no rule"})),
        ),
    ),
    Misconception(
        "every-path-walked", "order",
        "backward walks every path of the graph. With thirty additions a = a + a there are a billion of them.",
        "Let every node wait until its gradient is complete; then it has to pass it on only once.",
        remark=True,
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
            replace(s, seed="first"), replace(s, seed="all"),
            *(replace(s, seed="each", order=orders.preorder, any_order=any_order) for any_order in (False, True)),
            replace(s, seed="first", any_order=True),
        ],
    ),
    Misconception(
        "seed-not-one", "seed",
        "backward starts with the number of the result instead of 1.",
        "What is dL/dL, whatever number L holds?",
        sweeps=_seeds("data"),
    ),
    Misconception(
        "gradient-starts-at-one", "seed",
        "A new node starts with gradient 1; only the result gets 1, and only when backward begins.",
        "Before backward, how much does the result depend on a node that it has never met?",
        sweeps=lambda s: [replace(s, initial=1.0)],
    ),
    Misconception(
        "seed-accumulates", "seed",
        "backward adds 1 to the gradient of the result instead of setting it to 1, so a second call starts with 2.",
        "Call backward twice and print the gradient of the result itself.",
        sweeps=_seeds("adds"),
    ),
    Misconception(
        "chain-rule-forgotten", "chain rule",
        "{where}: the rule uses only its own derivative. The chain rule multiplies it by the gradient of the "
        "result.",
        "If the result counts five times in what comes after it, how does your rule learn of the five?",
        lambda name, o: [each(o, upstream=lambda a, b, out: 1.0)],
    ),
    Misconception(
        "upstream-forgotten-on-one-operand", "chain rule",
        "{where}: the rule multiplies by the gradient of the result for one operand, and forgets it for the "
        "other.",
        "Compare the two lines of the rule.",
        lambda name, o: [one(o, i, upstream=lambda a, b, out: 1.0) for i in range(2)], BINARY,
    ),
    Misconception(
        "uses-own-gradient-for-upstream", "chain rule",
        "{where}: the rule multiplies by the gradient of an operand, which is only being computed. The "
        "gradient of the result belongs there.",
        "Gradients flow from the result to the operands. Whose gradient is known when the rule runs?",
        at_both_times(_own_gradient),
    ),
    Misconception(
        "data-for-upstream", "chain rule",
        "{where}: the rule multiplies by the number of the result. Its gradient belongs there.",
        "The chain rule asks how the end depends on this result, not how large the result is. Which attribute says so?",
        lambda name, o: singly(o, upstream=lambda a, b, out: float(out.data)),
    ),
    Misconception(
        "local-forgotten", "chain rule",
        "{where}: the rule passes the gradient of the result on as it is, without the operation's own "
        "derivative.",
        "Change the operand a little. By how much does the result change: really by the same?",
        _ones,
    ),
    Misconception(
        "gradient-for-data", "chain rule",
        "{where}: the rule reads a gradient where a number belongs. The local derivative is made from .data.",
        "Write down the derivative of this operation on paper. Does a gradient occur in it?",
        at_both_times(_grad_for_data),
    ),
    Misconception(
        "wrong-brackets-in-rule", "chain rule",
        "{where}: the rule has the right parts, but a bracket is missing or stands in the wrong place.",
        "In which order does Python compute + - * / and **?",
        _brackets, ("tanh", "sigmoid", "**", "/", "sqrt"),
    ),
    Misconception(
        "rule-of-another-operator", "chain rule",
        "{where}: the rule has the derivative of another operation.",
        "Derive the derivative of this operation again, and compare.",
        _rule_of_another,
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
)  # fmt: skip
