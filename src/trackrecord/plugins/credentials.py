"""The secrets of one call, by handle. Holds them for as long as the call takes, and shows none of them."""

from __future__ import annotations

from trackrecord.plugins.protocol import ToolCallFailed


class Credentials(dict[str, str]):
    """Values by handle; asking for one that is not there fails the call with the cure."""

    def __missing__(self, handle: str) -> str:
        """Fail the call: it provably never left.

        Raises:
            ToolCallFailed: always.
        """
        raise ToolCallFailed(
            f"there is no secret {handle!r} for this plugin: it must declare the handle, and "
            f"`trackrecord secrets set {handle}` must have stored it",
            was_sent=False,
        )

    def __repr__(self) -> str:
        """The handles alone."""
        return f"Credentials({', '.join(map(repr, self))})"
