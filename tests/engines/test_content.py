"""Content never breaks a write: whatever a tool gives, a model says or a caller hands over, the run is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import say

from trackrecord import FunctionPlugin
from trackrecord.canonical import dumps, loads
from trackrecord.errors import BadInput
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import ModelReply, ModelRequest, ToolRequest
from trackrecord.record.usage import Usage
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify


def _deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def _cycle() -> Any:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


class Mute:
    """Raises whenever it is asked to describe itself."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


VALUES: dict[str, Any] = {
    "NUL": "a\x00b",
    "a lone surrogate": "a\ud800b",
    "NaN": [float("nan"), float("inf"), -float("inf")],
    "10^400": 10**400,
    "beyond 2^53": 2**63,
    "a hundred deep": _deep(100),
    "bytes": b"\x00\xff",
    "a set": {1, 2, "three"},
    "a cycle": _cycle(),
    "two equal keys": {1: "number", "1": "text"},
    "an object": object(),
    "a mute object": Mute(),
    "nothing": None,
    "an empty list": [],
    "hostile text": "\x1b[2J\u202e<img src=x onerror=alert(1)>'; DROP TABLE agents; --",
    "ten megabytes": "x" * 10_000_000,
}
CUT = {"ten megabytes"}


def _plugin(value: Any, *, raises: bool) -> FunctionPlugin:
    odd = FunctionPlugin("kit", description="Gives odd things.")

    @odd.action(effect="read")
    async def give() -> Any:
        """Give it, or raise it."""
        if raises:
            raise ValueError(value if isinstance(value, str) else dumps(value))
        return value

    return odd


GIVE = {"id": "give", "type": "action", "plugin": "kit", "action": "give"}


@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
@pytest.mark.parametrize("name", VALUES)
async def test_any_tool_result_is_recorded(tmp_path: Path, name: str, engine: str) -> None:
    """A run whose tool gives it completes, its output is the canonical form, and what was cut is marked."""
    value, path = VALUES[name], tmp_path / "runs.db"
    agent = kit.agent([GIVE], payloads={"outputs": "full"})
    replies = [{"tool_calls": [{"name": "kit__give", "arguments": {}}]}, say("seen")]
    async with kit.opened(path, *replies, plugins=[_plugin(value, raises=False)]) as tr:
        run = await tr.run(agent, {}, engine=engine)
    assert "completed" == run.status, run.record.ending
    if engine == "orchestrator" and name not in CUT:
        assert loads(dumps(value)) == run.output
    with SqliteReader(path) as reader:
        [span] = [span for span in reader.spans(run.id) if span.kind == "tool"]
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
    assert (name in CUT) == ("truncated" in span.attributes)
    if name in CUT:
        assert len(value) + 2 == span.attributes["truncated"]["size"]  # type: ignore[index, call-overload]


@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
@pytest.mark.parametrize("name", VALUES)
async def test_any_error_is_recorded(tmp_path: Path, name: str, engine: str) -> None:
    """A tool that raises with such a text is a failed call whose message is stored, visible and of readable length."""
    path = tmp_path / "runs.db"
    replies = [{"tool_calls": [{"name": "kit__give", "arguments": {}}]}, say("seen")]
    async with kit.opened(path, *replies, plugins=[_plugin(VALUES[name], raises=True)]) as tr:
        run = await tr.run(kit.agent([GIVE]), {}, engine=engine)
    assert ("completed" if engine == "agentkit" else "failed") == run.status
    [call] = json.loads(kit.tables(path, run).execution["logs"])["toolCalls"]
    assert call["error"].startswith("give raised ValueError")
    assert len(call["error"]) < 2_100


@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
@pytest.mark.parametrize("name", [name for name, value in VALUES.items() if isinstance(value, str)])
async def test_any_model_text_is_recorded(tmp_path: Path, name: str, engine: str) -> None:
    """Whatever a model says becomes the output, and the run is recorded."""
    text, path = VALUES[name], tmp_path / "runs.db"

    def answer(request: ModelRequest) -> ModelReply:
        return ModelReply(text=text, usage=Usage(input_tokens=1, output_tokens=1), responded_model=text[:50])

    agent = kit.agent([{"id": "think", "type": "llm", "prompt": "Think."}])
    async with kit.opened(path, say("unused")) as tr:
        tr._models._extra[kit.MODEL] = CallableModel(answer)  # type: ignore[attr-defined]  # the kit's model, replaced
        run = await tr.run(agent, {}, engine=engine)
    assert ("completed", loads(dumps(text))) == (run.status, run.output)
    with SqliteReader(path) as reader:
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]


@pytest.mark.parametrize("name", VALUES)
async def test_any_tool_call_of_a_model_is_answered(tmp_path: Path, name: str) -> None:
    """Odd names and odd arguments go back to the model as errors; the call is not made, and the run goes on."""
    value, path = VALUES[name], tmp_path / "runs.db"
    calls = (
        ToolRequest(id="same", name="kit__add", arguments=value),
        ToolRequest(id="same", name=str(name) * 100, arguments={}),
    )

    def answer(request: ModelRequest) -> ModelReply:
        return ModelReply(text="done") if request.turn else ModelReply(tool_requests=calls)

    async with kit.opened(path, say("unused")) as tr:
        tr._models._extra[kit.MODEL] = CallableModel(answer)  # type: ignore[attr-defined]  # the kit's model, replaced
        run = await tr.run(kit.agent(), {})
    assert ("completed", 0, 2) == (
        run.status,
        run.record.measures.tool_calls_count,
        run.record.measures.tool_calls_rejected_count,
    )


@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
@pytest.mark.parametrize("name", VALUES)
async def test_any_input_is_recorded_or_refused(tmp_path: Path, name: str, engine: str) -> None:
    """Odd inputs within the size limit are stored in canonical form; larger ones are refused, naming field and size."""
    value, path = VALUES[name], tmp_path / "runs.db"
    agent = kit.agent([{"id": "think", "type": "llm", "prompt": "Think."}], payloads={"inputs": "full"})
    async with kit.opened(path, say("fine")) as tr:
        if name in CUT:
            with pytest.raises(BadInput, match=r"inputs of 'worker' are 10,000,\d+ bytes.*the largest is 'odd'"):
                await tr.run(agent, {"odd": value}, engine=engine)
            return
        run = await tr.run(agent, {"odd": value}, engine=engine)
    with SqliteReader(path) as reader:
        stored = reader.payload(run.id, "input")
    assert stored is not None
    assert ("completed", dumps({"odd": value})) == (run.status, stored["body"])
