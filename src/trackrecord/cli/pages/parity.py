"""The parity table: what two runs left, section by section, field by field where it is interesting, and the checklist.

Pure. Says the same three times nowhere: a field that stands alike in all three JSON documents of a run is one line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trackrecord.canonical import Json, encode_clean
from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, Style, joined, pad, paragraph, table, width, wrapped
from trackrecord.cli.signs import mark, run_state
from trackrecord.cli.units import count, many
from trackrecord.parity.comparison import VERDICTS, Check, Compared, Comparison, Finding, Verdict

_DOCUMENTS: Final = ("logs", "run_output", "full_output")
_TOGETHER: Final = "logs, run_output, full_output"
_CALL: Final = re.compile(r"^toolCalls\[\d+\]")
_STYLES: Final[dict[Verdict, tuple[Style, ...]]] = {
    "differs": ("red", "bold"),
    "not observed": ("red",),
    "other work": ("yellow",),
    "equal by rule": ("dim",),
    "equal": ("dim",),
}
_QUIET: Final = frozenset({"equal", "equal by rule"})
_OFF: Final = frozenset({"differs", "not observed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line: a field of one section, or the same one in the three documents."""

    section: str
    name: str
    finding: Finding


def parity_page(found: Comparison, look: Look, *, same_work: bool = False, is_whole: bool = False) -> str:
    """The page; `is_whole` lists every field, else only those that are more than equal."""
    return "\n".join(
        [
            *_runs(found, look),
            "",
            *_table(found, look, is_whole=is_whole),
            "",
            *_checklist(found.checklist, found.right, look),
            "",
            *_verdict(found, look, same_work=same_work),
        ]
    )


def _runs(found: Comparison, look: Look) -> list[str]:
    columns = (Column(title="parity"), Column(title="engine"), Column(title="status"), Column(title="run", least=14))
    rows = [
        (side, line(run.engine, 20), run_state(look, run.status), run.run_id)
        for side, run in (("left", found.left), ("right", found.right))
    ]
    lines = table(look, columns, rows)
    if found.left.is_recomputed or found.right.is_recomputed:
        lines.append(look.dim("what they added to the sums is recomputed from their spans"))
    return lines


def _table(found: Comparison, look: Look, *, is_whole: bool) -> list[str]:
    """One table over all sections, so that its columns stand below each other; a section begins with its counts."""
    rows = _rows(found.findings, is_whole=is_whole)
    shown: list[tuple[_Row | None, tuple[str, ...]]] = []
    begins: dict[int, str] = {}
    for name in dict.fromkeys(row.section for row in rows):
        begins[len(shown)] = begins.get(len(shown), "") + f"{_heading(name, found.findings, look)}\n"
        own = [row for row in rows if row.section == name and (is_whole or row.finding.verdict not in _QUIET)]
        calls = [row for row in own if not is_whole and _is_other_call(row)]
        shown += [(row, _cells(row, look)) for row in own if row not in calls]
        if calls:
            shown.append((None, _calls(calls, look)))
    columns = (
        Column(title="field", least=24),
        Column(title=line(found.left.engine, 20), is_right=True, least=6, most=18),
        Column(title=line(found.right.engine, 20), is_right=True, least=6, most=18),
        Column(title="verdict"),
    )
    head, *drawn = table(look, columns, [cells for _, cells in shown], indent=2) or [""]
    lines = [head] if drawn else []
    for place, text in enumerate(drawn):
        lines += _begun(begins.get(place), is_first=not place)
        lines.append(text)
        reason = _reason(shown[place][0])
        is_told_below = place + 1 < len(shown) and place + 1 not in begins and _reason(shown[place + 1][0]) == reason
        if reason and not is_told_below:
            lines += [look.dim(f"      {part}") for part in paragraph(line(reason), look.width - 6)]
    return [*lines, *_begun(begins.get(len(drawn)), is_first=not drawn)]


