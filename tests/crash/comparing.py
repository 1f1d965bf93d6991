"""What a run left, and how it differs from what an undisturbed one left, but for times, interruptions and losses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trackrecord.record.spans import EFFECT_KINDS, Span
from trackrecord.store.reader import SqliteReader

# whose, when, how long, and what an interruption adds; `model_calls_count` has a line of its own
_OF_ITS_OWN = frozenset(
    "id epoch created_at started_at now_at completed_at hold_id logs interruptions_count unknown_count span_count "
    "usage_complete model_calls_count execution_duration_ms working_duration_ms tool_orchestration_time_ms".split()
)
_LOG_OF_ITS_OWN = frozenset(
    "executionId executionTimeMs workingTimeMs toolOrchestrationTimeMs interruptions unknownOutcomes usageComplete "
    "modelCalls models toolCalls".split()
)


def is_lost(span: Span) -> bool:
    """Whether it is an attempt whose end nobody saw: cut by a dead process, or by the run itself before its answer."""
    return span.kind in EFFECT_KINDS and span.status in ("interrupted", "unknown", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What stands in a database whose only run has ended.

    Attributes:
        known: endings of the attempts whose end was seen, by path; those of steps as well.
        lost: attempts whose end nobody saw, by path.
        settled: paths of calls that a person said were done.
        sums: statistics, intensity, credits, what was remembered, without times.
    """

    execution: Mapping[str, Any]
    logs: Mapping[str, Any]
    spans: tuple[Span, ...]
    known: Mapping[str, list[str]]
    lost: Counter[str]
    settled: frozenset[str]
    output: str | None
    sums: Mapping[str, Any]

    @property
    def lost_model_calls(self) -> int:
        """Model attempts whose end nobody saw."""
        return sum(span.kind == "model" and is_lost(span) for span in self.spans)


def left(path: Path) -> Left:
    """Everything there is to compare."""
    with SqliteReader(path) as reader:
        execution = reader.execution("last")
        run_id, agent_id = execution["id"], execution["agent_id"]
        spans = reader.spans(run_id)
        output = reader.payload(run_id, "output")
        decisions = reader.rows("SELECT path, decision FROM approvals WHERE kind = 'unknown_outcome'")
        [stats], intensity = reader.stats(agent_id), reader.intensity(agent_id)
        sums = {
            "statistics": _timeless(stats),
            "intensity": _timeless(intensity or {}),
            "credits": [_timeless(row) for row in reader.rows("SELECT balance, held FROM credit_accounts")],
            "user_memories": reader.rows("SELECT kind, text FROM user_memories ORDER BY text"),
            "run_memories": reader.rows("SELECT kind FROM run_memories"),
            "logs": len(reader.rows("SELECT status FROM agent_logs")),
            "decisions": reader.rows(
                "SELECT path, decision, decided_by FROM approvals WHERE kind = 'approval' ORDER BY path"
            ),
        }
    known: dict[str, list[str]] = {}
    lost = {(span.path, span.attempt) for span in spans if is_lost(span)}
    for span in sorted(spans, key=lambda one: one.attempt):
        if span.kind != "epoch" and (span.path, span.attempt) not in lost:
            known.setdefault(span.path, []).append(span.status)
    return Left(
        execution=execution,
        logs=json.loads(execution["logs"]),
        spans=spans,
        known=known,
        lost=Counter(path for path, _ in lost),
        settled=frozenset(row["path"].partition("#")[0] for row in decisions if row["decision"] == "done"),
        output=None if output is None else output["body"],
        sums=sums,
    )


def differences(expected: Left, found: Left) -> list[str]:
    """Every difference that an interruption does not explain, in words; none when the records are the same."""
    return list(_differences(expected, found))


def _differences(expected: Left, found: Left) -> Iterator[str]:
    yield from _mapping("column", expected.execution, found.execution, _OF_ITS_OWN)
    yield from _mapping("logs:", expected.logs, found.logs, _LOG_OF_ITS_OWN)
    yield from _mapping("", expected.sums, found.sums)
    yield from _value("the output", expected.output, found.output)
    yield from _attempts(expected, found)
    yield from _mapping("tool call", _calls(expected, found.settled), _calls(found, found.settled))
    seen = [left.execution["model_calls_count"] - left.lost_model_calls for left in (expected, found)]
    yield from _value("model calls whose end was seen", *seen)
    used = [_usage(one) for one in (expected, found)]
    yield from _mapping("tokens of", *used)


def _attempts(expected: Left, found: Left) -> Iterator[str]:
    known = {path: list(statuses) for path, statuses in found.known.items()}
    for path in found.settled:  # its end was told, not seen
        if path not in known and found.lost[path] and expected.known.get(path, [])[-1:] == ["ok"]:
            known[path] = expected.known[path]
    yield from _mapping("attempts at", expected.known, known)
    for path in sorted({*expected.lost, *expected.known} - {*found.lost, *known}):
        yield f"nothing is recorded at {path}"


def _calls(left: Left, settled: Collection[str]) -> dict[str, Any]:
    calls: dict[str, Any] = {}
    for call in left.logs["toolCalls"]:
        path = call["path"]
        told = {"plugin": call["plugin"], "action": call["action"], "rejected": call["rejected"]}
        if path not in settled:  # else nobody saw how it went
            told |= {"success": call["success"], "items": call["itemsReturned"], "error": call["error"]}
            told["attempts"] = call["attempts"] - left.lost[path]
        calls[path] = told
    return calls


def _usage(left: Left) -> dict[str, Any]:
    used: dict[str, Any] = {}
    for span in left.spans:
        if span.usage is not None and not is_lost(span):
            used.setdefault(span.path, []).append((span.usage.input_tokens, span.usage.output_tokens))
    return {path: sorted(usages) for path, usages in used.items()}


def _mapping(
    what: str, expected: Mapping[str, Any], found: Mapping[str, Any], without: Collection[str] = ()
) -> Iterator[str]:
    for name in sorted({*expected, *found} - set(without)):
        yield from _value(f"{what} {name}".strip(), expected.get(name), found.get(name))


def _value(what: str, expected: object, found: object) -> Iterator[str]:
    if expected != found:
        yield f"{what}: {found!r} instead of {expected!r}"


def _timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without times, and the scores that are computed from them."""
    parts = ("_at", "duration", "_ms", "_thousandths", "intensity_class")
    return {name: value for name, value in row.items() if not any(part in name for part in parts)}
