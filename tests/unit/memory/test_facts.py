"""Facts of a finished run, as its summary tells them."""

import pytest

from trackrecord.memory.facts import facts_of
from trackrecord.memory.summary import RunFacts, summarise
from trackrecord.record.measures import Measures, StepCounts, Tokens, ToolUse
from trackrecord.record.record import Ending, Origin, Record


def use(action: str, *, error_code: str | None = None, was_rejected: bool = False) -> ToolUse:
    return ToolUse(
        path=f"turn:1/call:1/{action}",
        plugin="mail",
        action=action,
        success=error_code is None,
        was_rejected=was_rejected,
        attempt_count=0 if was_rejected else 1,
        items=None,
        duration_us=5,
        error_code=error_code,
        error_message=None,
    )


def record(ending: Ending | None, measures: Measures, *, engine: str = "agentkit") -> Record:
    origin = Origin(
        tenant_id="t",
        run_id="r",
        agent_id="a",
        user_id="u",
        agent_name="n",
        agent_version="v",
        engine=engine,
        engine_title=engine.title(),
        runs_workflow=engine == "orchestrator",
    )
    return Record(
        origin=origin, ending=ending, measures=measures, epoch=1, credits_used=1, price_table="p", credit_rule="c"
    )


MEASURES = Measures(
    tokens=Tokens(input=30, output=None),
    iterations_count=2,
    tool_calls=(
        use("find"),
        use("find", error_code="tool_failed"),
        use("send", error_code="rejected", was_rejected=True),
    ),
    steps=StepCounts(completed=1, tolerated=1),
    duration_us=1,
)


def test_facts_are_what_the_record_measured() -> None:
    """Calls really made are counted by action, rejected ones are not; tokens are the known ones."""
    expected = RunFacts(
        status="completed",
        turns=2,
        tool_calls={"mail.find": 2},
        failed_tool_calls=1,
        tolerated_steps=1,
        tokens=30,
        answer="ok",
    )
    assert expected == facts_of(record(Ending(status="completed"), MEASURES), answer="ok")


def test_two_engines_that_did_the_same_leave_the_same_summary() -> None:
    """Neither the engine nor the time it took stands in a summary."""
    ending = Ending(status="failed", error_code="step_failed", error_message="no", error_path="s:x")
    slower = Measures(
        tokens=MEASURES.tokens, iterations_count=2, tool_calls=MEASURES.tool_calls, steps=MEASURES.steps, duration_us=9
    )
    one = summarise(facts_of(record(ending, MEASURES), answer=None))
    other = summarise(facts_of(record(ending, slower, engine="orchestrator"), answer=None))
    assert one == other


def test_a_run_that_goes_on_has_no_summary() -> None:
    """Only a finished run is summarised."""
    with pytest.raises(ValueError, match="has not ended"):
        facts_of(record(None, MEASURES), answer=None)
