"""Models by name: scripts from files, models registered in Python, real ones by `provider:name`.

Owns the look-up and a cache of what was looked up; never sends a request, and loads nothing of a real provider before
one is asked for. Place in the walk: between step 4 and a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trackrecord.errors import UnknownModel
from trackrecord.models.messages import Model
from trackrecord.models.providers.catalogue import OTHERS, WATCHED, is_known, near_models
from trackrecord.models.scripted import ScriptedModel

if TYPE_CHECKING:
    from trackrecord.models.providers.model import RealModel

SCRIPTED: Final = "scripted:"
_SCRIPT_SUFFIXES: Final = (".yaml", ".yml", ".json")


class Models:
    """Every model that can be reached from here."""

    def __init__(
        self,
        extra: Mapping[str, Model] | None = None,
        *,
        is_streamed: bool = False,
        idle_s: float | None = None,
        reads_on: bool = False,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            extra: models registered in Python, by full name like `mock:x`; they win over everything else.
            is_streamed: whether real models stream their replies.
            idle_s: longest silence within a reply of a real model; None takes the built-in one.
            reads_on: whether a real model's reply is read to its end though its call was cancelled.
        """
        self._extra = dict(extra or {})
        self._is_streamed = is_streamed
        self._idle_s = idle_s
        self._reads_on = reads_on
        self._real: dict[str, RealModel] = {}
        self._scripts: dict[tuple[str, str], tuple[tuple[int, int], ScriptedModel]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What can be written as a model beside real ones, sorted; `scripted:FILE` stands for every script."""
        return tuple(sorted([*self._extra, f"{SCRIPTED}FILE"]))

    def resolve(self, name: str, *, base: Path | None = None) -> Model:
        """The model of a name like `scripted:replies.yaml`.

        Args:
            name: `provider:name`.
            base: the agent's file or its directory, where a script is looked for before the working directory.

        Raises:
            UnknownModel: there is no such model here, no such script file, or no key for it.
            BadInput: the script cannot be used; the message has every problem with its line.
        """
        known = self._extra.get(name)
        if known is not None:
            return known
        if name.startswith(SCRIPTED) and len(name) > len(SCRIPTED):
            return self._script(name.removeprefix(SCRIPTED), base)
        if is_known(name.partition(":")[0]) and not name.endswith(":"):
            return self._provided(name)
        raise UnknownModel(_unknown(name), cure=self._cure(name))

    async def close(self) -> None:
        """Let go of the connections of real models; the next request makes new ones."""
        for model in self._real.values():
            await model.close()

    def _provided(self, name: str) -> RealModel:
        known = self._real.get(name)
        if known is None:
            from trackrecord.models.providers import provider_model  # heavy: pydantic-ai takes more than a second

            known = provider_model(name, stream=self._is_streamed, idle_s=self._idle_s, reads_on=self._reads_on)
            self._real[name] = known
        return known

    def _script(self, written: str, base: Path | None) -> ScriptedModel:
        for folder in _folders(base):
            path = folder / written
            try:
                found = path.stat()
            except (OSError, ValueError):  # ValueError: a NUL in the name
                continue
            return self._loaded(path, written, (found.st_mtime_ns, found.st_size))
        looked = " or ".join(repr(str(folder)) for folder in dict.fromkeys(_folders(base)))
        where = "" if Path(written).is_absolute() else f" in {looked}"
        raise UnknownModel(f"there is no script file {written!r}{where}", cure=_near_script(written, base))

    def _loaded(self, path: Path, written: str, state: tuple[int, int]) -> ScriptedModel:
        key = (str(path.absolute()), written)
        kept = self._scripts.get(key)
        if kept is not None and kept[0] == state:
            return kept[1]
        model = ScriptedModel.load(path, name=written)
        self._scripts[key] = (state, model)
        return model

    def _cure(self, name: str) -> str:
        near = get_close_matches(name, [*self._extra, *([SCRIPTED] if ":" not in name else [])], n=1)
        provider, _, rest = name.partition(":")
        if not near and get_close_matches(provider, [SCRIPTED[:-1]], n=1):
            near = [f"{SCRIPTED}{rest or 'FILE'}"]
        near = near or near_models(name)
        if near:
            return f"Did you mean {' or '.join(map(repr, near))}?"
        others = f"{', '.join(WATCHED)} and {len(OTHERS)} more"
        return f"Write provider:name. Known here: {', '.join(self.names)}; providers: {others}."


def _unknown(name: str) -> str:
    if ":" not in name:
        return f"the model {name!r} has no provider; a model is written provider:name"
    provider, _, rest = name.partition(":")
    if provider == SCRIPTED[:-1]:
        return f"the model {name!r} names no script file"
    return f"the model {name!r} cannot be reached from here: no provider {provider!r} is set up for {rest!r}"


def _folders(base: Path | None) -> tuple[Path, ...]:
    """Where a relative script is looked for, first place first."""
    if base is None:
        return (Path(),)
    return (base.parent if base.is_file() else base, Path())


def _near_script(written: str, base: Path | None) -> str:
    beside: set[str] = set()
    for folder in _folders(base):
        parent = (folder / written).parent
        try:
            beside.update(entry.name for entry in parent.iterdir() if entry.suffix in _SCRIPT_SUFFIXES)
        except (OSError, ValueError):
            continue
    near = get_close_matches(Path(written).name, sorted(beside), n=1)
    return f"Did you mean {near[0]!r}?" if near else "Give a path relative to the agent's file, or an absolute one."
