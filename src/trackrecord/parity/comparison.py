"""What came of a comparison: a finding per field, the checklist, the sum. Shapes only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, get_args

from trackrecord.canonical import Json

Verdict = Literal["equal", "equal by rule", "other work", "differs", "not observed"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
_OFF: Final = frozenset({"differs", "not observed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one field of two records compares.

    Attributes:
        field: `table.column`, or section and key path, like `logs.toolCalls[2].action`.
        verdict: one of five.
        reason: why it is that one, in words.
        left, right: the values; null also for one that is not there, and the reason then says so.
    """

    field: str
    verdict: Verdict
    reason: str
    left: Json
    right: Json

    def to_json(self) -> dict[str, Json]:
        """The finding as plain JSON."""
        return {
            "field": self.field,
            "verdict": self.verdict,
            "reason": self.reason,
            "left": self.left,
            "right": self.right,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the checklist: `name`, whether both runs have it, and the fact it was decided by."""

    name: str
    is_ok: bool
    fact: str

    def to_json(self) -> dict[str, Json]:
        """The line as plain JSON."""
        return {"name": self.name, "ok": self.is_ok, "fact": self.fact}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One of the two runs.

    Attributes:
        run_id: its id; in the database it ran in.
        engine, status: who carried it out, and how it ended.
        is_recomputed: whether what it added to the sums was recomputed from its spans, not measured around the run.
    """

    run_id: str
    engine: str
    status: str
    is_recomputed: bool

    def to_json(self) -> dict[str, Json]:
        """The run as plain JSON."""
        sums = "recomputed from its spans" if self.is_recomputed else "measured around the run"
        return {"runId": self.run_id, "engine": self.engine, "status": self.status, "sums": sums}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether two runs left the same record, field by field.

    Attributes:
        left, right: the two runs.
        findings: one for every field, in the order of the tables.
        checklist: the eight lines.
    """

    left: Compared
    right: Compared
    findings: tuple[Finding, ...]
    checklist: tuple[Check, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many fields have each verdict; all five are there."""
        found = Counter(finding.verdict for finding in self.findings)
        return {verdict: found[verdict] for verdict in VERDICTS}

    def is_ok(self, *, same_work: bool = False) -> bool:
        """Whether nothing differs and nothing went unobserved; with `same_work` other work is a difference too."""
        return not self.failures(same_work=same_work)

    def failures(self, *, same_work: bool = False) -> tuple[Finding, ...]:
        """The findings that `is_ok` fails for."""
        off = _OFF | {"other work"} if same_work else _OFF
        return tuple(finding for finding in self.findings if finding.verdict in off)

    def to_json(self) -> dict[str, Json]:
        """Everything as plain JSON, for `--json`."""
        counts: dict[str, Json] = {verdict: self.counts[verdict] for verdict in VERDICTS}
        return {
            "left": self.left.to_json(),
            "right": self.right.to_json(),
            "ok": self.is_ok(),
            "sameWork": self.is_ok(same_work=True),
            "counts": counts,
            "checklist": [check.to_json() for check in self.checklist],
            "findings": [finding.to_json() for finding in self.findings],
        }
