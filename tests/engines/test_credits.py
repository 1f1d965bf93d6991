"""Credits: a run holds some before it begins, stops when they are used up, and is charged once, with its record.

C9 (credits end a run), G2 (a burst on one balance), G5 (cost above the hold), G8, G10 (corrections add rows).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from tests.engines import kit
from tests.engines.kit import ask, say
from tests.store import runs

from trackrecord import FunctionPlugin, Run, failpoints
from trackrecord.config import read_settings
from trackrecord.errors import BadInput, InsufficientCredits, StoreError
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER
from trackrecord.verify import verify

CREDIT: Final = (900, 100)  # tokens of a reply that costs one credit
WIDE: Final = (1_400, 100)  # and of one that costs one and a half
DURABLE: Final = pytest.mark.parametrize("durability", ["sync", "async"])
SETTLED: Final = ("charge", "release")
ROOT: Final = Path(__file__).parents[2]
Durability = Literal["sync", "async"]


def asking(tokens: tuple[int, int]) -> list[dict[str, Any]]:
    """A model that never stops: another call each time."""
    return [ask("add", a=turn, b=1, tokens=tokens) for turn in range(40)]


def endless(engine: str) -> Any:
    """An agent that goes on for ever, or nearly so, through this engine."""
    if engine == "agentkit":
        return kit.agent(limits={"max_iterations": 100})
    steps = [{"id": "ask", "type": "llm", "prompt": "Go on."}]
    return kit.agent([{"id": "each", "type": "loop", "over": list(range(40)), "steps": steps}])


def holding(credits: int) -> Any:
    """The settings of an installation whose runs hold so many credits at most."""
    return read_settings(credits={"hold": credits})


def entries(path: Path, run: Run | str | None = None) -> list[tuple[str, str, str, int]]:
    """Kind, source, target and amount of the ledger's entries, of a run where one is given."""
    run_id = run.id if isinstance(run, Run) else run
    seen = runs.look(path)
    rows = seen.execute(
        "SELECT kind, source, target, amount FROM credit_entries WHERE ? IS NULL OR run_id = ? ORDER BY id",
        (run_id, run_id),
    ).fetchall()
    seen.close()
    return rows


def standing(path: Path) -> tuple[int, int]:
    """Balance and held credits of the one account."""
    seen = runs.look(path)
    [row] = seen.execute("SELECT balance, held FROM credit_accounts").fetchall()
    seen.close()
    return row


def findings(path: Path) -> list[str]:
    with SqliteReader(path) as reader:
        return [finding.message for check in verify(reader).checks for finding in check.findings]


@DURABLE
@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
async def test_c9_credits_end_it(tmp_path: Path, engine: str, durability: Durability) -> None:
    """Five credits pay for five calls: there is no sixth, and the run ends in the name of its credits."""
    path = tmp_path / "runs.db"
    replies = asking(CREDIT) if engine == "agentkit" else [say("on", tokens=CREDIT)]
    async with kit.opened(path, *replies, durability=durability) as tr:
        await tr.grant_credits(5)
        run = await tr.run(endless(engine), {}, engine=engine)
        with pytest.raises(InsufficientCredits) as refused:
            await tr.run(endless(engine), {}, engine=engine)

    row = kit.tables(path, run).execution
    assert ("budget_exceeded", "credits", 5, 5_000, 5) == tuple(
        row[name] for name in ("status", "error_code", "model_calls_count", "tokens_used", "credits_used")
    )
    assert [
        ("hold", "balance", "held", 5),
        ("charge", "held", "charged", 5),
        ("release", "held", "balance", 0),
    ] == entries(path, run)
    assert (0, 0) == standing(path)
    assert "trackrecord credits grant" in refused.value.cure
    assert 1 == runs.count(path, "agent_executions")
    assert [] == findings(path)


