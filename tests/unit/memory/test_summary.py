"""Summary: what a run leaves for the next ones, by rule."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.errors import TerminalStatus
from trackrecord.memory.summary import MAX_CHARACTERS, RunFacts, importance, summarise

STATUSES: tuple[TerminalStatus, ...] = (
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "budget_exceeded",
    "abandoned",
    "interrupted_unknown_outcome",
)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            RunFacts(status="completed", turns=3, tool_calls={"mail.send": 1, "mail.find": 2}, tokens=420, answer="ok"),
            "Completed. 3 turns, tools mail.find x2, mail.send x1, 420 tokens. Answer: ok",
        ),
        (RunFacts(status="completed", turns=1), "Completed. 1 turn, no tools, tokens unknown."),
        (
            RunFacts(
                status="failed",
                error_code="loop_detected",
                error_message="the same call\ngave the same result.",
                turns=4,
                tool_calls={"http.get": 3},
                failed_tool_calls=1,
                tolerated_steps=2,
                tokens=1,
            ),
            "Failed (loop_detected): the same call gave the same result. 4 turns, tools http.get x3, 1 token. "
            "1 tool call failed, 2 failed steps tolerated.",
        ),
    ],
)
def test_a_run_is_told_in_one_line(facts: RunFacts, expected: str) -> None:
    """Ending, work, trouble and answer, in this order, each only when there is something to say."""
    assert expected == summarise(facts).text


def test_many_tools_are_named_by_use_and_the_rest_counted() -> None:
    """The four most used actions are named, ties by name, the others counted."""
    facts = RunFacts(status="completed", tool_calls={"a.f": 1, "a.b": 1, "a.c": 2, "a.d": 1, "a.e": 1, "a.a": 1})
    assert "tools a.c x2, a.a x1, a.b x1, a.d x1 and 2 more" in summarise(facts).text


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (RunFacts(status="completed"), 4),
        (RunFacts(status="completed", failed_tool_calls=1), 5),
        (RunFacts(status="completed", tolerated_steps=1), 5),
        (RunFacts(status="failed"), 7),
        (RunFacts(status="completed", has_pattern=True), 6),
        (RunFacts(status="completed", has_feedback=True), 7),
        (RunFacts(status="completed", is_first_run=True), 6),
        (RunFacts(status="timed_out", is_first_run=True), 9),
        (RunFacts(status="failed", has_pattern=True, has_feedback=True, is_first_run=True), 10),
    ],
)
def test_importance_follows_the_rule(facts: RunFacts, expected: int) -> None:
    """5, +2 error, +2 pattern, +3 feedback, +2 first run, -1 clean success, at most 10."""
    assert expected == importance(facts)
    assert expected == summarise(facts).importance


def test_importance_stays_on_its_scale_in_every_case() -> None:
    """No combination of facts leaves 1-10."""
    for status, *flags, failed in itertools.product(STATUSES, *[[False, True]] * 3, [0, 1]):
        facts = RunFacts(
            status=status, is_first_run=flags[0], has_pattern=flags[1], has_feedback=flags[2], failed_tool_calls=failed
        )
        assert 1 <= importance(facts) <= 10


@given(
    st.builds(
        RunFacts,
        status=st.sampled_from(STATUSES),
        error_code=st.none() | st.sampled_from(["model_failed", "cost_limit"]),
        error_message=st.none() | st.text(max_size=2000),
        turns=st.integers(0, 2**53),
        tool_calls=st.dictionaries(st.text(max_size=100), st.integers(1, 2**53), max_size=12),
        failed_tool_calls=st.integers(0, 2**53),
        tolerated_steps=st.integers(0, 2**53),
        tokens=st.none() | st.integers(0, 2**53),
        answer=st.none() | st.text(max_size=3000),
    )
)
def test_a_summary_is_short_and_on_one_line(facts: RunFacts) -> None:
    """Whatever a run left, its summary has at most 400 characters and no line break, the same each time."""
    text = summarise(facts).text
    assert 0 < len(text) <= MAX_CHARACTERS
    assert 1 == len(text.splitlines())
    assert text == summarise(facts).text


def test_a_long_answer_is_cut_visibly() -> None:
    """An answer longer than the summary may be ends with an ellipsis."""
    text = summarise(RunFacts(status="completed", answer="word " * 100_000)).text
    assert MAX_CHARACTERS == len(text)
    assert text.endswith("…")
