"""What of the steps a version covers: two spellings of one workflow are one version, two workflows are two."""

from __future__ import annotations

from typing import Any

import pytest

from trackrecord.agent import Agent


def version(*steps: dict[str, Any]) -> str:
    return Agent.from_mapping({"name": "a", "workflow_steps": list(steps)}).version


ONE = {"id": "b", "type": "transform", "operation": "set", "value": 1}
OLDER_ONE = {"id": "b", "type": "transform", "config": {"operation": "set", "value": 1}, "description": "x"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"type": "switch", "value": "{{ run.id }}", "cases": {"1": [ONE]}},
            {"type": "branch", "evaluate": "{{ run.id }}", "cases": {"1": [OLDER_ONE]}, "default": None},
        ),
        (
            {"type": "switch", "value": "{{ run.id }}", "cases": {"1": []}, "default": [ONE]},
            {"type": "switch", "value": "{{ run.id }}", "cases": {"1": []}, "default": [OLDER_ONE], "on_error": "fail"},
        ),
        (
            {"type": "validate", "value": 1, "schema": {}},
            {"type": "validation", "input": 1, "schema": {}, "rules": [], "onValidationFail": "fail"},
        ),
        (
            {"type": "compare", "left": 1, "right": 2},
            {"type": "comparison", "operation": "deep_equals", "left": 1, "right": 2},
        ),
        (
            {"type": "approval", "message": "x", "timeout": "2d"},
            {"type": "human_approval", "message": "x", "timeout": 172_800_000, "approvers": [], "approvalType": "any"},
        ),
        (
            {"type": "sub_workflow", "steps": [ONE]},
            {"type": "sub_workflow", "workflowSteps": [OLDER_ONE], "inputMapping": {}},
        ),
        (
            {"type": "parallel", "branches": [[ONE]]},
            {"type": "parallel_group", "steps": [OLDER_ONE], "join": "all"},
        ),
    ],
    ids=lambda step: str(step["type"]),
)
def test_spellings_of_one_step_are_one_version(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Aliases, defaults, descriptions, durations."""
    assert version({"id": "a", **one}) == version({"id": "a", **other})


def test_every_field_of_the_new_types_counts() -> None:
    """Whatever changes what a step does is another version."""
    switch = {"id": "a", "type": "switch", "value": "{{ run.id }}", "cases": {"1": [ONE]}}
    approval = {"id": "a", "type": "approval", "message": "x", "approvers": ["ann"]}
    sub = {"id": "a", "type": "sub_workflow", "agent": "x"}
    validate = {"id": "a", "type": "validate", "value": 1, "rules": ["value > 0"]}
    compare = {"id": "a", "type": "compare", "left": 1, "right": 2}
    race = {"id": "a", "type": "parallel", "branches": [[ONE]]}
    steps: list[dict[str, Any]] = [
        switch,
        {**switch, "default": []},
        {**switch, "cases": {"2": [ONE]}},
        {**switch, "cases": {"1": []}},
        approval,
        {**approval, "needs": "all"},
        {**approval, "timeout": 5},
        {**approval, "on_timeout": "approve"},
        {**approval, "on_reject": "fail"},
        {**approval, "approvers": ["bob"]},
        sub,
        {**sub, "version": "abcd"},
        {**sub, "inputs": {"x": 1}},
        {**sub, "outputs": {"x": 1}},
        validate,
        {**validate, "on_failure": "skip"},
        {**validate, "schema": {}},
        {**validate, "rules": [{"condition": "value > 0", "message": "m"}]},
        compare,
        {**compare, "operation": "diff"},
        race,
        {**race, "join": "any"},
    ]
    assert len(steps) == len({version(step) for step in steps})
