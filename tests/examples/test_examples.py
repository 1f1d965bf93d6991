"""The bundled examples: what each leaves on each engine, written down here, figure by figure."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from trackrecord import Agent, Run, Trackrecord, examples
from trackrecord.canonical import Json
from trackrecord.config import read_settings
from trackrecord.errors import BadInput
from trackrecord.parity import Comparison
from trackrecord.record.measures import Executed, MemoryUse, StepCounts, Tokens
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify
from trackrecord.workflow.steps import Declared

ENGINES = ("agentkit", "orchestrator")
NAMES = ("enrich", "triage", "watch_log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run is to leave, beside its answer."""

    turns: int
    model_calls: int
    tool_calls: int
    retries: int
    tokens: Tokens
    plugins: tuple[str, ...]
    credits: int
    steps: StepCounts = StepCounts()
    executed: Executed = Executed()
    memory: MemoryUse = MemoryUse()


def tokens(given: int, made: int, cache_read: int, cache_write: int, reasoning: int) -> Tokens:
    return Tokens(input=given, output=made, cache_read=cache_read, cache_write=cache_write, reasoning=reasoning)


DECLARED: Mapping[str, Declared] = {
    "enrich": Declared(steps=13, branches=0, loops=0, parallel=2),
    "triage": Declared(steps=24, branches=2, loops=0, parallel=2),
    "watch_log": Declared(steps=15, branches=1, loops=1, parallel=0),
}
FIGURES: Mapping[tuple[str, str], Figures] = {
    ("enrich", "agentkit"): Figures(
        turns=3,
        model_calls=3,
        tool_calls=12,
        retries=0,
        tokens=tokens(5870, 668, 3392, 2112, 112),
        plugins=("demo",),
        credits=7,
    ),
    ("enrich", "orchestrator"): Figures(
        turns=1,
        model_calls=1,
        tool_calls=12,
        retries=0,
        tokens=tokens(264, 58, 0, 0, 32),
        plugins=("demo",),
        credits=1,
        # 5 look-ups and 2 fallbacks, 5 places, 2 maps, 8 others; of these 2 look-ups and 1 place failed
        steps=StepCounts(completed=19, tolerated=3),
        executed=Executed(steps=22, parallel=10),
    ),
    ("triage", "agentkit"): Figures(
        turns=5,
        model_calls=6,
        tool_calls=23,
        retries=2,
        tokens=tokens(18740, 1419, 12992, 4544, 224),
        plugins=("demo", "files"),
        credits=21,
    ),
    ("triage", "orchestrator"): Figures(
        turns=12,
        model_calls=13,
        tool_calls=23,
        retries=2,
        tokens=tokens(4558, 436, 2624, 0, 126),
        plugins=("demo", "files"),
        credits=5,
        # 5 to gather, 1 map, 5 for each of 6 tickets and 2 for each of 5 answers, 11 others
        steps=StepCounts(completed=56, tolerated=1),
        executed=Executed(steps=57, branches=7, parallel=10),
    ),
    ("watch_log", "agentkit"): Figures(
        turns=6,
        model_calls=6,
        tool_calls=7,
        retries=0,
        tokens=tokens(13600, 664, 10368, 2688, 104),
        plugins=("demo", "files", "text", "time"),
        credits=15,
    ),
    ("watch_log", "orchestrator"): Figures(
        turns=1,
        model_calls=1,
        tool_calls=7,
        retries=0,
        tokens=tokens(420, 72, 0, 0, 48),
        plugins=("demo", "files", "text", "time"),
        credits=1,
        # the loop, 2 looks, 2 delays of which the first is skipped, 12 others
        steps=StepCounts(completed=16, skipped=1),
        executed=Executed(steps=16, branches=1, loop_iterations=2),
    ),
}
MEMORY_TOKENS: Mapping[tuple[str, str], int] = {
    ("enrich", "agentkit"): 125,
    ("enrich", "orchestrator"): 125,
    ("triage", "agentkit"): 125,
    ("triage", "orchestrator"): 125,
    ("watch_log", "agentkit"): 122,
    ("watch_log", "orchestrator"): 121,
}
ANSWERS: Mapping[str, Json] = {
    "enrich": {
        "companies": [
            {
                "name": "Brightmill",
                "source": "register",
                "industry": "manufacturing",
                "employees": 420,
                "zone": "Europe/Paris",
            },
            {"name": "Kite & Sons", "source": "name", "industry": "retail", "employees": None, "zone": None},
            {
                "name": "Northquay",
                "source": "register",
                "industry": "logistics",
                "employees": 38,
                "zone": "Europe/Stockholm",
            },
            {
                "name": "Saltmarsh",
                "source": "register",
                "industry": "energy",
                "employees": 1250,
                "zone": "Europe/Amsterdam",
            },
            {"name": "Tiny Bakery", "source": "name", "industry": "food", "employees": None, "zone": "Europe/Lisbon"},
        ],
        "guessed": ["Kite & Sons", "Tiny Bakery"],
        "unplaced": 1,
        "summary": "5 companies, 2 of them guessed from their names and 1 without a place on the map.",
    },
    "triage": {
        "headline": "6 tickets came in, 1 of them is urgent; 5 answers are drafted.",
        "total": 6,
        "by_category": [
            {"key": "billing", "count": 1},
            {"key": "bug", "count": 1},
            {"key": "outage", "count": 1},
            {"key": "question", "count": 2},
            {"key": "spam", "count": 1},
        ],
        "urgent": ["T-3001"],
        "drafts": ["T-3001", "T-3002", "T-3003", "T-3004", "T-3006"],
        "report": "out/report.md",
    },
    "watch_log": {
        "is_alarm": True,
        "error_count": 5,
        "by_service": [{"key": "mail", "count": 1}, {"key": "web", "count": 4}],
        "began_at": "2026-03-09T09:05:02+01:00",
        "lasted_s": 685.0,
        "cause": "web: sign-in failed: no connection left, 3 times; the pool of database connections was empty.",
    },
}
REPORTS: Mapping[str, str] = {
    "triage": """\
# Support triage

6 tickets came in, 1 of them is urgent; 5 answers are drafted.

- T-3001 outage, urgent: Nobody can sign in
- T-3002 billing, high: Charged twice for February
- T-3003 question, normal: How do I export my data?
- T-3004 bug, normal: Search is slow
- T-3005 spam, low: Best backlinks on the market
- T-3006 question, normal: A second administrator
""",
    "watch_log": """\
# Errors in app.log

5 errors within 685.0 seconds.
The first at 2026-03-09T09:05:02+01:00.

- mail: 1
- web: 4

web: sign-in failed: no connection left, 3 times; the pool of database connections was empty.
""",
}
QUIET: Json = {
    "is_alarm": False,
    "error_count": 0,
    "by_service": [],
    "began_at": None,
    "lasted_s": None,
    "cause": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An example's folder, copied to where it may write, and a database beside it."""

    folder: Path
    database: Path

    @property
    def agent(self) -> Agent:
        return Agent.load(self.folder / examples.AGENT_FILE)

    def opened(self, root: Path | None = None) -> Trackrecord:
        settings = read_settings(
            db=f"sqlite:///{self.database}", synchronous="NORMAL", files_root=str(root or self.folder)
        )
        return Trackrecord(settings=settings)

    async def run(self, engine: str, *, times: int = 1, inputs: Mapping[str, object] | None = None) -> list[Run]:
        async with self.opened() as tr:
            return [await tr.run(self.agent, inputs, engine=engine) for _ in range(times)]

    def made(self) -> dict[str, str]:
        """What the example has written, by path."""
        out = self.folder / "out"
        return {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}


def copied(name: str, folder: Path) -> Copy:
    return Copy(folder=Path(shutil.copytree(examples.path(name), folder / name)), database=folder / "runs.db")


def figures(run: Run) -> Figures:
    measures = run.record.measures
    assert run.record.credits_used is not None
    return Figures(
        turns=measures.iterations_count,
        model_calls=measures.model_calls_count,
        tool_calls=measures.tool_calls_count,
        retries=measures.retry_count,
        tokens=measures.tokens,
        plugins=measures.plugins_used,
        credits=run.record.credits_used,
        steps=measures.steps,
        executed=measures.executed,
        memory=measures.memory,
    )


def off(compared: Comparison) -> list[str]:
    return [one.field for one in compared.findings if one.verdict in ("differs", "not observed")]


def test_every_example_has_its_folder() -> None:
    """Each name leads to a folder with the agent, its script and a page that says what it shows."""
    assert NAMES == examples.names()
    for name in NAMES:
        held = {path.name for path in examples.path(name).iterdir()}
        assert {"README.md", "agent.yaml", "script.yaml"} <= held


def test_an_unknown_example_is_refused() -> None:
    """Whoever asks for an example that is not there is told which ones are."""
    with pytest.raises(BadInput, match="there is no example 'traige'") as caught:
        examples.path("traige")
    assert "Did you mean triage? The examples are enrich, triage, watch_log." == caught.value.cure


@pytest.mark.parametrize("name", NAMES)
def test_an_example_loads_without_problems(name: str) -> None:
    """The agent file is right as it stands, has inputs to try it with, and is as large as written."""
    agent = Agent.load(examples.path(name) / examples.AGENT_FILE)
    assert agent.workflow is not None
    assert agent.example_inputs is not None
    assert DECLARED[name] == agent.workflow.declared


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMES)
async def test_an_example_leaves_its_figures(name: str, engine: str, tmp_path: Path) -> None:
    """A run completes with the answer and the figures that were written down, and nothing about it is unknown."""
    [run] = await copied(name, tmp_path).run(engine)
    assert "completed" == run.status
    assert ANSWERS[name] == run.output
    assert FIGURES[name, engine] == figures(run)
    assert run.record.usage_complete


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMES)
async def test_a_second_run_recalls_the_first(name: str, engine: str, tmp_path: Path) -> None:
    """The second run has the first one's summary before it, and else the very same figures and answer."""
    first, second = await copied(name, tmp_path).run(engine, times=2)
    recalled = MemoryUse(tokens=MEMORY_TOKENS[name, engine], entry_count=1, types=("summaries",))
    assert (MemoryUse(), recalled) == (figures(first).memory, figures(second).memory)
    assert first.output == second.output
    assert first.record.tokens == second.record.tokens
    assert first.record.measures.steps == second.record.measures.steps
    assert first.record.measures.retry_count == second.record.measures.retry_count


