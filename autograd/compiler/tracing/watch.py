"""What a function reads besides its arguments: Python's own numbers, lists and attributes, which a trace freezes.

They are found by looking at the function: at its closure, at the globals and attributes that its code names, and at
what is within them. A program holds as long as all of them are what they were. What the function itself changes while
it is traced, such as a list of calls, is none of its inputs. Not seen are attributes asked for by `getattr`, what is in
slots, context variables, caches, files and lists of more than 10,000 entries, and what code of other packages reads.
"""

import argparse
import dis
import functools
import sys
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Number
from typing import Any, ClassVar, NamedTuple

from ...primitives import TABLE, Primitive
from ...value import Value

LONGEST = 10_000
"""A list of more entries is data, and not compared."""
OWN = ("autograd", "nn")
CALLED = {"forward", "__call__", "batch"}
"""Methods that are called without being named."""
NOWHERE = object()
SETS = [0]
"""How many attributes were set."""


class Watched:
    """A base of objects whose attributes a trace may read. Setting one counts, so that nothing has to be compared as
    long as nothing was set."""

    unwatched: ClassVar[tuple[str, ...]] = ()
    """Attributes that change without a meaning for what is computed."""

    def __setattr__(self, name: str, x: Any) -> None:
        object.__setattr__(self, name, x)
        SETS[0] += 1

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        SETS[0] += 1


class Sight(NamedTuple):
    """Something that was looked at: how to look again, and what was there."""

    name: str
    look: Callable[[], Any]
    found: Any


class Kept(NamedTuple):
    """A list, dict or set, and a copy of its entries."""

    name: str
    container: Any
    found: Any


