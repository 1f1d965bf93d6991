"""Carries the cases of a table out, each through the real engine, all on one real SQLite store; reads what they left.

Nothing here knows what a case expects.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.conformance.cases import Case
from tests.conformance.compared import Found
from tests.conformance.plugin import kit

from trackrecord import Agent, Trackrecord
from trackrecord.errors import BadAgent, Refused, RequestError
from trackrecord.models.messages import Model, ModelReply, ModelRequest
from trackrecord.models.scripted import ScriptedModel
from trackrecord.record.spans import Span, path_key
from trackrecord.store.protocol import Durability
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

USAGE: Final = {"input": 100, "output": 10}  # of every reply that does not say
OTHER: Final = "other:model"  # answers "from another" for 7 tokens in and 3 out
WAITING: Final = frozenset({"approval", "delay", "sub_workflow"})  # carried out with every result awaited
LONGEST_S: Final = 20
_LOOK_S: Final = 0.005
_EFFECTS: Final = ("model", "tool", "wait", "decision", "child", "remember")
_COLUMNS: Final = {
    "completed": "steps_completed",
    "failed": "steps_failed",
    "tolerated": "steps_tolerated",
    "skipped": "steps_skipped",
    "executed": "executed_steps",
    "branches": "executed_branches",
    "loop_iterations": "executed_loop_iterations",
    "parallel": "executed_parallel",
    "iterations": "iterations_count",
    "tool_calls": "tool_calls_count",
    "rejected": "tool_calls_rejected_count",
    "retries": "retry_count",
    "unknown": "unknown_count",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a table's cases came to.

    Attributes:
        found: by name of the case; what a case written in the older vocabulary as well came to there stands under
            `<name> (older)`.
        findings: what `verify` found in the database afterwards.
    """

    found: Mapping[str, Found]
    findings: Sequence[str]


class Noting:
    """A model that keeps every request it is sent."""

    def __init__(self, model: Model) -> None:
        self.provider, self.name = model.provider, model.name
        self.requests: list[ModelRequest] = []
        self._model = model

    async def request(self, request: ModelRequest) -> ModelReply:
        """The reply of the model inside."""
        self.requests.append(request)
        return await self._model.request(request)


async def carry(cases: Sequence[Case], database: Path) -> Carried:
    """Every case of a table, one after the other."""
    models = {f"case:{index}": Noting(_scripted(case.script)) for index, case in enumerate(cases)}
    other = ScriptedModel.from_mapping(
        _script({"replies": [{"text": "from another", "usage": {"input": 7, "output": 3}}]})
    )
    found: dict[str, Found] = {}
    known: dict[str, Model] = {**models, OTHER: other}
    durability: Durability = "sync" if cases[0].table in WAITING else "async"
    others = [Agent.from_mapping(agent) for case in cases for agent in case.agents]
    more: dict[str, Any] = {"agents": others} if others else {}
    async with Trackrecord(
        f"sqlite:///{database}", plugins=[kit()], models=known, synchronous="NORMAL", durability=durability, **more
    ) as tr:
        for index, case in enumerate(cases):
            model = models[f"case:{index}"]
            found[case.name] = await _carried(tr, case, case.steps, f"case:{index}", model, database)
            if case.older is not None:
                model.requests.clear()
                older = await _carried(tr, case, case.older, f"case:{index}", model, database)
                found[f"{case.name} (older)"] = _same_agent(older, case, f"case:{index}")
    with SqliteReader(database) as reader:
        findings = [str(finding) for check in verify(reader).checks for finding in check.findings]
    return Carried(found=found, findings=findings)


async def _carried(tr: Trackrecord, case: Case, steps: Any, model_name: str, model: Noting, database: Path) -> Found:
    try:
        agent = _agent(case, steps, model_name)
    except BadAgent as error:
        return Found(problems=error.problems)
    try:
        run = await asyncio.wait_for(tr.run(agent, case.inputs), LONGEST_S)
        await asyncio.wait_for(_ended(tr, run.id, case, database), LONGEST_S)
    except TimeoutError:
        return Found(turned_away=f"it had not ended after {LONGEST_S} s")
    except (RequestError, Refused) as error:
        problems = error.problems if isinstance(error, BadAgent) else ()
        return Found(turned_away="; ".join([f"{error.code}: {error}", *map(str, problems)]))
    return _read(database, run.id, model)


async def _ended(tr: Trackrecord, run_id: str, case: Case, database: Path) -> None:
    """Give the case's answers, in order, each as soon as it is asked for; wait for the end of a run that waited."""
    with SqliteReader(database) as reader:
        for answer in case.answers:
            await asyncio.sleep(answer.get("after_ms", 0) / 1000)
            while not any(asked.path.startswith(answer["at"]) for asked in await tr.approvals(run_id)):
                await asyncio.sleep(_LOOK_S)
            decide = tr.approve if answer["decision"] == "approve" else tr.reject
            await decide(run_id, answer["at"], by=answer["by"], comment=answer.get("comment"))
        while reader.execution(run_id)["completed_at"] is None:
            await asyncio.sleep(_LOOK_S)


