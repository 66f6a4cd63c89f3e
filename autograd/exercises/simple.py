"""The common part of the checks of optimizers, losses and modules: a misconception without an engine, and the search
for the fewest of them."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

MOST = 3
"""The most misconceptions at once that are looked for."""


class Simple(NamedTuple):
    """A misconception: its name, a sentence for a beginner, and a question that leads on."""

    name: str
    message: str
    hint: str


def fewest(things: Sequence[T], fits: Callable[[tuple[T, ...]], bool], most: int = MOST) -> tuple[T, ...] | None:
    """The first and smallest choice of things that fits; None if none does."""
    for count in range(1, most + 1):
        for chosen in itertools.combinations(things, count):
            if fits(chosen):
                return chosen
    return None
