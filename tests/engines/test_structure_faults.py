"""Faults of a definition or of an expression (group F of the table): refused when saved, or ended by one bound."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, say
from tests.engines.test_workflows import NOW, add, fail, put, wait

from trackrecord import Agent, Run
from trackrecord.errors import BadAgent
from trackrecord.record.measures import StepCounts
from trackrecord.store.family import family
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify


def told(*steps: dict[str, Any]) -> list[str]:
    """What is wrong with a workflow when its agent is loaded."""
    with pytest.raises(BadAgent) as caught:
        kit.agent(steps)
    return [str(problem) for problem in caught.value.problems]


async def ran(path: Path, *steps: dict[str, Any], inputs: dict[str, Any] | None = None, **fields: Any) -> Run:
    """The run of a workflow, whose record is sound whatever became of it."""
    async with kit.opened(path, say("fine")) as tr:
        run = await asyncio.wait_for(tr.run(kit.agent(steps, **fields), inputs or {}), 20)
    with SqliteReader(path) as reader:
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
    return run


def ending(run: Run) -> tuple[str | None, str | None]:
    """Error code and path."""
    found = run.record.ending
    return (None, None) if found is None else (found.error_code, found.error_path)


# ---------------------------------------------------------------------------------------------------- F1: the structure


@pytest.mark.parametrize(
    ("steps", "complaints"),
    [
        (
            [add("a", depends_on=["c"]), add("b", depends_on=["a"]), add("c", depends_on=["b"])],
            [
                "workflow_steps[0].depends_on: steps wait for each other in a circle: a → c → b → a."
                " Remove one of these dependencies."
            ],
        ),
        (
            [add("a", depends_on=["a"])],
            ["workflow_steps[0].depends_on[0]: the step 'a' depends on itself. Remove it from depends_on."],
        ),
        (
            [add("fetch"), add("b", depends_on=["fetsh"])],
            ["workflow_steps[1].depends_on[0]: there is no step 'fetsh'. Did you mean 'fetch'?"],
        ),
        (
            [add("a"), add("a")],
            [
                "workflow_steps[1].id: the id 'a' is already used at workflow_steps[0]."
                " Ids are unique in the whole workflow: give this step another."
            ],
        ),
        (
            [
                add("a", depends_on=["b"]),
                add("b", depends_on=["a"]),
                add("c", depends_on=["b"]),
                add("d", depends_on=["c"]),
            ],
            [
                "workflow_steps[0].depends_on: steps wait for each other in a circle: a → b → a."
                " Remove one of these dependencies.",
                "workflow_steps[2].depends_on: the step 'c' can never start: it waits for 'b', which never ends."
                " Mend the circle it waits for.",
                "workflow_steps[3].depends_on: the step 'd' can never start: it waits for 'c', which never ends."
                " Mend the circle it waits for.",
            ],
        ),
        (
            [add("a", depends_on=["a"]), add("b", depends_on=["a"])],
            [
                "workflow_steps[0].depends_on[0]: the step 'a' depends on itself. Remove it from depends_on.",
                "workflow_steps[1].depends_on: the step 'b' can never start: it waits for 'a', which never ends."
                " Mend the circle it waits for.",
            ],
        ),
    ],
    ids=["cycle", "self-loop", "dangling edge", "duplicate id", "unreachable", "behind a self-loop"],
)
def test_f1_what_cannot_run_is_refused_when_saved(steps: list[dict[str, Any]], complaints: list[str]) -> None:
    """Cycle, self-loop, dangling edge, duplicate id, unreachable step: each named by its path."""
    assert complaints == told(*steps)


@pytest.mark.parametrize(
    ("container", "at"),
    [
        (lambda steps: {"type": "conditional", "condition": "1 < 2", "then": steps}, "then"),
        (lambda steps: {"type": "switch", "value": "{{ inputs.x }}", "cases": {"a": steps}}, "cases.a"),
        (lambda steps: {"type": "switch", "value": "{{ inputs.x }}", "cases": {"a": []}, "default": steps}, "default"),
        (lambda steps: {"type": "loop", "over": [1], "steps": steps}, "steps"),
        (lambda steps: {"type": "map", "over": [1], "steps": steps}, "steps"),
        (lambda steps: {"type": "parallel", "branches": {"x": steps}}, "branches.x"),
        (lambda steps: {"type": "sub_workflow", "steps": steps}, "steps"),
    ],
    ids=["conditional", "case", "default", "loop", "map", "branch", "sub_workflow"],
)
def test_f1_at_every_depth(container: Any, at: str) -> None:
    """A circle inside a body is found like one at the top."""
    inner = [add("a", depends_on=["b"]), add("b", depends_on=["a"])]
    [complaint] = told({"id": "outer", **container(inner)})
    assert complaint.startswith(
        f"workflow_steps[0].{at}[0].depends_on: steps wait for each other in a circle: a → b → a."
    )


def test_f1_everything_wrong_is_told_at_once() -> None:
    """One reading mends the file."""
    found = told(
        add("a", depends_on=["b"]),
        add("b", depends_on=["a"]),
        add("c", depends_on=["c", "nope"]),
        add("a", depends_on=["d"]),
        {"id": "d", "type": "swich"},
    )
    assert 5 == len(found)


# ----------------------------------------------------------------------------------------- F3: nothing goes on for ever


async def test_f3_a_while_loop_has_a_cap(tmp_path: Path) -> None:
    """`while true` ends as an error, never silently."""
    run = await ran(tmp_path / "r.db", {"id": "l", "type": "loop", "while": "true", "steps": [put("a", 1)]})
    assert ("limit_reached", "s:l") == ending(run)
    assert 1_000 == run.record.measures.executed.loop_iterations


async def test_f3_a_loop_over_a_growing_list_has_a_cap(tmp_path: Path) -> None:
    """A list that each iteration makes longer ends at the cap of the loop, however long it has become."""
    grow = put("rest", "{{ (previous if previous != null else [1]) + [index] }}")
    loop = {"id": "l", "type": "loop", "while": "previous == null or len(previous) > index", "steps": [grow]}
    run = await ran(tmp_path / "r.db", {**loop, "max_iterations": 50})
    assert ("limit_reached", "s:l") == ending(run)


def nested_retries(inner: dict[str, Any]) -> dict[str, Any]:
    """A retry inside a loop inside a retry, each far above what a run may do."""
    many = {"max_attempts": 100, **NOW}
    loop = {
        "id": "l",
        "type": "loop",
        "while": "true",
        "max_iterations": 100_000,
        "on_error": "continue",
        "retry": many,
    }
    group = {"id": "g", "type": "parallel", "branches": [[inner]], "retry": many, "on_error": "continue"}
    return {"id": "out", "type": "parallel", "branches": [[{**loop, "steps": [group]}]], "retry": many}


async def test_f3_the_product_of_caps_is_bounded_by_the_spans_of_a_run(tmp_path: Path) -> None:
    """However caps multiply, a run leaves no more spans than it may, and ends saying so."""
    run = await ran(tmp_path / "r.db", nested_retries(put("a", "{{ inputs.gone }}")), limits={"max_spans": 500})
    assert "limit_reached" == ending(run)[0]
    assert run.record.measures.span_count <= 520


async def test_f3_the_product_of_caps_is_bounded_by_the_tokens_of_a_run(tmp_path: Path) -> None:
    """A budget is not given again by a retry, and not tolerated."""
    ask = {"id": "ask", "type": "llm", "prompt": "x", "output_schema": {"type": "object"}}
    run = await ran(tmp_path / "r.db", nested_retries(ask), limits={"max_tokens_per_run": 10 * (IN + OUT)})
    assert ("budget_exceeded", "token_limit") == (run.status, ending(run)[0])
    assert (run.record.measures.tokens.total or 0) <= 11 * (IN + OUT)


async def test_f3_the_product_of_caps_is_bounded_by_the_credits_of_a_run(tmp_path: Path) -> None:
    """What a user has left pays for so many calls, however often they are tried again."""
    ask = {"id": "ask", "type": "llm", "prompt": "x", "output_schema": {"type": "object"}}
    path = tmp_path / "r.db"
    async with kit.opened(path, say("fine", tokens=(900, 100))) as tr:
        await tr.grant_credits(5)
        run = await asyncio.wait_for(tr.run(kit.agent([nested_retries(ask)]), {}), 20)
    row = kit.execution(path, run.id)
    assert ("budget_exceeded", "credits", 5) == (run.status, ending(run)[0], row["credits_used"])
    assert row["model_calls_count"] == 5


async def test_f3_the_product_of_caps_is_bounded_by_the_time_of_a_run(tmp_path: Path) -> None:
    """Nor is time."""
    began = time.monotonic()
    run = await ran(tmp_path / "r.db", nested_retries(fail()), limits={"run_timeout_s": 0.5})
    assert ("timed_out", "run_timeout") == (run.status, ending(run)[0])
    assert time.monotonic() - began < 10


# ---------------------------------------------------------------------------------------------------------- F4: nesting


def nested(depth: int, kind: str) -> dict[str, Any]:
    """Steps inside each other, so many deep."""
    step = put(f"s{depth}", 1)
    for level in range(depth - 1, 0, -1):
        step = {"id": f"s{level}", **_around(kind, step)}
    return step


def _around(kind: str, step: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "sub_workflow":
            return {"type": kind, "steps": [step]}
        case "switch":
            return {"type": kind, "value": "{{ run.agent }}", "cases": {"worker": [step]}}
        case "fallback":
            return {**fail("x"), "on_error": {"fallback": step}}
        case _:
            return {"type": kind, "over": [1], "steps": [step]}


@pytest.mark.parametrize("kind", ["loop", "map", "switch", "sub_workflow"])
async def test_f4_sixteen_deep_runs(tmp_path: Path, kind: str) -> None:
    """The limit itself is allowed, and counts inline sub_workflows like any container."""
    run = await ran(tmp_path / "r.db", nested(16, kind))
    assert ("completed", StepCounts(completed=16)) == (run.status, run.record.measures.steps)


@pytest.mark.parametrize("depth", [17, 18])
@pytest.mark.parametrize("kind", ["loop", "map", "switch", "sub_workflow"])
def test_f4_deeper_is_refused_when_saved(kind: str, depth: int) -> None:
    """With the path at which it goes too deep."""
    [complaint] = told(nested(depth, kind))
    assert complaint.endswith("steps are nested more than 16 deep. Flatten the steps, or split the agent.")


@pytest.mark.parametrize("depth", [100, 1_000])
@pytest.mark.parametrize("kind", ["loop", "map", "switch", "sub_workflow"])
def test_f4_far_deeper_is_refused_too(kind: str, depth: int) -> None:
    """No recursion of ours ends before a check does: what is no longer plain JSON is not even looked into."""
    [complaint] = told(nested(depth, kind))
    assert "at most 64 deep" in complaint


@pytest.mark.parametrize("chain", [["a"], ["a", "b"], ["a", "b", "c"]], ids=len)
async def test_f4_an_agent_that_comes_back_to_itself_is_stopped(tmp_path: Path, chain: list[str]) -> None:
    """Itself, or around other agents: each has run once, and the message says which way it went."""
    path = tmp_path / "r.db"
    nexts = [*chain[1:], chain[0]]
    agents = [
        kit.agent([{"id": "sub", "type": "sub_workflow", "agent": below}], name=name)
        for name, below in zip(chain, nexts, strict=True)
    ]
    async with kit.opened(path, say("unused"), agents=agents) as tr:
        run = await asyncio.wait_for(tr.run(agents[0], {}), 20)
    assert ("failed", "limit_reached") == (run.status, ending(run)[0])
    told = str(run.record.ending and run.record.ending.error_message)
    assert " → ".join(map(repr, [*chain, chain[0]])) in told
    with SqliteReader(path) as reader:
        assert len(chain) == len(reader.rows("SELECT id FROM agent_executions"))
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]


# -------------------------------------------------------------------------------------- limits that depend on the data


ITEMS = {"over": "{{ inputs.x }}", "steps": [put("a", 1)]}
TOO_MANY: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "items of a loop": (
        {"type": "loop", **ITEMS, "max_iterations": 2},
        3,
        "s:l",
        "step 'l': 3 items, and max_iterations allows 2",
    ),
    "times while": (
        {"type": "loop", "while": "true", "max_iterations": 20, "steps": [put("a", 1)]},
        0,
        "s:l",
        "step 'l': its condition still holds after 20 iterations, all that max_iterations allows",
    ),
    "items of a map": (
        {"type": "map", **ITEMS},
        100_001,
        "s:l",
        "step 'l': 100,001 items, and a map takes at most 100,000",
    ),
    "spans": (
        {"type": "loop", "while": "true", "steps": [put("a", 1)]},
        0,
        "s:l/i:51/s:a",
        "the run has made 50 spans, all that limits.max_spans allows",
    ),
}


@pytest.mark.parametrize("name", TOO_MANY)
async def test_a_limit_says_what_it_is_held_against_and_where(tmp_path: Path, name: str) -> None:
    """The figure that was too large, the one that is allowed and whose it is, and the path of the step."""
    step, count, path, message = TOO_MANY[name]
    run = await ran(tmp_path / "r.db", {"id": "l", **step}, inputs={"x": [0] * count}, limits={"max_spans": 50})
    found = run.record.ending
    assert found is not None
    assert ("limit_reached", path, message) == (found.error_code, found.error_path, found.error_message)


def test_more_steps_than_there_may_be() -> None:
    """Refused when saved, as are too many branches."""
    [complaint] = told(*[put(f"s{number}", 1) for number in range(10_001)])
    assert complaint == ("workflow_steps: there are more than 10,000 steps. Use a loop or a map, or split the agent.")
    [complaint] = told({"id": "p", "type": "parallel", "branches": [[put(f"s{n}", 1)] for n in range(1_001)]})
    assert complaint == "workflow_steps[0].branches: 1001 branches are not possible. Give 1 to 1,000."


# ------------------------------------------------------------------------------------------ F8: edited while it is run


FILE = """
name: worker
model: test:script
plugins_required: [kit]
workflow_steps:
  - {id: w, type: action, plugin: kit, action: wait, params: {seconds: 0.5}}
  - {id: out, type: transform, operation: set, value: first}
