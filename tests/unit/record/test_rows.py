"""Rows of the four tables: the same facts in every place, the same shape for every engine, and unknown is never 0."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record.stories import Story, origin, record, stories

from trackrecord.canonical import MAX_INT, Json, dumps, loads
from trackrecord.errors import TerminalStatus
from trackrecord.record.closing import close
from trackrecord.record.execution_data import FIGURES, AgentExecutionData
from trackrecord.record.fold import fold
from trackrecord.record.measures import Executed, Measures, MemoryUse, ModelUse, StepCounts, Tokens, ToolUse
from trackrecord.record.record import Ending, Record
from trackrecord.record.rows import MAX_LISTED_TOOL_CALLS, TERMINAL_COUNTS, execution_data, rows, run_figures
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN

STATUSES = get_args(TerminalStatus)

READ = ToolUse(
    path="turn:1/call:1/tool", plugin="files", action="read", success=True, was_rejected=False, attempt_count=2,
    items=3, duration_us=1_600, error_code=None, error_message=None,
)  # fmt: skip
REFUSED = ToolUse(
    path="turn:1/call:2/tool", plugin=None, action="fly", success=False, was_rejected=True, attempt_count=0,
    items=None, duration_us=0, error_code="rejected", error_message="there is no tool 'fly'",
)  # fmt: skip
MEASURES = Measures(
    tokens=Tokens(input=900, output=101, cache_read=40, cache_write=None, reasoning=7),
    iterations_count=2,
    model_calls_count=3,
    priced_calls_count=1,
    cost_nanos=1_500,
    retry_count=4,
    interruptions_count=1,
    unknown_count=2,
    tool_calls_count=1,
    tool_calls_rejected_count=1,
    tool_orchestration_us=2_600,
    tool_calls=(READ, REFUSED),
    plugins_used=("files",),
    models=(ModelUse(provider="p", requested="m", responded="m-1", call_count=3, tokens=1_001, cost_nanos=1_500),),
    provider="p",
    model="m",
    steps=StepCounts(completed=3, failed=1, tolerated=2, skipped=4),
    executed=Executed(steps=6, branches=1, loop_iterations=5, parallel=2),
    memory=MemoryUse(tokens=11, entry_count=2, types=("pattern", "summary")),
    duration_us=10_400,
    waited_us=3_000,
    usage_complete=False,
    span_count=17,
)
FAILED = Ending(status="failed", error_code="tool_failed", error_message="it broke", error_path="s:a/tool")


def known(ending: Ending = FAILED, measures: Measures = MEASURES, **changes: Any) -> Record:
    given = {"plugins_required": ("files", "mail"), "input_count": 2, **changes}
    return close(origin(**given), ending, measures, 1)


LOGS: dict[str, Json] = {
    "success": False,
    "engine": "orchestrator",
    "agentkit": False,
    "orchestrator": True,
    "executionId": "r",
    "status": "failed",
    "errorCode": "tool_failed",
    "error": "it broke",
    "errorPath": "s:a/tool",
    "iterations": 2,
    "toolCalls": [
        {
            "path": "turn:1/call:1/tool", "plugin": "files", "action": "read", "success": True, "rejected": False,
            "attempts": 2, "itemsReturned": 3, "executionTimeMs": 2, "errorCode": None, "error": None,
        },
        {
            "path": "turn:1/call:2/tool", "plugin": None, "action": "fly", "success": False, "rejected": True,
            "attempts": 0, "itemsReturned": None, "executionTimeMs": 0, "errorCode": "rejected",
            "error": "there is no tool 'fly'",
        },
    ],
    "toolCallsOmitted": 0,
    "toolCallsCount": 1,
    "toolCallsRejected": 1,
    "toolOrchestrationTimeMs": 3,
    "tokensUsed": {
        "prompt": 900, "completion": 101, "total": 1_001, "cacheRead": 40, "cacheWrite": None, "reasoning": 7,
    },
    "usageComplete": False,
    "model": "m",
    "provider": "p",
    "models": [{"provider": "p", "requested": "m", "responded": "m-1", "calls": 3, "tokens": 1_001, "cost": 1_500}],
    "costNanoUsd": 1_500,
    "pricedCalls": 1,
    "modelCalls": 3,
    "pluginsUsed": ["files"],
    "pluginsRequired": ["files", "mail"],
    "stepsCompleted": 3,
    "stepsFailed": 1,
    "stepsTolerated": 2,
    "stepsSkipped": 4,
    "totalSteps": 10,
    "executionTimeMs": 10,
    "workingTimeMs": 7,
    "inputValuesUsed": 2,
    "retries": 4,
    "interruptions": 1,
    "unknownOutcomes": 2,
    "memory": {"tokens": 11, "entryCount": 2, "types": ["pattern", "summary"]},
    "workflow": {
        "declared": {"steps": 4, "conditionalBranches": 1, "loops": 2, "parallel": 3},
        "executed": {"steps": 6, "conditionalBranches": 1, "loopIterations": 5, "parallel": 2},
    },
}  # fmt: skip


def test_the_json_of_the_logs_is_the_documented_shape() -> None:
    """Every key and every figure, once, by hand: whoever reads logs can rely on it."""
    assert LOGS == loads(str(rows(known()).execution["logs"]))


def test_the_three_jsons_say_the_same() -> None:
    """`logs`, `run_output` and `full_output` hold one object: with the total alone, and under the engine's key."""
    made = rows(known())
    assert LOGS | {"tokensUsed": 1_001} == loads(str(made.log["run_output"]))
    assert {"orchestrator_metadata": LOGS} == loads(str(made.log["full_output"]))
    for text in (made.execution["logs"], made.log["run_output"], made.log["full_output"]):
        assert text == dumps(loads(str(text)))