@DURABLE
async def test_a_user_without_an_account_is_metered(tmp_path: Path, durability: Durability) -> None:
    """No hold, no entry and no statement about accounts once it is known; the figure is computed all the same."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("done", tokens=WIDE), durability=durability) as tr:
        await tr.run(kit.agent(), {})
        statements: list[str] = []
        assert tr._store is not None
        tr._store._writer._connection.set_trace_callback(statements.append)
        run = await tr.run(kit.agent(), {})
        tr._store._writer._connection.set_trace_callback(None)
        assert await tr.credits() is None
        assert any("agent_executions" in one for one in statements)
        assert [] == [one for one in statements if "credit_accounts" in one or "credit_entries" in one]
        await tr.grant_credits(1)
        held = await tr.run(kit.agent(), {})  # enforcement starts with the first grant

    seen = runs.look(path)
    rows = dict(seen.execute("SELECT id, hold_id IS NOT NULL FROM agent_executions").fetchall())
    seen.close()
    assert (2, 0, 1) == (run.record.credits_used, rows[run.id], rows[held.id])
    assert [] == findings(path)


@DURABLE
async def test_the_rest_of_a_hold_is_released(tmp_path: Path, durability: Durability) -> None:
    """A run holds what its token limit comes to while it runs, and pays for what it used."""
    path = tmp_path / "runs.db"
    during: list[tuple[int, int]] = []
    async with kit.opened(path, say("done", tokens=WIDE), durability=durability) as tr:
        await tr.grant_credits(500, note="March")
        run = await tr.run(kit.agent(), {}, watcher=lambda _: during.append(standing(path)))
        account = await tr.credits()
    assert (300, 200) == during[0]  # the default limit is 200,000 tokens
    assert ("completed", 2) == (run.status, run.record.credits_used)
    assert account is not None
    assert (498, 0, 2, 500) == (account.balance, account.held, account.charged, account.granted)
    assert [("charge", 2), ("release", 198)] == [(one[0], one[3]) for one in entries(path, run)[1:]]
    assert [] == findings(path)


@pytest.mark.parametrize(
    ("granted", "hold", "rest", "left"),
    [(2, 2, [], 0), (10, 2, [("adjust", "balance", "charged", 1)], 7)],
    ids=["nothing left", "something left"],
)
async def test_g5_cost_above_the_hold(tmp_path: Path, granted: int, hold: int, rest: list[Any], left: int) -> None:
    """The last call may cost more than is held: the balance pays as far as it goes, and never falls below zero."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, *asking(WIDE), settings=holding(hold)) as tr:
        await tr.grant_credits(granted)
        run = await tr.run(endless("agentkit"), {})
    assert ("budget_exceeded", 3) == (run.status, run.record.credits_used)
    assert rest == entries(path, run)[3:]
    assert (left, 0) == standing(path)
    assert [] == findings(path)


async def test_an_end_without_usage_charges_nothing(tmp_path: Path) -> None:
    """Unknown is not an amount: a run that reported no tokens gives its whole hold back."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("done", tokens=None)) as tr:
        await tr.grant_credits(5)
        run = await tr.run(kit.agent(), {})
    assert run.record.credits_used is None
    assert [("charge", 0), ("release", 5)] == [(one[0], one[3]) for one in entries(path, run)[1:]]
    assert [] == findings(path)


@DURABLE
async def test_g2_64_at_once(tmp_path: Path, durability: Durability) -> None:
    """64 requests of 10 credits on a balance of 100: 10 run, 54 are refused, the balance is 0."""
    path, go = tmp_path / "runs.db", asyncio.Event()
    gate = FunctionPlugin("kit", description="A gate.")

    @gate.action(effect="read")
    async def wait() -> str:
        """Until told."""
        await go.wait()
        return "through"

    replies = (ask("wait", tokens=(4_000, 1_000)), say("done", tokens=(4_000, 1_000)))
    async with kit.opened(path, *replies, plugins=[gate], settings=holding(10), durability=durability) as tr:
        await tr.grant_credits(100)
        tasks = [asyncio.ensure_future(tr.run(kit.agent(), {})) for _ in range(64)]
        done: set[asyncio.Future[Run]] = set()
        while len(done) < 54:
            done, _ = await asyncio.wait(tasks, timeout=20, return_when="FIRST_COMPLETED")
            done = {task for task in tasks if task.done()}
            await asyncio.sleep(0.01)
        assert (0, 100) == standing(path)
        go.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert 54 == sum(isinstance(one, InsufficientCredits) for one in ended)
    assert 10 == sum(isinstance(one, Run) and one.status == "completed" for one in ended)
    _check_burst(path)


CHILD: Final = """
import asyncio, sys
from pathlib import Path
from tests.engines import kit, test_credits
from tests.engines.kit import ask, say
from trackrecord import FunctionPlugin
from trackrecord.errors import InsufficientCredits

