"""The page of the ten likeliest mistakes. That its answers are true is tried out with every other page."""

from __future__ import annotations

from itertools import pairwise

from tests.docs import pages
from tests.docs.pages import HOW_TO

PAGE = HOW_TO / "mend-the-ten-likeliest-mistakes.md"


def answers() -> list[tuple[str, str]]:
    """The commands of each block, and the answer that is shown right after it."""
    blocks = pages.blocks(PAGE)
    return [
        (one.text, after.text) for one, after in pairwise(blocks) if (one.language, after.language) == ("sh", "text")
    ]


def test_there_are_ten() -> None:
    """Numbered, each with a command and its answer."""
    numbered = [heading for heading in pages.headings(PAGE) if heading[0].isdigit()]
    assert [str(number) for number in range(1, 11)] == [heading.partition(".")[0] for heading in numbered]
    assert len(answers()) >= len(numbered)


def test_each_is_refused_with_its_cure() -> None:
    """Every command that is refused has an error in the answer, and every error a line after it that helps."""
    for commands, answer in answers():
        refused = commands.count("# exit 2")
        lines = answer.splitlines()
        errors = [place for place, line in enumerate(lines) if line.startswith("error: ")]
        assert refused == len(errors) > 0, commands
        assert len(lines) - 1 not in errors, commands
        assert not [line for place, line in enumerate(lines) if place - 1 in errors and line.startswith("error: ")]
        assert "Traceback" not in answer
