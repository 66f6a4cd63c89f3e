"""Engines as learners write them, in five styles, right ones and with misconceptions planted into their source.

A style is a text; planting exchanges the rule of an operation, or any line. Each right engine is run first, so that a
replacement which finds nothing is an error.
"""

import math
from functools import partial

FORWARD = {
    "+": "self.data + other.data",
    "*": "self.data * other.data",
    "-": "self.data - other.data",
    "/": "self.data / other.data",
    "**": "self.data ** other",
    "neg": "-self.data",
    "exp": "math.exp(self.data)",
    "log": "math.log(self.data)",
    "tanh": "math.tanh(self.data)",
    "sigmoid": "stable_sigmoid(self.data)",
    "relu": "max(self.data, 0.0)",
}
METHODS = {"+": "__add__", "*": "__mul__", "-": "__sub__", "/": "__truediv__", "**": "__pow__", "neg": "__neg__"}
LOCALS = {
    "+": "1.0, 1.0",
    "*": "other.data, self.data",
    "-": "1.0, -1.0",
    "/": "1 / other.data, -self.data / other.data**2",
    "**": "other * self.data**(other - 1)",
    "neg": "-1.0",
    "exp": "out.data",
    "log": "1 / self.data",
    "tanh": "1 - out.data**2",
    "sigmoid": "out.data * (1 - out.data)",
    "relu": "float(self.data > 0)",
}


def two(op):
    return op in "+*-/"


def pieces(op):
    return LOCALS[op].split(", ")


def rule(op):
    """The body of a backward rule on closures."""
    lines = [f"{x}.grad += ({d}) * out.grad" for x, d in zip(("self", "other"), pieces(op), strict=False)]
    return "; ".join(lines)


RIGHT = {
    "closures": {op: rule(op) for op in LOCALS},
    "locals": {op: f"({d},)" for op, d in LOCALS.items()},
    "outside": {op: f"({', '.join(f'({d}) * g' for d in pieces(op))},)" for op in LOCALS},
    "paths": {op: f"({d},)" for op, d in LOCALS.items()},
    "functions": {op: f"({', '.join(f'({d}) * g' for d in pieces(op))},)" for op in LOCALS},
}
RIGHT["pulls"] = RIGHT["closures"]

HEAD = """
import math

def stable_sigmoid(x):
    if x < 0:
        e = math.exp(x)
        return e / (1 + e)
    return 1 / (1 + math.exp(-x))
"""

REFLECTED = """
    def __radd__(self, other):
        return self + other
    def __rmul__(self, other):
        return self * other
    def __rsub__(self, other):
        return Value(other) - self
    def __rtruediv__(self, other):
        return Value(other) / self
"""

TOPOLOGICAL = """
    def backward(self):
        order, visited = [], set()
        def visit(v):
            if v not in visited:
                visited.add(v)
                for child in CHILDREN:
                    visit(child)
                order.append(v)
        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            STEP
"""


def method(op, body, taken):
    name = METHODS.get(op, op)
    wrap = "        other = other if isinstance(other, Value) else Value(other)\n" if taken else ""
    arguments = "self, other" if two(op) or op == "**" else "self"
    return f"    def {name}({arguments}):\n{wrap}{body}"


def closures(rules):
    parts = [
        HEAD,
        """
class Value:
    def __init__(self, data, _children=(), _op=""):
        self.data, self.grad, self._op = data, 0.0, _op
        self._backward = lambda: None
        self._prev = set(_children)
""",
    ]
    for op, forward in FORWARD.items():
        children = "(self, other)" if two(op) else "(self,)"
        parts.append(
            method(
                op,
                f'''        out = Value({forward}, {children}, "{op}")
        def _backward():
            {rules[op]}
        out._backward = _backward  # {op}
        return out  # {op}
''',
                two(op),
            )
        )
    parts += [REFLECTED, TOPOLOGICAL.replace("CHILDREN", "v._prev").replace("STEP", "v._backward()")]
    return "".join(parts)


