"""Ctrl-C that waits until what belongs together is done."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Held:
    """Ctrl-C that is held back, and comes where it may."""

    def __init__(self, before: Callable[..., Any] | None) -> None:
        self.before = before
        self._caught: list[Any] = []

    def catch(self, *call: Any) -> None:
        self._caught.append(call)

    def come(self) -> None:
        """Does now what a Ctrl-C would have done since."""
        if self._caught and self.before is not None:
            call = self._caught[-1]
            self._caught.clear()
            self.before(*call)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Within the block Ctrl-C comes at once."""
        self.come()
        if self.before is None:
            yield
            return
        held = signal.signal(signal.SIGINT, self.before)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, held)


@contextlib.contextmanager
def held() -> Iterator[Held]:
    """Within the block Ctrl-C waits until the code says that it may come. One that is left at the end is dropped.
    Other threads than the main one never get it."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield Held(None)
        return
    hold = Held(before)
    signal.signal(signal.SIGINT, hold.catch)
    try:
        yield hold
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Within the block Ctrl-C waits until its end, and is then handled as before."""
    with held() as hold:
        try:
            yield
        finally:
            hold.come()
