"""Values made by the thousand in every run: frozen for the type checker, and quick to make at run time.

A frozen dataclass sets each field with a function call, three times as dear as an assignment; at a few hundred values a
run that was a third of an engine's time. Whatever is made once a run or less often stays frozen at run time too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def sealed(cls: type[Value]) -> type[Value]:
    """A keyword-only, slotted dataclass, compared and hashed by value, that no checked code can change."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
