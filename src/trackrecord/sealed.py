"""Values that every run makes: frozen for the type checker, and quick to make at run time.

A frozen dataclass sets each field with a function call, three times as dear as an assignment; at a few hundred values a
run that was a third of an engine's time. What users are given or a process makes once is frozen at run time too.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def sealed(cls: type[Value]) -> type[Value]:
    """A keyword-only, slotted dataclass, compared and hashed by value, that no checked code can change."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True)
def sealed_in_order(cls: type[Value]) -> type[Value]:
    """The same for a class whose fields are given in order."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


def maker(cls: type[Value]) -> type[Value]:
    """The constructor of a sealed class as a plain function, for the places that make a run's values.

    Calling a class packs the arguments into a dictionary and unpacks them again for `__init__`; a function gets them as
    they are, four times as quick. To the type checker it is the class; it takes the same arguments.
    """
    names: dict[str, Any] = {"new": object.__new__, "cls": cls, "MISSING": MISSING}
    takes: list[str] = []
    lines: list[str] = []
    for one in fields(cls):  # type: ignore[arg-type]  # a sealed class is a dataclass
        default, value = "", one.name
        if one.default is not MISSING:
            names[f"default_{one.name}"] = one.default
            default = f"=default_{one.name}"
        elif one.default_factory is not MISSING:
            names[f"factory_{one.name}"] = one.default_factory
            default, value = "=MISSING", f"factory_{one.name}() if {one.name} is MISSING else {one.name}"
        takes.append(f"{one.name}{default}")
        lines.append(f"    self.{one.name} = {value}")
    source = "\n".join([f"def make(*, {', '.join(takes)}):", "    self = new(cls)", *lines, "    return self"])
    exec(source, names)  # noqa: S102  # as dataclass itself makes __init__: from the names of our own fields
    return names["make"]