"""


async def test_f8_a_definition_edited_while_it_runs(tmp_path: Path) -> None:
    """A run stays with the version it was accepted with; the next one has the other, and both are known by theirs."""
    path, file = tmp_path / "r.db", tmp_path / "agent.yaml"
    file.write_text(FILE)
    async with kit.opened(path, say("unused")) as tr:
        before = Agent.load(file)
        started = await tr.start(before, {})
        file.write_text(FILE.replace("first", "second"))
        after = Agent.load(file)
        second = await tr.run(after, {})
        first = await started.task
    assert ("first", "second") == (first.output, second.output)
    assert before.version != after.version
    with SqliteReader(path) as reader:
        versions = {row["id"]: row["agent_version"] for row in reader.rows("SELECT * FROM agent_executions")}
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
    assert {first.id: before.version, second.id: after.version} == versions


# ----------------------------------------------------------------------------- F6: siblings of a branch that goes wrong


ASK = {"id": "ask", "type": "llm", "prompt": "Say something."}


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ([wait("w", 0.1), fail()], "failed", "tool_failed"),
        ([wait("w", 30, timeout_ms=100)], "failed", "tool_failed"),
        (
            [{"id": "t", "type": "loop", "over": [1], "timeout_ms": 100, "steps": [wait("w", 30)]}],
            "failed",
            "step_failed",
        ),
    ],
    ids=["fails", "times out", "a timer of a container"],
)
async def test_f6_what_siblings_spent_is_counted(tmp_path: Path, wrong: list[Any], status: str, code: str) -> None:
    """A branch that fails or runs out of time ends the others: their tokens stay, what is in flight is cancelled."""
    path = tmp_path / "r.db"
    step = {"id": "p", "type": "parallel", "branches": {"good": [ASK, wait("still", 30)], "wrong": wrong}}
    run = await ran(path, step)
    measures = run.record.measures
    assert (status, code, IN + OUT) == (run.status, ending(run)[0], measures.tokens.total)
    assert "cancelled" == kit.tables(path, run).statuses["s:p/b:good/s:still/tool", 1]


async def test_f6_a_policy_keeps_the_siblings_going(tmp_path: Path) -> None:
    """A failure that is tolerated inside its branch touches no other."""
    branches = {"good": [ASK], "wrong": [fail(on_error="continue")]}
    run = await ran(tmp_path / "r.db", {"id": "p", "type": "parallel", "branches": branches})
    assert ("completed", {"good": "fine", "wrong": None}) == (run.status, run.output)
    assert StepCounts(completed=2, tolerated=1) == run.record.measures.steps


async def test_f6_a_cancelled_run_keeps_what_its_branches_spent(tmp_path: Path) -> None:
    """Every branch is stopped; every token counts."""
    path = tmp_path / "r.db"
    branches = {name: [{**ASK, "id": f"ask_{name}"}, wait(f"w_{name}", 30)] for name in "abc"}
    async with kit.opened(path, say("fine")) as tr:
        started = await tr.start(kit.agent([{"id": "p", "type": "parallel", "branches": branches}]), {})
        await asyncio.sleep(0.3)
        started.cancel()
        run = await asyncio.wait_for(started.task, 5)
    statuses = kit.tables(path, run).statuses
    assert ("cancelled", 3 * (IN + OUT)) == (run.status, run.record.measures.tokens.total)
    assert ["cancelled"] * 3 == [statuses[f"s:p/b:{name}/s:w_{name}/tool", 1] for name in "abc"]


SLOW = {**ASK, "id": "slow", "prompt": "Say something slowly."}
MODELS = {
    "rules": [
        {"when": {"contains": "slowly"}, "reply": {**say("at last"), "delay_ms": 60_000}},
        {"reply": {**say("fine"), "delay_ms": 100}},
    ]
}
WRONG: dict[str, list[dict[str, Any]]] = {
    "fails": [wait("w", 0.4), fail()],
    "times out": [wait("w", 30, timeout_ms=400)],
    "a timer of a container": [
        {"id": "t", "type": "loop", "over": [1], "timeout_ms": 400, "steps": [{**wait("w", 30)}]}
    ],
    "a model that fails": [wait("w", 0.4), {**ASK, "id": "bad", "output_schema": {"type": "object"}}],
    "is cancelled": [wait("w", 30)],
}


async def beside(path: Path, good: list[dict[str, Any]], wrong: str, *agents: Agent, **policy: Any) -> Run:
    """The run of a branch that goes wrong beside another; the models of both are slow."""
    step = {"id": "p", "type": "parallel", "branches": {"good": good, "wrong": WRONG[wrong]}, **policy}
    async with kit.opened(path, script=MODELS, agents=agents) as tr:
        started = await tr.start(kit.agent([step, put("end", "over")], name="outer"), {})
        if wrong == "is cancelled":
            await asyncio.sleep(0.4)
            started.cancel()
        run = await asyncio.wait_for(started.task, 20)
    with SqliteReader(path) as reader:
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
    return run


@pytest.mark.parametrize("wrong", WRONG)
async def test_f6_a_slow_model_beside_a_branch_that_goes_wrong(tmp_path: Path, wrong: str) -> None:
    """The call in flight is stopped, and what it used is unknown, not 0; each call that had ended is counted."""
    path = tmp_path / "r.db"
    run = await beside(path, [ASK, SLOW], wrong)
    calls = 2 if wrong == "a model that fails" else 1
    measures, statuses = run.record.measures, kit.tables(path, run).statuses
    assert ("cancelled" if wrong == "is cancelled" else "failed") == run.status
    tokens, is_complete = measures.tokens.total, measures.usage_complete
    assert (calls + 1, calls * (IN + OUT), False) == (measures.model_calls_count, tokens, is_complete)
    assert ("ok", "cancelled", "cancelled") == (
        statuses["s:p/b:good/s:ask/model", 1],
        statuses["s:p/b:good/s:slow/model", 1],
        statuses["s:p/b:good/s:slow", 1],
    )


@pytest.mark.parametrize("wrong", [name for name in WRONG if name != "is cancelled"])
async def test_f6_a_step_that_goes_on_counts_what_its_branches_spent(tmp_path: Path, wrong: str) -> None:
    """Tolerated as a whole: the siblings are stopped all the same, and the run goes on with what they spent counted."""
    run = await beside(tmp_path / "r.db", [ASK, SLOW], wrong, on_error="continue")
    calls = 2 if wrong == "a model that fails" else 1
    assert ("completed", "over", calls * (IN + OUT)) == (run.status, run.output, run.record.measures.tokens.total)


@pytest.mark.parametrize("wrong", WRONG)
async def test_f6_a_child_run_beside_a_branch_that_goes_wrong(tmp_path: Path, wrong: str) -> None:
    """It is ended with its own record, which keeps what it spent; no token of it is its parent's."""
    path = tmp_path / "r.db"
    inner = kit.agent([ASK, SLOW], name="inner")
    run = await beside(path, [{"id": "sub", "type": "sub_workflow", "agent": "inner"}], wrong, inner)
    with SqliteReader(path) as reader:
        [child] = reader.rows("SELECT * FROM agent_executions WHERE agent_name = 'inner'")
        [row] = reader.rows("SELECT * FROM agent_executions WHERE agent_name = 'outer'")
        found = family(reader, run.id)
    own = IN + OUT if wrong == "a model that fails" else 0
    assert ("cancelled", IN + OUT, 2) == (child["status"], child["tokens_used"], child["model_calls_count"])
    assert (run.id, own) == (child["parent_run_id"], row["tokens_used"])
    assert child["completed_at"] <= row["completed_at"]
    assert found is not None
    assert own + IN + OUT == found.totals.tokens


