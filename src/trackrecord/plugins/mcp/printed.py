"""What a server writes beside its messages: to stderr, and to stdout where it should not. The end of it is kept."""

from __future__ import annotations

from typing import Final

KEPT_BYTES: Final = 8_192


class Printed:
    """The last few KiB of a stream of text, and how much there was in all."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.size = 0
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        """Take what was written."""
        self.size += len(data)
        self._kept += data[-KEPT_BYTES:]
        del self._kept[:-KEPT_BYTES]

    def since(self, size: int) -> str | None:
        """What was written after the first `size` bytes, its beginning cut if it is long; None when nothing was."""
        new = self.size - size
        if new <= 0:
            return None
        text = bytes(self._kept[-new:]).decode(errors="replace")
        return text if new <= len(self._kept) else f"[cut: {new} bytes in all] …{text}"

    def last_line(self) -> str:
        """The last line that says anything, 300 characters at most; empty when there is none."""
        lines = [line.strip() for line in bytes(self._kept).decode(errors="replace").splitlines()]
        return next((line[:300] for line in reversed(lines) if line), "")
