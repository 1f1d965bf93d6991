"""Rules of schemas read from type hints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from trackrecord.canonical import Json
from trackrecord.errors import PluginError
from trackrecord.json_schema import compile_schema
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.hints import HintReader
from trackrecord.plugins.protocol import Invocation, ToolCallFailed


class Colour(Enum):
    """An enum of text."""

    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    """An enum of numbers."""

    SMALL = 1
    LARGE = 2


class Address(TypedDict):
    """A typed dict with one optional key."""

    city: str
    zip: NotRequired[str]


@dataclass(frozen=True)
class Point:
    """A dataclass with a default."""

    x: int
    label: Annotated[str, "what to call it"] = ""


@dataclass(frozen=True)
class Line:
    """A dataclass of dataclasses."""

    ends: list[Point]
    colour: Colour = Colour.RED
    tags: dict[str, Size] = field(default_factory=dict[str, Size])


@dataclass
class Node:
    """A dataclass that refers to itself."""

    below: list[Node]


class Inner(BaseModel):
    """A pydantic model inside another."""

    amount: int = Field(ge=1)


class Outer(BaseModel):
    """A pydantic model."""

    inner: Inner
    note: str | None = None


UserId = NewType("UserId", str)

POINT: dict[str, Json] = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "label": {"type": "string", "description": "what to call it"}},
    "required": ["x"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("expected", "hint"),
    [
        ({"type": "string"}, str),
        ({"type": "integer"}, int),
        ({"type": "number"}, float),
        ({"type": "boolean"}, bool),
        ({"type": "null"}, None),
        ({"type": "string"}, UserId),
        ({}, Any),
        ({}, object),
        ({}, Json),
        ({"type": "array"}, list),
        ({"type": "object"}, dict),
        ({"type": "string", "format": "date"}, date),
        ({"type": "string", "format": "date-time"}, datetime),
        ({"type": "array", "items": {"type": "string"}}, list[str]),
        ({"type": "array", "items": {"type": "number"}}, Sequence[float]),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, dict[str, bool]),
        ({"type": "object", "additionalProperties": {}}, Mapping[str, Any]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, str | None),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, Optional[str]),  # noqa: UP045
        ({"type": "string", "enum": ["a", "b"]}, Literal["a", "b"]),
        ({"enum": ["a", 1, None]}, Literal["a", 1, None]),
        ({"type": "string", "enum": ["red", "blue"]}, Colour),
        ({"type": "integer", "enum": [1, 2]}, Size),
        ({"type": "integer", "description": "how many", "minimum": 1}, Annotated[int, "how many", {"minimum": 1}]),
        (POINT, Point),
        (
            {
                "type": "object",
                "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
            Address,
        ),
    ],
)
def test_a_hint_has_one_schema(expected: dict[str, Json], hint: object) -> None:
    """Every supported hint gives exactly this schema, and it compiles."""
    schema = HintReader().read(hint, "here").schema
    assert expected == schema
    compile_schema(schema)


@pytest.mark.parametrize("hint", [bytes, set[str], tuple[int, str], complex, Callable[[], None], dict[int, str], Node])
def test_a_hint_without_a_json_form_is_refused_by_name(hint: object) -> None:
    """What JSON cannot carry is never widened to "anything": the parameter is named, with the cure."""
    with pytest.raises(PluginError, match="parameter 'x'") as caught:
        HintReader().read(hint, "parameter 'x'")
    assert caught.value.cure


@pytest.mark.parametrize(
    ("expected", "hint", "value"),
    [
        (3, int, 3.0),
        (3.0, float, 3.0),
        (Colour.BLUE, Colour, "blue"),
        (Size.LARGE, Size, 2),
        (Point(1, "a"), Point, {"x": 1, "label": "a"}),
        (Point(1), Point, {"x": 1.0}),
        (
            Line([Point(1), Point(2)], Colour.BLUE, {"t": Size.SMALL}),
            Line,
            {"ends": [{"x": 1}, {"x": 2}], "colour": "blue", "tags": {"t": 1}},
        ),
        ({"city": "Bari"}, Address, {"city": "Bari"}),
        ([Colour.RED, None], list[Colour | None], ["red", None]),
        ({"a": Point(1)}, dict[str, Point], {"a": {"x": 1}}),
        (Point(5), Point | Address, {"x": 5}),
        ({"city": "Bari"}, Point | Address, {"city": "Bari"}),
        (2.5, int | float, 2.5),
        (date(2026, 3, 1), date, "2026-03-01"),
        (datetime(2026, 3, 1, 9, tzinfo=UTC), datetime, "2026-03-01T09:00:00Z"),
        (Outer(inner=Inner(amount=2)), Outer, {"inner": {"amount": 2}}),
        ([Outer(inner=Inner(amount=2))], list[Outer], [{"inner": {"amount": 2}}]),
        (4, Annotated[int, Field(ge=1)], 4),
    ],
)
async def test_a_function_gets_the_type_it_asked_for(expected: object, hint: object, value: Json) -> None:
    """A value that fits the schema arrives as the hinted type, not as bare JSON."""
    plugin = FunctionPlugin("types")

    def take(x: Any) -> Any:
        return [type(x), x]

    take.__annotations__["x"] = hint
    plugin.action(name="take", blocking=False)(take)
    arguments: dict[str, Json] = {"x": value}
    assert () == compile_schema(plugin.actions["take"].parameters).problems(arguments)
    result = await plugin.call(Invocation(action="take", arguments=arguments))
    assert [type(expected), expected] == result.data


def test_a_pydantic_model_brings_its_own_schema_and_limits() -> None:
    """The schema of a model, nested ones and limits included, is what models see and what calls are checked by."""
    plugin = FunctionPlugin("types")

    @plugin.action
    def take(first: Outer, second: list[Outer], few: Annotated[int, Field(le=3, description="a few")] = 1) -> None:
        del first, second, few

    schema = compile_schema(plugin.actions["take"].parameters)
    good: Json = {"inner": {"amount": 1}}
    assert schema.accepts({"first": good, "second": [good], "few": 3})
    assert not schema.accepts({"first": {"inner": {"amount": 0}}, "second": []})
    assert not schema.accepts({"first": good, "second": [{"inner": {}}]})
    assert not schema.accepts({"first": good, "second": [], "few": 4})


def test_two_models_of_one_name_are_refused() -> None:
    """Two different models that would share one definition cannot both be meant."""

    def model(kind: type) -> type[BaseModel]:
        inner = type("Inner", (BaseModel,), {"__annotations__": {"a": kind}})
        return type("Holder", (BaseModel,), {"__annotations__": {"inner": inner}})

    reader = HintReader()
    reader.read(model(int), "here")
    with pytest.raises(PluginError, match="two different models are both named 'Inner'"):
        reader.read(model(str), "here")


async def test_a_value_the_type_refuses_never_left() -> None:
    """A date that is no date fits the schema's type but is refused before the function is called."""
    plugin = FunctionPlugin("types")

    @plugin.action(blocking=False)
    def take(day: date) -> str:
        return day.isoformat()

    with pytest.raises(ToolCallFailed, match="argument cannot be used") as caught:
        await plugin.call(Invocation(action="take", arguments={"day": "31 June"}))
    assert (False, False) == (caught.value.was_sent, caught.value.is_transient)


