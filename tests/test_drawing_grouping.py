"""Large graphs on few cards: always without cycles, always few, by modules where there are some."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from microgpt import gpt
from support import COPIES, evaluate, numbers, ours, steps

import autograd
from autograd import Value, draw_dot
from autograd.drawing import grouping
from autograd.drawing.grouping import FEW, LIMIT, components, without_cycles
from autograd.drawing.modules import homes
from autograd.extend import Snapshot, SnapshotEdge, SnapshotNode, snapshot
from autograd.snapshots import levels
from nn import MLP, Layer, Module, Neuron


def drawn(root, **options):
    return draw_dot(root, **options).diagram


def is_acyclic(diagram):
    edges = {(a.source, a.target) for a in diagram.arrows}
    while free := {s for s, _ in edges} - {t for _, t in edges}:
        edges = {(s, t) for s, t in edges if s not in free}
    return not edges


def groups(diagram):
    return {c.title: c for c in diagram.cards if c.role == "group"}


@pytest.fixture(scope="module")
def network():
    model = MLP(2, [16, 16, 1], rng=0)
    loss = (model([Value(0.5, label="x"), Value(-1.0, label="y")]) - 1) ** 2
    loss.backward()
    return loss


def test_levels_of_a_path():
    assert levels("layers.0.neurons.2") == ["layers.0", "neurons.2"]
    assert levels("encoder.blocks.3.attention.w.1.2") == ["encoder", "blocks.3", "attention", "w.1.2"]
    assert levels("Neuron.b") == ["Neuron", "b"]


def test_an_mlp_is_a_card_a_layer_with_its_shape(network):
    diagram = drawn(network)
    found = groups(diagram)
    assert {title: c.symbol for title, c in found.items()} == {
        "layers.0": "2 → 16", "layers.1": "16 → 16", "layers.2": "16 → 1",
    }  # fmt: skip
    assert [row.text for row in found["layers.1"].rows if row.name in ("nodes", "parameters")] == ["304", "272"]
    assert {c.title for c in diagram.cards if c.role == "leaf"} == {"x", "y"}
    assert any("nodes on 9 cards" in note and 'expand=["layers.1"] opens one' in note for note in diagram.notes)
    svg = draw_dot(network).svg
    assert float(svg.split('width="')[1].split('"')[0]) < 1320


def test_a_dense_picture_has_fainter_arrows(network):
    assert 'class="curve faint"' in draw_dot(network, collapse=2).svg
    assert 'class="curve faint"' not in draw_dot(network).svg


def test_depth_two_is_a_card_a_neuron(network):
    diagram = drawn(network, collapse=2)
    assert len(groups(diagram)) == 33
    assert groups(diagram)["layers.1.neurons.3"].symbol == "16 → 1"
    assert is_acyclic(diagram)


def test_a_part_can_be_opened(network):
    diagram = drawn(network, expand=["layers.0"])
    assert {title for title in groups(diagram) if "layers.0" in title} == {f"layers.0.neurons.{i}" for i in range(16)}
    assert "layers.1" in groups(diagram)
    titles = [c.title for c in drawn(network, expand=["layers.2"]).cards]
    assert "layers[2].neurons[0].w[15]" in titles  # its only neuron is opened with it
    assert "layers.0.neurons.0" in groups(drawn(network, expand=["layers.0", "layers.0.neurons.1"]))
    assert "layers.0.neurons.1" not in groups(drawn(network, expand=["layers.0", "layers.0.neurons.1"]))


def test_what_is_opened_stays_open_in_a_large_picture():
    model = MLP(2, [40, 3, 1], rng=0)
    diagram = drawn((model([0.5, -1.0]) - 1) ** 2, expand=["layers.1"])
    assert len(groups(diagram)) == 5
    diagram = drawn((model([0.5, -1.0]) - 1) ** 2, expand=["layers.1", "layers.1.neurons.0"])
    assert [c.title for c in diagram.cards if c.role == "parameter"] == [
        *(f"layers[1].neurons[0].w[{i}]" for i in range(40)), "layers[1].neurons[0].b",
    ]  # fmt: skip
    assert is_acyclic(diagram)


def test_nan_is_not_hidden_in_a_range():
    xs = [Value(x) for x in (-1.0, 1.0, 2.0)]
    for _ in range(30):
        xs += [x * 1.0 for x in xs[-3:]]
    diagram = drawn(autograd.sum([x.log() for x in xs]))
    assert any(row.text == "0 … 0.693 … nan" for c in diagram.cards for row in c.rows)


def test_never_collapse(network):
    diagram = drawn(network, collapse=None)
    assert len(diagram.cards) == len(snapshot(network).nodes)
    assert not groups(diagram)


def test_ranges_and_calls_of_a_card():
    model = Layer(2, 3, rng=0)
    outputs = [y for i in range(10) for y in model([float(i), 1.0 - i])]
    autograd.sum(outputs).backward()
    diagram = drawn(autograd.sum(outputs), collapse=1)
    rows = {title: {row.name: row.text for row in c.rows} for title, c in groups(diagram).items()}
    assert {r["calls"] for r in rows.values()} == {"10"}
    assert {c.symbol for c in groups(diagram).values()} == {"2 → 1"}
    high = max(y.data for i, y in enumerate(outputs) if i % 3 == 0)
    assert rows["neurons.0"]["data"].split(" … ")[-1] == f"{high:.3g}".replace("-", "−")


def test_what_is_outside_of_modules_stays_outside():
    neuron = Neuron(2, rng=0)
    x = Value(1.0, label="x")
    y = neuron([x, 2.0]) * 3.0
    graph = snapshot(y)
    home = dict(zip([n.name or str(n.data) for n in graph.nodes], homes(graph), strict=True))
    assert home["x"] == ""
    assert home["w[0]"] == "Neuron.w.0"
    assert home[graph.nodes[-1].name] == ""
    assert home["3.0"] == ""


class Recurrent(Module):
    """Two modules that call each other in turn, which on one card each would be a cycle."""

    def __init__(self):
        self.a, self.b = Neuron(1, activation="tanh", rng=0), Neuron(1, activation="tanh", rng=1)

    def forward(self, h, times):
        for _ in range(times):
            h = self.b([self.a([h])])
        return h


def test_a_recurrent_net_is_unrolled_or_becomes_one_card():
    few = drawn(Recurrent()(Value(1.0, label="h"), 5), collapse=1)
    assert is_acyclic(few)
    assert [f"a ({i})" for i in range(2, 6)] == [c.title for c in few.cards if c.title.startswith("a (")]
    assert {c.symbol for c in few.cards if c.role == "group"} == {"1 → 1"}
    assert [row.name for row in groups(few)["a"].rows] == ["data", "grad"]
    many = drawn(Recurrent()(Value(1.0, label="h"), 500))
    assert is_acyclic(many)
    assert groups(many).keys() & {"a b", "b a"}
    assert len(many.cards) <= FEW


class Pair(Module):
    def __init__(self):
        self.a, self.b = Layer(3, 3, rng=0), Layer(3, 3, rng=1)

    def forward(self, x):
        return self.b(self.a(self.b(self.a(x))))


def test_shapes_of_modules_that_are_used_again():
    def shapes(root):
        found = [c for c in drawn(root, collapse=1).cards if c.role == "group" and c.symbol]
        return sorted((c.title, c.symbol, *[r.text for r in c.rows if r.name == "calls"]) for c in found)

    assert shapes(autograd.sum(Pair()([1.0, 2.0, 3.0]))) == [(x, "3 → 3") for x in ("a", "a (2)", "b", "b (2)")]
    model = MLP(2, [4, 1], rng=0)
    xs = [Value(1.0), Value(2.0)]
    assert shapes(model(xs) * model(xs)) == [("layers.0", "2 → 4", "2"), ("layers.1", "4 → 1", "2")]
    cell = Layer(5, 4, activation="tanh", rng=0)
    wrapped = Wrapped(cell)
    h = [0.0] * 4
    for i in range(3):
        h = wrapped([Value(float(i)), *h])
    assert shapes(autograd.sum(h)) == [("cell", "5 → 4", "3")]


class Wrapped(Module):
    def __init__(self, cell):
        self.cell = cell

    def forward(self, x):
        return self.cell(x)


class Late(Module):
    def __init__(self):
        self.w, self.p = Value(2.0), Value(3.0)

    def forward(self, x, late):
        return (x * (self.p if late else self.w)).tanh()


class Borrower(Module):
    def __init__(self, p):
        self.p = p

    def forward(self, x):
        return (x * self.p).tanh()


class Lender(Module):
    def __init__(self):
        self.a = Late()
        self.b = Borrower(self.a.p)

    def forward(self, x):
        return self.a(self.b(self.a(x, False)), True)


def test_a_shared_parameter_makes_no_cycle():
    assert is_acyclic(drawn(Lender()(Value(0.5)), collapse=1))


class Table(Module):
    def __init__(self):
        self.rows = [[Value(float(i + j)) for j in range(4)] for i in range(3)]
        self.layer = Layer(4, 8, rng=0)

    def forward(self, i):
        return self.layer(self.rows[i])


def test_another_module_s_parameters_are_an_input():
    (card,) = [c for c in drawn(autograd.sum(Table()(1)), collapse=1).cards if c.title == "layer"]
    assert card.symbol == "4 → 8"


def test_a_copy_is_another_model():
    model = MLP(2, [16, 16, 1], rng=0)
    model([1.0, 2.0])
    for copied in COPIES:
        x = [Value(1.0), Value(2.0)]
        assert set(groups(drawn(model(x) - copied(model)(x), collapse=1))) == {"model1", "model2"}


def test_two_models_are_told_apart():
    first, second, x = MLP(2, [3, 1], rng=0), MLP(2, [3, 1], rng=1), [Value(1.0), Value(2.0)]
    root = first(x) + second(x)
    found = groups(drawn(root, collapse=1))
    assert {title: c.symbol for title, c in found.items()} == {"model1": "2 → 1", "model2": "2 → 1"}
    assert "model2.layers.0" in groups(drawn(root, collapse=2))
    assert len({n.name for n in snapshot(root).nodes if n.role == "parameter"}) == 26


def test_leaves_alone_are_put_together_too():
    rng = random.Random(0)
    leaves = [Value(rng.random()) for _ in range(80)]
    roots = [(rng.choice(leaves) * rng.choice(leaves) + rng.choice(leaves)).tanh() for _ in range(200)]
    diagram = drawn(autograd.sum(roots))
    assert len(diagram.cards) <= FEW
    assert is_acyclic(diagram)


def test_one_module_that_feeds_itself_is_one_card():
    neuron, h = Neuron(1, activation="tanh", rng=0), Value(1.0, label="h")
    for _ in range(40):
        h = neuron([h])
    assert "Neuron" in groups(drawn(h))
    assert is_acyclic(drawn(h))


def test_structure_is_repeated_whatever_its_size():
    def network(width, samples):
        rng = random.Random(0)
        rows = [[Value(rng.random()) for _ in range(width)] for _ in range(width)]
        total = 0.0
        for _ in range(samples):
            x = [rng.random() for _ in range(width)]
            for _ in range(2):
                x = [sum((w * v for w, v in zip(row, x, strict=True)), Value(0.1)).tanh() for row in rows]
            total = total + sum(x)
        return total

    small, large = drawn(network(4, 3)), drawn(network(8, 20))
    assert [(c.role, c.title) for c in small.cards if not c.root] == [
        (c.role, c.title) for c in large.cards if not c.root
    ]
    assert len(small.cards) <= 12
    assert is_acyclic(large)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(steps, min_size=8, max_size=12).map(lambda parts: [step for part in parts for step in part]),
    st.lists(numbers, min_size=2, max_size=4),
)
def test_any_graph_is_drawn_on_few_cards_without_cycles(steps, xs):
    root = evaluate(steps * 3, [Value(x) for x in xs], ours())
    diagram = drawn(root)
    assert is_acyclic(diagram)
    count = len(snapshot(root).nodes)
    assert len(diagram.cards) <= (FEW if count > LIMIT else LIMIT)
    on_groups = [int(row.text.replace(",", "")) for c in diagram.cards for row in c.rows if row.name == "nodes"]
    assert sum(on_groups) + len(diagram.cards) - len(on_groups) == count
    assert [(c.root, c.role) for c in diagram.cards if c.root] == [(True, "operation")]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_partition_is_made_acyclic(data):
    count = data.draw(st.integers(2, 14))
    edges = [
        SnapshotEdge(s, t, 0, 1.0)
        for t in range(1, count)
        for s in sorted(data.draw(st.sets(st.integers(0, t - 1), max_size=3)))
    ]
    nodes = tuple(SnapshotNode("operation", "+", 0.0, 0.0, str(i), primitive="add") for i in range(count))
    graph = Snapshot(nodes, tuple(edges))
    keys = [("module", data.draw(st.integers(0, 3))) for _ in nodes]
    found = without_cycles(graph, keys)
    assert len({*components(graph, found).values()}) == len({*found})
    for i, j in ((i, j) for i in range(count) for j in range(count) if found[i] == found[j]):
        assert found[i][0] == "cycle" or keys[i] == keys[j]


def test_a_gpt_in_plain_operators_fits_a_picture():
    _, loss = gpt(Value, random.Random(0), width=8, heads=2, block=8, vocabulary=11, spread=0.1)
    root = loss([1, 5, 2, 7, 3, 0])
    assert len(snapshot(root).nodes) > 10_000
    diagram = drawn(root)
    assert is_acyclic(diagram)
    assert len(diagram.cards) <= FEW
    assert any("relu" in c.title for c in diagram.cards)
    assert any("exp" in c.title for c in diagram.cards)


def test_steps_that_only_follow_each_other_are_one_card():
    x, y = Value(0.5, label="x"), Value(1.0)
    for i in range(40):
        y = (y * x + i).tanh()
    diagram = drawn(y)
    assert [c.title for c in diagram.cards if c.role == "group"] == ["× + tanh"]
    assert len(diagram.cards) == 4


def test_a_long_chain_is_drawn_without_recursion():
    y = Value(1.0)
    for i in range(30_000):
        y = y * 1.0001 if i % 2 else y + 0.5
    diagram = drawn(y)
    assert len(diagram.cards) <= FEW
    assert is_acyclic(diagram)


def test_many_unlike_steps_are_put_into_bands():
    rng = random.Random(0)
    nodes = [Value(1.0), Value(2.0)]
    for _ in range(2000):
        a, b = rng.choice(nodes[-30:]), rng.choice(nodes[-30:])
        nodes.append(rng.choice([a + b, a * 0.5, (a - b).tanh(), autograd.maximum(a, b)]))
    diagram = drawn(autograd.sum(nodes))
    assert len(diagram.cards) <= FEW
    assert is_acyclic(diagram)


def test_what_is_read_of_a_graph_is_a_snapshot_alone():
    graph = snapshot(Value(1.0) + 2.0)
    assert grouping.diagram(graph, ("data",), 4, "auto", (), None).cards[-1].symbol == "+"
