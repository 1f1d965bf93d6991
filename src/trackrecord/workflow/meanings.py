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
        "join": "all waits for every branch.",
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
    "delay": {
        "duration": "How long: 500ms, 30s, 5m, 1.5h, 2d, or milliseconds. Exactly one of duration and until.",
        "until": "A time with a zone, like 2030-12-31T23:59:00Z. Exactly one of duration and until.",
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
