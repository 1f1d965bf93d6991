"""The write-ahead log is copied back into the database beside the writer, so that no commit waits for it.

A thread of its own with a connection of its own. Copying syncs the log and the database and takes tens of milliseconds;
left to the writer, every hundredth run would pay for the others. Must never keep a commit waiting while it copies more
than what was committed during a copy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from trackrecord.store.driver import Connection, Error

LOOK_EVERY: Final = 32  # commits
WORTH_PAGES: Final = 1_000  # 4 MiB: what is copied at once, so that pages written often are copied once


class WalKeeper:
    """Copies what committed transactions have left in the log; its thread starts with the first need."""

    def __init__(self, connect: Callable[[], Connection], turn: threading.Lock) -> None:
        """Nothing is done yet; `connect` gives a connection of its own, and who holds `turn` may write."""
        self._connect = connect
        self._turn = turn
        self._commits = 0
        self._wanted = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def committed(self) -> None:
        """Note one commit; called by the writer, and cheap."""
        self._commits += 1
        if self._commits % LOOK_EVERY == 0:
            if self._thread is None:
                self._start()
            self._wanted.set()

    def close(self) -> None:
        """End the thread; what is left in the log is copied when the last connection closes."""
        self._is_closed = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        thread = threading.Thread(target=self._keep, name="trackrecord-wal", daemon=True)
        with suppress(RuntimeError):  # there may be no more threads: the commit stands, and the next wish tries again
            thread.start()
            self._thread = thread

    def _keep(self) -> None:
        try:
            connection = self._connect()
        except Error:
            return  # the writer's own copying, far behind ours, keeps the log from growing for ever
        try:
            while True:
                self._wanted.wait()
                self._wanted.clear()  # before looking: what is wanted from here on, an end too, wakes it again
                if self._is_closed:
                    return
                self._copy(connection)
        finally:
            connection.close()

    def _copy(self, connection: Connection) -> None:
        try:
            _, in_log, copied = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
            if in_log - copied < WORTH_PAGES:
                return
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            with self._turn:  # the few pages that came meanwhile: only a log that is copied whole begins anew
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except Error:
            return  # a full or failing disk: whatever could not be copied stays in the log, and the next commit says so
