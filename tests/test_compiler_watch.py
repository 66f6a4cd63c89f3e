"""What a trace read besides its arguments: when it changes, everything is traced anew."""

import argparse
import array as arrays
import copy
import dataclasses
import functools
import math
import pickle
import sys
import threading
import time
import types
import warnings
from collections import ChainMap, Counter, OrderedDict, deque
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd import Value, atan2, compile, dot, grad, primitive, tanh
from nn import SGD, Linear, Module, Sequential, Tanh, Trainer, mse_loss

pytest.importorskip("llvmlite")
from autograd.compiler.tracing import watch

SCALE = 2.0
LIMITS = {"low": 1.0, "inner": [3.0, 4.0]}


class Config:
    factor = 2.0

    def __init__(self):
        self.offset, self.log = 1.0, []

    def shifted(self, x):
        return x * self.factor + self.offset

    def __matmul__(self, x):
        return self.offset * x


class Helper:
    scale = 2.0

    @staticmethod
    def act(x):
        return LIMITS["low"] * x

    @classmethod
    def scaled(cls, x):
        return cls.scale * x

    @property
    def low(self):
        return LIMITS["low"]


class Heir(Helper):
    pass


class Listed(list):
    scale = 2.0


class Attributes(dict):
    __getattr__ = dict.__getitem__


class LRU(OrderedDict):
    def __init__(self, size):
        self.size = size


class Shared:
    table = Attributes(k=[2.0])


@dataclasses.dataclass
class Likes:
    name: str
    k: float = dataclasses.field(compare=False)


class Lazy:
    k = None

    def scaled(self, x):
        if self.k is None:
            self.k = 2.0
        return self.k * x


class Scaled(Module):
    """A module of one's own, which reads an attribute, a global and a class attribute."""

    power = 2.0

    def __init__(self):
        self.slope, self.weight, self.seen = 0.5, Value(1.5), []

    def forward(self, x):
        return self.weight * (self.slope * x) ** self.power * SCALE


