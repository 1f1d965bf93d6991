"""Remembering: what may be kept, in which form."""

import pytest

from trackrecord.errors import BadInput
from trackrecord.json_schema import compile_schema
from trackrecord.memory.remembering import FUNCTION, IMPORTANCE, KINDS, MOST_CHARACTERS, PARAMETERS, one_line


def test_a_memory_is_one_line() -> None:
    """Text of a run can then open no section of its own where it is recalled."""
    assert "Lives by the sea." == one_line("fact", "  Lives\n\nby\tthe sea. ")
    assert MOST_CHARACTERS == len(one_line("pattern", "x" * MOST_CHARACTERS))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [("summary", "x", "nothing to remember"), ("fact", " \n", "without a text"), ("fact", "x" * 501, "too long")],
)
def test_what_cannot_be_kept_is_refused(kind: str, text: str, said: str) -> None:
    """With what is wrong, and how to do it right."""
    with pytest.raises(BadInput, match=said) as caught:
        one_line(kind, text)
    assert caught.value.cure


def test_the_tool_takes_what_is_kept_and_nothing_else() -> None:
    """Its schema allows the kinds there are, the length there is, and no weight of the model's own choosing."""
    schema = compile_schema(PARAMETERS)
    assert all(schema.accepts({"kind": kind, "text": "x" * MOST_CHARACTERS}) for kind in KINDS)
    for more in ({"importance": 10}, {"text": ""}, {"text": "x" * (MOST_CHARACTERS + 1)}, {"kind": "summary"}):
        assert not schema.accepts({"kind": "fact", "text": "x"} | more)
    assert ("memory__remember", set(KINDS)) == (FUNCTION, set(IMPORTANCE))