def stored(rules, sweep):
    parts = [
        HEAD,
        """
class Value:
    __slots__ = ("data", "grad", "_children", "_local_grads")
    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads
""",
    ]
    for op, forward in FORWARD.items():
        children = "(self, other)" if two(op) else "(self,)"
        parts.append(
            method(
                op,
                f"""        out = Value({forward}, {children})
        out._local_grads = {rules[op]}
        return out  # {op}
""",
                two(op),
            )
        )
    return "".join([*parts, REFLECTED, sweep])


LOOP = TOPOLOGICAL.replace("CHILDREN", "v._children").replace(
    "STEP", "for child, local in zip(v._children, v._local_grads):\n                child.grad += local * v.grad"
)
PATHS = """
    def backward(self, g=1.0):
        self.grad += g
        for child, local in zip(self._children, self._local_grads):
            child.backward(local * g)
"""


def outside(rules):
    """Slots, and functions outside the class: rules in a table, the sweep by decreasing number."""
    parts = [
        HEAD,
        """
import itertools
numbers = itertools.count()

class Value:
    __slots__ = ("data", "grad", "op", "inputs", "other", "number")
    def __init__(self, data, op=None, inputs=(), other=None):
        self.data, self.grad, self.op, self.inputs, self.other = data, 0.0, op, inputs, other
        self.number = next(numbers)

def wrap(x):
    return x if isinstance(x, Value) else Value(x)

RULES = {}
""",
    ]
    for op, forward in FORWARD.items():
        name = "f_" + METHODS.get(op, op).strip("_")
        arguments, inputs = ("self, other", "(self, other)") if two(op) else ("self, other=None", "(self,)")
        wrap = "    other = wrap(other)\n" if two(op) else ""
        parts.append(f'''
def {name}({arguments}):
{wrap}    return Value({forward}, "{op}", {inputs}, other)
RULES["{op}"] = lambda self, other, out, g: {rules[op]}
''')
        parts.append(f"Value.{METHODS.get(op, op)} = {name}\n")
    parts.append("""
Value.__radd__ = lambda self, other: f_add(wrap(other), self)
Value.__rmul__ = lambda self, other: f_mul(wrap(other), self)
Value.__rsub__ = lambda self, other: f_sub(wrap(other), self)
Value.__rtruediv__ = lambda self, other: f_truediv(wrap(other), self)

def below(root):
    found, waiting = {id(root): root}, [root]
    while waiting:
        for x in waiting.pop().inputs:
            if id(x) not in found:
                found[id(x)] = x
                waiting.append(x)
    return sorted(found.values(), key=lambda x: -x.number)

def backward(root):
    order = below(root)
    for x in order:
        if x.inputs:
            x.grad = 0.0
    root.grad = 1.0
    for x in order:
        if x.op is None:
            continue
        for target, c in zip(x.inputs, RULES[x.op](x.inputs[0], x.other, x, x.grad)):
            target.grad += c

Value.backward = backward
""")
    return "".join(parts)


