import gc
import math
import weakref
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from support import same

import autograd
from autograd import Value, grad, gradients, hessian, hvp, jacobian, jvp, value_and_grad, vjp


def cube(x):
    return x**3


def test_perturbation_confusion():
    assert grad(lambda x: x * grad(lambda y: x * y)(x))(3.0) == 6.0
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(5.0) == 1.0
    assert jvp(lambda x: x * jvp(lambda y: x * y, (x,), (1.0,))[1], (3.0,), (1.0,))[1] == 6.0
    assert grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0) == 6.0


def test_closures_over_an_outer_variable():
    assert grad(lambda x: grad(lambda y: x * x * y)(2.0))(3.0) == 6.0
    assert grad(lambda x: grad(lambda y: grad(lambda z: x * y * z)(1.0) * y)(2.0))(3.0) == 4.0
    assert grad(lambda x: value_and_grad(lambda y: x * y)(2.0)[0])(3.0) == 2.0
    assert grad(lambda x: vjp(lambda y: x * y, 2.0)[1](10.0)[0])(3.0) == 10.0
    assert grad(lambda x: jacobian(lambda y: [x * y, y])(2.0)[0])(3.0) == 1.0


def test_an_auxiliary_value_that_depends_on_the_outer_variable_stays_connected():
    def f(transform):
        return grad(lambda x: transform(lambda y: (y * y, {"aux": x * y}))["aux"])(3.0)

    assert f(lambda g: grad(g, has_aux=True)(2.0)[1]) == 2.0
    assert f(lambda g: jacobian(g, has_aux=True)(2.0)[1]) == 2.0
    assert f(lambda g: jvp(g, (2.0,), (1.0,), has_aux=True)[2]) == 2.0
    assert f(lambda g: vjp(g, 2.0, has_aux=True)[2]) == 2.0


def test_a_closure_in_another_thread_is_connected_too():
    with ThreadPoolExecutor(1) as pool:
        inner = grad(lambda x: pool.submit(lambda: grad(lambda y: x * y)(2.0)).result())
        assert inner(3.0) == 1.0


def test_no_graph_outlives_a_transform():
    nodes = []

    def f(x):
        nodes.append(weakref.ref(x[0]))
        return (x[0] * x[1]).tanh()

    gc.disable()
    try:
        grad(f)([0.1, 0.2])
        hessian(f)([0.1, 0.2])
        jvp(f, ([0.1, 0.2],), ([1.0, 0.0],))
        vjp(f, [0.1, 0.2])[1](1.0)
        hvp(f, [0.1, 0.2], [1.0, 0.0])
        assert [node() for node in nodes] == [None] * len(nodes)
    finally:
        gc.enable()


def test_values_in_dicts_and_keywords_count_as_values():
    w = Value(5.0)
    value, slope = value_and_grad(lambda x, p: p["w"] * x)(2.0, {"w": w})
    assert gradients(slope, w) == 1.0
    assert value.data == 10.0
    assert isinstance(grad(lambda x, w: w * x)(2.0, w=w), Value)
    assert isinstance(jvp(lambda x: x * x, (2.0,), (w,))[1], Value)
    assert grad(lambda p: p["a"] * p["b"][0])({"a": 2.0, "b": [3.0]}) == {"a": 3.0, "b": [2.0]}


def test_what_does_not_depend_on_the_outer_variable_is_a_float():
    inner = []
    grad(lambda x: inner.append(grad(cube)(2.0)) or x)(3.0)
    assert inner == [12.0]


def test_the_modes_nest_in_any_order():
    assert jvp(grad(cube), (2.0,), (1.0,)) == (12.0, 12.0)
    assert grad(lambda x: jvp(cube, (x,), (1.0,))[1])(2.0) == 12.0
    assert jvp(lambda x: jvp(cube, (x,), (1.0,))[1], (2.0,), (1.0,)) == (12.0, 12.0)
    assert grad(grad(grad(cube)))(2.0) == 6.0
    assert grad(grad(grad(grad(cube))))(2.0) == 0.0