gate = FunctionPlugin("kit", description="A gate.")

@gate.action(effect="read")
async def wait() -> str:
    "Until the file is there."
    print("holds", flush=True)
    while not Path(sys.argv[2]).exists():
        await asyncio.sleep(0.02)
    return "through"

async def one(tr):
    try:
        await tr.run(kit.agent(), {})
    except InsufficientCredits:
        print("refused", flush=True)

async def main():
    replies = (ask("wait", tokens=(4_000, 1_000)), say("done", tokens=(4_000, 1_000)))
    settings = test_credits.holding(10)
    async with kit.opened(
        Path(sys.argv[1]), *replies, plugins=[gate], settings=settings, durability=sys.argv[3]
    ) as tr:
        await asyncio.gather(*(one(tr) for _ in range(int(sys.argv[4]))))

asyncio.run(main())
"""


def child(path: Path, go: Path, durability: str, count: int, place: str | None = None) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if place is not None:
        environment[failpoints.VARIABLE] = f"{place}=kill"
    command = [sys.executable, "-c", CHILD, str(path), str(go), durability, str(count)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


async def granted(path: Path, amount: int) -> None:
    async with kit.opened(path, say("unused")) as tr:
        await tr.grant_credits(amount)


async def told(process: subprocess.Popen[str], count: int) -> list[str]:
    """The first lines that a process says."""
    out = process.stdout
    assert out is not None
    return [(await asyncio.to_thread(out.readline)).strip() for _ in range(count)]


async def test_g2_over_four_processes(tmp_path: Path) -> None:
    """The same burst from four processes, two of them lazy: the condition of the one update decides."""
    path, go = tmp_path / "runs.db", tmp_path / "go"
    await granted(path, 100)
    children = [child(path, go, durability, 16) for durability in ("sync", "async") * 2]
    words = [word for said in await asyncio.gather(*(told(one, 16) for one in children)) for word in said]
    assert (10, 54) == (words.count("holds"), words.count("refused"))
    go.touch()
    for one in children:
        one.communicate(timeout=60)
    assert [0] * 4 == [one.returncode for one in children]
    _check_burst(path)


def _check_burst(path: Path) -> None:
    assert (0, 0) == standing(path)
    amounts = [(kind, amount) for kind, _, _, amount in entries(path)]
    assert [("charge", 10)] * 10 == [one for one in amounts if one[0] == "charge"]
    assert 10 == runs.count(path, "agent_executions")
    assert [] == findings(path)


@DURABLE
async def test_a_killed_run_is_settled_by_the_sweep(tmp_path: Path, durability: Durability) -> None:
    """Killed between hold and finish: the next process ends it, charges what was stored and releases the rest."""
    path = tmp_path / "runs.db"
    await granted(path, 30)
    killed = child(path, tmp_path / "never", durability, 1)
    assert ["holds"] == await told(killed, 1)
    await asyncio.sleep(0.3)  # `async` flushes within a tenth of a second
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=10)
    assert (20, 10) == standing(path)
    await _swept(path)
    await _swept(path)  # a second sweep finds nothing to do
    assert (25, 0) == standing(path)
    assert [("hold", 10), ("charge", 5), ("release", 5)] == [(one[0], one[3]) for one in entries(path)[1:]]
    assert [] == findings(path)


async def _swept(path: Path) -> None:
    seen = runs.look(path)
    seen.execute(
        "UPDATE agent_executions SET lease_until = ?, created_at = ? WHERE completed_at IS NULL",
        ("2000-01-01T00:00:00.000000Z",) * 2,
    )
    seen.close()
    async with kit.opened(path, say("done", tokens=CREDIT)) as tr:
        await kit.quiet(tr)


ACCEPT: Final = ("agent_executions", "credit_accounts", "credit_entries", "run_payloads", "audit_events", "precommit")
FINISH: Final = (
    "agent_executions",
    "credit_accounts",
    "credit_entries",
    "run_spans",
    "agent_logs",
    "agent_stats",
    "audit_events",
    "agent_intensity_metrics",
    "precommit",
)


@DURABLE
@pytest.mark.parametrize("place", ACCEPT)
async def test_a_fault_in_accepting_leaves_no_run_and_no_hold(
    tmp_path: Path, place: str, durability: Durability
) -> None:
    """Whichever statement fails, all is as it was before."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("done"), durability=durability) as tr:
        await tr.grant_credits(30)
        before = runs.contents(path)
        with failpoints.armed(f"accept.{place}"), pytest.raises(StoreError):
            await tr.run(kit.agent(), {})
        assert before == runs.contents(path)
        assert "completed" == (await tr.run(kit.agent(), {})).status
    assert [] == findings(path)


