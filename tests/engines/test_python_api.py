"""The Python API: what is refused, what can be set, watched and cancelled, what is kept, and when it is open."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, ask, say

from trackrecord import Agent, AgentExecutionData, FunctionPlugin, Run, SyncTrackrecord, Trackrecord
from trackrecord.agent import Limits
from trackrecord.canonical import Json, digest
from trackrecord.config import LimitSettings
from trackrecord.context.live_run import Progress
from trackrecord.context.run_context import RunContext
from trackrecord.errors import (
    AgentNotActive,
    BadAgent,
    BadInput,
    PluginNotConnected,
    RunError,
    StoreBusy,
    TrackrecordError,
    UnknownEngine,
    UnknownModel,
)
from trackrecord.store.protocol import Durability
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_USER
from trackrecord.verify import verify

STEPS = [
    {"id": "think", "type": "llm", "prompt": "Think."},
    {"id": "add", "type": "action", "plugin": "kit", "action": "add", "params": {"a": 1, "b": 2}},
]
ENGINES: dict[str, tuple[list[dict[str, Any]] | None, list[dict[str, Any]]]] = {
    "agentkit": (None, [ask("add", a=1, b=2), say("three")]),
    "orchestrator": (STEPS, [say("fine")]),
}
both_engines = pytest.mark.parametrize("engine", ENGINES)


def counts(path: Path) -> dict[str, int]:
    """How many rows every table has that a run could leave something in."""
    names = (
        "agent_executions",
        "agent_logs",
        "agent_stats",
        "agents",
        "agent_versions",
        "run_payloads",
        "audit_events",
    )
    with SqliteReader(path) as reader:
        return {name: reader.rows(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in names}


def is_sound(path: Path) -> bool:
    with SqliteReader(path) as reader:
        return not [finding for check in verify(reader).checks for finding in check.findings]


# ------------------------------------------------------------------------------------------- refused before it is a run

BROKEN_SCRIPT = "replies:\n  - {text: hi, txt: ho}\n"
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], type[TrackrecordError], str]] = {
    "unknown model": ({"model": "nobody:knows"}, {}, UnknownModel, "nobody"),
    "unknown model of the request": ({}, {"model": "nobody:knows"}, UnknownModel, "nobody"),
    "no model": ({"model": None}, {}, UnknownModel, "names no model"),
    "no such script": ({"model": "scripted:missing.yaml"}, {}, UnknownModel, "there is no script file"),
    "broken script": ({"model": "scripted:broken.yaml"}, {}, BadInput, "txt"),
    "broken script of the request": ({}, {"model": "scripted:broken.yaml"}, BadInput, "txt"),
    "unknown model of a step": (
        {"workflow_steps": [{"id": "a", "type": "llm", "prompt": "x", "model": "nobody:knows"}]},
        {},
        UnknownModel,
        "nobody",
    ),
    "broken script of a step far down": (
        {
            "workflow_steps": [
                {
                    "id": "each",
                    "type": "loop",
                    "over": [1],
                    "steps": [{"id": "a", "type": "llm", "prompt": "x", "model": "scripted:broken.yaml"}],
                }
            ]
        },
        {},
        BadInput,
        "txt",
    ),
    "unknown engine": ({}, {"engine": "steam"}, UnknownEngine, "no engine 'steam'"),
    "nothing to carry out": ({}, {"engine": "orchestrator"}, BadInput, "has no workflow_steps"),
    "plugin not connected": ({"plugins_required": ["nowhere"]}, {}, PluginNotConnected, "'nowhere'"),
    "a draft": ({"status": "draft"}, {}, AgentNotActive, "is draft"),
    "no such action": (
        {"workflow_steps": [{"id": "a", "type": "action", "plugin": "kit", "action": "sing"}]},
        {},
        BadAgent,
        "cannot run here",
    ),
    "retry of what must not happen twice": (
        {
            "workflow_steps": [
                {"id": "a", "type": "action", "plugin": "kit", "action": "pay", "params": {"amount": 1}, "retry": {}}
            ]
        },
        {},
        BadAgent,
        "cannot run here",
    ),
    "input missing": ({"input_schema": [{"name": "x", "type": "string", "required": True}]}, {}, BadInput, "'x'"),
    "input too large": ({"limits": {"max_input_bytes": 10}}, {"inputs": {"text": "x" * 99}}, BadInput, "at most 10"),
    "no such moment": ({}, {"now": "yesterday"}, BadInput, "yesterday"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A request that cannot become a run raises with a cure, at run and at start, and no table has a row of it."""
    fields, options, error, words = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.yaml").write_text(BROKEN_SCRIPT)
    agent, given = kit.agent(**{key: value for key, value in fields.items() if value is not None}), {"inputs": {}}
    if "model" in fields and fields["model"] is None:
        agent = Agent.from_mapping({"name": "worker", "prompt": "Work."})
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused")) as tr:
        for begin in (tr.run, tr.start):
            with pytest.raises(error) as raised:
                await begin(agent, **(given | options))
            text = "\n".join([raised.value.message, *getattr(raised.value, "__notes__", ())])
            assert words in text
            assert raised.value.cure or raised.value.__notes__
    assert {0} == set(counts(path).values())


