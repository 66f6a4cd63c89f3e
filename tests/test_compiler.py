"""The compiler: eager, interpreted and native runs of one function agree."""

import math
import random
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import BUILTIN, call, evaluate, identical, numbers, ours, sample, steps
from test_nn_layers import SAMPLES
from test_nn_losses import CASES

import autograd
import nn
from autograd import Value, compile, dot, gather, grad, gradients, hessian, primitive, relu, tanh, where
from autograd.compiler.codegen import straightline
from autograd.compiler.codegen.arithmetic import SCALARS
from autograd.compiler.ir.interpret import interpret, with_bounds
from autograd.compiler.ir.passes import PASSES, QUICK, run
from autograd.compiler.ir.peephole import SHARING, VECTORS
from autograd.compiler.ir.program import Instruction, Program
from autograd.graph import topological_order
from autograd.ops import add, mul
from autograd.primitives import Primitive
from nn.nested import flat, nested

pytest.importorskip("llvmlite")
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, -5e-324]


def close(native, interpreted, bound):
    """Within eight times the running error bound; special numbers exactly."""
    if not (math.isfinite(native) and math.isfinite(interpreted)):
        return identical(native, interpreted)
    return abs(native - interpreted) <= 8.0 * bound


def made(compiled):
    return compiled._latest


def held_against_each_other(f, columns):
    """f of several numbers: native, interpreted and eager value and gradient on a batch, a column for each argument."""
    compiled = compile(f)
    value, slopes = compiled.value_and_grad(*columns)
    slopes = slopes if isinstance(slopes, tuple) else (slopes,)
    program, shared = made(compiled).program, [leaf.data for leaf in made(compiled).prepared.leaves]
    for i, xs in enumerate(zip(*columns, strict=True)):
        leaves = [Value(x) for x in xs]
        y = f(*leaves)
        eager = [y.data, *gradients(y, leaves)] if isinstance(y, Value) else [y, *[0.0] * len(xs)]
        interpreted, bounds = with_bounds(program, xs, shared)
        assert all(a == b or identical(a, b) for a, b in zip(interpret(program, xs, shared), interpreted, strict=True))
        for a, b, c, bound in zip([value[i], *[s[i] for s in slopes]], interpreted, eager, bounds, strict=True):
            assert close(a, b, bound), (xs, a, b, bound)
            assert close(b, c, bound) or (b == c == 0.0), (xs, b, c, bound)


WAYS = {"straight": straightline.LARGEST, "kernels": 0}
"""Small functions run straight; here they are made to run as kernels too."""


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    monkeypatch.setattr(straightline, "LARGEST", WAYS[request.param])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # one way each
@given(steps, st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=9))
def test_random_graphs(way, steps, batch):
    held_against_each_other(lambda *xs: evaluate(steps, xs, ours()), list(zip(*batch, strict=True)))


@pytest.mark.parametrize("examples", [1, 21])
@pytest.mark.parametrize("primitive", BUILTIN, ids=lambda p: p.name)
def test_every_primitive(primitive, examples, way):
    rng = random.Random(1)
    rows = [sample(primitive, rng) for _ in range(examples)]
    widths = [len(x) if isinstance(x, list) else 0 for x in rows[0]]

    def f(*xs):
        numbers = iter(xs)
        return call(primitive, *[[next(numbers) for _ in range(n)] if n else next(numbers) for n in widths])

    held_against_each_other(f, list(zip(*map(flat, rows), strict=True)))


@pytest.mark.parametrize("primitive", [p for p in BUILTIN if not p.vectors], ids=lambda p: p.name)
def test_special_numbers_are_exact(primitive, way):
    compiled = compile(lambda *xs: primitive(*xs))
    count = primitive.arity
    columns = list(zip(*np.array(np.meshgrid(*[SPECIAL] * min(count, 2))).reshape(min(count, 2), -1).T, strict=True))
    columns += [[1.0] * len(columns[0])] * (count - len(columns))
    found = compiled(*[list(map(float, column)) for column in columns])
    for y, xs in zip(found, zip(*columns, strict=True), strict=True):
        expected = primitive(*map(float, xs))
        if math.isfinite(expected) and expected != 0.0:
            assert y == pytest.approx(expected, rel=4e-16, abs=5e-324), xs
        else:
            assert identical(y, expected), (xs, y, expected)


