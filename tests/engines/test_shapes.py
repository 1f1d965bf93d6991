"""E1 to E10 of the fault catalogue, whole runs and both engines: any shape of data is stored and given back exactly.

What JSON cannot say is one visible tag; nothing in any value is ever interpreted. How often it holds, ten thousand
values tell (`tests/store/test_ten_thousand.py`); what becomes of each, `tests/unit/test_canonical.py`.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.engines import kit
from tests.engines.kit import say
from tests.store import runs
from tests.store.test_content import VALUES

from trackrecord import Agent, FunctionPlugin, clock
from trackrecord.canonical import MAX_DEPTH, dumps, loads
from trackrecord.cli.answer import answer_text
from trackrecord.cli.escape import line, prose
from trackrecord.cli.inputs import read_inputs
from trackrecord.cli.look import Look
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.pages.runs import runs_page
from trackrecord.cli.stored import read_run
from trackrecord.errors import BadAgent, BadInput
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import ModelReply, ModelRequest, ToolRequest
from trackrecord.models.providers.replies import _arguments
from trackrecord.record.usage import Usage
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

ENGINES = ("agentkit", "orchestrator")
KEEP = {"payloads": {"inputs": "full", "outputs": "full", "tools": "full"}, "memory": False}


def nested(levels: int, innermost: Any = 1) -> Any:
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


# fault → name → the value, and what stands in every place it was handed to
SHAPES: Mapping[str, Mapping[str, tuple[Any, Any]]] = {
    "E1": {
        "alone": ("\ud800", "\\ud800"),
        "inside": ("a\udfffb", "a\\udfffb"),
        "a pair the wrong way round": ("\udc00\ud800", "\\udc00\\ud800"),
        "as a key": ({"\ud800": 1}, {"\\ud800": 1}),
        "a real pair": ("\U0001f511", "\U0001f511"),
    },
    "E2": {"NUL": ("\x00", "\\u0000"), "inside": ("a\x00b", "a\\u0000b"), "as a key": ({"\x00": 1}, {"\\u0000": 1})},
    "E3": {
        "NaN": (float("nan"), {"$t": "float", "v": "NaN"}),
        "infinity": ([float("inf"), -float("inf")], [{"$t": "float", "v": f"{sign}Infinity"} for sign in ("", "-")]),
        "1e400": (float("1e400"), {"$t": "float", "v": "Infinity"}),
        "1e400 as a decimal": (Decimal("1e400"), {"$t": "decimal", "v": "1E+400"}),
        "the largest": (1.7976931348623157e308, 1.7976931348623157e308),
        "minus nothing": (-0.0, -0.0),
    },
    "E4": {
        "2^53": (2**53, 2**53),
        "2^53 + 1": (2**53 + 1, {"$t": "int", "v": "9007199254740993"}),
        "2^63": (2**63, {"$t": "int", "v": "9223372036854775808"}),
        "10^5000": (10**5000, {"$t": "int", "v": hex(10**5000)}),
    },
    "E5": {
        "as deep as can be": (nested(MAX_DEPTH), nested(MAX_DEPTH)),
        "a hundred thousand deep": (nested(100_000), nested(MAX_DEPTH, {"$t": "depth", "v": "list nested too deep"})),
    },
    "E6": {
        "1 and '1'": ({1: "number", "1": "text"}, {"1": "text", "1~2": "number"}),
        "keys of no kind": ({None: 1, True: 2, (1, 2): 3}, {"null": 1, "true": 2, "[1,2]": 3}),
        "reserved elsewhere": (
            {"__proto__": {"x": 1}, "constructor": 1, "lc": 1, "type": "constructor", "id": ["os", "system"]},
            {"__proto__": {"x": 1}, "constructor": 1, "lc": 1, "type": "constructor", "id": ["os", "system"]},
        ),
        "a reference": ({"$ref": "file:///etc/passwd"}, {"$ref": "file:///etc/passwd"}),
        "a tag of ours": ({"$t": "datetime", "v": "2026-01-01"}, {"$t": "datetime", "v": "2026-01-01"}),
        "a tag of another's": ({"$t": "pickle", "v": "gASV"}, {"$t": "pickle", "v": "gASV"}),
        "an expression": ("{{ inputs.secret }} ${HOME} %(x)s {0}", "{{ inputs.secret }} ${HOME} %(x)s {0}"),
    },
    "E7": {
        "bidi": ("\u202egnp.exe", "\u202egnp.exe"),
        "zero width": ("pay\u200bpal", "pay\u200bpal"),
        "a bomb of marks": ("z" + "\u0335" * 5_000, "z" + "\u0335" * 5_000),
        "CRLF": ("one\r\ntwo\r", "one\r\ntwo\r"),
        "ANSI": ("\x1b[2J\x1b]0;owned\x07", "\x1b[2J\x1b]0;owned\x07"),
    },
    "E8": {"text": ("", ""), "list": ([], []), "dict": ({}, {}), "nothing": (None, None)},
    "E9": {
        "year 1": (datetime(1, 1, 1, tzinfo=UTC), {"$t": "datetime", "v": "0001-01-01T00:00:00+00:00"}),
        "year 9999": (date(9999, 12, 31), {"$t": "date", "v": "9999-12-31"}),
        "no zone": (datetime(2026, 3, 29, 2, 30), {"$t": "datetime", "v": "2026-03-29T02:30:00"}),  # noqa: DTZ001  # on purpose
        "an odd zone": (
            datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-23, minutes=-59))),
            {"$t": "datetime", "v": "2026-01-01T00:00:00-23:59"},
        ),
        "a negative duration": (timedelta(seconds=-1.5), {"$t": "timedelta", "v": "-1.5 s"}),
        "year 0 as text": ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        "a leap second as text": ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"),
    },
    "E10": {
        name: (name, name)
        for name in (
            "../../etc/passwd", "'; DROP TABLE agents; --", "<img src=x onerror=alert(1)>", "n" * 10_000,
            "👩‍👩‍👧", "\u05d0\u05d1", "None", "select", "__class__", "server/health", "CON", "%s%n", "\u202e",
        )
    },
}  # fmt: skip


def giver(values: list[Any]) -> FunctionPlugin:
    """A plugin that gives one of the values."""
    plugin = FunctionPlugin("kit", description="Gives odd things.")

    @plugin.action(effect="read")
    async def give(place: int) -> Any:
        """Give the value at a place."""
        return values[place]

    return plugin


async def given_back(path: Path, engine: str, values: list[Any]) -> list[Any]:
    """Each value as the result of a call in one run: what stands in the spans, which is what the checkpoints hold."""
    places = range(len(values))
    steps = [
        {"id": f"s{n:02d}", "type": "action", "plugin": "kit", "action": "give", "params": {"place": n}} for n in places
    ]
    calls = [{"name": "kit__give", "arguments": {"place": n}} for n in places]
    agent = kit.agent(steps if engine == "orchestrator" else None, limits={"max_parallel_tools": 1}, **KEEP)
    async with kit.opened(path, {"tool_calls": calls}, say("seen"), plugins=[giver(values)]) as tr:
        run = await tr.run(agent, {}, engine=engine)
    assert "completed" == run.status, run.record.ending
    with SqliteReader(path) as reader:
        spans = [span for span in reader.spans(run.id) if span.kind == "tool"]
        assert () == verify(reader).findings
    seen = runs.look(path)
    outcomes = dict(seen.execute("SELECT path, outcome FROM run_checkpoints WHERE run_id = ?", (run.id,)))
    seen.close()
    kept = [loads(str(span.attributes["result"])) for span in spans]
    assert [{"value": value} for value in kept] == [loads(outcomes[span.path]) for span in spans]
    return kept


@pytest.mark.parametrize("fault", SHAPES)
@pytest.mark.parametrize("engine", ENGINES)
async def test_as_a_tool_s_result(tmp_path: Path, engine: str, fault: str) -> None:
    """What a tool gives is what is stored and given on, in its canonical form, to the byte."""
    values = [value for value, _ in SHAPES[fault].values()]
    kept = await given_back(tmp_path / "runs.db", engine, values)
    assert [dumps(value) for value in values] == [dumps(value) for value in kept]
    assert [expected for _, expected in SHAPES[fault].values()] == kept


@pytest.mark.parametrize("fault", SHAPES)
@pytest.mark.parametrize("engine", ENGINES)
async def test_as_input_and_as_output(tmp_path: Path, engine: str, fault: str) -> None:
    """Inputs are stored as they were given; a workflow that hands them on and a model that repeats them, too."""
    values = {f"v{place}": value for place, (value, _) in enumerate(SHAPES[fault].values())}
    expected = {f"v{place}": one for place, (_, one) in enumerate(SHAPES[fault].values())}
    path = tmp_path / "runs.db"
    steps = [{"id": "hand", "type": "transform", "operation": "set", "value": "{{ inputs }}"}]

    def repeat(request: ModelRequest) -> ModelReply:
        return ModelReply(text=dumps(values), usage=Usage(input_tokens=1, output_tokens=1))

    fields = {**KEEP, "output_schema": {"type": "object"}} if engine == "agentkit" else KEEP
    agent = kit.agent(steps if engine == "orchestrator" else None, **fields)
    async with kit.opened(path, say("unused"), plugins=[giver([])]) as tr:
        tr._models._extra[kit.MODEL] = CallableModel(repeat)  # type: ignore[attr-defined]  # the kit's model, replaced
        run = await tr.run(agent, values, engine=engine)
    assert "completed" == run.status, run.record.ending
    with SqliteReader(path) as reader:
        bodies = {kind: reader.payload(run.id, kind) for kind in ("input", "output")}
        assert () == verify(reader).findings
    assert {dumps(expected)} == {row["body"] for row in bodies.values() if row is not None}
    assert dumps(expected) == dumps(run.output)


@settings(
    max_examples=12,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(values=st.lists(VALUES.filter(lambda value: len(dumps(value)) < 20_000), min_size=10, max_size=10))
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_any_value_through_both_engines(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """A hundred and twenty values of any shape, ten a run: both engines store and hand on the same."""
    folder = tmp_path_factory.mktemp("any")
    kept = [asyncio.run(given_back(folder / f"{engine}.db", engine, values)) for engine in ENGINES]
    assert [[dumps(value) for value in values]] * 2 == [[dumps(value) for value in each] for each in kept]


# ------------------------------------------------------------------------------------------------------------ E6: keys


@pytest.mark.parametrize("text", ['{"name": "a", "prompt": "b", "name": "c"}', "name: a\nprompt: b\nname: c\n"])
def test_e6_an_agent_file_that_gives_a_key_twice_is_refused(tmp_path: Path, text: str) -> None:
    """JSON and YAML alike: which of the two was meant nobody knows."""
    path = tmp_path / ("agent.json" if text[0] == "{" else "agent.yaml")
    path.write_text(text)
    with pytest.raises(BadAgent, match="the key 'name' is given twice"):
        Agent.load(path)


@pytest.mark.parametrize("pair", [(["v={}"], None), ([], "{}")])
def test_e6_an_input_that_gives_a_key_twice_is_refused(tmp_path: Path, pair: Any) -> None:
    """As a value that is typed and in a document, at any depth."""
    (tmp_path / "in.json").write_text('{"v": {"deep": [{"a": 1, "b": 2, "a": 3}]}}')
    pairs, document = pair
    given = [one.format('{"a": 1, "a": 3}') for one in ["v={}"]] if pairs else []
    schema: Any = {"properties": {"v": {"type": "object"}}}
    with pytest.raises(BadInput, match="the key 'a' is given twice"):
        read_inputs(given, None if document is None else str(tmp_path / "in.json"), schema)


async def test_e6_arguments_that_give_a_key_twice_are_told_to_the_model(tmp_path: Path) -> None:
    """The call is not made with either of the two values; the model hears why, from a provider's edge as well."""
    written, seen = '{"a": 1, "b": 2, "a": 3}', list[str]()
    assert written == _arguments(written)

    def answer(request: ModelRequest) -> ModelReply:
        if request.turn:
            seen.append(request.messages[-1].text)
            return ModelReply(text="done")
        return ModelReply(tool_requests=(ToolRequest(id="1", name="kit__add", arguments=written),))

    async with kit.opened(tmp_path / "runs.db", say("unused")) as tr:
        tr._models._extra[kit.MODEL] = CallableModel(answer)  # type: ignore[attr-defined]  # the kit's model, replaced
        run = await tr.run(kit.agent(), {})
    assert (0, 1) == (run.record.measures.tool_calls_count, run.record.measures.tool_calls_rejected_count)
    assert ["the key 'a' is given twice" in seen[0]] == [True]