class Watch:
    """All that functions and objects read, as far as it can be seen."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self._sets = SETS[0]
        self._names = set[str](CALLED)
        self._known: dict[int, Any] = {}  # what has been entered, kept so that its identity stays its own
        self._quick: dict[Any, Sight] = {}
        self._lists: dict[Any, Kept] = {}
        self._vectors: dict[Any, Kept] = {}  # lists of Values: long, and hardly ever exchanged
        self._attributes: dict[Any, Sight] = {}  # of objects that count when one is set
        self._objects: list[tuple[Any, str]] = []
        self._entered = set[tuple[int, str]]()
        waiting = [(x, _name_of(x)) for x in roots]
        while waiting:
            while waiting:
                waiting.extend(self._enter(*waiting.pop()))
            waiting = [pair for x, name in self._objects for pair in self._members(x, name)]
        for x, name in self._objects:
            self._look_at(x, name)

    def changed(self, quick: bool = False) -> str | None:
        """What differs from before, if anything does. quick: without looking whether a Value within a list of Values
        was exchanged."""
        if (what := _first(self._quick) or _first_changed(self._lists)) is not None:
            return what
        if self._sets != SETS[0]:
            if (what := _first(self._attributes)) is not None:
                return what
            self._sets = SETS[0]
        return None if quick else _first_changed(self._vectors)

    def leave_out(self, before: "Watch") -> None:
        """Forgets what differs from a watch of before: the function itself has changed it."""
        for kind in ("_quick", "_lists", "_vectors", "_attributes"):
            now: dict[Any, Any] = getattr(self, kind)
            for key, sight in getattr(before, kind).items():
                if key in now and not _same(now[key].found, sight.found):
                    del now[key]

    def _enter(self, x: Any, name: str) -> Iterator[tuple[Any, str]]:
        """What is to be entered next."""
        kind = type(x)
        if kind in PLAIN or id(x) in self._known or isinstance(x, Value):
            return
        self._known[id(x)] = x
        if isinstance(x, types.FunctionType):
            yield from self._function(x, name)
        elif isinstance(x, types.MethodType):
            yield x.__self__, _name_of(x.__self__)
            yield x.__func__, name
        elif isinstance(x, Primitive):
            yield from ((f, x.name) for f in (x.forward, *x.partials) if x.module != TABLE)
        elif isinstance(x, functools.partial):
            yield from ((y, name) for y in (x.func, x.args, x.keywords))
        elif isinstance(x, list | dict | set | tuple | deque):
            if len(x) <= LONGEST:
                entries = x.values() if isinstance(x, dict) else x
                only_values = {*map(type, entries)} == {Value}
                if not isinstance(x, tuple):
                    kept = Kept(name, x, x.copy())
                    (self._vectors if only_values else self._lists)[id(x)] = kept
                if not only_values:
                    yield from ((y, f"{name}[...]") for y in entries)
            if hasattr(x, "__dict__"):  # of a subclass
                self._objects.append((x, name))
        elif isinstance(x, array) or (hasattr(x, "tobytes") and hasattr(x, "dtype") and x.dtype.kind != "O"):
            if len(x.tobytes()) <= 8 * LONGEST:
                self._quick[id(x)] = Sight(f"what is in {name}", x.tobytes, x.tobytes())
        elif isinstance(x, Watched | types.SimpleNamespace | argparse.Namespace) or _is_of_user(_module_of(x)):
            self._objects.append((x, name))

    def _function(self, f: types.FunctionType, name: str) -> Iterator[tuple[Any, str]]:
        of_user = _is_of_user(f.__module__)
        for variable, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            found = _contents(cell)
            if of_user:
                self._quick[id(cell)] = Sight(variable, functools.partial(_contents, cell), found)
            yield found, variable
        if not of_user:
            return
        yield from ((x, name) for x in (f.__defaults__, f.__kwdefaults__, f.__dict__ or None))
        names, attributes = _named(f.__code__)
        self._names |= attributes
        for variable in names & f.__globals__.keys():
            yield from self._item(f.__globals__, variable, variable)

    def _item(self, names: dict[str, Any], variable: str, name: str) -> Iterator[tuple[Any, str]]:
        found = names[variable]
        self._quick[id(names), variable] = Sight(name, functools.partial(names.get, variable, NOWHERE), found)
        yield found, name

    def _members(self, x: Any, name: str) -> Iterator[tuple[Any, str]]:
        """The methods and attributes of an object that any code names, but those that have been entered."""
        for kind in _classes(x):
            for method, found in vars(kind).items():
                f = _function_of(found)
                if not isinstance(f, types.FunctionType) or (id(kind), method) in self._entered:
                    continue
                if kind.__module__.partition(".")[0] in OWN and method != "__init__":
                    self._entered.add((id(kind), method))
                    self._names |= _own_attributes(f.__code__)
                elif _is_of_user(kind.__module__) and (method in self._names or _is_operator(method)):
                    self._entered.add((id(kind), method))
                    yield f, f"{name}.{method}"
        left_out = getattr(x, "unwatched", ())
        for attribute, found in list(getattr(x, "__dict__", {}).items()):
            if attribute in self._names and attribute not in left_out and (id(x), attribute) not in self._entered:
                self._entered.add((id(x), attribute))
                yield found, f"{name}.{attribute}"

    def _look_at(self, x: Any, name: str) -> None:
        own, counts = getattr(x, "__dict__", {}), isinstance(x, Watched)
        left_out = {*getattr(x, "unwatched", ())}
        for attribute in (own.keys() & self._names) - left_out | CALLED:
            look = functools.partial(own.get, attribute, NOWHERE)
            (self._attributes if counts else self._quick)[id(x), attribute] = Sight(f"{name}.{attribute}", look, look())
        kinds = [kind for kind in _classes(x) if _is_of_user(kind.__module__)]
        for attribute in self._names.intersection(*[[y for kind in kinds for y in vars(kind)]]) - own.keys() - left_out:
            look = functools.partial(_of_class, _classes(x), own, attribute)
            self._quick[id(x), attribute] = Sight(f"{name}.{attribute}", look, look())


PLAIN = {int, float, bool, str, bytes, type(None), complex, Value}


def _first(sights: dict[Any, Sight]) -> str | None:
    for name, look, found in sights.values():
        if (now := look()) is not found and not _same(now, found):
            return name
    return None


def _first_changed(kept: dict[Any, Kept]) -> str | None:
    for name, container, found in kept.values():
        try:
            if container == found:  # entries that are the same object are not compared any further
                continue
        except Exception:  # an entry that cannot be compared is another one
            pass
        return _entry_changed(name, container, found)
    return None


def _entry_changed(name: str, now: Any, before: Any) -> str:
    """The name of the first entry that differs, or of all if entries were added or removed."""
    if len(now) == len(before) and not isinstance(now, set):
        pairs = now.items() if isinstance(now, dict) else enumerate(now)
        for key, x in pairs:
            if not _same(x, before.get(key, NOWHERE) if isinstance(before, dict) else before[key]):
                return f"{name}[{key!r}]"
    return name


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        alike = type(a) is type(b) and isinstance(a, COMPARED) and bool(a == b)
        return alike and (not isinstance(a, float) or str(a) == str(b))
    except Exception:  # an entry that cannot be compared is another one
        return False


COMPARED = (Number, str, bytes, list, dict, set, tuple, deque)


def _classes(x: Any) -> tuple[type, ...]:
    """The classes whose attributes an object, or a class itself, has."""
    return x.__mro__ if isinstance(x, type) else type(x).__mro__


def _module_of(x: Any) -> str:
    if isinstance(x, types.ModuleType):
        return x.__name__
    return str((x if isinstance(x, type) else type(x)).__module__)


def _function_of(x: Any) -> Any:
    """The function that a member of a class runs."""
    if isinstance(x, property):
        return x.fget
    return getattr(x, "__func__", None) or getattr(x, "func", None) or x


def _is_operator(method: str) -> bool:
    """Whether Python calls a method by itself, other than to make or to show an object."""
    return method[:2] == method[-2:] == "__" and method not in UNCALLED


UNCALLED = {
    "__init__", "__new__", "__init_subclass__", "__post_init__", "__repr__", "__str__", "__setattr__", "__del__",
    "__getstate__", "__setstate__", "__reduce__", "__copy__", "__deepcopy__",
}  # fmt: skip


def _of_class(kinds: tuple[type, ...], own: Mapping[str, Any], attribute: str) -> Any:
    """An attribute that the object itself may have not: then its class's."""
    if attribute in own:
        return own[attribute]
    return next((vars(k)[attribute] for k in kinds if attribute in vars(k)), NOWHERE)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return NOWHERE


