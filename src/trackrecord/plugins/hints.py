"""Type hints read as JSON Schema, with what turns the JSON value back into the hinted type.

Read once, when a function is decorated, and never on a call. A hint that JSON cannot carry is refused by name; it is
never widened to "anything" in silence.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Final, Literal, NewType, NotRequired, Required, Union, cast

from trackrecord.canonical import Json, clean
from trackrecord.errors import PluginError
from trackrecord.json_schema import compile_schema

Build = Callable[[Any], Any]

_SUPPORTED: Final = (
    "Use str, int, float, bool, None, Any, datetime, date, list[T], dict[str, T], Literal, Enum, a union of these, "
    "a TypedDict, a dataclass or a pydantic model."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a type hint says.

    Attributes:
        schema: JSON Schema of the values it takes.
        build: makes the hinted type of a value that fits; None when the value is that type already.
    """

    schema: dict[str, Json]
    build: Build | None = None


class HintReader:
    """Reads the hints of one signature.

    Attributes:
        definitions: what the schemas refer to as `#/$defs/<name>`; pydantic models only.
    """

    def __init__(self) -> None:
        """Begin without definitions."""
        self.definitions: dict[str, Json] = {}
        self._open: list[object] = []

    def read(self, hint: object, where: str) -> Hint:
        """Schema and builder of a hint; `where` names the parameter in errors.

        Raises:
            PluginError: JSON cannot carry the hint, or it refers to itself.
        """
        plain = _PLAIN.get(hint) if isinstance(hint, type) or hint is None else None
        if plain is not None:
            return plain
        if hint is Any or hint is object or hint == Json:
            return Hint(schema={})
        if isinstance(hint, NewType):
            return self.read(hint.__supertype__, where)
        if isinstance(hint, type) and not typing.get_args(hint):
            return self._read_class(cast("type[object]", hint), where)
        return self._read_generic(hint, where)

    def _read_generic(self, hint: object, where: str) -> Hint:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is Annotated:
            return self._read_annotated(hint, arguments, where)
        if origin is Required or origin is NotRequired:
            return self.read(arguments[0], where)
        if origin is Literal:
            return _choice(arguments, None, where)
        if origin is Union or origin is types.UnionType:
            return self._read_union(arguments, where)
        if origin in (list, Sequence, Iterable):
            return self._read_list(arguments[0], where)
        if origin in (dict, Mapping):
            return self._read_mapping(arguments, where)
        raise _refused(hint, where)

    def _read_class(self, hint: type[object], where: str) -> Hint:
        if issubclass(hint, Enum):
            return _choice([member.value for member in hint], hint, where)
        return self._read_object_class(hint, where)

    def _read_object_class(self, hint: type[object], where: str) -> Hint:
        if typing.is_typeddict(hint):
            return self._nested(hint, lambda: self._read_typed_dict(hint, where), where)
        if _is_pydantic_model(hint):
            return self._read_pydantic(hint)
        if is_dataclass(hint):
            return self._nested(hint, lambda: self._read_dataclass(hint, where), where)
        raise _refused(hint, where)

    def _nested(self, hint: type[object], read: Callable[[], Hint], where: str) -> Hint:
        if hint in self._open:
            raise PluginError(
                f"{where}: {hint.__qualname__} refers to itself", cure="Use a pydantic model, or dict[str, Any]."
            )
        self._open.append(hint)
        try:
            return read()
        finally:
            self._open.pop()

    def _read_annotated(self, hint: object, arguments: tuple[Any, ...], where: str) -> Hint:
        if any(type(note).__module__.split(".")[0] == "pydantic" for note in arguments[1:]):
            return self._read_pydantic(hint)
        inner = self.read(arguments[0], where)
        schema = dict(inner.schema)
        for note in arguments[1:]:
            if isinstance(note, str):
                schema["description"] = note
            elif isinstance(note, Mapping):
                schema.update(cast(Mapping[str, Json], note))
        return Hint(schema=schema, build=inner.build)

    def _read_union(self, arguments: Sequence[object], where: str) -> Hint:
        members = [self.read(member, where) for member in arguments]
        schema: dict[str, Json] = {"anyOf": [member.schema for member in members]}
        if all(member.build is None for member in members):
            return Hint(schema=schema)
        tests = [(compile_schema({**m.schema, "$defs": self.definitions}).accepts, m.build) for m in members]

        def build(value: object) -> object:
            for accepts, build_member in tests:
                if accepts(value):
                    return value if build_member is None else build_member(value)
            return value

        return Hint(schema=schema, build=build)

    def _read_list(self, argument: object, where: str) -> Hint:
        member = self.read(argument, where)
        build = member.build
        schema: dict[str, Json] = {"type": "array", "items": member.schema}
        return Hint(schema=schema, build=None if build is None else lambda values: [build(value) for value in values])

    def _read_mapping(self, arguments: tuple[object, ...], where: str) -> Hint:
        key, value_hint = arguments
        if key is not str:
            raise PluginError(
                f"{where}: a mapping with keys of {_named(key)}", cure="JSON keys are text: dict[str, T]."
            )
        member = self.read(value_hint, where)
        build = member.build
        schema: dict[str, Json] = {"type": "object", "additionalProperties": member.schema}
        return Hint(
            schema=schema,
            build=None if build is None else lambda items: {name: build(value) for name, value in items.items()},
        )

    def _read_typed_dict(self, hint: type[object], where: str) -> Hint:
        total = cast(frozenset[str], getattr(hint, "__required_keys__", frozenset[str]()))
        named: list[tuple[str, bool]] = []
        for name, key_hint in _hints(hint, where).items():
            # where annotations are text, Python itself did not see the mark on a key when it made the class
            mark = typing.get_origin(key_hint)
            named.append((name, mark is Required or (mark is not NotRequired and name in total)))
        return self._read_object(hint, named, where, dict)

    def _read_dataclass(self, hint: Any, where: str) -> Hint:
        taken = [field for field in fields(hint) if field.init]
        named = [(f.name, f.default is MISSING and f.default_factory is MISSING) for f in taken]
        return self._read_object(hint, named, where, hint)

    def _read_object(
        self, hint: type[object], named: Sequence[tuple[str, bool]], where: str, make: Callable[..., object]
    ) -> Hint:
        hints = _hints(hint, where)
        members = {name: self.read(hints[name], f"{where}.{name}") for name, _ in named}
        schema: dict[str, Json] = {
            "type": "object",
            "properties": {name: member.schema for name, member in members.items()},
            "required": [name for name, is_required in named if is_required],
            "additionalProperties": False,
        }
        builds = {name: member.build for name, member in members.items() if member.build is not None}
        if make is dict and not builds:
            return Hint(schema=schema)

        def build(value: Mapping[str, Any]) -> object:
            return make(**built(value, builds))

        return Hint(schema=schema, build=build)

    def _read_pydantic(self, hint: object) -> Hint:
        pydantic = sys.modules["pydantic"]  # loaded already: the hint is pydantic's own
        adapter = pydantic.TypeAdapter(hint)
        schema = cast(dict[str, Json], adapter.json_schema(ref_template="#/$defs/{model}"))
        for name, definition in cast(dict[str, Json], schema.pop("$defs", {})).items():
            if self.definitions.setdefault(name, definition) != definition:
                raise PluginError(
                    f"two different models are both named {name!r} in one signature", cure="Rename one of them."
                )
        return Hint(schema=schema, build=adapter.validate_python)


