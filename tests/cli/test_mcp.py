"""`trackrecord mcp`: what is shown is what is approved, and nothing is approved that nobody agreed to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Type
from tests.unit.plugins.mcp import desk as desks
from tests.unit.plugins.mcp import raw


@pytest.fixture
def at(desk: Path, monkeypatch: pytest.MonkeyPatch) -> desks.Desk:
    """The raw server in the operator's file, not yet approved."""
    made = desks.desk(desk / "shop")
    (made.folder / "mcp.approved.json").unlink()
    monkeypatch.setenv("TRACKRECORD_MCP_FILE", str(made.file))
    return made


def test_list_approve_check(at: desks.Desk, typed: Type) -> None:
    """Shown with effects, approved as shown, found as approved; a change is shown as a small diff, escaped."""
    listed = typed("mcp", "list")
    assert (0, True) == (listed.code, "+ findOrder     read    not approved\n      Find an order." in listed.out)
    assert 1 == typed("mcp", "check").code
    approved = typed("mcp", "approve", "shop", "--yes")
    assert (0, "5 tools of shop approved\n") == (approved.code, approved.out[-25:])
    checked = typed("mcp", "check")
    assert (0, "1 server as approved\n") == (checked.code, checked.out)
    (at.folder / "tools.json").write_text(json.dumps([{**raw.TOOLS[0], "description": "Now\x1b[31m."}, *raw.TOOLS[2:]]))
    checked = typed("mcp", "check", "shop")
    assert 1 == checked.code
    assert "~ findOrder  read    changed since it was approved" in checked.out
    assert '- description: "Find an order."\n      + description: "Now\\u001b[31m."' in checked.out
    assert "- pay        unsafe  gone" in checked.out
    assert "refund" not in checked.out
    [told] = typed("mcp", "list", "--json").json["servers"]  # type: ignore[index, call-overload]
    assert ["changed", "approved", "approved", "approved", "gone"] == [one["state"] for one in told["tools"]]


def test_nobody_to_be_asked(at: desks.Desk, typed: Type) -> None:
    """Without a terminal and without --yes the tools are shown and nothing is approved."""
    told = typed("mcp", "approve", "shop")
    assert (2, True, True) == (told.code, "findOrder" in told.out, "Read it, then add --yes." in told.err)
    assert not (at.folder / "mcp.approved.json").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_somebody_is_asked(
    at: desks.Desk, typed: Type, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    """Only a yes approves."""
    import io

    stdin = io.StringIO(answer)
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", stdin)
    told = typed("mcp", "approve", "shop")
    assert (code, True) == (told.code, "Approve 5 tools of shop? [y/N] " in told.err)
    assert (code == 0) is (at.folder / "mcp.approved.json").exists()


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(("words", "message"), [
    (("show",), "there is no action 'show'"),
    (("approve",), "'approve' takes the name of a server"),
    (("list", "--yes"), "--yes is for 'approve'"),
    (("list", "shopp"), "there is no MCP server 'shopp'"),
    (("list", "--file", "nowhere.yaml"), "cannot be read: No such file"),
])  # fmt: skip
def test_what_cannot_be_done(typed: Type, words: tuple[str, ...], message: str) -> None:
    """Each mistake is told."""
    told = typed("mcp", *words)
    assert (2, True) == (told.code, message in told.err), told.err


def test_mistakes_in_the_file(at: desks.Desk, typed: Type) -> None:
    """All of them, with lines, and no run begins with such a file either."""
    at.file.write_text("servers:\n  a: {comand: [x]}\n  b: {url: nowhere}\n")
    told = typed("mcp", "list")
    assert 2 == told.code
    assert "line 2 servers.a" in told.err
    assert "line 3 servers.b.url" in told.err


def test_a_server_that_cannot_be_asked(at: desks.Desk, typed: Type) -> None:
    """It is listed with the reason; nothing of it can be approved."""
    at.file.write_text(json.dumps({"servers": {"shop": {"command": ["no-such-program-at-all"]}}}))
    listed, approved = typed("mcp", "list"), typed("mcp", "approve", "shop", "--yes")
    assert (0, 2) == (listed.code, approved.code)
    assert "cannot be started" in listed.out
    assert "nothing of 'shop' can be approved" in approved.err


def test_without_a_file(desk: Path, typed: Type) -> None:
    """Nothing to show, and where to begin."""
    told = typed("mcp", "list")
    assert (0, "", True) == (told.code, told.out, "there is no MCP server" in told.err)
    assert [] == list(desk.glob("data/**/*.db"))


def test_the_file_of_the_user(desk: Path, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody names one, it is the one in the configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk))
    desks.desk(desk / "trackrecord")
    told = typed("mcp", "check")
    assert (0, "1 server as approved\n") == (told.code, told.out)
