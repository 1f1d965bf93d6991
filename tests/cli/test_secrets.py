"""`trackrecord secrets`: values come in by stdin, and never come out again."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from tests.cli.conftest import Type
from tests.store.test_secrets import everything, found

CANARY = "canary-7f3a-value"
KEY, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installation's key, and a value on standard input."""
    monkeypatch.setenv("TRACKRECORD_SECRETS__KEY", KEY)
    monkeypatch.setenv("TRACKRECORD_DB", "sqlite:///kept.db")
    pipe(monkeypatch, f"{CANARY}\n")


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.mark.usefixtures("piped")
def test_set_list_delete(desk: Path, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is set, listed by name and version, set again, and deleted; its value is nowhere."""
    told = [typed("secrets", "set", "crm")]
    pipe(monkeypatch, CANARY)
    told += [typed("secrets", "set", "crm"), typed("secrets", "list"), typed("secrets", "list", "--json")]
    assert ["crm is kept, version 1\n", "crm is kept, version 2\n"] == [one.out for one in told[:2]]
    assert told[2].out.startswith("crm  version 2  set 20")
    [row] = told[3].json  # type: ignore[misc]
    assert {"name", "version", "key_id", "created_at"} == set(row)
    told += [typed("secrets", "delete", "crm"), typed("secrets", "list")]
    assert ("crm is gone\n", "", "no secret is kept here") == (told[4].out, told[5].out, told[5].err[:22])
    assert [0] * 6 == [one.code for one in told]
    shown = "".join(one.out + one.err for one in told)
    assert set() == found(shown, CANARY) | found(everything(desk / "kept.db"), CANARY)


@pytest.mark.usefixtures("piped")
def test_rotate(typed: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The new key comes from standard input; from then on it is the one that works, from a file as well."""
    typed("secrets", "set", "crm")
    pipe(monkeypatch, f"{OTHER}\n")
    assert "1 secret wrapped under the new key: give that one from now on\n" == typed("secrets", "rotate").out
    pipe(monkeypatch, CANARY)
    refused = typed("secrets", "set", "crm")
    assert (2, True) == (refused.code, "was sealed with another key" in refused.err)
    assert set() == found(refused.err, KEY) | found(refused.err, OTHER) | found(refused.err, CANARY)
    monkeypatch.delenv("TRACKRECORD_SECRETS__KEY")
    (tmp_path / "new.key").write_text(f"{OTHER}\n")
    monkeypatch.setenv("TRACKRECORD_SECRETS__KEY_FILE", str(tmp_path / "new.key"))
    pipe(monkeypatch, CANARY)
    assert "crm is kept, version 2\n" == typed("secrets", "set", "crm").out


@pytest.mark.usefixtures("piped")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("set",), "'set' takes a name"),
        (("list", "crm"), "'list' takes no name"),
        (("show", "crm"), "there is no action 'show'"),
        (("set", "CRM"), "'CRM' is no name of a secret"),
        (("delete", "crm"), "there is no database"),
        (("rotate",), "there is no database"),
        (("set", "crm", CANARY), "one argument too many"),
    ],
)
def test_what_cannot_be_done(typed: Type, words: tuple[str, ...], message: str) -> None:
    """Each mistake is told; nothing was done."""
    told = typed("secrets", *words)
    assert (2, True) == (told.code, message in told.err), told.err
    assert CANARY not in told.err


@pytest.mark.usefixtures("piped")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TRACKRECORD_SECRETS__KEY", "canary-no-key", "TRACKRECORD_SECRETS__KEY holds no key of 32 bytes"),
        ("TRACKRECORD_SECRETS__KEY", "", "there is no key to seal and open secrets with"),
        ("TRACKRECORD_SECRETS__KEI", "canary-no-key", "there is no setting TRACKRECORD_SECRETS__KEI"),
    ],
)
def test_a_key_that_cannot_be_used(
    typed: Type, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    """What is wrong with the key is told by the variable's name, and never by its value."""
    monkeypatch.setenv(name, value)
    told = typed("secrets", "set", "crm")
    assert (2, True) == (told.code, message in told.err), told.err
    assert "canary" not in told.out + told.err


@pytest.mark.usefixtures("piped")
def test_a_key_file_that_cannot_be_read(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file is told by its path."""
    monkeypatch.delenv("TRACKRECORD_SECRETS__KEY")
    monkeypatch.setenv("TRACKRECORD_SECRETS__KEY_FILE", "nowhere.key")
    told = typed("secrets", "set", "crm")
    assert (2, True) == (told.code, "the key file 'nowhere.key' cannot be read" in told.err), told.err


@pytest.mark.usefixtures("piped")
def test_nothing_on_standard_input(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty value is a mistake, not a secret."""
    pipe(monkeypatch, "\n")
    told = typed("secrets", "set", "crm")
    assert (2, True) == (told.code, "there is no value of crm on standard input" in told.err)
