"""Rows of the four tables, made from one record. Pure: the store writes what stands here and adds only times and ids.

One shape for every engine: what differs between engines is only what they did.
"""

from __future__ import annotations

from typing import Final

from trackrecord.canonical import Json, encode_clean
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.intensity import RunFigures
from trackrecord.record.measures import ModelUse, Tokens, ToolUse
from trackrecord.record.record import Record
from trackrecord.sealed import sealed

MAX_LISTED_TOOL_CALLS: Final = 200

TERMINAL_COUNTS: Final = {
    "failed": "failed_count",
    "cancelled": "cancelled_count",
    "timed_out": "timed_out_count",
    "budget_exceeded": "budget_exceeded_count",
    "abandoned": "abandoned_count",
    "interrupted_unknown_outcome": "interrupted_count",
}


@sealed
class Rows:
    """What one finished run adds to the four tables, by column; the store adds keys, times and agent_seq.

    Attributes:
        execution: columns of `agent_executions` that the finish sets.
        log: columns of `agent_logs`.
        stats: amounts added to `agent_stats`, by column.
        figures: what `agent_intensity_metrics` absorbs.
    """

    execution: dict[str, str | int | None]
    log: dict[str, str | int | None]
    stats: dict[str, int]
    figures: RunFigures


def rows(record: Record) -> Rows:
    """The rows of a finished run.

    Raises:
        ValueError: the run has not ended.
    """
    if record.ending is None:
        raise ValueError(f"run {record.origin.run_id!r} has not ended; only a finished run has rows")
    logs = log_object(record)
    text = encode_clean(logs)
    return Rows(
        execution=_execution(record, text),
        log=_log(record, logs, text),
        stats=stats_delta(record),
        figures=run_figures(record),
    )


def execution_data(record: Record) -> AgentExecutionData:
    """The 19 public fields of a record."""
    measures, declared = record.measures, record.origin.declared
    return AgentExecutionData(
        agent_id=record.origin.agent_id,
        user_id=record.origin.user_id,
        tokens_used=measures.tokens.total,
        input_tokens=measures.tokens.input,
        output_tokens=measures.tokens.output,
        execution_duration_ms=record.duration_ms,
        iterations_count=measures.iterations_count,
        was_successful=record.is_success,
        retry_count=measures.retry_count,
        plugins_used=measures.plugins_used,
        tool_calls_count=measures.tool_calls_count,
        tool_orchestration_time_ms=round(measures.tool_orchestration_us / 1000),
        workflow_steps=declared.steps,
        conditional_branches=declared.branches,
        loop_iterations=declared.loops,
        parallel_executions=declared.parallel,
        memory_tokens=measures.memory.tokens,
        memory_entry_count=measures.memory.entry_count,
        memory_types=measures.memory.types,
    )


def run_figures(record: Record) -> RunFigures:
    """What the intensity metrics absorb of a finished run."""
    executed = record.measures.executed if record.origin.runs_workflow else None
    return RunFigures(
        data=execution_data(record),
        cached_input_tokens=record.measures.tokens.cache_read,
        executed_steps=executed.steps if executed else None,
        executed_branches=executed.branches if executed else None,
        executed_loop_iterations=executed.loop_iterations if executed else None,
        executed_parallel=executed.parallel if executed else None,
        status=record.ending.status if record.ending else "failed",
    )


def stats_delta(record: Record) -> dict[str, int]:
    """What a finished run adds to `agent_stats`, by column; a terminal state other than completed has its count."""
    measures = record.measures
    delta = {
        "run_count": 1,
        "success_count": int(record.is_success),
        "tokens_total": measures.tokens.total or 0,
        "tokens_known_count": int(measures.tokens.total is not None),
        "duration_ms_total": record.duration_ms,
        "cost_nanos_total": measures.cost_nanos or 0,
        "cost_known_count": int(measures.cost_nanos is not None),
    }
    status = record.ending.status if record.ending else None
    return delta | {column: int(status == state) for state, column in TERMINAL_COUNTS.items()}


def log_object(record: Record) -> dict[str, Json]:
    """The JSON of the logs: one shape for every engine."""
    measures, origin, ending = record.measures, record.origin, record.ending
    steps = measures.steps
    return {
        "success": record.is_success,
        "engine": origin.engine,
        "agentkit": origin.engine == "agentkit",
        "orchestrator": origin.engine == "orchestrator",
        "executionId": origin.run_id,
        "status": ending.status if ending else "running",
        "errorCode": ending.error_code if ending else None,
        "error": ending.error_message if ending else None,
        "errorPath": ending.error_path if ending else None,
        "iterations": measures.iterations_count,
        "toolCalls": [_tool_object(use) for use in measures.tool_calls[:MAX_LISTED_TOOL_CALLS]],
        "toolCallsOmitted": max(0, len(measures.tool_calls) - MAX_LISTED_TOOL_CALLS),
        "toolCallsCount": measures.tool_calls_count,
        "toolCallsRejected": measures.tool_calls_rejected_count,
        "toolOrchestrationTimeMs": round(measures.tool_orchestration_us / 1000),
        "tokensUsed": _token_object(measures.tokens),
        "usageComplete": record.usage_complete,
        "model": measures.model,
        "provider": measures.provider,
        "models": [_model_object(use) for use in measures.models],
        "costNanoUsd": measures.cost_nanos,
        "pricedCalls": measures.priced_calls_count,
        "modelCalls": measures.model_calls_count,
        "pluginsUsed": list(measures.plugins_used),
        "pluginsRequired": list(origin.plugins_required),
        "stepsCompleted": steps.completed,
        "stepsFailed": steps.failed,
        "stepsTolerated": steps.tolerated,
        "stepsSkipped": steps.skipped,
        "totalSteps": steps.total,
        "executionTimeMs": record.duration_ms,
        "workingTimeMs": round((measures.duration_us - measures.waited_us) / 1000),
        "inputValuesUsed": origin.input_count,
        "retries": measures.retry_count,
        "interruptions": measures.interruptions_count,
        "unknownOutcomes": measures.unknown_count,
        "memory": {
            "tokens": measures.memory.tokens,
            "entryCount": measures.memory.entry_count,
            "types": list(measures.memory.types),
        },
        "workflow": _workflow_object(record),
    }


