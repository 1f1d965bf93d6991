"""The agent: a definition, checked, frozen and hashed. Every engine runs from this object and from nothing else.

Never holds a secret, never reaches outside; reading a file is all the I/O there is. Built before step 1 of the walk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Literal, cast

from trackrecord.agent.definition import Definition, read_definition
from trackrecord.agent.files import MAX_FILE_BYTES, parse
from trackrecord.agent.indentation import indented
from trackrecord.agent.policies import Limits, MemoryPolicy, OnUnknown, PayloadPolicy, PluginNeed
from trackrecord.canonical import Json, clean, encode_clean, loads
from trackrecord.errors import BadAgent, Problem
from trackrecord.tenancy import LOCAL_TENANT
from trackrecord.workflow.fields import Problems, counted, describe, nearest
from trackrecord.workflow.references import Template
from trackrecord.workflow.steps import Workflow

AgentStatus = Literal["draft", "active", "archived"]
_SUFFIXES = (".yaml", ".yml", ".json")


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
        fallback_models: asked in this order when `model` cannot be had; not in place of a model a step names.
        temperature: of every model call that does not say otherwise.
        plugins: what it requires.
        input_schema: JSON Schema object of its inputs, defaults in `default`; None accepts any inputs.
        output_schema: JSON Schema of its output, without `source` keys; None accepts any output.
        output_sources: field of the output to the template that fills it; empty means the last step's data.
        workflow: None when the agent has no workflow_steps.
        limits: bounds of each run.
        limits_given: names of the limits the definition sets itself; the environment may set the others.
        on_unknown: what becomes of an unsafe call whose process died: a person is asked, or it counts as failed.
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
    fallback_models: tuple[str, ...] = ()
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
    on_unknown: OnUnknown = "ask"
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
        place = Path(path)
        source = parse(_bytes(place), is_json=place.suffix == ".json")
        problems = Problems(found=list(source.problems))
        agent = None
        if source.value is not None or not source.problems:
            agent = _read(source.value, str(path), tenant_id, problems)
        if agent is None or problems.found:
            raise _bad_agent(place.name, source.with_lines(indented(problems.found, source.value)))
        return agent

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
        problems = Problems()
        agent = _read(mapping, None if base is None else str(base), tenant_id, problems)
        if agent is None or problems.found:
            raise _bad_agent("the agent", tuple(problems.found))
        return agent

    def with_limits(self, environment: Mapping[str, object]) -> Agent:
        """The same agent under the installation's limits where it sets none itself; None leaves the default."""
        given = {
            name: value for name, value in environment.items() if value is not None and name not in self.limits_given
        }
        return replace(self, limits=replace(self.limits, **given)) if given else self


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            message = f"the file is {path.stat().st_size:,} bytes; {MAX_FILE_BYTES:,} is the most."
            raise _bad_agent(path.name, (Problem(path="", message=message, cure="Move long texts elsewhere."),))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message, cure = _unreadable(path, f"{reason[:1].lower()}{reason[1:]}")
        raise BadAgent(message, problems=(Problem(path="", message=f"{message}.", cure=cure),)) from None


def _unreadable(path: Path, reason: str) -> tuple[str, str]:
    """Why there is no agent at a path, and the file that may have been meant."""
    try:
        if path.is_dir():
            inside = sorted(one.name for one in path.iterdir() if one.suffix in _SUFFIXES and "." not in one.stem)
            named = f", like {str(path / inside[0])!r}" if inside else ""
            return f"{str(path)!r} is a folder", f"Name the agent's file in it{named}."
        if path.exists():
            return f"cannot read {str(path)!r}: {reason}", "Check whose it is and who may read it."
        if not path.parent.is_dir():
            return f"there is no agent file {str(path)!r}", f"There is no folder {str(path.parent)!r}."
        names = {one.stem: one.name for one in sorted(path.parent.iterdir()) if one.suffix in _SUFFIXES}
    except (OSError, ValueError):
        return f"cannot read {str(path)!r}: {reason}", ""
    meant = nearest(path.stem, names)
    cure = "`trackrecord new` writes one to begin with."
    if meant is not None:
        cure = f"Did you mean {str(path.with_name(names[meant]))!r}?"
    return f"there is no agent file {str(path)!r}", cure


def _bad_agent(name: str, problems: tuple[Problem, ...]) -> BadAgent:
    return BadAgent(f"{name}: {counted(len(problems))}", problems=problems)


def _read(value: object, path: str | None, tenant_id: str, problems: Problems) -> Agent | None:
    """The agent, or None with problems added."""
    if not isinstance(value, Mapping):
        shown = describe(clean(value))
        cure = "Start with `name: …` at the left margin, without a dash."
        problems.add("", f"an agent is a mapping of fields, not {shown}", cure)
        return None
    plain = clean(cast("Mapping[object, object]", value))
    if not isinstance(plain, dict) or (plain is not value and _has_tag(plain)):
        message = "the definition holds something that is no plain JSON value"
        problems.add("", message, "Use text, numbers, true, false, null, lists and mappings, at most 64 deep.")
        return None
    # one copy with sorted keys: the stored text loads as the very same agent, and no caller can change this one
    own = cast("dict[str, Json]", loads(encode_clean(plain)))
    definition = read_definition(own, tenant_id, problems)
    return None if problems.found else _agent(definition, path)


def _has_tag(value: Json) -> bool:
    waiting: list[Json] = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "$t" in part:
                return True
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return False


def _agent(definition: Definition, path: str | None) -> Agent:
    values = definition.values
    return Agent(
        id=definition.id,
        name=cast("str", values["name"]),
        definition=definition.text,
        version=definition.version,
        description=cast("str", values["description"]),
        status=cast("AgentStatus", values["status"]),
        system_prompt=cast("str", values["system_prompt"]),
        prompt=cast("str", values["prompt"]),
        model=cast("str | None", values["model"]),
        fallback_models=tuple(cast("list[str]", values["fallback_models"])),
        temperature=float(cast("float", values["temperature"])),
        plugins=definition.plugins,
        input_schema=definition.input_schema,
        output_schema=definition.output_schema,
        output_sources=definition.output_sources,
        workflow=definition.workflow,
        limits=definition.limits,
        limits_given=definition.limits_given,
        memory=definition.memory,
        payloads=definition.payloads,
        on_unknown=cast("OnUnknown", values["on_unknown"]),
        schedule=cast("str | None", values["schedule"]),
        timezone=cast("str", values["timezone"]),
        example_inputs=cast("dict[str, Json] | None", values["example_inputs"]),
        path=path,
    )