@pytest.mark.parametrize("name", ["triage", "watch_log"])
async def test_both_engines_write_the_same_files(name: str, tmp_path: Path) -> None:
    """Whichever engine ran, the report is as written down here, and all else that was written is the same."""
    made: list[dict[str, str]] = []
    for engine in ENGINES:
        copy = copied(name, tmp_path / engine)
        await copy.run(engine)
        made.append(copy.made())
    assert REPORTS[name] == made[0]["report.md"]
    assert made[0] == made[1]


async def test_triage_drafts_an_answer_to_all_but_the_spam(tmp_path: Path) -> None:
    """There is one draft for each ticket that wants an answer, to the customer by name."""
    copy = copied("triage", tmp_path)
    await copy.run("orchestrator")
    drafts = {path: text for path, text in copy.made().items() if path.startswith("drafts/")}
    greetings = {path: text.partition("\n")[0] for path, text in drafts.items()}
    assert {
        "drafts/T-3001.md": "Hello Ada Moreau,",
        "drafts/T-3002.md": "Hello Tomas Lindqvist,",
        "drafts/T-3003.md": "Hello Mei Tanaka,",
        "drafts/T-3004.md": "Hello João Oliveira,",
        "drafts/T-3006.md": "Hello Ada Moreau,",
    } == greetings


