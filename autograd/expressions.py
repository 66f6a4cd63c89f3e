"""An expression that somebody typed, as a graph. It is parsed, and only names, numbers, operators and this package's
functions are let through; nothing of it is ever run as code."""

import ast
import difflib
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from . import ops
from .floats import as_float
from .primitives import REGISTRY, TABLE, Primitive
from .value import Value

LONGEST = 2000
OPERATORS: dict[type, Primitive] = {
    ast.Add: ops.add,
    ast.Sub: ops.sub,
    ast.Mult: ops.mul,
    ast.Div: ops.div,
    ast.Pow: ops.pow,
    ast.USub: ops.neg,
    ast.UAdd: ops.identity,
}
FUNCTIONS = {p.name: p for p in REGISTRY.values() if p.module == TABLE and not p.vectors and p.name not in (
    "add", "sub", "mul", "div", "neg", "identity", "mod", "floordiv", "tanh_slope", "sigmoid_slope", "asin_slope",
)}  # fmt: skip
CONSTANTS = {"pi": math.pi, "e": math.e}
OTHER_NAMES = {
    "ln": "log", "max": "maximum", "min": "minimum", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arctan2": "atan2", "log10": "log(x)/log(10)", "log2": "log(x)/log(2)",
}  # fmt: skip


MODULES = {"math", "np", "numpy", "jnp", "torch", "F", "autograd"}
"""Modules whose functions people write before they know that here they stand alone."""


def evaluate(text: str, values: Mapping[str, float]) -> Value:
    """The graph of an expression such as `tanh(a*b + c)`, with a leaf for each name; pi and e are known unless given.
    Lines, or parts between semicolons, may give names to parts: `d = a*b; L = (d + c).tanh()`. The last is the root.

    Raises ValueError, with the culprit, for anything but names that have a value, numbers, `+ - * / **`, brackets and
    functions of this package, alone or as methods, for a value that is not used, and for more than 2,000 characters.

    >>> evaluate("tanh(a*b + c)", {"a": 2, "b": -3, "c": 6}).data
    0.0
    """
    if len(text) > LONGEST:
        raise ValueError(f"the expression has {len(text)} characters; at most {LONGEST} are read")
    if "#" in text:
        raise ValueError(f"cannot read {_short(text)}: it has a #; write 2*x, x**2, tanh(x)")
    if not text.strip():
        raise ValueError("the expression is empty; write one such as tanh(a*b + c)")
    for sign, plain in (("·", "*"), ("×", "*"), ("−", "-"), ("÷", "/")):
        text = text.replace(sign, plain)
    try:
        lines = ast.parse("\n".join(map(str.strip, text.strip().splitlines()))).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or "too deeply nested"
        raise ValueError(f"cannot read {_short(text)}: {reason}; write 2*x, x**2, tanh(x)") from None
    names = {unicodedata.normalize("NFKC", name): Value(x, label=name) for name, x in values.items()}  # as Python does
    used: set[str] = set()
    result: Any = None
    for line in lines:
        name = ""
        if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
            name = line.targets[0].id
            if name in names:
                raise ValueError(f"{name} has two values")
        elif not isinstance(line, ast.Expr):
            raise ValueError(f"{_shown(line)} is not understood; a line is an expression, or a name = an expression")
        elif line is not lines[-1]:
            raise ValueError(f"{_shown(line)} has no name, so nothing comes of it; only the last line needs none")
        result = _value(line.value, names, used)
        if name:
            if not isinstance(result, Value) or result.label or result in names.values():
                result = Value(result) if not isinstance(result, Value) else ops.identity(result)
            result.label = name
            names[name] = result
            used -= {name}
    if isinstance(lines[-1], ast.Assign):
        used.add(name)
    if unused := sorted({*names} - used):
        raise ValueError(f"{unused[0]} is not in the expression")
    if not isinstance(result, Value) or (result.primitive is None and len(lines) > 1 and name):
        raise ValueError("an expression needs at least one name, such as a in `a*2`, to have a derivative")
    return result


