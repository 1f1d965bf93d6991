"""Every error a caller can meet, each with a stable code, a cure, an HTTP status and an exit code.

Owns the tree below and nothing else; it imports no other room.

    TrackrecordError                 code, cure, http_status, exit_code
    ├─ RequestError                  the caller's fault, before anything ran
    │  ├─ BadInput                   an input, option or argument is wrong
    │  ├─ BadAgent                   an agent file cannot be used; carries every problem found
    │  ├─ BadSettings                a setting, or a file it names, cannot be used
    │  ├─ UnknownAgent               no such agent
    │  ├─ CannotResume               what a run needs of its first epoch is not there any more
    │  └─ UnknownRun                 no such run
    ├─ Refused                       policy said no; nothing was spent
    │  ├─ AgentNotActive             the agent is a draft or archived
    │  ├─ PluginNotConnected         a required plugin is not there
    │  ├─ InsufficientCredits        the user's account has no credits left
    │  ├─ NotAnApprover              the decision is somebody else's to make
    │  ├─ UnknownModel               the model cannot be reached from here
    │  └─ UnknownEngine              no engine of that name
    ├─ RunError                      the run ended badly; `code` is the error_code of the record
    │  ├─ ModelFailed                a model call failed for good
    │  ├─ ToolFailed                 a tool call failed and nothing tolerated it
    │  ├─ StepFailed                 a step's own cause: reference, expression, transform, timeout
    │  ├─ InvalidOutput              the answer does not fit the agent's output schema
    │  ├─ LoopDetected               the same call gave the same result too often
    │  ├─ LimitReached               a count or size limit of the run was reached
    │  ├─ BudgetExceeded             tokens, cost or credits ran out
    │  ├─ TimedOut                   the run's working time ran out
    │  ├─ Cancelled                  a person or a signal ended the run
    │  ├─ OutcomeUnknown             nobody said in time what became of an interrupted call
    │  ├─ NonDeterministic           a resumed run asked for something else than before
    │  └─ InternalError              a fault of ours; recorded like any other end
    ├─ StillWaiting                  the run waits for a person or a moment
    ├─ StoreError                    the promise to record could not be kept
    │  ├─ StoreBusy                  the database stayed locked
    │  ├─ StoreUnusable              the database cannot be opened or written
    │  ├─ SchemaTooNew               the database was written by a newer version
    │  └─ Conflict                   somebody else holds or ended the run
    └─ PluginError                   a plugin is badly made
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

TerminalStatus = Literal[
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "budget_exceeded",
    "abandoned",
    "interrupted_unknown_outcome",
]


class TrackrecordError(Exception):
    """The root of everything this package raises on purpose.

    Attributes:
        code: stable name, documented, safe to match on.
        cure: what to do about it, one sentence; empty when there is nothing to do.
        http_status: the status a service answers with.
        exit_code: the exit code of the command line.
    """

    code: str = "error"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, cure: str = "") -> None:
        """Keep the message and the cure; `str(error)` is the message alone."""
        super().__init__(message)
        self.message = message
        self.cure = cure


class RequestError(TrackrecordError):
    """The caller's fault, found before anything ran; nothing was spent."""

    code = "bad_request"
    http_status = 400
    exit_code = 2


class BadInput(RequestError):
    """An input, option or argument is missing, unknown, too large or of the wrong type."""

    code = "bad_input"
    http_status = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a definition.

    Attributes:
        path: where in the definition, like `workflow_steps[2].params.url`; empty for the whole.
        message: what is wrong, with the value.
        cure: what to write instead; empty when the message says it.
        line: 1-based line in the file, None when the definition did not come from a file.
    """

    path: str
    message: str
    cure: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """One line: line, path, message, cure; a line break in a key or a value is shown as one writes it."""
        where = f"line {self.line}: " if self.line is not None else ""
        at = f"{self.path}: " if self.path else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"{where}{at}{self.message}{cure}".replace("\r", "\\r").replace("\n", "\\n")


class BadAgent(RequestError):
    """An agent definition cannot be used; `problems` holds everything that is wrong with it."""

    code = "bad_agent"
    http_status = 422

    def __init__(self, message: str, *, cure: str = "", problems: Sequence[Problem] = ()) -> None:
        """Keep all problems, so that one reading mends the file."""
        super().__init__(message, cure=cure)
        self.problems = tuple(problems)
        for problem in self.problems:
            self.add_note(str(problem))


class BadSettings(RequestError):
    """A setting, or a file it names, cannot be used; `problems` holds everything that is wrong with a file."""

    code = "bad_settings"

    def __init__(self, message: str, *, cure: str = "", problems: Sequence[Problem] = ()) -> None:
        """Keep all problems, so that one reading mends the file."""
        super().__init__(message, cure=cure)
        self.problems = tuple(problems)
        for problem in self.problems:
            self.add_note(str(problem))


class UnknownAgent(RequestError):
    """There is no agent of that name or id."""

    code = "unknown_agent"
    http_status = 404


class CannotResume(RequestError):
    """A run cannot go on: what it needs of its first epoch is not there any more."""

    code = "cannot_resume"
    http_status = 409


class UnknownRun(RequestError):
    """There is no run of that id."""

    code = "unknown_run"
    http_status = 404


class Refused(TrackrecordError):
    """Policy said no; no run was made and nothing was spent."""

    code = "refused"
    http_status = 403
    exit_code = 2


class AgentNotActive(Refused):
    """The agent is a draft or archived."""

    code = "agent_not_active"
    http_status = 409


class PluginNotConnected(Refused):
    """The agent requires a plugin that is not connected here."""

    code = "plugin_not_connected"
    http_status = 409


class InsufficientCredits(Refused):
    """The user's account has no credits to hold for the run."""

    code = "insufficient_credits"
    http_status = 402


