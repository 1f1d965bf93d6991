"""The page of one run, for `show`: how it ended, what it answered, what it used, and where its time went. Pure.

Every figure is one that is stored; the page adds up nothing of its own. What is unknown is a dash with its reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from trackrecord.cli.answer import answer_text, one_line
from trackrecord.cli.escape import line, prose
from trackrecord.cli.look import GAP, Look, joined, pad, paragraph, spread, wrapped
from trackrecord.cli.pages import logs as read
from trackrecord.cli.pages.adjustments import adjustment_lines
from trackrecord.cli.pages.family import MOST_CHILDREN, child_names, family_lines
from trackrecord.cli.pages.logs import Logs
from trackrecord.cli.pages.memory import feedback_lines
from trackrecord.cli.pages.models import model_lines
from trackrecord.cli.pages.questions import question_lines, waits
from trackrecord.cli.pages.tools import tool_lines
from trackrecord.cli.pages.trouble import MOST_TROUBLES, trouble_lines
from trackrecord.cli.pages.use import use_lines
from trackrecord.cli.pages.waterfall import MOST_ROWS, waterfall
from trackrecord.cli.signs import run_state, run_style, run_words
from trackrecord.cli.stored import StoredRun, payload_value
from trackrecord.cli.units import UNKNOWN, ago, count, exact, many, milliseconds
from trackrecord.tenancy import LOCAL_USER

_MOST_ANSWER_LINES: Final = 14
NOT_KEPT: Final = "not kept (payload policy none, or erased)"


def record_page(run: StoredRun, look: Look, now: datetime, *, is_whole: bool = False) -> str:
    """The page; `is_whole` draws every span and the whole answer."""
    sections = [
        _head(run, look, now),
        _trouble(run, look, now),
        question_lines(run.questions, look, now),
        _inputs(run, look),
        _answer(run, look, None if is_whole else _MOST_ANSWER_LINES),
        feedback_lines(run.feedback, look, now),
        use_lines(run, look),
        adjustment_lines(run, look),
        family_lines(run, look, most=None if is_whole else MOST_CHILDREN),
        _workflow(run, look),
        model_lines(run.spans, look),
        tool_lines(run.logs, run.spans, look),
        trouble_lines(run.spans, look, most=None if is_whole else MOST_TROUBLES),
        _memories(run, look),
        waterfall(run.spans, look, most_rows=None if is_whole else MOST_ROWS, names=child_names(run)),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _head(run: StoredRun, look: Look, now: datetime) -> list[str]:
    row = run.execution
    name = look.paint(line(str(row["agent_name"]), look.width - 36), "bold")
    state = run_state(look, str(row["status"]), row["error_code"])
    took = milliseconds(row["execution_duration_ms"]) if run.has_ended else "not ended"
    user = "" if row["user_id"] == LOCAL_USER else f"user {line(str(row['user_id']), 40)}"
    origin = f"{row['origin_kind']} of {row['origin_run_id']}" if row["origin_run_id"] else ""
    parent = f"child of {row['parent_run_id']}" if row["parent_run_id"] else ""
    return [
        spread(look, f"{name}  {state}", line(str(row["engine_title"]), 30)),
        look.dim(f"run {run.run_id}"),
        *(
            look.dim(text)
            for text in wrapped(
                (
                    f"{exact(row['created_at'])} ({ago(row['created_at'], now)})",
                    f"took {took}" if run.has_ended else took,
                    str(row["execution_type"]),
                    f"version {str(row['agent_version'])[:8]}",
                    user,
                    origin,
                    *taken_over(run),
                    parent,
                ),
                columns=look.width,
            )
        ),
    ]


def taken_over(run: StoredRun) -> tuple[str, ...]:
    """Where a retry or a fork began, and how much of its origin it did not do again; nothing of any other run."""
    if run.reused is None:
        return ()
    where = f"from {line(run.reused.beginning, 60)}" if run.reused.beginning else "from where that ended"
    return where, f"{many(run.reused.effects, 'effect')} reused"


def _trouble(run: StoredRun, look: Look, now: datetime) -> list[str]:
    row = run.execution
    if not run.has_ended:
        return paragraph(standing(run, now), look.width)
    if row["error_code"] is None and row["error_message"] is None:
        return []
    status = str(row["status"])
    sign, word = run_words(status)
    style = run_style(status)
    code = line(str(row["error_code"] or "no code"), 40)
    where = f" at {line(str(row['error_path']), look.width - len(word) - len(code) - 10)}" if row["error_path"] else ""
    message = paragraph(prose(str(row["error_message"] or "no message")), look.width - 2)
    head = f"{look.paint(sign, style)} {look.paint(f'{word}: {code}', style, 'bold')}{look.dim(where)}"
    return [head, *(f"  {text}" for text in message)]


def standing(run: StoredRun, now: datetime) -> str:
    """What is said of a run that has not ended."""
    row = run.execution
    told = f"is {row['status']}"
    if row["status"] == "waiting":
        since = next((one.requested_at for one in run.questions if one.is_open), None)
        told = waits(row["wait_reason"], since, row["ready_at"], now)
    return f"The run {told}. What follows is what it has used so far."


def _inputs(run: StoredRun, look: Look) -> list[str]:
    value = payload_value(run.input)
    if run.input is not None and run.input["body"] is None:
        return [f"{look.heading('Inputs')}  {look.dim(NOT_KEPT)}"]
    if not isinstance(value, dict) or not value:
        return []
    names = {name: line(name, 24) for name in value}
    wide = max(len(name) for name in names.values())
    room = look.width - wide - 4
    return [
        look.heading("Inputs"),
        *(f"  {look.dim(pad(names[name], wide))}{GAP}{line(one_line(item), room)}" for name, item in value.items()),
    ]


def _answer(run: StoredRun, look: Look, most: int | None) -> list[str]:
    if run.output is None:
        return []
    if run.output["body"] is None:
        return [f"{look.heading('Answer')}  {look.dim(NOT_KEPT)}"]
    whole = run.answer if not run.output["was_truncated"] else str(run.output["body"])
    lines = paragraph(prose(answer_text(whole, look.width - 2)), look.width - 2)
    left = 0 if most is None or len(lines) <= most + 2 else len(lines) - most
    shown = lines[: len(lines) - left]
    note = [look.dim(f"  {many(left, 'more line')}: --all prints them, --json has them exactly")] if left else []
    if run.output["was_truncated"]:
        note.append(look.dim(f"  cut when it was stored: {count(run.output['size'])} bytes in all"))
    return [look.heading("Answer"), *(f"  {text}".rstrip() for text in shown), *note]


def _workflow(run: StoredRun, look: Look) -> list[str]:
    rows = workflow_rows(run)
    lines = [look.heading("Workflow")] if rows else []
    for name, told in rows:
        first, *more = paragraph(told, look.width - 12)
        lines += [f"  {look.dim(pad(name, 8))}  {first}", *(" " * 12 + part for part in more)]
    return lines


def workflow_rows(run: StoredRun) -> list[tuple[str, str]]:
    """What the workflow declares, what was executed of it, and how its steps ended; empty when there is none."""
    logs = run.logs
    declared = _counts(logs, "declared", ("steps", "conditionalBranches", "loops", "parallel"))
    if not run.execution["runs_workflow"] and not any(declared):
        return []
    rows = [("declared", _shape(declared, "loop"))]
    if not run.execution["runs_workflow"]:
        title = line(str(run.execution["engine_title"]), 30)
        return [*rows, ("executed", f"{UNKNOWN}  {title} does not run the steps")]
    executed = _counts(logs, "executed", ("steps", "conditionalBranches", "loopIterations", "parallel"))
    ends = ((read.number(logs, f"steps{end.title()}"), end) for end in ("completed", "failed", "tolerated", "skipped"))
    told = joined(f"{count(number)} {end}" for number, end in ends)
    return [*rows, ("executed", _shape(executed, "iteration")), ("steps", told)]


def _counts(logs: Logs, which: str, keys: tuple[str, ...]) -> tuple[int | None, ...]:
    return tuple(read.number(logs, "workflow", which, key) for key in keys)


def _shape(counts: tuple[int | None, ...], loop_word: str) -> str:
    steps, branches, loops, parallel = counts
    return joined(
        (
            many(steps, "step"),
            many(branches, "decision"),
            many(loops, loop_word),
            f"{count(parallel)} in parallel",
        )
    )


def _memories(run: StoredRun, look: Look) -> list[str]:
    if not run.memories:
        return []
    lines = [look.heading("Left for later runs")]
    for row in run.memories:
        kind = "" if row["kind"] == "summary" else f"{row['kind']}: "
        said = "(erased)" if row["text"] is None else line(str(row["text"]), 3 * look.width)
        lines.extend(f"  {text}" for text in paragraph(f"{kind}{said}", look.width - 2))
    return lines
