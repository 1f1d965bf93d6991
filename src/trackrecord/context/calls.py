"""One attempt of a model or tool call: what the outside said, turned into an outcome or a known kind of failure."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence

from trackrecord.canonical import Json, clean, clean_text, dumps, encode_clean, loads
from trackrecord.clock import ticks_us
from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform, new_outcome
from trackrecord.context.live_run import LiveRun
from trackrecord.errors import TrackrecordError
from trackrecord.models.messages import Model, ModelCallFailed, ModelReply, ModelRequest
from trackrecord.plugins.credentials import Credentials
from trackrecord.plugins.items import count_items
from trackrecord.plugins.protocol import Result, ToolCallFailed, Whole, new_invocation
from trackrecord.plugins.registry import BoundAction
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage, sensible

MAX_SECRET_CHARACTERS = 256  # of what a tool printed too much: so much of its end may be a piece of a secret


def call_model(model: Model, request: ModelRequest) -> Perform:
    """One attempt of a model call."""

    async def perform(effect: Effect) -> Outcome:
        midway = None if effect.watched is None else effect.watched.midway
        if midway is not None:
            midway.reset()
        try:
            reply = await model.request(request.at(effect.path, effect.attempt, midway))
        except ModelCallFailed as failure:
            raise EffectFailed(
                str(failure),
                code=failure.code,
                cause=str(failure.status) if failure.status else ("connection" if failure.is_transient else ""),
                is_transient=failure.is_transient,
                retry_after_s=failure.retry_after_s,
                usage=sensible(failure.usage),
            ) from None
        except BaseException as error:
            if is_real_cancellation(error):
                raise
            raise EffectFailed(f"the model raised {describe(error)}", code="model_failed") from error
        usage: Usage | None = None
        try:
            usage = sensible(reply.usage)
            return _model_outcome(reply, usage)
        except Exception as error:  # its fields may hold anything; what it has used counts all the same
            message = f"the model gave a reply that cannot be read: {describe(error)}"
            raise EffectFailed(message, code="provider_bad_response", usage=usage) from error

    return perform


def call_tool(
    bound: BoundAction,
    arguments: dict[str, Json],
    key: str,
    most_bytes: int,
    *,
    scrub: Callable[[str], str],
    keep: Callable[[str], str] | None = None,
    credentials: Callable[[Sequence[str]], Mapping[str, str]] | None = None,
) -> Perform:
    """One attempt of a tool call.

    A result over `most_bytes` is cut, after `scrub` has taken the secrets out of the whole: a secret across the cut
    would leave its beginning. `keep` makes the result's text fit for the span; None keeps none of it. `credentials`
    opens the secrets that the plugin has declared; None when there are none to be had.
    """

    async def perform(effect: Effect) -> Outcome:
        invocation = new_invocation(
            action=bound.action.name,
            arguments=_copy(arguments),
            idempotency_key=key,
            deadline_us=None if effect.timeout_ms is None else ticks_us() + effect.timeout_ms * 1000,
            credentials=_credentials(bound, credentials),
            result_bytes=most_bytes,
            effect=effect.effect,
        )
        try:
            result = await bound.plugin.call(invocation)
        except ToolCallFailed as failure:
            raise _tool_failure(effect, failure, _printed(failure.printed, keep)) from None
        except BaseException as error:
            if is_real_cancellation(error):
                raise
            raise EffectFailed(f"{bound.action.name} raised {describe(error)}", code="tool_failed") from error
        if not isinstance(result, Result):  # pyright: ignore[reportUnnecessaryIsInstance]  # plugins are anyone's code
            raise EffectFailed(f"{bound.action.name} gave a {type(result).__name__}, not a Result", code="tool_failed")
        if result.success is False:
            message = result.error or f"{bound.action.name} reported a failure"
            raise EffectFailed(message, code="tool_failed", attributes=_printed(result.printed, keep))
        outcome = _tool_outcome(result, most_bytes, scrub)
        if keep is not None:
            outcome.attributes["result"] = keep(outcome.text)
            outcome.attributes.update(_printed(result.printed, keep))
        return outcome

    return perform


def _credentials(bound: BoundAction, opened: Callable[[Sequence[str]], Mapping[str, str]] | None) -> Credentials:
    if not bound.credentials or opened is None:
        return Credentials()
    try:
        return Credentials(opened(bound.credentials))
    except TrackrecordError as error:
        message = f"the secrets of {bound.plugin.name!r} cannot be opened: {error.message}"
        raise EffectFailed(message, code="tool_failed", was_sent=False) from None


def rejected_span(run: LiveRun, path: str, plugin: str | None, action: str, message: str) -> Span:
    """The span of a tool call that was never made."""
    return Span(
        path=path,
        kind="tool",
        status="rejected",
        epoch=run.epoch,
        start_us=run.elapsed_us(),
        duration_us=0,
        plugin=plugin,
        action=clean_text(action[:200]),
        success=False,
        error_code="rejected",
        error_message=message,
    )


def is_real_cancellation(error: BaseException) -> bool:
    """Whether our own task is being cancelled; a tool may raise CancelledError all by itself."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def describe(error: BaseException) -> str:
    """`TypeName: text` of any exception, also one whose text cannot be had."""
    try:
        text = str(error)
    except Exception as broken:  # a hostile __str__ may raise anything
        text = f"<its text raised {type(broken).__name__}>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _copy(value: dict[str, Json]) -> dict[str, Json]:
    """A deep copy of plain JSON, so that a tool that changes its arguments changes nobody else's."""
    return {key: _copy_any(item) for key, item in value.items()}


