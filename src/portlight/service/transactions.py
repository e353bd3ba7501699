"""Running a unit of work: in one transaction, announced when it is kept."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

from portlight.core.errors import ConflictError
from portlight.service import quotas
from portlight.service.caller import Caller
from portlight.service.ids import IdSource
from portlight.service.work import View, Work
from portlight.store.protocol import AlreadyExistsError, Reading, Store
from portlight.values.ids import HostName

ATTEMPTS = 3

R = TypeVar("R")


class Transactions:
    """The transaction boundary: every use case runs in exactly one. Thread-safe."""

    def __init__(
        self, *, store: Store, ids: IdSource, clock: Callable[[], float], host: HostName
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._host = host
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._noticed = 0

    @property
    def is_near(self) -> bool:
        """Whether a read of a few rows waits for no other process and no network."""
        return self._store.is_near

    def read(self) -> AbstractContextManager[Reading]:
        """Begin a read transaction."""
        return self._store.reading()

    def view(self, caller: Caller, use: Callable[[View], R]) -> R:
        """Return what a reading use case says."""
        with self._store.reading() as tx:
            return use(View(tx=tx, caller=caller))

    def run(
        self,
        caller: Caller,
        use: Callable[[Work], R],
        *,
        now: float | None = None,
        wakes: bool = True,
    ) -> R:
        """Return what a writing use case says, once it is kept; then wake those who wait."""
        moment = self._clock() if now is None else now
        for _ in range(ATTEMPTS - 1):
            # A random identifier that is taken: another one will do.
            with suppress(AlreadyExistsError):
                return self._finish(self._once(caller, use, moment), wakes=wakes)
        try:
            return self._finish(self._once(caller, use, moment), wakes=wakes)
        except AlreadyExistsError as error:
            raise ConflictError(f"The request lost against another one: {error}") from error

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back (from any thread) after every kept change; return how to stop that."""
        with self._lock:
            self._callbacks.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return unsubscribe

    def announce(self) -> None:
        """Wake those who wait for changes."""
        with self._lock:
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback()

    def notice(self) -> None:
        """Wake those who wait if any process has committed a change since the last call."""
        with self._store.reading() as tx:
            _, newest = tx.sequence_span()
        if newest != self._noticed:
            self._noticed = newest
            self.announce()

    def _finish(self, result: R, *, wakes: bool) -> R:
        if wakes:
            self.announce()
        return result

    def _once(self, caller: Caller, use: Callable[[Work], R], now: float) -> R:
        with self._store.writing() as tx:
            work = Work(tx=tx, caller=caller, ids=self._ids, now=now, host=self._host)
            result = use(work)
            quotas.check(work)
            return result
