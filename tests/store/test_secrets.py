"""Secrets at rest: sealed for one place, opened by one key, and in no sink but the call that was given them."""

from __future__ import annotations

import base64
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.store import runs

from trackrecord import FunctionPlugin, Trackrecord
from trackrecord.config import read_settings
from trackrecord.errors import BadInput, BadSettings, StoreUnusable, TrackrecordError
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import ModelReply, ModelRequest, ToolRequest
from trackrecord.plugins.protocol import Invocation
from trackrecord.record.redact import forms
from trackrecord.store.sealing import Key, read_key
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT

CANARY = 'canary-"7f\\3a&value'
KEY, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
ENGINES = ("agentkit", "orchestrator")


def key(text: str = KEY) -> Key:
    return read_key(text, "the test's key")


def opened(path: Path, given: Key | None = None) -> SqliteStore:
    return SqliteStore.open(path, synchronous="NORMAL", key=given)


def everything(path: Path) -> str:
    """Every byte of the database and of what stands beside it, and every value of every table."""
    files = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    rows = [str(value) for rows in runs.contents(path).values() for row in rows for value in row]
    return "\n".join([files.decode("latin-1"), *rows])


def found(text: str, value: str = CANARY) -> set[str]:
    """Spellings of the value that stand in the text."""
    return {form for form in forms(value) if form in text}


async def test_what_was_set_is_opened(path: Path) -> None:
    """A value comes back as it was, after its place was taken by a newer version too, and stands nowhere."""
    store = opened(path, key())
    assert 1 == await store.secrets.put(LOCAL_TENANT, "crm", "an older value")
    assert 2 == await store.secrets.put(LOCAL_TENANT, "crm", CANARY)
    assert {"crm": CANARY} == store.secrets.open(LOCAL_TENANT, ["crm", "missing"])
    await store.close()
    assert set() == found(everything(path)) | found(everything(path), "an older value")
    assert 1 == runs.count(path, "secrets")


@pytest.mark.parametrize(
    "change",
    [
        "tenant_id = '00000000-0000-7000-8000-00000000000f'",
        "name = 'other'",
        "version = 2",
        "nonce = 'AAAAAAAAAAAAAAAA'",
        "ciphertext = 'AAAA' || substr(ciphertext, 5)",
        "wrapped_key = 'AAAA' || substr(wrapped_key, 5)",
        "wrapped_key = ''",
        "ciphertext = '?'",
    ],
)
async def test_a_row_opens_in_its_own_place_only(path: Path, change: str) -> None:
    """Copied to another tenant, name or version, or changed in any part, it does not open."""
    store = opened(path, key())
    await store.secrets.put(LOCAL_TENANT, "crm", CANARY)
    connection = runs.look(path)
    connection.execute(f"UPDATE secrets SET {change}")
    [(tenant, name)] = connection.execute("SELECT tenant_id, name FROM secrets").fetchall()
    connection.close()
    with pytest.raises(StoreUnusable, match="was changed, or copied from another place") as caught:
        store.secrets.open(tenant, [name])
    assert set() == found(str(caught.value))
    await store.close()


async def test_a_swapped_value_does_not_open(path: Path) -> None:
    """The ciphertext of one secret under the data key of another opens nothing."""
    store = opened(path, key())
    for name in ("one", "two"):
        await store.secrets.put(LOCAL_TENANT, name, f"{CANARY} {name}")
    connection = runs.look(path)
    connection.execute(
        "UPDATE secrets SET (nonce, ciphertext) = (SELECT nonce, ciphertext FROM secrets WHERE name = 'two') "
        "WHERE name = 'one'"
    )
    connection.close()
    with pytest.raises(StoreUnusable):
        store.secrets.open(LOCAL_TENANT, ["one"])
    await store.close()


async def test_another_key_is_refused_by_name(path: Path) -> None:
    """A wrong key opens nothing, seals nothing beside what is there, and is told apart from a changed row."""
    store = opened(path, key())
    await store.secrets.put(LOCAL_TENANT, "crm", CANARY)
    await store.close()
    store = opened(path, key(OTHER))
    for attempt in (
        lambda: store.secrets.open(LOCAL_TENANT, ["crm"]),
        lambda: store.secrets.check(LOCAL_TENANT, ()),
    ):
        with pytest.raises(BadSettings, match="sealed with another key"):
            attempt()
    with pytest.raises(BadSettings, match="sealed with another key"):
        await store.secrets.put(LOCAL_TENANT, "other", CANARY)
    await store.close()


