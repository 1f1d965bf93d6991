"""Whether the work was done: counts from every contestant, and for ours the rows in the database.

Read from another process than the one that wrote, right after it answered: what is found here was committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.contestants import Contestant, NotMeasured
from benchmarks.workers import work
from trackrecord.store.driver import driver

_RUNS: Final = """
SELECT id, status, iterations_count, tool_calls_count, input_tokens, steps_completed,
    (SELECT count(*) FROM agent_logs log WHERE log.tenant_id = run.tenant_id AND log.execution_id = run.id)
FROM agent_executions run
"""
_SPANS: Final = "SELECT run_id, kind, count(*) FROM run_spans WHERE status = 'ok' GROUP BY run_id, kind"
_ENDED: Final = "SELECT agent_id, count(*) FROM agent_executions WHERE status = 'completed' GROUP BY agent_id"
_COUNTED: Final = "SELECT agent_id, sum(run_count) FROM agent_stats GROUP BY agent_id"
_WEIGHED: Final = "SELECT agent_id, total_executions FROM agent_intensity_metrics"
_KEPT: Final = """
SELECT run_id, count(*) FROM run_checkpoints WHERE state = 'done' AND kind = 'tool' AND outcome IS NOT NULL
GROUP BY run_id
"""
_THREADS: Final = "SELECT thread_id, count(*) FROM checkpoints GROUP BY thread_id"
_OUTPUTS: Final = "SELECT workflow_uuid, count(output) FROM operation_outputs GROUP BY workflow_uuid"


def check_counts(name: str, answer: Mapping[str, Any], expected: Mapping[str, int]) -> None:
    """The contestant did each thing as often as it should have.

    Raises:
        NotMeasured: it did not.
    """
    done = answer["counts"]
    if any(done[what] != count for what, count in expected.items()):
        raise NotMeasured(f"{name} did {done}, not {dict(expected)}")


def check_loops(database: Path, runs: Sequence[str]) -> None:
    """Each run has its whole record: completed, ten tool calls, eleven turns, their tokens and spans, one log.

    Raises:
        NotMeasured: a row is missing or says something else.
    """
    turns, tools = work.MODEL_REPLIES, work.TOOL_CALLS
    row = ("completed", turns, tools, turns * work.INPUT_TOKENS, 0, 1)
    _check(database, runs, row, {"model": turns, "tool": tools})


def check_chains(database: Path, runs: Sequence[str], steps: int) -> None:
    """Each workflow has its whole record, with a span for each step.

    Raises:
        NotMeasured: a row is missing or says something else.
    """
    _check(database, runs, ("completed", 0, 0, 0, steps, 1), {"step": steps})


def check_settings(contestant: Contestant, found: Mapping[str, Any]) -> None:
    """It wrote as hard as it was to, by its own connection's word.

    Raises:
        NotMeasured: it did not.
    """
    expected = {"NORMAL": 1, "FULL": 2}[contestant.options["synchronous"]]
    if found["synchronous"] != expected:
        raise NotMeasured(f"{contestant.name} wrote with synchronous {found['synchronous']!r}, not {expected}")


def check_durable_runs(database: Path, runs: Sequence[str], steps: int) -> None:
    """Each workflow has its whole record, with a span and a checkpoint for each tool call and a span for each step.

    Raises:
        NotMeasured: a row is missing or says something else.
    """
    _check(database, runs, ("completed", 0, steps, 0, steps, 1), {"step": steps, "tool": steps})
    _same_counts("checkpoints", _counted(database, _KEPT), runs, steps)


def check_threads(database: Path, threads: Sequence[str], steps: int) -> None:
    """LangGraph: each thread has a checkpoint for every node, the one before the first and the one of the input.

    Raises:
        NotMeasured: one is missing.
    """
    _same_counts("checkpoints", _counted(database, _THREADS), threads, steps + 2)


def check_workflows(database: Path, workflows: Sequence[str], steps: int) -> None:
    """DBOS: each workflow has the output of every step.

    Raises:
        NotMeasured: one is missing.
    """
    _same_counts("outputs", _counted(database, _OUTPUTS), workflows, steps)


def _counted(database: Path, sql: str) -> dict[str, int]:
    connection = driver.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        return dict(connection.execute(sql))
    finally:
        connection.close()


def _same_counts(what: str, counts: Mapping[str, int], runs: Iterable[str], expected: int) -> None:
    for run in runs:
        _same(f"the count of {what} of {run}", expected, counts.get(run, 0))


def _check(database: Path, runs: Iterable[str], row: tuple[object, ...], spans: Mapping[str, int]) -> None:
    connection = driver.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        rows = {run: tuple(figures) for run, *figures in connection.execute(_RUNS)}
        counts = {(run, kind): count for run, kind, count in connection.execute(_SPANS)}
        ended, counted, weighed = (dict(connection.execute(sql)) for sql in (_ENDED, _COUNTED, _WEIGHED))
    finally:
        connection.close()
    for run in runs:
        _same(f"the row of run {run}", row, rows.get(run))
        for kind, count in spans.items():
            _same(f"the count of {kind} spans of run {run}", count, counts.get((run, kind), 0))
    _same("the count of runs in the statistics", ended, counted)
    _same("the count of runs in the intensity metrics", ended, weighed)


def _same(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise NotMeasured(f"the record is not whole: {what} should be {expected!r} and is {found!r}")
