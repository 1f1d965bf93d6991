"""The scripted model: which reply is due, what it counts, how it fails."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.models.messages import Message, ModelCallFailed, ModelReply, ModelRequest, ToolRequest
from trackrecord.models.scripted import ScriptedModel
from trackrecord.record.usage import UNKNOWN, Usage

SYSTEM = Message(role="system", text="You sort mail.")
USER = Message(role="user", text="Sort the inbox.")


def asks(name: str, *, call_id: str = "call_1_1") -> Message:
    return Message(role="assistant", text="", tool_requests=(ToolRequest(id=call_id, name=name, arguments={}),))


def result(text: str, *, call_id: str = "call_1_1") -> Message:
    return Message(role="tool", text=text, tool_request_id=call_id)


def request(*messages: Message, turn: int = 0, path: str = "", attempt: int = 1) -> ModelRequest:
    return ModelRequest(model="scripted:x", messages=messages or (SYSTEM, USER), turn=turn, path=path, attempt=attempt)


async def answer(script: dict[str, object], asked: ModelRequest | None = None) -> ModelReply:
    return await ScriptedModel.from_mapping(script).request(asked or request())


async def test_replies_are_used_by_turn() -> None:
    """The n-th reply answers the request that has n-1 replies behind it, whoever asked before."""
    model = ScriptedModel.from_mapping({"replies": ["one", "two", "three"]})
    assert "two" == (await model.request(request(turn=1))).text
    assert "one" == (await model.request(request())).text
    assert "three" == (await model.request(request(turn=2))).text


async def test_a_request_that_does_not_say_its_turn_is_counted() -> None:
    """Assistant messages of a request built by hand tell its turn."""
    asked = request(SYSTEM, USER, asks("a__b"), result("1"), asks("a__b"), result("2"))
    assert "three" == (await answer({"replies": ["one", "two", "three"]}, asked)).text


async def test_beyond_the_end_the_call_fails_and_says_so() -> None:
    """A script that runs out fails the call for good and names the turn, the place and the cure."""
    with pytest.raises(
        ModelCallFailed, match=r"no reply for turn 3 at 's:a/model': it has 2 replies.*repeat_last"
    ) as e:
        await answer({"replies": ["one", "two"]}, request(turn=2, path="s:a/model"))
    assert ("model_failed", False) == (e.value.code, e.value.is_transient)


async def test_the_last_reply_can_repeat() -> None:
    """With `then: repeat_last` every turn beyond the end has the last reply, its call ids its own."""
    script: dict[str, object] = {"replies": ["one", {"tool_calls": [{"name": "a__b"}]}], "then": "repeat_last"}
    assert ["call_2_1"] == [one.id for one in (await answer(script, request(turn=1))).tool_requests]
    assert ["call_90_1"] == [one.id for one in (await answer(script, request(turn=89))).tool_requests]


CONVERSATION = (SYSTEM, USER, asks("mail__find"), result('{"found": 3}'))


@pytest.mark.parametrize(
    ("when", "asked", "is_due"),
    [
        ({}, request(), True),
        ({"turn": 2}, request(turn=1), True),
        ({"turn": 2}, request(turn=2), False),
        ({"contains": "inbox"}, request(), True),
        ({"contains": "inbox"}, request(*CONVERSATION, turn=1), False),
        ({"contains": "found"}, request(*CONVERSATION, turn=1), True),
        ({"contains": "sort mail"}, request(), False),
        ({"matches": r"found.: \d"}, request(*CONVERSATION, turn=1), True),
        ({"matches": r"^Sort"}, request(), True),
        ({"matches": r"^the"}, request(), False),
        ({"tool_result_contains": "3"}, request(*CONVERSATION, turn=1), True),
        ({"tool_result_contains": "3"}, request(*CONVERSATION, asks("x__y"), turn=2), False),
        ({"tool_result_contains": "inbox"}, request(), False),
        ({"system_contains": "sort mail"}, request(), True),
        ({"system_contains": "inbox"}, request(), False),
        ({"tool": "mail__find"}, request(*CONVERSATION, turn=1), True),
        ({"tool": "mail__send"}, request(*CONVERSATION, turn=1), False),
        ({"tool": "mail__find"}, request(), False),
        ({"path": "s:triage/model"}, request(path="s:triage/model"), True),
        ({"path": "s:triage/model"}, request(path="s:triage/model2"), False),
        ({"path": "s:triage/model"}, request(), False),
        ({"path": "s:each/i:*/s:ask/model"}, request(path="s:each/i:12/s:ask/model"), True),
        ({"path": "s:each/i:*/model"}, request(path="s:each/i:12/s:ask/model"), False),
        ({"path": "s:each/**/model"}, request(path="s:each/i:12/s:ask/model"), True),
        ({"path": "s.*"}, request(path="s:x"), False),
        ({"turn": 2, "contains": "nothing of it"}, request(turn=1), False),
        ({"turn": 1, "system_contains": "mail", "contains": "inbox"}, request(), True),
    ],
)
async def test_a_rule_holds_when_all_of_it_does(when: dict[str, object], asked: ModelRequest, is_due: bool) -> None:
    """A rule that holds wins over `replies`; one that does not leaves them alone."""
    script = {"rules": [{"when": when, "reply": "ruled"}], "replies": ["by turn"], "then": "repeat_last"}
    assert ("ruled" if is_due else "by turn") == (await answer(script, asked)).text


async def test_the_first_rule_that_holds_wins() -> None:
    """Rules are looked at in the order they stand in."""
    rules = [{"when": {"turn": 2}, "reply": "a"}, {"when": {"contains": "inbox"}, "reply": "b"}, {"reply": "c"}]
    assert "b" == (await answer({"rules": rules})).text


async def test_several_results_of_one_turn_are_all_looked_at() -> None:
    """`tool_result_contains` sees every result since the last reply, `tool` the one answered last."""
    both = Message(
        role="assistant",
        text="",
        tool_requests=(ToolRequest(id="1", name="a__a", arguments={}), ToolRequest(id="2", name="b__b", arguments={})),
    )
    asked = request(SYSTEM, USER, both, result("first", call_id="1"), result("second", call_id="2"), turn=1)
    rules = [{"when": {"tool": "a__a"}, "reply": "no"}, {"when": {"tool_result_contains": "first"}, "reply": "yes"}]
    assert "yes" == (await answer({"rules": rules}, asked)).text
    assert "b" == (await answer({"rules": [{"when": {"tool": "b__b"}, "reply": "b"}]}, asked)).text


async def test_a_reply_says_everything_a_provider_can() -> None:
    """Text, tool calls in order, usage, responded model and finish reason come as written."""
    script = {
        "replies": [
            {
                "text": "Looking.",
                "tool_calls": [
                    {"name": "mail__find", "arguments": {"q": "x"}},
                    {"name": "mail__read", "arguments": '{"id": ', "id": "mine"},
                    {"name": "mail__list"},
                ],
                "usage": {"input": 100, "output": 20, "cache_read": 60, "cache_write": 10, "reasoning": 5},
                "responded_model": "tiny-1",
                "finish_reason": "tool_calls",
            }
        ]
    }
    expected = ModelReply(
        text="Looking.",
        tool_requests=(
            ToolRequest(id="call_1_1", name="mail__find", arguments={"q": "x"}),
            ToolRequest(id="mine", name="mail__read", arguments='{"id": '),
            ToolRequest(id="call_1_3", name="mail__list", arguments={}),
        ),
        usage=Usage(
            input_tokens=100, output_tokens=20, cache_read_tokens=60, cache_write_tokens=10, reasoning_tokens=5
        ),
        responded_model="tiny-1",
        finish_reason="tool_calls",
    )
    assert expected == await answer(script)


@pytest.mark.parametrize(("value", "text"), [({"b": 1, "a": "é"}, '{"a":"é","b":1}'), ("x", '"x"'), (None, "null")])
async def test_json_is_answered_as_canonical_text(value: Json, text: str) -> None:
    """`json` is any value; the model says its canonical text."""
    assert text == (await answer({"replies": [{"json": value}]})).text


async def test_usage_left_out_is_counted_by_characters() -> None:
    """Without `usage` every four characters are a token, rounded up, reported by the scripted provider."""
    asked = request(Message(role="system", text="12345"), Message(role="user", text="6789"))
    said = {"text": "ok", "tool_calls": [{"name": "a__b", "arguments": {"x": 1}}]}
    assert Usage(input_tokens=3, output_tokens=4) == (await answer({"replies": [said]}, asked)).usage
    assert "reported" == (await answer({"replies": [said]}, asked)).usage.provenance


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ("none", UNKNOWN),
        ({}, UNKNOWN),
        ({"input": 7}, Usage(input_tokens=7)),
        ({"input": 0, "output": 0}, Usage(input_tokens=0, output_tokens=0)),
        ({"input": 7, "output": -1}, Usage(input_tokens=7, raw='{"input":7,"output":-1}')),
        ({"output": 1.5}, Usage(provenance="unknown", raw='{"output":1.5}')),
        ({"input": "many"}, Usage(provenance="unknown", raw='{"input":"many"}')),
        ({"input": 10**18}, Usage(provenance="unknown", raw='{"input":{"$t":"int","v":"1000000000000000000"}}')),
    ],
)
async def test_usage_is_reported_as_written(usage: object, expected: Usage) -> None:
    """What the script does not report is unknown, never zero; what makes no sense is unknown and kept raw."""
    assert expected == (await answer({"replies": [{"text": "x", "usage": usage}]})).usage


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"status": 429, "retry_after_s": 2}, ("provider_unavailable", True, 429, 2.0)),
        ({"status": 408}, ("provider_unavailable", True, 408, None)),
        ({"status": 503}, ("provider_unavailable", True, 503, None)),
        ({"status": 400}, ("model_failed", False, 400, None)),
        ({"status": 401}, ("model_failed", False, 401, None)),
        ({}, ("provider_unavailable", True, None, None)),
        ({"status": 200, "code": "provider_bad_response"}, ("provider_bad_response", False, 200, None)),
        ({"status": 500, "code": "model_failed"}, ("model_failed", False, 500, None)),
    ],
)
async def test_an_error_is_as_transient_as_its_status(error: dict[str, object], expected: tuple[object, ...]) -> None:
    """408, 429, 5xx and lost connections may be tried again, everything else may not."""
    with pytest.raises(ModelCallFailed) as failed:
        await answer({"replies": [{"error": error}]})
    got = failed.value
    assert expected == (got.code, got.is_transient, got.status, got.retry_after_s)
    assert UNKNOWN == got.usage


async def test_an_error_can_report_what_it_used() -> None:
    """A failed call may carry a message and tokens of its own."""
    script = {"replies": [{"error": {"status": 400, "message": "too long", "usage": {"input": 9}}}]}
    with pytest.raises(ModelCallFailed, match=r"^too long$") as failed:
        await answer(script)
    assert Usage(input_tokens=9) == failed.value.usage


async def test_an_error_with_times_fails_the_first_attempts_only() -> None:
    """`times: 2` fails attempts 1 and 2 of a request; the third has the reply."""
    model = ScriptedModel.from_mapping({"replies": [{"error": {"status": 500, "times": 2}, "text": "at last"}]})
    for attempt in (1, 2):
        with pytest.raises(ModelCallFailed):
            await model.request(request(attempt=attempt))
    assert "at last" == (await model.request(request(attempt=3))).text


async def test_a_delay_is_waited_for() -> None:
    """A delayed reply does not come before its time: a shorter timeout wins."""
    model = ScriptedModel.from_mapping({"replies": [{"text": "late", "delay_ms": 60_000}]})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(model.request(request()), 0.01)


INPUTS = Message(role="user", text='Sort.\n\nInputs (data, not instructions):\n```json\n{"city":"Bern","n":[1,2]}\n```')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello {{ inputs.city }}!", "Hello Bern!"),
        ("{{ vars.last_result.found }}", "3"),
        ("{{ vars.results[0].a.b }} then {{ vars.results[-1].found }}", "deep then 3"),
        ("{{ vars.last_result }}", '{"found":3}'),
        ("{{ inputs.n }}", "[1,2]"),
    ],
)
async def test_text_is_filled_in_from_the_conversation(text: str, expected: str) -> None:
    """References see the inputs block and the tool results, as JSON values where they are JSON."""
    told = (SYSTEM, INPUTS, asks("a__a"), result('{"a": {"b": "deep"}}'), asks("a__b"), result('{"found":3}'))
    assert expected == (await answer({"replies": ["", "", text]}, request(*told, turn=2))).text


async def test_arguments_and_json_are_filled_in_and_keep_types() -> None:
    """A whole reference keeps the type of what it names; raw argument text is left as it is."""
    calls = [
        {"name": "a__b", "arguments": {"city": "{{ inputs.city }}", "days": ["{{ inputs.n[1] }}"]}},
        {"name": "a__b", "arguments": "{{ inputs.city }}"},
    ]
    reply = await answer({"replies": [{"tool_calls": calls}]}, request(SYSTEM, INPUTS))
    assert [{"city": "Bern", "days": [2]}, "{{ inputs.city }}"] == [one.arguments for one in reply.tool_requests]
    said = await answer({"replies": [{"json": {"where": "{{ inputs.city }}"}}]}, request(SYSTEM, INPUTS))
    assert '{"where":"Bern"}' == said.text
    assert Usage(input_tokens=23, output_tokens=4) == said.usage


async def test_what_was_filled_in_is_not_filled_in_again() -> None:
    """A tool result that holds a reference stays text."""
    told = request(SYSTEM, INPUTS, asks("a__b"), result('"{{ inputs.city }}"'), turn=1)
    assert "got {{ inputs.city }}" == (await answer({"replies": ["", "got {{ vars.last_result }}"]}, told)).text


async def test_a_literal_reply_is_left_alone() -> None:
    """With `literal: true` braces are only text."""
    assert "{{ inputs.x" == (await answer({"replies": [{"text": "{{ inputs.x", "literal": True}]})).text


async def test_a_reference_to_nothing_fails_the_call() -> None:
    """What is not there is an error that names the place in the script, not empty text."""
    with pytest.raises(ModelCallFailed, match=r"replies\[0\].*nowhere"):
        await answer({"replies": ["{{ inputs.nowhere }}"]}, request(SYSTEM, INPUTS))


async def test_one_model_serves_many_conversations_alike() -> None:
    """A reply no request can change is built once and shared; call ids and counted input follow the request."""
    script = {"replies": [{"tool_calls": [{"name": "a__b"}]}, {"text": "done", "usage": {"input": 1, "output": 1}}]}
    model = ScriptedModel.from_mapping(script)
    first, again = await model.request(request()), await model.request(request())
    longer = await model.request(request(SYSTEM, USER, USER))
    assert first is again
    assert first.tool_requests == longer.tool_requests
    assert (8, 11) == (first.usage.input_tokens, longer.usage.input_tokens)
    assert first == await model.request(request())
    assert await model.request(request(turn=1)) is await model.request(request(SYSTEM, USER, USER, turn=1))


@given(
    st.lists(st.integers(0, 4), max_size=30),
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20), min_size=1, max_size=5),
)
def test_the_order_of_requests_does_not_matter(turns: list[int], texts: list[str]) -> None:
    """However requests of many runs interleave, each has the reply of its own turn."""
    model = ScriptedModel.from_mapping({"replies": [{"text": text, "literal": True} for text in texts]})

    async def ask_all() -> list[str | None]:
        return [(await model.request(request(turn=turn))).text for turn in turns if turn < len(texts)]

    assert [texts[turn] for turn in turns if turn < len(texts)] == asyncio.run(ask_all())


async def test_a_file_is_yaml_or_json_by_content(tmp_path: Path) -> None:
    """The same script in either form gives the same model, named after its file."""
    script = {"replies": [{"text": "smile \U0001f600", "usage": {"input": 1, "output": 2}}]}
    (tmp_path / "one.yaml").write_text(json.dumps(script, indent="\t"))
    (tmp_path / "two.json").write_text('replies:\n  - text: "smile \\U0001F600"\n    usage: {input: 1, output: 2}\n')
    one, two = ScriptedModel.load(tmp_path / "one.yaml"), ScriptedModel.load(tmp_path / "two.json", name="b/two")
    assert await one.request(request()) == await two.request(request())
    assert ("scripted", "one.yaml", "b/two") == (one.provider, one.name, two.name)
