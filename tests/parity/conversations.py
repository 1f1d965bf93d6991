"""The conversations both engines must leave the same record of: one table, every kind of turn and every kind of end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

OBJECT: Final = {
    "type": "object",
    "properties": {"total": {"type": "integer"}},
    "required": ["total"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One scripted conversation and what it must come to, so that none of them passes by being another one.

    Attributes:
        replies: what the model says, turn by turn.
        then: `repeat_last` says the last one for ever.
        shows: columns of `agent_executions` and what must stand in them.
        code: the error_code; None when it completes.
        status: the terminal state.
        agent: fields of the definition beside the usual ones.
        inputs: input values.
        history: answers of earlier runs of the agent, to be recalled.
        facts: what is known of the user, to be recalled.
        cancels: whether the run is cancelled from outside by the tool `walk_away`.
        priced_as: provider and model the script answers as, to have a price.
    """

    replies: Sequence[object]
    then: str | None = None
    shows: Mapping[str, object] = field(default_factory=dict[str, object])
    code: str | None = None
    status: str = "completed"
    agent: Mapping[str, object] = field(default_factory=dict[str, object])
    inputs: Mapping[str, object] = field(default_factory=dict[str, object])
    history: Sequence[str] = ()
    facts: Sequence[str] = ()
    cancels: bool = False
    priced_as: tuple[str, str] | None = None

    @property
    def script(self) -> dict[str, object]:
        """The script of its model."""
        return {"replies": list(self.replies), **({"then": self.then} if self.then else {})}


def asks(*calls: dict[str, object], **more: object) -> dict[str, object]:
    """A reply that asks for tools."""
    return {"tool_calls": list(calls), **more}


def call(action: str, **arguments: object) -> dict[str, object]:
    """A call of the desk."""
    return {"name": f"desk__{action}", "arguments": arguments}


def raw(action: str, arguments: object) -> dict[str, object]:
    """A call of the desk with arguments as written."""
    return {"name": f"desk__{action}", "arguments": arguments}


def usage(total: int) -> dict[str, int]:
    """Usage of so many tokens."""
    return {"input": total - 1, "output": 1}


LOOK: Final = call("look_up", name="Ada")
DONE: Final = "All done."

ANSWERS: dict[str, Conversation] = {
    "answer only": Conversation(replies=[DONE], shows={"iterations_count": 1, "tool_calls_count": 0}),
    "an empty answer": Conversation(replies=[""], shows={"iterations_count": 1}),
    "an answer to inputs": Conversation(
        replies=["Sorted {{ inputs.pile }}."], inputs={"pile": ["b", "a"]}, shows={"input_count": 1}
    ),
    "no tools at all": Conversation(replies=[DONE], agent={"plugins_required": []}),
    "an answer that fits the schema": Conversation(
        replies=[{"json": {"total": 3}}], agent={"output_schema": OBJECT}, shows={"iterations_count": 1}
    ),
    "an answer in a fence": Conversation(replies=['```json\n{"total": 3}\n```'], agent={"output_schema": OBJECT}),
    "a schema repair that succeeds": Conversation(
        replies=["three", {"json": {"total": 3}}], agent={"output_schema": OBJECT}, shows={"iterations_count": 2}
    ),
    "a repair after tools": Conversation(
        replies=[asks(call("add", a=1, b=2)), {"json": {"total": "3"}}, {"json": {"total": 3}}],
        agent={"output_schema": OBJECT},
        shows={"iterations_count": 3, "tool_calls_count": 1},
    ),
}

