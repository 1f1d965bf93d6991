"""One step from its `if` to its result: tries, timeout, what a failure does, fallback. The bodies do the work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from trackrecord.canonical import Json
from trackrecord.context.effect import NO_BACKOFF
from trackrecord.context.retry import pause_s
from trackrecord.context.step import StepScope
from trackrecord.context.strands import timed
from trackrecord.engines.orchestrator.bodies import backoff, run_body
from trackrecord.engines.orchestrator.place import Place
from trackrecord.errors import InvalidOutput, RunError, StepFailed
from trackrecord.json_schema import compile_schema
from trackrecord.workflow.expressions import ExpressionError
from trackrecord.workflow.steps import Step

_SKIPPED: Mapping[str, Json] = {"data": None, "status": "skipped", "error": None}
_EFFECT_STEPS = frozenset({"action", "llm"})
_TIMED_OUT: Mapping[str, Json] = {"timed_out": True}  # a choice of the clock, which a resumed run must not make again


async def run_step(place: Place, step: Step) -> dict[str, Json]:
    """What later expressions see of the step: data, status (`completed`, `failed` or `skipped`) and error.

    Raises:
        RunError: the step failed and nothing tolerated it.
    """
    relative = f"{place.above}s:{step.id}"
    if step.depends_on and _is_cut_off(place, step):
        place.ctx.skip(relative, step.type)
        return dict(_SKIPPED)
    with place.ctx.step(relative, step.type) as span:
        data, error = await _try(place, step, 1, span)
    attempt = 1
    while error is not None and _is_retried(step, error, attempt):
        await asyncio.sleep(pause_s(backoff(step.retry) or NO_BACKOFF, attempt, None))
        attempt += 1
        with place.ctx.step(relative, step.type, attempt=attempt) as span:
            data, error = await _try(place, step, attempt, span)
    if error is None:
        return {"data": data, "status": "skipped" if span.status == "skipped" else "completed", "error": None}
    if step.on_error == "fail":
        raise error
    if step.fallback is not None:
        under = place.at(f"s:{step.id}")
        data = (await run_step(under, step.fallback))["data"]
    return {"data": data, "status": "failed", "error": {"code": error.code, "message": error.message}}


def _is_cut_off(place: Place, step: Step) -> bool:
    """Whether every declared dependency was skipped; steps that merely follow one another do not depend."""
    return all(place.steps[before]["status"] == "skipped" for before in step.depends_on)


def _holds(step: Step, place: Place) -> bool:
    try:
        return step.condition is None or step.condition.holds(place.scope)
    except ExpressionError as error:
        raise _own_failure(place, step, error) from None


async def _try(place: Place, step: Step, attempt: int, span: StepScope) -> tuple[Json, RunError | None]:
    """One try: its data, or the failure that a policy of the step may deal with; others are raised.

    An `if` that is false leaves None and the status `skipped`, as does a body that says so. An error that will be
    raised in the end leaves through the span, so that it stands there as `failed`.
    """
    try:
        if step.condition is not None and attempt == 1 and not _holds(step, place):
            span.status = "skipped"
            return None, None
        return await _work(place, step, attempt, span), None
    except RunError as error:
        if not error.is_tolerable:
            raise
        span.error = error
        is_accepted = step.on_error != "fail" or place.is_tolerant
        span.status = "tolerated" if is_accepted and not _is_retried(step, error, attempt) else "failed"
        return None, error
    except asyncio.CancelledError:
        span.has_lost = place.has_lost()
        raise


async def _work(place: Place, step: Step, attempt: int, span: StepScope) -> Json:
    segment = f"s:{step.id}" if attempt == 1 else f"s:{step.id}/try:{attempt}"
    has_timer = step.timeout_ms is not None and step.type not in _EFFECT_STEPS
    timer = asyncio.timeout((step.timeout_ms or 0) / 1000) if has_timer else None
    relative = f"{place.above}{segment}"
    inside = place if step.on_error == "fail" else place.tolerant()
    try:
        if timer is None:
            data = await run_body(inside, step, segment, span)
        elif place.ctx.decided(relative) == _TIMED_OUT:  # in an earlier epoch, which has recorded what it did
            raise _timed_out(place, step)
        else:
            async with timer:
                with timed(timer):  # it stands still while all that the step does waits
                    data = await run_body(inside, step, segment, span)
    except ExpressionError as error:
        raise _own_failure(place, step, error) from None
    except TimeoutError:
        if timer is None or not timer.expired():
            raise
        await place.ctx.decide(relative, _that_it_did)
        raise _timed_out(place, step) from None
    if step.output_schema is None or step.type in ("llm", "agent") or span.status == "skipped":
        return data  # those two check their answers themselves
    return _checked(place, step, data)


async def _that_it_did() -> Json:
    return dict(_TIMED_OUT)


def _timed_out(place: Place, step: Step) -> StepFailed:
    return StepFailed(f"step {step.id!r} took longer than its {step.timeout_ms} ms", path=place.path_of(step.id))


def _checked(place: Place, step: Step, data: Json) -> Json:
    problems = compile_schema(step.output_schema or {}).problems(data)
    if problems:
        raise InvalidOutput(
            f"the data of step {step.id!r} does not fit its output_schema: {'; '.join(problems)}",
            path=place.path_of(step.id),
        )
    return data


def _own_failure(place: Place, step: Step, error: ExpressionError) -> StepFailed:
    message = f"step {step.id!r}: {error.message}"
    return StepFailed(message, cure=error.cure, path=place.path_of(step.id))


def _is_retried(step: Step, error: RunError, attempt: int) -> bool:
    """Whether a whole step is run again: effects retry in the context, the rest only by a policy of its own."""
    policy = step.retry
    if policy is None or step.type in _EFFECT_STEPS or attempt >= policy.max_attempts or not error.is_tolerable:
        return False
    return not policy.on or error.code in policy.on
