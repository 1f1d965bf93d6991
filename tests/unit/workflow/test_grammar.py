"""The grammar of steps: what it reads, what it refuses, and in which words."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.record.spans import MAX_PATH_BYTES
from trackrecord.workflow import effects, longest
from trackrecord.workflow.grammar import parse_workflow
from trackrecord.workflow.steps import (
    MAX_NESTING,
    MAX_STEPS,
    ActionBody,
    AgentBody,
    ConditionalBody,
    DelayBody,
    LlmBody,
    LoopBody,
    MapBody,
    ParallelBody,
    RetryPolicy,
    Step,
    Workflow,
)
from trackrecord.workflow.vocabulary import STEP_TYPES

_KINDS = ", ".join(STEP_TYPES)


def _workflow(*steps: Json) -> Workflow:
    workflow, problems = parse_workflow(list(steps))
    assert [] == [str(problem) for problem in problems]
    assert workflow is not None
    return workflow


def _only(step: dict[str, Json]) -> Step:
    return _workflow({"id": "a", **step}).steps.steps[0]


def _complaints(
    *steps: Json, inputs: Collection[str] | None = None, plugins: Collection[str] | None = None
) -> list[str]:
    workflow, problems = parse_workflow(list(steps), inputs=inputs, plugins=plugins)
    assert workflow is None
    return [str(problem).removeprefix("workflow_steps") for problem in problems]


def _llm(step_id: str, prompt: str = "x", **more: Json) -> dict[str, Json]:
    return {"id": step_id, "type": "llm", "prompt": prompt, **more}


# --------------------------------------------------------------------------------------------------------- what is read


def test_an_action_has_its_plugin_action_and_params() -> None:
    """An action step becomes one call whose arguments are a template."""
    step = _only({"type": "action", "plugin": "demo", "action": "add", "params": {"a": "{{ inputs.a }}"}})

    assert isinstance(step.body, ActionBody)
    assert ("demo", "add", None) == (step.body.plugin, step.body.action, step.body.effect)
    assert {"a": 3} == step.body.params.render({"inputs": {"a": 3}})


def test_a_step_may_declare_the_effect_of_its_action() -> None:
    """The class a step declares is kept, and makes a retry possible."""
    step = _only({"type": "action", "plugin": "demo", "action": "pay", "effect": "keyed", "retry": {"max_attempts": 2}})

    assert isinstance(step.body, ActionBody)
    assert "keyed" == step.body.effect
    assert RetryPolicy(max_attempts=2) == step.retry


def test_an_llm_step_has_its_prompt_and_settings() -> None:
    """Everything a model call needs is on the step; what is left out is None."""
    step = _only(_llm("a", "Hi {{ inputs.name }}", labels=["yes", "no"], model="scripted:x", temperature=0))

    assert isinstance(step.body, LlmBody)
    assert "Hi Ann" == step.body.prompt.render({"inputs": {"name": "Ann"}})
    assert (("yes", "no"), "scripted:x", 0.0) == (step.body.labels, step.body.model, step.body.temperature)
    assert (None, None, None) == (step.body.system, step.body.input, step.body.max_tokens)


def test_a_bare_agent_step_takes_everything_from_the_agent() -> None:
    """Without prompt and plugins an agent step uses the agent's own."""
    assert AgentBody(prompt=None, plugins=None) == _only({"type": "agent"}).body


def test_a_conditional_may_have_one_arm() -> None:
    """The arm that is left out is empty, not missing."""
    step = _only({"type": "conditional", "condition": "1 < 2", "else": [_llm("b")]})

    assert isinstance(step.body, ConditionalBody)
    assert () == step.body.then.steps
    assert ["b"] == [inner.id for inner in step.body.otherwise.steps]
    assert step.body.condition.holds({})


def test_a_loop_goes_over_a_list_or_while_a_condition_holds() -> None:
    """Both forms of a loop are read; the defaults are 1,000 iterations, one at a time."""
    over = _only({"type": "loop", "over": "{{ inputs.rows }}", "as": "row", "steps": [_llm("b", "{{ row }}")]}).body
    asked = _only({"type": "loop", "while": "index < 3", "max_iterations": 5, "steps": [_llm("b")]}).body

    assert isinstance(over, LoopBody)
    assert isinstance(asked, LoopBody)
    assert ("row", 1_000, 1, None) == (over.as_, over.max_iterations, over.concurrency, over.while_)
    assert (5, None) == (asked.max_iterations, asked.over)


def test_branches_are_named_or_counted() -> None:
    """A mapping of branches is read by name in code-point order, a list is named 1, 2, …."""
    named = _only({"type": "parallel", "branches": {"b": [_llm("x")], "a": [_llm("y")]}, "join": "all"}).body
    listed = _only({"type": "parallel", "branches": [[_llm("x")], [_llm("y")]], "max_concurrency": 1}).body

    assert isinstance(named, ParallelBody)
    assert isinstance(listed, ParallelBody)
    assert (["a", "b"], "all", None) == ([name for name, _ in named.branches], named.join, named.max_concurrency)
    assert (["1", "2"], "all", 1) == ([name for name, _ in listed.branches], listed.join, listed.max_concurrency)