TOOLS: dict[str, Conversation] = {
    "one tool": Conversation(replies=[asks(LOOK), DONE], shows={"tool_calls_count": 1}),
    "tools in sequence": Conversation(
        replies=[asks(LOOK), asks(call("add", a=1, b=2)), asks(call("stamp", paper="A1")), DONE],
        shows={"tool_calls_count": 3, "iterations_count": 4},
    ),
    "tools in parallel": Conversation(
        replies=[asks(call("look_up", name="Ada", wait_ms=20), LOOK, call("add", a=1, b=2)), DONE],
        shows={"tool_calls_count": 3, "iterations_count": 2},
    ),
    "more calls than may be in flight": Conversation(
        replies=[asks(*[call("look_up", name=str(n), wait_ms=2) for n in range(12)]), DONE],
        agent={"limits": {"max_parallel_tools": 2}},
        shows={"tool_calls_count": 12},
    ),
    "words beside a call": Conversation(replies=[asks(LOOK, text="Let me look."), DONE]),
    "a failing tool": Conversation(
        replies=[asks(call("break_off", kind="value_error")), DONE], shows={"tool_calls_count": 1, "retry_count": 0}
    ),
    "a failure the tool reports": Conversation(replies=[asks(call("decline")), DONE], shows={"tool_calls_count": 1}),
    "a tool that does not say": Conversation(replies=[asks(call("shrug")), DONE], shows={"tool_calls_count": 1}),
    "failing and working side by side": Conversation(
        replies=[asks(call("break_off", kind="own"), LOOK, call("decline")), DONE], shows={"tool_calls_count": 3}
    ),
    "a passing failure of a tool": Conversation(
        replies=[asks(call("queue_up")), DONE], shows={"tool_calls_count": 1, "retry_count": 1}
    ),
    "a read that takes too long": Conversation(
        replies=[asks(call("dawdle")), DONE], shows={"tool_calls_count": 1, "retry_count": 2}
    ),
    "an unsafe call that takes too long": Conversation(
        replies=[asks(call("post")), DONE], shows={"tool_calls_count": 1, "unknown_count": 1, "retry_count": 0}
    ),
    "an unsafe call that is never answered": Conversation(
        replies=[asks(call("hand_over")), DONE], shows={"unknown_count": 1, "retry_count": 0}
    ),
    "arguments that are no JSON": Conversation(
        replies=[asks(raw("look_up", "{name: ")), asks(LOOK), DONE],
        shows={"tool_calls_rejected_count": 1, "tool_calls_count": 1},
    ),
    "arguments that are no object": Conversation(
        replies=[asks(raw("look_up", "[1]")), DONE], shows={"tool_calls_rejected_count": 1, "tool_calls_count": 0}
    ),
    "arguments that do not fit": Conversation(
        replies=[asks(call("look_up", nom="Ada")), asks(LOOK), DONE],
        shows={"tool_calls_rejected_count": 1, "tool_calls_count": 1},
    ),
    "an unknown tool": Conversation(
        replies=[asks({"name": "desk__fly", "arguments": {}}, {"name": "☃", "arguments": {}}), DONE],
        shows={"tool_calls_rejected_count": 2, "tool_calls_count": 0},
    ),
    "rejected and made side by side": Conversation(
        replies=[asks(call("look_up"), LOOK, {"name": "fly", "arguments": {}}), DONE],
        shows={"tool_calls_rejected_count": 2, "tool_calls_count": 1},
    ),
    "a result cut for the model": Conversation(
        replies=[asks(call("read_aloud", characters=30_000)), DONE], shows={"tool_calls_count": 1}
    ),
    "a result cut for the record": Conversation(
        replies=[asks(call("read_aloud", characters=5_000)), DONE], agent={"limits": {"tool_result_bytes": 1_000}}
    ),
    "content no database takes": Conversation(
        replies=[asks(call("turn_out_a_drawer"), call("mumble")), DONE], shows={"tool_calls_count": 2}
    ),
    "calls that share an id": Conversation(
        replies=[asks({**LOOK, "id": "x"}, {**call("add", a=1, b=2), "id": "x"}), DONE], shows={"tool_calls_count": 2}
    ),
    **{
        f"a tool raising {kind}": Conversation(
            replies=[asks(call("break_off", kind=kind)), DONE], shows={"tool_calls_count": 1, "iterations_count": 2}
        )
        for kind in ("system_exit", "keyboard_interrupt", "cancelled_error", "generator_exit", "own", "recursion")
    },
    **{
        f"a thread raising {kind}": Conversation(
            replies=[asks(call("break_off_in_a_thread", kind=kind), LOOK), DONE], shows={"tool_calls_count": 2}
        )
        for kind in ("system_exit", "keyboard_interrupt")
    },
}

