"""What a run used, figure by figure: tokens, money, turns, calls, retries, memory, time. Pure.

A figure that is unknown is a dash, and beside it stands why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trackrecord.cli.escape import line
from trackrecord.cli.look import Look, joined, pad, paragraph, width, wrapped
from trackrecord.cli.pages import logs as read
from trackrecord.cli.pages.logs import Logs
from trackrecord.cli.stored import StoredRun
from trackrecord.cli.units import UNKNOWN, count, dollars, many, milliseconds
from trackrecord.store.reader import Row

Figure = tuple[str, str, tuple[str, ...]]  # what it is, the figure, remarks


def use_lines(run: StoredRun, look: Look) -> list[str]:
    """The section `Used` of a run's page."""
    return [look.heading(use_title(run)), *_drawn(figures(run), look)]


def use_title(run: StoredRun) -> str:
    """What the figures are: all of it, or what there is so far."""
    return "Used" if run.has_ended else "Used so far"


def figures(run: StoredRun) -> list[Figure]:
    """Every figure with its remarks, those that are empty among them."""
    return [
        _tokens(run.logs),
        _cost(run),
        ("credits", count(run.execution["credits_used"]), _credit_remarks(run)),
        ("turns", count(read.number(run.logs, "iterations")), (_calls(run.logs),)),
        _tools(run.logs),
        _retries(run.logs),
        _memory(run.logs),
        _time(run),
    ]


def _drawn(figures: Iterable[Figure], look: Look) -> list[str]:
    rows = list(figures)
    wide = max(width(figure) for _, figure, _ in rows)
    lines: list[str] = []
    for name, figure, remarks in rows:
        head = f"  {look.dim(pad(name, 10))}  {pad(figure, wide, is_right=True)}"
        room = look.width - wide - 16
        told = [part for text in wrapped(remarks, columns=room) for part in paragraph(text, room)]
        first, *more = told or [""]
        lines.append(f"{head}  {first}".rstrip())
        lines.extend(" " * (wide + 16) + text for text in more)
    return lines


def _tokens(logs: Logs) -> Figure:
    total = read.number(logs, "tokensUsed", "total")
    calls = read.number(logs, "modelCalls")
    if calls == 0:
        return "tokens", count(total), ("no model was called",)
    if total is None:
        return "tokens", count(total), ("no call reported its tokens",)
    sent, produced = read.number(logs, "tokensUsed", "prompt"), read.number(logs, "tokensUsed", "completion")
    cache = joined(
        (
            _part(logs, "cacheRead", "cached"),
            _part(logs, "cacheWrite", "written to cache"),
        )
    )
    reasoning = _part(logs, "reasoning", "reasoning")
    unreported = [
        word
        for key, word in (("cacheRead", "cache"), ("reasoning", "reasoning"))
        if read.number(logs, "tokensUsed", key) is None
    ]
    return (
        "tokens",
        count(total),
        (
            f"{count(sent)} in{f' ({cache})' if cache else ''}",
            f"{count(produced)} out{f' ({reasoning})' if reasoning else ''}",
            f"{' and '.join(unreported)} not reported" if unreported else "",
            "" if read.flag(logs, "usageComplete") else "at least: not every call reported",
        ),
    )


def _part(logs: Logs, key: str, word: str) -> str:
    figure = read.number(logs, "tokensUsed", key)
    return f"{count(figure)} {word}" if figure else ""


def _cost(run: StoredRun) -> Figure:
    calls, priced = read.number(run.logs, "modelCalls"), read.number(run.logs, "pricedCalls")
    table = run.execution["price_table"]
    cost = dollars(read.number(run.logs, "costNanoUsd"))
    if not calls:
        return "cost", cost, ("no model was called",)
    is_none = table in (None, "none")
    where = "" if not run.has_ended else "no price table was installed" if is_none else f"prices {line(str(table), 40)}"
    return "cost", cost, (f"{count(priced)} of {many(calls, 'call')} priced", where)


def _credit_remarks(run: StoredRun) -> tuple[str, ...]:
    ledger = _ledger_remarks(run.credits)
    if run.execution["credits_used"] is not None:
        return (f"rule {line(str(run.execution['credit_rule']), 40)}" if run.execution["credit_rule"] else "", *ledger)
    return (*(("no tokens known to charge",) if run.has_ended else ("known when it ends",)), *ledger)


def _ledger_remarks(entries: Sequence[Row]) -> tuple[str, ...]:
    """What was held, and what of it became a charge; nothing for a run without a hold."""
    if not entries:
        return ()
    held = sum(entry["amount"] for entry in entries if entry["kind"] == "hold")
    charged = sum(entry["amount"] for entry in entries if entry["target"] == "charged")
    refunded = sum(entry["amount"] for entry in entries if entry["source"] == "charged")
    is_settled = any(entry["kind"] == "charge" for entry in entries)
    return (
        f"{count(held)} held",
        f"{count(charged)} charged" if is_settled else "",
        f"{count(refunded)} given back" if refunded else "",
    )


def _calls(logs: Logs) -> str:
    return many(read.number(logs, "modelCalls"), "model call")


def _tools(logs: Logs) -> Figure:
    uses = read.objects(logs, "toolCalls")
    called = [use for use in uses if not read.flag(use, "rejected")]
    failed = sum(read.flag(use, "success") is False for use in called)
    unsaid = sum(read.flag(use, "success") is None for use in called)
    rejected = read.number(logs, "toolCallsRejected")
    return (
        "tool calls",
        count(read.number(logs, "toolCallsCount")),
        (
            f"{count(failed)} failed" if failed else "",
            f"{count(unsaid)} did not say how it went" if unsaid else "",
            f"{count(rejected)} rejected, not called" if rejected else "",
            f"{milliseconds(read.number(logs, 'toolOrchestrationTimeMs'))} in tools" if called else "",
        ),
    )


def _retries(logs: Logs) -> Figure:
    interruptions, unknown = read.number(logs, "interruptions"), read.number(logs, "unknownOutcomes")
    return (
        "retries",
        count(read.number(logs, "retries")),
        (
            many(interruptions, "interruption") if interruptions else "",
            f"{many(unknown, 'call')} of unknown outcome" if unknown else "",
        ),
    )


def _memory(logs: Logs) -> Figure:
    entries = read.number(logs, "memory", "entryCount")
    tokens = read.number(logs, "memory", "tokens")
    types = line(", ".join(read.texts(logs, "memory", "types")), 60)
    return "memory", count(entries), (f"entries recalled, {count(tokens)} tokens" if entries else "", types)


def _time(run: StoredRun) -> Figure:
    if not run.has_ended:
        return "time", UNKNOWN, ("known when it ends",)
    wall, working = read.number(run.logs, "executionTimeMs"), read.number(run.logs, "workingTimeMs")
    waited = wall - working if wall is not None and working is not None else 0
    return "time", milliseconds(wall), (f"{milliseconds(waited)} of it waiting" if waited else "",)