def _execution(record: Record, logs: str) -> dict[str, str | int | None]:
    measures, ending = record.measures, record.ending
    assert ending is not None  # noqa: S101  # `rows` has checked it
    executed = measures.executed if record.origin.runs_workflow else None
    return {
        "status": ending.status,
        "execution_duration_ms": record.duration_ms,
        "working_duration_ms": round((measures.duration_us - measures.waited_us) / 1000),
        "error_code": ending.error_code,
        "error_message": ending.error_message,
        "error_path": ending.error_path,
        "logs": logs,
        "input_tokens": measures.tokens.input,
        "output_tokens": measures.tokens.output,
        "cache_read_tokens": measures.tokens.cache_read,
        "cache_write_tokens": measures.tokens.cache_write,
        "reasoning_tokens": measures.tokens.reasoning,
        "tokens_used": measures.tokens.total,
        "iterations_count": measures.iterations_count,
        "model_calls_count": measures.model_calls_count,
        "priced_calls_count": measures.priced_calls_count,
        "cost_nanos": measures.cost_nanos,
        "retry_count": measures.retry_count,
        "interruptions_count": measures.interruptions_count,
        "unknown_count": measures.unknown_count,
        "tool_calls_count": measures.tool_calls_count,
        "tool_calls_rejected_count": measures.tool_calls_rejected_count,
        "tool_orchestration_time_ms": round(measures.tool_orchestration_us / 1000),
        "provider": measures.provider,
        "model": measures.model,
        "steps_completed": measures.steps.completed,
        "steps_failed": measures.steps.failed,
        "steps_tolerated": measures.steps.tolerated,
        "steps_skipped": measures.steps.skipped,
        "executed_steps": executed.steps if executed else None,
        "executed_branches": executed.branches if executed else None,
        "executed_loop_iterations": executed.loop_iterations if executed else None,
        "executed_parallel": executed.parallel if executed else None,
        "memory_tokens": measures.memory.tokens,
        "memory_entry_count": measures.memory.entry_count,
        "span_count": measures.span_count,
        "usage_complete": int(record.usage_complete),
        "credits_used": record.credits_used,
        "price_table": record.price_table,
        "credit_rule": record.credit_rule,
        "fold_rule": record.fold_rule,
    }


def _log(record: Record, logs: dict[str, Json], text: str) -> dict[str, str | int | None]:
    title = record.origin.engine_title
    tokens = record.measures.tokens.total
    sentence = f"✅ {title} execution completed successfully" if record.is_success else f"❌ {title} execution failed"
    return {
        "run_output": encode_clean(logs | {"tokensUsed": tokens}),
        "full_output": f"{{{encode_clean(f'{record.origin.engine}_metadata')}:{text}}}",
        "status": sentence,
        "run_time": record.duration_ms,
        "user_credits_used": record.credits_used,
        "run_tokens": tokens,
    }


def _token_object(tokens: Tokens) -> dict[str, Json]:
    return {
        "prompt": tokens.input,
        "completion": tokens.output,
        "total": tokens.total,
        "cacheRead": tokens.cache_read,
        "cacheWrite": tokens.cache_write,
        "reasoning": tokens.reasoning,
    }


def _tool_object(use: ToolUse) -> dict[str, Json]:
    return {
        "path": use.path,
        "plugin": use.plugin,
        "action": use.action,
        "success": use.success,
        "rejected": use.was_rejected,
        "attempts": use.attempt_count,
        "itemsReturned": use.items,
        "executionTimeMs": round(use.duration_us / 1000),
        "errorCode": use.error_code,
        "error": use.error_message,
    }


def _model_object(use: ModelUse) -> dict[str, Json]:
    return {
        "provider": use.provider,
        "requested": use.requested,
        "responded": use.responded,
        "calls": use.call_count,
        "tokens": use.tokens,
        "cost": use.cost_nanos,
    }


def _workflow_object(record: Record) -> dict[str, Json]:
    declared, executed = record.origin.declared, record.measures.executed
    return {
        "declared": {
            "steps": declared.steps,
            "conditionalBranches": declared.branches,
            "loops": declared.loops,
            "parallel": declared.parallel,
        },
        "executed": {
            "steps": executed.steps,
            "conditionalBranches": executed.branches,
            "loopIterations": executed.loop_iterations,
            "parallel": executed.parallel,
        }
        if record.origin.runs_workflow
        else None,
    }
