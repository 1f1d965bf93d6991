"""`parity AGENT`: every engine runs the same agent alone, on its own copy of the database, at the same moment.

No run recalls another, and the database itself is not written. Must never name an engine, a model or a store: whoever
calls hands in how a run is carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from trackrecord import clock
from trackrecord.errors import BadInput
from trackrecord.parity.compare import compare
from trackrecord.parity.comparison import Comparison
from trackrecord.parity.footprint import Footprint, Standing, footprint, standing
from trackrecord.record.intensity import DEFAULTS, IntensitySettings
from trackrecord.store.reader import SqliteReader

CarryOut = Callable[[Path, str, str], Awaitable[str]]
"""Runs the agent in the database file, by the engine named, with that stamp as its present; gives the run's id."""


async def run_apart(
    engines: Sequence[str],
    carry_out: CarryOut,
    *,
    source: Path,
    agent_id: str,
    user_id: str,
    settings: IntensitySettings = DEFAULTS,
) -> tuple[Comparison, ...]:
    """The first engine's run compared with each other engine's, in the order given.

    Args:
        engines: names, two or more.
        carry_out: runs the agent once.
        source: the database to copy; an empty one is taken when there is none.
        agent_id: whose sums are looked at, before and after.
        user_id: the same.
        settings: ranges and weights of the scores.

    Raises:
        BadInput: fewer than two engines, or one of them twice.
        RequestError, Refused: a run was refused; nothing was compared.
    """
    if len(engines) < 2 or len(set(engines)) < len(engines):
        raise BadInput(
            f"parity between {', '.join(engines) or 'nothing'} compares nothing",
            cure="Name at least two different engines, like --engines agentkit,orchestrator.",
        )
    now = clock.stamp(clock.now())
    left: list[Footprint] = []
    with TemporaryDirectory(prefix="trackrecord-parity-") as folder:
        for engine in engines:
            path = Path(folder) / f"{engine}.db"
            left.append(await _alone(engine, carry_out, path, source, (agent_id, user_id), now))
    return tuple(compare(left[0], other, settings=settings) for other in left[1:])


async def _alone(
    engine: str, carry_out: CarryOut, path: Path, source: Path, whose: tuple[str, str], now: str
) -> Footprint:
    # copying a large database takes a while, and other runs of this loop must not wait for it
    before = await asyncio.to_thread(_copied, source, path, *whose)
    run_id = await carry_out(path, engine, now)
    with SqliteReader(path) as reader:
        return footprint(reader, run_id, before=before)


def _copied(source: Path, path: Path, agent_id: str, user_id: str) -> Standing:
    """Copy the database, if there is one, and say how the sums stand in it."""
    if not source.exists():
        return Standing()
    with SqliteReader(source) as reader:
        reader.copy_to(path)
    with SqliteReader(path) as reader:
        return standing(reader, agent_id, user_id)


def compare_runs(reader: SqliteReader, run_a: str, run_b: str, *, settings: IntensitySettings = DEFAULTS) -> Comparison:
    """Two runs of one database compared; what each added to the sums is recomputed from its spans and labelled so.

    Args:
        reader: of the database.
        run_a: id, beginning of an id, or `last`.
        run_b: the same.
        settings: ranges and weights of the scores.

    Raises:
        UnknownRun: there is none, or the beginning fits more than one.
        BadInput: one of them has not ended. StoreUnusable: a row holds what no run would have written.
    """
    return compare(footprint(reader, run_a), footprint(reader, run_b), settings=settings)
