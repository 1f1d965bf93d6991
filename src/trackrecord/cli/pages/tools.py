"""The tool calls of a run: a line per action. Pure. What did not go well among them is told in `trouble`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from trackrecord.canonical import Json
from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, table
from trackrecord.cli.pages import logs as read
from trackrecord.cli.pages.logs import Logs
from trackrecord.cli.units import count, duration
from trackrecord.record.spans import Span

COLUMNS: Final = (
    Column(title="action", least=12),
    Column(title="calls", is_right=True),
    Column(title="ok", is_right=True),
    Column(title="failed", is_right=True),
    Column(title="unsaid", is_right=True),
    Column(title="rejected", is_right=True),
    Column(title="tries", is_right=True, is_spare=True),
    Column(title="items", is_right=True, is_spare=True),
    Column(title="time", is_right=True),
)

Use = dict[str, Json]


def tool_lines(logs: Logs, spans: Iterable[Span], look: Look) -> list[str]:
    """The section `Tool calls` of a run's page; empty when there were none."""
    rows = tool_rows(logs, spans)
    if not rows:
        return []
    lines = [look.heading("Tool calls"), *table(look, COLUMNS, rows, indent=2)]
    note = tool_note(logs)
    return [*lines, look.dim(f"  {note}")] if note else lines


def tool_rows(logs: Logs, spans: Iterable[Span]) -> list[tuple[str, ...]]:
    """A row per action, in the order of the first call, by `COLUMNS`; a figure that says nothing is empty."""
    took: dict[str, int] = {}
    for span in spans:
        if span.kind == "tool":
            took[span.path] = took.get(span.path, 0) + span.duration_us
    by_action: dict[tuple[str | None, str | None], list[Use]] = {}
    for use in read.objects(logs, "toolCalls"):
        by_action.setdefault((read.text(use, "plugin"), read.text(use, "action")), []).append(use)
    return [_row(name_of(own[0]), own, took) for own in by_action.values()]


def tool_note(logs: Logs) -> str:
    """What the rows leave out, in words; empty when they have all."""
    omitted = read.number(logs, "toolCallsOmitted")
    return f"{count(omitted)} more were made than the log lists; the waterfall has them" if omitted else ""


def name_of(use: Use) -> str:
    """`plugin.action`, or the name as the model wrote it."""
    plugin, action = read.text(use, "plugin"), read.text(use, "action") or "?"
    return line(f"{plugin}.{action}" if plugin else action, 60)


def _row(name: str, uses: Sequence[Use], took: Mapping[str, int]) -> tuple[str, ...]:
    called = [use for use in uses if not read.flag(use, "rejected")]
    rejected = len(uses) - len(called)
    items = [number for use in called if (number := read.number(use, "itemsReturned")) is not None]
    return (
        name,
        _or_blank(len(called)),
        _or_blank(sum(read.flag(use, "success") is True for use in called)),
        _or_blank(sum(read.flag(use, "success") is False for use in called)),
        _or_blank(sum(read.flag(use, "success") is None for use in called)),
        _or_blank(rejected),
        _or_blank(sum(read.number(use, "attempts") or 0 for use in called)),
        count(sum(items)) if items else "",
        duration(sum(took.get(read.text(use, "path") or "", 0) for use in called)) if called else "",
    )


def _or_blank(figure: int) -> str:
    return count(figure) if figure else ""
