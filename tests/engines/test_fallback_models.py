"""Fallback models of whole runs: the record has every model that was asked, and what each used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.engines.kit import IN, OUT, agent, say, tables, tools

from trackrecord import Trackrecord
from trackrecord.config import read_settings
from trackrecord.errors import BadAgent, UnknownModel
from trackrecord.models.scripted import ScriptedModel
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

AWAY: Mapping[str, Any] = {"error": {"status": 503, "usage": {"input": 7, "output": 0}}}


def script(name: str, reply: Mapping[str, Any]) -> ScriptedModel:
    return ScriptedModel.from_mapping({"replies": [reply], "then": "repeat_last"}, name=name)


def opened(path: Path, **replies: Mapping[str, Any]) -> Trackrecord:
    """A Trackrecord with one model `test:NAME` for each reply; two tries each, at once."""
    settings = read_settings(db=f"sqlite:///{path}", retry={"max_attempts": 2, "initial_ms": 0}, synchronous="NORMAL")
    models = {f"test:{name}": script(name, reply) for name, reply in replies.items()}
    return Trackrecord(settings=settings, plugins=[tools()], models=models)


@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
async def test_the_next_model_answers_and_all_are_in_the_record(tmp_path: Path, engine: str) -> None:
    """The run completes with the second model's answer; the first one's attempts and tokens are the run's too."""
    path = tmp_path / "runs.db"
    steps = [{"id": "work", "type": "agent"}]
    worker = agent(steps, model="test:first", fallback_models=["test:second"])
    async with opened(path, first=AWAY, second=say("done")) as tr:
        run = await tr.run(worker, engine=engine)
    left = tables(path, run)
    assert ("completed", "done") == (run.status, run.output)
    assert ["failed", "failed", "ok"] == [status for place, status in left.statuses.items() if "model" in place[0]]
    assert (IN + 14, OUT) == (left.execution["input_tokens"], left.execution["output_tokens"])
    assert (2, 1) == (left.execution["retry_count"], left.execution["iterations_count"])
    assert "second" == left.execution["model"]
    with SqliteReader(path) as reader:
        assert verify(reader).is_clean


async def test_another_model_asked_for_stands_alone(tmp_path: Path) -> None:
    """A run given another model asks no other in its place."""
    worker = agent(model="test:second", fallback_models=["test:third"])
    async with opened(tmp_path / "runs.db", first=AWAY, second=say("2"), third=say("3")) as tr:
        run = await tr.run(worker, model="test:first")
    assert ("failed", "provider_unavailable") == (run.status, run.record.ending and run.record.ending.error_code)


async def test_a_fallback_that_cannot_be_had_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """A chain with a missing link is told when there is time to mend it."""
    async with opened(tmp_path / "runs.db", first=say("1")) as tr:
        with pytest.raises(UnknownModel, match="nobody"):
            await tr.run(agent(model="test:first", fallback_models=["nobody:x"]))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([5], "fallback_models[0]"),
        (["a:b", ""], "fallback_models[1]"),
        (["test:script"], "asked already"),
        (["a:b", "a:b"], "asked already"),
        ("a:b", "fallback_models"),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused_when_saved(given: Any, told: str) -> None:
    """Each problem has its place in the file."""
    with pytest.raises(BadAgent) as bad:
        agent(model="test:script", fallback_models=given)
    assert any(told in f"{problem.path} {problem.message}" for problem in bad.value.problems)


def test_the_chain_is_part_of_the_version() -> None:
    """Which models may answer changes behaviour; an empty chain is no chain."""
    assert agent().version == agent(fallback_models=[]).version
    assert agent().version != agent(fallback_models=["a:b"]).version