@pytest.mark.parametrize("examples", [1, 11])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_layer(name, examples):
    make, x = SAMPLES[name]
    module = make()
    if name in ("BatchNorm1d", "Dropout", "TransformerBlock"):
        with pytest.raises((TypeError, RuntimeError), match=r"compile=True\)|LayerNorm"):
            compile(lambda x: flat(module(x))[0])([x])
        module.eval()
    parameters, rng = module.parameters(), random.Random(2)
    batch = [x if name == "Embedding" else nested(lambda v: v + rng.gauss(0, 0.1), x) for _ in range(examples)]

    def loss(x):
        outputs = flat(module(x))
        return dot(outputs, [0.3 + 0.1 * i for i in range(len(outputs))])

    module.zero_grad()
    value = compile(loss, parameters)(batch)
    compiled = [p.grad for p in parameters]
    module.zero_grad()
    eager = autograd.mean([loss(x) for x in batch])
    if isinstance(eager, Value):
        eager.backward()
    assert value == pytest.approx(eager.data if isinstance(eager, Value) else eager, rel=1e-12)
    assert compiled == pytest.approx([p.grad for p in parameters], rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_every_loss(name):
    f, (x,) = CASES[name]
    values, slopes = compile(f).value_and_grad([x, x])
    leaves = [Value(v) for v in x]
    y = f(leaves)
    y.backward()
    assert values == pytest.approx([y.data] * 2, rel=1e-13)
    assert slopes[1] == pytest.approx([v.grad for v in leaves], rel=1e-12)


@pytest.mark.parametrize("examples", [1, 2, 7, 8, 9, 255, 256, 257, 600])
def test_a_net_on_batches_of_any_size(examples):
    model = nn.MLP(3, [5, 4], activation="tanh", rng=0)
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(examples, 3)), rng.integers(0, 4, examples)
    loss = compile(lambda x, y: nn.cross_entropy(model(x), y), model.parameters())
    value = loss(X, Y)
    compiled = [p.grad for p in model.parameters()]
    model.zero_grad()
    eager = autograd.mean([nn.cross_entropy(model(x), y) for x, y in zip(X.tolist(), Y.tolist(), strict=True)])
    eager.backward()
    assert value == pytest.approx(eager.data, rel=1e-13)
    assert compiled == pytest.approx([p.grad for p in model.parameters()], rel=1e-12, abs=1e-15)
    loss(X, Y)
    assert [p.grad for p in model.parameters()] == pytest.approx([2.0 * g for g in compiled], rel=1e-12, abs=1e-15)


def test_arrays_of_any_layout_and_type():
    f = compile(lambda x, y: x[0] * x[1] - y)
    X = np.arange(12.0).reshape(6, 2)
    frozen = X.copy()
    frozen.flags.writeable = False
    expected = X[:, 0] * X[:, 1] - 1.0
    for x in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], frozen, X.astype(np.float32), X.astype(int)):
        assert (f(x, np.ones(6)) == expected).all()
    assert f(X.tolist(), [1.0] * 6) == list(expected)
    assert len(f._cache.kept) == 2  # for integers of their own


def test_results_have_the_shape_of_what_the_function_returns():
    f = compile(lambda x: [[x[0], x[1]], [x[1], 1.0]])
    assert f([[1.0, 2.0]]) == [[[1.0, 2.0], [2.0, 1.0]]]
    assert f(np.array([[1.0, 2.0]])).shape == (1, 2, 2)
    ragged = compile(lambda x: (x, [x, 2.0 * x]))
    assert ragged(np.array([1.0, 2.0])) == [[1.0, [1.0, 2.0]], [2.0, [2.0, 4.0]]]


