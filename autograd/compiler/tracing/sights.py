"""Sights: a place where a function read something, and a comparison with what stands there now."""

import math
import types
from collections import deque
from collections.abc import Callable, Iterable
from numbers import Number
from typing import Any, NamedTuple

NOWHERE = object()
"""In the place of what is not there."""
DICTS = (dict, types.MappingProxyType)


class Sight(NamedTuple):
    """Something that was looked at: how to look again, and what was there."""

    name: str
    look: Callable[[], Any]
    found: Any


class Kept(NamedTuple):
    """A list, dict or set, a plain copy of its entries, and the signs of the zeros among them."""

    name: str
    container: Any
    found: Any
    zeros: list[float]


def copied(x: Any) -> Any:
    """A plain copy that equals a container, whatever its class does when it is copied."""
    kind = next(kind for kind in (list, set, deque, dict) if isinstance(x, kind) or kind is dict)
    return kind(x)


def entries(x: Any) -> Iterable[Any]:
    """The entries of a container, of a dict its values."""
    return x.values() if isinstance(x, DICTS) else x


def signs_of_zeros(entries: Iterable[Any]) -> list[float]:
    """The signs of the zeros among numbers, and in tuples of them."""
    found = []
    for x in entries:
        if type(x) is float and x == 0.0:
            found.append(math.copysign(1.0, x))
        elif type(x) is tuple:
            found += signs_of_zeros(x)
    return found


def updated(kept: Kept, before: Any, now: Any) -> Kept:
    """With the entries that have changed from before to now."""
    found = kept.found
    if isinstance(now, dict) and isinstance(found, dict):
        found = found | {key: x for key, x in now.items() if not same(x, before.get(key, NOWHERE))}
        found = {key: x for key, x in found.items() if key in now or key not in before}
    elif isinstance(now, list) and len(now) == len(before) == len(found):
        found = [z if same(x, y) else x for x, y, z in zip(now, before, found, strict=True)]
    else:
        found = copied(now)
    return kept._replace(found=found, zeros=signs_of_zeros(entries(found)))


def first(sights: dict[Any, Sight]) -> str | None:
    for name, look, found in sights.values():
        if (now := look()) is not found and not same(now, found):
            return name
    return None


def first_changed(kept: dict[Any, Kept]) -> str | None:
    for name, container, found, zeros in kept.values():
        try:
            if container == found and (not zeros or signs_of_zeros(entries(container)) == zeros):
                continue  # entries that are the same object are not compared any further
        except Exception:  # an entry that cannot be compared is another one
            pass
        return _entry_changed(name, container, found)
    return None


def _entry_changed(name: str, now: Any, before: Any) -> str:
    """The name of the first entry that differs, or of all if entries were added or removed."""
    if len(now) == len(before) and not isinstance(now, set):
        pairs = now.items() if isinstance(now, DICTS) else enumerate(now)
        for key, x in pairs:
            if not same(x, before.get(key, NOWHERE) if isinstance(before, dict) else before[key]):
                return f"{name}[{key!r}]"
    return name


def same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        alike = type(a) is type(b) and isinstance(a, COMPARED) and bool(a == b)
        if isinstance(a, float):
            return alike and str(a) == str(b)
        return alike and (not isinstance(a, tuple | list) or signs_of_zeros(a) == signs_of_zeros(b))
    except Exception:  # an entry that cannot be compared is another one
        return False


COMPARED = (Number, str, bytes, list, dict, set, tuple, deque)
