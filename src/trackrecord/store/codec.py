"""Spans, checkpoints and payloads as tuples of a row and back. Pure; the order is that of `statements`.

What comes back equals what went in. Must never change a value: content was made canonical before it got here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from trackrecord.canonical import Json, encode_clean, loads
from trackrecord.context.protocols import Checkpoint
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage

if TYPE_CHECKING:
    from trackrecord.store.protocol import Payload

Value = str | int | None
Row = tuple[Value, ...]

_NO_USAGE: Final = (None, None, None, None, None, None, None)


def is_plain(span: Span) -> bool:
    """Whether the span has nothing that only a model attempt has; its row is then half as wide to write."""
    return (
        span.usage is None
        and span.provider is None
        and span.model is None
        and span.purpose is None
        and span.cost_nanos is None
        and span.cost_usd is None
        and span.responded_model is None
    )


def plain_span_row(tenant_id: str, run_id: str, span: Span) -> Row:
    """The row of a plain span, for `INSERT_PLAIN_SPAN`.

    Raises:
        ValueError: an attribute is no canonical JSON.
    """
    success = span.success
    attributes = span.attributes
    return (
        tenant_id,
        run_id,
        span.path,
        span.attempt,
        span.kind,
        span.status,
        span.epoch,
        span.start_us,
        span.duration_us,
        span.step_type,
        span.plugin,
        span.action,
        None if success is None else int(success),
        span.items,
        span.error_code,
        span.error_message,
        encode_clean(cast("Json", attributes)) if attributes else None,
    )


def span_row(tenant_id: str, run_id: str, span: Span) -> Row:
    """The row of any span, for `INSERT_SPAN`.

    Raises:
        ValueError: an attribute is no canonical JSON.
    """
    usage = span.usage
    return (
        *plain_span_row(tenant_id, run_id, span),
        span.purpose,
        span.provider,
        span.model,
        span.responded_model,
        *(_NO_USAGE if usage is None else _usage_figures(usage)),
        span.cost_nanos,
        span.cost_usd,
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
        path, attempt, kind, status, epoch, start_us, duration_us, step_type, plugin, action, success, items,
        error_code, error_message, attributes, purpose, provider, model, responded_model,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, provenance, raw,
        cost_nanos, cost_usd,
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
