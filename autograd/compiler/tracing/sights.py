"""Sights: a place where a function read something, and a comparison with what stands there now."""

import types
from collections import deque
from collections.abc import Callable
from numbers import Number
from typing import Any, NamedTuple

from ...value import Value

NOWHERE = object()
"""In the place of what is not there."""
DICTS = (dict, types.MappingProxyType)
ROWS = (list, tuple)
COMPARED = (Number, str, bytes, list, dict, set, tuple, deque)
"""Types whose objects are compared by `==`; others only by identity."""


class Sight(NamedTuple):
    """Something that was looked at: how to look again, and what was there."""

    name: str
    look: Callable[[], Any]
    found: Any


class Kept(NamedTuple):
    """A container, its entries in order, and their identities. The entries of a dict are its keys, then its values."""

    name: str
    container: Any
    found: list[Any]
    identities: list[int]
    comparable: bool
    """Whether `==` asks for identities too: of a list of layers, or of a layer's rows. That is five times as fast."""


def kept(name: str, container: Any) -> Kept:
    found = entries(container)
    comparable = type(container) is list and _is_compared_by_identity(found)
    return Kept(name, container, found, [*map(id, found)], comparable)


def _is_compared_by_identity(x: Any, depth: int = 4) -> bool:
    """Whether `==` is true of x and another object only if all that is in them is the same."""
    if type(x) in ROWS:
        inner = {*map(type, x)} - {Value}
        return not inner or (depth > 0 and all(_is_compared_by_identity(y, depth - 1) for y in x))
    method: Any = type(x).__eq__
    return method is object.__eq__ or type(x) is Value


def entries(x: Any) -> list[Any]:
    """A copy of the entries of a container, which another thread may be changing."""
    return [*x, *x.values()] if isinstance(x, DICTS) else [*x]


def first_changed(sights: dict[Any, Sight]) -> str | None:
    """The name of the first sight that differs."""
    for name, look, found in sights.values():
        if (now := look()) is not found and not same(now, found):
            return name
    return None


def first_changed_container(known: dict[Any, Kept]) -> str | None:
    """The name of the first container that differs, or of its entry."""
    for name, container, found, identities, comparable in known.values():
        if comparable and container == found:
            continue
        now = entries(container)
        if [*map(id, now)] == identities:
            continue
        if len(now) != len(found):
            return name
        for i, (a, b) in enumerate(zip(now, found, strict=True)):
            if not same(a, b):
                return name if isinstance(container, set) else f"{name}[{_key(container, now, i)}]"
    return None


def _key(container: Any, now: list[Any], i: int) -> str:
    return repr(now[i % (len(now) // 2)]) if isinstance(container, DICTS) else str(i)


def updated(before: Kept, known: Kept, now: Kept) -> Kept:
    """known, with the entries that have changed from before to now; entries of it that differed already stay."""
    if len(known.found) == len(before.found) == len(now.found):
        triples = zip(before.found, known.found, now.found, strict=True)
        found = [c if same(a, b) else b for a, b, c in triples]
    elif len(known.found) == len(before.found) and all(map(same, known.found, before.found)):
        found = now.found
    else:
        return known
    return known._replace(found=found, identities=[*map(id, found)], comparable=False)


def same(a: Any, b: Any) -> bool:
    """Whether two objects are the same number, text or container, to the sign of a zero; or the same object."""
    if a is b:
        return True
    try:
        if type(a) is not type(b) or not isinstance(a, COMPARED):
            return False
        if isinstance(a, list | tuple | deque | dict):
            xs, ys = entries(a), entries(b)
            return len(xs) == len(ys) and all(map(same, xs, ys))
        return bool(a == b) and (not isinstance(a, float) or str(a) == str(b))
    except Exception:  # an object that cannot be compared is another one
        return False