def test_a_map_has_its_window_and_what_becomes_of_the_results() -> None:
    """Every setting of a map is read."""
    step = _only(
        {
            "type": "map",
            "over": [1, 2],
            "steps": [_llm("b", "{{ item }} of {{ index }}")],
            "max_concurrency": 3,
            "collect": "sum",
            "on_item_error": "collect",
        }
    )

    assert isinstance(step.body, MapBody)
    assert ("item", 3, "sum", "collect") == (
        step.body.as_,
        step.body.max_concurrency,
        step.body.collect,
        step.body.on_item_error,
    )


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [(0, 0), (250, 250), ("500ms", 500), ("30s", 30_000), ("1.5 h", 5_400_000), ("2d", 172_800_000)],
)
def test_a_delay_lasts_as_written(duration: Json, milliseconds: int) -> None:
    """A duration is milliseconds, or a number with its unit."""
    assert DelayBody(duration_ms=milliseconds) == _only({"type": "delay", "duration": duration}).body


def test_common_fields_are_read() -> None:
    """Name, retry, timeout, output and what a failure does are on every step."""
    step = _only(
        {
            "type": "agent",
            "name": "Ask",
            "if": "1 < 2",
            "retry": {"max_attempts": 4, "on": ["tool_failed"]},
            "timeout_ms": 5_000,
            "on_error": "continue",
            "output": "answer",
            "output_schema": {"type": "object"},
        }
    )

    assert ("Ask", 5_000, "continue", "answer") == (step.name, step.timeout_ms, step.on_error, step.output)
    assert RetryPolicy(max_attempts=4, on=("tool_failed",)) == step.retry
    assert {"type": "object"} == step.output_schema
    assert step.condition is not None


def test_a_5xx_cause_stands_for_every_server_error() -> None:
    """A policy is matched by exact words, so the group is spelled out."""
    retry = _only(_llm("a", retry={"on": [429, "5xx"]})).retry

    assert retry is not None
    assert "429" == retry.on[0]
    assert {"500", "503", "599"} < set(retry.on)


def test_a_fallback_is_a_step_of_its_own() -> None:
    """The fallback sees what its step sees, and its id is unique in the tree."""
    workflow = _workflow(_llm("a"), _llm("b", on_error={"fallback": _llm("c", "{{ steps.a.data }}")}))
    step = workflow.steps.steps[1]

    assert "fallback" == step.on_error
    assert step.fallback is not None
    assert ("c", 3) == (step.fallback.id, workflow.declared.steps)


def test_the_graph_is_in_the_list() -> None:
    """An engine finds who waits for whom without asking again."""
    steps = _workflow(_llm("a"), _llm("b"), _llm("c", depends_on=["a", "b"])).steps

    assert ((), (), (0, 1)) == steps.dependencies
    assert ((2,), (2,), ()) == steps.dependants
    assert (0, 1) == steps.roots


# ---------------------------------------------------------------------------------------------- what may be referred to


