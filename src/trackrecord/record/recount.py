"""Recount: what the record of a stored run must be, made again from its own spans by the fold that made it. Pure.

Owns no arithmetic: `fold`, `close` and `rows` do all of it, so that a recount and a record can only disagree because
one of them was changed. Outside the walk: for whoever checks what runs left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, cast

from trackrecord.canonical import loads
from trackrecord.errors import TerminalStatus
from trackrecord.record.closing import MINIMAL, close
from trackrecord.record.fold import fold
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.record import TERMINAL, Ending, ExecutionType, Origin, Record
from trackrecord.record.spans import Span

LOSSY: Final = frozenset({"abandoned"})  # endings written for a process that died: what it had not stored is lost


def recount(execution: Mapping[str, object], spans: Iterable[Span], design: DeclaredDesign) -> Record:
    """The record that the spans of a run add up to; how it ended and who ran it are taken from its row.

    Args:
        execution: the run's row of `agent_executions`.
        spans: all of its spans, in any order.
        design: what its agent version declares.

    Raises:
        KeyError: a column is missing.
        ValueError: a column or a span holds what no run would have written.
    """
    own = tuple(spans)
    epoch = max((span.epoch for span in own if span.kind == "epoch"), default=0)
    measures = fold(own)
    if str(execution["error_message"] or "").startswith(MINIMAL):
        measures = replace(measures, tool_calls=())  # a minimal record keeps the figures and lists nothing
    record = close(origin_of(execution, design), _ending(execution), measures, epoch)
    # the table in force is a fact of that day: a newer one in this installation does not make the record wrong
    return replace(record, price_table=_text(execution["price_table"]) or record.price_table)


def origin_of(execution: Mapping[str, object], design: DeclaredDesign) -> Origin:
    """Who and what a stored run is.

    Raises:
        KeyError: a column is missing. ValueError: `plugins_required` is no JSON.
    """
    plugins = loads(str(execution["plugins_required"]))
    return Origin(
        tenant_id=str(execution["tenant_id"]),
        run_id=str(execution["id"]),
        agent_id=str(execution["agent_id"]),
        user_id=str(execution["user_id"]),
        agent_name=str(execution["agent_name"]),
        agent_version=str(execution["agent_version"]),
        engine=str(execution["engine"]),
        engine_title=str(execution["engine_title"]),
        runs_workflow=bool(execution["runs_workflow"]),
        execution_type=cast("ExecutionType", execution["execution_type"]),
        declared=design,
        plugins_required=tuple(str(name) for name in plugins) if isinstance(plugins, list) else (),
        input_count=cast("int", execution["input_count"]),
        parent_run_id=_text(execution["parent_run_id"]),
        parent_path=_text(execution["parent_path"]),
        origin_run_id=_text(execution["origin_run_id"]),
        origin_kind=_text(execution["origin_kind"]),
        now=_text(execution["now_at"]) or "",
    )


def _ending(execution: Mapping[str, object]) -> Ending | None:
    status = str(execution["status"])
    if status not in TERMINAL:
        return None
    return Ending(
        status=cast("TerminalStatus", status),
        error_code=_text(execution["error_code"]),
        error_message=_text(execution["error_message"]),
        error_path=_text(execution["error_path"]),
        is_lossy=status in LOSSY or _lost_a_process(execution),
    )


def _lost_a_process(execution: Mapping[str, object]) -> bool:
    """Whether a process died under the run and it says that something was lost: only the run itself could tell."""
    return cast("int", execution["epoch"]) > 1 and not execution["usage_complete"]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
