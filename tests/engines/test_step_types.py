"""Switch, validate, compare, while, delay: what they do, with every option; output, paths and counts as defined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.test_workflows import Flow, add, fail, holds, put

from trackrecord.errors import UnknownModel

ORDER: Mapping[str, Any] = {"id": 7, "total": -5, "lines": [{"sku": "a", "n": 1}]}


def switch(value: str, cases: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "pick", "type": "switch", "value": value, "cases": dict(cases), **more}


def validate(value: Any = "{{ inputs.order }}", **more: Any) -> dict[str, Any]:
    return {"id": "check", "type": "validate", "value": value, **more}


def compare(operation: str, left: Any, right: Any, **more: Any) -> dict[str, Any]:
    return {"id": "cmp", "type": "compare", "operation": operation, "left": left, "right": right, **more}


def said(flow_input: Any, case: str | None, path: str) -> Flow:
    """A switch over an input that must take a case."""
    cases = {key: [put(f"at_{name}", 1)] for name, key in CASES.items()}
    return Flow(
        steps=[switch("{{ inputs.x }}", cases)],
        inputs={"x": flow_input},
        output={"case": case},
        counts=(1 if case is None else 2, 0, 0, 0),
        executed=(1 if case is None else 2, 1, 0, 0),
        paths={} if case is None else {path: "ok"},
    )


CASES = {"one": "1", "ten": "10", "yes": "true", "none": "null", "empty": "", "text": "x/y {{", "half": "2.50"}
# in code-point order: "" 1, "1" 2, "10" 3, "2.50" 4, "null" 5, "true" 6, "x/y {{" 7

FLOWS: dict[str, Flow] = {
    # ------------------------------------------------------------------------------------------------------ switch
    "switch: text": said("1", "1", "s:pick/case:2/s:at_one"),
    "switch: a number is its text": said(1, "1", "s:pick/case:2/s:at_one"),
    "switch: an equal number": said(1.0, "1", "s:pick/case:2/s:at_one"),
    "switch: a number written otherwise": said(2.5, "2.50", "s:pick/case:4/s:at_half"),
    "switch: text is not compared as a number": said("2.5", None, ""),
    "switch: true": said(True, "true", "s:pick/case:6/s:at_yes"),
    "switch: false": said(False, None, ""),
    "switch: null": said(None, "null", "s:pick/case:5/s:at_none"),
    "switch: the empty text": said("", "", "s:pick/case:1/s:at_empty"),
    "switch: places count by code point": said(10, "10", "s:pick/case:3/s:at_ten"),
    "switch: a key with odd characters": said("x/y {{", "x/y {{", "s:pick/case:7/s:at_text"),
    "switch: the default": Flow(
        steps=[switch("{{ inputs.x }}", {"a": [put("at_a", 1)]}, default=[put("other", "{{ inputs.x }}")])],
        inputs={"x": "b"},
        output={"case": "default"},
        counts=(2, 0, 0, 0),
        executed=(2, 1, 0, 0),
        paths={"s:pick/case:default/s:other": "ok"},
    ),
    "switch: an empty arm is a decision": Flow(
        steps=[switch("{{ inputs.x }}", {"a": []})],
        inputs={"x": "a"},
        output={"case": "a"},
        counts=(1, 0, 0, 0),
        executed=(1, 1, 0, 0),
    ),
    "switch: only the chosen branch runs": Flow(
        steps=[switch("{{ inputs.x }}", {"a": [fail()], "b": [add()]}), put("last", "{{ steps.pick.data.case }}")],
        inputs={"x": "b"},
        output="b",
        counts=(3, 0, 0, 0),
        calls=1,
    ),
    "switch: a list is no case": Flow(
        steps=[switch("{{ inputs.x }}", {"a": []})],
        inputs={"x": ["a"]},
        status="failed",
        error="step_failed",
        error_path="s:pick",
        counts=(0, 1, 0, 0),
    ),
    "switch: inner steps stay inside": Flow(
        steps=[
            switch("{{ inputs.x }}", {"a": [put("at_a", 1, output="n"), put("twice", "{{ vars.n * 2 }}")]}),
            put("last", "{{ steps.pick.status }}"),
        ],
        inputs={"x": "a"},
        output="completed",
        counts=(4, 0, 0, 0),
    ),
    # ---------------------------------------------------------------------------------------------------- validate
    "validate: all is well": Flow(
        steps=[validate(schema={"type": "object", "required": ["id"]}, rules=["value.total < 0"])],
        inputs={"order": ORDER},
        output={"valid": True, "errors": []},
        counts=(1, 0, 0, 0),
    ),
    "validate: fail names everything": Flow(
        steps=[
            validate(
                schema={"properties": {"id": {"type": "string"}}, "required": ["name"]},
                rules=[{"condition": "value.total >= 0", "message": "total is {{ value.total }}"}],
            ),
            add(),
        ],
        inputs={"order": ORDER},
        status="failed",
        error="step_failed",
        error_path="s:check",
        counts=(0, 1, 0, 0),
    ),
    "validate: continue": Flow(
        steps=[
            validate(
                on_failure="continue",
                rules=[
                    "value.id == 7",
                    "value.total >= 0",
                    {"condition": "value.nothing > 0"},
                    {"condition": "value.lines[0].n > 1", "message": "{{ value.lines[0].sku }}: {{ inputs.why }}"},
                    {"condition": "value.id > 7", "message": "{{ value.gone }}"},
                    {"field": "value.id", "operator": "in", "value": [1, 2], "message": "no such id"},
                ],
            ),
            put("last", "{{ steps.check.status }}"),
        ],
        inputs={"order": ORDER, "why": "too few"},
        output="completed",
        counts=(2, 0, 0, 0),
    ),
    "validate: skip skips what depends on it": Flow(
        steps=[
            validate(on_failure="skip", rules=["value.total >= 0"]),
            add("only", depends_on=["check"]),
            put("free", 1),
            put("both", "{{ steps.check.data.valid }}", depends_on=["check", "free"]),
        ],
        inputs={"order": ORDER},
        output=False,
        counts=(2, 0, 0, 2),
        paths={"s:check": "skipped", "s:only": "skipped"},
    ),
    "validate: skip with an output_schema": Flow(
        steps=[validate(on_failure="skip", rules=["false"], output_schema={"properties": {"valid": {"const": True}}})],
        inputs={"order": 1},
        output={"valid": False, "errors": ["false does not hold"]},
        counts=(0, 0, 0, 1),
    ),
    # ----------------------------------------------------------------------------------------------------- compare
    "compare: equals": Flow(
        steps=[compare("equals", {"a": [1, 2.0]}, {"a": [1.0, 2]})], output=True, counts=(1, 0, 0, 0)
    ),
    "compare: equals is strict about types": Flow(
        steps=[compare("equals", True, 1)], output=False, counts=(1, 0, 0, 0)
    ),
    "compare: contains text": Flow(steps=[compare("contains", "abc", "b")], output=True, counts=(1, 0, 0, 0)),
    "compare: contains an entry": Flow(
        steps=[compare("contains", [{"a": 1}, 2], {"a": 1.0})], output=True, counts=(1, 0, 0, 0)
    ),
    "compare: contains a key": Flow(steps=[compare("contains", {"a": 1}, "b")], output=False, counts=(1, 0, 0, 0)),
    "compare: subset": Flow(
        steps=[compare("subset", {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3})], output=True, counts=(1, 0, 0, 0)
    ),
    "compare: subset of a list": Flow(
        steps=[compare("subset", [3, 1, 1], [1, 2, 3])], output=True, counts=(1, 0, 0, 0)
    ),
    "compare: subset of neither": Flow(
        steps=[compare("subset", "a", "abc")],
        status="failed",
        error="step_failed",
        error_path="s:cmp",
        counts=(0, 1, 0, 0),
    ),
    "compare: diff": Flow(
        steps=[compare("diff", "{{ inputs.a }}", "{{ inputs.b }}")],
        inputs={
            "a": {"x": 1, "y": [1, 2], "z z": 0, "same": {"k": 1}},
            "b": {"x": 2, "y": [1], "same": {"k": 1.0}, "new": None},
        },
        output=[
            {"path": "new", "op": "added", "left": None, "right": None},
            {"path": "x", "op": "changed", "left": 1, "right": 2},
            {"path": "y[1]", "op": "removed", "left": 2, "right": None},
            {"path": '["z z"]', "op": "removed", "left": 0, "right": None},
        ],
        counts=(1, 0, 0, 0),
    ),
    "compare: no difference": Flow(steps=[compare("diff", [1], [1.0])], output=[], counts=(1, 0, 0, 0)),
    # ------------------------------------------------------------------------------------------------------- while
    "while: its body sees what the iteration before gave": Flow(
        steps=[
            {
                "id": "pages",
                "type": "loop",
                "while": "previous == null or previous.next != null",
                "steps": [
                    put("page", "{{ 0 if previous == null else previous.next }}"),
                    put(
                        "got",
                        {"page": "{{ steps.page.data }}", "next": "{{ steps.page.data + 1 if index < 2 else null }}"},
                    ),
                ],
            }
        ],
        output=[{"page": 0, "next": 1}, {"page": 1, "next": 2}, {"page": 2, "next": None}],
        counts=(7, 0, 0, 0),
        executed=(7, 0, 3, 0),
    ),
    "while: its condition sees steps and vars of the iteration before": Flow(
        steps=[
            {
                "id": "l",
                "type": "loop",
                "while": "default(steps.a.data, 0) < 3 and default(vars.b, 0) < 30",
                "steps": [put("a", "{{ index + 1 }}"), put("ten", "{{ steps.a.data * 10 }}", output="b")],
            }
        ],
        output=[10, 20, 30],
        counts=(7, 0, 0, 0),
        executed=(7, 0, 3, 0),
    ),
    "while: never": Flow(
        steps=[{"id": "l", "type": "loop", "while": "index > 0", "steps": [fail()]}],
        output=[],
        counts=(1, 0, 0, 0),
        executed=(1, 0, 0, 0),
    ),
    # ------------------------------------------------------------------------------------------------------- delay
    "delay: a moment that has passed": Flow(
        steps=[{"id": "d", "type": "delay", "until": "2001-01-01T00:00:00Z"}],
        output={"waited_ms": 0},
        counts=(1, 0, 0, 0),
        paths={"s:d/wait": "ok"},
    ),
    "delay: until of an input": Flow(
        steps=[{"id": "d", "type": "delay", "until": "{{ inputs.when }}"}],
        inputs={"when": "2001-01-01T00:00:00+02:00"},
        output={"waited_ms": 0},
        counts=(1, 0, 0, 0),
    ),
    "delay: too far away": Flow(
        steps=[{"id": "d", "type": "delay", "until": "{{ inputs.when }}"}],
        inputs={"when": "9999-01-01T00:00:00Z"},
        status="failed",
        error="step_failed",
        error_path="s:d",
        counts=(0, 1, 0, 0),
    ),
    "delay: until what is no time": Flow(
        steps=[{"id": "d", "type": "delay", "until": "{{ inputs.when }}"}],
        inputs={"when": None},
        status="failed",
        error="step_failed",
        error_path="s:d",
        counts=(0, 1, 0, 0),
    ),
    "delay: a negative duration": Flow(
        steps=[{"id": "d", "type": "delay", "duration": "{{ inputs.ms }}"}],
        inputs={"ms": -1},
        status="failed",
        error="step_failed",
        error_path="s:d",
        counts=(0, 1, 0, 0),
    ),
    # --------------------------------------------------------------------------------------------------------- map
    "map: errors beside a merge": Flow(
        steps=[
            {
                "id": "m",
                "type": "map",
                "over": [1, "x", 3],
                "collect": "merge",
                "on_item_error": "collect",
                "steps": [put("a", 1), put("b", {"n": "{{ item + 1 }}"})],
            },
            put("last", "{{ steps.m.data.results }}"),
        ],
        output={"n": 4},
        counts=(7, 0, 1, 0),
        executed=(8, 0, 0, 3),
    ),
}
for how, results in (("list", [2, 4]), ("sum", 6), ("flatten", [2, 4])):
    FLOWS[f"map: errors beside {how}"] = Flow(
        steps=[
            {
                "id": "m",
                "type": "map",
                "over": [1, "x", 3],
                "collect": how,
                "on_item_error": "collect",
                "steps": [put("a", "{{ item + 1 }}")],
            },
            put("results", "{{ steps.m.data.results }}"),
            put("last", {"r": "{{ steps.results.data }}", "e": "{{ steps.m.data.errors[0].index }}"}),
        ],
        output={"r": results, "e": 1},
        counts=(5, 0, 1, 0),
        executed=(6, 0, 0, 3),
    )


@pytest.mark.parametrize("name", FLOWS)
async def test_a_step_does_what_its_definition_says(tmp_path: Path, name: str) -> None:
    """Output, ending, paths and every count are those of the definition, and everything verifies."""
    await holds(FLOWS[name], tmp_path / "runs.db")


async def test_a_failed_validation_says_all_that_is_wrong(tmp_path: Path) -> None:
    """What the schema refuses and which rules do not hold stand in one message."""
    run = await holds(FLOWS["validate: fail names everything"], tmp_path / "runs.db")
    message = run.record.ending and run.record.ending.error_message
    said = message.removeprefix("step 'check': the data is not valid: ") if message else ""
    assert ['"name" is a required property', 'id: 7 is not of type "string"', "total is -5"] == said.split("; ")


async def test_rules_say_what_does_not_hold(tmp_path: Path) -> None:
    """Each in its own words, or by itself; a rule about data that is not there does not hold and says why."""
    flow = FLOWS["validate: continue"]
    steps = [*flow.steps[:1], put("last", "{{ steps.check.data }}")]
    told = [
        "value.total >= 0 does not hold",
        "value.nothing > 0 does not hold: the expression 'value.nothing > 0': value.nothing is missing:"
        " value has no 'nothing'",
        "a: too few",
        "value.id > 7 does not hold",
        "no such id",
    ]
    expected = Flow(steps=steps, inputs=flow.inputs, output={"valid": False, "errors": told}, counts=(2, 0, 0, 0))
    await holds(expected, tmp_path / "runs.db")


@pytest.mark.parametrize(
    "around",
    [
        lambda steps: switch("{{ run.agent }}", {"never": steps}),
        lambda steps: switch("{{ run.agent }}", {"never": []}, default=steps),
        lambda steps: {"id": "sub", "type": "sub_workflow", "steps": steps},
        lambda steps: {"id": "p", "type": "parallel", "join": "any", "branches": [steps]},
    ],
    ids=["case", "default", "sub_workflow", "race"],
)
async def test_a_model_that_a_nested_step_names_is_looked_up_before_the_run(tmp_path: Path, around: Any) -> None:
    """One that cannot be had refuses the run, wherever its step stands."""
    steps = [around([{"id": "a", "type": "llm", "prompt": "x", "model": "nobody:has-it"}])]
    async with kit.opened(tmp_path / "runs.db", kit.say("x")) as tr:
        with pytest.raises(UnknownModel):
            await tr.run(kit.agent(steps), {})
