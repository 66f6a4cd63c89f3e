import math
import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import BUILTIN, call, sample

import autograd
from autograd import Value, no_grad, primitive
from autograd.extend import Primitive, snapshot
from autograd.formulas import brackets, name, number, operation, partial_formulas, row
from autograd.texts import aligned, columns, number_text, one_line


def rules(y, names=None):
    """The formula of each local derivative, as text."""
    return [e.formula and e.formula.text for e in snapshot(y, names, partial_formulas).edges]


a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(0.5, label="c")


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (a + b, ["1", "1"]),
        (a - b, ["1", "−1"]),
        (a * b, ["b", "a"]),
        (a / b, ["1/b", "−y/b"]),
        (a**3, ["3 · a²", None]),
        (a**2, ["2 · a", None]),
        (a**c, ["c · a^(c − 1)", "y · log(a)"]),
        (a.exp(), ["y"]),
        (a.tanh(), ["1 − y²"]),
        (a.sigmoid(), ["y · (1 − y)"]),
        (a.sqrt(), ["0.5/y"]),
        (a.acos(), ["−1/√(1 − a²)"]),
        (-(a - b) / c, ["1", "−1", "−1", "1/c", "−y/c"]),
        ((a + b) / c, ["1", "1", "1/c", "−y/c"]),
        (a.relu(), ["1"]),
        (b.relu(), [None]),
        (autograd.maximum(a, b), ["1", None]),
        (autograd.maximum(a, a), ["0.5", "0.5"]),
        (autograd.where(1.0, a, b), [None, "1", None]),
        (autograd.dot([a, b], [c, 7.0], b), ["c", "7", "a", None, "1"]),
        (autograd.sum([a, b]), ["1", "1"]),
        (autograd.logsumexp([a, b]), ["exp(a − y)", "exp(b − y)"]),
    ],
)
def test_a_rule_is_written_from_the_table(y, expected):
    assert rules(y, {y: "y"})[-len(expected) :] == expected


@pytest.mark.parametrize("p", BUILTIN, ids=lambda p: p.name)
def test_every_rule_has_a_formula_whose_number_is_the_derivative(p):
    """The text, read as Python with the operands' numbers, gives the local derivative."""
    xs = sample(p, random.Random(1))
    labels = iter("pqrstuvw")
    xs = [
        [Value(x, label=next(labels)) for x in v] if isinstance(v, list) else Value(v, label=next(labels)) for v in xs
    ]
    y = call(p, *xs)
    y.label = "y"
    flat = [v for x in xs for v in (x if isinstance(x, list) else [x])]
    known = {q.name: q for q in BUILTIN} | {v.label: v.data for v in [*flat, y]} | {"sqrt": math.sqrt}
    for edge in snapshot(y, None, partial_formulas).edges:
        if edge.local is None:
            assert edge.formula is None
            continue
        text = edge.formula.text.replace("²", "**2").replace("^", "**").replace("·", "*").replace("−", "-")
        assert eval(text.replace("√", "sqrt"), known) == pytest.approx(edge.local, rel=2e-3), edge.formula.text


def test_writing_formulas_records_nothing_and_needs_no_mode():
    y = a * b
    with no_grad():
        assert rules(y) == ["b", "a"]
    assert a.grad == 0


def test_a_custom_rule_for_floats_only_has_no_formula():
    @primitive(lambda x, out: math.cos(x))
    def sine(x):
        return math.sin(x)

    @primitive(lambda x, out: 3 * x**2, symbol="x³")
    def cube(x):
        return x**3

    assert rules(sine(a)) == [None]
    assert rules(cube(a)) == ["3 · a²"]


def test_a_long_formula_is_left_out():
    xs = [Value(float(i)) for i in range(30)]
    assert set(rules(autograd.logsumexp(xs))) == {None}