def cases():
    k, name = [2.0], 3.0
    config, space, array, model = Config(), types.SimpleNamespace(a=2.0), np.array([2.0, 3.0]), Scaled()
    partial = functools.partial(lambda c, x: c[0] * x, [2.0])

    def outer(x):
        return inner(x) + name

    def inner(x):
        return k[0] * x

    def rebind():
        nonlocal name
        name = 7.0

    def bound(change, target=config):
        return lambda: setattr(target, *change)

    def named(x):
        return named.scale * x

    named.scale = 2.0
    keyed = functools.partial(lambda x, c: c * x, c=2.0)

    @primitive(lambda x, out: k[0])
    def tripled(x):
        return k[0] * x

    yield "a list in a closure", inner, lambda: k.__setitem__(0, 5.0)
    yield "a name in a closure", outer, rebind
    yield "through a transform", grad(lambda x: k[0] * x * x), lambda: k.__setitem__(0, -1.0)
    yield "a method's attribute", config.shifted, bound(("offset", 9.0))
    yield "a class attribute", lambda x: config.shifted(x), lambda: setattr(Config, "factor", 5.0)
    yield "one shadowed", lambda x: config.shifted(x), bound(("factor", 11.0))
    yield "a method exchanged", lambda x: config.shifted(x), bound(("shifted", lambda x: x))
    yield "a namespace", lambda x: space.a * x, lambda: setattr(space, "a", 4.0)
    yield "an array", lambda x: float(array[0]) * x, lambda: array.__setitem__(0, 8.0)
    yield "a dict in a dict", lambda x: LIMITS["inner"][0] * x, lambda: LIMITS["inner"].__setitem__(0, 6.0)
    yield "a global", lambda x: SCALE * x, lambda: globals().__setitem__("SCALE", 3.0)
    yield "a default", lambda x, c=k: c[0] * x, lambda: k.__setitem__(0, 0.25)
    yield "a partial", partial, lambda: partial.args[0].__setitem__(0, 9.0)
    yield "a rule of one's own", lambda x: tripled(x), lambda: k.__setitem__(0, 3.5)
    names, ordered, queue = argparse.Namespace(k=2.0), OrderedDict(k=2.0), deque([2.0, 3.0])
    numbers, listed, counter = arrays.array("d", [2.0]), Listed([2.0]), Counter(a=2)
    yield "argparse's names", lambda x: names.k * x, lambda: setattr(names, "k", 5.0)
    yield "an ordered dict", lambda x: ordered["k"] * x, lambda: ordered.__setitem__("k", 5.0)
    yield "a counter", lambda x: counter["a"] * x, lambda: counter.update("aaa")
    yield "a queue", lambda x: queue[0] * x, queue.popleft
    yield "numbers of one type", lambda x: numbers[0] * x, lambda: numbers.__setitem__(0, 7.0)
    yield "a list's own attribute", lambda x: listed.scale * listed[0] * x, lambda: setattr(listed, "scale", 9.0)
    yield "a static method", lambda x: Helper.act(x), lambda: LIMITS.__setitem__("low", 4.0)
    yield "a class method", lambda x: Helper.scaled(x), lambda: setattr(Helper, "scale", 6.0)
    yield "a property", lambda x: Helper().low * x, lambda: LIMITS.__setitem__("low", 4.0)
    yield "an inherited attribute", lambda x: Heir.scale * x, lambda: setattr(Helper, "scale", 8.0)
    yield "one set on the heir", lambda x: Heir.scale * x, lambda: setattr(Heir, "scale", 0.5)
    yield "an operator of one's own", lambda x: x * (config @ 2.0), bound(("offset", 3.0))
    yield "keywords of a partial", keyed, lambda: keyed.keywords.__setitem__("c", 7.0)
    yield "a function's attribute", named, lambda: setattr(named, "scale", 7.0)
    yield "a module's attribute", lambda x: model(x), lambda: setattr(model, "slope", 4.0)
    yield "its forward", lambda x: model(x), lambda: setattr(model, "forward", lambda x: 3.0 * x)
    yield "its class's", lambda x: model(x), lambda: setattr(Scaled, "power", 3.0)
    attributes, lru, zero, lazy, optimizer = (
        Attributes(k=2.0),
        LRU(4),
        {"a": [0.0], "b": (0.0,)},
        Lazy(),
        SGD([Value(1.0)]),
    )
    lru["k"], behind = 2.0, {"k": 2.0}
    shared, Shared.table["k"] = Shared(), [2.0]
    chain, proxy, whole = ChainMap({"k": 2.0}), types.MappingProxyType(behind), bytearray([2])
    schedule = nn.StepLR(optimizer, 1, gamma=0.5)
    model_of_trainer = nn.Linear(1, 1, rng=0)
    trainer = Trainer(model_of_trainer, mse_loss, SGD(model_of_trainer.parameters()))

    def matched(x):
        match space:
            case types.SimpleNamespace(a=a):
                return a * x

    inside = Shared()
    frozen, keys, layers = frozenset([inside]), {Shared(): 1.0}, {"a": lambda x: x * 2.0, "b": lambda x: x + 1.0}
    next(iter(keys)).k, inside.k, likes = 2.0, 2.0, [Likes("a", 2.0)]

    def through(x):
        for layer in layers.values():
            x = layer(x)
        return x

    yield "an object in a frozen set", lambda x: next(iter(frozen)).k * x, lambda: setattr(inside, "k", 5.0)
    yield "the key of a dict", lambda x: next(iter(keys)).k * x, lambda: setattr(next(iter(keys)), "k", 5.0)
    yield "the order of a dict", through, lambda: layers.update(a=layers.pop("a"))
    yield "what calls itself equal", lambda x: likes[0].k * x, lambda: likes.__setitem__(0, Likes("a", 5.0))
    yield "a list of a class", lambda x: shared.table["k"][0] * x, lambda: Shared.table["k"].__setitem__(0, 5.0)
    yield "a dict whose entries are attributes", lambda x: attributes.k * x, lambda: attributes.update(k=5.0)
    yield "a dict that cannot be copied", lambda x: lru["k"] * x, lambda: lru.update(k=5.0)
    yield "what it sets once", lazy.scaled, lambda: setattr(lazy, "k", 5.0)
    yield "a pattern", matched, lambda: setattr(space, "a", 5.0)
    yield "chained dicts", lambda x: chain["k"] * x, lambda: chain.update(k=5.0)
    yield "a dict that is only read", lambda x: proxy["k"] * x, lambda: behind.update(k=7.0)
    yield "bytes", lambda x: float(whole[0]) * x, lambda: whole.__setitem__(0, 5)
    yield "a learning rate", lambda x: optimizer.lr * x, lambda: optimizer.param_groups[0].update(lr=5.0)
    yield "a schedule", lambda x: schedule.get_last_lr()[0] * x, schedule.step
    yield "a trainer's epoch", lambda x: (1 + trainer.epoch) * x, lambda: setattr(trainer, "epoch", 4)
    yield "the sign of a zero", lambda x: atan2(x * zero["a"][0], -1.0), lambda: zero["a"].__setitem__(0, -0.0)
    yield "one in a tuple", lambda x: atan2(x * zero["b"][0], -1.0), lambda: zero.update(b=(-0.0,))


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    monkeypatch.setattr(Config, "factor", 2.0)
    monkeypatch.setattr(Scaled, "power", 2.0)
    monkeypatch.setitem(LIMITS, "inner", [3.0, 4.0])
    monkeypatch.setitem(LIMITS, "low", 1.0)
    monkeypatch.setattr(Helper, "scale", 2.0)
    yield
    if "scale" in vars(Heir):
        del Heir.scale


