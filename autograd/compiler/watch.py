"""What a function reads besides its arguments: Python's own numbers, lists and attributes, which a trace freezes.

They are found by looking at the function: at its closure, at the globals and attributes that its code names, and at
what is within them. A program holds as long as all of them are what they were. What the function itself changes while
it is traced, such as a list of calls, is none of its inputs. Not seen are attributes asked for by `getattr`, what is in
slots, in properties, in files and in lists of more than 10,000 entries, and what code of other packages reads.
"""

import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from ..primitives import TABLE, Primitive
from ..value import Value

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
    """A list, dict or set, and a copy of what was in it."""

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
            yield from ((y, name) for y in (x.func, *x.args, *x.keywords.values()))
        elif isinstance(x, list | dict | set | tuple):
            if len(x) <= LONGEST:
                entries = x.values() if isinstance(x, dict) else x
                only_values = {*map(type, entries)} == {Value}
                if not isinstance(x, tuple):
                    kept = Kept(f"what is in {name}", x, x.copy())
                    (self._vectors if only_values else self._lists)[id(x)] = kept
                if not only_values:
                    yield from ((y, f"{name}[...]") for y in entries)
        elif hasattr(x, "tobytes") and hasattr(x, "dtype"):
            if x.size <= LONGEST and x.dtype.kind != "O":
                self._quick[id(x)] = Sight(f"what is in {name}", x.tobytes, x.tobytes())
        elif isinstance(x, Watched | types.SimpleNamespace) or _is_of_user(
            (x if isinstance(x, type) else kind).__module__
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
        yield from ((x, name) for x in (f.__defaults__, f.__kwdefaults__, getattr(f, "__wrapped__", None)))
        names = {*_names(f.__code__)}
        self._names |= names
        for variable in names & f.__globals__.keys():
            yield from self._item(f.__globals__, variable, variable)
            if isinstance(module := f.__globals__[variable], types.ModuleType) and _is_of_user(module.__name__):
                for inner in names & vars(module).keys():
                    yield from self._item(vars(module), inner, f"{variable}.{inner}")

    def _item(self, names: dict[str, Any], variable: str, name: str) -> Iterator[tuple[Any, str]]:
        found = names[variable]
        self._quick[id(names), variable] = Sight(name, functools.partial(names.get, variable, NOWHERE), found)
        yield found, name

    def _members(self, x: Any, name: str) -> Iterator[tuple[Any, str]]:
        """The methods and attributes of an object that any code names, but those that have been entered."""
        for kind in type(x).__mro__:
            for method, f in vars(kind).items():
                if isinstance(f, types.FunctionType) and (id(kind), method) not in self._entered:
                    if kind.__module__.partition(".")[0] in OWN and method != "__init__":
                        self._entered.add((id(kind), method))
                        self._names |= {*_names(f.__code__)}
                    elif method in self._names and _is_of_user(kind.__module__):
                        self._entered.add((id(kind), method))
                        yield f, f"{name}.{method}"
        left_out = getattr(x, "unwatched", ())
        for attribute, found in getattr(x, "__dict__", {}).items():
            if attribute in self._names and attribute not in left_out and (id(x), attribute) not in self._entered:
                self._entered.add((id(x), attribute))
                yield found, f"{name}.{attribute}"

    def _look_at(self, x: Any, name: str) -> None:
        own, counts = getattr(x, "__dict__", {}), isinstance(x, Watched)
        left_out = {*getattr(x, "unwatched", ())}
        for attribute in (own.keys() & self._names) - left_out | CALLED:
            look = functools.partial(own.get, attribute, NOWHERE)
            (self._attributes if counts else self._quick)[id(x), attribute] = Sight(f"{name}.{attribute}", look, look())
        kinds = [kind for kind in type(x).__mro__ if _is_of_user(kind.__module__)]
        for attribute in self._names.intersection(*[[y for kind in kinds for y in vars(kind)]]) - own.keys() - left_out:
            look = functools.partial(_of_class, type(x), own, attribute)
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
            return name
        return name
    return None


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        return (
            type(a) is type(b) and type(a) in COMPARED and bool(a == b) and (type(a) is not float or str(a) == str(b))
        )
    except Exception:  # an entry that cannot be compared is another one
        return False


COMPARED = {int, float, bool, str, bytes, complex, list, dict, set, tuple}


def _of_class(kind: type, own: dict[str, Any], attribute: str) -> Any:
    """An attribute that the object itself has not: its class's, unless that is computed."""
    if attribute in own:
        return own[attribute]
    return next((vars(k)[attribute] for k in kind.__mro__ if attribute in vars(k)), NOWHERE)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return NOWHERE


def _names(code: types.CodeType) -> Iterator[str]:
    """The globals and attributes that code names, and the functions within it."""
    yield from code.co_names
    for x in code.co_consts:
        if isinstance(x, types.CodeType):
            yield from _names(x)


def _name_of(x: Any) -> str:
    return getattr(x, "__name__", type(x).__name__)


@functools.cache
def _is_of_user(module: str | None) -> bool:
    """Whether a module belongs to whoever uses this package: not to Python, to an installed package or to this one."""
    root = (module or "").partition(".")[0]
    if root in sys.stdlib_module_names:
        return root == "__main__"
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return root not in OWN and "site-packages" not in file and "dist-packages" not in file
