"""The common part of the checks of optimizers, losses and modules: a misconception without an engine, and the search
for the fewest of them."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

MOST = 3
"""The most misconceptions at once that are looked for."""


class Simple(NamedTuple):
    """A misconception: its name, a sentence for a beginner, and a question that leads on."""

    name: str
    message: str
    hint: str


def fewest(names: Sequence[str], fits: Callable[[tuple[str, ...]], bool], most: int = MOST) -> tuple[str, ...] | None:
    """The first and smallest choice of names that fits; None if none does."""
    for count in range(1, most + 1):
        for chosen in itertools.combinations(names, count):
            if fits(chosen):
                return chosen
    return None
