"""What is said of a run when it has ended: three lines, beside its answer. Pure."""

from __future__ import annotations

from trackrecord.cli.escape import line, prose
from trackrecord.cli.look import Look, joined, paragraph, wrapped
from trackrecord.cli.signs import run_state
from trackrecord.cli.units import count, dollars, duration, many
from trackrecord.record.record import Record


def summary(record: Record, look: Look, again: str) -> str:
    """How the run ended and what it used; `again` is the command that shows it all."""
    origin, measures, ending = record.origin, record.measures, record.ending
    status = "waiting" if ending is None else ending.status
    state = run_state(look, status, ending.error_code if ending else None)
    tokens = record.tokens
    parts = f" ({count(tokens.input)} in, {count(tokens.output)} out)" if tokens.total else ""
    facts = wrapped(
        (
            many(measures.steps.total, "step") if measures.steps.total else "",
            many(measures.iterations_count, "turn"),
            many(measures.tool_calls_count, "tool call"),
            f"{count(tokens.total)} tokens{parts}",
            _cost(measures.cost_nanos, measures.model_calls_count),
            many(record.credits_used, "credit") if record.credits_used is not None else "",
            many(measures.retry_count, "retry", "retries") if measures.retry_count else "",
        ),
        columns=look.width - 2,
    )
    return "\n".join(
        [
            joined(
                (
                    f"{state}  {line(origin.agent_name, 40)}",
                    line(origin.engine_title, 30),
                    duration(measures.duration_us),
                )
            ),
            *_trouble(record, look),
            *(f"  {text}" for text in facts),
            look.dim(f"  {again}"),
        ]
    )


def _cost(nanos: int | None, calls: int) -> str:
    if not calls:
        return ""
    return "cost unknown" if nanos is None else dollars(nanos)


def _trouble(record: Record, look: Look) -> list[str]:
    ending = record.ending
    if ending is None or ending.error_message is None:
        return []
    where = f" (at {line(ending.error_path, 120)})" if ending.error_path else ""
    return [f"  {text}" for text in paragraph(f"{prose(ending.error_message)}{where}", look.width - 2)]