@pytest.mark.parametrize(
    "steps",
    [
        [_llm("a"), _llm("b", "{{ steps.a.data.x }} {{ steps.a.status }} {{ steps.a.error }}")],
        [_llm("a"), _llm("b", depends_on=["a"]), _llm("c", "{{ steps.a.data }}", depends_on=["b"])],
        [_llm("a", output="total"), _llm("b", "{{ vars.total }}")],
        [_llm("a"), {"id": "l", "type": "loop", "over": [1], "steps": [_llm("b", "{{ steps.a.data }} {{ item }}")]}],
        [
            {
                "id": "l",
                "type": "loop",
                "over": [1],
                "as": "row",
                "steps": [
                    {"id": "m", "type": "map", "over": [1], "steps": [_llm("b", "{{ row }} {{ item }} {{ index }}")]}
                ],
            }
        ],
        [
            {
                "id": "l",
                "type": "loop",
                "while": "index < 3 and default(steps.b.data, 0) < vars.most + default(vars.n, 0)",
                "steps": [_llm("b", output="n")],
                "depends_on": ["a"],
            },
            _llm("a", output="most"),
        ],
        [_llm("a", "{{ inputs.order }} {{ run.id }} {{ env.HOME }}")],
    ],
)
def test_references_to_what_has_ended_are_accepted(steps: list[Json]) -> None:
    """Earlier steps, enclosing scopes, bound names, items and inputs can be referred to."""
    _, problems = parse_workflow(steps, inputs=("order",))

    assert [] == [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        (
            [_llm("a", "{{ steps.b.data }}"), _llm("b")],
            "[0].prompt: steps.b may not have ended when this step starts."
            " Put 'b' before this step, or name it in depends_on.",
        ),
        (
            [_llm("a"), _llm("b", "{{ steps.a.data }}"), _llm("c", depends_on=["a"])],
            "[1].prompt: steps.a may not have ended when this step starts."
            " Put 'a' before this step, or name it in depends_on.",
        ),
        (
            [_llm("a", "{{ steps.a.data }}")],
            "[0].prompt: steps.a is this step, or the step around it, and has not ended. Refer to an earlier step.",
        ),
        (
            [{"id": "l", "type": "loop", "over": [1], "steps": [_llm("b", "{{ steps.l.data }}")]}],
            "[0].steps[0].prompt: steps.l is this step, or the step around it, and has not ended."
            " Refer to an earlier step.",
        ),
        (
            [{"id": "l", "type": "loop", "over": [1], "steps": [_llm("b")]}, _llm("c", "{{ steps.b.data }}")],
            "[1].prompt: steps.b is inside 'l' and cannot be seen from here."
            " Write steps.l.data, or move this step into 'l'.",
        ),
        (
            [_llm("a", on_error={"fallback": _llm("b")}), _llm("c", "{{ steps.b.data }}")],
            "[1].prompt: steps.b is a fallback; its data stands in for that of 'a'. Write steps.a.data.",
        ),
        (
            [_llm("fetch"), _llm("b", "{{ steps.fecth.data }}")],
            "[1].prompt: there is no step 'fecth'. Did you mean 'fetch'?",
        ),
        (
            [_llm("a"), _llm("b", "{{ steps.a.result }}")],
            "[1].prompt: a step has data, status and error, but no 'result'. Write steps.a.data.result.",
        ),
        (
            [_llm("a"), _llm("b", "{{ a.data }}")],
            "[1].prompt: there is nothing named 'a'. Steps are read as steps.a.data.",
        ),
        (
            [_llm("a", "{{ order }}")],
            "[0].prompt: there is nothing named 'order'. Inputs are read as inputs.order.",
        ),
        ([_llm("a", "{{ inputs.ordr }}")], "[0].prompt: there is no input 'ordr'. Did you mean 'order'?"),
        (
            [_llm("a", "{{ item }}")],
            "[0].prompt: 'item' exists only inside a loop or a map. Write inputs.… or steps.<id>.data.",
        ),
        (
            [_llm("a", output="total"), _llm("b", "{{ vars.totl }}")],
            "[1].prompt: no step binds vars.totl. Did you mean 'total'?",
        ),
        (
            [_llm("a", "{{ vars.total }}"), _llm("b", output="total")],
            "[0].prompt: vars.total may not be bound yet when this step starts. Put the step that binds it before.",
        ),
        (
            [{"id": "a", "type": "action", "plugin": "p", "action": "x", "params": {"q": {"r": ["{{ inputs.no }}"]}}}],
            "[0].params.q.r[0]: there is no input 'no'. Known: order.",
        ),
    ],
)
def test_references_to_what_cannot_have_ended_are_refused(steps: list[Json], complaint: str) -> None:
    """A reference that cannot hold is found when the agent is saved, and the message says what to write."""
    assert [complaint] == _complaints(*steps, inputs=("order",))


def _sub(*steps: Json, **more: Json) -> dict[str, Json]:
    return {"id": "sub", "type": "sub_workflow", "steps": list(steps), **more}


@pytest.mark.parametrize(
    ("inner", "complaint"),
    [
        (
            "{{ steps.a.data }}",
            "steps.a is outside 'sub', whose steps see its inputs only. Pass it in: inputs: {a: '{{ steps.a.data }}'}.",
        ),
        ("{{ steps.sub.data }}", "steps.sub is outside 'sub', whose steps see its inputs only."),
        ("{{ steps.subb.data }}", "there is no step 'subb'."),
        ("{{ vars.total }}", "no step binds vars.total. Write `output: total` on an earlier step."),
        ("{{ inputs.order }}", "there is no input 'order'. Did you mean 'orders'?"),
        ("{{ item }}", "'item' is not seen inside 'sub'. Pass it in with its inputs."),
    ],
)
def test_inline_steps_see_their_inputs_and_nothing_around(inner: str, complaint: str) -> None:
    """A sub_workflow can be read, and moved, without what is around it."""
    loop: dict[str, Json] = {
        "id": "l",
        "type": "loop",
        "over": [1],
        "steps": [_sub(_llm("b", inner), inputs={"orders": "{{ inputs.order }}"})],
    }
    (found,) = _complaints(_llm("a", output="total"), loop, inputs=("order",))

    assert found.startswith(f"[1].steps[0].steps[0].prompt: {complaint}")


