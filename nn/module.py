"""Module: finds its parameters by looking at its own attributes."""

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Set
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from autograd import Value
from autograd.compiler import Watched, assume, called
from autograd.extend import Note, assign

from .nested import by_rows, flat, number_in_state
from .randomness import draws

_models = itertools.count(1)  # tells apart modules whose parts have the same paths


class Module(Watched):
    """A function of one example with parameters: write `forward` in a subclass, and call the module.

    Leaf Values and Modules are found in attributes, and in lists, tuples and dicts there, in order of assignment, each
    once: a parameter used in two places counts once. A name that begins with an underscore is private.
    Raises TypeError, when it is called, if `forward` returned None.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(2.0), Value(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> line(3.0).data, [name for name, _ in line.named_parameters()]
    (7.0, ['slope', 'offset'])
    """

    unwatched: ClassVar[tuple[str, ...]] = ("_note", "_weight")
    buffers: ClassVar[tuple[str, ...]] = ()
    """Attributes that belong to the state but are not learned: lists of floats, such as running means."""
    _training = True
    _note: Note | None = None
    _hooks: tuple[Callable[["Module", tuple[Any, ...], Any], None], ...] = ()

    @property
    def training(self) -> bool:
        """Whether the module is in training mode. What is compiled holds for the mode in which it was traced."""
        return assume(self._mode)

    @training.setter
    def training(self, mode: bool) -> None:
        self._training = mode

    def _mode(self) -> bool:
        return self._training

    if TYPE_CHECKING:
        forward: Callable[..., Any]  # of a subclass, which names its own arguments
    else:

        def forward(self, *args: Any) -> Any:
            """The output for one example."""
            raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, x)")

    def __call__(self, *args: Any, **options: Any) -> Any:
        self._name_once()
        if args and type(args[0]) is not list:
            args = tuple(map(by_rows, args))
        output = called(self, self.forward, args, options)
        if output is None:
            raise TypeError(f"{type(self).__name__}.forward returned None; did it end without `return`?")
        return self._announce(args, output)

    def _name_once(self) -> None:
        """Names all parts of the outermost module when one of them is used for the first time."""
        if self._note is None:
            self._outermost()._name_parts()
            if self._note is None:  # hidden from the outermost one
                self._name_parts()

    def _announce(self, args: tuple[Any, ...], output: Any) -> Any:
        """Notes on every Value of an output that it is this module's, tells the hooks, and passes the output on."""
        note = self._note
        for y in flat(output):
            if isinstance(y, Value) and y.primitive is not None:
                if y.note is None:
                    y.note = note
                else:
                    self.leave_note(y)
        for hook in self._hooks:
            hook(self, args, output)
        return output

    def register_forward_hook(self, hook: Callable[["Module", tuple[Any, ...], Any], None]) -> SimpleNamespace:
        """Has `hook(module, inputs, output)` called after each call of this module, until `remove()` of the handle that
        is returned."""
        self._hooks = (*self._hooks, hook)

        def remove() -> None:
            self._hooks = tuple(h for h in self._hooks if h is not hook)

        return SimpleNamespace(remove=remove)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy is another model: it gets notes of its own when it is called."""
        self.__dict__.update(state, _note=None, _hooks=())

    def _outermost(self) -> "Module":
        """The module in whose call this one's is, found on the stack; itself unless called by another."""
        found, frame = self, sys._getframe(1)
        while frame.f_back:
            frame = frame.f_back
            if frame.f_code is Module.__call__.__code__:
                found = frame.f_locals["self"]
        return found

    def _name_parts(self) -> None:
        """Gives every module below, and every parameter, its path for pictures; what is its own begins with its
        type."""
        model = self._note.model if self._note else next(_models)
        kind, inside = type(self).__name__, tuple[str, ...]()
        for name, module in self.named_modules():
            module._note = Note(module=name or kind, model=model)
            if name and not name.startswith(inside):
                inside = (*inside, f"{name}.")
        for name, p in self.named_parameters():
            path = name if name.startswith(inside) else f"{kind}.{name}"
            label, line = (p.note.label, p.note.line) if p.note else ("", "")
            p.note = Note(label, line, path, model)

    def leave_note(self, output: Value) -> None:
        """Notes on a node that it is this module's output, unless a module further in has done so."""
        if output.note is None:
            output.note = self._note
        elif not output.note.module and self._note is not None:
            output.note = output.note._replace(module=self._note.module, model=self._note.model)

    def batch(self, xs: Any) -> list[Any]:
        """The outputs for a list of examples."""
        return [self(x) for x in draws().each(by_rows(xs))]

    def _announce_each(self, xs: Any, outputs: Any) -> list[Any]:
        """Does what calling the module for each example would do besides computing the outputs."""
        return [self._announce((x,), y) for x, y in zip(xs, outputs, strict=True)]

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module, named "", and all below, named by their path such as `layers.0`, each once."""
        return ((name, x) for name, x in _walk("", self, set(), modules_only=True) if isinstance(x, Module))

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The parameters with their paths, such as `layers.0.neurons.2.w.1`, each once."""
        return [(name, x) for name, x in _walk("", self, set()) if isinstance(x, Value)]

    def named_buffers(self) -> list[tuple[str, list[float]]]:
        """The lists of floats that belong to the state but are not learned, with their paths."""
        modules = list(self.named_modules())
        return [
            (f"{path}.{name}".lstrip("."), getattr(module, name)) for path, module in modules for name in module.buffers
        ]

    def parameters(self) -> list[Value]:
        """The parameters in the order of `named_parameters`."""
        return [x for _, x in self.named_parameters()]

    def zero_grad(self) -> None:
        """Sets every parameter's `.grad` to 0."""
        for p in self.parameters():
            p.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """Every parameter's number and every buffer's by its path, such as `layers.0.weight.2.1`; tied weights once.
        Raises ValueError if two parameters have one path.
        """
        entries = [(name, p.data) for name, p in self.named_parameters()]
        for name, numbers in self.named_buffers():
            entries += [(f"{name}.{i}", x) for i, x in enumerate(numbers)]
        if len(state := dict(entries)) < len(entries):
            twice = next(name for i, (name, _) in enumerate(entries) if name in dict(entries[:i]))
            raise ValueError(
                f"two parameters of this {type(self).__name__} have the path {twice}; in dicts of modules, use names "
                f"without dots as keys, and no number beside the same number as text"
            )
        return state

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Takes over the numbers of a `state_dict` of the same architecture.

        Raises ValueError, and changes nothing, if a name is missing or too many.
        """
        own = self.state_dict().keys()
        if own != state.keys():
            raise ValueError(
                f"the state is of another architecture than this {type(self).__name__}: it lacks "
                f"{_some(own - state.keys())} and has {_some(state.keys() - own)} besides; build the model as it was "
                f"when its state was taken"
            )
        numbers = {name: number_in_state(x) for name, x in state.items()}
        parameters = self.named_parameters()
        assign([p for _, p in parameters], [numbers[name] for name, _ in parameters])
        for name, buffer in self.named_buffers():
            buffer[:] = [numbers[f"{name}.{i}"] for i in range(len(buffer))]

    def train(self, mode: bool = True) -> Self:
        """Sets training mode here and below; returns the module."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Sets evaluation mode here and below; returns the module."""
        return self.train(False)

    def extra_repr(self) -> str:
        """The text in the parentheses of the repr of a module without visible children."""
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({name}): {text}" for name, text in self._children_repr()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        extra = f"{self.extra_repr()}," if self.extra_repr() else ""
        return "\n".join([f"{type(self).__name__}({extra}", *(line.replace("\n", "\n  ") for line in lines), ")"])

    def _children_repr(self) -> list[tuple[str, str]]:
        children = [(name, x) for name, x in self.named_modules() if x is not self]
        direct = [(name, x) for name, x in children if not any(name.startswith(f"{other}.") for other, _ in children)]
        return [(name, repr(x)) for name, x in direct]