@pytest.mark.parametrize("name", [name for name, *_ in cases()])
def test_what_changed_is_noticed(name):
    (f, change), = [(f, change) for other, f, change in cases() if other == name]  # fmt: skip
    compiled = compile(f)

    def eager():
        y = f(Value(1.5))
        return pytest.approx(y.data if isinstance(y, Value) else y, rel=1e-14)

    before = compiled([1.5])[0]
    assert before == eager()
    assert len(compiled._cache.kept) == 1
    compiled([1.5])
    assert [*map(len, compiled._cache.kept.values())] == [1]
    change()
    after = compiled([1.5])[0]
    assert after == eager()
    assert after != before


def test_what_a_function_writes_itself_stays_watched():
    """Two functions count their calls in a dict that holds what they read too, and one fills in an attribute."""
    config, lazy = {"k": 2.0, "calls": 0, "log": []}, Lazy()

    def counting(factor):
        def f(x):
            config["calls"] += 1
            config["log"].append(factor)
            return config["k"] * factor * lazy.scaled(x)

        return compile(f)

    f, g = counting(1.0), counting(10.0)
    for _ in range(4):
        assert (f([1.5]), g([1.5])) == ([6.0], [60.0])
    calls = config["calls"]
    assert calls <= 6  # a few more than two
    for _ in range(20):
        assert (f([1.5]), g([1.5])) == ([6.0], [60.0])
    assert config["calls"] == calls
    config["k"] = 3.0
    lazy.k = 4.0
    for _ in range(20):
        assert (f([1.5]), g([1.5])) == ([18.0], [180.0])
    assert config["calls"] == calls + 2


def test_what_another_has_changed_before_a_function_writes_is_noticed():
    """The one that writes is traced between the change and the next call of the other."""
    table, cache = [1.0], {}

    def writes(x):
        table.append(0.0)
        return x * table[0]

    def fills(x):
        cache.setdefault("k", [2.0])
        return x * cache["k"][0]

    reads = compile(lambda x: x * table[0] * (cache["k"][0] if cache else 1.0))
    assert reads([1.0]) == [1.0]
    table[0] = 5.0
    assert compile(writes)([1.0]) == [5.0]
    assert reads([1.0]) == [5.0]
    filled = compile(fills)
    assert (filled([1.0]), reads([1.0])) == ([2.0], [10.0])
    cache["k"][0] = 7.0
    assert (filled([1.0]), reads([1.0])) == ([7.0], [35.0])


def test_data_are_not_watched():
    """A function that names its data, here for their number, does not pay for them at each call."""
    rows = [[float(i)] * 64 for i in range(1000)]
    compiled = compile(lambda x: x * len(rows))
    assert compiled([1.0]) == [1000.0]
    (made,) = [special for kept in compiled._cache.kept.values() for special in kept]
    watched = made.prepared.watch
    assert not watched._lists


