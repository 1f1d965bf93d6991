"""What an agent may spend and keep: limits, memory, payload policy, the plugins it needs. Data only.

Defaults here are the documented ones. An agent's own figure wins over the environment's, which wins over the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

OnUnknown = Literal["ask", "fail"]
PayloadChoice = Literal["none", "redacted", "full"]
BY_RULE: Final = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one run, the same for every engine.

    Attributes:
        run_timeout_s: working time in seconds; None means 120 under AgentKit and 3,600 under the Orchestrator.
        max_tokens_per_run: input and output tokens of all model attempts together.
        max_tokens_per_call: longest answer of one model attempt, in tokens; sent with the request.
        max_cost_usd: dollars of all model attempts together; None means no limit.
        model_timeout_ms: longest one model attempt may take.
        tool_timeout_ms: longest one tool attempt may take, unless its action says otherwise.
        max_iterations: turns of one tool-calling loop.
        loop_limit: how often in a row the same call may give the same result.
        max_parallel_tools: tool calls of one turn in flight at once.
        max_parallel_steps: steps of a workflow in flight at once.
        max_spans: spans a run may leave.
        tool_result_characters: how much of a tool's result a model sees.
        tool_result_bytes: how much of a tool's result is stored.
        max_input_bytes: largest input of a run.
    """

    run_timeout_s: float | None = None
    max_tokens_per_run: int = 200_000
    max_tokens_per_call: int = 50_000
    max_cost_usd: Decimal | None = None
    model_timeout_ms: int = 60_000
    tool_timeout_ms: int = 30_000
    max_iterations: int = 10
    loop_limit: int = 3
    max_parallel_tools: int = 8
    max_parallel_steps: int = 8
    max_spans: int = 100_000
    tool_result_characters: int = 8_000
    tool_result_bytes: int = 1 << 20
    max_input_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginNeed:
    """A plugin an agent uses; without `is_optional` a run is refused when it is not connected."""

    name: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPolicy:
    """Whether runs recall and remember.

    Attributes:
        is_enabled: False neither recalls nor summarises.
        token_budget: most tokens of memory put in front of a model, estimated by characters.
        may_remember: whether models are given the tool `memory__remember`.
        summary_model: the model that sums runs up; `rule` means none, None leaves it to the installation.
    """

    is_enabled: bool = True
    token_budget: int = 800
    may_remember: bool = False
    summary_model: str | None = None

    def summary_model_or(self, default: str | None) -> str | None:
        """The model that sums runs up, with the installation's where the agent names none; None when there is none."""
        named = default if self.summary_model is None else self.summary_model
        return None if named == BY_RULE or not self.is_enabled else named or None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadPolicy:
    """What is kept of the contents of a run: `none`, `redacted` or `full`.

    Attributes:
        inputs: the run's input.
        outputs: the run's output.
        tools: arguments and results of tool calls.
    """

    inputs: PayloadChoice = "redacted"
    outputs: PayloadChoice = "redacted"
    tools: PayloadChoice = "none"
