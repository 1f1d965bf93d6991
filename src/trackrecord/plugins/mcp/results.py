"""What a tool gave, in MCP's own words, as the result of a call. Pure: plain JSON in, plain data out.

Text and structured data are handed on; images, sound and files are described, not carried.
"""

from __future__ import annotations

from collections.abc import Mapping

from trackrecord.canonical import Json, cut
from trackrecord.json_schema import compile_schema
from trackrecord.plugins.mcp.tools import Tool
from trackrecord.plugins.protocol import Result, ToolCallFailed
from trackrecord.plugins.returned import read_result

_MOST_OF_AN_ERROR = 8_000


def result_of(given: Mapping[str, Json], tool: Tool, printed: str | None) -> Result:
    """The result: structured content where there is some, else the text, else a list of what there is.

    Raises:
        ToolCallFailed: the structured content is not what the tool's own schema promises.
    """
    blocks = given.get("content")
    parts = [_part(block) for block in blocks] if isinstance(blocks, list) else []
    if given.get("isError") is True:
        text = _joined(parts) or f"{tool.name} reported a failure"
        return Result(data=None, success=False, error=cut(text, _MOST_OF_AN_ERROR), printed=printed)
    structured = given.get("structuredContent")
    if structured is None:
        return Result(data=_data(parts), printed=printed)
    if tool.output is not None:
        problems = compile_schema(tool.output).problems(structured)
        if problems:
            raise ToolCallFailed(
                f"{tool.name} gave a result that does not fit its own schema: {'; '.join(problems)}", printed=printed
            )
    found = read_result(structured)
    described = [part for part in parts if not isinstance(part, str)]
    whole: dict[str, Json] = {"structured": structured, "content": list(described)}
    return Result(data=whole if described else structured, success=found.success, error=found.error, printed=printed)


def _data(parts: list[Json]) -> Json:
    if all(isinstance(part, str) for part in parts):
        return _joined(parts) if parts else None
    return parts


def _joined(parts: list[Json]) -> str:
    return "\n".join(part if isinstance(part, str) else str(part) for part in parts)


def _part(block: Json) -> Json:
    """A text as it is; anything else by what it is, how large, and where it can be had."""
    if not isinstance(block, dict):
        return {"type": "unknown"}
    kind = str(block.get("type"))
    if kind == "text":
        return str(block.get("text", ""))
    if kind == "resource":
        return _resource(block.get("resource"))
    described: dict[str, Json] = {"type": kind}
    for name, ours in (("mimeType", "mime_type"), ("uri", "uri"), ("name", "name"), ("description", "description")):
        if isinstance(block.get(name), str):
            described[ours] = cut(str(block[name]), 2_000)
    return described | _size(block.get("data"))


def _resource(held: Json) -> Json:
    if not isinstance(held, dict):
        return {"type": "resource"}
    described: dict[str, Json] = {"type": "resource", "uri": cut(str(held.get("uri")), 2_000)}
    if isinstance(held.get("mimeType"), str):
        described["mime_type"] = held["mimeType"]
    if isinstance(held.get("text"), str):
        return {**described, "text": held["text"]}
    return described | _size(held.get("blob"))


def _size(data: Json) -> dict[str, Json]:
    """Bytes of what stands there in base64."""
    return {"bytes": len(data.rstrip("=")) * 3 // 4} if isinstance(data, str) else {}
