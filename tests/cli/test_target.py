"""Files that commands write: looked at before anything runs, whole or as they were."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.cli.conftest import Type

from trackrecord.cli import target as module
from trackrecord.cli.target import target, targets
from trackrecord.errors import BadInput, TrackrecordError


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone/page.html", "there is no folder"),
        ("folder", "is a folder"),
        ("", "is no name of a file"),
        ("a\0b", "is no name of a file"),
        ("echo.yaml/page.html", "there is no folder"),
        ("x" * 300, "too long"),
    ],
)
@pytest.mark.parametrize("option", ["--html", "--junit"])
def test_a_bad_path_is_told_before_anything_runs(option: str, name: str, said: str, typed: Type, desk: Path) -> None:
    """Even before the agent's file is read: there is none."""
    (desk / "folder").mkdir()
    done = typed("parity", "gone.yaml", option, name)

    assert (2, "") == (done.code, done.out)
    assert said in done.err
    assert option in done.err
    assert "gone.yaml" not in done.err


def test_two_things_are_not_written_to_one_place(typed: Type) -> None:
    """Neither a file nor standard output."""
    for words in (("--html", "x", "--junit", "./x"), ("--html", "-", "--junit", "-"), ("--html", "-", "--json")):
        assert 2 == typed("parity", "both.yaml", *words).code


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """With the rights it had, through the link it is, and nothing beside it is left."""
    file, link = tmp_path / "page.html", tmp_path / "link.html"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    target("--html", str(link)).write("new\n")

    assert ("new\n", 0o640, True) == (file.read_text(), stat.S_IMODE(file.stat().st_mode), link.is_symlink())
    assert ["link.html", "page.html"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    """What the user's mask leaves."""
    target("--html", str(tmp_path / "page.html")).write("new")
    (tmp_path / "other").write_text("")

    assert (tmp_path / "other").stat().st_mode == (tmp_path / "page.html").stat().st_mode


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file, and nothing beside it."""
    file = tmp_path / "page.html"
    file.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(TrackrecordError, match="No space left"):
        target("--html", str(file)).write("new")
    assert ["page.html"] == [path.name for path in tmp_path.iterdir()]
    assert "old" == file.read_text()


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither a file nor a change to one."""
    assert tmp_path / "page.html" == target("--html", str(tmp_path / "page.html")).path
    assert [] == list(tmp_path.iterdir())


def test_a_device_is_written_as_it_is(tmp_path: Path) -> None:
    """A pipe is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    target("--html", str(pipe)).write("new")

    assert b"new" == os.read(reading, 100)
    os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_takes_the_place_of_the_page(typed: Type) -> None:
    """And of nothing else: what is said stays on stderr."""
    typed("run", "echo.yaml")
    done = typed("show", "--html", "-")

    assert done.out.startswith("<!doctype html>\n")
    assert done.out.endswith("</html>\n")
    assert "" == done.err


def test_show_writes_the_page_and_says_so(typed: Type, desk: Path) -> None:
    """Nothing on stdout, or the JSON when that was asked for."""
    typed("run", "echo.yaml")
    done = typed("show", "--html", "page.html")
    size = (desk / "page.html").stat().st_size

    assert (0, "", f"html: {desk / 'page.html'}, {size:,} bytes\n") == (done.code, done.out, done.err)
    assert isinstance(typed("show", "--html", "page.html", "--json").json, dict)


def test_what_was_not_asked_for_is_not_there() -> None:
    """No option, no file."""
    assert {} == targets([("--html", None), ("--junit", None)])
    with pytest.raises(BadInput, match="would both print"):
        targets([("--html", "-")], is_stdout_free=False)
