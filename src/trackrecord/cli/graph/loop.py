"""The drawing of an agent that has no workflow: the loop in which a model is asked and its tools are called. Pure."""

from __future__ import annotations

from trackrecord.agent.agent import Agent
from trackrecord.cli.graph.node import Arm, Node, chain
from trackrecord.cli.units import many


def loop(agent: Agent) -> Arm:
    """The loop that any run of the agent goes through."""
    ask = Node(key="/ask", title="ask the model", kind=agent.model or "the installation's model")
    inside = (ask,)
    if agent.plugins:
        tools = tuple(
            Node(
                key=f"/{need.name}",
                title=need.name,
                kind="plugin",
                remarks=("may be missing",) if need.is_optional else (),
            )
            for need in agent.plugins
        )
        call = Node(
            key="/call",
            title="call the tools it asked for",
            shape="fork",
            kind=f"{agent.limits.max_parallel_tools} at once",
            arms=(Arm(nodes=tools),),
        )
        inside = (ask, call)
    turns = Node(
        key="/turns",
        title="until it answers",
        shape="repeat",
        kind=f"at most {many(agent.limits.max_iterations, 'turn')}",
        arms=(Arm(label="each turn", nodes=inside, edges=chain(len(inside))),),
    )
    return Arm(nodes=(turns,))
