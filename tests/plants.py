"""Misconceptions planted into the engines of `engines.py`: for each some changes of their sources."""

from engines import LOCALS, LOOP, TOPOLOGICAL, rule


def plant(style, rules=None, **lines):
    return (style, rules or {}, lines)


def local(styles="closures locals outside paths functions pulls", **changed):
    """Other local derivatives, as each style writes them; keys: + * - / ** as add mul sub div pow."""
    rules = {SIGNS.get(name, name): text for name, text in changed.items()}

    def written(style, op, text):
        parts = text.split(", ")
        if style in ("closures", "pulls"):
            return "; ".join(f"{x}.grad += ({d}) * out.grad" for x, d in zip(("self", "other"), parts, strict=False))
        return f"({', '.join(f'({d}) * g' for d in parts)},)" if style in ("outside", "functions") else f"({text},)"

    return [plant(style, {op: written(style, op, text) for op, text in rules.items()}) for style in styles.split()]


def whole(styles="closures outside functions pulls", **changed):
    """Other contributions; g is the gradient of the result."""
    rules = {SIGNS.get(name, name): text for name, text in changed.items()}
    found = []
    for style in styles.split():
        if style in ("closures", "pulls"):
            written = {
                op: "g = out.grad; "
                + "; ".join(
                    f"{x}.grad += {d}" for x, d in zip(("self", "other"), text.split(", "), strict=False) if d != "0"
                )
                for op, text in rules.items()
            }
        else:
            written = {op: f"({text},)" for op, text in rules.items()}
        found.append(plant(style, written))
    return found


def everywhere(old, new, styles="closures locals outside paths functions pulls"):
    return [plant(style, line=(old, new)) for style in styles.split()]


SIGNS = {"add": "+", "mul": "*", "sub": "-", "div": "/", "pow": "**"}
SWEEP = TOPOLOGICAL.replace("CHILDREN", "v._prev").replace("STEP", "v._backward()")
STEP = "child.grad += local * v.grad"
ZIP = "zip(x.inputs, RULES[x.op]"
RECURSION = """
    def backward(self, first=True):
        if first:
            self.grad = 1.0
        self._backward()
        for child in self._prev:
            child.backward(False)
"""
EACH = """
    def backward(self):
        self.grad = 1.0
        self._backward()
        for child in self._prev:
            child.backward()
"""
LEVELS = """
    def backward(self):
        self.grad = 1.0
        queue, seen = [self], {self}
        while queue:
            v = queue.pop(0)
            STEP
            for child in CHILDREN:
                if child not in seen:
                    seen.add(child)
                    queue.append(child)
"""
STACK = """
    stack, seen = [root], {root}
    while stack:
        v = stack.pop()
        if v.sources:
            v.pull()
        for x in v.sources:
            if x not in seen:
                seen.add(x)
                stack.append(x)
"""
INPLACE = """
    def __iadd__(self, other):
        self.data += other.data
        return self
    def __radd__("""
SETTER = """
def iadd(self, other):
    self.data += other.data
    return self
Value.__iadd__ = iadd
Value.__radd__"""

