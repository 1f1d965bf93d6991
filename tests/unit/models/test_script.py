"""The grammar of scripts: everything wrong with a file at once, each with its line and cure."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.agent.files import MAX_FILE_BYTES
from trackrecord.errors import BadInput
from trackrecord.models.messages import ModelRequest
from trackrecord.models.script import Script, read_script
from trackrecord.models.scripted import ScriptedModel


def complaints(script: dict[str, object]) -> list[str]:
    with pytest.raises(BadInput) as refused:
        read_script(script, name="x")
    first, *rest = str(refused.value).splitlines()
    assert "the script 'x' cannot be used:" == first
    return rest


def test_all_problems_of_a_file_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    """One reading mends the file: every problem with line, path and cure, none twice."""
    file = tmp_path / "bad.yaml"
    file.write_text(
        "replis: []\n"
        "replies:\n"
        "  - tex: hello\n"
        "  - text: 5\n"
        "  - text: a\n"
        "    tool_calls:\n"
        "      - nam: x\n"
        "rules:\n"
        "  - when: {turn: 0, pth: a}\n"
        "    reply: ok\n"
    )
    with pytest.raises(BadInput) as refused:
        ScriptedModel.load(file)
    lines = str(refused.value).splitlines()
    assert "the script" in lines[0]
    assert "bad.yaml" in lines[0]
    assert [
        "- line 1: replis: a script has no field 'replis'. Did you mean 'replies'?",
        "- line 3: replies[0].tex: a reply has no field 'tex'. Did you mean 'text'?",
        '- line 3: replies[0]: the reply says nothing. Give it text (also ""), json, tool_calls or an error.',
        "- line 4: replies[1].text: must be text, not the number 5. Put it in quotes: '5'.",
        "- line 7: replies[2].tool_calls[0].nam: a tool call has no field 'nam'. Did you mean 'name'?",
        "- line 7: replies[2].tool_calls[0]: 'name' is missing; a tool call needs it.",
        "- line 9: rules[0].when.pth: `when` has no field 'pth'. Did you mean 'path'?",
        "- line 9: rules[0].when.turn: 0 is too little; the least is 1.",
    ] == lines[1:]
    assert refused.value.cure


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({}, "it has neither replies nor rules"),
        ({"replies": []}, "it has neither replies nor rules"),
        ({"replies": "hello"}, "must be a list"),
        ({"replies": ["a"], "then": "loop"}, "then: 'loop' is not possible here. Known: repeat_last."),
        ({"replies": [7]}, "replies[0]: a reply must be a mapping, not the number 7"),
        ({"replies": [None]}, "replies[0]: a reply must be a mapping, not nothing"),
        ({"replies": [{"text": "a", "json": 1}]}, "both text and json"),
        ({"replies": [{"usage": "none"}]}, "the reply says nothing"),
        ({"replies": [{"text": "a", "usage": "some"}]}, "replies[0].usage: usage (or the word none) must be a mapping"),
        ({"replies": [{"text": "a", "usage": {"inputs": 1}}]}, "Did you mean 'input'?"),
        ({"replies": [{"text": "a", "delay_ms": -1}]}, "replies[0].delay_ms: -1 is too little"),
        ({"replies": [{"text": "a", "delay_ms": float("inf")}]}, "replies[0].delay_ms: must be a number"),
        ({"replies": [{"text": "a", "literal": "yes"}]}, "replies[0].literal: must be true or false"),
        ({"replies": [{"error": {"status": 99}}]}, "replies[0].error.status: 99 is too little"),
        (
            {"replies": [{"error": {"code": "unavailable"}}]},
            "replies[0].error.code: 'unavailable' is not possible here",
        ),
        ({"replies": [{"error": {"times": 0}, "text": "a"}]}, "replies[0].error.times: 0 is too little"),
        ({"replies": [{"error": {"times": 2}}]}, "nothing follows the errors"),
        ({"replies": [{"error": {}, "text": "a"}]}, "its text is never reached"),
        ({"replies": [{"tool_calls": [{"name": ""}]}]}, "replies[0].tool_calls[0].name: must not be empty"),
        ({"replies": [{"tool_calls": ["a__b"]}]}, "replies[0].tool_calls[0]: a tool call must be a mapping"),
        ({"rules": [{"when": {"turn": 1}}]}, "rules[0]: 'reply' is missing"),
        ({"rules": [{"when": {"turn": None}, "reply": "a"}]}, "rules[0].when.turn: 'turn' is empty"),
        (
            {"rules": [{"when": {"matches": "(a"}, "reply": "a"}]},
            "rules[0].when.matches: '(a' is no regular expression",
        ),
        ({"rules": [{"when": {"matches": "(a)\\1"}, "reply": "a"}]}, "Write it in RE2 syntax."),
        ({"rules": [{"when": {"matches": "a" * 2000}, "reply": "a"}]}, "rules[0].when.matches: 2000 characters is too"),
        ({"replies": ["{{ inputs.a"]}, "replies[0].text"),
        ({"replies": ["{{ input.a }}"]}, "replies[0].text: there is no 'input' in a script. Did you mean 'inputs'?"),
        ({"replies": [{"json": ["{{ steps.a.data }}"]}]}, "replies[0].json: there is no 'steps' in a script."),
        ({"replies": [{"tool_calls": [{"name": "a", "arguments": {"x": ["{{ 1 +"]}}]}]}, "tool_calls[0].arguments"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_path(script: dict[str, object], expected: str) -> None:
    """Each fault of a script has one complaint that names the place and the cure."""
    found = complaints(script)
    assert 1 == len(found), found
    assert expected in found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("replies: [a", "line 1: a bracket is opened here and never closed"),
        ('{"replies": ["a"', "line 1: not JSON"),
        ("replies:\n  - a\n  b: c\n", "line 3: this line is indented differently"),
        ("", "the file is empty"),
        ("- a\n", "a script must be a mapping, not a list"),
        ("~", "a script must be a mapping, not nothing"),
        ("replies: [a]\nreplies: [b]\n", "line 2: replies: the key 'replies' is given twice"),
        ('{"replies": ["a"],\n "replies": ["b"]}', "line 2: replies: the key 'replies' is given twice"),
        ("replies: [!!python/object/apply:os.system [ls]]\n", "is not read"),
        ("a: &a [*a]\nreplies: [x]\n", "contains itself"),
        ("replies: [a]\n---\nreplies: [b]\n", "more than one document"),
        ("\x00", "control character"),
    ],
)
def test_a_file_that_is_no_script_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    """Broken text, doubled keys, tags and endless aliases are told, never a traceback."""
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as refused:
        ScriptedModel.load(file)
    assert expected in str(refused.value)


def test_yaml_words_and_dates_stay_text(tmp_path: Path) -> None:
    """Arguments mean what they look like: `no`, dates and times are text, not booleans or objects."""
    file = tmp_path / "x.yaml"
    file.write_text("replies: [{tool_calls: [{name: a__b, arguments: {x: [no, 2026-01-01, 1:30, true, 2]}}]}]")
    asked = asyncio.run(ScriptedModel.load(file).request(ModelRequest(model="m", messages=())))
    assert {"x": ["no", "2026-01-01", "1:30", True, 2]} == asked.tool_requests[0].arguments


def test_a_file_that_cannot_be_read_is_told_plainly(tmp_path: Path) -> None:
    """A missing file, a directory, a binary or an oversized file each have a sentence."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with (tmp_path / "big").open("wb") as big:
        big.truncate(MAX_FILE_BYTES + 1)
    for name, expected in [
        ("none", "cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
        ("binary", "not UTF-8 text"),
        ("big", "is the most"),
    ]:
        with pytest.raises(BadInput, match=expected):
            ScriptedModel.load(tmp_path / name)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "replies",
                    "rules",
                    "then",
                    "when",
                    "reply",
                    "text",
                    "json",
                    "tool_calls",
                    "name",
                    "usage",
                    "error",
                    "turn",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["replies", "rules", "then", "other"]), values, max_size=4))
def test_any_mapping_is_a_script_or_refused(mapping: dict[str, object]) -> None:
    """Whatever a mapping holds, it is read or refused with BadInput; nothing else comes out."""
    try:
        script = read_script(mapping, name="x")
    except BadInput:
        return
    assert isinstance(script, Script)
    assert script.replies or script.rules
