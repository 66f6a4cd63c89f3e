"""Messages between a grader and the process of a submission: numbers, texts, collections of them, and handles of
everything else, as JSON. Nothing that arrives is run."""

import json
import math
import numbers
from collections.abc import Callable
from typing import Any

LARGEST = 16 * 2**20
"""The most bytes of a message."""
MOST_KEYS = 10_000
"""The most keys of a set or a dict."""
COLLECTIONS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
KINDS = {name: kind for kind, name in COLLECTIONS.items()}


def encode(x: Any, refer: Callable[[Any], Any]) -> Any:
    """A value as plain JSON: numbers, texts and collections by value, other things as the number that `refer` gives."""
    if x is None or isinstance(x, bool):
        return x
    if type(x).__module__ == "numpy" and type(x).__name__ in ("bool_", "bool"):
        return bool(x)
    if isinstance(x, slice):
        return {"slice": [encode(v, refer) for v in (x.start, x.stop, x.step)]}
    if hasattr(type(x), "_fields") and isinstance(x, tuple):
        return {"tuple": [encode(v, refer) for v in tuple.__iter__(x)]}
    if isinstance(x, str):
        return str.__str__(x)
    if isinstance(x, numbers.Integral):
        return int(x)
    if isinstance(x, numbers.Real):
        return float(x)
    if type(x) in COLLECTIONS:
        return {COLLECTIONS[type(x)]: [encode(v, refer) for v in x]}
    if type(x) is dict or (isinstance(x, dict) and type(x).__module__ == "collections"):
        return {"dict": [[encode(k, refer), encode(v, refer)] for k, v in dict.items(x)]}
    return {"at": refer(x)}


def decode(x: Any, resolve: Callable[[Any], Any]) -> Any:
    """The value of plain JSON; handles become what `resolve` gives. Raises ValueError for other shapes, TypeError for
    keys that cannot be hashed."""
    if x is None or isinstance(x, bool | int | float | str):
        return x
    if isinstance(x, dict) and len(x) == 1:
        [(kind, inside)] = x.items()
        if kind == "at":
            return resolve(inside)
        if kind in ("set", "frozenset", "dict") and len(inside) > MOST_KEYS:
            raise ValueError(f"more than {MOST_KEYS} keys")  # which may be made to collide
        if kind == "slice" and len(inside) == 3:
            return slice(*(decode(v, resolve) for v in inside))
        if kind in KINDS and isinstance(inside, list):
            return KINDS[kind](decode(v, resolve) for v in inside)
        if kind == "dict" and isinstance(inside, list):
            return {decode(k, resolve): decode(v, resolve) for k, v in inside}
    raise ValueError("a message of an unknown shape")


def pack(message: Any) -> bytes:
    """The bytes of a message. Raises ValueError for one that is too large."""
    data = json.dumps(message).encode("ascii")
    if len(data) > LARGEST:
        raise ValueError(f"more than {LARGEST // 2**20} MB at once")
    return data


def unpack(data: bytes) -> Any:
    """The message of bytes. Raises ValueError for what is none, or is nested too deeply."""
    try:
        return json.loads(
            data, parse_constant=lambda text: {"NaN": math.nan, "Infinity": math.inf}.get(text, -math.inf)
        )
    except RecursionError:
        raise ValueError("a message that is nested too deeply") from None