def test_transforms_compose():
    xs = np.linspace(-2.0, 2.0, 9)
    assert compile(grad(grad(tanh)))(xs) == pytest.approx(-2 * np.tanh(xs) * (1 - np.tanh(xs) ** 2), abs=1e-15)
    h = compile(hessian(lambda x: x[0] ** 2 * x[1] + autograd.sin(x[1])))
    assert np.allclose(h(np.array([[1.0, 2.0]])), [[[4.0, 2.0], [2.0, -math.sin(2.0)]]], rtol=1e-15)
    slopes = compile(grad(lambda x: x * relu(x)))(xs)
    assert list(slopes) == [2.0 * max(x, 0.0) for x in xs]


def test_indices_gather():
    table = [[Value(10.0 * i + j) for j in range(3)] for i in range(4)]
    f = compile(lambda i, x: dot(gather(table, i), [x, 1.0, i]), [v for row in table for v in row])
    assert f([1, 3, 1], [1.0, 2.0, 3.0]) == pytest.approx((10 + 11 + 12 + 60 + 31 + 96 + 30 + 11 + 12) / 3)
    assert [v.grad for v in table[1]] == pytest.approx([4 / 3, 2 / 3, 2 / 3])
    assert [v.grad for v in table[3]] == pytest.approx([2 / 3, 1 / 3, 1.0])
    for bad in (4, -1):
        with pytest.raises(IndexError, match=f"expected an index from 0 to 3, got {bad}"):
            f([1, bad], [1.0, 1.0])


def test_nothing_flows_to_the_branch_not_taken():
    f = compile(grad(lambda x: autograd.log(relu(x))))
    assert f([-1.0, 2.0]) == [0.0, 0.5]
    g = compile(grad(lambda x: where(x > 0, autograd.sqrt(x), 0.0)))
    assert g([-4.0, 0.0, 4.0]) == [0.0, 0.0, 0.25]
    h = compile(grad(lambda x: where(x > 0, x * autograd.log(x), 0.0)))
    assert h([0.0, 1.0]) == [0.0, 1.0]


def test_expressions_of_many_operands_are_cut():
    def f(xs):
        total = xs[0]
        for x in xs[1:]:
            total = where(x, total, x) + where(total > x, x, total) * x
        return total

    rows = [[math.sin(i * j + 1.0) for i in range(40)] for j in range(5)]
    assert compile(f)(rows) == pytest.approx([f(row) for row in rows], rel=1e-12)


def test_leaves_are_read_anew():
    scale = Value(2.0)
    f = compile(lambda x: scale * x)
    assert f([3.0]) == [6.0]
    scale.data = 5.0
    assert f([3.0]) == [15.0]


