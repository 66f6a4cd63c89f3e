import math

import pytest

import autograd
from autograd import Value, gradients, sweeps


def test_two_sweeps_over_one_graph_give_exactly_twice_the_leaf_gradient():
    a, b = Value(0.1), Value(0.7)
    c = a * b
    y = (c + c * a).tanh()
    y.backward()
    first, inner = (a.grad, b.grad), c.grad
    y.backward()
    assert (a.grad, b.grad) == (2 * first[0], 2 * first[1])
    assert c.grad == inner


def test_two_losses_that_share_a_trunk_give_exactly_the_sum():
    def gradient(which):
        x = Value(0.3)
        trunk = (x * x).exp()
        for loss in which:
            [trunk * 2, trunk.sin()][loss].backward()
        return x.grad

    assert gradient([0, 1]) == gradient([0]) + gradient([1])


def test_a_leaf_receives_one_addition_its_total():
    x = Value(1.0)
    x.grad = 1e16
    y = x + x + x
    y.backward()
    assert x.grad == 1e16 + 3.0  # and not ((1e16 + 1) + 1) + 1, which is 1e16


def test_a_leaf_is_its_own_root():
    x = Value(3.0)
    x.backward()
    x.backward(2)
    assert x.grad == 3.0
    assert gradients(x, [x]) == [1.0]


def test_seed_is_a_number_like_any_other():
    x = Value(3.0)
    (x * x).backward(seed=0.5)
    assert x.grad == 3.0
    with pytest.raises(TypeError, match="expected one real number, got the string"):
        (x * x).backward("1")


def test_a_leaf_changed_after_it_was_recorded_is_named_and_nothing_is_changed():
    x, w = Value(3.0, label="x"), Value(2.0, label="w")
    y = x * w + 1
    (y * 1).backward()
    before = (x.grad, w.grad, y.grad)
    w.data = 5.0
    text = r"the \.data of a leaf was assigned, w = 5\.0, after mul had computed 6\.0 from its old number"
    with pytest.raises(RuntimeError, match=text):
        y.backward()
    for attempt in (lambda: gradients(y, [x]), lambda: gradients(y, x, create_graph=True)):
        with pytest.raises(RuntimeError, match="was assigned, w = 5"):
            attempt()
    assert (x.grad, w.grad, y.grad) == before
    (x * w + 1).backward()


def test_leaves_that_were_assigned_before_they_were_used_are_fine():
    a, b, c = Value(2.0), Value(3.0), Value(4.0)
    early = a * b
    c.data = 5.0
    late = early * c
    b2 = Value(1.0)
    b2.data = 7.0
    y = late + b2
    y.backward()
    assert (a.grad, b.grad, c.grad, b2.grad) == (15.0, 10.0, 6.0, 1.0)


def test_the_usual_loop_stays_silent():
    w = Value(5.0)
    for _ in range(200):
        loss = (w * 2 - 4) ** 2
        w.grad = 0
        loss.backward()
        w.data -= 0.05 * w.grad
    assert w.data == pytest.approx(2.0)


def test_an_interrupt_in_a_sweep_changes_no_leaf(monkeypatch):
    x, w = Value(3.0), Value(2.0)
    y = (x * w).tanh()
    y.backward()
    before = (x.grad, w.grad)

    def interrupted(nodes):
        next(iter(nodes))
        x._grad = w._grad = 7.0
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "propagate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        y.backward()
    assert (x.grad, w.grad, y.inputs[0].grad) == (*before, 0.0)


def test_zero_times_infinity_is_nan_as_in_pytorch_but_nothing_is_not_zero():
    x = Value(0.0)
    (0.0 * x.log()).backward()  # a real 0 times an infinite slope
    assert math.isnan(x.grad)
    x = Value(0.0)
    not_taken = x.log()
    autograd.where(0.0, not_taken, 1.0).backward()
    assert (x.grad, not_taken.grad) == (0.0, 0.0)


def test_signs_of_zero_are_kept():
    x = Value(1.0)
    h = x * 1.0
    (h * -0.0).backward()
    assert math.copysign(1.0, h.grad) == math.copysign(1.0, gradients(h * -0.0, h)) == -1.0


def test_three_numbers_with_partials_other_than_one():
    @autograd.primitive(lambda a, b, c, y: b * c, lambda a, b, c, y: a * c, lambda a, b, c, y: a * b)
    def volume(a, b, c):
        return a * b * c

    a, b, c = Value(2.0), Value(3.0), Value(5.0)
    volume(a, b, c).backward()
    assert (a.grad, b.grad, c.grad) == (15.0, 10.0, 6.0)
    assert gradients(volume(a, 3, c), [a, c]) == [15.0, 6.0]


def test_one_step_by_hand_adds_gradient_times_partials():
    a, b = Value(2.0), Value(3.0)
    y = a * b
    y.grad = 10.0
    y._backward()
    y._backward()
    assert (a.grad, b.grad) == (60.0, 40.0)
    a._backward()
    z = autograd.dot([a, b], [4.0, 5.0], a)
    z.grad = 1.0
    a.grad = b.grad = 0
    z._backward()
    assert (a.grad, b.grad) == (5.0, 5.0)


def test_gradients_returns_and_writes_no_grad():
    x, y = Value(2.0), Value(3.0)
    h = x * y
    z = h * h + x
    assert gradients(z, [x, y, h]) == [37.0, 24.0, 12.0]
    assert gradients(z, (x, z)) == [37.0, 1.0]
    assert gradients(z, x) == 37.0
    assert gradients(z, x, seed=2) == 74.0
    assert (x.grad, y.grad, h.grad, z.grad) == (0.0, 0.0, 0.0, 0.0)
    assert gradients(z, Value(1.0)) == 0.0
    assert gradients(z, [Value(1.0)], create_graph=True)[0].data == 0.0


def test_a_seed_may_be_a_value_where_the_gradient_is_one():
    x, seed = Value(3.0), Value(2.0)
    (slope,) = gradients(x * x, [x], seed=seed, create_graph=True)
    assert slope.data == 12.0
    assert gradients(slope, [seed, x]) == [6.0, 4.0]
    with pytest.raises(TypeError, match="got a Value; use it as it is, or its number"):
        gradients(x * x, x, seed=seed)


def test_gradients_can_be_differentiated_again_and_again():
    x = Value(2.0)
    y = x**4 + x.sin()
    order = [y]
    for _ in range(4):
        order.append(gradients(order[-1], x, create_graph=True))
    expected = [16 + math.sin(2), 32 + math.cos(2), 48 - math.sin(2), 48 - math.cos(2), 24 + math.sin(2)]
    assert [v.data for v in order] == pytest.approx(expected)


def test_the_forward_sweep_goes_on_beyond_an_input_that_is_no_leaf():
    x = Value(3.0)
    h = x * 2.0
    (tangent,) = sweeps.push({h: 1.0}, [(h * h) + x], False)
    assert tangent == 12.0
    with pytest.raises(TypeError, match="positional"):
        gradients(h, x, 2.0)


def test_gradients_refuse_what_is_not_a_value():
    x = Value(1.0)
    for output, inputs in ((1.0, [x]), (x, [1.0]), (x, "x")):
        with pytest.raises(TypeError, match="gradients expected a Value, or a list of Values as inputs, got"):
            gradients(output, inputs)


def test_a_node_waits_for_all_its_users():
    a = Value(2.0)
    b = a + a
    c = b + b
    c.backward()
    assert a.grad == 4.0