class NotAnApprover(Refused):
    """The question names who may decide it, and this is none of them."""

    code = "not_an_approver"


class UnknownModel(Refused):
    """The model named by the agent or the caller cannot be reached from here."""

    code = "unknown_model"
    http_status = 422


class UnknownEngine(Refused):
    """There is no engine of that name."""

    code = "unknown_engine"
    http_status = 422


class RunError(TrackrecordError):
    """The run ended badly; `code` is the error_code of its record and `status` its terminal state.

    Attributes:
        status: terminal state of the run when nothing tolerates this error.
        path: where in the run it happened; empty until the place is known.
        is_tolerable: whether a step may tolerate, retry or collect it.
    """

    code = "internal"
    status: TerminalStatus = "failed"
    is_tolerable: ClassVar[bool] = True

    def __init__(self, message: str, *, cure: str = "", code: str | None = None, path: str = "") -> None:
        """Keep the cause; `code` overrides the class's own error code."""
        super().__init__(message, cure=cure)
        if code is not None:
            self.code = code
        self.path = path


class ModelFailed(RunError):
    """A model call failed for good: model_failed, provider_unavailable or provider_bad_response."""

    code = "model_failed"


class ToolFailed(RunError):
    """A tool call failed and nothing tolerated it.

    Attributes:
        is_unknown: True when the call may have had its effect and nobody knows.
    """

    code = "tool_failed"

    def __init__(
        self, message: str, *, cure: str = "", code: str | None = None, path: str = "", is_unknown: bool = False
    ) -> None:
        """Keep the cause and whether its outcome is unknown."""
        super().__init__(message, cure=cure, code=code, path=path)
        self.is_unknown = is_unknown


class StepFailed(RunError):
    """A step's own cause: a reference, an expression, a transform, a validation, its timeout."""

    code = "step_failed"


class InvalidOutput(RunError):
    """The answer does not fit the agent's output schema."""

    code = "invalid_output"


class LoopDetected(RunError):
    """The same call gave the same result `loop_limit` times in a row."""

    code = "loop_detected"
    is_tolerable = True


class LimitReached(RunError):
    """A count or size limit was reached: max_iterations or limit_reached."""

    code = "limit_reached"


class BudgetExceeded(RunError):
    """Tokens, cost or credits ran out: token_limit, cost_limit or credits."""

    code = "token_limit"
    status = "budget_exceeded"
    is_tolerable = False


class TimedOut(RunError):
    """The run's working time ran out."""

    code = "run_timeout"
    status = "timed_out"
    is_tolerable = False


class Cancelled(RunError):
    """A person (`user`) or a signal (`signal`) ended the run."""

    code = "user"
    status = "cancelled"
    is_tolerable = False
    exit_code = 1


class OutcomeUnknown(RunError):
    """An unsafe call was interrupted, and nobody said in time what became of it."""

    code = "unknown_outcome"
    status = "interrupted_unknown_outcome"
    is_tolerable = False


class NonDeterministic(RunError):
    """A resumed run asked for something else than before at the same path."""

    code = "non_deterministic"
    is_tolerable = False


class InternalError(RunError):
    """A fault of ours inside an engine; the run is recorded like any other."""

    code = "internal"
    is_tolerable = False


class StillWaiting(TrackrecordError):
    """The run has not ended: it waits for a person or a moment."""

    code = "still_waiting"
    http_status = 409
    exit_code = 3


class StoreError(TrackrecordError):
    """The promise to record could not be kept."""

    code = "store_error"
    http_status = 503


class StoreBusy(StoreError):
    """The database stayed locked longer than we wait."""

    code = "store_busy"


class StoreUnusable(StoreError):
    """The database cannot be opened, read or written."""

    code = "store_unusable"
    exit_code = 2


class SchemaTooNew(StoreError):
    """The database was written by a newer version of this package."""

    code = "schema_too_new"
    exit_code = 2


class Conflict(StoreError):
    """Somebody else holds the run, or it has ended already."""

    code = "conflict"
    http_status = 409


class PluginError(TrackrecordError):
    """A plugin or one of its actions is badly made."""

    code = "bad_plugin"
    exit_code = 2
