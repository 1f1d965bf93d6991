"""Frames of the socket between us and a warden: four bytes of length, then that many bytes. Pure."""

from __future__ import annotations

from struct import Struct
from typing import Final

SIZE: Final = Struct(">I")


def frame(body: bytes) -> bytes:
    """The body with its length before it."""
    return SIZE.pack(len(body)) + body
