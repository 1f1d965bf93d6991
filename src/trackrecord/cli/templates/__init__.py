"""What `trackrecord new` writes: an agent file with comments for each template, and the script its model answers from.

Package data and how it is filled in; writes nothing. Every template runs offline as it is, and `check` takes it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*(?: [A-Za-z0-9_.-]+)*")
_WORDS: Final = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A kind of agent.

    Attributes:
        engines: who can run it.
        summary: what it is, for a line of help.
    """

    name: str
    engines: tuple[str, ...]
    summary: str


TEMPLATES: Final = {
    one.name: one
    for one in (
        Template(name="both", engines=("agentkit", "orchestrator"), summary="a prompt and steps, for both engines"),
        Template(name="assistant", engines=("agentkit",), summary="a prompt and tools, for AgentKit"),
        Template(name="workflow", engines=("orchestrator",), summary="steps, for the Orchestrator"),
    )
}
DEFAULTS: Final = {"agentkit": "assistant", "orchestrator": "workflow", "auto": "both"}


def agent_text(template: str, *, name: str, file: str, script: str) -> str:
    """The agent file of a template.

    Args:
        template: one of `TEMPLATES`.
        name: of the agent.
        file: as it is to be typed.
        script: the file beside it that its model answers from.
    """
    text = (_HERE / f"{template}.yaml").read_text(encoding="utf-8")
    filled = {"@NAME@": _scalar(name), "@MODEL@": _scalar(f"scripted:{script}"), "@FILE@": file}
    return re.sub("@[A-Z]+@", lambda found: filled[found.group()], text)


def script_text(template: str) -> str:
    """The script of a template."""
    return (_HERE / f"{template}.script.yaml").read_text(encoding="utf-8")


def _scalar(text: str) -> str:
    """A text as YAML reads it back."""
    is_plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS and ": " not in text
    return text if is_plain and not text.endswith(":") else json.dumps(text, ensure_ascii=False)
