"""Layers: functions of one example, which is a list of numbers."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from autograd import Value, dot, gather, linear, where
from autograd.compiler import assume, each, is_symbolic, name_index

from .activations import Activation, activation_function
from .module import Module
from .nested import by_rows, flat, is_list, nested, rows, shape
from .randomness import Rng, as_rng, draws


def uniform_values(count: int, bound: float, rng: Any) -> tuple[Value, ...]:
    """Values, uniform in (-bound, bound)."""
    return tuple([Value(rng.uniform(-bound, bound)) for _ in range(count)])


def weight_matrix(out_features: int, in_features: int, bound: float, rng: Any) -> list[tuple[Value, ...]]:
    """Rows of weights. They are tuples because the engine recognises a tuple that many nodes share, and is faster."""
    return [uniform_values(in_features, bound, rng) for _ in range(out_features)]


def check_sizes(module: str, least: int = 1, **sizes: Any) -> None:
    """ValueError for a size below `least`."""
    for name, size in sizes.items():
        if not hasattr(size, "__index__") or size < least:
            raise ValueError(f"{module} expected {name} as a whole number of at least {least}, got {size!r}")


def check_module(name: str, x: Any) -> None:
    """TypeError for anything but a module."""
    if not isinstance(x, Module):
        hint = f"; write {name}(*modules)" if is_list(x) else "; write () behind its name" * isinstance(x, type)
        raise TypeError(f"{name} expected modules such as Linear(2, 3) or ReLU(), got {x!r}{hint}")


def wrong_input(module: Module, expected: str, x: Any, remedy: str = "") -> ValueError:
    if not remedy and is_list(x) and len(x) and is_list(x[0]):
        remedy = "; for a list of examples write model.batch(xs)"
    return ValueError(f"{module!r} expected {expected}, got {shape(x)}{remedy}")


class Linear(Module):
    """y = W x + b for a list x of `in_features` numbers; of nested lists, for each innermost one.

    weight: out_features rows of in_features; bias: out_features, or None with bias=False. Both start uniform in
    (-k, k) with k = 1 / sqrt(in_features), as PyTorch's. Raises ValueError for another length of x.

    >>> [y.data for y in Linear(2, 3, rng=0)([0.0, 0.0])] == [b.data for b in Linear(2, 3, rng=0).bias]
    True
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, rng: Rng = None) -> None:
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        rng, bound = as_rng(rng), 1.0 / math.sqrt(in_features)
        self.weight = weight_matrix(out_features, in_features, bound, rng)
        self.bias = uniform_values(out_features, bound, rng) if bias else None

    def forward(self, x: Sequence[Any]) -> list[Any]:
        result: list[Any] = rows(self._row, x) if is_list(x) else self._row(x)
        return result

    def _row(self, x: Sequence[Any]) -> list[Any]:
        if not is_list(x) or len(x) != len(self.weight[0]):
            raise wrong_input(self, f"a list of {len(self.weight[0])} numbers", x)
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{len(self.weight[0])}, {len(self.weight)}{', bias=False' * (self.bias is None)}"


class Sequential(Module):
    """The modules one after the other, each on the output of the one before. `len`, indexing and slices work.

    `batch` takes a whole batch through one layer at a time, which is what batch normalisation needs.

    >>> from nn import ReLU
    >>> model = Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    >>> len(model), len(model.parameters())
    (3, 13)
    """

    def __init__(self, *modules: Module) -> None:
        for module in modules:
            check_module("Sequential", module)
        self.layers = list(modules)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def batch(self, xs: Any) -> list[Any]:
        if type(self).forward is not Sequential.forward or type(self).__call__ is not Module.__call__:
            return super().batch(xs)
        self._name_once()
        outputs = xs = list(by_rows(xs))
        for layer in self.layers:
            outputs = layer.batch(outputs)
        return self._announce_each(xs, outputs)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]


