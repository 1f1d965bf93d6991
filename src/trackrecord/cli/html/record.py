"""The page of one run: how it ended and where it failed, what it used, where its time went, all that it left. Pure.

Says what the page on a terminal says, from the same figures, and what is too long for one: every attempt with all that
is known of it, the logs as JSON, what the run added to its agent's intensity.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from trackrecord.canonical import Json
from trackrecord.cli.answer import answer_text, one_line
from trackrecord.cli.escape import line
from trackrecord.cli.html.bars import bars
from trackrecord.cli.html.document import disclosure, facts, page, section
from trackrecord.cli.html.element import Child, Markup, element
from trackrecord.cli.html.state import question_badge, run_badge, span_badge
from trackrecord.cli.html.table import table
from trackrecord.cli.look import joined
from trackrecord.cli.pages.family import child_names, family_words
from trackrecord.cli.pages.models import model_notes, model_sums
from trackrecord.cli.pages.questions import fate, open_facts
from trackrecord.cli.pages.record import NOT_KEPT, standing, taken_over, workflow_rows
from trackrecord.cli.pages.tools import COLUMNS, tool_note, tool_rows
from trackrecord.cli.pages.trouble import troubles
from trackrecord.cli.pages.use import figures, use_title
from trackrecord.cli.stored import StoredRun, payload_value
from trackrecord.cli.units import amounts, count, exact, milliseconds
from trackrecord.store.asked import StoredQuestion
from trackrecord.store.reader import Row

_JSON_COLUMNS: Final = 100
_CHILDREN: Final = (
    ("agent", False),
    ("run", False),
    ("status", False),
    ("tokens", True),
    ("time", True),
    ("place", False),
)
_MODELS: Final = (
    ("model", False),
    ("calls", True),
    ("in", True),
    ("cached", True),
    ("written to cache", True),
    ("out", True),
    ("reasoning", True),
    ("cost", True),
    ("priced", True),
)


def record_html(run: StoredRun, now: datetime, added: Mapping[str, Json] | None = None) -> str:
    """The page; `added` is what the run added to its agent's intensity metrics, None when that is not known."""
    found = {
        "asked": ("Asked of people", _questions(run, now)),
        "used": (use_title(run), _used(run)),
        "models": ("Tokens by model", _models(run)),
        "children": ("Child runs", _children(run)),
        "waterfall": ("Waterfall", bars(run.spans, mark=_failed_at(run), names=child_names(run))),
        "trouble": ("What did not go well", _troubles(run)),
        "tools": ("Tool calls", _tools(run)),
        "workflow": ("Workflow", _workflow(run)),
        "input": ("Inputs", _inputs(run)),
        "answer": ("Answer", _answer(run)),
        "memory": ("Left for later runs", _memories(run)),
        "intensity": ("Added to intensity", _intensity(added)),
        "logs": ("Logs", _logs(run)),
    }
    kept = {place: (title, inside) for place, (title, inside) in found.items() if inside}
    sections = [section(place, title, inside) for place, (title, inside) in kept.items()]
    row = run.execution
    title = f"{line(str(row['agent_name']), 80)}: {row['status']}, run {run.run_id}"
    return page(title, [_head(run, now), *sections], now, places=[(place, title) for place, (title, _) in kept.items()])


def _head(run: StoredRun, now: datetime) -> Markup:
    row = run.execution
    took = milliseconds(row["execution_duration_ms"]) if run.has_ended else "not ended"
    when = element("time", exact(row["created_at"]), datetime=str(row["created_at"]))
    rows: list[tuple[str, Child]] = [
        ("run", element("code", run.run_id)),
        ("engine", str(row["engine_title"])),
        ("accepted", when),
        ("took", took),
        ("type", str(row["execution_type"])),
        ("version", element("code", str(row["agent_version"])[:8])),
        ("agent", element("code", str(row["agent_id"]))),
        ("user", element("code", str(row["user_id"]))),
        (
            "origin",
            [
                f"{row['origin_kind']} of ",
                element("code", str(row["origin_run_id"])),
                "".join(f", {text}" for text in taken_over(run)),
            ]
            if row["origin_run_id"]
            else None,
        ),
        ("parent", element("code", str(row["parent_run_id"])) if row["parent_run_id"] else None),
    ]
    return element(
        "header",
        element("h1", element("bdi", str(row["agent_name"]))),
        element("p", run_badge(str(row["status"]), row["error_code"]), class_="verdict"),
        _failure(run, now),
        facts([(name, told) for name, told in rows if told]),
    )


def _failure(run: StoredRun, now: datetime) -> Child:
    row = run.execution
    if not run.has_ended:
        return element("p", standing(run, now), class_="note")
    if row["error_code"] is None and row["error_message"] is None:
        return None
    path = element("code", str(row["error_path"])) if row["error_path"] else None
    is_drawn = any(span.path == row["error_path"] for span in run.spans)
    where = [" at ", element("a", path, href="#failure") if is_drawn else path] if path else None
    message = element("p", str(row["error_message"] or "no message"), class_="said")
    return element(
        "div", element("p", element("strong", str(row["error_code"] or "no code")), where), message, class_="failure"
    )


