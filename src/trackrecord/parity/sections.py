"""Every field of two footprints with the rule it is judged by: the tables, the JSON of the logs, the public fields.

Judges nothing. A section that is missing on one side still gives its fields, absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from trackrecord.canonical import Json
from trackrecord.parity import added, rules
from trackrecord.parity.footprint import PAYLOAD_FIGURES, PAYLOAD_KINDS, Footprint, public_fields
from trackrecord.parity.leaves import ABSENT, UNCOUNTED, Leaf, Value, is_same, walk
from trackrecord.parity.rules import ANSWER, KEY, MUST, Rule, Spec
from trackrecord.record.intensity import SCORE_COLUMNS, IntensitySettings, RunFigures, score_columns
from trackrecord.record.record import Record
from trackrecord.record.rows import Rows, log_object, rows
from trackrecord.store.statements import STATS_KEY, TABLES

Judged = tuple[Leaf, Spec]
Columns = Mapping[str, Value]

_JSON_COLUMNS: Final = frozenset({"logs", "run_output", "full_output"})
_SCORE_REASON: Final = "computed from the executed counts; the same when both are given those of the first run"


def sections(left: Footprint, right: Footprint, settings: IntensitySettings) -> Iterator[Judged]:
    """Every field, in the order of the tables."""
    left_rows, right_rows = rows(left.recounted), rows(right.recounted)
    yield from _executions(left, right, left_rows, right_rows)
    yield from _logs(left, right, left_rows, right_rows)
    yield from _json(left, right)
    counted = (public_fields(left.recounted), public_fields(right.recounted))
    yield from _walked("execution_data", rules.DATA, left.execution_data, right.execution_data, *counted)
    yield from _stats(left, right)
    yield from _intensity(left, right)
    yield from _scores(left, right, settings)
    yield from _payloads(left, right)


def _executions(left: Footprint, right: Footprint, left_rows: Rows, right_rows: Rows) -> Iterator[Judged]:
    yield from _columns(
        "agent_executions",
        rules.EXECUTION,
        (left.execution, right.execution),
        (_execution_recount(left, left_rows), _execution_recount(right, right_rows)),
    )


def _execution_recount(run: Footprint, recounted: Rows) -> Columns:
    """The columns that spans and definition tell; how it ended is the row's own word, which nothing else tells."""
    return {
        **recounted.execution,
        "epoch": run.recounted.epoch,
        "declared_steps": run.design.steps,
        "declared_branches": run.design.branches,
        "declared_loops": run.design.loops,
        "declared_parallel": run.design.parallel,
    }


def _logs(left: Footprint, right: Footprint, left_rows: Rows, right_rows: Rows) -> Iterator[Judged]:
    yield from _columns("agent_logs", rules.LOG, (left.log or {}, right.log or {}), (left_rows.log, right_rows.log))


def _columns(
    table: str, specs: Mapping[str, Spec], stored: tuple[Columns, Columns], recounted: tuple[Columns, Columns]
) -> Iterator[Judged]:
    for name in TABLES[table]:
        if name in _JSON_COLUMNS:
            continue
        leaf = Leaf(
            name=f"{table}.{name}",
            kind=name,
            left=stored[0].get(name, ABSENT),
            right=stored[1].get(name, ABSENT),
            left_recount=recounted[0].get(name, UNCOUNTED),
            right_recount=recounted[1].get(name, UNCOUNTED),
        )
        yield leaf, specs.get(name, MUST)


def _json(left: Footprint, right: Footprint) -> Iterator[Judged]:
    logs = (log_object(left.recounted), log_object(right.recounted))
    yield from _walked("logs", rules.JSON, left.logs, right.logs, *logs)
    outputs = (_run_output(left.recounted), _run_output(right.recounted))
    yield from _walked("run_output", rules.JSON, left.run_output, right.run_output, *outputs)
    left_key, left_full = _metadata(left.full_output)
    right_key, right_full = _metadata(right.full_output)
    keys = (f"{left.engine}_metadata", f"{right.engine}_metadata")
    yield (
        Leaf(
            name="full_output.key",
            kind="key",
            left=left_key,
            right=right_key,
            left_recount=keys[0],
            right_recount=keys[1],
        ),
        KEY,
    )
    yield from _walked("full_output", rules.JSON, left_full, right_full, *logs)


def _run_output(record: Record) -> dict[str, Json]:
    return log_object(record) | {"tokensUsed": record.measures.tokens.total}


def _metadata(full_output: Json) -> tuple[Json, Json]:
    """The one key of `full_output` and what stands under it; all of it under no key when it is made otherwise."""
    if isinstance(full_output, dict) and len(full_output) == 1:
        return next(iter(full_output.items()))
    return None, full_output


def _walked(
    root: str, specs: Mapping[str, Spec], left: object, right: object, left_recount: object, right_recount: object
) -> Iterator[Judged]:
    whole = Leaf(
        name=root,
        kind=root,
        left=cast("Value", left),
        right=cast("Value", right),
        left_recount=cast("Value", left_recount),
        right_recount=cast("Value", right_recount),
    )
    for leaf in walk(whole):
        yield leaf, specs.get(leaf.kind.removeprefix(f"{root}."), MUST)


