"""Processes that carry eight runs at once, for kills at random times."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.crash import story

from trackrecord import Agent

AT_ONCE = 8
STEPS: list[dict[str, Any]] = [
    {"id": "each", "type": "loop", "over": [1, 2, 3], "steps": [
        {"id": "look", "type": "action", "plugin": story.PLUGIN, "action": "read", "params": {"word": "r"}},
        {"id": "both", "type": "parallel", "branches": {
            "left": [{"id": "put", "type": "action", "plugin": story.PLUGIN, "action": "keyed", "params": {}}],
            "right": [{"id": "pay", "type": "action", "plugin": story.PLUGIN, "action": "unsafe", "params": {}}],
        }},
        {"id": "say", "type": "llm", "prompt": "Say."},
    ]},
    {"id": "ok", "type": "approval", "message": "May it?"},
    {"id": "end", "type": "action", "plugin": story.PLUGIN, "action": "unsafe", "params": {"word": "end"}},
]  # fmt: skip


def worker() -> Agent:
    """A busy agent."""
    return Agent.from_mapping(
        {"name": "busy", "prompt": "Work.", "model": story.MODEL, "plugins_required": [story.PLUGIN],
         "workflow_steps": STEPS}
    )  # fmt: skip


def child(folder: str, port: int) -> None:
    """Start eight runs beside those that are there, and carry all of them to their end; say which were accepted."""
    asyncio.run(_child(Path(folder), port))


async def _child(folder: Path, port: int) -> None:
    async with story.opened(folder, port) as tr:
        agent = worker()
        started = [await tr.start(agent, {}) for _ in range(AT_ONCE)]
        carrying = asyncio.create_task(story.carried(tr, port))
        await asyncio.gather(*(one.task for one in started))
        await carrying