def test_without_inputs_an_inline_step_is_told_where_to_add_one() -> None:
    """The cure names the sub_workflow, not the agent's schema."""
    assert ["[0].steps[0].prompt: there is no input 'x'. Add it to the inputs of 'sub'."] == _complaints(
        _sub(_llm("b", "{{ inputs.x }}")), inputs=("x",)
    )


def test_outputs_of_inline_steps_see_how_they_ended_and_not_what_is_around() -> None:
    """Every inner step has ended by then; `output` is what the last of them gave."""
    good = _sub(
        _llm("b", output="text"), outputs={"b": "{{ steps.b.data }}", "t": "{{ vars.text }}", "o": "{{ output }}"}
    )

    assert 3 == _workflow(_llm("a"), good).declared.steps
    (found,) = _complaints(_llm("a"), _sub(_llm("b"), outputs={"a": "{{ steps.a.data }}"}))
    assert found.startswith("[1].outputs.a: steps.a is outside 'sub'")


def test_outputs_of_an_agent_see_its_output_and_what_is_around() -> None:
    """A child run's output is mapped where the step stands."""
    child: dict[str, Json] = {"id": "sub", "type": "sub_workflow", "agent": "other"}

    assert (
        2 == _workflow(_llm("a"), {**child, "outputs": {"x": ["{{ output.x }}", "{{ steps.a.data }}"]}}).declared.steps
    )
    (found,) = _complaints({**child, "inputs": {"x": "{{ output }}"}})
    assert found.startswith("[0].inputs.x: there is nothing named 'output'")


def test_inner_steps_of_a_sub_workflow_are_not_seen_outside() -> None:
    """Only its data is."""
    (found,) = _complaints(_sub(_llm("b")), _llm("c", "{{ steps.b.data }}"))

    assert found.startswith("[1].prompt: steps.b is inside 'sub' and cannot be seen from here")


def test_a_rule_sees_the_value_and_whatever_the_step_sees() -> None:
    """`value` exists in rules and their messages, and nowhere else."""
    step: dict[str, Json] = {
        "id": "v",
        "type": "validate",
        "value": "{{ steps.a.data }}",
        "rules": [
            "value.n > inputs.least",
            {"condition": "value.n < 9", "message": "{{ value.n }} is large"},
            {"field": "value.n", "operator": "exists", "message": "no n"},
            {"all": ["value.n > 1"]},
        ],
    }

    assert 2 == _workflow(_llm("a"), step).declared.steps
    (found,) = _complaints({**step, "value": "{{ value }}"} | {"rules": ["true"]})
    assert found.startswith("[0].value: there is nothing named 'value'")


def test_a_while_loop_sees_what_the_iteration_before_gave() -> None:
    """`previous` and `index` exist in its condition and its body; `previous` in no other loop."""
    loop: dict[str, Json] = {
        "id": "l",
        "type": "loop",
        "while": "previous != 3",
        "steps": [_llm("b", "{{ previous }}")],
    }

    assert 2 == _workflow(loop).declared.steps
    (found,) = _complaints({"id": "l", "type": "loop", "over": [1], "steps": [_llm("b", "{{ previous }}")]})
    assert "there is nothing named 'previous'" in found


