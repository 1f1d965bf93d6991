"""What is pinned of a tool, what a change of it is called, and the file in which approvals are kept."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plugins.mcp import raw
from tests.unit.plugins.mcp.desk import Desk, desk

from trackrecord.errors import BadSettings
from trackrecord.plugins.mcp.events import Events, TooLarge
from trackrecord.plugins.mcp.pins import approve, pin_path, read_pins
from trackrecord.plugins.mcp.printed import KEPT_BYTES, Printed
from trackrecord.plugins.mcp.results import result_of
from trackrecord.plugins.mcp.tools import Tool, actions_of, compare, drift, read_tool
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.plugins.registry import Registry

KEY = {"type": "object", "properties": {"idempotency_key": {"type": "string"}}}


@pytest.mark.parametrize(("annotations", "parameters", "effect"), [
    ({}, {}, "unsafe"),
    ({"readOnlyHint": True}, {}, "read"),
    ({"readOnlyHint": "yes"}, {}, "unsafe"),
    ({"readOnlyHint": True, "destructiveHint": True}, {}, "unsafe"),
    ({"idempotentHint": True}, {}, "unsafe"),
    ({"idempotentHint": True}, KEY, "keyed"),
    ({"idempotentHint": True}, {"properties": {"idempotency_key": {"type": "integer"}}}, "unsafe"),
    ({}, KEY, "unsafe"),
])  # fmt: skip
def test_the_effect_class(annotations: Any, parameters: Any, effect: str) -> None:
    """A read-only hint reads; an idempotent one is keyed where there is a parameter for the key; the rest is unsafe."""
    assert effect == Tool(name="t", annotations=annotations, parameters=parameters).effect


@pytest.mark.parametrize("field", ["name", "title", "description", "inputSchema", "outputSchema", "annotations"])
def test_the_hash_covers_every_word(field: str) -> None:
    """Whatever is different makes another hash; the order of keys does not."""
    first = raw.TOOLS[0]
    other = {**first, field: {"type": "object", "x": 1} if isinstance(first.get(field), dict) else "other"}
    assert read_tool(first).sha256 != read_tool(other).sha256
    assert read_tool(first).sha256 == read_tool(dict(reversed(first.items()))).sha256


def test_names_fit_and_are_told_apart() -> None:
    """Any name becomes an action's name; two that would be one, and those too long, carry a mark; schemas stay."""
    names = ["getWeather", "get-weather", "read/file.v2", "7days", "x" * 128, "€"]
    tools = [Tool(name=name, parameters={"type": "object", "title": name}) for name in names]
    made = actions_of("shop", tools, 1.5)
    assert names == [tool.name for _, tool in made.values()]
    found = list(made)
    assert ["read_file_v2", "tool_7days", "tool"] == [found[2], found[3], found[5]]
    assert all(name.startswith("get_weather_") for name in found[:2])
    assert {1_500} == {action.timeout_ms for action, _ in made.values()}
    assert names == [action.parameters["title"] for action, _ in made.values()]

    class Plugin:
        name, description = "shop", ""
        actions = {name: action for name, (action, _) in made.items()}  # noqa: RUF012  # read once

        async def call(self, _: Any) -> Any:
            """Never."""

    assert 6 == len(Registry([Plugin()]).actions("shop"))  # every name is one a model may use


def test_changes_are_shown_small() -> None:
    """Only what is different, before and now; what is gone and what is new have states of their own."""
    approved = [read_tool(one) for one in raw.TOOLS]
    changed = {**raw.TOOLS[0], "description": "Other.", "annotations": {}}
    offered = [read_tool(one) for one in (changed, *raw.TOOLS[2:], {"name": "more", "inputSchema": {"type": "object"}})]
    found = compare(approved, offered)
    assert ["changed", "approved", "approved", "approved", "new", "gone"] == [one.state for one in found]
    assert [
        "+ annotations: {}",
        "- annotations.readOnlyHint: true",
        '- description: "Find an order."',
        '+ description: "Other."',
    ] == found[0].changes()
    assert ["'findOrder' changed its description, annotations", "'pay' is gone"] == [
        one.in_words() for one in drift(approved, offered)
    ]


@pytest.mark.parametrize(("given", "words"), [
    ({"inputSchema": {"type": "object", "properties": 3}}, "a schema of it cannot be used"),
    ({"inputSchema": {}}, "no object schema"),
    ({"inputSchema": {"type": "object"}, "outputSchema": {"$ref": "https://example.com/x"}}, "a schema of it"),
    ({"inputSchema": {"type": "object"}, "description": "x" * 70_000}, "larger than 64 KiB"),
])  # fmt: skip
def test_tools_that_cannot_be_used(given: dict[str, Any], words: str) -> None:
    """They are shown as such and never approved."""
    tool = read_tool({"name": "t", **given})
    assert words in str(tool.problem())
    assert ["unusable"] == [one.state for one in compare([], [tool])]