def test_floats_in_floats_out_and_values_in_values_out():
    assert type(grad(cube)(2.0)) is float
    assert type(grad(cube)(2)) is float
    x = Value(2.0)
    slope = grad(cube)(x)
    assert isinstance(slope, Value)
    assert gradients(slope, x) == 12.0
    w = Value(5.0)
    assert grad(lambda x: w * x)(2.0) == 5.0
    value, gradient = value_and_grad(lambda x, w: w * x)(2.0, w)
    assert isinstance(value, Value)
    assert gradients(gradient, w) == 1.0


def test_f_gets_fresh_nodes_and_no_grad_is_written_or_read():
    x, got = Value(2.0), []
    x.grad = 7.0

    def f(y):
        got.append(y)
        y.grad = 100.0
        return y * y

    assert grad(f)(x).data == 4.0
    assert got[0] is not x
    assert x.grad == 7.0
    assert grad(f)(2.0) == 4.0


def test_an_overflow_in_one_row_of_a_jacobian_stays_there():
    assert jacobian(lambda x: [x * x, x * 1e200 * 1e200])(1.0) == [2.0, math.inf]
    assert hessian(lambda v: v[0] ** v[1])([1e200, 2.0])[0][0] == 2.0


def test_a_constant_function_has_gradient_zero():
    assert grad(lambda x: 7)(3.0) == 0.0
    assert grad(lambda x: Value(7.0))([1.0, [2.0]]) == [0.0, [0.0]]
    assert jvp(lambda x: 7.0, (3.0,), (1.0,)) == (7.0, 0.0)
    assert jacobian(lambda x: [1.0, x])(3.0) == [0.0, 1.0]
    assert grad(lambda x: 7)(Value(3.0)).data == 0.0
    assert vjp(lambda x: 7.0, 3.0)[1](1.0) == (0.0,)
    assert hessian(lambda x: 3.0 * x)(2.0) == 0.0


def test_argnums_and_has_aux_as_in_jax():
    def f(x, y, scale=1.0):
        return scale * x * y[0] + y[1], {"x": x, "list": [y[0]], "text": "aux"}

    y = [3.0, 4.0]
    assert grad(f, has_aux=True)(2.0, y) == (3.0, {"x": 2.0, "list": [3.0], "text": "aux"})
    assert grad(f, argnums=1, has_aux=True)(2.0, y, scale=10.0)[0] == [20.0, 1.0]
    assert grad(f, argnums=(0, 1), has_aux=True)(2.0, y)[0] == (3.0, [2.0, 1.0])
    assert grad(f, argnums=-1, has_aux=True)(2.0, y)[0] == [2.0, 1.0]
    assert value_and_grad(f, has_aux=True)(2.0, y) == ((10.0, {"x": 2.0, "list": [3.0], "text": "aux"}), 3.0)
    assert jacobian(f, argnums=(1,), has_aux=True)(2.0, y)[0] == ([2.0, 1.0],)
    assert jvp(f, (2.0, y), (1.0, [0.0, 0.0]), has_aux=True)[:2] == (10.0, 3.0)
    out, pullback, aux = vjp(f, 2.0, y, has_aux=True)
    assert (out, pullback(1.0), aux["text"]) == (10.0, (3.0, [2.0, 1.0]), "aux")
    assert hessian(f, has_aux=True)(2.0, y)[0] == 0.0
    assert hessian(lambda x, y: x * y * y, argnums=(0, 1))(2.0, 3.0) == ((0.0, 6.0), (6.0, 4.0))


def test_an_argument_is_named_once():
    for argnums in ((0, 0), (0, -2)):
        with pytest.raises(ValueError, match="argnums expected different arguments, got"):
            grad(lambda x, y: x * y, argnums=argnums)(2.0, 3.0)


