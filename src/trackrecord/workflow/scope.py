"""What an expression may refer to where it stands: which steps have certainly ended, which names are bound. Pure.

Decides on ids alone, so that a reference to a step that cannot have run is refused when the agent is saved, not when
it runs. Knows nothing of values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow.fields import near, nearest
from trackrecord.workflow.outline import Entry
from trackrecord.workflow.references import Reference

PARTS: Final = ("data", "status", "error")
ROOTS: Final = ("inputs", "steps", "vars", "item", "index", "run", "env", "now")

Complaint = tuple[str, str]


@dataclass(frozen=True, slots=True)
class World:
    """What holds in the whole definition.

    Attributes:
        entries: every step id and where it is.
        inputs: names of the inputs; None when any name may be given.
        within: id of the sub_workflow whose steps these are, with inputs of its own; None in the agent's workflow.
    """

    entries: Mapping[str, Entry]
    inputs: Collection[str] | None = None
    within: str | None = None

    def holds(self, step_id: str) -> bool:
        """Whether a step is of this workflow, and not around the sub_workflow it is."""
        container: str | None = step_id
        while container is not None and container != self.within:
            entry = self.entries.get(container)
            container = None if entry is None else entry.container
        return self.within is None or (container is not None and step_id != self.within)


@dataclass(frozen=True, slots=True)
class Scope:
    """One place in the tree: the siblings that have ended here, and the scopes around.

    Attributes:
        owner: id of the step that speaks; None at the end of the list.
        ids: every id of this list to its index.
        ended: bit mask over the list: the steps that have certainly ended.
        outputs: names bound by `output` to the indices of the steps that bind them.
        around: the scope the list is in; None at the top.
        roots: names that only exist in here, like `item`.
    """

    world: World
    owner: str | None = None
    ids: Mapping[str, int] = field(default_factory=dict[str, int])
    ended: int = 0
    outputs: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    around: Scope | None = None
    roots: frozenset[str] = frozenset()

    def also(self, *roots: str) -> Scope:
        """The same place, where these names exist as well."""
        return replace(self, roots=self.roots | frozenset(roots))

    def inside(self, roots: Collection[str] = ()) -> Scope:
        """A scope in here, of a list of its own, in which these names exist as well."""
        return Scope(self.world, around=self, roots=frozenset(roots))

    def end(self, steps: Json) -> Scope:
        """The same place once every step of a list that stands there has ended."""
        known = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
        return replace(
            self,
            ids={str(step.get("id")): index for index, step in enumerate(known)},
            ended=(1 << len(known)) - 1,
            outputs={str(step["output"]): (index,) for index, step in enumerate(known) if "output" in step},
        )

    def complaint(self, reference: Reference) -> Complaint | None:
        """What is wrong with a reference from here and the cure; None when it holds."""
        match reference.root:
            case "steps":
                return self._steps(reference)
            case "inputs":
                return self._inputs(reference)
            case "vars":
                return self._vars(reference)
            case "run" | "env" | "now":
                return None
            case root:
                return None if self._has_root(root) else self._unknown_root(reference)

    def _has_root(self, root: str) -> bool:
        return root in self.roots or (self.around is not None and self.around._has_root(root))

    def _steps(self, reference: Reference) -> Complaint | None:
        step_id = reference.path[0] if reference.path else None
        if not isinstance(step_id, str):
            return "'steps' must be followed by the id of a step", "Write steps.<id>.data."
        if not self._has_ended(step_id):
            return self._not_ended(step_id)
        part = reference.path[1] if len(reference.path) > 1 else None
        if part is not None and part not in PARTS:
            close = nearest(part, PARTS) if isinstance(part, str) else None
            cure = f"Did you mean steps.{step_id}.{close}?" if close else f"Write steps.{step_id}.data.{part}."
            return f"a step has data, status and error, but no {part!r}", cure
        return None

    def _has_ended(self, step_id: str) -> bool:
        index = self.ids.get(step_id)
        if index is not None:
            return bool(self.ended >> index & 1)
        return self.around is not None and self.around._has_ended(step_id)

    def _not_ended(self, step_id: str) -> Complaint:
        entry = self.world.entries.get(step_id)
        said = f"steps.{step_id}"
        if entry is None:
            return f"there is no step {step_id!r}", self._meant(step_id)
        if not self.world.holds(step_id):
            return f"{said} is outside {self.world.within!r}, whose steps see its inputs only", (
                f"Pass it in: inputs: {{{step_id}: '{{{{ {said}.data }}}}'}}."
            )
        if step_id in self._owners():
            return f"{said} is this step, or the step around it, and has not ended", "Refer to an earlier step."
        if self._is_sibling(step_id):
            cure = f"Put {step_id!r} before this step, or name it in depends_on."
            return f"{said} may not have ended when this step starts", cure
        if entry.is_fallback:
            return f"{said} is a fallback; its data stands in for that of {entry.container!r}", (
                f"Write steps.{entry.container}.data."
            )
        if entry.container is not None:
            cure = f"Write steps.{entry.container}.data, or move this step into {entry.container!r}."
            return f"{said} is inside {entry.container!r} and cannot be seen from here", cure
        return f"{said} has not ended here", "Refer to an earlier step."

    def _meant(self, step_id: str) -> str:
        if not self.world.entries:
            return "The agent has no workflow_steps."
        meant = nearest(step_id, [known for known in self.world.entries if self.world.holds(known)])
        return f"Did you mean {meant!r}?" if meant else near(step_id, self._endeds())

    def _owners(self) -> set[str]:
        around = set[str]() if self.around is None else self.around._owners()
        return around if self.owner is None else around | {self.owner}

    def _is_sibling(self, step_id: str) -> bool:
        return step_id in self.ids or (self.around is not None and self.around._is_sibling(step_id))

    def _endeds(self) -> list[str]:
        here = [step_id for step_id, index in self.ids.items() if self.ended >> index & 1]
        return here if self.around is None else [*here, *self.around._endeds()]

    def _inputs(self, reference: Reference) -> Complaint | None:
        known = self.world.inputs
        name = reference.path[0] if reference.path else None
        if known is None or not isinstance(name, str) or name in known:
            return None
        where = "input_schema" if self.world.within is None else f"the inputs of {self.world.within!r}"
        return f"there is no input {name!r}", near(name, known) or f"Add it to {where}."

    def _vars(self, reference: Reference) -> Complaint | None:
        name = reference.path[0] if reference.path else None
        if not isinstance(name, str) or self._is_bound(name):
            return None
        if self._is_bound_anywhere(name):
            return f"vars.{name} may not be bound yet when this step starts", "Put the step that binds it before."
        return f"no step binds vars.{name}", near(name, self._bound()) or f"Write `output: {name}` on an earlier step."

    def _is_bound(self, name: str) -> bool:
        if any(self.ended >> index & 1 for index in self.outputs.get(name, ())):
            return True
        return self.around is not None and self.around._is_bound(name)

    def _is_bound_anywhere(self, name: str) -> bool:
        return name in self.outputs or (self.around is not None and self.around._is_bound_anywhere(name))

    def _bound(self) -> list[str]:
        here = [name for name in self.outputs if self._is_bound(name)]
        return here if self.around is None else [*here, *self.around._bound()]

    def _unknown_root(self, reference: Reference) -> Complaint:
        root = reference.root
        if root in ("item", "index") and self.world.within is not None:
            return f"{root!r} is not seen inside {self.world.within!r}", "Pass it in with its inputs."
        if root in ("item", "index"):
            return f"{root!r} exists only inside a loop or a map", "Write inputs.… or steps.<id>.data."
        if self._has_ended(root):
            return f"there is nothing named {root!r}", f"Steps are read as steps.{root}.data."
        if self.world.inputs is not None and root in self.world.inputs:
            return f"there is nothing named {root!r}", f"Inputs are read as inputs.{root}."
        return f"there is nothing named {root!r}", near(root, (*ROOTS, *self.roots))
