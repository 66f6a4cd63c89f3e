"""A program as C: the same kernels as loops that can be read, for any C99 compiler."""

import math
import re
from collections.abc import Sequence

from ...primitives import Primitive
from ..schedule.kernels import EACH, Expression, Gather, Kernel, Kernels, Map, Total, describe, spread
from ..schedule.loops import Nest
from .arithmetic import LIBRARY, SCALARS


class _C:
    """Writes arithmetic as C."""

    def __call__(self, x: float) -> str:
        return literal(x)

    def add(self, a: str, b: str) -> str:
        return f"({a} + {b})"

    def sub(self, a: str, b: str) -> str:
        return f"({a} - {b})"

    def mul(self, a: str, b: str) -> str:
        return f"({a} * {b})"

    def div(self, a: str, b: str) -> str:
        return f"({a} / {b})"

    def neg(self, x: str) -> str:
        return f"(-{x})"

    def above(self, a: str, b: str) -> str:
        return f"({a} > {b})"

    def at_least(self, a: str, b: str) -> str:
        return f"({a} >= {b})"

    def same(self, a: str, b: str) -> str:
        return f"({a} == {b})"

    def is_nan(self, x: str) -> str:
        return f"({x} != {x})"

    def true(self, x: str) -> str:
        return f"({x} != 0.0)"

    def either(self, a: str, b: str) -> str:
        return f"({a} || {b})"

    def choose(self, where: str, a: str, b: str) -> str:
        return f"({where} ? {a} : {b})"

    def call(self, name: str, *xs: str) -> str:
        if name == "quarter_expm1":  # of x >= 0; e**2 / 4 is a number
            return f"({xs[0]} > 700.0 ? {literal(math.exp(2.0) / 4.0)} * exp({xs[0]} - 2.0) : 0.25 * expm1({xs[0]}))"
        return f"{name}({', '.join(xs)})"


def literal(x: float) -> str:
    """A double, to the last bit."""
    if math.isfinite(x):
        return repr(x)
    return "NAN" if x != x else "INFINITY" if x > 0 else "-INFINITY"


HEADER = (
    "tanh", "acosh", "asinh", "atanh", "cbrt", "exp2", "fdim", "fma", "fmax", "fmin", "fpclassify", "frexp", "hypot",
    "ilogb", "isfinite", "isgreater", "isinf", "isless", "isnan", "isnormal", "isunordered", "ldexp", "lgamma",
    "llrint", "llround", "log2", "log10", "logb", "lrint", "lround", "modf", "nan", "nearbyint", "nextafter",
    "nexttoward", "remainder", "remquo", "round", "scalbn", "scalbln", "signbit", "tgamma", "j0", "j1", "jn", "y0",
    "y1", "yn", "NAN", "INFINITY", "HUGE_VAL", "NULL", "memmove", "memset", "memcmp", "memchr", "strlen", "strcpy",
    "index", ").split(",
)  # fmt: skip
"""Names of C's headers, besides those that are used here."""
RESERVED = {
    *LIBRARY, *[primitive.name for primitive in SCALARS],
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
    "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
    "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "lambda", "main",
    "shared", "own", "constants", *HEADER, "examples", "inputs", "given", "outputs", "memcpy", "size_t",
}  # fmt: skip
"""Names that C, its library or the file itself have already."""


def to_c(kernels: Kernels, name: str, inputs: int) -> str:
    """A C file with one function, of that name made fit for C. Its outputs are totals, or each example's own."""
    function = re.sub(r"\W", "_", name) or "f"
    if function[0].isdigit() or function in RESERVED or function.endswith("_"):  # the file's own have a _ at the end
        function = f"f_{function}"
    writer = _KernelText(kernels)
    once = [line for kernel in kernels.once for line in writer.kernel(spread(kernel))]
    each = [line for kernel in kernels.each for line in writer.kernel(spread(kernel))]
    used = sorted(writer.used, key=lambda primitive: primitive.name)
    outputs, totals = len(kernels.outputs), kernels.totals
    constants = ", ".join(map(literal, kernels.constants))
    lines = [
        f"/* {name}: {inputs} inputs of each example, {kernels.shared_inputs} numbers that all examples share.",
        "",
        *[f"     {line}" for line in describe(kernels)],
        "*/",
        "#include <math.h>",
        "#include <stddef.h>",
        "#include <string.h>",
        "",
        *[_definition(primitive) for primitive in used],
        "",
        f"static const double constants[] = {{{constants}}};",
        "/* What all examples share: what comes in, constants, and what is computed of them. */",
        f"static double shared[{max(kernels.shared, 1)}];",
        "/* Of one example: its inputs, and what is computed of them. */",
        f"static double own[{max(kernels.own, 1)}];",
        "",
        *writer.tables,
        "",
        f"/* inputs: examples x {inputs}. given: {kernels.shared_inputs}. outputs: "
        + (f"{totals} sums over the examples. */" if totals else f"examples x {outputs}. */"),
        f"void {function}(size_t examples, const double *inputs, const double *given, double *outputs)",
        "{",
        f"    memcpy(shared, given, {kernels.shared_inputs} * sizeof(double));",
        f"    memcpy(shared + {kernels.shared_inputs}, constants, sizeof(constants));",
        *[f"    {line}" for line in once],
        *([f"    for (size_t i = 0; i < {totals}; i++)", "        outputs[i] = 0.0;"] if totals else []),
        "    for (size_t e = 0; e < examples; e++) {",
        f"        memcpy(own, inputs + e * {inputs}, {inputs} * sizeof(double));",
        *[f"        {line}" for line in each],
    ]  # fmt: skip
    if not totals:
        lines += [f"        outputs[e * {outputs} + {i}] = {_at(place)};" for i, place in enumerate(kernels.outputs)]
    return "\n".join([*lines, "    }", "}", ""])


