"""How heavy an agent is: its scores with their parts, its class, what was known, and the sums they rest on. Pure."""

from __future__ import annotations

from typing import Final

from trackrecord.canonical import loads
from trackrecord.cli.escape import line
from trackrecord.cli.look import GAP, Look, bar, joined, pad, paragraph, spread
from trackrecord.cli.units import count, many, milliseconds, points
from trackrecord.store.reader import Row

_BAR: Final = 20
_PARTS: Final = (
    ("token_complexity_thousandths", "tokens"),
    ("execution_complexity_thousandths", "execution"),
    ("plugin_complexity_thousandths", "plugins"),
    ("workflow_complexity_thousandths", "workflow"),
    ("memory_complexity_thousandths", "memory"),
)
_ALERTS: Final = {
    "none": "no growth worth a word",
    "monitor": "output grows by more than 25 %: keep an eye on it",
    "rescore": "output grows by more than 50 %: score it anew",
    "upgrade": "output grows by more than 100 %: move it to a higher class",
}


def intensity_page(agent: Row, row: Row, look: Look) -> str:
    """The page of an agent that has run."""
    name = look.paint(line(str(agent["name"]), look.width - 30), "bold")
    runs = row["total_executions"]
    combined = row["combined_score_thousandths"]
    head = spread(look, f"{name}  {row['intensity_class']} intensity", f"from {many(runs, 'run')}")
    lines = [
        head,
        look.dim(f"agent {agent['id']}"),
        "",
        _score(look, "combined", combined, 0, "of 10" if runs >= 5 else "of 10: creation alone below 5 runs"),
        _score(look, "creation", row["creation_score_thousandths"], 1, "from the definition alone"),
        _score(look, "execution", row["execution_score_thousandths"], 1, "from the runs"),
        *(
            _score(look, word, row[column], 2, "" if row[column] is not None else "left out: nothing is known")
            for column, word in _PARTS
        ),
        "",
        *_facts(row, look),
        "",
        *_sums(row, look),
    ]
    return "\n".join(text.rstrip() for text in lines)


def _score(look: Look, word: str, thousandths: int | None, depth: int, remark: str) -> str:
    label = pad(f"{'  ' * depth}{word}", 14)
    figure = pad(points(thousandths), 5, is_right=True)
    drawn = look.paint(bar((thousandths or 0) / 10_000, _BAR), "cyan") if thousandths is not None else " " * _BAR
    return f"{label}{GAP}{figure}{GAP}{drawn}{GAP}{look.dim(remark)}"


def _facts(row: Row, look: Look) -> list[str]:
    coverage = row["coverage_thousandths"] / 10
    covered = f"{coverage:g} % of the weight rests on known figures"
    return [
        f"{look.dim(pad('multiplier', 12))}{GAP}× {row['pricing_multiplier_thousandths'] / 1000:.3f}"
        f"  {look.dim('charged only where the installation says so')}",
        f"{look.dim(pad('coverage', 12))}{GAP}{covered}",
        f"{look.dim(pad('growth', 12))}{GAP}{_ALERTS.get(row['growth_alert'], line(str(row['growth_alert'])))}",
        f"{look.dim(pad('rule', 12))}{GAP}{line(str(row['rule']))}",
    ]


def _sums(row: Row, look: Look) -> list[str]:
    peak = row["peak_tokens_single_run"]
    facts = (
        ("runs", joined((f"{count(row['successful_executions'])} succeeded", f"{count(_failed(row))} did not"))),
        ("tokens", joined((f"{_known(row, 'total_tokens', 'runs_with_tokens')}", f"at most {count(peak)} in a run"))),
        ("turns", _known(row, "total_iterations", "runs_with_iterations")),
        ("tool calls", _known(row, "total_tool_calls", "runs_with_tool_calls")),
        ("plugins", ", ".join(_names(row["plugins_ever"])) or "none called"),
        ("memory", ", ".join(_names(row["memory_types_ever"])) or "none recalled"),
        ("longest run", milliseconds(row["peak_duration_ms"])),
    )
    lines: list[str] = []
    for word, text in facts:
        first, *more = paragraph(text, look.width - 14) or [""]
        lines.append(f"{look.dim(pad(word, 12))}{GAP}{first}")
        lines.extend(" " * 14 + part for part in more)
    return lines


def _failed(row: Row) -> int:
    return row["total_executions"] - row["successful_executions"]


def _known(row: Row, column: str, runs: str) -> str:
    """A sum over the runs that reported the figure, and how many these were when not all did."""
    told, every = row[runs], row["total_executions"]
    if not told:
        return "– no run reported them"
    return count(row[column]) if told == every else f"{count(row[column])} from {count(told)} of {many(every, 'run')}"


def _names(text: str) -> list[str]:
    names = loads(text)
    return [line(str(name)) for name in names] if isinstance(names, list) else []
