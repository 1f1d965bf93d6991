"""Rules of the plugin `files`: one folder, no way out, bounded reads, whole writes."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trackrecord.errors import PluginError
from trackrecord.plugins import files
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import Invocation, ToolCallFailed
from trackrecord.plugins.registry import Registry
from trackrecord.plugins.root import Root

Use = Callable[..., Awaitable[Any]]

SECRET = "canary-7f3a"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "list": {},
    "info": {},
    "read": {},
    "read_lines": {},
    "read_csv": {},
    "write": {"text": "overwritten"},
    "append": {"text": "appended"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The plugin's folder, with a secret beside it and ways to it inside."""
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(SECRET)
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (inside / "sub" / "a.txt").write_text("alpha\n")
    (inside / "link").symlink_to(tmp_path / "secret.txt")
    (inside / "relative").symlink_to("../secret.txt")
    (inside / "out").symlink_to(tmp_path / "outside")
    (inside / "here").symlink_to("sub")
    (inside / "loop").symlink_to("loop")
    (inside / "self").symlink_to("/proc/self/cwd")
    return inside


@pytest.fixture
def plugin(folder: Path) -> FunctionPlugin:
    """The plugin over the folder."""
    return files.over(folder)


def outside(folder: Path) -> list[tuple[str, str]]:
    """Everything beside the folder, with its content: must never change."""
    beside = [path for path in folder.parent.rglob("*") if path.is_file() and folder not in path.parents]
    return sorted((str(path), path.read_text()) for path in beside)


ESCAPES = [
    "../secret.txt",
    "sub/../../secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "./../secret.txt",
    "link",
    "relative",
    "out/secret.txt",
    "out",
    "here/a.txt",
    "loop",
    "loop/x",
    "self/secret.txt",
    "a\x00b",
    "/proc/self/root/etc/passwd",
    "..",
    "sub/..",
    "x/" * 65 + "y",
]


@pytest.mark.parametrize("action", list(ARGUMENTS))
@pytest.mark.parametrize("path", ESCAPES)
async def test_no_path_leads_out(plugin: FunctionPlugin, folder: Path, action: str, path: str) -> None:
    """Climbing, absolute and linked paths are refused in clear words, for every action, and nothing outside changes."""
    before = outside(folder)
    if action == "info" and path in ("link", "relative", "out", "loop"):
        said = (await plugin.call(Invocation(action="info", arguments={"path": path}))).data
        assert isinstance(said, dict)
        assert ("link", None) == (said["kind"], said["size"])
        return
    with pytest.raises(ToolCallFailed, match=r"^path '") as caught:
        await plugin.call(Invocation(action=action, arguments={"path": path, **ARGUMENTS[action]}))
    assert (False, False) == (caught.value.is_transient, caught.value.was_sent)
    assert str(folder.parent) not in str(caught.value)
    assert before == outside(folder)


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "",
        "/",
        "sub",
        "a.txt",
        "link",
        "out",
        "here",
        "self",
        "loop",
        "secret.txt",
        "inside",
        "~",
        "\x00",
        "…",
    ]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.lists(PIECES | st.text(max_size=4), min_size=1, max_size=8).map("/".join),
    action=st.sampled_from(list(ARGUMENTS)),
)
@example(path="\ud800", action="write")
@example(path="sub/a.txt/b", action="append")
@example(path="n" * 300, action="write")
def test_no_made_up_path_leads_out(plugin: FunctionPlugin, folder: Path, path: str, action: str) -> None:
    """Whatever the path, a call answers from inside or fails in words; the outside is neither read nor changed."""
    before = outside(folder)
    answer: object
    try:
        answer = asyncio.run(plugin.call(Invocation(action=action, arguments={"path": path, **ARGUMENTS[action]})))
    except ToolCallFailed as refusal:
        answer = refusal
    assert SECRET not in str(answer)
    assert before == outside(folder)


