"""A parity as JUnit XML, as every build server reads it: a suite per section, a case per field. Pure.

A field that differs is a failure, one that was not observed an error; what XML has no way to write is shown escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from trackrecord.canonical import Json, dumps
from trackrecord.cli.escape import prose
from trackrecord.parity.comparison import Comparison, Finding

_HEAD: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ERRORS: Final = frozenset({"not observed"})


def junit(found: Sequence[Comparison], *, same_work: bool = False) -> str:
    """The XML of one comparison or more; with `same_work` other work is a failure too."""
    root = Element("testsuites", name="trackrecord parity")
    for one in found:
        off = {id(finding) for finding in one.failures(same_work=same_work)}
        by_section: dict[str, list[Finding]] = {}
        for finding in one.findings:
            by_section.setdefault(finding.field.partition(".")[0], []).append(finding)
        for name, own in by_section.items():
            _suite(root, one, name, own, off)
    _count(root, root)
    indent(root)
    return _HEAD + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, one: Comparison, name: str, own: Iterable[Finding], off: set[int]) -> None:
    pair = f"{one.left.engine}:{one.right.engine}"
    suite = SubElement(root, "testsuite", name=_text(f"{pair} {name}"))
    properties = SubElement(suite, "properties")
    for side, run in (("left", one.left), ("right", one.right)):
        for key, value in (("engine", run.engine), ("run", run.run_id), ("status", run.status)):
            SubElement(properties, "property", name=f"{side}.{key}", value=_text(value))
    for finding in own:
        inside = finding.field.partition(".")[2] or finding.field
        case = SubElement(suite, "testcase", classname=_text(f"{pair}.{name}"), name=_text(inside), time="0")
        if id(finding) in off:
            kind = "error" if finding.verdict in _ERRORS else "failure"
            told = SubElement(case, kind, type=finding.verdict, message=_text(finding.reason))
            told.text = _text(
                f"{finding.field}: {finding.verdict}\n"
                f"{one.left.engine}: {_value(finding.left)}\n{one.right.engine}: {_value(finding.right)}\n"
            )
    _count(suite, suite)


def _count(element: Element, below: Element) -> None:
    """Write how many cases there are, and how many of them went wrong, as attributes."""
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        element.set(name, str(sum(1 for _ in below.iter(tag))))
    element.set("skipped", "0")
    element.set("time", "0")


def _value(value: Json) -> str:
    return value if isinstance(value, str) else dumps(value)


def _text(text: str) -> str:
    """What others wrote, with what XML cannot hold, and what could act on whoever reads it, shown as escapes."""
    return _ILLEGAL.sub(lambda found: f"\\u{ord(found.group()):04x}", prose(text))
