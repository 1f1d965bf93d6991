"""Signals in the middle of a run: it is cancelled, and its record is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Type

from trackrecord.cli.carrying import exit_code
from trackrecord.cli.stopping import Stopping
from trackrecord.errors import StoreUnusable
from trackrecord.store.reader import RunFilter, SqliteReader

Start = Callable[..., subprocess.Popen[bytes]]


def wait_for_call(desk: Path) -> None:
    """Wait until the tool call of the slow agent is stored: the run is then in its second turn."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with SqliteReader(desk / "data" / "trackrecord" / "runs.db") as reader:
                runs = reader.runs(RunFilter())
                if runs and any(span.kind == "tool" for span in reader.spans(runs[0]["id"])):
                    return
        except StoreUnusable:
            pass  # not made yet
        time.sleep(0.05)
    raise AssertionError("the run did not get going")


def recorded(typed: Type) -> dict[str, Any]:
    return json.loads(typed("show", "--json").out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_cancels_the_run_and_its_record_is_kept(
    number: signal.Signals, started: Start, typed: Type, desk: Path
) -> None:
    """With what it had used until then; the exit code is that of the signal."""
    process = started("run", "slow.yaml")
    wait_for_call(desk)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    record = recorded(typed)
    assert (128 + number, b"") == (process.returncode, out)
    assert b"stopping: the run is being cancelled and recorded\n" in err
    assert b"Traceback" not in err
    assert ("cancelled", "signal") == (record["run"]["status"], record["run"]["error_code"])
    assert (100, 10, 1, 1) == tuple(
        record["run"][name] for name in ("input_tokens", "output_tokens", "iterations_count", "tool_calls_count")
    )
    assert 0 == typed("verify").code


def test_impatience_does_not_lose_the_record(started: Start, typed: Type, desk: Path) -> None:
    """A second Ctrl-C while the first is being carried out changes nothing."""
    process = started("run", "slow.yaml")
    wait_for_call(desk)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert (130, "cancelled") == (process.returncode, recorded(typed)["run"]["status"])
    assert 0 == typed("verify").code


def test_the_record_of_a_cancelled_run_can_be_asked_for(started: Start, desk: Path) -> None:
    """`--json` prints it although the run was stopped."""
    process = started("run", "slow.yaml", "--json")
    wait_for_call(desk)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)

    assert ("cancelled", None) == (json.loads(out)["run"]["status"], json.loads(out)["answer"])


def test_an_ignored_signal_stays_ignored(started: Start, typed: Type, desk: Path) -> None:
    """What nohup wants ignored does not end the run."""
    (desk / "slow.script.yaml").write_text(
        (desk / "slow.script.yaml").read_text().replace("delay_ms: 60000", "delay_ms: 1500")
    )
    process = started("run", "slow.yaml", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for_call(desk)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)

    assert (0, b"too late\n") == (process.returncode, out)


def test_a_process_that_is_killed_is_recorded_by_the_next(started: Start, typed: Type, desk: Path) -> None:
    """Nobody can catch SIGKILL; the run ends as abandoned, with what was stored, and nothing reads as 0."""
    process = started("run", "slow.yaml")
    wait_for_call(desk)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    page = typed("show").out

    assert "slow  ▸ running" in page
    assert "The run is running." in page


def test_the_third_signal_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first cancels, the second says what is going on, the third does not wait any longer."""
    said: list[str] = []
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    stopping = Stopping(said.append)
    for _ in range(3):
        stopping._receive(signal.SIGINT)

    assert ([130], 130, 2) == (left, stopping.exit_code, len(said))


@pytest.mark.parametrize(
    ("status", "was_stopped", "expected"),
    [
        ("completed", False, 0),
        ("completed", True, 0),
        ("failed", False, 1),
        ("failed", True, 1),
        ("timed_out", False, 1),
        ("cancelled", False, 1),
        ("cancelled", True, 143),
        ("waiting", False, 3),
        ("running", False, 3),
    ],
)
def test_what_an_end_means_for_the_exit_code(status: str, was_stopped: bool, expected: int) -> None:
    """A signal counts only when it is what ended the run."""
    stopping = Stopping(lambda text: None)
    stopping.number = signal.SIGTERM if was_stopped else None

    assert expected == exit_code(status, stopping)
