"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Final

from benchmarks.machine import Machine
from benchmarks.report import Figure, Report, Unit

_HEAD: Final = ("what", "ours", "the other side", "ratio (min–max, pairs)", "target", "")
_DIGITS: Final[dict[Unit, str]] = {"ms": ".2f", "us": ".1f", "runs/s": ".0f", "KiB": ".1f", "": ".2f"}


def text(report: Report, before: Machine, after: Machine) -> str:
    """The table, what every contestant had, and what could not be measured."""
    parts = [_opening(report, before, after), _table([_HEAD, *map(_row, report.figures)]), _everyone(report)]
    if report.settings:
        parts.append("\n".join(["SQLite of each:", *(f"  {name}: {how}" for name, how in report.settings.items())]))
    if report.missing:
        parts.append("\n".join(["not measured:", *(f"  {one}" for one in report.missing)]))
    return "\n\n".join(part for part in parts if part)


def as_json(report: Report, before: Machine, after: Machine) -> str:
    """The same, and every sample."""
    figures = [asdict(figure) | {"is_met": figure.is_met} for figure in report.figures]
    whole = {
        "machine": {"before": asdict(before), "after": asdict(after)},
        "versions": report.versions,
        "settings": report.settings,
        "figures": figures,
        "samples": {
            part: {"unit": report.units[part], "by_contestant": samples} for part, samples in report.samples.items()
        },
        "missing": report.missing,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _opening(report: Report, before: Machine, after: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items()))
    return (
        f"{versions}\nPython {before.python}, {before.cores} cores; before and after: load {before.load:.1f} and "
        f"{after.load:.1f}, a write is on the disk in {before.sync_ms:.2f} and {after.sync_ms:.2f} ms.\n"
        "Medians of samples taken in turns; ratios within each round, so that busy cores slow both sides. "
        "A busy disk slows those who write alone: ours, and peers where a step is durable."
    )


def _row(figure: Figure) -> tuple[str, ...]:
    if figure.ratio is None or figure.low is None or figure.high is None:
        return (figure.what, "", "", f"not measured: {figure.reason}", _target(figure), "")
    return (
        figure.what,
        _amount(figure.ours, figure.unit),
        f"{_amount(figure.theirs, figure.unit)} {figure.against}",
        f"{figure.ratio:.2f} × ({figure.low:.2f}–{figure.high:.2f}, {figure.rounds})",
        _target(figure),
        {None: "", True: "met", False: "NOT MET"}[figure.is_met],
    )


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'≤' if figure.is_limit else '≥'} {figure.target:g} ×"


def _everyone(report: Report) -> str:
    rows: list[tuple[str, ...]] = []
    for part, samples in report.samples.items():
        unit = report.units[part]
        best_first = sorted(samples.items(), key=lambda item: median(item[1]), reverse=unit == "runs/s")
        for place, (name, values) in enumerate(best_first):
            low, high = _amount(min(values), unit), _amount(max(values), unit)
            rows.append(
                ("" if place else part, name, _amount(median(values), unit), f"{low} – {high}", str(len(values)))
            )
    return _table([("every contestant", "", "median", "min – max", "samples"), *rows]) if rows else ""


def _amount(value: float | None, unit: Unit) -> str:
    shown = {"us": "µs"}.get(unit, unit)
    return "" if value is None else f"{value:{_DIGITS[unit]}} {shown}".strip()


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths if width))
    return "\n".join(lines)
