import random
import warnings

import pytest
from support import BUILTIN, call, sample

import autograd
from autograd import GradcheckError, GradcheckWarning, Value, gradcheck, primitive
from autograd.checking import differentiate
from autograd.primitives import Primitive

FLAT = {"sign", "greater", "greater_equal", "equal", "floor", "ceil", "trunc", "round", "floordiv"}
"""No derivative that could be wrong."""


@pytest.mark.parametrize("p", [p for p in BUILTIN if p.name not in FLAT], ids=lambda p: p.name)
def test_catches_every_partial_that_is_wrong_by_a_thousandth(p):
    rng, caught = random.Random(0), 0
    for i, xs in [(i, sample(p, rng)) for _ in range(6) for i in range(p.arity)]:
        slopes = autograd.grad(lambda *xs: call(p, *xs), argnums=i)(*xs)
        if not any(slopes if isinstance(slopes, list) else [slopes]):
            continue

        def wrong(*args, i=i):
            right = p.partials[i](*args)
            return [d and 1.001 * d for d in right] if i in p.vectors else 1.001 * right

        partials = (*p.partials[:i], wrong, *p.partials[i + 1 :])
        mutant = Primitive("mutant", p.forward, partials, vectors=p.vectors, module=__name__)
        with pytest.raises(GradcheckError, match="is wrong"):
            gradcheck(lambda *xs, mutant=mutant: call(mutant, *xs), xs)
        caught += 1
    assert caught


def test_catches_a_second_derivative_that_is_wrong():
    @primitive(lambda x, y: autograd.where(x > 100.0, x, 3.0 * detached(x) ** 2))
    def cube_with_a_frozen_slope(x):
        return x**3

    def detached(x):
        return x.data if isinstance(x, Value) else x

    assert gradcheck(cube_with_a_frozen_slope, 1.5)
    with pytest.raises(GradcheckError, match="second derivative of cube_with_a_frozen_slope"):
        gradcheck(cube_with_a_frozen_slope, 1.5, order=2)


def test_the_failure_prints_function_point_argument_analytic_numeric_and_tolerance():
    @primitive(lambda x, y, out: y, lambda x, y, out: 2.0 * x)
    def product(x, y):
        return x * y

    with pytest.raises(GradcheckError) as info:
        gradcheck(product, (3.0, 5.0))
    text = str(info.value)
    assert "the derivative of product at (3, 5) by input 1 (5.0) is wrong" in text
    assert "analytic (reverse sweep): 6.0" in text
    assert "numeric:  3.0" in text or "numeric:  2.99999" in text
    assert "tolerance: 6" in text


def test_a_cut_graph_is_told_from_a_wrong_partial():
    for f in (lambda x: x * 0.0 + Value(x.data) * 2, lambda x: x.data):
        with pytest.raises(GradcheckError, match=r"Nothing flows there: does the function read `\.data`"):
            gradcheck(f, 1.0)


def test_warns_when_two_calls_differ():
    with pytest.warns(
        GradcheckWarning, match="gave two results at one point, so nothing was checked; is there dropout"
    ):
        assert gradcheck(lambda x: x * random.random(), 2.0)


@pytest.mark.parametrize(("f", "x"), [(autograd.relu, 0.0), (abs, 0.0), (lambda x: autograd.maximum(x, 1.0), 1.0)])
def test_warns_when_a_kink_lies_within_the_step(f, x):
    with pytest.warns(GradcheckWarning, match="was not checked: a kink lies within the step"):
        assert gradcheck(f, x)


def test_a_warning_comes_once_and_points_to_the_caller():
    for f, x in ((autograd.relu, 0.0), (lambda x: x * random.random(), 2.0), (autograd.sqrt, 0.0)):
        with pytest.warns(GradcheckWarning) as caught:
            gradcheck(f, x)
        assert [w.filename for w in caught] == [__file__]


