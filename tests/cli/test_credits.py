"""`trackrecord credits`: granting, showing, taking back and refunding; a run that is refused says what cures it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from tests.cli.conftest import Type

from trackrecord.tenancy import LOCAL_USER


@pytest.fixture(autouse=True)
def kept(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in the folder one works in."""
    monkeypatch.setenv("TRACKRECORD_DB", "sqlite:///kept.db")


def test_an_account_from_grant_to_refund(typed: Type) -> None:
    """Four credits pay for one run of three and a last one; then nothing runs until more is granted."""
    told = typed("credits", "grant", "4", "--note", "to begin with")
    assert f"user {LOCAL_USER}: 4 credits left, 0 held, 0 charged, 4 granted\n" == told.out
    first = typed("run", "echo.yaml")
    page = typed("show", "last").out
    assert "4 held · 3 charged" in " ".join(page.split())
    second = typed("run", "echo.yaml")
    assert (0, 1) == (first.code, second.code)
    assert "over budget" in second.err
    assert "all that its held credits (1) pay for" in second.err
    refused = typed("run", "echo.yaml")
    assert 2 == refused.code
    assert "has 0 credits left" in refused.err
    assert "trackrecord credits grant N" in " ".join(refused.err.split())
    assert 2 == len(cast("list[Any]", typed("runs", "--json").json))
    assert typed("credits", "refund", "1", "--run", "last", "--note", "it said too little").code == 0
    assert "1 given back" in " ".join(typed("show", "last").out.split())
    [account] = cast("list[dict[str, Any]]", typed("credits", "show", "--json").json)
    assert {"user_id": LOCAL_USER, "balance": 1, "held": 0, "charged": 3, "granted": 4} == account
    typed("credits", "take", "1", "--note", "closed")
    assert "0 credits left, 0 held, 3 charged, 3 granted" in typed("credits", "show", LOCAL_USER).out
    record = cast("dict[str, Any]", typed("show", "last", "--json").json)
    assert ["hold", "charge", "release", "adjust"] == [one["kind"] for one in record["credits"]]
    assert 0 == typed("verify").code


def test_another_users_account(typed: Type) -> None:
    """Each user has an account of their own; nobody's is shown as such."""
    typed("credits", "grant", "7", "--user", "ada")
    assert "user ada: 7 credits left" in typed("credits", "show", "ada").out
    assert "no credit account is kept here" in typed("credits", "show", "bob").err
    assert 0 == typed("run", "echo.yaml").code  # this installation's own user has none, and is metered


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("give", "4"), "there is no action 'give'"),
        (("grant",), "'grant' takes an amount"),
        (("grant", "0"), "'0' is no amount of credits"),
        (("grant", "1.5"), "'1.5' is no amount of credits"),
        (("grant", "many"), "'many' is no amount of credits"),
        (("grant", "9" * 40), "is no amount of credits"),
        (("grant", "4", "--run", "last"), "'grant' takes no run"),
        (("refund", "4"), "'refund' takes a run"),
        (("take", "4"), "a correction without a reason"),
        (("take", "400", "--note", "x"), "400 credits cannot be taken: the balance is 9"),
        (("take", "4", "--note", "x", "--user", "bob"), "user 'bob' has no credit account"),
        (("grant", "4", "--user", " "), "user_id is ' '"),
        (("grant", "4", "--note", "x" * 600), "a note of 600 characters is too long"),
    ],
)
def test_what_makes_no_sense_is_refused(typed: Type, words: tuple[str, ...], message: str) -> None:
    """A clear error with a cure, and the account stays as it was."""
    typed("credits", "grant", "9")
    done = typed("credits", *words)
    assert (2, True) == (done.code, message in " ".join(done.err.split()))
    [account] = cast("list[dict[str, Any]]", typed("credits", "show", "--json").json)
    assert 9 == account["balance"] == account["granted"]