def test_custom_operations_compile_through_what_they_are_made_of():
    @primitive(lambda x, out: 3.0 * x**2)
    def cubed(x):
        return x * x * x

    assert compile(grad(lambda x: cubed(x) * tanh(x)))([0.5]) == pytest.approx(
        [grad(lambda x: cubed(x) * tanh(x))(0.5)]
    )

    @primitive(lambda x, out: 1.0 + x)
    def hidden(x):
        return math.exp(x)

    with pytest.raises(TypeError, match=r"the forward rule of hidden cannot be compiled: .*; write it with operators"):
        compile(lambda x: hidden(x))([1.0])


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: compile(lambda x: x if x > 0 else -x)([1.0]), TypeError, r"write where\(condition, a, b\)"),
        (lambda: compile(lambda x: math.sin(x))([1.0]), TypeError, r"autograd\.sin\(v\) not math\.sin"),
        (lambda: compile(lambda x: float(x))([1.0]), TypeError, "compute with the Value itself"),
        (lambda: compile(lambda i: 1.0 if i == 1 else 0.0)([1]), TypeError, r"where\(equal\(v, 1\), a, b\)"),
        (lambda: compile(lambda i: 1.0 if i in (1, 2) else 0.0)([1]), TypeError, r"where\(equal\(v, 1\), a, b\)"),
        (lambda: compile(lambda x: 1.0 if x != 1 else 0.0)([1.0]), TypeError, r"where\(equal\(v, 1\), a, b\)"),
        (lambda: compile(lambda x: 0.0 if x != x else x)([1.0]), TypeError, r"equal\(v, v\) of v == v"),
        (lambda: compile(lambda x: x[0] if x[0] == x[1] else 0.0)([[1.0, 1.0]]), TypeError, r"where\(equal\(v, 1\)"),
        (lambda: compile(lambda x: 1.0 if x[1] in x[:1] else 0.0)([[1.0, 1.0]]), TypeError, r"where\(equal\(v, 1\)"),
        (lambda: compile(lambda x: max(0.0, x))([1.0]), TypeError, r"maximum\(a, b\) of max"),
        (lambda: compile(lambda i: list(range(i)))([1]), TypeError, "ranges and slices need numbers"),
        (
            lambda: compile(lambda x: autograd.gather([1.0, 2.0], x))([1.0]),
            TypeError,
            "takes whole numbers in the data",
        ),
        (lambda: compile(lambda x: {"a": x})([1.0]), TypeError, "return numbers, or lists of them, got dict"),
        (lambda: compile(tanh, nn.Linear(1, 1)), TypeError, r"write model\.parameters\(\)"),
        (lambda: compile(tanh, [Value(1.0)])([1.0], out=np.empty(1)), TypeError, "out has no use"),
        (lambda: compile(lambda x: x[0])([[1.0], [1.0, 2.0]], out=np.empty(2)), ValueError, "examples of one shape"),
        (lambda: compile(lambda x: x.data)([1.0]), TypeError, r"the .data of a Value is not known"),
        (lambda: compile(lambda i: [1.0, 2.0][i])([1]), TypeError, r"write autograd\.gather\(values, index\)"),
        (lambda: compile(lambda x: [x, x], [Value(1.0)])([1.0]), TypeError, "has to return one number, got list"),
        (lambda: compile(tanh)([]), ValueError, "expected as many examples for each argument, and at least one"),
        (lambda: compile(lambda x, y: x * y)([1.0], [1.0, 2.0]), ValueError, r"at least one, got \[1, 2\]"),
        (
            lambda: compile(tanh)(1.0),
            TypeError,
            "expected an array or a list with an entry for each example, got",
        ),
        (lambda: compile(tanh)(), TypeError, "expected a batch for each argument"),
        (lambda: compile(tanh)(["a"]), TypeError, "expected numbers, or lists of them, got 'a'"),
        (lambda: compile(tanh)(np.array(["a"])), TypeError, "expected an array of numbers with an axis of examples"),
        (lambda: compile(tanh, [tanh(Value(1.0))]), TypeError, "compile expected params as leaf Values"),
        (lambda: compile(tanh).program, ValueError, "nothing is compiled yet"),
        (lambda: compile(tanh, Value(1.0)), TypeError, r"got one Value; write \[w\]"),
        (lambda: compile(lambda x: x * Value(2.0).grad)([1.0]), TypeError, "the .grad of a Value is not known"),
        (lambda: compile(lambda x: [1.0, 2.0][x])([1.0]), TypeError, r"write gather\(values, index\)"),
        (lambda: compile(lambda x: {1.0: 2.0}[x])([1.0]), KeyError, "no Value is equal to a key"),
        (lambda: autograd.detect_anomaly()(compile(tanh))([1.0]), RuntimeError, "call the function itself"),
    ],
)
def test_errors_say_what_to_write_instead(attempt, error, text):
    with pytest.raises(error, match=text):
        attempt()


def test_arguments_have_the_function_s_names():
    def price(table, day, *, factor=2.0):
        return autograd.gather(table, day) * factor

    compiled = compile(price)
    compiled([[2.0, 3.0]], [1])
    assert "inputs: %0 = table[0], %1 = table[1], %2 = day" in str(compiled.program)
    others = compile(lambda *xs: xs[0] * xs[1])
    others([1.0], [2.0])
    assert "inputs: %0 = x, %1 = y" in str(others.program)