@DURABLE
@pytest.mark.parametrize("place", FINISH)
async def test_a_fault_in_finishing_leaves_record_and_ledger_together(
    tmp_path: Path, place: str, durability: Durability
) -> None:
    """Whichever statement fails, the run has not ended and its hold is open; then both end, once."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("done", tokens=CREDIT), durability=durability) as tr:
        await tr.grant_credits(30)
        with failpoints.armed(f"finish.{place}"), pytest.raises(StoreError):
            await tr.run(kit.agent(), {})
        assert ("running", (0, 30), 0) == (_status(path), standing(path), runs.count(path, "agent_logs"))
        assert ["grant", "hold"] == [one[0] for one in entries(path)]
    await _swept(path)
    assert ("completed", 0) == (_status(path), standing(path)[1])
    assert ["grant", "hold", *SETTLED] == [one[0] for one in entries(path)]
    assert [] == findings(path)


def _status(path: Path) -> str:
    with SqliteReader(path) as reader:
        return str(reader.execution("last")["status"])


@pytest.mark.parametrize(
    "place", ["accept.credit_accounts", "accept.credit_entries", "finish.credit_accounts", "finish.credit_entries"]
)
async def test_kill_at_a_statement_of_the_ledger(tmp_path: Path, place: str) -> None:
    """SIGKILL beside a posting leaves the whole transaction or nothing of it."""
    path, go = tmp_path / "runs.db", tmp_path / "go"
    await granted(path, 30)
    go.touch()
    killed = child(path, go, "sync", 1, place)
    killed.communicate(timeout=30)
    assert -signal.SIGKILL == killed.returncode
    is_accepted = place.startswith("finish")
    assert (int(is_accepted), (20, 10) if is_accepted else (30, 0)) == (
        runs.count(path, "agent_executions"),
        standing(path),
    )
    await _swept(path)
    assert 0 == standing(path)[1]
    assert [] == findings(path)


async def test_g10_corrections_add_rows(tmp_path: Path) -> None:
    """A refund, a correction either way: each is a row with its reason; no row is ever edited."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("done", tokens=(2_900, 100))) as tr:
        await tr.grant_credits(10)
        run = await tr.run(kit.agent(), {})
        before = entries(path)
        await tr.adjust_credits(2, "it answered badly", run_id=run.id)
        await tr.adjust_credits(5, "a birthday")
        account = await tr.adjust_credits(-4, "granted by mistake")
        for amount, run_id in ((-11, None), (2, run.id), (0, None), (2, "of nobody")):
            with pytest.raises(BadInput):
                await tr.adjust_credits(amount, "no", run_id=run_id)
        with pytest.raises(BadInput):
            await tr.adjust_credits(1, "no", user_id=runs.USER)
        with pytest.raises(BadInput):
            await tr.adjust_credits(1, " ")
        with pytest.raises(BadInput):
            await tr.grant_credits(-1)
    assert (10, 0, 1, 11) == (account.balance, account.held, account.charged, account.granted)
    assert [
        *before,
        ("adjust", "charged", "balance", 2),
        ("adjust", "outside", "balance", 5),
        ("adjust", "balance", "outside", 4),
    ] == entries(path)
    seen = runs.look(path)
    for statement in ("UPDATE credit_entries SET amount = 0", "DELETE FROM credit_entries"):
        with pytest.raises(driver.IntegrityError, match="append-only"):
            seen.execute(statement)
    with pytest.raises(driver.IntegrityError):
        seen.execute("UPDATE credit_accounts SET balance = -1")
    seen.close()
    assert [] == findings(path)


