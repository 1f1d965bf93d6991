"""The settings under which a run goes on, or is run again, from the command line: those it was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from trackrecord.canonical import loads
from trackrecord.cli.inputs import settings_for

if TYPE_CHECKING:
    from trackrecord.config import Settings
    from trackrecord.store.reader import SqliteReader

_GIVEN: Final = """
SELECT version.definition, kept.outcome, given.body, given.sha256 FROM agent_executions run
JOIN agent_versions version ON version.tenant_id = run.tenant_id AND version.agent_id = run.agent_id
    AND version.version = run.agent_version
LEFT JOIN run_payloads given ON given.tenant_id = run.tenant_id AND given.run_id = run.id AND given.kind = 'input'
LEFT JOIN run_checkpoints kept ON kept.tenant_id = run.tenant_id AND kept.run_id = run.id AND kept.path = 'request'
WHERE run.tenant_id = ? AND run.id = ?
"""


def settings_again(reader: SqliteReader, run_id: str, db: str | None) -> Settings:
    """The settings of a run that goes on: one that was given its agent's examples finds their files beside the agent.

    Raises:
        BadSettings: a setting cannot be used.
    """
    from trackrecord.store.kept import inputs_of, request_of

    [row] = reader.rows(_GIVEN, (reader.tenant_id, run_id))
    path = request_of(row["outcome"]).get("path")
    text = inputs_of(row["outcome"], row["body"], row["sha256"])
    definition = cast("Mapping[str, Any]", loads(row["definition"]))
    example = cast("Mapping[str, Any]", definition.get("example_inputs") or {})
    inputs = cast("Mapping[str, Any]", loads(text or "{}"))
    is_example = bool(example) and all(inputs.get(name) == value for name, value in example.items())
    was_given = None if is_example and isinstance(path, str) else inputs
    return settings_for(str(path or Path.cwd()), was_given, db)