async def test_f6_a_policy_keeps_a_sibling_child_going(tmp_path: Path) -> None:
    """A failure that is tolerated inside its branch leaves the child beside it alone."""
    path = tmp_path / "r.db"
    inner = kit.agent([ASK, {**ASK, "id": "again"}], name="inner")
    branches = {"good": [{"id": "sub", "type": "sub_workflow", "agent": "inner"}], "wrong": [fail(on_error="continue")]}
    async with kit.opened(path, script=MODELS, agents=[inner]) as tr:
        run = await tr.run(kit.agent([{"id": "p", "type": "parallel", "branches": branches}]), {})
    with SqliteReader(path) as reader:
        [child] = reader.rows("SELECT * FROM agent_executions WHERE agent_name = 'inner'")
    assert ("completed", {"good": "fine", "wrong": None}) == (run.status, run.output)
    assert ("completed", 2 * (IN + OUT)) == (child["status"], child["tokens_used"])


# -------------------------------------------------------------------------------------------- F9: templates in the data


SMUGGLED = "{{ inputs.secret }} {{ 1 + 1 }} {% x %} ${inputs.secret}"


@pytest.mark.parametrize(
    "second",
    [
        put("b", "{{ steps.a.data }}"),
        put("b", "<{{ steps.a.data }}>"),
        {"id": "b", "type": "loop", "over": "{{ [steps.a.data] }}", "steps": [put("c", "{{ item }}")]},
        {"id": "b", "type": "map", "over": ["{{ steps.a.data }}"], "steps": [put("c", "{{ item }}")]},
        {
            "id": "b",
            "type": "switch",
            "value": "{{ steps.a.data }}",
            "cases": {"x": []},
            "default": [put("c", "{{ steps.a.data }}")],
        },
        {
            "id": "b",
            "type": "sub_workflow",
            "inputs": {"t": "{{ steps.a.data }}"},
            "steps": [put("c", "{{ inputs.t }}")],
        },
        {
            "id": "b",
            "type": "sub_workflow",
            "inputs": {"t": "{{ steps.a.data }}"},
            "steps": [put("c", 1)],
            "outputs": {"o": "{{ inputs.t }}"},
        },
        {
            "id": "b",
            "type": "validate",
            "value": "{{ steps.a.data }}",
            "rules": [{"condition": "value == ''", "message": "not {{ value }}"}],
            "on_failure": "continue",
        },
        {"id": "b", "type": "compare", "operation": "diff", "left": "{{ steps.a.data }}", "right": ""},
        {"id": "b", "type": "transform", "operation": "map", "input": ["{{ steps.a.data }}"], "value": "{{ item }}"},
    ],
    ids=lambda step: f"{step['type']} {str(step)[:0]}",
)
async def test_f9_what_a_step_gave_is_never_read_as_a_template(tmp_path: Path, second: dict[str, Any]) -> None:
    """Substituted once, never parsed again, wherever it goes."""
    run = await ran(tmp_path / "r.db", put("a", "{{ inputs.text }}"), second, inputs={"text": SMUGGLED, "secret": "S3"})
    assert "completed" == run.status
    assert "S3" not in str(run.output)
    assert SMUGGLED in str(run.output) or second["type"] == "switch"