def test_a_constant_has_no_slope():
    for number in (3, 3.0, True, np.float32(3)):
        assert compile(lambda x, number=number: number).value_and_grad([1.0]) == ([float(number)], [0.0])


def test_what_is_kept_from_a_trace_has_no_number():
    kept = []
    compiled = compile(lambda x, i: kept.append(x * 2.0) or autograd.gather([x, kept[0]], i))
    assert compiled([1.5], [1]) == [3.0]
    assert math.isnan(kept[0].data)


def test_one_hot_of_an_index():
    compiled = compile(lambda i, x: [y * x for y in nn.one_hot(i, 3)])
    assert compiled([2, 0], [5.0, 7.0]) == [[0.0, 0.0, 5.0], [7.0, 0.0, 0.0]]


def test_tables_of_primitives_hold_the_table_s():
    """Each table of the compiler that has primitives as keys or entries has nothing else, and together those of forward
    rules have all."""
    found, parts = {}, [part for parts in SHARING.values() for part in parts]
    for name, module in sorted(sys.modules.items()):
        for variable, table in vars(module).items() if name.startswith("autograd.compiler.") else ():
            if isinstance(table, dict | set | tuple | list) and variable.isupper():
                inside = [x[0] if isinstance(x, tuple) and x else x for x in table]
                if any(isinstance(x, Primitive) for x in inside):
                    assert {*inside} <= {*BUILTIN, *parts}, variable
                    found[variable] = table
    assert {"SCALARS", "VECTORS", "HIDING", "COMMUTATIVE", "NEUTRAL"} <= {*found}
    assert {*SCALARS, *VECTORS, *SHARING, autograd.ops.dot, autograd.ops.gather} == {*BUILTIN, *parts}


@pytest.mark.parametrize("x", [-400.0, -355.2, -178.0, -21.0, -0.7, -0.0, 0.0, 1e-9, 0.3, 5.0, 36.0, 354.0])
def test_a_replayed_program_has_the_derivatives_of_what_shares_a_power(x):
    for f in SHARING:
        compiled = compile(f)
        compiled([x])
        (y,) = compiled.replay(x)
        (leaf,) = topological_order(y)[0]
        y.backward()
        assert y.data == pytest.approx(f(x), rel=1e-14)
        assert leaf.grad == pytest.approx(grad(f)(x), rel=1e-13, abs=1e-16 if abs(x) < 1.0 else 1e-300)


def test_prints_within_a_trace_show_no_number():
    shown = []
    compile(lambda x: shown.append((repr(x), f"{x:.3f}")) or x)([1.0])
    assert shown == [("Value(data=?, label='x')", "?")]


def test_one_program_for_one_structure():
    calls = []

    def f(x):
        calls.append(1)
        return x[0] * 2.0

    compiled = compile(f)
    for n in (3, 1, 500):
        compiled(np.ones((n, 2)))
    compiled([[1.0, 2.0]])
    assert len(calls) == 1
    compiled([[1.0]])
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["MLP", "TransformerBlock", "LSTMCell", "Conv2d", "Embedding"])
def test_passes_in_one_go_give_the_same_program(name):
    make, x = SAMPLES[name]
    module = make().eval()
    f = compile(lambda x: autograd.logsumexp(flat(module(x))) ** 2.0, module.parameters())
    f([x])
    traced = made(f).prepared.program
    assert str(run(traced, QUICK)[-1]) == str(run(traced, PASSES)[-1])


def test_the_stages_are_shown():
    model = nn.MLP(4, [3, 1], activation="tanh", rng=0)
    loss = compile(lambda x, y: nn.mse_loss(model(x), y), model.parameters())
    loss([[0.1, 0.2, 0.3, 0.4]], [1.0])
    assert repr(loss.program) == str(loss.program)
    for stage in ("traced", "fold", "merge", "sums_to_dots", "prune"):
        assert f"# {stage}\n" in loss.program
    assert "matrix-vector 3x4" in loss.kernels
    assert "outer product 3x4, summed over examples" in loss.kernels
    assert "define void" in loss.llvm_ir


