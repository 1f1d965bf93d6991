"""What came back from a call in a process of its own, read as a result or as the failure it was.

Trusts nothing: an answer that cannot be read is a failed call, and so is none. Runs no code of a tool.
"""

from __future__ import annotations

import signal
from typing import Any, cast

from trackrecord.canonical import loads
from trackrecord.plugins.protocol import Result, ToolCallFailed, Whole


def read_answer(header: bytes, answer: bytes, name: str) -> Result:
    """The result of the call of `name`.

    Raises:
        ToolCallFailed: the function raised, or its process ended without an answer.
    """
    told = cast("dict[str, Any]", loads(header.decode()))
    if "problem" in told:
        raise ToolCallFailed(f"{name} cannot be called in a process of its own: {told['problem']}", was_sent=False)
    printed: str | None = told["printed"] or None
    said = _said(answer)
    if said is None:
        raise _death(name, told["exit"], told["signal"], printed)
    if "raised" in said:
        raise ToolCallFailed(f"{name} raised {said['raised']}", printed=printed)
    if "out_of_memory" in said:
        raise ToolCallFailed(f"{name} needed more memory than it may take", is_out_of_memory=True, printed=printed)
    if "failed" in said:
        raise _failure(said["failed"], printed)
    return _result(said, printed)


def _said(answer: bytes) -> dict[str, Any] | None:
    """The child's answer; None when it left none, half of one, or something else."""
    try:
        said = loads(answer.decode())
    except ValueError:
        return None
    known = ("data", "raised", "out_of_memory", "failed")
    return cast("dict[str, Any]", said) if isinstance(said, dict) and any(key in said for key in known) else None


def _result(said: dict[str, Any], printed: str | None) -> Result:
    success, error, whole = said.get("success"), said.get("error"), said.get("whole")
    return Result(
        data=said["data"],
        success=success if isinstance(success, bool) else None,
        error=error if isinstance(error, str) else None,
        whole=None if whole is None else Whole(**whole),
        printed=printed,
    )


def _failure(told: dict[str, Any], printed: str | None) -> ToolCallFailed:
    pause = told["retry_after_s"]
    return ToolCallFailed(
        told["message"],
        is_transient=told["is_transient"],
        was_sent=told["was_sent"],
        has_response=told["has_response"],
        retry_after_s=float(pause) if isinstance(pause, int | float) else None,
        printed=printed,
    )


def _death(name: str, code: int | None, number: int | None, printed: str | None) -> ToolCallFailed:
    """The process ended without an answer: what it had done until then, nobody knows."""
    if number is None:
        message = f"{name} ended its process (exit code {code}) instead of returning"
    elif number == signal.SIGKILL:
        message = f"the process of {name} was killed from outside, as the system does when memory runs out"
    else:
        message = f"the process of {name} was ended by {_signal_name(number)}"
        if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL):
            message += ": a crash in native code, or the stack ran over"
    is_out_of_memory = number == signal.SIGKILL
    return ToolCallFailed(message, has_response=False, is_out_of_memory=is_out_of_memory, printed=printed)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