def _copy_any(value: Json) -> Json:
    if isinstance(value, dict):
        return _copy(value)
    if isinstance(value, list):
        return [_copy_any(item) for item in value]
    return value


def _model_outcome(reply: ModelReply, usage: Usage) -> Outcome:
    stored = reply.stored()
    _make_ids_unique(stored)
    attributes: dict[str, Json] = {}
    if reply.finish_reason is not None:
        attributes["finish_reason"] = clean_text(reply.finish_reason)
    if reply.first_token_us is not None:
        attributes["first_token_us"] = reply.first_token_us
    responded = None if reply.responded_model is None else clean_text(reply.responded_model)
    return new_outcome(
        value=stored,
        text=encode_clean(stored),
        usage=usage,
        responded_model=responded,
        attributes=attributes,
    )


def _make_ids_unique(stored: dict[str, Json]) -> None:
    """Two calls of one reply may not share an id: results are told apart by it."""
    requests = stored["tool_requests"]
    if not isinstance(requests, list) or len(requests) < 2:
        return
    seen: set[str] = set()
    for place, request in enumerate(requests, 1):
        if isinstance(request, dict):
            if str(request["id"]) in seen:
                request["id"] = f"{request['id']}~{place}"
            seen.add(str(request["id"]))


def _printed(text: str | None, keep: Callable[[str], str] | None) -> dict[str, Json]:
    """What the tool wrote to stdout and stderr, where the agent's policy keeps what tools say."""
    if text is None or keep is None:
        return {}
    beginning, mark, size = text.rpartition("… [cut: ")
    if not mark:
        return {"printed": keep(dumps(text))}
    # it was cut where the tool ran, which knows no secret: the beginning of one may be all that is left at its end
    whole = loads(keep(dumps(beginning)))
    return {"printed": dumps(f"{str(whole)[:-MAX_SECRET_CHARACTERS]}{mark}{size}")}


def _tool_failure(effect: Effect, failure: ToolCallFailed, attributes: dict[str, Json]) -> EffectFailed:
    is_open = effect.effect == "unsafe" and failure.was_sent and not failure.has_response
    was_rejected = failure.was_refused and effect.attempt == 1  # later, the path is one that was called
    return EffectFailed(
        describe(failure).removeprefix("ToolCallFailed: "),
        code="tool_oom" if failure.is_out_of_memory else "tool_failed",
        cause=failure.cause or ("connection" if failure.is_transient else ""),
        is_transient=failure.is_transient,
        was_sent=failure.was_sent,
        is_unknown=is_open,
        retry_after_s=failure.retry_after_s,
        status="unknown" if is_open else "rejected" if was_rejected else "failed",
        attributes=attributes,
    )


def _tool_outcome(result: Result, most_bytes: int, scrub: Callable[[str], str]) -> Outcome:
    text = encode_clean(clean(result.data))
    value = loads(text)  # what is stored, live and resumed alike: keys in order, and nobody else's object
    whole = result.whole
    if whole is not None and isinstance(value, str):
        return _cut_outcome(value, result, whole, most_bytes)
    items = count_items(value)
    # a character takes at most four bytes: only then is counting the bytes worth an encoding
    if len(text) * 4 <= most_bytes or (size := len(text.encode())) <= most_bytes:
        return new_outcome(value=value, text=text, success=result.success, items=items)
    whole = Whole(size=size, sha256=hashlib.sha256(text.encode()).hexdigest(), items=items)
    return _cut_outcome(scrub(text), result, whole, most_bytes)


def _cut_outcome(text: str, result: Result, whole: Whole, most_bytes: int) -> Outcome:
    """The beginning of a result that is too large to keep; its size and hash say what the rest was."""
    cut: dict[str, Json] = {"$t": "cut", "v": text.encode()[:most_bytes].decode(errors="ignore")}
    return new_outcome(
        value=cut,
        text=encode_clean(cut),
        success=result.success,
        items=whole.items,
        attributes={"truncated": {"size": whole.size, "sha256": whole.sha256}},
    )
