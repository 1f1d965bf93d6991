"""Facts of a finished run, taken from its record for the summary. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Final

from trackrecord.agent.policies import PayloadChoice
from trackrecord.canonical import cut, encode_clean
from trackrecord.memory.summary import RunFacts
from trackrecord.record.record import Ending, Record
from trackrecord.record.redact import Redactor

MAX_ANSWER_CHARACTERS: Final = 2_000


def answer_of(ending: Ending | None, policy: PayloadChoice, redactor: Redactor) -> str | None:
    """The beginning of the answer as text, secrets taken out; None when there was none or it may not be kept."""
    if ending is None or ending.output is None or policy == "none":
        return None
    said = ending.output
    shown = redactor.text(said) if isinstance(said, str) else redactor.json(encode_clean(said))
    return cut(shown, MAX_ANSWER_CHARACTERS)  # cut first, and half a secret would stay


def facts_of(record: Record, *, answer: str | None, is_first_run: bool = False, has_pattern: bool = False) -> RunFacts:
    """What the summary of a finished run is made of; `answer` is None when its contents may not be kept.

    Raises:
        ValueError: the run has not ended.
    """
    ending, measures = record.ending, record.measures
    if ending is None:
        raise ValueError(f"run {record.origin.run_id!r} has not ended; only a finished run is summarised")
    made = [use for use in measures.tool_calls if not use.was_rejected]
    return RunFacts(
        status=ending.status,
        error_code=ending.error_code,
        error_message=ending.error_message,
        turns=measures.iterations_count,
        tool_calls=Counter(f"{use.plugin}.{use.action}" for use in made),
        failed_tool_calls=sum(1 for use in made if use.error_code is not None),
        tolerated_steps=measures.steps.tolerated - measures.steps.stopped,
        tokens=measures.tokens.total,
        answer=answer,
        is_first_run=is_first_run,
        has_pattern=has_pattern,
    )
