"""The process that every killed process is forked from has run the workflow once: what that loads lazily is loaded.

Nothing of it is left behind: no thread, no socket, no file.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import threading
from pathlib import Path

from tests.crash import story
from tests.crash.server import counting


async def _warm_up(folder: Path) -> None:
    with counting() as server:
        async with story.opened(folder, server.port) as tr:
            await tr.run(story.worker(), {})
            await story.carried(tr, server.port)


if multiprocessing.parent_process() is None:  # imported by the one that forks, not by a fork of it
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_warm_up(Path(folder)))
    assert threading.active_count() == 1, threading.enumerate()
