"""`make screenshots`: real runs, every page of them in light and dark, wide and narrow, and what the commands print.

Writes PNG files into the folder named on the command line; made to be looked at by whoever changed how something looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from tests.browser.chromium import browser, chromium
from tests.browser.gallery import AGENTS, Live, make

from trackrecord.store.reader import RunFilter, SqliteReader

SCHEMES: Final = ("light", "dark")
WIDTHS: Final = (1280, 390)
DRAWN: Final = ("triage", "storm", "night", "cancelled", "wrecked")
SHOWN: Final = ("triage", "triage-workflow", "storm", "night", "cancelled", "wrecked", "wide", "killed")
_INK: Final = [
    (40, 42, 46),
    (204, 36, 29),
    (60, 140, 60),
    (181, 137, 0),
    (38, 110, 190),
    (150, 80, 150),
    (20, 140, 150),
]
_THEME: Final = TerminalTheme((22, 24, 28), (222, 226, 230), [*_INK, (222, 226, 230)], None)
_MOVES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Zhl]|\r")
_FRAME: Final = (
    "<!doctype html><meta charset=utf-8><body style='margin:0;background:#16181c'>"
    "<pre style='font:14px/1.25 \"DejaVu Sans Mono\",monospace;padding:16px;margin:0;color:#dee2e6'>{code}</pre>"
)


def main(folder: Path) -> int:
    """Make them all; the exit code."""
    chromium()  # before anything runs
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as kept, contextlib.ExitStack() as opened:
        work = Path(kept)
        live = Live()
        made = asyncio.run(make(work, live=live))
        made["killed"] = killed(work)
        started = opened.enter_context(browser())  # Playwright has a loop of its own: after ours
        pages = {f"show-{name}": ("show", made[name]) for name in SHOWN}
        pages["parity-well"] = ("parity", made["triage"], made["triage-workflow"])
        pages["parity-off"] = ("parity", made["storm"], made["night"])
        for name, words in pages.items():
            file = work / f"{name}.html"
            typed(work, [*words, "--html", str(file)])
            photograph(started, folder, name, file)
        drawings = {f"graph-{name}": made[name] for name in DRAWN} | {"graph-nested": str(AGENTS / "nested.yaml")}
        for name, what in drawings.items():
            file = work / f"{name}.svg"
            typed(work, ["graph", what, "-o", str(file)])
            photograph(started, folder, name, file)
        for name, (words, columns, colour) in _commands(made).items():
            frame(started, folder / f"terminal-{name}.png", typed(work, words, columns, has_colour=colour), columns)
        for number, lines in enumerate(live.frames):
            frame(started, folder / f"terminal-live-{number}.png", "\n".join(lines), 80)
    print(f"{len(list(folder.glob('*.png')))} screenshots in {folder}")
    return 0


def _commands(made: dict[str, str]) -> dict[str, tuple[Sequence[str], int, bool]]:
    at_80 = {
        **{f"show-{name}": ("show", made[name]) for name in SHOWN},
        "show-all": ("show", made["night"], "--all"),
        "runs": ("runs",),
        "agents": ("agents",),
        "stats": ("stats", "night-batch"),
        "intensity": ("intensity", "storm-desk"),
        "parity-well": ("parity", made["triage"], made["triage-workflow"]),
        "parity-off": ("parity", made["storm"], made["night"]),
        "graph": ("graph", made["wrecked"]),
        "verify": ("verify",),
        "rebuild": ("rebuild",),
        "secrets": ("secrets", "list"),
        "check": ("check", str(AGENTS / "night.yaml")),
        "run-fails": ("run", str(AGENTS / "wrecked.yaml")),
        "demo": ("demo",),
        "front": ("--help",),
        "help": ("parity", "--help"),
    }
    chosen: dict[str, tuple[Sequence[str], int, bool]] = {name: (words, 80, True) for name, words in at_80.items()}
    chosen["show-storm-plain"] = (("show", made["storm"]), 80, False)
    chosen["show-storm-60"] = (("show", made["storm"]), 60, True)
    chosen["show-storm-160"] = (("show", made["storm"]), 160, True)
    chosen["runs-60"] = (("runs",), 60, True)
    return chosen


def killed(work: Path) -> str:
    """A run whose process was killed while a tool was at work, ended by the sweep of the next one."""
    words = [sys.executable, "-m", "trackrecord", "run", str(AGENTS / "long.yaml"), "--db", _url(work)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = _awaited(work, "running")
    time.sleep(1)  # its first turn is stored by then
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(2)  # its lease has to run out first
        typed(work, ["run", str(AGENTS / "wrecked.yaml")])
        with SqliteReader(work / "runs.db") as reader:
            if reader.execution(run)["status"] == "abandoned":
                return run
    raise RuntimeError("the sweep did not end the run that was killed")


def _awaited(work: Path, status: str) -> str:
    """The id of a run of the long agent, once it has that status."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with SqliteReader(work / "runs.db") as reader:
            for row in reader.runs(RunFilter(status=status)):
                return str(row["id"])
        time.sleep(0.1)
    raise RuntimeError(f"no run is {status}")


def photograph(started: Browser, folder: Path, name: str, file: Path) -> None:
    """A page in every look."""
    for scheme in SCHEMES:
        for columns in WIDTHS:
            page = started.new_page(viewport={"width": columns, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
            if file.suffix == ".svg":  # on a page: Playwright cannot photograph one that stands alone
                page.set_content(f"<!doctype html><body style='margin:0'>{file.read_text()}")
            else:
                page.goto(file.as_uri())
            page.screenshot(path=folder / f"{name}-{scheme}-{columns}.png", full_page=True)
            page.close()


def frame(started: Browser, file: Path, text: str, columns: int) -> None:
    """What a terminal of so many columns shows."""
    console = Console(record=True, file=io.StringIO(), width=columns, force_terminal=True, color_system="standard")
    console.print(Text.from_ansi(text, no_wrap=True), soft_wrap=True)
    page = started.new_page(viewport={"width": 9 * columns + 32, "height": 200})
    page.set_content(console.export_html(theme=_THEME, code_format=_FRAME, inline_styles=True))
    page.screenshot(path=file, full_page=True)
    page.close()


def typed(work: Path, words: Sequence[str], columns: int = 80, *, has_colour: bool = True) -> str:
    """What a command prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    told = {"TRACKRECORD_DB": _url(work), "XDG_DATA_HOME": str(work / "data"), "TERM": "xterm-256color"}
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")} | told
    if not has_colour:
        environment["NO_COLOR"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-m", "trackrecord", *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    text = b"".join(_read(ours)).decode(errors="replace").replace("\r\n", "\n")
    process.wait()
    return _MOVES.sub("", text.rpartition("\x1b[2K")[2]).rstrip()  # what a live view had drawn is gone


def _read(ours: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the other end is gone
            break
        if not data:
            break
        yield data
    os.close(ours)


def _url(work: Path) -> str:
    return f"sqlite:///{work / 'runs.db'}"


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")))
    except LookupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
