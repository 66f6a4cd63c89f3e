"""Random expression graphs with shared nodes, against JAX: value, gradient and Hessian-vector product."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support import evaluate, numbers, ours, same, steps

from autograd import Value, gradients, hvp, jvp, vjp
from autograd.extend import topological_order

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy

JAX = {
    "tanh": jnp.tanh, "sin": jnp.sin, "cos": jnp.cos, "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus,
    "atan": jnp.arctan, "erf": jax.scipy.special.erf, "relu": jax.nn.relu, "silu": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False), "elu": jax.nn.elu, "abs": jnp.abs, "add": jnp.add,
    "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide, "maximum": jnp.maximum, "minimum": jnp.minimum,
    "hypot": lambda a, b: jnp.sqrt(a * a + b * b), "pow": jnp.power,
}  # fmt: skip

inputs = st.lists(numbers, min_size=3, max_size=3)


@settings(max_examples=60, deadline=None)
@given(steps, inputs, inputs)
@example([("mul", 0, 0), ("mul", 3, 3), ("add", 3, 4)], [0.5, 0.1, 0.2], [1.0, 0.0, 0.0])
def test_value_gradient_and_hessian_vector_product_equal_jax(steps, xs, vs):
    def theirs(x):
        return evaluate(steps, [x[0], x[1], x[2]], JAX)

    at = jnp.array(xs)
    value, slopes = jax.value_and_grad(theirs)(at)
    products = jax.jvp(jax.grad(theirs), (at,), (jnp.array(vs),))[1]
    leaves = [Value(x) for x in xs]
    y = evaluate(steps, leaves, ours())
    y.backward()
    assert same(y.data, float(value), 1e-9)
    assume(not at_a_kink(y))
    assume(jnp.isfinite(products).all())
    for leaf, slope in zip(leaves, slopes, strict=True):
        assert same(leaf.grad, float(slope), 1e-9)
    got = hvp(lambda xs: evaluate(steps, xs, ours()), xs, vs)
    for g, product in zip(got, products, strict=True):
        assert same(g, float(product), 1e-7)


def at_a_kink(y):
    """Whether a node sits where engines choose their derivative by convention; that is tested elsewhere."""
    for node in topological_order(y)[1]:
        xs = [x if isinstance(x, float) else x.data for x in node.inputs]
        if node.primitive.name in ("relu", "abs", "elu") and xs[0] == 0.0:
            return True
        if node.primitive.name in ("maximum", "minimum") and xs[0] == xs[1]:
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(steps, inputs, inputs, numbers)
def test_forward_and_reverse_are_transposes(steps, xs, vs, u):
    def f(*xs):
        return evaluate(steps, xs, ours())

    _, moved = jvp(f, xs, vs)
    _, pullback = vjp(f, *xs)
    assert same(u * moved, sum(g * v for g, v in zip(pullback(u), vs, strict=True)), 1e-9)


@settings(max_examples=60, deadline=None)
@given(steps, inputs)
def test_every_reverse_sweep_gives_the_same_numbers(steps, xs):
    leaves = [Value(x) for x in xs]
    y = evaluate(steps, leaves, ours())
    y.backward()
    floats = gradients(y, leaves)
    values = gradients(y, leaves, create_graph=True)
    for leaf, a, b in zip(leaves, floats, values, strict=True):
        assert same(leaf.grad, a)
        assert same(a, b.data)


@settings(max_examples=60, deadline=None)
@given(steps, inputs)
def test_the_hessian_is_symmetric(steps, xs):
    def f(xs):
        return evaluate(steps, xs, ours())

    assume(not at_a_kink(f([Value(x) for x in xs])))
    rows = [hvp(f, xs, [1.0 if i == j else 0.0 for j in range(3)]) for i in range(3)]
    for i in range(3):
        for j in range(i):
            assert same(rows[i][j], rows[j][i], 1e-9)
