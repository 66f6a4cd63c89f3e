import copy
import inspect
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

import autograd
from autograd import Value, grad, gradcheck, gradients, hessian, jvp, primitive
from autograd.extend import REGISTRY, Primitive, find


@primitive(lambda x, y: 3 * x**2, symbol="³", domain=((-2.0, 2.0),))
def cubed(x):
    """x to the third."""
    return x * x * x


@primitive(lambda xs, y: [2 * x for x in xs])
def squares(*xs):
    return sum(x * x for x in xs)


def test_a_custom_operation_works_in_every_transform():
    assert cubed(2.0) == 8.0
    assert type(cubed(2)) is float
    assert cubed.__doc__ == "x to the third."
    x = Value(2.0)
    y = cubed(x) * 2
    y.backward()
    assert x.grad == 24.0
    assert y.inputs[0]._op == "³"
    assert grad(grad(grad(cubed)))(2.0) == 6.0
    assert hessian(cubed)(2.0) == 12.0
    assert jvp(cubed, (2.0,), (1.0,)) == (8.0, 12.0)
    assert gradients(gradients(cubed(x), x, create_graph=True), x) == 12.0
    assert gradcheck(cubed, 1.5, order=2)
    assert pickle.loads(pickle.dumps(y)).data == 16.0
    assert copy.deepcopy(cubed) is cubed


def test_an_operation_of_any_number_of_operands():
    assert squares(1.0, 2.0, 3.0) == 14.0
    assert squares(2) == 4.0
    xs = [Value(1.0), Value(2.0)]
    y = squares(*xs, 3.0)
    y.backward()
    assert [x.grad for x in xs] == [2.0, 4.0]
    assert hessian(lambda xs: squares(*xs))([1.0, 2.0]) == [[2.0, 0.0], [0.0, 2.0]]
    assert gradcheck(squares, (0.5, 1.5, -2.0), order=2)


def test_a_partial_that_gives_none_stops_the_flow():
    @primitive(lambda x, y: None)
    def stop(x):
        return x

    x = Value(3.0)
    assert gradients(x * stop(x), x) == 3.0


def test_the_number_of_partials_has_to_fit():
    with pytest.raises(TypeError, match="f needs one partial for each of its 2 operands, got 1"):

        @primitive(lambda x, y, out: 1.0)
        def f(x, y):
            return x + y


def test_partials_have_to_take_the_operands_and_the_result():
    def bare(x):
        return x * x

    for partial in (bare, 2.0, lambda x: 2 * x):
        with pytest.raises(TypeError, match=r"expected partials that take the operands and then the result, got"):
            primitive(partial)
    with pytest.raises(TypeError, match="each partial of f takes 3 arguments: its operands and the result"):

        @primitive(lambda x, y: 1.0, lambda x, y, out: 1.0)
        def f(x, y):
            return x + y


def test_defaults_become_parameters_and_operands_stand_by_position():
    @primitive(lambda x, k, y: k * x ** (k - 1), lambda x, k, y: y * autograd.log(x))
    def power(x, k=3.0):
        return x**k

    assert (power(2.0), power(2.0, 2), power(2.0, k=2)) == (8.0, 4.0, 4.0)
    assert grad(power)(2.0) == 12.0
    assert str(inspect.signature(power)) == "(x, /, k=3.0)"
    for function in (lambda *, x: x, lambda x, **rest: x, lambda x, *rest: x, lambda: 1.0):
        function.__name__ = "f"
        with pytest.raises(TypeError, match=r"f expected to take its operands by position"):
            primitive(lambda x, y: 1.0)(function)


def test_many_operands_and_callable_objects():
    class Sum:
        def __call__(self, a, b, c, d, e, f, g, h):
            return a + b + c + d + e + f + g + h

    total = primitive(*[lambda a, b, c, d, e, f, g, h, y: 1.0] * 8)(Sum())
    assert grad(total, argnums=7)(*range(8)) == 1.0
    assert total.__name__ == "Sum"
    bare = Primitive("hyp", math.hypot, (lambda *a: a[0] / a[2], lambda *a: a[1] / a[2]))
    assert str(inspect.signature(bare)) == "(x1, x2, /)"


def test_help_shows_how_to_call():
    functions = (*(REGISTRY[name] for name in ("exp", "clamp", "where", "atan2", "hypot")), cubed)
    shown = {f.__name__: str(inspect.signature(f)) for f in functions}
    assert shown == {
        "exp": "(x, /)", "clamp": "(x, /, min=-inf, max=inf)", "where": "(c, a, b, /)", "atan2": "(a, b, /)",
        "hypot": "(a, b, /)", "cubed": "(x, /)",
    }  # fmt: skip
    assert str(inspect.signature(Value.leaky_relu)) == "(self, /, negative_slope=0.01)"
    assert str(inspect.signature(Value.exp)) == "(self, /)"


def test_a_rule_that_returns_no_number_is_named_by_what_it_returned():
    @primitive(lambda x, y: 1.0)
    def broken(x):
        return None

    with pytest.raises(TypeError, match="expected one real number, got None"):
        broken(Value(1.0))


def test_a_partial_with_math_teaches():
    @primitive(lambda x, y: math.cos(x))
    def my_sin(x):
        return math.sin(x)

    assert grad(my_sin)(0.5) == math.cos(0.5)
    with pytest.raises(TypeError, match=r"autograd\.sin\(v\) rather than math\.sin\(v\)"):
        grad(grad(my_sin))(0.5)


