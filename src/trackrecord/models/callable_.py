"""A Python function as a model, for tests and for embedding one's own. No I/O, no retries, no conversation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable

from trackrecord.models.messages import ModelCallFailed, ModelReply, ModelRequest

ModelFunction = Callable[[ModelRequest], "ModelReply | str | Awaitable[ModelReply | str]"]


class CallableModel:
    """Answers each request with what a function, sync or async, makes of it.

    A sync function runs on the event loop and must be quick. An answer given as plain text reports no usage: its tokens
    are unknown, not zero; return a ModelReply with its Usage to have them counted.
    """

    __slots__ = ("_answer", "name", "provider")

    def __init__(self, answer: ModelFunction, *, name: str = "function", provider: str = "python") -> None:
        """Keep the function; `provider` and `name` stand in the record."""
        self._answer = answer
        self.provider = provider
        self.name = name

    async def request(self, request: ModelRequest) -> ModelReply:
        """One call of the function.

        Raises:
            ModelCallFailed: the function raised it, or gave something that is neither text nor a reply.
        """
        given = self._answer(request)
        reply = await given if isawaitable(given) else given
        if isinstance(reply, str):
            return ModelReply(text=reply)
        if not isinstance(reply, ModelReply):  # pyright: ignore[reportUnnecessaryIsInstance]  # functions are untyped in practice
            raise ModelCallFailed(
                f"the function of model {self.name!r} gave a {type(reply).__name__}, not text or a ModelReply",
                code="provider_bad_response",
            )
        return reply
