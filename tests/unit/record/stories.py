"""Runs as they may happen, told step by step: their spans in the order they ended, and what they must add up to.

The expectations are kept while a story is told, by another way than the fold's: one figure at a time, last word wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from trackrecord.record.closing import close
from trackrecord.record.fold import fold
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.measures import Measures
from trackrecord.record.record import Ending, Origin, Record
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN, Usage

CONTAINERS: Final = ("conditional", "switch", "loop", "map", "parallel", "agent")
SIMPLE: Final = ("transform", "action", "llm", "delay")
FIGURE = st.none() | st.integers(0, 5_000)
USAGES = st.just(UNKNOWN) | st.builds(
    Usage,
    input_tokens=FIGURE,
    output_tokens=FIGURE,
    cache_read_tokens=FIGURE,
    cache_write_tokens=FIGURE,
    reasoning_tokens=FIGURE,
)


def origin(**changes: Any) -> Origin:
    given: dict[str, Any] = {
        "tenant_id": "t",
        "run_id": "r",
        "agent_id": "a",
        "user_id": "u",
        "agent_name": "sorter",
        "agent_version": "v",
        "engine": "orchestrator",
        "engine_title": "Orchestrator",
        "runs_workflow": True,
        "declared": DeclaredDesign(steps=4, branches=1, loops=2, parallel=3),
    }
    return Origin(**(given | changes))


COMPLETED: Final = Ending(status="completed", output="done")


def record(spans: Iterable[Span] = (), *, ending: Ending | None = COMPLETED, **changes: Any) -> Record:
    return close(origin(**changes), ending, fold(spans), 1)


@dataclass
class Known:
    """A sum of what is known; unknown as long as somebody was asked and nobody said."""

    asked: int = 0
    said: list[int] = field(default_factory=list)

    def add(self, figure: int | None) -> None:
        self.asked += 1
        if figure is not None:
            self.said.append(figure)

    @property
    def value(self) -> int | None:
        return sum(self.said) if self.said or not self.asked else None


@dataclass
class Story:
    """One run.

    Attributes:
        spans: as they ended.
        leaves: those that are model attempts.
    """

    draw: st.DrawFn
    spans: list[Span] = field(default_factory=list)
    epoch: int = 1
    sums: dict[str, Known] = field(default_factory=dict)
    turns: int = 0
    retries: int = 0
    interruptions: int = 0
    unknown: int = 0
    tool_calls: int = 0
    rejected: int = 0
    plugins: set[str] = field(default_factory=set)
    ticks: set[tuple[int, int]] = field(default_factory=set)
    endings: dict[str, str] = field(default_factory=dict)
    decisions: int = 0
    iterations: int = 0
    parallel: int = 0
    waits: set[tuple[int, int]] = field(default_factory=set)
    busy: set[tuple[int, int]] = field(default_factory=set)
    is_complete: bool = True

    @property
    def leaves(self) -> list[Span]:
        return [span for span in self.spans if span.kind == "model"]

    def sum(self, name: str) -> int | None:
        return self.sums.get(name, Known()).value

    def write(self, path: str, kind: Any, status: Any, **more: Any) -> Span:
        given = {"start_us": self.draw(st.integers(0, 60)), "duration_us": self.draw(st.integers(0, 30)), **more}
        span = Span(path=path, kind=kind, status=status, epoch=self.epoch, **given)
        ticks = {(self.epoch, span.start_us + tick) for tick in range(span.duration_us)}
        if kind == "wait":
            self.waits |= ticks
        elif kind != "step":
            self.busy |= ticks
        self.spans.append(span)
        return span

    def attempts(self, statuses: tuple[str, ...]) -> list[str]:
        """How each attempt of an effect ended; an interrupted one is always followed by another, in a later epoch."""
        ends = self.draw(st.lists(st.sampled_from([*statuses, "interrupted"]), max_size=2))
        return [*ends, self.draw(st.sampled_from(statuses))]

    def count_attempt(self, number: int, before: str | None, status: str) -> None:
        # what follows an attempt whose end nobody saw, or that was stopped, comes in a later epoch and is no retry
        self.retries += number > 1 and before not in ("interrupted", "unknown", "cancelled")
        self.interruptions += status == "interrupted"
        self.unknown += status == "unknown"

    def model(self, path: str) -> None:
        purpose = self.draw(st.sampled_from(["work", "work", "repair", "memory", "routing"]))
        before = None
        for number, status in enumerate(self.attempts(("ok", "failed", "timed_out", "cancelled")), 1):
            usage = UNKNOWN if status == "interrupted" else self.draw(USAGES)
            cost = self.draw(FIGURE)
            name = self.draw(st.sampled_from(["m1", "m2"]))
            self.write(
                path, "model", status, attempt=number, purpose=purpose, provider="p", model=name, usage=usage,
                cost_nanos=cost,
            )  # fmt: skip
            self.count_attempt(number, before, status)
            self.turns += status == "ok" and purpose in ("work", "repair")
            self.is_complete &= usage.input_tokens is not None and usage.output_tokens is not None
            for figure in ("input", "output", "cache_read", "cache_write", "reasoning"):
                self.sums.setdefault(figure, Known()).add(getattr(usage, f"{figure}_tokens"))
            self.sums.setdefault("cost", Known()).add(cost)
            self.epoch += status == "interrupted"
            before = status

    def tool(self, path: str) -> None:
        plugin = self.draw(st.sampled_from(["files", "text", "http"]))
        if self.draw(st.integers(0, 4)) == 0:
            self.write(path, "tool", "rejected", plugin=plugin, action="x", duration_us=0, success=False)
            self.rejected += 1
            return
        self.tool_calls += 1
        self.plugins.add(plugin)
        before = None
        for number, status in enumerate(self.attempts(("ok", "failed", "timed_out", "unknown", "cancelled")), 1):
            span = self.write(path, "tool", status, attempt=number, plugin=plugin, action="x")
            self.ticks |= {(self.epoch, span.start_us + tick) for tick in range(span.duration_us)}
            self.count_attempt(number, before, status)
            self.epoch += status == "interrupted"
            before = status

    def turns_of(self, above: str) -> None:
        """An agent's loop under a path."""
        for turn in range(1, self.draw(st.integers(1, 3)) + 1):
            self.model(f"{above}turn:{turn}/model")
            for call in range(1, self.draw(st.integers(0, 2)) + 1):
                self.tool(f"{above}turn:{turn}/call:{call}/tool")

    def steps(self, above: str, bare: str, depth: int) -> None:
        for name in "ab"[: self.draw(st.integers(0, 2))]:
            self.step(f"{above}s:{name}", f"{bare}s:{name}", depth)

    def step(self, path: str, bare: str, depth: int) -> None:
        """A step with all its tries; `bare` names the instance, the tries of what contains it left out."""
        if self.draw(st.integers(0, 6)) == 0:
            self.write(path, "step", "skipped", step_type="transform")
            self.endings[bare] = "skipped"
            return
        kinds = SIMPLE if depth == 0 else SIMPLE + CONTAINERS
        kind = self.draw(st.sampled_from(kinds))
        tries = self.draw(st.integers(1, 2))
        for number in range(1, tries + 1):
            inner = path if number == 1 else f"{path}/try:{number}"
            items = self.work(kind, inner, bare, depth)
            status = self.draw(st.sampled_from(["ok", "failed", "tolerated", "cancelled"]))
            self.write(path, "step", status, attempt=number, step_type=kind, items=items)
            self.endings[bare] = status
        self.retries += tries - 1

    def work(self, kind: str, inner: str, bare: str, depth: int) -> int | None:
        match kind:
            case "llm":
                self.model(f"{inner}/model")
            case "action":
                self.tool(f"{inner}/tool")
            case "delay":
                self.write(f"{inner}/wait", "wait", self.draw(st.sampled_from(["ok", "cancelled"])))
            case "agent":
                self.turns_of(f"{inner}/")
            case "conditional" | "switch":
                self.decisions += 1
                self.steps(f"{inner}/b:then/", f"{bare}/b:then/", depth - 1)
                return 1
            case "loop" | "map" | "parallel":
                return self.parts(kind, inner, bare, depth)
        return None

    def parts(self, kind: str, inner: str, bare: str, depth: int) -> int:
        count = self.draw(st.integers(0, 3))
        for part in range(1, count + 1):
            segment = f"b:{part}" if kind == "parallel" else f"i:{part}"
            self.steps(f"{inner}/{segment}/", f"{bare}/{segment}/", depth - 1)
        if kind == "loop":
            self.iterations += count
        else:
            self.parallel += count
        return count


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A workflow, or a bare agent loop, of up to four levels."""
    story = Story(draw)
    if draw(st.booleans()):
        story.steps("", "", 3)
    else:
        story.turns_of("")
    return story


def monotone(measures: Measures) -> dict[str, int]:
    """What can only grow while a run goes on."""
    tokens, steps, executed = measures.tokens, measures.steps, measures.executed
    return {
        "input": tokens.input or 0,
        "output": tokens.output or 0,
        "cache_read": tokens.cache_read or 0,
        "cache_write": tokens.cache_write or 0,
        "reasoning": tokens.reasoning or 0,
        "cost": measures.cost_nanos or 0,
        "turns": measures.iterations_count,
        "model calls": measures.model_calls_count,
        "priced calls": measures.priced_calls_count,
        "retries": measures.retry_count,
        "interruptions": measures.interruptions_count,
        "unknown": measures.unknown_count,
        "tool calls": measures.tool_calls_count,
        "rejected": measures.tool_calls_rejected_count,
        "orchestration": measures.tool_orchestration_us,
        "plugins": len(measures.plugins_used),
        "models": len(measures.models),
        "steps": steps.total,
        "decisions": executed.branches,
        "iterations": executed.loop_iterations,
        "parallel": executed.parallel,
        "duration": measures.duration_us,
        "spans": measures.span_count,
        "incomplete": not measures.usage_complete,
    }
