"""The page of a verification: a line per rule, then every row that breaks one. And what a rebuild did. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, paragraph, table
from trackrecord.cli.signs import mark
from trackrecord.cli.units import count, many
from trackrecord.store.differences import shown

if TYPE_CHECKING:
    from trackrecord.store.differences import Difference
    from trackrecord.store.rebuild import Rebuilt
    from trackrecord.verify import Check, Verification

_MOST: Final = 20


def verification_page(found: Verification, look: Look) -> str:
    """Every check, then the findings, then the verdict."""
    columns = (Column(), Column(title="rule", least=20), Column(title="looked at", is_right=True), Column(least=12))
    rows = [
        (
            mark(look, check.is_clean),
            check.title,
            count(check.counted),
            _remark(check),
        )
        for check in found.checks
    ]
    lines = [*table(look, columns, rows), ""]
    for check in found.checks:
        lines += _findings(check, look)
    return "\n".join([*lines, verdict_line(found, look)])


def verdict_line(found: Verification, look: Look) -> str:
    """The verdict on one line."""
    off = [check for check in found.checks if not check.is_clean]
    if not off:
        return f"{mark(look, True)} {many(len(found.checks), 'rule')} hold: everything equals its recount"
    rows = sum(check.finding_count for check in off)
    broken = f"{many(len(off), 'rule')} of {len(found.checks)} {'is' if len(off) == 1 else 'are'} broken"
    return f"{mark(look, False)} {broken}, by {many(rows, 'finding')}"


def rebuilt_page(done: Rebuilt, look: Look) -> str:
    """What was rewritten, and what was left for a person to judge."""
    lines: list[str] = []
    if done.changes:
        lines += [
            look.heading(f"Rewritten: {many(len(done.changes), 'figure')}"),
            *_differences(done.changes, look, was_mended=True),
            "",
        ]
    if done.unreadable:
        title = f"Left alone, for it cannot be added up: {many(len(done.unreadable), 'row')}"
        lines += [look.heading(title), *_differences(done.unreadable, look), ""]
    if done.differing_count:
        title = f"Records that differ from their spans: {many(done.differing_count, 'figure')}, not touched"
        lines += [look.heading(title), *_differences(done.differing, look), ""]
    is_well = not done.unreadable and not done.differing_count
    said = (
        "statistics and intensity were right already"
        if not done.changes
        else "statistics and intensity are right again"
    )
    left = "" if is_well else "; what is named above no program can mend"
    sign = mark(look, True) if is_well else look.paint("!", "yellow")
    return "\n".join([*lines, f"{sign} {said}{left}"])


def _remark(check: Check) -> str:
    parts = [many(check.finding_count, "finding") if check.finding_count else ""]
    parts.append(f"{count(check.unchecked)} could not be checked" if check.unchecked else "")
    return ", ".join(part for part in parts if part)


def _findings(check: Check, look: Look) -> list[str]:
    if check.is_clean:
        return []
    lines = [f"{mark(look, False)} {look.heading(check.title)}"]
    lines += [look.dim(f"  {part}") for part in paragraph(line(check.rule), look.width - 2)]
    lines += _by_row(((one.table, one.row, one.message) for one in check.findings[:_MOST]), look)
    if check.finding_count > _MOST:
        lines.append(look.dim(f"  {many(check.finding_count - _MOST, 'more finding')}: --json has them"))
    return [*lines, ""]


def _differences(found: Sequence[Difference], look: Look, *, was_mended: bool = False) -> list[str]:
    told = ((one.table, one.row, _mended(one) if was_mended else one.message) for one in found[:_MOST])
    lines = _by_row(told, look)
    if len(found) > _MOST:
        lines.append(look.dim(f"  {count(len(found) - _MOST)} more: --json has them"))
    return lines


def _mended(one: Difference) -> str:
    return f"{one.column or 'the row'} was {shown(one.stored)}, is {shown(one.derived)} now"


def _by_row(told: Iterable[tuple[str, str, str]], look: Look) -> list[str]:
    """Messages under the row they are about, which is named once for all that follow each other."""
    lines: list[str] = []
    named = ""
    for table_name, row, message in told:
        where = " ".join(part for part in (table_name, row) if part) or "the file"
        if where != named:
            lines += [f"  {part}" for part in paragraph(line(where, 400), look.width - 2)]
            named = where
        lines += [f"    {part}" for part in paragraph(line(message, 800), look.width - 4)]
    return lines
