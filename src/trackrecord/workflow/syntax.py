"""From the text of an expression to its tree: Python's own grammar, with the few liberties that data needs.

Keys may be words of Python (`item.from`), line breaks are spaces, and a backslash stays unless it begins one of the
KEPT_ESCAPES, so that a pattern can be written as it is. What would mean something else than it seems — comments,
triple quotes, f-strings — is refused. Never evaluates.
"""

from __future__ import annotations

import ast
import keyword
import re
from typing import Final

from trackrecord.workflow.bounds import MAX_SOURCE_BYTES, ExpressionError, too_deep

_KEYWORDS: Final = "|".join(keyword.kwlist)
_PIECE: Final = re.compile(
    rf"""
      (?<!\w)\w*(?P<triple>'''|\"\"\")
    | (?<!\w)(?P<prefix>\w*)(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    | (?<=[\w)\]}}])\s*\.\s*(?P<key>{_KEYWORDS})\b
    | (?P<number>(?<![\w.])\.?\d(?:[eE][+-]|[\w.])*)
    | (?P<comment>\#)
    | (?P<space>\s+)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER: Final = re.compile(r"(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?", re.ASCII)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
KEPT_ESCAPES: Final = "\\'\"ntrxu"
_BRACKET: Final = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[\[({]|}}|[\])}]""", re.DOTALL)
_HINTS: Final = {
    "&&": "Write `and`.",
    "||": "Write `or`.",
    "===": "Write `==`.",
    "!==": "Write `!=`.",
    "!": "Write `not`.",
    "=>": "Write `>=`.",
    "?": "Write `a if condition else b`.",
    "{{": "Take the braces inside away.",
    "=": "Write `==` to compare.",
}


def parse(source: str) -> ast.expr:
    """The tree of an expression.

    Raises:
        ExpressionError: it is empty, too long or cannot be read.
    """
    text = source.strip()
    if not text:
        raise ExpressionError("the expression is empty", "Write what it should give, like {{ inputs.name }}.")
    if len(text) > MAX_SOURCE_BYTES or len(text.encode(errors="replace")) > MAX_SOURCE_BYTES:
        raise ExpressionError(
            f"the expression is longer than {MAX_SOURCE_BYTES:,} bytes", "Split it, or compute a part in a step before."
        )
    try:
        return ast.parse(_PIECE.sub(_pythonic, text), mode="eval").body
    except (SyntaxError, ValueError) as error:
        said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
        cure = next((cure for sign, cure in _HINTS.items() if sign in text), "")
        raise ExpressionError(f"cannot be read: {said}", cure) from None
    except (RecursionError, MemoryError):
        raise too_deep() from None


def _pythonic(found: re.Match[str]) -> str:
    if found["space"] is not None:
        return " "
    if found["key"] is not None:
        return f"[{found['key']!r}]"
    if found["text"] is not None:
        return _literal(found["prefix"], found["text"])
    if found["triple"] is not None:
        raise ExpressionError("triple quotes are not part of the expression language", "Write the text in one pair.")
    if found["comment"] is not None:
        raise ExpressionError("comments are not part of the expression language", "Remove the # and what follows.")
    if _NUMBER.fullmatch(found["number"]) is None:
        raise ExpressionError(f"{found['number']!r} is no number", "Write digits, like 12, 0.5 or 1e6.")
    return found[0]


def _literal(prefix: str, text: str) -> str:
    if prefix.lower() == "r":
        return f"{prefix}{text}"
    if prefix:
        raise ExpressionError(
            f"{prefix}{text[0]}…{text[0]} is not part of the expression language", "Write plain quotes; join with +."
        )
    return _ESCAPE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0] if found[1] in KEPT_ESCAPES else f"\\{found[0]}"


def closing(text: str, start: int) -> int:
    """Where the `}}` stands that ends an expression begun at `start`, braces and quotes inside it passed over.

    Raises:
        ExpressionError: there is none.
    """
    depth, position = 0, start
    while (found := _BRACKET.search(text, position)) is not None:
        position, sign = found.end(), found[0]
        if sign == "}}" and depth == 0:
            return found.start()
        if sign == "}}":
            position -= 1
        depth = depth + 1 if sign in "[({" else max(0, depth - 1) if sign[0] in "])}" else depth
    end = text.find("}}", start)  # a stray quote or bracket; the text up to here says more about it than "never closed"
    if end < 0:
        begun = text[start : start + 40].strip()
        raise ExpressionError(f"the {{{{ in front of {begun!r} is never closed", "Close it with }}.")
    return end