def test_shapes_are_the_result_s_and_in_it_the_argument_s():
    matrix = [[1.0, 2.0], [3.0, 4.0]]
    assert grad(lambda m: m[0][0] * m[1][1] - m[0][1] * m[1][0])(matrix) == [[4.0, -3.0], [-2.0, 1.0]]
    rows = jacobian(lambda m: [m[0][0] ** 2, (m[1][1],)])(matrix)
    assert rows == [[[2.0, 0.0], [0.0, 0.0]], ([[0.0, 0.0], [0.0, 1.0]],)]
    assert hessian(lambda x: x[0] * x[1] ** 2)([3.0, 2.0]) == [[0.0, 4.0], [4.0, 6.0]]


def test_against_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def f(m, x, y):
        return m.sin(x[0] * y) * m.exp(x[1]) + m.tanh(x[2]) / (1 + y * y) + x[0] ** 3

    def ours(x, y):
        return f(autograd, x, y)

    def theirs(x, y):
        return f(jnp, x, y)

    x, y, v = [0.3, -0.7, 1.2], 0.5, [1.0, -2.0, 0.5]
    jx = jnp.array(x)
    value, (gx, gy) = value_and_grad(ours, (0, 1))(x, y)
    jvalue, (jgx, jgy) = jax.value_and_grad(theirs, (0, 1))(jx, y)
    assert same(value, float(jvalue))
    np.testing.assert_allclose([*gx, gy], [*jgx, jgy], rtol=1e-13)
    np.testing.assert_allclose(hessian(ours)(x, y), jax.hessian(theirs)(jx, y), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        jacobian(lambda x: [ours(x, 1.0), ours(x, 2.0)])(x),
        jax.jacobian(lambda x: jnp.stack([theirs(x, 1.0), theirs(x, 2.0)]))(jx),
        rtol=1e-12,
    )
    expected = jax.jvp(jax.grad(theirs), (jx, y), (jnp.array(v), 0.0))[1]
    np.testing.assert_allclose(hvp(lambda x: ours(x, y), x, v), expected, rtol=1e-12)
    out, pullback = vjp(ours, x, y)
    jout, jpullback = jax.vjp(theirs, jx, y)
    assert same(out, float(jout))
    np.testing.assert_allclose(pullback(2.0)[0], jpullback(2.0)[0], rtol=1e-13)
    third = grad(lambda t: hessian(ours)([t, 0.1, 0.2], y)[0][0])(0.3)
    assert same(third, float(jax.grad(lambda t: jax.hessian(theirs)(jnp.array([t, 0.1, 0.2]), y)[0][0])(0.3)))


def test_a_hessian_vector_product_of_a_model_s_parameters():
    w = [Value(0.5), Value(-0.3)]
    loss = (w[0] * 2 + w[1]).tanh() ** 2
    slopes = gradients(loss, w, create_graph=True)
    product = gradients(slopes[0] * 1.0 + slopes[1] * 2.0, w)
    expected = hvp(lambda w: (w[0] * 2 + w[1]).tanh() ** 2, [0.5, -0.3], [1.0, 2.0])
    assert product == pytest.approx(expected, rel=1e-13)


def test_a_pullback_may_be_called_again_and_takes_values():
    _, pullback = vjp(lambda x: [x * x, x], 3.0)
    assert pullback([1.0, 0.0]) == (6.0,)
    assert pullback([0.0, 2.0]) == (2.0,)
    u = Value(2.0)
    (g,) = pullback([u, 0.0])
    assert gradients(g, u) == 6.0


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (
            lambda: grad(lambda x: [x])(1.0),
            "expected a function with one number as its result, got a list; use jacobian",
        ),
        (lambda: grad(lambda x: None)(1.0), "expected one real number, got None"),
        (lambda: grad(cube)("a"), "expected one real number, got the string"),
        (lambda: grad(cube, argnums=1)(1.0), "cannot differentiate by argument 1: .* called with 1 positional"),
        (lambda: grad(cube, has_aux=True)(1.0), r"with has_aux=True the function returns a pair \(result, auxiliary\)"),
        (lambda: jvp(cube, 1.0, 1.0), r"jvp expected a tuple of primals and one of tangents.*jvp\(f, \(x,\), \(v,\)\)"),
        (lambda: jvp(cube, (1.0,), (1.0, 2.0)), "jvp expected tangents in the shape of 1 entries, got 2 entries"),
        (lambda: vjp(cube, 1.0)[1]([1.0]), "the pullback expected cotangent in the shape of one number"),
        (lambda: grad(lambda x: x)(np.array([1.0])), "one number as its result, got a ndarray; use jacobian"),
    ],
)
def test_errors(attempt, text):
    with pytest.raises(TypeError, match=text):
        attempt()


