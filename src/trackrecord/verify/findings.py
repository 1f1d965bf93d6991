"""What a verification found, check by check. Shapes, and the notebook the checks write into; reads no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from trackrecord.canonical import Json
from trackrecord.store.differences import Difference
from trackrecord.verify.rules import NOT_CHECKED, RULES, Name

MAX_FINDINGS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row that breaks a rule.

    Attributes:
        rule: the rule, in words.
        table: where the row is; empty when the finding is about the file.
        row: the row's ids, as `column=value`; empty when there is no single row.
        message: what it says and what it should say.
    """

    rule: str
    table: str
    row: str
    message: str

    def to_json(self) -> dict[str, Json]:
        """The same for a program to read."""
        return {"rule": self.rule, "table": self.table, "row": self.row, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule held against the whole database.

    Attributes:
        name: stable, safe to match on.
        title: a few words for a list.
        rule: the rule, in words.
        counted: rows that were looked at.
        findings: rows that break it, at most the first thousand of `finding_count`.
        finding_count: all of them.
        unchecked: rows of which nobody can say whether they keep it; no findings.
        limits: what this check cannot see; empty when it sees everything the rule is about.
    """

    name: str
    title: str
    rule: str
    counted: int
    findings: tuple[Finding, ...]
    finding_count: int
    unchecked: int = 0
    limits: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether no row breaks the rule."""
        return not self.finding_count

    def to_json(self) -> dict[str, Json]:
        """The same for a program to read."""
        return {
            "name": self.name,
            "title": self.title,
            "rule": self.rule,
            "counted": self.counted,
            "findingCount": self.finding_count,
            "findings": [finding.to_json() for finding in self.findings],
            "unchecked": self.unchecked,
            "limits": self.limits,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Every check of one state of a database.

    Attributes:
        checks: always all of them, in the same order.
        verified_at: stamp; leases are judged by it.
        not_checked: rules that no check holds, and why.
    """

    checks: tuple[Check, ...]
    verified_at: str
    not_checked: tuple[str, ...] = NOT_CHECKED

    @property
    def is_clean(self) -> bool:
        """Whether every check is clean."""
        return all(check.is_clean for check in self.checks)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all checks."""
        return tuple(finding for check in self.checks for finding in check.findings)

    def to_json(self) -> dict[str, Json]:
        """The same for a program to read."""
        return {
            "clean": self.is_clean,
            "verifiedAt": self.verified_at,
            "checks": [check.to_json() for check in self.checks],
            "notChecked": list(self.not_checked),
        }


@dataclass(slots=True)
class _Page:
    counted: int = 0
    finding_count: int = 0
    unchecked: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])


class Notebook:
    """What the checks write down while they run."""

    def __init__(self) -> None:
        """Nothing was looked at yet."""
        self._pages: dict[Name, _Page] = {name: _Page() for name in RULES}

    def count(self, name: Name, rows: int = 1) -> None:
        """Note that rows were looked at."""
        self._pages[name].counted += rows

    def leave(self, name: Name) -> None:
        """Note that of one row nobody can say whether it keeps the rule."""
        self._pages[name].unchecked += 1

    def find(self, name: Name, table: str, row: str, message: str) -> None:
        """Note a row that breaks the rule."""
        page = self._pages[name]
        page.finding_count += 1
        if len(page.findings) < MAX_FINDINGS:
            page.findings.append(Finding(rule=RULES[name].rule, table=table, row=row, message=message))

    def differ(self, name: Name, difference: Difference) -> None:
        """Note a row that differs from what it is made from."""
        self.find(name, difference.table, difference.row, difference.message)

    def checks(self) -> tuple[Check, ...]:
        """Every check with what was written down."""
        return tuple(
            Check(
                name=name,
                title=RULES[name].title,
                rule=RULES[name].rule,
                counted=page.counted,
                findings=tuple(page.findings),
                finding_count=page.finding_count,
                unchecked=page.unchecked,
                limits=RULES[name].limits,
            )
            for name, page in self._pages.items()
        )
