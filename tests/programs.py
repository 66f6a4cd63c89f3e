"""Random programs, for holding what is compiled against the eager engine: `program(number)` is always the same one.

A program is the text of a function of one example, so that a failing one can be read and run by itself. Of two right
results, finite numbers may differ by rounding, and in sums of products, whose order is free, so may the signs of zeros.
`allowed` follows both through the recorded program, and lets go of what a difference by rounding may turn around, such
as a comparison of two numbers that are equal but for rounding.
"""

import math
import random
import sys
from dataclasses import dataclass, field

import guarded
import numpy as np
from support import BUILTIN, identical

import autograd
from autograd import Value, compile, grad, gradients, hessian, jvp
from autograd.compiler.codegen import straightline
from autograd.compiler.ir.passes import spelled_out
from autograd.compiler.runtime import memory
from autograd.compiler.tracing.trace import flat

NAMES = {p.name: p for p in BUILTIN if not p.vectors}
VECTORS = ("sum", "mean", "dot", "linear", "gather", "amax", "logsumexp", "softmax", "log_softmax")
ENVIRONMENT = {**NAMES, **{name: getattr(autograd, name) for name in VECTORS}, "inf": math.inf, "nan": math.nan}
BY_ARITY = {n: [name for name, p in NAMES.items() if p.arity == n] for n in (1, 2, 3)}
EXACT = {
    1: ["neg", "abs", "relu", "sign", "identity"],
    2: ["add", "sub", "mul", "maximum", "minimum", "greater", "equal", "leaky_relu", "greater_equal"],
    3: ["where", "clamp", "where"],
}
MILD = [
    "tanh({0})", "maximum({0}, {1})", "minimum({1}, {0})", "where(greater({0}, {1}), {1}, {0})", "abs({0}) - {1}",
    "0.5 * {0} + {1}", "clamp({0}, -2.0, 2.0)", "relu({0} - {1})", "sin({0})", "{0} * {1}", "atan({0})", "neg({0})",
    "leaky_relu({0}, 0.5)", "where({1}, {0}, {1})", "{1} * tanh({0}) + 0.7",
]  # fmt: skip
GUARDED = [
    "where({0}, abs({1} * {2} - {3}), 0.0)", "relu({1} * {2})", "where(equal({1}, {1}), {1} * {2}, {3})",
    "where(greater({1}, 0.0), sqrt({1}), {2})", "where(greater({1}, 0.0), log({1}) * {2}, 0.0)",
    "where({0}, div({1}, {2}), {3})", "where(equal({2}, 0.0), 0.0, div({1}, {2}))", "maximum({1} * {2}, {3})",
    "clamp({1} * {2}, -1.0, 1.0)", "where({0}, where(equal({1}, {1}), exp({2}), {3}), neg({1}))", "elu({1} * {2}, {3})",
    "where({0}, hypot({1}, {2}), atan2({2}, {1}))", "where({0}, pow({1}, 0.5), pow({2}, 2.0))", "log(relu({1}))",
    "where({0}, {1}, {2}) * where({0}, {3}, {1})",
    "{1} * {2} + {3}", "where({0}, {1}, 0.0) + where(greater({2}, {1}), {1} * {3}, -0.0)",
]  # fmt: skip
"""Branches that are not taken, and hold nan or inf now and then."""


