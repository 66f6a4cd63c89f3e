"""Expressions from people: parsed, never run."""

import contextlib
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value
from autograd.expressions import evaluate
from autograd.extend import snapshot

ROOT = Path(__file__).parents[1]


def run(*arguments, cwd=ROOT):
    command = [sys.executable, "-m", "autograd", "step", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("tanh(a*b + c)", {"a": 2, "b": -3, "c": 6.5}, math.tanh(0.5)),
        (
            "-a**3 + sin(3*b) - 1/c + b**2.5 - a**0.5",
            {"a": 2, "b": 3, "c": 4},
            -8 + math.sin(9) - 0.25 + 3**2.5 - 2**0.5,
        ),
        ("+a - (-2) ** 2", {"a": 1}, -3.0),
        ("maximum(a, 3) * where(a, 2, 5)", {"a": 1}, 6.0),
        ("leaky_relu(a, negative_slope=0.1)", {"a": -2}, -0.2),
        ("clamp(a, min=-1, max=1)", {"a": -7}, -1.0),
        ("pow(a, 2) + abs(a)", {"a": -3}, 12.0),
        ("a / 0", {"a": 1}, math.inf),
        ("µ * 2", {"µ": 1}, 2.0),
        ("sin(pi * a) + e", {"a": 0.5}, 1 + math.e),
        ("a * e", {"a": 2, "e": 3}, 6.0),
    ],
)
def test_expressions(text, values, expected):
    assert evaluate(text, values).data == pytest.approx(expected)


def test_a_name_used_twice_is_one_leaf():
    y = evaluate("a*a + a", {"a": 3})
    y.backward()
    assert [x.grad for x in y.inputs[0].inputs] == [7.0, 7.0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("__import__('os').system('true')", "no function system"),
        ("a.real", "'a.real' is not understood; write names, numbers"),
        ("a[0]", "is not understood"),
        ("(lambda: a)()", "is not understood"),
        ("[a for a in (1,)]", "is not understood"),
        ("a if a else a", "is not understood"),
        ("a < 1", r"'a < 1' is not understood; write greater\(a, b\)"),
        ("a^2", r"'a \^ 2' is not understood; write \*\* for a power"),
        ("2a", r"cannot read '2a': invalid decimal literal; write 2\*x, x\*\*2, tanh\(x\)"),
        ("ln(a)", "there is no function ln of single numbers; did you mean log?"),
        ("Tanh(a)", "did you mean tanh?"),
        ("log10(a)", r"did you mean log\(x\)/log\(10\)\?"),
        ("2(a+1)", r"'2\(a \+ 1\)' is not understood; write \* for a product"),
        ("a * sin", r"sin is a function; write sin\(x\)"),
        ("softmax(a)", "there is no function softmax of single numbers"),
        ("a // 2", "is not understood"),
        ("a and a", "is not understood"),
        ("f'{a}'", "is not understood"),
        ("(b := a)", "is not understood"),
        ("tanh(*a)", "is not understood"),
        ("tanh(**a)", "is not understood; a keyword takes a number"),
        ("leaky_relu(a, negative_slope=a)", "is not understood; a keyword takes a number"),
        ("'a'", "is not understood"),
        ("a * True", "is not understood"),
        ("a * 1j", "is not understood"),
        ("zzz(a)", "there is no function zzz of single numbers; there are abs, "),
        ("dot(a, a)", "there is no function dot of single numbers"),
        ("tanh(a, a)", "tanh takes 1 operand; got 2"),
        ("tanh(a, x=" + "-" * 1500 + "a)", "'x=a part of it|is not understood; a keyword takes a number"),
        ("tanh(a, x=1)", "got 'x' as a keyword"),
        ("a + b", "b has no value; give it one, such as b=1.5"),
        ("2 + 3", "a is not in the expression"),
        ("a +", r"cannot read 'a \+': invalid syntax"),
        (" ", "the expression is empty"),
        ("a; a", "has no name"),
        ("a\0", "cannot read"),
        ("(" * 300 + "a" + ")" * 300, "cannot read '\\(+…': too many nested parentheses"),
        ("a" + "+a" * 2000, "the expression has 4001 characters; at most 2000 are read"),
        ("a * 1" + "0" * 400, "expected a number that fits a float"),
    ],
)
def test_everything_else_is_refused_with_the_culprit(text, error):
    with pytest.raises(ValueError, match=error):
        evaluate(text, {"a": 1.0})


