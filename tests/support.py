"""What several tests share: how closely numbers have to agree, special numbers, and random expression graphs."""

import copy
import math
import pickle

from hypothesis import strategies as st

from autograd.extend import REGISTRY
from autograd.primitives import TABLE

GRID = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, -5e-324]


def same(a, b, tolerance=1e-12):
    """|a - b| <= 1e-12 max(1, |b|); nan equals nan and infinities themselves."""
    return (a != a and b != b) or a == b or (math.isfinite(b) and abs(a - b) <= tolerance * max(1.0, abs(b)))


BUILTIN = [p for p in REGISTRY.values() if p.module == TABLE]
COPIES = [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]


def sample(primitive, rng):
    """An argument for each operand, from its domain; a vector has three numbers."""
    arguments = []
    for i in range(primitive.arity):
        low, high = primitive.domain[min(i, len(primitive.domain) - 1)]
        if i in primitive.vectors:
            arguments.append([rng.uniform(low, high) for _ in range(3)])
        else:
            arguments.append(rng.uniform(low, high))
    return arguments


def call(primitive, *arguments):
    """The primitive of floats, Values and lists of them."""
    return primitive(*[tuple(x) if isinstance(x, list) else x for x in arguments])


# A random expression graph: a list of steps, each an operation and the indices of its operands among what came before.
# Every operation keeps numbers moderate, so that chains of them stay where all engines agree to 1e-9.
UNARY = ["tanh", "sin", "cos", "sigmoid", "softplus", "atan", "erf", "relu", "silu", "gelu", "elu", "abs"]
BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "hypot", "pow"]

steps = st.lists(
    st.tuples(st.sampled_from(UNARY + BINARY), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12
)
numbers = st.floats(-2.0, 2.0).map(lambda x: round(x, 6))


def evaluate(steps, xs, operations):
    """The sum of all computed nodes, with the operations of any engine; nodes are shared as the indices say."""
    nodes = list(xs)
    for name, i, j in steps:
        a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
        if name == "div":
            nodes.append(operations["div"](a, operations["add"](operations["mul"](b, b), 1.0)))
        elif name == "pow":
            nodes.append(operations["pow"](operations["add"](operations["mul"](a, a), 1.0), operations["tanh"](b)))
        elif name == "mul":
            nodes.append(operations["mul"](operations["tanh"](a), b))
        elif name == "hypot":
            nodes.append(operations["hypot"](a, operations["add"](operations["mul"](b, b), 1.0)))
        elif name in BINARY:
            nodes.append(operations[name](a, b))
        else:
            nodes.append(operations[name](a))
    total = nodes[len(xs)]
    for node in nodes[len(xs) + 1 :]:
        total = operations["add"](total, node)
    return total


def ours():
    return {p.name: p for p in BUILTIN}


def identical(a, b):
    """Equal to the last bit; any nan is like another."""
    return (a != a and b != b) or (a == b and math.copysign(1.0, a) == math.copysign(1.0, b))
