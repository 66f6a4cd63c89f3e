import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import evaluate, numbers, ours, same, steps

import autograd
from autograd import Value, explain, gradients, maximum


def example():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    p = a * b
    p.label = "p"
    y = p + a
    y.label = "y"
    return y, p, a, b


@settings(max_examples=150, deadline=None)
@given(steps, st.lists(numbers, min_size=2, max_size=3))
def test_adjoints_and_paths_add_up_to_the_derivative(steps, xs):
    leaves = [Value(x) for x in xs]
    root = evaluate(steps, leaves, ours())
    for leaf in leaves:
        found = explain(root, leaf)
        derivative = gradients(root, leaf)
        assert same(found.derivative, derivative)
        for adjoint in found.adjoints[1:]:
            assert same(math.fsum(t.product for t in adjoint.terms), adjoint.total, 1e-9)
        if found.paths is not None:
            assert len(found.paths) == found.path_count
            size = max([1.0, *(abs(p.product) for p in found.paths)])
            assert abs(math.fsum(p.product for p in found.paths) - derivative) <= 1e-9 * size
            for path in found.paths:
                assert same(math.prod(path.factors), path.product)
                assert len(path.nodes) == len(path.factors) + 1
        assert leaf.grad == 0
        str(found), found.latex, found._repr_mimebundle_()


def test_the_numbers_are_those_of_backward_to_the_last_bit():
    xs = [Value(0.1 * i + 0.3) for i in range(6)]
    y = autograd.logsumexp(xs) * autograd.dot(xs, xs, 1.0) / xs[0]
    y.backward()
    assert [explain(y, x).derivative for x in xs] == [x.grad for x in xs]


def test_the_chain_rule_as_text():
    y, _, a, b = example()
    text = str(explain(y, a))
    assert text.startswith("dy/da = −2\n")
    assert "dy/da = dy/dy · 1 + dy/dp · b = 1 × 1 + 1 × (−3) = −2" in text
    assert "p (×) swaps: each operand gets the gradient times the other" in text
    assert "a sum over 2 paths" in text
    assert "a → p → y  1 × (−3) = −3  150.0%" in text
    assert "a → y      1 = 1          −50.0%" in text
    assert "the product along the only path" in str(explain(y, b))


def test_the_largest_path_stands_first_and_rules_that_are_sums_in_brackets():
    x = Value(0.5, label="x")
    text = str(explain(x * 0.1 + x * 10 + x.tanh(), x))
    routes = [line.split()[2] for line in text.splitlines() if line.startswith("  x →")]
    assert routes == ["v2", "v4", "v1"]
    assert "· (1 − v4²)" in text


def test_the_chain_rule_as_latex():
    y, _, a, _ = example()
    lines = explain(y, a).latex.splitlines()
    assert lines[0] == r"\begin{aligned}"
    assert lines[-1] == r"\end{aligned}"
    assert lines[2] == (
        r"\frac{\mathrm{d} y}{\mathrm{d} p} &= \frac{\mathrm{d} y}{\mathrm{d} y} \cdot 1 = 1 \times 1 = 1 \\"
    )
    assert lines[-2].endswith(r"&= \left(-3\right) + 1 = -2")


def test_the_chain_rule_in_a_notebook():
    y, _, a, _ = example()
    bundle = explain(y, a)._repr_mimebundle_()
    assert bundle["text/latex"].startswith("$$\n\\begin{aligned}")
    assert bundle["text/plain"] == str(explain(y, a))
    root = ElementTree.fromstring(f"<div>{bundle['text/html']}</div>")
    assert [len(table) for table in root.iter("table")] == [3, 2]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda a, b: a + b, "hands the gradient on unchanged to each operand"),
        (lambda a, b: a - b, "hands the gradient on unchanged to a, with its sign turned to b"),
        (lambda a, b: a * b, "swaps: each operand gets the gradient times the other"),
        (lambda a, b: a * 3, "hands the gradient on times 3"),
        (lambda a, b: -a, "hands the gradient on with its sign turned"),
        (lambda a, b: maximum(a, b), "routes the gradient to a alone"),
        (lambda a, b: maximum(a, a), "hands the gradient on times 0.5 to a, times 0.5 to a"),
        (lambda a, b: a.relu(), "hands the gradient on unchanged"),
        (lambda a, b: (-a).relu(), "is shut: nothing flows through"),
        (lambda a, b: a.tanh(), "scales the gradient by its slope here"),
        (lambda a, b: a / b, "scales the gradient by its slope here for each operand"),
    ],
)
def test_each_gate_has_its_role(make, text):
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    assert explain(make(a, b), a).adjoints[0].role == text