def functions(rules):
    """Operations as classes with a forward and a backward, as in PyTorch; the sweep counts users."""
    parts = [
        HEAD,
        """
class Value:
    def __init__(self, data, maker=None):
        self.data, self.grad, self.maker = data, 0.0, maker

    @classmethod
    def lift(cls, x):
        return x if isinstance(x, cls) else cls(x)

class Function:
    def __init__(self, *xs):
        self.xs = xs
    @classmethod
    def apply(cls, *xs):
        f = cls(*xs)
        out = Value(f.forward(*xs), f)
        f.out = out
        return out
""",
    ]
    for op, forward in FORWARD.items():
        name = "F" + METHODS.get(op, op).strip("_")
        arguments = "self, other" if two(op) or op == "**" else "self"
        call = f"{name}.apply(self, Value.lift(other))" if two(op) else f"{name}.apply({arguments})"
        unpack = "self, other = f.xs" if two(op) or op == "**" else "self, = f.xs"
        parts.append(f"""
class {name}(Function):
    def forward(f, {arguments}):
        return {forward}
    def backward(f, g):
        {unpack}
        out = f.out
        return {rules[op]}
Value.{METHODS.get(op, op)} = lambda {arguments}: {call}
""")
    parts.append("""
Value.__radd__ = lambda self, other: Value.lift(other) + self
Value.__rmul__ = lambda self, other: Value.lift(other) * self
Value.__rsub__ = lambda self, other: Value.lift(other) - self
Value.__rtruediv__ = lambda self, other: Value.lift(other) / self

def inputs(v):
    return [x for x in v.maker.xs if isinstance(x, Value)] if v.maker else []

def backward(root):
    users, waiting = {id(root): 0}, [root]
    while waiting:
        for x in inputs(waiting.pop()):
            if id(x) not in users:
                users[id(x)] = 0
                waiting.append(x)
            users[id(x)] += 1
    pending, ready = {id(root): 1.0}, [root]
    while ready:
        v = ready.pop()
        g = pending.pop(id(v))
        v.grad += g
        if v.maker:
            for x, c in zip(inputs(v), v.maker.backward(g)):
                pending[id(x)] = pending.get(id(x), 0.0) + c
                users[id(x)] -= 1
                if users[id(x)] == 0:
                    ready.append(x)

Value.backward = backward
""")
    return "".join(parts)


def pulls(rules):
    """Slots, functions outside the class, and closures that a node keeps; the sweep has a stack of its own."""
    parts = [
        HEAD,
        """
class Value:
    __slots__ = ("data", "grad", "pull", "sources")
    def __init__(self, data, sources=()):
        self.data, self.grad, self.sources, self.pull = data, 0.0, sources, None

def lift(x):
    return x if isinstance(x, Value) else Value(x)
""",
    ]
    for op, forward in FORWARD.items():
        name = "f_" + METHODS.get(op, op).strip("_")
        arguments, sources = ("self, other", "(self, other)") if two(op) else ("self, other=None", "(self,)")
        wrap = "    other = lift(other)\n" if two(op) else ""
        parts.append(f"""
def {name}({arguments}):
{wrap}    out = Value({forward}, {sources})
    def pull():
        {rules[op]}
    out.pull = pull  # {op}
    return out  # {op}
Value.{METHODS.get(op, op)} = {name}
""")
    parts.append("""
Value.__radd__ = lambda self, other: self + other
Value.__rmul__ = lambda self, other: self * other
Value.__rsub__ = lambda self, other: lift(other) - self
Value.__rtruediv__ = lambda self, other: lift(other) / self

def ordered(root):
    order, state, stack = [], {}, [root]
    while stack:
        v = stack[-1]
        if v in state:
            stack.pop()
            if state[v] == 1:
                order.append(v)
            state[v] = 2
        else:
            state[v] = 1
            stack.extend(x for x in v.sources if x not in state)
    return order[::-1]

def backward(root):
    root.grad = 1.0
    for v in ordered(root):
        if v.sources:
            v.pull()

Value.backward = backward
""")
    return "".join(parts)


STYLES = {
    "closures": closures,
    "locals": partial(stored, sweep=LOOP),
    "outside": outside,
    "paths": partial(stored, sweep=PATHS),
    "functions": functions,
    "pulls": pulls,
}


def source(style, rules=None, **lines):
    """The text of an engine. rules: others, by operation; lines: pairs of an old and a new text under any names."""
    text = STYLES[style](RIGHT[style] | (rules or {}))
    for old, new in lines.values():
        assert old in text, f"{style} has no {old!r}"
        text = text.replace(old, new)
    return text


def made(text):
    """The class of a source."""
    namespace = {"math": math, "__name__": "engine"}
    exec(compile(text, "<engine>", "exec"), namespace)
    return namespace["Value"]


def engine(style, rules=None, **lines):
    """The class of an engine with these changes."""
    return made(source(style, rules, **lines))
