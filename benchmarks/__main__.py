"""`python -m benchmarks`: measure, print, and say with the exit code whether everything could be measured."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import fields, replace

from benchmarks import table
from benchmarks.figures import PARTS, QUICK, Effort
from benchmarks.machine import look
from benchmarks.report import Report


def main() -> int:
    """0 when everything was measured, whether or not its target is met; 1 when something was not."""
    options = _options()
    effort = QUICK if options.quick else Effort()
    if options.rounds is not None:
        rounds = [field.name for field in fields(effort) if field.name.endswith("_rounds")]
        effort = replace(effort, **dict.fromkeys(rounds, options.rounds))
    report, before = Report(), look()
    try:
        asyncio.run(_measure(report, options.only or list(PARTS), effort))
    except KeyboardInterrupt:
        report.missing.append("the rest: stopped by the user")
    print((table.as_json if options.json else table.text)(report, before, look()))
    return 1 if report.missing or any(figure.ratio is None for figure in report.figures) else 0


async def _measure(report: Report, parts: list[str], effort: Effort) -> None:
    for name in parts:
        await PARTS[name](report, effort)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time the record against peers.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter samples: a look, not a figure")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part; may be repeated")
    parser.add_argument("--rounds", type=_positive, help="samples of each contestant")
    parser.add_argument("--json", action="store_true", help="print JSON with every sample")
    return parser.parse_args()


def _positive(written: str) -> int:
    if not written.isdecimal() or int(written) < 1:
        raise argparse.ArgumentTypeError(f"{written!r} is no count; give a whole number from 1")
    return int(written)


if __name__ == "__main__":
    sys.exit(main())