class Writer:
    """Writes a function line by line. `computed` are the names of its numbers so far."""

    def __init__(self, rng, small):
        self.rng, self.small = rng, small
        self.sums, self.special, self.rough = rng.random() < 0.6, rng.choice([0.0, 0.0, 0.03, 0.15]), rng.random() < 0.4
        self.largest = rng.choice([3, 24, 24])  # with few numbers come more zeros and ties
        rows = 1 if small else rng.randint(1, 4)
        columns = rng.randint(1, 3) if small else rng.choice([2, 3, 5, 8, 9])
        self.shape = [columns if rng.random() < 0.9 else rng.randint(1, 4) for _ in range(rows)]
        self.x = [[f"x[{r}][{c}]" for c in range(n)] for r, n in enumerate(self.shape)]
        self.i = [f"i[{k}]" for k in range(rng.randint(1, 3))]
        self.p = [f"p[{k}]" for k in range(rng.randint(1, 4) if small else rng.choice([1, 5, 12, 20, 60]))]
        self.lines, self.computed, self.families = [], [], [*self.x, self.p]

    def value(self):
        """A number that comes in, or a constant."""
        rng = self.rng
        if rng.random() < self.special:
            return rng.choice([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, *[1e308, -1e308] * (not self.sums)])
        return rng.gauss(0.0, 1.0) if self.rough else rng.randint(-self.largest, self.largest) / 8

    def number(self):
        rng = self.rng
        kind = rng.choice("xxxpppvvvcci")
        if kind == "c" or (kind == "i" and rng.random() < 0.7):
            return repr(self.value())
        if kind == "v" and self.computed:
            return rng.choice(self.computed[-40:])
        return rng.choice({"p": self.p, "i": self.i}.get(kind) or rng.choice(self.x))

    def vector(self, n, source=None):
        """n numbers: a window of a row, however it runs through it, or any numbers."""
        rng = self.rng
        source = source or rng.choice(self.families[-8:] + self.families[:5])
        start, kind = rng.randrange(len(source)), rng.choice(["window"] * 3 + ["back", "any", "same", "mixed", "apart"])
        step = {"back": -1, "apart": rng.choice([2, 3, -2])}.get(kind, 1)
        if kind == "any":
            return rng.choices(source, k=n)
        if kind == "same":
            return [self.number()] * n
        if kind == "mixed":
            return [self.number() for _ in range(n)]
        return [source[(start + step * k) % len(source)] for k in range(n)]

    def let(self, text):
        name = f"v{len(self.computed)}"
        self.lines.append(f"{name} = {text}")
        self.computed.append(name)
        return name

    def family(self, names):
        """Computed numbers that belong together, and may be a vector of what comes later."""
        if names:
            self.families.append(names)

    def many(self, most=17):
        return self.rng.choice([n for n in (1, 2, 3, 4, 5, 8, 9, 16, 17, 33) if n <= (4 if self.small else most)])

    def tree(self, depth):
        """A nested expression whose operands are the numbers 0 to 2, or constants."""
        rng = self.rng
        if depth == 0:
            return repr(self.value()) if rng.random() < 0.2 else f"{{{rng.randrange(3)}}}"
        arity = rng.choice([1, 1, 2, 2, 2, 3])
        return [self.operation(arity), *[self.tree(rng.randrange(depth)) for _ in range(arity)]]

    def operation(self, arity):
        return self.rng.choice((EXACT if self.rng.random() < 0.5 else BY_ARITY)[arity])

    def changed(self, tree):
        """The same with another operation, constant or operand somewhere."""
        if isinstance(tree, str):
            return self.rng.choice([repr(self.value()), "{0}", "{2}"])
        if self.rng.random() < 0.3:
            return [self.operation(len(tree) - 1), *tree[1:]]
        k = self.rng.randrange(1, len(tree))
        return [*tree[:k], self.changed(tree[k]), *tree[k + 1 :]]

    def row(self, operands):
        """The operands of one of many rows: now and then one is another, two change places, or one changes its sign."""
        rng, operands = self.rng, list(operands)
        if rng.random() < 0.15:
            a, b = rng.randrange(len(operands)), rng.randrange(len(operands))
            kind = rng.choice(["other", "swap", "sign"])
            operands[a], operands[b] = operands[b], operands[a]
            if kind != "swap":
                operands[b] = self.number() if kind == "other" else f"neg({operands[b]})"  # not -0, which is 0
        return operands

    # What programs are made of

    def elementwise(self):
        n, tree = self.many(), self.tree(self.rng.choice([1, 2, 2, 3]))
        if self.rng.random() < 0.25:  # no sum of several products: rounded after each operation
            tree = ["add", *self.rng.sample([["mul", "{0}", "{1}"], "{2}"], 2)]
        columns = [self.vector(n) for _ in range(3)]
        names = []
        for operands in zip(*columns, strict=True):
            mine = self.changed(tree) if self.rng.random() < 0.12 else tree
            names.append(self.let(text_of(mine).format(*self.row(operands))))
        self.family(names)

    def masks(self):
        n, text = self.many(9), self.rng.choice(GUARDED)
        condition = self.rng.choice(["equal", "greater", "greater_equal"])
        known = [f"{condition}({a}, {b})" for a, b in zip(self.vector(n), self.vector(n), strict=True)]
        columns = [self.vector(n) for _ in range(3)]
        self.family([self.let(text.format(known[k], *self.row(c))) for k, c in enumerate(zip(*columns, strict=True))])

    def gathers(self):
        size, n, names = self.rng.randint(4, 9), self.many(9), []
        table, index, offsets = self.vector(size), self.rng.choice(self.i), range(size)
        kind = self.rng.choice(["indices", "tables", "permuted", "rows"])
        for _ in range(n):
            if kind == "indices":
                index = self.rng.choice(self.i)
            elif kind == "tables":
                table = self.vector(size)
            elif kind == "permuted":
                offsets = self.rng.sample(range(size), size)
            else:
                table = self.row(table)
            names.append(self.let(f"gather([{', '.join(table[k] for k in offsets)}], {index})"))
        self.family(names)
        if self.rng.random() < 0.4:
            rows = ", ".join(f"[{', '.join(self.vector(2))}]" for _ in range(4))
            self.family([self.let(f"gather([{rows}], {self.rng.choice(self.i)})[{k}]") for k in (0, 1)])
        if self.rng.random() < 0.4:  # of what was gathered
            self.let(f"gather([{', '.join(self.vector(4, names))}], {self.rng.choice(self.i)})")

    def dots(self):
        rng, rows = self.rng, self.many(9)
        n = rng.choice([1, 2, 3, 5] if self.small else [*[1, 2, 3, 5, 8, 9, 16] * 3, 0])
        base, stride = self.vector(n + rows * 3), rng.choice([0, 1, 2, n, 1, n])
        base += base[::-1] * n
        fixed, start = rng.choice([None, self.vector(n)]), self.number()
        bias = rng.choice([lambda k: None, lambda k: start, lambda k: self.number(), lambda k: base[k]])
        names = []
        for k in range(rows):
            ws, xs = base[k * stride : k * stride + n], fixed or self.vector(n)
            ws, xs = (self.row(ws) if ws else ws), (self.row(xs) if rng.random() < 0.3 and xs else xs)
            ws = ws[::-1] if rng.random() < 0.1 else ws
            ws, xs = (xs, ws) if rng.random() < 0.2 else (ws, xs)
            b = bias(k)
            names.append(self.let(f"dot([{', '.join(ws)}], [{', '.join(xs)}]{'' if b is None else ', ' + b})"))
        self.family(names)

    def layer(self):
        rows, n = self.many(5), self.many(5)
        weight = ", ".join(f"[{', '.join(self.row(self.vector(n, self.p)))}]" for _ in range(rows))
        bias = self.rng.choice(["", f", [{', '.join(self.vector(rows))}]"])
        name = f"l{len(self.lines)}"
        self.lines.append(f"{name} = linear([{', '.join(self.vector(n))}], [{weight}]{bias})")
        self.family([self.let(f"{self.rng.choice(['tanh', 'relu', '+'])}({name}[{k}])") for k in range(rows)])

    def loops(self):
        """Sums of products as loops write them."""
        rng, names = self.rng, []
        usual = rng.choice(["{s} + {w} * {v}", "{s} + {w} * {v}", "{w} * {v} + {s}", "{s} - {w} * {v}", "{s} + {w}"])
        n = self.many(9)
        for _ in range(self.many(5)):
            s = self.number()
            for w, v in zip(self.vector(n), self.vector(n), strict=True):
                text = rng.choice(["{s} + {w}", "{s} - {w} * {v}", "{w} * {v} + {s}"]) if rng.random() < 0.1 else usual
                self.lines.append(f"s = {text.format(s=s, w=w, v=v)}")
                s = "s"
            names.append(self.let(s))
        self.family(names)

    def wide(self):
        n = self.rng.choice([2, 3, 8, 9, 33, 70]) if not self.small else 3
        name = self.rng.choice(["amax"] + ["sum", "mean", "logsumexp", "softmax", "log_softmax", "dot"] * self.sums)
        xs = ", ".join(self.vector(n))
        if name == "dot":
            xs = f"{xs}], [{', '.join(self.vector(n))}"
        if "softmax" in name:
            self.lines.append(f"t = {name}([{xs}])")
            self.family([self.let(f"t[{k}]") for k in self.rng.sample(range(n), min(n, 3))])
        else:
            self.let(f"{name}([{xs}])")

    def chain(self):
        usual, name = self.rng.choice(MILD), self.number()
        for other in self.vector(5 if self.small else self.rng.choice([30, 110])):
            text = self.rng.choice(MILD) if self.rng.random() < 0.3 else usual
            self.lines.append(f"c = {text.format(name, other)}")
            name = "c"
        self.let(name)

    def fan(self):
        """One number that many nodes use."""
        hub, n, operation = self.number(), 4 if self.small else 50, self.operation(2)
        others = self.vector(n)
        self.family([self.let(f"{operation}({', '.join(self.row([hub, other]))})") for other in others])

    def result(self):
        """One number, or nested lists."""
        rng, some = self.rng, self.rng.sample(self.computed, min(len(self.computed), 8))
        ends = [family[-1] for family in self.families[len(self.x) + 1 :]] + some + self.computed[-2:]
        if rng.random() < 0.65:
            if self.sums and rng.random() < 0.5:
                return f"{rng.choice(['sum', 'mean', 'logsumexp'])}([{', '.join(ends)}])"
            total = ends[0]
            for name in ends[1:]:
                total = f"maximum({total}, {name})" if rng.random() < 0.1 else f"({total} + {name})"
            return total
        if rng.random() < 0.7:
            return f"[{', '.join(self.computed[-33:])}]"
        pair = [rng.choice(ends), self.number()]
        return f"[[{', '.join(ends)}], {pair[0]}, [[{pair[1]}], {pair[0]}, {self.x[0][0]}, 0.5]]"

    def write(self):
        kinds = [self.elementwise, self.elementwise, self.masks, self.gathers, self.wide, self.chain, self.fan]
        kinds += [self.dots, self.dots, self.dots, self.loops, self.layer] * self.sums
        for kind in self.rng.choices(kinds, k=self.rng.randint(1, 2 if self.small else 5)):
            kind()
        if not self.computed:
            self.let(self.number())
        return "\n    ".join(["def f(x, i):", *self.lines, f"return {self.result()}"])


