import re

import pytest

import autograd
from autograd import Value, detect_anomaly, grad, gradients, no_grad, trace_source
from nn import MLP


def test_no_grad_computes_and_records_nothing():
    x = Value(3.0)

    @no_grad()
    def f(x):
        """Doc."""
        return x * x + autograd.exp(x)

    assert f.__doc__ == "Doc."
    assert f(x).inputs == ()
    with no_grad():
        y = 2 * x + x.tanh() + x / x
        assert y.inputs == ()
        for silent in (2 * x, x * 2, x.tanh(), x / x, 2**x, -x, autograd.dot([x], [2.0])):
            assert silent.inputs == ()
        with no_grad():
            pass
        assert (x * x).inputs == ()
    assert (x * x).inputs == (x, x)


def test_a_mode_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0
    x = Value(1.0)
    assert (x * x).inputs == (x, x)


def test_a_decorator_on_what_runs_piece_by_piece_is_refused():
    async def task():
        pass

    def generator():
        yield

    for function in (task, generator):
        with pytest.raises(TypeError, match="runs piece by piece, so a decorator cannot hold a mode"):
            no_grad()(function)


def test_transforms_and_differentiable_sweeps_record_even_under_no_grad():
    x = Value(3.0)
    y = x**3
    with no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0
        slope = grad(lambda x: x * x)(Value(3.0))
        assert slope.inputs == ()
        assert gradients(gradients(y, x, create_graph=True), x) == 18.0
    assert grad(lambda x: x * no_grad()(lambda: x * x)())(3.0) == 9.0


def test_anomaly_in_the_forward_pass_names_node_numbers_and_line():
    x = Value(0.0, label="x")
    with pytest.raises(FloatingPointError) as info, detect_anomaly():
        x.log()  # the line
    assert re.search(r"the forward pass made -inf: log\(x = 0\.0\) = -inf, at .*test_modes\.py:\d+: ", str(info.value))
    assert "x.log()  # the line" in str(info.value)
    with pytest.raises(FloatingPointError, match=r"made inf: mul\(1e\+308, 10\.0\)"), detect_anomaly():
        Value(1e308) * 10
    with pytest.raises(FloatingPointError, match="forward pass"), detect_anomaly(), no_grad():
        Value(0.0).log()


def test_anomaly_in_each_sweep_names_node_and_line():
    x = Value(0.0, label="x")
    with detect_anomaly():
        y = x.sqrt() * 1.0  # the guilty line
    for name, sweep in (
        ("reverse", y.backward),
        ("reverse", lambda: gradients(y, x)),
        ("forward", lambda: autograd.jvp(autograd.sqrt, (0.0,), (1.0,))),
    ):
        text = rf"the {name} sweep made inf at sqrt\(.*0\.0\) = 0\.0"
        with pytest.raises(FloatingPointError, match=text), detect_anomaly():
            sweep()
    with pytest.raises(FloatingPointError, match=r"test_modes\.py:\d+: y = x\.sqrt"), detect_anomaly():
        y.backward()
    assert x.grad == 0.0
    text = r"the reverse sweep failed at sqrt\(x = 0\.0\) = 0\.0, at .*test_modes\.py:\d+: y = x\.sqrt.*made inf"
    with pytest.raises(FloatingPointError, match=text), detect_anomaly():
        gradients(y, x, create_graph=True)


def test_healthy_numbers_pass():
    with detect_anomaly():
        x = Value(2.0)
        y = autograd.logsumexp([x, x * 2, 1.0])
        y.backward()
    assert 0 < x.grad < 2


def test_trace_source_notes_the_line_that_made_a_value():
    x = Value(1.0, label="before")
    with trace_source():
        y = x * 2.0
        z = Value(3.0, label="z")
        with trace_source(), no_grad():
            silent = x * 3.0
        model = MLP(2, [2, 1], rng=0)
        out = model([x, 1.0])
    after = x * 2.0
    assert re.fullmatch(r".*test_modes\.py:\d+: y = x \* 2\.0", y.note.line)
    assert z.note.line.endswith(': z = Value(3.0, label="z")')
    assert z.label == "z"
    assert silent.inputs == ()
    assert silent.note.line.endswith(": silent = x * 3.0")
    assert out.note.line.endswith(": out = model([x, 1.0])")
    assert out.note.module == "layers.1.neurons.0"
    assert model.parameters()[0].note.line.endswith(": model = MLP(2, [2, 1], rng=0)")
    assert after.note is None
    assert x.note.line == ""


def test_trace_source_as_a_decorator():
    @trace_source()
    def f(x):
        return x.tanh() + 1

    assert f(Value(1.0)).note.line.endswith(": return x.tanh() + 1")


def test_tracing_is_not_watching():
    with trace_source():
        assert Value(0.0).log().data == -float("inf")