PLANTS = {
    "overwrites-gradient": [
        plant("closures", {"tanh": "self.grad = (1 - out.data**2) * out.grad"}),
        plant("closures", {"**": "self.grad = other * self.data**(other - 1) * out.grad",
                           "relu": "self.grad = (out.data > 0) * out.grad"}),
        plant("closures", {op: rule(op).replace("+=", "=") for op in LOCALS}),
        plant("pulls", {"exp": "self.grad = out.data * out.grad"}),
        plant("locals", line=(STEP, "child.grad = local * v.grad")),
        plant("outside", line=("target.grad += c", "target.grad = c")),
        plant("paths", line=("self.grad += g", "self.grad = g")),
    ],
    "adds-to-one-operand-twice": [
        plant("closures", {"*": "self.grad += other.data * out.grad; self.grad += self.data * out.grad"}),
        plant("pulls", {"+": "other.grad += out.grad; other.grad += out.grad"}),
        plant("locals", line=("zip(v._children,", "zip(v._children[:1] * 2,")),
        plant("outside", line=(ZIP, "zip(x.inputs[:1] * 2, RULES[x.op]")),
        plant("paths", line=("zip(self._children,", "zip(self._children[:1] * 2,")),
    ],
    "gradient-of-wrong-operand": [
        plant("closures", {"/": "other.grad += out.grad / other.data; "
                                "self.grad += -self.data / other.data**2 * out.grad"}),
        plant("locals", line=("zip(v._children,", "zip(v._children[::-1],")),
        plant("outside", line=(ZIP, "zip(x.inputs[::-1], RULES[x.op]")),
        plant("paths", line=("zip(self._children,", "zip(self._children[::-1],")),
        plant("pulls", {"-": "other.grad += out.grad; self.grad -= out.grad"}),
    ],
    "operand-without-gradient": [
        plant("closures", {"*": "self.grad += other.data * out.grad"}),
        *local("locals outside functions", div="1 / other.data, 0.0"),
        plant("pulls", {"+": "other.grad += out.grad"}),
    ],
    "no-topological-order": [
        plant("closures", line=(SWEEP, RECURSION)),
        plant("closures", line=(SWEEP, LEVELS.replace("CHILDREN", "v._prev").replace("STEP", "v._backward()"))),
        plant("locals", line=(LOOP, LEVELS.replace("CHILDREN", "v._children").replace(
            "STEP", f"for child, local in zip(v._children, v._local_grads):\n                {STEP}"))),
        plant("outside", line=("return sorted(found.values(), key=lambda x: -x.number)", "return list(found.values())")),
        plant("pulls", line=("    for v in ordered(root):\n        if v.sources:\n            v.pull()", STACK)),
    ],
    "order-not-reversed": [
        *everywhere("reversed(order)", "order", "closures locals"),
        plant("outside", line=("-x.number", "x.number"), other=("            x.grad = 0.0\n", "            pass\n")),
        plant("pulls", line=("order[::-1]", "order")),
    ],
    "nodes-with-equal-numbers-merged": [
        *everywhere("if v not in visited:\n                visited.add(v)",
                    "if v.data not in visited:\n                visited.add(v.data)", "closures locals"),
        plant("outside", line=("{id(root): root}", "{root.data: root}"), other=("id(x) not in", "x.data not in"),
              more=("found[id(x)]", "found[x.data]")),
        plant("closures", line=(SWEEP, "\n    def __eq__(self, other):\n        return self.data == other.data\n"
                                       "    def __hash__(self):\n        return hash(self.data)\n" + SWEEP)),
        plant("pulls", line=("\nValue.__radd__", "\nValue.__eq__ = lambda a, b: a.data == b.data\n"
                                                 "Value.__hash__ = lambda a: hash(a.data)\nValue.__radd__")),
        plant("closures", line=(SWEEP, "\n    def __eq__(self, other):\n        return self.data == other.data\n" + SWEEP)),
    ],
    "children-not-recorded": [
        plant("closures", line=('(self,), "tanh"', '(), "tanh"')),
        plant("closures", line=('(self, other), "*"', '(self,), "*"')),
        plant("locals", line=("Value(math.tanh(self.data), (self,))", "Value(math.tanh(self.data))")),
        plant("paths", line=("Value(self.data - other.data, (self, other))", "Value(self.data - other.data)")),
        plant("outside", line=('"exp", (self,)', '"exp", ()'), other=("if x.op is None", "if not x.inputs")),
    ],
    "seed-missing": [
        *everywhere("        self.grad = 1.0\n", "", "closures locals"),
        *everywhere("    root.grad = 1.0\n", "", "outside pulls"),
        plant("paths", line=("g=1.0", "g=0.0")),
    ],
    "seed-on-wrong-node": [
        plant("closures", line=(SWEEP, EACH)),
        *everywhere("self.grad = 1.0", "order[0].grad = 1.0", "locals"),
        plant("closures", line=("self.grad = 1.0", "for v in order: v.grad = 1.0")),
        plant("outside", line=("root.grad = 1.0", "order[-1].grad = 1.0")),
        plant("pulls", line=("root.grad = 1.0", "for v in ordered(root): v.grad = 1.0")),
    ],
    "seed-not-one": [
        *everywhere("self.grad = 1.0", "self.grad = self.data", "closures locals"),
        *everywhere("root.grad = 1.0", "root.grad = root.data", "outside pulls"),
    ],
    "gradient-starts-at-one": [
        *everywhere("self.data, self.grad, self._op = data, 0.0, _op", "self.data, self.grad, self._op = data, 1, _op", "closures"),
        *everywhere("self.grad = 0\n", "self.grad = 1.0\n", "locals"),
        *everywhere("data, 0.0, sources, None", "data, 1.0, sources, None", "pulls"),
    ],
    "seed-accumulates": [
        *everywhere("self.grad = 1.0", "self.grad += 1.0", "closures locals"),
        plant("outside", line=("root.grad = 1.0", "root.grad += 1.0"), other=("        if x.inputs:\n            x.grad = 0.0", "        pass")),
        plant("pulls", line=("root.grad = 1.0", "root.grad += 1")),
    ],
    "chain-rule-forgotten": [
        *whole(mul="other.data, self.data"),
        *whole(tanh="1 - out.data**2"),
        plant("locals", line=(STEP, "child.grad += local")),
        plant("closures", {op: rule(op).replace(" * out.grad", "") for op in LOCALS}),
    ],
    "upstream-forgotten-on-one-operand": [
        *whole(mul="other.data * g, self.data"),
        *whole(div="1 / other.data, -self.data / other.data**2 * g"),
        *whole(add="g, 1.0"),
    ],
    "uses-own-gradient-for-upstream": [
        plant("closures", {"*": "self.grad += other.data * self.grad; other.grad += self.data * other.grad"}),
        *whole("outside", exp="out.data * self.grad"),
        *whole("outside pulls", mul="other.data * self.grad, self.data * other.grad"),
    ],
    "data-for-upstream": [
        *whole("closures outside pulls", mul="other.data * out.data, self.data * out.data"),
        *whole("closures outside pulls", add="out.data, out.data"),
        *whole("closures outside", tanh="(1 - out.data**2) * out.data"),
    ],
    "local-forgotten": [*local(mul="1.0, 1.0"), *local(tanh="1.0"), *local(exp="1.0", log="1.0")],
    "gradient-for-data": [
        *whole("closures outside pulls", mul="other.grad * g, self.grad * g"),
        plant("locals", {"*": "(other.grad, self.grad)"}),
        *whole("closures outside pulls", div="g / other.data, -self.grad / other.data**2 * g"),
        *whole(tanh="(1 - out.grad**2) * g"),
        *whole("closures pulls", mul="other.grad * g, self.data * g"),
    ],
    "wrong-brackets-in-rule": [
        *whole(tanh="1 - out.data**2 * g"),
        *whole(sigmoid="out.data * (1 - out.data * g)"),
        *whole(pow="(other * self.data**other - 1) * g"),
    ],
    "rule-of-another-operator": [
        *local(exp="1 / self.data"),
        *local(add="other.data, self.data"),
        *local(div="other.data, self.data"),
    ],
    "sum-and-product-exchanged": local(add="other.data, self.data", mul="1.0, 1.0"),
    "product-rule-swapped": local(mul="self.data, other.data"),
    "product-rule-sum": local(mul="self.data + other.data, self.data + other.data"),
    "quotient-rule": [
        *local(div="1 / other.data, self.data / other.data**2"),
        *local(div="1 / other.data, -self.data / other.data"),
        *local(div="1 / other.data, -1 / other.data**2"),
    ],
    "power-rule-exponent": [*local(pow="other * self.data**other"), *local(pow="other * self.data")],
    "power-rule-coefficient": [*local(pow="self.data**(other - 1)"), *local(pow="(other - 1) * self.data**(other - 1)")],
    "power-rule-on-exp": local(exp="self.data * math.exp(self.data - 1)"),
    "sign-of-subtraction": [
        plant("closures", line=("\n    def __radd__(", "\n    def __sub__(self, other):\n        return self + other\n    def __radd__(")),
        *local(sub="1.0, 1.0"), *local(sub="-1.0, -1.0")],
    "sign-of-negation": local(neg="1.0"),
    "relu-derivative": [*local(relu="float(self.data < 0)"), *local(relu="out.data"), *local(relu="self.data")],
    "relu-masks-gradient": [*whole(relu="(g > 0) * g"), *whole(relu="float(g > 0)")],
    "tanh-uses-input": local(tanh="1 - self.data**2"),
    "tanh-derivative": local(tanh="1 - out.data"),
    "exp-uses-input": local(exp="self.data"),
    "log-derivative": [*local(log="out.data"), *local(log="self.data")],
    "log-wrong-base": [
        *everywhere("math.log(self.data)", "math.log10(self.data)"),
        *everywhere("math.log(self.data)", "math.log2(self.data)"),
    ],
    "sigmoid-derivative": [*local(sigmoid="1 - out.data"), *local(sigmoid="self.data * (1 - self.data)")],
    "reflected-operator-missing": [
        *everywhere("def __rsub__", "def rsub", "closures locals paths"),
        *everywhere("def __rtruediv__", "def rtruediv", "closures locals paths"),
        *everywhere("Value.__radd__", "Value.radd", "outside functions pulls"),
        *everywhere("Value.__rmul__", "Value.rmul", "outside functions pulls"),
    ],
    "reflected-operator-order": [
        *everywhere("Value(other) - self", "self - other", "closures locals paths"),
        *everywhere("lift(other) / self", "self / other", "pulls"),
        plant("outside", line=("f_sub(wrap(other), self)", "f_sub(self, wrap(other))")),
    ],
    "constant-operand-breaks": [
        *everywhere("        other = other if isinstance(other, Value) else Value(other)\n", "", "closures locals paths"),
        *everywhere("    other = wrap(other)\n", "", "outside"),
        *everywhere("    other = lift(other)\n", "", "pulls"),
        plant("functions", line=("Fmul.apply(self, Value.lift(other))", "Fmul.apply(self, other)")),
    ],
    "operator-missing": [
        *everywhere("def __truediv__", "def divide", "closures locals paths"),
        *everywhere("Value.__neg__ =", "Value.negated =", "outside functions pulls"),
    ],
    "division-truncates": [
        *everywhere("(self.data / other.data,", "(self.data // other.data,", "closures locals outside paths pulls"),
        *everywhere("return self.data / other.data", "return int(self.data / other.data)", "functions"),
    ],
    "in-place-changes-operand": [
        *everywhere("\n    def __radd__(", INPLACE, "closures locals paths"),
        *everywhere("\nValue.__radd__", SETTER, "outside pulls"),
        plant("closures", line=("out = Value(self.data + other.data", "self.data += other.data; out = Value(self.data")),
    ],
    "tanh-overflows": [
        plant("closures", line=("\n    def __radd__(", "\n    def tanh(self):\n        e = (2 * self).exp()\n"
                                "        return (e - 1) / (e + 1)\n    def __radd__(")),
        *everywhere(
        "math.tanh(self.data)", "(math.exp(2 * self.data) - 1) / (math.exp(2 * self.data) + 1)"
    )],
    "sigmoid-overflows": [
        plant("locals", line=("\n    def __radd__(", "\n    def sigmoid(self):\n"
                              "        return 1 / (1 + (-self).exp())\n    def __radd__(")),
        *everywhere("stable_sigmoid(self.data)", "1 / (1 + math.exp(-self.data))"),
    ],
    "closure-binds-late": [
        plant("closures", line=("self._backward = lambda: None", "pass"),
              other=("out._backward = _backward", "Value._backward = staticmethod(_backward)")),
        plant("pulls", line=("out.pull = pull", "global latest; latest = pull"), other=("v.pull()", "latest()")),
        plant("locals", line=("        self.data = data\n", "        self.data = data\n        global latest; latest = self if children else None\n"),
              other=("zip(v._children, v._local_grads)", "zip(latest._children, latest._local_grads)"),
              more=(STEP, "child.grad += local * latest.grad")),
    ],
    "backward-called-at-once": [
        *everywhere("out._backward = _backward  # tanh", "out._backward = _backward()", "closures"),
        *everywhere("out._backward = _backward", "out._backward = _backward()", "closures"),
        *everywhere("out.pull = pull", "out.pull = pull()", "pulls"),
    ],
    "rule-never-attached": [
        *everywhere("out._backward = _backward  # tanh", "self._backward = _backward", "closures"),
        *everywhere("out._backward = _backward  # *\n", "out.backward_ = _backward\n", "closures"),
        *everywhere("out._backward = _backward", "pass", "closures"),
        plant("pulls", line=("out.pull = pull  # exp", "pass"), other=("if v.sources:", "if v.pull:")),
    ],
    "node-run-more-than-once": [
        *everywhere("v._backward()", "v._backward(); v._backward()", "closures"),
        *everywhere("visited.add(v)", "pass", "locals"),
        plant("pulls", line=("v.pull()", "v.pull(); v.pull()")),
        plant("outside", line=("    for x in order:\n        if x.op is None", "    for x in [x for x in order for _ in (1, 2)]:\n        if x.op is None")),
    ],
    "gradient-becomes-a-node": [
        plant("closures", {"*": "self.grad += other * out.grad; other.grad += self * out.grad"}),
        plant("locals", {"*": "(other, self)"}),
        plant("outside", {"exp": "(out * g,)"}),
        plant("paths", {"*": "(other, self)"}),
    ],
    "operator-returns-nothing": [
        *everywhere("return out  # tanh", "pass", "closures locals paths pulls"),
        *everywhere("return out  # *\n", "pass\n", "closures locals paths pulls"),
    ],
    "operator-calls-itself": [
        *everywhere("return self + other", "return other + self", "closures locals paths"),
        *everywhere("Value.__rmul__ = lambda self, other: self * other", "Value.__rmul__ = lambda self, other: other * self", "pulls"),
        plant("outside", line=("Value.__neg__ = f_neg", "Value.__neg__ = lambda self: -self")),
    ],
    "stops-after-one-level": [
        *everywhere("for v in reversed(order):", "for v in [self]:", "closures locals"),
        plant("outside", line=("for x in order:\n        if x.op", "for x in order[:1]:\n        if x.op"), other=("            x.grad = 0.0\n", "            pass\n")),
        plant("pulls", line=("for v in ordered(root)", "for v in [root]")),
    ],
    "shared-default-argument": [
        plant("closures", line=("class Value:", "class Value:\n    _prev = []"), other=("self._prev = set(_children)", "self._prev.extend(_children)")),
        *everywhere("def backward(self):\n        order, visited = [], set()\n", "def backward(self, order=[], visited=set()):\n", "closures locals"),
        *everywhere("def backward(self):\n        order, visited = [], set()\n", "def backward(self, visited=set()):\n        order = []\n", "closures locals"),
        plant("pulls", line=("def ordered(root):\n    order, state, stack = [], {}, [root]", "def ordered(root, state={}):\n    order, stack = [], [root]")),
    ],
    "data-mutated-in-backward": [
        plant("closures", {"*": "self.data += other.data * out.grad; other.data += self.data * out.grad"}),
        *everywhere(STEP, "child.data += local * v.grad", "locals"),
        plant("outside", line=("target.grad += c", "target.data += c")),
        plant("pulls", {"exp": "self.data += out.data * out.grad"}),
    ],
    "gradients-reset-by-backward": [
        *everywhere("        self.grad = 1.0\n", "        for v in order: v.grad = 0.0\n        self.grad = 1.0\n", "closures locals"),
        plant("outside", line=("        if x.inputs:\n            x.grad = 0.0", "        x.grad = 0.0")),
        plant("pulls", line=("    root.grad = 1.0", "    for v in ordered(root): v.grad = 0.0\n    root.grad = 1.0")),
    ],
}  # fmt: skip


