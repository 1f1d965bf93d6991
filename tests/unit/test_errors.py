"""Errors: one tree, drawn and true; stable codes; an exit code and a status for each."""

from __future__ import annotations

import copy
import pickle
import re
from collections import Counter
from typing import get_args

import pytest

from trackrecord import errors
from trackrecord.errors import (
    BadAgent,
    BadInput,
    Problem,
    Refused,
    RequestError,
    RunError,
    StoreError,
    TerminalStatus,
    ToolFailed,
    TrackrecordError,
)

CLASSES = [
    item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)
]  # fmt: skip
RUN_ERRORS = [cls for cls in CLASSES if issubclass(cls, RunError)]

# what `error_code` may say of each terminal state, as design and documentation have it
CODES: dict[TerminalStatus, set[str]] = {
    "failed": {
        "model_failed", "provider_unavailable", "provider_bad_response", "tool_failed", "tool_oom", "step_failed",
        "invalid_output", "loop_detected", "max_iterations", "limit_reached", "non_deterministic", "internal",
    },
    "budget_exceeded": {"token_limit", "cost_limit", "credits"},
    "timed_out": {"run_timeout"},
    "cancelled": {"user", "signal"},
    "interrupted_unknown_outcome": {"unknown_outcome"},
}  # fmt: skip


def drawn_tree() -> list[tuple[str, str]]:
    """(parent, class) of every line of the tree in the module's docstring, in its order; the root has no parent."""
    branches: list[tuple[str, str]] = []
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.fullmatch(r"    ((?:[│├└─ ] {0,2}[─ ]*)*)([A-Z]\w+) {2,}\S.*", line)
        if found:
            depth = len(found[1]) // 3
            del above[depth:]
            branches.append((above[-1] if above else "", found[2]))
            above.append(found[2])
    return branches


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    """Every class stands in the picture, under its parent and in the order of the code, and nothing else does."""
    expected = [("" if cls is TrackrecordError else cls.__base__.__name__, cls.__name__) for cls in CLASSES]  # type: ignore[union-attr]
    assert expected == drawn_tree()


def test_the_picture_is_drawn_well() -> None:
    """Each line of the tree is read, and the last child of each parent ends its branch."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if re.search(r"[│├└]", line)]
    assert len(CLASSES) - 1 == len(lines)
    parents = [parent for parent, _ in drawn_tree()]
    for place, line in enumerate(lines, 1):
        is_last = parents[place] not in parents[place + 1 :]
        assert ("└─ " if is_last else "├─ ") in line, line


def test_every_code_belongs_to_one_class() -> None:
    """Whoever matches on a code knows which error it was; only a bare RunError shares its code, with InternalError."""
    counts = Counter(cls.code for cls in CLASSES if cls is not RunError)
    assert set() == {code for code, count in counts.items() if count > 1}
    assert "internal" == RunError.code
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", cls.code) for cls in CLASSES)


@pytest.mark.parametrize("cls", RUN_ERRORS, ids=lambda cls: cls.__name__)
def test_the_code_of_a_run_error_is_an_error_code_of_its_state(cls: type[RunError]) -> None:
    """What a run error says by itself is what its record may say."""
    assert cls.status in get_args(TerminalStatus)
    assert cls.code in CODES[cls.status]


def test_what_ends_a_run_for_good_cannot_be_tolerated() -> None:
    """Run timeout, token, cost and credit limits, cancel and non-determinism, and our own faults, and nothing else."""
    final = {cls.__name__ for cls in RUN_ERRORS if not cls.is_tolerable}
    assert {"BudgetExceeded", "TimedOut", "Cancelled", "OutcomeUnknown", "NonDeterministic", "InternalError"} == final


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_has_its_exit_code_and_status(cls: type[TrackrecordError]) -> None:
    """2 means that nothing ran and asking again as it is will not help; 1 that something ran or was held up."""
    never_ran = issubclass(cls, RequestError | Refused) or cls.__name__ in {
        "StoreUnusable",
        "SchemaTooNew",
        "PluginError",
    }
    assert (3 if cls.__name__ == "StillWaiting" else 2 if never_ran else 1) == cls.exit_code
    is_callers = issubclass(cls, RequestError | Refused) or cls.__name__ in {"Conflict", "StillWaiting"}
    assert is_callers is (400 <= cls.http_status < 500)
    assert 503 == cls.http_status or not issubclass(cls, StoreError) or cls.__name__ == "Conflict"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_is_its_message_and_carries_its_cure(cls: type[TrackrecordError]) -> None:
    """`str` is what happened; what to do about it stands apart and survives a copy or a journey to another process."""
    error = cls("it broke", cure="Mend it.")
    for same in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert ("it broke", "it broke", "Mend it.", cls.code) == (str(same), same.message, same.cure, same.code)
    assert "" == cls("it broke").cure


def test_a_run_error_takes_code_and_place_from_its_cause() -> None:
    """One class stands for several causes; the class keeps its own code."""
    error = ToolFailed("no memory", code="tool_oom", path="turn:1/call:1/tool", is_unknown=True)
    assert ("tool_oom", "turn:1/call:1/tool", True) == (error.code, error.path, error.is_unknown)
    assert ("tool_failed", "", False) == (ToolFailed.code, ToolFailed("x").path, ToolFailed("x").is_unknown)
    assert "tool_oom" == copy.copy(error).code


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem(path="", message="is empty"), "is empty"),
        (Problem(path="limits", message="is 3", cure="Write a mapping."), "limits: is 3 Write a mapping."),
        (Problem(path="a[2].b", message="is bad", line=7), "line 7: a[2].b: is bad"),
        (Problem(path="", message="is bad", cure="Mend it.", line=1), "line 1: is bad Mend it."),
        (Problem(path="a\nb", message="is \r\n", cure="Mend\nit."), "a\\nb: is \\r\\n Mend\\nit."),
    ],
)
def test_a_problem_is_one_line(problem: Problem, line: str) -> None:
    """Line, place, what is wrong, what to write; what is not known is left out."""
    assert line == str(problem)


def test_a_bad_agent_shows_all_its_problems() -> None:
    """One reading mends the file, also when the error is only printed by Python."""
    problems = [Problem(path="a", message="is bad"), Problem(path="b", message="is worse")]
    error = BadAgent("agent.yaml: 2 problems", problems=problems)
    assert tuple(problems) == error.problems
    assert ["a: is bad", "b: is worse"] == error.__notes__


def test_catching_the_family_catches_its_members() -> None:
    """A caller may catch one error, its family, or everything on purpose."""
    for family in (BadInput, RequestError, TrackrecordError, Exception):
        with pytest.raises(family):
            raise BadInput("x")
