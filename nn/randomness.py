"""Randomness as an argument: `rng` for initial weights and data, and counters for what is drawn while training.

A dropout mask is a pure function of (seed, step, example, unit): whoever trains the same step of the same example
draws the same mask, whether eagerly, again, or on another machine.
"""

import contextlib
import random
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from autograd.compiler import ask, is_symbolic

Rng = random.Random | int | None
MASK = 2**64 - 1


def as_rng(rng: Rng) -> Any:
    """A source of random numbers: `rng` itself, one seeded with an int, or for None the module `random`. Raises
    TypeError for anything else.
    """
    if rng is None:
        return random
    if hasattr(rng, "__index__"):
        return random.Random(rng.__index__())
    if not hasattr(rng, "getrandbits"):
        raise TypeError(f"rng expected a random.Random, a seed or None, got {rng!r}")
    return rng


def counter_uniform(*counters: int) -> float:
    """A number in [0, 1) that looks random and depends on the whole numbers alone: each is added to a 64-bit state,
    which is then mixed by SplitMix64's finalizer (Steele, Lea and Flood 2014)."""
    z = 0
    for counter in counters:
        z = (z + counter + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
    return (z >> 11) * 2.0**-53


class Draws:
    """The counters of one training step: which example is computed, and how many units have been drawn for it."""

    def __init__(self, step: int = 0) -> None:
        self.step = step
        self.example = 0
        self.drawn: dict[tuple[int, int], int] = {}
        self._counting = False

    def uniform(self, seed: int) -> Any:
        """The next number in [0, 1) of this seed in this example; where a graph is recorded for any numbers, a Value
        that stands for it."""
        unit = self.drawn.get((seed, self.example), 0)
        symbolic = is_symbolic()
        found = ask(("uniform", seed, unit)) if symbolic else counter_uniform(seed, self.step, self.example, unit)
        self.drawn[seed, self.example] = unit + 1
        return found

    def each(self, examples: Iterable[Any]) -> Iterator[Any]:
        """The examples of a batch one by one, counting which it is; a batch within an example counts as that one."""
        if self._counting:
            yield from examples
            return
        self._counting = True
        try:
            for self.example, x in enumerate(examples):
                yield x
        finally:
            self.example, self._counting = 0, False

    def copy(self) -> "Draws":
        """The same counters, to draw the same numbers again."""
        twin = Draws(self.step)
        twin.example, twin.drawn, twin._counting = self.example, dict(self.drawn), self._counting
        return twin


_current: ContextVar[Draws] = ContextVar("draws", default=Draws())  # noqa: B039 (outside of training, one for all)


def draws() -> Draws:
    """The counters that hold now; outside of a training step they count on, so that each call draws anew."""
    return _current.get()


@contextlib.contextmanager
def drawing(counters: Draws) -> Iterator[Draws]:
    """Within the block `draws()` are these."""
    token = _current.set(counters)
    try:
        yield counters
    finally:
        _current.reset(token)
