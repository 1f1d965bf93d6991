"""Two records beside each other, figure by figure, for whoever wants to see them before the proof. Pure."""

from __future__ import annotations

from trackrecord.cli.answer import one_line
from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, pad, table
from trackrecord.cli.pages import logs as read
from trackrecord.cli.signs import run_state
from trackrecord.cli.stored import StoredRun
from trackrecord.cli.units import UNKNOWN, count, dollars, milliseconds


def side_by_side(left: StoredRun, right: StoredRun, look: Look) -> str:
    """A line per figure, a column per run."""
    columns = (
        Column(title="record"),
        Column(title=line(str(left.execution["engine_title"]), 26), is_right=True, most=26),
        Column(title=line(str(right.execution["engine_title"]), 26), is_right=True, most=26),
        Column(least=20),
    )
    one, other = _figures(left, look), _figures(right, look)
    rows = [(name, one[name][0], other[name][0], one[name][1]) for name in one]
    return "\n".join(table(look, columns, rows))


def answer_lines(left: StoredRun, right: StoredRun, look: Look) -> list[str]:
    """What the runs answered, once when it was the same."""
    sides = [("answer", left)] if left.answer == right.answer else [("left", left), ("right", right)]
    return [
        f"{pad(name, 8)}{line(one_line(run.answer), look.width - 8)}" for name, run in sides if run.answer is not None
    ]


def _figures(run: StoredRun, look: Look) -> dict[str, tuple[str, str]]:
    """Each figure as text, with a remark that explains it."""
    row, logs = run.execution, run.logs
    return {
        "status": (run_state(look, str(row["status"]), row["error_code"]), ""),
        "turns": (count(row["iterations_count"]), "model replies for work"),
        "model calls": (count(row["model_calls_count"]), "failed attempts included"),
        "tokens": (count(row["tokens_used"]), "of all calls, each counted once"),
        "  in": (count(row["input_tokens"]), ""),
        "  out": (count(row["output_tokens"]), ""),
        "  cached": (count(row["cache_read_tokens"]), "part of in"),
        "  reasoning": (count(row["reasoning_tokens"]), "part of out"),
        "cost": (dollars(row["cost_nanos"]), f"{UNKNOWN} is unknown, never 0"),
        "credits": (count(row["credits_used"]), "by known tokens"),
        "tool calls": (count(row["tool_calls_count"]), ""),
        "  failed": (count(_failed(run)), "told to whoever called, and recorded"),
        "retries": (count(row["retry_count"]), ""),
        "memory": (count(row["memory_entry_count"]), "entries recalled"),
        "steps declared": (count(row["declared_steps"]), "the same whichever engine ran"),
        "steps executed": (count(row["executed_steps"]), f"{UNKNOWN} where the engine runs none"),
        "  tolerated": (count(row["steps_tolerated"]), ""),
        "  skipped": (count(row["steps_skipped"]), ""),
        "time": (milliseconds(read.number(logs, "executionTimeMs")), ""),
    }


def _failed(run: StoredRun) -> int:
    uses = read.objects(run.logs, "toolCalls")
    return sum(read.flag(use, "success") is False and not read.flag(use, "rejected") for use in uses)
