"""The workflow whose process is killed: every kind of step and effect, over a counting server.

`child` runs it in a process of its own; `opened` is the same Trackrecord in whichever process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from trackrecord import Agent, Trackrecord, failpoints
from trackrecord.config import read_settings
from trackrecord.errors import Conflict
from trackrecord.failpoints import Action
from trackrecord.models.messages import ModelCallFailed, ModelReply, ModelRequest
from trackrecord.models.scripted import ScriptedModel
from trackrecord.plugins import protocol
from trackrecord.plugins.protocol import Invocation, Result, ToolCallFailed
from trackrecord.record.usage import Usage
from trackrecord.store.asked import StoredQuestion
from trackrecord.store.driver import driver

MODEL = "test:counted"
PLUGIN = "till"
UNENDED = "SELECT 1 FROM agent_executions WHERE completed_at IS NULL"
LOST = 3  # what a process ends with whose run another has
TOLD = "told"  # file in which a killed process has said where it died
_PATIENT = {"max_attempts": 3, "initial_ms": 1, "jitter": False}


def _act(id: str, effect: str, **more: Any) -> dict[str, Any]:
    params = {"word": more.pop("word", id)} | {name: more.pop(name) for name in ("refuse", "slow_ms") if name in more}
    return {"id": id, "type": "action", "plugin": PLUGIN, "action": effect, "params": params} | more


STEPS: list[dict[str, Any]] = [
    _act("look", "read"),
    {"id": "ask", "type": "llm", "prompt": "Say.", "retry": _PATIENT},
    {"id": "sort", "type": "switch", "value": "{{ steps.look.data.kind }}", "cases": {
        "big": [_act("heavy", "keyed")], "small": [_act("light", "keyed")],
    }},
    {"id": "each", "type": "loop", "over": "{{ steps.look.data.rows }}", "as": "row", "steps": [
        {"id": "inner", "type": "loop", "over": ["a", "b"], "concurrency": 2, "steps": [
            _act("put", "keyed", word="{{ row }}{{ item }}"),
        ]},
        _act("pay", "unsafe", word="p{{ row }}"),
    ]},
    {"id": "both", "type": "parallel", "branches": {
        "left": [_act("see", "read"), {"id": "tell", "type": "llm", "prompt": "Tell of {{ steps.see.data.word }}."}],
        "right": [_act("write", "keyed", refuse="call", retry=_PATIENT)],
        "far": [_act("far", "unsafe")],
    }},
    {"id": "maybe", "type": "conditional", "condition": "steps.look.data.kind == 'big'", "then": [
        _act("one", "unsafe")], "else": [_act("other", "unsafe")]},
    {"id": "sub", "type": "sub_workflow", "inputs": {"word": "{{ steps.ask.data }}"}, "steps": [
        _act("deep", "keyed", word="{{ inputs.word }}"),
    ]},
    {"id": "ok", "type": "approval", "message": "May it go on?", "approvers": ["ann"]},
    {"id": "again", "type": "sub_workflow", "retry": {"max_attempts": 2, "initial_ms": 1, "jitter": False}, "steps": [
        _act("send", "unsafe", refuse="try"),
    ]},
    {"id": "never", "type": "transform", "operation": "set", "value": 1, "if": "steps.ok.data.decision == 'rejected'"},
    {"id": "work", "type": "agent", "prompt": "Work."},
    {"id": "rest", "type": "delay", "duration": "5ms"},
    {"id": "end", "type": "transform", "operation": "set", "value": {
        "by": "{{ steps.ok.data.by }}", "work": "{{ steps.work.data }}", "each": "{{ steps.each.data }}",
        "both": "{{ steps.both.data }}", "deep": "{{ steps.sub.data }}", "again": "{{ steps.again.data.word }}",
    }},
]  # fmt: skip

# races, failures that are tolerated, and whatever runs beside them
ROUGH: list[dict[str, Any]] = [
    {"id": "first", "type": "parallel", "join": "any", "branches": {
        "quick": [_act("q", "read", slow_ms=60)],
        "read": [_act("r", "read", slow_ms=4_000)],
        "keyed": [_act("k", "keyed", slow_ms=4_000)],
        "unsafe": [_act("u", "unsafe", slow_ms=4_000)],
        "deep": [{"id": "one", "type": "loop", "over": [1], "steps": [
            {"id": "slow", "type": "llm", "prompt": "Slow."}]}],
    }},
    {"id": "all", "type": "map", "over": ["one", "two", "three"], "on_item_error": "collect", "steps": [
        _act("each", "keyed", refuse="{{ 'always' if item == 'two' else 'call' }}", retry=_PATIENT),
    ]},
    _act("shaky", "unsafe", refuse="always", on_error={"fallback": _act("safe", "keyed")}),
    {"id": "pages", "type": "loop", "while": "index < 2", "steps": [_act("page", "read")]},
    {"id": "net", "type": "sub_workflow", "steps": [
        _act("a", "keyed"), _act("b", "unsafe", depends_on=["a"]), _act("c", "read", depends_on=["a"]),
        _act("d", "keyed", depends_on=["b", "c"]),
    ]},
    {"id": "end", "type": "transform", "operation": "set", "value": {
        "first": "{{ steps.first.data }}", "all": "{{ steps.all.data.errors }}", "shaky": "{{ steps.shaky.data }}",
        "net": "{{ steps.net.data }}",
    }},
]  # fmt: skip
# a failure that nothing tolerates ends what runs beside it
FAILING: list[dict[str, Any]] = [
    {"id": "both", "type": "parallel", "branches": {
        "left": [_act("ok", "read", slow_ms=60), _act("bad", "keyed", refuse="always", retry=_PATIENT)],
        "right": [_act("was", "keyed"), _act("long", "keyed", slow_ms=4_000)],
        "deep": [{"id": "two", "type": "loop", "over": [1, 2], "concurrency": 2, "steps": [
            _act("pay", "unsafe", slow_ms=4_000)]}],
        "read": [_act("r", "read", slow_ms=4_000)],
    }},
]  # fmt: skip
SLOW: list[dict[str, Any]] = [
    {"id": "both", "type": "parallel", "branches": [
        [_act("look", "read"), _act("long", "keyed", slow_ms=4_000)], [_act("pay", "unsafe", slow_ms=4_000)],
    ]},
]  # fmt: skip
STORIES = {"whole": STEPS, "rough": ROUGH, "failing": FAILING, "slow": SLOW}


def _call(action: str, **arguments: Any) -> dict[str, Any]:
    return {"name": action if "__" in action else f"{PLUGIN}__{action}", "arguments": arguments}


def _reply(path: str, input: int, **says: Any) -> dict[str, Any]:
    return {"when": {"path": path}, "reply": {**says, "usage": {"input": input, "output": input // 10}}}


SCRIPT: dict[str, Any] = {
    "rules": [
        _reply("s:ask/model", 100, text="said"),
        _reply("s:both/b:left/s:tell/model", 200, text="told"),
        _reply("s:work/turn:1/model", 300, tool_calls=[_call("read", word="w1"), _call("keyed", word="w2")]),
        _reply("s:work/turn:2/model", 400, tool_calls=[
            _call("unsafe", word="w3"), _call("memory__remember", kind="fact", text="Ann likes tea."),
        ]),
        _reply("s:work/turn:3/model", 500, text="worked"),
        _reply("s:each/i:*/s:say/model", 50, text="said"),  # of the busy agent
    ],
}  # fmt: skip
REFUSED_ONCE = frozenset({"s:ask/model", "s:work/turn:2/model"})


async def post(port: int, effect: str, key: str, asked: Mapping[str, Any]) -> tuple[int, Any]:
    """Ask the server; status and answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        body = json.dumps(asked).encode()
        head = f"POST /{effect} HTTP/1.0\r\nIdempotency-Key: {key}\r\nX-Pid: {os.getpid()}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    status, _, said = answer.partition(b"\r\n\r\n")
    return int(status.split()[1]), json.loads(said)


