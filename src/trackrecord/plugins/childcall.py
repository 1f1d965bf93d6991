"""One call inside its own process: calls the function, writes the answer as canonical JSON, and ends the process.

Runs in a forked child of the warden and nowhere else. Never returns, never raises, and never sends an object: what the
function gave is made plain here, so that nothing of it is ever unpickled or run elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from trackrecord.canonical import Json, clean, cut, encode_clean
from trackrecord.plugins.items import count_items
from trackrecord.plugins.protocol import Invocation, Result, ToolCallFailed
from trackrecord.plugins.returned import read_result
from trackrecord.plugins.signatures import Signature

MAX_MESSAGE: Final = 8_000
_OUT_OF_MEMORY: Final = b'{"out_of_memory":true}'  # made beforehand: by then there is no memory to make it


def carry_out(
    invocation: Invocation,
    function: Callable[..., object],
    signature: Signature,
    memory_mb: int | None,
    answer_end: int,
) -> None:
    """Call the function, write what came of it to `answer_end`, and end this process."""
    code = 1
    try:
        if memory_mb is not None:
            _limit_memory(memory_mb)
        answer = _answer(invocation, function, signature)
        _flush()
        _write(answer_end, answer)
        code = 0
    except MemoryError:
        _lift_memory_limit()
        _write(answer_end, _OUT_OF_MEMORY)
    finally:
        os._exit(code)


def describe(error: BaseException) -> str:
    """`TypeName: text` of any exception, cut; also of one whose text cannot be had."""
    try:
        text = str(error)
    except Exception as broken:  # a hostile __str__ may raise anything
        text = f"<its text raised {type(broken).__name__}>"
    return cut(f"{type(error).__name__}: {text}" if text else type(error).__name__, MAX_MESSAGE)


def _answer(invocation: Invocation, function: Callable[..., object], signature: Signature) -> bytes:
    try:
        result = read_result(function(**signature.arguments(invocation)))
        return encode_clean(_success(result, invocation.result_bytes)).encode()
    except MemoryError:
        raise
    except ToolCallFailed as failure:
        return encode_clean(_failure(failure)).encode()
    except BaseException as error:  # SystemExit and its like end the call, as any exception does
        return encode_clean({"raised": clean(describe(error))}).encode()


def _success(result: Result, most_bytes: int) -> dict[str, Json]:
    value = clean(result.data)
    answer: dict[str, Json] = {"data": value, "success": clean(result.success), "error": clean(result.error)}
    text = encode_clean(value).encode()
    if len(text) > most_bytes:
        answer["data"] = text[:most_bytes].decode(errors="ignore")
        answer["whole"] = {
            "size": len(text),
            "sha256": hashlib.sha256(text).hexdigest(),
            "items": count_items(value),
        }
    return answer


def _failure(failure: ToolCallFailed) -> dict[str, Json]:
    return {
        "failed": {
            "message": clean(describe(failure).removeprefix("ToolCallFailed: ")),
            "is_transient": bool(failure.is_transient),
            "was_sent": bool(failure.was_sent),
            "has_response": bool(failure.has_response),
            "retry_after_s": clean(failure.retry_after_s),
        }
    }


def _write(end: int, answer: bytes) -> None:
    left = memoryview(answer)
    while left:
        left = left[os.write(end, left) :]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the tool may have put anything in its place
            stream.flush()


def _limit_memory(memory_mb: int) -> None:
    import resource  # not everywhere, and only for a limit

    most = _address_space() + (memory_mb << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _lift_memory_limit() -> None:
    import resource  # loaded already, by the limit

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _address_space() -> int:
    """Bytes of address space this process has already; 0 where the system does not tell."""
    with suppress(OSError), open("/proc/self/statm") as figures:
        return int(figures.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0
