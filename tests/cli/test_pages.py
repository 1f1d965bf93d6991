"""The page of a run: it fits any terminal, its sums are the record's, and whatever is unknown has a reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.browser.gallery import make

from trackrecord.cli.escape import width
from trackrecord.cli.look import Look
from trackrecord.cli.pages.models import model_notes, model_sums
from trackrecord.cli.pages.parity import parity_page
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.pages.trouble import troubles
from trackrecord.cli.stored import StoredRun, read_run
from trackrecord.clock import now
from trackrecord.parity import Comparison, compare_runs
from trackrecord.record.spans import Span
from trackrecord.store.reader import SqliteReader

NAMES = ("storm", "night", "cancelled", "wrecked", "wide")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, StoredRun], Comparison]:
    """Real runs in which a great deal happens, and two of them compared."""
    folder: Path = tmp_path_factory.mktemp("gallery")
    made = asyncio.run(make(folder, NAMES))
    with SqliteReader(folder / "runs.db") as reader:
        runs = {name: read_run(reader, run) for name, run in made.items()}
        return runs, compare_runs(reader, made["storm"], made["night"])


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("name", NAMES)
def test_no_page_is_wider_than_the_terminal(
    name: str, columns: int, found: tuple[dict[str, StoredRun], Comparison]
) -> None:
    """With colours or without, whole or not; colours change no letter."""
    run, present = found[0][name], now()
    for is_whole in (False, True):
        plain = record_page(run, Look(width=columns), present, is_whole=is_whole)
        painted = record_page(run, Look(width=columns, has_colour=True), present, is_whole=is_whole)
        assert [] == [line for line in plain.split("\n") if width(line) > columns]
        assert [width(line) for line in plain.split("\n")] == [width(line) for line in painted.split("\n")]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_parity_is_wider_than_the_terminal(columns: int, found: tuple[dict[str, StoredRun], Comparison]) -> None:
    """The same; at 60 columns too."""
    page = parity_page(found[1], Look(width=columns))
    assert [] == [line for line in page.split("\n") if width(line) > columns]


@pytest.mark.parametrize("name", NAMES)
def test_tokens_by_model_add_up_to_the_record(name: str, found: tuple[dict[str, StoredRun], Comparison]) -> None:
    """The last row is what is stored of the run, figure by figure; unknown stays unknown."""
    run = found[0][name]
    whole = model_sums(run.spans)[-1]
    columns = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")

    assert tuple(run.execution[column] for column in columns) == whole.tokens
    assert (run.execution["cost_nanos"], run.execution["model_calls_count"], run.execution["priced_calls_count"]) == (
        whole.cost_nanos,
        whole.calls,
        whole.priced,
    )


def test_a_dash_has_its_reason(found: tuple[dict[str, StoredRun], Comparison]) -> None:
    """Once, below the table."""
    assert [
        "6 of 8 calls reported no tokens: what was used is unknown, not 0",
        "– under reasoning: the provider does not report it",
        "6 of 8 calls could not be priced: no tokens reported, or no price known",
        "openai:gpt-4o-mini was answered by gpt-4o-mini-2024-07-18",
    ] == model_notes(model_sums(found[0]["storm"].spans))
    assert "the only call could not be priced: scripted models have no price" in model_notes(
        model_sums(found[0]["wrecked"].spans)
    )


def test_what_did_not_go_well_is_told_once(found: tuple[dict[str, StoredRun], Comparison]) -> None:
    """A call that was mended says so; a step is not told beside its call, nor inside the step that was tried again."""
    assert [
        ("retried", "demo.flaky"),
        ("failed", "demo.geocode"),
        ("rejected", "demo__delete_everything"),
        ("rejected", "demo.wait"),
        ("retried", "claude-sonnet-4-5"),
        ("retried", "gpt-4o-mini"),
    ] == [(one.status, one.name) for one in troubles(found[0]["storm"].spans)]
    assert [("retried", "step again"), ("tolerated", "demo.enrich_company"), ("retried", "demo.flaky")] == [
        (one.status, one.name) for one in troubles(found[0]["night"].spans)
    ]
    assert ("provider_unavailable: rate limit reached, slow down  ×2",) == troubles(found[0]["storm"].spans)[4].causes


def test_a_step_that_failed_by_itself_is_told() -> None:
    """Nothing in it failed: its own cause is the only one."""
    step = Span(
        path="s:sum",
        kind="step",
        status="failed",
        epoch=1,
        start_us=0,
        duration_us=1,
        error_code="step_failed",
        error_message="no such name",
    )
    assert [("failed", "step sum", ("step_failed: no such name",))] == [
        (one.status, one.name, one.causes) for one in troubles([step])
    ]


def test_a_branch_that_lost_a_race_is_no_trouble() -> None:
    """Neither the step that was stopped nor what it had on the way; a call that failed before that is told."""
    step = Span(
        path="s:race/b:a/s:ask",
        kind="step",
        status="tolerated",
        epoch=1,
        start_us=0,
        duration_us=1,
        error_message="stopped: another branch was first",
    )
    wait = Span(path="s:race/b:a/s:ask/wait", kind="wait", status="cancelled", epoch=1, start_us=0, duration_us=1)
    call = replace(wait, path="s:race/b:a/s:ask/tool", kind="tool", plugin="demo", action="wait")
    failed = replace(call, path="s:race/b:a/s:before/tool", status="failed", error_code="tool_failed")
    unknown = replace(call, status="unknown")
    assert [] == troubles([step, wait])
    assert [] == troubles([step, call])
    assert ["failed", "unknown"] == sorted(one.status for one in troubles([step, unknown, failed]))
