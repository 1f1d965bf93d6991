"""LangGraph: a StateGraph of a model node and a tool node, as its quickstart writes it, without a checkpointer.

Durable steps are a chain of nodes with its own saver on SQLite at durability `sync`, as documented: `SqliteSaver` where
it is invoked sync, `AsyncSqliteSaver` where async. What the saver sets (a write-ahead log, SQLite's own `FULL`) stays;
for `NORMAL` its connection is told so.

The nodes call a chat model and a tool of langchain-core; the ready-made ToolNode and the ready-made agent were slower.
A chain of pure steps is one node a step; it can be invoked sync or async, and the harness times both. Tracing is off by
the documented variable, which the harness sets.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import operator
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Annotated, Any, TypedDict
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
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
        self._saver: Any = None
        self._settings: dict[str, Any] = {}
        self._durable: dict[int, Any] = {}
        self._repeated: dict[int, Any] = {}
        self._opened = AsyncExitStack()

    async def open(self, options: dict[str, Any]) -> dict[str, str]:
        """Get ready."""
        self._is_sync = bool(options.get("sync"))
        versions = {"langgraph": version("langgraph")}
        if "database" in options:
            await self._open_saver(options["database"].removeprefix("sqlite:///"), options["synchronous"])
            versions["langgraph-checkpoint-sqlite"] = version("langgraph-checkpoint-sqlite")
        return versions

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

    async def durable(self, steps: int) -> object:
        """That many nodes, a checkpoint after each."""
        graph = self._durable.get(steps)
        if graph is None:
            graph = self._durable[steps] = self._compiled_chain(steps, is_tool=True)
        thread = str(uuid4())
        config = {"recursion_limit": steps + 10, "configurable": {"thread_id": thread}}
        if self._is_sync:
            # from a thread: many are at once only then, and the loop of this process is nobody's business
            state = await asyncio.to_thread(graph.invoke, {"value": 0}, config, durability="sync")
        else:
            state = await graph.ainvoke({"value": 0}, config, durability="sync")
        assert state["value"] == steps
        return thread

    async def repeat(self, times: int, *, is_map: bool) -> object:
        """That many turns of one node."""
        assert not is_map, "no figure compares a map"
        graph = self._repeated.get(times)
        if graph is None:
            graph = self._repeated[times] = self._compiled_cycle(times)
        config = {"recursion_limit": times + 10}
        state = graph.invoke({"value": 0}, config) if self._is_sync else await graph.ainvoke({"value": 0}, config)
        assert state["value"] == times
        return None

    def proof(self, given: list[object]) -> dict[str, Any]:
        """The threads by which the checkpoints are found, and how hard they are written."""
        return {"runs": [str(thread) for thread in given], "settings": self._settings}

    async def close(self) -> None:
        """Let go of the database."""
        await self._opened.aclose()

    async def _open_saver(self, path: str, synchronous: str) -> None:
        if self._is_sync:
            saver = self._opened.enter_context(SqliteSaver.from_conn_string(path))
            saver.setup()
        else:
            saver = await self._opened.enter_async_context(AsyncSqliteSaver.from_conn_string(path))
            await saver.setup()
        self._saver = saver
        if synchronous == "NORMAL":
            await _done(saver.conn.execute("PRAGMA synchronous = NORMAL"))
        self._settings = {name: await _setting(saver.conn, name) for name in ("journal_mode", "synchronous")}

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

    def _adding(self, *, is_tool: bool = False) -> Callable[[Value], Any]:
        def add(state: Value) -> dict[str, int]:
            if is_tool:
                self.counter.tools += 1
            else:
                self.counter.steps += 1
            return {"value": work.add_one(state["value"])}

        async def add_async(state: Value) -> dict[str, int]:
            return add(state)

        return add if self._is_sync else add_async

    def _compiled_cycle(self, times: int) -> Any:
        graph = StateGraph(Value)
        graph.add_node("add", self._adding())
        graph.add_edge(START, "add")
        graph.add_conditional_edges("add", lambda state: END if state["value"] == times else "add", ["add", END])
        return graph.compile()

    def _compiled_chain(self, steps: int, *, is_tool: bool = False) -> Any:
        graph = StateGraph(Value)
        add = self._adding(is_tool=is_tool)
        names = [f"step_{place}" for place in range(1, steps + 1)]
        for before, name in zip([START, *names], names, strict=False):
            graph.add_node(name, add)
            graph.add_edge(before, name)
        graph.add_edge(names[-1], END)
        return graph.compile(checkpointer=self._saver) if is_tool else graph.compile()


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


async def _done(result: Any) -> Any:
    """What a call gave, of the sync driver or the async one."""
    return await result if inspect.isawaitable(result) else result


async def _setting(connection: Any, name: str) -> Any:
    cursor = await _done(connection.execute(f"PRAGMA {name}"))
    return (await _done(cursor.fetchone()))[0]


if __name__ == "__main__":
    serve(LangGraph())
