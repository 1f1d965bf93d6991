"""Spans, checkpoints and payloads as tuples of a row and back. Pure; the order is that of `statements`.

What comes back equals what went in. Must never change a value: content was made canonical before it got here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from trackrecord.canonical import Json, encode_clean, loads
from trackrecord.context.protocols import Checkpoint
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage
from trackrecord.store import statements

if TYPE_CHECKING:
    from trackrecord.store.protocol import Payload

Value = str | int | None
Row = tuple[Value, ...]

_NO_USAGE: Final = (None, None, None, None, None, None, None)


def span_row(tenant_id: str, run_id: str, span: Span) -> tuple[str, Row]:
    """The row of a span, and the statement that inserts it: the narrowest one that has all its columns.

    Raises:
        ValueError: an attribute is no canonical JSON.
    """
    usage, attributes, success = span.usage, span.attributes, span.success
    shared = (
        tenant_id,
        run_id,
        span.path,
        span.attempt,
        span.kind,
        span.status,
        span.epoch,
        span.start_us,
        span.duration_us,
        encode_clean(cast("Json", attributes)) if attributes else None,
    )
    has_error = span.error_code is not None or span.error_message is not None
    has_tool = span.plugin is not None or span.action is not None or success is not None
    if not has_error and usage is None and span.provider is None and span.model is None and not _has_more(span):
        if span.step_type is None:
            plain = (span.plugin, span.action, None if success is None else int(success), span.items)
            return statements.INSERT_TOOL_SPAN, (*shared, *plain)
        if not has_tool:
            return statements.INSERT_STEP_SPAN, (*shared, span.step_type, span.items)
    of_model = (
        span.purpose,
        span.provider,
        span.model,
        span.responded_model,
        *(_NO_USAGE if usage is None else _usage_figures(usage)),
        span.cost_nanos,
        span.cost_usd,
    )
    if not has_error and not has_tool and span.items is None and span.step_type is None:
        return statements.INSERT_MODEL_SPAN, (*shared, *of_model)
    return statements.INSERT_SPAN, (
        *shared,
        *of_model,
        span.plugin,
        span.action,
        None if success is None else int(success),
        span.items,
        span.step_type,
        span.error_code,
        span.error_message,
    )


def _has_more(span: Span) -> bool:
    """Whether a span without usage and model has, all the same, something that only a model attempt has."""
    return (
        span.purpose is not None
        or span.responded_model is not None
        or span.cost_nanos is not None
        or span.cost_usd is not None
    )


def _usage_figures(usage: Usage) -> Row:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.provenance,
        usage.raw,
    )


def span(row: tuple[Any, ...]) -> Span:
    """The span of a row selected with `SELECT_SPANS` (without tenant and run)."""
    (
        path, attempt, kind, status, epoch, start_us, duration_us, attributes, purpose, provider, model,
        responded_model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
        provenance, raw, cost_nanos, cost_usd, plugin, action, success, items, step_type, error_code, error_message,
    ) = row  # fmt: skip
    usage = None
    if provenance is not None:
        usage = Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
            provenance=provenance,
            raw=raw,
        )
    return Span(
        path=path,
        attempt=attempt,
        kind=kind,
        status=status,
        epoch=epoch,
        start_us=start_us,
        duration_us=duration_us,
        purpose=purpose,
        step_type=step_type,
        provider=provider,
        model=model,
        responded_model=responded_model,
        usage=usage,
        cost_nanos=cost_nanos,
        cost_usd=cost_usd,
        plugin=plugin,
        action=action,
        success=None if success is None else bool(success),
        items=items,
        error_code=error_code,
        error_message=error_message,
        attributes={} if attributes is None else cast("dict[str, Json]", loads(attributes)),
    )


def checkpoint_row(tenant_id: str, run_id: str, checkpoint: Checkpoint) -> Row:
    """The row of a checkpoint."""
    return (
        tenant_id,
        run_id,
        checkpoint.path,
        checkpoint.attempt,
        checkpoint.state,
        checkpoint.kind,
        checkpoint.effect,
        checkpoint.request_hash,
        checkpoint.subject,
        checkpoint.epoch,
        checkpoint.start_us,
        checkpoint.outcome,
    )


def checkpoint_key(row: Row) -> tuple[Value, Value]:
    """Path and attempt of a checkpoint's row."""
    return row[2], row[3]


def is_done(row: Row) -> bool:
    """Whether a checkpoint's row holds an outcome."""
    return row[4] == "done"


def checkpoint(row: tuple[Any, ...]) -> Checkpoint:
    """The checkpoint of a row selected with `SELECT_CHECKPOINTS` (without tenant and run)."""
    path, attempt, state, kind, effect, request_hash, subject, epoch, start_us, outcome = row
    return Checkpoint(
        path=path,
        attempt=attempt,
        state=state,
        kind=kind,
        effect=effect,
        request_hash=request_hash,
        subject=subject,
        epoch=epoch,
        start_us=start_us,
        outcome=outcome,
    )


def payload_row(tenant_id: str, run_id: str, payload: Payload) -> Row:
    """The row of a run's input or output."""
    return (tenant_id, run_id, payload.kind, payload.body, payload.sha256, payload.size, int(payload.was_truncated))
