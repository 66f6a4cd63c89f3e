"""Everything that a function reads besides its arguments: Python's own numbers, lists and attributes, which a trace
freezes.

They are found by looking at the function: at its closure, at the globals and attributes that its code names, and at
what is within them. A program holds as long as all of them are what they were after the trace, or after a later trace
that changed them. Not seen are attributes asked for by `getattr`, what is in slots, context variables, caches, files
and lists of more than 10,000 entries, and what code of other packages reads.
"""

import argparse
import dis
import functools
import inspect
import sys
import threading
import types
import weakref
from array import array
from collections import ChainMap, Counter, UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from ...primitives import TABLE, Primitive
from ...value import Value
from .sights import DICTS, NOWHERE, Kept, Sight, first_changed, first_changed_container, kept, same, updated

LONGEST = 10_000
"""A list of more entries is data, and not compared."""
OWN = ("autograd", "nn")
CALLED = {"forward", "__call__", "batch"}
"""Methods that are called without being named."""
SETS = [0]
"""The count of attributes that were set."""


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


class Watch:
    """All that functions and objects read, as far as it can be seen."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self._roots = roots
        self._sets, self._assumed = SETS[0], list[tuple[Callable[[], Any], Any]]()
        self._names = set[str](CALLED)  # of attributes that the user's code names
        self._own_names = set[str]()  # of attributes that modules of `nn` name
        self._known: dict[int, Any] = {}  # what has been entered, kept so that its identity stays its own
        self._quick: dict[Any, Sight] = {}
        self._lists: dict[Any, Kept] = {}
        self._vectors: dict[Any, Kept] = {}  # lists of Values: long, and hardly ever exchanged
        self._attributes: dict[Any, Sight] = {}  # of objects that count when one is set
        self._objects: list[tuple[Any, str]] = []
        self._entered = set[tuple[int, str]]()
        waiting = [(x, name_of(x)) for x in roots]
        while waiting:
            while waiting:
                waiting.extend(self._enter(*waiting.pop()))
            waiting = [pair for x, name in self._objects for pair in self._members(x, name)]
        for x, name in self._objects:
            self._look_at(x, name)

    def changed(self, quick: bool = False) -> str | None:
        """The name of something that differs from before, if anything does. quick: without looking whether a Value
        within a list of Values was exchanged."""
        if (what := first_changed(self._quick) or first_changed_container(self._lists)) is not None:
            return what
        if self._sets != SETS[0]:
            if (what := first_changed(self._attributes)) is not None:
                return what
            self._sets = SETS[0]
        return None if quick else first_changed_container(self._vectors)

    def holds(self, quick: bool = False) -> bool:
        """Whether all that was read and assumed is still so. quick: see `changed`."""
        for read, answer in self._assumed:
            if read() != answer:
                return False
        return self.changed(quick) is None

    def since(self, before: "Watch", assumed: Iterable[tuple[Callable[[], Any], Any]] = ()) -> "Watch":
        """Begins to watch, after a trace that has assumed this.

        The function itself has changed what differs from a watch of before. Watches of other functions find it changed
        too, but not for ever: functions that share a count of calls, or a log, would have each other traced anew.
        """
        with WATCHING:
            watches = list(WATCHES)
            WATCHES.add(self)
            if len(WRITTEN) > LONGEST:
                WRITTEN.clear()
        for kind in ("_quick", "_attributes", "_lists", "_vectors"):
            now, then = getattr(self, kind), getattr(before, kind)
            for key in [key for key in now.keys() & then.keys() if not same(now[key].found, then[key].found)]:
                WRITTEN[key] += 1
                for watch in watches:
                    if WRITTEN[key] < WRITES and watch._roots is not self._roots:
                        continue
                    known: dict[Any, Any] = getattr(watch, kind)
                    if key in known and isinstance(now[key], Kept):
                        known[key] = updated(then[key], known[key], now[key])
                    elif key in known and same(known[key].found, then[key].found) and type(now[key].found) in PLAIN:
                        known[key] = now[key]
        self._assumed = list(assumed)
        return self

    def _enter(self, x: Any, name: str) -> Iterator[tuple[Any, str]]:
        """The objects to enter next."""
        kind = type(x)
        if kind in PLAIN or id(x) in self._known or isinstance(x, Value):
            return
        self._known[id(x)] = x
        if isinstance(x, types.FunctionType):
            yield from self._function(x, name)
        elif isinstance(x, types.MethodType):
            yield x.__self__, name_of(x.__self__)
            yield x.__func__, name
        elif isinstance(x, Primitive):
            yield from ((f, x.name) for f in (x.forward, *x.partials) if x.module != TABLE)
        elif isinstance(x, functools.partial):
            yield from ((y, name) for y in (x.func, x.args, x.keywords))
        elif isinstance(x, CONTAINERS):
            inside = kept(name, x)
            kinds = {*map(type, inside.found)}
            if sum(len(y) if type(y) is list else 1 for y in inside.found) <= LONGEST:
                if not isinstance(x, tuple | frozenset):
                    (self._vectors if kinds == {Value} else self._lists)[id(x)] = inside
                if kinds != {Value}:
                    yield from ((y, f"{name}[...]") for y in inside.found)
            if kind not in CONTAINERS:
                self._objects.append((x, name))
        elif isinstance(x, UserDict | UserList | ChainMap):
            yield from ((y, name) for y in vars(x).values())
            self._objects.append((x, name))
        elif _has_numbers(x):
            look = bytes if isinstance(x, bytearray) else type(x).tobytes
            if len(found := look(x)) <= 8 * LONGEST:
                self._quick[id(x)] = Sight(f"what is in {name}", functools.partial(look, x), found)
        elif (
            isinstance(x, Watched | types.SimpleNamespace | argparse.Namespace)
            or _is_of_user(_module_of(x))
            or _is_own(x)
        ):
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
            for method, found in list(vars(kind).items()):
                f = _function_of(found)
                if (id(kind), method) in self._entered:
                    continue
                if not isinstance(f, types.FunctionType):
                    if method in self._names and _is_of_user(kind.__module__):
                        self._entered.add((id(kind), method))
                        yield found, f"{name}.{method}"
                elif kind.__module__.partition(".")[0] in OWN:
                    if isinstance(x, Watched) and method != "__init__":
                        self._entered.add((id(kind), method))
                        self._own_names |= _own_attributes(f.__code__)
                    elif method in self._names:  # of a trainer, or a schedule
                        self._entered.add((id(kind), method))
                        self._names |= _named(f.__code__)[1]
                elif _is_of_user(kind.__module__) and (method in self._names or _is_operator(method)):
                    self._entered.add((id(kind), method))
                    yield f, f"{name}.{method}"
        names = self._names_for(x)
        for attribute, found in list(_dict_of(x).items()):
            if attribute in names and (id(x), attribute) not in self._entered:
                self._entered.add((id(x), attribute))
                yield found, f"{name}.{attribute}"

    def _names_for(self, x: Any) -> set[str]:
        """The attributes of an object that are read, as far as code names them."""
        if not isinstance(x, Watched):
            return self._names.difference(CALLED) if _is_own(x) else self._names
        return self._names | self._own_names.difference(x.unwatched)

    def _look_at(self, x: Any, name: str) -> None:
        own, names, counts = _dict_of(x), self._names_for(x), isinstance(x, Watched)
        for attribute in own.keys() & names | (CALLED & names):
            look = functools.partial(own.get, attribute, NOWHERE)
            (self._attributes if counts else self._quick)[id(x), attribute] = Sight(f"{name}.{attribute}", look, look())
        for attribute in names.intersection(*[[y for kind in _classes(x) for y in vars(kind)]]) - own.keys():
            kind = next(kind for kind in _classes(x) if attribute in vars(kind))
            if _is_of_user(kind.__module__):
                look = functools.partial(_of_class, _classes(x), own, attribute)
            elif isinstance(vars(kind)[attribute], property) and attribute in self._names and _is_own(x):
                look = functools.partial(getattr, x, attribute)  # such as an optimizer's lr
            else:
                continue
            self._quick[id(x), attribute] = Sight(f"{name}.{attribute}", look, look())


WRITTEN, WRITES = Counter[Any](), 3
"""The counts of traces that have changed something, by the key of its sight. From WRITES on it is a count or a log."""
WATCHES, WATCHING = weakref.WeakSet[Watch](), threading.Lock()
"""All that are in use, and the lock of that set."""
PLAIN = {int, float, bool, str, bytes, type(None), complex, Value}
CONTAINERS = (list, set, frozenset, tuple, deque, *DICTS)


def _has_numbers(x: Any) -> bool:
    """Whether an object is numbers in one piece of memory: an array."""
    if isinstance(x, array | bytearray | memoryview):
        return True
    return hasattr(type(x), "tobytes") and hasattr(type(x), "dtype") and x.dtype.kind != "O"


def _is_own(x: Any) -> bool:
    """Whether an object is a trainer, an optimizer, or another of this project's, that is no module."""
    return not isinstance(x, type | types.ModuleType) and _module_of(x).partition(".")[0] in OWN