def text_of(tree):
    return tree if isinstance(tree, str) else f"{tree[0]}({', '.join(map(text_of, tree[1:]))})"


@dataclass
class Random:
    """A program, the numbers it is run on, and how it is run."""

    number: int
    text: str = field(init=False)
    kernels: bool = field(init=False)
    params: list[Value] = field(init=False)

    def __post_init__(self):
        self.rng = rng = random.Random(self.number)
        self.small = rng.random() < 0.4
        writer = Writer(rng, self.small)
        self.text, self.kernels = writer.write(), rng.random() < 0.6
        self.params = [Value(writer.value()) for _ in writer.p]
        environment = {**ENVIRONMENT, "p": self.params}
        exec(self.text, environment)
        self.f = environment["f"]
        some = 12 if self.small else 5
        xs = [[[writer.value() for _ in range(n)] for n in writer.shape] for _ in range(some)]
        self.examples = [(x, [rng.randrange(4) for _ in writer.i]) for x in xs]
        self.size = rng.choice([7, 8, 9, 63, 64, 65, *[1000] * self.small])
        self.as_arrays = len({*writer.shape}) == 1 and rng.random() < 0.5
        self.results = {}

    def batch(self, size):
        """Which example stands at each place, and the batch."""
        chosen = [self.rng.randrange(len(self.examples)) for _ in range(size)]
        xs, indices = ([self.examples[k][a] for k in chosen] for a in (0, 1))
        return chosen, ((guarded.array(xs), guarded.array(indices)) if self.as_arrays else (xs, indices))

    def __str__(self):
        way = "kernels" if self.kernels else "straight if small"
        params = f"p = [Value(x) for x in {[p.data for p in self.params]}]"
        return f"program {self.number}, {way}, {self.size} examples\n{params}\n{self.text}"


