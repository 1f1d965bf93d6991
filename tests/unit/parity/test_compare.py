"""Parity's verdicts: each can be given, and no excuse covers more than its rule says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.parity import footprints as made
from tests.unit.parity.footprints import agentkit, finding, model, orchestrator, recall, tool, unreported, verdict

from trackrecord.parity import VERDICTS, Comparison, Footprint, compare
from trackrecord.record.intensity import SCORE_COLUMNS, IntensityRow
from trackrecord.record.record import Ending
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage
from trackrecord.store import statements

EARLIER = replace(
    IntensityRow.empty(),
    total_executions=7,
    successful_executions=7,
    total_tokens=90_000,
    runs_with_tokens=7,
    peak_tokens_single_run=20_000,
    plugins_ever=("tides",),
)


def verdicts(compared: Comparison) -> dict[str, int]:
    return {name: count for name, count in compared.counts.items() if count}


def test_the_same_work_by_two_engines_is_equal_or_equal_by_rule() -> None:
    """Two engines that did the same work leave the same record, whatever the strictness."""
    compared = compare(agentkit(), orchestrator())
    assert {"equal", "equal by rule"} == set(verdicts(compared))
    assert compared.is_ok()
    assert compared.is_ok(same_work=True)


def test_a_run_equals_itself() -> None:
    """Nothing needs a rule where nothing differs."""
    run = agentkit()
    assert {"equal"} == set(verdicts(compare(run, run)))


def test_every_column_of_the_four_tables_has_exactly_one_finding() -> None:
    """No column is passed by, and none is judged twice; the JSON columns are judged by key path."""
    fields = [one.field for one in compare(agentkit(), orchestrator()).findings]
    columns = {
        f"{table}.{column}"
        for table in ("agent_executions", "agent_logs", "agent_stats", "agent_intensity_metrics")
        for column in statements.TABLES[table]
        if column not in ("logs", "run_output", "full_output")
    }
    sets = {"plugins_ever", "memory_types_ever", "recent_output_tokens"}
    taken_apart = {f"agent_intensity_metrics.{name}" for name in sets}
    assert len(set(fields)) == len(fields)
    assert columns - taken_apart <= set(fields)
    assert {f"{name}.length" for name in taken_apart} <= set(fields)


def test_the_nineteen_fields_and_the_whole_json_have_findings() -> None:
    """The public fields, the logs and both outputs are taken apart down to single values."""
    fields = {one.field for one in compare(agentkit(), orchestrator()).findings}
    roots = {name.removeprefix("execution_data.").split(".")[0] for name in fields if name.startswith("execution_data")}
    assert 19 == len({name.split("[")[0] for name in roots})
    for root in ("logs", "run_output", "full_output"):
        assert {f"{root}.toolCalls[1].action", f"{root}.models[1].tokens", f"{root}.memory.types[1]"} <= fields


BY_RULE = [
    "agent_executions.id",
    "agent_executions.execution_duration_ms",
    "agent_executions.engine",
    "agent_executions.engine_title",
    "agent_executions.runs_workflow",
    "agent_executions.steps_completed",
    "agent_executions.executed_steps",
    "agent_executions.span_count",
    "agent_logs.run_time",
    "agent_logs.status",
    "logs.agentkit",
    "logs.orchestrator",
    "logs.executionId",
    "logs.totalSteps",
    "logs.toolCalls[1].path",
    "logs.workflow.executed.steps",
    "run_output.executionTimeMs",
    "full_output.key",
    "execution_data.execution_duration_ms",
    "agent_stats.duration_ms_total",
    "agent_intensity_metrics.total_duration_ms",
    "agent_intensity_metrics.executed_steps_total",
    "agent_intensity_metrics.runs_with_workflow",
]


@pytest.mark.parametrize("field", BY_RULE)
def test_what_a_rule_lets_differ_is_equal_by_rule(field: str) -> None:
    """Ids, durations, engine, flags, title, key, places, step and executed counts differ by rule, with the reason."""
    found = finding(compare(agentkit(), orchestrator()), field)
    assert "equal by rule" == found.verdict
    assert found.left != found.right
    assert found.reason


def test_times_and_the_order_of_finishing_differ_by_rule() -> None:
    """When a run happened, and as which of its agent, says nothing of what it did."""
    later = made.tampered(orchestrator(), "completed_at", "2027-01-01T00:00:00.000000Z")
    assert "equal by rule" == verdict(agentkit(), later, "agent_executions.completed_at")
    fifth = orchestrator(earlier=EARLIER)
    assert "equal by rule" == verdict(agentkit(), fifth, "agent_executions.agent_seq")
    assert "equal by rule" == verdict(agentkit(), fifth, "agent_intensity_metrics.recent_output_tokens[1].agent_seq")


def test_where_an_error_happened_differs_by_rule_and_what_it_was_may_not() -> None:
    """An error's place has the step's path in it, in its message too; another message is another error."""
    inside = replace(made.FAILED, error_path="s:work/turn:2/model", error_message="no reply at s:work/turn:2/model")
    compared = compare(agentkit(ending=made.FAILED), orchestrator(ending=inside))
    for field in ("agent_executions.error_path", "agent_executions.error_message", "logs.error", "logs.errorPath"):
        assert "equal by rule" == finding(compared, field).verdict
    assert compared.is_ok(same_work=True)
    other = replace(inside, error_message="a refusal at s:work/turn:2/model")
    assert "differs" == verdict(agentkit(ending=made.FAILED), orchestrator(ending=other), "logs.error")


def test_a_title_excuses_nothing_but_itself() -> None:
    """The sentence of the log may name another engine; success and failure may not be swapped."""
    failed = agentkit(ending=made.FAILED)
    assert "differs" == verdict(agentkit(), orchestrator(ending=made.FAILED), "agent_logs.status")
    assert "equal by rule" == verdict(failed, orchestrator(ending=made.FAILED), "agent_logs.status")


def test_spans_are_counted_without_those_of_steps() -> None:
    """A step's own span is no work; one more effect is."""
    more = (*made.TALK, tool(2))
    assert "other work" == verdict(agentkit(), orchestrator(more), "agent_executions.span_count")