def test_warns_at_the_border_of_the_domain():
    with pytest.warns(GradcheckWarning, match="the function is not finite on both sides"):
        gradcheck(autograd.sqrt, 0.0)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (autograd.sin, 1e5), (autograd.exp, 20.0), (autograd.log, 1e-3), (autograd.log, 1e-9), (autograd.log, 1e9),
        (lambda x: autograd.sin(100 * x), 0.3), (lambda x: 1e12 * x + 3.0, 1.0),
        (autograd.relu, 1e-4), (lambda x: 1e-9 * autograd.cos(x), 1.3), (lambda x: x**2.5, 1e-6),
        (lambda x: 5.0 + 0.0 * x, 1.0), (lambda x: (x - 1) ** 3, 1.0),
        # what rounds badly inside
        (lambda x: (autograd.exp(x) - 1) / x, 1e-3), (lambda x: (1 - autograd.cos(x)) / (x * x), 0.02),
    ],
)  # fmt: skip
def test_picks_its_step_well(f, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error", GradcheckWarning)
        assert gradcheck(f, x, order=2)


@pytest.mark.parametrize("x", [20.0, 30.0])
def test_cancellation_does_not_look_like_a_wrong_rule(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradcheckWarning)
        assert gradcheck(lambda x: autograd.log(1 + autograd.exp(-x)), x)
        assert gradcheck(lambda x: 1 - autograd.tanh(x) ** 2, x / 2)
        assert gradcheck(autograd.cos, 1e-9 * x)
        assert gradcheck(lambda x: autograd.sqrt(x * x + 1) - x, 500 * x)
    xs = [1000.1, 1000.2, 1000.3]
    assert gradcheck(lambda xs: autograd.mean([x * x for x in xs]) - autograd.mean(xs) ** 2, (xs,))


def test_what_finite_differences_cannot_see_is_said():
    @primitive(lambda x, y: 0.0)
    def lost(x):
        return x + 1e13

    with pytest.warns(GradcheckWarning, match="rounding in the function hides it"):
        gradcheck(lost, 1.0)
    with pytest.warns(GradcheckWarning, match=r"not fully checked: rounding in the function hides errors below 0\.\d%"):
        gradcheck(lambda x: autograd.sin(x) + 1e9, 0.7)
    for f, x in ((lambda x: autograd.sigmoid(1e8 * x), 0.0), (lambda x: autograd.sin(1e6 * x), 0.3)):
        with pytest.warns(GradcheckWarning, match=r"was not checked: (finite differences do not settle|a kink)"):
            gradcheck(f, x)
    with pytest.warns(GradcheckWarning, match="a kink lies within the step"):
        gradcheck(lambda x: autograd.sqrt(autograd.abs(x)), 0.0)


def test_a_graph_made_before_can_still_be_differentiated():
    w = Value(2.0)
    loss = w * w
    gradcheck(lambda: w * 3.0, [w])
    loss.backward()
    assert (w.data, w.grad) == (2.0, 4.0)


def test_leaf_values_are_moved_and_put_back():
    w, b = Value(2.0), Value(1.0)
    assert gradcheck(lambda: (w * 3 + b) ** 2, [w, b], order=2)
    assert gradcheck(lambda w, b: (w * 3 + b) ** 2, [w, b], order=2)
    assert (w.data, b.data, w.grad, b.grad) == (2.0, 1.0, 0.0, 0.0)


def test_a_model_s_parameters_can_be_sampled():
    from nn import MLP

    model = MLP(3, [4, 1], activation="tanh", rng=0)
    calls = []
    assert gradcheck(lambda: calls.append(1) or model([0.1, 0.2, 0.3]), model.parameters(), sample=3)
    few = len(calls)
    calls.clear()
    assert gradcheck(lambda: calls.append(1) or model([0.1, 0.2, 0.3]), model.parameters())
    assert few < len(calls) / 4


def test_functions_of_lists_with_several_results():
    assert gradcheck(lambda xs, y: [autograd.logsumexp(xs) * y, xs[0] * y, 1.0], ([0.1, 0.2, 0.3], 2.0), order=2)


def test_errors():
    with pytest.raises(ValueError, match="gradcheck expected order 1 or 2, got 3"):
        gradcheck(autograd.sin, 1.0, order=3)
    with pytest.raises(ValueError, match=r"gradcheck expected finite inputs, got \[inf\]"):
        gradcheck(autograd.tanh, float("inf"))
    with pytest.raises(ValueError, match="gradcheck expected sample >= 1, got 0; leave it out to check all"):
        gradcheck(autograd.sin, 1.0, sample=0)
    with pytest.raises(TypeError, match="expected one real number, got None"):
        gradcheck(lambda x: None, 1.0)
    with pytest.raises(TypeError, match="all numbers or all leaf Values, and at least one"):
        gradcheck(autograd.sin, [])
    with pytest.raises(TypeError, match="all numbers or all leaf Values"):
        gradcheck(lambda x, y: x * y, [1.0, Value(2.0)])
    with pytest.raises(TypeError, match=r"expected leaf Values, got the result of 'mul'; pass x\.detach\(\)"):
        gradcheck(lambda x: x, [Value(2.0) * 2])


def test_finite_differences_come_with_an_honest_error():
    slope = differentiate(lambda x: [x**3, 5.0], 1.3)
    assert abs(slope[0].value - 3 * 1.69) <= 4 * slope[0].error + 1e-13
    assert slope[0].error < 1e-9
    assert slope[1].value == 0.0
