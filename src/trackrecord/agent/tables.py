"""What an agent file may say outside its steps: the tables of fields. Data only; `definition` reads it."""

from __future__ import annotations

from dataclasses import fields
from typing import Final, get_args

from trackrecord.agent.policies import Limits, MemoryPolicy, OnUnknown, PayloadChoice
from trackrecord.workflow.fields import Field, Table

STATUSES: Final = ("draft", "active", "archived")

AGENT: Final[Table] = {
    "id": Field(kind="text"),
    "name": Field(kind="line", is_required=True, most=200),
    "description": Field(kind="text", default="", most=10_000),
    "status": Field(kind="text", default="active", choices=STATUSES),
    "system_prompt": Field(kind="text", default=""),
    "prompt": Field(kind="text", default=""),
    "model": Field(kind="line", most=200),
    "fallback_models": Field(kind="list", default=[], most=8),
    "temperature": Field(kind="number", default=0.1, least=0, most=2),
    "plugins_required": Field(kind="list", default=[], most=1_000),
    "input_schema": Field(kind="any"),
    "output_schema": Field(kind="any"),
    "workflow_steps": Field(kind="any"),
    "limits": Field(kind="mapping", default={}),
    "memory": Field(kind="any", default=True),
    "payloads": Field(kind="mapping", default={}),
    "on_unknown": Field(kind="text", default="ask", choices=get_args(OnUnknown)),
    "schedule": Field(kind="line", most=100),
    "timezone": Field(kind="line", default="UTC", most=64),
    "example_inputs": Field(kind="mapping"),
}
OLD_NAMES: Final = {"user_prompt": "prompt", "agent_name": "name", "plugins": "plugins_required"}
NOT_COVERED: Final = ("description", "example_inputs")

_ON_COUNTS: Final = {
    "max_tokens_per_run": 10**12,
    "max_tokens_per_call": 10**9,
    "model_timeout_ms": 86_400_000,
    "tool_timeout_ms": 86_400_000,
    "max_iterations": 100_000,
    "loop_limit": 100_000,
    "max_parallel_tools": 1_000,
    "max_parallel_steps": 1_000,
    "max_spans": 10_000_000,
    "tool_result_characters": 10_000_000,
    "tool_result_bytes": 1 << 30,
    "max_input_bytes": 1 << 30,
}
_DEFAULTS: Final = Limits()
LIMITS: Final[Table] = {
    "run_timeout_s": Field(kind="number", least=0.001, most=30 * 86_400),
    "max_cost_usd": Field(kind="any"),
    **{
        name: Field(kind="integer", default=getattr(_DEFAULTS, name), least=1, most=most)
        for name, most in _ON_COUNTS.items()
    },
}
LIMIT_NAMES: Final = tuple(one.name for one in fields(Limits))
MEMORY: Final[Table] = {
    "enabled": Field(kind="flag", default=True),
    "token_budget": Field(kind="integer", default=MemoryPolicy().token_budget, least=0, most=1_000_000),
    "remember": Field(kind="flag", default=False),
    "summary_model": Field(kind="line", least=1, most=200),
}
PAYLOADS: Final[Table] = {
    "inputs": Field(kind="text", default="redacted", choices=get_args(PayloadChoice)),
    "outputs": Field(kind="text", default="redacted", choices=get_args(PayloadChoice)),
    "tools": Field(kind="text", default="none", choices=get_args(PayloadChoice)),
}
PLUGIN: Final[Table] = {
    "name": Field(kind="line", is_required=True, most=64),
    "optional": Field(kind="flag", default=False),
}
INPUT: Final[Table] = {
    "name": Field(kind="line", is_required=True, most=200),
    "type": Field(kind="text", default="string"),
    "required": Field(kind="flag", default=False),
    "default": Field(kind="any"),
    "description": Field(kind="text"),
    "enum": Field(kind="list", least=1),
}
OUTPUT: Final[Table] = {**INPUT, "source": Field(kind="text", least=1)}

ELSEWHERE: Final = {
    **{name: f"It belongs under `limits:`: {{{name}: …}}." for name in LIMIT_NAMES},
    **{"steps": "Did you mean 'workflow_steps'?", "workflow": "Did you mean 'workflow_steps'?"},
    **{"instructions": "Did you mean 'system_prompt'?", "system": "Did you mean 'system_prompt'?"},
    **{"tools": "Did you mean 'plugins_required'?", "inputs": "Did you mean 'input_schema'?"},
    **{"outputs": "Did you mean 'output_schema'?", "output": "Did you mean 'output_schema'?"},
    **{"cron": "Did you mean 'schedule'?", "title": "Did you mean 'name'?"},
    **dict.fromkeys(("replies", "rules"), "That is a script: name the agent's file, whose `model:` names this one."),
    "max_tokens": "It belongs under `limits:`, as max_tokens_per_call or max_tokens_per_run.",
    "timeout": "It belongs under `limits:`: {run_timeout_s: …}.",
}