def _agent(case: Case, steps: Any, model_name: str) -> Agent:
    whole = {"name": case.name, "prompt": "Work.", "model": model_name, "plugins_required": ["kit"]}
    return Agent.from_mapping({**whole, "workflow_steps": steps, **case.agent})


def _same_agent(found: Found, case: Case, model_name: str) -> Found:
    """The same, with a complaint when the older spelling is not the same agent as today's."""
    versions = [_agent(case, steps, model_name).version for steps in (case.steps, case.older)]
    if versions[0] == versions[1]:
        return found
    return replace(found, oddities=(*found.oddities, "the older spelling has another version than today's"))


def _scripted(script: Any) -> Model:
    return ScriptedModel.from_mapping(_script(script))


def _script(given: Any) -> dict[str, Any]:
    """A script from a list of replies by turn, from replies by path, or as it is; without one the answer is `fine`."""
    if given is None:
        given = ["fine"]
    if isinstance(given, list):
        return {"replies": [_reply(one) for one in given], "then": "repeat_last"}
    if not set(given) <= {"replies", "rules", "then"}:
        given = {"rules": [{"when": {"path": path}, "reply": reply} for path, reply in given.items()]}
    rules = [{**rule, "reply": _reply(rule["reply"])} for rule in given.get("rules", [])]
    return {**given, "replies": [_reply(one) for one in given.get("replies", [])], "rules": rules}


def _reply(given: Any) -> dict[str, Any]:
    reply: dict[str, Any] = {"text": given} if isinstance(given, str) else given
    says_something = any(name in reply for name in ("text", "json", "tool_calls"))
    return {**reply, "usage": USAGE} if says_something and "usage" not in reply else reply


def _read(database: Path, run_id: str, model: Noting) -> Found:
    """What the run left, from its rows alone; the requests from the model."""
    with SqliteReader(database) as reader:
        row = reader.execution(run_id)
        log = reader.log(run_id)
        stats = reader.stats(row["agent_id"])
        spans = sorted(reader.spans(run_id), key=lambda span: (span.epoch, span.start_us, path_key(span.path)))
        payload = reader.payload(run_id, "output")
        children = reader.rows(
            "SELECT agent_name, status FROM agent_executions WHERE parent_run_id = ? ORDER BY id", (run_id,)
        )
    steps = [span for span in spans if span.kind == "step"]
    return Found(
        status=row["status"],
        error_code=row["error_code"],
        error_path=row["error_path"],
        error_message=row["error_message"],
        output=None if payload is None or payload["body"] is None else json.loads(payload["body"]),
        steps=[(_label(span), span.status) for span in steps],
        effects={_label(span): span.status for span in spans if span.kind in _EFFECTS},
        items={_label(span): span.items for span in steps},
        counts={name: row[column] for name, column in _COLUMNS.items()},
        tokens={"input": row["input_tokens"], "output": row["output_tokens"]},
        children=_by_agent(children),
        asked={request.path: _asked(request) for request in model.requests},
        oddities=[*_log_oddities(row, log), *_stats_oddities(row, stats)],
    )


def _by_agent(children: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for child in children:
        found.setdefault(child["agent_name"], []).append(child["status"])
    return found


def _label(span: Span) -> str:
    return span.path if span.attempt == 1 else f"{span.path}#{span.attempt}"


def _asked(request: ModelRequest) -> dict[str, Any]:
    def said(role: str) -> str:
        return "\n".join(message.text for message in request.messages if message.role == role)

    return {
        "system": said("system"),
        "user": said("user"),
        "model": request.model,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "output_schema": request.output_schema,
        "tools": [tool.name for tool in request.tools],
    }


def _log_oddities(row: Mapping[str, Any], log: Mapping[str, Any] | None) -> list[str]:
    if log is None:
        return ["the run has no log"]
    was_success = row["status"] == "completed"
    sentence = "✅ Orchestrator execution completed successfully" if was_success else "❌ Orchestrator execution failed"
    told = json.loads(log["full_output"])["orchestrator_metadata"]
    pairs = [
        ("status of the log", sentence, log["status"]),
        ("tokens of the log", row["tokens_used"], log["run_tokens"]),
        ("success", was_success, told["success"]),
        ("iterations", row["iterations_count"], told["iterations"]),
        ("toolCallsCount", row["tool_calls_count"], told["toolCallsCount"]),
        ("stepsCompleted", row["steps_completed"], told["stepsCompleted"]),
        ("executed steps", row["executed_steps"], told["workflow"]["executed"]["steps"]),
    ]
    return [f"{what} is {found!r}, not {wanted!r}" for what, wanted, found in pairs if wanted != found]


def _stats_oddities(row: Mapping[str, Any], stats: Sequence[Mapping[str, Any]]) -> list[str]:
    [of_user] = [one for one in stats if one["user_id"] == row["user_id"]]
    is_counted = of_user["success_count"] > 0 if row["status"] == "completed" else of_user["success_count"] == 0
    return [] if is_counted and of_user["run_count"] > 0 else ["the statistics do not count the run"]
