"""The faults of group C as one table: what the server does, and what the run must have come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.providers.server.script import Call, Cut, Fault, Tokens, Turn, refused

ANSWER: Final = "Zwölf Äpfel, größer als die übrigen."
CALL: Final = Call(name="abacus__find", arguments={"name": "Köln am großen Fluß", "limit": 1})
USED: Final = 110  # tokens of one reply that reports the usual usage
BEGUN: Final = 100  # tokens Anthropic's streams tell as they begin: known, even of a reply that never ended
STREAM_ONLY: Final = True
WHOLE_ONLY: Final = False

Status = Literal["completed", "failed", "timed_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault and its outcome.

    Attributes:
        faults: what befalls the requests of the first turn; a later one is answered, unless they come `for_ever`.
        statuses: how the model attempts end, in order.
        status, code: of the run; code None when it completes.
        tokens: known tokens of the run; None when nothing is known.
        has_begun: whether the faulty answers were begun, so that an Anthropic stream has told its input.
        says: what the error message must hold.
        silent: HTTP requests fewer than attempts: those that never left.
        streamed: only streamed or only whole; None for both.
        only: protocols in which the fault exists.
        slept_ms: the least time between two attempts.
        turn: replaces the usual turn.
        settings, limits: of the run.
    """

    faults: tuple[Fault, ...] = ()
    for_ever: bool = False
    statuses: tuple[str, ...]
    status: Status = "completed"
    code: str | None = None
    tokens: int | None = USED
    has_begun: bool = False
    says: str = ""
    streamed: bool | None = None
    only: tuple[str, ...] = ()
    slept_ms: float = 0.0
    turn: Turn | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    limits: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def script(self) -> Turn:
        """What the server plays."""
        turn = self.turn or Turn(text=ANSWER)
        return Turn(
            text=turn.text,
            calls=turn.calls,
            usage=turn.usage,
            finish=turn.finish,
            faults=self.faults,
            for_ever=self.for_ever,
        )


def passes(*faults: Fault, **more: Any) -> Case:
    """A fault that passes: tried again, then answered."""
    return Case(faults=faults, statuses=(*["failed"] * len(faults), "ok"), **more)


def stays(fault: Fault, **more: Any) -> Case:
    """A fault that does not pass: tried three times, then given up."""
    given = {"statuses": ("failed",) * 3, "tokens": None, **more}
    return Case(faults=(fault,), for_ever=True, status="failed", code="provider_unavailable", **given)


def refuses(fault: Fault, says: str, **more: Any) -> Case:
    """A refusal that no other attempt would change."""
    given = {"tokens": None, "code": "model_failed", **more}
    return Case(faults=(fault,), for_ever=True, statuses=("failed",), status="failed", says=says, **given)


def unreadable(fault: Fault, **more: Any) -> Case:
    """An answer that is none."""
    return refuses(fault, "", code="provider_bad_response", **more)


def limited(retry_after: str | None) -> Fault:
    return refused("rate_limited", retry_after=retry_after)


C1: Final = {
    "C1 429 without a word": passes(limited(None)),
    "C1 429 with seconds": passes(limited("3600"), slept_ms=40),
    "C1 429 with no seconds": passes(limited("0")),
    "C1 429 with a date": passes(limited("Wed, 21 Oct 2099 07:28:00 GMT"), slept_ms=40),
    "C1 429 with a date that has passed": passes(limited("Wed, 21 Oct 2015 07:28:00 GMT")),
    "C1 429 with an absurd wait": passes(limited("1000000000"), slept_ms=40),
    "C1 429 with nonsense": passes(limited("soon, -3; NaN")),
    "C1 429 for ever": stays(limited("0"), says="429"),
    "C1 429 beyond the run's own time": Case(
        faults=(limited("3600"),),
        for_ever=True,
        statuses=("failed",),
        status="timed_out",
        code="run_timeout",
        tokens=None,
        settings={"retry": {"retry_after_cap_ms": 60_000}},
        limits={"run_timeout_s": 0.4},
    ),
}
C2: Final = {
    **{f"C2 {status} that passes": passes(*[refused("failed", status=status)] * 2) for status in (500, 502, 503, 529)},
    **{f"C2 {status} for ever": stays(refused("failed", status=status), says=str(status)) for status in (500, 529)},
    "C2 a gateway's HTML page": passes(Fault(status=502, body=b"<html>Bad Gateway</html>", content_type="text/html")),
}
C3: Final = {
    "C3 400": refuses(refused("bad_request"), "400"),
    "C3 401": refuses(refused("bad_key"), "401"),
    "C3 403": refuses(refused("forbidden"), "403"),
    "C3 404": refuses(refused("unknown"), "404"),
    "C3 filtered prompt": refuses(refused("filtered"), "content policy"),
    "C3 context too long": refuses(refused("too_long"), "too long"),
    "C3 filtered answer": Case(
        turn=Turn(text="I", finish="filtered"), statuses=("failed",), status="failed", code="model_failed"
    ),
    "C3 filtered before a word": Case(
        turn=Turn(finish="filtered"),
        statuses=("failed",),
        status="failed",
        code="model_failed",
        only=("openai-chat", "anthropic", "google"),
    ),
}
_BRIEF: Final = {"limits": {"model_timeout_ms": 400}, "settings": {"retry": {"max_attempts": 2}}}
C4: Final = {
    "C4 reset": passes(Fault(drop="reset")),
    "C4 hang up": passes(Fault(drop="hang up")),
    "C4 reset for ever": stays(Fault(drop="reset")),
    "C4 silence before the headers": Case(
        faults=(Fault(stall="before headers"),), statuses=("timed_out", "ok"), **_BRIEF
    ),
    "C4 silence after the headers": Case(
        faults=(Fault(stall="after headers"),), statuses=("timed_out", "ok"), **_BRIEF
    ),
}


