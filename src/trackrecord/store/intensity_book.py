"""The agents' intensity rows inside the writer: read once, absorbed in memory, written once per transaction.

Step 7 of 9. A hundred finishes of one agent in one transaction read its 57 columns once and score it once; nobody can
tell, for nothing between them is ever visible. Must never outlive a rollback, or what another connection has written:
`forget` follows each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, cast

from trackrecord import clock, failpoints
from trackrecord.record import intensity
from trackrecord.record.intensity import DeclaredDesign, IntensityRow, IntensitySettings
from trackrecord.store import statements
from trackrecord.store.driver import Connection

MAX_KNOWN: Final = 1000
_figures = cast("Callable[[object], tuple[int | str | None, ...]]", itemgetter(*statements.INTENSITY_FIGURES))

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSums:
    """What is known of an agent.

    Attributes:
        sequence: the last agent_seq given out.
        row: its intensity sums.
    """

    sequence: int
    row: IntensityRow


class IntensityBook:
    """Rows by (tenant, agent), for the writer's thread only."""

    def __init__(self, settings: IntensitySettings) -> None:
        """Score by these settings."""
        self._settings = settings
        self._known: dict[Key, AgentSums] = {}
        self._changed: dict[Key, tuple[AgentSums, DeclaredDesign]] = {}

    def read(self, connection: Connection, key: Key) -> AgentSums:
        """The agent as this transaction sees it; nothing at sequence 0 for an agent that has no row."""
        changed = self._changed.get(key)
        if changed is not None:
            return changed[0]
        return self._known.get(key) or _read(connection, key)

    def change(self, key: Key, sequence: int, row: IntensityRow, design: DeclaredDesign) -> None:
        """Have the row written before the commit. The last thing a unit does: what fails afterwards is not undone."""
        self._changed[key] = (AgentSums(sequence=sequence, row=row), design)

    def complete(self, connection: Connection) -> None:
        """Write every changed row with its score; called right before each commit."""
        self.write(connection)
        self._changed.clear()

    def write(self, connection: Connection) -> None:
        """Write every changed row now, for a unit that must see them; `complete` does it again unless it forgets."""
        for key, (sums, design) in self._changed.items():
            now = clock.stamp(clock.now())
            score = intensity.score(sums.row, design, self._settings)
            columns = intensity.to_columns(sums.row) | intensity.score_columns(score)
            connection.execute(statements.SAVE_INTENSITY, (*key, sums.sequence, *_figures(columns), now))
            failpoints.reach("finish.agent_intensity_metrics")
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = sums

    def forget(self) -> None:
        """Know nothing any more: what was written since the last commit is gone."""
        self._known.clear()
        self._changed.clear()


def _read(connection: Connection, key: Key) -> AgentSums:
    found = connection.execute(statements.SELECT_INTENSITY, key).fetchone()
    if found is None:
        return AgentSums(sequence=0, row=IntensityRow())
    sequence, *figures = found
    row = intensity.from_columns(dict(zip(statements.INTENSITY_FIGURES, figures, strict=True)))
    return AgentSums(sequence=sequence, row=row)