def test_no_name_at_all():
    with pytest.raises(ValueError, match="an expression needs at least one name"):
        evaluate("2 * 3", {})


def test_long_expressions_do_not_recurse():
    assert evaluate("a" + "+a" * 999, {"a": 1}).data == 1000
    assert evaluate("-" * 1500 + "a", {"a": 1}).data == 1.0


@given(st.text(alphabet="ab+-*/().,=[]'tanh0123 _:", max_size=30))
def test_any_text_gives_a_graph_or_a_clear_error(text):
    with contextlib.suppress(ValueError):
        assert isinstance(evaluate(text, {"a": 1.0}), Value)


def test_the_command_prints_the_steps_and_writes_page_and_picture(tmp_path):
    page, picture = tmp_path / "out" / "p.html", tmp_path / "p.svg"
    result = run("tanh(a*b + c)", "a=2", "b=-3", "c=10", "--html", str(page), "--svg", str(picture))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1] == " 1  forward   v1 = a · b = 2 · (−3) = −6"
    assert lines[8] == " 8  backward  dv3/da = dv3/dv1 · ∂v1/∂a = 0.001341 × (−3) = −0.004023, where ∂v1/∂a = b"
    assert lines[-2:] == [f"Page: {page}", f"Picture: {picture}"]
    assert page.read_text().startswith("<!doctype html>")
    assert "−0.004023" in picture.read_text()


def test_an_expression_may_begin_with_a_minus():
    result = run("-a + 2", "a=-2")
    assert result.returncode == 0
    assert "v1 = −a = −(−2) = 2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a*b", "a=2"], "b has no value; give it one, such as b=1.5"),
        (["a", "a=two"], "a expected one number such as 0.5, got 'two'"),
        (["a*2", "a"], "expected a value as name=number, without spaces, got 'a'"),
        (["a*2", "a=1", "a=2"], "a has two values"),
        (["a*2", "a=1", "ª=2"], "a has two values"),
        (["a*2 # b", "a=1"], "it has a #"),
        (["a*2", "if=1"], "'if' cannot be a name"),
        (["a*2", "a=1", "--html", "README.md/x.html"], "cannot write README.md: File exists"),
        (["+".join(["a"] * 600), "a=1"], "step_through expected a graph of at most 300 nodes"),
        (["a*2", "a=1", "--png", "x.png"], "unrecognized arguments: --png"),
        (["a*2", "a=1", "--svg", "x.png"], "--svg writes SVG, so the file's name ends in .svg, got 'x.png'"),
        (["a*2", "a=1", "--html", "/tmp"], "cannot write /tmp: Is a directory"),
        ([], "the following arguments are required: expression"),
    ],
)
def test_the_command_tells_in_one_line_what_went_wrong(arguments, text):
    result = run(*arguments)
    assert result.returncode != 0
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_lines_give_names_to_parts():
    values = {"a": 2.0, "b": -3.0, "c": 6.5}
    for text in ("d = a*b; e = d + c; L = e.tanh()", "d = a*b\n  e = d + c\nL = tanh(e)\n"):
        root = evaluate(text, values)
        names = [node.name for node in snapshot(root).nodes]
        assert (root.label, sorted(names)) == ("L", ["L", "a", "b", "c", "d", "e"])
        assert root.data == math.tanh(0.5)
    assert evaluate("(a*b + c).tanh()", values).data == math.tanh(0.5)
    assert evaluate("y = a", {"a": 3.0}).label == "y"
    assert evaluate("w = 2; w*x", {"x": 3.0}).data == 6.0


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("math.sin(a)", r"write sin\(a\)"),
        ("np.tanh(a*a)", r"write tanh\(a \* a\)"),
        ("sum([a, a])", r"write it with \+: a \+ b \+ c"),
        ("a[0]", r"write w0, w1 in the place of w\[0\], w\[1\]"),
        ("a.fxp()", "no function fxp of single numbers; did you mean exp"),
        ("d = a; a*2", "d is not in the expression"),
        ("a = 3; a*2", "a has two values"),
        ("a*2; a", "'a \\* 2' has no name, so nothing comes of it"),
        ("import os", "a line is an expression, or a name = an expression"),
        ("y = 2", "needs at least one name|a is not in"),
        ("asin_slope(a)", "no function asin_slope"),
    ],
)
def test_the_hint_fits_the_mistake(text, answer):
    with pytest.raises(ValueError, match=answer):
        evaluate(text, {"a": 1.0})
