"""Graphs of other engines: micrograd's and microgpt's shapes, right ones and wrong ones."""

import math
import re

import numpy as np
import pytest
from picture import cards

from autograd import Value, draw_dot, explain, step_through
from autograd.extend import Seen
from autograd.foreign import any_snapshot


def micrograd(bug=""):
    """A class in micrograd's shape; bug: overwrites gradients in one rule, or forgets a factor in another."""

    class Node:
        def __init__(self, data, _children=(), _op="", label=""):
            self.data, self.grad, self._prev, self._op, self.label = data, 0, set(_children), _op, label
            self._backward = lambda: None

        def _made(self, data, xs, op, slopes):
            out = Node(data, xs, op)

            def backward():
                for x, slope in zip(xs, slopes, strict=True):
                    x.grad = slope * out.grad if bug == f"= in {op}" else x.grad + slope * out.grad

            out._backward = backward
            return out

        def __add__(self, other):
            other = other if isinstance(other, Node) else Node(other)
            return self._made(self.data + other.data, (self, other), "+", (1.0, 1.0))

        def __mul__(self, other):
            other = other if isinstance(other, Node) else Node(other)
            return self._made(self.data * other.data, (self, other), "*", (other.data, self.data))

        def __truediv__(self, other):
            return self._made(self.data / other.data, (self, other), "/", (1 / other.data, -self.data / other.data**2))

        def __pow__(self, k):
            return self._made(self.data**k, (self,), f"**{k}", (k * self.data ** (k - 1),))

        def relu(self):
            return self._made(max(self.data, 0.0), (self,), "ReLU", (float(self.data > 0),))

        def tanh(self):
            t = math.tanh(self.data)
            return self._made(t, (self,), "tanh", (1.0 if bug == "tanh" else 1 - t * t,))

        def backward(self):
            order, seen = [], set()

            def visit(x):
                if x not in seen:
                    seen.add(x)
                    for y in x._prev:
                        visit(y)
                    order.append(x)

            visit(self)
            self.grad = 1
            for x in reversed(order):
                x._backward()

    return Node


def example(kind):
    a, b = kind(0.5, label="a"), kind(-3.0, label="b")
    c = a * b
    d = (a * a) / c + c * kind(-1.5)
    d.label = "d"
    y = (d**2 + d.relu()).tanh()
    y.backward()
    return y, a, c


def test_a_right_engine_of_micrograd_s_shape_is_found_right():
    y, a, c = example(micrograd())
    graph, index = any_snapshot(y, {"c": c, "rest": [y]})
    assert all(node.right is None or math.isclose(node.grad, node.right) for node in graph.nodes)
    assert {node.symbol for node in graph.nodes} == {"", "*", "/", "+", "**", "relu", "tanh"}
    assert [graph.nodes[index[x]].name for x in (a, c, y)] == ["a", "c", "rest[0]"]
    assert draw_dot(y).diagram.notes == ("All gradients are right.",)
    assert str(explain(y, a)).endswith("the same.")


@pytest.mark.parametrize("bug", ["= in *", "tanh"])
def test_the_first_wrong_gradient_is_marked(bug):
    y, a, _ = example(micrograd(bug))
    picture = draw_dot(y)
    (note,) = picture.diagram.notes
    found = re.fullmatch(r"Coming from the root, (\w+) is the first with a wrong gradient: (.*), right is (.*)\.", note)
    (marked,) = [c for c in picture.diagram.cards if c.parted]
    assert marked.title == found[1]
    assert {row.name: row.text for row in marked.rows} | {"grad": found[2], "right": found[3]} == {
        row.name: row.text for row in marked.rows
    }
    graph, _ = any_snapshot(y, {})
    place = [node.name for node in graph.nodes].index(found[1])
    users = [graph.nodes[edge.target] for edge in graph.edges if edge.source == place]
    assert all(math.isclose(user.grad, user.right) for user in users)
    assert graph.nodes[place].grad != pytest.approx(graph.nodes[place].right)
    steps = step_through(y)
    assert note in str(steps)
    assert steps.picture.svg.count(">yours<") == len([c for c in picture.diagram.cards if c.rows])
    ours, leaf, _ = example(Value)
    assert explain(y, a).derivative == pytest.approx(explain(ours, leaf).derivative)


