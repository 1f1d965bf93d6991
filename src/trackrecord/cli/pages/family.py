"""The child runs of a run, and what it used with all of them, beside what it used itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, joined, table
from trackrecord.cli.pages.runs import id_length
from trackrecord.cli.signs import run_state, run_words
from trackrecord.cli.stored import StoredRun
from trackrecord.cli.units import count, dollars, many, milliseconds
from trackrecord.store.family import Totals
from trackrecord.store.reader import Row

MOST_CHILDREN: Final = 12
_COLUMNS: Final = (
    Column(least=8),
    Column(least=10),
    Column(),
    Column(is_right=True),
    Column(is_right=True),
    Column(least=8),
)


def family_lines(run: StoredRun, look: Look, *, most: int | None = MOST_CHILDREN) -> list[str]:
    """The section `Child runs`; nothing when there is none."""
    if run.family is None:
        return []
    children = run.family.children[:most]
    length = id_length([str(row["id"]) for row in run.family.children])
    rows = [
        (
            line(str(row["agent_name"]), 40),
            str(row["id"])[:length],
            run_state(look, str(row["status"]), row["error_code"]),
            f"{count(row['tokens_used'])} tokens",
            milliseconds(row["execution_duration_ms"]),
            line(str(row["parent_path"]), 40),
        )
        for row in children
    ]
    left = len(run.family.children) - len(children)
    note = [look.dim(f"  {many(left, 'more child run')}: --all lists them")] if left else []
    lines = [look.heading("Child runs"), *table(look, _COLUMNS, rows, indent=2), *note]
    return [*lines, *(f"  {look.dim(text)}" for text in family_words(run.family.totals))]


def family_words(totals: Totals) -> list[str]:
    """What the run used with all its descendants, in words."""
    figures = joined(
        (
            f"{count(totals.tokens)} tokens",
            dollars(totals.cost_nanos),
            many(totals.tool_calls, "tool call"),
            many(totals.credits, "credit"),
        )
    )
    lacking = joined(
        (
            f"{count(totals.tokens_unknown)} with unknown tokens" if totals.tokens_unknown else "",
            f"{count(totals.unended)} not ended" if totals.unended else "",
        )
    )
    told = f"with them, {many(totals.runs, 'run')} in all: {figures}"
    return [told, f"not in it: {lacking}"] if lacking else [told]


def child_names(run: StoredRun) -> Mapping[str, str]:
    """What each child run is called in the tree, by its place: agent, id, state, tokens."""
    if run.family is None:
        return {}
    length = id_length([str(row["id"]) for row in run.family.children])
    return {str(row["parent_path"]): _named(row, length) for row in run.family.children}


def _named(row: Row, length: int) -> str:
    _, word = run_words(str(row["status"]))
    return f"{line(str(row['agent_name']), 30)} {str(row['id'])[:length]} {word} {count(row['tokens_used'])} tokens"
