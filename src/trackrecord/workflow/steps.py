"""What a checked workflow is made of: steps, one body class per step type, lists with their graph. Data only.

Made by the grammar, read by engines, never changed. Templates, conditions and transforms in here are compiled already,
so that running a step costs no parsing. Place in the walk: built when an agent is loaded, before step 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from trackrecord.canonical import Json
from trackrecord.workflow.conditions import Condition
from trackrecord.workflow.references import Template
from trackrecord.workflow.transforms import Transform

StepType = Literal[
    "action",
    "llm",
    "agent",
    "conditional",
    "switch",
    "loop",
    "parallel",
    "map",
    "transform",
    "validate",
    "compare",
    "delay",
    "approval",
    "sub_workflow",
]
OnError = Literal["fail", "continue", "fallback"]
EffectClass = Literal["read", "keyed", "unsafe"]
Join = Literal["all", "any"]
Collect = Literal["list", "merge", "flatten", "sum"]
OnItemError = Literal["fail", "collect"]
OnInvalid = Literal["fail", "continue", "skip"]
Comparison = Literal["equals", "diff", "contains", "subset"]
Needs = Literal["any", "all"]
OnTimeout = Literal["approve", "reject"]
OnReject = Literal["continue", "fail"]

MAX_STEPS: Final = 10_000
MAX_NESTING: Final = 16
MAX_ITERATIONS: Final = 100_000
MAX_ITEMS: Final = 100_000
MAX_BRANCHES: Final = 1_000
MAX_CONCURRENCY: Final = 1_000
MAX_DELAY_MS: Final = 30 * 24 * 3_600_000
MAX_APPROVAL_MS: Final = 365 * 24 * 3_600_000
MAX_CASES: Final = 1_000
MAX_RULES: Final = 1_000
MAX_APPROVERS: Final = 1_000
DEFAULT_ITERATIONS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently something is tried again.

    Attributes:
        max_attempts: tries in all, the first one included.
        initial_ms: milliseconds before the second try.
        multiplier: factor from one wait to the next.
        max_ms: longest wait in milliseconds.
        jitter: whether each wait is drawn between 0 and its length.
        on: causes that are tried again; empty means the transient ones. Of action and llm steps: words of
            `grammar.EFFECT_CAUSES`; of the other steps: error codes of the step's failure.
    """

    max_attempts: int = 3
    initial_ms: int = 1_000
    multiplier: float = 2.0
    max_ms: int = 30_000
    jitter: bool = True
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBody:
    """One tool call.

    Attributes:
        plugin, action: what is called.
        params: renders to the arguments, always an object.
        effect: the effect class declared by the step, which wins over the action's own; None when the step is silent.
    """

    plugin: str
    action: str
    params: Template
    effect: EffectClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmBody:
    """One model call.

    Attributes:
        prompt: renders to the user message.
        system: renders to the system message; None takes the agent's.
        input: renders to the data shown as one fenced block; None shows none.
        labels: the answer is one of these; empty means free text, or an object when the step has an output_schema.
        model: None takes the agent's.
        temperature: None takes the agent's.
        max_tokens: longest answer; None leaves it to the limits.
    """

    prompt: Template
    system: Template | None = None
    input: Template | None = None
    labels: tuple[str, ...] = ()
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBody:
    """A tool-calling loop inside this run; its output_schema is the step's, or the agent's when that is None.

    Attributes:
        prompt: renders to the user message; None takes the agent's prompt.
        plugins: names of plugins it may use; None takes all of the agent's.
    """

    prompt: Template | None = None
    plugins: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalBody:
    """Two arms, of which one runs; either may be empty."""

    condition: Condition
    then: StepList
    otherwise: StepList


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchBody:
    """One list of steps by a value; at most one runs.

    Attributes:
        value: renders to what is looked for among the cases.
        cases: key and steps, by key in code-point order; the place of a key, from 1, is its segment `case:<n>`.
        default: the steps when no case fits; None runs nothing.
    """

    value: Template
    cases: tuple[tuple[str, StepList], ...]
    default: StepList | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopBody:
    """A body repeated for each item of a list, or while a condition holds; exactly one of `over` and `while_` is set.

    Attributes:
        over: renders to the list.
        while_: asked before each iteration, in the loop's own scope plus `index`, `previous` and, from the second
            iteration on, the `steps` and `vars` of the iteration before.
        as_: name the item has in the body, beside `item`.
        steps: the body; never empty.
        max_iterations: more is an error, never a silent cut.
        concurrency: iterations in flight at once; always 1 with `while_`.
    """

    over: Template | None
    while_: Condition | None
    steps: StepList
    as_: str = "item"
    max_iterations: int = DEFAULT_ITERATIONS
    concurrency: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelBody:
    """Branches that run side by side.

    Attributes:
        branches: name and steps, by name in code-point order; a list of branches keeps its order and is named
            "1", "2", ….
        max_concurrency: branches in flight at once; None takes the run's max_parallel_steps.
        join: `all` waits for every branch, `any` for the first that succeeds.
    """

    branches: tuple[tuple[str, StepList], ...]
    max_concurrency: int | None = None
    join: Join = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapBody:
    """A body run for each item of a list, several at once.

    Attributes:
        over: renders to the list, of at most MAX_ITEMS items.
        steps: the body; never empty.
        as_: name the item has in the body, beside `item`.
        max_concurrency: items in flight at once; None takes the run's max_parallel_steps.
        collect: what becomes of the results.
        on_item_error: `collect` keeps failures beside the results instead of failing the step.
    """

    over: Template
    steps: StepList
    as_: str = "item"
    max_concurrency: int | None = None
    collect: Collect = "list"
    on_item_error: OnItemError = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformBody:
    """Plain data into plain data; no effect."""

    transform: Transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing a validate step asks of a value, which its condition and message see as `value`.

    Attributes:
        condition: holds for a valid value.
        message: renders to what is said when it does not; None says the condition itself.
    """

    condition: Condition
    message: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateBody:
    """Data held against a JSON Schema, rules, or both.

    Attributes:
        value: renders to what is looked at.
        schema: None checks none.
        rules: each must hold.
        on_failure: `fail` the step, `continue` with what was wrong as data, or `skip` what depends on it.
    """

    value: Template
    schema: Mapping[str, Json] | None = None
    rules: tuple[Rule, ...] = ()
    on_failure: OnInvalid = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareBody:
    """Two values side by side; no effect."""

    operation: Comparison
    left: Template
    right: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalBody:
    """A question to people, whose answer the run waits for.

    Attributes:
        message: renders to the question.
        approvers: renders to the list of those who may answer; an empty one means anybody.
        needs: whether one of them decides, or all have to approve.
        timeout_ms: how long the question stands; None means until it is answered.
        on_timeout: what no answer in time means.
        on_reject: whether a rejection is data to go on with, or fails the step.
    """

    message: Template
    approvers: Template
    needs: Needs = "any"
    timeout_ms: int | None = None
    on_timeout: OnTimeout = "reject"
    on_reject: OnReject = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubWorkflowBody:
    """Another agent as a child run, or steps in a scope of their own; exactly one of `agent` and `steps` is set.

    Attributes:
        steps: run in this run; their expressions see `inputs` and nothing else of what is around.
        agent: name of the agent.
        version: beginning of its version's hash; None takes the current one.
        inputs: renders to an object, once.
        outputs: renders to the data, over `output` (what the last step or the child run gave) and, of inline steps,
            their `steps` and `vars`; None takes `output` itself.
    """

    inputs: Template
    steps: StepList | None = None
    agent: str | None = None
    version: str | None = None
    outputs: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayBody:
    """A wait, during which the timeout of the run stands still; exactly one of `duration_ms` and `until` is set.

    Attributes:
        duration_ms: milliseconds, or a template that renders to them; MAX_DELAY_MS at most.
        until: renders to an RFC 3339 time.
    """

    duration_ms: Template | int | None = None
    until: Template | None = None


Body = (
    ActionBody
    | LlmBody
    | AgentBody
    | ConditionalBody
    | SwitchBody
    | LoopBody
    | ParallelBody
    | MapBody
    | TransformBody
    | ValidateBody
    | CompareBody
    | DelayBody
    | ApprovalBody
    | SubWorkflowBody
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a workflow.

    Attributes:
        id: unique in the whole tree; the segment `s:<id>` of its path.
        name: for people; the id as it was written when that had to be normalised, else the id.
        type: what it is; says which class `body` has.
        depends_on: ids of siblings, as declared; what really precedes it is in `StepList.dependencies`.
        condition: the `if`; None means always.
        retry: None when nothing was declared: transient causes for action and llm, no second try for the rest.
        timeout_ms: longest one try may work; None leaves it to the run.
        on_error: what a failure does to the run.
        fallback: the step whose data replaces this one's; None unless on_error is `fallback`.
        output: name that binds its data as `vars.<output>` in its scope; None binds nothing.
        output_schema: JSON Schema its data must fit; None checks nothing.
        body: the rest, by type.
    """

    id: str
    name: str
    type: StepType
    body: Body
    description: str = ""
    depends_on: tuple[str, ...] = ()
    condition: Condition | None = None
    retry: RetryPolicy | None = None
    timeout_ms: int | None = None
    on_error: OnError = "fail"
    fallback: Step | None = None
    output: str | None = None
    output_schema: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepList:
    """Steps that share one scope, and the graph that orders them; indices count from 0 into `steps`.

    Attributes:
        steps: in the order written.
        dependencies: per step, the steps that must be terminal before it starts; each step depends on the one before
            it when no step of the list declares dependencies.
        dependants: the same edges the other way round.
        roots: the steps that wait for nothing.
    """

    steps: tuple[Step, ...] = ()
    dependencies: tuple[tuple[int, ...], ...] = ()
    dependants: tuple[tuple[int, ...], ...] = ()
    roots: tuple[int, ...] = ()


EMPTY: Final = StepList()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """How large a workflow is as written, the same whichever engine runs it (the `declared` figures of the record).

    Attributes:
        steps: step objects in the whole tree, containers and fallbacks included.
        branches: conditional and switch steps.
        loops: loop steps.
        parallel: parallel and map steps.
    """

    steps: int = 0
    branches: int = 0
    loops: int = 0
    parallel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A checked workflow, ready to run.

    Attributes:
        declared: how large it is.
        model_step: place of the first step that asks the agent's own model; None when none does.
    """

    steps: StepList
    declared: Declared = field(default_factory=Declared)
    model_step: str | None = None
