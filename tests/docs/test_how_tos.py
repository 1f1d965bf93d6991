"""The how-to pages explain every word they are about, and links lead where they say."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args

import pytest
from tests.docs import pages, shown
from tests.docs.pages import DOCS, HOW_TO, code, names, only

import trackrecord
from trackrecord import SyncTrackrecord, Trackrecord
from trackrecord.agent import tables as agent_tables
from trackrecord.parity import VERDICTS
from trackrecord.parity.checklist import _CHECKS
from trackrecord.plugins.mcp import definition
from trackrecord.plugins.protocol import EffectClass
from trackrecord.verify.rules import RULES

EMBED = HOW_TO / "embed-in-python.md"


def test_verdicts() -> None:
    """Each verdict of parity is explained."""
    assert list(VERDICTS) == names(HOW_TO / "compare-two-engines.md", "Verdicts", "verdict")


def test_checklist() -> None:
    """The eight lines of the checklist are named."""
    text = (HOW_TO / "compare-two-engines.md").read_text().replace("\n", " ")
    assert f"in eight lines: {', '.join(_CHECKS)}." in text


def test_checks_of_verify() -> None:
    """Each check is there with its rule, word for word."""
    table = pages.table(HOW_TO / "verify-and-rebuild.md", "Checks")
    assert {name: one.rule for name, one in RULES.items()} == {only(name): rule for name, rule in table.rows}


def test_effects() -> None:
    """Each effect class is explained."""
    assert list(get_args(EffectClass)) == names(HOW_TO / "write-a-plugin.md", "Effects", "effect")


def test_fields_of_mcp_servers() -> None:
    """Each field of the operator's file is explained, with the kind of server it is of."""
    started, reached = set(definition._STDIO), set(definition._HTTP)
    expected = {name: "both" if name in reached else "started" for name in started}
    expected |= dict.fromkeys(reached - started, "reached")
    table = pages.table(HOW_TO / "use-mcp-servers.md", "Name the servers")
    assert expected == {only(name): of for name, of, _ in table.rows}
    limits = next(row[2] for row in table.rows if only(row[0]) == "limits")
    assert list(definition._LIMITS) == code(limits)


def test_payload_policies() -> None:
    """Each choice and each content is explained, with its default."""
    page = HOW_TO / "keep-more-or-less.md"
    choices, contents = pages.tables(page)
    assert agent_tables.PAYLOADS["inputs"].choices == tuple(only(cell) for cell in choices.column("policy"))
    expected = {name: shown.default(field) for name, field in agent_tables.PAYLOADS.items()}
    assert expected == {only(name): default for name, default, _ in contents.rows}


def test_exported_names() -> None:
    """Each name that the package exports is there, and the attributes that are told of it are its own."""
    table = pages.table(EMBED, "Names")
    assert trackrecord.__all__ == names(EMBED, "Names", "name")
    for name, told in table.rows:
        told_of = [one.split(".")[-1].split("(")[0] for one in code(told)]
        assert [] == [one for one in told_of if not hasattr(getattr(trackrecord, only(name)), one)]


@pytest.mark.parametrize("owner", [SyncTrackrecord, Trackrecord], ids=lambda owner: owner.__name__)
def test_methods(owner: type) -> None:
    """Each public method is named on the page about embedding."""
    known = {name for name, value in vars(owner).items() if not name.startswith("_") and callable(value)}
    text = EMBED.read_text()
    assert known
    assert set() == {name for name in known if f"`{name}`" not in text and f"`{name}()`" not in text}


def test_arguments_of_trackrecord() -> None:
    """Each argument that makes a `Trackrecord` is named."""
    told = next(one for one in code(EMBED.read_text().replace("```", "")) if one.startswith("Trackrecord(database"))
    known = [name for name in inspect.signature(Trackrecord).parameters if name != "database"]
    assert known == [one.partition("=")[0].strip() for one in told.rstrip(")").split(",")[1:]]


def test_arguments_of_run() -> None:
    """Each argument of `Trackrecord.run` beside the agent is explained."""
    table = pages.table(EMBED, "What else run takes")
    known = [name for name in inspect.signature(Trackrecord.run).parameters if name not in ("self", "agent")]
    assert known == [name for cell in table.column("argument") for name in code(cell)]


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_links_resolve(page: Path) -> None:
    """A link leads to a file of the project, and its anchor to a heading there; nothing leads outside."""
    for line, target in pages.links(page):
        place, _, anchor = target.partition("#")
        assert "://" not in place, f"line {line}: {target}"
        found = (page.parent / place).resolve() if place else page
        assert found.exists(), f"line {line}: {target}"
        if anchor:
            assert anchor in pages.anchors(found), f"line {line}: {target}"


def test_every_page_is_in_the_index() -> None:
    """Every page under docs is linked from its index."""
    index = DOCS / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for _, target in pages.links(index)}
    assert set() == {pages.name_of(page) for page in DOCS.rglob("*.md") if page != index and page not in linked}
