"""The runs this process holds: their leases are extended from the writer's thread, and `async` journals flushed.

Kept off the event loop, so that a loop that is busy for ten seconds loses no run, while a stopped process loses all.
Must never extend a lease of an epoch that has moved on.
"""

from __future__ import annotations

import time
from typing import Final

from trackrecord.store import statements
from trackrecord.store.driver import Connection
from trackrecord.store.journal import SqliteJournal
from trackrecord.store.protocol import Begun
from trackrecord.store.transactions import lease_end
from trackrecord.store.writer import Unit

BEAT_S: Final = 3.0
FLUSH_S: Final = 0.1


class Leases:
    """What is live: begun runs and their journals.

    Runs are added and removed on the writer's thread or the caller's; both only touch one dictionary entry.
    """

    def __init__(self) -> None:
        """Nothing is held yet."""
        self._held: dict[tuple[str, str], Begun] = {}
        self._journals: dict[tuple[str, str], SqliteJournal] = {}
        self._beat_at = 0.0
        self._flush_at = 0.0

    def hold(self, begun: Begun) -> None:
        """Extend this run's lease from now on."""
        if not self._held:
            self._beat_at = time.monotonic() + BEAT_S
        self._held[begun.tenant_id, begun.run_id] = begun

    @property
    def is_alone(self) -> bool:
        """Whether at most one run is live here: nobody is kept waiting by a commit on the event loop's thread."""
        return len(self._held) <= 1

    def let_go(self, begun: Begun) -> None:
        """Extend it no more, and forget its journal; nothing happens when another epoch is held."""
        key = (begun.tenant_id, begun.run_id)
        held = self._held.get(key)
        if held is not None and held.epoch == begun.epoch:
            self._held.pop(key, None)
        journal = self._journals.get(key)
        if journal is not None and journal.begun.epoch == begun.epoch:
            self._journals.pop(key, None)

    def keep(self, journal: SqliteJournal) -> None:
        """The journal of a run, so that the finish can take what is left in it."""
        self._journals[journal.begun.tenant_id, journal.begun.run_id] = journal

    def journal(self, begun: Begun) -> SqliteJournal | None:
        """The journal of this epoch, if it has one."""
        journal = self._journals.get((begun.tenant_id, begun.run_id))
        return journal if journal is not None and journal.begun.epoch == begun.epoch else None

    def journals(self) -> list[SqliteJournal]:
        """The journals of all live runs."""
        return list(self._journals.values())

    def due(self) -> tuple[list[Unit], float | None]:
        """What the writer must do now of its own accord, and when to ask again."""
        if not self._held and not self._journals:
            return [], None
        now = time.monotonic()
        units: list[Unit] = []
        if now >= self._flush_at:
            self._flush_at = now + FLUSH_S
            units += [journal.unit() for journal in self.journals() if journal.is_due]
        if self._held and now >= self._beat_at:
            self._beat_at = now + BEAT_S
            units.append(Unit(self._beat))
        return units, FLUSH_S

    def _beat(self, connection: Connection) -> None:
        until = lease_end()
        held = list(self._held.values())
        connection.executemany(
            statements.EXTEND_LEASE, [(until, begun.tenant_id, begun.run_id, begun.epoch) for begun in held]
        )