@functools.lru_cache(4096)
def _named(code: types.CodeType) -> tuple[set[str], set[str]]:
    """The globals that code names, functions within it included, and the attributes."""
    names, attributes = set[str](), set[str]()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(instruction.argval)
        elif instruction.opname.startswith(("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM")):
            attributes.add(instruction.argval)
        elif isinstance(instruction.argval, types.CodeType):
            inner = _named(instruction.argval)
            names |= inner[0]
            attributes |= inner[1]
    return names, attributes


@functools.lru_cache(4096)
def _own_attributes(code: types.CodeType) -> set[str]:
    """The attributes of `self` that code names."""
    found, before = set[str](), None
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")) and before == "self":
            found.add(instruction.argval)
        elif isinstance(instruction.argval, types.CodeType):
            found |= _own_attributes(instruction.argval)
        before = instruction.argval if instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF")) else None
    return found


def _name_of(x: Any) -> str:
    return getattr(x, "__name__", type(x).__name__)


@functools.cache
def _is_of_user(module: str | None) -> bool:
    """Whether a module belongs to whoever uses this package: not to Python, to an installed package or to this one."""
    root = (module or "").partition(".")[0]
    if root == "__main__" or root in sys.stdlib_module_names:
        return root == "__main__"  # wherever its file is: a notebook's is that of an installed package
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return root not in OWN and "site-packages" not in file and "dist-packages" not in file
