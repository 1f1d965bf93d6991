"""The tool calls of a run: a line per action, then each call that did not go well, with its cause. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trackrecord.canonical import Json
from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, table
from trackrecord.cli.pages import logs as read
from trackrecord.cli.pages.logs import Logs
from trackrecord.cli.units import count, many, milliseconds

_MOST_BAD: Final = 8
_COLUMNS: Final = (
    Column(title="action", least=14),
    Column(title="calls", is_right=True),
    Column(title="ok", is_right=True),
    Column(title="failed", is_right=True),
    Column(title="unsaid", is_right=True),
    Column(title="rejected", is_right=True),
    Column(title="tries", is_right=True),
    Column(title="items", is_right=True),
    Column(title="time", is_right=True),
)

Use = dict[str, Json]


def tool_lines(logs: Logs, look: Look) -> list[str]:
    """The section `Tool calls` of a run's page; empty when there were none."""
    uses = read.objects(logs, "toolCalls")
    if not uses:
        return []
    by_action: dict[str, list[Use]] = {}
    for use in uses:
        by_action.setdefault(name_of(use), []).append(use)
    lines = [look.heading("Tool calls")]
    lines.extend(table(look, _COLUMNS, [_row(name, own) for name, own in by_action.items()], indent=2))
    omitted = read.number(logs, "toolCallsOmitted")
    if omitted:
        lines.append(look.dim(f"  {count(omitted)} more were made than the log lists; the waterfall has them"))
    return [*lines, *_bad_lines(uses, look)]


def name_of(use: Use) -> str:
    """`plugin.action`, or the name as the model wrote it."""
    plugin, action = read.text(use, "plugin"), read.text(use, "action") or "?"
    return line(f"{plugin}.{action}" if plugin else action, 60)


def _row(name: str, uses: Sequence[Use]) -> tuple[str, ...]:
    called = [use for use in uses if not read.flag(use, "rejected")]
    rejected = len(uses) - len(called)
    items = [number for use in called if (number := read.number(use, "itemsReturned")) is not None]
    return (
        name,
        count(len(called)),
        _or_blank(sum(read.flag(use, "success") is True for use in called)),
        _or_blank(sum(read.flag(use, "success") is False for use in called)),
        _or_blank(sum(read.flag(use, "success") is None for use in called)),
        _or_blank(rejected),
        _or_blank(sum(read.number(use, "attempts") or 0 for use in called)),
        count(sum(items)) if items else "",
        milliseconds(sum(read.number(use, "executionTimeMs") or 0 for use in called)) if called else "",
    )


def _or_blank(figure: int) -> str:
    return count(figure) if figure else ""


def _bad_lines(uses: Sequence[Use], look: Look) -> list[str]:
    bad = [use for use in uses if read.flag(use, "success") is False or read.text(use, "errorCode")]
    lines: list[str] = []
    for use in bad[:_MOST_BAD]:
        sign = look.paint("!", "yellow") if read.flag(use, "rejected") else look.paint("✗", "red")
        cause = f"{read.text(use, 'errorCode') or 'failed'}: {read.text(use, 'error') or 'no message'}"
        lines.append(f"  {sign} {look.dim(line(read.text(use, 'path') or '?', look.width - 6))}")
        lines.append(f"    {line(cause, look.width - 4)}")
    if len(bad) > _MOST_BAD:
        lines.append(look.dim(f"  {many(len(bad) - _MOST_BAD, 'more call')} did not go well: --json has all"))
    return lines