def test_a_hyphen_in_an_older_reference_is_explained() -> None:
    """An id that was normalised is named in the spelling expressions use."""
    (complaint,) = _complaints(
        {"id": "step-one", "type": "llm", "prompt": "x"}, _llm("b", "{{ steps.step-one.data.x y }}")
    )

    assert complaint.endswith("The step 'step-one' is read as steps.step_one.")


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("step", "complaints"),
    [
        (
            {"type": "llm", "promt": "x"},
            [
                "[0].promt: an llm step has no field 'promt'. Did you mean 'prompt'?",
                "[0]: 'prompt' is missing; an llm step needs it.",
            ],
        ),
        ({"type": "acton"}, ["[0].type: there is no step type 'acton'. Did you mean 'action'?"]),
        ({"type": "ai_procesing"}, ["[0].type: there is no step type 'ai_procesing'. Did you mean 'ai_processing'?"]),
        ({"type": "xyz"}, [f"[0].type: there is no step type 'xyz'. Known: {_KINDS}."]),
        ({"plugin": "x"}, ["[0]: 'type' is missing; every step needs it. Write `type: action`."]),
        ({"type": ["llm"]}, ["[0].type: must be text, not a list."]),
        (
            {"type": "llm", "prompt": "x", "timeout_ms": "5s"},
            ["[0].timeout_ms: must be a whole number, not the text '5s'."],
        ),
        ({"type": "llm", "prompt": "x", "timeout_ms": 0}, ["[0].timeout_ms: 0 is too little; the least is 1."]),
        ({"type": "llm", "prompt": 7}, ["[0].prompt: must be text, not the number 7. Put it in quotes: '7'."]),
        (
            {"type": "llm", "prompt": "x", "condition": "1 < 2"},
            ["[0].condition: an llm step has no field 'condition'. Write `if` to run a step on a condition."],
        ),
        (
            {"type": "llm", "prompt": "x", "over": [1]},
            ["[0].over: an llm step has no field 'over'. It belongs to loop and map steps."],
        ),
        (
            {"type": "llm", "prompt": "x", "labels": ["a"]},
            ["[0].labels: labels must be two or more different texts."],
        ),
        (
            {"type": "llm", "prompt": "x", "labels": ["a", "b"], "output_schema": {"type": "string"}},
            ["[0].labels: labels and output_schema exclude each other. Keep one."],
        ),
        (
            {"type": "llm", "prompt": "x", "output_schema": {"type": "int"}},
            ["[0].output_schema.type: 'int' is no type. Did you mean 'integer'?"],
        ),
        (
            {"type": "llm", "prompt": "x", "output": "my total"},
            ["[0].output: 'my total' is not a usable name. Write 'my_total': a-z, 0-9 and _, at most 64."],
        ),
        (
            {"type": "llm", "prompt": "x", "retry": {"max_attempt": 3}},
            ["[0].retry.max_attempt: retry has no field 'max_attempt'. Did you mean 'max_attempts'?"],
        ),
        (
            {"type": "llm", "prompt": "x", "retry": {"on": [404]}},
            ["[0].retry.on[0]: '404' is no cause that can be retried. Known: timeout, connection, 408, 429, 5xx."],
        ),
        ({"type": "llm", "prompt": "x", "retry": 3}, ["[0].retry: must be a mapping, not the number 3."]),
        (
            {"type": "llm", "prompt": "x", "on_error": "ignore"},
            [
                "[0].on_error: the text 'ignore' is not possible here."
                " Write fail, continue, or fallback: with a step under it."
            ],
        ),
        (
            {"type": "llm", "prompt": "x", "on_error": {"falback": {}}},
            [
                "[0].on_error.falback: on_error has no field 'falback'. Did you mean 'fallback'?",
                "[0].on_error: 'fallback' is missing; on_error needs it.",
            ],
        ),
        (
            {"type": "llm", "prompt": "x", "on_error": {"fallback": _llm("b", depends_on=["a"])}},
            [
                "[0].on_error.fallback.depends_on: a fallback has no depends_on of its own."
                " Its data takes the place of the failed step's."
            ],
        ),
        (
            {"type": "action", "plugin": "p", "action": "x", "effect": "unsafe", "retry": {}},
            [
                "[0].retry: an action declared unsafe cannot be retried: it might happen twice."
                " Remove retry, or write `effect: keyed` if the action honours the idempotency key."
            ],
        ),
        (
            {"type": "loop", "steps": [_llm("b")]},
            [
                "[0]: a loop has neither 'over' nor 'while'."
                " Give exactly one: `over` a list, or `while` a condition holds."
            ],
        ),
        (
            {"type": "loop", "over": [1], "while": "1 < 2", "steps": [_llm("b")]},
            ["[0]: a loop has both 'over' and 'while'. Give exactly one: `over` a list, or `while` a condition holds."],
        ),
        (
            {"type": "loop", "over": "items", "steps": [_llm("b")]},
            ["[0].over: 'items' is plain text, not a list. Write '{{ items }}'."],
        ),
        ({"type": "loop", "over": [1], "steps": []}, ["[0].steps: must not be empty."]),
        (
            {"type": "loop", "while": "1 < 2", "concurrency": 2, "steps": [_llm("b")]},
            ["[0].concurrency: a `while` loop runs one iteration after the other. Remove concurrency."],
        ),
        (
            {"type": "map", "over": [1], "as": "steps", "steps": [_llm("b")]},
            ["[0].as: 'steps' means something else in expressions. Take another name."],
        ),
        (
            {"type": "map", "over": [1], "collect": "lst", "steps": [_llm("b")]},
            ["[0].collect: 'lst' is not possible here. Did you mean 'list'?"],
        ),
        ({"type": "conditional", "condition": "1 < 2"}, ["[0]: a conditional needs steps in 'then' or 'else'."]),
        (
            {"type": "parallel", "branches": {"a/b": [_llm("b")]}},
            ["[0].branches.a/b: 'a/b' is no usable branch name. Use letters, digits, _ and -, at most 64."],
        ),
        (
            {"type": "parallel", "branches": {"x": _llm("b")}},
            [
                "[0].branches.x: the branch 'x' must be a list of steps, not a mapping."
                " A branch is a list of steps, even if there is only one."
            ],
        ),
        (
            {"type": "delay"},
            ["[0]: a delay has neither 'duration' nor 'until'. Give exactly one, like `duration: 30s`."],
        ),
        (
            {"type": "delay", "duration": "soon"},
            ["[0].duration: the text 'soon' is no duration. Write 500ms, 30s, 5m, 2h or 1d."],
        ),
        ({"type": "delay", "duration": "99d"}, ["[0].duration: 8,553,600,000 ms is not possible. At most 30 days."]),
        (
            {"type": "delay", "until": "tomorrow"},
            ["[0].until: 'tomorrow' is no time with a zone. Write 2030-12-31T23:59:00Z."],
        ),
        ({"type": "delay", "duration": -5}, ["[0].duration: -5 ms is not possible. At least 0 ms."]),
        (
            {"type": "switch", "value": "kind", "cases": {"a": []}},
            ["[0].value: the text 'kind' is always the same. Write '{{ kind }}'."],
        ),
        (
            {"type": "switch", "value": "{{ inputs.a }}", "cases": {}},
            ["[0].cases: 0 cases are not possible. Give 1 to 1,000."],
        ),
        (
            {"type": "switch", "value": "{{ inputs.a }}", "cases": {"a": _llm("b"), "default": []}},
            [
                "[0].cases.default: `default` is no case. Write `default:` beside `cases:`, one level up.",
                "[0].cases.a: the case 'a' must be a list of steps, not a mapping."
                " A case is a list of steps, even if there is only one; [] does nothing.",
            ],
        ),
        (
            {"type": "switch", "value": "{{ inputs.a }}", "case": {"a": []}},
            [
                "[0].case: a switch step has no field 'case'. Did you mean 'cases'?",
                "[0]: 'cases' is missing; a switch step needs it.",
            ],
        ),
        (
            {"type": "validate", "value": "{{ inputs.a }}"},
            ["[0]: a validate step has neither 'schema' nor 'rules'. Give one of them, or both."],
        ),
        (
            {"type": "validate", "value": 1, "schema": {"type": "int"}, "rules": ["value >", {"message": "x"}, 5]},
            [
                "[0].schema.type: 'int' is no type. Did you mean 'integer'?",
                "[0].rules[0]: the expression 'value >': cannot be read: invalid syntax.",
                "[0].rules[1]: 'condition' is missing; a rule needs it.",
                "[0].rules[2]: a rule must be a condition, not the number 5."
                " Write {condition: 'value.total > 0', message: …}.",
            ],
        ),
        (
            {"type": "validate", "value": 1, "rules": ["1 < 2"], "on_failure": "ignore"},
            ["[0].on_failure: 'ignore' is not possible here. Known: fail, continue, skip."],
        ),
        (
            {"type": "compare", "operation": "differ", "left": 1},
            [
                "[0].operation: 'differ' is not possible here. Did you mean 'diff'?",
                "[0]: 'right' is missing; a compare step needs it.",
            ],
        ),
        ({"type": "approval"}, ["[0]: 'message' is missing; an approval step needs it."]),
        (
            {"type": "approval", "message": "x", "timeout_ms": 5, "approvers": "ann", "timeout": "soon"},
            [
                "[0].timeout_ms: an approval holds no timer of its own while it waits."
                " Write `timeout`, like `timeout: 2d`; on_timeout says what then.",
                "[0].approvers: must be a list of names, not the text 'ann'. Write [ann].",
                "[0].timeout: the text 'soon' is no duration. Write 500ms, 30s, 5m, 2h or 1d.",
            ],
        ),
        (
            {"type": "approval", "message": "x", "needs": "all", "timeout": "400d"},
            [
                "[0].needs: 'all' of nobody cannot approve. Name the approvers, or write needs: any.",
                "[0].timeout: 34,560,000,000 ms is not possible. At most 365 days.",
            ],
        ),
        (
            {"type": "approval", "message": "x", "approvers": ["ann", " ", 3]},
            [
                "[0].approvers[1]: an approver must be a name, not the text ' '.",
                "[0].approvers[2]: an approver must be a name, not the number 3.",
            ],
        ),
        (
            {"type": "sub_workflow"},
            [
                "[0]: a sub_workflow has neither 'agent' nor 'steps'."
                " Give exactly one: the name of an agent, or steps of its own."
            ],
        ),
        (
            {"type": "sub_workflow", "agent": "x", "version": "v2"},
            [
                "[0].version: the text 'v2' is not how a version begins."
                " Write 4 or more of its 64 hexadecimal digits, or leave it out for the current one."
            ],
        ),
        (
            {"type": "sub_workflow", "version": "abcd", "steps": [_llm("b")]},
            ["[0].version: only an agent has a version. Remove it, or name the agent."],
        ),
    ],
)
def test_what_is_wrong_with_a_step_is_said_in_words_to_act_on(step: dict[str, Json], complaints: list[str]) -> None:
    """Each mistake is named at its place, with the value and what to write instead."""
    assert complaints == _complaints({"id": "a", **step})