def test_threads_may_add_to_what_is_read():
    stats, done = dict.fromkeys(range(2000), 0.0), threading.Event()

    def add():
        i = 2000
        while not done.is_set():
            stats[i] = 1.0
            i += 1
            time.sleep(1e-4)

    thread = threading.Thread(target=add)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(30):
                assert compile(lambda x: x * (2.0 if stats else 1.0))([1.0]) == [2.0]
    finally:
        done.set()
        thread.join()


def test_what_a_function_writes_itself_is_no_input():
    calls, seen, model = [], {}, Scaled()

    def f(x):
        calls.append(1)
        seen["x"] = len(calls)
        model.seen.append(1)
        return model(x) * 2.0

    compiled = compile(f)
    for _ in range(3):
        compiled([1.0])
        compiled([2.0, 3.0])
    assert len(calls) == 1


def test_what_no_code_names_may_change():
    config, model = Config(), Scaled()
    compiled = compile(lambda x: config.shifted(model(x)))
    compiled([1.0])
    for i in range(20):
        config.log.append(i)
        config.other = i
        model.seen.append(i)
        model.note_of_mine = i
        compiled([1.0])
    assert [*map(len, compiled._cache.kept.values())] == [1]


log, items = [], []


def test_names_that_only_look_alike_are_not_watched():
    class Logged(Module):
        def __init__(self):
            self.w, self.items, self.keys, self.data, self.update = Value(2.0), [], [], [], []

        def forward(self, x):
            return self.w * x.exp().log()

    model, calls = Logged(), []

    def f(x):
        calls.append(1)
        return model(x)

    compiled, number = compile(f), np.float64(0.5)
    model.same = number
    for i in range(15):
        compiled([1.0])
        for own in (log, items, model.items, model.keys, model.data, model.update):
            own.append(i)
    assert len(calls) == 1
    half = compile(lambda x: config.offset * x)
    config = Config()
    for _ in range(5):
        config.offset = np.float64(0.5)
        assert half([2.0]) == [1.0]
    assert [*map(len, half._cache.kept.values())] == [1]


def test_exchanged_layers_weights_and_activations_under_compile():
    model = Sequential(nn.MLP(2, [3, 2], rng=0), Linear(2, 1, rng=1))
    compiled = compile(lambda x: model(x)[0])

    def same():
        assert compiled([[0.5, -1.0]]) == pytest.approx([model([0.5, -1.0])[0].data], rel=1e-14)

    same()
    mlp = model.layers[0]
    for change in (
        lambda: mlp.layers[0].neurons[0].w.__setitem__(1, Value(0.7)),
        lambda: setattr(mlp.layers[0].neurons[1], "b", Value(0.3)),
        lambda: setattr(mlp.layers[0].neurons[1], "_activate", tanh),
        lambda: setattr(mlp.layers[0].neurons[1], "forward", lambda x: x[0] * 3.0),
        lambda: model.layers.insert(1, Tanh()),
        lambda: setattr(model.layers[-1], "bias", None),
        lambda: model.layers[-1].weight.__setitem__(0, (Value(1.0), Value(-1.0))),
    ):
        change()
        same()


def test_a_thousand_numbers_end_in_advice():
    k = [0.0]
    compiled = compile(lambda x: k[0] * x)

    def run(numbers):
        for k[0] in numbers:
            assert compiled([2.0]) == [2.0 * k[0]]

    run(range(10))
    with pytest.warns(UserWarning, match=r"k\[0\] has changed 10 times.*make it a Value"):
        run(range(10, 50))
    with pytest.raises(RuntimeError, match=r"k\[0\] has changed \d+ times.*make it a Value"):
        run(range(100, 1100))
    run([7.0] * 3)  # what was mended goes on
    coefficient = Value(0.0)
    better = compile(lambda x: coefficient * x)
    for i in range(1000):
        coefficient.data = float(i)
        assert better([2.0]) == [2.0 * i]


