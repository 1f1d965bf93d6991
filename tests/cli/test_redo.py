"""`retry` and `fork`: the live view and the summary of `run`, what was reused, and refusals in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from tests.cli.conftest import Type

from trackrecord.cli.completing import choices

AGENT = """
name: price-watch
model: scripted:replies.yaml
plugins_required: [files, text]
workflow_steps:
  - {id: plan, type: llm, prompt: Which file has the prices?}
  - {id: fetch, type: action, plugin: files, action: read, params: {path: "{{ steps.plan.data }}"}}
  - {id: size, type: action, plugin: text, action: count, params: {text: "{{ steps.fetch.data.text }}"}}
"""
REPLIES = "replies: [{text: prices.csv, usage: {input: 900, output: 20}}]\n"


@pytest.fixture
def failed(desk: Path, typed: Type) -> str:
    """The id of a run that failed for want of a file, which is there now."""
    (desk / "watch.yaml").write_text(AGENT)
    (desk / "replies.yaml").write_text(REPLIES)
    done = typed("run", "watch.yaml", "--json")
    assert 1 == done.code
    (desk / "prices.csv").write_text("tea,4\n")
    return cast("dict[str, Any]", done.json)["run"]["id"]


def test_retry(failed: str, typed: Type) -> None:
    """Answer on stdout, summary on stderr, exit code 0; the model is not asked again, and the pages say so."""
    done = typed("retry", failed)
    assert 0 == done.code
    assert '"characters"' in done.out
    assert "completed" in done.err
    assert "3 steps · 0 turns · 2 tool calls · 0 tokens" in done.err
    shown = typed("show").out
    assert f"retry of {failed}" in shown
    assert "from s:fetch · 2 effects reused" in " ".join(shown.split())
    assert "(retry) price" in typed("runs").out
    record = cast("dict[str, Any]", typed("show", "--json").json)
    assert {"effects": 2, "beginning": "s:fetch"} == record["reused"]
    assert ("retry", failed) == (record["run"]["origin_kind"], record["run"]["origin_run_id"])
    assert None is cast("dict[str, Any]", typed("show", failed, "--json").json)["reused"]
    typed("show", "--html", "page.html")
    assert "from s:fetch, 2 effects reused" in Path("page.html").read_text()
    assert 0 == typed("verify").code


def test_fork(failed: str, typed: Type) -> None:
    """From a step of a run, however it ended; `--json` prints the whole record."""
    typed("retry", failed)
    done = typed("fork", "last", "--from", "size", "--json")
    assert 0 == done.code
    record = cast("dict[str, Any]", done.json)
    assert {"effects": 3, "beginning": "size"} == record["reused"]
    assert ("fork", 1, 0) == tuple(record["run"][name] for name in ("origin_kind", "tool_calls_count", "tokens_used"))
    assert 0 == typed("verify").code


def test_a_retry_that_fails_again(failed: str, typed: Type, desk: Path) -> None:
    """Its exit code is that of a failed run."""
    (desk / "prices.csv").unlink()
    assert 1 == typed("retry", failed).code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("retry", "last"), "has completed: there is nothing to retry"),
        (("fork", "last", "--from", "fetsh"), "Did you mean 'fetch'?"),
        (("fork", "last"), "Write --from STEP"),
        (("fork", "last", "--from", " "), "Write --from STEP"),
        (("retry", "019a0000-nobody"), "there is no run"),
        (("retry",), "missing argument"),
    ],
)
def test_refusals(failed: str, typed: Type, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, and words that cure it."""
    typed("retry", failed)
    done = typed(*words)
    assert (2, "") == (done.code, done.out)
    assert said in " ".join(done.err.split())


def test_what_is_not_kept_any_more(failed: str, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused with the setting that says how long it is kept; the page of a retry then only names its origin."""
    typed("retry", failed)
    monkeypatch.setenv("TRACKRECORD_CHECKPOINT_DAYS", "0")
    done = typed("fork", "last", "--from", "size")
    assert 2 == done.code
    assert "TRACKRECORD_CHECKPOINT_DAYS" in done.err
    shown = typed("show").out
    assert f"retry of {failed}" in shown
    assert "reused" not in shown
    assert 0 == typed("verify").code


def test_completion(failed: str, typed: Type) -> None:
    """Runs, and behind --from the steps that a run went through."""
    del typed
    assert failed in [one.value for one in choices(["retry", failed[:8]])]
    assert ["plan", "fetch"] == [one.value for one in choices(["fork", failed, "--from", ""])]