FEWER = (recall(), model(1), model(2, usage=Usage(input_tokens=90, output_tokens=10)))


@pytest.mark.parametrize(
    "field",
    [
        "agent_executions.input_tokens",
        "agent_executions.tool_calls_count",
        "agent_logs.run_tokens",
        "logs.tokensUsed.total",
        "logs.toolCalls.length",
        "logs.toolCalls[1]",
        "run_output.tokensUsed",
        "full_output.toolCallsCount",
        "execution_data.tool_calls_count",
        "execution_data.plugins_used.length",
        "agent_stats.tokens_total",
        "agent_intensity_metrics.total_tool_calls",
        "agent_intensity_metrics.token_complexity_thousandths",
        "run_payloads.output.sha256",
    ],
)
def test_another_way_to_do_the_job_is_other_work(field: str) -> None:
    """Figures that differ while each fits its own spans are other work, which only `same_work` fails for."""
    compared = compare(agentkit(), orchestrator(FEWER, answer="low water"))
    assert "other work" == finding(compared, field).verdict
    assert compared.is_ok()
    assert not compared.is_ok(same_work=True)
    assert {"other work"} == {one.verdict for one in compared.failures(same_work=True)}


def test_lists_are_compared_element_by_element() -> None:
    """The second call of a run is compared with the second call of the other, key by key."""
    left = agentkit((model(1), tool(1), tool(2), model(3)))
    right = orchestrator((model(1), tool(1), tool(2, action="chart", items=4), model(3)))
    assert "equal" == verdict(left, right, "logs.toolCalls[1].action")
    assert "other work" == verdict(left, right, "logs.toolCalls[2].action")
    assert "other work" == verdict(left, right, "logs.toolCalls[2].itemsReturned")


def test_no_error_and_an_error_of_a_call_are_both_measurements() -> None:
    """Null in a call's error means none, not unknown: a workflow may have been luckier."""
    unlucky = tool(1, status="failed", success=False, items=None, error_code="tool_failed", error_message="no")
    compared = compare(agentkit((model(1), unlucky, model(2))), orchestrator((model(1), tool(1), model(2))))
    for key in ("errorCode", "error", "success", "itemsReturned"):
        assert "other work" == finding(compared, f"logs.toolCalls[1].{key}").verdict
    assert compared.is_ok()