def _value(body: ast.expr, names: Mapping[str, Value], used: set[str]) -> Any:
    """One expression as a graph; `used` gets the names in it."""
    done: list[Any] = []
    stack: list[Any] = [body]
    while stack:  # operands before their operation, without recursion
        node = stack.pop()
        if isinstance(node, tuple):
            primitive, count, parameters = node
            start = len(done) - count
            xs, done[start:] = done[start:], []
            done.append(_call(primitive, xs, parameters))
        elif isinstance(node, ast.Name):
            if node.id in CONSTANTS and node.id not in names:
                done.append(CONSTANTS[node.id])
                continue
            if node.id in FUNCTIONS and node.id not in names:
                raise ValueError(f"{node.id} is a function; write {node.id}(x)")
            if node.id not in names:
                raise ValueError(f"{node.id} has no value; give it one, such as {node.id}=1.5")
            used.add(node.id)
            done.append(names[node.id])
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            done.append(_number(node.value))
        else:
            primitive, operands, parameters = _operation(node)
            stack += [(primitive, len(operands), parameters), *reversed(operands)]
    return done[0]


def _operation(node: ast.AST) -> tuple[Primitive, list[Any], dict[str, float]]:
    """The operation at a node, its operands as nodes, and parameters."""
    kind = type(getattr(node, "op", None))
    if isinstance(node, ast.BinOp) and kind in OPERATORS:
        return OPERATORS[kind], [node.left, node.right], {}
    if isinstance(node, ast.UnaryOp) and kind in OPERATORS:
        return OPERATORS[kind], [node.operand], {}
    called, first = "", list[Any]()
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        called = node.func.id
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        called, first = node.func.attr, [node.func.value]
        if isinstance(first[0], ast.Name) and first[0].id in MODULES:
            raise ValueError(f"{_shown(node)} is not understood; write {_shown(node).split('.', 1)[1].rstrip(chr(39))}")
    if isinstance(node, ast.Call) and called in FUNCTIONS:
        parameters = {}
        for keyword in node.keywords:
            number, sign = keyword.value, 1
            if isinstance(number, ast.UnaryOp) and isinstance(number.op, ast.USub):
                number, sign = number.operand, -1
            if keyword.arg is None or not isinstance(number, ast.Constant) or type(number.value) not in (int, float):
                raise ValueError(f"{_shown(keyword)} is not understood; a keyword takes a number")
            parameters[keyword.arg] = sign * _number(number.value)
        return FUNCTIONS[called], [*first, *node.args], parameters
    if called in ("backward", "zero_grad"):
        raise ValueError(f"{_shown(node)} is not understood; leave it out, the steps show both passes")
    if called == "Value":
        raise ValueError(f"{_shown(node)} is not understood; write the number alone, or a=2 behind the expression")
    if called in ("sum", "mean", "prod"):
        raise ValueError(
            f"{_shown(node)} is not understood; write it with {'*' if called == 'prod' else '+'}: a + b + c"
        )
    if called:
        meant = (
            [OTHER_NAMES[called]] if called in OTHER_NAMES else difflib.get_close_matches(called.lower(), FUNCTIONS, 1)
        )
        there = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(sorted(FUNCTIONS))}"
        raise ValueError(f"there is no function {called} of single numbers; {there}")
    if isinstance(node, ast.Call):
        raise ValueError(f"{_shown(node)} is not understood; write * for a product")
    if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
        raise ValueError(f"{_shown(node)} is a function; write {node.attr}(x), or () behind it")
    if isinstance(node, ast.Subscript | ast.List | ast.Tuple):
        raise ValueError(
            f"{_shown(node)} is not understood; a value is one number: write w0, w1 in the place of w[0], w[1]"
        )
    if kind is ast.BitXor:
        raise ValueError(f"{_shown(node)} is not understood; write ** for a power")
    if isinstance(node, ast.Compare):
        raise ValueError(f"{_shown(node)} is not understood; write greater(a, b), greater_equal(a, b) or equal(a, b)")
    raise ValueError(
        f"{_shown(node)} is not understood; write names, numbers, + - * / **, brackets and functions such as tanh(x)"
    )


def _shown(node: ast.AST) -> str:
    try:
        return _short(ast.unparse(node))
    except RecursionError:
        return "a part of it"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _call(primitive: Primitive, xs: list[Any], parameters: dict[str, float]) -> Any:
    try:
        return primitive(*xs, **parameters)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _number(x: Any) -> float:
    try:
        return as_float(x)
    except OverflowError as error:
        raise ValueError(str(error)) from None
