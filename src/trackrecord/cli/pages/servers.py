"""An MCP server and its tools, as they are and as they were approved. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackrecord.cli.escape import line
from trackrecord.cli.look import Look as Drawn
from trackrecord.cli.look import Style, pad, paragraph

if TYPE_CHECKING:
    from trackrecord.plugins.mcp.servers import Look
    from trackrecord.plugins.mcp.tools import Comparison

_SIGNS: Final[dict[str, tuple[str, Style]]] = {
    "approved": ("✓", "green"),
    "changed": ("~", "yellow"),
    "new": ("+", "cyan"),
    "gone": ("-", "red"),
    "unusable": ("!", "red"),
}
_WORDS: Final = {
    "approved": "",
    "changed": "changed since it was approved",
    "new": "not approved",
    "gone": "gone",
    "unusable": "cannot be used",
}
_MOST_OF_A_NAME: Final = 40
_MOST_OF_A_LINE: Final = 400


def server_page(look: Look, drawn: Drawn, *, is_short: bool = False) -> str:
    """A server: how it is reached, and each tool with its effect, what it says it does, and what changed.

    `is_short` leaves out what is as it was approved.
    """
    since = f"approved {look.approved_at[:16]}Z" if look.approved_at is not None else "not approved"
    head = f"{drawn.paint(line(look.server.name), 'bold')}  {line(look.server.place, 100)}  {since}"
    if look.trouble is not None:
        return "\n".join([head, *(f"  {text}" for text in paragraph(line(look.trouble), drawn.width - 2))])
    shown = [one for one in look.tools if not (is_short and one.state in ("approved", "unusable"))]
    wide = min(_MOST_OF_A_NAME, max((len(line(one.tool.name)) for one in shown), default=0))
    lines = [text for one in shown for text in _tool(one, wide, drawn, is_short=is_short)]
    return "\n".join([head, *(lines or ["  it offers no tools"])])


def _tool(one: Comparison, wide: int, drawn: Drawn, *, is_short: bool) -> list[str]:
    sign, colour = _SIGNS[one.state]
    name = pad(line(one.tool.name, _MOST_OF_A_NAME), wide)
    lines = [f"  {drawn.paint(sign, colour)} {name}  {pad(one.tool.effect, 6)}  {_WORDS[one.state]}".rstrip()]
    problem = one.offered.problem() if one.state == "unusable" and one.offered is not None else None
    if problem is not None:
        lines += [f"      {text}" for text in paragraph(line(problem), drawn.width - 6)]
    elif one.state == "changed":
        lines += [f"      {line(change, _MOST_OF_A_LINE)}" for change in one.changes()]
    elif one.state == "new" or not is_short:
        # the whole of it: this is what a model is going to read
        lines += [f"      {text}" for text in paragraph(line(one.tool.description), drawn.width - 6) if text]
    return lines