async def test_rotation_wraps_all_or_none(path: Path) -> None:
    """After it the new key opens every secret and the old one none; a changed row stops it before anything changes."""
    store = opened(path, key())
    for name in ("one", "two"):
        await store.secrets.put(LOCAL_TENANT, name, f"{CANARY} {name}")
    before = runs.contents(path)["secrets"]
    assert 2 == await store.secrets.rotate(LOCAL_TENANT, key(OTHER))
    expected = {name: f"{CANARY} {name}" for name in ("one", "two")}
    assert expected == store.secrets.open(LOCAL_TENANT, ["one", "two"])
    after = runs.contents(path)["secrets"]
    assert [row[6] for row in before] == [row[6] for row in after]  # the values themselves were not touched
    assert set() == {row[5] for row in before} & {row[5] for row in after}
    await store.close()

    store = opened(path, key())
    with pytest.raises(BadSettings):
        store.secrets.open(LOCAL_TENANT, ["one"])
    await store.close()
    connection = runs.look(path)
    connection.execute("UPDATE secrets SET wrapped_key = 'AAAA' WHERE name = 'two'")
    connection.close()
    changed = runs.contents(path)["secrets"]
    store = opened(path, key(OTHER))
    with pytest.raises(StoreUnusable):
        await store.secrets.rotate(LOCAL_TENANT, key())
    await store.close()
    assert changed == runs.contents(path)["secrets"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Crm", CANARY, "no name of a secret"),
        ("a|b", CANARY, "no name of a secret"),
        ("", CANARY, "no name of a secret"),
        ("crm", "short", "fewer than 6 characters"),
        ("crm", "      ", "fewer than 6 characters"),
        ("crm", CANARY * 10_000, "more than 64 KiB"),
        ("crm", f"{CANARY}\x00", "no text"),
        ("crm", f"{CANARY}\ud800", "no text"),
    ],
)
async def test_what_cannot_be_kept_is_refused_without_being_shown(
    path: Path, name: str, value: str, words: str
) -> None:
    """Names that could mean two places, values that could not be redacted: refused, and never quoted."""
    store = opened(path, key())
    with pytest.raises(BadInput, match=words) as caught:
        await store.secrets.put(LOCAL_TENANT, name, value)
    assert set() == found(f"{caught.value}{caught.value.cure}")
    await store.close()


@pytest.mark.parametrize("text", [KEY, KEY.rstrip("="), bytes([1]).hex() * 32, f"  {KEY}\n", "-_" * 21 + "8="])
def test_a_key_is_read_in_either_writing(text: str) -> None:
    """Base64 of both alphabets, with and without padding, or hexadecimal."""
    assert 32 == len(key(text).raw)


@pytest.mark.parametrize("text", ["", "canary-key", KEY[:-8], KEY + "AAAA", "ü" * 43, "g" * 64])
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    """Neither the message nor the key's own text shows it."""
    with pytest.raises(BadSettings, match="the test's key holds no key of 32 bytes") as caught:
        key(text)
    assert not text or text not in f"{caught.value}{caught.value.cure}"
    assert "raw" not in repr(key())


# ------------------------------------------------------------------------------------------------ in whole runs


def plugin() -> FunctionPlugin:
    """A plugin that is given `crm` and spells it in everything it says."""
    made = FunctionPlugin("leaky", description="Tells what it should not.", credentials=("crm",))

    @made.action(effect="read")
    async def tell(call: Invocation) -> Any:
        """Say it in every way there is."""
        secret = call.credentials["crm"]
        logging.getLogger("leaky").warning("called")
        spelt = base64.b64encode(secret.encode()).decode()
        return {"plain": secret, secret: [secret], "base64": spelt, "hex": secret.encode().hex()}

    @made.action(effect="read")
    async def fail(call: Invocation) -> None:
        """Say it in an error."""
        raise ValueError(f"401 for {call.credentials['crm']}")

    return made


STEPS = [
    {"id": "tell", "type": "action", "plugin": "leaky", "action": "tell"},
    {"id": "fail", "type": "action", "plugin": "leaky", "action": "fail", "on_error": "continue"},
    {"id": "say", "type": "transform", "operation": "set", "value": "{{ steps.tell.data.plain }}"},
]


