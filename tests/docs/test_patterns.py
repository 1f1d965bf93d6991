"""Each control-flow pattern of the list has a section with agents that really run, made of the steps it names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest
import yaml
from tests.docs import pages
from tests.docs.pages import HOW_TO, Block, code

from trackrecord import Agent

PAGE = HOW_TO / "control-flow-patterns.md"
PATTERNS = {
    "Sequence": 1,
    "Parallel Split": 2,
    "Synchronization": 3,
    "Exclusive Choice": 4,
    "Simple Merge": 5,
    "Multi-Choice": 6,
    "Structured Synchronizing Merge": 7,
    "Structured Discriminator": 9,
    "Structured Loop": 21,
    "Multiple Instances with a priori Design-Time Knowledge": 13,
    "Multiple Instances with a priori Run-Time Knowledge": 14,
    "Multiple Instances without a priori Run-Time Knowledge": 15,
    "Deferred Choice": 16,
    "Milestone": 18,
    "Cancel Activity": 19,
    "Cancel Case": 20,
}
_NAMED = re.compile(r"\[(.+)\]\(#(.+)\)")


def section(heading: str) -> tuple[Block, ...]:
    """The blocks between a heading and the next one of its rank, in order."""
    lines = PAGE.read_text().splitlines()
    first = lines.index(f"## {heading}") + 1
    last = next((number for number, line in enumerate(lines[first:], first) if line.startswith("## ")), len(lines))
    return tuple(block for block in pages.blocks(PAGE) if first < block.line <= last)


def commands(blocks: tuple[Block, ...]) -> Iterator[tuple[str, ...]]:
    """What is typed in these blocks, without comments."""
    for block in blocks:
        for line in block.text.splitlines() if block.language == "sh" else ():
            yield tuple(shlex.split(line, comments=True))


def words(value: Any) -> Iterator[str]:
    """Every field of a definition, and every type of step."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from (name, *([str(inner)] if name == "type" else []), *words(inner))
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from words(inner)


def test_every_pattern_is_in_the_table_with_its_number() -> None:
    """The table has the patterns of the list, each with its number in the catalogue and a link to its section."""
    table = pages.table(PAGE, "Control-flow patterns")
    named = [_NAMED.fullmatch(cell) for cell in table.column("pattern")]
    assert None not in named
    numbers = [int(cell.removeprefix("WCP-")) for cell in table.column("number")]
    assert list(PATTERNS.items()) == [(one[1], number) for one, number in zip(named, numbers, strict=True) if one]
    assert [name for name in PATTERNS if name in pages.headings(PAGE)] == list(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_has_an_agent_that_is_run(pattern: str) -> None:
    """Its section has agents with steps; each of them is run there, and what comes of it is shown.

    That the page is true is for `test_examples` to say, which plays it.
    """
    blocks = section(pattern)
    files = {str(block.file): block for block in blocks if block.language == "yaml" and block.file is not None}
    assert files
    run = [command[2] for command in commands(blocks) if command[:2] == ("trackrecord", "run")]
    assert set(files) == set(run)
    for file, block in files.items():
        agent = Agent.from_mapping(yaml.safe_load(block.text))
        assert agent.workflow is not None, file
        assert agent.model is None, f"{file} asks a model"
    shown = [first for first, then in pairwise(blocks) if then.language == "text"]
    assert {"sh"} <= {block.language for block in shown}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_is_made_of_what_the_table_says(pattern: str) -> None:
    """The steps and fields named in the table stand in its agents, or are explained in the text as the other way."""
    table = pages.table(PAGE, "Control-flow patterns")
    made = dict(zip(PATTERNS, table.column("made of"), strict=True))[pattern]
    blocks = section(pattern)
    used = {word for block in blocks if block.language == "yaml" for word in words(yaml.safe_load(block.text))}
    used |= {" ".join(command[:2]) for command in commands(blocks)}
    first, *others = (set(code(way)) for way in re.split(r",? or |; or ", made))
    assert any(way <= used for way in (first, *others)), f"{made} is not what {sorted(used)} is made of"
    text = PAGE.read_text().partition(f"## {pattern}\n")[2].partition("\n## ")[0]
    assert set() == {name for way in (first, *others) for name in way if name not in used and f"`{name}`" not in text}