def program(number):
    return Random(number)


# What is held against what: each gives the compiled and the eager form of a function of one example


def numbers(result):
    return [y.data if isinstance(y, Value) else y for y in flat(result)]


def eager_gradients(f, params):
    """The result, and its gradients by x and i or by params."""

    def run(x, i):
        leaves = [[Value(v) for v in row] for row in x]
        y = f(leaves, i)
        wanted = flat(leaves) if params is None else params
        return [*numbers(y), *(gradients(y, wanted) if isinstance(y, Value) else [0.0] * len(wanted))]

    return run


def forms(program):
    """The name of each comparison, what is to be compiled, and the same for one example in the eager engine."""
    f, rng = program.f, program.rng

    def along(x, i):
        return jvp(lambda x: f(x, i), (x,), ([[1.0] * len(row) for row in x],))

    yield "values", f, None, lambda x, i: numbers(f(x, i))
    if isinstance(f(*program.examples[0]), list):
        return
    if program.small or rng.random() < 0.6:
        yield "gradients", f, None, eager_gradients(f, None)
    if program.small or rng.random() < 0.6:
        yield "mean", f, program.params, eager_gradients(f, program.params)
    if program.small:
        second = rng.choice([grad(f), hessian(f), hessian(f), along])
        yield "second order", second, None, lambda x, i: numbers(second(x, i))