def _stats(left: Footprint, right: Footprint) -> Iterator[Judged]:
    recounted = tuple(added.stats_recounted(run) for run in (left, right))
    stored = tuple({**added.stats_added(run), **_stats_keys(run)} for run in (left, right))
    yield from _columns(
        "agent_stats", rules.STATS, cast("tuple[Columns, Columns]", stored), cast("tuple[Columns, Columns]", recounted)
    )


def _stats_keys(run: Footprint) -> dict[str, Any]:
    """Whose row it is and when it changed; a recomputed one changed when the run ended."""
    row = run.execution if run.after is None else run.after.stats
    if row is None:
        return {}
    last = row["completed_at"] if run.after is None else row["last_run_at"]
    return {**{name: row[name] for name in STATS_KEY}, "last_run_at": last}


def _intensity(left: Footprint, right: Footprint) -> Iterator[Judged]:
    keys = tuple(_intensity_keys(run) for run in (left, right))
    for name in ("tenant_id", "agent_id", "agent_seq", "updated_at"):
        leaf = Leaf(
            name=f"agent_intensity_metrics.{name}",
            kind=name,
            left=keys[0].get(name, ABSENT),
            right=keys[1].get(name, ABSENT),
            left_recount=left.execution["agent_seq"] if name == "agent_seq" else UNCOUNTED,
            right_recount=right.execution["agent_seq"] if name == "agent_seq" else UNCOUNTED,
        )
        yield leaf, rules.INTENSITY.get(name, MUST)
    yield from _walked(
        "agent_intensity_metrics",
        rules.INTENSITY,
        added.intensity_added(left),
        added.intensity_added(right),
        added.intensity_recounted(left),
        added.intensity_recounted(right),
    )


def _intensity_keys(run: Footprint) -> Mapping[str, Any]:
    if run.after is not None:
        return run.after.intensity or {}
    execution = run.execution
    return {**execution, "updated_at": execution["completed_at"]}


def _scores(left: Footprint, right: Footprint, settings: IntensitySettings) -> Iterator[Judged]:
    """The scores, both with the first run's durations; one that is not the score of its own row is shown as it is."""
    sides = (left, right)
    own = [score_columns(added.score_of(run, settings)) for run in sides]
    stored = [_stored_scores(run, own[place]) for place, run in enumerate(sides)]
    timed: list[RunFigures] = [added.with_durations(run, of=left) for run in sides]
    even = [score_columns(added.score_of(run, settings, timed[place])) for place, run in enumerate(sides)]
    executed = [
        score_columns(added.score_of(run, settings, added.with_executed(timed[place], of=left)))
        for place, run in enumerate(sides)
    ]
    for name in SCORE_COLUMNS:
        fits = [is_same(stored[place].get(name, ABSENT), own[place][name]) for place in (0, 1)]
        shown: list[tuple[Value, Value]] = [
            (even[place][name], even[place][name])
            if fits[place]
            else (stored[place].get(name, ABSENT), own[place][name])
            for place in (0, 1)
        ]
        leaf = Leaf(
            name=f"agent_intensity_metrics.{name}",
            kind=name,
            left=shown[0][0],
            right=shown[1][0],
            left_recount=shown[0][1],
            right_recount=shown[1][1],
        )
        yield leaf, _score_spec(sides, (executed[0][name], executed[1][name]))


def _score_spec(sides: Sequence[Footprint], executed: tuple[Value, Value]) -> Spec:
    def without(_: Value, run: Footprint) -> Value:
        return executed[0] if run is sides[0] else executed[1]

    return Spec(rule=Rule(reason=_SCORE_REASON, without=without), is_work=True)


def _stored_scores(run: Footprint, own: Mapping[str, Any]) -> Mapping[str, Any]:
    return own if run.after is None else run.after.intensity or {}


def _payloads(left: Footprint, right: Footprint) -> Iterator[Judged]:
    """Input and output by hash and size. Two conversations may end in two answers; one conversation may not."""
    for kind in PAYLOAD_KINDS:
        spec = ANSWER if kind == "output" and not is_same_conversation(left, right) else MUST
        for name in PAYLOAD_FIGURES:
            leaf = Leaf(
                name=f"run_payloads.{kind}.{name}",
                kind=f"{kind}.{name}",
                left=left.payloads.get(kind, {}).get(name),
                right=right.payloads.get(kind, {}).get(name),
            )
            yield leaf, spec


def is_same_conversation(left: Footprint, right: Footprint) -> bool:
    """Whether the two runs had the same model replies and tool results in the same order, as their spans tell."""
    return _conversation(left) == _conversation(right)


def _conversation(run: Footprint) -> list[tuple[object, ...]]:
    return [
        (
            span.kind,
            span.attempt,
            span.purpose,
            span.status,
            span.provider,
            span.model,
            span.responded_model,
            span.usage,
            span.plugin,
            span.action,
            span.success,
            span.items,
            span.error_code,
        )
        for span in run.spans
        if span.kind in ("model", "tool")
    ]
