"""What is wrong with an agent beyond its own text, told where it stands in its file: actions that no plugin has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trackrecord.errors import BadAgent

if TYPE_CHECKING:
    from trackrecord.agent import Agent


@contextmanager
def placed(agent_file: str) -> Generator[None]:
    """Gives the problems of an agent that are found later the lines of its file.

    Raises:
        BadAgent: the one that was raised inside, its problems with their lines.
    """
    try:
        yield
    except BadAgent as error:
        raise _with_lines(error, Path(agent_file)) from None


def check_actions(agent: Agent, agent_file: str) -> None:
    """Refuse actions that the built-in plugins do not have; those of others show when the agent is run.

    Raises:
        BadAgent: a step names such an action, or tries one again that must not happen twice.
    """
    from trackrecord.plugins.entry_points import BUILT_IN, load  # the plugins themselves: `check` alone needs them
    from trackrecord.plugins.registry import Registry
    from trackrecord.workflow.effects import check
    from trackrecord.workflow.fields import counted

    if agent.workflow is None:
        return
    needed = [need.name for need in agent.plugins if need.name in BUILT_IN]
    registry = Registry(load(needed, {"files": {"root": "."}}).plugins)
    problems = check(agent.workflow, registry.effect, needed, suggest=registry.suggest)
    if problems:
        found = BadAgent(f"{Path(agent_file).name}: {counted(len(problems))}", problems=problems)
        raise _with_lines(found, Path(agent_file))


def _with_lines(error: BadAgent, path: Path) -> BadAgent:
    from trackrecord.agent.files import parse  # there already: the agent was read by it

    if any(problem.line is not None for problem in error.problems):
        return error
    try:
        source = parse(path.read_bytes(), is_json=path.suffix == ".json")
    except OSError:
        return error
    return BadAgent(error.message, cure=error.cure, problems=source.with_lines(error.problems))
