"""The span: one finished attempt of one thing that happened in a run; the only place where a measurement is stored.

Spans are made by the context (effects, steps) and by the runner (epochs), stored once, and never changed.
"""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from typing import Final, Literal

from trackrecord.canonical import Json
from trackrecord.record.usage import Usage
from trackrecord.sealed import maker, sealed

PATH_VERSION: Final = 1
MAX_PATH_BYTES: Final = 1024

SpanKind = Literal["epoch", "step", "model", "tool", "recall", "remember", "wait", "decision", "child"]
EFFECT_KINDS: Final = frozenset({"model", "tool", "recall", "remember", "wait", "decision", "child"})

SpanStatus = Literal[
    "ok",  # did what it should
    "failed",  # a known failure
    "tolerated",  # a step that failed and whose failure a policy accepted
    "skipped",  # a step whose `if` was false or whose dependencies were all skipped
    "rejected",  # a tool call that was never made: bad arguments, unknown tool, policy
    "cancelled",  # ended from outside while in flight
    "timed_out",  # its own time ran out
    "interrupted",  # the process died while it was in flight
    "unknown",  # an unsafe effect whose outcome nobody knows
]
Purpose = Literal["work", "repair", "memory", "routing"]


@sealed
class Span:
    """One finished attempt.

    Attributes:
        path: structural place in the run, as in the path grammar (`turn:2/call:3/tool`, `s:fetch`).
        attempt: 1 for the first try of this path.
        kind: what it was.
        status: how it ended.
        epoch: the epoch of the run that did it.
        start_us: microseconds since that epoch's begin.
        duration_us: microseconds by the monotonic clock.
        purpose: of model attempts: `work`, `repair` (also a turn), `memory` or `routing`; None for the rest.
        step_type: of steps: the step's type; None for the rest.
        provider, model: what was asked for; None unless a model attempt.
        responded_model: what the provider says answered; None when it did not say.
        usage: token figures; None unless a model attempt. Of an attempt that reported nothing: `usage.UNKNOWN`.
        cost_nanos: nano-dollars of this attempt, exact to the nano-dollar; None when it could not be priced.
        cost_usd: exact dollars as decimal text; None when it could not be priced.
        plugin, action: of tool attempts; None for the rest.
        success: of tool attempts: what the tool itself said; None when it did not say.
        items: what a tool returned, or how many iterations, branches or items a container started (a decision: 1).
        error_code, error_message: redacted cause; None when there was none.
        attributes: anything else worth keeping, canonical; never a measurement a total is built from, except
            `memory` of a recall span ({tokens, entries, types}) and `began_at` of an epoch.
    """

    path: str
    kind: SpanKind
    status: SpanStatus
    epoch: int
    start_us: int
    duration_us: int
    attempt: int = 1
    purpose: Purpose | None = None
    step_type: str | None = None
    provider: str | None = None
    model: str | None = None
    responded_model: str | None = None
    usage: Usage | None = None
    cost_nanos: int | None = None
    cost_usd: str | None = None
    plugin: str | None = None
    action: str | None = None
    success: bool | None = None
    items: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    attributes: dict[str, Json] = field(default_factory=dict[str, Json])

    @property
    def has_lost(self) -> bool:
        """Whether it is a step that was stopped because another branch was first: it is tolerated and has no cause."""
        return self.status == "tolerated" and self.error_code is None


new_span = maker(Span)


@lru_cache(maxsize=4096)
def path_key(path: str) -> tuple[tuple[str, int], ...]:
    """Sort key of a path: segments in order, numbers as numbers, so that `i:10` follows `i:9`.

    The run's summary comes last, behind the turns of one engine and the steps of another.

    Raises nothing: a segment whose end is no number sorts by its text.
    """
    key: list[tuple[str, int]] = []
    for segment in path.split("/"):
        name, _, number = segment.rpartition(":")
        key.append((name, int(number)) if name and number.isdecimal() else (segment, 0))
    if key[0] == ("summary", 0):
        key[0] = ("~summary", 0)  # no other segment begins so
    return tuple(key)


def instance(path: str) -> str:
    """The path without its `try:` segments: the same step in another try of what contains it."""
    if "/try:" not in path:
        return path
    return "/".join(segment for segment in path.split("/") if not segment.startswith("try:"))
