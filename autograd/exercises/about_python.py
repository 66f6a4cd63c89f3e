"""The catalogue, third part: operators, and Python."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from . import orders
from .about_flow import at_both_times, ordered
from .changes import Misconception, each, field, fields, singly
from .engine import Operation
from .operations import BINARY, IN_PLACE, ORDER


def _data_changed(name: str, o: Operation) -> Iterator[Operation]:
    yield from singly(o, field="data")
    yield each(o, field="data", early=True)
    yield replace(o, steps=(*o.steps, *(s._replace(field="data") for s in o.steps)))
    yield replace(o, steps=tuple(t for s in o.steps for t in (s, s._replace(field="data", adds=False))))


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


PYTHON: tuple[Misconception, ...] = (
    Misconception(
        "operator-missing", "operators",
        "{where}: this cannot be computed on nodes.",
        "Which special method does Python call for it?",
        lambda name, o: [replace(o, gives="missing"), replace(o, gives="missing", constant="missing")], ORDER,
    ),
    Misconception(
        "constant-operand-breaks", "operators",
        "{where}: this fails, since a plain number stands on the right.",
        "Before you read .data of the other operand, what must it be?",
        fields({"constant": "refusal"}, {"constant": "missing"},
               {"constant": "refusal", "only": int}, {"constant": "refusal", "only": float}), BINARY, "constant",
    ),
    Misconception(
        "reflected-operator-missing", "operators",
        "{where}: this fails. A plain number stands on the left, so Python asks the node on the right.",
        "For 2 + v Python first tries (2).__add__(v). Which method does it try next?",
        fields({"reflected": "missing"}, {"reflected": "refusal"}), BINARY, "reflected",
    ),
    Misconception(
        "reflected-operator-order", "operators",
        "{where}: with a number on the left the operands are taken in the wrong order.",
        "In 2 - v, which of the two is `self`?",
        fields({"reflected": "swapped"}), ("-", "/"), "reflected",
    ),
    Misconception(
        "division-truncates", "operators",
        "{where}: the fraction of the result is dropped.",
        "Python has two operators of division.",
        lambda name, o: [replace(o, forward=lambda a, b: a // b), replace(o, forward=lambda a, b: float(int(a / b)))],
        ("/",),
    ),
    Misconception(
        "in-place-changes-operand", "operators",
        "{where}: the number of an operand is changed instead of making a new node, so that the graph no "
        "longer says what was computed.",
        "Other names may hold the same node. After s = a; s += b, which number should a have?",
        fields({"in_place": "returned"}, {"in_place": "and new"}), (*BINARY, *IN_PLACE),
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
        "{where}: the result is None instead of a node.",
        "Which line hands the new node back to the caller?",
        fields({"gives": "nothing"}, {"gives": "stub"}), (*ORDER, *IN_PLACE),
        elsewhere=(("constant", field(constant="nothing")), ("reflected", field(reflected="nothing")),
                   ("in place", field(in_place="and nothing"))),
    ),
    Misconception(
        "operator-calls-itself", "Python",
        "{where}: the operation calls itself until Python gives up.",
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
        "{where}: the rule is called at once, when the node is made, instead of being kept for backward.",
        "What is the difference between a function f and its call f()?",
        fields({"attached": "at once"}, {"attached": "at once, guarded"}),
    ),
    Misconception(
        "rule-never-attached", "Python",
        "{where}: the rule never reaches the node on which backward looks for it.",
        "Which node should keep the rule, and under which name does backward call it?",
        fields({"attached": "nowhere"}, {"attached": "operand"}, {"attached": "other operand"}),
    ),
    Misconception(
        "node-run-more-than-once", "Python",
        "backward runs the rule of a node more than once, so its contributions are counted again.",
        "How does your loop know that it has met a node before?",
        sweeps=ordered(orders.twice, orders.reversed_preorder),
    ),
    Misconception(
        "gradient-becomes-a-node", "Python",
        "{where}: after backward .grad holds a node instead of a number.",
        "Somewhere in the rule an operand itself stands where its number belongs.",
        lambda name, o: singly(o, becomes_node=True),
    ),
    Misconception(
        "stops-after-one-level", "Python",
        "backward runs the rule of the result and does not go on to the nodes behind its operands.",
        "Who runs the rules of the operands, and of their operands?",
        sweeps=ordered(orders.levels(1), orders.levels(2)),
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
        "{where}: the rule changes the .data of a node. Only gradients may change during backward.",
        "Compare the numbers of the nodes before and after backward.",
        at_both_times(_data_changed),
    ),
    Misconception(
        "recursion-limit", "Python",
        "A chain of a few thousand operations ends in a RecursionError.",
        "Keep a list of the nodes that still have to be visited instead of calling a function in itself.",
        remark=True,
    ),
)  # fmt: skip
