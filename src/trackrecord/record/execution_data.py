"""The nineteen public figures of one run, as any engine or outside caller reports them to the intensity metrics.

Owns their names, units and checks; must never compute one. In the walk: made from the record before step 7, or handed
in from outside to `update_agent_intensity_metrics`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

from trackrecord.canonical import clean_text
from trackrecord.errors import BadInput

MAX_FIGURE: Final = 2**53 - 1  # the largest whole number every JSON reader keeps exact

FIGURES: Final = (
    "tokens_used",
    "input_tokens",
    "output_tokens",
    "execution_duration_ms",
    "iterations_count",
    "retry_count",
    "tool_calls_count",
    "tool_orchestration_time_ms",
    "workflow_steps",
    "conditional_branches",
    "loop_iterations",
    "parallel_executions",
    "memory_tokens",
    "memory_entry_count",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentExecutionData:
    """What one run used, the same nineteen fields whichever engine ran it. A figure that is None is unknown, never 0.

    Attributes:
        agent_id: the agent that ran.
        user_id: whose run it was.
        tokens_used: known input plus known output tokens of all model attempts; None when neither is known.
        input_tokens: tokens sent over all model attempts, cache reads and writes included; None when no attempt
            reported them, 0 only when there was no model attempt.
        output_tokens: tokens produced over all model attempts, reasoning included; None and 0 as for input.
        execution_duration_ms: milliseconds from first start to end: monotonic time of the epochs plus the gaps
            between them.
        iterations_count: turns, i.e. successful model replies for work.
        was_successful: whether the answer was given and fits the output schema.
        retry_count: effect attempts and step tries beyond the first.
        plugins_used: distinct plugins really called; given in any order and kept sorted.
        tool_calls_count: tool paths whose first attempt started, failed ones included, rejected ones not.
        tool_orchestration_time_ms: milliseconds with at least one tool call in flight.
        workflow_steps: declared step objects in the whole tree, containers and fallbacks included.
        conditional_branches: declared conditional and switch steps.
        loop_iterations: declared loop steps.
        parallel_executions: declared parallel and map steps.
        memory_tokens: tokens of memory that recall put in front of a model.
        memory_entry_count: entries of memory that recall put in front of a model.
        memory_types: distinct types of that memory; given in any order and kept sorted.

    Raises:
        BadInput: a field has the wrong type, is negative, above 2^53 - 1 or empty, or input and output tokens do not
            add up to `tokens_used`.
    """

    agent_id: str
    user_id: str
    tokens_used: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    execution_duration_ms: int | None = None
    iterations_count: int | None = None
    was_successful: bool
    retry_count: int | None = None
    plugins_used: tuple[str, ...] = ()
    tool_calls_count: int | None = None
    tool_orchestration_time_ms: int | None = None
    workflow_steps: int | None = None
    conditional_branches: int | None = None
    loop_iterations: int | None = None
    parallel_executions: int | None = None
    memory_tokens: int | None = None
    memory_entry_count: int | None = None
    memory_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field and bring the two sets into one order."""
        check_id("agent_id", self.agent_id)
        check_id("user_id", self.user_id)
        if type(self.was_successful) is not bool:
            raise BadInput(
                f"was_successful is {self.was_successful!r}, which is neither true nor false",
                cure="Give was_successful as a boolean.",
            )
        for name in FIGURES:
            check_figure(name, getattr(self, name))
        object.__setattr__(self, "plugins_used", _names("plugins_used", self.plugins_used))
        object.__setattr__(self, "memory_types", _names("memory_types", self.memory_types))
        self._check_sum()

    def _check_sum(self) -> None:
        if self.tokens_used is None or self.input_tokens is None or self.output_tokens is None:
            return
        if self.input_tokens + self.output_tokens != self.tokens_used:
            raise BadInput(
                f"tokens_used is {self.tokens_used!r}, but input_tokens {self.input_tokens!r} plus "
                f"output_tokens {self.output_tokens!r} is {self.input_tokens + self.output_tokens!r}",
                cure="Give tokens_used as the sum of the two, or leave out what is not known.",
            )


def check_figure(name: str, value: object) -> None:
    """Refuse what cannot be a count: only None (unknown) and whole numbers from 0 to 2^53 - 1 pass.

    Raises:
        BadInput: names the field, the value and the cure.
    """
    if value is None:
        return
    if type(value) is not int:
        raise BadInput(
            f"{name} is {value!r}, which is not a whole number",
            cure=f"Give {name} as an integer, or leave it out when it is not known.",
        )
    if value < 0:
        raise BadInput(
            f"{name} is {value!r}, which is negative",
            cure=f"Give {name} as 0 or more, or leave it out when it is not known.",
        )
    if value > MAX_FIGURE:
        size = value if value.bit_length() < 1_000 else f"a number of {value.bit_length()} bits"
        raise BadInput(
            f"{name} is {size}, which is above 2^53 - 1 ({MAX_FIGURE})",
            cure=f"Check the unit of {name}, or leave it out when it is not known.",
        )


def check_id(name: str, value: object) -> None:
    """Refuse an id that names nothing or that no database can hold.

    Raises:
        BadInput: names the field, the value and the cure.
    """
    if type(value) is not str or not value.strip() or clean_text(value) != value:
        raise BadInput(
            f"{name} is {value!r}, which is not an id", cure=f"Give {name} as text without NUL or lone surrogates."
        )


def _names(field: str, given: object) -> tuple[str, ...]:
    if given == ():
        return ()
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise BadInput(
            f"{field} is {given!r}, which is not a list of names", cure=f"Give {field} as a list, like ['http']."
        )
    names: set[str] = set()
    for name in cast("Iterable[object]", given):
        if type(name) is not str or not name.strip():
            raise BadInput(
                f"{field} holds {name!r}, which is not a name", cure=f"Give {field} as a list of non-empty text."
            )
        names.add(clean_text(name))
    return tuple(sorted(names))