@pytest.mark.parametrize(
    ("step_id", "complaint"),
    [
        ("Fetch Orders", ".id: 'Fetch Orders' is not a usable name. Write 'fetch_orders': a-z, 0-9 and _, at most 64."),
        ("fetchOrders", ".id: 'fetchOrders' is not a usable name. Write 'fetch_orders': a-z, 0-9 and _, at most 64."),
        ("class", ".id: 'class' is a word of the expression language. Write 'class_'."),
        ("a\x00b", ".id: 'a\\x00b' is not a usable name. Write 'a_b': a-z, 0-9 and _, at most 64."),
        ("a/b", ".id: 'a/b' is not a usable name. Write 'a_b': a-z, 0-9 and _, at most 64."),
        ("x" * 65, f".id: '{'x' * 65}' is not a usable name. Write '{'x' * 64}': a-z, 0-9 and _, at most 64."),
        (True, ".id: must be text, not true."),
        ([], ".id: must be text, not a list."),
        (None, ": 'id' is missing; every step needs it. Add `id:` with a short name, like `fetch`."),
    ],
)
def test_unusable_ids_are_refused(step_id: Json, complaint: str) -> None:
    """An id is a name that expressions, paths and people can use."""
    assert [f"[0]{complaint}"] == _complaints({"id": step_id, "type": "llm", "prompt": "x"})