def test_defaults_are_not_required_and_are_shown() -> None:
    """A parameter with a default may be left out, and a model can read the default where JSON has it."""
    plugin = FunctionPlugin("types")

    @plugin.action
    def take(a: int = 1, b: Colour = Colour.BLUE, c: str | None = None, d: date = date(2026, 1, 1)) -> None:
        del a, b, c, d

    parameters = plugin.actions["take"].parameters
    properties = parameters["properties"]
    assert isinstance(properties, dict)
    assert "required" not in parameters
    shown = {name: schema.get("default", "hidden") for name, schema in properties.items() if isinstance(schema, dict)}
    assert {"a": 1, "b": "blue", "c": None, "d": "hidden"} == shown


SCALARS: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5),
    int: st.integers(-99, 99),
    bool: st.booleans(),
    type(None): st.none(),
    Colour: st.sampled_from(["red", "blue"]),
    Literal["x", 2]: st.sampled_from(["x", 2]),
}


@st.composite
def hinted(draw: st.DrawFn, depth: int = 3) -> tuple[Any, Any]:
    """A hint, and a JSON value that fits it."""
    shape = draw(st.sampled_from(["scalar", "list", "dict", "union"])) if depth else "scalar"
    if shape == "scalar":
        hint = draw(st.sampled_from(list(SCALARS)))
        return hint, draw(SCALARS[hint])
    inner, value = draw(hinted(depth=depth - 1))
    if shape == "list":
        return list[inner], [value] * draw(st.integers(0, 3))
    if shape == "dict":
        return dict[str, inner], dict.fromkeys(draw(st.lists(st.text(max_size=3), max_size=3)), value)
    return Optional[inner], draw(st.sampled_from([None, value]))  # noqa: UP045


def plain(value: object) -> object:
    """The value with enum members as their values again."""
    if isinstance(value, Colour):
        return value.value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


@given(hinted())
def test_a_fitting_value_is_accepted_and_loses_nothing(case: tuple[Any, Any]) -> None:
    """However hints nest, a value of the type fits its schema and building it keeps everything in it."""
    hint, value = case
    read = HintReader().read(hint, "here")
    assert compile_schema(read.schema).accepts(value)
    assert value == plain(value if read.build is None else read.build(value))