async def test_first_grants_at_once_open_one_account(tmp_path: Path) -> None:
    """G8: many first grants meet; one row, and nothing of them is lost."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused")) as one, kit.opened(path, say("unused")) as other:
        await asyncio.gather(*(tr.grant_credits(1) for tr in (one, other) for _ in range(20)))
    assert (40, 0) == standing(path)
    assert 1 == runs.count(path, "credit_accounts")


async def test_a_grant_elsewhere_counts_at_once(tmp_path: Path) -> None:
    """A process that knows a user to have no account asks again once another process has granted credits."""
    path = tmp_path / "runs.db"
    for durability in ("sync", "async"):
        user = {"sync": LOCAL_USER, "async": runs.USER}[durability]
        async with (
            kit.opened(path, say("done", tokens=CREDIT), durability=durability) as tr,
            kit.opened(path, say("unused")) as other,
        ):
            await tr.run(kit.agent(), {}, user_id=user)
            await other.grant_credits(4, user_id=user)
            run = await tr.run(kit.agent(), {}, user_id=user)
            assert ["hold", *SETTLED] == [one[0] for one in entries(path, run)]
    assert [] == findings(path)


async def test_rebuild_leaves_the_ledger_alone(tmp_path: Path) -> None:
    """Sums are made anew; what was posted stays as it was."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("done", tokens=CREDIT)) as tr:
        await tr.grant_credits(4)
        await tr.run(kit.agent(), {})
        before = {name: rows for name, rows in runs.contents(path).items() if name.startswith("credit_")}
        seen = runs.look(path)
        seen.execute("DELETE FROM agent_stats")
        seen.close()
        await tr.rebuild()
    assert before == {name: rows for name, rows in runs.contents(path).items() if name.startswith("credit_")}
    assert [] == findings(path)


async def test_tenants_and_users_have_accounts_of_their_own(tmp_path: Path) -> None:
    """One user's credits are no other's: the other is metered and not limited."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, *asking(CREDIT)) as tr:
        await tr.grant_credits(1)
        mine = await tr.run(endless("agentkit"), {})
        theirs = await tr.run(kit.agent(limits={"max_iterations": 3}), {}, user_id=runs.USER)
    assert ("credits", "max_iterations") == tuple(
        one.record.ending.error_code for one in (mine, theirs) if one.record.ending is not None
    )
    seen = runs.look(path)
    assert [(LOCAL_TENANT, LOCAL_USER)] == seen.execute("SELECT tenant_id, user_id FROM credit_accounts").fetchall()
    seen.close()


async def test_parity_charges_copies(tmp_path: Path) -> None:
    """Each engine's run holds and is charged on its own copy; the two agree, and the database keeps its credits."""
    path = tmp_path / "runs.db"
    agent = kit.agent([{"id": "only", "type": "agent"}])
    async with kit.opened(path, say("done", tokens=CREDIT)) as tr:
        await tr.grant_credits(3)
        before = entries(path)
        comparison = await tr.parity(agent, {})
    assert comparison.is_ok(same_work=True)
    assert (before, (3, 0)) == (entries(path), standing(path))