def made(folder: Path) -> Desk:
    return desk(folder / "shop")


def test_approvals_are_kept_for_the_owner_alone(tmp_path: Path) -> None:
    """Whole declarations, read back as they were; another server's stay; nobody else may read or write them."""
    at = made(tmp_path)
    approve(at.file, "crm", [Tool(name="find", parameters={"type": "object"})])
    pins = read_pins(pin_path(at.file))
    assert (["crm", "shop"], [read_tool(one) for one in raw.TOOLS]) == (sorted(pins), list(pins["shop"].tools))
    assert 0o600 == stat.S_IMODE(pin_path(at.file).stat().st_mode)
    assert {"mcp.yaml", "mcp.approved.json"} == {one.name for one in at.folder.iterdir()}


@pytest.mark.parametrize("harm", ["{", "[]", '{"version": 2, "servers": {}}', '{"version": 1, "servers": {"shop": 3}}'])
def test_approvals_that_cannot_be_read(tmp_path: Path, harm: str) -> None:
    """Nothing is believed and nothing starts."""
    at = made(tmp_path)
    pin_path(at.file).write_text(harm)
    with pytest.raises(BadSettings, match="approvals of MCP servers"):
        at.plugin()


def test_an_approval_that_was_changed_by_hand(tmp_path: Path) -> None:
    """A hash that does not fit is told, with the server's name."""
    at = made(tmp_path)
    told = json.loads(pin_path(at.file).read_text())
    told["servers"]["shop"]["tools"][1]["description"] = "Pay me."
    pin_path(at.file).write_text(json.dumps(told))
    with pytest.raises(BadSettings, match="a tool of 'shop' is not what its hash says"):
        at.plugin()


FIND = read_tool(raw.TOOLS[0])
PLAIN = Tool(name="t", parameters={"type": "object"})


@pytest.mark.parametrize(("given", "data", "success"), [
    ({"content": []}, None, True),
    (raw.text("one"), "one", True),
    ({"content": [*raw.text("one")["content"], *raw.text("two")["content"]]}, "one\ntwo", True),
    ({"content": [], "structuredContent": {"a": [1]}}, {"a": [1]}, True),
    ({"content": [], "structuredContent": {"success": None}}, {"success": None}, None),
    ({"content": [], "structuredContent": {"success": False, "error": "no"}}, {"success": False, "error": "no"}, False),
    ({"content": [{"type": "image", "mimeType": "image/png", "data": "QUJD"}]},
     [{"type": "image", "mime_type": "image/png", "bytes": 3}], True),
    ({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "c"}}]},
     [{"type": "resource", "uri": "a:b", "text": "c"}], True),
    ({"content": [{"type": "resource_link", "uri": "a:b", "name": "n"}], "structuredContent": {"a": 1}},
     {"structured": {"a": 1}, "content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]}, True),
])  # fmt: skip
def test_results(given: Any, data: Any, success: Any) -> None:
    """Structured content, else text, else a list; what is no text is described by kind and size."""
    result = result_of(given, PLAIN, None)
    assert (data, success) == (result.data, result.success)


def test_results_that_are_failures() -> None:
    """An error in the tool's own words; a structure that breaks the tool's promise is no result."""
    failed = result_of({**raw.text("no such order"), "isError": True}, PLAIN, "printed")
    assert (False, "no such order", "printed") == (failed.success, failed.error, failed.printed)
    with pytest.raises(ToolCallFailed, match="does not fit its own schema"):
        result_of({"content": [], "structuredContent": {"state": 3}}, FIND, None)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_events_in_any_pieces(size: int) -> None:
    """Whatever the pieces, whatever ends the lines: the same messages; other kinds are passed over."""
    text = b": hi\r\nevent: message\r\ndata: one\r\ndata: more\r\n\r\nevent: other\ndata: no\n\n"
    text += b"data:two\r\rid: 1\n\ndata: three\n\n"
    events = Events(1_000)
    found = [one for at in range(0, len(text), size) for one in events.add(text[at : at + size])]
    assert ["one\nmore", "two", "three"] == found


def test_events_have_a_bound() -> None:
    """A stream beyond it is told, with or without a line's end."""
    events = Events(10)
    assert [] == events.add(b"x" * 10)
    with pytest.raises(TooLarge):
        events.add(b"x")


def test_what_is_printed_is_kept_at_its_end() -> None:
    """Nothing new is nothing; much is its end, with the size of all."""
    printed = Printed()
    assert (None, "") == (printed.since(0), printed.last_line())
    printed.add(b"one\ntwo\n\n")
    assert ("two\n\n", "two") == (printed.since(4), printed.last_line())
    printed.add(b"x" * 3 * KEPT_BYTES)
    long = printed.since(0) or ""
    assert long.startswith(f"[cut: {9 + 3 * KEPT_BYTES} bytes in all] …xxx")
    assert KEPT_BYTES + 40 > len(long)
