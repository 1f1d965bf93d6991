"""The footprint of a run: everything it left in a database, beside what its own spans say it must have left.

Reads only. What a run added to the sums is row after less row before when it ran alone on a copy of the database; of a
run among others it can only be recomputed from its spans, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from trackrecord.canonical import Json, clean, loads
from trackrecord.errors import BadInput, StoreUnusable
from trackrecord.record.intensity import DeclaredDesign, from_columns
from trackrecord.record.record import TERMINAL, Record
from trackrecord.record.recount import recount
from trackrecord.record.rows import execution_data
from trackrecord.record.spans import Span
from trackrecord.store.reader import SqliteReader

Row = Mapping[str, Any]

NO_DESIGN: Final = DeclaredDesign()
PAYLOAD_KINDS: Final = ("input", "output")
PAYLOAD_FIGURES: Final = ("sha256", "size", "was_truncated")

# the column in which a public field is stored; the others stand in the JSON of the logs
_DATA_COLUMNS: Final = {
    "agent_id": "agent_id",
    "user_id": "user_id",
    "tokens_used": "tokens_used",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "execution_duration_ms": "execution_duration_ms",
    "iterations_count": "iterations_count",
    "retry_count": "retry_count",
    "tool_calls_count": "tool_calls_count",
    "tool_orchestration_time_ms": "tool_orchestration_time_ms",
    "workflow_steps": "declared_steps",
    "conditional_branches": "declared_branches",
    "loop_iterations": "declared_loops",
    "parallel_executions": "declared_parallel",
    "memory_tokens": "memory_tokens",
    "memory_entry_count": "memory_entry_count",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the sums of an agent and its user stood at one moment; None where there was no row yet."""

    stats: Row | None = None
    intensity: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """All that one run left.

    Attributes:
        execution: its row of `agent_executions`.
        log: its row of `agent_logs`; None when there is none.
        logs, run_output, full_output: the JSON of the record, parsed; None when it is not there.
        execution_data: the 19 public fields as stored, by name.
        spans: its spans, in path order.
        payloads: hash, size and whether it was cut, of its input and output, by kind; a kind it left none of is not in.
        design: what its agent version declares.
        recounted: the record its spans add up to.
        before, after: the agent's sums around the run; `after` is None when the run did not run alone, and what it
            added is then recomputed from its spans.
    """

    execution: Row
    log: Row | None
    logs: Json
    run_output: Json
    full_output: Json
    execution_data: Mapping[str, Json]
    spans: tuple[Span, ...]
    payloads: Mapping[str, Mapping[str, Json]]
    design: DeclaredDesign
    recounted: Record
    before: Standing = Standing()
    after: Standing | None = None

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return str(self.execution["id"])

    @property
    def engine(self) -> str:
        """Name of the engine that carried it out."""
        return str(self.execution["engine"])

    @property
    def is_recomputed(self) -> bool:
        """Whether what it added to the sums was recomputed from its spans, not measured around the run."""
        return self.after is None


def standing(reader: SqliteReader, agent_id: str, user_id: str) -> Standing:
    """How the sums of an agent and a user stand now.

    Raises:
        StoreUnusable: the intensity row holds what no run would have written.
    """
    stats = [row for row in reader.stats(agent_id) if row["user_id"] == user_id]
    row = reader.intensity(agent_id)
    try:
        _ = row and from_columns(row)
    except (KeyError, ValueError) as error:
        raise StoreUnusable(
            f"the sums of agent {agent_id} cannot be read: {error}", cure="`trackrecord rebuild` makes them anew."
        ) from error
    return Standing(stats=stats[0] if stats else None, intensity=row)


def footprint(reader: SqliteReader, run: str, *, before: Standing | None = None) -> Footprint:
    """What a run left.

    Args:
        reader: of the database it ran in.
        run: its id, the beginning of its id, or `last`.
        before: the sums before it, when it ran alone in this database; None recomputes what it added.

    Raises:
        UnknownRun: there is none, or the beginning fits more than one.
        BadInput: it has not ended. StoreUnusable: a row of it holds what no run would have written.
    """
    with reader.snapshot():
        execution = reader.execution(run)
        run_id = str(execution["id"])
        if execution["status"] not in TERMINAL:
            raise BadInput(
                f"run {run_id} is {execution['status']}; only a run that has ended has a record",
                cure="Wait for its end, or take another run.",
            )
        try:
            return assemble(
                execution,
                reader.log(run_id),
                reader.spans(run_id),
                design=_design(reader, execution),
                payloads=_payloads(reader, run_id),
                before=before,
                after=None if before is None else standing(reader, execution["agent_id"], execution["user_id"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise StoreUnusable(
                f"the rows of run {run_id} cannot be read: {error}", cure="`trackrecord verify` names what is wrong."
            ) from error


def assemble(
    execution: Row,
    log: Row | None,
    spans: Sequence[Span],
    *,
    design: DeclaredDesign = NO_DESIGN,
    payloads: Mapping[str, Mapping[str, Json]] | None = None,
    before: Standing | None = None,
    after: Standing | None = None,
) -> Footprint:
    """The footprint of rows that have been read already; arguments as the attributes of `Footprint`.

    Raises:
        KeyError, ValueError, TypeError: a row holds what no run would have written.
    """
    logs = _parsed(execution["logs"])
    return Footprint(
        execution=execution,
        log=log,
        logs=logs,
        run_output=None if log is None else _parsed(log["run_output"]),
        full_output=None if log is None else _parsed(log["full_output"]),
        execution_data=_execution_data(execution, logs),
        spans=tuple(spans),
        payloads=payloads or {},
        design=design,
        recounted=recount(execution, spans, design),
        before=before or Standing(),
        after=after,
    )


def public_fields(record: Record) -> dict[str, Json]:
    """The 19 public fields of a record, by name."""
    return cast("dict[str, Json]", clean(asdict(execution_data(record))))


def _execution_data(execution: Row, logs: Json) -> dict[str, Json]:
    """The 19 fields as stored; those that stand in no column are read from the logs."""
    data: dict[str, Json] = {name: execution[column] for name, column in _DATA_COLUMNS.items()}
    data["was_successful"] = execution["status"] == "completed"
    said = logs if isinstance(logs, dict) else {}
    memory = said.get("memory")
    data["memory_types"] = memory.get("types") if isinstance(memory, dict) else None
    data["plugins_used"] = said.get("pluginsUsed")
    return data


def _payloads(reader: SqliteReader, run_id: str) -> dict[str, dict[str, Json]]:
    rows = {kind: reader.payload(run_id, kind) for kind in PAYLOAD_KINDS}
    return {kind: {name: row[name] for name in PAYLOAD_FIGURES} for kind, row in rows.items() if row is not None}


def _design(reader: SqliteReader, execution: Row) -> DeclaredDesign:
    key = (execution["tenant_id"], execution["agent_id"], execution["agent_version"])
    found = reader.rows("SELECT design FROM agent_versions WHERE tenant_id = ? AND agent_id = ? AND version = ?", key)
    return DeclaredDesign(**cast("dict[str, Any]", loads(str(found[0]["design"])))) if found else DeclaredDesign()


def _parsed(text: object) -> Json:
    """The value of stored JSON; what is no JSON stays text, and will be found to differ."""
    if text is None:
        return None
    try:
        return loads(str(text))
    except ValueError:
        return str(text)
