"""Stored definitions loaded again: the version they hash to, the agent they belong to, the design they declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from trackrecord import canonical
from trackrecord.agent import Agent
from trackrecord.errors import BadAgent
from trackrecord.record.design import design_of
from trackrecord.store.differences import named
from trackrecord.store.reader import SqliteReader
from trackrecord.verify.findings import Notebook

_VERSIONS: Final = "SELECT tenant_id, agent_id, version, definition, design FROM agent_versions"
_WITHOUT_VERSION: Final = """
SELECT agent.tenant_id, agent.id, agent.version FROM agents agent
LEFT JOIN agent_versions stored
       ON stored.tenant_id = agent.tenant_id AND stored.agent_id = agent.id AND stored.version = agent.version
WHERE stored.version IS NULL
"""


def check_definitions(reader: SqliteReader, notebook: Notebook) -> None:
    """Every stored version is the hash of its definition, and every agent's present version is stored."""
    for tenant_id, agent_id, version, definition, design in reader.tuples(_VERSIONS):
        notebook.count("definitions")
        row = named(tenant_id, agent_id=agent_id, version=version)
        for complaint in _complaints(tenant_id, agent_id, version, (definition, design)):
            notebook.find("definitions", "agent_versions", row, complaint)
    for tenant_id, agent_id, version in reader.tuples(_WITHOUT_VERSION):
        message = f"the definition of its version {version} is not stored"
        notebook.find("definitions", "agents", named(tenant_id, id=agent_id), message)


def _complaints(tenant_id: str, agent_id: str, version: str, texts: tuple[str, str]) -> Iterator[str]:
    definition, design = texts
    try:
        agent = Agent.from_mapping(cast("Mapping[str, Any]", canonical.loads(definition)), tenant_id=tenant_id)
    except (BadAgent, ValueError) as error:
        yield f"the definition cannot be loaded: {error}"
        return
    if agent.version != version:
        yield f"the definition hashes to {agent.version}"
    if agent.id != agent_id:
        yield f"the definition is that of agent {agent.id}"
    if canonical.dumps(design_of(agent)) != design:
        yield f"the definition declares {canonical.dumps(design_of(agent))}, the stored design is {design}"
