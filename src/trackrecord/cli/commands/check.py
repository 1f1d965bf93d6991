"""`trackrecord check`: whether an agent file can be used, everything wrong with it at once. Runs nothing."""

from __future__ import annotations

from trackrecord.cli import terminal
from trackrecord.cli.checking import check_actions
from trackrecord.cli.commands.run import AgentFile
from trackrecord.cli.escape import line
from trackrecord.cli.look import joined, width, wrapped
from trackrecord.cli.typed import AsJson
from trackrecord.cli.units import many
from trackrecord.errors import BadAgent


def command(agent_file: AgentFile, is_json: AsJson = False) -> int:
    """Say everything that is wrong with an agent file, with lines. Exit code: 0 it can be used, 2 it cannot."""
    from trackrecord.agent import Agent  # the whole grammar of steps: no list needs it
    from trackrecord.record.design import design_of

    try:
        agent = Agent.load(agent_file)
        check_actions(agent, agent_file)
    except BadAgent as error:
        if not is_json:
            raise
        problems = [
            {"path": one.path, "line": one.line, "message": one.message, "cure": one.cure} for one in error.problems
        ]
        terminal.say_json({"ok": False, "problems": [dict(one) for one in problems]})
        return error.exit_code
    design = design_of(agent)
    if is_json:
        terminal.say_json({"ok": True, "name": agent.name, "id": agent.id, "version": agent.version, "problems": []})
        return 0
    look = terminal.here().out
    facts = (
        many(design.steps, "step") if agent.workflow is not None else "no workflow",
        many(design.plugins, "plugin"),
        f"model {line(agent.model, 40)}" if agent.model else "no model of its own",
        f"version {agent.version[:8]}",
    )
    name = line(agent.name, look.width - 2)
    head = f"{look.paint('✓', 'green')} {look.paint(name, 'bold')}"
    told = joined(facts)
    if width(head) + 2 + width(told) <= look.width:
        terminal.say(f"{head}  {told}")
    else:
        terminal.say("\n".join([head, *(f"  {part}" for part in wrapped(facts, columns=look.width - 2))]))
    return 0
