"""Waits of a run: for a moment, for a person, for somebody to say what became of an effect. All of them hold nothing.

Each rests its strand; when all strands of the run rest, the run is parked and goes on under a later epoch, where the
same wait is found by its path. Must never ask the same question twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from trackrecord.canonical import Json, encode_clean
from trackrecord.clock import moment, now, stamp
from trackrecord.context.effect import Effect, Outcome, Perform, new_outcome
from trackrecord.context.live_run import LiveRun
from trackrecord.context.protocols import Checkpoint, new_checkpoint
from trackrecord.context.questions import Asked, Question, Standing
from trackrecord.errors import BadInput, OutcomeUnknown

LOOK_S = 1.0  # how often a run that is busy elsewhere looks whether a question has been answered by another process
UNKNOWN_DAYS = 7  # how long it is waited for somebody to say what became of an unsafe effect


def sleeping(run: LiveRun, began: datetime, until: datetime) -> Perform:
    """Wait until a moment; gives the milliseconds since the wait first began, now or in an earlier epoch."""

    async def sleep(effect: Effect) -> Outcome:
        since, end = _begun(run, effect.path) or (began, until)
        if end - now() > timedelta(seconds=run.patience_s):
            run.journal.append(None, _marker(run, effect, f"{stamp(since)} {stamp(end)}"))
        while now() < end:
            await run.wait(effect.path, "delay", until=end)
        waited_ms = max(0, round((now() - since) / timedelta(milliseconds=1)))
        return new_outcome(value=waited_ms, text=str(waited_ms))

    return sleep


def asking(run: LiveRun, question: Question) -> Perform:
    """Ask people and wait for their decision."""

    async def ask(effect: Effect) -> Outcome:
        limit = None if question.timeout_ms is None else stamp(now() + timedelta(milliseconds=question.timeout_ms))
        standing = await _asked(
            run,
            Asked(
                tenant_id=run.origin.tenant_id,
                run_id=run.origin.run_id,
                path=effect.path,
                kind="approval",
                message=run.error_text(question.message),
                approvers=tuple(map(run.redactor.text, question.approvers)),
                needs=question.needs,
                expires_at=limit,
                on_timeout=question.on_timeout,
            ),
        )
        standing = await _decided(run, effect.path, standing)
        value: dict[str, Json] = {"decision": standing.decision, "by": standing.by, "comment": standing.comment}
        return new_outcome(value=value, text=encode_clean(value), attributes={"approval": str(standing.decision)})

    return ask


async def settling(run: LiveRun, effect: Effect) -> None:
    """Wait for somebody to say what became of an unsafe effect; the run is parked, and its next epoch knows.

    Raises:
        OutcomeUnknown: nobody has said so in time.
    """
    what = f"{effect.plugin}.{effect.action} at {effect.path} was interrupted and may have had its effect"
    standing = await _asked(
        run,
        Asked(
            tenant_id=run.origin.tenant_id,
            run_id=run.origin.run_id,
            path=effect.path,
            kind="unknown_outcome",
            message=run.error_text(what),
            expires_at=stamp(now() + timedelta(days=UNKNOWN_DAYS)),
        ),
    )
    until = None if standing.expires_at is None else moment(standing.expires_at)
    while until is None or now() < until:
        await run.wait(effect.path, "unknown_outcome", until=until)
    raise OutcomeUnknown(f"{what}; nobody has said within {UNKNOWN_DAYS} days what became of it", path=effect.path)


async def _asked(run: LiveRun, asked: Asked) -> Standing:
    if run.approvals is None:
        raise BadInput("nobody can be asked here", cure="Run it with a store that keeps questions.")
    await run.journal.commit()  # nothing is asked for a run that is not stored, or is held by another
    return await run.approvals.ask(asked)


async def _decided(run: LiveRun, path: str, standing: Standing) -> Standing:
    approvals, key = run.approvals, (run.origin.tenant_id, run.origin.run_id, path)
    assert approvals is not None  # noqa: S101  # it has been asked
    until = None if standing.expires_at is None else moment(standing.expires_at)
    while standing.decision is None:
        if until is not None and now() >= until:
            standing = await approvals.expire(*key)
        else:
            await run.wait(path, "approval", until=until, look_s=LOOK_S)
            standing = await approvals.look(*key)
    return standing


def _begun(run: LiveRun, path: str) -> tuple[datetime, datetime] | None:
    """Since when and until when a wait of an earlier epoch goes on; None for a new one."""
    for checkpoint in run.checkpoints.get(path, ()):
        if checkpoint.state == "started" and checkpoint.subject:
            since, end = checkpoint.subject.split(" ")
            return moment(since), moment(end)
    return None


def _marker(run: LiveRun, effect: Effect, subject: str) -> Checkpoint:
    return new_checkpoint(
        path=effect.path,
        attempt=effect.attempt,
        state="started",
        kind=effect.kind,
        effect=effect.effect,
        request_hash=effect.request_hash,
        subject=subject,
        epoch=run.epoch,
        start_us=run.elapsed_us(),
    )
