import copy
import pickle

import pytest
from support import COPIES

import autograd
from autograd import Value, value


def build():
    x, w = Value(3.0, label="x"), Value(2.0)
    y = autograd.dot([w, x], [x, 1.0], w).tanh() + x / w
    y.backward()
    return x, w, y


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_computes_the_same_and_is_apart(copied):
    x, w, y = build()
    x2, w2, y2 = copied((x, w, y))
    assert (y2.data, x2.grad, w2.grad, x2.label) == (y.data, x.grad, w.grad, "x")
    assert x2 is not x
    y2.backward()
    assert (x2.grad, w2.grad) == (2 * x.grad, 2 * w.grad)
    assert y2.inputs[1].inputs == (x2, w2)


def test_deepcopy_keeps_the_sharing_of_interiors_between_roots():
    x = Value(2.0)
    trunk = x * x
    a, b = copy.deepcopy([trunk + 1, trunk + 2])
    assert a.inputs[0] is b.inputs[0]


def test_pickle_keeps_the_sharing_of_leaves_between_roots():
    x = Value(2.0)
    trunk = x * x
    a, b = pickle.loads(pickle.dumps([trunk + 1, trunk * trunk]))
    assert a.inputs[0].inputs[0] is b.inputs[0].inputs[0]
    assert b.inputs[0] is b.inputs[1]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_still_knows_that_a_leaf_was_changed(copied):
    x = Value(2.0)
    y = x * x
    x.data = 3.0
    with pytest.raises(RuntimeError, match="from its old number"):
        copied(y).backward()
    fresh = copied([x])[0]
    z = fresh * fresh
    z.backward()
    assert fresh.grad == 6.0


def test_what_comes_from_a_process_where_more_was_assigned_can_be_used():
    leaf, root = Value(2.0), Value(3.0) * 1.0
    leaf._stamp, root._stamp = value.clock + 1000, value.clock + 2000
    stored = [pickle.dumps(leaf), pickle.dumps(root)]
    for data in stored:
        loaded = pickle.loads(data)
        y = loaded * loaded
        y.backward()
        assert value.clock >= loaded._stamp
        assert loaded.grad == 2 * loaded.data
    before = value.clock
    old = pickle.loads(pickle.dumps(Value(1.0)))
    old._stamp = 0
    pickle.loads(pickle.dumps(old))
    assert value.clock == before  # time does not run back


def test_a_shallow_copy_has_the_same_operands():
    x = Value(2.0, label="x")
    y = x * x
    z = copy.copy(y)
    assert z is not y
    assert z.inputs == (x, x)
    leaf = copy.copy(x)
    leaf.data = 5.0
    assert (x.data, leaf.label) == (2.0, "x")


def test_a_custom_primitive_that_is_missing_is_named():
    from autograd.extend import REGISTRY

    @autograd.primitive(lambda x, y: 1.0)
    def passing(x):
        return x

    text = pickle.dumps(passing(Value(1.0)))
    del REGISTRY[f"{__name__}.passing"]
    with pytest.raises(KeyError, match=r"no primitive is named '.*passing'; if it is a custom one, run the code"):
        pickle.loads(text)


class Slotted(Value):
    __slots__ = ("mark",)


def test_a_subclass_with_slots_is_pickled():
    v = Slotted(1.0)
    v.mark = [1]
    assert pickle.loads(pickle.dumps(v)).mark == [1]
    assert pickle.loads(pickle.dumps(Slotted(2.0))).data == 2.0
