"""Everything the database holds of one run, read in one consistent state; for `show`, `run --json` and `demo`.

Reads only. What it gives as JSON is the whole record under the tables' own column names, so that it stays stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from trackrecord.canonical import Json, clean, loads
from trackrecord.record.spans import Span
from trackrecord.store import approval_statements
from trackrecord.store.asked import StoredQuestion, question
from trackrecord.store.family import Family, family
from trackrecord.store.reader import Row, SqliteReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """What a retry or a fork has of its origin.

    Attributes:
        effects: calls and waits that it took over and did not do again.
        beginning: the step or turn it began at; None when it began where its origin had ended.
    """

    effects: int
    beginning: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """What one run has left so far.

    Attributes:
        execution: its row of `agent_executions`.
        logs: the JSON of its logs; of a run that has not ended, made from its spans so far.
        log: its row of `agent_logs`; None while it has not ended.
        spans: its spans in path order.
        input, output: its payload rows; None when there was none.
        memories: what it left for later runs: its summary, and what it remembered.
        feedback: what people said of it, the newest first.
        adjustments: what was added to it after it had ended.
        questions: what it asked of people, open and decided, the oldest first.
        credits: entries of the credit ledger about it, the oldest first; none when its user had no account.
        family: its child runs, and what it used with them; None when it has none.
        has_ended: whether the record is complete.
        reused: what a retry or a fork took over, and where it began; None for any other, and once that is not kept.
    """

    execution: Row
    logs: Mapping[str, Json]
    log: Row | None
    spans: tuple[Span, ...]
    input: Row | None
    output: Row | None
    memories: tuple[Row, ...]
    feedback: tuple[Row, ...]
    adjustments: tuple[Row, ...]
    questions: tuple[StoredQuestion, ...]
    credits: tuple[Row, ...]
    family: Family | None
    has_ended: bool
    reused: Reused | None = None

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return str(self.execution["id"])

    @property
    def answer(self) -> Json:
        """The answer as it was kept; None when there was none or it was not kept whole."""
        return payload_value(self.output)

    def to_json(self) -> dict[str, Json]:
        """The whole record; times are stamps, unknown figures null, money nano-dollars."""
        return {
            "run": {**_plain(self.execution), "logs": cast("Json", dict(self.logs))},
            "log": None if self.log is None else _log_json(self.log),
            "input": _payload_json(self.input),
            "output": _payload_json(self.output),
            "answer": self.answer,
            "spans": [clean(span) for span in self.spans],
            "memories": [_plain(row) for row in self.memories],
            "feedback": [_plain(row) for row in self.feedback],
            "adjustments": [_plain(row) | {"deltas": _parsed(row["deltas"])} for row in self.adjustments],
            "approvals": [clean(one) for one in self.questions],
            "credits": [_plain(row) for row in self.credits],
            "reused": None if self.reused is None else clean(self.reused),
            "children": [] if self.family is None else [_plain(row) for row in self.family.children],
            "inclusive": None if self.family is None else self.family.totals.to_json(),
        }


def read_run(reader: SqliteReader, run: str) -> StoredRun:
    """The run of an id, the beginning of an id, or `last`.

    Raises:
        UnknownRun: there is none, or the beginning fits more than one.
    """
    with reader.snapshot():
        execution = reader.execution(run)
        run_id = str(execution["id"])
        key = (reader.tenant_id, run_id)
        spans = reader.spans(run_id)
        has_ended = execution["completed_at"] is not None
        return StoredRun(
            execution=execution,
            logs=_object(execution["logs"]) if has_ended else _logs_so_far(reader, execution, spans),
            log=reader.log(run_id),
            spans=spans,
            input=reader.payload(run_id, "input"),
            output=reader.payload(run_id, "output"),
            memories=tuple(
                row
                for table in ("run_memories", "user_memories")
                for row in reader.rows(f"SELECT * FROM {table} WHERE tenant_id = ? AND run_id = ? ORDER BY id", key)  # noqa: S608  # names are ours
            ),
            feedback=tuple(
                reader.rows("SELECT * FROM run_feedback WHERE tenant_id = ? AND run_id = ? ORDER BY seq DESC", key)
            ),
            adjustments=tuple(
                reader.rows("SELECT * FROM run_adjustments WHERE tenant_id = ? AND run_id = ? ORDER BY seq", key)
            ),
            questions=tuple(map(question, reader.tuples(approval_statements.SELECT_QUESTIONS, key))),
            credits=tuple(
                reader.rows("SELECT * FROM credit_entries WHERE tenant_id = ? AND run_id = ? ORDER BY id", key)
            ),
            family=family(reader, run_id),
            has_ended=has_ended,
            reused=_reused(reader, key) if execution["origin_run_id"] else None,
        )


def execution_json(row: Row) -> dict[str, Json]:
    """A row of `agent_executions` with its logs as JSON instead of text."""
    return _plain(row) | {"logs": _parsed(row["logs"])}


def payload_value(row: Row | None) -> Json:
    """The value of a payload; None when it was not kept, or not kept whole."""
    if row is None or row["body"] is None or row["was_truncated"]:
        return None
    return _parsed(row["body"])


def _reused(reader: SqliteReader, key: tuple[str, str]) -> Reused | None:
    counts = reader.rows(
        "SELECT count(DISTINCT CASE WHEN kind <> 'request' THEN path END) AS effects, "
        "max(CASE WHEN kind = 'request' THEN outcome END) AS request "
        "FROM run_checkpoints WHERE tenant_id = ? AND run_id = ? AND epoch = 0",
        key,
    )[0]
    if counts["request"] is None:
        return None
    asked = _object(counts["request"]).get("value")
    beginning = asked.get("beginning") if isinstance(asked, dict) else None
    return Reused(effects=int(counts["effects"]), beginning=None if beginning is None else str(beginning))


def _logs_so_far(reader: SqliteReader, execution: Row, spans: tuple[Span, ...]) -> dict[str, Json]:
    from trackrecord.record.intensity import DeclaredDesign  # the fold: only a run that has not ended needs it
    from trackrecord.record.recount import recount
    from trackrecord.record.rows import log_object

    designs = reader.rows(
        "SELECT design FROM agent_versions WHERE tenant_id = ? AND agent_id = ? AND version = ?",
        (reader.tenant_id, execution["agent_id"], execution["agent_version"]),
    )
    design = _object(designs[0]["design"]) if designs else {}
    return log_object(recount(execution, spans, DeclaredDesign(**cast("dict[str, int]", design))))  # type: ignore[arg-type]  # written from the same dataclass


def _log_json(row: Row) -> dict[str, Json]:
    """The log row; `run_output` stays the JSON text that it is."""
    return _plain(row) | {"full_output": _parsed(row["full_output"])}


def _payload_json(row: Row | None) -> dict[str, Json] | None:
    return None if row is None else _plain(row) | {"value": payload_value(row)}


def _plain(row: Row) -> dict[str, Json]:
    return cast("dict[str, Json]", dict(row))


def _object(text: object) -> dict[str, Json]:
    value = _parsed(text)
    return value if isinstance(value, dict) else {}


def _parsed(text: object) -> Json:
    """The value of stored JSON text; a text that is none, as damage leaves it, stays the text."""
    if not isinstance(text, str):
        return None
    try:
        return loads(text)
    except ValueError:
        return text
