"""The plugins of one process: names checked, schemas compiled once, every action found in one look-up.

Never calls an action, never loads a plugin and never changes after it is built: what a plugin declares later is not
seen. Admission and both engines ask it; the context calls what it finds (step 4 of the walk).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, cast

from trackrecord.canonical import Json, cut
from trackrecord.errors import BadInput, PluginError
from trackrecord.json_schema import Schema, compile_schema
from trackrecord.plugins.protocol import Action, EffectClass, Plugin

SEPARATOR: Final = "__"
MAX_FUNCTION_NAME: Final = 64
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_EFFECTS: Final = ("read", "keyed", "unsafe")
_MAX_SUGGESTED_FROM: Final = 2000
_MAX_LISTED: Final = 20


def function_name(plugin: str, action: str) -> str:
    """The name a model calls an action by: `plugin__action`."""
    return f"{plugin}{SEPARATOR}{action}"


def split_function_name(name: str) -> tuple[str, str] | None:
    """Plugin and action of a name a model asked for; None when it cannot be one of ours.

    Unambiguous, because a plugin's name holds no double underscore and does not end in one.
    """
    plugin, separator, action = name.partition(SEPARATOR)
    return (plugin, action) if separator and plugin and action else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundAction:
    """An action with the plugin that carries it out and its compiled schema.

    Attributes:
        plugin: whose `call` takes the invocation.
        action: what the plugin declared when the registry was built.
        arguments: the compiled form of `action.parameters`.
        function: `plugin__action`, the name for models.
        credentials: handles of the secrets each call is given.
    """

    plugin: Plugin
    action: Action
    arguments: Schema
    function: str
    credentials: tuple[str, ...] = ()

    def problems(self, arguments: Mapping[str, Json]) -> tuple[str, ...]:
        """What does not fit the action's schema, each as `place: message`; empty when the arguments fit."""
        if self.arguments.accepts(arguments):
            return ()
        return self.arguments.problems(arguments)


class Registry:
    """Find any connected action by name, ready to be checked and called.

    Attributes:
        plugins: connected plugins by name, in the order given.
        withheld: why others that are known here are not connected, by name.
    """

    __slots__ = ("_bound", "plugins", "withheld")

    plugins: Mapping[str, Plugin]
    withheld: Mapping[str, str]

    def __init__(self, plugins: Iterable[Plugin] = (), *, withheld: Mapping[str, str] | None = None) -> None:
        """Check and compile everything the plugins declare.

        Raises:
            PluginError: two plugins share a name, or a name, a schema, an effect or a timeout is wrong.
        """
        named: dict[str, Plugin] = {}
        bound: dict[str, dict[str, BoundAction]] = {}
        for plugin in plugins:
            name = _checked_plugin_name(plugin)
            if name in named:
                raise PluginError(
                    f"two plugins are named {name!r}: {_kind(named[name])} and {_kind(plugin)}",
                    cure="Rename one of them, or connect only one.",
                )
            named[name] = plugin
            bound[name] = _bind(name, plugin)
        self.plugins = MappingProxyType(named)
        self.withheld = MappingProxyType({name: why for name, why in (withheld or {}).items() if name not in named})
        self._bound = bound

    def find(self, plugin_name: str, action_name: str) -> BoundAction | None:
        """The action, ready to check and call; None when the plugin or the action is not connected."""
        actions = self._bound.get(plugin_name)
        return None if actions is None else actions.get(action_name)

    def effect(self, plugin_name: str, action_name: str) -> EffectClass | None:
        """The effect class an action declares; None when the plugin or the action is not connected."""
        bound = self.find(plugin_name, action_name)
        return None if bound is None else bound.action.effect

    def actions(self, plugin_name: str) -> Sequence[BoundAction]:
        """Every action of one plugin in the order it declares them; empty when it is not connected."""
        return tuple(self._bound.get(plugin_name, {}).values())

    def credentials(self, plugin_name: str) -> tuple[str, ...]:
        """Handles of the secrets a plugin's calls are given; none when it is not connected or has no action."""
        return next((bound.credentials for bound in self._bound.get(plugin_name, {}).values()), ())

    def suggest(self, name: str) -> str:
        """One sentence that helps whoever asked for an unknown name: the nearest names, else all that are connected.

        The name may be `plugin`, `plugin__action` or `plugin.action`.
        """
        if not self.plugins:
            return "No plugins are connected."
        wanted = name[:128]
        plugin, separator, action = wanted.replace(".", SEPARATOR, 1).partition(SEPARATOR)
        if separator and plugin in self._bound:
            joiner = "." if "." in wanted else SEPARATOR
            return _near(action, self._bound[plugin], f"Actions of {plugin!r}", prefix=f"{plugin}{joiner}")
        owners = [owner for owner, actions in self._bound.items() if wanted in actions]
        if owners:
            return f"Did you mean {_listed([function_name(owner, wanted) for owner in owners])}?"
        return _near(plugin, self._bound, "Connected plugins")