def test_a_number_for_each_epoch_is_no_error():
    """A program that ran more than once has been worth it."""
    k = [0.0]
    compiled = compile(lambda x: k[0] * x)

    def run():
        for k[0] in range(150):
            assert compiled([2.0]) == compiled([2.0]) == [2.0 * k[0]]

    with pytest.warns(UserWarning, match=r"k\[0\] has changed 10 times") as warned:
        run()
    assert [Path(w.filename).name for w in warned] == ["test_compiler_watch.py"]
    model = Linear(1, 1, rng=0)
    trainer = Trainer(
        model, lambda o, y: (1.0 + k[0]) * (o[0] - y) ** 2, SGD(model.parameters(), lr=0.001), compile=True
    )

    def anneal(_):
        k[0] *= 0.99

    with pytest.warns(UserWarning, match="has changed 10 times"):
        history = trainer.fit([[0.1]] * 8, [1.0] * 8, epochs=120, batch_size=4, callbacks=[anneal], progress=False)
    assert len(history.train_loss) == 120


def test_a_notebook_s_own_code_is_the_user_s(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/usr/lib/site-packages/launcher.py", raising=False)
    watch._is_of_user.cache_clear()
    assert watch._is_of_user("__main__")
    assert not watch._is_of_user("json.decoder")
    assert not watch._is_of_user("numpy.linalg")


def test_numbers_that_come_back_are_kept():
    k, calls = [1.0], []
    compiled = compile(lambda x: (calls.append(k[0]), k[0] * x)[1])
    for i in range(40):
        k[0] = float(i % 2)
        assert compiled([2.0]) == [2.0 * (i % 2)]
    assert len(calls) == 2


def losses(change, compiled, **options):
    """The losses of training with a callback that changes what the loss, the penalty or the model reads."""
    k = [1.0]
    model = Sequential(Linear(1, 2, rng=0), nn.LeakyReLU(0.1), Linear(2, 1, rng=1))
    model.own = 1.0
    penalty = (lambda: k[0] * model.parameters()[0] ** 2) if options.pop("penalty", False) else None
    t = Trainer(
        model,
        lambda o, y: k[0] * mse_loss(o, [y]) * model.own,
        SGD(model.parameters(), lr=0.1),
        penalty=penalty,
        compile=compiled,
    )
    X, Y = [[0.1 * i - 0.4] for i in range(8)], [0.3 * i for i in range(8)]
    t.fit(X, Y, epochs=4, batch_size=4, callbacks=[lambda t: change(t, k)], validation=(X, Y), progress=False)
    with t.stepping() as step:
        found = []
        for _ in range(3):
            change(t, k)
            found.append(step(np.array(X), np.array(Y)))
            found.append(step(X, Y))
    found += [t.evaluate(X, Y)[0], *[y[0] for y in t.predict(X)]]
    change(t, k)
    found += [t.evaluate(X, Y)[0], *[y[0] for y in t.predict(X)]]
    return [*t.history.train_loss, *t.history.validation_loss, *found]


@pytest.mark.parametrize("penalty", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda t, k: k.__setitem__(0, k[0] * 0.1),
        lambda t, k: setattr(t.model, "own", t.model.own + 1.0),
        lambda t, k: setattr(t.model.layers[1], "negative_slope", t.model.layers[1].negative_slope + 0.2),
    ],
)
def test_training_is_that_of_eager_training_whatever_python_changes(change, penalty):
    expected = losses(change, False, penalty=penalty)
    assert losses(change, True, penalty=penalty) == pytest.approx(expected, rel=1e-9)
    assert math.isfinite(expected[-1])


def total(x):
    return dot(x, [1.0, 2.0])


class Holder:
    def __init__(self):
        self.w = Value(2.0)

    def loss(self, x):
        return self.w * x


def test_copies_compile_anew(capsys):
    f = compile(total)
    f([[1.0, 2.0]])
    for other in (copy.copy(f), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert other._latest is None
        assert other([[1.0, 2.0]]) == [5.0]
    w = Value(3.0)
    g = compile(lambda x: w * x, [w])
    g([1.0, 2.0])
    assert copy.deepcopy(g)([2.0]) == 6.0
    assert w.grad == 1.5 + 2.0
    holder = Holder()
    h = compile(holder.loss, [holder.w])
    h([1.0])
    for other in (copy.deepcopy(h), pickle.loads(pickle.dumps(h))):
        assert other([5.0]) == 10.0
        assert other._params[0].grad == 6.0
    assert holder.w.grad == 1.0
    del f, g, h, other
    assert capsys.readouterr().err == ""