async def test_the_installation_s_model_is_looked_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRACKRECORD_MODEL is the model of agents that name none; one that cannot be had is refused like any other."""
    agent = Agent.from_mapping({"name": "worker", "prompt": "Work."})
    for name, expected in ((kit.MODEL, None), ("nobody:knows", UnknownModel)):
        monkeypatch.setenv("TRACKRECORD_MODEL", name)
        async with kit.opened(tmp_path / "runs.db", say("fine")) as tr:
            if expected is None:
                assert "completed" == (await tr.run(agent)).status
            else:
                with pytest.raises(expected):
                    await tr.run(agent)
    assert 1 == counts(tmp_path / "runs.db")["agent_executions"]


async def test_a_model_that_is_not_asked_need_not_be_there(tmp_path: Path) -> None:
    """An engine that carries out no steps runs an agent whose steps name a model that cannot be had."""
    agent = kit.agent([{"id": "a", "type": "llm", "prompt": "x", "model": "nobody:knows"}])
    async with kit.opened(tmp_path / "runs.db", say("fine")) as tr:
        assert "completed" == (await tr.run(agent, {}, engine="agentkit")).status
        with pytest.raises(UnknownModel):
            await tr.run(agent, {}, engine="orchestrator")


# --------------------------------------------------------------------------------------------------------------- limits


class Teller:
    """An engine that answers which limits a run has."""

    name = "teller"
    title = "Teller"
    runs_workflow = False
    run_timeout_s = 10.0

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        told = asdict(agent.limits)
        assert told == asdict(ctx._run.limits)
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in told.items()}


FROM_ENVIRONMENT = {
    "run_timeout_s": 7.5,
    "max_tokens_per_run": 1_001,
    "max_tokens_per_call": 1_002,
    "max_cost_usd": "0.25",
    "model_timeout_ms": 1_003,
    "tool_timeout_ms": 1_004,
    "max_iterations": 11,
    "loop_limit": 12,
    "max_parallel_tools": 13,
    "max_parallel_steps": 14,
    "max_spans": 15,
    "tool_result_characters": 1_005,
    "tool_result_bytes": 1_006,
    "max_input_bytes": 1_007,
}
OF_AGENT = {name: "0.75" if name == "max_cost_usd" else value * 2 for name, value in FROM_ENVIRONMENT.items()}  # type: ignore[operator]  # numbers, but for the dollars


def test_every_limit_is_among_these() -> None:
    """Agents, settings and the table above name the same limits."""
    assert FROM_ENVIRONMENT.keys() == LimitSettings.model_fields.keys() == asdict(Limits()).keys()


@pytest.mark.parametrize("name", FROM_ENVIRONMENT)
async def test_a_limit_of_the_agent_wins_over_the_environment_s_and_that_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each limit can be set by TRACKRECORD_LIMITS__…, which holds for agents that do not set it themselves."""

    async def limit(**fields: Any) -> Any:
        async with kit.opened(tmp_path / "runs.db", say("unused"), engines=[Teller()]) as tr:
            run = await tr.run(kit.agent(**fields), {}, engine="teller")
        assert isinstance(run.output, dict)
        return run.output[name]

    default = asdict(Limits())[name]
    assert default == await limit()
    monkeypatch.setenv(f"TRACKRECORD_LIMITS__{name.upper()}", str(FROM_ENVIRONMENT[name]))
    assert FROM_ENVIRONMENT[name] == await limit() != default
    assert OF_AGENT[name] == await limit(limits={name: OF_AGENT[name]})
    other = "max_spans" if name != "max_spans" else "loop_limit"
    assert FROM_ENVIRONMENT[name] == await limit(limits={other: 99})


