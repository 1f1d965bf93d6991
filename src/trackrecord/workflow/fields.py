"""How a mapping of a definition is read: a table of fields in, well-typed values and every problem out.

A table of our own and no pydantic, because a typo must be answered with the field's path and the nearest name, all
problems at once, and because loading an agent must not cost 200 ms of imports. Never raises on content.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from trackrecord.canonical import Json
from trackrecord.errors import Problem

Kind = Literal["text", "line", "word", "integer", "number", "flag", "mapping", "list", "texts", "any"]

WORD: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_KIND_TITLES: Final[Mapping[Kind, str]] = {
    "text": "text",
    "line": "one line of text",
    "word": "a name",
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "mapping": "a mapping",
    "list": "a list",
    "texts": "a list of texts",
    "any": "a value",
}
_MOST_LISTED: Final = 14
MOST_PROBLEMS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What one field of a mapping may hold.

    Attributes:
        kind: its type.
        default: what leaving it out, or writing null, means.
        is_required: whether leaving it out is a problem.
        least, most: bounds of a number, of a text's characters or of a list's length; None means none.
        choices: the only texts allowed; empty means any.
    """

    kind: Kind
    default: Json = None
    is_required: bool = False
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


Table = Mapping[str, Field]


@dataclass(slots=True)
class Problems:
    """Collects what is wrong, in the order it is found; stops listening at MOST_PROBLEMS."""

    found: list[Problem] = field(default_factory=list[Problem])

    @property
    def is_full(self) -> bool:
        """Whether there is so much wrong that more would help nobody."""
        return len(self.found) >= MOST_PROBLEMS

    def add(self, path: str, message: str, cure: str = "") -> None:
        """Keep one problem; the message becomes a sentence, so that the cure can follow it."""
        if self.is_full:
            return
        sentence = message if message.endswith((".", "!", "?")) else f"{message}."
        self.found.append(Problem(path=path, message=sentence, cure=cure))


def counted(count: int) -> str:
    """How many problems there are, in words."""
    shown = f"at least {MOST_PROBLEMS}" if count >= MOST_PROBLEMS else str(count)
    return f"{shown} problem{'' if count == 1 else 's'}"


