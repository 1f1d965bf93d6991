"""The sums: statistics, intensity metrics, scores and numbers of every agent beside a recount of its runs."""

from __future__ import annotations

from typing import Final

from trackrecord.record.intensity import SCORE_COLUMNS, IntensitySettings
from trackrecord.store.differences import Difference
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sums import Compared, compare
from trackrecord.verify.findings import Notebook
from trackrecord.verify.rules import Name

_SCORES: Final = frozenset(SCORE_COLUMNS)


def check_sums(reader: SqliteReader, notebook: Notebook, settings: IntensitySettings) -> None:
    """Every row of sums is what the runs add up to, and the runs are numbered as they ended."""
    for agent in compare(reader.stream, settings):
        _count(notebook, agent)
        for difference in agent.misnumbered:
            notebook.differ("agent_seq", difference)
        for difference in agent.unreadable:
            notebook.differ("recountable", difference)
        for row in agent.rows:
            for difference in row.differences():
                notebook.differ(_rule_of(difference), difference)


def _count(notebook: Notebook, agent: Compared) -> None:
    notebook.count("recountable", agent.row_count)
    notebook.count("agent_seq", agent.row_count)
    if agent.unreadable:
        for name in ("stats", "intensity", "scores"):
            notebook.leave(name)
    for row in agent.rows:
        if row.table == "agent_stats":
            notebook.count("stats")
        else:
            notebook.count("intensity")
            notebook.count("scores")


def _rule_of(difference: Difference) -> Name:
    if difference.table == "agent_stats":
        return "stats"
    if difference.column == "agent_seq":
        return "agent_seq"
    return "scores" if difference.column in _SCORES else "intensity"