ENDS = {
    "MAX_ITERATIONS": ("1", "failed", "max_iterations"),
    "MAX_TOKENS_PER_RUN": (str(IN), "budget_exceeded", "token_limit"),
    "RUN_TIMEOUT_S": ("0.05", "timed_out", "run_timeout"),
    "MAX_SPANS": ("1", "failed", "limit_reached"),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_limit_of_the_environment_ends_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is set for the whole installation holds for real runs."""
    value, status, code = ENDS[name]
    monkeypatch.setenv(f"TRACKRECORD_LIMITS__{name}", value)
    async with kit.opened(tmp_path / "runs.db", ask("wait", seconds=0.3), say("fine")) as tr:
        run = await tr.run(kit.agent(memory=False), {})
    assert (status, code) == (run.status, run.record.ending and run.record.ending.error_code)


# --------------------------------------------------------------------------------------------------------- how it ended


async def test_a_completed_run_raises_nothing(tmp_path: Path) -> None:
    """`raise_for_status` is silent when there is nothing to raise for."""
    async with kit.opened(tmp_path / "runs.db", say("fine")) as tr:
        (await tr.run(kit.agent(), {})).raise_for_status()


BADLY: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str, str, str]] = {
    "a failed model": ([{"error": {"status": 400, "message": "no"}}], {}, "failed", "model_failed", "turn:1/model"),
    "too many turns": ([ask("add", a=1, b=1)], {"max_iterations": 1}, "failed", "max_iterations", ""),
    "too many tokens": (
        [ask("add", a=1, b=1)],
        {"max_tokens_per_run": 1},
        "budget_exceeded",
        "token_limit",
        "turn:2/model",
    ),
    "too long": ([ask("wait", seconds=5)], {"run_timeout_s": 0.05}, "timed_out", "run_timeout", ""),
}


@pytest.mark.parametrize("name", BADLY)
async def test_raise_for_status_raises_what_the_record_says(tmp_path: Path, name: str) -> None:
    """A run that did not complete is returned; asked to, it raises its own status, code, message and place."""
    replies, limits, status, code, place = BADLY[name]
    async with kit.opened(tmp_path / "runs.db", *replies) as tr:
        run = await tr.run(kit.agent(limits=limits), {})
    with pytest.raises(RunError) as raised:
        run.raise_for_status()
    ending = run.record.ending
    assert ending is not None
    assert (status, code, place, ending.error_message) == (
        raised.value.status,
        raised.value.code,
        raised.value.path,
        raised.value.message,
    )
    assert (run.id, run.status, None) == (run.record.origin.run_id, status, run.output)


# -------------------------------------------------------------------------------------------------------- start, cancel


@both_engines
async def test_a_run_cancelled_at_once_is_recorded(tmp_path: Path, engine: str) -> None:
    """A wish to cancel that comes before the run has begun is no less carried out: one record, nothing used."""
    steps, replies = ENGINES[engine]
    path = tmp_path / "runs.db"
    async with kit.opened(path, *replies) as tr:
        started = await tr.start(kit.agent(steps), {})
        started.cancel()
        run = await asyncio.wait_for(started.task, 5)
    assert (started.run_id, "cancelled", "user") == (
        run.id,
        run.status,
        run.record.ending and run.record.ending.error_code,
    )
    assert (0, 0) == (run.record.measures.tokens.total, run.record.measures.model_calls_count)
    assert is_sound(path)


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_run_can_be_cancelled_at_any_moment(tmp_path: Path, durability: Durability) -> None:
    """Whenever the wish comes, also while something is being committed: one record, and nothing left open."""
    replies = (ask("pay", amount=1), ask("wait", seconds=0.001), ask("pay", amount=2), say("fine"))
    path, runs = tmp_path / "runs.db", []
    async with kit.opened(path, *replies, durability=durability, plugins=[kit.tools("keyed")]) as tr:
        for turns in range(60):
            started = await tr.start(kit.agent(), {})
            while started._live is None:
                await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0 if turns % 2 else 0.0002)
            started.cancel()
            runs.append(await asyncio.wait_for(started.task, 5))
    assert {"cancelled", "completed"} >= {run.status for run in runs}
    assert "cancelled" in {run.status for run in runs}
    with SqliteReader(path) as reader:
        [stats] = reader.stats(kit.agent().id)
    assert (60, sum(run.record.measures.tokens.total or 0 for run in runs)) == (
        counts(path)["agent_logs"],
        stats["tokens_total"],
    )
    assert is_sound(path)


async def test_the_caller_s_own_cancellation_is_recorded_however_early(tmp_path: Path) -> None:
    """Who waits for no time at all is told so, and the run that had been accepted ends as cancelled."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=5)) as tr:
        waiting = asyncio.ensure_future(tr.run(kit.agent(), {}))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with SqliteReader(path) as reader:
            assert ("cancelled", "user") == (
                reader.execution("last")["status"],
                reader.execution("last")["error_code"],
            )


async def test_closing_at_once_records_what_was_started(tmp_path: Path) -> None:
    """A program that starts a run and leaves has it recorded as stopped."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=5)) as tr:
        started = [await tr.start(kit.agent(), {}) for _ in range(3)]
    assert [("cancelled", "signal")] * 3 == [
        (one.task.result().status, kit.tables(path, one.run_id).execution["error_code"]) for one in started
    ]


def test_a_program_that_only_ends_leaves_records(tmp_path: Path) -> None:
    """When the event loop is shut down under a run, it is recorded as stopped before the loop is gone."""
    path = tmp_path / "runs.db"

    async def main() -> Trackrecord:
        tr = await kit.opened(path, ask("wait", seconds=5)).open()
        await tr.start(kit.agent(), {})
        await asyncio.sleep(0.1)
        return tr

    store = asyncio.run(main())._store
    assert store is not None
    asyncio.run(store.close())
    found = kit.tables(path, "last").execution
    assert ("cancelled", "signal", IN + OUT) == (found["status"], found["error_code"], found["tokens_used"])


async def test_the_first_reason_to_cancel_counts(tmp_path: Path) -> None:
    """Who cancels again changes nothing, during the run and after it."""
    async with kit.opened(tmp_path / "runs.db", ask("wait", seconds=5)) as tr:
        started = await tr.start(kit.agent(), {})
        started.cancel("signal")
        started.cancel("user")
        run = await started.task
        started.cancel("user")
        assert run is await started.task
    assert ("cancelled", "signal") == (run.status, run.record.ending and run.record.ending.error_code)


async def test_cancelling_what_has_ended_does_nothing(tmp_path: Path) -> None:
    """A completed run stays completed."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("fine")) as tr:
        started = await tr.start(kit.agent(), {})
        await started.task
        started.cancel()
        await asyncio.sleep(0)
        assert "completed" == (await started.task).status
    assert "completed" == kit.tables(path, started.run_id).execution["status"]


# ------------------------------------------------------------------------------------------------------------- watching


@both_engines
async def test_a_watcher_that_raises_fails_no_run(tmp_path: Path, engine: str) -> None:
    """Whoever watches may break: the run completes with the very record it has when nobody watches."""
    steps, replies = ENGINES[engine]
    told: list[Progress] = []

    def watch(progress: Progress) -> None:
        told.append(progress)
        raise RuntimeError("cannot look")

    runs: list[Run] = []
    for watcher in (None, watch):
        path = tmp_path / f"{watcher is None}.db"
        async with kit.opened(path, *replies) as tr:
            runs.append(await tr.run(kit.agent(steps), {}, watcher=watcher))
        assert is_sound(path)
    assert 1 == len(told)
    assert seen_of(runs[0]) == seen_of(runs[1])


def seen_of(run: Run) -> dict[str, Any]:
    """A record without what is different every time: ids and times."""
    measures = run.record.measures
    shown: dict[str, Any] = {
        name: getattr(measures, name)
        for name in measures.__dataclass_fields__
        if not name.endswith("_us") and name != "tool_calls"
    }
    shown["tool_calls"] = [(one.path, one.success, one.items, one.error_message) for one in measures.tool_calls]
    ending = run.record.ending
    return shown | {
        "status": run.status,
        "output": run.output,
        "error": ending and (ending.error_code, ending.error_path),
    }


# --------------------------------------------------------------------------------------------------------- what is kept

SECRET = "correct-horse-battery-staple"
KEY = "sk-abcdefghijklmnopqrstuvwx"
SAID = f"{SECRET} {KEY}"
KEPT = {"none": None, "redacted": "[redacted] [redacted]", "full": f"[redacted] {KEY}"}


def _echo() -> FunctionPlugin:
    plugin = FunctionPlugin("kit", description="Repeats.")

    @plugin.action(effect="read")
    async def echo(text: str) -> str:
        """Repeat."""
        return text

    return plugin


@both_engines
@pytest.mark.parametrize("policy", KEPT)
async def test_contents_are_kept_by_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, policy: str
) -> None:
    """Of input, output and tools: nothing, all without keys, or all but known secrets; hash and size in any case."""
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    step = {"id": "echo", "type": "action", "plugin": "kit", "action": "echo", "params": {"text": "{{ inputs.text }}"}}
    call = {"name": "kit__echo", "arguments": {"text": "{{ inputs.text }}"}}
    replies = [{"tool_calls": [call]}, "{{ vars.last_result }}"]
    agent = kit.agent([step], payloads=dict.fromkeys(("inputs", "outputs", "tools"), policy))
    path = tmp_path / "runs.db"
    script = {"replies": replies, "then": "repeat_last"}
    async with kit.opened(path, script=script, plugins=[_echo()]) as tr:
        run = await tr.run(agent, {"text": SAID}, engine=engine)
    assert ("completed", f"[redacted] {KEY}") == (run.status, run.output)
    kept = KEPT[policy]
    with SqliteReader(path) as reader:
        given, gave = reader.payload(run.id, "input"), reader.payload(run.id, "output")
        [span] = [span for span in reader.spans(run.id) if span.kind == "tool"]
    assert given is not None
    assert gave is not None
    expected = (
        {} if kept is None else {"arguments": json.dumps({"text": kept}, separators=(",", ":")), "result": f'"{kept}"'}
    )
    assert expected == span.attributes
    assert (kept and {"text": kept}, kept) == tuple(row["body"] and json.loads(row["body"]) for row in (given, gave))
    whole = json.dumps({"text": SAID}, separators=(",", ":"))
    assert (digest(whole), len(whole)) == (given["sha256"], given["size"])
    assert (digest(f'"[redacted] {KEY}"'), 0) == (gave["sha256"], gave["was_truncated"])
    content = path.read_bytes()
    assert SECRET.encode() not in content