# ------------------------------------------------------------------------------------------------ F10: expression bombs


@pytest.mark.parametrize(
    "bomb",
    [
        "9 ** 9 ** 9",
        "'%0100000000d' % 1",
        "'x' * 100000000",
        "[0] * 100000000",
        "1 << 100",
        "f'{1:0100000000d}'",
        "[x for x in inputs.list]",
        "''.__class__.__mro__",
        "(lambda: 1)()",
        "__import__('os')",
        "'{:0100000000d}'.format(1)",
        "(" * 60 + "1" + ")" * 60,
        "1" + " + 1" * 2_000,
    ],
)
async def test_f10_bombs_are_refused_by_counted_bounds(tmp_path: Path, bomb: str) -> None:
    """When saved, or when asked: at once, the same error every time, and never by a timer."""
    messages: set[str] = set()
    began = time.monotonic()
    for number in range(2):
        try:
            run = await ran(tmp_path / f"{number}.db", put("a", f"{{{{ {bomb} }}}}"), inputs={"list": [1]})
        except BadAgent as error:
            messages.add(str(error.problems[0]))
            continue
        if run.status == "completed":
            assert run.output == 1  # brackets alone make nothing deep
            messages.add("harmless")
        else:
            assert ("step_failed", "s:a") == ending(run)
            messages.add(str(run.record.ending and run.record.ending.error_message))
    assert 1 == len(messages)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$"])
