"""A process of its own for the crash tests: `python -m tests.store.child <walk|many|open|answer> <path> <argument>`."""

from __future__ import annotations

import asyncio
import sys

from tests.store import runs

from trackrecord.errors import Conflict, StoreError
from trackrecord.store.sqlite_store import SqliteStore


async def walk(path: str, run_id: str) -> None:
    """One run from accept to finish, each awaited."""
    store = SqliteStore.open(path)
    run = runs.origin(run_id=run_id)
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    journal = store.journal(begun, "sync")
    done = runs.spans(2)
    for span in done:
        journal.append(span, runs.checkpoint(span))
    await journal.commit()
    await store.finish(runs.finished(run, begun, done))
    await store.close()


async def many(path: str, count: str) -> None:
    """Many runs at once, beside other processes that do the same."""
    store = SqliteStore.open(path, synchronous="NORMAL")

    async def one() -> None:
        run = runs.origin()
        accepting = store.accept(runs.accepted(run))
        begun = await store.begin(run.tenant_id, run.run_id)
        await accepting
        journal = store.journal(begun, "sync")
        done = runs.spans(1)
        for span in done:
            journal.append(span, runs.checkpoint(span))
            await journal.commit()
        assert await store.finish(runs.finished(run, begun, done))

    for _ in range(int(count) // 4):
        await asyncio.gather(*(one() for _ in range(4)))
    await store.close()


async def faulty(path: str, count: str) -> None:
    """Accept until the disk fails, then show that nothing more is taken."""
    store = SqliteStore.open(path)
    for number in range(int(count)):
        try:
            await store.accept(runs.accepted(runs.origin()))
        except StoreError as error:
            print("failed", number, error.code)
            break
    try:
        await store.accept(runs.accepted(runs.origin()))
    except StoreError as error:
        print("stopped", error.code)


async def open_only(path: str, _: str) -> None:
    """Make or migrate the database."""
    await SqliteStore.open(path).close()


async def answer(path: str, what: str) -> None:
    """Ask, decide or settle, as `ask:RUN`, `decide:RUN:NAME` or `settle:RUN`; says how it went."""
    verb, run_id, *rest = what.split(":")
    store = SqliteStore.open(path)
    place = (runs.TENANT, run_id)
    try:
        if verb == "ask":
            await store.approvals.ask(runs.asked(run_id, expires_at=None))
        elif verb == "decide":
            await store.approvals.decide(*place, None, rest[0], "approved", None)
        else:
            await store.approvals.settle(*place, "s:send/tool", "done", {"sent": 1}, "anna")
    except Conflict as error:
        print("conflict", error.message)
    else:
        print("won")
    await store.close()


if __name__ == "__main__":
    what = {"walk": walk, "many": many, "faulty": faulty, "open": open_only, "answer": answer}[sys.argv[1]]
    asyncio.run(what(sys.argv[2], sys.argv[3]))