USAGE: dict[str, Conversation] = {
    "cached and reasoning tokens": Conversation(
        replies=[
            asks(LOOK, usage={"input": 900, "output": 50, "cache_read": 700, "cache_write": 100, "reasoning": 30}),
            {"text": DONE, "usage": {"input": 1_000, "output": 20, "cache_read": 900, "reasoning": 0}},
        ],
        shows={"input_tokens": 1_900, "cache_read_tokens": 1_600, "cache_write_tokens": 100, "reasoning_tokens": 30},
    ),
    "usage nobody reported": Conversation(
        replies=[asks(LOOK, usage="none"), {"text": DONE, "usage": "none"}],
        shows={"input_tokens": None, "tokens_used": None, "usage_complete": 0, "credits_used": None},
    ),
    "usage of some attempts unknown": Conversation(
        replies=[asks(LOOK, usage={"input": 10, "output": 2}), {"text": DONE, "usage": "none"}],
        shows={"input_tokens": 10, "output_tokens": 2, "usage_complete": 0},
    ),
    "usage known by half": Conversation(
        replies=[{"text": DONE, "usage": {"output": 5}}],
        shows={"input_tokens": None, "output_tokens": 5, "tokens_used": 5, "usage_complete": 0},
    ),
    "usage that makes no sense": Conversation(
        replies=[{"text": DONE, "usage": {"input": -3, "output": 2.5}}], shows={"tokens_used": None}
    ),
    "another model answers": Conversation(
        replies=[asks(LOOK, responded_model="talk-1"), {"text": DONE, "responded_model": "talk-2"}],
        shows={"model_calls_count": 2},
    ),
    "a call with a price": Conversation(
        replies=[asks(LOOK, usage=usage(1_000)), {"text": DONE, "usage": usage(2_000)}],
        priced_as=("openai", "gpt-4o"),
        shows={"priced_calls_count": 2},
    ),
}

MEMORY: dict[str, Conversation] = {
    "summaries recalled": Conversation(replies=[DONE], history=["One.", "Two."], shows={"memory_entry_count": 2}),
    "facts of the user recalled": Conversation(
        replies=[DONE], facts=["Prefers tea.", "Is called Ada."], shows={"memory_entry_count": 2}
    ),
    "both recalled before tools": Conversation(
        replies=[asks(LOOK), DONE], history=["One."], facts=["Prefers tea."], shows={"memory_entry_count": 2}
    ),
    "memory switched off": Conversation(
        replies=[DONE], history=["One."], agent={"memory": False}, shows={"memory_entry_count": 0}
    ),
}