def disagreement(program):
    """Where compiled and eager results differ: text, or None."""
    usual = straightline.LARGEST
    straightline.LARGEST = 0 if program.kernels else usual
    try:
        for name, f, params, eager in forms(program):
            eager, compiled = Remembered(eager, program.examples, name != "values"), compile(f, params)
            for size in (1, program.size):  # the first time what runs one example is made, then what runs many
                if found := differs(name, compiled, eager, params, *program.batch(size)):
                    return f"{name} of {size} examples, {found}\n{program}"
        for empty in ([], np.empty((0, 1, 1))):
            try:
                compiled(empty, empty)
                return f"{name} of no examples, no error\n{program}"
            except ValueError:
                pass
    except Exception as error:
        return f"{name}, {type(error).__name__}: {error}\n{program}"
    finally:
        straightline.LARGEST = usual
    return None


class Remembered:
    """Eager results, and what is allowed, of each example once."""

    def __init__(self, f, examples, gradients):
        self.f, self.examples, self.gradients, self.found, self.bounds = f, examples, gradients, {}, {}

    def __call__(self, k):
        if k not in self.found:
            self.found[k] = self.f(*self.examples[k])
        return self.found[k]

    def allowed(self, k, made):
        if (made, k) not in self.bounds:
            x, i = self.examples[k]
            inputs, shared = [*flat(x), *map(float, i)], [p.data for p in made.prepared.leaves]
            traced = made.prepared.whole()
            if made.total:
                traced = spelled_out(traced, made.prepared.kernels.totals)
            self.bounds[made, k] = allowed(traced, inputs, shared, self.gradients)
        return self.bounds[made, k]


def differs(name, compiled, eager, params, chosen, batch):
    """Runs the batch, and compares; text or None."""
    if name == "mean":
        for p in params:
            p.grad = 0.0
        found = [[compiled(*batch), *[p.grad for p in params]]]
        expected = [[sum(column) / len(chosen) for column in zip(*map(eager, chosen), strict=True)]]
    elif name == "gradients":
        values, (by_x, _) = compiled.value_and_grad(*batch)
        found = [[y, *numbers(list_of(x))] for y, x in zip(values, by_x, strict=True)]
        expected = map(eager, chosen)
    else:
        found = [numbers(list_of(y)) for y in compiled(*batch)]
        expected = map(eager, chosen)
    for row, (a, b) in enumerate(zip(found, expected, strict=True)):
        for column, pair in enumerate(zip(a, b, strict=True)):
            if identical(*pair):
                continue
            if name == "mean":
                limits = [eager.allowed(k, compiled._latest)[column] for k in chosen]
                sizes = sum(abs(eager(k)[column]) for k in chosen if math.isfinite(eager(k)[column]))
                error = (sum(e for e, _ in limits) + len(chosen) / 8 * math.ulp(sizes)) / len(chosen)
                limit = (error if sizes < 1e308 else math.inf, True)
            else:
                limit = eager.allowed(chosen[row], compiled._latest)[column]
            if not close(*pair, *limit):
                return f"example {row} {eager.examples[chosen[row]]}, result {column}: {pair[0]!r} for {pair[1]!r}"
    return None


