"""What a run's spans add up to: the measured part of a record. Shapes only; the sums are made by `fold`.

None means unknown, never zero (rule 9); 0 means measured and none.
"""

from __future__ import annotations

from dataclasses import field

from trackrecord.sealed import maker, sealed


@sealed
class Tokens:
    """Tokens of all model attempts of a run, failed and memory calls included.

    Attributes:
        input: everything sent, cache reads and writes included; None if no attempt reported, 0 only without attempts.
        output: everything produced, reasoning included; None and 0 as for input.
        cache_read, cache_write: parts of input; None if no attempt reported them.
        reasoning: part of output; None if no attempt reported it.
    """

    input: int | None = 0
    output: int | None = 0
    cache_read: int | None = 0
    cache_write: int | None = 0
    reasoning: int | None = 0

    @property
    def total(self) -> int | None:
        """Known input plus known output; None when neither is known."""
        if self.input is None and self.output is None:
            return None
        return (self.input or 0) + (self.output or 0)


@sealed
class ModelUse:
    """Calls to one model: attempts, tokens and cost of the attempts that reported or could be priced."""

    provider: str
    requested: str
    responded: str | None
    call_count: int
    tokens: int | None
    cost_nanos: int | None


@sealed
class ToolUse:
    """One tool path, sanitized: no arguments and no result.

    Attributes:
        path: where in the run.
        plugin, action: what was asked for; for an unknown tool the name as the model wrote it, in `action`.
        success: what the tool said of its last attempt; None when it did not say or nobody knows.
        was_rejected: never called (bad arguments, unknown tool, policy); not counted as a call.
        attempt_count: tries made; 0 when rejected.
        items: what it returned, counted; None when it returned nothing.
        duration_us: its attempts together.
        error_code, error_message: redacted cause of the last attempt; None when there was none.
    """

    path: str
    plugin: str | None
    action: str | None
    success: bool | None
    was_rejected: bool
    attempt_count: int
    items: int | None
    duration_us: int
    error_code: str | None
    error_message: str | None


new_tool_use = maker(ToolUse)


@sealed
class MemoryUse:
    """What recall really put in front of a model; zeros and no types when there was none."""

    tokens: int = 0
    entry_count: int = 0
    types: tuple[str, ...] = ()


@sealed
class Executed:
    """What an engine that ran the workflow really did.

    Attributes:
        steps: step instances not skipped.
        branches: decisions taken, an empty arm too.
        loop_iterations: iterations started.
        parallel: branches and map items started.
    """

    steps: int = 0
    branches: int = 0
    loop_iterations: int = 0
    parallel: int = 0


@sealed
class StepCounts:
    """Step instances by how they ended; a container counts one, a branch not chosen none.

    Attributes:
        stopped: how many of the tolerated did not fail, but were stopped because another branch was first.
    """

    completed: int = 0
    failed: int = 0
    tolerated: int = 0
    skipped: int = 0
    stopped: int = 0

    @property
    def total(self) -> int:
        """All four together."""
        return self.completed + self.failed + self.tolerated + self.skipped


@sealed
class Measures:
    """Everything a run's spans add up to.

    Attributes:
        tokens: over all model attempts.
        iterations_count: turns: successful model replies for work, repair turns included.
        model_calls_count: model attempts, failed ones included; `priced_calls_count` of them could be priced.
        cost_nanos: nano-dollars of the priced attempts; None when there were attempts and none could be priced.
        retry_count: attempts and step tries beyond the first, those after an interruption left out.
        interruptions_count: attempts that were in flight when a process died.
        unknown_count: unsafe effects whose outcome nobody knows.
        tool_calls_count: tool paths whose first attempt started; rejected ones are counted apart.
        tool_orchestration_us: wall time with at least one tool call in flight.
        tool_calls: every tool path in path order, sanitized.
        plugins_used: distinct plugins really called, sorted.
        models: use by (provider, requested, responded), in first-path order.
        provider, model: requested, with most tokens among work calls, ties by first path; None without a call.
        steps: step instances by ending.
        executed: what the engine did of the workflow; counts are 0 when the run had no steps.
        memory: what recall put in front of a model.
        duration_us: monotonic time of the epochs plus the gaps between them by the database clock.
        waited_us: part of it in which nothing but waits for people or dates was in flight.
        usage_complete: whether every model attempt reported both input and output.
        span_count: spans folded.
    """

    tokens: Tokens = field(default_factory=Tokens)
    iterations_count: int = 0
    model_calls_count: int = 0
    priced_calls_count: int = 0
    cost_nanos: int | None = 0
    retry_count: int = 0
    interruptions_count: int = 0
    unknown_count: int = 0
    tool_calls_count: int = 0
    tool_calls_rejected_count: int = 0
    tool_orchestration_us: int = 0
    tool_calls: tuple[ToolUse, ...] = ()
    plugins_used: tuple[str, ...] = ()
    models: tuple[ModelUse, ...] = ()
    provider: str | None = None
    model: str | None = None
    steps: StepCounts = field(default_factory=StepCounts)
    executed: Executed = field(default_factory=Executed)
    memory: MemoryUse = field(default_factory=MemoryUse)
    duration_us: int = 0
    waited_us: int = 0
    usage_complete: bool = True
    span_count: int = 0
