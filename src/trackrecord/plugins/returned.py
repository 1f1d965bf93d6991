"""What a function returned, read as the result of a call: one rule for functions here and in their own process.

Pure: looks at a key or two, converts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from trackrecord.plugins.protocol import Result, new_result


def read_result(value: object) -> Result:
    """The result of a call whose function returned `value`.

    A mapping with a key `success` says itself how it went: null (or anything but true and false) is unknown, false a
    failure with `error` as its words. A `Result` is taken as it is, anything else is data of a success.
    """
    if isinstance(value, Result):
        return value
    if type(value) is not dict and not isinstance(value, Mapping):
        return new_result(data=value)
    said = cast(Mapping[object, object], value)
    if "success" not in said or said["success"] is True:
        return new_result(data=said)
    if said["success"] is not False:
        return new_result(data=said, success=None)
    error = said.get("error")
    return new_result(data=said, success=False, error=error if isinstance(error, str) else None)