def test_an_id_is_unique_in_the_whole_tree() -> None:
    """A step in a body may not repeat an id from outside."""
    assert [
        "[1].steps[0].id: the id 'a' is already used at workflow_steps[0]."
        " Ids are unique in the whole workflow: give this step another."
    ] == _complaints(_llm("a"), {"id": "l", "type": "loop", "over": [1], "steps": [_llm("a")]})


def test_ids_that_become_equal_are_refused() -> None:
    """Two spellings of one normalised id are one id."""
    assert [
        "[1].id: the id 'a_b' is already used at workflow_steps[0]."
        " Ids are unique in the whole workflow: give this step another."
    ] == _complaints(_llm("a-b"), _llm("a_b"))


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        (
            [_llm("fetch"), _llm("b", depends_on=["fecth"])],
            "[1].depends_on[0]: there is no step 'fecth'. Did you mean 'fetch'?",
        ),
        (
            [_llm("a", depends_on=["a"])],
            "[0].depends_on[0]: the step 'a' depends on itself. Remove it from depends_on.",
        ),
        (
            [{"id": "l", "type": "loop", "over": [1], "steps": [_llm("b")]}, _llm("c", depends_on=["b"])],
            "[1].depends_on[0]: 'b' is not in the same list of steps, but at workflow_steps[0].steps[0]."
            " A step depends on its neighbours only; depend on the step that contains it.",
        ),
        (
            [_llm("a", depends_on=["c"]), _llm("b", depends_on=["a"]), _llm("c", depends_on=["b"])],
            "[0].depends_on: steps wait for each other in a circle: a → c → b → a. Remove one of these dependencies.",
        ),
        (
            [_llm("a", depends_on="b"), _llm("b")],
            "[0].depends_on: must be a list of texts, not the text 'b'. Write [b].",
        ),
    ],
)
def test_dependencies_that_cannot_be_met_are_refused(steps: list[Json], complaint: str) -> None:
    """Unknown ids, self-loops, cycles and edges across lists are named."""
    assert [complaint] == _complaints(*steps)


def test_a_plugin_must_be_required_by_the_agent() -> None:
    """A step cannot reach a plugin that the agent does not name."""
    action: dict[str, Json] = {"id": "a", "type": "action", "plugin": "dmo", "action": "x"}
    agent: dict[str, Json] = {"id": "b", "type": "agent", "plugins": ["demo", "mail"]}

    assert [
        "[0].plugin: the plugin 'dmo' is not in plugins_required. Did you mean 'demo'?",
        "[1].plugins[1]: the plugin 'mail' is not in plugins_required. Known: demo.",
    ] == _complaints(action, agent, plugins=("demo",))
    assert ["[0].plugin: the plugin 'dmo' is not in plugins_required. Add: plugins_required: [dmo]."] == _complaints(
        action, plugins=()
    )


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({}, "must be a list of steps, not a mapping. Start each step with `- id: …`."),
        ("x", "must be a list of steps, not the text 'x'. Start each step with `- id: …`."),
        ([], "has no steps. Add a step, or leave it out for a tool-calling agent."),
    ],
)
def test_a_workflow_is_a_list_of_steps(value: Json, complaint: str) -> None:
    """Anything else is refused as a whole."""
    workflow, problems = parse_workflow(value)

    assert workflow is None
    assert [f"workflow_steps: {complaint}"] == [str(problem) for problem in problems]