class CountedTools:
    """One action of each class of effect; what each does is counted elsewhere, under the key it is given."""

    name = PLUGIN
    description = "What is counted."

    def __init__(self, port: int) -> None:
        parameters: Any = {
            "type": "object",
            "properties": {"word": {"type": "string"}, "refuse": {"type": "string"}, "slow_ms": {"type": "integer"}},
        }
        self._port = port
        self.actions: dict[str, protocol.Action] = {
            effect: protocol.Action(name=effect, description=f"Does it {effect}.", parameters=parameters, effect=effect)
            for effect in ("read", "keyed", "unsafe")
        }

    async def call(self, invocation: Invocation) -> Result:
        status, answer = await post(self._port, invocation.action, invocation.idempotency_key, invocation.arguments)
        if status != 200:
            raise ToolCallFailed("the server is busy", is_transient=True, cause=str(status))
        return Result(data=answer)


class CountedModel:
    """The scripted model behind a real request."""

    provider, name = "test", "counted"

    def __init__(self, port: int) -> None:
        self._port = port
        self._model = ScriptedModel.from_mapping(SCRIPT)

    async def request(self, request: ModelRequest) -> ModelReply:
        asked: dict[str, Any] = {"refuse": "call"} if request.path in REFUSED_ONCE else {}
        asked |= {"slow_ms": 4_000} if request.path.endswith("s:slow/model") else {}
        status, _ = await post(self._port, "model", request.path, asked)
        if status != 200:
            used = Usage(input_tokens=0, output_tokens=0, provenance="reported")
            raise ModelCallFailed("busy", code="provider_unavailable", is_transient=True, status=status, usage=used)
        return await self._model.request(request)