@pytest.mark.parametrize(
    ("engine", "title", "flags"),
    [
        ("agentkit", "AgentKit", (True, False)),
        ("orchestrator", "Orchestrator", (False, True)),
        ("acme", "Acme Flow", (False, False)),
    ],
)
@pytest.mark.parametrize("status", STATUSES)
def test_every_engine_has_the_same_shape_under_its_own_name(
    engine: str, title: str, flags: tuple[bool, bool], status: TerminalStatus
) -> None:
    """Flags, key and sentence name the engine; everything else is the same for all of them."""
    made = rows(known(Ending(status=status), engine=engine, engine_title=title))
    logs: Any = loads(str(made.execution["logs"]))
    assert LOGS.keys() == logs.keys()
    assert (engine, *flags) == (logs["engine"], logs["agentkit"], logs["orchestrator"])
    assert [f"{engine}_metadata"] == list(loads(str(made.log["full_output"])))  # type: ignore[arg-type]
    sentence = (
        f"✅ {title} execution completed successfully" if status == "completed" else f"❌ {title} execution failed"
    )
    assert sentence == made.log["status"]
    assert (status, status == "completed") == (logs["status"], logs["success"])


def test_the_columns_of_the_execution_are_those_of_the_logs() -> None:
    """A figure that stands in a column and in the JSON is one figure."""
    row = rows(known()).execution
    assert {
        "status": "failed", "execution_duration_ms": 10, "working_duration_ms": 7, "error_code": "tool_failed",
        "error_message": "it broke", "error_path": "s:a/tool", "logs": dumps(LOGS), "input_tokens": 900,
        "output_tokens": 101, "cache_read_tokens": 40, "cache_write_tokens": None, "reasoning_tokens": 7,
        "tokens_used": 1_001, "iterations_count": 2, "model_calls_count": 3, "priced_calls_count": 1,
        "cost_nanos": 1_500, "retry_count": 4, "interruptions_count": 1, "unknown_count": 2, "tool_calls_count": 1,
        "tool_calls_rejected_count": 1, "tool_orchestration_time_ms": 3, "provider": "p", "model": "m",
        "steps_completed": 3, "steps_failed": 1, "steps_tolerated": 2, "steps_skipped": 4, "executed_steps": 6,
        "executed_branches": 1, "executed_loop_iterations": 5, "executed_parallel": 2, "memory_tokens": 11,
        "memory_entry_count": 2, "span_count": 17, "usage_complete": 0, "credits_used": 2,
        "price_table": row["price_table"], "credit_rule": "credits/1", "fold_rule": "fold/1",
    } == row  # fmt: skip


