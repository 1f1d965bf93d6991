"""Real runs worth looking at: what went well, what was retried, failed, cancelled, interrupted, and what has odd names.

Offline. Models answer from scripts, some under the names of real ones so that their calls have a price.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, Final

from trackrecord import Agent, Run, Trackrecord, examples
from trackrecord.cli.live import Board
from trackrecord.cli.look import Look
from trackrecord.config import read_settings
from trackrecord.context.live_run import Progress
from trackrecord.models.messages import Model
from trackrecord.models.scripted import ScriptedModel

_QUICK: Final = {"initial_ms": 60, "max_ms": 120}
_MOMENTS: Final = (6, 24, 60)
AGENTS: Final = Path(__file__).with_name("agents")
CLAUDE: Final = "anthropic:claude-sonnet-4-5"
MINI: Final = "openai:gpt-4o-mini"
_STORM: Final[dict[str, Any]] = {
    "rules": [
        {
            "when": {"turn": 1},
            "reply": {
                "delay_ms": 30,
                "error": {"status": 429, "message": "rate limit reached, slow down", "times": 2},
                "tool_calls": [
                    {"name": "demo__lookup_customer", "arguments": {"email": "ada@brightmill.example"}},
                    {"name": "demo__flaky", "arguments": {"times": 1}},
                    {"name": "demo__geocode", "arguments": {"city": "Atlantis"}},
                    {"name": "demo__delete_everything", "arguments": {"really": True}},
                    {"name": "demo__wait", "arguments": "{broken"},
                    {"name": "demo__wait", "arguments": {"milliseconds": 90}},
                ],
                "usage": {"input": 5_412, "output": 318, "cache_read": 4_096, "cache_write": 1_024, "reasoning": 128},
            },
        },
        {
            "when": {"turn": 2},
            "reply": {
                "delay_ms": 55,
                "tool_calls": [
                    {"name": "demo__notify", "arguments": {"channel": "on-call", "message": "billed twice"}},
                    {
                        "name": "demo__create_ticket",
                        "arguments": {"email": "ada@brightmill.example", "subject": "Bill"},
                    },
                ],
                "usage": "none",
            },
        },
        {"when": {"turn": 3}, "reply": {"error": {"status": 503, "message": "overloaded"}, "delay_ms": 12}},
    ],
    "replies": ["Never said."],
}
_MINI: Final[dict[str, Any]] = {
    "rules": [
        {
            "reply": {
                "delay_ms": 70,
                "text": "You were billed twice because the plan changed on the 14th; the second one is refunded.\n\n"
                "- ticket opened\n- on-call paged\n- backup window: only an owner can move it",
                "usage": {"input": 6_040, "output": 97, "cache_read": 0},
                "responded_model": "gpt-4o-mini-2024-07-18",
            }
        }
    ]
}
_NIGHT: Final[dict[str, Any]] = {
    "rules": [
        {
            "when": {"path": "s:again/b:then/s:shape/model"},
            "reply": {"text": "no numbers today", "usage": {"input": 700, "output": 9}, "delay_ms": 15},
        },
        {
            "when": {"path": "s:again/try:2/**"},
            "reply": {"json": {"n": 3}, "usage": {"input": 700, "output": 11}, "delay_ms": 15},
        },
        {
            "when": {"path": "s:headline/model"},
            "reply": {"text": "A quiet night.", "usage": {"input": 900, "output": 12, "reasoning": 4}, "delay_ms": 40},
        },
    ],
    "replies": [{"text": "Dear customer.", "usage": {"input": 450, "output": 60, "cache_read": 256}, "delay_ms": 35}],
}


def named(script: dict[str, Any], name: str) -> Model:
    """A scripted model that goes by a real one's name, for its price."""
    provider, _, model = name.partition(":")
    made = ScriptedModel.from_mapping(script, name=model)
    made.provider = provider
    return made


class Live:
    """What a live view showed of a run, at some moments of it."""

    def __init__(self) -> None:
        self.board = Board(title="night-batch")
        self.frames: list[list[str]] = []

    def watch(self, progress: Progress) -> None:
        """Take note, and look at the view a moment later."""
        self.board.watch(progress)
        self._seen = getattr(self, "_seen", 0) + 1
        if self._seen in _MOMENTS:
            self.frames.append(self.board.lines(Look(has_colour=True)))


async def make(folder: Path, names: tuple[str, ...] | None = None, live: Live | None = None) -> dict[str, str]:
    """Run everything into `runs.db` in the folder; the id of each run by its name. Only `names` when given."""
    url = f"sqlite:///{folder / 'runs.db'}"
    made: dict[str, str] = {}
    for name, agent, models, wish in _runs(folder):
        if names is not None and name not in names:
            continue
        settings = read_settings(db=url, files_root=str(agent.parent), retry=_QUICK)
        async with Trackrecord(url, settings=settings, models=models) as tr:
            watched = {"watcher": live.watch} if live is not None and name == "night" else {}
            run = await _run(tr, Agent.load(agent), **wish, **watched)
        made[name] = run.id
    return made


async def _run(tr: Trackrecord, agent: Agent, *, cancel_ms: int = 0, **wish: Any) -> Run:
    started = await tr.start(agent, None, **wish)
    if cancel_ms:
        asyncio.get_running_loop().call_later(cancel_ms / 1000, started.cancel)
    return await started.task


def _runs(folder: Path) -> list[tuple[str, Path, dict[str, Model], dict[str, Any]]]:
    storm: dict[str, Model] = {CLAUDE: named(_STORM, CLAUDE), MINI: named(_MINI, MINI)}
    night: dict[str, Model] = {CLAUDE: named(_NIGHT, CLAUDE)}
    triage = shutil.copytree(examples.path("triage"), folder / "triage", dirs_exist_ok=True) / examples.AGENT_FILE
    return [
        ("triage", triage, {}, {"engine": "agentkit"}),
        ("triage-workflow", triage, {}, {"engine": "orchestrator"}),
        ("storm", AGENTS / "storm.yaml", storm, {}),
        ("storm-again", AGENTS / "storm.yaml", storm, {}),
        ("night", AGENTS / "night.yaml", night, {}),
        ("cancelled", AGENTS / "night.yaml", night, {"cancel_ms": 250}),
        ("wrecked", AGENTS / "wrecked.yaml", {}, {}),
        ("wide", AGENTS / "wide.yaml", {}, {}),
    ]
