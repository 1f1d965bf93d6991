"""Regular expressions from users, on an engine of linear time, and bounded besides. Pure.

RE2 has no backreferences and no look-around; a pattern finds a match anywhere unless it is anchored with ^ and $.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from trackrecord.workflow.bounds import MAX_SOURCE_BYTES, ExpressionError, Meter

Search = Callable[[str, Meter], bool]
_MAX_MEMORY_BYTES: Final = 2 * 2**20
_STEPS_PER_VALUE: Final = 100  # of its slow path, 5 ns each: a value is half a microsecond at the worst


@lru_cache(maxsize=64)
def compile_pattern(pattern: str) -> Search:
    """A function that says whether the pattern matches somewhere in a text.

    Raises:
        ExpressionError: it is no regular expression, or too large.
    """
    import re2  # pyright: ignore[reportMissingTypeStubs]  # 8 ms of start-up that only patterns have to pay; no stubs

    engine: Any = re2
    if len(pattern) > MAX_SOURCE_BYTES:
        raise ExpressionError(f"the pattern is longer than {MAX_SOURCE_BYTES:,} characters", "Write a shorter one.")
    options = engine.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    try:
        compiled = engine.compile(pattern.encode(errors="replace"), options)
    except engine.error as error:
        said: object = error.args[0] if error.args else ""
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        shown = pattern if len(pattern) <= 60 else f"{pattern[:60]}…"
        raise ExpressionError(f"{shown!r} is no regular expression: {reason!r}", "Write it in RE2 syntax.") from None
    size = int(compiled.programsize)

    def search(text: str, meter: Meter) -> bool:
        meter.spend(len(text) * size // _STEPS_PER_VALUE)
        return compiled.search(text.encode(errors="replace")) is not None

    return search
