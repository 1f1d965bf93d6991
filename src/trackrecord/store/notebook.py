"""What the writer knows from one transaction to the next, so that it need not look again. For the writer's thread only.

All of it holds only while nobody else writes: SQLite's `data_version` says so, inside the transaction in which nobody
else can. Must never know what a rollback took away.
"""

from __future__ import annotations

from typing import Final

from trackrecord.record.intensity import IntensitySettings
from trackrecord.store.driver import Connection
from trackrecord.store.intensity_book import IntensityBook
from trackrecord.store.protocol import AgentVersion

MAX_KNOWN: Final = 1000


class Notebook:
    """Implements the writer's `Notebook`.

    Attributes:
        intensity: the agents' intensity rows.
    """

    def __init__(self, settings: IntensitySettings) -> None:
        """Know nothing yet."""
        self.intensity = IntensityBook(settings)
        self._agents: dict[tuple[str, str], AgentVersion] = {}
        self._accountless: set[tuple[str, str]] = set()
        self._data_version: int | None = None

    def holds(self, agent: AgentVersion) -> bool:
        """Whether the agent's row and this version of it are stored just so."""
        return self._agents.get((agent.tenant_id, agent.agent_id)) == agent

    def stored(self, agent: AgentVersion) -> None:
        """Know that they are, as soon as this transaction is committed."""
        if len(self._agents) >= MAX_KNOWN:
            self._agents.clear()
        self._agents[agent.tenant_id, agent.agent_id] = agent

    def lacks_account(self, tenant_id: str, user_id: str) -> bool:
        """Whether this user is known to have no credit account; False when nobody has looked."""
        return (tenant_id, user_id) in self._accountless

    def found_no_account(self, tenant_id: str, user_id: str) -> None:
        """Know that this user has no credit account."""
        if len(self._accountless) >= MAX_KNOWN:
            self._accountless.clear()
        self._accountless.add((tenant_id, user_id))

    def opened_account(self, tenant_id: str, user_id: str) -> None:
        """Know it no more: this transaction opens one. Should it be undone, somebody looks once more."""
        self._accountless.discard((tenant_id, user_id))

    def begin(self, connection: Connection) -> None:
        """Forget everything when another connection has written since."""
        self.look(connection)

    def look(self, connection: Connection) -> None:
        """The same between two transactions."""
        (data_version,) = connection.execute("PRAGMA data_version").fetchone()
        if data_version != self._data_version:
            self._data_version = data_version
            self.forget()

    def undone(self) -> None:
        """An agent may have been stored by what is gone now."""
        self._agents.clear()

    def complete(self, connection: Connection) -> None:
        """Write the intensity rows that have changed."""
        self.intensity.complete(connection)

    def forget(self) -> None:
        """Know nothing any more."""
        self._agents.clear()
        self._accountless.clear()
        self.intensity.forget()
