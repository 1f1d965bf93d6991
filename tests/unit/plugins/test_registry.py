"""Rules of the registry: names, schemas, look-ups and suggestions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.errors import PluginError
from trackrecord.plugins.protocol import Action, Invocation, Result
from trackrecord.plugins.registry import Registry, function_name, split_function_name


@dataclass
class Shelf:
    """A plugin written by hand, without the decorator."""

    name: Any = "shelf"
    description: str = ""
    actions: dict[Any, Action] = field(default_factory=dict[Any, Action])

    async def call(self, invocation: Invocation) -> Result:
        """Give the arguments back."""
        return Result(data=invocation.arguments)


TAKE = Action(
    name="take",
    parameters={
        "type": "object",
        "properties": {"title": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
        "required": ["title"],
        "additionalProperties": False,
    },
)


def shelf(**changes: Any) -> Shelf:
    """A shelf with one action, changed."""
    return Shelf(actions={"take": replace(TAKE, **changes)})


async def test_finds_an_action_and_calls_it() -> None:
    """What the registry finds can be checked and called at once."""
    plugin = shelf()
    bound = Registry([plugin]).find("shelf", "take")
    assert bound is not None
    assert ((), "shelf__take", plugin) == (bound.problems({"title": "Emma"}), bound.function, bound.plugin)
    assert {"title": "Emma"} == (await bound.plugin.call(Invocation(action="take", arguments={"title": "Emma"}))).data


def test_names_every_argument_that_does_not_fit() -> None:
    """Each problem says where it is, so that a model can mend its call."""
    bound = Registry([shelf()]).find("shelf", "take")
    assert bound is not None
    problems = bound.problems({"count": 0, "colour": "red"})
    assert 3 == len(problems)
    assert any("title" in problem for problem in problems)
    assert any(problem.startswith("count: ") for problem in problems)
    assert any("colour" in problem for problem in problems)


def test_unknown_names_are_found_nowhere() -> None:
    """A plugin or action that is not connected is None, not an error."""
    registry = Registry([shelf()])
    assert (None, None) == (registry.find("shelf", "give"), registry.find("self", "take"))
    assert ((), ["shelf__take"]) == (registry.actions("self"), [b.function for b in registry.actions("shelf")])


def test_what_a_plugin_declares_later_is_not_seen() -> None:
    """An action swapped after the registry was built changes nothing for it."""
    plugin = shelf()
    registry = Registry([plugin])
    plugin.actions["take"] = replace(TAKE, description="now with a hidden instruction")
    plugin.actions["burn"] = replace(TAKE, name="burn")
    bound = registry.find("shelf", "take")
    assert bound is not None
    assert (TAKE, None) == (bound.action, registry.find("shelf", "burn"))


@pytest.mark.parametrize(
    "name", ["", "Shelf", "my-shelf", "my__shelf", "shelf_", "_shelf", "9", "sh elf", None, 7, "é"]
)
def test_a_plugin_needs_a_proper_name(name: object) -> None:
    """A name that models or agents could not use is refused, with what to write instead."""
    with pytest.raises(PluginError, match="not a plugin name") as caught:
        Registry([Shelf(name=name)])
    assert "'crm'" in caught.value.cure


def test_two_plugins_of_one_name_are_refused() -> None:
    """Nobody can tell which of two plugins of one name was meant."""
    with pytest.raises(PluginError, match="two plugins are named 'shelf'") as caught:
        Registry([shelf(), shelf()])
    assert "Rename" in caught.value.cure


@pytest.mark.parametrize(
    ("words", "plugin"),
    [
        ("action 'Take' of plugin 'shelf' has no proper name", Shelf(actions={"Take": replace(TAKE, name="Take")})),
        ("action 3 of plugin 'shelf' has no proper name", Shelf(actions={3: TAKE})),
        ("calls itself 'take'", Shelf(actions={"get": TAKE})),
        ("has 65 characters", Shelf(actions={"t" * 58: replace(TAKE, name="t" * 58)})),
        ("has effect 'write'", shelf(effect="write")),
        ("has timeout_ms 0", shelf(timeout_ms=0)),
        ("has timeout_ms True", shelf(timeout_ms=True)),
        ("has timeout_ms '5'", shelf(timeout_ms="5")),
        ("parameters are of type None", shelf(parameters={})),
        ("parameters are of type 'array'", shelf(parameters={"type": "array"})),
        ("not a JSON Schema", shelf(parameters={"type": "object", "properties": {"a": {"type": "text"}}})),
        ("not a JSON Schema", shelf(output={"type": "text"})),
        ("not a JSON Schema", shelf(parameters={"type": "object", "$ref": "https://elsewhere.example/schema"})),
    ],
)
def test_a_badly_made_action_is_refused_when_connected(words: str, plugin: Shelf) -> None:
    """What is wrong with an action is said before any run, with plugin, action and cure."""
    with pytest.raises(PluginError) as caught:
        Registry([plugin])
    assert words in caught.value.message
    assert "'shelf'" in caught.value.message
    assert caught.value.cure


@given(
    st.from_regex(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", fullmatch=True),
    st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True),
)
def test_a_function_name_splits_into_what_it_was_made_of(plugin: str, action: str) -> None:
    """No pair of proper names shares its function name with another pair."""
    assert (plugin, action) == split_function_name(function_name(plugin, action))


@pytest.mark.parametrize("name", ["", "take", "shelf_take", "__take", "shelf__"])
def test_a_name_without_both_halves_splits_into_nothing(name: str) -> None:
    """What a model made up is not mistaken for a plugin's action."""
    assert split_function_name(name) is None


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ("Did you mean 'shelf__take'?", "shelf__tale"),
        ("Did you mean 'shelf.take'?", "shelf.tak"),
        ("Did you mean 'shelf'?", "shelff__take"),
        ("Did you mean 'shelf'?", "shel"),
        ("Did you mean 'shelf__take'?", "take"),
        ("Actions of 'shelf': 'take'.", "shelf__zzz"),
        ("Connected plugins: 'crm', 'shelf'.", "zzz"),
        ("Connected plugins: 'crm', 'shelf'.", "z" * 100_000),
    ],
)
def test_suggests_the_nearest_name(expected: str, name: str) -> None:
    """Whoever mistyped a name is told the one that was meant, or what there is."""
    assert expected == Registry([shelf(), Shelf(name="crm")]).suggest(name)


def test_suggests_nothing_where_there_is_nothing() -> None:
    """Without plugins the reader is told that, not given an empty list."""
    assert "No plugins are connected." == Registry().suggest("shelf")
