"""The page of a parity: the verdict first, then the checklist, what differs, and every field by section. Pure.

What is shown of the fields is chosen by boxes that the style sheet alone acts on; without them all are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from trackrecord.canonical import Json, dumps
from trackrecord.cli.html.document import disclosure, facts, page, section
from trackrecord.cli.html.element import Child, Markup, element
from trackrecord.cli.html.state import check_badge, counted_badge, run_badge, verdict_badge
from trackrecord.cli.html.table import table
from trackrecord.cli.pages.parity import check_facts
from trackrecord.cli.units import count, many
from trackrecord.parity.comparison import Check, Compared, Comparison, Finding, Verdict

_MOST_CHARACTERS: Final = 2_000
_ORDER: Final[tuple[Verdict, ...]] = ("differs", "not observed", "other work", "equal by rule", "equal")
_KEYS: Final[dict[Verdict, str]] = {
    "differs": "differs",
    "not observed": "unobserved",
    "other work": "other",
    "equal by rule": "rule",
    "equal": "equal",
}
_QUIET: Final = frozenset({"equal", "equal by rule"})
_MEANS: Final[dict[Verdict, str]] = {
    "differs": "the values are not the same, and nothing explains it",
    "not observed": "null or missing, where it can be measured",
    "other work": "both measured it, and each equals a recount of its own run's spans",
    "equal by rule": "they may differ whatever the runs did",
    "equal": "the values are the same",
}


def parity_html(found: Sequence[Comparison], written: datetime, *, same_work: bool = False) -> str:
    """The page of one comparison or more."""
    many_of = len(found) > 1
    body: list[Child] = [_filters(found) if many_of else None]
    places: list[tuple[str, str]] = []
    for number, one in enumerate(found, 1):
        key = f"c{number}-" if many_of else ""
        title = f"{one.left.engine} and {one.right.engine}"
        body.append(_comparison(one, key, title, same_work=same_work, has_filters=not many_of))
        places += [(f"{key}verdict", title)] if many_of else _places(one, same_work=same_work)
    names = list(dict.fromkeys(run.engine for one in found for run in (one.left, one.right)))
    return page(f"Parity of {', '.join(names)}", body, written, places=places)


def _places(one: Comparison, *, same_work: bool) -> list[tuple[str, str]]:
    off = [("off", "What is off")] if one.failures(same_work=same_work) else []
    return [("verdict", "Verdict"), ("checklist", "Checklist"), *off, ("fields", "Every field")]


def _comparison(one: Comparison, key: str, title: str, *, same_work: bool, has_filters: bool) -> Markup:
    off = one.failures(same_work=same_work)
    verdict = f"{many(len(off), 'field')} {'is' if len(off) == 1 else 'are'} off"
    told = "no field differs, and none went unobserved" if not off else verdict
    counts = [element("span", counted_badge(name, one.counts[name]), title=_MEANS[name]) for name in _ORDER]
    total = many(len(one.findings), "field")
    head = element(
        "header",
        element("h1", "Parity: ", element("bdi", title)),
        element("p", check_badge(not off, told), class_="verdict"),
        element("p", f"{total} compared: ", element("span", counts, class_="legend"), class_="note"),
        element("div", _run("left", one.left), _run("right", one.right), class_="runs"),
        id=f"{key}verdict",
    )
    checks = element("ol", [_check(check, one.right.engine) for check in one.checklist])
    every = [_filters((one,)) if has_filters else None, *_sections(one, off)]
    return element(
        "article",
        head,
        section(f"{key}checklist", "Checklist", element("div", checks, class_="checks")),
        section(f"{key}off", "What is off", _table("What is off", one, off, has_section=True)) if off else None,
        section(f"{key}fields", "Every field", every),
    )


def _check(check: Check, right: str) -> Markup:
    told = [element("p", fact) for fact in check_facts(check, right)]
    return element("li", check_badge(check.is_ok, check.name), element("div", told))


def _run(side: str, run: Compared) -> Markup:
    sums = "recomputed from its spans" if run.is_recomputed else "measured around the run"
    told: list[tuple[str, Child]] = [
        ("status", run_badge(run.status)),
        ("run", element("code", run.run_id)),
        ("sums", sums),
    ]
    return element("div", element("h3", f"{side}: ", element("bdi", run.engine)), facts(told))


def _filters(found: Sequence[Comparison]) -> Markup:
    """A box for each verdict: what is off and other work are shown, what is equal is not, until it is asked for."""
    total = Counter[Verdict]()
    for one in found:
        total.update(one.counts)
    boxes = [
        element(
            "label",
            element("input", type="checkbox", id=f"show-{_KEYS[name]}", checked=name not in _QUIET),
            counted_badge(name, total[name]),
        )
        for name in _ORDER
    ]
    return element("div", boxes, class_="filter", role="group", aria_label="Show fields by verdict")


def _sections(one: Comparison, off: Iterable[Finding]) -> list[Child]:
    faults = {id(finding) for finding in off}
    by_section: dict[str, list[Finding]] = {}
    for finding in one.findings:
        by_section.setdefault(finding.field.partition(".")[0], []).append(finding)
    return [_section(name, one, own, any(id(each) in faults for each in own)) for name, own in by_section.items()]


def _section(name: str, one: Comparison, own: Sequence[Finding], has_fault: bool) -> Markup:
    counted = Counter(finding.verdict for finding in own)
    badges = [counted_badge(verdict, counted[verdict]) for verdict in _ORDER if counted[verdict]]
    loud = sum(counted[verdict] for verdict in _ORDER if verdict not in _QUIET)
    rows = sorted(own, key=lambda finding: _ORDER.index(finding.verdict))
    none = element("p", "Nothing here but what is equal: the boxes above show it.", class_="note") if not loud else None
    return disclosure([name, badges], none, _table(name, one, rows), is_open=has_fault, class_="group")


def _table(caption: str, one: Comparison, rows: Iterable[Finding], *, has_section: bool = False) -> Markup:
    own = list(rows)
    titles = ("field", False), (one.left.engine, False), (one.right.engine, False), ("verdict", False), ("why", False)
    cells = [
        (
            element("code", finding.field if has_section else finding.field.partition(".")[2]),
            _value(finding.left),
            _value(finding.right),
            verdict_badge(finding.verdict),
            finding.reason,
        )
        for finding in own
    ]
    kinds = [None if has_section else f"v-{_KEYS[finding.verdict]}" for finding in own]
    return table(caption, titles, cells, kinds=kinds, class_="fields")


def _value(value: Json) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    text = value if isinstance(value, str) else dumps(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
