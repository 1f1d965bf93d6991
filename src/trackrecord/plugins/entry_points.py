"""Where plugins come from: the built-in ones and those of installed packages, through one and the same door.

Never imports a plugin that nobody asked for, and never lets one broken plugin take the others along: its error is kept
beside those that loaded. Wiring calls it once, at start.

A plugin is named by a reference, `module:attribute`. The attribute is a plugin, or a function that takes the
operator's options for it (a mapping, empty by default) and returns one. Packages put theirs into the entry point group
`trackrecord.plugins`, under the plugin's own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, cast

from trackrecord.canonical import Json
from trackrecord.errors import PluginError
from trackrecord.plugins.protocol import Plugin

GROUP: Final = "trackrecord.plugins"
BUILT_IN: Final[Mapping[str, str]] = {
    "demo": "trackrecord.plugins.demo:plugin",
    "files": "trackrecord.plugins.files:plugin",
    "http": "trackrecord.plugins.http:plugin",
    "text": "trackrecord.plugins.text:plugin",
    "time": "trackrecord.plugins.times:plugin",
}
_OURS: Final = "trackrecord"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSource:
    """A plugin that could be loaded.

    Attributes:
        name: the plugin's name.
        reference: `module:attribute`.
        distribution: the installed package it belongs to.
    """

    name: str
    reference: str
    distribution: str

    def load(self, options: Mapping[str, Json]) -> Plugin:
        """Import and make the plugin.

        Raises:
            PluginError: it cannot be imported or made, or it is no plugin of that name; says whose fault it is.
        """
        where = f"plugin {self.name!r} of package {self.distribution!r} ({self.reference})"
        try:
            made = _made(self.reference, options)
            is_plugin = all(hasattr(made, attribute) for attribute in ("name", "description", "actions", "call"))
        except PluginError as error:
            raise PluginError(f"{where}: {error.message}", cure=error.cure) from error
        except (Exception, SystemExit) as error:  # a foreign package fails in its own way; ours is to say which one
            raise PluginError(
                f"{where} cannot be loaded: {type(error).__name__}: {error}",
                cure=f"Mend or remove {self.distribution!r}, or leave {self.name!r} out.",
            ) from error
        if not is_plugin:
            raise PluginError(
                f"{where} is a {type(made).__qualname__}, not a plugin",
                cure="Name a FunctionPlugin, or a function that takes options and returns a plugin.",
            )
        plugin = cast(Plugin, made)
        if plugin.name != self.name:
            raise PluginError(f"{where} calls itself {plugin.name!r}", cure="Use the plugin's own name as entry point.")
        return plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading gave.

    Attributes:
        plugins: those that can be used, in the order asked for.
        errors: why the others cannot, by name.
    """

    plugins: tuple[Plugin, ...]
    errors: Mapping[str, PluginError]


def installed() -> Mapping[str, tuple[PluginSource, ...]]:
    """Every plugin there is, by name, without importing any; more than one source means two packages claim a name."""
    found: dict[str, tuple[PluginSource, ...]] = {name: (_built_in(name),) for name in BUILT_IN}
    for point in entry_points(group=GROUP):
        distribution = point.dist.name if point.dist is not None else "unknown"
        source = PluginSource(name=point.name, reference=point.value, distribution=distribution)
        if source not in found.get(point.name, ()):
            found[point.name] = (*found.get(point.name, ()), source)
    return found


def load(names: Iterable[str], options: Mapping[str, Mapping[str, Json]] | None = None) -> Loaded:
    """Load the plugins of these names, each with its options; one that fails leaves the others usable.

    A built-in's name always means the built-in. Installed packages are looked through only when another name is asked
    for, because that takes longer than everything else at start.
    """
    wanted = list(dict.fromkeys(names))
    sources: Mapping[str, Sequence[PluginSource]] = {name: (_built_in(name),) for name in BUILT_IN}
    if any(name not in BUILT_IN for name in wanted):
        sources = {**installed(), **sources}
    plugins: list[Plugin] = []
    errors: dict[str, PluginError] = {}
    for name in wanted:
        try:
            plugins.append(_only(name, sources.get(name)).load((options or {}).get(name, {})))
        except PluginError as error:
            errors[name] = error
    return Loaded(plugins=tuple(plugins), errors=errors)


def _built_in(name: str) -> PluginSource:
    return PluginSource(name=name, reference=BUILT_IN[name], distribution=_OURS)


def _only(name: str, sources: Sequence[PluginSource] | None) -> PluginSource:
    if not sources:
        raise PluginError(
            f"there is no plugin {name!r}",
            cure=f"Built in are {', '.join(sorted(BUILT_IN))}; others need their package installed.",
        )
    if len(sources) > 1:
        claimants = " and ".join(repr(source.distribution) for source in sources)
        raise PluginError(f"plugin {name!r} is claimed by packages {claimants}", cure="Uninstall one of them.")
    return sources[0]


def connected(given: Iterable[Plugin], named: Iterable[str], options: Mapping[str, Mapping[str, Json]]) -> list[Plugin]:
    """The built-in plugins and those that are named, then those given, which replace others of their name.

    Raises:
        PluginError: one of them cannot be had.
    """
    own = list(given)
    replaced = {plugin.name for plugin in own}
    loaded = load([name for name in (*BUILT_IN, *named) if name not in replaced], options)
    for error in loaded.errors.values():
        raise error
    return [*loaded.plugins, *own]


def _made(reference: str, options: Mapping[str, Json]) -> object:
    module, _, path = reference.partition(":")
    found: Any = import_module(module)
    for attribute in path.split(".") if path else ():
        found = getattr(found, attribute)
    if hasattr(found, "call") and not isinstance(found, type):
        return found
    return found(options) if callable(found) else found
