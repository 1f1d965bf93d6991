"""Objects a tool or a model may hand over: ordinary ones, and such as bite when their own code is called."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import Enum, IntEnum, StrEnum
from typing import Any


class Colour(Enum):
    RED = "red"
    DEEP = (1, b"\x00")


class Level(IntEnum):
    HIGH = 3


class Mood(StrEnum):
    GOOD = "good"


@dataclass
class Point:
    x: int
    rest: object = None


@dataclass(slots=True)
class Unfilled:
    there: int = 1
    missing: int = field(init=False)


Pair = namedtuple("Pair", ["left", "right"])


class Plain:
    pass


# ---------------------------------------------------------------------------------------------------- objects that bite


class Bites:
    """An object that raises whenever its own code is called."""

    def _bite(self, *_: object, **__: object) -> Any:
        raise AssertionError("the object's own code was called")

    __str__ = __repr__ = __format__ = __bytes__ = __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = _bite
    __int__ = __float__ = __index__ = __complex__ = __call__ = __lt__ = __getattr__ = __fspath__ = __json__ = _bite
    __class__ = property(_bite)  # type: ignore[assignment]
    __dict__ = property(_bite)  # type: ignore[assignment]


class BitingStr(Bites, str):
    pass


class BitingInt(Bites, int):
    pass


class BitingFloat(Bites, float):
    pass


class BitingBytes(Bites, bytes):
    pass


class BitingList(Bites, list):  # type: ignore[type-arg]
    pass


class BitingTuple(Bites, tuple):  # type: ignore[type-arg]
    pass


class BitingDict(Bites, dict):  # type: ignore[type-arg]
    items = keys = values = get = Bites._bite  # type: ignore[assignment]


class BitingMoment(datetime):
    isoformat = __str__ = __repr__ = __format__ = strftime = Bites._bite  # type: ignore[assignment]


class BitingDelta(timedelta):
    total_seconds = __str__ = __repr__ = __floordiv__ = Bites._bite  # type: ignore[assignment]


class BitingMeta(type):
    __str__ = __repr__ = __instancecheck__ = __subclasscheck__ = __getattribute__ = Bites._bite  # type: ignore[assignment]


class BitingClass(metaclass=BitingMeta):
    pass


class Liar:
    """Claims to be text without being it, as proxies and mocks do."""

    __class__ = str  # type: ignore[assignment]


class BadMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise OSError("gone")

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


class BadSet(Set[int]):
    def __contains__(self, item: object) -> bool:
        raise OSError("gone")

    def __iter__(self) -> Iterator[int]:
        raise RecursionError("endless")

    def __len__(self) -> int:
        raise OSError("gone")


class BadZone(tzinfo):
    def utcoffset(self, at: datetime | None) -> timedelta:
        raise OSError("no such zone")


@dataclass
class BadField:
    good: int = 1

    def __getattribute__(self, name: str) -> Any:
        raise OSError(f"no {name}")


def released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view
