"""Consolidation of what is stored: equal facts and patterns merged, old summaries folded. One transaction, by rule.

What the rules are stands in `memory.consolidating`; here rows are read for it and written after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trackrecord import clock
from trackrecord.memory.consolidating import (
    LATEST_KEPT,
    LEAST_FOLDED,
    Learnt,
    folded_text,
    merges,
    trouble_in,
)
from trackrecord.memory.entries import expires_at
from trackrecord.store import memory_statements
from trackrecord.store.driver import Connection

_IMPORTANCE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidated:
    """What a consolidation did.

    Attributes:
        merged_count: facts and patterns that went into an equal one.
        folded_count: summaries that went into one that stands for many.
        made_count: summaries that stand for many, made or made anew.
    """

    merged_count: int = 0
    folded_count: int = 0
    made_count: int = 0


@dataclass(frozen=True, slots=True)
class _Summary:
    id: str
    run_id: str
    text: str
    source: str
    created_at: str
    importance: int
    status: str
    agent_seq: int
    is_apart: int

    @property
    def is_folded(self) -> bool:
        return self.source == "folded"


def consolidate(connection: Connection, tenant_id: str, agent_id: str | None, user_id: str | None) -> Consolidated:
    """Merge and fold the memories of an agent, of a user, of both, or all of a tenant."""
    merged = _merge(connection, tenant_id, agent_id, user_id)
    folded, made = 0, 0
    owners = connection.execute(memory_statements.SELECT_SUMMARISED, (tenant_id,)).fetchall()
    for owner in owners:
        if agent_id in (None, owner[0]) and user_id in (None, owner[1]):
            gone = _fold(connection, tenant_id, *owner)
            folded, made = folded + gone, made + (gone > 0)
    return Consolidated(merged_count=merged, folded_count=folded, made_count=made)


def _merge(connection: Connection, tenant_id: str, agent_id: str | None, user_id: str | None) -> int:
    rows = connection.execute(memory_statements.SELECT_LEARNT, (tenant_id,)).fetchall()
    wanted = [_learnt(row) for row in rows if _is_of(row, agent_id, user_id)]
    count = 0
    for merge in merges(wanted):
        figures = (merge.importance, merge.expires_at, int(merge.is_pinned), merge.repeat_count)
        connection.execute(memory_statements.SAVE_MERGED, (*figures, tenant_id, merge.kept_id))
        for gone in merge.gone_ids:
            connection.execute(memory_statements.DELETE_MEMORY["user_memories"], (tenant_id, gone))
        count += len(merge.gone_ids)
    return count


def _is_of(row: tuple[Any, ...], agent_id: str | None, user_id: str | None) -> bool:
    """Facts belong to a user whoever learnt them, so that an agent's consolidation leaves them alone."""
    _, kind, its_user, its_agent, *_ = row
    return user_id in (None, its_user) and (agent_id is None or (kind == "pattern" and agent_id == its_agent))


def _learnt(row: tuple[Any, ...]) -> Learnt:
    memory_id, kind, user_id, agent_id, text, importance, created_at, until, is_pinned, repeat_count = row
    return Learnt(
        id=memory_id,
        owner=(kind, user_id, agent_id if kind == "pattern" else ""),
        text=text,
        importance=importance,
        created_at=created_at,
        expires_at=until,
        is_pinned=bool(is_pinned),
        repeat_count=repeat_count,
    )


def _fold(connection: Connection, tenant_id: str, agent_id: str, user_id: str) -> int:
    """Put one summary in the place of all but the latest; how many went into it."""
    owner = (tenant_id, agent_id, user_id)
    rows = [_Summary(*row) for row in connection.execute(memory_statements.SELECT_FOLDABLE, owner).fetchall()]
    single = [row for row in rows if not row.is_folded]
    old = [row for row in single[LATEST_KEPT:] if not row.is_apart]
    earlier = [row for row in rows if row.is_folded]
    if not old or len(old) + len(earlier) < LEAST_FOLDED:
        return 0
    newest = max((*old, *earlier), key=lambda row: row.agent_seq)
    found = connection.execute(memory_statements.SELECT_ENDINGS, (*owner, newest.agent_seq)).fetchall()
    endings = {(status, code): number for status, code, number in found}
    text = folded_text(endings, _trouble(old, earlier))
    for row in (*old, *earlier):
        connection.execute(memory_statements.DELETE_MEMORY["run_memories"], (tenant_id, row.id))
    until = expires_at(_IMPORTANCE, newest.created_at)
    is_pinned = int(any(row.is_apart for row in earlier))  # what a person wants kept is kept in what takes its place
    content = (text, _IMPORTANCE, newest.created_at, until, sum(endings.values()) - 1, is_pinned)
    made = (tenant_id, clock.new_id(), agent_id, user_id, newest.run_id, *content)
    connection.execute(memory_statements.INSERT_FOLDED, made)
    return len(old)


def _trouble(old: list[_Summary], earlier: list[_Summary]) -> str | None:
    """The newest summary of a run that did not complete; else what was told of one before."""
    told = (row.text for row in old if row.status != "completed")
    before = (trouble for row in earlier if (trouble := trouble_in(row.text)) is not None)
    return next(told, next(before, None))