def built(arguments: Mapping[str, Any], builds: Mapping[str, Build]) -> dict[str, Any]:
    """The arguments with those that need it turned into their hinted types; a new dict."""
    made = dict(arguments)
    for name, build in builds.items():
        if name in made:
            made[name] = build(made[name])
    return made


def whole(value: float) -> int:
    """The builder of `int`: JSON Schema calls 3.0 an integer, a Python function that slices with it does not."""
    return int(value)


_PLAIN: Final[Mapping[object, Hint]] = {
    str: Hint(schema={"type": "string"}),
    int: Hint(schema={"type": "integer"}, build=whole),
    float: Hint(schema={"type": "number"}),
    bool: Hint(schema={"type": "boolean"}),
    type(None): Hint(schema={"type": "null"}),
    None: Hint(schema={"type": "null"}),
    list: Hint(schema={"type": "array"}),
    dict: Hint(schema={"type": "object"}),
    datetime: Hint(schema={"type": "string", "format": "date-time"}, build=datetime.fromisoformat),
    date: Hint(schema={"type": "string", "format": "date"}, build=date.fromisoformat),
}
_TYPE_NAMES: Final[Mapping[type, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _choice(values: Sequence[object], enum: type[Enum] | None, where: str) -> Hint:
    kinds = {type(value) for value in values}
    if not values or not kinds <= {str, int, float, bool, type(None)}:
        raise PluginError(f"{where}: a choice among values JSON does not have", cure="Use text, numbers or booleans.")
    schema: dict[str, Json] = {"enum": [clean(value) for value in values]}
    if len(kinds) == 1 and (name := _TYPE_NAMES.get(kinds.pop())) is not None:
        schema = {"type": name, **schema}
    return Hint(schema=schema, build=enum)


def _hints(hint: type[object], where: str) -> dict[str, object]:
    try:
        return typing.get_type_hints(hint, include_extras=True)
    except NameError as error:
        raise unresolved(error, f"{where}: {hint.__qualname__}") from None


def unresolved(error: NameError, where: str) -> PluginError:
    """The error for an annotation that names something out of sight."""
    return PluginError(
        f"{where}: its annotations name {error.name!r}, which cannot be found",
        cure="Define it at module level and import it outside TYPE_CHECKING.",
    )


def _is_pydantic_model(hint: type[object]) -> bool:
    pydantic = sys.modules.get("pydantic")  # a model class cannot exist before pydantic is loaded
    return pydantic is not None and issubclass(hint, pydantic.BaseModel)


def _named(hint: object) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)


def _refused(hint: object, where: str) -> PluginError:
    return PluginError(f"{where}: {_named(hint)} has no JSON form", cure=_SUPPORTED)