async def test_a_folder_swapped_for_a_link_meanwhile_leads_nowhere(folder: Path) -> None:
    """However often a folder inside is swapped for a link to the outside, no read ever returns the outside."""
    plugin, stop = files.over(folder), threading.Event()
    (folder / "swap").mkdir()
    (folder / "swap" / "secret.txt").write_text("harmless")
    (folder / "trap").symlink_to(folder.parent / "outside")

    def swap() -> None:
        while not stop.is_set():
            os.rename(folder / "swap", folder / "real")
            os.rename(folder / "trap", folder / "swap")
            os.rename(folder / "swap", folder / "trap")
            os.rename(folder / "real", folder / "swap")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen: set[object] = set()
        tries = 0
        while tries < 1500 or ("harmless" not in seen and tries < 50_000):  # a busy machine may swap in step with us
            tries += 1
            try:
                data = (await plugin.call(Invocation(action="read", arguments={"path": "swap/secret.txt"}))).data
                seen.add(data["text"])  # type: ignore[index]
            except ToolCallFailed:
                seen.add("refused")
    finally:
        stop.set()
        swapper.join()
    assert seen <= {"harmless", "refused"}
    assert "harmless" in seen


@pytest.mark.parametrize("action", ["read", "read_lines", "read_csv", "write", "append"])
async def test_only_regular_files_are_opened(folder: Path, plugin: FunctionPlugin, action: str) -> None:
    """A pipe, a socket or a folder is refused at once, never waited for."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
        for path, words in (("pipe", "not a regular"), ("socket", "not a regular"), ("sub", "is a folder")):
            with pytest.raises(ToolCallFailed, match=words):
                await plugin.call(Invocation(action=action, arguments={"path": path, **ARGUMENTS[action]}))
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device")
async def test_a_device_is_never_read() -> None:
    """A device inside the folder is looked at, not opened."""
    with pytest.raises(ToolCallFailed, match="not a regular file"):
        await files.over("/dev").call(Invocation(action="read", arguments={"path": "zero"}))


@pytest.mark.parametrize(
    "options", [{}, {"root": ""}, {"root": 7}, {"root": "/no/such/folder"}, {"root": "/etc/passwd"}]
)
def test_the_folder_must_be_named_and_exist(options: dict[str, Any]) -> None:
    """Without a folder there is no plugin, and the error says how to name one."""
    with pytest.raises(PluginError) as caught:
        files.plugin(options)
    assert caught.value.cure


def test_effects_are_what_a_repeat_would_do(folder: Path) -> None:
    """Reading may be repeated, writing a whole file may be repeated under its key, appending never."""
    effects = {name: action.effect for name, action in files.plugin({"root": str(folder)}).actions.items()}
    reads = dict.fromkeys(["list", "info", "read", "read_lines", "read_csv"], "read")
    assert {**reads, "write": "keyed", "append": "unsafe"} == effects
    assert len(effects) == len(Registry([files.over(folder)]).actions("files"))


async def test_lists_by_name_with_kind_and_size(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """A listing is sorted, says what each entry is, and says when it is not all."""
    os.utime(folder / "sub", (0, 0))
    listed = await use(plugin, "list")
    assert ["here", "link", "loop", "out", "relative", "self", "sub"] == [item["name"] for item in listed["items"]]
    assert {"name": "sub", "kind": "folder", "size": None, "modified_at": "1970-01-01T00:00:00.000000Z"} == (
        listed["items"][-1]
    )
    assert {"items": [], "is_complete": True} == await use(plugin, "list", path="sub", pattern="*.csv")
    assert not (await use(plugin, "list", limit=3))["is_complete"]
    os.utime(folder / "sub" / "a.txt", (1, 1))
    assert [{"name": "a.txt", "kind": "file", "size": 6, "modified_at": "1970-01-01T00:00:01.000000Z"}] == (
        await use(plugin, "list", path="sub", pattern="?.t*")
    )["items"]


async def test_says_whether_something_is_there(plugin: FunctionPlugin, use: Use) -> None:
    """A file that is not there is an answer, not a failure."""
    assert {"exists": False, "kind": None, "size": None, "modified_at": None} == await use(
        plugin, "info", path="sub/no"
    )
    found = await use(plugin, "info", path="sub/a.txt")
    assert (True, "file", 6) == (found["exists"], found["kind"], found["size"])
    assert "folder" == (await use(plugin, "info", path="."))["kind"]


async def test_a_missing_file_is_a_failure_to_read(plugin: FunctionPlugin) -> None:
    """Reading what is not there fails for good, in words about the caller's path."""
    with pytest.raises(ToolCallFailed, match=r"path 'sub/no\.txt' does not exist") as caught:
        await plugin.call(Invocation(action="read", arguments={"path": "sub/no.txt"}))
    assert not caught.value.is_transient


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=60), step=st.integers(1, 7))
def test_reading_in_parts_gives_the_whole_text(plugin: FunctionPlugin, folder: Path, text: str, step: int) -> None:
    """Following next_offset neither loses nor repeats a character, wherever the parts are cut."""
    (folder / "parts.txt").write_bytes(text.encode())

    async def collect() -> str:
        parts, offset = "", 0
        while offset is not None:
            arguments = {"path": "parts.txt", "offset": offset, "max_characters": step}
            data: Any = (await plugin.call(Invocation(action="read", arguments=arguments))).data
            assert len(data["text"]) <= step
            parts, offset = parts + data["text"], data["next_offset"]
        return parts

    assert text.removeprefix("\ufeff") == asyncio.run(collect())


