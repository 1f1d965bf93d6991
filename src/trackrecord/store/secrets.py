"""Secrets at rest: the table `secrets`, which holds sealed values only. Opens one when a call needs it.

Must never hand a value to anybody but who asks for it by handle, and never write one anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from trackrecord import clock
from trackrecord.canonical import Json
from trackrecord.errors import BadInput, BadSettings
from trackrecord.record.redact import MIN_SECRET_LENGTH
from trackrecord.store import statements
from trackrecord.store.door import Door
from trackrecord.store.driver import Connection
from trackrecord.store.sealing import Key, Place, Sealed, check_key, rewrap, seal, unseal
from trackrecord.store.writer import Writer

MOST_BYTES: Final = 64 * 1024
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_NO_KEY: Final = (
    "Set TRACKRECORD_SECRETS__KEY, or TRACKRECORD_SECRETS__KEY_FILE to a file that holds it; "
    "`openssl rand -base64 32` makes one."
)


class SqliteSecrets:
    """Implements `Credentials`, and what the command line does with secrets."""

    def __init__(self, writer: Writer, door: Door, key: Key | None) -> None:
        """Read through `door`; write through `writer`; seal and open with `key`."""
        self._writer = writer
        self._door = door
        self._key = key

    def open(self, tenant_id: str, names: Iterable[str]) -> dict[str, str]:
        """The values of these secrets by name; those that are not stored are left out.

        Raises:
            BadSettings: there is no key, or it is another one.
            StoreError: they cannot be read, or a row was changed.
        """
        opened: dict[str, str] = {}
        for name in names:
            rows = self._door.rows(statements.SELECT_SECRET, (tenant_id, name))
            for version, *parts in rows:
                place = Place(tenant_id=tenant_id, name=name, version=version)
                opened[name] = unseal(_sealed(tuple(parts)), place, self.key())
        return opened

    def check(self, tenant_id: str, wanted: Iterable[str]) -> None:
        """Refuse to start with a key that fits no stored secret, or without one that is going to be needed.

        Raises:
            BadSettings: the key is another one than sealed a secret, or there is none and a wanted one is stored.
        """
        rows = self._door.rows(statements.SELECT_SECRETS, (tenant_id,))
        if self._key is None:
            if any(row[0] in set(wanted) for row in rows):
                self.key()
            return
        for name, _, key_id, *_ in rows:
            check_key(key_id, self._key, name)

    def key(self) -> Key:
        """The installation's key.

        Raises:
            BadSettings: there is none.
        """
        if self._key is None:
            raise BadSettings("there is no key to seal and open secrets with", cure=_NO_KEY)
        return self._key

    async def put(self, tenant_id: str, name: str, value: str) -> int:
        """Seal a value under its name, in place of what was there; its version.

        Raises:
            BadInput: name or value cannot be used. BadSettings: there is no key, or it is another one.
            StoreError: it could not be stored.
        """
        _check(name, value)
        key = self.key()
        self.check(tenant_id, ())

        def write(connection: Connection) -> int:
            found = connection.execute(statements.SELECT_SECRET, (tenant_id, name)).fetchone()
            place = Place(tenant_id=tenant_id, name=name, version=1 if found is None else int(found[0]) + 1)
            connection.execute(statements.DELETE_SEALED, (tenant_id, name))
            connection.execute(statements.INSERT_SECRET, _stored(place, seal(value, place, key)))
            return place.version

        return await self._writer.written(write)

    async def delete(self, tenant_id: str, name: str) -> None:
        """Forget a secret.

        Raises:
            BadInput: there is no such secret. StoreError: it could not be deleted.
        """

        def write(connection: Connection) -> int:
            return connection.execute(statements.DELETE_SEALED, (tenant_id, name)).rowcount

        if await self._writer.written(write) == 0:
            raise _unknown(name)

    async def rotate(self, tenant_id: str, new: Key) -> int:
        """Wrap every secret under a new key, all of them or none; how many.

        Raises:
            BadSettings: there is no key, or it is another one. StoreUnusable: a row was changed.
            StoreError: it could not be stored.
        """
        old = self.key()
        rows = self._door.rows(statements.SELECT_SECRETS, (tenant_id,))

        def wrapped(row: tuple[Any, ...]) -> tuple[str, str, str, str, int]:
            name, version, *_ = row
            place = Place(tenant_id=tenant_id, name=name, version=version)
            sealed = rewrap(_sealed(row[2:6]), place, old, new)
            return sealed.key_id, sealed.wrapped_key, tenant_id, name, version

        changes = [wrapped(row) for row in rows]

        def write(connection: Connection) -> int:
            return sum(connection.execute(statements.SAVE_WRAPPING, change).rowcount for change in changes)

        count = await self._writer.written(write)
        self._key = new
        return count


def listed(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """What may be shown of secrets: name, version, id of the key, and since when."""
    return [{name: row[name] for name in ("name", "version", "key_id", "created_at")} for row in rows]


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} is no name of a secret",
            cure="Use lower-case letters, digits, `_`, `-` and `.`, starting with a letter, 64 at most.",
        )
    if len(value.strip()) < MIN_SECRET_LENGTH:
        raise BadInput(
            f"the value of {name!r} has fewer than {MIN_SECRET_LENGTH} characters: it could not be told from ordinary "
            "words and taken out of records",
            cure="Give a longer one.",
        )
    if len(value.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise BadInput(f"the value of {name!r} has more than 64 KiB", cure="Keep a file as a file.")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BadInput(f"the value of {name!r} is no text", cure="Encode it, for instance in base64.")


def _unknown(name: str) -> BadInput:
    return BadInput(f"there is no secret {name!r}", cure=f"Set it: trackrecord secrets set {name}.")


def _sealed(row: tuple[Any, ...]) -> Sealed:
    key_id, nonce, wrapped_key, ciphertext = row
    return Sealed(key_id=key_id, nonce=nonce, wrapped_key=wrapped_key, ciphertext=ciphertext)


def _stored(place: Place, sealed: Sealed) -> tuple[str | int, ...]:
    return (
        place.tenant_id,
        place.name,
        place.version,
        sealed.key_id,
        sealed.nonce,
        sealed.wrapped_key,
        sealed.ciphertext,
        clock.stamp(clock.now()),
    )
