"""The page of settings: what holds, where it came from, and what is kept where. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackrecord.canonical import Json
from trackrecord.cli.answer import one_line
from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, pad, paragraph, table

if TYPE_CHECKING:
    from trackrecord.cli.configured import Configured, Setting

_SETTINGS: Final = (Column(title="setting"), Column(title="value", least=8, most=70), Column(title="from", least=7))


def config_page(found: Configured, look: Look) -> str:
    """Settings first, what was set by somebody before what is a default; then keys and places."""
    given = [one for one in found.settings if one.source != "default"]
    others = [one for one in found.settings if one.source == "default"]
    rows = [(line(one.variable), _value(one), line(one.source)) for one in (*given, *others)]
    lines = table(look, _SETTINGS, rows)
    wide = max(map(len, (*found.paths, *found.keys)))
    lines += ["", look.heading("Keys of providers")]
    lines += [f"  {pad(name, wide)}  {'set' if is_set else 'not set'}" for name, is_set in found.keys.items()]
    lines += ["", look.heading("Places")]
    lines += [f"  {pad(name, wide)}  {line(text)}" for name, text in found.paths.items()]
    return "\n".join(lines)


def _value(one: Setting) -> str:
    return "–" if one.value is None else line(_shown(one.value), 200)


def _shown(value: Json) -> str:
    return '""' if value == "" else one_line(value)


def warning_lines(found: Configured, look: Look) -> str:
    """Each warning as a paragraph of its own."""
    lines = [text for one in found.warnings for text in paragraph(f"warning: {line(one)}", look.width)]
    return "\n".join(text.replace("warning:", look.paint("warning:", "yellow"), 1) for text in lines)
