"""Steps that wait: delay and approval. Their checked fields in, their bodies out.

A function returns None when something it cannot do without is missing or wrong; the problem has been added then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from trackrecord.canonical import Json
from trackrecord.clock import moment
from trackrecord.workflow.definition import duration_ms
from trackrecord.workflow.fields import describe
from trackrecord.workflow.references import Template
from trackrecord.workflow.site import Site
from trackrecord.workflow.steps import (
    MAX_APPROVAL_MS,
    MAX_APPROVERS,
    MAX_DELAY_MS,
    ApprovalBody,
    DelayBody,
    Needs,
    OnReject,
    OnTimeout,
)

Values = Mapping[str, Json]
_DAY_MS = 86_400_000


def delay(values: Values, site: Site) -> DelayBody | None:
    """The body of a delay step."""
    duration, until = values["duration"], values["until"]
    if (duration is None) == (until is None):
        said = "both 'duration' and 'until'" if until is not None else "neither 'duration' nor 'until'"
        site.add("", f"a delay has {said}", "Give exactly one, like `duration: 30s`.")
        return None
    if until is not None:
        return _until(str(until), site)
    if isinstance(duration, str) and "{{" in duration:
        template = site.template(duration, "duration")
        return None if template is None else DelayBody(duration_ms=template)
    return DelayBody(duration_ms=_length(duration, "duration", 0, MAX_DELAY_MS, site))


def _until(until: str, site: Site) -> DelayBody | None:
    if "{{" not in until:
        try:
            moment(until)
        except ValueError:
            site.add("until", f"{until!r} is no time with a zone", "Write 2030-12-31T23:59:00Z.")
    template = site.template(until, "until")
    return None if template is None else DelayBody(until=template)


def _length(value: Json, name: str, least: int, most: int, site: Site) -> int | None:
    """Milliseconds of a duration as written."""
    length = duration_ms(value) if isinstance(value, str) else value
    if isinstance(length, bool) or not isinstance(length, int):
        site.add(name, f"{describe(value)} is no duration", "Write 500ms, 30s, 5m, 2h or 1d.")
        return None
    if not least <= length <= most:
        cure = f"At most {most // _DAY_MS} days." if length > most else f"At least {least} ms."
        site.add(name, f"{length:,} ms is not possible", cure)
    return length


def approval(values: Values, site: Site) -> ApprovalBody | None:
    """The body of an approval step."""
    if values["timeout_ms"] is not None:
        message = "an approval holds no timer of its own while it waits"
        site.add("timeout_ms", message, "Write `timeout`, like `timeout: 2d`; on_timeout says what then.")
    message = site.template(values["message"], "message")
    approvers = _approvers(values, site)
    timeout = values["timeout"]
    timeout_ms = None if timeout is None else _length(timeout, "timeout", 1, MAX_APPROVAL_MS, site)
    if message is None or approvers is None:
        return None
    return ApprovalBody(
        message=message,
        approvers=approvers,
        needs=cast("Needs", values["needs"]),
        timeout_ms=timeout_ms,
        on_timeout=cast("OnTimeout", values["on_timeout"]),
        on_reject=cast("OnReject", values["on_reject"]),
    )


def _approvers(values: Values, site: Site) -> Template | None:
    given = values["approvers"]
    if isinstance(given, str) and "{{" not in given:
        site.add("approvers", f"must be a list of names, not {describe(given)}", f"Write [{given}].")
        return None
    if not isinstance(given, str | list):
        site.add("approvers", f"must be a list of names, not {describe(given)}", "Write [ann, bob].")
        return None
    if isinstance(given, list):
        for index, name in enumerate(given):
            if not isinstance(name, str) or not name.strip():
                site.add(f"approvers[{index}]", f"an approver must be a name, not {describe(name)}")
        if len(given) > MAX_APPROVERS:
            site.add("approvers", f"{len(given):,} approvers are too many", f"At most {MAX_APPROVERS:,}.")
        if not given and values["needs"] == "all":
            site.add("needs", "'all' of nobody cannot approve", "Name the approvers, or write needs: any.")
    return site.template(given, "approvers")
