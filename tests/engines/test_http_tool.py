"""HTTP calls in whole runs, through both engines: every hostile reply ends in a record that says what happened."""

from __future__ import annotations

import json as js
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.test_secrets import everything
from tests.unit.plugins import sites
from tests.unit.plugins.sites import HOSTILE, Site, json, reply
from tests.unit.plugins.test_http import FAULTS

from trackrecord import Run
from trackrecord.config import read_settings
from trackrecord.plugins.files import over as files_plugin
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.record.spans import Span
from trackrecord.store.reader import SqliteReader

ENGINES = ("agentkit", "orchestrator")
SECRET = "the innermost secret"


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    replies = {"/": json('{"items": [1, 2]}'), "/secret": reply(SECRET), **HOSTILE}
    async with sites.serving(replies) as made:
        yield made


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a run with one HTTP call left."""

    run: Run
    tools: list[Span]
    tables: kit.Tables

    @property
    def logged(self) -> list[dict[str, Any]]:
        return js.loads(self.tables.execution["logs"])["toolCalls"]


async def ran(
    path: Path,
    engine: str,
    site: Site,
    action: str,
    arguments: dict[str, Any],
    *,
    step: dict[str, Any] | None = None,
    is_open: bool = True,
    **limits: Any,
) -> Left:
    """Run an agent that makes one call and goes on whatever comes of it."""
    one = {"id": "call", "type": "action", "plugin": "http", "action": action, "params": arguments}
    agent = kit.agent(
        [{**one, "on_error": "continue", **(step or {})}] if engine == "orchestrator" else None,
        plugins_required=["http"],
        limits=limits,
    )
    asking = {"tool_calls": [{"name": f"http__{action}", "arguments": arguments}]}
    settings = read_settings(
        http={"allow": ["127.0.0.1"] if is_open else [], "ports": [80, site.port]},
        retry={"max_attempts": 2, "initial_ms": 1, "max_ms": 1},
    )
    async with kit.opened(path, asking, kit.say("done"), plugins=[], settings=settings) as tr:
        run = await tr.run(agent, engine=engine)
    with SqliteReader(path) as reader:
        tools = [span for span in reader.spans(run.id) if span.kind == "tool"]
    return Left(run=run, tools=tools, tables=kit.tables(path, run))


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_call_is_recorded(tmp_path: Path, site: Site, engine: str) -> None:
    """One request, one span, one tool call in the record, its success known."""
    left = await ran(tmp_path / "runs.db", engine, site, "get", {"url": f"{site.url}/"})
    [span] = left.tools
    assert ("ok", "http", "get", True, 1, 1) == (
        span.status, span.plugin, span.action, span.success, span.items, span.attempt,
    )  # fmt: skip
    assert ("completed", 1, 1) == (left.run.status, left.tables.execution["tool_calls_count"], len(site.seen))
    assert [("http", "get", True)] == [(one["plugin"], one["action"], one["success"]) for one in left.logged]


@pytest.mark.parametrize("path", sorted(set(FAULTS) - {"/slow", "/mute"}))
@pytest.mark.parametrize("action", ["get", "post"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_hostile_reply_is_recorded(tmp_path: Path, site: Site, engine: str, action: str, path: str) -> None:
    """The run goes on; the span says why; what may pass is tried again if that is safe; no answer is unknown."""
    (is_transient, _, has_response, _), words = FAULTS[path]
    left = await ran(tmp_path / "runs.db", engine, site, action, {"url": f"{site.url}{path}"})
    assert "completed" == left.run.status
    attempts = 2 if is_transient and action == "get" else 1
    is_unknown = action == "post" and not has_response
    status, success = ("unknown", None) if is_unknown else ("failed", False)
    assert [(status, success, "http", action, "tool_failed")] * attempts == [
        (one.status, one.success, one.plugin, one.action, one.error_code) for one in left.tools
    ]
    assert all(words in (one.error_message or "") for one in left.tools)
    assert list(range(1, attempts + 1)) == [one.attempt for one in left.tools]
    assert 1 == left.tables.execution["tool_calls_count"]
    assert [success] == [one["success"] for one in left.logged]
    # one request for each attempt, and one for each redirect that was followed
    assert attempts * (4 if path == "/loop" else 1) == len(site.seen)


@pytest.mark.parametrize("action", ["get", "post"])
@pytest.mark.parametrize("path", ["/slow", "/mute"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_slow_reply_is_recorded(tmp_path: Path, site: Site, engine: str, path: str, action: str) -> None:
    """The run's tool timeout ends it, whatever drips in: timed out if it changed nothing, else unknown."""
    began = time.monotonic()
    left = await ran(tmp_path / "runs.db", engine, site, action, {"url": f"{site.url}{path}"}, tool_timeout_ms=200)
    expected = ["timed_out"] * 2 if action == "get" else ["unknown"]
    assert (expected, "completed") == ([one.status for one in left.tools], left.run.status)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("place", ["127.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("action", ["get", "post"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_blocked_address_is_recorded(tmp_path: Path, site: Site, engine: str, action: str, place: str) -> None:
    """A call that was never made, with the reason, not tried again; nothing of what lies behind it is in any table."""
    url = f"http://{place}:{site.port}/secret"
    left = await ran(tmp_path / "runs.db", engine, site, action, {"url": url}, is_open=False)
    [span] = left.tools
    assert ("rejected", False, "rejected", 1) == (span.status, span.success, span.error_code, span.attempt)
    row = left.tables.execution
    assert (0, 1, 0) == (row["tool_calls_count"], row["tool_calls_rejected_count"], row["retry_count"])
    assert [(True, 0)] == [(one["rejected"], one["attempts"]) for one in left.logged]
    assert "was refused: " in (span.error_message or "")
    assert "leads to a loopback address" in (span.error_message or "")
    assert ("completed", []) == (left.run.status, site.seen)
    assert SECRET not in everything(tmp_path / "runs.db")


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_path_outside_is_recorded_as_a_call_that_was_not_made(tmp_path: Path, engine: str) -> None:
    """What the folder of `files` does not hold by policy is refused before anything is touched; a typing slip fails."""
    (tmp_path / "folder").mkdir()
    files = files_plugin(tmp_path / "folder")
    found = []
    for number, name in enumerate(["../secret.txt", "/etc/passwd", "missing.txt"]):
        step = {"id": "call", "type": "action", "plugin": "files", "action": "read", "params": {"path": name}}
        agent = kit.agent([{**step, "on_error": "continue"}], plugins_required=["files"])
        asking = {"tool_calls": [{"name": "files__read", "arguments": {"path": name}}]}
        path = tmp_path / f"{number}.db"
        async with kit.opened(path, asking, kit.say("done"), plugins=[files]) as tr:
            run = await tr.run(agent, engine=engine)
        row = kit.tables(path, run).execution
        found.append((row["status"], row["tool_calls_count"], row["tool_calls_rejected_count"]))
    assert [("completed", 0, 1), ("completed", 0, 1), ("completed", 1, 0)] == found


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_passing_status_is_tried_again(tmp_path: Path, site: Site, engine: str) -> None:
    """A GET is, an unsafe POST is not."""
    site.replies["/busy"] = reply("", 503, [("Retry-After", "0")])
    read = await ran(tmp_path / "a.db", engine, site, "get", {"url": f"{site.url}/busy"})
    change = await ran(tmp_path / "b.db", engine, site, "post", {"url": f"{site.url}/busy"})
    assert (["failed"] * 2, ["failed"]) == ([one.status for one in read.tools], [one.status for one in change.tools])
    assert (1, 0) == (read.tables.execution["retry_count"], change.tables.execution["retry_count"])
    assert ["GET", "GET", "POST"] == [one.method for one in site.seen]


async def test_a_keyed_change_is_tried_again_under_its_key(tmp_path: Path, site: Site) -> None:
    """A step that says `effect: keyed` sends the same key with each attempt, and only such a step sends one."""
    site.replies["/busy"] = reply("", 503, [("Retry-After", "0")])
    arguments = {"url": f"{site.url}/busy", "json": {"amount": 1}}
    left = await ran(tmp_path / "a.db", "orchestrator", site, "post", arguments, step={"effect": "keyed"})
    await ran(tmp_path / "b.db", "orchestrator", site, "post", arguments)
    assert ["failed", "failed"] == [one.status for one in left.tools]
    key = f"{left.run.id}:s:call/tool"
    assert [key, key, None] == [one.headers.get("idempotency-key") for one in site.seen]


@pytest.mark.parametrize(("on", "attempts"), [(["429"], 2), (["5xx"], 1), (["timeout"], 1), (["connection"], 1)])
async def test_a_step_may_say_which_statuses_are_tried_again(
    tmp_path: Path, site: Site, on: list[str], attempts: int
) -> None:
    """`retry.on` knows an answer by its status."""
    site.replies["/busy"] = reply("", 429, [("Retry-After", "0")])
    step = {"retry": {"max_attempts": 2, "initial_ms": 1, "on": on}}
    left = await ran(tmp_path / "a.db", "orchestrator", site, "get", {"url": f"{site.url}/busy"}, step=step)
    assert attempts == len(left.tools)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_stored_secret_is_sent_and_kept_nowhere(tmp_path: Path, site: Site, engine: str) -> None:
    """Its handle is in the definition, its value in one header of one request, and in no table if it comes back."""
    token, path = "tok-4d1c0ffee-b0bb1e", tmp_path / "runs.db"
    settings = read_settings(
        http={"allow": ["127.0.0.1"], "ports": [site.port], "credentials": {"crm": [site.url]}},
        secrets={"key": "ab" * 32},
    )
    site.replies["/echo"] = json(f'{{"you sent": "Bearer {token}"}}')
    arguments = {"url": f"{site.url}/echo", "credentials": {"Authorization": "Bearer crm"}}
    one = {"id": "call", "type": "action", "plugin": "http", "action": "get", "params": arguments}
    agent = kit.agent(
        [one] if engine == "orchestrator" else None,
        plugins_required=["http"],
        payloads={"tools": "full", "outputs": "full"},
    )
    asking = {"tool_calls": [{"name": "http__get", "arguments": arguments}]}
    async with kit.opened(path, kit.say("done"), plugins=[], settings=settings) as tr:
        await tr.set_secret("crm", token)
    async with kit.opened(path, asking, kit.say("done"), plugins=[], settings=settings) as tr:
        run = await tr.run(agent, engine=engine)
    assert ("completed", [f"Bearer {token}"]) == (run.status, [one.headers["authorization"] for one in site.seen])
    stored = everything(path)
    assert "Bearer [redacted]" in stored
    assert token not in stored


async def test_engines_leave_the_same_span(tmp_path: Path, site: Site) -> None:
    """But for place and time, a call through one engine is a call through the other."""
    for path in ("/", "/short", "/inside", "/bomb"):
        spans: list[list[tuple[Any, ...]]] = []
        for engine in ENGINES:
            left = await ran(
                tmp_path / f"{engine}{path.strip('/')}.db", engine, site, "get", {"url": f"{site.url}{path}"}
            )
            spans.append(
                [
                    (
                        one.attempt,
                        one.status,
                        one.plugin,
                        one.action,
                        one.success,
                        one.items,
                        one.error_code,
                        one.error_message,
                    )
                    for one in left.tools
                ]
            )
        assert spans[0] == spans[1]


def test_a_failure_is_what_the_context_takes() -> None:
    """The cause a retry policy asks for is empty unless the plugin names one."""
    assert "" == ToolCallFailed("x", is_transient=True).cause