class Micro:
    """microgpt's shape: slopes instead of names, operands in order."""

    def __init__(self, data, children=(), local_grads=()):
        self.data, self.grad, self._children, self._local_grads = data, 0, children, local_grads

    def __add__(self, other):
        return Micro(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        return Micro(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k):
        return Micro(self.data**k, (self,), (k * self.data ** (k - 1),))

    def log(self):
        return Micro(math.log(self.data), (self,), (1 / self.data,))

    def strange(self):
        return Micro(self.data**3 + 0.1, (self,), (3 * self.data**2,))


def test_microgpt_s_shape_is_read_by_its_numbers():
    a, b = Micro(0.7), Micro(2.5)
    y = ((a * b) ** -1 + b.log()).strange()
    y.grad = 1.0
    graph, _ = any_snapshot(y, {"a": a, "b": b, "y": y})
    assert [node.symbol for node in graph.nodes if node.role == "operation"] == ["*", "**", "log", "+", "?"]
    expected = lambda a, b: (1 / (a * b) + math.log(b)) ** 3  # noqa: E731  # as short as it is
    h = 1e-6
    slopes = {"a": (expected(0.7 + h, 2.5) - expected(0.7 - h, 2.5)) / (2 * h)}
    (found,) = [node.right for node in graph.nodes if node.name == "a"]
    assert found == pytest.approx(slopes["a"])
    assert "?" in [text for card in cards(draw_dot(y, names=locals()).svg) for text in card]


def test_what_is_not_known_is_told_of_the_adapter():
    class Other:
        def __init__(self, value, parents=(), op=""):
            self.value, self.parents, self.op = value, parents, op

    x, y = Other(2.0), Other(3.0)
    z = Other(5.0, (x, y), "PLUS")
    with pytest.raises(TypeError, match="draw_dot expected a Value, got Other"):
        draw_dot(z)

    def adapter(node):
        return Seen(node.value, None, node.parents, "add" if node.op == "PLUS" else node.op)

    assert [c[1] for c in cards(draw_dot(z, names=locals(), adapter=adapter).svg)] == ["input", "input", "+"]
    assert explain(z, x, adapter=adapter).derivative == 1.0
    z.op = "whatever"
    z.value = 100.0
    with pytest.raises(TypeError, match=r"the operation 'whatever' of 2 operands is not known, and its numbers do not"):
        step_through(z, adapter=adapter)
    x.parents, x.op = (z,), "neg"
    with pytest.raises(ValueError, match="the graph has a circle"):
        draw_dot(z, adapter=adapter)


def test_a_deep_foreign_graph():
    y = Micro(1.0)
    for _ in range(5000):
        y = y + y
    assert len(any_snapshot(y, {})[0].nodes) == 5001


@pytest.mark.parametrize(
    ("a", "make", "slopes"),
    [
        (2.0, lambda a: a * a, [4.0]),
        (0.0, lambda a: a * a, [0.0]),
        (1.0, lambda a: a**3, [3.0]),
        (0.0, lambda a: Micro(0.0, (a,), (0,)), [0.0]),
        (2.0, lambda a: Micro(2.0, (a, Micro(0.0)), (1, -1)), [1.0]),
    ],
)
def test_an_operation_without_a_name_is_the_one_whose_slopes_the_node_keeps(a, make, slopes):
    leaf = Micro(a)
    y = make(leaf)
    y.grad = 1.0
    for x, slope in zip(y._children, y._local_grads, strict=True):
        x.grad += slope
    graph, index = any_snapshot(y, {})
    assert explain(y, leaf).derivative == slopes[0]
    assert graph.nodes[index[leaf]].right in (None, slopes[0])
    assert not any(c.parted for c in draw_dot(y).diagram.cards)


def test_a_part_of_a_larger_loss_and_two_sweeps_are_no_mistakes():
    kind = micrograd()
    a, b = kind(2.0, label="a"), kind(3.0, label="b")
    n = a * b
    (n * kind(5.0)).backward()
    assert draw_dot(n).diagram.notes == ("All gradients are right.",)
    a, b = kind(2.0, label="a"), kind(3.0, label="b")
    y = a * b + a
    y.backward()
    for x in y._prev:
        x.grad = 0 if x._prev else x.grad
    y.backward()
    (note,) = draw_dot(y).diagram.notes
    assert note == "All gradients are right, 2 times: backward has run 2 times." or "wrong" not in note
    assert "2 times the derivative" in explain(y, b).verdict


def test_a_number_that_its_operands_do_not_give_is_told_first():
    kind = micrograd()
    a, b = kind(2.0, label="a"), kind(3.0, label="b")
    y = a * b
    y.label = "y"
    y.backward()
    a.data = 1.5
    expected = "y is 6, but its operands give 4.5: one changed since, or its forward rule is wrong."
    assert draw_dot(y).diagram.notes == (expected,)
    assert expected in str(step_through(y))


@pytest.mark.parametrize("number", [np.float64(2.0), np.float32(2.0)])
def test_numpy_s_numbers_and_missing_gradients(number):
    kind = micrograd()
    a, b = kind(number, label="a"), kind(3.0)
    y = a * b
    y.grad, a.grad, b.grad = np.float64(1.0), np.float64(3.0), None
    graph, index = any_snapshot(y, {})
    assert (graph.nodes[index[a]].right, graph.nodes[index[b]].right) == (3.0, None)
    assert draw_dot(y).diagram.notes == ("All gradients are right.",)


@pytest.mark.parametrize(
    ("name", "value", "symbol"),
    [
        ("×", 6.0, "*"),
        ("__mul__", 6.0, "*"),
        ("mul", 6.0, "*"),
        ("whatever", 6.0, "*"),
        ("max", 3.0, "max"),
        ("−", -1.0, "-"),
    ],
)
def test_names_of_operations_as_people_write_them(name, value, symbol):
    kind = micrograd()
    y = kind(value, (kind(2.0), kind(3.0)), name)
    y._prev = list(y._prev) if name != "−" else sorted(y._prev, key=lambda x: x.data)
    assert any_snapshot(y, {})[0].nodes[-1].symbol == symbol


def test_plain_numbers_that_are_no_operands():
    kind = micrograd()
    x = kind(3.0)
    for name, value, slope in (
        ("*", 6.0, 2.0),
        ("+", 5.0, 1.0),
        ("/", 1.5, 0.5),
        ("**", 27.0, 27.0),
        ("-", -3.0, -1.0),
    ):
        assert explain(kind(value, (x,), name), x).derivative == pytest.approx(slope), name


@pytest.mark.parametrize(
    ("name", "exponent"), [("**2", 2.0), ("**-1", -1.0), ("^(0.5)", 0.5), ("** 3", 3.0), ("**1e-1", 0.1)]
)
def test_exponents_in_the_name(name, exponent):
    kind = micrograd()
    x = kind(2.0)
    assert explain(kind(2.0**exponent, (x,), name), x).derivative == pytest.approx(exponent * 2.0 ** (exponent - 1.0))


def test_the_mark_is_seen_on_few_cards_too():
    kind = micrograd()
    xs = [kind(0.1 * i) for i in range(60)]
    y = xs[0]
    for x in xs[1:]:
        y = y + x
    y.backward()
    xs[40].grad = 99.0
    picture = draw_dot(y)
    assert len(picture.diagram.cards) < 60
    assert sum(c.parted for c in picture.diagram.cards) == 1
    assert "99, right is 1" in " ".join(picture.diagram.notes)


def test_numbers_as_gradients_that_became_nodes():
    kind = micrograd()
    a = kind(2.0, label="a")
    y = a * a
    y.grad, a.grad = kind(1.0), Value(4.0)
    graph, _ = any_snapshot(y, {})
    assert [node.grad for node in graph.nodes] == [4.0, 1.0]
