"""The plugin `text`: count, find, replace, split, extract, cut, tidy and compare text, without a model.

Patterns run on a linear-time engine; each call has a bound on its text, its matches and its items, and says so when
one is reached instead of cutting in silence.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import islice
from typing import Annotated, Any, Final, Literal, TypeVar, cast

from trackrecord.canonical import Json
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.plugins.threads import THREADS

T = TypeVar("T")

re2: Final[Any] = import_module("re2")  # google-re2 has no types: imported plainly, every line that uses it is unknown

MAX_TEXT: Final = 1_000_000
MAX_MATCHES: Final = 10_000
MAX_COMPARED: Final = 100_000
_INLINE_CHARACTERS: Final = 8192

Text = Annotated[str, {"maxLength": MAX_TEXT}]
Compared = Annotated[str, {"maxLength": MAX_COMPARED}]
Pattern = Annotated[str, {"minLength": 1, "maxLength": 1000}, "regular expression, RE2 syntax"]
Limit = Annotated[int, {"minimum": 1, "maximum": MAX_MATCHES}, "most items to return"]

_built = FunctionPlugin("text", description="Count, search, change and compare text.")


def plugin(options: Mapping[str, Json]) -> FunctionPlugin:
    """The plugin; it has no options."""
    del options
    return _built


@_built.action(effect="read")
async def count(text: Text) -> dict[str, Json]:
    """Count the words, lines and characters of a text."""
    return {"words": len(text.split()), "lines": len(text.splitlines()), "characters": len(text)}


@_built.action(effect="read")
async def find(text: Text, pattern: Pattern, is_case_ignored: bool = False, limit: Limit = 1000) -> dict[str, Json]:
    """Find where a pattern matches: each match with its place, counted in characters from 0."""
    compiled = _compiled(pattern, is_case_ignored)

    def work() -> dict[str, Json]:
        found = _first(compiled, text, limit + 1)
        items: list[Json] = [{"text": match.group(), "start": match.start(), "end": match.end()} for match in found]
        return {"items": items[:limit], "is_complete": len(items) <= limit}

    return await _beside(text, work)


@_built.action(effect="read")
async def extract(text: Text, pattern: Pattern, is_case_ignored: bool = False, limit: Limit = 1000) -> dict[str, Json]:
    """Take out what a pattern's groups matched: by name if the groups have names, else in a list.

    A pattern without groups gives the whole match; a group that took no part is null.
    """
    compiled = _compiled(pattern, is_case_ignored)

    def work() -> dict[str, Json]:
        items = [_taken(compiled, match) for match in _first(compiled, text, limit + 1)]
        return {"items": items[:limit], "is_complete": len(items) <= limit}

    return await _beside(text, work)


@_built.action(effect="read")
async def replace(
    text: Text,
    pattern: Annotated[str, {"minLength": 1, "maxLength": 1000}, "what to look for"],
    replacement: Annotated[str, {"maxLength": 10_000}, "plain text; \\1 is the first group when is_regex"],
    is_regex: Annotated[bool, "whether the pattern is a regular expression, RE2 syntax"] = False,
    is_case_ignored: Annotated[bool, "regular expressions only"] = False,
) -> dict[str, Json]:
    """Replace every occurrence of a text or pattern."""
    if not is_regex:
        replaced = text.count(pattern)
        _check_growth(len(text) + replaced * (len(replacement) - len(pattern)))
        return {"text": text.replace(pattern, replacement), "replaced_count": replaced}
    compiled = _compiled(pattern, is_case_ignored)
    return await _beside(text, lambda: _replaced(compiled, replacement, text))


@_built.action(effect="read")
async def split(
    text: Text,
    separator: Annotated[str, {"maxLength": 1000}, "where to split; empty splits at white space"] = "",
    is_regex: Annotated[bool, "whether the separator is a regular expression, RE2 syntax"] = False,
    are_empty_kept: Annotated[bool, "whether empty pieces count"] = False,
) -> dict[str, Json]:
    """Split a text into pieces without white space around them."""
    pieces = await _beside(text, lambda: _pieces(text, separator, is_regex))
    trimmed = [piece.strip() for piece in pieces]
    return {"items": [piece for piece in trimmed if piece or are_empty_kept]}


@_built.action(effect="read")
async def truncate(
    text: Text,
    max_characters: Annotated[int, {"minimum": 1, "maximum": MAX_TEXT}, "longest result, the ending included"],
    ending: Annotated[str, {"maxLength": 100}, "what a cut text ends with"] = "…",
) -> dict[str, Json]:
    """Cut a text to a length, at a word's end when there is one near."""
    if len(text) <= max_characters:
        return {"text": text, "is_cut": False}
    room = max(0, max_characters - len(ending))
    kept = text[:room]
    if not text[room : room + 1].isspace():
        at_word = max(kept.rfind(" "), kept.rfind("\n"))
        kept = kept[:at_word] if at_word >= room * 2 // 3 and at_word > 0 else kept
    return {"text": (kept.rstrip() + ending)[:max_characters], "is_cut": True}