def test_whatever_number_a_partial_returns_grad_is_a_float():
    for slope in (2, Fraction(2), np.float64(2.0), np.int64(2)):

        @primitive(lambda x, y, slope=slope: slope)
        def double(x):
            return 2 * x

        @primitive(lambda xs, y, slope=slope: (slope, None))
        def double_first(*xs):
            return 2 * xs[0]

        x = Value(1.0)
        (double(x) + double_first(x, x)).backward()
        assert type(x.grad) is float
        assert x.grad == 4.0
        assert grad(lambda x: double(x) * double_first(x, 1.0))(3.0) == 24.0


def test_a_partial_that_uses_a_value_from_elsewhere_is_refused():
    w = Value(2.0)

    @primitive(lambda x, y: w)
    def scaled(x):
        return w.data * x

    x = Value(1.0)
    with pytest.raises(
        TypeError, match=r"a partial of scaled uses a Value that is none of its operands; use .* v\.data"
    ):
        scaled(x).backward()
    assert x.grad == 0.0


def test_a_custom_operation_may_have_any_name_and_its_cell_may_run_again():
    @primitive(lambda x, y: 5.0)
    def exp(x):
        return 5 * x

    assert REGISTRY["exp"] is autograd.exp
    assert grad(lambda x: exp(x) + autograd.exp(x))(0.0) == 6.0
    y = exp(Value(1.0)) + autograd.exp(Value(0.0))
    assert pickle.loads(pickle.dumps(y)).data == 6.0

    for _ in range(2):

        @primitive(lambda x, y: 2.0)
        def again(x):
            return 2.0 * x

    assert grad(again)(1.0) == 2.0
    own = Primitive("tanh", lambda x: x, (lambda x, y: 1.0,))
    assert REGISTRY["tanh"] is autograd.tanh
    assert own.module == __name__


def test_equal_names_in_two_modules_are_kept_apart():
    spaces = []
    for slope in (2.0, 3.0):
        space = {"primitive": primitive, "__name__": f"module{slope:.0f}"}
        exec(f"@primitive(lambda x, y: {slope})\ndef scale(x):\n    return {slope} * x", space)
        spaces.append(space)
    x = Value(1.0)
    x2, y2 = pickle.loads(pickle.dumps((x, spaces[0]["scale"](x))))
    y2.backward()
    assert (y2.data, x2.grad) == (2.0, 2.0)


def test_a_lambda_has_no_name_to_be_found_by():
    with pytest.raises(TypeError, match="a function with a name, which a lambda has not; write it with def"):
        primitive(lambda x, y: 1.0)(lambda x: x)


def test_a_vector_partial_may_give_none_but_not_too_little():
    @primitive(lambda xs, y: None)
    def stopped(*xs):
        return xs[0]

    @primitive(lambda xs, y: [1.0])
    def short(*xs):
        return xs[0]

    x = Value(1.0)
    (stopped(x, x) + x).backward()
    assert x.grad == gradients(stopped(x, x) + x, x) == 1.0
    for sweep in (lambda: short(x, x).backward(), lambda: gradients(short(x, x), x)):
        with pytest.raises(ValueError, match="the partial of short returned 1 derivatives for 2 operands"):
            sweep()


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (lambda: autograd.exp(), "exp takes 1 operand; got 0"),
        (lambda: autograd.exp(1.0, 2.0), "exp takes 1 operand; got 2"),
        (lambda: autograd.maximum(1.0), "maximum takes 2 operands; got 1"),
        (lambda: autograd.elu(1.0, beta=2.0), "elu takes 1 operand and optionally alpha; got 'beta' as a keyword"),
        (lambda: autograd.elu(1.0, 2.0, alpha=2.0), "elu takes 1 operand and optionally alpha; got 'alpha' twice"),
        (lambda: autograd.exp("1"), "expected one real number, got the string '1'"),
        (lambda: autograd.maximum(Value(1.0), [1.0]), "expected one real number, got a list"),
        (lambda: autograd.where((Value(0.0),), 1.0, 2.0), "expected one real number, got a tuple"),
        (lambda: autograd.equal((1.0,), 1.0), "expected one real number, got a tuple"),
        (lambda: autograd.sum([(Value(1.0),), 2.0], 1.0), "expected one real number, got a tuple"),
        (lambda: autograd.softmax([(Value(0.0),)]), "expected one real number, got a tuple"),
    ],
)
def test_wrong_calls_say_what_is_taken(attempt, text):
    with pytest.raises(TypeError, match=text):
        attempt()


def test_defaults_and_keywords_of_parameters():
    assert autograd.leaky_relu(-2.0) == -0.02
    assert autograd.leaky_relu(-2.0, 0.5) == -1.0
    assert autograd.clamp(5.0, max=1) == 1.0
    assert autograd.clamp(-5.0, min=-1) == -1.0
    assert autograd.clamp(-5.0, max=1) == -5.0
    slope = Value(0.5)
    assert gradients(autograd.leaky_relu(-2.0, slope), slope) == -2.0


def test_the_registry_finds_and_names_what_is_missing():
    assert find("exp") is autograd.exp
    assert isinstance(autograd.exp, Primitive)
    assert repr(autograd.exp) == "<primitive exp>"
    with pytest.raises(KeyError, match="no primitive is named 'nope'; if it is a custom one, run the code"):
        find("nope")