async def test_f10_patterns_take_linear_time(tmp_path: Path, pattern: str) -> None:
    """No pattern and no text make a match hang."""
    began = time.monotonic()
    step = put("a", "{{ matches(inputs.text, inputs.pattern) }}")
    run = await ran(tmp_path / "r.db", step, inputs={"text": "a" * 20_000 + "!", "pattern": pattern})
    assert run.status in ("completed", "failed")
    schema = {
        "id": "v",
        "type": "validate",
        "value": "a" * 20_000 + "!",
        "schema": {"pattern": pattern},
        "on_failure": "continue",
    }
    assert "completed" == (await ran(tmp_path / "v.db", schema)).status
    assert time.monotonic() - began < 10


async def test_f10_large_data_is_bounded_where_steps_compare_it(tmp_path: Path) -> None:
    """A difference of everything with everything is an error, not a list without end."""
    left, right = [[n] for n in range(20_000)], [[-n - 1] for n in range(20_000)]
    step = {"id": "c", "type": "compare", "operation": "diff", "left": "{{ inputs.a }}", "right": "{{ inputs.b }}"}
    run = await ran(tmp_path / "r.db", step, inputs={"a": left, "b": right})
    assert ("step_failed", "s:c") == ending(run)


# ------------------------------------------------------------------------------------------------- F11: what is missing


