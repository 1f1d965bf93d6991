"""What is kept of a run so that it can be resumed, and stands nowhere else: checkpoints that are no effects. Pure.

`request` holds what the run was asked for beyond its agent's definition, and its inputs where the payload policy keeps
them out of `run_payloads`; `epoch:<n>` the moment a later epoch began; `output` what a child run gave, for its parent;
`cancel` that it is to end. Must never hold a known secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast

from trackrecord.canonical import Json, digest, encode_clean, loads
from trackrecord.context.protocols import CANCEL, Checkpoint
from trackrecord.errors import CheckpointsGone
from trackrecord.record.redact import Redactor

REQUEST: Final = "request"
EPOCH: Final = "epoch"
OUTPUT: Final = "output"
CancelCode = Literal["user", "signal"]
LACKING: Final = "is_lacking"  # a secret had to be left out


def request(asked: Mapping[str, Json], inputs_text: str | None, redactor: Redactor) -> tuple[Checkpoint, ...]:
    """The checkpoint of what a run was asked for; none when there is nothing to keep.

    A known secret is kept by nobody: what held one is kept without it, and says so.
    """
    given: dict[str, Json] = {name: value for name, value in asked.items() if value is not None}
    if inputs_text is not None:
        given["inputs"] = inputs_text
    if not given:
        return ()
    text = encode_clean(given)
    if not redactor.knows_nothing:
        scrubbed = redactor.exact_json(text)
        if scrubbed != text:
            left: dict[str, Json] = {**cast("dict[str, Json]", loads(scrubbed)), LACKING: True}
            text = encode_clean(left)
    return (_kept(REQUEST, REQUEST, outcome=f'{{"value":{text}}}'),)


def began(epoch: int, at: str) -> Checkpoint:
    """The moment an epoch after the first began: should it be killed, the gap before it is known all the same."""
    return _kept(f"epoch:{epoch}", EPOCH, epoch=epoch, subject=at)


def output(text: str, redactor: Redactor) -> Checkpoint:
    """What a child run gave, as canonical text: its parent goes on with it, whatever the payload policy keeps."""
    return _kept(OUTPUT, OUTPUT, outcome=f'{{"value":{redactor.exact_json(text)}}}')


def output_of(outcome: str) -> Json:
    """What a child run gave, from the outcome of its checkpoint."""
    return cast("dict[str, Json]", loads(outcome))["value"]


def wish_of(checkpoints: Iterable[Checkpoint]) -> CancelCode | None:
    """The code under which a process that died was about to end the run; None when it was not."""
    return next((cast("CancelCode", one.subject) for one in checkpoints if one.kind == CANCEL), None)


def request_of(outcome: str | None) -> Mapping[str, Json]:
    """What a run was asked for, from the outcome of its checkpoint."""
    return {} if outcome is None else cast("Mapping[str, Json]", cast("dict[str, Json]", loads(outcome))["value"])


def inputs_of(outcome: str | None, body: str | None, sha256: str | None) -> str | None:
    """Canonical text of the inputs of a run; None when they are not kept whole."""
    text = request_of(outcome).get("inputs", body)
    return text if isinstance(text, str) and digest(text) == sha256 else None


def gone(run_id: str) -> CheckpointsGone:
    """The error for a run of which nothing can be taken over any more."""
    return CheckpointsGone(
        f"what run {run_id!r} had done is not kept any more, so it cannot be retried or forked",
        cure="Run its agent anew; TRACKRECORD_CHECKPOINT_DAYS says for how many days it is kept.",
    )


def _kept(path: str, kind: str, *, epoch: int = 0, subject: str = "", outcome: str | None = None) -> Checkpoint:
    return Checkpoint(
        path=path,
        attempt=1,
        state="started" if outcome is None else "done",
        kind=kind,
        effect="read",
        request_hash="",
        subject=subject,
        epoch=epoch,
        start_us=0,
        outcome=outcome,
    )