def _dict_of(x: Any) -> dict[str, Any]:
    """The attributes of an object, whatever its class does when it is asked for one."""
    try:
        found: dict[str, Any] = object.__getattribute__(x, "__dict__")
    except AttributeError:
        return {}
    return found


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
    if isinstance(x, staticmethod | classmethod):
        return x.__func__
    if isinstance(x, types.FunctionType):
        return inspect.unwrap(x)
    wraps = isinstance(x, functools.cached_property | functools.partialmethod | functools.singledispatchmethod)
    return x.func if wraps else x


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
        elif type(instruction.argval) is tuple:  # perhaps of a pattern: `case Config(k=k)`
            attributes.update(x for x in instruction.argval if isinstance(x, str))
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


def name_of(x: Any) -> str:
    """The name of a function, or of an object's class."""
    try:
        return str(x.__name__)
    except Exception:  # its class raises what it likes for a name that it has not
        return type(x).__name__


@functools.cache
def _is_of_user(module: str | None) -> bool:
    """Whether a module belongs to whoever uses this package: not to Python, to an installed package or to this one."""
    root = (module or "").partition(".")[0]
    if root == "__main__" or root in sys.stdlib_module_names:
        return root == "__main__"  # wherever its file is: a notebook's is that of an installed package
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return root not in OWN and "site-packages" not in file and "dist-packages" not in file
