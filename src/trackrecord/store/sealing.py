"""Sealing of secrets: AES-256-GCM, a data key per secret, wrapped by the installation's key. Pure but for randomness.

Tenant, name and version are authenticated with both, so a row copied to another place does not open. Must never let a
key or a value into a message. `cryptography` is loaded with the first secret and not before: it costs 50 ms.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trackrecord.errors import BadSettings, StoreUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from trackrecord.config import SecretsSettings

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_MAKE_ONE: Final = "Make one with `openssl rand -base64 32` and keep it outside the database."


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The key of an installation, which wraps the data keys.

    Attributes:
        id: what is stored of it, so that another key is known as such; says nothing about it.
    """

    id: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a secret belongs; sealed in one place it opens in no other."""

    tenant_id: str
    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A secret as it is stored; every part but the id is base64.

    Attributes:
        key_id: of the key that wraps its data key.
        nonce: of the ciphertext.
        wrapped_key: nonce and wrapped data key.
        ciphertext: the value with its tag.
    """

    key_id: str
    nonce: str
    wrapped_key: str
    ciphertext: str


def key_of(settings: SecretsSettings) -> Key | None:
    """The key of an installation, from its settings or the file they name; None when there is none.

    Raises:
        BadSettings: it cannot be read, or is no key.
    """
    if settings.key is not None:
        return read_key(settings.key.get_secret_value(), "TRACKRECORD_SECRETS__KEY")
    return None if settings.key_file is None else read_key_file(Path(settings.key_file))


def read_key(text: str, source: str) -> Key:
    """The key written as base64 or hexadecimal; `source` names where it stands in errors.

    Raises:
        BadSettings: it is no key of 256 bits.
    """
    given = text.strip()
    try:
        raw = bytes.fromhex(given) if _HEX.fullmatch(given) else base64.b64decode(_standard(given), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise BadSettings(f"{source} holds no key of 32 bytes in base64 or hexadecimal", cure=_MAKE_ONE)
    return Key(id=hashlib.sha256(b"trackrecord secrets key\0" + raw).hexdigest()[:16], raw=raw)


def read_key_file(path: Path) -> Key:
    """The key in a file.

    Raises:
        BadSettings: it cannot be read, or holds no key.
    """
    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        reason = type(error).__name__ if isinstance(error, ValueError) else error.strerror
        raise BadSettings(
            f"the key file {str(path)!r} cannot be read: {reason}", cure="Mend TRACKRECORD_SECRETS__KEY_FILE."
        ) from None
    return read_key(text, f"the key file {str(path)!r}")


def seal(value: str, place: Place, key: Key) -> Sealed:
    """The value, sealed for its place."""
    data_key, nonce = os.urandom(KEY_BYTES), os.urandom(_NONCE_BYTES)
    ciphertext = _cipher(data_key).encrypt(nonce, value.encode(), _bound(place))
    return Sealed(
        key_id=key.id, nonce=_text(nonce), wrapped_key=_wrap(data_key, place, key), ciphertext=_text(ciphertext)
    )


def unseal(sealed: Sealed, place: Place, key: Key) -> str:
    """The value.

    Raises:
        BadSettings: it was sealed with another key.
        StoreUnusable: the row was changed, or copied from another place.
    """
    data_key = _unwrap(sealed, place, key)
    try:
        value = _cipher(data_key).decrypt(_bytes(sealed.nonce), _bytes(sealed.ciphertext), _bound(place))
    except _failures():
        raise _changed(place) from None
    return value.decode()


def rewrap(sealed: Sealed, place: Place, old: Key, new: Key) -> Sealed:
    """The same secret with its data key under another key; the value is not touched.

    Raises:
        BadSettings, StoreUnusable: as `unseal`.
    """
    wrapped = _wrap(_unwrap(sealed, place, old), place, new)
    return Sealed(key_id=new.id, nonce=sealed.nonce, wrapped_key=wrapped, ciphertext=sealed.ciphertext)


def check_key(key_id: str, key: Key, name: str) -> None:
    """Refuse a key that did not seal the secret.

    Raises:
        BadSettings: it is another one.
    """
    if key_id != key.id:
        raise BadSettings(
            f"the secret {name!r} was sealed with another key (id {key_id}) than the one given (id {key.id})",
            cure="Give the key it was sealed with: TRACKRECORD_SECRETS__KEY or TRACKRECORD_SECRETS__KEY_FILE.",
        )


def _wrap(data_key: bytes, place: Place, key: Key) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return _text(nonce + _cipher(key.raw).encrypt(nonce, data_key, _bound(place)))


def _unwrap(sealed: Sealed, place: Place, key: Key) -> bytes:
    check_key(sealed.key_id, key, place.name)
    wrapped = _bytes(sealed.wrapped_key)
    try:
        return _cipher(key.raw).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _bound(place))
    except _failures():
        raise _changed(place) from None


def _bound(place: Place) -> bytes:
    """What is authenticated with the ciphertext; a name holds no bar."""
    return f"{place.tenant_id}|{place.name}|{place.version}".encode()


def _changed(place: Place) -> StoreUnusable:
    return StoreUnusable(
        f"the secret {place.name!r} cannot be opened: its row was changed, or copied from another place",
        cure=f"Set it anew: trackrecord secrets set {place.name}.",
    )


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _failures() -> tuple[type[Exception], ...]:
    from cryptography.exceptions import InvalidTag

    return (InvalidTag, ValueError)  # the second for parts of a wrong length


def _standard(text: str) -> str:
    return text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""  # refused by the cipher