def test_everything_wrong_is_reported_at_once() -> None:
    """One reading mends the file: a problem in one step does not hide those in others or deeper down."""
    complaints = _complaints(
        "fetch",
        _llm("a", timeout_ms=0),
        {"id": "l", "type": "loop", "steps": [_llm("b", "{{ steps.nope.data }}"), {"type": "llm"}]},
        {"id": "a", "type": "nope"},
    )

    assert 8 == len(complaints)


# --------------------------------------------------------------------------------------------------------------- limits


def _nested(depth: int, step_id: str = "s") -> dict[str, Json]:
    step = _llm(f"{step_id}{depth}")
    for level in range(depth - 1, 0, -1):
        step = {"id": f"{step_id}{level}", "type": "loop", "over": [1], "steps": [step]}
    return step


def test_steps_nest_16_deep_and_no_deeper() -> None:
    """The limit itself is allowed."""
    assert MAX_NESTING == _workflow(_nested(MAX_NESTING)).declared.steps
    (complaint,) = _complaints(_nested(MAX_NESTING + 1))
    assert complaint.endswith(".steps: steps are nested more than 16 deep. Flatten the steps, or split the agent.")


def test_a_workflow_has_10_000_steps_and_no_more() -> None:
    """The limit itself is allowed, and a long chain is read in linear time."""
    steps: list[Json] = [_llm(f"s{index}") for index in range(MAX_STEPS)]

    assert MAX_STEPS == _workflow(*steps).declared.steps
    assert [": there are more than 10,000 steps. Use a loop or a map, or split the agent."] == _complaints(
        *steps, _llm("one_more")
    )


def test_a_path_longer_than_a_record_can_hold_is_refused() -> None:
    """The longest path a run could leave is known when the agent is saved."""
    (complaint,) = _complaints(_nested(14, "s" * 62))

    assert "in a record could be 1,0" in complaint
    assert complaint.endswith("1,024 is most. Shorten the ids around it, or nest less deeply.")


def test_the_longest_path_is_the_one_a_record_can_hold() -> None:
    """This room may not import the record's, so the two figures are held together here."""
    assert MAX_PATH_BYTES == longest.MAX_PATH_BYTES


# ------------------------------------------------------------------------------------------------- with plugins at hand


def test_retrying_an_action_that_turns_out_unsafe_is_refused() -> None:
    """What the step does not declare is looked up where the plugins are known; `keyed` on the step wins."""
    call: dict[str, Json] = {"type": "action", "plugin": "bank", "action": "pay", "retry": {"max_attempts": 2}}
    workflow = _workflow(
        {"id": "l", "type": "loop", "over": [1], "steps": [{"id": "a", **call}]},
        {"id": "b", **call, "effect": "keyed"},
        {"id": "c", **call, "action": "balance"},
        {"id": "d", **call, "action": "payy"},
        {"id": "e", "type": "switch", "value": "{{ inputs.x }}", "cases": {"k": [{"id": "f", **call}]}},
        {"id": "g", "type": "sub_workflow", "steps": [{"id": "h", **call}]},
    )

    found = effects.check(
        workflow,
        lambda _, action: {"pay": "unsafe", "balance": "read"}.get(action),  # type: ignore[arg-type,return-value]
        ("bank",),
        suggest=lambda name: f"Not {name}.",
    )

    assert [
        "workflow_steps[0].steps[0].retry: bank.pay is unsafe and cannot be retried: it might happen twice."
        " Remove retry, or write `effect: keyed` if the action honours the idempotency key.",
        "workflow_steps[3].action: the plugin 'bank' has no action 'payy'. Not bank.payy.",
        *(
            f"workflow_steps[{at}].retry: bank.pay is unsafe and cannot be retried: it might happen twice."
            " Remove retry, or write `effect: keyed` if the action honours the idempotency key."
            for at in ("4].cases.k[0", "5].steps[0")
        ),
    ] == [str(problem) for problem in found]


# --------------------------------------------------------------------------------------------------------- never raises

_scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
_names = st.sampled_from(
    "id type prompt steps then else branches on_error fallback over while condition if retry on depends_on output"
    " value cases default rules message schema left right approvers timeout agent inputs outputs"
    " output_schema plugin action params operation input duration until labels parallel scatter gather".split()
)
_words = st.sampled_from(
    "a b llm loop map parallel conditional action agent transform delay filter {{item}} {{steps.a.data}} {{"
    " switch validate compare approval sub_workflow deep_equals value.a".split()
)
_json = st.recursive(
    _scalars | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=3), inner, max_size=6),
    max_leaves=25,
)
_steps = st.lists(st.dictionaries(_names, _json, max_size=8) | _json, max_size=4)


@given(_json | _steps)
def test_whatever_is_written_gets_an_answer(value: Json) -> None:
    """Any JSON is either a workflow or a list of one-line problems, never an exception."""
    workflow, problems = parse_workflow(value)

    assert (workflow is None) == bool(problems)
    assert all(problem.message and "\n" not in str(problem) for problem in problems)
