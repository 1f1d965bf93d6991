"""How much an expression may be and do, and the errors it may raise. Under everything else that evaluates.

The bounds are counted, never timed: the same expression over the same data ends the same way on every machine.
Place in the walk: compiling happens before step 1, evaluating in step 4.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Never, Self, cast

from trackrecord.canonical import Json
from trackrecord.workflow.fields import near

MAX_SOURCE_BYTES: Final = 2_048
MAX_DEPTH: Final = 50
MAX_INT: Final = 2**63
MAX_TEXT: Final = 65_536
MAX_LIST: Final = 100_000
MAX_VISITS: Final = 10_000
VALUES_PER_VISIT: Final = 100
MAX_VALUES: Final = MAX_VISITS * VALUES_PER_VISIT
VALUES_PER_CONTAINER: Final = 4
CHARACTERS_PER_VALUE: Final = 20
MAX_SIZE: Final = 2_000_000
_MOST_NAMES: Final = 50
_SHORT: Final = 16
_SMALL: Final = frozenset((type(None), bool, int, float))
_TEXTS: Final = frozenset((str,))
_UNKNOWN: Final = frozenset((object,))


class ExpressionError(Exception):
    """A template, expression, condition or transform is wrong, or has met data it cannot work with.

    Attributes:
        message: what is wrong, with the value or its kind.
        cure: what to write instead; empty when the message says it.
        option: of a transform that cannot be compiled: the option that is wrong; empty when it is none of them.
    """

    option: str = ""

    def __init__(self, message: str, cure: str = "") -> None:
        """Keep message and cure; `str(error)` is the message alone."""
        super().__init__(message)
        self.message = message
        self._cure = cure

    @property
    def cure(self) -> str:
        """What to write instead."""
        return self._cure

    def at(self, place: str) -> Self:
        """The same error, saying where it happened."""
        self.message = f"{place}: {self.message}"
        self.args = (self.message,)
        return self


class TypeMismatch(ExpressionError):
    """Two values cannot be put in order; see `values.comparable` for which can."""


class MissingPath(ExpressionError):
    """A path leads nowhere in the data at hand; `default`, `coalesce`, `exists` and `not_exists` forgive it."""

    def __init__(self, message: str, cure: str = "", *, key: str = "", known: Collection[str] = ()) -> None:
        """Keep what was looked for, so that a near miss is only searched for when somebody asks for the cure."""
        super().__init__(message, cure)
        self._key = key
        self._known = known

    @property
    def cure(self) -> str:
        """The nearest key there is, else how to do without."""
        names = [name for name in self._known if len(name) <= 64 and name.isprintable()] if self._key else []
        meant = near(self._key, names) if 0 < len(names) <= _MOST_NAMES else ""
        return f"{meant} {self._cure}".strip()


class Meter:
    """Counts what an evaluation looks at, so that a few characters of source cannot ask for hours of work.

    A node is a visit; so are VALUES_PER_VISIT values that an operator or function walks over. A list or object inside
    another counts VALUES_PER_CONTAINER more, a text one more for every CHARACTERS_PER_VALUE characters.
    """

    __slots__ = ("_left", "_most", "_what")

    def __init__(self, most: int = MAX_VALUES, *, nodes: int = 0, what: str = "this looks at") -> None:
        """Start with everything left but what so many nodes take; `what` begins the message when it is used up."""
        self._left = most - nodes * VALUES_PER_VISIT
        self._most = most
        self._what = what

    def spend(self, values: int) -> None:
        """Count so many values.

        Raises:
            ExpressionError: that is too much.
        """
        self._left -= values
        if self._left < 0:
            raise ExpressionError(
                f"{self._what} more than {self._most:,} values", "Work on less data, or split it over several steps."
            )

    def spend_text(self, characters: int) -> None:
        """Count a text of so many characters."""
        self.spend(characters // CHARACTERS_PER_VALUE)

    def look(self, value: Json) -> None:
        """Count everything inside a value, wherever it is repeated.

        Raises:
            ExpressionError: that is too much.
        """
        waiting: list[Json] = [value]
        while waiting:
            one = waiting.pop()
            kind = type(one)
            if kind is str:
                self.spend_text(len(cast("str", one)))
            elif kind is list or kind is dict:
                entries = cast("dict[str, Json]", one).values() if kind is dict else cast("list[Json]", one)
                self.spend(VALUES_PER_CONTAINER + len(entries))
                # a long list often holds only numbers or only texts: there is no need to go through it
                kinds = set(map(type, entries)) if len(entries) >= _SHORT else _UNKNOWN
                if kinds == _TEXTS:
                    self.spend_text(sum(map(len, cast("Collection[str]", entries))))
                elif not kinds <= _SMALL:
                    waiting.extend(entries)


def size() -> Meter:
    """A meter for what a template or transform puts together, which may repeat large data many times."""
    return Meter(MAX_SIZE, what="the result holds")


def too_deep() -> ExpressionError:
    """The error for an expression whose parts are nested more than MAX_DEPTH deep."""
    return ExpressionError(f"it is nested more than {MAX_DEPTH} deep", "Split it over several steps.")


def too_long() -> Never:
    """Refuse a text that would be longer than MAX_TEXT.

    Raises:
        ExpressionError: always.
    """
    raise ExpressionError(
        f"the text would be longer than {MAX_TEXT:,} characters", "Take a part of it, or pass it on as it is."
    )


def too_many(what: str = "the list") -> Never:
    """Refuse a list that has or would have more than MAX_LIST entries.

    Raises:
        ExpressionError: always.
    """
    raise ExpressionError(f"{what} has more than {MAX_LIST:,} entries", "Work on a part of it.")