def _failed_at(run: StoredRun) -> str | None:
    return str(run.execution["error_path"]) if run.execution["error_path"] else None


def _questions(run: StoredRun, now: datetime) -> Child:
    items = [
        element(
            "li",
            element("p", question_badge(one), " ", element("code", one.place)),
            element("p", one.message, class_="said"),
            element("p", " · ".join(_facts(one, now)), class_="note"),
        )
        for one in run.questions
    ]
    return element("ul", items, class_="troubles") if items else None


def _facts(one: StoredQuestion, now: datetime) -> list[str]:
    return open_facts(one, _JSON_COLUMNS, now) if one.is_open else [fate(one)]


def _used(run: StoredRun) -> Child:
    cards = [
        element("div", element("dt", name), element("dd", element("strong", figure), element("small", joined(remarks))))
        for name, figure, remarks in figures(run)
    ]
    return element("dl", cards, class_="cards")


def _models(run: StoredRun) -> Child:
    sums = model_sums(run.spans)
    if not sums:
        return None
    costs = amounts([one.cost_nanos for one in sums])
    rows = [
        (one.name, count(one.calls), *map(count, one.tokens), cost, f"{count(one.priced)} of {count(one.calls)}")
        for one, cost in zip(sums, costs, strict=True)
    ]
    notes = [element("li", note) for note in model_notes(sums)]
    drawn = table("Tokens and cost of each model", _MODELS, rows, has_sum=len(sums) > 1)
    return [drawn, element("ul", notes, class_="notes") if notes else None]


def _children(run: StoredRun) -> Child:
    if run.family is None:
        return None
    rows = [
        (
            str(row["agent_name"]),
            element("code", str(row["id"])),
            run_badge(str(row["status"]), row["error_code"]),
            count(row["tokens_used"]),
            milliseconds(row["execution_duration_ms"]),
            element("code", str(row["parent_path"])),
        )
        for row in run.family.children
    ]
    notes = [element("li", told) for told in family_words(run.family.totals)]
    return [table("Child runs", _CHILDREN, rows), element("ul", notes, class_="notes")]


def _troubles(run: StoredRun) -> Child:
    items = [
        element(
            "li",
            element("p", span_badge(one.status), " ", element("bdi", one.name), ": ", one.fate),
            element("p", element("code", one.path)),
            [element("p", cause, class_="said") for cause in one.causes],
        )
        for one in troubles(run.spans)
    ]
    return element("ul", items, class_="troubles") if items else None


def _tools(run: StoredRun) -> Child:
    rows = tool_rows(run.logs, run.spans)
    if not rows:
        return None
    note = tool_note(run.logs)
    titles = [(column.title, column.is_right) for column in COLUMNS]
    return [table("Calls of each action", titles, rows), element("p", note, class_="note") if note else None]


def _workflow(run: StoredRun) -> Child:
    rows = workflow_rows(run)
    return facts([(name, told) for name, told in rows]) if rows else None


def _inputs(run: StoredRun) -> Child:
    if run.input is None:
        return None
    if run.input["body"] is None:
        return _unkept(run.input)
    value = payload_value(run.input)
    if not isinstance(value, dict):
        return element("pre", str(run.input["body"]), tabindex="0")
    return (
        facts([(name, element("span", one_line(item), class_="text")) for name, item in value.items()])
        if value
        else None
    )


def _answer(run: StoredRun) -> Child:
    if run.output is None:
        return None
    if run.output["body"] is None:
        return _unkept(run.output)
    if run.output["was_truncated"]:
        cut = f"cut when it was stored: {count(run.output['size'])} bytes in all"
        return [element("pre", str(run.output["body"]), tabindex="0"), element("p", cut, class_="note")]
    return element("pre", answer_text(run.answer, _JSON_COLUMNS), class_="text", tabindex="0", dir="auto")


def _unkept(row: Row) -> Markup:
    size = f"; {count(row['size'])} bytes, SHA-256 " if row["size"] is not None else ""
    return element("p", NOT_KEPT, size, element("code", str(row["sha256"])) if size else None, class_="note")


def _memories(run: StoredRun) -> Child:
    items = [element("li", str(row["text"]), class_="said") for row in run.memories]
    return element("ul", items) if items else None


def _intensity(added: Mapping[str, Json] | None) -> Child:
    """What stands in each column after the run less what stood there before; where nothing changed it is left out."""
    if not added:
        return None
    rows = [(name.replace("_", " "), _amount(value)) for name, value in added.items() if value not in (0, None, [])]
    note = "Recomputed from the run's own spans. Columns to which it added nothing are left out; peaks are its own."
    drawn = [(name, element("span", told, class_="number")) for name, told in rows]
    return [facts(drawn, class_="facts ledger"), element("p", note, class_="note")]


def _amount(value: Json) -> str:
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else one_line(value)


def _logs(run: StoredRun) -> Child:
    drawn = element("pre", answer_text(dict(run.logs), _JSON_COLUMNS), tabindex="0")
    return disclosure("The JSON of the record, as every engine leaves it", drawn)