@pytest.mark.parametrize("engine", ENGINES)
async def test_triage_shows_failures_retries_and_what_is_unknown(engine: str, tmp_path: Path) -> None:
    """One call failed for good and was gone on without, one was tried again, and one never said how it went."""
    [run] = await copied("triage", tmp_path).run(engine)
    calls = run.record.measures.tool_calls
    failed = [(use.plugin, use.action, use.error_code) for use in calls if use.success is False]
    assert [("files", "read", "tool_failed")] == failed
    assert [("demo", "flaky", 2)] == [
        (use.plugin, use.action, use.attempt_count) for use in calls if use.attempt_count > 1
    ]
    assert [("demo", "notify")] == [(use.plugin, use.action) for use in calls if use.success is None]


@pytest.mark.parametrize("engine", ENGINES)
async def test_enrich_goes_on_without_what_nobody_knows(engine: str, tmp_path: Path) -> None:
    """Two companies and a city are not found; these three failures are in the record, and the run completes."""
    [run] = await copied("enrich", tmp_path).run(engine)
    failed = sorted(str(use.action) for use in run.record.measures.tool_calls if use.success is False)
    assert ["enrich_company", "enrich_company", "geocode"] == failed
    assert "completed" == run.status


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (
            "agentkit",
            Figures(
                turns=3,
                model_calls=3,
                tool_calls=2,
                retries=0,
                tokens=tokens(5140, 122, 3200, 1728, 28),
                plugins=("files",),
                credits=6,
            ),
        ),
        (
            "orchestrator",
            Figures(
                turns=0,
                model_calls=0,
                tool_calls=2,
                retries=0,
                tokens=tokens(0, 0, 0, 0, 0),
                plugins=("files",),
                credits=0,
                steps=StepCounts(completed=10, skipped=5),
                executed=Executed(steps=10, branches=1, loop_iterations=2),
            ),
        ),
    ],
)
async def test_a_quiet_log_is_not_reported(engine: str, expected: Figures, tmp_path: Path) -> None:
    """Without errors nothing is written and nobody is paged; the workflow asks no model at all."""
    copy = copied("watch_log", tmp_path)
    [run] = await copy.run(engine, inputs={"file": "quiet.log"})
    assert QUIET == run.output
    assert expected == figures(run)
    assert {} == copy.made()


