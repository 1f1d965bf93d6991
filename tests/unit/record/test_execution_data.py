"""The nineteen public figures: what is accepted, how it is kept, and how everything else is refused."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from trackrecord.errors import BadInput
from trackrecord.record.execution_data import FIGURES, AgentExecutionData


def make(**changes: Any) -> AgentExecutionData:
    return AgentExecutionData(**({"agent_id": "a", "user_id": "u", "was_successful": True} | changes))


def test_fields_and_order() -> None:
    """The public fields are these nineteen, in this order."""
    expected = (
        "agent_id user_id tokens_used input_tokens output_tokens execution_duration_ms iterations_count "
        "was_successful retry_count plugins_used tool_calls_count tool_orchestration_time_ms workflow_steps "
        "conditional_branches loop_iterations parallel_executions memory_tokens memory_entry_count memory_types"
    ).split()
    assert expected == [field.name for field in fields(AgentExecutionData)]
    assert len(expected) == 19


def test_every_field_is_described() -> None:
    """Each field has its line in the docstring."""
    text = AgentExecutionData.__doc__ or ""
    assert [] == [field.name for field in fields(AgentExecutionData) if f"\n        {field.name}: " not in text]


def test_unknown_by_default() -> None:
    """A figure nobody gave is None, never 0."""
    data = make()
    assert [None] * 14 == [getattr(data, name) for name in FIGURES]


def test_sets_are_sorted_and_distinct() -> None:
    """Plugins and memory types come from any iterable and are kept sorted, each once."""
    data = make(plugins_used=iter(["web", "http", "web"]), memory_types={"summaries", "patterns"})
    assert (("http", "web"), ("patterns", "summaries")) == (data.plugins_used, data.memory_types)


def test_names_are_storable() -> None:
    """A name with NUL is kept visibly escaped, so that no write fails for it."""
    assert ("a\\u0000b",) == make(plugins_used=["a\x00b"]).plugins_used


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "True, which is not a whole number"),
        (1.0, "1.0, which is not a whole number"),
        ("5", "'5', which is not a whole number"),
        (-1, "-1, which is negative"),
        (2**53, "9007199254740992, which is above 2^53 - 1"),
        (10**5000, "a number of 16610 bits, which is above"),
    ],
    ids=["boolean", "float", "text", "negative", "too large", "too long to print"],
)
def test_what_is_no_count_is_refused(name: str, value: object, words: str) -> None:
    """Wrong types, negatives and figures above 2^53 - 1 are refused, naming field, value and cure."""
    with pytest.raises(BadInput) as caught:
        make(**{name: value})
    assert caught.value.message.startswith(f"{name} is {words}")
    assert name in caught.value.cure


@pytest.mark.parametrize("name", FIGURES)
def test_the_edges_of_a_count_are_accepted(name: str) -> None:
    """0 and 2^53 - 1 are counts."""
    assert [0, 2**53 - 1] == [getattr(make(**{name: value}), name) for value in (0, 2**53 - 1)]


@pytest.mark.parametrize("name", ["agent_id", "user_id"])
@pytest.mark.parametrize("value", ["", "  ", None, 7, "a\x00", "\ud800"])
def test_ids_are_text(name: str, value: object) -> None:
    """An id that is empty, no text, or not storable is refused."""
    with pytest.raises(BadInput, match=f"^{name} is .* not an id"):
        make(**{name: value})


@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_success_is_a_boolean(value: object) -> None:
    """was_successful is a boolean and nothing that looks like one."""
    with pytest.raises(BadInput, match="was_successful"):
        make(was_successful=value)


@pytest.mark.parametrize("name", ["plugins_used", "memory_types"])
@pytest.mark.parametrize("value", ["http", b"http", None, 3, [""], ["ok", 3], [None]])
def test_sets_hold_names(name: str, value: object) -> None:
    """A bare text is no list of names, and a name is non-empty text."""
    with pytest.raises(BadInput, match=f"^{name} "):
        make(**{name: value})


def test_tokens_must_add_up() -> None:
    """Input 10 plus output 5 is 15 and nothing else, when all three are known."""
    assert 15 == make(tokens_used=15, input_tokens=10, output_tokens=5).tokens_used
    with pytest.raises(BadInput, match="tokens_used is 14, but input_tokens 10 plus output_tokens 5 is 15"):
        make(tokens_used=14, input_tokens=10, output_tokens=5)


@pytest.mark.parametrize("missing", ["tokens_used", "input_tokens", "output_tokens"])
def test_partly_known_tokens_are_accepted(missing: str) -> None:
    """What is not known cannot contradict the rest."""
    tokens: dict[str, Any] = {"tokens_used": 14, "input_tokens": 10, "output_tokens": 5, missing: None}
    assert getattr(make(**tokens), missing) is None
