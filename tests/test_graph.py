import random

import pytest

import autograd
from autograd import Value, gradcheck
from autograd.extend import snapshot, topological_order
from autograd.graph import describe, describe_operation


def random_graph(rng, size):
    nodes = [Value(rng.random()) for _ in range(3)]
    vectors = [tuple(nodes)]
    for _ in range(size):
        kind = rng.randrange(4)
        xs = [rng.choice([*nodes, 2.0]) for _ in range(4)]
        if kind == 0:
            nodes.append(rng.choice(nodes) + xs[0])
        elif kind == 1:
            nodes.append(rng.choice(nodes).tanh())
        elif kind == 2:
            vectors.append(tuple(rng.choice([*nodes, 2.0]) for _ in range(3)))  # shared, as a layer's input is
            nodes.append(autograd.dot(rng.choice(vectors), rng.choice(vectors), rng.choice(nodes)))
        else:
            nodes.append(autograd.where(rng.choice(nodes), xs[0], xs[1]))
    return nodes


def test_operands_come_before_their_users_and_each_node_once():
    rng = random.Random(0)
    for _ in range(500):
        nodes = random_graph(rng, 30)
        roots = rng.sample(nodes, 2)
        leaves, interiors = topological_order(*roots)
        order = leaves + interiors
        place = {node: i for i, node in enumerate(order)}
        assert len(place) == len(order)
        assert all(x in place for x in roots)
        for node in order:
            assert all(place[x] < place[node] for x in node._prev)
        assert all(node.primitive is None for node in leaves)
        assert all(node.primitive is not None for node in interiors)


def test_a_vector_that_is_used_again_below_itself():
    h = tuple(v * 2.0 for v in (Value(0.5), Value(-1.0)))
    bilinear(h).backward()
    assert [v.inputs[0].grad for v in h] == [-16.0, -22.0]
    assert gradcheck(lambda x, y: bilinear((2.0 * x, 2.0 * y)), (0.5, -1.0), order=2)


def bilinear(h):
    return autograd.dot(autograd.linear(h, [[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0]), h)


def test_the_order_is_the_same_every_time():
    orders = [topological_order(random_graph(random.Random(1), 40)[-1]) for _ in range(2)]
    first, second = ([describe_operation(node) for node in leaves + interiors] for leaves, interiors in orders)
    assert first == second


def test_a_snapshot_is_plain_data_with_order_multiplicity_and_local_derivatives():
    a, b = Value(3.0, label="a"), Value(2.0, label="b")
    y = autograd.where(b > 5, a, a * b - 1.0)
    y.backward()
    graph = snapshot(y)
    root = len(graph.nodes) - 1
    assert [n.role for n in graph.nodes].count("constant") == 2
    into_root = [e for e in graph.edges if e.target == root]
    assert [e.position for e in into_root] == [0, 1, 2]
    assert [e.local for e in into_root] == [None, None, 1.0]
    square = snapshot(a * a)
    assert [(e.source, e.target, e.position, e.local) for e in square.edges] == [(0, 1, 0, 3.0), (0, 1, 1, 3.0)]
    assert (square.nodes[0].label, square.nodes[0].role, square.nodes[1].symbol) == ("a", "leaf", "*")
    assert snapshot(autograd.where(1.0, a, a)).edges[-2].local == 1.0
    assert snapshot(autograd.where(1.0, a, a)).edges[-1].local is None


def test_a_snapshot_cannot_be_changed_and_does_not_change():
    x = Value(2.0)
    graph = snapshot(x * x)
    x.data = 3.0
    assert graph.nodes[-1].data == 4.0
    for record, name in ((graph, "nodes"), (graph.nodes[0], "data"), (graph.edges[0], "local")):
        with pytest.raises(AttributeError):
            setattr(record, name, None)


def test_nodes_are_described_by_label_number_and_operation():
    x = Value(2.0, label="x")
    assert describe(x) == "x = 2.0"
    assert describe(Value(2.0)) == "2.0"
    assert describe_operation(autograd.dot([x], [3.0])) == "dot(x = 2.0, 3.0, 0.0) = 6.0"