def answer(request: ModelRequest) -> ModelReply:
    """Ask for both actions, then repeat what they said."""
    last = request.messages[-1]
    if last.role == "tool":
        return ModelReply(text=f"It is {last.text}")
    names = ("leaky__tell", "leaky__fail")
    return ModelReply(tool_requests=tuple(ToolRequest(id=name, name=name, arguments={}) for name in names))


def installation(path: Path, text: str | None, *plugins: FunctionPlugin) -> Trackrecord:
    settings = read_settings(db=f"sqlite:///{path}", secrets={"key": text}, retry={"max_attempts": 1})
    models = {kit.MODEL: CallableModel(answer)}
    return Trackrecord(plugins=plugins, models=models, settings=settings, synchronous="NORMAL")


@pytest.mark.parametrize("payloads", ["redacted", "full"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_secret_reaches_the_call_and_no_sink(
    path: Path,
    engine: str,
    payloads: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Set while the program runs and opened by handle, it is in no table, log, output, error or answer."""
    agent = kit.agent(
        STEPS if engine == "orchestrator" else None,
        plugins_required=["leaky"],
        payloads=dict.fromkeys(("inputs", "outputs", "tools"), payloads),
    )
    async with installation(path, KEY, plugin()) as tr:
        await tr.set_secret("crm", CANARY)
        run = await tr.run(agent, {}, engine=engine)
    assert "completed" == run.status, run.record.ending
    told = f"{run.output}{run.record}{capfd.readouterr()}{caplog.text}{tr.__dict__!r}"
    assert set() == found(everything(path)) | found(told)
    assert "[redacted]" in everything(path)


async def test_a_secret_given_as_an_input_is_redacted_too(path: Path) -> None:
    """What was stored before the program began is known from its start, wherever it turns up."""
    async with installation(path, KEY, plugin()) as tr:
        await tr.set_secret("crm", CANARY)
    async with installation(path, KEY, plugin()) as tr:
        run = await tr.run(kit.agent(STEPS, plugins_required=["leaky"]), {"note": f"use {CANARY}"})
    assert "completed" == run.status
    assert set() == found(everything(path))


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_secret_that_is_not_there_fails_the_call_with_its_cure(path: Path, engine: str) -> None:
    """The call fails before anything is sent, and says which secret to set."""
    agent = kit.agent(STEPS[:1] if engine == "orchestrator" else None, plugins_required=["leaky"])
    async with installation(path, KEY, plugin()) as tr:
        run = await tr.run(agent, {}, engine=engine)
    stored = everything(path)
    assert ("failed" if engine == "orchestrator" else "completed") == run.status
    assert "there is no secret 'crm' for this plugin" in stored
    assert "trackrecord secrets set crm" in stored


async def test_a_program_with_a_wrong_key_does_not_start(path: Path) -> None:
    """Another key is refused when the database is opened; none is, where a connected plugin wants a stored secret."""
    async with installation(path, KEY) as tr:
        await tr.set_secret("crm", CANARY)
    with pytest.raises(BadSettings, match="sealed with another key"):
        await installation(path, OTHER).open()
    with pytest.raises(BadSettings, match="no key to seal and open secrets with"):
        await installation(path, None, plugin()).open()
    async with installation(path, None):
        pass  # nobody asks for a secret here


async def test_a_plugin_gets_what_it_declares_only(path: Path) -> None:
    """Another plugin's secret is not among those of a call."""
    other = FunctionPlugin("other", description="Wants nothing.")

    @other.action(effect="read")
    async def look(call: Invocation) -> list[str]:
        """Tell which handles there are."""
        return list(call.credentials)

    step = {"id": "look", "type": "action", "plugin": "other", "action": "look"}
    async with installation(path, KEY, plugin(), other) as tr:
        await tr.set_secret("crm", CANARY)
        run = await tr.run(kit.agent([step], plugins_required=["other"]), {})
    assert ("completed", []) == (run.status, run.output)


@pytest.mark.parametrize("credentials", ["crm", ["crm"], (1,)])
def test_handles_are_a_tuple_of_text(credentials: Any) -> None:
    """What a plugin declares is checked when it is connected."""

    class Odd(FunctionPlugin):
        pass

    made = Odd("odd")
    Odd.credentials = credentials  # type: ignore[method-assign]

    @made.action
    async def act() -> None:
        """Do nothing."""

    with pytest.raises(TrackrecordError, match="credentials of plugin 'odd'"):
        Trackrecord(f"sqlite:///{os.devnull}x", plugins=[made])
