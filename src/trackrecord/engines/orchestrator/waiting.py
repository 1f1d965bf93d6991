"""Steps that wait: delay and approval. Only the context knows how a run waits; here is what for."""

from __future__ import annotations

from datetime import datetime, timedelta

from trackrecord.canonical import Json, clean
from trackrecord.clock import moment, now
from trackrecord.context.questions import Question
from trackrecord.engines.orchestrator.place import Place
from trackrecord.errors import StepFailed
from trackrecord.workflow.steps import MAX_APPROVERS, MAX_DELAY_MS, ApprovalBody, DelayBody, Step
from trackrecord.workflow.values import kind, text_of

_MAX_MESSAGE = 10_000


async def run_delay(place: Place, step: Step, body: DelayBody, segment: str) -> Json:
    """How long it waited, in milliseconds; a moment that has passed is not waited for."""
    relative = f"{place.above}{segment}"
    began = now()
    waited_ms = await place.ctx.sleep(relative, until=_until(place, step, body, began), since=began)
    return {"waited_ms": waited_ms}


def _until(place: Place, step: Step, body: DelayBody, began: datetime) -> datetime:
    if body.until is not None:
        said = body.until.render(place.scope)
        try:
            until = said if isinstance(said, datetime) else moment(str(said))
        except ValueError as error:
            raise StepFailed(f"step {step.id!r}: until: {error}", path=place.path_of(step.id)) from None
    else:
        duration = body.duration_ms
        said = duration if isinstance(duration, int) or duration is None else duration.render(place.scope)
        if isinstance(said, bool) or not isinstance(said, int | float) or said < 0:
            raise StepFailed(
                f"step {step.id!r}: duration_ms is {said!r}, not a number of milliseconds", path=place.path_of(step.id)
            )
        until = began + timedelta(milliseconds=said)
    if until - began > timedelta(milliseconds=MAX_DELAY_MS):
        days = MAX_DELAY_MS // 86_400_000
        raise StepFailed(f"step {step.id!r} would wait longer than {days} days", path=place.path_of(step.id))
    return until


async def run_approval(place: Place, step: Step, body: ApprovalBody, segment: str) -> Json:
    """The decision, who took it, and what they said.

    Raises:
        StepFailed: it was rejected, and a rejection is to fail the step; or there is nothing sensible to ask.
    """
    message = text_of(clean(body.message.render(place.scope)))
    if len(message) > _MAX_MESSAGE:
        said = f"step {step.id!r}: the message is {len(message):,} characters long; {_MAX_MESSAGE:,} is most"
        raise StepFailed(said, cure="Ask about less at once.", path=place.path_of(step.id))
    question = Question(
        message=message,
        approvers=_approvers(place, step, body),
        needs=body.needs,
        timeout_ms=body.timeout_ms,
        on_timeout=body.on_timeout,
    )
    answer = await place.ctx.approval(f"{place.above}{segment}", question)
    if body.on_reject == "fail" and answer["decision"] == "rejected":
        raise StepFailed(f"step {step.id!r} was rejected{_told(answer)}", path=place.path_of(step.id))
    return answer


def _approvers(place: Place, step: Step, body: ApprovalBody) -> tuple[str, ...]:
    given = clean(body.approvers.render(place.scope))
    if not isinstance(given, list) or not all(isinstance(name, str) and name.strip() for name in given):
        said = "a list of names, not all of which are" if isinstance(given, list) else kind(given)
        raise StepFailed(
            f"step {step.id!r}: `approvers` must be a list of names, not {said}",
            cure="Write [ann, bob], or point at a list of texts.",
            path=place.path_of(step.id),
        )
    names = tuple(dict.fromkeys(str(name) for name in given))
    if len(names) > MAX_APPROVERS or (not names and body.needs == "all"):
        said = f"{len(names):,} approvers are too many" if names else "all of nobody cannot approve"
        raise StepFailed(f"step {step.id!r}: {said}", path=place.path_of(step.id))
    return names


def _told(answer: dict[str, Json]) -> str:
    by, comment = answer.get("by"), answer.get("comment")
    return f"{f' by {by}' if by else ''}{f': {comment}' if comment else ''}"
