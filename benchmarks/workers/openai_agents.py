"""OpenAI Agents SDK: the Runner with a Model of our own and one function tool. Tracing is off, as documented."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool, set_tracing_disabled
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from benchmarks.workers import work
from benchmarks.workers.protocol import Contestant, serve

set_tracing_disabled(True)


class OpenAiAgents(Contestant):
    """One agent, made once; each run starts anew."""

    def __init__(self) -> None:
        super().__init__()

        @function_tool(name_override=work.TOOL_NAME, description_override=work.TOOL_TEXT)
        async def look_up(item: int) -> dict[str, int]:
            self.counter.tools += 1
            return work.price(item)

        self._agent = Agent(name="bench", instructions=work.SYSTEM, model=_Scripted(self), tools=[look_up])
        self._config = RunConfig(tracing_disabled=True)

    async def open(self, options: dict[str, Any]) -> dict[str, str]:
        """Get ready."""
        del options
        return {"openai-agents": version("openai-agents")}

    async def run(self) -> object:
        """Ten turns and the answer."""
        result = await Runner.run(self._agent, work.PROMPT, max_turns=work.MODEL_REPLIES + 1, run_config=self._config)
        assert result.final_output == work.ANSWER
        return None


class _Scripted(Model):
    def __init__(self, owner: OpenAiAgents) -> None:
        self._owner = owner

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **named: Any) -> ModelResponse:
        self._owner.counter.replies += 1
        # the prompt, then a call and its output for every turn so far
        turn = 1 if isinstance(input, str) else len(input) // 2 + 1
        return ModelResponse(output=[_said(turn)], usage=_usage(), response_id=None)

    def stream_response(self, *args: Any, **named: Any) -> Any:
        raise NotImplementedError("no run here is streamed")


def _said(turn: int) -> ResponseFunctionToolCall | ResponseOutputMessage:
    if turn <= work.TOOL_CALLS:
        return ResponseFunctionToolCall(
            type="function_call", call_id=f"call_{turn}", name=work.TOOL_NAME, arguments=f'{{"item": {turn}}}'
        )
    return ResponseOutputMessage(
        id="answer",
        type="message",
        role="assistant",
        status="completed",
        content=[ResponseOutputText(type="output_text", text=work.ANSWER, annotations=[])],
    )


def _usage() -> Usage:
    return Usage(
        requests=1,
        input_tokens=work.INPUT_TOKENS,
        output_tokens=work.OUTPUT_TOKENS,
        total_tokens=work.INPUT_TOKENS + work.OUTPUT_TOKENS,
    )


if __name__ == "__main__":
    serve(OpenAiAgents())
