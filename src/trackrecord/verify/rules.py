"""The rules in words, by the stable name of their check. Data only; adding a check starts here.

Must never hold a rule that no check looks at: those stand in `NOT_CHECKED`, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Name = Literal[
    "file",
    "foreign_keys",
    "triggers",
    "parents",
    "tenants",
    "children",
    "definitions",
    "accepted",
    "endings",
    "logs",
    "audit",
    "leases",
    "epochs",
    "open_effects",
    "usage_places",
    "unknown",
    "money",
    "records",
    "log_contents",
    "credits",
    "ledger",
    "agent_seq",
    "stats",
    "intensity",
    "scores",
    "recountable",
    "payloads",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        title: a few words for a list.
        rule: the whole of it, one sentence.
        limits: what its check cannot see.
    """

    title: str
    rule: str
    limits: str = ""


RULES: Final[dict[Name, Rule]] = {
    "file": Rule(
        title="File is sound",
        rule="The database file is sound, and every column holds what its type and its conditions allow.",
    ),
    "foreign_keys": Rule(
        title="Foreign keys hold",
        rule="Every row that must have a parent has it.",
    ),
    "triggers": Rule(
        title="History is locked",
        rule="The triggers that keep ended runs, logs, spans and audit rows as they are stand there word for word.",
        limits="That nothing was changed while a trigger was away shows only where another check sees it.",
    ),
    "parents": Rule(
        title="Nothing is orphaned",
        rule="Logs, spans, checkpoints, contents, memories, feedback and adjustments exist only under known runs.",
    ),
    "tenants": Rule(
        title="Tenants are apart",
        rule="Every row belongs to the tenant, and names the agent and user, of the run it belongs to.",
    ),
    "children": Rule(
        title="Children have their place",
        rule="A run is of type `child` exactly when it names its parent and its place there; none is its own ancestor.",
        limits="A parent that retention has deleted is no finding.",
    ),
    "definitions": Rule(
        title="Versions are what they hash",
        rule="An agent's version is the hash of its stored definition, and its stored design is what that declares.",
    ),
    "accepted": Rule(
        title="Accepted runs are whole",
        rule="An accepted run has its input and exactly one audit row that says so.",
        limits="That an accepted run was deleted whole shows only as a gap in agent_seq, and not before it ended.",
    ),
    "endings": Rule(
        title="Runs end once",
        rule="A run has an end time, a place in the order of finishing and results exactly when it has ended.",
    ),
    "logs": Rule(
        title="One log per ended run",
        rule="An ended run has exactly one log row; a run that has not ended has none.",
    ),
    "audit": Rule(
        title="One audit row per ending",
        rule="An ended run has exactly one `run.finished` audit row, of its last epoch; any other run has none.",
        limits="Audit rows stay when retention deletes a run, so those of unknown runs are no finding.",
    ),
    "leases": Rule(
        title="Running runs are held",
        rule="At rest no run is running except under a lease that has not passed.",
    ),
    "epochs": Rule(
        title="Epochs fence",
        rule="No span and no checkpoint carries an epoch that its run has not reached.",
    ),
    "open_effects": Rule(
        title="Nothing is left open",
        rule="In an ended run every effect whose start is stored has a span.",
        limits="Once retention has deleted a run's checkpoints nothing tells what had started.",
    ),
    "usage_places": Rule(
        title="Usage is on model attempts",
        rule="Tokens and cost exist only on model attempts; a parent never stores its children's.",
    ),
    "unknown": Rule(
        title="Unknown is null",
        rule="Unknown is null, never 0: what no attempt reported is no figure anywhere.",
    ),
    "money": Rule(
        title="Money is exact",
        rule="A cost is whole nano-dollars and exact decimal dollars, and the two agree.",
        limits="Whether the price was right is not recomputed: prices change, and the run names the table in force.",
    ),
    "records": Rule(
        title="Records equal their spans",
        rule="Every figure of a run's row, and its logs, equal a refold of its spans.",
        limits="How a run ended, its error and its price table are not in spans: they are held only against its log. "
        "A record stored without its content because the database refused it may lack spans; it is then unchecked.",
    ),
    "log_contents": Rule(
        title="Logs equal their spans",
        rule="Every figure and text of a log row equals what the run's spans and ending give.",
        limits="As for records.",
    ),
    "credits": Rule(
        title="Credits follow their rule",
        rule="A run's credits are what its credit rule makes of its known tokens, in its row and in its log.",
    ),
    "ledger": Rule(
        title="Ledger adds up",
        rule="An account's balance and held credits equal a recount of its entries and are never below zero; each hold "
        "is of one run and is resolved once, in whole, exactly when that run has ended; a run is charged what it used.",
        limits="That credits were granted rightly is not recomputed, nor late usage that the balance did not cover.",
    ),
    "agent_seq": Rule(
        title="Order of finishing",
        rule="An agent's runs and outside runs are numbered 1, 2, 3, … without gap or double, and the last is known.",
    ),
    "stats": Rule(
        title="Statistics equal a recount",
        rule="`agent_stats` equals a recount of the records, adjustments and outside runs.",
    ),
    "intensity": Rule(
        title="Intensity equals a recount",
        rule="The sums, counts, peaks and sets of `agent_intensity_metrics` equal a recount in the order of finishing.",
    ),
    "scores": Rule(
        title="Scores follow from the sums",
        rule="The cached intensity scores are what the present settings make of the recounted sums.",
        limits="After an outside run, the score may rest on any stored version of the agent's design.",
    ),
    "recountable": Rule(
        title="Everything can be added up",
        rule="Every record, adjustment and outside run is readable by the rule that wrote it.",
    ),
    "payloads": Rule(
        title="Contents fit their hash",
        rule="A content that is kept whole has its own hash and size, and none is above the cap.",
        limits="A content that was cut, erased, not kept, or that holds a redaction mask cannot be hashed again.",
    ),
}

NOT_CHECKED: Final = (
    "That no secret is in any sink: nothing in the database tells what was a secret.",
    "That a run whose acceptance was told to its caller is there: only the caller knows the ids it was told.",
)