@_built.action(effect="read")
async def normalise(
    text: Text,
    form: Literal["NFC", "NFKC"] = "NFC",
    case: Literal["keep", "lower", "fold"] = "keep",
    are_accents_removed: bool = False,
    are_spaces_collapsed: Annotated[bool, "runs of white space become one space, none at the ends"] = True,
) -> dict[str, Json]:
    """Bring a text into one form, so that equal texts compare equal."""
    if are_accents_removed:
        decomposed = unicodedata.normalize("NFKD" if form == "NFKC" else "NFD", text)
        text = "".join(character for character in decomposed if not unicodedata.combining(character))
    text = unicodedata.normalize(form, text)
    text = text.lower() if case == "lower" else text.casefold() if case == "fold" else text
    return {"text": " ".join(text.split()) if are_spaces_collapsed else text}


@_built.action(effect="read")
async def compare(left: Compared, right: Compared, is_case_ignored: bool = True) -> dict[str, Json]:
    """Compare two texts: whether they are equal, and how alike from 0 to 1 (Dice coefficient of letter pairs)."""
    if is_case_ignored:
        left, right = left.casefold(), right.casefold()
    return {"is_equal": left == right, "similarity": _similarity(left, right)}


async def _beside(text: str, work: Callable[[], T]) -> T:
    """The work's result; a long text is searched in a thread, where the engine lets others run meanwhile."""
    if len(text) <= _INLINE_CHARACTERS:
        return work()
    return cast(T, await THREADS.run(work))


def _compiled(pattern: str, is_case_ignored: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not is_case_ignored
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason: object = error.args[0] if error.args else "unknown"
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ToolCallFailed(f"pattern {pattern[:200]!r} is not RE2: {words}", was_sent=False) from None


def _first(compiled: Any, text: str, most: int) -> Iterator[Any]:
    return islice(compiled.finditer(text), most)


def _taken(compiled: Any, match: Any) -> Json:
    if compiled.groupindex:
        return match.groupdict()
    return list(match.groups()) if compiled.groups else match.group()


def _replaced(compiled: Any, replacement: str, text: str) -> dict[str, Json]:
    pieces: list[str] = []
    end = length = replaced = 0
    for match in _bounded(compiled, text):
        try:
            piece = text[end : match.start()] + match.expand(replacement)
        except (IndexError, KeyError, re2.error) as error:
            raise ToolCallFailed(f"replacement {replacement[:200]!r}: {error}", was_sent=False) from None
        pieces.append(piece)
        end, length, replaced = match.end(), length + len(piece), replaced + 1
        _check_growth(length)
    return {"text": "".join(pieces) + text[end:], "replaced_count": replaced}


def _pieces(text: str, separator: str, is_regex: bool) -> list[str]:
    if not separator:
        return text.split()
    if not is_regex:
        return text.split(separator)
    pieces: list[str] = []
    end = 0
    for match in _bounded(_compiled(separator, False), text):
        pieces.append(text[end : match.start()])
        end = match.end()
    return [*pieces, text[end:]]


def _bounded(compiled: Any, text: str) -> Iterator[Any]:
    for place, match in enumerate(compiled.finditer(text)):
        if place == MAX_MATCHES:
            raise ToolCallFailed(f"the pattern matches more than {MAX_MATCHES} times; split the text", was_sent=False)
        yield match


def _check_growth(length: int) -> None:
    if length > 4 * MAX_TEXT:
        raise ToolCallFailed(f"the result would be longer than {4 * MAX_TEXT} characters", was_sent=False)


def _similarity(left: str, right: str) -> float:
    if left == right:
        return 1.0
    ours, theirs = _pairs(left), _pairs(right)
    total = ours.total() + theirs.total()
    return round(2 * (ours & theirs).total() / total, 4) if total else 0.0


def _pairs(text: str) -> Counter[str]:
    return Counter(text[place : place + 2] for place in range(len(text) - 1))
