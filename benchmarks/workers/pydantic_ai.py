"""pydantic-ai: an Agent with one tool and a FunctionModel, or over HTTP its OpenAIChatModel, both as documented.

Instrumentation is off unless asked for; it is not.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage, UsageLimits

from benchmarks.workers import work
from benchmarks.workers.protocol import Contestant, serve


class PydanticAi(Contestant):
    """One agent, made once; each run starts anew."""

    async def open(self, options: dict[str, Any]) -> dict[str, str]:
        """Get ready."""
        address = options.get("provider")
        model = FunctionModel(self._reply) if address is None else _over_http(address)
        self._agent = Agent(model, system_prompt=work.SYSTEM)
        self._agent.tool_plain(self._look_up, name=work.TOOL_NAME, description=work.TOOL_TEXT)
        return {"pydantic-ai": version("pydantic-ai-slim")}

    async def run(self) -> object:
        """Ten turns and the answer."""
        # the default limit of requests is higher than this run's; given, so that a new default cannot end it
        result = await self._agent.run(work.PROMPT, usage_limits=UsageLimits(request_limit=50))
        assert result.output == work.ANSWER
        return None

    async def _look_up(self, item: int) -> dict[str, int]:
        self.counter.tools += 1
        return work.price(item)

    async def _reply(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        del info
        self.counter.replies += 1
        turn = len(messages) // 2 + 1  # request, response, request, …
        # usage is given: without it the model would estimate it from the whole history, a cost of the double only
        usage = RequestUsage(input_tokens=work.INPUT_TOKENS, output_tokens=work.OUTPUT_TOKENS)
        if turn > work.TOOL_CALLS:
            return ModelResponse(parts=[TextPart(work.ANSWER)], usage=usage)
        call = ToolCallPart(work.TOOL_NAME, {"item": turn}, tool_call_id=f"call_{turn}")
        return ModelResponse(parts=[call], usage=usage)


def _over_http(address: str) -> Model[Any]:
    """Its HTTP client is the one pydantic-ai makes, which keeps connections."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(work.MODEL, provider=OpenAIProvider(base_url=address, api_key="not-needed"))


if __name__ == "__main__":
    serve(PydanticAi())