def cut(where: Cut, **more: Any) -> Case:
    turn = Turn(text=ANSWER, calls=(CALL,)) if where == "argument" else None
    return passes(Fault(cut=where), turn=turn, has_begun=True, **more)


C5: Final = {
    "C5 cut in the middle": cut("middle"),
    "C5 cut in a character": cut("character"),
    "C5 cut in an argument": cut("argument"),
    "C5 a stream that just stops": cut("clean", streamed=STREAM_ONLY),
    "C5 cut for ever": stays(Fault(cut="middle"), has_begun=True),
}
C6: Final = {
    "C6 malformed JSON": unreadable(Fault(body=b'{"id": "1", "choices": [{"mess'), streamed=WHOLE_ONLY),
    "C6 a body that is half": unreadable(Fault(cut="clean"), streamed=WHOLE_ONLY),
    "C6 malformed events": unreadable(
        Fault(body=b'data: {"id": "1", "choi\n\ndata: [DONE]\n\n', content_type="text/event-stream"),
        streamed=STREAM_ONLY,
    ),
    "C6 an HTML page": unreadable(Fault(body=b"<html><body>Welcome!</body></html>", content_type="text/html")),
    "C6 an empty body": unreadable(Fault(body=b"")),
    "C6 no choices": unreadable(Fault(odd="no choices"), tokens=USED, streamed=WHOLE_ONLY),
    "C6 a stream without choices": unreadable(
        Fault(odd="no choices"), tokens=USED, streamed=STREAM_ONLY, only=("openai-chat",)
    ),
    # without choices a stream of Gemini's has no end either: nobody can tell it from one that was cut
    "C6 a stream without candidates": stays(
        Fault(odd="no choices"), tokens=BEGUN * 3, streamed=STREAM_ONLY, only=("google",)
    ),
    "C6 wrong types": unreadable(Fault(odd="wrong types")),
    "C6 no object": unreadable(Fault(odd="no object"), streamed=WHOLE_ONLY),
    "C6 an event that is no object": unreadable(
        Fault(odd="no object"), streamed=STREAM_ONLY, only=("openai-chat", "openai", "anthropic")
    ),
    "C6 an event that is no candidate": stays(Fault(odd="no object"), streamed=STREAM_ONLY, only=("google",)),
    "C6 an error inside": unreadable(Fault(odd="error inside"), streamed=WHOLE_ONLY),
    # within a stream an error comes too late for a status, and means what its status would have meant: C2
    "C6 an error inside a stream": stays(Fault(odd="error inside"), streamed=STREAM_ONLY, has_begun=True),
    "C6 nothing said": Case(turn=Turn(), statuses=("ok",)),
    "C6 a bomb": unreadable(Fault(bomb_mib=48)),
}


def tells(tokens: Tokens | None, known: int | None, **more: Any) -> Case:
    return Case(turn=Turn(text=ANSWER, usage=tokens), statuses=("ok",), tokens=known, **more)


C7: Final = {
    "C7 usage missing": tells(None, None),
    **{
        f"C7 {name} as output": tells(Tokens(output=figure, total=100), 100)
        for name, figure in {
            "negative": -5,
            "NaN": math.nan,
            "10^18": 10**18,
            "a fraction": 12.5,
            "text": "12",
            "true": True,
            "a list": [12],
        }.items()
    },
    "C7 text as input": tells(Tokens(input="100", total=10), 10),
    "C7 a total that is none": tells(Tokens(total=999), None, only=("openai-chat", "openai", "google")),
}
C12: Final = {
    "C12 usage once": Case(turn=Turn(text=ANSWER), statuses=("ok",)),
    "C12 usage repeated": Case(turn=Turn(text=ANSWER, usage=Tokens(placement="repeated")), statuses=("ok",)),
    "C12 usage growing": Case(turn=Turn(text=ANSWER, usage=Tokens(placement="cumulative")), statuses=("ok",)),
}
CASES: Final[Mapping[str, Case]] = {**C1, **C2, **C3, **C4, **C5, **C6, **C7, **C12}