@pytest.mark.parametrize(
    ("left", "right", "field"),
    [
        (made.DONE, made.FAILED, "agent_executions.status"),
        (made.DONE, made.FAILED, "logs.success"),
        (made.DONE, made.FAILED, "execution_data.was_successful"),
        (made.DONE, made.FAILED, "agent_executions.error_code"),
        (made.DONE, made.FAILED, "agent_stats.success_count"),
        (made.DONE, made.FAILED, "agent_stats.failed_count"),
        (made.DONE, made.FAILED, "agent_intensity_metrics.successful_executions"),
        (made.DONE, made.FAILED, "run_payloads.output.sha256"),
        (made.FAILED, replace(made.FAILED, error_code="tool_failed"), "logs.errorCode"),
        (made.FAILED, replace(made.FAILED, status="timed_out"), "agent_executions.status"),
        (made.FAILED, replace(made.FAILED, status="timed_out"), "agent_intensity_metrics.timed_out_executions"),
    ],
)
def test_another_end_differs(left: Ending, right: Ending, field: str) -> None:
    """How a run ended is no matter of taste: status, success, error and their counts must be the same."""
    compared = compare(agentkit(ending=left), orchestrator(ending=right))
    assert "differs" == finding(compared, field).verdict
    assert not compared.is_ok()


@pytest.mark.parametrize("field", ["run_payloads.output.sha256", "run_payloads.output.size"])
def test_one_conversation_may_not_end_in_two_answers(field: str) -> None:
    """The same replies and results give the same answer; another one was made by the engine."""
    compared = compare(agentkit(answer="high water"), orchestrator(answer="low water at noon"))
    assert "differs" == finding(compared, field).verdict


@pytest.mark.parametrize("column", ["agent_version", "agent_name", "execution_type", "plugins_required", "input_count"])
def test_two_things_that_are_not_the_same_to_begin_with_differ(column: str) -> None:
    """Another definition, another way to be started or other inputs are no parity."""
    other = made.tampered(orchestrator(), column, 7 if column == "input_count" else '["http"]')
    assert "differs" == verdict(agentkit(), other, f"agent_executions.{column}")


def test_another_input_differs() -> None:
    """The two runs must have been given the same."""
    other = orchestrator()
    given = {**other.payloads, "input": {**other.payloads["input"], "sha256": "0" * 64}}
    assert "differs" == verdict(agentkit(), replace(other, payloads=given), "run_payloads.input.sha256")


def test_a_field_nobody_decided_on_must_be_equal() -> None:
    """A new key of the logs is strict until a rule says otherwise."""
    left, right = agentkit(), made.tampered_logs(orchestrator(), lambda logs: logs.update(mood="good"))
    assert "differs" == verdict(left, right, "logs.mood")


def test_unknown_on_both_sides_for_the_same_honest_reason_is_equal() -> None:
    """Usage no model reported is unknown in both records, and that is parity."""
    silent = (unreported(1), unreported(2))
    compared = compare(agentkit(silent), orchestrator(silent))
    assert compared.is_ok(same_work=True)
    found = finding(compared, "agent_executions.input_tokens")
    assert ("equal", None, None) == (found.verdict, found.left, found.right)
    assert "no model attempt" in found.reason


def test_known_here_and_unknown_there_is_not_observed() -> None:
    """A figure one engine measured and the other did not see is not excused as other work."""
    compared = compare(agentkit((model(1),)), orchestrator((unreported(1),)))
    for field in (
        "agent_executions.input_tokens",
        "agent_logs.run_tokens",
        "logs.tokensUsed.total",
        "execution_data.tokens_used",
        "agent_executions.credits_used",
    ):
        assert "not observed" == finding(compared, field).verdict
    assert not compared.is_ok()


def test_no_model_call_at_all_against_unreported_tokens_is_other_work() -> None:
    """A workflow that needed no model measured 0; that the other's model did not say is honest and no loss."""
    compared = compare(agentkit((model(1),)), orchestrator((tool(1),)))
    assert "other work" == finding(compared, "agent_executions.cache_read_tokens").verdict
    assert compared.is_ok()