def worker(name: str = "whole") -> Agent:
    """The agent with the workflow of that name."""
    return Agent.from_mapping(
        {"name": "worker", "prompt": "Work.", "model": MODEL, "plugins_required": [PLUGIN],
         "workflow_steps": STORIES[name], "memory": {"remember": True}}
    )  # fmt: skip


def opened(folder: Path, port: int, durability: str = "sync") -> Trackrecord:
    """A Trackrecord on the database in the folder."""
    path = folder / "runs.db"
    settings = read_settings(db=f"sqlite:///{path}").model_copy(
        update={"retry": read_settings().retry.model_copy(update={"initial_ms": 1})}
    )
    return Trackrecord(
        f"sqlite:///{path}",
        plugins=[CountedTools(port)],
        models={MODEL: CountedModel(port)},
        durability=durability,  # type: ignore[arg-type]
        synchronous="NORMAL",  # a killed process loses nothing the system has
        settings=settings,
    )


def child(
    folder: str, port: int, durability: str, points: Mapping[str, str], action: Action = "kill", name: str = "whole"
) -> None:
    """Run the workflow of that name to its end, or go on with the run that is there, as a process of its own.

    `points` are places to be killed or stopped at by when they are armed: at once, once a run waits, or once it is
    asked what became of a call. Ends with LOST when another process has the run.
    """
    os.environ[failpoints.TOLD] = str(Path(folder) / TOLD)
    try:
        asyncio.run(_child(Path(folder), port, durability, name, lambda when: _arm(points, when, action)))
    except Conflict:
        sys.exit(LOST)


async def _child(folder: Path, port: int, durability: str, name: str, arm: Callable[[str], None]) -> None:
    async with opened(folder, port, durability) as tr:
        arm("start")
        if run_of(folder) is None:
            await tr.run(worker(name), {})
        await carried(tr, port, arm)
        late = tr._opened().late
        while late is not None and late._tasks:  # what a lost run has used is told in the background, unless it closes
            await asyncio.sleep(0.01)


def cancelled_child(folder: str, port: int, point: str, is_closed: bool) -> None:
    """Run the slow workflow and cancel it, or close what runs it, as a process that is killed before that is done."""
    os.environ[failpoints.TOLD] = str(Path(folder) / TOLD)
    asyncio.run(_cancelled(Path(folder), port, point, is_closed))


async def _cancelled(folder: Path, port: int, point: str, is_closed: bool) -> None:
    async with opened(folder, port) as tr:
        started = await tr.start(worker("slow"), {})
        while started.live is None or started.live.in_flight < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # both slow calls are under way, and nothing else is on its way to the disk
        failpoints.points[point] = "kill"
        if is_closed:
            return
        started.cancel()
        await started.task


def _arm(points: Mapping[str, str], when: str, action: Action) -> None:
    if when in points:
        failpoints.points[points[when]] = action


async def carried(tr: Trackrecord, port: int, arm: Callable[[str], None] = lambda _: None) -> None:
    """Answer what runs ask until all have ended and none is carried here any more.

    An unsafe call was done when the server has done it, and gave what the server gave; else it is called again.
    """
    connection = driver.connect(str(tr._path))
    try:
        async with asyncio.timeout(60):
            while tr._opened().live or connection.execute(UNENDED).fetchone() is not None:
                for asked in await tr.approvals():
                    with suppress(Conflict):  # it is on its way to waiting, or back from it
                        await _answer(tr, asked, port, arm)
                await asyncio.sleep(0.003)
    finally:
        connection.close()


async def _answer(tr: Trackrecord, asked: StoredQuestion, port: int, arm: Callable[[str], None]) -> None:
    if asked.kind == "approval":
        arm("approval")
        await tr.approve(asked.run_id, asked.path, by="ann")
        return
    _, known = await post(port, "look", f"{asked.run_id}:{asked.place}", {})
    arm("outcome")
    if known["count"]:
        await tr.settle(asked.run_id, asked.place, "done", known["answer"])
    else:
        await tr.settle(asked.run_id, asked.place, "retry")


def run_of(folder: Path) -> str | None:
    """The run in the database of the folder; None when there is none."""
    connection = driver.connect(str(folder / "runs.db"))
    try:
        found = connection.execute("SELECT id FROM agent_executions").fetchall()
    finally:
        connection.close()
    return found[0][0] if found else None