@both_engines
async def test_by_default_contents_are_redacted_and_tools_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """An agent that says nothing of it keeps its input and output without keys, and nothing of its tools."""
    steps, replies = ENGINES[engine]
    async with kit.opened(tmp_path / "runs.db", *replies) as tr:
        run = await tr.run(kit.agent(steps), {"key": KEY})
    with SqliteReader(tmp_path / "runs.db") as reader:
        given = reader.payload(run.id, "input")
        assert [{}] == [span.attributes for span in reader.spans(run.id) if span.kind == "tool"]
    assert given is not None
    assert '{"key":"[redacted]"}' == given["body"]


async def test_a_large_output_is_cut_and_says_so(tmp_path: Path) -> None:
    """Above 1 MiB the beginning is kept, with the size and the hash of the whole."""
    step = {"id": "echo", "type": "action", "plugin": "kit", "action": "echo", "params": {"text": "{{ inputs.text }}"}}
    twice = {"id": "twice", "type": "transform", "operation": "set", "value": ["{{ steps.echo.data }}"] * 2}
    agent, text = kit.agent([step, twice], payloads={"outputs": "full"}), "x" * 700_000
    async with kit.opened(tmp_path / "runs.db", say("unused"), plugins=[_echo()]) as tr:
        run = await tr.run(agent, {"text": text})
    with SqliteReader(tmp_path / "runs.db") as reader:
        gave = reader.payload(run.id, "output")
    assert gave is not None
    assert ([text, text], 1 << 20, 1, 1_400_007) == (run.output, len(gave["body"]), gave["was_truncated"], gave["size"])
    assert digest(json.dumps([text, text], separators=(",", ":"))) == gave["sha256"]


