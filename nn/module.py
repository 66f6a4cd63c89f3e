"""Module: finds its parameters by looking at its own attributes."""

import itertools
import sys
from collections.abc import Iterator
from typing import Any, Self

from autograd import Value
from autograd.extend import Note

_models = itertools.count(1)  # tells apart modules whose parts have the same paths


class Module:
    """A function of one example with parameters: write `forward` in a subclass, and call the module.

    Leaf Values and Modules are found in attributes, and in lists, tuples and dicts there, in order of assignment, each
    once: a parameter used in two places counts once. A name that begins with an underscore is private.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(2.0), Value(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> line(3.0).data, [name for name, _ in line.named_parameters()]
    (7.0, ['slope', 'offset'])
    """

    training = True
    _note: Note | None = None

    def forward(self, *args: Any) -> Any:
        """The output for one example."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, x)")

    def __call__(self, *args: Any) -> Any:
        if self._note is None:  # used for the first time
            self._outermost()._name_parts()
            if self._note is None:  # hidden from the outermost one
                self._name_parts()
        output = self.forward(*args)
        for y in output if isinstance(output, list) else (output,):
            if isinstance(y, Value) and y.primitive is not None:
                self.leave_note(y)
        return output

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy is another model: it gets notes of its own when it is called."""
        self.__dict__.update(state, _note=None)

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
        prefixes = set()
        for name, module in self.named_modules():
            module._note = Note(module=name or type(self).__name__, model=model)
            prefixes.add(name)
        for name, p in self.named_parameters():
            owner = name
            while owner and owner not in prefixes:
                owner = owner.rpartition(".")[0]
            p.note = (p.note or Note())._replace(module=name if owner else f"{type(self).__name__}.{name}", model=model)

    def leave_note(self, output: Value) -> None:
        """Notes on a node that it is this module's output, unless a module further in has done so."""
        if output.note is None:
            output.note = self._note
        elif not output.note.module and self._note is not None:
            output.note = output.note._replace(module=self._note.module, model=self._note.model)

    def batch(self, xs: Any) -> list[Any]:
        """The outputs for a list of examples."""
        return [self(x) for x in xs]

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module, named "", and all below, named by their path such as `layers.0`, each once."""
        return ((name, x) for name, x in _walk("", self, set()) if isinstance(x, Module))

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The parameters with their paths, such as `layers.0.neurons.2.w.1`, each once."""
        return [(name, x) for name, x in _walk("", self, set()) if isinstance(x, Value)]

    def parameters(self) -> list[Value]:
        """The parameters in the order of `named_parameters`."""
        return [x for _, x in self.named_parameters()]

    def zero_grad(self) -> None:
        """Sets every parameter's `.grad` to 0."""
        for p in self.parameters():
            p.grad = 0.0

    def train(self, mode: bool = True) -> Self:
        """Sets training mode here and below; returns the module."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Sets evaluation mode here and below; returns the module."""
        return self.train(False)

    def extra_repr(self) -> str:
        """What stands in the parentheses of the repr of a module without visible children."""
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({name}): {text}" for name, text in self._children_repr()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return "\n".join([f"{type(self).__name__}(", *(line.replace("\n", "\n  ") for line in lines), ")"])

    def _children_repr(self) -> list[tuple[str, str]]:
        children = [(name, x) for name, x in self.named_modules() if x is not self]
        direct = [(name, x) for name, x in children if not any(name.startswith(f"{other}.") for other, _ in children)]
        return [(name, repr(x)) for name, x in direct]


def _walk(path: str, x: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """The leaf Values and Modules in x and below, with their paths, each once."""
    branches: Iterator[tuple[Any, Any]]
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
        yield from _walk(f"{path}.{name}" if path else str(name), branch, seen)
