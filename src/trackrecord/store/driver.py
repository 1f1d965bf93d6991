"""The SQLite driver: pysqlite3, which brings its own SQLite; the system's may be older than a corruption fix.

Owns that choice alone. The standard library's `sqlite3` lends its types, for pysqlite3 has none and the same interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3 as driver
else:
    import pysqlite3.dbapi2 as driver

Connection = driver.Connection
Error = driver.Error

__all__ = ["Connection", "Error", "driver"]
