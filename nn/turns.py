"""Taking turns: one thread at a time has a trainer, and those who wait have their turn before it is taken again."""

import contextlib
import threading
import time
from collections.abc import Iterator

PAUSE = 0.001
"""The seconds that are left to others who wait."""


class Turns:
    """A lock, which the thread that has it may take again. Copies are locks of their own.

    Ctrl-C may come anywhere: the lock itself is one of C's, within a `with` statement, and so is always given back.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._waiting = set[int]()  # threads; one that was interrupted may be left over, which only costs a pause

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Within the block this thread has its turn."""
        self.ask()
        with self.lock:
            self.begun()
            yield

    def ask(self) -> None:
        """Before the lock is taken. For code that runs for a microsecond `taken` costs too much."""
        if self._waiting:
            time.sleep(PAUSE)
        self._waiting.add(threading.get_ident())

    def begun(self) -> None:
        """Once the lock is taken."""
        self._waiting.discard(threading.get_ident())

    @contextlib.contextmanager
    def given_away(self) -> Iterator[None]:
        """Within the block others may have their turn. The thread has taken it once."""
        self.lock.release()
        try:
            yield
        finally:
            self.ask()
            self.lock.acquire()
            self.begun()

    def pause(self) -> None:
        """Lets those have their turn who wait for it now."""
        if self._waiting:
            with self.given_away():
                pass

    def __reduce__(self) -> tuple[type["Turns"], tuple[()]]:
        return Turns, ()
