"""The commands, a module each, and the table that the front page and the dispatcher read. Loads none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command: its module here has a function `command`.

    Attributes:
        summary: one line for the front page.
        examples: lines that can be typed as they are, for its help.
    """

    name: str
    summary: str
    examples: tuple[str, ...]


GROUPS: Final[dict[str, tuple[Command, ...]]] = {
    "Run agents": (
        Command(
            name="demo",
            summary="one agent, two engines, offline: both records and the proof",
            examples=("trackrecord demo",),
        ),
        Command(
            name="new",
            summary="write an agent file to begin with; it runs at once, offline",
            examples=("trackrecord new order-desk", "trackrecord new agents/desk.yaml --engine orchestrator"),
        ),
        Command(
            name="run",
            summary="run an agent and record it",
            examples=(
                "trackrecord run agent.yaml -i file=tickets.csv",
                "trackrecord run agent.yaml -i text=@letter.txt --engine agentkit",
            ),
        ),
        Command(
            name="resume",
            summary="go on with runs whose process died, or whose time to wait is over",
            examples=("trackrecord resume", "trackrecord resume 019a8c3f-1a2b"),
        ),
        Command(
            name="cancel",
            summary="end a run that has not ended, whoever carries it",
            examples=("trackrecord cancel 019a8c3f-1a2b",),
        ),
        Command(
            name="check",
            summary="say everything that is wrong with an agent file, with lines",
            examples=("trackrecord check agent.yaml",),
        ),
    ),
    "Look at what they left": (
        Command(
            name="runs",
            summary="list runs, newest first",
            examples=("trackrecord runs --agent support-triage --status failed --since 2h",),
        ),
        Command(
            name="show",
            summary="show the record of a run: answer, figures, tool calls, waterfall",
            examples=("trackrecord show last",),
        ),
        Command(
            name="graph",
            summary="draw a workflow, or how a run of it went: Mermaid or SVG",
            examples=("trackrecord graph agent.yaml", "trackrecord graph last --svg -o run.svg"),
        ),
        Command(name="agents", summary="list agents", examples=("trackrecord agents",)),
        Command(
            name="stats",
            summary="show what an agent's runs add up to",
            examples=("trackrecord stats support-triage",),
        ),
        Command(
            name="intensity",
            summary="show how heavy an agent is, and why",
            examples=("trackrecord intensity support-triage",),
        ),
    ),
    "Answer what they ask": (
        Command(
            name="approvals",
            summary="list what waits for a person",
            examples=("trackrecord approvals", "trackrecord approvals last --json"),
        ),
        Command(
            name="approve",
            summary="say yes to what a run asks",
            examples=(
                "trackrecord approve last",
                'trackrecord approve 019a8c3f s:ok --as anna --comment "Up to 200."',
            ),
        ),
        Command(
            name="reject",
            summary="say no to what a run asks",
            examples=('trackrecord reject last --as anna --comment "Too dear."',),
        ),
        Command(
            name="settle",
            summary="say what became of a call whose outcome nobody knows",
            examples=(
                "trackrecord settle last s:send --outcome done --data '{\"id\": 7}'",
                "trackrecord settle last s:send --outcome retry",
            ),
        ),
    ),
    "Teach them": (
        Command(
            name="feedback",
            summary="say that a run was good or bad, for the runs after it",
            examples=('trackrecord feedback last bad "It forgot the greeting."',),
        ),
        Command(
            name="memory",
            summary="look at what is remembered, add to it, erase it",
            examples=(
                "trackrecord memory list --agent support-triage",
                'trackrecord memory add "Prefers short answers."',
                "trackrecord memory erase --run 019a8c3f-1a2b",
            ),
        ),
    ),
    "Set it up": (
        Command(
            name="secrets",
            summary="set, list, rotate and delete the secrets that plugins are given",
            examples=(
                "trackrecord secrets set crm_token < token.txt",
                "trackrecord secrets list",
                "trackrecord secrets rotate < new.key",
            ),
        ),
        Command(
            name="credits",
            summary="grant users credits, and show what is left of them",
            examples=(
                "trackrecord credits grant 500",
                "trackrecord credits show",
                "trackrecord credits refund 3 --run last --note wrong",
            ),
        ),
        Command(
            name="config",
            summary="show every setting, its value, and where it comes from",
            examples=("trackrecord config",),
        ),
        Command(
            name="schema",
            summary="print a JSON Schema: of agent files, scripts or records",
            examples=("trackrecord schema > agent.schema.json", "trackrecord schema record"),
        ),
        Command(
            name="mcp",
            summary="list, approve and check the tools of MCP servers",
            examples=("trackrecord mcp list", "trackrecord mcp approve crm", "trackrecord mcp check"),
        ),
    ),
    "Prove it": (
        Command(
            name="parity",
            summary="compare what two engines, or two runs, left, field by field",
            examples=("trackrecord parity agent.yaml", "trackrecord parity 019a8c3f-1a2b 019a8c3f-2b7c"),
        ),
        Command(
            name="verify",
            summary="recount everything and name what does not add up",
            examples=("trackrecord verify",),
        ),
        Command(
            name="rebuild",
            summary="make statistics and intensity anew from the records",
            examples=("trackrecord rebuild",),
        ),
    ),
}
COMMANDS: Final = {command.name: command for group in GROUPS.values() for command in group}