# ------------------------------------------------------------------------------------------------------- from elsewhere


@pytest.mark.parametrize("kind", [Trackrecord, SyncTrackrecord])
def test_runs_from_elsewhere_are_counted_apart(tmp_path: Path, kind: type) -> None:
    """Both public calls add to the sums of the agent beside our own runs, are rows of their own, and still verify."""
    path, agent = tmp_path / "runs.db", kit.agent()
    data = AgentExecutionData(agent_id=agent.id, user_id=LOCAL_USER, tokens_used=50, was_successful=False)

    async def work() -> None:
        async with kit.opened(path, say("fine")) as tr:
            await tr.run(agent, {})
            if kind is Trackrecord:
                await tr.increment_agent_stats(agent.id, LOCAL_USER, success=True)
                await tr.increment_agent_stats(agent.id, LOCAL_USER, success=False)
                await tr.update_agent_intensity_metrics(data)

    asyncio.run(work())
    if kind is SyncTrackrecord:
        with SyncTrackrecord(f"sqlite:///{path}", synchronous="NORMAL") as tr:
            tr.increment_agent_stats(agent.id, LOCAL_USER, success=True)
            tr.increment_agent_stats(agent.id, LOCAL_USER, success=False)
            tr.update_agent_intensity_metrics(data)
    with SqliteReader(path) as reader:
        [stats], metrics = reader.stats(agent.id), reader.intensity(agent.id)
    assert metrics is not None
    assert (3, 2, 1, 2, 1) == tuple(
        stats[name]
        for name in ("run_count", "success_count", "failed_count", "external_run_count", "external_success_count")
    )
    assert (2, 1, IN + OUT + 50) == (
        metrics["total_executions"],
        metrics["successful_executions"],
        metrics["total_tokens"],
    )
    assert is_sound(path)


