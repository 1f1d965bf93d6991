"""The work every contestant does, in numbers: ten turns with one tool call each, then the answer.

Imported by workers in environments that hold a peer and nothing else: standard library only.
"""

from __future__ import annotations

from typing import Final

TOOL_CALLS: Final = 10
MODEL_REPLIES: Final = TOOL_CALLS + 1
INPUT_TOKENS: Final = 100
OUTPUT_TOKENS: Final = 10

MODEL: Final = "gpt-5-mini"  # over HTTP; a model with a price, which ours looks up
TOOL_NAME: Final = "look_up"
TOOL_TEXT: Final = "Look up the price of an item."
SYSTEM: Final = "You look up prices."
PROMPT: Final = "Look up the ten items and add up their prices."
STEP_NAME: Final = "add_one"
STEP_TEXT: Final = "Add one to a number."
ANSWER: Final = "The ten items cost 55 in all."


class Counter:
    """Counts what was really done, so that a figure of a contestant that skipped work is never printed."""

    __slots__ = ("replies", "steps", "tools")

    def __init__(self) -> None:
        self.replies = 0
        self.tools = 0
        self.steps = 0

    def as_dict(self) -> dict[str, int]:
        """The counts as they go over the wire."""
        return {"replies": self.replies, "tools": self.tools, "steps": self.steps}


def price(item: int) -> dict[str, int]:
    """What the tool gives; trivial, so that only the machinery around it is timed."""
    return {"item": item, "price": item}


def add_one(value: int) -> int:
    """What a step of a chain does, in a step of its own or as a tool."""
    return value + 1