class Residual(Module):
    """x + module(x): a path on which gradients reach the input unchanged (He et al. 2015)."""

    def __init__(self, module: Module) -> None:
        check_module("Residual", module)
        self.module = module

    def forward(self, x: Any) -> Any:
        return _add(x, self.module(x))

    def batch(self, xs: Any) -> list[Any]:
        if type(self).forward is not Residual.forward or type(self).__call__ is not Module.__call__:
            return super().batch(xs)
        self._name_once()
        xs = list(by_rows(xs))
        return self._announce_each(xs, map(_add, xs, self.module.batch(xs)))


def _add(x: Any, y: Any) -> Any:
    try:
        return nested(lambda a, b: a + b, x, y)
    except (TypeError, ValueError):
        raise ValueError(f"Residual expected an output of the input's shape, {shape(x)}, got {shape(y)}") from None


class Embedding(Module):
    """A row of `embedding_dim` numbers for each whole number below `num_embeddings`; a list of rows for a list.

    weight starts normal with mean 0 and standard deviation 1, as PyTorch's. Raises IndexError out of range.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, rng: Rng = None) -> None:
        check_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        source = as_rng(rng)
        self.weight = [tuple(Value(source.gauss(0, 1)) for _ in range(embedding_dim)) for _ in range(num_embeddings)]

    def forward(self, index: Any) -> list[Any]:
        if is_list(index):
            return each(self.forward, [(i,) for i in index])
        name_index(index, IndexError, f"{self!r} expected whole numbers")
        try:
            return list(gather(self.weight, index))
        except (TypeError, IndexError) as error:
            most = len(self.weight) - 1
            raise type(error)(f"{self!r} expected whole numbers from 0 to {most}, got {index!r}") from None

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, {len(self.weight[0])}"


class Flatten(Module):
    """Nested lists as one list, from left to right."""

    def forward(self, x: Any) -> list[Any]:
        return flat(x)


class Dropout(Module):
    """In training mode each number is 0 with probability p, else divided by 1 - p; in evaluation mode x itself.

    The mask is a pure function of (seed, step, example, unit), see `nn.randomness`; layers of one seed share a stream,
    so their masks differ. 0 <= p <= 1, ValueError otherwise (Srivastava et al. 2014, with PyTorch's scaling).
    """

    def __init__(self, p: float = 0.5, *, seed: int = 0) -> None:
        if not hasattr(p, "__float__") or not 0 <= p <= 1:
            raise ValueError(f"Dropout expected a probability from 0 to 1, got {p!r}")
        self.p = p
        self.seed = seed

    def forward(self, x: Any) -> Any:
        p = assume(lambda: self.p)
        if not self.training or p == 0:
            return x
        counters = draws()

        def dropped(v: Any) -> Any:
            u = counters.uniform(self.seed)
            if isinstance(u, Value):
                return where(u >= p, v / (1.0 - p), v * 0.0)
            return v / (1.0 - p) if u >= p else v * 0.0

        return nested(dropped, x)

    def extra_repr(self) -> str:
        return f"p={self.p}" + f", seed={self.seed}" * (self.seed != 0)


class Neuron(Module):
    """activation(w . x + b) for a list x of `nin` numbers: a Value.

    w starts uniform in (-1, 1), b at 0. nonlin: ReLU if true, else linear; activation: a name or function instead.
    rng: a seeded `random.Random`, or a seed; None draws from the module `random`.
    Raises ValueError if the length of x is not nin.
    """

    def __init__(
        self, nin: int, nonlin: bool = True, *, activation: str | Activation | None = None, rng: Rng = None
    ) -> None:
        check_sizes("Neuron", 0, nin=nin)
        source = as_rng(rng)
        self.w = [Value(source.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0.0)
        self.activation = ("relu" if nonlin else "linear") if activation is None else activation
        self._activate = activation_function(self.activation)

    def forward(self, x: Sequence[Any]) -> Value:
        if not is_list(x) or len(x) != len(self.w):
            raise wrong_input(self, f"a list of {len(self.w)} numbers", x)
        result: Value = self._activate(dot(self.w, x, self.b))
        return result

    def extra_repr(self) -> str:
        return f"{len(self.w)}, activation={_name(self.activation)}"


class Layer(Module):
    """`nout` neurons that look at the same `nin` numbers: a list of Values, or one Value if nout is 1.

    Takes the keywords of `Neuron`.
    """

    def __init__(
        self, nin: int, nout: int, nonlin: bool = True, *, activation: str | Activation | None = None, rng: Rng = None
    ) -> None:
        check_sizes("Layer", 0, nout=nout)
        rng = as_rng(rng)
        self.neurons = [Neuron(nin, nonlin, activation=activation, rng=rng) for _ in range(nout)]
        self._weight: list[tuple[Value, ...]] = []

    def forward(self, x: Sequence[Any]) -> Any:
        if any(type(neuron) is not Neuron or neuron._hooks for neuron in self.neurons):
            out = [neuron(x) for neuron in self.neurons]
        else:
            out = self._together(x)
        return out[0] if len(out) == 1 else out

    def _together(self, x: Sequence[Any]) -> list[Value]:
        """The output of each neuron, computed together."""
        if self.neurons and (not is_list(x) or len(x) != len(self.neurons[0].w) or any(map(is_list, x))):
            raise wrong_input(self, f"a list of {len(self.neurons[0].w)} numbers", x)
        weight = [tuple(neuron.w) for neuron in self.neurons]
        if (
            not is_symbolic() and weight == self._weight
        ):  # the same Values: pass the same tuples, which the engine recognises as shared
            weight = self._weight
        else:
            self._weight = weight
        sums = linear(x, weight, [neuron.b for neuron in self.neurons])
        out = []
        for neuron, y in zip(self.neurons, sums, strict=True):
            y = neuron._activate(y)
            if isinstance(y, Value):
                neuron.leave_note(y)
            out.append(y)
        return out

    def __repr__(self) -> str:
        if not self.neurons:
            return "Layer()"
        first = self.neurons[0]
        return f"Layer({len(first.w)}, {len(self.neurons)}, activation={_name(first.activation)})"


class MLP(Module):
    """A multi-layer perceptron: layers of the widths `nouts`, the last one linear.

    nin: numbers in an example. nouts: the width of each layer; if the last is 1 the output is a Value, else a list.
    activation: of all layers but the last, ReLU unless told; or a list with one for each layer. rng: as for `Neuron`.
    Raises TypeError and ValueError unless nouts are widths of at least 1, with an activation for each if there are
    several.

    >>> MLP(2, [16, 16, 1], rng=0)
    MLP(
      (layers.0): Layer(2, 16, activation='relu')
      (layers.1): Layer(16, 16, activation='relu')
      (layers.2): Layer(16, 1, activation='linear')
    )
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] | None = None,
        *,
        rng: Rng = None,
    ) -> None:
        rng = as_rng(rng)
        if not isinstance(nouts, Sequence):
            raise TypeError(f"MLP expected nouts as a list of widths, got {nouts!r}; write MLP({nin}, [{nouts}])")
        if not nouts or not all(hasattr(width, "__index__") and width >= 1 for width in nouts):
            raise ValueError(f"MLP expected widths of at least 1, got {list(nouts)}")
        if activation is None or isinstance(activation, str) or callable(activation):
            activation = [*[activation or "relu"] * (len(nouts) - 1), "linear"]
        if len(activation) != len(nouts):
            raise ValueError(f"MLP expected an activation for each of {len(nouts)} layers, got {len(activation)}")
        sizes = zip([nin, *nouts], nouts, activation, strict=False)
        self.layers = [Layer(i, o, activation=f, rng=rng) for i, o, f in sizes]

    def forward(self, x: Any) -> Any:
        for i, layer in enumerate(self.layers):
            x = layer([x] if i and isinstance(x, Value) else x)  # a layer of width 1 gives a Value
        return x


def _name(activation: str | Activation) -> str:
    return repr(activation) if isinstance(activation, str) else getattr(activation, "__name__", repr(activation))
