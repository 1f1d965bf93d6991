"""Replay: what an earlier epoch already has is not done again. Outermost wrapper; costs nothing on a first epoch."""

from __future__ import annotations

from dataclasses import replace

from trackrecord.canonical import Json, encode_clean, loads
from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform, restore_failure
from trackrecord.context.live_run import LiveRun
from trackrecord.context.protocols import Checkpoint
from trackrecord.context.retry import another_model, is_worth_another
from trackrecord.context.waits import settling
from trackrecord.errors import NonDeterministic
from trackrecord.record.lost import interrupted

_WAITS = frozenset({"wait", "child"})


def replaying(run: LiveRun, proceed: Perform) -> Perform:
    """Answer from the journal when it holds the effect's end; go on at the next attempt otherwise."""

    async def replay(effect: Effect) -> Outcome:
        past = run.checkpoints.get(effect.path)
        if not past:
            return await proceed(effect)
        _check_same(effect, past)
        if _goes_on(past):
            return await proceed(effect)
        lost_count = 0
        is_open = False
        failure: EffectFailed | None = None
        for checkpoint in sorted(past, key=lambda one: one.attempt):
            other = effect.instead(after=checkpoint.attempt - 1) if checkpoint.subject != effect.subject else None
            if other is not None:  # from here on another model had been asked
                effect, lost_count = other, other.interrupted_count
            outcome = _outcome(checkpoint)
            settled = outcome.get("settled")
            if checkpoint.state == "started" or settled is not None:
                lost_count += 1
                run.write(replace(interrupted(checkpoint), purpose=effect.purpose))
            is_open = checkpoint.state == "started"
            if "value" in outcome:
                return Outcome(value=outcome["value"], text=encode_clean(outcome["value"]))
            stored = outcome.get("error")
            failure = restore_failure(stored) if isinstance(stored, dict) else None
        last = max(one.attempt for one in past)
        again = replace(effect, attempt=last + 1, interrupted_count=lost_count)
        before = replace(effect, attempt=last, interrupted_count=lost_count)
        if failure is not None and not is_worth_another(before, failure):
            other = another_model(before, failure)
            if other is None:
                raise failure
            again = other
        if is_open and effect.effect == "unsafe":
            await _answered(run, before)
        return await proceed(again)

    return replay


def _goes_on(past: list[Checkpoint]) -> bool:
    """Whether it is a wait that has begun: it was not interrupted, it goes on."""
    return past[-1].kind in _WAITS and past[-1].state == "started"


def _outcome(checkpoint: Checkpoint) -> dict[str, Json]:
    outcome = loads(checkpoint.outcome or "{}")
    assert isinstance(outcome, dict)  # noqa: S101  # written by the recording wrapper; anything else is ours
    return outcome


def _check_same(effect: Effect, past: list[Checkpoint]) -> None:
    for checkpoint in past:
        if checkpoint.kind != effect.kind or checkpoint.request_hash != effect.request_hash:
            raise NonDeterministic(
                f"the resumed run asks for another {effect.kind} at {effect.path!r} than before it was interrupted",
                cure="Start a new run: the definition or a tool list has changed under this one.",
                path=effect.path,
            )


async def _answered(run: LiveRun, effect: Effect) -> None:
    """An unsafe effect that began and whose end nobody saw: it is not run again before a person has said so.

    Raises:
        EffectFailed: the agent asks nobody, `on_unknown: fail`. OutcomeUnknown: nobody has said so in time.
    """
    if run.asks_on_unknown and run.approvals is not None:
        await settling(run, effect)
    raise EffectFailed(
        f"{effect.plugin}.{effect.action} was interrupted and may have had its effect; it is not run again",
        code="tool_failed",
        is_unknown=True,
        status="unknown",
    )
