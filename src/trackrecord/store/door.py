"""The door to a store's reading connection: one thread at a time, for several event loops may share the store.

What is read there takes well under a millisecond and never waits for the writer. Must never write.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from trackrecord.store.driver import Connection, Error
from trackrecord.store.sqlite import store_error

T = TypeVar("T")


class Door:
    """Reads on one connection."""

    __slots__ = ("_lock", "_path", "_reader")

    def __init__(self, reader: Connection, path: Path) -> None:
        """`path` is named in errors."""
        self._reader = reader
        self._path = path
        self._lock = Lock()

    def look(self, look: Callable[[Connection], T]) -> T:
        """What is seen on the connection.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            with self._lock:
                return look(self._reader)
        except Error as error:
            raise store_error(error, self._path) from error

    def rows(self, statement: str, bound: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            StoreError: it cannot be read.
        """
        return self.look(lambda reader: reader.execute(statement, bound).fetchall())

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._reader.close()