@pytest.mark.parametrize(
    ("agent_id", "user_id", "success"), [("", "u", True), ("a", " ", True), ("a\x00", "u", True), ("a", "u", "yes")]
)
async def test_nonsense_from_elsewhere_is_refused(tmp_path: Path, agent_id: str, user_id: str, success: Any) -> None:
    """An id that names nobody and a success that is neither true nor false change no sum."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused")) as tr:
        with pytest.raises(BadInput):
            await tr.increment_agent_stats(agent_id, user_id, success)
    assert 0 == counts(path)["agent_stats"]


# ------------------------------------------------------------------------------------------------------ open and closed


async def test_before_opening_and_after_closing_nothing_can_be_asked(tmp_path: Path) -> None:
    """What needs the database says that it is not open, and how to open it."""
    tr = kit.opened(tmp_path / "runs.db", say("fine"))
    data = AgentExecutionData(agent_id="a", user_id="u", was_successful=True)
    for _ in range(2):
        for ask_for in (
            lambda: tr.run(kit.agent(), {}),
            lambda: tr.start(kit.agent(), {}),
            lambda: tr.increment_agent_stats("a", "u", True),
            lambda: tr.update_agent_intensity_metrics(data),
            tr.rebuild,
        ):
            with pytest.raises(BadInput, match="this Trackrecord is not open") as raised:
                await ask_for()
            assert "async with" in raised.value.cure
        await tr.open()
        await tr.close()
    assert 0 == counts(tmp_path / "runs.db")["agent_executions"]


async def test_opening_and_closing_twice_is_opening_and_closing_once(tmp_path: Path) -> None:
    """An open one stays as it is, a closed one stays closed, and what was closed can be opened again."""
    path = tmp_path / "runs.db"
    tr = kit.opened(path, say("fine"))
    await tr.close()
    assert tr is await tr.open()
    store = tr._store
    assert tr is await tr.open()
    assert store is tr._store
    assert "completed" == (await tr.run(kit.agent(), {})).status
    await tr.close()
    await tr.close()
    async with tr:
        assert "completed" == (await tr.run(kit.agent(), {})).status
    assert 2 == counts(path)["agent_executions"]


async def test_one_that_cannot_be_opened_keeps_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first sweep fails, the database is let go of, and opening it again does all of it again."""
    tr = kit.opened(tmp_path / "runs.db", say("fine"))

    async def busy(self: SqliteStore, limit: int, after: str = "") -> list[Any]:
        raise StoreBusy("the database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "expired", busy)
        with pytest.raises(StoreBusy):
            await tr.open()
    assert [] == [one.name for one in threading.enumerate() if one.name == "trackrecord-writer"]
    with pytest.raises(BadInput, match="not open"):
        await tr.run(kit.agent(), {})
    async with tr:
        assert "completed" == (await tr.run(kit.agent(), {})).status
        assert tr._sweep is not None
        assert tr._sweep._tasks
