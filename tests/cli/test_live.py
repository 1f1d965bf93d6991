"""The live view: what it shows, and that it is there only where somebody watches."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from trackrecord.cli.escape import width
from trackrecord.cli.live import Board
from trackrecord.cli.look import Look
from trackrecord.context.live_run import Progress
from trackrecord.record.spans import Span

Start = Callable[..., subprocess.Popen[bytes]]


def began(path: str, what: str, label: str) -> Progress:
    return Progress(kind="started", path=path, what=what, label=label, span=None, tokens=0)


def ended(span: Span, tokens: int = 0) -> Progress:
    return Progress(kind="finished", path=span.path, what=span.kind, label="", span=span, tokens=tokens)


def span(path: str, kind: object, **more: object) -> Span:
    fields: dict[str, object] = {"status": "ok", "epoch": 1, "start_us": 0, "duration_us": 12_000}
    return Span(path=path, kind=kind, **(fields | more))  # type: ignore[arg-type]


def test_the_board_counts_what_ends() -> None:
    """Steps, turns, tools, tokens; a retry is no second tool, a rejected call none at all."""
    board = Board(title="agent")
    for progress in (
        began("turn:1/model", "model", "scripted:small"),
        ended(span("turn:1/model", "model", purpose="work"), 120),
        ended(span("turn:1/call:1/tool", "tool", status="failed"), 120),
        ended(span("turn:1/call:1/tool", "tool", attempt=2), 120),
        ended(span("turn:1/call:2/tool", "tool", status="rejected"), 120),
        ended(span("summary/model", "model", purpose="memory"), 150),
        ended(span("s:a", "step"), 150),
        ended(span("s:b", "step", status="skipped"), 150),
    ):
        board.watch(progress)

    assert " agent · 1 step · 1 turn · 1 tool · 1 retry · 150 tokens · " in board.lines(Look())[-1]


def test_what_is_in_flight_is_shown_until_it_ends() -> None:
    """By the name it began under, with how long it has taken."""
    board = Board(title="agent")
    board.watch(began("turn:1/model", "model", "scripted:small"))
    flying = board.lines(Look())[0]
    board.watch(ended(span("turn:1/model", "model", purpose="work")))

    assert flying.startswith("  ▸ scripted:small  turn 1 ")
    assert board.lines(Look())[0].split() == ["✓", "scripted:small", "turn", "1", "12", "ms"]


def test_it_says_where_and_how_often() -> None:
    """Calls of the same name are told apart by where they are; one that failed says why, until it came right."""
    board = Board(title="agent")
    failed = span("s:each/i:2/s:ask/model", "model", status="failed", error_code="provider_unavailable")
    board.watch(began(failed.path, "model", "small"))
    board.watch(ended(failed))
    board.watch(Progress(kind="note", path=failed.path, what="", label="trying again", span=None, tokens=0))
    assert [
        "✗ small  each › #2 › ask · provider_unavailable",
        "trying again",
    ] == [text[:62].strip() for text in board.lines(Look())[:2]]

    board.watch(ended(span(failed.path, "model", attempt=2)))
    assert "✓ model  each › #2 › ask · try 2" == board.lines(Look())[1][:62].strip()
    assert " agent · 1 retry · " in board.lines(Look())[2]


def test_many_in_flight_are_counted() -> None:
    """The view has few lines, however much happens at once."""
    board = Board(title="agent")
    for number in range(100):
        board.watch(began(f"s:all/i:{number}/s:x/tool", "tool", "demo.x"))

    lines = board.lines(Look())
    assert (8, "    and 94 more") == (len(lines), lines[6])


def test_the_view_is_as_narrow_as_the_terminal_and_as_tame() -> None:
    """No line is wider, and a label cannot act."""
    board = Board(title="a" * 200)
    board.watch(began("x", "tool", "\x1b[2J" * 50))
    board.watch(Progress(kind="note", path="x", what="", label="\x1b[2J" + "word " * 60, span=None, tokens=0))

    lines = board.lines(Look(width=60))
    assert [] == [text for text in lines if width(text) > 60 or "\x1b" in text]


def on_a_terminal(desk: Path, *words: str, columns: int = 90) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a command whose stderr is a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "trackrecord", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
        cwd=desk,
    )
    os.close(theirs)
    seen = bytearray()
    while True:
        if select.select([ours], [], [], 60)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
    assert process.stdout is not None
    out = process.stdout.read()
    process.stdout.close()
    os.close(ours)
    return process.wait(), out, bytes(seen)


def test_a_terminal_shows_the_run_while_it_runs(desk: Path, children: None) -> None:
    """Redrawn in place, gone at the end, the answer undisturbed."""
    slow = (desk / "slow.script.yaml").read_text().replace("delay_ms: 60000", "delay_ms: 700")
    (desk / "slow.script.yaml").write_text(slow)
    code, out, seen = on_a_terminal(desk, "run", "slow.yaml")

    assert (0, b"too late\n") == (code, out)
    assert "▸".encode() in seen
    assert b"1 turn" in seen
    assert b"1 tool" in seen
    assert b"110 tokens" in seen
    assert seen.rindex(b"\x1b[2K") < seen.rindex("✓\x1b[0m completed".encode())


def test_nobody_watching_means_no_view(started: Start) -> None:
    """A log file gets the summary and no control character."""
    process = started("run", "echo.yaml")
    _, err = process.communicate()

    assert b"\x1b" not in err
    assert err.startswith("✓ completed  echo".encode())


def test_no_color_means_no_colour_on_a_terminal_either(
    desk: Path, children: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view may still move, it is only not painted."""
    monkeypatch.setenv("NO_COLOR", "1")
    _, _, seen = on_a_terminal(desk, "run", "echo.yaml")

    assert [] == [code for code in (b"[31m", b"[32m", b"[36m", b"[1m", b"[2m") if code in seen]
