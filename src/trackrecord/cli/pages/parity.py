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
from trackrecord.cli.look import Column, Look, Style, joined, pad, paragraph, table
from trackrecord.cli.signs import mark, run_state
from trackrecord.cli.units import count, many
from trackrecord.parity.comparison import Check, Compared, Comparison, Finding, Verdict

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line: a field of one section, or the same one in several documents."""

    section: str
    name: str
    finding: Finding
    documents: tuple[str, ...] = ()


def parity_page(found: Comparison, look: Look, *, same_work: bool = False, is_whole: bool = False) -> str:
    """The page; `is_whole` lists every field, else only those that are more than equal."""
    rows = _rows(found.findings, is_whole=is_whole)
    sections = _sections(found, rows, look, is_whole=is_whole)
    return "\n".join(
        [
            *_runs(found, look),
            "",
            *sections,
            *_checklist(found.checklist, (found.left, found.right), look),
            "",
            _verdict(found, look, same_work=same_work),
        ]
    )


def _runs(found: Comparison, look: Look) -> list[str]:
    columns = (Column(title="parity"), Column(title="engine"), Column(title="status"), Column(title="run"))
    rows = [
        (side, line(run.engine, 20), run_state(look, run.status), run.run_id)
        for side, run in (("left", found.left), ("right", found.right))
    ]
    lines = table(look, columns, rows)
    if found.left.is_recomputed or found.right.is_recomputed:
        lines.append(look.dim("what they added to the sums is recomputed from their spans"))
    return lines


def _rows(findings: Iterable[Finding], *, is_whole: bool) -> list[_Row]:
    rows: dict[tuple[object, ...], _Row] = {}
    for finding in findings:
        section, _, name = finding.field.partition(".")
        if is_whole or section not in _DOCUMENTS:
            rows[(finding.field,)] = _Row(section=section, name=name, finding=finding)
            continue
        key = (name, finding.verdict, _text(finding.left), _text(finding.right))
        kept = rows.get(key)
        documents = (section,) if kept is None else (*kept.documents, section)
        rows[key] = _Row(section=_TOGETHER, name=name, finding=finding, documents=documents)
    return list(rows.values())


def _sections(found: Comparison, rows: Sequence[_Row], look: Look, *, is_whole: bool) -> list[str]:
    names = list(dict.fromkeys(row.section for row in rows))
    lines: list[str] = []
    for name in names:
        own = [row for row in rows if row.section == name]
        inside = name.split(", ")
        counted = Counter(one.verdict for one in found.findings if one.field.partition(".")[0] in inside)
        told = joined(
            f"{look.paint(f'{number:,} {verdict}', *_STYLES[verdict])}" for verdict, number in counted.items()
        )
        lines.append(f"{look.heading(name)}  {told}")
        lines += _fields(own, look, is_whole=is_whole)
        lines.append("")
    return lines


def _fields(rows: Sequence[_Row], look: Look, *, is_whole: bool) -> list[str]:
    shown = [row for row in rows if is_whole or row.finding.verdict not in _QUIET]
    calls = [row for row in shown if not is_whole and _is_other_call(row)]
    drawn = [_cells(row) for row in shown if row not in calls]
    if calls:
        places = {match.group() for row in calls if (match := _CALL.match(row.name))}
        told = many(len(places), "call"), many(len(calls), "field")
        drawn.append(("toolCalls[…]", f"{told[0]} made", "in other places", f"other work ({told[1]})"))
    if not drawn:
        return []
    columns = (
        Column(least=16),
        Column(is_right=True, least=6, most=26),
        Column(is_right=True, least=6, most=26),
        Column(),
    )
    lines = table(look, columns, drawn, indent=2)
    if len(calls) or any(row.finding.verdict in ("differs", "not observed") for row in shown):
        return _with_reasons(lines, [row for row in shown if row not in calls], look)
    return lines


def _with_reasons(lines: Sequence[str], rows: Sequence[_Row], look: Look) -> list[str]:
    """The lines, each that is off with its reason below it."""
    told: list[str] = []
    for place, text in enumerate(lines):
        told.append(text)
        if place < len(rows) and rows[place].finding.verdict in ("differs", "not observed"):
            told += [look.dim(f"      {part}") for part in paragraph(line(rows[place].finding.reason), look.width - 6)]
    return told


def _is_other_call(row: _Row) -> bool:
    return row.finding.verdict == "other work" and _CALL.match(row.name) is not None


def _cells(row: _Row) -> tuple[str, ...]:
    finding = row.finding
    where = (
        "" if row.section != _TOGETHER or len(row.documents) == len(_DOCUMENTS) else f" ({', '.join(row.documents)})"
    )
    return line(row.name, 60), _text(finding.left), _text(finding.right), f"{finding.verdict}{where}"


def _text(value: Json) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    return line(value if isinstance(value, str) else encode_clean(value), 40)


def _checklist(checks: Sequence[Check], runs: tuple[Compared, Compared], look: Look) -> list[str]:
    wide = max(len(check.name) for check in checks) if checks else 0
    lines = [look.heading("Checklist")]
    for check in checks:
        facts = check.fact.split(f"; {runs[1].engine}: ", 1)
        if len(facts) == 2:
            facts[1] = f"{runs[1].engine}: {facts[1]}"
        told = [part for fact in facts for part in paragraph(line(fact), look.width - wide - 6)]
        for place, text in enumerate(told):
            head = f"  {mark(look, check.is_ok)} {pad(check.name, wide)}" if place == 0 else " " * (wide + 4)
            lines.append(f"{head}  {text}")
    return lines


def _verdict(found: Comparison, look: Look, *, same_work: bool) -> str:
    counts = found.counts
    is_ok = found.is_ok(same_work=same_work)
    told = joined(f"{number:,} {verdict}" for verdict, number in counts.items())
    total = f"{sum(counts.values()):,} fields: {told}"
    if is_ok:
        done = (
            "the two left the same record" if not counts["other work"] else "the two left the same record of other work"
        )
        return f"{total}\n{mark(look, True)} {done}"
    off = len(found.failures(same_work=same_work))
    return f"{total}\n{mark(look, False)} {many(off, 'field')} {'is' if off == 1 else 'are'} off"
