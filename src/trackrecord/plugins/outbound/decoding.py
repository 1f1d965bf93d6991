"""Bodies, decoded piece by piece and never beyond a bound: a bomb costs no more than the bound. Pure.

Takes `gzip` and `deflate`, one coding at a time; others are not asked for, and refused when sent.
"""

from __future__ import annotations

import zlib
from typing import Final, Protocol

ACCEPTED: Final = "gzip, deflate"
_MOST_MEMBERS: Final = 1_000  # of one gzip file: each takes time and may hold nothing


class BadBody(Exception):
    """A body that is too large or cannot be decoded; asking again would give the same."""


class Decoder(Protocol):
    """Takes a body in pieces, and gives it decoded."""

    def add(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            BadBody: it makes the body larger than the bound, or does not decode.
        """
        ...

    def finish(self) -> bytes:
        """The whole body.

        Raises:
            BadBody: its end is missing.
        """
        ...


def decoder(coding: str, most_bytes: int) -> Decoder:
    """What decodes a body of this Content-Encoding, `most_bytes` at most, encoded or decoded.

    Raises:
        BadBody: there is no such coding, or more than one.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return _Plain(most_bytes)
    if name in ("gzip", "x-gzip", "deflate"):
        return _Zlib(most_bytes, is_gzip=name != "deflate")
    raise BadBody(f"its Content-Encoding {name[:50]!r} was not asked for")


def too_large(most_bytes: int) -> BadBody:
    """The failure of a body beyond the bound."""
    return BadBody(f"its body is larger than {most_bytes} bytes")


class _Plain:
    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._body = bytearray()

    def add(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._most_bytes:
            raise too_large(self._most_bytes)
        self._body += data

    def finish(self) -> bytes:
        return bytes(self._body)


class _Zlib:
    def __init__(self, most_bytes: int, *, is_gzip: bool) -> None:
        self._most_bytes = most_bytes
        self._window = zlib.MAX_WBITS | (16 if is_gzip else 0)
        self._is_gzip = is_gzip
        self._inflater = zlib.decompressobj(self._window)
        self._body = bytearray()
        self._encoded_count = 0
        self._member_count = 1

    def add(self, data: bytes) -> None:
        is_first = self._encoded_count == 0 and bool(data)
        self._encoded_count += len(data)
        if self._encoded_count > self._most_bytes:  # a coding may swallow without end and give nothing
            raise too_large(self._most_bytes)
        if is_first and not self._is_gzip and not _has_zlib_header(data):
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # what many a server calls deflate
        while data:
            data = self._inflate(data)

    def finish(self) -> bytes:
        if self._encoded_count and not self._inflater.eof:
            raise BadBody("its encoded body has no end")
        return bytes(self._body)

    def _inflate(self, data: bytes) -> bytes:
        if self._inflater.eof:
            self._next_member()
        room = self._most_bytes - len(self._body) + 1  # never 0, which zlib takes for no bound
        try:
            self._body += self._inflater.decompress(data, room)
        except zlib.error:
            raise BadBody("its encoded body does not decode") from None
        if len(self._body) > self._most_bytes:
            raise too_large(self._most_bytes)
        return self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail

    def _next_member(self) -> None:
        self._member_count += 1
        if not self._is_gzip or self._member_count > _MOST_MEMBERS:
            raise BadBody("its encoded body does not end where it should")
        self._inflater = zlib.decompressobj(self._window)


def _has_zlib_header(data: bytes) -> bool:
    # RFC 1950: method 8, and the two bytes are a multiple of 31; one byte alone decides by the method
    return data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0)
