"""The roster: agents by the name under which another agent runs them. Given ones, files beside the asker, stored ones.

Looked at when a run is admitted, and again when a child starts. Must never see beyond the asker's tenant, nor read a
file that is not in the asker's own folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Protocol, cast

from trackrecord.agent import Agent
from trackrecord.canonical import loads
from trackrecord.context.questions import AgentRef
from trackrecord.errors import BadInput, TrackrecordError, UnknownAgent

SUFFIXES: Final = (".yaml", ".yml", ".json")
_MOST_NAMED: Final = 8


class Definitions(Protocol):
    """Agents as they are stored."""

    def find(self, tenant_id: str, name: str, version: str | None) -> list[str]:
        """The definitions that fit, as canonical text, two at most."""
        ...

    def names(self, tenant_id: str) -> list[str]:
        """The names of the tenant's agents."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    """An agent's file as it was read: the same as long as its time and size are."""

    stamp: tuple[int, int]
    agent: Agent


@dataclass(slots=True)
class Roster:
    """Finds agents by name.

    Attributes:
        given: those the program handed over, by name.
        stored: the database's.
    """

    given: Mapping[str, Agent]
    stored: Definitions
    _files: dict[tuple[str, Path], _Read] = field(default_factory=dict[tuple[str, Path], _Read])

    def find(self, tenant_id: str, wanted: AgentRef, asking: Agent) -> Agent:
        """The agent of a name, in the version asked for.

        Raises:
            UnknownAgent: there is none, or more than one fits. BadAgent: its file cannot be used.
        """
        for agent in (self.given.get(wanted.name), self._beside(tenant_id, wanted.name, asking)):
            if agent is not None and agent.version.startswith(wanted.version or ""):
                return agent
        found = self.stored.find(tenant_id, wanted.name, wanted.version)
        if len(found) == 1:
            return _revived(found[0], tenant_id, asking)
        raise self._unknown(tenant_id, wanted, asking, is_more=bool(found))

    def _beside(self, tenant_id: str, name: str, asking: Agent) -> Agent | None:
        folder = _folder(asking)
        if folder is None or name != Path(name).name or name.startswith("."):
            return None
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            try:
                if not path.is_file():
                    continue
                seen = path.stat()
            except (OSError, ValueError):
                continue
            stamp, key = (seen.st_mtime_ns, seen.st_size), (tenant_id, path)
            known = self._files.get(key)
            if known is None or known.stamp != stamp:
                known = self._files[key] = _Read(stamp, Agent.load(path, tenant_id=tenant_id))
            return known.agent
        return None

    def _unknown(self, tenant_id: str, wanted: AgentRef, asking: Agent, *, is_more: bool) -> UnknownAgent:
        name = wanted.name
        if is_more:
            of = "agent" if wanted.version is None else f"version that begins with {wanted.version!r}"
            return UnknownAgent(f"there is more than one {of} of {name!r}", cure="Name it by its id, or say more.")
        names = sorted({*self.given, *_names_beside(asking), *self.stored.names(tenant_id)} - {name})
        if wanted.version is not None and (name in self.given or self.stored.find(tenant_id, name, None)):
            return UnknownAgent(
                f"there is no version {wanted.version!r} of the agent {name!r}",
                cure="Give the beginning of the hash of a version that has run here.",
            )
        near = get_close_matches(name, names, 1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        listed = ", ".join(map(repr, names[:_MOST_NAMED])) or "none yet"
        return UnknownAgent(
            f"there is no agent {name!r}", cure=f"{hint}Known: {listed}. An agent's file beside this one will do."
        )


def by_name(agents: Iterable[Agent]) -> dict[str, Agent]:
    """Agents by name.

    Raises:
        BadInput: two have the same one.
    """
    found: dict[str, Agent] = {}
    for agent in agents:
        if agent.name in found:
            raise BadInput(f"two agents are called {agent.name!r}", cure="Give each of them a name of its own.")
        found[agent.name] = agent
    return found


def _folder(asking: Agent) -> Path | None:
    """Where the asker's file lies."""
    if asking.path is None:
        return None
    place = Path(asking.path)
    return place if place.is_dir() else place.parent


def _names_beside(asking: Agent) -> list[str]:
    folder = _folder(asking)
    try:
        inside = [] if folder is None else list(folder.iterdir())
    except OSError:
        return []
    return [one.stem for one in inside if one.suffix in SUFFIXES and "." not in one.stem]


def _revived(definition: str, tenant_id: str, asking: Agent) -> Agent:
    """A stored agent; what it names by a relative path lies beside the asker."""
    folder = _folder(asking)
    try:
        return Agent.from_mapping(cast("Mapping[str, object]", loads(definition)), base=folder, tenant_id=tenant_id)
    except (TrackrecordError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnknownAgent(
            f"the stored definition cannot be read by this version: {error}", cure="Give its file."
        ) from None
