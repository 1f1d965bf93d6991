"""One effect and what came of it: the one input object of all wrappers, so that a new field breaks nobody."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from trackrecord.canonical import Json, encode_clean
from trackrecord.context.midway import Watched
from trackrecord.plugins.protocol import EffectClass
from trackrecord.record.spans import Purpose, SpanKind, SpanStatus
from trackrecord.record.usage import Usage
from trackrecord.sealed import maker, sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How often and how patiently an effect is tried.

    Attributes:
        max_attempts: tries in all.
        initial_ms: first wait; grows by `multiplier` up to `max_ms`, each with full jitter unless `has_jitter` is off.
        retry_after_cap_ms: longest wait a provider's own Retry-After may ask for.
        on: causes that are tried again; empty means every transient one.
    """

    max_attempts: int = 3
    initial_ms: int = 1_000
    multiplier: float = 2.0
    max_ms: int = 30_000
    has_jitter: bool = True
    retry_after_cap_ms: int = 60_000
    on: tuple[str, ...] = ()


@sealed
class Outcome:
    """What one successful attempt gave.

    Attributes:
        value: canonical value the engine receives, live and resumed alike.
        text: canonical text of `value`, encoded once.
        usage, responded_model: of model attempts.
        success, items: of tool attempts.
        attributes: anything else for the span.
    """

    value: Json
    text: str
    usage: Usage | None = None
    responded_model: str | None = None
    success: bool | None = None
    items: int | None = None
    attributes: dict[str, Json] = field(default_factory=dict[str, Json])


new_outcome = maker(Outcome)


class EffectFailed(Exception):
    """An attempt that gave nothing; known to the wrappers only, engines see a RunError.

    Attributes:
        code: error_code of design's list.
        cause: short name a retry policy may match: timeout, connection, 429, 500, …; empty when it has none.
        is_transient: another attempt makes sense.
        was_sent: False only when it provably never left.
        is_unknown: it may have had its effect and nobody knows.
        status: how its span ends.
        usage: tokens a failed model attempt reported; None for the rest.
        attributes: anything else for the span; gone from a stored failure.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        cause: str = "",
        is_transient: bool = False,
        was_sent: bool = True,
        is_unknown: bool = False,
        retry_after_s: float | None = None,
        status: SpanStatus = "failed",
        usage: Usage | None = None,
        attributes: Mapping[str, Json] | None = None,
    ) -> None:
        """Keep the cause."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.cause = cause
        self.is_transient = is_transient
        self.was_sent = was_sent
        self.is_unknown = is_unknown
        self.retry_after_s = retry_after_s
        self.status: SpanStatus = status
        self.usage = usage
        self.attributes: Mapping[str, Json] = attributes or {}

    def stored(self) -> str:
        """The failure as a checkpoint's outcome."""
        fields: dict[str, Json] = {
            "message": self.message,
            "code": self.code,
            "cause": self.cause,
            "is_transient": self.is_transient,
            "was_sent": self.was_sent,
            "is_unknown": self.is_unknown,
        }
        return encode_clean({"error": fields})


def restore_failure(stored: dict[str, Json]) -> EffectFailed:
    """The failure of a stored outcome."""
    return EffectFailed(
        str(stored["message"]),
        code=str(stored["code"]),
        cause=str(stored["cause"]),
        is_transient=bool(stored["is_transient"]),
        was_sent=bool(stored["was_sent"]),
        is_unknown=bool(stored["is_unknown"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another model for the same request, as its effect would have it."""

    perform: Perform
    provider: str
    model: str
    attributes: Mapping[str, Json] = field(default_factory=dict[str, Json])


@sealed
class Effect:
    """One thing an engine does to the outside.

    Attributes:
        path: full structural path in the run.
        kind: what it is; `purpose`, `provider`, `model`, `plugin`, `action` describe it in its span.
        effect: its class, which decides markers and retries.
        request_hash: SHA-256 of what is asked for; the same again on resume.
        perform: carries one attempt out; raises EffectFailed.
        attempt: which try this is.
        interrupted_count: earlier attempts that do not count against the retry policy: those a killed process left
            open, and those of models asked before this one.
        timeout_ms: longest one attempt may take; None means no limit of its own.
        attributes: what the span of every attempt keeps beside its figures.
        watched: how far a model call has come, when its model tells; None for the rest.
        alternatives: models still to be asked when this one cannot be had; their attempts go on counting.
    """

    path: str
    kind: SpanKind
    effect: EffectClass
    request_hash: str
    perform: Perform
    attempt: int = 1
    interrupted_count: int = 0
    timeout_ms: int | None = None
    backoff: Backoff
    purpose: Purpose | None = None
    provider: str | None = None
    model: str | None = None
    plugin: str | None = None
    action: str | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict[str, Json])
    watched: Watched | None = None
    alternatives: tuple[Alternative, ...] = ()

    def instead(self, *, after: int) -> Effect | None:
        """The same request to the next model, attempts up to `after` behind it; None when there is no other."""
        if not self.alternatives:
            return None
        one, *others = self.alternatives
        return replace(
            self,
            attempt=after + 1,
            interrupted_count=after,
            perform=one.perform,
            provider=one.provider,
            model=one.model,
            attributes=one.attributes,
            alternatives=tuple(others),
        )

    @property
    def subject(self) -> str:
        """`provider:model` or `plugin.action`; empty for the other kinds."""
        if self.kind == "model":
            return f"{self.provider}:{self.model}"
        return f"{self.plugin}.{self.action}" if self.kind == "tool" else ""

    @property
    def needs_marker(self) -> bool:
        """Whether its start must be stored before it leaves: model calls, keyed and unsafe effects."""
        return self.kind == "model" or self.effect != "read"


new_effect = maker(Effect)
Perform = Callable[[Effect], Coroutine[Any, Any, Outcome]]
NO_BACKOFF: Final = Backoff(max_attempts=1)