def test_the_log_row_has_time_tokens_and_credits() -> None:
    """What a person pays for a run stands beside what it used."""
    log = rows(known()).log
    assert (10, 2, 1_001) == (log["run_time"], log["user_credits_used"], log["run_tokens"])
    assert {"run_output", "full_output", "status", "run_time", "user_credits_used", "run_tokens"} == log.keys()


def test_the_nineteen_public_figures() -> None:
    """What the intensity metrics are told is what the record says: measured figures, and the declared design."""
    assert AgentExecutionData(
        agent_id="a", user_id="u", tokens_used=1_001, input_tokens=900, output_tokens=101, execution_duration_ms=10,
        iterations_count=2, was_successful=False, retry_count=4, plugins_used=("files",), tool_calls_count=1,
        tool_orchestration_time_ms=3, workflow_steps=4, conditional_branches=1, loop_iterations=2,
        parallel_executions=3, memory_tokens=11, memory_entry_count=2, memory_types=("pattern", "summary"),
    ) == execution_data(known())  # fmt: skip
    assert 19 == len(dataclasses.fields(AgentExecutionData))


@pytest.mark.parametrize("runs_workflow", [True, False])
def test_executed_counts_are_unknown_where_no_workflow_was_run(runs_workflow: bool) -> None:
    """An engine that carries out no steps has not executed 0 of them: it says nothing. Declared counts stay."""
    made = rows(known(runs_workflow=runs_workflow))
    executed = {name: value for name, value in made.execution.items() if name.startswith("executed_")}
    figures = dataclasses.asdict(made.figures)
    logs: Any = loads(str(made.execution["logs"]))
    assert [6, 1, 5, 2] == list(executed.values()) if runs_workflow else [None] * 4 == list(executed.values())
    assert executed == {name: figures[name] for name in executed}
    assert (
        LOGS["workflow"]["executed"] == logs["workflow"]["executed"]
        if runs_workflow
        else not logs["workflow"]["executed"]
    )  # type: ignore[index,call-overload]
    assert (4, 1, 2, 3) == (
        figures["data"]["workflow_steps"], figures["data"]["conditional_branches"],
        figures["data"]["loop_iterations"], figures["data"]["parallel_executions"],
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- stats


@pytest.mark.parametrize("status", STATUSES)
def test_a_run_adds_one_to_its_own_terminal_state_only(status: TerminalStatus) -> None:
    """The counts by state add up to the runs."""
    stats = rows(known(Ending(status=status))).stats
    by_state = {"completed": stats["success_count"]} | {
        state: stats[column] for state, column in TERMINAL_COUNTS.items()
    }
    assert set(STATUSES) == by_state.keys()
    assert {state: int(state == status) for state in STATUSES} == by_state
    assert (1, 1_001, 1, 10, 1_500, 1) == (
        stats["run_count"], stats["tokens_total"], stats["tokens_known_count"], stats["duration_ms_total"],
        stats["cost_nanos_total"], stats["cost_known_count"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tokens", "cost", "expected"),
    [
        (Tokens(), 0, (0, 1, 0, 1)),
        (Tokens(input=None, output=None), None, (0, 0, 0, 0)),
        (Tokens(input=None, output=7), 9, (7, 1, 9, 1)),
    ],
)
def test_sums_count_what_is_known_and_how_often_it_was(
    tokens: Tokens, cost: int | None, expected: tuple[int, ...]
) -> None:
    """A run whose tokens nobody knows adds nothing to the sum and nothing to the count an average is taken over."""
    stats = rows(known(measures=Measures(tokens=tokens, cost_nanos=cost))).stats
    names = ("tokens_total", "tokens_known_count", "cost_nanos_total", "cost_known_count")
    assert expected == tuple(stats[name] for name in names)


# -------------------------------------------------------------------------------------------------------------- unknown


def test_unknown_is_null_in_every_place() -> None:
    """A model that reported nothing leaves null tokens, cost and credits in each table and each JSON: nowhere a 0."""
    silent = Span(path="turn:1/model", kind="model", status="ok", epoch=1, start_us=0, duration_us=1, usage=UNKNOWN)
    made = rows(record([silent]))
    logs: Any = loads(str(made.execution["logs"]))
    tokens = (
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "tokens_used",
    )
    assert dict.fromkeys((*tokens, "cost_nanos", "credits_used")) == {
        name: made.execution[name] for name in (*tokens, "cost_nanos", "credits_used")
    }
    assert {None} == set(logs["tokensUsed"].values())
    assert (None, None, False) == (logs["costNanoUsd"], logs["models"][0]["tokens"], logs["usageComplete"])
    assert (None, None, None) == (
        made.log["run_tokens"], made.log["user_credits_used"], loads(str(made.log["run_output"]))["tokensUsed"],  # type: ignore[index,call-overload]
    )  # fmt: skip
    data = made.figures.data
    assert (None, None, None, None) == (
        data.tokens_used, data.input_tokens, data.output_tokens, made.figures.cached_input_tokens,
    )  # fmt: skip


def test_a_run_without_a_model_used_nothing_which_is_known() -> None:
    """Zero means measured and none."""
    row = rows(record([])).execution
    assert (0, 0, 0, 0, 1) == (
        row["tokens_used"], row["input_tokens"], row["cost_nanos"], row["credits_used"], row["usage_complete"],
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(("calls", "listed", "omitted"), [(200, 200, 0), (201, 200, 1), (1_000, 200, 800)])
def test_a_long_list_of_calls_is_cut_and_says_so(calls: int, listed: int, omitted: int) -> None:
    """The first calls are listed, in their order; every call is counted."""
    spans = [
        Span(path=f"turn:{n}/call:1/tool", kind="tool", status="ok", epoch=1, start_us=0, duration_us=1, plugin="p")
        for n in range(calls, 0, -1)
    ]
    logs: Any = loads(str(rows(record(spans)).execution["logs"]))
    assert (listed, omitted, calls) == (len(logs["toolCalls"]), logs["toolCallsOmitted"], logs["toolCallsCount"])
    assert [f"turn:{n}/call:1/tool" for n in range(1, listed + 1)] == [call["path"] for call in logs["toolCalls"]]
    assert 200 == MAX_LISTED_TOOL_CALLS


def test_a_run_that_goes_on_has_no_rows() -> None:
    """Only what has ended is written."""
    with pytest.raises(ValueError, match="run 'r' has not ended; only a finished run has rows"):
        rows(record([], ending=None))


@settings(max_examples=60)
@given(stories(), st.sampled_from(STATUSES), st.sampled_from([None, "", "it broke", "👩‍👩‍👧", '"\\'] * 2))
def test_any_record_has_rows_a_database_can_hold(story: Story, status: TerminalStatus, message: str | None) -> None:
    """Columns are text, exact whole numbers or null, JSON is canonical, and all places tell the same totals."""
    ended = close(origin(), Ending(status=status, error_message=message), fold(story.spans), story.epoch)
    made = rows(ended)
    logs: Any = loads(str(made.execution["logs"]))

    for value in (*made.execution.values(), *made.log.values(), *made.stats.values()):
        assert value is None or type(value) is str or (type(value) is int and abs(value) < MAX_INT)
    assert all(value is None or value >= 0 for name in FIGURES for value in [getattr(made.figures.data, name)])
    assert ended.tokens.total == logs["tokensUsed"]["total"] == made.log["run_tokens"] == made.execution["tokens_used"]
    assert (ended.tokens.total or 0) == made.stats["tokens_total"]
    assert sum(use["calls"] for use in logs["models"]) == logs["modelCalls"]
    assert sum(use["tokens"] or 0 for use in logs["models"]) == (ended.tokens.total or 0)
    assert len([use for use in logs["toolCalls"] if not use["rejected"]]) == logs["toolCallsCount"]
    assert run_figures(ended) == made.figures
