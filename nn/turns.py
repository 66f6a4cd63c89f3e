"""Taking turns: one thread at a time has a trainer, and whoever has waited longest comes next."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator


class Turns:
    """A lock for `with`, which the thread that has it may take again. Copies are locks of their own."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        self._waiting = deque[tuple[int, threading.Lock]]()

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return
        with self._guard:
            if self._owner is None:
                self._owner, self._depth = me, 1
                return
            place = me, threading.Lock()
            place[1].acquire()
            self._waiting.append(place)
        try:
            place[1].acquire()  # until it is handed over
        except BaseException:
            with self._guard:
                if place in self._waiting:
                    self._waiting.remove(place)
                else:
                    self._pass_on()
            raise

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth:
            with self._guard:
                self._pass_on()

    def _pass_on(self) -> None:
        self._owner, self._depth = None, 0
        if self._waiting:
            owner, gate = self._waiting.popleft()
            self._owner, self._depth = owner, 1
            gate.release()

    @contextlib.contextmanager
    def given_away(self) -> Iterator[None]:
        """Within the block others may have their turn."""
        depth = self._depth
        with self._guard:
            self._pass_on()
        try:
            yield
        finally:
            self.__enter__()
            self._depth = depth

    def pause(self) -> None:
        """Lets those have their turn who wait for it now."""
        if self._waiting:
            with self.given_away():
                pass

    def __reduce__(self) -> tuple[type["Turns"], tuple[()]]:
        return Turns, ()