ENDS: dict[str, Conversation] = {
    "invalid output": Conversation(
        replies=["three", "four"],
        agent={"output_schema": OBJECT},
        status="failed",
        code="invalid_output",
        shows={"iterations_count": 2},
    ),
    "invalid output in the last turn": Conversation(
        replies=[asks(LOOK), "three"],
        agent={"output_schema": OBJECT, "limits": {"max_iterations": 2}},
        status="failed",
        code="invalid_output",
        shows={"iterations_count": 2, "tool_calls_count": 1},
    ),
    "max_iterations": Conversation(
        replies=[asks(call("add", a=n, b=1)) for n in range(3)],
        agent={"limits": {"max_iterations": 3}},
        status="failed",
        code="max_iterations",
        shows={"iterations_count": 3, "tool_calls_count": 3},
    ),
    "loop_detected": Conversation(
        replies=[asks(LOOK)],
        then="repeat_last",
        status="failed",
        code="loop_detected",
        shows={"iterations_count": 3, "tool_calls_count": 3},
    ),
    "a loop of rejected calls": Conversation(
        replies=[asks(call("look_up"))],
        then="repeat_last",
        status="failed",
        code="loop_detected",
        shows={"tool_calls_rejected_count": 3, "tool_calls_count": 0},
    ),
    "a loop within one turn": Conversation(
        replies=[asks(LOOK, LOOK, LOOK, LOOK)], status="failed", code="loop_detected", shows={"iterations_count": 1}
    ),
    "token_limit": Conversation(
        replies=[asks(LOOK, usage=usage(600)), asks(call("add", a=1, b=1), usage=usage(600)), DONE],
        agent={"limits": {"max_tokens_per_run": 1_000}},
        status="budget_exceeded",
        code="token_limit",
        shows={"tokens_used": 1_200, "tool_calls_count": 2},
    ),
    "cost_limit": Conversation(
        replies=[asks(LOOK, usage=usage(100_000)), DONE],
        agent={"limits": {"max_cost_usd": "0.01"}},
        priced_as=("openai", "gpt-4o"),
        status="budget_exceeded",
        code="cost_limit",
        shows={"priced_calls_count": 1, "tool_calls_count": 1},
    ),
    "limit_reached": Conversation(
        replies=[asks(LOOK), asks(call("add", a=1, b=1)), DONE],
        agent={"limits": {"max_spans": 4}, "memory": False},
        status="failed",
        code="limit_reached",
        shows={"tool_calls_count": 2},
    ),
    "model_failed": Conversation(
        replies=[asks(LOOK), {"error": {"status": 400, "message": "bad request"}}],
        status="failed",
        code="model_failed",
        shows={"model_calls_count": 2, "iterations_count": 1, "retry_count": 0, "usage_complete": 0},
    ),
    "model_failed on turn 3": Conversation(
        replies=[asks(LOOK), asks(call("add", a=1, b=1)), {"error": {"code": "model_failed", "usage": usage(7)}}],
        status="failed",
        code="model_failed",
        shows={"model_calls_count": 3, "iterations_count": 2, "tool_calls_count": 2, "usage_complete": 1},
    ),
    "a script that ran out": Conversation(replies=[asks(LOOK)], status="failed", code="model_failed"),
    "provider_unavailable after retries": Conversation(
        replies=[{"error": {"status": 503}}],
        status="failed",
        code="provider_unavailable",
        shows={"model_calls_count": 3, "retry_count": 2, "iterations_count": 0, "tokens_used": None},
    ),
    "a provider that comes back": Conversation(
        replies=[asks(LOOK), {"text": DONE, "error": {"status": 429, "times": 2, "usage": usage(5)}}],
        shows={"model_calls_count": 4, "retry_count": 2, "iterations_count": 2},
    ),
    "provider_bad_response": Conversation(
        replies=[{"error": {"code": "provider_bad_response", "message": "no JSON"}}],
        status="failed",
        code="provider_bad_response",
        shows={"model_calls_count": 1},
    ),
    "a model that takes too long": Conversation(
        replies=[{"text": DONE, "delay_ms": 60_000}],
        agent={"limits": {"model_timeout_ms": 30}},
        status="failed",
        code="provider_unavailable",
        shows={"model_calls_count": 3, "retry_count": 2},
    ),
    "run timeout in a model call": Conversation(
        replies=[asks(LOOK), {"text": DONE, "delay_ms": 60_000}],
        agent={"limits": {"run_timeout_s": 0.5}},
        status="timed_out",
        code="run_timeout",
        shows={"model_calls_count": 2, "iterations_count": 1, "usage_complete": 0},
    ),
    "run timeout in a read": Conversation(
        replies=[asks(call("look_up", name="Ada", wait_ms=60_000), LOOK)],
        agent={"limits": {"run_timeout_s": 0.5, "tool_timeout_ms": 90_000}},
        status="timed_out",
        code="run_timeout",
        shows={"tool_calls_count": 2, "unknown_count": 0},
    ),
    "cancelled by the user": Conversation(
        replies=[asks(LOOK), asks(call("walk_away", code="user"))],
        cancels=True,
        status="cancelled",
        code="user",
        shows={"tool_calls_count": 2, "unknown_count": 1, "iterations_count": 2},
    ),
    "cancelled by a signal among others": Conversation(
        replies=[asks(LOOK, call("walk_away", code="signal"), call("look_up", name="Bo", wait_ms=60_000))],
        cancels=True,
        status="cancelled",
        code="signal",
        shows={"tool_calls_count": 3, "unknown_count": 1},
    ),
}

CONVERSATIONS: Final[Mapping[str, Conversation]] = {**ANSWERS, **TOOLS, **USAGE, **MEMORY, **ENDS}


def definition(conversation: Conversation) -> dict[str, Any]:
    """The agent of a conversation: AgentKit talks by itself, the Orchestrator in one bare step."""
    return {
        "name": "clerk",
        "system_prompt": "You are a clerk.",
        "prompt": "Do the work on the desk.",
        "model": "mine:talk",
        "plugins_required": ["desk"],
        "workflow_steps": [{"id": "work", "type": "agent"}],
        **conversation.agent,
    }
