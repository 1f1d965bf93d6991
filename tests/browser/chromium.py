"""The Chromium of this machine, driven by Playwright: the one the distribution ships, none that is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
CURE: Final = "there is no Chromium on this machine. On Debian: apt-get install chromium"


def chromium() -> str:
    """Where it is.

    Raises:
        LookupError: it is not there; says how to get it.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise LookupError(CURE)
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser that has no window and reaches nothing.

    Raises:
        LookupError: there is none on this machine.
    """
    path = chromium()
    with sync_playwright() as playwright:
        # no sandbox: it needs rights that a container does not give, and the pages are our own
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()
