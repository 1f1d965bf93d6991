"""How many items a tool call returned: the one rule behind `items returned` in every record.

Never guesses from sizes or text, never looks deeper than one level. Used by the context when it records a tool call.
"""

from __future__ import annotations

from typing import Final, cast

LIST_NAMES: Final = ("emails", "contacts", "events", "items", "results", "data", "rows")


def count_items(data: object) -> int | None:
    """How many items the canonical data of a result holds; None when there is no data at all.

    A list counts its members (an empty one 0); a mapping counts its first list among `LIST_NAMES`, in that order of
    names; anything else is one item, an empty text or mapping included.
    """
    if data is None:
        return None
    if isinstance(data, list):
        return len(cast(list[object], data))
    if isinstance(data, dict):
        named = cast(dict[object, object], data)
        for name in LIST_NAMES:
            value = named.get(name)
            if isinstance(value, list):
                return len(cast(list[object], value))
    return 1
