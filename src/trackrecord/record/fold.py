"""The fold: spans in, measures out (step 6 of the walk). The only place where a run's numbers are added up.

Pure and order-free: any interleaving of parallel branches gives the same measures, and any prefix of a run gives a
valid partial record. Every count is kept by structural path, so no nesting can double a figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from trackrecord.clock import moment
from trackrecord.record.measures import (
    Executed,
    Measures,
    MemoryUse,
    ModelUse,
    StepCounts,
    Tokens,
    ToolUse,
    new_tool_use,
)
from trackrecord.record.spans import EFFECT_KINDS, Span, instance, path_key

_Interval = tuple[int, int, int]
"""Epoch, start, end."""

_DECISIONS = frozenset({"conditional", "switch"})
_PARALLEL = frozenset({"parallel", "map"})


def fold(spans: Iterable[Span]) -> Measures:
    """The measures of these spans; each (path, attempt) is expected once."""
    tally = Tally()
    for span in spans:
        tally.add(span)
    return tally.measures()


@dataclass(slots=True)
class _Sum:
    """A sum of figures that may be unknown."""

    known: int = 0
    known_count: int = 0

    def add(self, figure: int | None) -> None:
        if figure is not None:
            self.known += figure
            self.known_count += 1

    def value(self, attempts: int) -> int | None:
        """The sum; None when there were attempts and none of them said."""
        return self.known if self.known_count or not attempts else None


@dataclass(slots=True)
class _ModelSum:
    first_path: tuple[tuple[str, int], ...]
    calls: int = 0
    tokens: _Sum = field(default_factory=_Sum)
    cost: _Sum = field(default_factory=_Sum)

    def add(self, key: tuple[tuple[str, int], ...], tokens: int | None, cost_nanos: int | None) -> None:
        self.first_path = min(self.first_path, key)
        self.calls += 1
        self.tokens.add(tokens)
        self.cost.add(cost_nanos)


@dataclass(slots=True)
class Tally:
    """The running fold of one run: `add` each finished span, ask `measures` at any time."""

    span_count: int = 0
    _input: _Sum = field(default_factory=_Sum)
    _output: _Sum = field(default_factory=_Sum)
    _cache_read: _Sum = field(default_factory=_Sum)
    _cache_write: _Sum = field(default_factory=_Sum)
    _reasoning: _Sum = field(default_factory=_Sum)
    _cost: _Sum = field(default_factory=_Sum)
    _model_calls: int = 0
    _incomplete_calls: int = 0
    _turns: int = 0
    _models: dict[tuple[str, str, str | None], _ModelSum] = field(
        default_factory=dict[tuple[str, str, str | None], _ModelSum]
    )
    _work: dict[tuple[str, str], _ModelSum] = field(default_factory=dict[tuple[str, str], _ModelSum])
    _later_tries: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    _interrupted: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    _unknown: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    _stopped: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    _tools: dict[str, list[Span]] = field(default_factory=dict[str, list[Span]])
    _steps: dict[str, tuple[str, int, str]] = field(default_factory=dict[str, tuple[str, int, str]])
    _decisions: int = 0
    _iterations: int = 0
    _parallel: int = 0
    _memory: MemoryUse = field(default_factory=MemoryUse)
    _recall_attempt: int = 0
    _waits: list[_Interval] = field(default_factory=list[_Interval])
    _busy: list[_Interval] = field(default_factory=list[_Interval])
    _epochs: list[Span] = field(default_factory=list[Span])

    @property
    def known_tokens(self) -> int:
        """Input plus output known so far; what the token limit is held against."""
        return self._input.known + self._output.known

    @property
    def known_cost_nanos(self) -> int:
        """Nano-dollars known so far; what the cost limit is held against."""
        return self._cost.known

    @property
    def lost_epochs(self) -> int:
        """Epochs that were lost with their process."""
        return sum(span.status == "interrupted" for span in self._epochs)

    def add(self, span: Span) -> None:
        """Take one finished span in; constant time."""
        self.span_count += 1
        kind, status = span.kind, span.status
        if kind == "step" and status == "ok" and span.attempt == 1:  # the commonest by far
            self._add_step(span)
            return
        if span.attempt > 1 and (kind in EFFECT_KINDS or kind == "step"):
            self._later_tries.add((span.path, span.attempt))
        if status == "interrupted":
            self._interrupted.add((span.path, span.attempt))
        elif status == "unknown":
            self._unknown.add((span.path, span.attempt))
        elif status == "cancelled" and kind in EFFECT_KINDS:
            self._stopped.add((span.path, span.attempt))
        if kind in EFFECT_KINDS and kind != "wait":
            self._busy.append(_interval(span))
        match kind:
            case "model":
                self._add_model(span)
            case "tool":
                self._tools.setdefault(span.path, []).append(span)
            case "step":
                self._add_step(span)
            case "recall" if span.attempt >= self._recall_attempt:
                self._memory, self._recall_attempt = _memory_of(span), span.attempt
            case "wait":
                self._waits.append(_interval(span))
            case "epoch":
                self._epochs.append(span)
            case _:
                pass

    def measures(self) -> Measures:
        """The measures of everything added so far."""
        calls = self._model_calls
        provider, model = self._primary()
        tools = tuple(_tool_use(spans) for _, spans in sorted(self._tools.items(), key=lambda item: path_key(item[0])))
        called = [spans for spans in self._tools.values() if _first(spans).status != "rejected"]
        return Measures(
            tokens=Tokens(
                input=self._input.value(calls),
                output=self._output.value(calls),
                cache_read=self._cache_read.value(calls),
                cache_write=self._cache_write.value(calls),
                reasoning=self._reasoning.value(calls),
            ),
            iterations_count=self._turns,
            model_calls_count=calls,
            priced_calls_count=self._cost.known_count,
            cost_nanos=self._cost.value(calls),
            retry_count=self._retries(),
            interruptions_count=len(self._interrupted),
            unknown_count=len(self._unknown),
            tool_calls_count=len(called),
            tool_calls_rejected_count=len(self._tools) - len(called),
            tool_orchestration_us=_covered_us(_interval(span) for spans in called for span in spans),
            tool_calls=tools,
            plugins_used=tuple(sorted({span.plugin for spans in called for span in spans if span.plugin})),
            models=self._model_uses(),
            provider=provider,
            model=model,
            steps=self._step_counts(),
            executed=self._executed(),
            memory=self._memory,
            duration_us=_elapsed_us(self._epochs),
            waited_us=self._waited_us(),
            usage_complete=self._incomplete_calls == 0,
            span_count=self.span_count,
        )

    def _add_model(self, span: Span) -> None:
        usage = span.usage
        self._model_calls += 1
        if usage is not None:
            self._input.add(usage.input_tokens)
            self._output.add(usage.output_tokens)
            if usage.cache_read_tokens is not None:
                self._cache_read.add(usage.cache_read_tokens)
            if usage.cache_write_tokens is not None:
                self._cache_write.add(usage.cache_write_tokens)
            if usage.reasoning_tokens is not None:
                self._reasoning.add(usage.reasoning_tokens)
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            self._incomplete_calls += 1
        self._cost.add(span.cost_nanos)
        is_work = span.purpose in ("work", "repair")
        if is_work and span.status == "ok":
            self._turns += 1
        key = path_key(span.path)
        name = (span.provider or "", span.model or "")
        asked = (*name, span.responded_model)
        use = self._models.get(asked)
        if use is None:
            use = self._models[asked] = _ModelSum(key)
        tokens = None if usage is None else usage.total_tokens
        use.add(key, tokens, span.cost_nanos)
        if is_work:
            work = self._work.get(name)
            if work is None:
                work = self._work[name] = _ModelSum(key)
            work.add(key, tokens, span.cost_nanos)

    def _add_step(self, span: Span) -> None:
        path = span.path
        where = instance(path) if "/try:" in path else path
        last = self._steps.get(where)
        if last is None or _tries(path, span.attempt) > _tries(last[0], last[1]):
            self._steps[where] = (path, span.attempt, "stopped" if span.has_lost else span.status)
        started = span.items or 0
        if span.step_type in _DECISIONS:
            self._decisions += started
        elif span.step_type == "loop":
            self._iterations += started
        elif span.step_type in _PARALLEL:
            self._parallel += started

    def _waited_us(self) -> int:
        """Time in which nothing but waits was in flight, and that between two epochs."""
        waited = _covered_us([*self._busy, *self._waits]) - _covered_us(self._busy) if self._waits else 0
        if len(self._epochs) > 1:
            waited += _elapsed_us(self._epochs) - sum(span.duration_us for span in self._epochs)
        return waited

    def _retries(self) -> int:
        # nobody saw their end, or a process died right after they were stopped: what follows makes up for that
        lost = self._interrupted | self._unknown | self._stopped
        after_loss = sum(1 for path, attempt in lost if (path, attempt + 1) in self._later_tries)
        return len(self._later_tries) - after_loss

    def _primary(self) -> tuple[str | None, str | None]:
        if not self._work:
            return None, None
        # the names decide between models of one path, where an earlier attempt must not win by having come first
        (provider, model), _ = min(
            self._work.items(), key=lambda item: (-item[1].tokens.known, item[1].first_path, item[0])
        )
        return provider, model

    def _model_uses(self) -> tuple[ModelUse, ...]:
        ordered = sorted(self._models.items(), key=lambda item: (item[1].first_path, item[0][:2], item[0][2] or ""))
        return tuple(
            ModelUse(
                provider=provider,
                requested=requested,
                responded=responded,
                call_count=use.calls,
                tokens=use.tokens.value(use.calls),
                cost_nanos=use.cost.value(use.calls),
            )
            for (provider, requested, responded), use in ordered
        )

    def _step_counts(self) -> StepCounts:
        endings = [status for _, _, status in self._steps.values()]
        completed, skipped, stopped = (endings.count(status) for status in ("ok", "skipped", "stopped"))
        tolerated = endings.count("tolerated") + stopped
        return StepCounts(
            completed=completed,
            tolerated=tolerated,
            skipped=skipped,
            stopped=stopped,
            failed=len(endings) - completed - tolerated - skipped,
        )

    def _executed(self) -> Executed:
        ran = sum(1 for _, _, status in self._steps.values() if status != "skipped")
        return Executed(steps=ran, branches=self._decisions, loop_iterations=self._iterations, parallel=self._parallel)


def _tries(path: str, attempt: int) -> list[int]:
    """The try of every step on the path, outermost first; ordered as they happened."""
    tries: list[int] = []
    for segment in path.split("/"):
        if segment.startswith("s:"):
            tries.append(1)
        elif segment.startswith("try:") and tries:
            tries[-1] = int(segment[4:])
    tries[-1:] = [attempt]
    return tries


def _memory_of(span: Span) -> MemoryUse:
    figures = span.attributes.get("memory")
    if not isinstance(figures, dict):
        return MemoryUse()
    tokens, entries, types = figures.get("tokens"), figures.get("entries"), figures.get("types")
    return MemoryUse(
        tokens=tokens if isinstance(tokens, int) else 0,
        entry_count=entries if isinstance(entries, int) else 0,
        types=tuple(sorted(str(one) for one in types)) if isinstance(types, list) else (),
    )


def _first(spans: list[Span]) -> Span:
    return min(spans, key=lambda span: span.attempt)


def _tool_use(spans: list[Span]) -> ToolUse:
    last = max(spans, key=lambda span: span.attempt)
    was_rejected = _first(spans).status == "rejected"  # a policy may refuse a later attempt of a call that was made
    return new_tool_use(
        path=last.path,
        plugin=last.plugin,
        action=last.action,
        success=last.success,
        was_rejected=was_rejected,
        attempt_count=0 if was_rejected else len(spans),
        items=last.items,
        duration_us=sum(span.duration_us for span in spans),
        error_code=last.error_code,
        error_message=last.error_message,
    )


def _interval(span: Span) -> _Interval:
    return span.epoch, span.start_us, span.start_us + span.duration_us


def _covered_us(intervals: Iterable[_Interval]) -> int:
    """Length of the union of the intervals, each epoch by itself."""
    covered, open_epoch, open_end = 0, 0, 0
    for epoch, start, end in sorted(intervals):
        if epoch != open_epoch:
            open_epoch, open_end = epoch, 0
        covered += max(0, end - max(start, open_end))
        open_end = max(open_end, end)
    return covered


def _elapsed_us(epochs: list[Span]) -> int:
    """Monotonic time of the epochs plus the gaps between them by the database clock; 0 before the first has ended."""
    total, previous_end = 0, None
    for span in sorted(epochs, key=lambda span: span.epoch):
        began_at = span.attributes.get("began_at")
        began_us = int(moment(str(began_at)).timestamp() * 1_000_000) if began_at is not None else None
        if previous_end is not None and began_us is not None:
            total += max(0, began_us - previous_end)
        total += span.duration_us
        previous_end = None if began_us is None else began_us + span.duration_us
    return total