async def test_the_wait_of_the_log_watch_is_not_work(tmp_path: Path) -> None:
    """The delay between two looks is measured apart from working time."""
    [run] = await copied("watch_log", tmp_path).run("orchestrator")
    assert 20_000 <= run.record.measures.waited_us <= run.record.measures.duration_us


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("enrich", None), ("triage", None), ("watch_log", None), ("watch_log", {"file": "quiet.log"})],
)
async def test_the_engines_agree(name: str, inputs: Mapping[str, object] | None, tmp_path: Path) -> None:
    """Compared field by field, nothing differs and nothing is left unobserved."""
    copy = copied(name, tmp_path)
    compared = await copy.opened().parity(copy.agent, inputs)
    assert [] == off(compared)
    assert [] == [check.name for check in compared.checklist if not check.is_ok]


@pytest.mark.parametrize("name", NAMES)
async def test_sums_add_up_after_all_of_it(name: str, tmp_path: Path) -> None:
    """Two runs on each engine are four in the statistics, and the oracle finds nothing off."""
    copy = copied(name, tmp_path)
    for engine in ENGINES:
        await copy.run(engine, times=2)
    used = sum(2 * (FIGURES[name, engine].tokens.total or 0) for engine in ENGINES)
    with SqliteReader(copy.database) as reader:
        [stats] = reader.stats(copy.agent.id)
        found = verify(reader)
    assert (4, 4, used) == (stats["run_count"], stats["success_count"], stats["tokens_total"])
    assert [] == [finding for check in found.checks for finding in check.findings]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["triage", "watch_log"])
async def test_a_run_in_the_wrong_folder_explains_itself(name: str, engine: str, tmp_path: Path) -> None:
    """Where the plugin `files` looks elsewhere, the run fails and says which setting leads to the data."""
    copy = copied(name, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    async with copy.opened(tmp_path / "elsewhere") as tr:
        run = await tr.run(copy.agent, engine=engine)
    assert "failed" == run.status
    assert run.record.ending is not None
    assert "TRACKRECORD_FILES_ROOT" in str(run.record.ending.error_message)