def join(path: str, part: str | int) -> str:
    """The path one level further in: `steps` and 2 give `steps[2]`, `a` and `b` give `a.b`."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if path else part


def near(word: str, known: Iterable[str]) -> str:
    """A sentence that helps with a misspelt name: the nearest known one, else all of them when they are few."""
    names = list(known)
    match = nearest(word, names)
    if match is not None:
        return f"Did you mean {match!r}?"
    if not names:
        return ""
    if len(names) > _MOST_LISTED:
        return f"Known are {', '.join(names[:_MOST_LISTED])} and {len(names) - _MOST_LISTED} more."
    return f"Known: {', '.join(names)}."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant; None when nothing is close."""
    import difflib  # 15 ms of start-up that only a misspelt definition has to pay

    plain = {_plain(name): name for name in known}
    match = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=0.7)
    return plain[match[0]] if match else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def describe(value: Json) -> str:
    """A value in words, short enough for one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value!r}"
    if isinstance(value, str):
        return f"the text {value if len(value) <= 60 else value[:60] + '…'!r}"
    return "a list" if isinstance(value, list) else "a mapping"


def read(
    value: Mapping[str, Json],
    table: Table,
    *,
    path: str,
    what: str,
    problems: Problems,
    elsewhere: Mapping[str, str] | None = None,
) -> dict[str, Json]:
    """Every field of the table with a well-typed value: the one given, else its default.

    Args:
        value: the mapping as written.
        table: what it may hold.
        path: where the mapping is.
        what: what it is, as in "an action step".
        problems: takes what is wrong.
        elsewhere: names that belong to another place, with the sentence that says where.
    """
    for name in value:
        if name not in table and not problems.is_full:  # finding near names is dear
            cure = (elsewhere or {}).get(name) or near(name, table)
            problems.add(join(path, name), f"{what} has no field {name!r}", cure)
    return {name: _one(value.get(name), spec, name, path, what, problems) for name, spec in table.items()}


def _one(value: Json, spec: Field, name: str, path: str, what: str, problems: Problems) -> Json:
    if value is None:
        if spec.is_required:
            problems.add(path, f"{name!r} is missing; {what} needs it")
        return spec.default
    at = join(path, name)
    complaint = mismatch(value, spec)
    if complaint is not None:
        problems.add(at, *complaint)
        return spec.default
    return value


def mismatch(value: Json, spec: Field) -> tuple[str, str] | None:
    """What is wrong with a value and the cure; None when it fits."""
    if not _is_kind(value, spec.kind):
        return f"must be {_KIND_TITLES[spec.kind]}, not {describe(value)}", _retype(value, spec)
    if spec.choices and value not in spec.choices:
        return f"{value!r} is not possible here", near(str(value), spec.choices)
    return _out_of_bounds(value, spec) or _bad_text(value, spec)


def _is_kind(value: Json, kind: Kind) -> bool:
    match kind:
        case "text" | "line" | "word":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "flag":
            return isinstance(value, bool)
        case "mapping":
            return isinstance(value, dict)
        case "list":
            return isinstance(value, list)
        case "texts":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "any":
            return True


def _retype(value: Json, spec: Field) -> str:
    if spec.kind in ("text", "line", "word") and isinstance(value, bool | int | float):
        return f"Put it in quotes: '{str(value).lower() if isinstance(value, bool) else value}'."
    if spec.kind == "text" and isinstance(value, dict) and not value:
        return ""
    if spec.kind in ("list", "texts") and isinstance(value, str):
        return f"Write [{value if len(value) <= 40 else '…'}]."
    if spec.kind == "flag" and isinstance(value, str) and value.lower() in ("yes", "on", "y"):
        return "Write true."
    if spec.kind == "flag" and isinstance(value, str) and value.lower() in ("no", "off", "n"):
        return "Write false."
    if spec.kind in ("integer", "number") and isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal():
        return f"Write {value.strip()} without quotes."
    return ""


def _out_of_bounds(value: Json, spec: Field) -> tuple[str, str] | None:
    size: float
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        size, unit, shown = value, "", f"{value!r}"
    elif isinstance(value, str):
        size, unit, shown = len(value), " characters", f"{len(value)} characters"
    else:
        size, unit, shown = len(value), " entries", f"{len(value)} entries"
    if spec.least is not None and size < spec.least:
        if unit and size == 0:
            return "must not be empty", ""
        return f"{shown} is too little; the least is {spec.least:,}{unit}", ""
    if spec.most is not None and size > spec.most:
        return f"{shown} is too much; the most is {spec.most:,}{unit}", ""
    return None


def _bad_text(value: Json, spec: Field) -> tuple[str, str] | None:
    if spec.kind == "line" and isinstance(value, str):
        if not value.strip():
            return "must not be blank", ""
        odd = next((letter for letter in value if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")), None)
        if odd is not None:
            return f"holds the control character U+{ord(odd):04X}", "Keep it to one line of plain text."
    return bad_word(value) if spec.kind == "word" and isinstance(value, str) else None


def bad_word(word: str) -> tuple[str, str] | None:
    """Why a text cannot be a name in expressions, and the cure; None when it can."""
    if keyword.iskeyword(word):
        return f"{word!r} is a word of the expression language", f"Write {word + '_'!r}."
    if WORD.fullmatch(word) is None:
        return f"{word!r} is not a usable name", f"Write {as_word(word)!r}: a-z, 0-9 and _, at most 64."
    return None


def as_word(text: str) -> str:
    """The nearest usable name: lower case, `_` for everything else, never starting with a digit, 64 characters."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()
    word = re.sub(r"[^a-z0-9_]+", "_", snake).strip("_") or "step"
    return (f"_{word}" if word[0].isdigit() else word)[:64]


def without_defaults(value: Mapping[str, Json], table: Table) -> dict[str, Json]:
    """The mapping without what only repeats a default, numbers in one spelling: what a version hash is made of."""
    kept: dict[str, Json] = {}
    for name, item in value.items():
        spec = table.get(name)
        if item is None:
            continue
        if spec is None:
            kept[name] = item
            continue
        if spec.kind == "number" and isinstance(item, int) and not isinstance(item, bool):
            item = float(item)
        if not same(item, spec.default):
            kept[name] = item
    return kept


def same(one: Json, other: Json) -> bool:
    """Equality that keeps true and 1 apart."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def texts(value: Json) -> tuple[str, ...]:
    """The texts of a checked list of texts."""
    return tuple(str(item) for item in value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