def list_of(x):
    return x.tolist() if hasattr(x, "tolist") else x


def close(a, b, error, loose):
    """Whether a result is right. loose: the sign of a zero is free."""
    if error == math.inf or identical(a, b):
        return True
    if a == b == 0.0:
        return loose or error > 0.0
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= 8.0 * error


# How far apart two right results may be

ROUNDED = {"add", "sub", "mul", "div", "sqrt", "neg", "abs", "identity", "relu", "leaky_relu"}
"""One operation of IEEE 754 or none: of the same numbers the same result, to the last bit."""
JUMPING = {"floor", "ceil", "trunc", "round", "floordiv", "mod"}


def allowed(program, inputs, shared, gradients):
    """For each output how far apart two right results may be, inf for anything, and whether a zero's sign is free."""
    state = Errors(program, [*inputs, *shared], gradients)
    for slot, (primitive, operands) in enumerate(program.instructions, program.first):
        state.step(slot, primitive, operands)
    return [(state.error[y], state.loose[y]) for y in program.outputs]


class Errors:
    """For each slot: its number, how far off another right one may be, whether the sign of its zero is free; of a sum
    of products how many products it has, and the size of its terms, inf if they overflow."""

    def __init__(self, program, before, gradients):
        self.y = program.slots(before, program.constants)
        # eagerly a gather is no node, and what flows through dots is added last: gradients meet in another order
        self.reordered = gradients and any(p.name in ("gather", "dot") for p, _ in program.instructions)
        self.fused = [False] * len(self.y)  # products that were rounded, which may be added without
        self.error, self.loose, self.products = ([kind] * len(self.y) for kind in (0.0, False, 0))
        self.size = [abs(x) if x is not None and math.isfinite(x) else 0.0 for x in self.y]

    def step(self, slot, primitive, operands):
        xs = [[self.y[k] for k in x] if type(x) is tuple else self.y[x] for x in operands]
        self.y[slot] = y = primitive.forward(*xs)
        flat_operands = [k for x in operands for k in (x if type(x) is tuple else (x,))]
        self.size[slot] = abs(y) if math.isfinite(y) else 0.0
        summed = self.sum(slot, primitive.name, operands, flat_operands)
        error = self.of(slot, primitive, operands, xs, flat_operands, summed)
        if error > 1e-9 and error > 1e-9 * abs(y):  # too much for a bound that is linear
            error = math.inf
        self.error[slot] = error
        if primitive.name == "where":
            self.loose[slot] = self.loose[operands[1] if xs[0] else operands[2]]
        else:
            self.loose[slot] = y == 0.0 and (summed or any(map(self.sign_is_free, flat_operands)))

    def sum(self, slot, name, operands, flat_operands):
        """Whether this is a sum whose order is free."""
        if name in ("mul", "pow"):  # a power may be a product
            self.products[slot] = 1
            self.fused[slot] = not all(coarse(self.y[k]) for k in operands)
            if name == "mul" and all(math.isfinite(self.y[k]) for k in operands):
                self.size[slot] = abs(self.y[operands[0]] * self.y[operands[1]])
        elif name in ("identity", "where"):
            self.products[slot] = max(self.products[k] for k in flat_operands)
        elif name in ("sum", "dot", "add"):
            pairs = list(zip(*operands[:2], strict=True)) if name == "dot" else []
            factors = [(self.y[w], self.y[x]) for w, x in pairs]
            size = sum(abs(w * x) for w, x in factors if math.isfinite(w) and math.isfinite(x))
            terms = {"dot": operands[2:], "sum": flat_operands, "add": operands}[name]
            size += sum(self.size[k] for k in terms)
            self.products[slot] = sum(self.products[k] for k in terms) + (2 if name != "add" else 0)
            self.size[slot] = size
            return self.products[slot] >= 2
        return False

    def sign_is_free(self, k):
        return self.loose[k] or (self.error[k] > 0.0 and abs(self.y[k]) <= self.error[k])

    def doubtful(self, k, at=0.0):
        """Whether another right number may lie on the other side of a point."""
        return self.error[k] > 0.0 and abs(self.y[k] - at) <= self.error[k]

    def of(self, slot, primitive, operands, xs, flat_operands, summed):
        name, y, error = primitive.name, self.y[slot], self.error
        if name in ("where", "gather"):
            if name == "where":
                chosen = operands[1] if xs[0] else operands[2]
            else:
                chosen = operands[1][int(xs[0])] if xs[0] in range(len(xs[1])) else operands[0]
            return math.inf if self.doubtful(operands[0]) else error[chosen]
        errors = [error[k] for k in flat_operands]
        if math.inf in errors or (self.size[slot] > 1e308 and summed):
            return math.inf
        if name in ("greater", "greater_equal", "equal", "sign"):
            apart = xs[0] - (xs[1] if len(xs) > 1 else 0.0)
            return math.inf if abs(apart) <= sum(errors) and sum(errors) > 0.0 else 0.0
        if name in JUMPING:
            return math.inf if any(errors) or any(map(self.sign_is_free, operands[1:])) else 0.0
        if name in ("maximum", "minimum", "amax", "clamp"):
            return max(errors)
        poles = {"div": operands[1:], "pow": operands[:1], "atan2": operands}.get(name, ())
        if any(self.sign_is_free(k) for k in poles if self.y[k] == 0.0 or self.doubtful(k)):
            return math.inf
        if name == "pow" and xs[0] <= 0.0 and errors[1]:
            return math.inf
        if any(errors) and (not math.isfinite(y) or abs(y) > 1e300):
            return math.inf if all(math.isfinite(self.y[k]) for k in flat_operands) or name in ("mul", "div") else 0.0
        if not math.isfinite(y):
            return 0.0
        result = self.rounding(slot, name, xs, flat_operands, summed)
        if any(errors):
            slopes = []
            for x, slope in zip(xs, [partial(*xs, y) for partial in primitive.partials], strict=True):
                slopes += slope if isinstance(x, list) else [slope]
            result += sum(abs(s) * e for s, e in zip(slopes, errors, strict=True) if s is not None and e)
        return result if result == result else math.inf

    def rounding(self, slot, name, xs, flat_operands, summed):
        """The error of the operation itself."""
        if summed or (name == "add" and self.reordered):
            exact = all(self.error[k] == 0.0 and coarse(self.y[k]) and not self.fused[k] for k in flat_operands)
            return 0.0 if exact else 2.0 * math.ulp(self.size[slot])
        if name in ROUNDED and not any(self.error[k] for k in flat_operands):
            return 0.0
        if name == "logsumexp":
            return 2.0 * math.ulp(abs(self.y[slot]) + 2.0 * max(map(abs, xs[0])) + 1.0)
        all_zero = not any(self.y[k] for k in (slot, *flat_operands))
        return 0.0 if all_zero else 2.0 * math.ulp(self.y[slot])


def coarse(x):
    """Whether sums of products of such numbers are exact in any order."""
    return not math.isfinite(x) or (abs(x) < 2.0**12 and x * 2.0**12 == math.floor(x * 2.0**12))


def main(first, last):
    from tqdm import tqdm

    memory.doubles = guarded.doubles
    for number in tqdm(range(first, last), file=sys.stderr):
        try:
            if found := disagreement(program(number)):
                print(found.replace("\n", " | "), flush=True)
        except Exception as error:
            print(f"program {number} itself: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