def _reason(row: _Row | None) -> str:
    """Why a field is off; empty when it is not. Told once under those that are so for the same reason."""
    return row.finding.reason if row is not None and row.finding.verdict in _OFF else ""


def _begun(headings: str | None, *, is_first: bool) -> list[str]:
    """Headings of sections that begin here; those without a line of their own stand close together."""
    return [] if headings is None else ["" for _ in range(not is_first)] + headings.rstrip("\n").split("\n")


def _heading(section: str, findings: Iterable[Finding], look: Look) -> str:
    inside = section.split(", ")
    counted = Counter(one.verdict for one in findings if one.field.partition(".")[0] in inside)
    told = [
        look.paint(f"{counted[verdict]:,} {verdict}", *_STYLES[verdict]) for verdict in VERDICTS if counted[verdict]
    ]
    head = f"{look.heading(section)}  {joined(told)}"
    return head if width(head) <= look.width else "\n".join([look.heading(section), *wrapped(told, columns=look.width)])


def _rows(findings: Iterable[Finding], *, is_whole: bool) -> list[_Row]:
    rows: dict[tuple[object, ...], _Row] = {}
    for finding in findings:
        section, _, name = finding.field.partition(".")
        if is_whole or section not in _DOCUMENTS:
            rows[(finding.field,)] = _Row(section=section, name=name, finding=finding)
        else:
            key = (name, finding.verdict, _text(finding.left), _text(finding.right))
            rows.setdefault(key, _Row(section=_TOGETHER, name=name, finding=finding))
    return list(rows.values())


def _is_other_call(row: _Row) -> bool:
    return row.finding.verdict == "other work" and _CALL.match(row.name) is not None


def _calls(rows: Sequence[_Row], look: Look) -> tuple[str, ...]:
    """One line for tool calls that were made in another order: field by field they only say so again and again."""
    places = {match.group() for row in rows if (match := _CALL.match(row.name))}
    return (
        f"toolCalls[…] of {many(len(places), 'call')}",
        many(len(rows), "field"),
        "",
        look.paint("other work", *_STYLES["other work"]),
    )


def _cells(row: _Row, look: Look) -> tuple[str, ...]:
    finding = row.finding
    verdict = look.paint(finding.verdict, *_STYLES[finding.verdict])
    return line(row.name, 60), _text(finding.left), _text(finding.right), verdict


def _text(value: Json) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    return line(value if isinstance(value, str) else encode_clean(value), 40)


def _checklist(checks: Sequence[Check], right: Compared, look: Look) -> list[str]:
    wide = max(len(check.name) for check in checks) if checks else 0
    lines = [look.heading("Checklist")]
    for check in checks:
        told = [
            part for fact in check_facts(check, right.engine) for part in paragraph(line(fact), look.width - wide - 6)
        ]
        for place, text in enumerate(told):
            head = f"  {mark(look, check.is_ok)} {pad(check.name, wide)}" if place == 0 else " " * (wide + 4)
            lines.append(f"{head}  {text}")
    return lines


def check_facts(check: Check, right: str) -> list[str]:
    """The fact of a line of the checklist, or what is said of each of the two runs."""
    facts = check.fact.split(f"; {right}: ", 1)
    return facts if len(facts) == 1 else [facts[0], f"{right}: {facts[1]}"]


def _verdict(found: Comparison, look: Look, *, same_work: bool) -> list[str]:
    counts = found.counts
    told = (f"{sum(counts.values()):,} fields", *(f"{number:,} {verdict}" for verdict, number in counts.items()))
    lines = wrapped(told, columns=look.width)
    if counts["other work"]:
        text = "other work: both measured it, and each figure equals a recount of its run's own spans"
        lines += [look.dim(part) for part in paragraph(text, look.width)]
    off = len(found.failures(same_work=same_work))
    if not off:
        return [*lines, f"{mark(look, True)} no field differs, and none went unobserved"]
    return [*lines, f"{mark(look, False)} {many(off, 'field')} {'is' if off == 1 else 'are'} off"]