def test_loops_written_by_hand_become_matrix_products():
    rows = [[Value(0.1 * (i + j)) for j in range(6)] for i in range(5)]

    def f(x):
        outputs = []
        for row in rows:
            s = 0.5
            for w, v in zip(row, x, strict=True):
                s = s + w * v
            outputs.append(s.tanh())
        return autograd.sum(outputs)

    loss = compile(f, [w for row in rows for w in row])
    loss(np.ones((3, 6)))
    assert "matrix-vector 5x6" in loss.kernels
    assert "outer product 5x6, summed over examples" in loss.kernels


def test_a_program_is_checked_where_it_is_made():
    with pytest.raises(ValueError, match="%1: add reads %1, which is not computed yet"):
        Program(("x",), (), (), (Instruction(add, (0, 1)),), (1,))
    with pytest.raises(ValueError, match="%1: mul takes 2 operands, got 1"):
        Program(("x",), (), (), (Instruction(mul, (0,)),), (1,))
    with pytest.raises(ValueError, match="are no slots of this program"):
        Program(("x",), (), (), (), (1,))


def test_without_llvmlite_it_runs_in_python_and_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "autograd.compiler.runtime.plan", None)
    with pytest.warns(UserWarning, match=r"llvmlite is missing.*pip install 'scalar-autograd\[compile\]'") as warned:
        f = compile(lambda x: tanh(x) * x)
    assert warned[0].filename == __file__
    values, slopes = f.value_and_grad([0.5, 1.0])
    assert values == [0.5 * math.tanh(0.5), math.tanh(1.0)]
    assert slopes[0] == pytest.approx(math.tanh(0.5) + 0.5 * (1 - math.tanh(0.5) ** 2))


@pytest.mark.parametrize("features", ["", "+avx", "+avx,+avx2,+fma"])
def test_machines_with_fewer_features(features, monkeypatch):
    from autograd.compiler.runtime import machine

    usual = machine.Machine()
    if not set(features.split(",")) <= {"", *usual.features.split(",")}:
        pytest.skip(f"this machine has not {features}")
    restricted = machine.Machine(features)
    monkeypatch.setattr(machine, "machine", lambda: restricted)
    assert restricted.blocks.lanes == (4 if features else 2)
    held_against_each_other(
        lambda x, y: tanh(x) * autograd.log(y) + autograd.exp(x * y), [[0.5, -1.0, 30.0], [2.0, 0.1, 9.0]]
    )
    model = nn.MLP(3, [5, 4], rng=0)
    X, Y = [[0.1, -0.2, 0.3], [1.0, 2.0, -3.0], [0.0, 0.5, 0.5]], [0, 3, 1]
    value = compile(lambda x, y: nn.cross_entropy(model(x), y), model.parameters())(X, Y)
    expected = sum(nn.cross_entropy(model(x), y).data for x, y in zip(X, Y, strict=True)) / 3
    assert value == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("examples", [1, 30])
def test_whole_numbers_and_remainders_are_python_s(examples, way):
    numbers = [7.5, -7.5, 2.0, -2.0, 0.5, -0.5, 1e300, 0.3, -0.0, 0.0, math.inf, 3.0]
    f = compile(lambda a, b: [a % b, a // b, 7.0 % b, -7.0 // b, round(a), math.floor(a), math.ceil(a), math.trunc(a)])
    for a in numbers:
        B = (numbers * 3)[:examples] if examples > 1 else [numbers[3]]
        for b, found in zip(B, f([a] * len(B), B), strict=True):
            eager = [Value(a) % b, Value(a) // b, 7.0 % Value(b), -7.0 // Value(b)]
            eager += [round(Value(a)), math.floor(Value(a)), math.ceil(Value(a)), math.trunc(Value(a))]
            assert all(map(identical, found, [y.data for y in eager])), (a, b, found, eager)
    assert compile(grad(lambda x: x % 3.0 + round(x) * x))([7.5]) == [1.0 + 8.0]
    assert compile(lambda a, b: grad(lambda b: a % b)(b))([7.5, -7.5], [2.0, 2.0]) == [-3.0, 4.0]
