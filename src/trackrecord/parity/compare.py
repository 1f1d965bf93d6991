"""The verdict on every field of two footprints. Pure.

The order of the questions is the point: a record that contradicts its own spans differs, whatever the other run says;
then equal is equal; then what a rule lets differ is taken out; then null is told from a figure; and only what both
runs measured, and both recounts confirm, may be other work.
"""

from __future__ import annotations

from trackrecord.canonical import Json
from trackrecord.parity.checklist import checklist
from trackrecord.parity.comparison import Compared, Comparison, Finding, Verdict
from trackrecord.parity.footprint import Footprint
from trackrecord.parity.leaves import ABSENT, UNCOUNTED, Leaf, Missing, Value, is_same, type_name
from trackrecord.parity.rules import Spec
from trackrecord.parity.sections import sections
from trackrecord.record.intensity import DEFAULTS, IntensitySettings

Judgement = tuple[Verdict, str]


def compare(left: Footprint, right: Footprint, *, settings: IntensitySettings = DEFAULTS) -> Comparison:
    """Whether two runs left the same record; every field of the tables, the logs and the public data has a finding.

    Args:
        left: the first run; its durations are given to both before scores are compared.
        right: the other run.
        settings: ranges and weights the scores were made with.
    """
    findings = tuple(_finding(leaf, spec, left, right) for leaf, spec in sections(left, right, settings))
    return Comparison(left=_compared(left), right=_compared(right), findings=findings, checklist=checklist(left, right))


def _compared(run: Footprint) -> Compared:
    return Compared(
        run_id=run.run_id,
        engine=run.engine,
        status=str(run.execution["status"]),
        is_recomputed=run.is_recomputed,
    )


def _finding(leaf: Leaf, spec: Spec, left: Footprint, right: Footprint) -> Finding:
    verdict, reason = _judge(leaf, spec, left, right)
    return Finding(field=leaf.name, verdict=verdict, reason=reason, left=_shown(leaf.left), right=_shown(leaf.right))


def _shown(value: Value) -> Json:
    return None if isinstance(value, Missing) else value


def _judge(leaf: Leaf, spec: Spec, left: Footprint, right: Footprint) -> Judgement:
    complaint = _against_spans(leaf)
    if complaint is not None:
        return complaint
    if is_same(leaf.left, leaf.right):
        return "equal", _why_equal(leaf, spec)
    if spec.rule is not None and is_same(spec.rule.without(leaf.left, left), spec.rule.without(leaf.right, right)):
        return "equal by rule", spec.rule.reason
    if spec.is_unknown_when_null and (_is_null(leaf.left) or _is_null(leaf.right)):
        return _half_known(leaf, spec, left, right)
    if spec.is_work and _may_be_other_work(leaf, spec):
        if spec.is_content:
            return "other work", "another conversation, as the spans tell, and another answer"
        return "other work", "both measured, and each is what its own spans add up to"
    return "differs", "there is no rule by which these may differ"


def _against_spans(leaf: Leaf) -> Judgement | None:
    """What is wrong with a record by itself, the worse of the two sides; None when both are what their spans say."""
    sides = (("left", leaf.left, leaf.left_recount), ("right", leaf.right, leaf.right_recount))
    unobserved: Judgement | None = None
    for side, value, recounted in sides:
        if recounted is UNCOUNTED:
            if value is ABSENT:
                unobserved = "not observed", f"it is not there on the {side}"
        elif not is_same(value, recounted):
            if not _is_null(value):
                return "differs", f"its own spans say {_told(recounted)} on the {side}"
            what = "not there" if value is ABSENT else "null"
            unobserved = "not observed", f"{what} on the {side}, though its spans say {_told(recounted)}"
    return unobserved


def _told(value: Value) -> str:
    if value is ABSENT:
        return "that there is none"
    return "that it is unknown or none" if value is None else _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _is_null(value: Value) -> bool:
    return value is None or value is ABSENT


def _why_equal(leaf: Leaf, spec: Spec) -> str:
    if leaf.left is not None:
        return "the same value"
    if not spec.is_unknown_when_null:
        return "none on both sides"
    return (
        "unknown on both sides: no model attempt of either reported it" if spec.is_of_attempts else "null on both sides"
    )


def _half_known(leaf: Leaf, spec: Spec, left: Footprint, right: Footprint) -> Judgement:
    """Null here and a figure there: not observed, unless the figure is the 0 of a run that called no model at all."""
    side, other = ("left", right) if _is_null(leaf.left) else ("right", left)
    if spec.is_of_attempts and other.recounted.measures.model_calls_count == 0:
        return "other work", f"one called no model, and no model told the {side}; each is what its own spans add up to"
    return "not observed", f"unknown on the {side}, measured on the other side"


def _may_be_other_work(leaf: Leaf, spec: Spec) -> bool:
    if spec.is_content:
        return type_name(leaf.left) == type_name(leaf.right)
    is_recounted = leaf.left_recount is not UNCOUNTED and leaf.right_recount is not UNCOUNTED
    has_none = _is_null(leaf.left) or _is_null(leaf.right)  # none is a measurement where null is not unknown
    return is_recounted and (has_none or type_name(leaf.left) == type_name(leaf.right))