def _near(wanted: str, names: Iterable[str], kind: str, prefix: str = "") -> str:
    known = list(names)
    near = get_close_matches(wanted, known[:_MAX_SUGGESTED_FROM], n=3)
    if near:
        return f"Did you mean {_listed([prefix + name for name in near])}?"
    return f"{kind}: {_listed(sorted(known))}."


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(repr(name) for name in names[:_MAX_LISTED])
    return shown if len(names) <= _MAX_LISTED else f"{shown} and {len(names) - _MAX_LISTED} more"


def _kind(plugin: object) -> str:
    return f"{type(plugin).__module__}.{type(plugin).__qualname__}"


def _checked_plugin_name(plugin: object) -> str:
    name: object = getattr(plugin, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or SEPARATOR in name or name.endswith("_"):
        raise PluginError(
            f"a plugin of type {_kind(plugin)} is named {_shown(name)}, which is not a plugin name",
            cure="Use lower-case letters, digits and single underscores, starting with a letter, like 'crm'.",
        )
    return name


def _bind(name: str, plugin: Plugin) -> dict[str, BoundAction]:
    bound: dict[str, BoundAction] = {}
    credentials = _credentials(name, plugin)
    for key, action in plugin.actions.items():
        _check_action(name, key, action)
        bound[key] = BoundAction(
            plugin=plugin,
            action=action,
            arguments=_compiled(name, action),
            function=function_name(name, key),
            credentials=credentials,
        )
    return bound


def _credentials(name: str, plugin: object) -> tuple[str, ...]:
    """Handles the plugin declares in its attribute `credentials`; none when it has no such attribute."""
    given: object = getattr(plugin, "credentials", ())
    handles = cast("tuple[object, ...]", given) if isinstance(given, tuple) else (None,)
    if not all(isinstance(handle, str) for handle in handles):
        raise PluginError(
            f"the credentials of plugin {name!r} are no tuple of text",
            cure="Declare the handles of the secrets it needs, like ('crm_token',).",
        )
    return cast("tuple[str, ...]", handles)


def _check_action(plugin_name: str, key: object, action: Action) -> None:
    # the values come from anyone's code, so nothing about them is taken on trust
    where = f"action {_shown(key)} of plugin {plugin_name!r}"
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        raise PluginError(
            f"{where} has no proper name",
            cure="Use lower-case letters, digits and underscores, starting with a letter, like 'send_mail'.",
        )
    if action.name != key:
        raise PluginError(f"{where} calls itself {_shown(action.name)}", cure="Use the action's own name as its key.")
    length = len(function_name(plugin_name, key))
    if length > MAX_FUNCTION_NAME:
        raise PluginError(
            f"{where}: the name for models, {function_name(plugin_name, key)!r}, has {length} characters",
            cure=f"Shorten one of them: model providers take at most {MAX_FUNCTION_NAME}.",
        )
    if action.effect not in _EFFECTS:
        raise PluginError(f"{where} has effect {_shown(action.effect)}", cure=f"Use one of {', '.join(_EFFECTS)}.")
    if action.timeout_ms is not None and not _is_positive(action.timeout_ms):
        raise PluginError(
            f"{where} has timeout_ms {_shown(action.timeout_ms)}",
            cure="Give a positive number of milliseconds, or None.",
        )


def _compiled(plugin_name: str, action: Action) -> Schema:
    where = f"action {action.name!r} of plugin {plugin_name!r}"
    if action.parameters.get("type") != "object":
        raise PluginError(
            f"{where}: its parameters are of type {_shown(action.parameters.get('type'))}",
            cure="Write an object schema: {'type': 'object', 'properties': {…}}.",
        )
    try:
        if action.output is not None:
            compile_schema(action.output)
        return compile_schema(action.parameters)
    except BadInput as error:
        raise PluginError(f"{where}: {error.message}", cure=error.cure) from None


def _shown(value: object) -> str:
    # only plain values are printed: another object's __repr__ is foreign code
    return repr(cut(value, 80)) if isinstance(value, str) else repr(value) if _is_plain(value) else _kind(value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)