async def test_bytes_that_are_no_text_are_shown_as_such(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """Broken UTF-8 becomes visible replacement characters, and reading goes on behind it."""
    (folder / "broken").write_bytes(b"a\xff\xfeb\xc3")
    assert {"text": "a\ufffd\ufffdb\ufffd", "offset": 0, "next_offset": None, "size": 5} == (
        await use(plugin, "read", path="broken")
    )
    assert {"text": "\ufffdb", "offset": 2, "next_offset": 4, "size": 5} == (
        await use(plugin, "read", path="broken", offset=2, max_characters=2)
    )


async def test_a_large_file_is_read_in_part_and_beside_the_loop(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """Of a large file no more is returned than was asked for."""
    (folder / "large.txt").write_bytes(b"0123456789" * 300_000)
    data = await use(plugin, "read", path="large.txt")
    assert (100_000, 100_000, 3_000_000) == (len(data["text"]), data["next_offset"], data["size"])


async def test_reads_lines_from_a_line_on(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """A log can be followed: the next line to ask for is part of every answer."""
    (folder / "log").write_bytes(b"one\r\ntwo error\nthree\nfour error")
    first = await use(plugin, "read_lines", path="log", limit=2)
    assert ([{"line": 1, "text": "one"}, {"line": 2, "text": "two error"}], False, 3) == (
        first["items"],
        first["is_complete"],
        first["next_line"],
    )
    rest = await use(plugin, "read_lines", path="log", from_line=3)
    assert ([3, 4], True, 5) == ([item["line"] for item in rest["items"]], rest["is_complete"], rest["next_line"])
    assert {"items": [], "is_complete": True, "next_line": 9} == await use(
        plugin, "read_lines", path="log", from_line=9
    )
    errors = await use(plugin, "read_lines", path="log", contains="error", is_tail=True, limit=1)
    assert [{"line": 4, "text": "four error"}] == errors["items"]


async def test_an_endless_line_is_cut(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """A line longer than a line may be is cut, and the next one still has its number."""
    (folder / "long").write_bytes(b"x" * 300_000 + b"\nshort\n")
    items = (await use(plugin, "read_lines", path="long"))["items"]
    assert [(1, files.MAX_LINE_BYTES), (2, 5)] == [(item["line"], len(item["text"])) for item in items]


async def test_reads_csv_as_rows_by_name(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """Quoted cells, doubled names, missing and surplus cells and empty lines all come out as rows of text by name."""
    (folder / "t.csv").write_text('\ufeffname;city;;city\n"Ada; M.";Lyon;x;y\n\nBo\nCy;a;b;c;d\n', encoding="utf-8")
    data = await use(plugin, "read_csv", path="t.csv", delimiter=";")
    columns = ["name", "city", "column_3", "city~2", "column_5"]
    rows = [["Ada; M.", "Lyon", "x", "y", None], ["Bo", None, None, None, None], ["Cy", "a", "b", "c", "d"]]
    assert {
        "rows": [dict(zip(columns, row, strict=True)) for row in rows],
        "columns": columns,
        "is_complete": True,
        "next_skip": 3,
    } == data


async def test_reads_csv_in_parts_and_without_header(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """A table longer than the limit says so and can be gone on with."""
    (folder / "n.csv").write_text("1,a\n2,b\n3,c\n")
    first = await use(plugin, "read_csv", path="n.csv", has_header=False, limit=2)
    assert ([{"column_1": "1", "column_2": "a"}, {"column_1": "2", "column_2": "b"}], False, 2) == (
        first["rows"],
        first["is_complete"],
        first["next_skip"],
    )
    rest = await use(plugin, "read_csv", path="n.csv", has_header=False, skip=2)
    assert ([{"column_1": "3", "column_2": "c"}], True) == (rest["rows"], rest["is_complete"])


async def test_a_file_that_is_no_table_is_refused(plugin: FunctionPlugin, folder: Path) -> None:
    """A cell without end is an error that names the line, not a wait for memory to run out."""
    (folder / "bad.csv").write_text('a,b\n1,"' + "x" * 200_000)
    with pytest.raises(ToolCallFailed, match="not readable as CSV at line"):
        await plugin.call(Invocation(action="read_csv", arguments={"path": "bad.csv"}))


async def test_writes_whole_files_in_one_step(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """A write makes its folders, replaces in one step, keeps the file's mode and leaves no draft behind."""
    first = await use(plugin, "write", path="new/deep/r.txt", text="größe")
    target = folder / "new" / "deep" / "r.txt"
    target.chmod(0o600)
    second = await use(plugin, "write", path="new/deep/r.txt", text="2")
    assert ((False, 7), (True, 1)) == (
        (first["was_replaced"], first["bytes_written"]),
        (second["was_replaced"], second["bytes_written"]),
    )
    assert ("2", 0o600, ["r.txt"]) == (target.read_text(), target.stat().st_mode & 0o777, os.listdir(target.parent))


async def test_a_write_that_cannot_be_keeps_the_old_file(plugin: FunctionPlugin, folder: Path) -> None:
    """A name that the file system refuses leaves neither a file nor a draft."""
    before = sorted(os.listdir(folder))
    with pytest.raises(ToolCallFailed, match="File name too long"):
        await plugin.call(Invocation(action="write", arguments={"path": "n" * 300, "text": "x"}))
    assert before == sorted(os.listdir(folder))


async def test_appends_at_the_end(plugin: FunctionPlugin, folder: Path, use: Use) -> None:
    """Appending makes the file if need be and never touches what is there."""
    await use(plugin, "append", path="log/today.txt", text="a\n")
    assert {"path": "log/today.txt", "bytes_written": 2, "size": 4} == (
        await use(plugin, "append", path="log/today.txt", text="b\n")
    )
    assert "a\nb\n" == (folder / "log" / "today.txt").read_text()


async def test_leaves_no_file_open(plugin: FunctionPlugin, folder: Path) -> None:
    """A thousand calls, refused ones too, leave no descriptor behind."""
    gc.collect()  # of the tests before
    before = len(os.listdir("/proc/self/fd"))
    for path in ["sub/a.txt", "link", "../x", "sub", "sub/a.txt/x"] * 200:
        for action in ("read", "info"):
            try:
                await plugin.call(Invocation(action=action, arguments={"path": path}))
            except ToolCallFailed:
                continue
    assert before == len(os.listdir("/proc/self/fd"))
    root = Root(folder)
    del root
    assert before == len(os.listdir("/proc/self/fd"))
