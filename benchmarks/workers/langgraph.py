"""LangGraph: a StateGraph of a model node and a tool node, as its quickstart writes it, without a checkpointer.

The nodes call a chat model and a tool of langchain-core; the ready-made ToolNode and the ready-made agent were slower.
A chain of pure steps is one node a step; it can be invoked sync or async, and the harness times both. Tracing is off by
the documented variable, which the harness sets.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from benchmarks.workers import work
from benchmarks.workers.protocol import Contestant, serve


class Talk(TypedDict):
    """State of the loop."""

    messages: Annotated[list[AnyMessage], operator.add]


class Value(TypedDict):
    """State of the chain."""

    value: int


class LangGraph(Contestant):
    """One graph for the loop and one for each length of chain, compiled once."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = self._compiled_loop()
        self._chains: dict[int, Any] = {}
        self._is_sync = False

    async def open(self, options: dict[str, Any]) -> dict[str, str]:
        """Get ready."""
        self._is_sync = bool(options.get("sync"))
        return {"langgraph": version("langgraph")}

    async def run(self) -> object:
        """Ten turns and the answer."""
        state = await self._loop.ainvoke(
            {"messages": [SystemMessage(work.SYSTEM), HumanMessage(work.PROMPT)]}, {"recursion_limit": 50}
        )
        assert state["messages"][-1].content == work.ANSWER
        return None

    async def chain(self, steps: int) -> object:
        """That many steps."""
        graph = self._chains.get(steps)
        if graph is None:
            graph = self._chains[steps] = self._compiled_chain(steps)
        config = {"recursion_limit": steps + 10}
        state = graph.invoke({"value": 0}, config) if self._is_sync else await graph.ainvoke({"value": 0}, config)
        assert state["value"] == steps
        return None

    def _compiled_loop(self) -> Any:
        model = _Scripted()
        model.count_for(self)

        @tool(work.TOOL_NAME, description=work.TOOL_TEXT)
        async def look_up(item: int) -> dict[str, int]:
            self.counter.tools += 1
            return work.price(item)

        async def ask(state: Talk) -> dict[str, Any]:
            return {"messages": [await model.ainvoke(state["messages"])]}

        async def call(state: Talk) -> dict[str, Any]:
            answers = []
            for wanted in state["messages"][-1].tool_calls:
                content = json.dumps(await look_up.ainvoke(wanted["args"]))
                answers.append(ToolMessage(content=content, tool_call_id=wanted["id"]))
            return {"messages": answers}

        def next_node(state: Talk) -> str:
            return "call" if state["messages"][-1].tool_calls else END

        graph = StateGraph(Talk)
        graph.add_node("ask", ask)
        graph.add_node("call", call)
        graph.add_edge(START, "ask")
        graph.add_conditional_edges("ask", next_node, ["call", END])
        graph.add_edge("call", "ask")
        return graph.compile()

    def _compiled_chain(self, steps: int) -> Any:
        def add(state: Value) -> dict[str, int]:
            self.counter.steps += 1
            return {"value": work.add_one(state["value"])}

        async def add_async(state: Value) -> dict[str, int]:
            return add(state)

        graph = StateGraph(Value)
        names = [f"step_{place}" for place in range(1, steps + 1)]
        for before, name in zip([START, *names], names, strict=False):
            graph.add_node(name, add if self._is_sync else add_async)
            graph.add_edge(before, name)
        graph.add_edge(names[-1], END)
        return graph.compile()


class _Scripted(BaseChatModel):
    _owner: Any = None

    def count_for(self, owner: LangGraph) -> None:
        """Count replies on this contestant's counter."""
        self._owner = owner

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **named: Any) -> ChatResult:
        raise NotImplementedError("every run here is async")

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **named: Any) -> ChatResult:
        self._owner.counter.replies += 1
        return ChatResult(generations=[ChatGeneration(message=_said(messages))])


def _said(messages: Sequence[BaseMessage]) -> AIMessage:
    turn = len(messages) // 2  # system and user, then a reply and a result for every turn so far
    usage = {
        "input_tokens": work.INPUT_TOKENS,
        "output_tokens": work.OUTPUT_TOKENS,
        "total_tokens": work.INPUT_TOKENS + work.OUTPUT_TOKENS,
    }
    if turn > work.TOOL_CALLS:
        return AIMessage(content=work.ANSWER, usage_metadata=usage)
    wanted = {"name": work.TOOL_NAME, "args": {"item": turn}, "id": f"call_{turn}"}
    return AIMessage(content="", tool_calls=[wanted], usage_metadata=usage)


if __name__ == "__main__":
    serve(LangGraph())