def _some(names: Set[str]) -> str:
    return f"{len(names)} numbers ({', '.join(sorted(names)[:3])}{', …' * (len(names) > 3)})" if names else "nothing"


def _walk(path: str, x: Any, seen: set[int], modules_only: bool = False) -> Iterator[tuple[str, Any]]:
    """The leaf Values and Modules in x and below, with their paths, each once. modules_only: passes by lists that hold
    only Values, as rows of weights are."""
    branches: Iterator[tuple[Any, Any]]
    if isinstance(x, list | tuple) and {*map(type, x)} == {Value}:  # a row of weights
        if not modules_only:
            for i, v in enumerate(x):
                if v.primitive is None and id(v) not in seen:
                    seen.add(id(v))
                    yield f"{path}.{i}", v
        return
    if isinstance(x, Value | Module):
        if id(x) in seen or (isinstance(x, Value) and x.primitive is not None):
            return
        seen.add(id(x))
        yield path, x
        branches = ((k, v) for k, v in vars(x).items() if k[0] != "_") if isinstance(x, Module) else iter(())
    elif isinstance(x, dict):
        branches = iter(x.items())
    elif isinstance(x, list | tuple):
        branches = enumerate(x)
    else:
        return
    for name, branch in branches:
        yield from _walk(f"{path}.{name}" if path else str(name), branch, seen, modules_only)