def _definition(primitive: Primitive) -> str:
    names = "abc"[: primitive.arity]
    body = SCALARS[primitive](_C(), *names)
    return f"static double {_c_name(primitive)}({', '.join(f'double {x}' for x in names)}) {{ return {body}; }}"


def _c_name(primitive: Primitive) -> str:
    """C has functions of these names, or keywords."""
    return f"{primitive.name}_" if primitive.name in ("abs", "div", "round", *LIBRARY) else primitive.name


def _at(place: int, *moves: str) -> str:
    array, first = ("own", place - EACH) if place >= EACH else ("shared", place)
    return f"{array}[{_sum(first, *moves)}]"


def _sum(first: int, *moves: str) -> str:
    terms = [str(first)] * (first > 0 or not any(moves)) + [move for move in moves if move]
    return " + ".join(terms).replace("+ -", "- ")


def _move(variable: str, stride: int) -> str:
    if stride < 0:
        return f"-{_move(variable, -stride)}"
    return "" if not stride else variable if stride == 1 else f"{variable} * {stride}"


class _KernelText:
    """Writes kernels, and notes what they need."""

    def __init__(self, kernels: Kernels) -> None:
        self.used: dict[Primitive, None] = {}
        self.tables: list[str] = []

    def kernel(self, kernel: Kernel) -> list[str]:
        if isinstance(kernel, Map):
            return [line for nest in kernel.nests for line in self._loops(nest, self._map(kernel.expression, nest))]
        x_table = self._offsets(kernel.xs)
        if isinstance(kernel, Gather):
            return [line for nest in kernel.nests for line in self._loops(nest, self._gather(kernel, nest, x_table))]
        w_table = self._offsets(kernel.ws)
        total = isinstance(kernel, Total)
        return [
            line for nest in kernel.nests
            for line in self._loops(nest, self._dot(len(kernel.ws), nest, w_table, x_table, total))
        ]  # fmt: skip

    def _offsets(self, offsets: Sequence[int]) -> str:
        """The offset of term k from the first."""
        stride = offsets[1] - offsets[0] if len(offsets) > 1 else 0
        if list(offsets) == [k * stride for k in range(len(offsets))]:
            return _move("k", stride)
        name = f"table_{len(self.tables)}"
        self.tables.append(f"static const int {name}[] = {{{', '.join(map(str, offsets))}}};")
        return f"{name}[k]"

    def _place(self, nest: Nest, k: int, *more: str) -> str:
        return _at(nest.start[k], _move("i", nest.outer[k]), _move("j", nest.inner[k]), *more)

    def _loops(self, nest: Nest, body: list[str]) -> list[str]:
        for variable, count in zip("ji", reversed(nest.counts), strict=True):
            if count > 1:
                head = f"for (size_t {variable} = 0; {variable} < {count}; {variable}++)"
                block = body if body[0] == "{" else ["{", *[f"    {line}" for line in body], "}"]
                body = [f"{head} {{", *block[1:]]
        return body

    def _map(self, expression: Expression, nest: Nest) -> list[str]:
        return [f"{self._place(nest, -1)} = {self._text(expression, nest)};"]

    def _text(self, expression: Expression, nest: Nest) -> str:
        if type(expression) is not tuple:
            return self._place(nest, expression)
        primitive, *parts = expression
        self.used[primitive] = None
        return f"{_c_name(primitive)}({', '.join([self._text(x, nest) for x in parts])})"

    def _gather(self, kernel: Gather, nest: Nest, table: str) -> list[str]:
        index = self._place(nest, 0)
        return [
            "{",
            f"    size_t k = (size_t){index};",
            f"    {self._place(nest, -1)} = {index} >= 0.0 && {index} < {len(kernel.xs)}.0 "
            f"? {self._place(nest, 1, table)} : NAN;",
            "}",
        ]

    def _dot(self, terms: int, nest: Nest, w_table: str, x_table: str, total: bool) -> list[str]:
        product = f"{self._place(nest, 0, w_table)} * {self._place(nest, 1, x_table)}"
        if total:
            moves = _move("i", nest.outer[2]), _move("j", nest.inner[2])
            target = f"outputs[{_sum(nest.start[2], *moves)}]"
            if terms == 1:
                return [f"{target} += {product};"]
            return [f"for (size_t k = 0; k < {terms}; k++)", f"    {target} += {product};"]
        return [
            "{",
            f"    double sum = {self._place(nest, 2)};",
            f"    for (size_t k = 0; k < {terms}; k++)",
            f"        sum += {product};",
            f"    {self._place(nest, -1)} = sum;",
            "}",
        ]