async def test_e6_nothing_in_a_value_is_ever_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tags, references and other libraries' markers come back as what they are, and nothing was unpickled."""
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("something was unpickled"))
    values = [value for value, _ in SHAPES["E6"].values()]
    for engine in ENGINES:
        kept = await given_back(tmp_path / f"{engine}.db", engine, values)
        assert {dict, str} == {type(value) for value in kept}
        assert {"$t": "datetime", "v": "2026-01-01"} in kept


# -------------------------------------------------------------------------------------------------------- E7: terminals


@pytest.mark.parametrize("engine", ENGINES)
async def test_e7_what_would_take_a_terminal_over_is_stored_as_it_is_and_shown_escaped(
    tmp_path: Path, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As a name, an input, an answer and an error: exact in the database, harmless on every page and in every log."""
    text, path = "\x1b[2J\u202eevil\u200b\r\nforged\x07", tmp_path / "runs.db"

    def answer(request: ModelRequest) -> ModelReply:
        return ModelReply(text=text)

    name = "\u202eevil\u200b"  # a name with a control character is refused
    agent = kit.agent([{"id": "s", "type": "llm", "prompt": "p"}], name=name, **KEEP)
    async with kit.opened(path, say("unused")) as tr:
        tr._models._extra[kit.MODEL] = CallableModel(answer)  # type: ignore[attr-defined]  # the kit's model, replaced
        run = await tr.run(agent, {"v": text}, engine=engine)
    with SqliteReader(path) as reader:
        stored = read_run(reader, run.id)
        page = record_page(stored, Look(), clock.now(), is_whole=True)
        rows = runs_page(reader.rows("SELECT * FROM agent_executions"), Look(), clock.now())
    assert (text, name, {"v": text}) == (run.output, stored.execution["agent_name"], loads(str(stored.input["body"])))  # type: ignore[index]
    for shown in (page, rows, answer_text(text, 80) and prose(text), line(text), caplog.text):
        assert [] == [repr(one) for one in "\x1b\x07\r\u202e\u200b" if one in shown]


def test_e7_ten_megabytes_on_one_line_are_shown_at_once() -> None:
    """Whoever looks at it does not wait for what nobody can see."""
    began = time.monotonic()
    assert 81 > len(line("\u202e" * 10_000_000, 80))
    assert 2 > time.monotonic() - began


# ------------------------------------------------------------------------------------------------- E8: nothing, exactly


@pytest.mark.parametrize("value", ["", [], {}, None], ids=repr)
async def test_e8_an_empty_output_is_that_very_output(tmp_path: Path, value: Any) -> None:
    """Not left out, not one item, not another kind of nothing; and the call's items are counted as they are."""
    path = tmp_path / "runs.db"
    step = {"id": "s", "type": "action", "plugin": "kit", "action": "give", "params": {"place": 0}}
    async with kit.opened(path, say("unused"), plugins=[giver([value])]) as tr:
        run = await tr.run(kit.agent([step], **KEEP), {})
    with SqliteReader(path) as reader:
        [span] = [span for span in reader.spans(run.id) if span.kind == "tool"]
        row = reader.payload(run.id, "output")
    assert ("completed", value, type(value)) == (run.status, run.output, type(run.output))
    assert (None if value is None else dumps(value)) == (None if row is None else row["body"])
    assert {"[]": 0, "null": None}.get(dumps(value), 1) == span.items


# ---------------------------------------------------------------------------------------------------------- E9: time


@pytest.mark.parametrize("engine", ENGINES)
async def test_e9_durations_are_never_differences_of_wall_times(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock runs backwards by an hour with every look: no duration is negative, and none is an hour."""
    path, looks = tmp_path / "runs.db", [0]
    real = clock.now

    def backwards() -> datetime:
        looks[0] += 1
        return real() + timedelta(days=400) - timedelta(hours=looks[0] % 50)

    step = {"id": "s", "type": "action", "plugin": "kit", "action": "add", "params": {"a": 1, "b": 2}}
    async with kit.opened(path, kit.ask("add", a=1, b=2), say("done")) as tr:
        monkeypatch.setattr(clock, "now", backwards)
        run = await tr.run(kit.agent([step]), {}, engine=engine)
        monkeypatch.undo()
    row = kit.tables(path, run).execution
    with SqliteReader(path) as reader:
        spans = reader.spans(run.id)
    assert ("completed", True) == (run.status, looks[0] > 2)
    assert 0 <= row["execution_duration_ms"] < 60_000
    assert [] == [span for span in spans if not 0 <= span.duration_us < 60_000_000 or span.start_us < 0]


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00Z", "2016-12-31T23:59:60Z", "2026-02-30T00:00:00Z", "2026-01-01"])
def test_e9_what_is_no_moment_is_refused_where_one_is_needed(text: str) -> None:
    """Year 0, a leap second, a day that is none, no zone: refused with words, never another moment instead."""
    with pytest.raises(ValueError, match=r"."):
        clock.moment(text)


# ---------------------------------------------------------------------------------------------------------- E10: names


@pytest.mark.parametrize("engine", ENGINES)
async def test_e10_names_are_data(tmp_path: Path, engine: str) -> None:
    """Whatever an agent is called: its id is ours, its name is stored exactly, and nothing else is touched."""
    path, names = tmp_path / "runs.db", list(SHAPES["E10"])
    before, refused = set(tmp_path.iterdir()), list[str]()
    async with kit.opened(path, say("done")) as tr:
        for name in names:
            try:
                agent = kit.agent([{"id": "s", "type": "llm", "prompt": "p"}], name=name)
            except BadAgent:
                refused.append(name)
                continue
            assert "completed" == (await tr.run(agent, {}, engine=engine)).status
    seen = runs.look(path)
    stored = seen.execute("SELECT name, id FROM agents").fetchall()
    seen.close()
    assert [name for name in names if len(name) > 200] == refused
    assert set(names) - set(refused) == {name for name, _ in stored}
    assert [True] * len(stored) == [clock.is_id(one) for _, one in stored]
    assert {path.name} >= {one.name.split("-")[0] for one in set(tmp_path.iterdir()) - before}
    with SqliteReader(path) as reader:
        assert () == verify(reader).findings


def test_every_shape_has_its_table() -> None:
    """None of the group is forgotten."""
    assert [f"E{number}" for number in range(1, 11)] == list(SHAPES)
    assert json.loads('{"a": 1, "a": 2}') == {"a": 2}  # what unguarded reading does: why E6 needs a guard