def test_latex_and_mathml():
    w1 = Value(2.0, label="w1")
    edge = snapshot((w1 * a).tanh(), None, partial_formulas).edges[0]
    assert edge.formula == ("a", "a", ["mi", "a"], 3, 1, False)
    assert name("w1")[:3] == ("w1", "w_{1}", ["msub", ["mi", "w"], ["mn", "1"]])
    assert name("w[12]").latex == "w_{12}"
    assert name("total").latex == r"\mathit{total}"
    assert number(-1.5e-7)[:3] == (
        "−1.5e−07",
        r"-1.5 \cdot 10^{-7}",
        ["mrow", ["mn", "−1.5"], ["mo", "·"], ["msup", ["mn", "10"], ["mn", "−7"]]],
    )
    assert brackets(row("−", name("x"))).latex == r"\left(- x\right)"
    assert operation("div", [name("a"), name("b")]).latex == r"\frac{a}{b}"
    assert operation("dot", [name("w"), name("x"), name("b")]).text == "w · x + b"
    assert operation("where", [name("c"), name("a"), name("b")]).latex == r"\operatorname{where} ( c , a , b )"


@given(st.text(max_size=40))
def test_no_label_escapes_from_latex(label):
    latex = name(label).latex
    bare = re.sub(r"\\(backslash|wedge|sim|lt|gt|mathit) ?|\\[ {}$&#_%]", "", latex)
    assert "\\" not in bare
    assert not set("$&#%~^<>") & set(bare)
    assert bare.count("{") == bare.count("}")
    assert "\n" not in latex


def test_brackets_where_an_operation_needs_them():
    x, y = name("x"), name("y")
    total = operation("add", [x, y])
    assert operation("neg", [total]).text == "−(x + y)"
    assert operation("div", [total, total]).text == "(x + y)/(x + y)"
    assert operation("div", [x, operation("mul", [x, y])]).text == "x/(x · y)"
    assert operation("sub", [x, operation("sub", [x, y])]).text == "x − (x − y)"
    assert operation("pow", [operation("neg", [x]), number(2.0)]).text == "(−x)²"
    assert operation("pow", [number(1e20), number(3.0)]).latex == r"\left(1 \cdot 10^{20}\right)^{3}"
    assert operation("mul", [number(-2.0), y]).text == "(−2) · y"
    assert operation("tanh", [number(-2.0)]).text == "tanh(−2)"
    assert name("1 − b").level == name("b").level


def test_a_label_is_never_taken_for_mathematics():
    one, z, power = Value(5.0, label="1"), Value(2.0, label="z"), Value(3.0, label="1")
    y = one * z
    assert [e.formula.constant for e in snapshot(y, None, partial_formulas).edges] == [False, False]
    assert operation("pow", [name("z"), name("1")]).text == "z^1"
    assert rules(z**power)[0] == "1 · z^(1 − 1)"
    assert rules(math.e**a)[1] == "v1"


def test_a_rule_that_is_a_whole_number():
    double = Primitive("double", lambda x: 2 * x, (lambda x, y: 2,))
    assert rules(double(a)) == ["2"]
    triple = Primitive("triple", lambda x: 3 * x, (lambda x, y: np.float32(3),))
    assert rules(triple(a)) == ["3"]


def test_numbers_as_people_write_them():
    assert [number_text(x) for x in (1.0, -0.5, 1 / 3, 1e-7, math.inf, -math.inf, math.nan, -0.0)] == [
        "1", "−0.5", "0.3333", "1e−07", "∞", "−∞", "nan", "−0",
    ]  # fmt: skip
    assert number_text(math.pi, 7) == "3.141593"


def test_text_from_a_user_on_one_line():
    assert one_line("a\nb\0c\u202e", 10) == "a b c "
    assert one_line("👨\u200d👩", 10) == "👨\u200d👩"
    assert one_line("a" * 100, 10) == "a" * 9 + "…"
    assert columns("a🎉é") == 4
    assert aligned([["重み", "1"], ["b", "22"]], "<>") == "重み   1\nb     22"
