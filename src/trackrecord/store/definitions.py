"""Agents as they are stored, by name: what a run that names another agent is given. Reads only.

Must never see beyond one tenant: an agent of another one looks exactly like one that is not there.
"""

from __future__ import annotations

from typing import Final

from trackrecord.store.door import Door

_PRESENT: Final = """
SELECT definition FROM agents JOIN agent_versions version ON version.tenant_id = agents.tenant_id
    AND version.agent_id = agents.id AND version.version = agents.version
WHERE agents.tenant_id = ?1 AND (agents.name = ?2 OR agents.id = ?2) ORDER BY agents.updated_at DESC LIMIT 2
"""
_VERSION: Final = """
SELECT definition FROM agents JOIN agent_versions version ON version.tenant_id = agents.tenant_id
    AND version.agent_id = agents.id
WHERE agents.tenant_id = ?1 AND (agents.name = ?2 OR agents.id = ?2)
    AND substr(version.version, 1, length(?3)) = ?3 LIMIT 2
"""
_NAMES: Final = "SELECT DISTINCT name FROM agents WHERE tenant_id = ? ORDER BY name LIMIT 1000"


class SqliteDefinitions:
    """Definitions of agents in one database."""

    def __init__(self, door: Door) -> None:
        """Read through `door`."""
        self._door = door

    def find(self, tenant_id: str, name: str, version: str | None) -> list[str]:
        """The definitions that fit, as canonical text, two at most: of the present version, or of one by its beginning.

        Raises:
            StoreError: they cannot be read.
        """
        if version is None:
            return [text for (text,) in self._door.rows(_PRESENT, (tenant_id, name))]
        return [text for (text,) in self._door.rows(_VERSION, (tenant_id, name, version))]

    def names(self, tenant_id: str) -> list[str]:
        """The names of the tenant's agents.

        Raises:
            StoreError: they cannot be read.
        """
        return [name for (name,) in self._door.rows(_NAMES, (tenant_id,))]
