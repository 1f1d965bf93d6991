"""The agent: a definition, checked, frozen and hashed. Every engine runs from this object and from nothing else.

Never holds a secret, never reaches outside; reading a file is all the I/O there is. Built before step 1 of the walk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Literal

from trackrecord.agent.policies import Limits, MemoryPolicy, PayloadPolicy, PluginNeed
from trackrecord.canonical import Json
from trackrecord.tenancy import LOCAL_TENANT
from trackrecord.workflow.references import Template
from trackrecord.workflow.steps import Workflow

AgentStatus = Literal["draft", "active", "archived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One version of an agent.

    Attributes:
        id: UUID as text: the definition's `id`, else derived from tenant and name, so that a file keeps its agent.
        name: for people; unique in the tenant.
        description: for people; not part of the version.
        status: only an active agent runs.
        system_prompt: empty when there is none.
        prompt: the user message; empty when every run brings its own.
        model: `provider:name`; None takes the installation's.
        temperature: of every model call that does not say otherwise.
        plugins: what it requires.
        input_schema: JSON Schema object of its inputs, defaults in `default`; None accepts any inputs.
        output_schema: JSON Schema of its output, without `source` keys; None accepts any output.
        output_sources: field of the output to the template that fills it; empty means the last step's data.
        workflow: None when the agent has no workflow_steps.
        limits: bounds of each run.
        limits_given: names of the limits the definition sets itself; the environment may set the others.
        schedule: cron line of five fields; None means never by itself.
        timezone: IANA name; of the schedule and of the date in prompts.
        example_inputs: inputs to try it with; not part of the version.
        definition: canonical text of the definition, aliases resolved.
        version: SHA-256 over what changes behaviour: not over key order, defaults, aliases, description, examples.
        path: the file it came from, or the directory paths are relative to; None when there is none.
    """

    id: str
    name: str
    definition: str
    version: str
    description: str = ""
    status: AgentStatus = "active"
    system_prompt: str = ""
    prompt: str = ""
    model: str | None = None
    temperature: float = 0.1
    plugins: tuple[PluginNeed, ...] = ()
    input_schema: Mapping[str, Json] | None = None
    output_schema: Mapping[str, Json] | None = None
    output_sources: Mapping[str, Template] = field(default_factory=dict[str, Template])
    workflow: Workflow | None = None
    limits: Limits = Limits()
    limits_given: frozenset[str] = frozenset()
    memory: MemoryPolicy = MemoryPolicy()
    payloads: PayloadPolicy = PayloadPolicy()
    schedule: str | None = None
    timezone: str = "UTC"
    example_inputs: Mapping[str, Json] | None = None
    path: str | None = None

    @classmethod
    def load(cls, path: str | PathLike[str], *, tenant_id: str = LOCAL_TENANT) -> Agent:
        """The agent of a YAML or JSON file, told apart by content.

        Raises:
            BadAgent: the file cannot be read, or the definition cannot be used; `problems` has all of them, each with
                its line.
        """
        raise NotImplementedError

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, object],
        *,
        base: str | PathLike[str] | None = None,
        tenant_id: str = LOCAL_TENANT,
    ) -> Agent:
        """The agent of a definition already in memory; `base` is the directory relative paths start from.

        Raises:
            BadAgent: the definition cannot be used; `problems` has all of them.
        """
        raise NotImplementedError
