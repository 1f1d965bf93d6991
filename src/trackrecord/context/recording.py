"""Recording: a marker before an effect leaves, a span and a checkpoint when it is over. Measures every attempt once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from trackrecord.canonical import Json, loads
from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform
from trackrecord.context.live_run import LiveRun
from trackrecord.context.midway import LateReply
from trackrecord.context.protocols import Checkpoint, new_checkpoint
from trackrecord.errors import StoreError
from trackrecord.record.pricing import price
from trackrecord.record.spans import Span, SpanStatus, new_span
from trackrecord.record.usage import UNKNOWN, Usage

_WAITS = frozenset({"wait", "child"})


def recording(run: LiveRun, proceed: Perform) -> Perform:
    """Store what was tried, how it ended, how long it took and what it used."""

    async def record(effect: Effect) -> Outcome:
        started_us = run.elapsed_us()
        is_wait = effect.kind in _WAITS
        if effect.needs_marker:
            try:
                run.journal.append(None, _checkpoint(run, effect, started_us, None))
                if run.is_sync or effect.effect == "unsafe":
                    await run.journal.commit()
            except BaseException:
                _write_unsent(run, effect, started_us)
                raise
        if run.watcher is not None:
            run.announce(effect.path, effect.kind, effect.subject or effect.kind)
        if not is_wait:
            run.in_flight += 1
        try:
            outcome = await proceed(effect)
        except EffectFailed as failure:
            failure.message = run.error_text(failure.message)
            if effect.watched is not None:
                effect.watched.midway.drop()
            _write_failure(run, effect, started_us, failure)
            if effect.effect == "unsafe":
                await run.journal.commit()
            raise
        except asyncio.CancelledError:
            if is_wait and run.parked is not None:  # it goes on waiting
                raise
            is_open = effect.effect == "unsafe"
            run.write(_span(run, effect, started_us, "unknown" if is_open else "cancelled"))
            _follow(run, effect)
            raise
        finally:
            if not is_wait:
                run.leave()
        outcome = _scrubbed(run, outcome)
        _write_success(run, effect, started_us, outcome)
        if effect.effect == "unsafe" or run.journal.is_behind:
            await run.journal.commit()
        return outcome

    return record


def _follow(run: LiveRun, effect: Effect) -> None:
    """Remember the reply of a cancelled call that is still being read: what it used may yet be learnt."""
    reading = None if effect.watched is None else effect.watched.midway.reading
    if reading is not None:
        run.late.append(
            LateReply(
                path=effect.path,
                attempt=effect.attempt,
                provider=effect.provider or "",
                model=effect.model or "",
                reading=reading,
            )
        )


def _write_unsent(run: LiveRun, effect: Effect, started_us: int) -> None:
    """Close the marker of an effect that never left: nothing was done or used, so it has no span."""
    code = "model_failed" if effect.kind == "model" else "tool_failed"
    failure = EffectFailed("it was stopped before it left", code=code, is_transient=True, was_sent=False)
    with suppress(StoreError):  # the journal may be what has failed; it keeps this for the finish
        run.journal.append(None, _checkpoint(run, effect, started_us, failure.stored()))


def _scrubbed(run: LiveRun, outcome: Outcome) -> Outcome:
    """The outcome without known secrets: the engine receives just what is stored, live and resumed alike."""
    text = run.redactor.exact_json(outcome.text)
    if text == outcome.text:
        return outcome
    return replace(outcome, value=loads(text), text=text)


def _write_success(run: LiveRun, effect: Effect, started_us: int, outcome: Outcome) -> None:
    cost_nanos, cost_usd = _cost(run, effect, outcome.usage, outcome.responded_model)
    span = new_span(
        path=effect.path,
        attempt=effect.attempt,
        kind=effect.kind,
        status="ok",
        epoch=run.epoch,
        start_us=started_us,
        duration_us=run.elapsed_us() - started_us,
        purpose=effect.purpose,
        provider=effect.provider,
        model=effect.model,
        responded_model=outcome.responded_model,
        usage=outcome.usage,
        cost_nanos=cost_nanos,
        cost_usd=cost_usd,
        plugin=effect.plugin,
        action=effect.action,
        success=outcome.success,
        items=outcome.items,
        attributes={**effect.attributes, **outcome.attributes, **_flags(outcome.usage)},
    )
    run.write(span, _checkpoint(run, effect, started_us, f'{{"value":{outcome.text}}}'))


def _flags(usage: Usage | None) -> dict[str, Json]:
    """What is wrong with a usage, for whoever reads the span: its raw words stand beside it."""
    return {} if usage is None or usage.raw is None else {"usage_inconsistent": True}


def _cost(
    run: LiveRun, effect: Effect, usage: Usage | None, responded_model: str | None = None
) -> tuple[int | None, str | None]:
    """Nano-dollars and exact dollars of a model attempt, of one that failed too if it said what it used."""
    if usage is None or effect.provider is None or effect.model is None:
        return None, None
    priced = price(effect.provider, responded_model or effect.model, usage, run.now)
    return priced.cost_nanos, None if priced.cost_usd is None else str(priced.cost_usd)


def _write_failure(run: LiveRun, effect: Effect, started_us: int, failure: EffectFailed) -> None:
    span = _span(run, effect, started_us, failure.status, failure)
    run.write(span, _checkpoint(run, effect, started_us, failure.stored()))


def _span(
    run: LiveRun, effect: Effect, started_us: int, status: SpanStatus, failure: EffectFailed | None = None
) -> Span:
    usage, midway = None, dict[str, Json]()
    if effect.kind == "model":
        usage, midway = _used_so_far(effect, failure)
    is_tool = effect.kind == "tool"
    cost_nanos, cost_usd = _cost(run, effect, usage)
    return new_span(
        path=effect.path,
        attempt=effect.attempt,
        kind=effect.kind,
        status=status,
        epoch=run.epoch,
        start_us=started_us,
        duration_us=run.elapsed_us() - started_us,
        purpose=effect.purpose,
        provider=effect.provider,
        model=effect.model,
        usage=usage,
        cost_nanos=cost_nanos,
        cost_usd=cost_usd,
        plugin=effect.plugin,
        action=effect.action,
        success=False if is_tool and status in ("failed", "rejected") else None,
        error_code=None if failure is None else "rejected" if status == "rejected" else failure.code,
        error_message=failure.message if failure is not None else None,
        attributes={
            **effect.attributes,
            **(failure.attributes if failure is not None else {}),
            **midway,
            **_flags(usage),
        },
    )


def _used_so_far(effect: Effect, failure: EffectFailed | None) -> tuple[Usage, dict[str, Json]]:
    """What a model attempt that gave no reply has used, as far as anybody knows, and the part of a reply it had."""
    watched = effect.watched
    if failure is not None and failure.usage is not None:
        usage = failure.usage
    else:
        usage = UNKNOWN if watched is None else watched.usage()
    return usage, {} if watched is None else watched.attributes()


def _checkpoint(run: LiveRun, effect: Effect, started_us: int, outcome: str | None) -> Checkpoint:
    return new_checkpoint(
        path=effect.path,
        attempt=effect.attempt,
        state="started" if outcome is None else "done",
        kind=effect.kind,
        effect=effect.effect,
        request_hash=effect.request_hash,
        subject=effect.subject,
        epoch=run.epoch,
        start_us=started_us,
        outcome=outcome,
    )