COMMON = {
    "overwrites-gradient": plant("closures", {"tanh": "self.grad = (1 - out.data**2) * out.grad"}),
    "product-rule-swapped": local("closures", mul="self.data, other.data")[0],
    "power-rule-coefficient": local("closures", pow="self.data**(other - 1)")[0],
    "exp-uses-input": local("closures", exp="self.data")[0],
    "sign-of-subtraction": local("closures", sub="1.0, 1.0")[0],
    "relu-derivative": local("closures", relu="out.data")[0],
    "gradient-for-data": plant("closures", {"/": "self.grad += out.grad / other.data; "
                                                 "other.grad += -self.grad / other.data**2 * out.grad"}),
    "reflected-operator-missing": everywhere("def __rsub__", "def rsub", "closures")[0],
    "sigmoid-overflows": everywhere("stable_sigmoid(self.data)", "1 / (1 + math.exp(-self.data))", "closures")[0],
    "no-topological-order": plant("closures", sweep=(SWEEP, RECURSION)),
    "seed-accumulates": plant("closures", seed=("self.grad = 1.0", "self.grad += 1.0")),
    "backward-called-at-once": everywhere("out._backward = _backward  # log", "out._backward = _backward()", "closures")[0],
}  # fmt: skip
"""Twelve common ones."""
