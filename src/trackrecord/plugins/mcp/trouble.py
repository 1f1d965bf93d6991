"""Why a server cannot be talked to, and what that means for a call that waits for it."""

from __future__ import annotations

from dataclasses import dataclass

from trackrecord.plugins.protocol import ToolCallFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a server cannot be talked to.

    Attributes:
        why: goes on after its name.
        is_transient: another attempt makes sense.
        cause: as in `ToolCallFailed`.
    """

    why: str
    is_transient: bool = False
    cause: str = ""

    def failure(self, server: str, *, was_sent: bool = False) -> ToolCallFailed:
        """The same as a failed call that got no answer."""
        return ToolCallFailed(
            f"the MCP server {server!r} {self.why}",
            is_transient=self.is_transient,
            was_sent=was_sent,
            has_response=not was_sent,
            cause=self.cause,
        )


def unsent(failure: ToolCallFailed) -> ToolCallFailed:
    """The same failure as that of a call that never left: each who waited for one opening is told by one of its own."""
    return ToolCallFailed(
        str(failure),
        is_transient=failure.is_transient,
        was_sent=False,
        retry_after_s=failure.retry_after_s,
        cause=failure.cause,
        was_refused=failure.was_refused,
    )
