"""What each field of a step means, in a sentence: shown by editors, through the JSON Schema of agent files. Data only.

Apart from the tables, so that loading an agent does not load prose. A test holds both to the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trackrecord.workflow.steps import StepType

Meanings = Mapping[str, str]

COMMON: Final[Meanings] = {
    "id": "Unique in the whole workflow; later steps refer to it as steps.<id>.data.",
    "type": "What kind of step it is.",
    "name": "For people; the id when left out.",
    "description": "For people; not part of the agent's version.",
    "depends_on": "Ids of steps in the same list that must have ended before. Once a step has it, the graph decides.",
    "if": "The step is skipped unless this holds.",
    "retry": "How the step is tried again.",
    "timeout_ms": "Longest attempt of an action or llm step, longest try of the others, in milliseconds.",
    "on_error": "What a failure does: fail ends the run, continue accepts it, fallback runs another step instead.",
    "output": "Binds the step's data as vars.<output>.",
    "output_schema": "JSON Schema of the step's data; what does not fit fails with invalid_output.",
}
RULE: Final[Meanings] = {
    "condition": "What must hold, of value and whatever else the step sees.",
    "message": "What is said when it does not; a template.",
}
RETRY: Final[Meanings] = {
    "max_attempts": "Tries in all, the first one included.",
    "initial_ms": "Milliseconds before the second try.",
    "multiplier": "Factor from one wait to the next.",
    "max_ms": "Longest wait in milliseconds.",
    "jitter": "Draws each wait between 0 and its length.",
    "on": "What is tried again; empty means passing causes.",
}
FALLBACK: Final[Meanings] = {"fallback": "A step that runs in place of the failed one, with an id of its own."}
BODIES: Final[Mapping[StepType, Meanings]] = {
    "action": {
        "plugin": "A plugin of plugins_required.",
        "action": "One of the plugin's actions.",
        "params": "The arguments; templates anywhere inside.",
        "effect": "What a repeated call would do, in place of what the action declares.",
    },
    "llm": {
        "prompt": "The user message; a template.",
        "system": "The system message, in place of the agent's system_prompt.",
        "input": "Data shown after the prompt, marked as data; templates anywhere inside.",
        "labels": "Two or more different texts, one of which is the answer.",
        "model": "In place of the agent's model.",
        "temperature": "In place of the agent's temperature.",
        "max_tokens": "Longest answer in tokens.",
    },
    "agent": {
        "prompt": "In place of the agent's prompt.",
        "plugins": "In place of all the agent requires.",
    },
    "conditional": {
        "condition": "What is asked.",
        "then": "Steps for true.",
        "else": "Steps for false.",
    },
    "switch": {
        "value": "What is looked for among the cases: a template that gives text, a number, true, false or null.",
        "cases": "Lists of steps, by the text of the value.",
        "default": "Steps when no case fits.",
    },
    "loop": {
        "over": "The items: a list, or a template that gives one. Exactly one of over and while.",
        "while": "Asked before each iteration. Exactly one of over and while.",
        "as": "Name of the item inside.",
        "steps": "What is done each time.",
        "max_iterations": "More is an error, never a silent end.",
        "concurrency": "Iterations at once.",
    },
    "parallel": {
        "branches": "Lists of steps side by side, by name.",
        "max_concurrency": "Branches at once.",
        "join": "all waits for every branch, any for the first that succeeds; the others are stopped.",
    },
    "map": {
        "over": "The items: a list, or a template that gives one.",
        "as": "Name of the item inside.",
        "steps": "What is done with each item.",
        "max_concurrency": "Items at once.",
        "collect": "What becomes of what the items gave.",
        "on_item_error": "collect goes on when an item fails.",
    },
    "transform": {"operation": "What is done to the data."},
    "validate": {
        "value": "What is looked at: a template, which rules see as value.",
        "schema": "JSON Schema it must fit.",
        "rules": "Conditions that must hold, each alone or with a message.",
        "on_failure": "fail the step, continue with {valid, errors}, or skip what depends on it.",
    },
    "compare": {
        "operation": "equals, contains and subset give true or false, diff a list of differences.",
        "left": "A value, templates anywhere inside.",
        "right": "A value, templates anywhere inside.",
    },
    "delay": {
        "duration": "How long: 500ms, 30s, 5m, 1.5h, 2d, or milliseconds. Exactly one of duration and until.",
        "until": "A time with a zone, like 2030-12-31T23:59:00Z. Exactly one of duration and until.",
    },
    "approval": {
        "message": "The question; a template.",
        "approvers": "Names of those who may answer, or a template that gives the list; anybody when empty.",
        "needs": "any lets one of them decide, all needs every one to approve.",
        "timeout": "How long the question stands: 30s, 5m, 2h, 3d, or milliseconds; for ever when left out.",
        "on_timeout": "What no answer in time means: approve or reject.",
        "on_reject": "continue takes a rejection as data to go on with, fail ends the step.",
    },
    "sub_workflow": {
        "agent": "Name of the agent that runs as a child run. Exactly one of agent and steps.",
        "version": "The hash of the agent's version or its beginning; the current one when left out.",
        "steps": "Steps of this run, which see their inputs and nothing around. Exactly one of agent and steps.",
        "inputs": "What is passed in, by name; templates anywhere inside.",
        "outputs": "What comes out, by name: templates over output, and over the inner steps and vars.",
    },
}
OPTIONS: Final[Meanings] = {
    "value": "set: the value, a template. map: a template or an expression per item.",
    "input": "A list, or a template that gives one.",
    "fields": "Names of fields, or {name: expression}.",
    "condition": "Per item; those for which it holds are kept.",
    "by": "An expression per item, or a list of them; a plain path like price is short for item.price.",
    "order": "asc or desc.",
    "values": "{name: count}, or {name: {sum: price}}.",
    "depth": "How many levels deep.",
    "left": "A list, or a template that gives one.",
    "right": "A list, or a template that gives one.",
    "on": "A field of both sides, a list of fields, or {left: …, right: …}.",
    "how": "inner, left or outer.",
}