def heavier(engine: Callable[..., Footprint], elapsed_us: int) -> Footprint:
    return engine(elapsed_us=elapsed_us, earlier=EARLIER)


def test_scores_are_compared_with_the_durations_of_the_first_run() -> None:
    """A slower machine is no heavier agent: both get the first run's durations before their scores are compared."""
    left, right = heavier(agentkit, 1_000_000), heavier(orchestrator, 25_000_000)
    compared = compare(left, right)
    stored = [
        run.after.intensity["execution_complexity_thousandths"]
        for run in (left, right)
        if run.after and run.after.intensity
    ]
    assert stored[0] != stored[1]
    assert "equal" == finding(compared, "agent_intensity_metrics.execution_complexity_thousandths").verdict
    assert compared.is_ok(same_work=True)


def test_scores_made_of_executed_counts_are_equal_by_rule() -> None:
    """A workflow that ran has executed counts, one that did not has declared ones: the score may show it."""
    steps = tuple(
        Span(path=f"s:more{n}", kind="step", status="ok", epoch=1, start_us=0, duration_us=1, step_type="transform")
        for n in range(6)
    )
    compared = compare(agentkit(earlier=EARLIER), orchestrator((*made.TALK, *steps), earlier=EARLIER))
    for column in ("workflow_complexity_thousandths", "execution_score_thousandths", "combined_score_thousandths"):
        assert "equal by rule" == finding(compared, f"agent_intensity_metrics.{column}").verdict
    assert compared.is_ok(same_work=True)


def test_a_score_that_differs_for_another_reason_is_other_work() -> None:
    """More tokens make a heavier agent, and neither durations nor executed counts explain that."""
    thirsty = (recall(), model(1, usage=Usage(input_tokens=4_000, output_tokens=20)), tool(1), model(2))
    compared = compare(agentkit(), orchestrator(thirsty))
    assert "other work" == finding(compared, "agent_intensity_metrics.token_complexity_thousandths").verdict
    assert "other work" == finding(compared, "agent_intensity_metrics.execution_score_thousandths").verdict


def test_what_was_added_is_row_after_less_row_before() -> None:
    """Runs before this one are in neither side's figures."""
    compared = compare(agentkit(earlier=EARLIER), orchestrator(earlier=EARLIER))
    found = finding(compared, "agent_intensity_metrics.total_tokens")
    assert (240, 240) == (found.left, found.right)
    assert 0 == finding(compared, "agent_intensity_metrics.plugins_ever.length").left


def test_what_was_recomputed_is_labelled() -> None:
    """Of runs among others the additions are recomputed from their spans, and the comparison says so."""
    compared = compare(agentkit(is_alone=False), orchestrator(is_alone=False))
    assert compared.is_ok(same_work=True)
    assert compared.left.is_recomputed
    assert "recomputed from its spans" == compared.to_json()["left"]["sums"]  # type: ignore[index,call-overload]
    lines = {check.name: check.fact for check in compared.checklist}
    assert "recomputed" in lines["stats increment"]
    assert "recomputed" in lines["intensity update"]
    assert not compare(agentkit(), orchestrator()).right.is_recomputed
    assert set(SCORE_COLUMNS) <= {one.field.partition(".")[2] for one in compared.findings}


def test_counts_name_all_five_verdicts() -> None:
    """A verdict that was not given counts 0, so that a reader need not know which could have been."""
    compared = compare(agentkit(), orchestrator())
    assert set(VERDICTS) == set(compared.counts)
    assert len(compared.findings) == sum(compared.counts.values())


def test_the_json_form_is_plain_and_whole() -> None:
    """Whoever reads `--json` gets runs, counts, checklist and every finding."""
    told = compare(agentkit(), orchestrator(FEWER)).to_json()
    assert {"left", "right", "ok", "sameWork", "counts", "checklist", "findings"} == set(told)
    assert (True, False) == (told["ok"], told["sameWork"])
    findings = told["findings"]
    assert isinstance(findings, list)
    assert {"field", "verdict", "reason", "left", "right"} == set(findings[0])  # type: ignore[arg-type]