class Line(NamedTuple):
    slope: float
    offset: float


@dataclass(frozen=True)
class Net:
    weights: list
    bias: float
    name: None = None


def test_arguments_keep_their_kind():
    def f(line, x):
        assert isinstance(line, Line)
        return (line.slope * x + line.offset) ** 2

    assert grad(f)(Line(3.0, 1.0), 2.0) == Line(28.0, 14.0)
    assert type(grad(f)(Line(3.0, 1.0), 2.0)) is Line
    net = Net([1.0, 2.0], 0.5)

    def g(net):
        assert isinstance(net, Net)
        return net.weights[0] * net.weights[1] * net.bias

    assert grad(g)(net) == Net([1.0, 0.5], 2.0)
    assert jvp(g, (net,), (Net([1.0, 0.0], 1.0),)) == (1.0, 3.0)
    assert hessian(g)(net).bias.weights == [2.0, 1.0]
    assert grad(lambda p: p["a"] * p["b"][0])({"a": 2.0, "b": (3.0, None)}) == {"a": 3.0, "b": (2.0, None)}
    y, pullback = vjp(lambda a, b: (a * 2.0, b), 3.0, None)
    assert (y, pullback((1.0, None))) == ((6.0, None), (2.0, None))
    with pytest.raises(TypeError, match="expected one real number, got None; did a function end without `return`"):
        grad(lambda x: None)(1.0)


def test_an_array_works_as_a_list_does_and_gives_arrays_back():
    w, x = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([0.3, -0.7])

    def f(w, x):
        return (np.tanh(w @ x) ** 2).sum() if not isinstance(w.flat[0], Value) else sum_of(w, x)

    def sum_of(w, x):
        return autograd.sum([autograd.tanh(y) ** 2 for y in w @ x])

    for i, point in enumerate((w, x)):
        found = grad(sum_of, argnums=i)(w, x)
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.float64
        assert found.shape == point.shape
    by_list = grad(lambda v: sum_of(np.array(v, dtype=object), x))(w.tolist())
    assert np.array_equal(grad(sum_of)(w, x), np.array(by_list))
    rows = jacobian(lambda v: v * v[0])(x)
    assert np.array_equal(rows, [[2 * x[0], 0.0], [x[1], x[0]]])
    assert hessian(lambda v: v[0] ** 2 * v[1])(x).shape == (2, 2)
    value, slope = value_and_grad(lambda v: (v * v).sum())(x)
    assert (value, slope.tolist()) == (pytest.approx(0.58), (2 * x).tolist())
    assert np.array_equal(jvp(lambda v: v * 2.0, (x,), (np.ones(2),))[1], [2.0, 2.0])
    assert np.array_equal(hvp(lambda v: (v * v * v).sum(), x, np.ones(2)), 6 * x)
    nested = grad(lambda v: grad(lambda u: (u * u * u).sum())(v).sum())(x)
    assert np.allclose(nested, 6 * x)
    assert grad(lambda v, data: v * float(data.sum()))(2.0, np.ones((100, 100))) == 10000.0


def test_dicts_keep_their_kind_and_argnums_may_be_numpy_s():
    found = grad(lambda p: p["a"] * 2)(OrderedDict(a=1.0))
    assert (type(found), found["a"]) == (OrderedDict, 2.0)
    assert grad(lambda x, y: x * y, argnums=np.int64(1))(2.0, 3.0) == 2.0
