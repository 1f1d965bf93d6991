"""A run and a comparison whose every text is a stranger's: for whoever checks that a page shows it and does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from trackrecord.cli.stored import StoredRun
from trackrecord.parity.comparison import Check, Compared, Comparison, Finding
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage

TEXTS: Final = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</pre></details></body><h1>owned",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" autofocus onfocus="alert(1)',
    "' onclick='alert(1)",
    "javascript:alert(1)",
    "`onerror=alert(1)`",
    "<a href=javascript:alert(1)>click</a>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><input autofocus onfocus=alert(1)>",
    "<object data=//evil.example></object>",
    "<math><mtext></mtext><img src=x onerror=alert(1)></math>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x&#62;",
    "&#x3c;script&#x3e;alert(1)",
    "expression(alert(1)); background: url(//evil.example)",
    "</textarea></noscript><img src=x onerror=alert(1)>",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "evil \u202egnp.exe\u2066\u200b\u2069\ufeff",
    "nul \x00 bell \x07 del \x7f next \x85 line\u2028 paragraph\u2029",
    "\ufffe \uffff \ufdd0 " + "z\u0301\u0302\u0303\u0304\u0305\u0306\u0307" * 20,
)


def hostile_run(run: StoredRun, text: str) -> StoredRun:
    """The run with the text in every place where a text can stand."""
    answer = {**run.output, "body": _json(text), "was_truncated": 0} if run.output else None
    given = {**run.input, "body": "{" + f"{_json(text)}: {_json(text)}" + "}"} if run.input else None
    return replace(
        run,
        execution={**_texts(run.execution, text), "created_at": run.execution["created_at"], "status": text},
        logs={str(key): _deep(value, text) for key, value in run.logs.items()},
        spans=tuple(_span(span, text) for span in run.spans),
        input=given,
        output=answer,
        memories=({"text": text},),
    )


def hostile_comparison(text: str) -> Comparison:
    """A comparison with the text as every name, value and reason."""
    compared = Compared(run_id=text, engine=text, status=text, is_recomputed=True)
    verdicts: tuple[Any, ...] = ("differs", "not observed", "other work", "equal by rule", "equal")
    findings = [Finding(field=f"s.{text}", verdict=one, reason=text, left=text, right=[text]) for one in verdicts]
    checks = (Check(name=text, is_ok=False, fact=f"{text}; {text}: {text}"),)
    return Comparison(left=compared, right=compared, findings=tuple(findings), checklist=checks)


def _span(span: Span, text: str) -> Span:
    """Its path keeps its shape, for what contains what is read from it."""
    changed: dict[str, Any] = dict.fromkeys(("error_code", "error_message", "step_type", "plugin", "action"), text)
    changed |= dict.fromkeys(("provider", "model", "responded_model"), text)
    usage = Usage(input_tokens=1) if span.usage else None
    return replace(span, **changed, usage=usage, attributes={text: text} | _dates(span))


def _dates(span: Span) -> dict[str, Any]:
    return {key: span.attributes[key] for key in ("began_at",) if key in span.attributes}


def _texts(row: Mapping[str, Any], text: str) -> dict[str, Any]:
    changed = {key: text if isinstance(value, str) else value for key, value in row.items()}
    return changed | dict.fromkeys(
        ("error_code", "error_message", "origin_run_id", "origin_kind", "parent_run_id"), text
    )


def _deep(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return text
    if isinstance(value, list):
        return [_deep(item, text) for item in value]
    return {key: _deep(item, text) for key, item in value.items()} if isinstance(value, dict) else value


def _json(text: str) -> str:
    from trackrecord.canonical import dumps

    return dumps(text)