def test_a_dead_end_is_explained():
    x = Value(-1.0, label="x")
    y = (x * 2).relu()
    found = explain(y, x)
    assert (found.derivative, found.path_count, found.paths) == (0.0, 0, ())
    assert "No gradient reaches x: every path is shut." in str(found)
    other = Value(1.0, label="other")
    found = explain(y, other)
    assert found.derivative == 0
    assert "No gradient reaches other: v2 does not depend on other." in str(found)


def test_the_root_itself_and_nodes_between():
    y, p, _, _ = example()
    assert explain(y, y).derivative == 1
    assert explain(y, p).derivative == 1
    assert "1 = 1" in str(explain(y, y))


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        (lambda y, a: None, "a.grad is 0: no sweep has been run yet from this root"),
        (lambda y, a: y.backward(), "a.grad is −2: the same."),
        (
            lambda y, a: [y.backward() for _ in range(3)],
            "a.grad is −6: 3 times the derivative, as after 3 sweeps: a leaf adds up",
        ),
        (
            lambda y, a: (y.backward(), setattr(a, "grad", 0)),
            "a.grad is 0: a sweep was run, .* set to 0 since, or cancelled",
        ),
        (lambda y, a: y.backward(0.25), "the derivative times 0.25, the seed or the gradient"),
        (lambda y, a: y.backward(3.0), "the derivative times 3, the seed or the gradient"),
        (lambda y, a: (y.backward(), (a * 0.7).backward()), "sweeps from other roots"),
        (lambda y, a: [(y * 3).backward() for _ in range(2)], "sweeps from other roots"),
        (lambda y, a: setattr(a, "grad", 5.5), "or it was assigned"),
    ],
)
def test_the_verdict_on_grad(prepare, text):
    y, _, a, _ = example()
    prepare(y, a)
    assert re.search(text, explain(y, a).verdict), explain(y, a).verdict


def test_a_node_that_is_no_leaf_shows_the_last_sweep():
    y, p, _, _ = example()
    y.backward(3.0)
    assert "shows the last sweep only" in explain(y, p).verdict


def test_many_paths_are_counted_and_not_listed():
    y = Value(1.0, label="x")
    x = y
    for _ in range(30):
        y = y + y
    found = explain(y, x)
    assert found.path_count == 2**30
    assert found.paths is None
    assert "a sum over 1073741824 paths, too many to list" in str(found)
    assert found.derivative == 2.0**30


def test_long_paths_are_counted_and_not_listed():
    x = Value(1.0)
    y = x
    for _ in range(10):
        y = y + y
    for _ in range(3000):
        y = y * 1.0
    found = explain(y, x)
    assert (found.path_count, found.paths) == (1024, None)
    for _ in range(20_000):
        y = y + y
    assert "more than 10^15 paths" in str(explain(y, x))


def test_a_long_chain_is_explained_without_recursion():
    x = y = Value(1.0, label="x")
    for _ in range(20_000):
        y = y * 1.0
    found = explain(y, x)
    assert found.derivative == 1.0
    assert len(str(found)) < 20_000
    assert "…" in str(found)


def test_it_changes_nothing_and_refuses_what_is_stale():
    y, _, a, _ = example()
    explain(y, a)
    assert (y.grad, a.grad) == (0.0, 0.0)
    a.data = 5.0
    with pytest.raises(RuntimeError, match=r"the \.data of a leaf was assigned, a = 5.0"):
        explain(y, a)
    with pytest.raises(TypeError, match=r"explain expected two Values, explain\(root, leaf\), got str"):
        explain(y, "a")


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_labels_are_text_in_every_form(label):
    x = Value(1.0, label=label)
    bundle = explain((x * x).tanh(), x)._repr_mimebundle_()
    root = ElementTree.fromstring(f"<div>{bundle['text/html']}</div>")
    assert {e.tag for e in root.iter()} == {"div", "h4", "p", "table", "tr", "td"}
    assert all(len(line) < 1000 for line in bundle["text/plain"].splitlines())
