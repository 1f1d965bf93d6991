"""What each field of an agent file means, in a sentence: shown by editors, through its JSON Schema. Data only.

Apart from the tables, so that loading an agent does not load prose. A test holds both to the same names.
"""

from __future__ import annotations

from typing import Final

from trackrecord.workflow.meanings import Meanings

AGENT: Final[Meanings] = {
    "id": "A UUID; when left out, one is made from the name.",
    "name": "For people; the same name is the same agent wherever the file lies.",
    "description": "For people; not part of the version.",
    "status": "Only an active agent runs.",
    "system_prompt": "Who the model is.",
    "prompt": "The user message of AgentKit and of agent steps.",
    "model": "provider:name, like anthropic:claude-sonnet-5, or scripted:FILE for an offline one.",
    "fallback_models": "Models asked in this order when the model cannot be had.",
    "temperature": "Of every model call that says nothing else.",
    "plugins_required": "Plugins the agent uses.",
    "input_schema": "What a run is given: a list of fields, or a JSON Schema of an object.",
    "output_schema": "What a run answers: a list of fields, or a JSON Schema.",
    "workflow_steps": "Steps of the Orchestrator; without them AgentKit runs the prompt.",
    "limits": "Bounds of each run.",
    "memory": "Whether runs recall and remember.",
    "payloads": "What is kept of the contents of a run.",
    "on_unknown": "What becomes of an unsafe call that was interrupted: a person is asked, or it counts as failed.",
    "schedule": "A cron line of five fields.",
    "timezone": "IANA name of a time zone.",
    "example_inputs": "The inputs when none are given; not part of the version.",
}
LIMITS: Final[Meanings] = {
    "run_timeout_s": "Working time in seconds; left out, 120 under AgentKit and 3600 under the Orchestrator.",
    "max_cost_usd": "Dollars of all model attempts together, like 0.50; left out, no limit.",
    "max_tokens_per_run": "Input and output tokens of all model attempts together.",
    "max_tokens_per_call": "Longest answer that is asked for, in tokens.",
    "model_timeout_ms": "Longest model attempt in milliseconds.",
    "tool_timeout_ms": "Longest tool attempt in milliseconds.",
    "max_iterations": "Turns of one AgentKit loop.",
    "loop_limit": "How often in a row the same call may give the same result.",
    "max_parallel_tools": "Tool calls of one turn at once.",
    "max_parallel_steps": "Steps of one list at once.",
    "max_spans": "Spans a run may leave.",
    "tool_result_characters": "How much of a tool's result a model sees.",
    "tool_result_bytes": "How much of a tool's result is stored.",
    "max_input_bytes": "Largest inputs, as JSON.",
}
MEMORY: Final[Meanings] = {
    "enabled": "false neither recalls nor summarises.",
    "token_budget": "Most tokens of memory put in front of a model.",
    "remember": "Whether models of AgentKit and of agent steps are given the tool `memory__remember`.",
    "summary_model": "Model that sums runs up for later ones, `provider:name`; `rule` for none.",
}
PAYLOADS: Final[Meanings] = {
    "inputs": "Of the run's inputs.",
    "outputs": "Of the run's answer.",
    "tools": "Of arguments and results of tool calls.",
}
PLUGIN: Final[Meanings] = {
    "name": "As the plugin calls itself.",
    "optional": "Whether the agent runs without it.",
}
INPUT: Final[Meanings] = {
    "name": "Under which it is given.",
    "type": "Type of its value.",
    "required": "Whether a run without it is refused.",
    "default": "Its value when it is not given.",
    "description": "For people and models.",
    "enum": "The only values it may have.",
}
OUTPUT: Final[Meanings] = {
    "name": "Under which it stands in the answer.",
    "type": "Type of its value.",
    "required": "Whether an answer without it fails.",
    "default": "Written into the schema; never filled in.",
    "description": "For people and models.",
    "enum": "The only values it may have.",
    "source": "Where a workflow takes it from: an expression like steps.fetch.data, or a template.",
}
