"""What became known of a run after it had ended, for `show`: each adjustment, and the figures with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from trackrecord.canonical import loads
from trackrecord.cli.escape import line
from trackrecord.cli.look import Look, joined, wrapped
from trackrecord.cli.stored import StoredRun
from trackrecord.cli.units import UNKNOWN, count, dollars, exact, many
from trackrecord.store.reader import Row

_KINDS: Final = {"late_usage": "late usage"}
_WORDS: Final = {"input_tokens": "in", "output_tokens": "out", "cache_read_tokens": "cached"}


def adjustment_lines(run: StoredRun, look: Look) -> list[str]:
    """The section `Known later`; nothing when nothing is."""
    if not run.adjustments:
        return []
    lines = [look.heading("Known later")]
    for row in run.adjustments:
        what = _KINDS.get(str(row["kind"]), line(str(row["kind"]), 30))
        about = f"{what} of {line(str(row['subject']), look.width - 40)}" if row["subject"] else what
        parts = (about, *_amounts(_deltas(row)), exact(row["created_at"]))
        lines.extend(f"  {text}" for text in wrapped(parts, columns=look.width - 2))
    total = _total(run)
    lines.append(f"  {look.dim(f'with it the run used {total}; the statistics count it so')}")
    return lines


def _amounts(deltas: Mapping[str, int]) -> list[str]:
    tokens = joined(f"{count(amount)} {_WORDS[name]}" for name in _WORDS if (amount := deltas.get(name)) is not None)
    others = [
        f"{name} {amount:+,}" for name, amount in sorted(deltas.items()) if name not in _WORDS and name != "cost_nanos"
    ]
    cost = deltas.get("cost_nanos")
    return [*([f"{tokens} tokens"] if tokens else []), *([dollars(cost)] if cost is not None else []), *others]


def _total(run: StoredRun) -> str:
    figures = {name: run.execution[name] for name in ("input_tokens", "output_tokens", "cost_nanos")}
    for row in run.adjustments:
        for name, amount in _deltas(row).items():
            if name in figures:
                figures[name] = (figures[name] or 0) + amount
    known = [figures[name] for name in ("input_tokens", "output_tokens") if figures[name] is not None]
    cost = figures["cost_nanos"]
    tokens = many(sum(known), "token") if known else f"{UNKNOWN} tokens"
    return tokens if cost is None else f"{tokens}, {dollars(cost)}"


def _deltas(row: Row) -> Mapping[str, int]:
    """Amounts by column; of a text that is none, as damage leaves it, nothing."""
    try:
        value = loads(str(row["deltas"]))
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return cast("Mapping[str, int]", {name: amount for name, amount in value.items() if type(amount) is int})