@pytest.mark.parametrize(
    "step",
    [
        put("b", "{{ steps.a.data.gone }}"),
        put("b", "got {{ steps.a.data.gone }}"),
        put("b", "{{ steps.a.data.null_.deeper }}"),
        put("b", "{{ steps.a.data.list[5] }}"),
        {"id": "b", "type": "switch", "value": "{{ steps.a.data.gone }}", "cases": {"": []}},
        {"id": "b", "type": "conditional", "condition": "steps.a.data.gone == ''", "then": [put("c", 1)]},
        {"id": "b", "type": "loop", "over": "{{ steps.a.data.gone }}", "steps": [put("c", 1)]},
        {"id": "b", "type": "map", "over": "{{ steps.a.data.null_ }}", "steps": [put("c", 1)]},
        {"id": "b", "type": "validate", "value": "{{ steps.a.data.gone }}", "rules": ["true"]},
        {"id": "b", "type": "compare", "left": "{{ steps.a.data.gone }}", "right": 1},
        {"id": "b", "type": "delay", "until": "{{ steps.a.data.gone }}"},
        {"id": "b", "type": "approval", "message": "{{ steps.a.data.gone }}?"},
        {"id": "b", "type": "sub_workflow", "inputs": {"x": "{{ steps.a.data.gone }}"}, "steps": [put("c", 1)]},
        {**add("b"), "params": {"a": "{{ steps.a.data.gone }}", "b": 1}},
        {"id": "b", "type": "llm", "prompt": "{{ steps.a.data.gone }}"},
        {**put("b", 1), "if": "steps.a.data.gone"},
    ],
    ids=lambda step: step["type"],
)
async def test_f11_a_missing_result_is_an_error_that_names_step_and_path(tmp_path: Path, step: dict[str, Any]) -> None:
    """Never an empty text: the failure says which step, and what was not there."""
    run = await ran(tmp_path / "r.db", put("a", {"null_": None, "list": [1]}), step)
    assert ("step_failed", "s:b") == ending(run)
    message = str(run.record.ending and run.record.ending.error_message)
    assert message.startswith("step 'b': ")
    assert "steps.a.data" in message or "null" in message


async def test_f11_the_data_of_a_failed_or_skipped_step_is_null(tmp_path: Path) -> None:
    """It is there to be asked about, and what is inside it is missing."""
    steps = [
        fail("bad", on_error="continue"),
        put("no", 1, **{"if": "1 > 2"}),
        put("is_null", "{{ steps.bad.data == null and steps.no.data == null }}"),
        put("inside", "{{ default(steps.bad.data.x, 'none') }}"),
        put("out", ["{{ steps.is_null.data }}", "{{ steps.inside.data }}"]),
    ]
    assert [True, "none"] == (await ran(tmp_path / "r.db", *steps)).output


async def test_f11_a_step_that_may_not_have_run_is_refused_when_saved() -> None:
    """A reference that cannot hold is found before anything runs."""
    with pytest.raises(BadAgent, match=r"steps\.inner is inside 'c' and cannot be seen from here"):
        Agent.from_mapping(
            {
                "name": "x",
                "workflow_steps": [
                    {"id": "c", "type": "conditional", "condition": "1 < 2", "then": [put("inner", 1)]},
                    put("b", "{{ steps.inner.data }}"),
                ],
            }
        )
